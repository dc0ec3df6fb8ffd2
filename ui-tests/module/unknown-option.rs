use flaxen::prelude::*;

#[module(rename = "Dense")]
struct Mlp {
    #[module(defualt = 3)]
    hidden: usize,
    #[module(skip)]
    out: usize,
}

fn main() {}
