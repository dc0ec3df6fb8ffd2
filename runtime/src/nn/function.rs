//! Functions that layers are configured with: named, and comparable as far as functions are.

use std::any::{TypeId, type_name};
use std::fmt;
use std::sync::Arc;

use crate::array::DType;
use crate::core::Tensor;
use crate::core::op::DotDimensions;
use crate::error::Result;
use crate::ops::conv::ConvOptions;
use crate::ops::dot_general::DotOptions;
use crate::scope::IntoValue;

/// Which function it is, as far as its type says so.
#[derive(Clone, Copy)]
pub(super) struct Identity {
    name: &'static str,
    /// The type, if it has one value only, as that of `Tensor::tanh` has and that of a closure without captures.
    only_value_of: Option<TypeId>,
}

impl Identity {
    pub fn of<F: 'static>() -> Identity {
        Identity { name: type_name::<F>(), only_value_of: (size_of::<F>() == 0).then(TypeId::of::<F>) }
    }

    pub fn is(self, other: Identity) -> bool {
        self.only_value_of.is_some() && self.only_value_of == other.only_value_of
    }

    /// `flaxen::numpy::activation::<impl flaxen::core::tensor::Tensor>::relu` is `relu` to whoever wrote it.
    fn short(self) -> &'static str {
        let last = self.name.rsplit("::").next().unwrap_or(self.name);
        if last.contains("closure") { "<closure>" } else { last }
    }
}

/// Makes a type of functions of some tensors, which make a tensor, or a list of them.
macro_rules! function {
    ($(#[$doc:meta])* $name:ident($($argument:ident $(: $type:ty)?),*)) => {
        function!($(#[$doc])* $name($($argument $(: $type)?),*) -> Tensor, "a tensor");
    };
    ($(#[$doc:meta])* $name:ident($($argument:ident $(: $type:ty)?),*) -> $out:ty, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            identity: Identity,
            function: Arc<dyn Fn($(function!(@type $($type)?)),*) -> Result<$out> + Send + Sync>,
        }

        impl $name {
            #[doc = concat!("A function that returns ", $what, ", or a `Result` of that.")]
            pub fn new<F, R>(function: F) -> $name
            where
                F: Fn($(function!(@type $($type)?)),*) -> R + Send + Sync + 'static,
                R: IntoValue<Value = $out>,
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
            pub fn call(&self, $($argument: function!(@type $($type)?)),*) -> Result<$out> {
                (self.function)($($argument),*)
            }
        }

        impl<F> From<F> for $name
        where
            F: Fn($(function!(@type $($type)?)),*) -> $out + Send + Sync + 'static,
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
    /// A product that a layer computes in place of [`Tensor::try_dot_general_with`](crate::Tensor::try_dot_general_with), as Linen's
    /// `dot_general`: of the input, the kernel, the axes that are summed over, and the layer's precision.
    ///
    /// ```
    /// use flaxen::nn::DotGeneralFn;
    /// use flaxen::prelude::*;
    /// use flaxen::{DotDimensions, DotOptions};
    ///
    /// // As if both were rounded to 8 bits of mantissa.
    /// let rounded = DotGeneralFn::new(|x: &Tensor, w: &Tensor, dimensions: &DotDimensions, options: &DotOptions| {
    ///     let narrow = |x: &Tensor| x.try_cast(DType::BF16)?.try_cast(DType::F32);
    ///     narrow(x)?.try_dot_general_with(&narrow(w)?, dimensions.clone(), options)
    /// });
    /// let y = Dense::new(4).dot_general(rounded).init_with_output(key(0)).call(&Tensor::ones([2, 3]))?.0;
    /// assert_eq!(y.shape(), [2, 4]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    DotGeneralFn(lhs, rhs, dimensions: &DotDimensions, options: &DotOptions)
}

function! {
    /// A convolution that a layer computes in place of [`Tensor::try_conv_general`](crate::Tensor::try_conv_general), as Linen's
    /// `conv_general_dilated`: of the input, the kernel, and the steps, paddings, groups and precision.
    ConvGeneralFn(lhs, rhs, options: &ConvOptions)
}

function! {
    /// A sum of products that attention computes in place of [`try_einsum`](crate::try_einsum): of an equation and its two operands.
    EinsumFn(equation: &str, lhs, rhs)
}

function! {
    /// What brings a layer's input and parameters to the dtype it computes in, as Linen's `promote_dtype`.
    ///
    /// The tensors are the input, the kernel, and the bias if there is one; the dtype is that of the layer, if it was given one. As many
    /// tensors come back, in that order. The last argument says whether they are to be floats, which only the table of
    /// [`Embed`](crate::nn::Embed) need not be. [`promote_dtype`](crate::nn::promote_dtype) is what layers do otherwise.
    ///
    /// ```
    /// use flaxen::nn::{PromoteDtypeFn, promote_dtype};
    /// use flaxen::prelude::*;
    ///
    /// // A layer without a dtype of its own computes in that of its input.
    /// let as_input = PromoteDtypeFn::new(|tensors: &[&Tensor], dtype: Option<DType>, inexact: bool| {
    ///     promote_dtype(tensors, dtype.or(Some(tensors[0].dtype())), inexact)
    /// });
    /// let x = Tensor::ones_of([2, 3], DType::BF16);
    /// let y = Dense::new(4).promote_dtype(as_input).init_with_output(key(0)).call(&x)?.0;
    /// assert_eq!(y.dtype(), DType::BF16);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    PromoteDtypeFn(tensors: &[&Tensor], dtype: Option<DType>, inexact: bool) -> Vec<Tensor>, "a list of tensors"
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
