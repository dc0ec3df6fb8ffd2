use flaxen::prelude::*;

#[module]
struct Mlp {
    #[module(default = 0.1)]
    rate: f32,
    #[module(default)]
    axis: Option<usize>,
    #[module(default)]
    label: String,
}

fn main() {
    let _ = Mlp::new().rate("high");
    let _ = Mlp::new().axis("batch");
    let _ = Mlp::new().label(3);
}
