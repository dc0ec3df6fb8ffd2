use flaxen::prelude::*;

#[module]
struct Mlp;

impl Mlp {
    #[compact]
    fn call(&self, x: &Tensor) {
        Dense::new(3).call(x);
    }
}

fn main() {}
