use flaxen::prelude::*;

#[module]
struct Mlp;

#[module]
impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }
}

fn main() {}
