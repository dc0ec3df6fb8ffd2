//! Layers of any type in one list, and functions as layers.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::instance::Session;
use super::{Layer, Module, Slot};
use crate::error::Result;
use crate::scope::Initial;
use crate::tensor::Tensor;

/// A layer of any type, for lists that mix them; [`IntoLayer`] makes one of a layer or a function.
pub struct BoxedLayer(Box<dyn AnyLayer>);

/// [`Layer`] as far as it can be an object.
trait AnyLayer: fmt::Debug + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn clone_boxed(&self) -> Box<dyn AnyLayer>;
    fn is_equal(&self, other: &dyn AnyLayer) -> bool;
    fn class(&self) -> &'static str;
    fn slot(&self) -> &Slot;
    fn attach(&mut self, slot: Slot);
    fn shared(&self, session: &Session) -> Option<Box<dyn AnyLayer>>;
    fn sharing(&self) -> Option<Box<dyn Any + Send + Sync>>;
    fn fields(&self, visit: &mut dyn FnMut(&'static str, &dyn fmt::Debug));
    fn call(&self, x: &Tensor) -> Result<Tensor>;
}

impl<L: Layer> AnyLayer for L {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn clone_boxed(&self) -> Box<dyn AnyLayer> {
        Box::new(self.clone())
    }

    fn is_equal(&self, other: &dyn AnyLayer) -> bool {
        other.as_any().downcast_ref::<L>().is_some_and(|other| self == other)
    }

    fn class(&self) -> &'static str {
        self.type_name()
    }

    fn slot(&self) -> &Slot {
        self.__slot()
    }

    fn attach(&mut self, slot: Slot) {
        self.__attach(slot);
    }

    fn shared(&self, session: &Session) -> Option<Box<dyn AnyLayer>> {
        Some(Box::new(self.__shared(session)?))
    }

    fn sharing(&self) -> Option<Box<dyn Any + Send + Sync>> {
        self.__sharing()
    }

    fn fields(&self, visit: &mut dyn FnMut(&'static str, &dyn fmt::Debug)) {
        self.__fields(visit);
    }

    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Layer::call(self, x)
    }
}

impl BoxedLayer {
    /// The layer, if it is of a type.
    pub fn downcast_ref<L: Layer>(&self) -> Option<&L> {
        self.0.as_any().downcast_ref()
    }
}

impl Clone for BoxedLayer {
    fn clone(&self) -> BoxedLayer {
        BoxedLayer(self.0.clone_boxed())
    }
}

impl PartialEq for BoxedLayer {
    fn eq(&self, other: &BoxedLayer) -> bool {
        self.0.is_equal(&*other.0)
    }
}

impl fmt::Debug for BoxedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Module for BoxedLayer {
    const NAME: &'static str = "BoxedLayer";

    fn __slot(&self) -> &Slot {
        self.0.slot()
    }

    fn __attach(&mut self, slot: Slot) {
        self.0.attach(slot);
    }

    fn __fields(&self, visit: &mut dyn FnMut(&'static str, &dyn fmt::Debug)) {
        self.0.fields(visit);
    }

    fn __shared(&self, session: &Session) -> Option<BoxedLayer> {
        self.0.shared(session).map(BoxedLayer)
    }

    fn __sharing(&self) -> Option<Box<dyn Any + Send + Sync>> {
        self.0.sharing()
    }

    fn type_name(&self) -> &'static str {
        self.0.class()
    }
}

impl Layer for BoxedLayer {
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.0.call(x)
    }
}

type Function = dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync;

/// A function as a layer without variables; see [`lambda`].
#[derive(Clone)]
pub struct Lambda {
    name: &'static str,
    function: Arc<Function>,
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
    R: Initial<Value = Tensor>,
{
    let name = std::any::type_name::<F>();
    Lambda { name, function: Arc::new(move |x| function(x).value()), slot: Slot::unbound() }
}

/// A function is equal to itself and its clones.
impl PartialEq for Lambda {
    fn eq(&self, other: &Lambda) -> bool {
        Arc::ptr_eq(&self.function, &other.function)
    }
}

impl fmt::Debug for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `flaxen::ops::activation::<impl flaxen::tensor::Tensor>::relu` is `relu` to whoever wrote it.
        let name = self.name.rsplit("::").next().unwrap_or(self.name);
        if name.contains("closure") { f.write_str("<closure>") } else { f.write_str(name) }
    }
}

/// Called wherever it is: it has no variables that a place would be needed for.
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

/// What a list of layers may hold: layers, and functions of a tensor.
///
/// The marker only keeps the two apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a layer nor a function of a tensor",
    label = "not a layer",
    note = "implement `Layer` for it, or pass a function `|x: &Tensor| ..` that returns a `Tensor` or a `Result<Tensor>`"
)]
pub trait IntoLayer<Marker> {
    /// The layer.
    fn into_layer(self) -> BoxedLayer;
}

/// Marks layers.
pub struct IsLayer;

/// Marks functions by what they return.
pub struct IsFunction<R>(std::marker::PhantomData<R>);

impl<L: Layer> IntoLayer<IsLayer> for L {
    fn into_layer(self) -> BoxedLayer {
        BoxedLayer(Box::new(self))
    }
}

impl<F, R> IntoLayer<IsFunction<R>> for F
where
    F: Fn(&Tensor) -> R + Send + Sync + 'static,
    R: Initial<Value = Tensor>,
{
    fn into_layer(self) -> BoxedLayer {
        BoxedLayer(Box::new(lambda(self)))
    }
}
