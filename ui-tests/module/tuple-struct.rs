use flaxen::prelude::*;

#[module]
struct Mlp(usize);

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Dense::new(self.0).call(x)
    }
}

fn main() {}
