use flaxen::prelude::*;

#[module]
struct Mlp;

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Dense::new(3).call(x)
    }
}

fn main() -> Result<()> {
    let model = Mlp::new();
    let variables = model.init(key(0)).call(&Tensor::ones([1, 2]))?;
    let bound = model.bind(&variables).module()?;
    let _ = bound.Dense_0;
    Ok(())
}
