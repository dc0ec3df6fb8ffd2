use flaxen::prelude::*;

#[module]
fn mlp(x: &Tensor) -> Result<Tensor> {
    Ok(x.clone())
}

fn main() {}
