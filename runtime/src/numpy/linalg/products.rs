//! Products of vectors, matrices and tensors that are sums or tables of plain ones.

use crate::core::Tensor;
use crate::error::{Error, Result, unwrap};
use crate::numpy::paired::methods;
use crate::ops::axes::Int;
use crate::ops::{axis_of, broadcast_shapes, promoted, reduce};

methods! {
    => "Linear algebra: products";
    /// The sum over the last axes of both; the result has what is left of `self`, then of `other`. The product if either is a scalar.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1.0f32, 2.0]).inner(&Tensor::from([[3.0f32, 4.0], [5.0, 6.0]]));
    /// assert_eq!(x.to_vec::<f32>()?, [11.0, 17.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    inner try_inner(other: &Tensor) -> Tensor, fails "If the sizes do not fit." |x| {
        if x.rank() == 0 || other.rank() == 0 {
            return x.try_mul(other);
        }
        x.try_tensordot(other, &[-1], &[-1]).map_err(|error| error.called("inner"))
    };

    /// The sum of the products of all elements, of tensors of one size and any shapes; of complex numbers with the conjugates of the first.
    vdot try_vdot(other: &Tensor) -> Tensor, fails "If the sizes differ." |x| {
        let flat = |x: &Tensor| x.try_reshape([x.size()]);
        flat(&x.try_conj()?)?.try_dot(&flat(other)?).map_err(|error| error.called("vdot"))
    };

    /// The sum of the products along an axis, of complex numbers with the conjugates of the first; the other axes broadcast.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]).vecdot(&Tensor::from([10.0f32, 1.0]), -1);
    /// assert_eq!(x.to_vec::<f32>()?, [12.0, 34.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    vecdot try_vecdot(other: &Tensor, axis: impl Int) -> Tensor, fails
    "If there is no such axis, or the shapes do not fit."
    |x| {
        let (x, y) = (x.try_move_axis(axis, -1)?, other.try_move_axis(axis, -1)?);
        if x.shape().last() != y.shape().last() {
            let found = format!("{:?} and {:?} along axis {axis}", x.shape(), y.shape());
            return Err(Error::shape("vecdot", found, "axes of one size"));
        }
        let [x, y] = promoted([x, y])?;
        broadcast_shapes("vecdot", &[x.shape(), y.shape()])?;
        let product = x.try_conj()?.try_expand_dims([-2])?.try_matmul(&y.try_expand_dims([-1])?)?;
        product.try_squeeze([-2, -1])
    };

    /// The Kronecker product: each element of `self` times all of `other`, in blocks. The shorter shape has ones in front.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1.0f32, 10.0]).kron(&Tensor::from([1.0f32, 2.0, 3.0]));
    /// assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0, 3.0, 10.0, 20.0, 30.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    kron try_kron(other: &Tensor) -> Tensor, fails "If the size overflows the address space." |x| {
        let [x, y] = promoted([x.clone(), other.clone()])?;
        let rank = x.rank().max(y.rank());
        let padded = |x: &Tensor| [vec![1; rank - x.rank()], x.shape().to_vec()].concat();
        let (blocks, within) = (padded(&x), padded(&y));
        let pairs = |sizes: &[usize], at: usize| -> Vec<usize> {
            sizes.iter().flat_map(|&size| if at == 0 { [size, 1] } else { [1, size] }).collect()
        };
        let product = x.try_reshape(pairs(&blocks, 0))?.try_mul(y.try_reshape(pairs(&within, 1))?)?;
        product.try_reshape(blocks.iter().zip(&within).map(|(a, b)| a * b).collect::<Vec<usize>>())
    };

    /// The cross product of vectors of two or three elements along an axis; the other axes broadcast.
    ///
    /// The third element of a vector of two is 0; of two such the result is the third element alone, without the axis.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1.0f32, 0.0, 0.0]).cross(&Tensor::from([0.0f32, 1.0, 0.0]), -1);
    /// assert_eq!(x.to_vec::<f32>()?, [0.0, 0.0, 1.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    cross try_cross(other: &Tensor, axis: impl Int) -> Tensor, fails
    "If there is no such axis, it has not two or three elements, or the shapes do not fit."
    |x| {
        let axes = [axis_of("cross", axis, x.rank())?, axis_of("cross", axis, other.rank())?];
        let sizes = [x.shape()[axes[0]], other.shape()[axes[1]]];
        if !sizes.iter().all(|size| (2..=3).contains(size)) {
            let found = format!("{:?} and {:?} along axis {axis}", x.shape(), other.shape());
            return Err(Error::shape("cross", found, "vectors of two or three elements"));
        }
        let element = |x: &Tensor, i: isize| -> Result<Tensor> {
            let moved = x.try_move_axis(axis, -1)?;
            if i == 2 && moved.shape()[moved.rank() - 1] == 2 {
                return moved.try_index_axis(-1, 0)?.try_mul(x.like(0.0));
            }
            moved.try_index_axis(-1, i)
        };
        let minor = |i: isize, k: isize| {
            element(x, i)?.try_mul(element(other, k)?)?.try_sub(element(x, k)?.try_mul(element(other, i)?)?)
        };
        if sizes == [2, 2] {
            return minor(0, 1);
        }
        Tensor::try_stack(&[minor(1, 2)?, minor(2, 0)?, minor(0, 1)?], -1)?.try_move_axis(-1, axis)
    };

    /// The elements whose column is `offset` more than their row, as the last axis, where `rows` and `columns` are axes of any sizes.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// assert_eq!(x.diagonal_at(1, 0, 1).to_vec::<f32>()?, [2.0, 6.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    #[doc(alias = "diagonal")]
    diagonal_at try_diagonal_at(offset: isize, rows: isize, columns: isize) -> Tensor, fails
    "If there are no such axes, or they are the same."
    |x| {
        let (rows, columns) = (axis_of("diagonal", rows, x.rank())?, axis_of("diagonal", columns, x.rank())?);
        if rows == columns {
            return Err(Error::argument("diagonal", format!("axis {rows} for rows and columns: give two different ones")));
        }
        let others = (0..x.rank()).filter(|&axis| axis != rows && axis != columns);
        let x = crate::ops::shape::permuted(x, others.chain([rows, columns]).collect())?;
        let [.., m, n] = *x.shape() else { unreachable!("there are two axes") };
        let (above, left) = (offset.min(0).unsigned_abs().min(m), offset.max(0).unsigned_abs().min(n));
        let size = (m - above).min(n - left) as isize;
        let x = x.try_slice_axis(-2, above as isize..above as isize + size)?;
        x.try_slice_axis(-1, left as isize..left as isize + size)?.try_diagonal()
    };

    /// The sum of the elements whose column is `offset` more than their row, where `rows` and `columns` are axes of any sizes. Booleans are counted
    /// as `I32`.
    trace_at try_trace_at(offset: isize, rows: isize, columns: isize) -> Tensor, fails
    "If there are no such axes, or they are the same."
    |x| {
        let diagonal = x.try_diagonal_at(offset, rows, columns).map_err(|error| error.called("trace"))?;
        reduce::sum_widened(&diagonal, &[diagonal.rank() - 1])
    };
}

/// The product of several matrices, in the order that takes the fewest multiplications. The first and the last may be vectors.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::multi_dot;
/// let x = multi_dot(&[Tensor::ones([10, 100]), Tensor::ones([100, 5]), Tensor::ones([5])]);
/// assert_eq!((x.shape(), x.to_vec::<f32>()?[0]), (&[10][..], 500.0));
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Panics
/// If there are fewer than two, another than the first and the last is not a matrix, or the sizes do not fit.
#[track_caller]
pub fn multi_dot(tensors: &[Tensor]) -> Tensor {
    unwrap(try_multi_dot(tensors))
}

/// As [`multi_dot`].
///
/// # Errors
/// If there are fewer than two, another than the first and the last is not a matrix, or the sizes do not fit.
#[track_caller]
pub fn try_multi_dot(tensors: &[Tensor]) -> Result<Tensor> {
    let shapes = || tensors.iter().map(|x| format!("{:?}", x.shape())).collect::<Vec<_>>().join(", ");
    let ends = |i: usize| i == 0 || i + 1 == tensors.len();
    let fits = tensors.iter().enumerate().all(|(i, x)| x.rank() == 2 || x.rank() == 1 && ends(i));
    let neighbours = tensors.windows(2).all(|pair| pair[0].shape().last() == pair[1].shape().first());
    if tensors.len() < 2 || !fits || !neighbours {
        let expected = "two or more matrices, of which the first and the last may be vectors, each of as many rows as the last has columns";
        return Err(Error::shape("multi_dot", shapes(), expected));
    }
    // An axis has the number of the gap between two tensors.
    let count = tensors.len();
    let last = |i: usize| i + 1 == count && tensors[i].rank() == 1;
    let labels = |i: usize| match (i, tensors[i].rank()) {
        (0, 1) => format!("{}", letter(1)),
        _ if last(i) => format!("{}", letter(i)),
        _ => format!("{}{}", letter(i), letter(i + 1)),
    };
    let inputs: Vec<String> = (0..count).map(labels).collect();
    let mut output = String::new();
    output.extend((tensors[0].rank() == 2).then(|| letter(0)));
    output.extend((tensors[count - 1].rank() == 2).then(|| letter(count)));
    let operands: Vec<&Tensor> = tensors.iter().collect();
    crate::numpy::einsum::try_einsum(&format!("{}->{output}", inputs.join(",")), &operands)
        .map_err(|error| error.called("multi_dot"))
}

/// A name for an axis.
fn letter(i: usize) -> char {
    // Einsum refuses what comes after the last one.
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".chars().nth(i).unwrap_or('?')
}
