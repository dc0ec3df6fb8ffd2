use flaxen::prelude::*;

#[module]
enum Either {
    Left(Dense),
    Right,
}

// No second error where the type is used as a module.
impl Layer for Either {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }
}

fn main() {}
