//! `Sequential`: layers one after the other.

use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::module::{BoxedLayer, IntoLayer, Layer};
use crate::tree::Tree;
use crate::variables::Value;
use crate::{compact, module};

/// Layers one after the other; [`sequential!`](crate::sequential) makes one of layers and functions.
///
/// The layers are named `layers_0`, `layers_1`, …; functions count, too. A layer may also return a tuple, a dict, or any
/// other tree of tensors, for a next one that takes it: a function of it, or a [`TreeLayer`](crate::module::TreeLayer).
///
/// ```
/// use flaxen::prelude::*;
///
/// let model = sequential![Tensor::relu, |x: &Tensor| x * 2.0];
/// let y = model.apply(Variables::new()).call(&Tensor::from([-1.0f32, 3.0]))?;
/// assert_eq!(y.to_vec::<f32>()?, [0.0, 6.0]);
///
/// let split = sequential![|x: &Tensor| (x + 1.0, x * 2.0), |(a, b): (Tensor, Tensor)| a * b];
/// assert_eq!(split.apply(Variables::new()).call(&Tensor::from(3.0f32))?.item::<f32>()?, 24.0);
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
    pub fn then<K>(mut self, layer: impl IntoLayer<K>) -> Sequential {
        self.layers.push(layer.into_layer());
        self
    }

    /// As [`call`](Layer::call), from any tree of tensors to any tree of tensors.
    ///
    /// # Errors
    /// If a layer fails or does not take what the one before returns, or the output is another tree; if there are no layers.
    #[compact]
    pub fn call_tree<I: Tree, O: Tree>(&self, input: &I) -> Result<O> {
        self.value(Value::try_of(input)?)?.to()
    }

    fn value(&self, x: Value) -> Result<Value> {
        if self.layers.is_empty() {
            return Err(Error::argument("sequential", "has no layers: give it at least one"));
        }
        self.layers.iter().try_fold(x, |x, layer| layer.call_value(&x))
    }
}

impl Layer for Sequential {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.value(x.into())?.tensor().cloned()
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
