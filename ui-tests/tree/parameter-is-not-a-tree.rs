use flaxen::prelude::*;

#[derive(Tree)]
struct Pair<T> {
    first: T,
    second: T,
}

fn main() {
    let _ = jit(|pair: Pair<String>| Ok(pair));
}
