use flaxen::prelude::*;

#[module]
struct Mlp;

impl Layer for Mlp {}

fn main() {}
