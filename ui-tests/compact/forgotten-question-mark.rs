use flaxen::prelude::*;

#[module]
struct Mlp;

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Dense::new(3).call(x).relu();
        let x = Dense::new(3).call(&x);
        Dense::new(3).call(&x)
    }
}

fn main() {}
