//! Integers of 8 and 16 bits, and mixtures of dtypes, give what the real JAX gives.

use flaxen::core::op::DotDimensions;
use flaxen::prelude::*;
use flaxen::{WindowOptions, WindowReduction, random, try_einsum};
use flaxen_tests::probes::{self, Settings};

fn is_pair_of_jax(a: DType, b: DType) -> bool {
    let signed = |x: DType| x.is_integer() && !x.is_unsigned();
    !(a == DType::U32 && signed(b) || signed(a) && b == DType::U32)
}

fn binary(a: &Tensor, b: &Tensor) -> Result<Vec<Tensor>> {
    Ok(vec![
        a.try_add(b)?,
        a.try_sub(b)?,
        a.try_mul(b)?,
        a.try_div(b)?,
        a.try_remainder(b)?,
        a.try_maximum(b)?,
        a.try_minimum(b)?,
        a.try_bitand(b)?,
        a.try_bitor(b)?,
        a.try_bitxor(b)?,
        a.try_shl(b)?,
        a.try_eq(b)?,
        a.try_lt(b)?,
        a.try_ge(b)?,
        a.try_floor_divide(b)?,
    ])
}

fn unary(x: &Tensor) -> Result<Vec<Tensor>> {
    Ok(vec![
        x.try_neg()?,
        x.try_logical_not()?,
        x.try_abs()?,
        x.try_sign()?,
        x.try_square()?,
        x.try_powi(3)?,
        x.try_div(100)?.try_exp()?,
        x.try_is_finite()?,
        x.try_floor()?,
        x.try_clip(1, 5)?,
        x.try_relu()?,
        x.try_cast(DType::F32)?.try_abs()?.try_sqrt()?,
    ])
}

fn reductions(x: &Tensor) -> Result<Vec<Tensor>> {
    Ok(vec![
        x.try_sum_axes(0)?,
        x.try_prod_axes(1)?,
        x.try_max_axes(0)?,
        x.try_min_axes(1)?,
        x.try_mean_axes(0)?,
        x.try_any_axes(0)?,
        x.try_all_axes(1)?,
        x.try_cumsum(1)?,
        x.try_cumprod(0)?,
        x.try_argmax(1)?,
        x.try_argmin(0)?,
        x.try_cummax(1)?,
        x.try_count_nonzero_axes(1)?,
    ])
}

fn moved(x: &Tensor) -> Result<Vec<Tensor>> {
    let twice = Tensor::from([0, 0]);
    Ok(vec![
        x.try_transpose([1, 0])?,
        x.try_flip([0])?.try_slice_axis(1, 1..)?,
        Tensor::try_concatenate(&[x.clone(), x.clone()], 0)?,
        x.try_pad([(1, 1), (1, 1)], 0)?,
        x.try_gt(1)?.try_select(x, 0)?,
        x.try_reshape([x.size()])?,
        x.try_take(Tensor::from([5, 9]), 1)?,
        x.try_index_add(0, &twice, x.try_slice_axis(0, 0..2)?)?,
        x.try_index_max(0, &twice, x.try_slice_axis(0, 2..4)?)?,
    ])
}

fn windows(x: &Tensor) -> Result<Vec<Tensor>> {
    Ok(vec![
        x.try_reduce_window(&WindowOptions::new([2, 2]), WindowReduction::Sum)?,
        x.try_reduce_window(&WindowOptions::new([2, 2]).strides([2, 2]), WindowReduction::Max)?,
    ])
}

fn matrix_product() -> DotDimensions {
    DotDimensions { contracting: ([1][..].into(), [0][..].into()), ..DotDimensions::default() }
}

fn call(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Vec<Tensor>> {
    let x = &args[0];
    Ok(match name {
        "promotion" => {
            let pairs = args.iter().flat_map(|a| args.iter().map(move |b| (a, b)));
            let pairs = pairs.filter(|(a, b)| is_pair_of_jax(a.dtype(), b.dtype()));
            pairs.map(|(a, b)| a.try_add(b)).collect::<Result<_>>()?
        }
        "beside_numbers" => {
            let mut outs = vec![];
            for x in args {
                outs.extend([x.try_add(1)?, x.try_mul(1.5)?]);
                outs.extend([x.try_gt(0)?.try_select(x, 2)?, x.try_maximum(0.5)?]);
            }
            outs
        }
        "u32_beside" => args[1..].iter().map(|y| x.try_add(y)).collect::<Result<_>>()?,
        "binary" => binary(x, &args[1])?,
        "shr" => vec![x.try_shr(&args[1])?],
        "unary" => unary(x)?,
        "casts" => {
            use DType::{BF16, Bool, F16, F32, I8, I16, I32, U8, U16, U32};
            let all = [Bool, U8, U16, U32, I8, I16, I32, F16, BF16, F32];
            all.into_iter().map(|dtype| x.try_cast(dtype)).collect::<Result<_>>()?
        }
        "cast" => vec![x.try_cast(settings.dtype("dtype").unwrap())?],
        "reductions" => reductions(x)?,
        "orders" => {
            let (values, positions) = x.try_top_k(3)?;
            vec![x.try_sort(1)?, x.try_argsort(1)?, values, positions]
        }
        "searchsorted" => vec![x.try_searchsorted(&args[1])?],
        "products" => {
            let y = &args[1];
            let (row, column) = (x.try_slice_axis(0, 0..1)?.try_reshape([6])?, y.try_slice_axis(1, 0..1)?);
            vec![x.try_matmul(y)?, row.try_dot(&column.try_reshape([6])?)?, try_einsum("ij,jk->k", &[x, y])?]
        }
        "product_of" => {
            vec![x.try_dot_general_of(&args[1], matrix_product(), settings.dtype("dtype").unwrap())?]
        }
        "indices" => {
            let i = &args[1];
            vec![x.try_take(i, 0)?, x.try_index_set(0, i, 1.0)?, x.try_index_add(0, i, 1.0)?]
        }
        "moved" => moved(x)?,
        "windows" => windows(x)?,
        "range" => {
            let dtype = x.dtype();
            vec![Tensor::try_arange_of(0, 6, 1, dtype)?, Tensor::try_arange_of(2, 100, 7, dtype)?]
        }
        "bits" => {
            vec![x.try_bitcast(if x.dtype().size() == 1 { DType::U8 } else { DType::BF16 })?]
        }
        "random_bits" => {
            let key = random::Key::from_data(x)?;
            vec![random::try_bits(&key, [7], settings.size("width").unwrap() as u32)?]
        }
        "randint" => {
            let (key, dtype) = (random::Key::from_data(x)?, settings.dtype("dtype").unwrap());
            let limits = dtype.iinfo().unwrap();
            let all = random::try_randint_of(&key, [9], limits.min, limits.max + 1, dtype)?;
            vec![random::try_randint_of(&key, [9], 3, 100, dtype)?, all]
        }
        _ => return probes::unknown(name),
    })
}

#[test]
fn probes_give_what_jax_gives() {
    let count = probes::run("narrow_integers.json", call);
    assert!(count >= 85, "{count} probes");
}

#[test]
fn numbers_are_read_as_wider_ones_that_hold_them_all() {
    let x = Tensor::of([-1, 5], DType::I8);
    assert_eq!(x.to_vec::<i8>().unwrap(), [-1, 5]);
    assert_eq!(x.to_vec::<i16>().unwrap(), [-1, 5]);
    assert_eq!(x.to_vec::<i64>().unwrap(), [-1, 5]);
    assert!(x.to_vec::<u16>().is_err() && x.to_vec::<u32>().is_err() && x.to_vec::<f32>().is_err());
    let y = Tensor::from([u16::MAX]);
    assert_eq!((y.dtype(), y.to_vec::<i32>().unwrap()), (DType::U16, vec![65535]));
    assert!(y.to_vec::<i16>().is_err());
    assert_eq!(format!("{:?}", Tensor::from([-3i8, 100])), "Tensor([ -3, 100], shape=[2], dtype=int8)");
}
