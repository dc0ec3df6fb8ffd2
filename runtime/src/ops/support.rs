//! What the rules of many primitives share.

use smallvec::smallvec;

use crate::array::{Array, Aval, DType, Shape, promote};
use crate::core::Tensor;
use crate::core::primitive::{Args, Cotangents, Outs};
use crate::core::tensor::Repr;
use crate::error::{Error, Result};
use crate::kernels::arrays;
use crate::ops::axes::Int;
use crate::scalar::op::ScalarOp;

/// The shape all shapes broadcast to.
pub(crate) fn broadcast_shapes(op: &'static str, shapes: &[&[usize]]) -> Result<Shape> {
    let Some((first, rest)) = shapes.split_first() else { return Ok(Shape::new()) };
    if rest.iter().all(|shape| shape == first) {
        return Ok((*first).into());
    }
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut out = Shape::from_elem(1, rank);
    for shape in shapes {
        for (out, &size) in out[rank - shape.len()..].iter_mut().zip(*shape) {
            match (*out, size) {
                (_, 1) => {}
                (1, _) => *out = size,
                (a, b) if a == b => {}
                _ => {
                    let found =
                        shapes.iter().map(|shape| format!("{shape:?}")).collect::<Vec<_>>().join(" and ");
                    let expected = "shapes that broadcast (equal sizes, or 1, from the last axis on)";
                    return Err(Error::shape(op, found, expected));
                }
            }
        }
    }
    Ok(out)
}

/// Whether a dtype is computed by [`in_i64`].
pub(crate) fn is_narrow(dtype: DType) -> bool {
    !dtype.is_inexact() && dtype != DType::I64
}

/// Computes in `I64` what is asked for of narrower integers, or of booleans.
pub(crate) fn in_i64(
    args: &[&Array],
    out: Aval,
    eval: &dyn Fn(Args<Array>, Outs<Aval>) -> Result<Outs<Array>>,
) -> Result<Outs<Array>> {
    in_wider(DType::I64, args, smallvec![out], eval)
}

/// Computes in wider integers what is asked for of narrower ones, or of booleans: they wrap around alike in more bits, and are rare
/// where kernels leave them to this. Results of another dtype than the arguments' stay as they are.
pub(crate) fn in_wider(
    wide: DType,
    args: &[&Array],
    outs: Outs<Aval>,
    eval: &dyn Fn(Args<Array>, Outs<Aval>) -> Result<Outs<Array>>,
) -> Result<Outs<Array>> {
    let own = args[0].dtype();
    let args = args.iter().map(|x| arrays::convert(x, wide, false)).collect();
    let of_args = |out: &Aval| if out.dtype == own { out.with_dtype(wide) } else { out.clone() };
    let results = eval(args, outs.iter().map(of_args).collect())?.into_iter().zip(outs);
    let narrowed = results.map(|(result, out)| {
        if out.dtype == own { arrays::elementwise(ScalarOp::Cast, [result], out) } else { result }
    });
    Ok(narrowed.collect())
}

/// Refuses an output too large to address.
pub(crate) fn addressable(op: &'static str, aval: Aval) -> Result<Aval> {
    aval.check_size(op)?;
    Ok(aval)
}

/// The number of elements of a shape that may be too large: then the largest number, which no tensor has.
pub(crate) fn saturating_size(shape: &[usize]) -> usize {
    shape.iter().fold(1, |size, &n| size.saturating_mul(n))
}

/// The output of an elementwise operation whose arguments have one dtype.
pub(crate) fn infer_elementwise(op: &'static str, args: &[&Aval]) -> Result<Aval> {
    if let Some(other) = args.iter().find(|aval| aval.dtype != args[0].dtype) {
        return Err(Error::dtype(
            op,
            format!("{} and {}", args[0].dtype, other.dtype),
            "arguments of one dtype",
        ));
    }
    if args.iter().all(|aval| aval.shape == args[0].shape) {
        let weak = args.iter().all(|aval| aval.weak);
        return Ok(Aval { shape: args[0].shape.clone(), dtype: args[0].dtype, weak });
    }
    let shapes: Args<&[usize]> = args.iter().map(|aval| &aval.shape[..]).collect();
    let shape = broadcast_shapes(op, &shapes)?;
    let aval = Aval { shape, dtype: args[0].dtype, weak: args.iter().all(|aval| aval.weak) };
    addressable(op, aval)
}

/// Casts tensors to the dtype of their mixture.
pub(crate) fn promoted<const N: usize>(tensors: [Tensor; N]) -> Result<[Tensor; N]> {
    if N > 0 && tensors.iter().all(|t| t.dtype() == tensors[0].dtype()) {
        return Ok(tensors);
    }
    let (dtype, weak) = promote(tensors.iter().map(Tensor::aval));
    convert_all(tensors, dtype, weak)
}

/// Casts tensors to the floating-point dtype of their mixture.
pub(crate) fn promoted_inexact<const N: usize>(tensors: [Tensor; N]) -> Result<[Tensor; N]> {
    let (dtype, weak) = promote(tensors.iter().map(Tensor::aval));
    convert_all(tensors, dtype.to_inexact(), weak)
}

fn convert_all<const N: usize>(tensors: [Tensor; N], dtype: DType, weak: bool) -> Result<[Tensor; N]> {
    let mut failed = None;
    let out = tensors.map(|tensor| {
        convert(&tensor, dtype, weak).unwrap_or_else(|error| {
            failed.get_or_insert(error);
            tensor
        })
    });
    failed.map_or(Ok(out), Err)
}

/// A cast; a concrete scalar is cast at once, also while staging, because it is a constant.
///
/// # Errors
/// If it is a bare integer beyond 32 bits that the dtype does not hold; smaller ones wrap around, as in JAX.
pub(crate) fn convert(tensor: &Tensor, dtype: DType, weak: bool) -> Result<Tensor> {
    if tensor.dtype() == dtype {
        return Ok(tensor.clone());
    }
    if tensor.dtype() == DType::I64
        && tensor.aval().weak
        && let Repr::Array(array) = &tensor.repr
        && array.is_scalar()
        && !holds(dtype, array.data::<i64>()[0])
    {
        let message = format!("the number {} does not fit {dtype}", array.data::<i64>()[0]);
        return Err(Error::argument("convert", message));
    }
    convert_wrapping(tensor, dtype, weak)
}

/// Whether a bare integer may become one of this dtype: a dtype of 32 bits or fewer wraps what has no more than these.
pub(crate) fn holds(dtype: DType, number: i64) -> bool {
    match dtype {
        DType::U32 => i32::try_from(number).is_ok() || u32::try_from(number).is_ok(),
        _ if dtype.is_integer() && dtype != DType::I64 => i32::try_from(number).is_ok(),
        _ => true,
    }
}

/// A cast; a concrete scalar is cast at once, and integers wrap around.
pub(crate) fn convert_wrapping(tensor: &Tensor, dtype: DType, weak: bool) -> Result<Tensor> {
    match &tensor.repr {
        _ if tensor.dtype() == dtype => Ok(tensor.clone()),
        Repr::Array(array) if array.is_scalar() => {
            Ok(crate::kernels::arrays::convert(array, dtype, weak).into())
        }
        _ => super::cast::cast_to(tensor, dtype, weak),
    }
}

/// For elementwise batching rules: mapped arguments get the same rank, so that broadcasting aligns them behind the batch
/// axis; unmapped ones align by themselves.
pub(crate) fn align(args: Args, mapped: &[bool]) -> Result<Args> {
    let logical = |(arg, &mapped): (&Tensor, &bool)| arg.rank() - usize::from(mapped);
    let rank = args.iter().zip(mapped).map(logical).max().unwrap_or(0);
    args.into_iter()
        .zip(mapped)
        .map(|(arg, &mapped)| {
            if !mapped || arg.rank() == rank + 1 {
                return Ok(arg);
            }
            let mut shape = Shape::from_elem(1, rank + 1);
            shape[0] = arg.shape()[0];
            let logical = arg.rank() - 1;
            shape[rank + 1 - logical..].copy_from_slice(&arg.shape()[1..]);
            arg.try_reshape(&shape)
        })
        .collect()
}

/// Gives every argument a batch axis in front: what a rule needs that has no better way to treat an unmapped one.
pub(crate) fn batch_all(size: usize, args: Args, mapped: &[bool]) -> Result<Args> {
    args.into_iter()
        .zip(mapped)
        .map(|(arg, &mapped)| if mapped { Ok(arg) } else { arg.try_broadcast_to(prepend(size, arg.shape())) })
        .collect()
}

/// A shape with an axis in front.
pub(crate) fn prepend(size: usize, shape: &[usize]) -> Shape {
    std::iter::once(size).chain(shape.iter().copied()).collect()
}

/// One output, one cotangent.
pub(crate) fn only<T>(mut outs: Outs<T>) -> T {
    match (outs.pop(), outs.is_empty()) {
        (Some(out), true) => out,
        _ => unreachable!("an operation with one output"),
    }
}

/// The cotangent of the only output of a primitive: the tape calls a pullback only if there is one.
pub(crate) fn cotangent(cts: Cotangents) -> Tensor {
    match only(cts) {
        Some(ct) => ct,
        None => unreachable!("a pullback is called with a cotangent"),
    }
}

/// The arguments of a kernel that takes `N`.
pub(crate) fn unpack<const N: usize, T>(args: Args<T>) -> [T; N] {
    let mut args = args.into_iter();
    std::array::from_fn(|i| match args.next() {
        Some(arg) => arg,
        None => unreachable!("argument {i} of {N}"),
    })
}

/// The cotangent of a broadcast value: summed over the axes that were repeated.
pub(crate) fn sum_to(ct: Tensor, shape: &[usize]) -> Result<Tensor> {
    if ct.shape() == shape {
        return Ok(ct);
    }
    let extra = ct.rank() - shape.len();
    let repeated = |axis: &usize| *axis < extra || (shape[axis - extra] == 1 && ct.shape()[*axis] != 1);
    let axes: Shape = (0..ct.rank()).filter(repeated).collect();
    super::reduce::sum_axes(&ct, &axes)?.try_reshape(shape)
}

/// Zeros of a shape and dtype, as a value of the current trace.
pub(crate) fn zeros_of(aval: &Aval) -> Result<Tensor> {
    super::create::full(aval.clone(), 0.0)
}

/// Refuses complex numbers, where an operation needs an order or has no meaning for them here.
pub(crate) fn of_reals(op: &'static str, dtype: DType) -> Result<()> {
    if !dtype.is_complex() {
        return Ok(());
    }
    Err(Error::dtype(op, dtype, "real numbers (take `abs`, `real` or `imag` of complex ones first)"))
}

impl Tensor {
    /// A scalar of this tensor's dtype.
    pub(crate) fn like(&self, value: f64) -> Tensor {
        scalar_array(value, self.dtype(), false).into()
    }
}

/// An axis counted from the end if negative.
pub(crate) fn axis_of(op: &'static str, axis: impl Int, rank: usize) -> Result<usize> {
    let axis = axis.int();
    let at = if axis < 0 { rank.checked_add_signed(axis) } else { Some(axis.unsigned_abs()) };
    at.filter(|&at| at < rank).ok_or_else(|| {
        Error::argument(
            op,
            format!("axis {axis} of a tensor with {rank} axes: use {}..{rank}", -(rank as isize)),
        )
    })
}

/// Distinct axes, counted from the end if negative, in ascending order.
pub(crate) fn axes_of(op: &'static str, axes: &[isize], rank: usize) -> Result<Shape> {
    let mut out: Shape = axes.iter().map(|&axis| axis_of(op, axis, rank)).collect::<Result<_>>()?;
    out.sort_unstable();
    if out.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::argument(op, format!("axes {axes:?} name one axis twice")));
    }
    Ok(out)
}

/// An array of one number of a dtype.
pub(crate) fn scalar_array(value: f64, dtype: DType, weak: bool) -> Array {
    crate::kernels::arrays::convert(&Array::scalar(value, true), dtype, weak)
}
