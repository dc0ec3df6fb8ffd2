use flaxen::prelude::*;

#[module]
union Bits {
    a: u32,
    b: f32,
}

fn main() {}
