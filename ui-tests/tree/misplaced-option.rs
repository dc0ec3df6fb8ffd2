use flaxen::prelude::*;

#[derive(Tree)]
#[tree(static)]
struct Adam {
    count: Tensor,
    #[tree(crate = flaxen)]
    beta: Tensor,
}

fn main() {}
