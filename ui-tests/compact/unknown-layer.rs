use flaxen::prelude::*;

#[module]
struct Mlp;

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Dens::new(3).call(x)
    }
}

fn main() {}
