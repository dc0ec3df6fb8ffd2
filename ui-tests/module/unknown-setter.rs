use flaxen::prelude::*;

#[module]
struct Mlp {
    hidden: usize,
    #[module(default = 0.1)]
    rate: f32,
}

fn main() {
    let _ = Mlp::new(3).ratio(0.2);
    let _ = Dense::new(3).use_bais(false);
}
