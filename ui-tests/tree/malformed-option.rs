use flaxen::prelude::*;

#[derive(Tree)]
#[tree(crate = "flaxen")]
struct Adam {
    count: Tensor,
    #[tree(static, static)]
    twice: f32,
    #[tree(static = true)]
    valued: f32,
    #[tree]
    empty: f32,
}

fn main() {}
