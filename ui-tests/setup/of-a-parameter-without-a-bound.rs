use flaxen::prelude::*;

#[module]
struct Twice<L> {
    #[submodule]
    first: L,
    #[setup(self.first.clone())]
    second: L,
}

fn make<L>(first: L) -> Twice<L> {
    Twice::new(first)
}

fn main() {}
