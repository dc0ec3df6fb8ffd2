//! Arithmetic with setup fields that hold tensors: `x * &self.scale` and `&self.scale * x`.

use std::ops;

use super::Setup;
use crate::array::Aval;
use crate::core::Tensor;
use crate::numpy::operators::Scalar;

/// A setup field stands to the right of an operator as its tensor does.
impl Scalar for &Setup<Tensor> {
    fn beside(self, _aval: &Aval) -> Tensor {
        (**self).clone()
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident;)*) => {
        $(impl ops::$trait<Tensor> for &Setup<Tensor> {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                ops::$trait::$method(&**self, other)
            }
        }

        impl ops::$trait<&Tensor> for &Setup<Tensor> {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                ops::$trait::$method(&**self, other)
            }
        }

        impl<S: Scalar> ops::$trait<S> for &Setup<Tensor> {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: S) -> Tensor {
                ops::$trait::$method(&**self, other)
            }
        })*
    };
}

operators! {
    Add add;
    Sub sub;
    Mul mul;
    Div div;
    Rem rem;
}
