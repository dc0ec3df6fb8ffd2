use flaxen::prelude::*;

#[module]
struct Mlp;

impl Mlp {
    #[compact(nowrap)]
    fn encode(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.relu())
    }

    #[compact(name_scope = "encode")]
    fn decode(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.relu())
    }
}

fn main() {}
