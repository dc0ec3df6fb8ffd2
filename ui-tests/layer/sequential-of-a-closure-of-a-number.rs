use flaxen::prelude::*;

fn main() {
    let _ = sequential![Dense::new(3), |x: f32| x * 2.0];
}
