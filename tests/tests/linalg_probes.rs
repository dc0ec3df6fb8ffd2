//! Functions of matrices, of images and of signals give the results, gradients and batches of the real JAX.

use flaxen::image::{ResizeMethod, resize, scale_and_translate};
use flaxen::prelude::*;
use flaxen::{
    ConvLayout, ConvolveMode, MatrixNorm, Side, Triangle, WindowOptions, WindowReduction, try_multi_dot,
};
use flaxen_tests::probes::{self, Settings};

fn transposed(x: &Tensor) -> Result<Tensor> {
    x.try_swap_axes(-1, -2)
}

fn order(settings: &Settings<'_>) -> MatrixNorm {
    match settings.text("order").expect("an order") {
        "nuc" => MatrixNorm::Nuclear,
        "1" => MatrixNorm::One,
        "-1" => MatrixNorm::SmallestColumn,
        "2" => MatrixNorm::Spectral,
        "-2" => MatrixNorm::SmallestSingularValue,
        "inf" => MatrixNorm::Infinity,
        "-inf" => MatrixNorm::SmallestRow,
        _ => MatrixNorm::Frobenius,
    }
}

/// Squares of the factors, the singular values, and what they multiply to.
fn svd(x: &Tensor, full: bool) -> Result<Vec<Tensor>> {
    let (u, s, vt) = x.try_svd(full)?;
    let k = s.shape()[s.rank() - 1] as isize;
    let (u, vt) = (u.try_slice_axis(-1, 0..k)?, vt.try_slice_axis(-2, 0..k)?);
    let back = u.try_matmul(&s.try_expand_dims([-1])?.try_mul(&vt)?)?;
    Ok(vec![u.try_square()?, s, vt.try_square()?, back])
}

fn decompositions(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Vec<Tensor>> {
    let x = &args[0];
    Ok(match name {
        "eigh" => {
            let (w, v) = x.try_eigh()?;
            let back = v.try_matmul(&w.try_expand_dims([-1])?.try_mul(transposed(&v)?)?)?;
            vec![w, v.try_square()?, back]
        }
        "eigh_plain" => x.try_eigh().map(|(w, v)| vec![w, v])?,
        "eigvalsh" => vec![x.try_eigvalsh()?],
        "svd" => svd(x, settings.flag("full"))?,
        "svd_plain" => x.try_svd(false).map(|(u, s, vt)| vec![u, s, vt])?,
        "svd_shapes" => {
            let (u, s, vt) = x.try_svd(true)?;
            [u, s, vt].map(|x| Tensor::zeros(x.shape())).into()
        }
        "svdvals" => vec![x.try_svdvals()?],
        "largest_singular_value" => vec![x.try_svdvals()?.try_index_axis(-1, 0)?],
        "lu" => x.try_lu().map(|(p, l, u)| vec![p, l, u])?,
        "lu_factor" => x.try_lu_factor().map(|(lu, pivots)| vec![lu, pivots])?,
        "cholesky" => vec![x.try_cholesky()?],
        "qr" => x.try_qr().map(|(q, r)| vec![q, r])?,
        _ => return systems(name, args, settings),
    })
}

fn systems(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Vec<Tensor>> {
    let x = &args[0];
    Ok(vec![match name {
        "lu_solve" => {
            let (lu, pivots) = x.try_lu_factor()?;
            lu.try_lu_solve(&pivots, &args[1], settings.flag("transpose"))?
        }
        "solve" => x.try_solve(&args[1])?,
        "inv" => x.try_inv()?,
        "inv_is_finite" => x.try_inv()?.try_is_finite()?.try_all()?,
        "cho_solve" => x.try_cho_solve(&args[1], settings.flag("lower"))?,
        "solve_triangular" => {
            let triangle = Triangle { lower: settings.flag("lower"), transpose: false, unit_diagonal: false };
            x.try_triangular_solve(&args[1], Side::Left, triangle)?
        }
        "det" => x.try_det()?,
        "slogdet" => return x.try_slogdet().map(|(sign, log)| vec![sign, log]),
        "pinv" => x.try_pinv(settings.float("rtol"))?,
        "lstsq" => return x.try_lstsq(&args[1], None).map(|(x, errors, rank, s)| vec![x, errors, rank, s]),
        "lstsq_solution" => x.try_lstsq(&args[1], None)?.0,
        "matrix_rank" => x.try_matrix_rank(settings.float("tolerance"))?,
        "matrix_power" => x.try_matrix_power(settings.int("n").expect("an exponent") as i32)?,
        "matrix_norm" => match settings.ints("axes") {
            Some(axes) => x.try_matrix_norm_keep(axes, order(settings))?,
            None => x.try_matrix_norm(order(settings))?,
        },
        "norm" => match settings.float("order") {
            Some(order) => x.try_norm_axes([1], order)?,
            None => x.try_norm()?,
        },
        "cond" => x.try_cond(order(settings))?,
        "expm" => x.try_expm()?,
        _ => return products(name, args, settings),
    }])
}

fn products(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Vec<Tensor>> {
    let x = &args[0];
    let axis = settings.int("axis").unwrap_or(-1);
    let offset = settings.int("offset").unwrap_or(0);
    Ok(vec![match name {
        "inner" => x.try_inner(&args[1])?,
        "vdot" => x.try_vdot(&args[1])?,
        "vecdot" => x.try_vecdot(&args[1], axis)?,
        "kron" => x.try_kron(&args[1])?,
        "cross" => x.try_cross(&args[1], axis)?,
        "outer" => x.try_outer(&args[1])?,
        "tensordot" => x.try_tensordot(&args[1], &[1, 2], &[1, 0])?,
        "multi_dot" => try_multi_dot(args)?,
        "diagonal" | "trace" => {
            let axes = settings.ints("axes").unwrap_or_else(|| vec![0, 1]);
            if name == "trace" {
                x.try_trace_at(offset, axes[0], axes[1])?
            } else {
                x.try_diagonal_at(offset, axes[0], axes[1])?
            }
        }
        _ => return probes::unknown(name),
    }])
}

fn method(settings: &Settings<'_>) -> ResizeMethod {
    match settings.text("method").expect("a method") {
        "nearest" => ResizeMethod::Nearest,
        "linear" => ResizeMethod::Linear,
        "cubic" => ResizeMethod::Cubic,
        "cubic-pytorch" => ResizeMethod::CubicPytorch,
        "lanczos3" => ResizeMethod::Lanczos3,
        "lanczos5" => ResizeMethod::Lanczos5,
        _ => ResizeMethod::Area,
    }
}

fn padding(settings: &Settings<'_>) -> Padding {
    let padding = settings.json("padding");
    let Some(pairs) = padding.as_array() else {
        return if padding == "SAME" { Padding::Same } else { Padding::Valid };
    };
    let number = |pair: &serde_json::Value, i: usize| pair[i].as_i64().expect("a number") as isize;
    Padding::Explicit(pairs.iter().map(|pair| (number(pair, 0), number(pair, 1))).collect())
}

fn convolutions(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Vec<Tensor>> {
    let x = &args[0];
    let sizes = |key: &str| settings.sizes(key).expect("sizes");
    let mode = || match settings.text("mode") {
        Some("same") => ConvolveMode::Same,
        Some("valid") => ConvolveMode::Valid,
        _ => ConvolveMode::Full,
    };
    let options = || {
        let layout = if settings.text("layout") == Some("first") {
            ConvLayout::ChannelsFirst
        } else {
            ConvLayout::ChannelsLast
        };
        let plain = ConvOptions::new().strides(sizes("strides")).rhs_dilation(sizes("dilation"));
        plain.padding(padding(settings)).layout(layout).transpose_kernel(settings.flag("transpose"))
    };
    Ok(vec![match name {
        "resize" => {
            resize(x, sizes("shape"), method(settings)).antialias(settings.flag("antialias")).run()?
        }
        "scale_and_translate" => {
            let spatial = settings.ints("spatial").expect("axes");
            let map = scale_and_translate(x, sizes("shape"), spatial, &args[1], &args[2], method(settings));
            map.antialias(settings.flag("antialias")).run()?
        }
        "convolve" => x.try_convolve(&args[1], mode())?,
        "correlate" => x.try_correlate(&args[1], mode())?,
        "convolve_nd" => x.try_convolve_nd(&args[1], mode())?,
        "correlate_nd" => x.try_correlate_nd(&args[1], mode())?,
        "conv_patches" => x.try_conv_patches(sizes("window"), &options())?,
        "conv_local" => x.try_conv_local(&args[1], sizes("window"), &options())?,
        "conv_transpose" => x.try_conv_transpose(&args[1], &options())?,
        "reduce_window" => {
            let windows =
                WindowOptions::new(sizes("window")).strides(sizes("strides")).padding(padding(settings));
            let reduction = match settings.text("reduction") {
                Some("sum") => WindowReduction::Sum,
                Some("max") => WindowReduction::Max,
                _ => WindowReduction::Min,
            };
            x.try_reduce_window(&windows, reduction)?
        }
        _ => return probes::unknown(name),
    }])
}

#[test]
fn probes_of_linear_algebra_give_what_jax_gives() {
    let count = probes::run("linear_algebra.json", decompositions);
    assert!(count >= 150, "{count} probes");
}

#[test]
fn probes_of_images_and_signals_give_what_jax_gives() {
    let count = probes::run("image_resize.json", convolutions);
    assert!(count >= 100, "{count} probes");
}
