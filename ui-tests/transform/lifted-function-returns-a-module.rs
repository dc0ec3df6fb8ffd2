use flaxen::lift;
use flaxen::prelude::*;

#[module]
struct Model;

impl Layer for Model {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let layer = lift::remat(self, |_, _: &Tensor| Ok(Dense::new(4))).call(x)?;
        layer.call(x)
    }
}

fn main() {
    let _ = Model::new();
}
