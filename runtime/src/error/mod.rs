//! The one error type: a variant per mistake.

mod cause;
pub(crate) mod near;
pub(crate) mod running;
mod text;

pub use cause::Cause;
pub(crate) use running::unwrap;

use std::fmt;
use std::panic::Location;

use smallvec::SmallVec;

/// The sizes of axes, as plain values: errors stand on nothing.
type Shape = SmallVec<[usize; 4]>;

/// What the framework's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Defines the enum as it is written, and with it what `{:#?}` prints: a derived `Debug` would print that for `{:?}`, too.
macro_rules! with_fields {
    ($(#[$meta:meta])* pub enum Error { $(
        $(#[$doc:meta])* $variant:ident { $($(#[$about:meta])* $field:ident: $type:ty,)+ },
    )+ }) => {
        $(#[$meta])* pub enum Error { $($(#[$doc])* $variant { $($(#[$about])* $field: $type,)+ },)+ }

        impl Error {
            fn fields(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Error::$variant { $($field),+ } => {
                        f.debug_struct(stringify!($variant))$(.field(stringify!($field), $field))+.finish()
                    })+
                }
            }
        }
    };
}

with_fields! {
/// A mistake, what was expected, what was found, and what to do.
///
/// `{:?}`, which `unwrap`, `expect` and a `main` that returns it print, is the text of `{}`; `{:#?}` shows the variant and its fields.
///
/// ```
/// let error = flaxen::Error::msg("no such city");
/// assert_eq!(format!("{error:?}"), "no such city");
/// assert!(format!("{error:#?}").starts_with("Other {"));
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// An operation was given shapes it cannot work on.
    Shape {
        /// The operation.
        op: &'static str,
        /// The shapes as they are.
        found: String,
        /// What they should be.
        expected: String,
    },
    /// An operation was given a dtype it cannot work on.
    DType {
        /// The operation.
        op: &'static str,
        /// The dtypes as they are.
        found: String,
        /// What they should be.
        expected: String,
    },
    /// An argument that is not a tensor has a value the operation cannot work with.
    Argument {
        /// The operation.
        op: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
    /// There is no memory for the values of an operation.
    OutOfMemory {
        /// The operation.
        op: &'static str,
        /// What it was to make.
        shape: String,
        /// The bytes that were asked for last.
        bytes: usize,
    },
    /// A value of a transform was used after the transform returned.
    Leaked {
        /// The transform the value belongs to.
        transform: &'static str,
    },
    /// A collective names an axis no `vmap` around it has.
    UnboundAxis {
        /// The name asked for.
        axis: String,
        /// The names there are, innermost first.
        bound: Vec<String>,
    },
    /// The elements of a traced value were asked for.
    Concrete {
        /// The transform that has no values yet: `jit` or `vmap`.
        transform: &'static str,
        /// The value's shape.
        shape: Shape,
    },
    /// The elements of a value from `eval_shape` were asked for.
    Abstract {
        /// The value's shape.
        shape: Shape,
    },
    /// `grad` was given a function whose loss is not a float scalar.
    NotScalar {
        /// The loss's shape.
        shape: Shape,
        /// The name of the loss's dtype.
        dtype: &'static str,
    },
    /// `item` or `to_vec` asked for another type than the tensor has.
    ElementType {
        /// The name of the tensor's dtype.
        found: &'static str,
        /// The name of the dtype asked for.
        asked: &'static str,
    },
    /// `item` was called on a tensor of more or less than one element.
    NotOneElement {
        /// The tensor's shape.
        shape: Shape,
    },
    /// The mapped axes of a `vmap` differ in size, or there are none.
    AxisSize {
        /// The sizes found, in order of the arguments' leaves.
        found: Vec<usize>,
    },
    /// An output with `out_axes` None differs between the examples of a `vmap`.
    MappedOutput {
        /// The output's path.
        path: String,
        /// The name of the `vmap`'s axis.
        axis: Option<String>,
    },
    /// A gradient through an operation that has none was asked for.
    NotDifferentiable {
        /// The operation.
        op: &'static str,
        /// Why, and what to do.
        message: String,
    },
    /// Trees that should have one structure differ.
    Structure {
        /// Where they were compared.
        context: &'static str,
        /// The first difference.
        message: String,
    },
    /// An error inside a staged function, with the line that staged the operation.
    At {
        /// The line.
        location: Location<'static>,
        /// The error.
        error: Box<Error>,
    },
    /// There is no entry of that name in a dict.
    KeyNotFound {
        /// The path asked for.
        path: String,
        /// The deepest dict on the way that is there.
        parent: String,
        /// The names in it.
        available: Vec<String>,
    },
    /// Variables do not have the form `{collection: {name: value}}`.
    InvalidVariables {
        /// What is wrong and what to do.
        message: String,
    },
    /// There is no variable of that collection, and it may not be made.
    CollectionNotFound {
        /// The collection, which is empty.
        collection: Box<str>,
        /// The variable asked for.
        name: Box<str>,
        /// The module's path.
        path: Box<str>,
        /// The collections that are there.
        available: Vec<String>,
    },
    /// There is no such parameter, and `params` is not mutable.
    ParamNotFound {
        /// The parameter asked for.
        name: Box<str>,
        /// The module's path.
        path: Box<str>,
        /// What there is at that path.
        available: Vec<String>,
    },
    /// There is no such variable, and its collection is not mutable.
    VariableNotFound {
        /// The collection.
        collection: Box<str>,
        /// The variable asked for.
        name: Box<str>,
        /// The module's path.
        path: Box<str>,
    },
    /// A parameter has another shape than the module asks for.
    ParamShape {
        /// The parameter.
        name: Box<str>,
        /// The module's path.
        path: Box<str>,
        /// The shape it has.
        found: Box<str>,
        /// The shape asked for.
        expected: Box<str>,
    },
    /// A variable of an immutable collection was written.
    Immutable {
        /// The collection.
        collection: Box<str>,
        /// The variable.
        name: Box<str>,
        /// The module's path.
        path: Box<str>,
        /// The collections that the run was told are mutable, by name.
        mutable: Vec<String>,
    },
    /// A name was given twice in one module.
    NameInUse {
        /// What was to have the name.
        kind: &'static str,
        /// The name.
        name: Box<str>,
        /// The module's path.
        path: Box<str>,
    },
    /// Random numbers were asked for, and the run has no such stream.
    MissingRng {
        /// The stream.
        stream: Box<str>,
        /// The module's path.
        path: Box<str>,
        /// The streams there are.
        available: Vec<String>,
    },
    /// What was given as random streams is not one key per stream.
    InvalidRng {
        /// What is wrong and what to do.
        message: String,
    },
    /// A scope, or a module bound to one, was used after its run had ended.
    InvalidScope {
        /// The scope's path.
        path: Box<str>,
    },
    /// A run was changed under a transform that was entered since the run began.
    TraceLevel {
        /// The module's path.
        path: Box<str>,
        /// What it did.
        action: Box<str>,
    },
    /// `perturb` found its collection without the perturbation.
    PerturbationNotFound {
        /// The collection.
        collection: Box<str>,
        /// The perturbation.
        name: Box<str>,
        /// The module's path.
        path: Box<str>,
    },
    /// A module was called, or asked for a variable, that is part of no running model.
    Unbound {
        /// The module's type.
        module: &'static str,
        /// What it was asked for.
        action: Box<str>,
    },
    /// A module made a submodule or a variable outside of its compact methods and its setup.
    NotCompact {
        /// The module's type.
        module: &'static str,
        /// The module's path.
        path: Box<str>,
        /// What it made.
        made: Box<str>,
    },
    /// A transform adds an axis to the value in a box, or takes it away, and the box's metadata cannot follow.
    AxisMetadata {
        /// The path of the box.
        path: Box<str>,
        /// What is wrong and what to do.
        message: String,
    },
    /// `lazy_init` met a variable that depends on values that are not there.
    LazyInit {
        /// The variables.
        variables: Vec<String>,
    },
    /// An interceptor answered a call in a way the method cannot return.
    Interceptor {
        /// The method.
        method: Box<str>,
        /// What is wrong and what to do.
        message: String,
    },
    /// An error inside a module.
    InModule {
        /// The module's path.
        path: Box<str>,
        /// The module's type.
        module: &'static str,
        /// The error.
        error: Box<Error>,
    },
    /// A file could not be read or written, or is not what it should be.
    File {
        /// The file.
        path: Box<str>,
        /// What is wrong and what to do.
        message: String,
    },
    /// Another rank of a [`World`](crate::parallel::World) ended with an error.
    RankFailed {
        /// The rank.
        rank: usize,
        /// The error, or as much of it as is known here.
        error: Box<Error>,
    },
    /// Ranks did not come to a collective within the limit of waiting.
    RanksMissing {
        /// Which.
        ranks: Vec<usize>,
        /// What this rank waited in.
        op: &'static str,
        /// How long, in seconds.
        seconds: f64,
    },
    /// Ranks that should do the same do not.
    RanksDiffer {
        /// The ranks that differ from the lowest one.
        ranks: Vec<usize>,
        /// What of, and how.
        message: Box<str>,
    },
    /// A tensor is in the memory of another device than the operation runs on.
    Placement {
        /// The operation, and where it runs.
        op: Box<str>,
        /// The tensor.
        tensor: Box<str>,
        /// The device that it is on.
        found: Box<str>,
        /// The device that it should be on.
        expected: Box<str>,
    },
    /// A device, or the plugin that drives it, refused or failed.
    Device {
        /// The device, or the plugin's file.
        device: Box<str>,
        /// What it was to do.
        action: Box<str>,
        /// What kind of failure it says that was, in the words of its interface: `RESOURCE_EXHAUSTED`.
        code: &'static str,
        /// What it says.
        message: Box<str>,
    },
    /// Any other error, for instance one of the user's own inside a transformed function.
    Other {
        /// Its text.
        message: String,
        /// The error itself, if it was one.
        cause: Option<Cause>,
    },
}
}

impl Error {
    /// An error of the user's own, from a text.
    pub fn msg(message: impl Into<String>) -> Error {
        Error::Other { message: message.into(), cause: None }
    }

    /// An error of another library or of the user's own, for `?` inside transformed functions and modules; it can be had back by
    /// [`downcast_ref`](Error::downcast_ref).
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let f = jit(|x: Tensor| {
    ///     let factor: f32 = "two".parse().map_err(flaxen::Error::other)?;
    ///     Ok(x * factor)
    /// });
    /// let error = f.call(Tensor::ones([2])).unwrap_err();
    /// assert_eq!(error.to_string(), "invalid float literal");
    /// assert!(error.downcast_ref::<std::num::ParseFloatError>().is_some());
    /// ```
    pub fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Other { message: error.to_string(), cause: Some(Cause::new(error)) }
    }

    /// The error that was given to [`other`](Error::other), if it is of this type, wherever it went through since.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        match self.root() {
            Error::Other { cause: Some(cause), .. } => cause.get().downcast_ref(),
            _ => None,
        }
    }

    pub(crate) fn shape(op: &'static str, found: impl Into<String>, expected: impl Into<String>) -> Error {
        Error::Shape { op, found: found.into(), expected: expected.into() }
    }

    pub(crate) fn dtype(op: &'static str, found: impl fmt::Display, expected: impl Into<String>) -> Error {
        Error::DType { op, found: found.to_string(), expected: expected.into() }
    }

    pub(crate) fn argument(op: &'static str, message: impl Into<String>) -> Error {
        Error::Argument { op, message: message.into() }
    }

    /// Metadata cannot follow its value; [`in_box`](Error::in_box) adds where.
    pub(crate) fn metadata(message: impl Into<String>) -> Error {
        Error::AxisMetadata { path: "".into(), message: message.into() }
    }

    /// Adds the path of the box whose metadata made an error.
    pub(crate) fn in_box(self, path: &str) -> Error {
        let message = match self {
            Error::AxisMetadata { path: inner, message } if inner.is_empty() => message,
            other => other.to_string(),
        };
        Error::AxisMetadata { path: path.into(), message }
    }

    #[cfg(feature = "io")]
    pub(crate) fn file(path: &str, message: impl fmt::Display) -> Error {
        Error::File { path: path.into(), message: message.to_string() }
    }

    /// Adds the module an error happened in, unless the error says one.
    pub(crate) fn in_module(self, module: &'static str, path: &str) -> Error {
        match self {
            Error::InModule { .. }
            | Error::CollectionNotFound { .. }
            | Error::ParamNotFound { .. }
            | Error::VariableNotFound { .. }
            | Error::ParamShape { .. }
            | Error::Immutable { .. }
            | Error::NameInUse { .. }
            | Error::MissingRng { .. }
            | Error::InvalidScope { .. }
            | Error::TraceLevel { .. }
            | Error::PerturbationNotFound { .. }
            | Error::NotCompact { .. } => self,
            error => Error::InModule { path: path.into(), module, error: Box::new(error) },
        }
    }

    /// Adds the rank that an error happened on, unless it is one of several ranks.
    pub(crate) fn of_rank(self, rank: usize) -> Error {
        match self {
            Error::RankFailed { .. } | Error::RanksMissing { .. } | Error::RanksDiffer { .. } => self,
            error => Error::RankFailed { rank, error: Box::new(error) },
        }
    }

    /// With the name that the user called an operation by which is made of others.
    pub(crate) fn called(mut self, name: &'static str) -> Error {
        match &mut self {
            Error::Shape { op, .. } | Error::DType { op, .. } | Error::Argument { op, .. } => *op = name,
            _ => {}
        }
        self
    }

    /// The error itself, without the line, the module and the rank it happened in.
    pub fn root(&self) -> &Error {
        match self {
            Error::At { error, .. } | Error::InModule { error, .. } | Error::RankFailed { error, .. } => {
                error.root()
            }
            error => error,
        }
    }

    /// Adds the line an operation was written on, unless one is known.
    pub(crate) fn at(self, location: &'static Location<'static>) -> Error {
        match self {
            Error::At { .. } => self,
            error => Error::At { location: *location, error: Box::new(error) },
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { self.fields(f) } else { fmt::Display::fmt(self, f) }
    }
}

impl std::error::Error for Error {
    /// What caused the error that was given to [`other`](Error::other), whose own text is already in this one's.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.root() {
            Error::Other { cause: Some(cause), .. } => cause.get().source(),
            _ => None,
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        Error::other(error)
    }
}
