use flaxen::prelude::*;

#[module]
struct Mlp {
    #[setup(self.param("bias", init::zeros(), [3]) * 2.0)]
    bias: Tensor,
}

fn main() {}
