//! What is known of a value without its numbers: shape and dtype.

use std::fmt;

use smallvec::SmallVec;

use super::dtype::{DType, Kind};
use crate::error::{Error, Result};

/// The sizes of a tensor's axes, outermost first; empty for a scalar.
pub type Shape = SmallVec<[usize; 4]>;

/// An abstract value: shape, dtype, and whether the dtype is weak.
///
/// A *weak* dtype is that of a bare Rust scalar beside a tensor, whose dtype it takes on: `bf16 * 2.0` stays `bf16`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Aval {
    /// Sizes of the axes.
    pub shape: Shape,
    /// Type of the elements.
    pub dtype: DType,
    /// True for values made of bare scalars only.
    pub weak: bool,
}

impl Aval {
    /// A tensor has so many axes at most: some kernels call themselves for each axis, and stacks are small.
    pub const MAX_RANK: usize = 256;

    /// An abstract value with a strong dtype.
    ///
    /// # Panics
    /// If the size in bytes does not fit the address space, see [`checked_size`](Aval::checked_size).
    #[track_caller]
    pub fn new(shape: impl AsRef<[usize]>, dtype: DType) -> Aval {
        match Aval::try_new(shape, dtype) {
            Ok(aval) => aval,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`new`](Aval::new).
    ///
    /// # Errors
    /// If the size in bytes does not fit the address space.
    pub fn try_new(shape: impl AsRef<[usize]>, dtype: DType) -> Result<Aval> {
        let aval = Aval::unchecked(shape, dtype);
        aval.check_size("Aval::new")?;
        Ok(aval)
    }

    /// An abstract value whose size is checked later.
    pub(crate) fn unchecked(shape: impl AsRef<[usize]>, dtype: DType) -> Aval {
        Aval { shape: shape.as_ref().into(), dtype, weak: false }
    }

    /// Refuses one too large to address.
    pub(crate) fn check_size(&self, op: &'static str) -> Result<()> {
        match self.checked_size() {
            Some(_) => Ok(()),
            None => Err(Error::shape(op, format!("{self}"), "a size in bytes that fits the address space")),
        }
    }

    /// The same dtype with another shape.
    pub fn with_shape(&self, shape: impl Into<Shape>) -> Aval {
        Aval { shape: shape.into(), dtype: self.dtype, weak: self.weak }
    }

    /// The same shape with another, strong dtype.
    pub fn with_dtype(&self, dtype: DType) -> Aval {
        Aval { shape: self.shape.clone(), dtype, weak: false }
    }

    /// Refuses more axes than tensors may have.
    pub(crate) fn check_rank(&self, op: &'static str) -> Result<()> {
        if self.rank() <= Aval::MAX_RANK {
            return Ok(());
        }
        Err(Error::shape(op, format!("{} axes", self.rank()), format!("at most {}", Aval::MAX_RANK)))
    }

    /// Equality, which for shapes of few axes takes less time than a call to compare memory.
    pub(crate) fn is(&self, other: &Aval) -> bool {
        self.dtype == other.dtype
            && self.weak == other.weak
            && self.shape.len() == other.shape.len()
            && self.shape.iter().zip(&other.shape).all(|(a, b)| a == b)
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// The number of bytes of all elements.
    pub(crate) fn bytes(&self) -> usize {
        self.size() * self.dtype.size()
    }

    /// The number of elements, or `None` if that, or the number of bytes, does not fit the address space.
    ///
    /// Axes of size 0 do not make the others fit, as in NumPy: the distances between rows must be numbers, too.
    ///
    /// ```
    /// use flaxen::{Aval, DType};
    /// assert_eq!(Aval::try_new([2, 3], DType::F32)?.checked_size(), Some(6));
    /// assert!(Aval::try_new([1 << 61, 8], DType::F32).is_err());
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    #[inline]
    pub fn checked_size(&self) -> Option<usize> {
        let most = self.shape.iter().try_fold(1usize, |size, &n| size.checked_mul(n.max(1)))?;
        most.checked_mul(self.dtype.size()).filter(|&bytes| isize::try_from(bytes).is_ok())?;
        Some(if self.shape.contains(&0) { 0 } else { most })
    }
}

/// `f32[2,3]`; a weak dtype has a star.
impl fmt::Display for Aval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}[", self.dtype.short_name(), if self.weak { "*" } else { "" })?;
        for (i, size) in self.shape.iter().enumerate() {
            write!(f, "{}{size}", if i > 0 { "," } else { "" })?;
        }
        f.write_str("]")
    }
}

/// The dtype, and whether it is weak, of an operation on mixed arguments.
pub(crate) fn promote<'a>(avals: impl IntoIterator<Item = &'a Aval>) -> (DType, bool) {
    let mut found: Option<(DType, bool)> = None;
    let mut mixed = false;
    for aval in avals {
        mixed |= found.is_some_and(|(dtype, weak)| dtype != aval.dtype || weak != aval.weak);
        found = Some(match found {
            None => (aval.dtype, aval.weak),
            Some((dtype, weak)) if weak == aval.weak => (dtype.promote(aval.dtype), weak),
            Some((dtype, weak)) => {
                let (strong, soft) = if weak { (aval.dtype, dtype) } else { (dtype, aval.dtype) };
                // A weak value changes the dtype only if it is of a larger kind: then the result is weak, too.
                match (strong.kind(), soft.kind()) {
                    // The digits of a float are those of both parts.
                    (Kind::Float, Kind::Complex) => (soft, false),
                    (strong, larger) if larger > strong => (soft, true),
                    _ => (strong, false),
                }
            }
        });
    }
    match found {
        // A bare number beside one of its own keeps its digits, until it meets a tensor.
        Some((dtype, true)) if mixed => (dtype.untyped(), true),
        found => found.unwrap_or((DType::F32, true)),
    }
}
