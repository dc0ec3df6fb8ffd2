//! Kernels over whole arrays, which they may overwrite.

use super::broadcast::Broadcast;
use super::elementwise;
use crate::array::dtype::dispatch;
use crate::array::{Array, Aval, DType};
use crate::scalar::cast::CastTo;

/// The elements in another dtype.
pub(crate) fn convert(x: &Array, dtype: DType, weak: bool) -> Array {
    convert_into(x, Aval { shape: x.aval().shape.clone(), dtype, weak })
}

/// The elements in the dtype of `out`, which has their shape.
pub(crate) fn convert_into(x: &Array, out: Aval) -> Array {
    let from = x.dtype();
    match out.dtype {
        DType::Bool => dispatch!(from, A => {
            let zero = A::default();
            Array::build(out, |out: &mut [u8]| elementwise::map(x.data::<A>(), out, 1, |x| u8::from(x != zero)))
        }),
        DType::U8 => convert_to::<u8>(x, out),
        DType::U32 => convert_to::<u32>(x, out),
        DType::I32 => convert_to::<i32>(x, out),
        DType::I64 => convert_to::<i64>(x, out),
        DType::F16 => convert_to::<half::f16>(x, out),
        DType::BF16 => convert_to::<half::bf16>(x, out),
        DType::F32 => convert_to::<f32>(x, out),
        DType::F64 => convert_to::<f64>(x, out),
    }
}

fn convert_to<B: bytemuck::Pod + Send>(x: &Array, out: Aval) -> Array
where
    u8: CastTo<B>,
    u32: CastTo<B>,
    i32: CastTo<B>,
    i64: CastTo<B>,
    half::f16: CastTo<B>,
    half::bf16: CastTo<B>,
    f32: CastTo<B>,
    f64: CastTo<B>,
{
    dispatch!(x.dtype(), A => {
        Array::build(out, |out: &mut [B]| elementwise::map(x.data::<A>(), out, 1, CastTo::<B>::cast))
    })
}

/// `f` of every pair, both broadcast to the shape of the result; written into an argument nobody else holds, if one has that shape.
///
/// `work` is the rough cost of one element, in the units of [`threads::split`](super::threads::split).
pub(crate) fn zip<T: bytemuck::Pod + Send + Sync>(
    mut x: Array,
    mut y: Array,
    out: Aval,
    work: usize,
    f: impl Fn(T, T) -> T + Sync,
) -> Array {
    // A pair of scalars needs no walk, which would take longer than the arithmetic.
    if let ([x], [y]) = (x.data::<T>(), y.data::<T>()) {
        let value = f(*x, *y);
        return Array::build(out, |out: &mut [T]| out[0] = value);
    }
    if x.shape() == &out.shape[..]
        && let Some(data) = x.unique::<T>()
    {
        elementwise::zip_in_place(&Broadcast::new(&out.shape, [y.shape()]), data, y.data::<T>(), work, f);
        return x.with_aval(out);
    }
    if y.shape() == &out.shape[..]
        && let Some(data) = y.unique::<T>()
    {
        let layout = Broadcast::new(&out.shape, [x.shape()]);
        elementwise::zip_in_place(&layout, data, x.data::<T>(), work, |y, x| f(x, y));
        return y.with_aval(out);
    }
    let layout = Broadcast::new(&out.shape, [x.shape(), y.shape()]);
    Array::build(out, |out| elementwise::zip(&layout, (x.data::<T>(), y.data::<T>()), out, work, f))
}
