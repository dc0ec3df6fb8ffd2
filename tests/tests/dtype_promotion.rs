//! Which dtype a mixture has: JAX's lattice, and weak scalars.

use flaxen::DType::{BF16, Bool, C64, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32};
use flaxen::prelude::*;
use flaxen_tests::numbers::{assert_close, scalar};

/// What JAX 0.10 with 64-bit mode gives for `jnp.ones((), row) + jnp.ones((), column)`; rows and columns in the order of
/// [`DType::ALL`]; but for `F64` with `C64`, which is `complex128` there.
const LATTICE: [[DType; 13]; 13] = [
    [Bool, U8, U16, U32, I8, I16, I32, I64, F16, BF16, F32, F64, C64],
    [U8, U8, U16, U32, I16, I16, I32, I64, F16, BF16, F32, F64, C64],
    [U16, U16, U16, U32, I32, I32, I32, I64, F16, BF16, F32, F64, C64],
    [U32, U32, U32, U32, I64, I64, I64, I64, F16, BF16, F32, F64, C64],
    [I8, I16, I32, I64, I8, I16, I32, I64, F16, BF16, F32, F64, C64],
    [I16, I16, I32, I64, I16, I16, I32, I64, F16, BF16, F32, F64, C64],
    [I32, I32, I32, I64, I32, I32, I32, I64, F16, BF16, F32, F64, C64],
    [I64, I64, I64, I64, I64, I64, I64, I64, F16, BF16, F32, F64, C64],
    [F16, F16, F16, F16, F16, F16, F16, F16, F16, F32, F32, F64, C64],
    [BF16, BF16, BF16, BF16, BF16, BF16, BF16, BF16, F32, BF16, F32, F64, C64],
    [F32, F32, F32, F32, F32, F32, F32, F32, F32, F32, F32, F64, C64],
    [F64, F64, F64, F64, F64, F64, F64, F64, F64, F64, F64, F64, C64],
    [C64, C64, C64, C64, C64, C64, C64, C64, C64, C64, C64, C64, C64],
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
            if expected != C64 {
                assert_eq!(one(a).maximum(one(b)).dtype(), expected, "max of {a} and {b}");
                assert_eq!(one(a).lt(one(b)).dtype(), Bool);
            }
            let chosen = Tensor::from([true]).select(one(a), one(b));
            assert_eq!(chosen.dtype(), expected, "select of {a} and {b}");
        }
    }
}

/// As in JAX without 64-bit mode, where the default integer is `I32` and the default float `F32`: the dtype of
/// `x * 1` and of `x * 1.0`, and whether it is weak.
#[test]
fn weak_scalars_take_on_the_dtype_of_what_they_meet() {
    for dtype in DType::ALL {
        let by_integer = if dtype == Bool { (I32, true) } else { (dtype, false) };
        let by_float = if dtype.is_inexact() { (dtype, false) } else { (F32, true) };
        let found = |x: Tensor| (x.dtype(), x.aval().weak);
        assert_eq!(found(one(dtype) * 1), by_integer, "{dtype} * 1");
        assert_eq!(found(1 * one(dtype)), by_integer, "1 * {dtype}");
        assert_eq!(found(one(dtype) * 1.0), by_float, "{dtype} * 1.0");
        assert_eq!(found(1.0 * one(dtype)), by_float, "1.0 * {dtype}");
    }
}

#[test]
fn scalars_of_every_rust_type_are_weak() {
    let x = one(BF16);
    for y in [&x * 1f32, &x * 1f64, &x * 1i32, &x * 1i64, &x * 1u32, &x * 1u8, &x * 1usize] {
        assert_eq!((y.dtype(), y.aval().weak), (BF16, false));
    }
    for y in
        [x.maximum(1f32), x.maximum(1f64), x.maximum(1i32), x.maximum(1i64), x.maximum(1u32), x.maximum(1u8)]
    {
        assert_eq!((y.dtype(), y.aval().weak), (BF16, false));
    }
}

type Binary = fn(&Tensor, f64) -> Tensor;
type Whole = fn(&Tensor, i32) -> Tensor;

/// Every method of a tensor and a number, with a fraction and with a whole one.
const METHODS: &[(&str, Binary, Whole)] = &[
    ("add", |x, y| x.add(y), |x, y| x.add(y)),
    ("try_add", |x, y| x.try_add(y).unwrap(), |x, y| x.try_add(y).unwrap()),
    ("sub", |x, y| x.sub(y), |x, y| x.sub(y)),
    ("mul", |x, y| x.mul(y), |x, y| x.mul(y)),
    ("try_mul", |x, y| x.try_mul(y).unwrap(), |x, y| x.try_mul(y).unwrap()),
    ("maximum", |x, y| x.maximum(y), |x, y| x.maximum(y)),
    ("minimum", |x, y| x.minimum(y), |x, y| x.minimum(y)),
    ("fmod", |x, y| x.fmod(y), |x, y| x.fmod(y)),
    ("remainder", |x, y| x.remainder(y), |x, y| x.remainder(y)),
    ("floor_divide", |x, y| x.floor_divide(y), |x, y| x.floor_divide(y)),
    ("clamp", |x, y| x.clamp(y, y), |x, y| x.clamp(y, y)),
    ("clip", |x, y| x.clip(y, y), |x, y| x.clip(y, y)),
    ("mul_add", |x, y| x.mul_add(y, y), |x, y| x.mul_add(y, y)),
    ("select x", |x, y| Tensor::from([true]).select(x, y), |x, y| Tensor::from([true]).select(x, y)),
    ("select y", |x, y| Tensor::from([true]).select(y, x), |x, y| Tensor::from([true]).select(y, x)),
];

/// Those that compute in floats.
const INEXACT: &[(&str, Binary, Whole)] = &[
    ("div", |x, y| x.div(y), |x, y| x.div(y)),
    ("atan2", |x, y| x.atan2(y), |x, y| x.atan2(y)),
    ("logaddexp", |x, y| x.logaddexp(y), |x, y| x.logaddexp(y)),
];

fn found(x: &Tensor) -> (DType, bool) {
    (x.dtype(), x.aval().weak)
}

/// JAX 0.10.2 for `jnp.maximum(jnp.ones(1, dtype), 0.5)` and the others, extended to `I64` and `F64`, which JAX has only in
/// 64-bit mode.
#[test]
fn methods_take_bare_numbers_as_operators_do() {
    for dtype in DType::ALL.into_iter().filter(|dtype| !dtype.is_complex()) {
        let x = one(dtype);
        let by_integer = if dtype == Bool { (I32, true) } else { (dtype, false) };
        let by_float = if dtype.is_inexact() { (dtype, false) } else { (F32, true) };
        for (name, float, whole) in METHODS {
            assert_eq!(found(&float(&x, 0.5)), by_float, "{name} of {dtype} and 0.5");
            assert_eq!(found(&whole(&x, 1)), by_integer, "{name} of {dtype} and 1");
        }
        for (name, float, whole) in INEXACT {
            assert_eq!(found(&float(&x, 0.5)), by_float, "{name} of {dtype} and 0.5");
            let expected = if dtype == Bool { (F32, true) } else { (dtype.to_inexact(), false) };
            assert_eq!(found(&whole(&x, 1)), expected, "{name} of {dtype} and 1");
        }
        assert_eq!(found(&x.pow(0.5)), by_float, "pow of {dtype} and 0.5");
        // Strong in JAX, whatever it is given.
        assert_eq!(found(&x.hypot(0.5)), (dtype.to_inexact(), false), "hypot of {dtype} and 0.5");
        assert_eq!(found(&x.is_close(0.5, 0.0, 0.0)), (Bool, false));
        assert_eq!(found(&x.eq(0.5)), (Bool, false));
        // What is written into a tensor has its dtype.
        for kept in [
            x.index_set(0, 0, 0.5),
            x.index_add(0, 0, 0.5),
            x.put_along_axis([0], 0.5, 0),
            x.pad([(1, 1)], 0.5),
            x.dynamic_update_axis(0, 0, [0.5]),
        ] {
            assert_eq!(found(&kept), (dtype, false), "{dtype}");
        }
    }
}

#[test]
fn a_choice_of_two_bare_numbers_is_weak_and_of_32_bits() {
    let yes = Tensor::from([true, false]);
    assert_eq!(found(&yes.select(1.0, 0.0)), (F32, true));
    assert_eq!(found(&yes.select(1, 0)), (I32, true));
    assert_eq!(found(&yes.select(1i64, 0i64)), (I32, true));
    assert_eq!(found(&yes.select(1, 0.5)), (F32, true));
    assert_eq!(yes.select(1.0, 0.0).mean().item::<f32>(), Ok(0.5));
    assert!(yes.try_select(3_000_000_000i64, 0).is_err());
}

#[test]
fn an_integer_beyond_32_bits_is_refused_where_it_would_be_cut() {
    const LARGE: i64 = 3_000_000_000;
    assert!(one(I32).try_add(LARGE).unwrap_err().to_string().contains("3000000000 does not fit int32"));
    assert!(std::panic::catch_unwind(|| one(I32) * LARGE).is_err());
    assert!(one(Bool).try_mul(LARGE).is_err());
    assert!(one(I32).try_index_set(0, 0, LARGE).is_err());
    assert_eq!((one(U32) * LARGE).to_vec::<u32>(), Ok(vec![3_000_000_000]));
    assert_eq!((one(I64) * LARGE).to_vec::<i64>(), Ok(vec![LARGE]));
    assert_eq!((one(F32) * LARGE).to_vec::<f32>(), Ok(vec![3e9]));
    // As JAX wraps what has no more than 32 bits.
    assert_eq!((one(U8) + 300).to_vec::<u8>(), Ok(vec![45]));
    assert_eq!((one(U32) + -1).to_vec::<u32>(), Ok(vec![0]));
    assert_eq!(one(U8).maximum(-1).to_vec::<u8>(), Ok(vec![255]));
}

#[test]
fn a_tensor_of_one_number_is_strong() {
    for x in [Tensor::from(0.5f32), Tensor::from(0.5), 0.5f32.into()] {
        assert_eq!(found(&x), (F32, false));
        assert_eq!(found(&(one(BF16) * x)), (F32, false));
    }
    for x in [Tensor::from(2), Tensor::from(2i64)] {
        assert_eq!(found(&x), (I32, false));
    }
    assert_eq!(found(&Tensor::from(true)), (Bool, false));
    assert_eq!(found(&Tensor::from(half::bf16::ONE)), (BF16, false));
    assert_eq!(found(&Tensor::from([1f32])), (F32, false));
}

#[test]
fn a_running_total_is_traced_once() {
    let add = jit(|(total, x): (Tensor, Tensor)| Ok(total + x.sum()));
    for start in [Tensor::from(0.0f32), Tensor::from(0.0), Tensor::zeros([]), Tensor::full([], 0.0)] {
        let mut total = start;
        for _ in 0..3 {
            total = add.call((total, Tensor::from([1.0f32]))).unwrap();
        }
        assert_eq!(total.item::<f32>(), Ok(3.0));
    }
    assert_eq!(add.traces(), 1);
}

#[test]
fn a_weak_value_stays_weak_among_weak_ones() {
    let two = Tensor::from(true) * 1.0 + Tensor::from(true) * 1.0;
    assert!(two.aval().weak);
    assert_eq!((&two * one(F16)).dtype(), F16);
    let third = (two / 6).reshape([1]);
    assert!(third.aval().weak);
    assert_eq!((third + one(F64)).dtype(), F64);
    let mixed = Tensor::from(true) * 1 + Tensor::from(true) * 1.0;
    assert_eq!(mixed.aval(), &Aval { weak: true, ..Aval::new([0; 0], F32) });
}

#[test]
fn a_cast_makes_a_dtype_strong() {
    let weak = Tensor::from(true) * 1.0;
    assert!(weak.aval().weak);
    let x = weak.cast(F32);
    assert!(!x.aval().weak);
    assert_eq!((x * one(BF16)).dtype(), F32);
}

#[test]
fn the_number_of_a_weak_scalar_is_not_rounded_through_another_dtype() {
    let third = 1.0 / 3.0;
    assert_close(&(Tensor::ones_of([1], F64) * third), &[1], &[third]);
    assert_close(&Tensor::zeros_of([1], F64).maximum(third), &[1], &[third]);
    assert_close(&Tensor::from([true]).select(third, Tensor::zeros_of([], F64)), &[1], &[third]);
    assert_eq!((one(I64) * 9007199254740993i64).to_vec::<i64>().unwrap(), [9007199254740993]);
}

#[test]
fn division_of_integers_is_a_float() {
    for dtype in DType::ALL.into_iter().filter(|dtype| dtype.is_integer()) {
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
    let of_strong = grad(|x: &Tensor| Ok(x * 2.0))(&scalar(1.0)).unwrap();
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
    // A byte of 7 would be a boolean that is neither true nor false.
    assert!(text(Tensor::from([7u8]).try_bitcast(DType::Bool)).contains("ne(0)"));
}
