//! Modules: models as plain structs.
//!
//! A module is configuration and a hidden slot. On its own it is a value like any other: it is cloned, compared, printed,
//! sent to other threads. [`Module::init`] and [`Module::apply`] bind a clone of it, with all it contains, to a
//! [`Scope`], and run a method of the clone; whatever the method reads and writes is in the run's variables. When the run is
//! over, nothing is left of it but what it returned.
//!
//! # Where submodules come from
//! - Built where they are called, in a method marked `#[compact]`: `Dense::new(4).call(x)?` is the submodule `Dense_0`, and so
//!   is what `let dense = Dense::new(4);` holds, to be called twice. Under another name:
//!   `self.child_named("head", Dense::new(4))`.
//! - Fields marked `#[setup(..)]`, made of the configuration and named as the field.
//! - Fields marked `#[submodule]`, passed to the constructor and named as the field.
//!
//! A plain clone of a module is another module. To have one module in two fields, pass an [`Arc`](std::sync::Arc) of it, or
//! clones of one that is part of the running model.
//!
//! Mark every method that is part of the model `#[compact]`: only such methods are captured, intercepted and listed, name
//! the module in errors, and may make submodules, parameters and variables.
//!
//! # Running
//! ```
//! use flaxen::prelude::*;
//!
//! let (model, x) = (sequential![Dense::new(8), Tensor::relu, Dense::new(2)], Tensor::ones([4, 3]));
//! let variables = model.init(key(0)).call(&x)?;
//! let y = model.apply(&variables).call(&x)?;
//! let (y, seen) = model.apply(&variables).capture_intermediates().call(&x)?;
//! let (y, updates) = model.apply(&variables).mutable("batch_stats").call(&x)?;
//! // Any method, or any function, of the bound model.
//! let first = model.apply(&variables).run(|m| m.layers[0].call(&x))?;
//! // Bound for longer.
//! let bound = model.bind(&variables).module()?;
//! let y = bound.call(&x)?;
//! # Ok::<(), flaxen::Error>(())
//! ```

mod arc;
mod autoref;
mod bind_child;
mod boxed;
mod call;
mod child;
mod frames;
mod info;
mod instance;
mod intercept;
mod lambda;
mod lazy;
pub mod lift;
mod operators;
mod quantized;
mod running;
mod setup;
mod share;
mod slot;
mod tabulate;
mod text;

use std::any::Any;
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;

pub use autoref::Observed;
pub use boxed::{BoxedLayer, IntoLayer};
pub use child::Child;
pub use info::ModuleInfo;
use instance::{Instance, Session};
pub use intercept::{MethodCall, Next, intercept_methods};
pub use lambda::{Lambda, lambda};
pub use lazy::LazyInit;
pub(crate) use quantized::quantized_param;
pub use running::{Bind, ModelRun, Outcome, OutputAndVariables, OutputOnly, VariablesOnly};
pub use setup::Setup;
pub use slot::Slot;
pub use tabulate::{Summary, SummaryRow, Tabulate};

use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;
use crate::random::Key;
use crate::scope::{Initializer, IntoValue, Lasts, Name, Rngs, Scope, Settings, Variable};
use crate::tree::Tree;
use crate::variables::{Value, Variables};
use text::VisitFields;

/// What expansions name.
pub mod private {
    pub use flaxen_macros::module;

    pub use super::autoref::{Autoref, AutorefReturn, Output};
    pub use super::bind_child::Built;
    pub use super::call::Call;
    pub use super::child::{Child, bind_child};
    pub use super::setup::{AnySetup, Setup, SetupPass, defer, rebuilt};
    pub use super::slot::Slot;
    pub use super::text::{IntoText, VisitFields, debug, is_equal};

    /// The traits that look at types: of arguments, of outputs, and of what is called.
    pub mod autoref {
        pub use crate::module::autoref::{
            ObserveDebug as _, ObserveOpaque as _, ObserveRef as _, ObserveTree as _, Returns as _,
            ReturnsOpaque as _,
        };
        pub use crate::module::bind_child::{
            BindBox as _, BindModule as _, BindNothing as _, LeaveInPlace as _,
        };
    }
}

/// A part of a model: a struct marked `#[module]`.
///
/// Methods that make submodules, parameters or variables are marked `#[compact]`; those of this trait are what they do it
/// with. What a module is asked for while it is part of no running model is [`Error::Unbound`](crate::Error::Unbound).
///
/// ```
/// use flaxen::prelude::*;
///
/// #[module]
/// struct Scale {
///     #[module(default = 2.0)]
///     start: f32,
/// }
///
/// impl Layer for Scale {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         let scale = self.param("scale", init::constant(self.start), [x.shape()[1]])?;
///         Ok(x * scale)
///     }
/// }
///
/// let (model, x) = (Scale::new().start(3.0), Tensor::ones([1, 2]));
/// let variables = model.init(random::key(0)).call(&x)?;
/// assert_eq!(model.apply(&variables).call(&x)?.to_vec::<f32>()?, [3.0, 3.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a module",
    label = "not a module",
    note = "put `#[module]` on the struct; a function becomes a module by `module::lambda(f)`"
)]
pub trait Module: Clone + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// The name of the type, from which automatic names are made.
    const NAME: &'static str;

    #[doc(hidden)]
    fn __slot(&self) -> &Slot;

    #[doc(hidden)]
    fn __attach(&mut self, slot: Slot);

    #[doc(hidden)]
    fn __setup(&self, _setup: &mut setup::SetupPass<'_>) {}

    #[doc(hidden)]
    fn __setups(&mut self, _visit: &mut dyn FnMut(&mut dyn setup::AnySetup)) {}

    #[doc(hidden)]
    fn __fields(&self, _visit: VisitFields<'_>) {}

    /// What became of the instance this one shares, if it is one that shares.
    #[doc(hidden)]
    fn __shared(&self, _session: &instance::Session) -> Option<Self> {
        None
    }

    /// What the module is in a run apart from the one it is bound in.
    #[doc(hidden)]
    fn __lifted(&self, session: &std::sync::Arc<instance::Session>) -> Option<Self> {
        session.lifted(self)
    }

    /// The module itself, if it is one that shares.
    #[doc(hidden)]
    fn __sharing(&self) -> Option<Box<dyn Any + Send + Sync>> {
        None
    }

    /// The name of the type, which for a module in a box is that of what is in it.
    fn type_name(&self) -> &'static str {
        Self::NAME
    }

    /// Runs the model to make its variables: `model.init(key(0)).call(&x)?`.
    fn init(&self, rngs: impl Into<Rngs>) -> ModelRun<'_, Self, VariablesOnly> {
        ModelRun::new(self, Settings::init(rngs.into()))
    }

    /// As [`init`](Module::init), and returns the output in front of the variables.
    fn init_with_output(&self, rngs: impl Into<Rngs>) -> ModelRun<'_, Self, OutputAndVariables> {
        ModelRun::new(self, Settings::init(rngs.into()))
    }

    /// As [`init`](Module::init), on inputs of which only shapes and dtypes are known
    /// ([`Tensor::abstract_value`]); nothing but the variables is computed.
    fn lazy_init(&self, rngs: impl Into<Rngs>) -> LazyInit<'_, Self> {
        LazyInit::new(self, Settings::init(rngs.into()))
    }

    /// Runs the model on variables: `model.apply(&variables).call(&x)?`.
    fn apply(&self, variables: impl Into<Variables>) -> ModelRun<'_, Self, OutputOnly> {
        ModelRun::new(self, Settings::apply(variables.into()))
    }

    /// Binds the model to variables, so that its methods can be called directly:
    /// `let bound = model.bind(&variables).module()?`.
    fn bind(&self, variables: impl Into<Variables>) -> Bind<'_, Self> {
        Bind::new(self, variables.into())
    }

    /// Summarises a run as a table: `println!("{}", model.tabulate(key(0)).call(&x)?)`.
    fn tabulate(&self, rngs: impl Into<Rngs>) -> Tabulate<'_, Self> {
        Tabulate::new(self, rngs.into())
    }

    /// The paths of all modules that a run of `f` calls, each with the name of the module's type; the path of the model
    /// itself is empty.
    ///
    /// # Errors
    /// What `f` returns.
    fn module_paths<T>(
        &self,
        rngs: impl Into<Rngs>,
        f: impl Fn(&Self) -> Result<T>,
    ) -> Result<BTreeMap<String, &'static str>> {
        tabulate::module_paths(self, rngs.into(), f)
    }

    /// Takes a bound module out of its model: the module on its own, and its part of the variables.
    ///
    /// # Errors
    /// If the module is not bound.
    fn unbind(&self) -> Result<(Self, Variables)> {
        let instance = self.__slot().require(Self::NAME, || "is unbound (`unbind`)".to_owned())?;
        instance.scope().check_valid()?;
        Ok((self.copy(), instance.scope().variables()))
    }

    /// A clone that is part of no model; passed to [`child`](Module::child), it is a new submodule.
    #[must_use]
    fn copy(&self) -> Self {
        let mut copy = self.clone();
        arc::copying(|| copy.__attach(Slot::unbound()));
        copy
    }

    /// Makes a module a submodule of this one, under its type's name and a number: `Dense_0`.
    ///
    /// A module that is part of the running model already stays where it is. `#[compact]` calls this for modules that are
    /// built where they are called: `Dense::new(4).call(x)`.
    fn child<M: Module>(&self, module: M) -> M {
        make_child(self.__slot(), module, None)
    }

    /// Makes a module a submodule of this one, under a name of its own; Flax's `name=`.
    fn child_named<M: Module>(&self, name: impl AsRef<str>, module: M) -> M {
        make_child(self.__slot(), module, Some(name.as_ref()))
    }

    /// The parameter of a name, an `F32`, made by its initializer at `init`.
    ///
    /// # Errors
    /// If it is neither there nor may be made, its shape is another one, the name is taken, or this is a plain method.
    fn param(
        &self,
        name: &str,
        init: impl Borrow<Initializer>,
        shape: impl AsRef<[usize]>,
    ) -> Result<Tensor> {
        self.param_of(name, init, shape, DType::F32)
    }

    /// As [`param`](Module::param), made with another dtype.
    ///
    /// # Errors
    /// As [`param`](Module::param).
    fn param_of(
        &self,
        name: &str,
        init: impl Borrow<Initializer>,
        shape: impl AsRef<[usize]>,
        dtype: DType,
    ) -> Result<Tensor> {
        take(self, "param", "params", name)?.param(init.borrow(), shape.as_ref(), dtype)
    }

    /// A parameter that is any tree of tensors, made by a function of a key.
    ///
    /// # Errors
    /// As [`param`](Module::param); shapes are compared leaf by leaf with those that `init` would make.
    fn param_with<R: IntoValue>(&self, name: &str, init: impl FnOnce(&Key) -> R) -> Result<R::Value> {
        take(self, "param", "params", name)?.param_with(init)
    }

    /// A handle on a variable, made by `init` if it is not there and its collection is mutable.
    ///
    /// # Errors
    /// If it is neither there nor may be made, it is a tree of another type, the name is taken, or this is a plain method.
    fn variable<R: IntoValue>(
        &self,
        collection: &str,
        name: &str,
        init: impl FnOnce() -> R,
    ) -> Result<Variable<R::Value>> {
        take(self, "variable", collection, name)?.variable(collection, init)
    }

    /// A handle on a variable that is there already.
    ///
    /// # Errors
    /// If it is not, it is a tree of another type, the name is taken, or this is a plain method.
    fn existing_variable<T: Tree>(&self, collection: &str, name: &str) -> Result<Variable<T>> {
        take(self, "variable", collection, name)?.existing_variable(collection)
    }

    /// Whether a variable is there; before [`variable`](Module::variable) it tells the first run from later ones.
    ///
    /// False for a module that is part of no running model.
    fn has_variable(&self, collection: &str, name: &str) -> bool {
        self.scope().is_ok_and(|scope| scope.has_variable(collection, name))
    }

    /// The value of a variable, if it is there.
    ///
    /// # Errors
    /// If it is a tree of another type; if the module is not bound.
    fn get_variable<T: Tree>(&self, collection: &str, name: &str) -> Result<Option<T>> {
        self.scope()?.get_variable(collection, name)
    }

    /// Writes a variable, whether it is there or not; a dict is merged into a dict that is there.
    ///
    /// # Errors
    /// If the collection is immutable, the module is not bound, or a transform was entered since the run began.
    fn put_variable(&self, collection: &str, name: &str, value: impl Into<Value>) -> Result<()> {
        self.scope()?.put_variable(collection, name, value)
    }

    /// All variables of this module and those in it.
    ///
    /// # Errors
    /// If the module is not bound.
    fn variables(&self) -> Result<Variables> {
        Ok(self.scope()?.variables())
    }

    /// Whether the run may write a collection; false for a module that is part of no running model.
    fn is_mutable_collection(&self, collection: &str) -> bool {
        self.scope().is_ok_and(|scope| scope.is_mutable_collection(collection))
    }

    /// The next key of a random stream, or of `params` if there is no such stream.
    ///
    /// # Errors
    /// If there is neither; if the module is not bound, or a transform was entered since the run began.
    fn make_rng(&self, stream: &str) -> Result<Key> {
        self.scope()?.make_rng(stream)
    }

    /// Whether there is a random stream; false for a module that is part of no running model.
    fn has_rng(&self, stream: &str) -> bool {
        self.scope().is_ok_and(|scope| scope.has_rng(stream))
    }

    /// Whether the run is an `init`; false for a module that is part of no running model.
    fn is_initializing(&self) -> bool {
        self.scope().is_ok_and(|scope| scope.is_initializing())
    }

    /// Stores a value on the way, behind those stored under the name before; false if the collection is immutable.
    ///
    /// # Errors
    /// If the module is not bound, or the name is taken.
    fn sow<T: Tree>(&self, collection: &str, name: &str, value: &T) -> Result<bool> {
        free_for_sowing(self, collection, name)?.sow(collection, name, value)
    }

    /// Stores a value on the way by a reduction: `init` makes the first accumulator, `reduce` adds a value to it.
    ///
    /// # Errors
    /// As [`sow`](Module::sow).
    fn sow_with<T: Tree, R: IntoValue>(
        &self,
        collection: &str,
        name: &str,
        value: &T,
        init: impl FnOnce() -> R,
        reduce: impl FnOnce(R::Value, &T) -> R::Value,
    ) -> Result<bool> {
        free_for_sowing(self, collection, name)?.sow_with(collection, name, value, init, reduce)
    }

    /// Adds a perturbation to a value, whose gradient is that of the value; the collection is `perturbations`.
    ///
    /// # Errors
    /// If the collection is there and has no such perturbation; if the module is not bound.
    fn perturb<T: Tree>(&self, name: &str, value: &T) -> Result<T> {
        self.perturb_in("perturbations", name, value)
    }

    /// As [`perturb`](Module::perturb), with a collection of one's own.
    ///
    /// # Errors
    /// As [`perturb`](Module::perturb).
    fn perturb_in<T: Tree>(&self, collection: &str, name: &str, value: &T) -> Result<T> {
        free_for_sowing(self, collection, name)?.perturb_in(collection, name, value)
    }

    /// What the module is in the running model.
    ///
    /// # Errors
    /// If the module is not bound.
    fn scope(&self) -> Result<Scope> {
        let instance = self.__slot().require(Self::NAME, || "is asked for its scope".to_owned())?;
        let scope = instance.scope();
        scope.check_valid()?;
        Ok(scope)
    }

    /// The names from the model to this module.
    ///
    /// # Errors
    /// If the module is not bound.
    fn path(&self) -> Result<Vec<String>> {
        Ok(self.scope()?.path().iter().map(|name| (**name).to_owned()).collect())
    }

    /// The name within the parent; None for the model itself, and for a module that is part of no running model.
    fn name(&self) -> Option<String> {
        self.__slot().instance()?.scope().name().map(str::to_owned)
    }

    /// Whether the module is part of a running model.
    fn is_bound(&self) -> bool {
        self.__slot().instance().is_some()
    }

    /// Lets this module and another one use one scope: the outer one of the two, so that their variables are on one level.
    ///
    /// From then on a name that one of them has taken is taken for the other. A module shares with one of its fields in a
    /// setup field of its own, which holds nothing:
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// #[module]
    /// struct WithScale {
    ///     #[submodule]
    ///     inner: Dense,
    ///     #[setup(self.share_scope(&self.inner)?)]
    ///     shared: (),
    /// }
    ///
    /// impl Layer for WithScale {
    ///     #[compact]
    ///     fn call(&self, x: &Tensor) -> Result<Tensor> {
    ///         Ok(self.inner.call(x)? * self.param("scale", init::ones(), [1])?)
    ///     }
    /// }
    ///
    /// let variables = WithScale::new(Dense::new(2)).init(key(0)).call(&Tensor::ones([1, 3]))?;
    /// assert_eq!(variables.dict("params")?.keys().collect::<Vec<_>>(), ["bias", "kernel", "scale"]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// If one of them is not bound, they are of different runs, or they have a name in common.
    fn share_scope<M: Module>(&self, other: &M) -> Result<()> {
        share::share_scope(self.__slot(), Self::NAME, other.__slot(), M::NAME)
    }
}

/// A module that makes one tensor of one tensor.
///
/// ```
/// use flaxen::prelude::*;
///
/// #[module]
/// struct Residual<L: Layer> {
///     #[submodule]
///     inner: L,
/// }
///
/// impl<L: Layer> Layer for Residual<L> {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         Ok(self.inner.call(x)? + x)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    label = "not a layer",
    note = "implement it: `impl Layer for {Self}` with a `#[compact] fn call(&self, x: &Tensor) -> Result<Tensor>`; other \
            methods and signatures need no trait, and run by `model.apply(&variables).run(|m| m.method(..))`"
)]
pub trait Layer: Module {
    /// The output for an input.
    ///
    /// # Errors
    /// If the input does not fit, or the module is not part of a running model.
    fn call(&self, x: &Tensor) -> Result<Tensor>;
}

/// A module that makes a tree of tensors of a tree of tensors: several of several, or a dict of a dict.
///
/// In [`sequential!`](crate::sequential) and other lists of layers, one layer's output is the next one's input, whatever tree
/// it is.
///
/// ```
/// use flaxen::module::TreeLayer;
/// use flaxen::prelude::*;
///
/// #[module]
/// struct Join {
///     features: usize,
/// }
///
/// impl TreeLayer for Join {
///     type Input = (Tensor, Tensor);
///     type Output = Tensor;
///
///     #[compact]
///     fn call(&self, (a, b): (Tensor, Tensor)) -> Result<Tensor> {
///         Ok(Dense::new(self.features).call(&a)? + Dense::new(self.features).call(&b)?)
///     }
/// }
///
/// let model = sequential![|x: &Tensor| (x * 2.0, x + 1.0), Join::new(3), Tensor::relu];
/// let y = model.init_with_output(key(0)).call(&Tensor::ones([1, 2]))?.0;
/// assert_eq!(y.shape(), [1, 3]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer of trees",
    label = "not a layer",
    note = "implement it: `impl TreeLayer for {Self}` with the types `Input` and `Output`, and a \
            `#[compact] fn call(&self, input: Self::Input) -> Result<Self::Output>`"
)]
pub trait TreeLayer: Module {
    /// What it takes: a tuple, a [`Dict`](crate::Dict), or any other tree.
    type Input: Tree;
    /// What it returns.
    type Output: Tree;

    /// The output for an input.
    ///
    /// # Errors
    /// If the input does not fit, or the module is not part of a running model.
    fn call(&self, input: Self::Input) -> Result<Self::Output>;
}

/// Makes a module a submodule of the one that a slot is of, under a name or its type's name and a number.
pub(crate) fn make_child<M: Module>(slot: &Slot, mut module: M, name: Option<&str>) -> M {
    if slot.is_unbound() {
        return module;
    }
    let is_new = child::bind_within(&mut module, slot, |instance, class| instance.make_child(class, name));
    if is_new && let (Some(parent), Some(shared)) = (slot.instance(), module.__sharing()) {
        parent.keep(shared);
    }
    module
}

/// Takes the name of a parameter or variable.
fn take<M: Module>(module: &M, kind: &'static str, collection: &str, name: &str) -> Result<Name> {
    let action = || format!("is asked for the {kind} `{name}`");
    let instance = module.__slot().require(M::NAME, action)?;
    instance.take(kind, name.into(), Some(collection), || format!("the {kind} `{name}`"))
}

/// Sowing takes its name only when the first value is stored, and may happen in any method.
fn free_for_sowing<M: Module>(module: &M, collection: &str, name: &str) -> Result<Scope> {
    let instance = module.__slot().require(M::NAME, || format!("stores `{name}`"))?;
    let scope = instance.scope();
    if scope.is_mutable_collection(collection)
        && !scope.has_variable(collection, name)
        && scope.is_taken(name, Some(collection), &instance.taker(Lasts::AsScope))
    {
        return Err(scope.name_in_use("sown value", name));
    }
    Ok(scope)
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.class(), self.scope().path_text())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}
