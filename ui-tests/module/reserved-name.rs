use flaxen::prelude::*;

#[module]
struct Mlp {
    name: String,
    #[module(default = 3)]
    param: usize,
    __slot: usize,
}

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.param("bias", init::zeros(), [self.__slot])
    }
}

fn main() {}
