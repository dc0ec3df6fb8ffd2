use flaxen::prelude::*;

struct Plain;

#[module]
struct Mlp;

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let plain = self.child(Plain);
        let closure = self.child_named("act", |x: &Tensor| x.relu());
        Ok(x.clone())
    }
}

fn main() {}
