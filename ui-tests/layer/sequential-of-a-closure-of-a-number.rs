use flaxen::prelude::*;
use flaxen_ui_tests::Dense;

fn main() {
    let _ = sequential![Dense::new(3), |x: f32| x * 2.0];
}
