use flaxen::prelude::*;

#[module]
struct Mlp;

impl Mlp {
    #[compact]
    fn call(self, x: &Tensor) -> Result<Tensor> {
        Dense::new(3).call(x)
    }
}

fn main() {}
