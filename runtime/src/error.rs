//! The one error type: a variant per mistake.

use std::fmt;
use std::panic::Location;

use crate::tensor::{DType, Shape};

/// What the framework's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A mistake, what was expected, what was found, and what to do.
#[derive(Debug, Clone, PartialEq)]
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
    /// The numbers of a traced value were asked for.
    Concrete {
        /// The transform that has no numbers yet: `jit` or `vmap`.
        transform: &'static str,
        /// The value's shape.
        shape: Shape,
    },
    /// The numbers of a value from `eval_shape` were asked for.
    Abstract {
        /// The value's shape.
        shape: Shape,
    },
    /// `grad` was given a function whose loss is not a float scalar.
    NotScalar {
        /// The loss's shape.
        shape: Shape,
        /// The loss's dtype.
        dtype: DType,
    },
    /// `item` or `to_vec` asked for another type than the tensor has.
    ElementType {
        /// The tensor's dtype.
        found: DType,
        /// The dtype asked for.
        asked: DType,
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
        /// The place asked for.
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
    /// Any other error, for instance one of the user's own inside a transformed function.
    Other {
        /// Its text.
        message: String,
    },
}

impl Error {
    /// An error of the user's own, from a text.
    pub fn msg(message: impl Into<String>) -> Error {
        Error::Other { message: message.into() }
    }

    /// An error of another library, for `?` inside transformed functions.
    pub fn other(error: impl std::error::Error) -> Error {
        Error::Other { message: error.to_string() }
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

    /// Adds the line an operation was written on, unless one is known.
    pub(crate) fn at(self, location: &'static Location<'static>) -> Error {
        match self {
            Error::At { .. } => self,
            error => Error::At { location: *location, error: Box::new(error) },
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Shape { op, found, expected } | Error::DType { op, found, expected } => {
                write!(f, "`{op}` expects {expected}, found {found}")
            }
            Error::Argument { op, message } => write!(f, "`{op}`: {message}"),
            Error::Leaked { transform } => write!(
                f,
                "a value traced by `{transform}` was used after `{transform}` returned: return it from the \
                 transformed function instead of storing it elsewhere"
            ),
            Error::UnboundAxis { axis, bound } if bound.is_empty() => {
                write!(f, "no axis named `{axis}` here: call through `vmap(..).axis_name(\"{axis}\")`")
            }
            Error::UnboundAxis { axis, bound } => write!(
                f,
                "no axis named `{axis}` here, the named axes are {bound:?}: use one of them, or call through \
                 `vmap(..).axis_name(\"{axis}\")`"
            ),
            Error::Concrete { transform: "vmap", shape } => write!(
                f,
                "the numbers of a value of shape {shape:?} were asked for under `vmap`, where they differ between \
                 examples: use `select`, or return the value and look at it outside"
            ),
            Error::Concrete { transform, shape } => write!(
                f,
                "the numbers of a value of shape {shape:?} were asked for while `{transform}` traces: they exist only \
                 when the compiled function runs; use `select`, or move this code out of `{transform}`"
            ),
            Error::Abstract { shape } => write!(
                f,
                "the numbers of a value of shape {shape:?} from `eval_shape` were asked for: it has only a shape and a \
                 dtype; call the function itself to have numbers"
            ),
            Error::NotScalar { shape, dtype } if shape.is_empty() => {
                write!(
                    f,
                    "`grad` needs a loss of a float dtype, found {dtype}: cast it, or differentiate another output"
                )
            }
            Error::NotScalar { shape, .. } => {
                write!(
                    f,
                    "`grad` needs a scalar loss, found shape {shape:?}: add `.mean()` or `.sum()`, which are over all axes"
                )
            }
            Error::ElementType { found, asked } => {
                write!(f, "a tensor of {found} was read as {asked}: cast it first, or ask for its own type")
            }
            Error::NotOneElement { shape } => {
                write!(f, "`item` needs exactly one element, found shape {shape:?}")
            }
            Error::AxisSize { found } if found.is_empty() => {
                f.write_str("`vmap` maps no argument: give `in_axes` an axis, or say `axis_size`")
            }
            Error::AxisSize { found } => {
                write!(f, "`vmap` needs one size for all mapped axes, found {found:?}")
            }
            Error::MappedOutput { path, axis } => write!(
                f,
                "output{}{path} of `vmap` has `out_axes` None but differs between examples: average it first with \
                 `pmean(\"{}\")` or give it an axis",
                if path.is_empty() { "" } else { " " },
                axis.as_deref().unwrap_or("…")
            ),
            Error::NotDifferentiable { op, message } if message.is_empty() => {
                write!(f, "`{op}` has no gradient")
            }
            Error::NotDifferentiable { op, message } => write!(f, "`{op}` has no gradient: {message}"),
            Error::Structure { context, message } => write!(f, "{context}: {message}"),
            Error::KeyNotFound { path, parent, available } => {
                let place =
                    if parent.is_empty() { "at the top".to_owned() } else { format!("in `{parent}`") };
                write!(f, "there is no `{path}`: {place} there is {}", list(available))
            }
            Error::InvalidVariables { message } => f.write_str(message),
            Error::At { location, error } => write!(f, "{error} (staged at {location})"),
            Error::Other { message } => f.write_str(message),
        }
    }
}

/// Names as text, for messages.
fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
