use flaxen::prelude::*;
use flaxen_ui_tests::Norm;

#[module]
struct Mlp;

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Norm::new().call(x)?;
        Ok(x.relu())
    }
}

fn main() {}
