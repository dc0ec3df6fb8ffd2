//! Reductions: values, dtypes, gradients, and what is refused.

use flaxen::prelude::*;
use flaxen::{DType, hessian, jacrev};
use flaxen_tests::data::Data;
use flaxen_tests::laws::{check, law};
use flaxen_tests::numbers::{assert_close, vector};

type Reduction = fn(&Tensor, &[isize]) -> Result<Tensor>;

const AXES: [&[isize]; 7] = [&[], &[0], &[1], &[-1], &[0, 2], &[1, 2], &[0, 1, 2]];

#[test]
fn reductions_keep_the_laws() {
    let smooth: [(&str, Reduction); 10] = [
        ("sum", |x, axes| x.try_sum_axes(axes)),
        ("prod", |x, axes| x.try_prod_axes(axes)),
        ("mean", |x, axes| x.try_mean_axes(axes)),
        ("var", |x, axes| x.try_var_axes(axes, 0)),
        ("logsumexp", |x, axes| x.try_logsumexp_axes(axes)),
        ("norm", |x, axes| x.try_norm_axes(axes, 2.0)),
        ("largest magnitude", |x, axes| x.try_norm_axes(axes, f64::INFINITY)),
        ("norm of order 3", |x, axes| x.try_norm_axes(axes, 3.0)),
        ("max", |x, axes| x.try_max_axes(axes)),
        ("min", |x, axes| x.try_min_axes(axes)),
    ];
    check(smooth.into_iter().flat_map(|(name, f)| {
        AXES.map(|axes| {
            law(
                format!("{name} over {axes:?}"),
                |data| vec![data.distinct([2, 3, 2], -2.0, 2.5)],
                move |x| f(&x[0], axes),
            )
        })
    }));
}

#[test]
fn reductions_that_keep_their_axes_keep_the_laws() {
    check([
        law(
            "softmax",
            |data| vec![data.floats([3, 4], -2.0, 2.0)],
            |x| {
                let e = x[0].try_sub(x[0].try_max_keep(-1)?)?.try_exp()?;
                e.try_div(e.try_sum_keep(-1)?)
            },
        ),
        law("std", |data| vec![data.distinct([3, 4], -2.0, 2.0)], |x| x[0].try_std_axes(1, 1)),
        law("std_keep", |data| vec![data.distinct([3, 4], -2.0, 2.0)], |x| x[0].try_std_keep([0, 1], 0)),
        law("logsumexp_keep", |data| vec![data.floats([3, 4], -2.0, 2.0)], |x| x[0].try_logsumexp_keep(1)),
        law("var_keep", |data| vec![data.floats([3, 4], -2.0, 2.0)], |x| x[0].try_var_keep(0, 1)),
    ]);
}

/// Folds along axes, one element after the other.
fn folded(x: &[f64], shape: &[usize], axes: &[usize], first: f64, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let kept = |i: usize| if axes.contains(&i) { 1 } else { shape[i] };
    let mut out = vec![first; (0..shape.len()).map(kept).product()];
    for (flat, &x) in x.iter().enumerate() {
        let (mut rest, mut at, mut stride) = (flat, 0, 1);
        for i in (0..shape.len()).rev() {
            if !axes.contains(&i) {
                at += rest % shape[i] * stride;
                stride *= shape[i];
            }
            rest /= shape[i];
        }
        out[at] = f(out[at], x);
    }
    out
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.cast(DType::F64).to_vec::<f64>().unwrap()
}

#[test]
fn every_dtype_gives_the_values_of_a_loop_in_the_dtype_of_jax() {
    let shape = [3, 4, 5];
    for dtype in DType::ALL.into_iter().filter(|dtype| !dtype.is_complex()) {
        // Small enough that no sum or product needs rounding or wraps around.
        let x = match dtype {
            DType::Bool => Data::new(3).booleans(shape),
            _ => Data::new(3).integers(shape, dtype, 1, 3),
        };
        let summed = match dtype {
            DType::U8 | DType::U16 => DType::U32,
            DType::Bool | DType::I8 | DType::I16 => DType::I32,
            other => other,
        };
        for axes in [vec![0], vec![1], vec![2], vec![0, 2], vec![1, 2]] {
            let list = numbers(&x);
            let expect = |out: Tensor, dtype: DType, first: f64, f: fn(f64, f64) -> f64| {
                assert_eq!(out.dtype(), dtype);
                assert_eq!(numbers(&out), folded(&list, &shape, &axes, first, f), "{dtype} {axes:?}");
            };
            let named: Vec<isize> = axes.iter().map(|&axis| axis as isize).collect();
            expect(x.sum_axes(&named), summed, 0.0, |a, b| a + b);
            if axes.len() == 1 {
                expect(x.prod_axes(&named), summed, 1.0, |a, b| a * b);
            }
            expect(x.max_axes(&named), dtype, f64::MIN, f64::max);
            expect(x.min_axes(&named), dtype, f64::MAX, f64::min);
            expect(x.any_axes(&named), DType::Bool, 0.0, |a, b| f64::from(a != 0.0 || b != 0.0));
            expect(x.all_axes(&named), DType::Bool, 1.0, |a, b| f64::from(a != 0.0 && b != 0.0));
            expect(x.count_nonzero_axes(&named), DType::I32, 0.0, |a, b| a + f64::from(b != 0.0));
        }
        let mean = x.mean();
        assert_eq!(mean.dtype(), if dtype.is_float() { dtype } else { DType::F32 });
    }
}

#[test]
fn axes_are_one_literal_an_array_a_slice_or_a_vector() {
    let x = Tensor::ones([2, 3, 4]);
    assert_eq!(x.sum_axes(-1).shape(), [2, 3]);
    assert_eq!(x.sum_axes([0, -1]).shape(), [3]);
    assert_eq!(x.sum_axes([2, 0]).shape(), [3]);
    assert_eq!(x.sum_axes(&[1isize][..]).shape(), [2, 4]);
    assert_eq!(x.sum_axes(vec![1, 2]).shape(), [2]);
    assert_eq!(x.sum_axes(()).shape(), [2, 3, 4]);
    assert_eq!(x.sum_keep([0, 1]).shape(), [1, 1, 4]);
    assert_eq!(x.mean_keep(0).shape(), [1, 3, 4]);
    assert_eq!((x.sum().item::<f32>().unwrap(), x.mean().item::<f32>().unwrap()), (24.0, 1.0));
    let missing = x.try_sum_axes(3).unwrap_err().to_string();
    assert!(missing.contains("axis 3 of a tensor with 3 axes"), "{missing}");
    let twice = x.try_max_axes([1, -2]).unwrap_err().to_string();
    assert!(twice.contains("name one axis twice"), "{twice}");
}

#[test]
fn nothing_has_a_sum_and_a_product_but_no_extreme() {
    let x = Tensor::zeros([2, 0]);
    assert_eq!(x.sum_axes(1).to_vec::<f32>().unwrap(), [0.0; 2]);
    assert_eq!(x.prod_axes(1).to_vec::<f32>().unwrap(), [1.0; 2]);
    assert!(x.mean().item::<f32>().unwrap().is_nan());
    assert!(!x.any().item::<bool>().unwrap() && x.all().item::<bool>().unwrap());
    assert_eq!(x.max_axes(0).shape(), [0]);
    for error in [x.try_max(), x.try_min_axes(1), x.try_argmax(1), x.try_argmin(-1)].map(Result::unwrap_err) {
        assert!(error.to_string().contains("at least one element to choose from"), "{error}");
    }
}

#[test]
fn the_gradient_of_a_product_is_the_product_of_the_others_whatever_is_zero() {
    for x in [[2.0f64, 3.0, 4.0], [2.0, 0.0, 4.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0]] {
        let [a, b, c] = x;
        let x = Tensor::of(x, DType::F64);
        let first = grad(|x: &Tensor| x.try_prod())(&x).unwrap();
        assert_eq!(first.to_vec::<f64>().unwrap(), [b * c, a * c, a * b]);
        let second = hessian(|x: &Tensor| x.try_prod())(&x).unwrap();
        assert_eq!(second.to_vec::<f64>().unwrap(), [0.0, c, b, c, 0.0, a, b, a, 0.0]);
    }
}

#[test]
fn extremes_share_their_gradient_equally() {
    let x = vector(&[3.0, 1.0, 3.0, 1.0, 1.0]);
    let largest = grad(|x: &Tensor| x.try_max())(&x).unwrap();
    assert_close(&largest, &[5], &[0.5, 0.0, 0.5, 0.0, 0.0]);
    let least = grad(|x: &Tensor| Ok(x.try_min()? * 3.0))(&x).unwrap();
    assert_close(&least, &[5], &[0.0, 1.0, 0.0, 1.0, 1.0]);
}

#[test]
fn nan_wins_and_is_found() {
    let x = Tensor::from([[1.0f32, f32::NAN, f32::NAN], [2.0, 5.0, 5.0]]);
    assert!(x.max_axes(1).to_vec::<f32>().unwrap()[0].is_nan());
    assert!(x.min().item::<f32>().unwrap().is_nan());
    assert_eq!(x.argmax(1).to_vec::<i32>().unwrap(), [1, 1]);
    assert_eq!(x.argmin(1).to_vec::<i32>().unwrap(), [1, 0]);
    assert_eq!(x.argmax(0).to_vec::<i32>().unwrap(), [1, 0, 0]);
    assert_eq!(x.argmin_keep(-1).shape(), [2, 1]);
}

#[test]
fn positions_of_extremes_keep_the_laws() {
    check([
        law("argmax", |data| vec![data.distinct([3, 4], -1.0, 1.0)], |x| x[0].try_argmax(0)).no_gradient(),
        law("argmin", |data| vec![data.distinct([3, 4], -1.0, 1.0)], |x| x[0].try_argmin_keep(1))
            .no_gradient(),
        law("any", |data| vec![data.booleans([3, 4])], |x| x[0].try_any_axes(1)).no_gradient(),
        law("all", |data| vec![data.booleans([3, 4])], |x| x[0].try_all_keep(0)).no_gradient(),
        law(
            "count_nonzero",
            |data| vec![data.integers([3, 4], DType::I32, -1, 2)],
            |x| x[0].try_count_nonzero_axes(1),
        )
        .no_gradient(),
    ]);
    let zero = jacrev(|x: &Tensor| Ok(x.argmax(0).cast(DType::F32) + x.max()))(&vector(&[1.0, 2.0])).unwrap();
    assert_close(&zero, &[2], &[0.0, 1.0]);
}

#[test]
fn variance_divides_by_the_count_less_ddof_and_is_nan_without_any() {
    let x = Tensor::of([[1.0f64, 2.0, 6.0]], DType::F64);
    assert_close(&x.var(), &[], &[14.0 / 3.0]);
    assert_close(&x.var_axes(1, 1), &[1], &[7.0]);
    assert!(x.var_axes(1, 3).to_vec::<f64>().unwrap()[0].is_nan());
    assert!(x.var_axes(0, 1).to_vec::<f64>().unwrap().iter().all(|x| x.is_nan()));
    // The mean of squares less the square of the mean would be 0 or worse here.
    let far = Tensor::from([1e6f32 + 1.0, 1e6, 1e6 - 1.0]);
    assert_close(&far.var(), &[], &[2.0 / 3.0]);
}

#[test]
fn halves_are_averaged_in_single_precision() {
    let x = Tensor::full([4096], 60000.0f32).cast(DType::F16);
    assert_eq!(x.mean().cast(DType::F32).item::<f32>().unwrap(), 60000.0);
    assert_eq!(x.mean().dtype(), DType::F16);
}

#[test]
fn logsumexp_takes_infinities_and_large_numbers() {
    let inf = f32::INFINITY;
    let of = |x: [f32; 2]| Tensor::from(x).logsumexp().item::<f32>().unwrap();
    assert_eq!(of([-inf, -inf]), -inf);
    assert_eq!(of([inf, 0.0]), inf);
    assert_eq!(of([-inf, 7.0]), 7.0);
    assert!((of([1e4, 1e4]) - (1e4 + 2f32.ln())).abs() < 1e-3);
    assert_eq!(Tensor::zeros([0]).logsumexp().item::<f32>().unwrap(), -inf);
    let x = vector(&[1000.0, 1000.0]);
    assert_close(&grad(|x: &Tensor| x.try_logsumexp())(&x).unwrap(), &[2], &[0.5, 0.5]);
}

#[test]
fn norms_of_every_order_are_sums_of_powers() {
    let x = Tensor::of([[3.0f64, -4.0, 0.0], [1.0, 0.0, 0.0]], DType::F64);
    assert_close(&x.norm(), &[], &[26f64.sqrt()]);
    assert_close(&x.norm_axes(1, 2.0), &[2], &[5.0, 1.0]);
    assert_close(&x.norm_axes(1, 1.0), &[2], &[7.0, 1.0]);
    assert_close(&x.norm_axes(1, 0.0), &[2], &[2.0, 1.0]);
    assert_close(&x.norm_axes(1, 3.0), &[2], &[91f64.cbrt(), 1.0]);
    assert_close(&x.norm_axes(1, f64::INFINITY), &[2], &[4.0, 1.0]);
    assert_close(&x.norm_keep([0, 1], f64::NEG_INFINITY), &[1, 1], &[0.0]);
    assert_eq!(Tensor::from([3i32, 4]).norm().item::<f32>().unwrap(), 5.0);
}

#[test]
fn a_variance_without_degrees_of_freedom_has_neither_a_number_nor_a_gradient() -> Result<()> {
    let x = Tensor::from([1.5f32]);
    let var = |x: &Tensor| Ok(x.var_axes(0, 1));
    assert!(var(&x)?.item::<f32>()?.is_nan());
    assert!(grad(var)(&x)?.to_vec::<f32>()?[0].is_nan());
    Ok(())
}
