use flaxen::prelude::*;

#[module]
struct Residual<L> {
    #[submodule]
    inner: L,
}

fn main() {
    let model = Residual::new(3);
    let _ = model.name();
}
