use flaxen::prelude::*;

#[module]
struct Mlp;

#[compact]
impl Layer for Mlp {
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.relu())
    }
}

fn main() {}
