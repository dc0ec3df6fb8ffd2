//! Kernels over whole arrays, which they may overwrite.

use super::broadcast::Broadcast;
use super::elementwise;
use crate::array::{Array, Aval, DType};
use crate::scalar::op::ScalarOp;

/// The elements in another dtype.
pub(crate) fn convert(x: &Array, dtype: DType, weak: bool) -> Array {
    let out = Aval { shape: x.aval().shape.clone(), dtype, weak };
    elementwise(ScalarOp::Cast, [x.clone()], out)
}

/// `op` of arguments that broadcast to the shape of `out`; written into an argument nobody else holds, if one has its shape and
/// elements as wide.
pub(crate) fn elementwise<const N: usize>(op: ScalarOp, args: [Array; N], out: Aval) -> Array {
    let dtypes = (args.each_ref().map(Array::dtype), out.dtype);
    let layout = if args.iter().all(|arg| arg.shape() == &out.shape[..]) {
        Broadcast::flat(args[0].size())
    } else {
        Broadcast::new(&out.shape, args.each_ref().map(Array::shape))
    };
    let mut args = args.map(Some);
    // A single number is part of its array, and new ones take no memory.
    let is_one = out.shape.iter().all(|&size| size == 1);
    let overwritten =
        args.iter_mut().filter(|_| !is_one).find_map(|arg| arg.take_if(|array| may_become(array, &out)));
    let bytes = args.each_ref().map(|arg| arg.as_ref().map(Array::bytes));
    let compute = |bytes_out: &mut [u8]| elementwise::apply(op, dtypes, &layout, bytes, bytes_out);
    match overwritten {
        Some(mut array) => {
            let Some(data) = array.unique_bytes() else { unreachable!("nobody else holds it") };
            compute(data);
            array.with_aval(out)
        }
        None => Array::build_bytes(out, compute),
    }
}

/// Whether an argument's memory can hold a result.
fn may_become(arg: &mut Array, out: &Aval) -> bool {
    arg.shape() == &out.shape[..] && arg.dtype().size() == out.dtype.size() && arg.unique_bytes().is_some()
}
