use flaxen::prelude::*;

fn main() -> Result<()> {
    let model = Dense::new(3);
    let x = Tensor::ones([1, 2]);
    let _ = model.apply(&x).call(&x)?;
    Ok(())
}
