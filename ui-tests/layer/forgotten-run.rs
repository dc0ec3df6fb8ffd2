use flaxen::prelude::*;

fn main() -> Result<()> {
    let x = Tensor::ones([1, 2]);
    let variables: Variables = Dense::new(3).init(key(0))?;
    Ok(())
}
