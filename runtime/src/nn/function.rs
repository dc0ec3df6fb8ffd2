//! Functions that layers are configured with: named, and comparable as far as functions are.

use std::any::{TypeId, type_name};
use std::fmt;
use std::sync::Arc;

use crate::core::Tensor;
use crate::core::op::DotDimensions;
use crate::error::Result;
use crate::ops::conv::ConvOptions;
use crate::scope::IntoValue;

/// Which function it is, as far as its type says so.
#[derive(Clone, Copy)]
struct Identity {
    name: &'static str,
    /// The type, if it has one value only, as that of `Tensor::tanh` has and that of a closure without captures.
    only_value_of: Option<TypeId>,
}

impl Identity {
    fn of<F: 'static>() -> Identity {
        Identity { name: type_name::<F>(), only_value_of: (size_of::<F>() == 0).then(TypeId::of::<F>) }
    }

    fn is(self, other: Identity) -> bool {
        self.only_value_of.is_some() && self.only_value_of == other.only_value_of
    }

    /// `flaxen::numpy::activation::<impl flaxen::core::tensor::Tensor>::relu` is `relu` to whoever wrote it.
    fn short(self) -> &'static str {
        let last = self.name.rsplit("::").next().unwrap_or(self.name);
        if last.contains("closure") { "<closure>" } else { last }
    }
}

/// Makes a type of functions of some tensors, which make one tensor of the same shape or another.
macro_rules! function {
    ($(#[$doc:meta])* $name:ident($($argument:ident $(: $type:ty)?),*)) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            identity: Identity,
            function: Arc<dyn Fn($(function!(@type $($type)?)),*) -> Result<Tensor> + Send + Sync>,
        }

        impl $name {
            /// A function that returns a tensor, or a `Result` of one.
            pub fn new<F, R>(function: F) -> $name
            where
                F: Fn($(function!(@type $($type)?)),*) -> R + Send + Sync + 'static,
                R: IntoValue<Value = Tensor>,
            {
                $name {
                    identity: Identity::of::<F>(),
                    function: Arc::new(move |$($argument),*| function($($argument),*).into_value()),
                }
            }

            /// What the function returns.
            ///
            /// # Errors
            /// Those of the function.
            pub fn call(&self, $($argument: function!(@type $($type)?)),*) -> Result<Tensor> {
                (self.function)($($argument),*)
            }
        }

        impl<F> From<F> for $name
        where
            F: Fn($(function!(@type $($type)?)),*) -> Tensor + Send + Sync + 'static,
        {
            fn from(function: F) -> $name {
                $name::new(function)
            }
        }

        /// A function of a name is equal to itself, a closure that captures something to its clones.
        impl PartialEq for $name {
            fn eq(&self, other: &$name) -> bool {
                self.identity.is(other.identity) || Arc::ptr_eq(&self.function, &other.function)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.identity.short())
            }
        }
    };
    (@type) => { &Tensor };
    (@type $type:ty) => { $type };
}

function! {
    /// An element-wise function that a layer applies, such as the gates of a cell: `.gate_fn(Tensor::hard_sigmoid)`.
    ///
    /// Any function of a tensor becomes one; [`new`](ActivationFn::new) takes those that return a `Result`, too.
    ///
    /// ```
    /// use flaxen::nn::{ActivationFn, GruCell};
    /// use flaxen::prelude::*;
    ///
    /// let cell = GruCell::new(4).gate_fn(Tensor::hard_sigmoid).activation_fn(|x: &Tensor| x.tanh() * 0.5);
    /// assert_eq!(cell.gate_fn, ActivationFn::new(Tensor::hard_sigmoid));
    /// ```
    ActivationFn(x)
}

function! {
    /// What makes one output of those of both directions, as [`Bidirectional`](crate::nn::Bidirectional) does.
    ///
    /// Any function of two tensors becomes one; [`new`](MergeFn::new) takes those that return a `Result`, too.
    ///
    /// ```
    /// use flaxen::nn::{Bidirectional, GruCell, Rnn};
    /// use flaxen::prelude::*;
    ///
    /// let rnn = Bidirectional::new(Rnn::new(GruCell::new(4)), Rnn::new(GruCell::new(4)));
    /// let rnn = rnn.merge_fn(|forward: &Tensor, backward: &Tensor| forward + backward);
    /// let y = rnn.init_with_output(key(0)).call(&Tensor::ones([2, 5, 3]))?.0;
    /// assert_eq!(y.shape(), [2, 5, 4]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    MergeFn(forward, backward)
}

function! {
    /// A product that a layer computes in place of [`Tensor::try_dot_general`](crate::Tensor::try_dot_general), as Linen's
    /// `dot_general`: of the input, the kernel, and the axes that are summed over.
    ///
    /// ```
    /// use flaxen::nn::DotGeneralFn;
    /// use flaxen::prelude::*;
    /// use flaxen::DotDimensions;
    ///
    /// // As if both were rounded to 8 bits of mantissa.
    /// let rounded = DotGeneralFn::new(|x: &Tensor, w: &Tensor, dimensions: &DotDimensions| {
    ///     let narrow = |x: &Tensor| x.try_cast(DType::BF16)?.try_cast(DType::F32);
    ///     narrow(x)?.try_dot_general(&narrow(w)?, dimensions.clone())
    /// });
    /// let y = Dense::new(4).dot_general(rounded).init_with_output(key(0)).call(&Tensor::ones([2, 3]))?.0;
    /// assert_eq!(y.shape(), [2, 4]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    DotGeneralFn(lhs, rhs, dimensions: &DotDimensions)
}

function! {
    /// A convolution that a layer computes in place of [`Tensor::try_conv_general`](crate::Tensor::try_conv_general), as Linen's
    /// `conv_general_dilated`: of the input, the kernel, and the steps, paddings and groups.
    ConvGeneralFn(lhs, rhs, options: &ConvOptions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_equal_as_far_as_types_tell() {
        let tanh = ActivationFn::new(Tensor::tanh);
        assert_eq!(tanh, ActivationFn::from(Tensor::tanh));
        assert_ne!(tanh, ActivationFn::from(Tensor::relu));
        let scale = 2.0;
        let scaled = ActivationFn::from(move |x: &Tensor| x * scale);
        assert_eq!(scaled, scaled.clone());
        assert_ne!(scaled, ActivationFn::from(move |x: &Tensor| x * scale));
    }

    #[test]
    fn functions_print_their_names() {
        assert_eq!(format!("{:?}", ActivationFn::new(Tensor::tanh)), "tanh");
        assert_eq!(format!("{:?}", ActivationFn::from(|x: &Tensor| x + 1.0)), "<closure>");
    }
}
