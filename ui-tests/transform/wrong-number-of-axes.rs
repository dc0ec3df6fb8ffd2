use flaxen::prelude::*;

fn main() {
    let _ = vmap(|(x, y): (Tensor, Tensor)| Ok(x * y)).in_axes((0, None, 0));
}
