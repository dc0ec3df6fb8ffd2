use flaxen::prelude::*;

#[module]
struct Scaled<'a> {
    scale: &'a Tensor,
}

fn main() {}
