//! `x.at(indices)`: what is read there, and copies with something else there.

use super::index::{Index, Indices};
use super::lower::{Lowered, lower};
use super::masks;
use super::resolve::{Item, Resolved, static_shape, wrapped};
use crate::array::{Array, Aval, DType, Shape};
use crate::core::op::{Outside, ScatterOp};
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result, unwrap};
use crate::ops::gather::gather;
use crate::ops::scatter::scatter;
use crate::ops::slice::{Parts, strided_parts};
use crate::ops::{convert, convert_wrapping, create, promoted, zeros_of};

/// What becomes of positions outside of an axis; JAX's `mode`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IndexMode {
    /// They mean the first or the last element.
    Clip,
    /// They are not written, and read as for [`Fill`](IndexMode::Fill).
    Drop,
    /// They read as NaN, of signed integers as the least, of unsigned ones as the greatest, of booleans as true, unless
    /// [`At::fill_value`] says otherwise, and are not written.
    Fill,
    /// There are none. Such as there are all the same are read as by `Clip` and written as by `Drop`.
    PromiseInBounds,
}

/// Some elements of a tensor, from [`Tensor::at`]: to be read, or to be other ones in a copy.
#[derive(Clone)]
#[must_use = "it says where, and does nothing itself: call `get`, `set`, `add` …"]
pub struct At<'a> {
    x: &'a Tensor,
    indices: Result<Vec<Index>>,
    mode: Option<IndexMode>,
    fill: Option<Result<Tensor>>,
    unique: bool,
    wrap: bool,
}

/// # Indexing and updates: `at`
impl Tensor {
    /// The elements at a tuple of indices, to be read or updated, as `x.at[indices]` of JAX.
    ///
    /// An index is an integer, a range (`1..3`, `..`, also from the end: `-2..`), a [`Slice`](crate::Slice) with a step, a tensor or an
    /// array of integers, a mask of booleans, [`Ellipsis`](crate::Ellipsis) or [`NewAxis`](crate::NewAxis). Axes behind the last index
    /// are whole. The shape is that of NumPy: tensors and integers broadcast together, and if all stand side by side, their axes are
    /// where the first of them stands, or else in front. Negative positions count from the end.
    ///
    /// Positions outside are no errors, because they may be values of a transform: unless [`mode`](At::mode) says otherwise, reading
    /// clips them, and writing leaves them out.
    ///
    /// Values are broadcast to the shape that is read there. Where they have another dtype than the tensor, both are promoted, and
    /// the result has the tensor's dtype. Where positions repeat, updates are applied in their order.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::zeros([2, 3]);
    /// let (rows, columns) = (Tensor::from([0, 1, 1]), Tensor::from([2, 0, 0]));
    /// let y = x.at((&rows, &columns)).add([1.0f32, 2.0, 3.0]);
    /// assert_eq!(y.to_vec::<f32>()?, [0.0, 0.0, 1.0, 5.0, 0.0, 0.0]);
    /// assert_eq!(y.at((.., -1)).set(7.0).to_vec::<f32>()?, [0.0, 0.0, 7.0, 5.0, 0.0, 7.0]);
    /// assert_eq!(y.at(y.gt(0.0)).mul(2.0).to_vec::<f32>()?, [0.0, 0.0, 2.0, 10.0, 0.0, 0.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    #[doc(alias = "index_add")]
    #[doc(alias = "index_put")]
    #[doc(alias = "scatter_add")]
    pub fn at(&self, indices: impl Indices) -> At<'_> {
        At { x: self, indices: indices.into_indices(), mode: None, fill: None, unique: false, wrap: true }
    }

    /// The elements at a tuple of indices, as NumPy's `x[indices]`: [`at`](Tensor::at) says what they may be.
    ///
    /// Positions outside are clipped, as in JAX. A mask must have values: how many elements it means is part of the shape.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::arange(0i32, 12, 1).reshape([3, 4]);
    /// assert_eq!(x.index((1.., 2)).to_vec::<i32>()?, [6, 10]);
    /// assert_eq!(x.index(([2, 0], [-1, 1])).to_vec::<i32>()?, [11, 1]);
    /// assert_eq!(x.index((flaxen::NewAxis, 0)).shape(), [1, 4]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there are more indices than axes, they do not broadcast, or are not integers or booleans.
    #[track_caller]
    pub fn index(&self, indices: impl Indices) -> Tensor {
        unwrap(self.try_index(indices))
    }

    /// As [`index`](Tensor::index).
    ///
    /// # Errors
    /// If there are more indices than axes, they do not broadcast, or are not integers or booleans; of a mask that has no values
    /// yet, under `jit` and `vmap`.
    #[track_caller]
    pub fn try_index(&self, indices: impl Indices) -> Result<Tensor> {
        self.at(indices).try_get()
    }
}

macro_rules! updates {
    ($($(#[$doc:meta])* $method:ident $try_method:ident: |$at:ident, $values:ident| $result:expr;)*) => {
        impl At<'_> {
            $($(#[$doc])*
            ///
            /// # Panics
            /// If the indices do not fit the tensor, or the values do not broadcast to what they mean.
            #[track_caller]
            pub fn $method(&self, values: impl TensorLike) -> Tensor {
                unwrap(self.$try_method(values))
            }

            #[doc = concat!("As [`", stringify!($method), "`](At::", stringify!($method), ").")]
            ///
            /// # Errors
            /// If the indices do not fit the tensor, or the values do not broadcast to what they mean.
            #[track_caller]
            pub fn $try_method(&self, values: impl TensorLike) -> Result<Tensor> {
                let ($at, $values) = (self, values.operand()?);
                $result.map_err(|error: Error| error.called(stringify!($method)))
            })*
        }
    };
}

updates! {
    /// A copy with these values there; of several for one element, the last stays.
    set try_set: |at, values| at.update(ScatterOp::Set, &values);
    /// A copy with these values added there: all of them, where several meet.
    add try_add: |at, values| at.update(ScatterOp::Add, &values);
    /// A copy with these values subtracted there: all of them, where several meet.
    sub try_sub: |at, values| at.update(ScatterOp::Add, &values.try_neg()?);
    /// A copy with what is there multiplied by these values: by all of them, where several meet.
    mul try_mul: |at, values| at.update(ScatterOp::Mul, &values);
    /// A copy with what is there divided by these values: by their product, where several meet. Integers become floats.
    div try_div: |at, values| {
        let divisors = At { x: &at.x.ones_like(), ..at.clone() }.update(ScatterOp::Mul, &values)?;
        at.x.try_div(divisors)
    };
    /// A copy with what is there raised to these values: to their product, where several meet.
    power try_power: |at, values| {
        let exponents = At { x: &at.x.ones_like(), ..at.clone() }.update(ScatterOp::Mul, &values)?;
        at.x.try_pow(exponents)
    };
    /// A copy with the smaller of what is there and these values; NaN if either is.
    min try_min: |at, values| at.update(ScatterOp::Min, &values);
    /// A copy with the larger of what is there and these values; NaN if either is.
    max try_max: |at, values| at.update(ScatterOp::Max, &values);
}

impl At<'_> {
    /// What becomes of positions outside; unless told, reading clips them, and writing leaves them out.
    pub fn mode(self, mode: IndexMode) -> Self {
        At { mode: Some(mode), ..self }
    }

    /// What positions outside read as, a number; implies [`IndexMode::Fill`].
    pub fn fill_value(self, value: impl TensorLike) -> Self {
        At { mode: Some(IndexMode::Fill), fill: Some(value.operand()), ..self }
    }

    /// Promises that no element is meant twice, which spares gradients a part of their work.
    ///
    /// Where it is not so, gradients are wrong.
    pub fn unique_indices(self) -> Self {
        At { unique: true, ..self }
    }

    /// Promises that positions ascend, as JAX's argument of this name. Nothing here goes faster for it.
    pub fn indices_are_sorted(self) -> Self {
        self
    }

    /// Whether negative positions count from the end, as they do unless told, or are outside.
    pub fn wrap_negative_indices(self, wrap: bool) -> Self {
        At { wrap, ..self }
    }

    /// What is there.
    ///
    /// # Panics
    /// If the indices do not fit the tensor.
    #[track_caller]
    pub fn get(&self) -> Tensor {
        unwrap(self.try_get())
    }

    /// As [`get`](At::get).
    ///
    /// # Errors
    /// If the indices do not fit the tensor.
    #[track_caller]
    pub fn try_get(&self) -> Result<Tensor> {
        let resolved = self.resolve(self.x.shape())?;
        if let Some(parts) = self.parts(&resolved, self.reads_outside() == Outside::Clip) {
            return strided_parts(self.x, &parts)?.try_reshape(static_shape(&resolved.items));
        }
        if let Some((starts, sizes)) = self.window(&resolved) {
            return self.x.try_dynamic_slice(starts, sizes)?.try_reshape(static_shape(&resolved.items));
        }
        let lowered = lower(&resolved, self.x.shape(), self.wrap, self.reads_outside())?;
        let aval = self.x.aval().with_shape(lowered.shape.clone());
        if lowered.dense.contains(&0) {
            return zeros_of(&aval);
        }
        if self.x.size() == 0 {
            let found = format!("indices of {:?} elements in shape {:?}", lowered.shape, self.x.shape());
            return Err(Error::shape("index", found, "an axis with elements where something is read"));
        }
        self.gathered(lowered)
    }

    fn gathered(&self, lowered: Lowered) -> Result<Tensor> {
        let Lowered { mut windows, operand, positions, shape, .. } = lowered;
        let x = self.x.try_reshape(&operand)?;
        let Some(fill) = self.fill.clone().transpose()? else {
            return gather(&x, &positions, windows)?.try_reshape(shape);
        };
        if fill.rank() > 0 {
            return Err(Error::shape("fill_value", fill.aval().to_string(), "a single number"));
        }
        // What is inside reads as true.
        windows.outside = Outside::Zero;
        let all = create::full(Aval::unchecked(&operand, DType::Bool), 1.0)?;
        let inside = gather(&all, &positions, windows.clone())?;
        let values = gather(&x, &positions, windows)?;
        inside.try_select(values, convert(&fill, self.x.dtype(), false)?)?.try_reshape(shape)
    }

    /// What positions outside are for a read.
    fn reads_outside(&self) -> Outside {
        match self.mode {
            Some(IndexMode::Fill | IndexMode::Drop) => Outside::Invalid,
            None | Some(IndexMode::Clip | IndexMode::PromiseInBounds) => Outside::Clip,
        }
    }

    /// What positions outside are for an update.
    fn writes_outside(&self) -> Outside {
        if self.mode == Some(IndexMode::Clip) { Outside::Clip } else { Outside::Invalid }
    }

    fn resolve(&self, shape: &[usize]) -> Result<Resolved> {
        Resolved::new(self.indices.as_ref().map_err(Clone::clone)?, shape)
    }

    /// Parts of all axes, if all is known and inside; or clipped.
    fn parts(&self, resolved: &Resolved, clip: bool) -> Option<Parts> {
        let place = |(item, &size): (&Item, &usize)| match *item {
            Item::Slice { start, step, size } => Some((start, step, size)),
            Item::At(at) => {
                let (at, last) = (wrapped(at, size, self.wrap), size.checked_sub(1)? as i64);
                let at = if clip { at.clamp(0, last) } else { at };
                (0..=last).contains(&at).then_some((at as usize, 1, 1))
            }
            Item::Positions(_) | Item::NewAxis => None,
        };
        resolved.axes().zip(self.x.shape()).map(place).collect()
    }

    /// Starts and sizes, if single positions and plain slices are all there is, and clipped: a part that is cheaper to copy than
    /// windows are.
    fn window(&self, resolved: &Resolved) -> Option<(Vec<Tensor>, Shape)> {
        if resolved.is_advanced() || !self.wrap || self.reads_outside() != Outside::Clip || self.x.size() == 0
        {
            return None;
        }
        let axis = |item: &Item| match item {
            Item::Slice { start, step: 1, size } => Some((Array::scalar(*start as i64, false).into(), *size)),
            Item::At(at) => Some((Array::scalar(*at, false).into(), 1)),
            Item::Positions(at) => Some((at.clone(), 1)),
            Item::Slice { .. } | Item::NewAxis => None,
        };
        resolved
            .axes()
            .map(axis)
            .collect::<Option<Vec<_>>>()
            .map(|all| all.into_iter().unzip())
            .map(|(starts, sizes): (Vec<Tensor>, Vec<usize>)| (starts, sizes.into()))
    }

    /// A copy with something else there, computed in the dtype that both are promoted to, and in this tensor's in the end.
    fn update(&self, op: ScatterOp, values: &Tensor) -> Result<Tensor> {
        let [x, values] = promoted([self.x.clone(), values.clone()])?;
        let out = self.updated(op, &x, &values)?;
        convert_wrapping(&out, self.x.dtype(), self.x.aval().weak)
    }

    fn updated(&self, op: ScatterOp, x: &Tensor, values: &Tensor) -> Result<Tensor> {
        let indices = self.indices.as_ref().map_err(Clone::clone)?;
        if let Some((mask, values)) = masks::selection(indices, x.shape(), values)? {
            return mask.try_select(combined(op, x, &values.try_broadcast_to(x.shape())?)?, x);
        }
        let resolved = self.resolve(x.shape())?;
        if resolved.is_static() {
            return self.updated_part(op, x, values, &resolved);
        }
        let lowered = lower(&resolved, x.shape(), self.wrap, self.writes_outside())?;
        let values = values.try_broadcast_to(&lowered.shape)?.try_reshape(&lowered.dense)?;
        // Nothing is written, or all of it outside.
        if values.size() == 0 || x.size() == 0 {
            return Ok(x.clone());
        }
        let Lowered { windows, operand, positions, unique, .. } = lowered;
        let merged = x.try_reshape(&operand)?;
        scatter(op, &merged, &positions, &values, windows, self.unique || unique)?.try_reshape(x.shape())
    }

    /// Where all is known: a part is read, changed and written, each element of it once.
    fn updated_part(
        &self,
        op: ScatterOp,
        x: &Tensor,
        values: &Tensor,
        resolved: &Resolved,
    ) -> Result<Tensor> {
        let shape = static_shape(&resolved.items);
        let values = values.try_broadcast_to(&shape)?;
        let Some(parts) = self.parts(resolved, self.writes_outside() == Outside::Clip) else {
            return Ok(x.clone());
        };
        if values.size() == 0 {
            return Ok(x.clone());
        }
        let sizes: Shape = parts.iter().map(|part| part.2).collect();
        let values = values.try_reshape(&sizes)?;
        let part = match op {
            ScatterOp::Set => values,
            _ => combined(op, &strided_parts(x, &parts)?, &values)?,
        };
        if sizes[..] == *x.shape() && parts.iter().all(|part| part.1 == 1) {
            return Ok(part);
        }
        if parts.iter().all(|part| part.1 == 1) {
            let starts: Vec<Tensor> =
                parts.iter().map(|part| Array::scalar(part.0 as i64, false).into()).collect();
            return x.try_dynamic_update_slice(part, starts);
        }
        let items = parts.iter().map(|&(start, step, size)| Item::Slice { start, step, size }).collect();
        let whole = Resolved { items, side_by_side: true };
        let lowered = lower(&whole, x.shape(), false, Outside::Invalid)?;
        scatter(ScatterOp::Set, x, &lowered.positions, &part, lowered.windows, true)
    }

    /// The values there, clipped, and how often each element is meant, if more than once is possible.
    pub(crate) fn occurrences(&self) -> Result<(Tensor, Option<Tensor>)> {
        let resolved = self.resolve(self.x.shape())?;
        let read = |x: &Tensor| At { x, mode: Some(IndexMode::Clip), fill: None, ..self.clone() }.try_get();
        if self.unique || !resolved.is_advanced() {
            return Ok((read(self.x)?, None));
        }
        let none = zeros_of(&Aval::unchecked(self.x.shape(), DType::I32))?;
        let counts = At { x: &none, ..self.clone() }.try_add(1)?;
        Ok((read(self.x)?, Some(read(&counts)?)))
    }

    /// The tensor, and where it is meant, if that is all that a mask says, whose values are not known yet.
    pub(crate) fn unknown_mask(&self) -> Result<Option<(Tensor, Tensor)>> {
        let indices = self.indices.as_ref().map_err(Clone::clone)?;
        let found = masks::selection(indices, self.x.shape(), &self.x.like(0.0))?;
        Ok(found.filter(|(mask, _)| mask.array().is_err()).map(|(mask, _)| (self.x.clone(), mask)))
    }
}

/// The elements and the values, as an update of each element by one value makes of them.
fn combined(op: ScatterOp, x: &Tensor, values: &Tensor) -> Result<Tensor> {
    match op {
        ScatterOp::Set => Ok(values.clone()),
        ScatterOp::Add => x.try_add(values),
        ScatterOp::Mul => x.try_mul(values),
        ScatterOp::Min => x.try_minimum(values),
        ScatterOp::Max => x.try_maximum(values),
    }
}
