use flaxen::prelude::*;

fn main() -> Result<()> {
    let model = Dense::new(3);
    let _ = model.init(0).call(&Tensor::ones([1, 2]))?;
    Ok(())
}
