use flaxen::prelude::*;

#[module]
struct Mlp {
    hidden: usize,
    #[setup(self.hidden * 2)]
    double: usize,
}

fn main() {}
