//! Tensors put together and taken apart, as NumPy's functions for rows, columns and layers do.

use super::paired::{functions, methods};
use crate::array::Shape;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::ops::axes::Int;
use crate::ops::axis_of;

/// With axes of size 1 in front.
#[track_caller]
fn at_least(x: &Tensor, rank: usize) -> Result<Tensor> {
    let mut shape = Shape::from_elem(1, rank.saturating_sub(x.rank()));
    shape.extend(x.shape().iter().copied());
    x.try_reshape(&shape)
}

#[track_caller]
fn all(tensors: &[Tensor], f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Vec<Tensor>> {
    tensors.iter().map(f).collect()
}

methods! {
    => "Joining as in NumPy";
    /// A vector of one element if this is a number, and else the tensor.
    atleast_1d try_atleast_1d() -> Tensor, fails "If this is a value of a transform that has returned."
    |x| at_least(x, 1);

    /// The tensor with axes of size 1 in front, so that there are two.
    atleast_2d try_atleast_2d() -> Tensor, fails "If this is a value of a transform that has returned."
    |x| at_least(x, 2);

    /// The tensor with axes of size 1 around, so that there are three: a vector is the middle one, a matrix the first two.
    atleast_3d try_atleast_3d() -> Tensor, fails "If this is a value of a transform that has returned."
    |x| match *x.shape() {
        [] => x.try_reshape([1, 1, 1]),
        [size] => x.try_reshape([1, size, 1]),
        [rows, columns] => x.try_reshape([rows, columns, 1]),
        _ => Ok(x.clone()),
    };

    /// Parts along an axis whose sizes differ by at most one, the larger ones first, as `jnp.array_split`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let parts = Tensor::from([1i32, 2, 3]).array_split(2, 0);
    /// assert_eq!((parts[0].shape(), parts[1].shape()), (&[2][..], &[1][..]));
    /// ```
    #[doc(alias = "chunk")]
    array_split try_array_split(count: usize, axis: impl Int) -> Vec<Tensor>,
    fails "If there is no such axis, or the number of parts is 0."
    |x| {
        let at = axis_of("array_split", axis, x.rank())?;
        if count == 0 {
            return Err(Error::argument("array_split", "0 parts: ask for at least one"));
        }
        let (size, larger) = (x.shape()[at] / count, x.shape()[at] % count);
        let starts: Vec<usize> = (1..count).map(|part| part * size + part.min(larger)).collect();
        x.try_split_at(starts, axis)
    };
}

functions! {
    /// The tensors below one another, along the first axis; vectors are rows.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1i32, 2]);
    /// assert_eq!(Tensor::vstack(&[x.clone(), x]).shape(), [2, 2]);
    /// ```
    vstack try_vstack(tensors: &[Tensor]) -> Tensor, fails "If there are none, or other axes differ in size."
    Tensor::try_concatenate(&all(tensors, |x| at_least(x, 2))?, 0).map_err(|error| error.called("vstack"));

    /// The tensors beside one another, along the second axis; vectors along their only one.
    hstack try_hstack(tensors: &[Tensor]) -> Tensor, fails "If there are none, or other axes differ in size."
    {
        let rows = all(tensors, |x| at_least(x, 1))?;
        let axis = isize::from(rows.first().is_some_and(|x| x.rank() > 1));
        Tensor::try_concatenate(&rows, axis).map_err(|error| error.called("hstack"))
    };

    /// The tensors behind one another, along the third axis; vectors and matrices as by
    /// [`atleast_3d`](Tensor::atleast_3d).
    dstack try_dstack(tensors: &[Tensor]) -> Tensor, fails "If there are none, or other axes differ in size."
    Tensor::try_concatenate(&all(tensors, Tensor::try_atleast_3d)?, 2).map_err(|error| error.called("dstack"));

    /// The tensors beside one another, along the second axis; vectors are columns.
    column_stack try_column_stack(tensors: &[Tensor]) -> Tensor, fails "If there are none, or other axes differ in size."
    {
        let columns = all(tensors, |x| if x.rank() < 2 { x.try_reshape([x.size(), 1]) } else { Ok(x.clone()) })?;
        Tensor::try_concatenate(&columns, 1).map_err(|error| error.called("column_stack"))
    };

    /// A matrix put together from blocks: those of a row beside one another, the rows below one another, as `jnp.block` of a list
    /// of lists.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let (x, y) = (Tensor::eye(2), Tensor::zeros([2, 1]));
    /// let whole = Tensor::block(&[vec![x, y], vec![Tensor::ones([1, 3])]]);
    /// assert_eq!(whole.shape(), [3, 3]);
    /// ```
    block try_block(rows: &[Vec<Tensor>]) -> Tensor, fails "If there is a row without blocks or no row, or sizes do not fit."
    {
        let row = |blocks: &Vec<Tensor>| Tensor::try_concatenate(&all(blocks, |x| at_least(x, 2))?, -1);
        let rows = rows.iter().map(row).collect::<Result<Vec<_>>>();
        rows.and_then(|rows| Tensor::try_concatenate(&rows, -2)).map_err(|error| error.called("block"))
    };

    /// The tensors in the shape that all of them broadcast to.
    broadcast_arrays try_broadcast_arrays(tensors: &[Tensor]) -> Vec<Tensor>, fails "If the shapes do not broadcast."
    {
        let shapes: Vec<&[usize]> = tensors.iter().map(Tensor::shape).collect();
        let shape = crate::ops::broadcast_shapes("broadcast_arrays", &shapes)?;
        all(tensors, |x| x.try_broadcast_to(&shape))
    };
}
