use flaxen::prelude::*;

fn main() -> Result<()> {
    let model = Dense::new(3);
    let x = Tensor::ones([1, 2]);
    let variables = model.init(key(0)).call(&x)?;
    let (y, updates) = model.apply(&variables).call(&x)?;
    Ok(())
}
