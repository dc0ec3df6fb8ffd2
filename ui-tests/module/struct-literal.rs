use flaxen::prelude::*;

#[module]
struct Mlp {
    hidden: usize,
}

fn main() {
    let _ = Mlp { hidden: 3 };
}
