use flaxen::prelude::*;

#[module]
struct Mlp;

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = BatchNorm::new().call(x)?;
        Ok(x.relu())
    }
}

fn main() {}
