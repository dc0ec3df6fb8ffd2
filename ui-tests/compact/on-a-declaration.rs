use flaxen::prelude::*;

trait Encoder: Module {
    #[compact]
    fn encode(&self, x: &Tensor) -> Result<Tensor>;
}

fn main() {}
