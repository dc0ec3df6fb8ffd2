use flaxen::prelude::*;

#[module]
struct Mlp;

impl Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Tensor {
        x.relu()
    }

    #[compact]
    fn shape(&self) -> DType {
        DType::F32
    }
}

fn main() {}
