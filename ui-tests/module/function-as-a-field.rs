use flaxen::prelude::*;

#[module]
struct Mlp {
    activation: Box<dyn Fn(&Tensor) -> Tensor + Send + Sync>,
}

fn main() {}
