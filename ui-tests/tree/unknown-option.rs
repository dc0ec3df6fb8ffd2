use flaxen::prelude::*;

#[derive(Tree)]
#[tree(rename = "adam")]
struct Adam {
    count: Tensor,
    #[tree(skip)]
    beta: f32,
}

fn main() {}
