use flaxen::prelude::*;
use flaxen_ui_tests::Dense;

#[derive(Clone, Debug, PartialEq)]
struct Plain;

fn main() {
    let _ = sequential![Dense::new(3), Plain];
}
