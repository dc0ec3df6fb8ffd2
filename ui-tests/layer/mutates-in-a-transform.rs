use flaxen::prelude::*;
use flaxen_ui_tests::Dense;

fn main() -> Result<()> {
    let model = Dense::new(3);
    let x = Tensor::ones([1, 2]);
    let variables = model.init(key(0)).call(&x)?;
    let step = jit(|params: Variables| {
        let (y, updates) = model.apply(&params).mutable("batch_stats").call(&x)?;
        Ok(y)
    });
    let _ = step.call(&variables);
    Ok(())
}
