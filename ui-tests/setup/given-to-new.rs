use flaxen::prelude::*;

#[module]
struct Mlp {
    hidden: usize,
    #[setup(Dense::new(self.hidden))]
    dense: Dense,
}

fn main() {
    let _ = Mlp::new(3, Dense::new(3));
    let _ = Mlp::new(3).dense(Dense::new(3));
}
