use flaxen::prelude::*;

struct Affine;

impl Affine {
    fn new() -> Affine {
        Affine
    }

    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x * 2.0)
    }
}

#[module]
struct Mlp;

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Affine::new().call(x)
    }
}

fn main() {}
