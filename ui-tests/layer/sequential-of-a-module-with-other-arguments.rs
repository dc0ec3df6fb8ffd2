use flaxen::prelude::*;
use flaxen_ui_tests::{Dense, Norm};

fn main() {
    let _ = sequential![Dense::new(3), Norm::new()];
}
