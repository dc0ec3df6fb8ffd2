use flaxen::prelude::*;

fn main() {
    let _ = sequential![Dense::new(3), |x| x * 2.0];
}
