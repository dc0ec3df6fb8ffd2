use flaxen::prelude::*;

#[module]
struct Mlp;

impl Mlp {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        Dense::new(3).call(x)
    }
}

fn main() -> Result<()> {
    let x = Tensor::ones([1, 2]);
    let variables = Mlp::new().init(key(0)).call(&x, true)?;
    Ok(())
}
