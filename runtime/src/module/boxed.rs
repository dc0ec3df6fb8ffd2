//! Layers of any type in one list, and functions as layers.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;

use super::instance::Session;
use super::lambda::LayerFunction;
use super::text::VisitFields;
use super::{Layer, Module, Slot, TreeLayer};
use crate::core::Tensor;
use crate::error::Result;
use crate::scope::IntoValue;
use crate::tree::Tree;
use crate::variables::Value;

/// A layer of any type, for lists that mix them; [`IntoLayer`] makes one of a layer or a function.
pub struct BoxedLayer(Box<dyn AnyLayer>);

/// [`Layer`] as far as it can be an object.
trait AnyLayer: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn clone_boxed(&self) -> Box<dyn AnyLayer>;
    fn is_equal(&self, other: &dyn AnyLayer) -> bool;
    fn class(&self) -> &'static str;
    fn slot(&self) -> &Slot;
    fn attach(&mut self, slot: Slot);
    fn shared(&self, session: &Session) -> Option<Box<dyn AnyLayer>>;
    fn sharing(&self) -> Option<Box<dyn Any + Send + Sync>>;
    fn fields(&self, visit: VisitFields<'_>);
    fn call(&self, x: &Value) -> Result<Value>;
    fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// A module and how it is called.
#[derive(Clone)]
struct ErasedModule<M> {
    module: M,
    call: fn(&M, &Value) -> Result<Value>,
}

impl<M: Module> AnyLayer for ErasedModule<M> {
    fn as_any(&self) -> &dyn Any {
        &self.module
    }

    fn clone_boxed(&self) -> Box<dyn AnyLayer> {
        Box::new(self.clone())
    }

    fn is_equal(&self, other: &dyn AnyLayer) -> bool {
        other.as_any().downcast_ref::<M>().is_some_and(|other| self.module == *other)
    }

    fn class(&self) -> &'static str {
        self.module.type_name()
    }

    fn slot(&self) -> &Slot {
        self.module.__slot()
    }

    fn attach(&mut self, slot: Slot) {
        self.module.__attach(slot);
    }

    fn shared(&self, session: &Session) -> Option<Box<dyn AnyLayer>> {
        Some(Box::new(ErasedModule { module: self.module.__shared(session)?, call: self.call }))
    }

    fn sharing(&self) -> Option<Box<dyn Any + Send + Sync>> {
        self.module.__sharing()
    }

    fn fields(&self, visit: VisitFields<'_>) {
        self.module.__fields(visit);
    }

    fn call(&self, x: &Value) -> Result<Value> {
        (self.call)(&self.module, x)
    }

    fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.module.fmt(f)
    }
}

impl BoxedLayer {
    /// The output for an input, which are any trees of tensors; see [`TreeLayer`].
    ///
    /// # Errors
    /// What the layer returns; if the input is not the tree it takes.
    pub fn call_value(&self, x: &Value) -> Result<Value> {
        self.0.call(x)
    }

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
        self.0.debug(f)
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

    fn __fields(&self, visit: VisitFields<'_>) {
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
        self.call_value(&x.into())?.tensor().cloned()
    }
}

/// What a list of layers may hold: layers, and functions of a tensor or of any tree of tensors.
///
/// The marker only keeps them apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a layer nor a function of a tensor",
    label = "not a layer",
    note = "implement `Layer` or `TreeLayer` for it, or pass a function `|x: &Tensor| ..` or `|(x, y): (Tensor, Tensor)| ..` \
            that returns tensors or a `Result` of them"
)]
pub trait IntoLayer<Marker> {
    /// The layer.
    fn into_layer(self) -> BoxedLayer;
}

/// Marks layers.
pub struct IsLayer;

/// Marks layers of trees.
pub struct IsTreeLayer;

/// Marks functions of a tensor by what they return.
pub struct IsFunction<R>(PhantomData<R>);

/// Marks functions of a tree by what they take and return.
pub struct IsTreeFunction<I, R>(PhantomData<(I, R)>);

impl<L: Layer> IntoLayer<IsLayer> for L {
    fn into_layer(self) -> BoxedLayer {
        let call = |layer: &L, x: &Value| Ok(Layer::call(layer, x.tensor()?)?.into());
        BoxedLayer(Box::new(ErasedModule { module: self, call }))
    }
}

impl<L: TreeLayer> IntoLayer<IsTreeLayer> for L {
    fn into_layer(self) -> BoxedLayer {
        let call = |layer: &L, x: &Value| Value::try_of(&TreeLayer::call(layer, x.to()?)?);
        BoxedLayer(Box::new(ErasedModule { module: self, call }))
    }
}

impl<F, R> IntoLayer<IsFunction<R>> for F
where
    F: Fn(&Tensor) -> R + Send + Sync + 'static,
    R: IntoValue,
{
    fn into_layer(self) -> BoxedLayer {
        BoxedLayer(Box::new(ErasedModule {
            module: LayerFunction::of_tensor(self),
            call: LayerFunction::call,
        }))
    }
}

impl<F, I, R> IntoLayer<IsTreeFunction<I, R>> for F
where
    F: Fn(I) -> R + Send + Sync + 'static,
    I: Tree,
    R: IntoValue,
{
    fn into_layer(self) -> BoxedLayer {
        BoxedLayer(Box::new(ErasedModule { module: LayerFunction::of_tree(self), call: LayerFunction::call }))
    }
}
