//! `Sequential`: layers one after the other.

use crate::error::{Error, Result};
use crate::module::{BoxedLayer, IntoLayer, Layer};
use crate::tensor::Tensor;
use crate::{compact, module};

/// Layers one after the other; [`sequential!`](crate::sequential) makes one of layers and functions.
///
/// The layers are named `layers_0`, `layers_1`, …; functions count, too.
///
/// ```
/// use flaxen::prelude::*;
///
/// let model = sequential![Tensor::relu, |x: &Tensor| x * 2.0];
/// let y = model.apply(Variables::new()).call(&Tensor::from([-1.0f32, 3.0]))?;
/// assert_eq!(y.to_vec::<f32>()?, [0.0, 6.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[module]
pub struct Sequential {
    /// What runs, in order.
    #[submodule]
    pub layers: Vec<BoxedLayer>,
}

impl Sequential {
    /// The same with one more layer at the end.
    #[must_use]
    pub fn then<K>(mut self, layer: impl IntoLayer<K>) -> Sequential {
        self.layers.push(layer.into_layer());
        self
    }
}

impl Layer for Sequential {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let Some((first, rest)) = self.layers.split_first() else {
            return Err(Error::argument("sequential", "has no layers: give it at least one"));
        };
        rest.iter().try_fold(first.call(x)?, |x, layer| layer.call(&x))
    }
}

/// Makes a [`Sequential`](crate::nn::Sequential) of layers and functions of a tensor.
///
/// ```
/// use flaxen::prelude::*;
///
/// let model = sequential![|x: &Tensor| x + 1.0, Tensor::tanh];
/// assert_eq!(model.layers.len(), 2);
/// ```
#[macro_export]
macro_rules! sequential {
    ($($layer:expr),* $(,)?) => {
        $crate::nn::Sequential::new(::std::vec![$($crate::module::IntoLayer::into_layer($layer)),*])
    };
}
