use flaxen::prelude::*;

use std::rc::Rc;

#[module]
struct Mlp {
    shared: Rc<usize>,
}

fn main() {}
