//! Complex numbers, Fourier transforms, and spectra over time give what the real JAX gives.

use flaxen::core::op::DotDimensions;
use flaxen::fft::{self, Norm};
use flaxen::prelude::*;
use flaxen::scalar::op::{Gives, ScalarOp};
use flaxen::signal::{self, Boundary, StftOptions, Window};
use flaxen::{WindowOptions, WindowReduction, try_einsum};
use flaxen_tests::naive_backend::NAIVE;
use flaxen_tests::probes::{self, Settings};
use num_complex::Complex32;

const MIXED: [DType; 8] =
    [DType::Bool, DType::U8, DType::I16, DType::I32, DType::F16, DType::BF16, DType::F32, DType::C64];

fn norm(settings: &Settings<'_>) -> Norm {
    match settings.text("norm") {
        Some("ortho") => Norm::Ortho,
        Some("forward") => Norm::Forward,
        _ => Norm::Backward,
    }
}

fn options(settings: &Settings<'_>) -> StftOptions {
    let mut options = StftOptions::new();
    options.nperseg = settings.size("nperseg");
    options.noverlap = settings.size("noverlap");
    options.nfft = settings.size("nfft");
    options.fs = settings.float("fs").unwrap_or(1.0);
    options.axis = settings.int("axis").unwrap_or(-1);
    options.detrend = settings.text("detrend").is_some();
    options.padded = !settings.has("padded") || settings.flag("padded");
    options.onesided = !settings.has("return_onesided") || settings.flag("return_onesided");
    options.window = if settings.text("window") == Some("hamming") { Window::Hamming } else { Window::Hann };
    options.boundary = match settings.text("boundary") {
        Some("even") => Boundary::Even,
        Some("odd") => Boundary::Odd,
        Some("constant") => Boundary::Constant,
        Some("zeros") => Boundary::Zeros,
        _ => Boundary::None,
    };
    options
}

fn numbers(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Option<Vec<Tensor>>> {
    let x = &args[0];
    let y = args.last().unwrap();
    Ok(Some(match name {
        "complex" => vec![Tensor::try_complex(x, y)?],
        "parts" => vec![x.try_real()?, x.try_imag()?, x.try_conj()?, x.try_angle()?, x.try_abs()?],
        "parts_short" => vec![x.try_real()?, x.try_imag()?, x.try_conj()?, x.try_abs()?],
        "abs" => vec![x.try_abs()?],
        "kinds" => vec![x.try_is_finite()?, x.try_is_nan()?, x.try_is_inf()?],
        "sign" => vec![x.try_sign()?],
        "add" => vec![x.try_add(y)?],
        "sub" => vec![x.try_sub(y)?],
        "mul" => vec![x.try_mul(y)?],
        "div" => vec![x.try_div(y)?],
        "neg" => vec![x.try_neg()?],
        "equality" => vec![x.try_eq(y)?, x.try_ne(y)?],
        "beside_numbers" => vec![
            x.try_mul(2)?,
            (1.5 - x),
            x.try_div(4)?,
            x.try_add(Complex32::I)?,
            x.try_mul(Complex32::new(2.0, -1.0))?,
        ],
        "imaginary_beside" => {
            let each = |x: &Tensor| Ok([x.try_mul(Complex32::I)?, x.try_add(Complex32::new(1.0, -2.0))?]);
            args.iter().map(each).collect::<Result<Vec<_>>>()?.concat()
        }
        "mixtures" => {
            let sums = args[1..].iter().map(|y| x.try_add(y)).collect::<Result<Vec<_>>>()?;
            let products = args[1..].iter().map(|y| y.try_mul(x)).collect::<Result<Vec<_>>>()?;
            [sums, products].concat()
        }
        "casts" => {
            let to = MIXED.into_iter().filter(|&dtype| dtype != DType::U8);
            to.map(|dtype| x.try_cast(dtype)).collect::<Result<_>>()?
        }
        "to_complex" => args.iter().map(|x| x.try_cast(DType::C64)).collect::<Result<_>>()?,
        "real_twice" => vec![x.try_cast(DType::F32)?.try_mul(2)?],
        "exp" => vec![x.try_exp()?],
        "log" => vec![x.try_log()?],
        "sqrt" => vec![x.try_sqrt()?],
        "rsqrt" => vec![x.try_rsqrt()?],
        "sin" => vec![x.try_sin()?],
        "cos" => vec![x.try_cos()?],
        "tan" => vec![x.try_tan()?],
        "sinh" => vec![x.try_sinh()?],
        "cosh" => vec![x.try_cosh()?],
        "tanh" => vec![x.try_tanh()?],
        "square" => vec![x.try_square()?],
        "reciprocal" => vec![x.try_reciprocal()?],
        "logistic" => vec![x.try_logistic()?],
        "powi" => vec![x.try_powi(settings.int("n").unwrap() as i32)?],
        "pow" => vec![x.try_pow(y)?],
        "lt" => vec![x.try_lt(y)?],
        _ => return Ok(None),
    }))
}

fn arrays(name: &str, args: &[Tensor]) -> Result<Option<Vec<Tensor>>> {
    let x = &args[0];
    let y = args.last().unwrap();
    Ok(Some(match name {
        "sums" => vec![x.try_sum_axes(1)?, x.try_mean_axes([0, 2])?, x.try_sum()?, x.try_cumsum(1)?],
        "prod" => vec![x.try_prod_axes(1)?, x.try_prod()?],
        "var" => vec![x.try_var_axes(1, 0)?, x.try_std()?],
        "norm" => vec![x.try_norm()?, x.try_norm_axes(1, 2.0)?],
        "any_all" => vec![x.try_any_axes(1)?, x.try_all_axes(1)?, x.try_count_nonzero()?],
        "matmul" => vec![x.try_matmul(y)?],
        "einsum" => vec![try_einsum("bixy,ioxy->boxy", &[x, y])?],
        "where" => vec![x.try_real()?.try_gt(0)?.try_select(x, y)?],
        "moves" => {
            let row = x.try_slice_axis(0, 0..1)?;
            let rolled = [x.try_slice_axis(1, -1..)?, x.try_slice_axis(1, ..-1)?];
            vec![
                x.try_transpose([1, 0])?,
                x.try_flip([0])?.try_slice_axis(1, 1..)?,
                Tensor::try_concatenate(&[x.clone(), x.clone()], 1)?,
                x.try_pad([(1, 1), (1, 1)], 0)?,
                x.try_reshape([x.size()])?,
                Tensor::try_stack(&[x.clone(), x.try_mul(2)?], 0)?,
                row.try_broadcast_to([4, 3])?,
                Tensor::try_concatenate(&rolled, 1)?,
                x.try_take(Tensor::from([2, 0, 2]), 1)?,
            ]
        }
        "updates" => vec![
            x.try_index_add(0, Tensor::from([0, 0]), y)?,
            x.try_index_set(0, Tensor::from([1]), y.try_slice_axis(0, 0..1)?)?,
        ],
        "functional" => {
            let inner = x.try_mul(y.try_conj()?)?.try_sum()?;
            vec![x.try_mul(y)?.try_sum()?.try_real()?.try_add(inner.try_abs()?.try_square()?)?]
        }
        _ => return Ok(None),
    }))
}

fn transforms(name: &str, x: &Tensor, settings: &Settings<'_>) -> Result<Option<Vec<Tensor>>> {
    let (n, axis, norm) = (settings.size("n"), settings.int("axis").unwrap_or(-1), norm(settings));
    let (s, axes) = (settings.sizes("s"), settings.ints("axes"));
    let (s, axes) = (s.as_deref(), axes.as_deref());
    let sizes = || s.map(|s| [s[0], s[1]]);
    let two = || axes.map_or([-2, -1], |axes| [axes[0], axes[1]]);
    Ok(Some(vec![match name {
        "fft" => fft::try_fft(x, n, axis, norm)?,
        "ifft" => fft::try_ifft(x, n, axis, norm)?,
        "rfft" => fft::try_rfft(x, n, axis, norm)?,
        "irfft" => fft::try_irfft(x, n, axis, norm)?,
        "fft2" => fft::try_fft2(x, sizes(), two(), norm)?,
        "ifft2" => fft::try_ifft2(x, sizes(), two(), norm)?,
        "rfft2" => fft::try_rfft2(x, sizes(), two(), norm)?,
        "irfft2" => fft::try_irfft2(x, sizes(), two(), norm)?,
        "fftn" => fft::try_fftn(x, s, axes, norm)?,
        "ifftn" => fft::try_ifftn(x, s, axes, norm)?,
        "rfftn" => fft::try_rfftn(x, s, axes, norm)?,
        "irfftn" => fft::try_irfftn(x, s, axes, norm)?,
        "dct" => fft::try_dct(x, n, axis, norm)?,
        "idct" => fft::try_idct(x, n, axis, norm)?,
        _ => return Ok(None),
    }]))
}

fn call(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Vec<Tensor>> {
    if let Some(outs) = numbers(name, args, settings)? {
        return Ok(outs);
    }
    if let Some(outs) = arrays(name, args)? {
        return Ok(outs);
    }
    let x = &args[0];
    if let Some(outs) = transforms(name, x, settings)? {
        return Ok(outs);
    }
    Ok(match name {
        "frequencies" => {
            let cases = [(1, 1.0), (4, 0.5), (7, 0.1)];
            let all = cases.map(|(n, d)| fft::try_fftfreq(n, d));
            let half = cases.map(|(n, d)| fft::try_rfftfreq(n, d));
            all.into_iter().chain(half).collect::<Result<_>>()?
        }
        "shifts" => vec![
            fft::try_fftshift(x, None)?,
            fft::try_ifftshift(x, None)?,
            fft::try_fftshift(x, Some(&[1]))?,
            fft::try_ifftshift(x, Some(&[0]))?,
        ],
        "windows" => {
            let functions: [fn(usize) -> Tensor; 4] =
                [Tensor::hanning, Tensor::hamming, Tensor::blackman, Tensor::bartlett];
            let mut outs: Vec<Tensor> = functions.iter().flat_map(|f| [1, 5, 7].map(f)).collect();
            outs.extend(
                [1, 6].into_iter().flat_map(|n| [0.0, 5.0, 14.0].map(|beta| Tensor::kaiser(n, beta))),
            );
            outs
        }
        "stft" => {
            let (frequencies, times, spectra) = signal::try_stft(x, &options(settings))?;
            vec![frequencies, times, spectra]
        }
        "istft" => {
            let (times, x) = signal::try_istft(x, &options(settings))?;
            vec![times, x]
        }
        _ => return probes::unknown(name),
    })
}

#[test]
fn probes_give_what_jax_gives() {
    let count = probes::run("complex_fft.json", call);
    assert!(count >= 140, "{count} probes");
}

fn some() -> Tensor {
    Tensor::complex([[1.5f32, -2.0, 0.25], [3.0, -0.5, 2.0]], [[0.5f32, 1.0, -1.5], [0.0, 2.5, -0.75]])
}

/// The numbers at hand, moved about so that each argument has others.
fn argument(i: usize, dtype: DType) -> Tensor {
    let x = if i.is_multiple_of(2) { some() } else { some().flip([1]) };
    if dtype.is_complex() { x } else { x.real().cast(dtype) }
}

#[test]
fn every_function_of_complex_numbers_is_the_same_compiled_and_by_its_definition() {
    let is_of_complex = |op: &&ScalarOp| op.accepts(DType::C64) || op.gives() == Gives::Complex;
    for &op in ScalarOp::ALL.iter().filter(is_of_complex) {
        let from = if op.gives() == Gives::Complex { DType::F32 } else { DType::C64 };
        let args: Vec<Tensor> = (0..op.arity())
            .map(|i| if op == ScalarOp::Select && i == 0 { some().real().gt(0.0) } else { argument(i, from) })
            .collect();
        let f = |args: Vec<Tensor>| op.apply(args);
        let [eager, compiled, naive] = [
            f(args.clone()).unwrap(),
            jit(f).call(args.clone()).unwrap(),
            jit(f).on(&NAIVE).call(args.clone()).unwrap(),
        ];
        assert_eq!((eager.aval(), eager.aval()), (compiled.aval(), naive.aval()), "{op}");
        if eager.dtype() == DType::Bool {
            assert_eq!(eager.to_vec::<bool>(), naive.to_vec::<bool>(), "{op}");
            continue;
        }
        for other in [&compiled, &naive] {
            let size = 1.0 + eager.abs().max().item::<f32>().unwrap();
            let error = (&eager - other).abs().max().item::<f32>().unwrap() / size;
            assert!(error < 1e-5, "{op}: {eager:?} {other:?}");
        }
    }
}

#[test]
fn transforms_are_their_definition_and_each_other_undone() {
    type Program = fn(Tensor) -> Result<Tensor>;
    for n in [1usize, 2, 5, 8, 12, 17] {
        let x = Tensor::complex(
            Tensor::linspace(-1.0, 2.0, 3 * n).sin().reshape([3, n]),
            Tensor::linspace(0.0, 5.0, 3 * n).cos().reshape([3, n]),
        );
        let programs: [Program; 4] = [
            |x| fft::try_fft(x, None, -1, Norm::Backward),
            |x| fft::try_ifft(x, None, -1, Norm::Ortho),
            |x| fft::try_rfft(x.try_real()?, None, -1, Norm::Forward),
            |x| {
                let n = x.shape()[1];
                fft::try_irfft(fft::try_rfft(x.try_imag()?, None, -1, Norm::Ortho)?, n, -1, Norm::Ortho)
            },
        ];
        for f in programs {
            let (ours, naive) = (f(x.clone()).unwrap(), jit(f).on(&NAIVE).call(x.clone()).unwrap());
            assert!((ours - naive).abs().max().item::<f32>().unwrap() < 1e-4, "{n}");
        }
        for norm in [Norm::Backward, Norm::Ortho, Norm::Forward] {
            let back = fft::ifft(fft::fft(&x, None, 1, norm), None, 1, norm);
            assert!((back - &x).abs().max().item::<f32>().unwrap() < 1e-5, "{n}");
            let back = fft::irfft(fft::rfft(x.real(), None, 1, norm), n, 1, norm);
            assert!((back - x.real()).abs().max().item::<f32>().unwrap() < 1e-5, "{n}");
        }
    }
}

#[test]
fn gradients_of_functions_with_a_complex_derivative_are_that() {
    // Of the real part: what `holomorphic=True` gives in JAX.
    let f = |z: &Tensor| z.try_powi(3)?.try_exp()?.try_sum()?.try_real();
    let z = Tensor::complex([0.5f32, -0.25], [0.75f32, 0.5]);
    let expected = z.square() * 3.0 * z.powi(3).exp();
    let found = grad(f)(&z).unwrap();
    assert_eq!(found.dtype(), DType::C64);
    assert!((found - expected).abs().max().item::<f32>().unwrap() < 1e-5);
    let square = grad(|z: &Tensor| z.try_abs()?.try_square()?.try_sum())(&z).unwrap();
    assert!((square - z.conj() * 2.0).abs().max().item::<f32>().unwrap() < 1e-6);
    let refused = grad(|z: &Tensor| z.try_sum())(&z).unwrap_err().to_string();
    assert!(refused.contains("complex64"), "{refused}");
}

#[test]
fn what_complex_numbers_do_not_have_is_an_error() {
    let z = some();
    let (positions, rows) = (Tensor::from([0, 1]), some());
    let refused: [(&str, Result<Tensor>); 17] = [
        ("lt", z.try_lt(&z)),
        ("maximum", z.try_maximum(&z)),
        ("max", z.try_max()),
        ("argmax", z.try_argmax(1)),
        ("sort", z.try_sort(1)),
        ("cummax", z.try_cummax(1)),
        ("cumprod", z.try_cumprod(1)),
        ("floor", ScalarOp::Floor.apply([z.clone()])),
        ("erf", z.try_erf()),
        ("relu", z.try_relu()),
        ("atan2", z.try_atan2(&z)),
        ("index_max", z.try_index_max(0, &positions, &rows)),
        ("reduce_window", z.try_reduce_window(&WindowOptions::new([1, 2]), WindowReduction::Sum)),
        ("arange", Tensor::try_arange_of(0, 5, 1, DType::C64)),
        ("rfft", fft::try_rfft(&z, None, -1, Norm::Backward)),
        ("complex", Tensor::try_complex(&z, 1.0)),
        ("irfft", fft::try_irfft(z.slice_axis(1, 0..1), None, 1, Norm::Backward)),
    ];
    for (name, result) in refused {
        let error = result.map(drop).unwrap_err().to_string();
        assert!(
            error.contains("complex") || error.contains("real") || error.contains("element"),
            "{name}: {error}"
        );
    }
    let mixed = z.try_dot_general(&z.real(), DotDimensions::default());
    assert!(mixed.unwrap_err().to_string().contains("complex64 and float32"));
}

#[test]
fn complex_numbers_print_as_in_numpy() {
    let z = Tensor::complex([1.0f32, 3.25, -0.5], [2.0f32, -1.0, 0.0]);
    assert_eq!(z.to_string(), "[ 1.  +2.j  3.25-1.j -0.5 +0.j]");
    assert_eq!(format!("{:.1}", Tensor::from(Complex32::new(1.25, -2.0))), "1.2-2.0j");
    assert_eq!(format!("{:?}", Tensor::from(Complex32::I)), "Tensor(0.+1.j, shape=[], dtype=complex64)");
}

#[test]
fn files_keep_complex_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let dict = Dict::new().with("a/z", some()).with("one", Tensor::from(Complex32::new(1.0, -2.0)));
    let (npz, safetensors) = (folder.path().join("z.npz"), folder.path().join("z.safetensors"));
    flaxen::io::npz::save(&npz, &dict).unwrap();
    flaxen::io::safetensors::save(&safetensors, &dict).unwrap();
    for read in [flaxen::io::npz::load(&npz).unwrap(), flaxen::io::safetensors::load(&safetensors).unwrap()] {
        let z = read.tensor("a/z").unwrap();
        assert_eq!(z.to_vec::<Complex32>(), some().to_vec::<Complex32>());
        assert_eq!(read.tensor("one").unwrap().item::<Complex32>(), Ok(Complex32::new(1.0, -2.0)));
    }
    let text = serde_json::to_string(&some()).unwrap();
    let back: Tensor = serde_json::from_str(&text).unwrap();
    assert_eq!(back.to_vec::<Complex32>(), some().to_vec::<Complex32>());
}
