use flaxen::prelude::*;

#[module(name = "encoder/Mlp")]
struct Mlp;

fn main() {}
