use flaxen::prelude::*;

#[module]
struct Mlp;

impl Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Tensor {
        x.relu()
    }
}

fn main() {}
