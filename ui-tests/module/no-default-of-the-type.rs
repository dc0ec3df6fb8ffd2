use flaxen::prelude::*;

#[derive(Clone, Debug, PartialEq)]
enum Padding {
    Same,
}

#[module]
struct Mlp {
    #[module(default)]
    padding: Padding,
}

fn main() {}
