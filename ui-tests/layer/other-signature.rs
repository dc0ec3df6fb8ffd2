use flaxen::prelude::*;

#[module]
struct Mlp;

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        Ok(x.relu())
    }
}

fn main() {}
