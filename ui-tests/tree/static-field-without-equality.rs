use flaxen::prelude::*;

#[derive(Clone, Debug)]
struct Config(f32);

#[derive(Tree)]
struct Scaled {
    value: Tensor,
    #[tree(static)]
    config: Config,
}

fn main() {}
