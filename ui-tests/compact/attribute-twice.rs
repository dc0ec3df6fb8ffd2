use flaxen::prelude::*;

#[module]
struct Mlp;

impl Mlp {
    #[compact]
    #[compact(name_scope)]
    fn encode(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.relu())
    }
}

fn main() {}
