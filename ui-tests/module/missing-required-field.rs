use flaxen::prelude::*;

#[module]
struct Mlp {
    hidden: usize,
    out: usize,
}

fn main() {
    let _ = Mlp::new(3);
}
