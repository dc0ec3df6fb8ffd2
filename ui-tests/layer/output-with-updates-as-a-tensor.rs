use flaxen::prelude::*;

fn main() -> Result<()> {
    let model = Dense::new(3);
    let x = Tensor::ones([1, 2]);
    let variables = model.init(key(0)).call(&x)?;
    let y = model.apply(&variables).mutable("batch_stats").call(&x)?;
    let loss = (y - 1.0).square().mean();
    Ok(())
}
