//! What layers are configured with: sizes, steps, axes and fixed tensors.

use std::fmt;

use crate::array::Shape;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::axes_of;

macro_rules! from_lists {
    ($ty:ident($number:ty) = $list:path) => {
        impl<const N: usize> From<[$number; N]> for $ty {
            fn from(list: [$number; N]) -> $ty {
                $list(list.into())
            }
        }

        impl From<&[$number]> for $ty {
            fn from(list: &[$number]) -> $ty {
                $list(list.into())
            }
        }

        impl From<Vec<$number>> for $ty {
            fn from(list: Vec<$number>) -> $ty {
                $list(list)
            }
        }
    };
}

/// A list of sizes; one number is a list of one.
///
/// ```
/// use flaxen::nn::Sizes;
/// assert_eq!(Sizes::from(3), Sizes::from([3]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sizes(pub Vec<usize>);

from_lists!(Sizes(usize) = Sizes);

impl From<usize> for Sizes {
    fn from(size: usize) -> Sizes {
        Sizes(vec![size])
    }
}

impl std::ops::Deref for Sizes {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.0
    }
}

/// A number for each spatial axis, or one for all of them: strides and dilations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Steps {
    /// The same for every axis.
    All(usize),
    /// One for each axis.
    Each(Vec<usize>),
}

from_lists!(Steps(usize) = Steps::Each);

impl From<usize> for Steps {
    fn from(step: usize) -> Steps {
        Steps::All(step)
    }
}

impl Steps {
    /// The steps of each of `rank` axes.
    pub(super) fn list(&self, op: &'static str, what: &str, rank: usize) -> Result<Vec<usize>> {
        match self {
            Steps::All(step) => Ok(vec![*step; rank]),
            Steps::Each(steps) if steps.len() == rank => Ok(steps.clone()),
            Steps::Each(steps) => Err(Error::argument(
                op,
                format!("expects {rank} {what}, one for each spatial axis of the kernel, found {steps:?}"),
            )),
        }
    }
}

/// Axes of an input; negative ones count from the end.
///
/// ```
/// use flaxen::nn::AxisList;
/// assert_eq!(AxisList::from(-1), AxisList::from([-1]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AxisList(pub Vec<isize>);

from_lists!(AxisList(isize) = AxisList);

impl From<isize> for AxisList {
    fn from(axis: isize) -> AxisList {
        AxisList(vec![axis])
    }
}

impl AxisList {
    /// The axes of a tensor of a rank, in ascending order.
    pub(super) fn ascending(&self, op: &'static str, rank: usize) -> Result<Shape> {
        axes_of(op, &self.0, rank)
    }
}

/// A list of names; one name is a list of one.
///
/// ```
/// use flaxen::nn::Names;
/// assert_eq!(Names::from("kernel"), Names::from(["kernel"]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Names(pub Vec<String>);

impl From<&str> for Names {
    fn from(name: &str) -> Names {
        Names(vec![name.to_owned()])
    }
}

impl<const N: usize> From<[&str; N]> for Names {
    fn from(names: [&str; N]) -> Names {
        Names(names.iter().map(ToString::to_string).collect())
    }
}

impl From<Vec<String>> for Names {
    fn from(names: Vec<String>) -> Names {
        Names(names)
    }
}

/// A tensor that is part of a layer's configuration, such as the mask of a kernel: equal to another one of equal values.
#[derive(Clone)]
pub struct Constant(pub Tensor);

impl From<Tensor> for Constant {
    fn from(tensor: Tensor) -> Constant {
        Constant(tensor)
    }
}

impl From<&Tensor> for Constant {
    fn from(tensor: &Tensor) -> Constant {
        Constant(tensor.clone())
    }
}

impl From<Tensor> for Option<Constant> {
    fn from(tensor: Tensor) -> Option<Constant> {
        Some(Constant(tensor))
    }
}

impl From<&Tensor> for Option<Constant> {
    fn from(tensor: &Tensor) -> Option<Constant> {
        Some(Constant(tensor.clone()))
    }
}

/// Values of a transform have no elements to compare: they are equal to nothing.
impl PartialEq for Constant {
    fn eq(&self, other: &Constant) -> bool {
        match (self.0.array(), other.0.array()) {
            (Ok(a), Ok(b)) => a.aval() == b.aval() && a.bytes() == b.bytes(),
            _ => false,
        }
    }
}

impl fmt::Debug for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.aval())
    }
}
