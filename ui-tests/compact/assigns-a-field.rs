use flaxen::prelude::*;

#[module]
struct Mlp {
    calls: usize,
}

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.calls += 1;
        Ok(x.relu())
    }
}

fn main() {}
