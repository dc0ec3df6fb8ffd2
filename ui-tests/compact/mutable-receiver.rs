use flaxen::prelude::*;

#[module]
struct Mlp {
    calls: usize,
}

impl Mlp {
    #[compact]
    fn call(&mut self, x: &Tensor) -> Result<Tensor> {
        self.calls += 1;
        Dense::new(3).call(x)
    }
}

fn main() {}
