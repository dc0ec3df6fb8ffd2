use flaxen::prelude::*;

struct Mlp;

impl Layer for Mlp {
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.relu())
    }
}

fn main() {}
