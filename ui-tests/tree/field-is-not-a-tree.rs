use flaxen::prelude::*;

#[derive(Tree)]
struct Named {
    value: Tensor,
    name: String,
}

fn main() {}
