use flaxen::prelude::*;

#[module]
struct Mlp {
    hidden: usize,
}

fn main() {
    let _ = Mlp::new(3).hidden(4);
}
