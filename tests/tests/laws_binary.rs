//! The laws for operations of two and three arguments, element by element.

use flaxen::{DType, Result, Tensor, WindowOptions, WindowReduction, jit, vmap};
use flaxen_tests::data::Data;
use flaxen_tests::laws::{Law, check, law};

/// Pairs of shapes that broadcast in every way there is.
const PAIRS: [(&[usize], &[usize]); 6] =
    [(&[2, 3], &[2, 3]), (&[3], &[2, 3]), (&[2, 3], &[]), (&[2, 1], &[1, 3]), (&[1], &[2, 1, 2]), (&[], &[])];

type Function = fn(&Tensor, &Tensor) -> Result<Tensor>;
type Sample = fn(&mut Data, &[usize]) -> Tensor;

fn any(data: &mut Data, shape: &[usize]) -> Tensor {
    data.floats(shape, -2.0, 2.0)
}

fn nonzero(data: &mut Data, shape: &[usize]) -> Tensor {
    data.away_from_zero(shape, 0.5, 2.0)
}

fn positive(data: &mut Data, shape: &[usize]) -> Tensor {
    data.floats(shape, 0.5, 2.0)
}

fn table(cases: &[(&str, Sample, Sample, Function)]) -> Vec<Law> {
    let mut laws = vec![];
    for &(name, x, y, f) in cases {
        for (left, right) in PAIRS {
            let make = move |data: &mut Data| vec![x(data, left), y(data, right)];
            laws.push(law(format!("{name} {left:?} {right:?}"), make, move |args| f(&args[0], &args[1])));
        }
    }
    laws
}

#[test]
fn arithmetic() {
    check(table(&[
        ("add", any, any, |x, y| x.try_add(y)),
        ("sub", any, any, |x, y| x.try_sub(y)),
        ("mul", any, any, |x, y| x.try_mul(y)),
        ("div", any, nonzero, |x, y| x.try_div(y)),
    ]));
}

#[test]
fn powers_and_angles() {
    check(
        table(&[
            ("pow", positive, any, |x, y| x.try_pow(y)),
            ("atan2", nonzero, nonzero, |x, y| x.try_atan2(y)),
        ])
        .into_iter()
        .map(|law| law.loose(4.0)),
    );
}

#[test]
fn an_integer_power_of_a_negative_base() {
    for power in [0.0, 1.0, 2.0, 3.0, -2.0] {
        let make = |data: &mut Data| vec![data.away_from_zero([4], 0.5, 1.5)];
        law(format!("pow {power}"), make, move |args| args[0].try_pow(power)).loose(4.0).check();
    }
}

#[test]
fn remainders() {
    // Quotients that are not near whole numbers.
    let x = |data: &mut Data, shape: &[usize]| data.floats(shape, 2.2, 2.4);
    let y = |data: &mut Data, shape: &[usize]| data.floats(shape, 0.95, 1.05);
    check(table(&[("fmod", x, y, |x, y| x.try_fmod(y))]).into_iter().map(|law| law.loose(4.0)));
    check(table(&[("remainder", x, y, |x, y| Ok(-x % y))]).into_iter().map(|law| law.loose(4.0)));
}

/// Both sides come from one list of numbers that are far apart: there is a kink where they are equal.
#[test]
fn extremes() {
    let apart = |data: &mut Data, shape: &[usize]| data.distinct(shape, -2.0, 2.0);
    let shifted = |data: &mut Data, shape: &[usize]| data.distinct(shape, -2.03, 1.91);
    check(table(&[
        ("maximum", apart, shifted, |x, y| x.try_maximum(y)),
        ("minimum", apart, shifted, |x, y| x.try_minimum(y)),
    ]));
}

#[test]
fn comparisons() {
    let table = table(&[
        ("eq", any, any, |x, y| x.try_eq(y)),
        ("ne", any, any, |x, y| x.try_ne(y)),
        ("lt", any, any, |x, y| x.try_lt(y)),
        ("le", any, any, |x, y| x.try_le(y)),
        ("gt", any, any, |x, y| x.try_gt(y)),
        ("ge", any, any, |x, y| x.try_ge(y)),
    ]);
    check(table.into_iter().map(Law::no_gradient));
}

#[test]
fn integers_and_booleans() {
    let cases: [(&str, Function); 9] = [
        ("add", |x, y| x.try_add(y)),
        ("sub", |x, y| x.try_sub(y)),
        ("mul", |x, y| x.try_mul(y)),
        ("maximum", |x, y| x.try_maximum(y)),
        ("bitand", |x, y| x.try_bitand(y)),
        ("bitor", |x, y| x.try_bitor(y)),
        ("bitxor", |x, y| x.try_bitxor(y)),
        ("shl", |x, y| x.try_shl(y)),
        ("shr", |x, y| x.try_shr(y)),
    ];
    let mut laws = vec![];
    for (name, f) in cases {
        for dtype in DType::ALL.into_iter().filter(|dtype| dtype.is_integer()) {
            for (left, right) in PAIRS {
                let make = move |data: &mut Data| {
                    vec![data.integers(left, dtype, 6, 12), data.integers(right, dtype, 0, 6)]
                };
                let name = format!("{name} {dtype} {left:?} {right:?}");
                laws.push(law(name, make, move |args| f(&args[0], &args[1])).no_gradient().dtypes([]));
            }
        }
    }
    for (name, f) in [cases[0], cases[2], cases[3], cases[4], cases[5], cases[6]] {
        let make = |data: &mut Data| vec![data.booleans([2, 3]), data.booleans([3])];
        laws.push(
            law(format!("{name} bool"), make, move |args| f(&args[0], &args[1])).no_gradient().dtypes([]),
        );
    }
    check(laws);
}

#[test]
fn select() {
    let shapes: [[&[usize]; 3]; 4] =
        [[&[2, 3], &[2, 3], &[2, 3]], [&[], &[2, 3], &[3]], [&[2, 1], &[3], &[]], [&[3], &[], &[2, 1]]];
    check(shapes.map(|[c, x, y]| {
        let make = move |data: &mut Data| vec![data.booleans(c), any(data, x), any(data, y)];
        law(format!("select {c:?} {x:?} {y:?}"), make, |args| args[0].try_select(&args[1], &args[2]))
    }));
}

#[test]
fn clamp() {
    let shapes: [[&[usize]; 3]; 3] =
        [[&[2, 3], &[2, 3], &[2, 3]], [&[2, 3], &[], &[3]], [&[3], &[2, 1], &[]]];
    check(shapes.map(|[x, low, high]| {
        let make = move |data: &mut Data| {
            let bounds = (data.floats(low, -0.6, -0.5), data.floats(high, 0.5, 0.6));
            vec![data.distinct(x, -1.0, 1.0), bounds.0, bounds.1]
        };
        law(format!("clamp {x:?} {low:?} {high:?}"), make, |args| args[0].try_clamp(&args[1], &args[2]))
    }));
}

#[test]
fn one_value_on_both_sides() {
    let make = |data: &mut Data| vec![data.floats([3], 0.5, 1.5)];
    check([
        law("x + x", make, |args| Ok(&args[0] + &args[0])),
        law("x * x", make, |args| Ok(&args[0] * &args[0])),
        law("x / x", make, |args| Ok(&args[0] / &args[0])),
        law("x - x", make, |args| Ok(&args[0] - &args[0])),
        law("x ^ x", make, |args| args[0].try_pow(&args[0])).loose(4.0),
    ]);
}

/// The signs of zeros and where NaN is, as text.
fn signs(x: &Tensor) -> String {
    let sign = |x: &f64| match x {
        x if x.is_nan() => 'N',
        x if x.is_sign_negative() => '-',
        _ => '+',
    };
    x.cast(DType::F64).to_vec::<f64>().unwrap().iter().map(sign).collect()
}

/// A function of two tensors of zeros and NaN, and the signs of its result.
type Signs = (&'static str, fn(&Tensor, &Tensor) -> Tensor, &'static str);

// JAX 0.10.2: 0 is more than -0 wherever the larger or the smaller is asked for, in either order.
#[test]
fn zeros_have_the_signs_that_they_have_in_jax() {
    let x = [0.0, -0.0, 0.0, -0.0, -0.0, f64::NAN, -0.0, f64::NAN].repeat(9);
    let y = [-0.0, 0.0, 0.0, -0.0, f64::NAN, -0.0, f64::NAN, 0.0].repeat(9);
    let cases: [Signs; 12] = [
        ("maximum", |x, y| x.maximum(y), "+++-NNNN"),
        ("minimum", |x, y| x.minimum(y), "--+-NNNN"),
        ("maximum with 0", |x, _| x.maximum(0.0), "+++++N+N"),
        ("0 with maximum", |x, _| x.like_zero(0.0).maximum(x), "+++++N+N"),
        ("minimum with 0", |x, _| x.minimum(0.0), "+-+--N-N"),
        ("maximum with -0", |x, _| x.maximum(-0.0), "+-+--N-N"),
        ("clamp from above", |x, _| x.clamp(x.like_zero(-1.0), x.like_zero(0.0)), "+-+--N-N"),
        ("clamp from below", |x, y| x.clamp(y, x.like_zero(1.0)), "+++-NNNN"),
        ("relu", |x, _| x.relu(), "+++++N+N"),
        ("relu6", |x, _| x.relu6(), "+++++N+N"),
        ("hard_tanh", |x, _| x.hard_tanh(), "+-+--N-N"),
        ("leaky_relu", |x, _| x.leaky_relu(0.01), "+-+--N-N"),
    ];
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        let [x, y] = [&x, &y].map(|numbers| Tensor::from(numbers).cast(dtype));
        for (name, f, expected) in cases {
            let expected = expected.repeat(9);
            let mapped = vmap(move |(x, y): (Tensor, Tensor)| Ok(f(&x, &y)));
            let compiled = jit(move |(x, y): (Tensor, Tensor)| Ok(f(&x, &y)));
            assert_eq!(signs(&f(&x, &y)), expected, "{name} {dtype}");
            assert_eq!(signs(&mapped.call((x.clone(), y.clone())).unwrap()), expected, "vmap {name} {dtype}");
            assert_eq!(
                signs(&compiled.call((x.clone(), y.clone())).unwrap()),
                expected,
                "jit {name} {dtype}"
            );
        }
    }
}

trait LikeZero {
    fn like_zero(&self, value: f64) -> Tensor;
}

impl LikeZero for Tensor {
    /// A number of the same dtype.
    fn like_zero(&self, value: f64) -> Tensor {
        Tensor::from(value).cast(self.dtype())
    }
}

#[test]
fn the_largest_and_the_smallest_of_zeros_have_the_signs_that_they_have_in_jax() {
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        for size in [2, 3, 8, 17, 64, 1000] {
            for first in [0.0, -0.0] {
                let zeros: Vec<f64> = (0..size).map(|i| if i % 2 == 0 { first } else { -first }).collect();
                let x = Tensor::from(&zeros).cast(dtype);
                let columns = x.reshape([size, 1]).broadcast_to([size, 5]);
                let case = format!("{dtype} {size} {first}");
                let all = |x: &Tensor, columns: &Tensor| {
                    let window = WindowOptions::new([2, 1]);
                    let rows = columns.t();
                    vec![
                        (x.max(), x.min()),
                        (columns.max_axes([0]), columns.min_axes([0])),
                        (rows.max_axes([1]), rows.min_axes([1])),
                        (x.cummax(0).slice_axis(0, 1..), x.cummin(0).slice_axis(0, 1..)),
                        (
                            columns.reduce_window(&window, WindowReduction::Max),
                            columns.reduce_window(&window, WindowReduction::Min),
                        ),
                    ]
                };
                let compiled = jit(move |(x, columns): (Tensor, Tensor)| Ok(all(&x, &columns)));
                for (largest, smallest) in
                    all(&x, &columns).into_iter().chain(compiled.call((x.clone(), columns.clone())).unwrap())
                {
                    assert!(!signs(&largest).contains('-'), "{case} {largest:?}");
                    assert!(!signs(&smallest).contains('+'), "{case} {smallest:?}");
                }
            }
        }
    }
}

#[test]
fn updates_by_the_larger_and_the_smaller_know_the_signs_of_zeros() {
    let indices = Tensor::from([0, 0, 1, 1, 2, 2, 3]);
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        let values = Tensor::from([0.0, -0.0, -0.0, 0.0, -0.0, -0.0, 0.0]).cast(dtype);
        let all = |zero: f64| Tensor::from([zero; 4]).cast(dtype);
        // jnp.full(4, zero).at[indices].max(values) and min of JAX 0.10.2.
        assert_eq!(signs(&all(-0.0).index_max(0, &indices, &values)), "++-+", "{dtype}");
        assert_eq!(signs(&all(0.0).index_max(0, &indices, &values)), "++++", "{dtype}");
        assert_eq!(signs(&all(0.0).index_min(0, &indices, &values)), "---+", "{dtype}");
    }
}
