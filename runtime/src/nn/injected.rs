//! Modules that compute a product for a layer, and are submodules of it.

use std::fmt;
use std::sync::Arc;

use super::function::{ConvGeneralFn, DotGeneralFn, EinsumFn, Identity};
use crate::core::Tensor;
use crate::core::op::DotDimensions;
use crate::error::Result;
use crate::module::{Module, Slot, make_child};
use crate::ops::conv::ConvOptions;
use crate::ops::dot_general::DotOptions;

/// Makes a trait of modules with a call, and a type of what makes such modules.
macro_rules! class {
    ($(#[$trait_doc:meta])* trait $op:ident::$method:ident($($argument:ident: $type:ty),*); $(#[$doc:meta])* $class:ident => $function:ident) => {
        $(#[$trait_doc])*
        pub trait $op: Module {
            /// The result.
            ///
            /// # Errors
            /// If the operands do not fit, or the module is not part of a running model.
            fn $method(&self, $($argument: $type),*) -> Result<Tensor>;
        }

        $(#[$doc])*
        #[derive(Clone)]
        pub struct $class {
            identity: Identity,
            name: &'static str,
            make: Arc<dyn Fn(&Slot) -> $function + Send + Sync>,
        }

        impl $class {
            /// What makes a module, each time the layer is called.
            pub fn new<M: $op, F: Fn() -> M + Send + Sync + 'static>(make: F) -> $class {
                let in_layer = move |layer: &Slot| {
                    let module = make_child(layer, make(), None);
                    $function::new(move |$($argument: $type),*| module.$method($($argument),*))
                };
                $class { identity: Identity::of::<F>(), name: M::NAME, make: Arc::new(in_layer) }
            }

            /// What makes a function, each time the layer is called.
            pub fn of_functions<F: Fn() -> $function + Send + Sync + 'static>(make: F) -> $class {
                let make_any = move |_: &Slot| make();
                $class { identity: Identity::of::<F>(), name: stringify!($function), make: Arc::new(make_any) }
            }

            /// The function of a call of a layer; its module is a submodule of the layer from here on.
            pub(super) fn within(&self, layer: &impl Module) -> $function {
                (self.make)(layer.__slot())
            }
        }

        impl<M: $op, F: Fn() -> M + Send + Sync + 'static> From<F> for $class {
            fn from(make: F) -> $class {
                $class::new(make)
            }
        }

        /// What makes modules is equal to itself and its clones.
        impl PartialEq for $class {
            fn eq(&self, other: &$class) -> bool {
                self.identity.is(other.identity) || Arc::ptr_eq(&self.make, &other.make)
            }
        }

        impl fmt::Debug for $class {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name)
            }
        }
    };
}

class! {
    /// A module that computes the product of a layer, with parameters and variables of its own: quantisation that learns its scale, say.
    ///
    /// ```
    /// use flaxen::nn::{DotGeneralCls, DotGeneralOp};
    /// use flaxen::prelude::*;
    /// use flaxen::{DotDimensions, DotOptions};
    ///
    /// /// A product times a number that is learned.
    /// #[module]
    /// struct Scaled {}
    ///
    /// impl DotGeneralOp for Scaled {
    ///     #[compact]
    ///     fn dot_general(&self, x: &Tensor, w: &Tensor, dimensions: &DotDimensions, options: &DotOptions) -> Result<Tensor> {
    ///         let scale = self.param("scale", init::ones(), [])?;
    ///         x.try_dot_general_with(w, dimensions.clone(), options)?.try_mul(scale)
    ///     }
    /// }
    ///
    /// let layer = Dense::new(4).dot_general_cls(DotGeneralCls::new(Scaled::new));
    /// let variables = layer.init(key(0)).call(&Tensor::ones([2, 3]))?;
    /// assert_eq!(variables.tensor("params/Scaled_0/scale")?.rank(), 0);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    trait DotGeneralOp::dot_general(lhs: &Tensor, rhs: &Tensor, dimensions: &DotDimensions, options: &DotOptions);
    /// What makes the product of a layer, each time the layer is called: a [`DotGeneralOp`], or a [`DotGeneralFn`]; Linen's
    /// `dot_general_cls`.
    DotGeneralCls => DotGeneralFn
}

class! {
    /// A module that computes the convolution of a layer, with parameters and variables of its own; see [`DotGeneralOp`].
    trait ConvGeneralOp::conv_general(lhs: &Tensor, rhs: &Tensor, options: &ConvOptions);
    /// What makes the convolution of a layer, each time the layer is called: a [`ConvGeneralOp`], or a [`ConvGeneralFn`]; Linen's
    /// `conv_general_dilated_cls`.
    ConvGeneralCls => ConvGeneralFn
}

class! {
    /// A module that computes a sum of products of attention, with parameters and variables of its own; see [`DotGeneralOp`].
    trait EinsumOp::einsum(equation: &str, lhs: &Tensor, rhs: &Tensor);
    /// What makes a sum of products of attention, each time the layer is called: an [`EinsumOp`], or an [`EinsumFn`]; Linen's
    /// `qk_attn_weights_einsum_cls`.
    EinsumCls => EinsumFn
}

/// The product of a layer's input and kernel: by what the layer was given, of which a class comes first, or by `plain`.
///
/// Operands of several dtypes take on the common one, as JAX's product of them has it.
pub(super) fn product_of(
    layer: &impl Module,
    (class, function): (Option<&DotGeneralCls>, Option<&DotGeneralFn>),
    (x, kernel): (&Tensor, &Tensor),
    dimensions: &DotDimensions,
    options: &DotOptions,
) -> Result<Tensor> {
    match (class, function) {
        (Some(class), _) => class.within(layer).call(x, kernel, dimensions, options),
        (None, Some(function)) => function.call(x, kernel, dimensions, options),
        (None, None) => {
            let [x, kernel] = crate::ops::promoted([x.clone(), kernel.clone()])?;
            x.try_dot_general_with(&kernel, dimensions.clone(), options)
        }
    }
}
