use flaxen::prelude::*;
use flaxen_ui_tests::Dense;

#[module]
struct Mlp;

impl Mlp {
    #[compact]
    fn call(x: &Tensor) -> Result<Tensor> {
        Dense::new(3).call(x)
    }
}

fn main() {}
