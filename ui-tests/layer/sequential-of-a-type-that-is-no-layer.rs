use flaxen::prelude::*;

#[derive(Clone, Debug, PartialEq)]
struct Plain;

fn main() {
    let _ = sequential![Dense::new(3), Plain];
}
