use flaxen::prelude::*;

#[derive(Tree)]
struct View<'a> {
    value: Tensor,
    #[tree(static)]
    name: &'a str,
}

fn main() {}
