use flaxen::prelude::*;

#[module]
struct Mlp;

impl Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> std::result::Result<Tensor, String> {
        Ok(x.relu())
    }
}

fn main() {}
