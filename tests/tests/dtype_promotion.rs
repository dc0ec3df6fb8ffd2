//! Which dtype a mixture has: JAX's lattice, and weak scalars.

use flaxen::DType::{BF16, Bool, F16, F32, F64, I32, I64, U8, U32};
use flaxen::prelude::*;
use flaxen_tests::numbers::{assert_close, scalar};

/// What JAX 0.10 with 64-bit mode gives for `jnp.ones((), row) + jnp.ones((), column)`; rows and columns in the order of
/// [`DType::ALL`].
const LATTICE: [[DType; 9]; 9] = [
    [Bool, U8, U32, I32, I64, F16, BF16, F32, F64],
    [U8, U8, U32, I32, I64, F16, BF16, F32, F64],
    [U32, U32, U32, I64, I64, F16, BF16, F32, F64],
    [I32, I32, I64, I32, I64, F16, BF16, F32, F64],
    [I64, I64, I64, I64, I64, F16, BF16, F32, F64],
    [F16, F16, F16, F16, F16, F16, F32, F32, F64],
    [BF16, BF16, BF16, BF16, BF16, F32, BF16, F32, F64],
    [F32, F32, F32, F32, F32, F32, F32, F32, F64],
    [F64, F64, F64, F64, F64, F64, F64, F64, F64],
];

fn one(dtype: DType) -> Tensor {
    Tensor::ones_of([1], dtype)
}

#[test]
fn strong_dtypes_mix_as_in_jax() {
    for (a, row) in DType::ALL.into_iter().zip(LATTICE) {
        for (b, expected) in DType::ALL.into_iter().zip(row) {
            let sum = one(a) + one(b);
            assert_eq!((sum.dtype(), sum.aval().weak), (expected, false), "{a} + {b}");
            assert_eq!(one(a).maximum(one(b)).dtype(), expected, "max of {a} and {b}");
            let chosen = Tensor::from([true]).select(one(a), one(b));
            assert_eq!(chosen.dtype(), expected, "select of {a} and {b}");
            assert_eq!(one(a).lt(one(b)).dtype(), Bool);
        }
    }
}

/// As in JAX without 64-bit mode, where the default integer is `I32` and the default float `F32`: the dtype of
/// `x * 1` and of `x * 1.0`, and whether it is weak.
#[test]
fn weak_scalars_take_on_the_dtype_of_what_they_meet() {
    for dtype in DType::ALL {
        let by_integer = if dtype == Bool { (I32, true) } else { (dtype, false) };
        let by_float = if dtype.is_float() { (dtype, false) } else { (F32, true) };
        let found = |x: Tensor| (x.dtype(), x.aval().weak);
        assert_eq!(found(one(dtype) * 1), by_integer, "{dtype} * 1");
        assert_eq!(found(1 * one(dtype)), by_integer, "1 * {dtype}");
        assert_eq!(found(one(dtype) * Tensor::from(1i32)), by_integer, "{dtype} * weak i32");
        assert_eq!(found(one(dtype) * 1.0), by_float, "{dtype} * 1.0");
        assert_eq!(found(1.0 * one(dtype)), by_float, "1.0 * {dtype}");
        assert_eq!(found(one(dtype) * Tensor::from(1f32)), by_float, "{dtype} * weak f32");
    }
}

#[test]
fn scalars_of_every_rust_type_are_weak() {
    let x = one(BF16);
    for y in [&x * 1f32, &x * 1f64, &x * 1i32, &x * 1i64, &x * 1u32, &x * 1u8, &x * 1usize] {
        assert_eq!((y.dtype(), y.aval().weak), (BF16, false));
    }
    assert!(!Tensor::from(true).aval().weak);
    assert!(!Tensor::from([1f32]).aval().weak);
}

#[test]
fn a_weak_value_stays_weak_among_weak_ones() {
    let two = Tensor::from(1f32) + Tensor::from(1f32);
    assert!(two.aval().weak);
    assert_eq!((&two * one(F16)).dtype(), F16);
    let third = (two / 6).reshape([1]);
    assert!(third.aval().weak);
    assert_eq!((third + one(F64)).dtype(), F64);
    assert_eq!(
        (Tensor::from(1i32) + Tensor::from(1f32)).aval(),
        &Aval { weak: true, ..Aval::new([0; 0], F32) }
    );
}

#[test]
fn a_cast_makes_a_dtype_strong() {
    let x = Tensor::from(1f32).cast(F32);
    assert!(!x.aval().weak);
    assert_eq!((x * one(BF16)).dtype(), F32);
}

#[test]
fn the_number_of_a_weak_scalar_is_not_rounded_through_another_dtype() {
    let third = 1.0 / 3.0;
    assert_close(&(Tensor::ones_of([1], F64) * third), &[1], &[third]);
    assert_eq!((one(I64) * 9007199254740993i64).to_vec::<i64>().unwrap(), [9007199254740993]);
}

#[test]
fn division_of_integers_is_a_float() {
    for dtype in [U8, U32, I32, I64] {
        let half = one(dtype) / (one(dtype) + one(dtype));
        assert_eq!(half.dtype(), F32);
        assert_close(&half, &[1], &[0.5]);
    }
    assert_eq!((one(BF16) / one(I32)).dtype(), BF16);
}

#[test]
fn promotion_is_the_same_under_every_transform() {
    for a in DType::ALL {
        for b in DType::ALL {
            let eager = (one(a) + one(b)).dtype();
            let add = |(x, y): (Tensor, Tensor)| Ok(x + y);
            assert_eq!(jit(add).call((one(a), one(b))).unwrap().dtype(), eager);
            assert_eq!(vmap(add).call((one(a), one(b))).unwrap().dtype(), eager);
        }
    }
    let weak = jit(|x: Tensor| Ok(x * 2.0)).call(one(I32)).unwrap();
    assert_eq!((weak.dtype(), weak.aval().weak), (F32, true));
}

#[test]
fn gradients_come_back_in_the_dtype_of_the_argument_and_strong() {
    for dtype in [F16, BF16, F32, F64] {
        let f = |x: &Tensor| Ok((x * 2.0 + Tensor::ones_of([1], F32) * x).sum_axes([0]));
        let dx = grad(f)(&one(dtype)).unwrap();
        assert_eq!((dx.dtype(), dx.aval().weak), (dtype, false));
        assert_close(&dx, &[1], &[3.0]);
    }
    let of_weak = grad(|x: &Tensor| Ok(x * x))(&Tensor::from(3f32)).unwrap();
    assert_eq!(of_weak.item::<f32>(), Ok(6.0));
    let of_strong = grad(|x: &Tensor| Ok(x * Tensor::from(2f32)))(&scalar(1.0)).unwrap();
    assert!(!of_strong.aval().weak);
}

#[test]
fn operations_that_a_dtype_does_not_have_say_so() {
    let (b, i, f) = (one(Bool), one(I32), one(F32));
    let text = |result: Result<Tensor>| match result.unwrap_err() {
        error @ Error::DType { .. } => error.to_string(),
        other => panic!("{other}"),
    };
    assert!(text(b.try_sub(&b)).contains("cast the booleans"));
    assert!(text(f.try_bitand(&f)).contains("integers or booleans"));
    assert!(text(b.try_shl(&b)).contains("integers"));
    assert!(text(i.try_select(&f, &f)).contains("booleans"));
    assert!(text(f.try_bitcast(F64)).contains("one width"));
}
