//! Activations as functions, for those who write `relu(&x)`; each is the method of its name.

use crate::core::Tensor;
use crate::ops::axes::Int;

macro_rules! functions {
    ($($method:ident($($parameter:ident: $type:ty),*);)*) => {
        $(
            #[doc = concat!("[`Tensor::", stringify!($method), "`] as a function.")]
            ///
            /// # Panics
            /// As the method.
            #[track_caller]
            pub fn $method(x: &Tensor $(, $parameter: $type)*) -> Tensor {
                x.$method($($parameter),*)
            }
        )*
    };
}

functions! {
    celu(alpha: f64);
    elu(alpha: f64);
    gelu();
    gelu_exact();
    glu(axis: impl Int);
    hard_sigmoid();
    hard_silu();
    hard_swish();
    hard_tanh();
    leaky_relu(slope: f64);
    log_sigmoid();
    log_softmax(axis: impl Int);
    mish();
    one_hot(size: usize);
    relu();
    relu6();
    selu();
    sigmoid();
    silu();
    soft_sign();
    softmax(axis: impl Int);
    softplus();
    sparse_plus();
    sparse_sigmoid();
    squareplus(b: f64);
    standardize(axis: impl Int, epsilon: f64);
    swish();
    tanh();
}
