use flaxen::prelude::*;

fn main() {
    let _ = jit(|x: Tensor, y: Tensor| Ok(x * y));
}
