//! Functions as modules without variables.

use std::fmt;
use std::sync::Arc;

use super::{Layer, Module, Slot};
use crate::core::Tensor;
use crate::error::Result;
use crate::scope::IntoValue;
use crate::tree::Tree;
use crate::variables::Value;

type OfTensor = dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync;

/// A function as a layer without variables; see [`lambda`].
#[derive(Clone)]
pub struct Lambda {
    name: &'static str,
    function: Arc<OfTensor>,
    slot: Slot,
}

/// Makes a layer of a function that returns a tensor, or a `Result` of one.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::module::lambda;
///
/// let double = lambda(|x: &Tensor| x * 2.0);
/// assert_eq!(double.call(&Tensor::from(3.0f32))?.item::<f32>()?, 6.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn lambda<F, R>(function: F) -> Lambda
where
    F: Fn(&Tensor) -> R + Send + Sync + 'static,
    R: IntoValue<Value = Tensor>,
{
    let name = std::any::type_name::<F>();
    Lambda { name, function: Arc::new(move |x| function(x).into_value()), slot: Slot::unbound() }
}

/// A function is equal to itself and its clones.
impl PartialEq for Lambda {
    fn eq(&self, other: &Lambda) -> bool {
        Arc::ptr_eq(&self.function, &other.function)
    }
}

impl fmt::Debug for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(short(self.name))
    }
}

/// Called wherever it is: it has no variables that a path would be needed for.
impl Module for Lambda {
    const NAME: &'static str = "Lambda";

    fn __slot(&self) -> &Slot {
        &self.slot
    }

    fn __attach(&mut self, slot: Slot) {
        self.slot = slot;
    }
}

impl Layer for Lambda {
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        (self.function)(x)
    }
}

type OfValue = dyn Fn(&Value) -> Result<Value> + Send + Sync;

/// A function of any tree in a list of layers.
#[derive(Clone)]
pub(super) struct LayerFunction {
    name: &'static str,
    of_value: Arc<OfValue>,
    slot: Slot,
}

impl LayerFunction {
    pub fn new<F, R: IntoValue>(call: impl Fn(&Value) -> Result<R> + Send + Sync + 'static) -> LayerFunction {
        let function = move |x: &Value| Value::try_of(&call(x)?.into_value()?);
        LayerFunction {
            name: std::any::type_name::<F>(),
            of_value: Arc::new(function),
            slot: Slot::unbound(),
        }
    }

    /// A function of a tensor.
    pub fn of_tensor<F, R>(function: F) -> LayerFunction
    where
        F: Fn(&Tensor) -> R + Send + Sync + 'static,
        R: IntoValue,
    {
        LayerFunction::new::<F, R>(move |x| Ok(function(x.tensor()?)))
    }

    /// A function of a tree.
    pub fn of_tree<F, I, R>(function: F) -> LayerFunction
    where
        F: Fn(I) -> R + Send + Sync + 'static,
        I: Tree,
        R: IntoValue,
    {
        LayerFunction::new::<F, R>(move |x| Ok(function(x.to()?)))
    }

    pub fn call(&self, x: &Value) -> Result<Value> {
        (self.of_value)(x)
    }
}

/// A function is equal to itself and its clones.
impl PartialEq for LayerFunction {
    fn eq(&self, other: &LayerFunction) -> bool {
        Arc::ptr_eq(&self.of_value, &other.of_value)
    }
}

impl fmt::Debug for LayerFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(short(self.name))
    }
}

impl Module for LayerFunction {
    const NAME: &'static str = "Function";

    fn __slot(&self) -> &Slot {
        &self.slot
    }

    fn __attach(&mut self, slot: Slot) {
        self.slot = slot;
    }
}

/// `flaxen::numpy::activation::<impl flaxen::core::tensor::Tensor>::relu` is `relu` to whoever wrote it.
fn short(name: &'static str) -> &'static str {
    let last = name.rsplit("::").next().unwrap_or(name);
    if last.contains("closure") { "<closure>" } else { last }
}
