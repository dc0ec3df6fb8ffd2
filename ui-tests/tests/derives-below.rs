//! Derives may stand below the attribute.

use flaxen::prelude::*;

#[module]
#[derive(Default)]
struct Mlp {
    hidden: usize,
    #[module(default)]
    out: usize,
    #[setup(Dense::new(self.hidden))]
    dense: Dense,
}

#[test]
fn derives_may_stand_below() {
    assert_eq!(Mlp::default(), Mlp::new(0));
    assert_eq!(Mlp::new(0).out(0).dense.features, 0);
}
