use flaxen::prelude::*;

#[module]
struct Mlp {
    hidden: usize,
    #[setup(Dense::new(self.hidden))]
    norm: BatchNorm,
    #[setup(Dense::new(self.hidden))]
    all: Vec<Dense>,
}

fn main() {}
