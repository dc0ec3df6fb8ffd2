//! `Tensor`: a concrete array, or a value of a trace.

mod convert;
mod display;
mod format;
mod ndarray;
pub(crate) mod untyped;

use std::borrow::Cow;
use std::sync::Arc;

pub use convert::TensorLike;
pub use untyped::enable_f64;
pub(crate) use untyped::{bare, does_not_fit, f64_is_enabled, untyped_number};

use crate::array::{Array, Aval, DType, Element, memory};
use crate::core::trace::Traced;
use crate::error::{Error, Result, unwrap};

/// An n-dimensional array of numbers, or a value of a transform that stands for one.
///
/// Cheap to clone: the numbers are shared. Shape and dtype are dynamic. Operations return new tensors; one that owns its
/// operand, with nobody else holding it, writes in place.
///
/// ```
/// use flaxen::prelude::*;
///
/// let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// let y = &x * 2.0 + 1.0;
/// assert_eq!(y.shape(), [2, 2]);
/// assert_eq!(y.to_vec::<f32>()?, [3.0, 5.0, 7.0, 9.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// The methods stand in sections by topic, first those that make tensors. What makes a tensor of tensors panics on bad input, at the line
/// of its caller and with a text that says what was expected, so that expressions need no `?`: `x.reshape([3, -1]).mean_axes(0)`. Each such
/// method has a twin with `try_` before its name, which takes the same arguments and returns a [`Result`]; their pages say no more than that.
/// Shapes and axes are given as numbers, ranges, arrays or tuples, negative ones from the end; `squeeze(0)`, `sum_axes((0, -1))` and
/// `slice_axis(1, 2..)` are all the same kind of argument.
#[derive(Clone)]
pub struct Tensor {
    pub(crate) repr: Repr,
}

#[derive(Clone)]
pub(crate) enum Repr {
    Array(Array),
    Traced(Arc<Traced>),
}

/// # Shape, dtype and values
impl Tensor {
    /// Shape and dtype together.
    pub fn aval(&self) -> &Aval {
        match &self.repr {
            Repr::Array(array) => array.aval(),
            Repr::Traced(traced) => traced.aval(),
        }
    }

    /// The sizes of the axes, outermost first; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.aval().shape
    }

    /// The number of axes.
    #[doc(alias = "dim")]
    #[doc(alias = "ndim")]
    pub fn rank(&self) -> usize {
        self.shape().len()
    }

    /// The number of elements.
    #[doc(alias = "numel")]
    pub fn size(&self) -> usize {
        self.aval().size()
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.aval().dtype
    }

    /// The numbers: those of the forward pass for a value under `grad`.
    ///
    /// # Errors
    /// While `jit` traces, and under `vmap`, there is no single answer; a value of a transform that has returned; what a device says
    /// that is to hand them out.
    pub fn array(&self) -> Result<&Array> {
        match &self.repr {
            Repr::Array(array) => array.on_host(),
            Repr::Traced(traced) => {
                traced.check_open()?;
                match &**traced {
                    Traced::Tape { primal, .. } => primal.array(),
                    Traced::Batch { .. } => {
                        Err(Error::Concrete { transform: "vmap", shape: self.shape().into() })
                    }
                    Traced::Stage { .. } => {
                        Err(Error::Concrete { transform: "jit", shape: self.shape().into() })
                    }
                    Traced::Abstract { .. } => Err(Error::Abstract { shape: self.shape().into() }),
                }
            }
        }
    }

    /// A copy of the numbers, row-major, as the dtype's Rust type or a wider one of its kind: `F32` also as `f64`.
    ///
    /// # Errors
    /// [`Error::ElementType`] if `T` does not hold every number of the dtype; as [`Tensor::array`].
    #[doc(alias = "numpy")]
    #[doc(alias = "tolist")]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        let copy = || {
            let array = self.array_as::<T>()?;
            Ok(memory::collected(array.data::<T::Storage>().iter().map(|&x| T::load(x))))
        };
        memory::or_error("to_vec", || self.aval().to_string(), copy)
    }

    /// The only number of a tensor of one element, as the dtype's Rust type or a wider one of its kind.
    ///
    /// # Errors
    /// [`Error::NotOneElement`], [`Error::ElementType`]; as [`Tensor::array`].
    pub fn item<T: Element>(&self) -> Result<T> {
        match self.array_as::<T>()?.data::<T::Storage>() {
            [x] => Ok(T::load(*x)),
            _ => Err(Error::NotOneElement { shape: self.shape().into() }),
        }
    }

    /// The numbers as those of a type that holds them all.
    fn array_as<T: Element>(&self) -> Result<Cow<'_, Array>> {
        let (array, asked) = (self.array()?, T::DTYPE);
        let found = array.dtype();
        if found == asked {
            return Ok(Cow::Borrowed(array));
        }
        if found.kind() == asked.kind() && found.promote(asked) == asked {
            return Ok(Cow::Owned(crate::kernels::arrays::convert(array, asked, false)));
        }
        Err(Error::ElementType { found: found.name(), asked: asked.name() })
    }

    /// A tensor that has a shape and a dtype but no numbers, as an argument of [`eval_shape`](crate::eval_shape).
    ///
    /// # Panics
    /// If the size overflows the address space.
    #[track_caller]
    pub fn abstract_value(aval: Aval) -> Tensor {
        unwrap(aval.check_size("abstract_value"));
        Traced::Abstract { aval }.into()
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        match &self.repr {
            Repr::Array(_) => Ok(()),
            Repr::Traced(traced) => traced.check_open(),
        }
    }
}

impl From<Array> for Tensor {
    fn from(array: Array) -> Tensor {
        Tensor { repr: Repr::Array(array) }
    }
}

impl From<Traced> for Tensor {
    fn from(traced: Traced) -> Tensor {
        Tensor { repr: Repr::Traced(Arc::new(traced)) }
    }
}

impl From<&Tensor> for Tensor {
    fn from(tensor: &Tensor) -> Tensor {
        tensor.clone()
    }
}

/// Refuses data that do not fill a shape.
fn check_fills<T: Element>(op: &'static str, count: usize, shape: &[usize]) -> Result<()> {
    let aval = Aval::unchecked(shape, T::DTYPE);
    aval.check_rank(op)?;
    if aval.checked_size() == Some(count) {
        return Ok(());
    }
    let found = format!("{count} for shape {:?}", aval.shape);
    Err(Error::shape(op, found, "as many numbers as the shape has elements"))
}
