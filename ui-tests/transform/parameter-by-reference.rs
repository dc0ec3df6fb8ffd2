use flaxen::prelude::*;

fn main() {
    let _ = jit(|x: &Tensor| Ok(x * 2.0));
}
