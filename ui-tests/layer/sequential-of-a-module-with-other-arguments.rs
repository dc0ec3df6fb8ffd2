use flaxen::prelude::*;

#[module]
struct Attention;

impl Attention {
    #[compact]
    fn call(&self, query: &Tensor, key: &Tensor) -> Result<Tensor> {
        Ok(query + key)
    }
}

fn main() {
    let _ = sequential![Dense::new(3), Attention::new()];
}
