use flaxen::prelude::*;

fn main() {
    let w = Tensor::from(1.0f32);
    let _ = grad(|x: &Tensor| Ok(w + x));
}
