use flaxen::prelude::*;

#[module]
struct Residual<L> {
    #[submodule]
    inner: L,
}

impl<L> Layer for Residual<L> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }
}

fn main() {}
