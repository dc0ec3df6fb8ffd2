//! Fields have defaults, and what sets them converts.

use flaxen::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Kernel([usize; 2]);

impl From<usize> for Kernel {
    fn from(size: usize) -> Kernel {
        Kernel([size; 2])
    }
}

#[module(name = "Conv")]
struct Convolution {
    features: usize,
    #[module(into)]
    kernel: Kernel,
    label: String,
    #[module(default = Self::STRIDES, into)]
    strides: Kernel,
    #[module(default = "relu")]
    activation: String,
    #[module(default)]
    axis_name: Option<String>,
    #[module(default = Some(1e-5))]
    epsilon: Option<f32>,
    #[module(default = init::lecun_normal())]
    kernel_init: Initializer,
    #[module(default)]
    use_bias: bool,
}

impl Convolution {
    const STRIDES: Kernel = Kernel([1, 1]);
}

#[test]
fn setters_convert_and_fields_have_defaults() {
    let conv = Convolution::new(32, 3, "first")
        .strides(Kernel([2, 1]))
        .strides(2)
        .activation(String::from("gelu"))
        .axis_name("batch")
        .axis_name(None)
        .epsilon(1e-3)
        .epsilon(None)
        .epsilon(Some(0.1))
        .kernel_init(init::zeros())
        .use_bias(true);
    assert_eq!(conv.kernel, Kernel([3, 3]));
    assert_eq!(conv.features, 32);
    assert_eq!(Convolution::NAME, "Conv");
    assert!(format!("{conv:?}").starts_with("Conv { features: 32, kernel: Kernel([3, 3]), label: \"first\""));
}
