use flaxen::prelude::*;

fn main() {
    let _ = sequential![Dense::new(3), |x: &Tensor, y: &Tensor| x + y];
}
