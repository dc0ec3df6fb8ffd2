use flaxen::prelude::*;

#[module(name = "A", name = "B")]
struct Mlp {
    #[module(default = 3, default = 4)]
    hidden: usize,
    #[module(into)]
    #[module(into)]
    out: u64,
    #[submodule]
    #[submodule]
    dense: Dense,
}

fn main() {}
