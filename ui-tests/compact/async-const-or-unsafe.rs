use flaxen::prelude::*;

#[module]
struct Mlp;

impl Mlp {
    #[compact]
    async fn encode(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.relu())
    }

    #[compact]
    const fn decode(&self, x: u8) -> Result<u8> {
        Ok(x)
    }

    #[compact]
    unsafe fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.relu())
    }
}

fn main() {}
