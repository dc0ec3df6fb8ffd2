use flaxen::prelude::*;

#[derive(Tree)]
enum State {
    Empty,
    Full(Tensor),
}

fn main() {
    // No second error where the type is used as a tree.
    let _ = jit(|state: State| Ok(state));
}
