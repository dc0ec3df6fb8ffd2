use flaxen::prelude::*;

#[module]
trait Encoder {}

fn main() {}
