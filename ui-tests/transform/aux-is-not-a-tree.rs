use flaxen::prelude::*;

fn main() {
    let _ = grad(|x: &Tensor| Ok((x * x, String::from("label"))));
}
