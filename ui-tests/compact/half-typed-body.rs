use flaxen::prelude::*;

#[module]
struct Mlp {
    hidden: usize,
}

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.child(Dense::new(self.hidden)).
    }
}

fn main() {}
