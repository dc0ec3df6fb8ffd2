//! The laws for reductions, cumulative operations, sorting and linear algebra.

use flaxen::{DType, Result, Side, Tensor, Triangle};
use flaxen_tests::data::Data;
use flaxen_tests::laws::{Law, check, law};

type Function = fn(&Tensor) -> Result<Tensor>;

/// On values that are far from each other and from 0.
fn on(name: &str, shape: &'static [usize], f: Function) -> Law {
    law(name, move |data: &mut Data| vec![data.distinct(shape, 0.3, 1.7)], move |args| f(&args[0])).loose(6.0)
}

/// On values of either sign that are far from each other.
fn signed(name: &str, shape: &'static [usize], f: Function) -> Law {
    law(name, move |data: &mut Data| vec![data.distinct(shape, -2.0, 2.0)], move |args| f(&args[0]))
        .loose(6.0)
}

#[test]
fn sums_and_means() {
    check([
        signed("sum", &[2, 3], Tensor::try_sum),
        signed("sum of rows", &[2, 3], |x| x.try_sum_axes(-1)),
        signed("sum of columns", &[2, 3], |x| x.try_sum_axes(0)),
        signed("sum of outer axes", &[2, 3, 2], |x| x.try_sum_axes([0, 2])),
        signed("sum that keeps its axis", &[2, 3], |x| x.try_sum_keep([0])),
        signed("sum of a scalar", &[], Tensor::try_sum),
        signed("sum of nothing", &[2, 0], |x| x.try_sum_axes(-1)),
        signed("mean", &[2, 3], |x| x.try_mean_axes([0, 1])),
        signed("mean that keeps its axis", &[2, 3], |x| x.try_mean_keep(-1)),
        signed("var", &[2, 4], |x| x.try_var_axes(-1, 0)),
        signed("var of a sample", &[2, 4], |x| x.try_var_axes(-1, 1)),
        signed("logsumexp", &[2, 3], |x| x.try_logsumexp_axes(-1)),
    ]);
}

#[test]
fn products() {
    check([
        signed("prod", &[2, 3], |x| x.try_prod_axes(-1)),
        law(
            "prod with zeros",
            |data: &mut Data| {
                let x = data.floats([3, 3], 0.5, 1.5);
                let zeros = Tensor::of([[0f64, 1., 1.], [0., 0., 1.], [1., 1., 1.]], DType::F64);
                vec![x * zeros]
            },
            |args| args[0].try_prod_axes(-1),
        ),
    ]);
}

#[test]
fn extremes() {
    check([
        signed("max", &[2, 3], |x| x.try_max_axes(-1)),
        signed("max of everything", &[2, 3], Tensor::try_max),
        signed("min", &[2, 3], |x| x.try_min_axes(0)),
        signed("max that keeps its axis", &[2, 3, 2], |x| x.try_max_keep([0, 2])),
        signed("argmax", &[2, 3], |x| x.try_argmax(-1)).no_gradient(),
        signed("argmin", &[2, 3], |x| x.try_argmin(0)).no_gradient(),
        signed("any", &[2, 3], |x| x.gt(0.0).try_any_axes(-1)).no_gradient(),
        signed("all", &[2, 3], |x| x.gt(0.0).try_all_axes(0)).no_gradient(),
    ]);
}

#[test]
fn cumulative_operations() {
    check([
        signed("cumsum", &[2, 4], |x| x.try_cumsum(-1)),
        signed("cumsum of columns", &[3, 2], |x| x.try_cumsum(0)),
        signed("cumsum_reverse", &[2, 4], |x| x.try_cumsum_reverse(-1)),
        on("cumprod", &[2, 4], |x| x.try_cumprod(-1)),
        on("cumprod_reverse", &[2, 4], |x| x.try_cumprod_reverse(-1)),
        signed("cummax", &[2, 4], |x| x.try_cummax(-1)),
        signed("cummin", &[2, 4], |x| x.try_cummin(0)),
        signed("cummax_reverse", &[4], |x| x.try_cummax_reverse(0)),
        signed("cumlogsumexp", &[2, 4], |x| x.try_cumlogsumexp(-1)),
        signed("cumlogsumexp_reverse", &[2, 4], |x| x.try_cumlogsumexp_reverse(-1)),
    ]);
}

#[test]
fn sorting() {
    check([
        signed("sort", &[2, 4], |x| x.try_sort(-1)),
        signed("sort of columns", &[3, 2], |x| x.try_sort(0)),
        signed("sort_descending", &[4], |x| x.try_sort_descending(0)),
        signed("argsort", &[2, 4], |x| x.try_argsort(-1)).no_gradient(),
        signed("argsort_descending", &[2, 4], |x| x.try_argsort_descending(0)).no_gradient(),
        law("top_k", |data: &mut Data| vec![data.distinct([2, 5], -2.0, 2.0)], |args| args[0].try_top_k(3)),
        law(
            "searchsorted",
            |data: &mut Data| {
                vec![
                    Tensor::of([-1.0f64, 0.0, 1.0], DType::F64) + data.floats([1], 0.0, 0.1),
                    data.floats([4], -2.0, 2.0),
                ]
            },
            |args| args[0].try_searchsorted(&args[1]),
        )
        .no_gradient(),
    ]);
}

#[test]
fn integers() {
    let cases: [(&str, Function); 6] = [
        ("sum", |x| x.try_sum_axes(-1)),
        ("prod", |x| x.try_prod_axes(-1)),
        ("max", |x| x.try_max_axes(0)),
        ("cumsum", |x| x.try_cumsum(-1)),
        ("sort", |x| x.try_sort(-1)),
        ("argsort", |x| x.try_argsort(-1)),
    ];
    check(cases.into_iter().flat_map(|(name, f)| {
        DType::ALL.into_iter().filter(|dtype| dtype.is_integer()).map(move |dtype| {
            let make = move |data: &mut Data| vec![data.integers([2, 3], dtype, 0, 5)];
            law(format!("{name} of {dtype}"), make, move |args| f(&args[0])).no_gradient().dtypes([])
        })
    }));
}

/// Far from singular.
fn regular(data: &mut Data) -> Tensor {
    data.floats([3, 3], -0.5, 0.5) + Tensor::of([[2f64, 0., 0.], [0., 2., 0.], [0., 0., 2.]], DType::F64)
}

fn triangle(lower: bool, transpose: bool) -> Triangle {
    Triangle { lower, transpose, unit_diagonal: false }
}

#[test]
fn linear_algebra() {
    let f32_only = [DType::F32];
    check([
        // Of a symmetric matrix, whatever the argument is.
        law(
            "cholesky",
            |data: &mut Data| vec![regular(data)],
            |args| (&args[0] + args[0].swap_axes(-1, -2)).try_cholesky(),
        )
        .dtypes(f32_only)
        .loose(8.0),
        law(
            "triangular_solve",
            |data: &mut Data| vec![regular(data), data.floats([3, 2], -1.0, 1.0)],
            |args| args[0].try_triangular_solve(&args[1], Side::Left, triangle(true, false)),
        )
        .dtypes(f32_only)
        .loose(8.0),
        law(
            "triangular_solve from the right",
            |data: &mut Data| vec![regular(data), data.floats([2, 3], -1.0, 1.0)],
            |args| args[0].try_triangular_solve(&args[1], Side::Right, triangle(false, true)),
        )
        .dtypes(f32_only)
        .loose(8.0),
        law("qr", |data: &mut Data| vec![regular(data)], |args| args[0].try_qr()).dtypes(f32_only).loose(8.0),
    ]);
}
