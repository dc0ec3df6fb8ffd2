use flaxen::prelude::*;

#[module]
struct Wrapper<M: Module> {
    #[submodule]
    inner: M,
}

impl<M: Module> Layer for Wrapper<M> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.inner.call(x)
    }
}

fn main() {}
