use flaxen::prelude::*;

#[module]
struct Mlp {
    hidden: usize,
    #[setup(Dense::new(self.hiden))]
    dense: Dense,
}

fn main() {}
