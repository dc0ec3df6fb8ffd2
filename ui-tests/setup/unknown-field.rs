use flaxen::prelude::*;
use flaxen_ui_tests::Dense;

#[module]
struct Mlp {
    hidden: usize,
    #[setup(Dense::new(self.hiden))]
    dense: Dense,
}

fn main() {}
