//! Single functions of arrays, compiled: Fourier transforms, images of another size, sums at positions, and factorizations.

use flaxen::fft::{Norm, try_fft, try_irfft, try_rfft};
use flaxen::image::{ResizeMethod, resize};
use flaxen::prelude::*;

use crate::workload::Workload;

/// Every function, as the driver names them.
pub const FUNCTIONS: [&str; 19] = [
    "fft",
    "rfft",
    "irfft",
    "resize_nearest_half",
    "resize_nearest_double",
    "resize_linear_half",
    "resize_linear_double",
    "resize_cubic_half",
    "resize_cubic_double",
    "resize_lanczos_half",
    "resize_lanczos_double",
    "segment_sum_f1",
    "segment_sum_f8",
    "segment_sum_f16",
    "index_add",
    "svd",
    "eigh",
    "qr",
    "inv",
];

/// Rows that are summed, and positions that are added to.
const MANY: usize = 1_000_000;
/// What many rows are summed to.
const SEGMENTS: i32 = 10_000;
/// The sides of the matrix that is added to.
const SIDE: i32 = 1000;
/// The images, as a batch with channels last.
const IMAGES: [usize; 4] = [8, 256, 256, 3];
/// Rows of Fourier transforms, and their length.
const SIGNALS: [usize; 2] = [64, 4096];
/// The sides of a matrix that is factorized.
const ORDER: usize = 256;

/// Makes a function of [`FUNCTIONS`] ready; `None` for another name.
///
/// # Errors
/// What the function returns.
pub fn make(case: &str) -> Result<Option<Workload>> {
    let normal = |shape: &[usize]| random::normal(&key(0), shape);
    let positions = |seed: u64, below: i32| random::randint(&key(seed), [MANY], 0, below);
    let signals = || normal(&SIGNALS);
    let one = |x: Tensor, f: fn(&Tensor) -> Result<Tensor>| Workload::of([x], move |[x]| Ok(vec![f(&x)?]));
    Ok(Some(match case {
        "fft" => {
            let x = Tensor::complex(signals(), random::normal(&key(1), SIGNALS));
            one(x, |x| try_fft(x, None, -1, Norm::Backward))
        }
        "rfft" => one(signals(), |x| try_rfft(x, None, -1, Norm::Backward)),
        "irfft" => {
            let x = try_rfft(signals(), None, -1, Norm::Backward)?;
            one(x, |x| try_irfft(x, None, -1, Norm::Backward))
        }
        "segment_sum_f1" => segment_sum(normal(&[MANY]), positions(1, SEGMENTS)),
        "segment_sum_f8" => segment_sum(normal(&[MANY, 8]), positions(1, SEGMENTS)),
        "segment_sum_f16" => segment_sum(normal(&[MANY, 16]), positions(1, SEGMENTS)),
        "index_add" => {
            let matrix = normal(&[SIDE as usize, SIDE as usize]);
            let args = [matrix, positions(1, SIDE), positions(2, SIDE), normal(&[MANY])];
            Workload::of(args, |[x, i, j, updates]| Ok(vec![x.at((&i, &j)).try_add(&updates)?]))
        }
        "svd" => Workload::of([normal(&[ORDER, ORDER])], |[x]| {
            let (u, s, vt) = x.try_svd(false)?;
            Ok(vec![u, s, vt])
        }),
        "eigh" => Workload::of([normal(&[ORDER, ORDER])], |[x]| {
            let (values, vectors) = (&x + x.t()).try_eigh()?;
            Ok(vec![values, vectors])
        }),
        "qr" => Workload::of([normal(&[ORDER, ORDER])], |[x]| {
            let (q, r) = x.try_qr()?;
            Ok(vec![q, r])
        }),
        "inv" => one(normal(&[ORDER, ORDER]), Tensor::try_inv),
        _ => return Ok(resized(case)),
    }))
}

fn segment_sum(x: Tensor, ids: Tensor) -> Workload {
    Workload::of([x, ids], |[x, ids]| Ok(vec![x.try_segment_sum(&ids, SEGMENTS as usize)?]))
}

fn resized(case: &str) -> Option<Workload> {
    let (method, to) = case.strip_prefix("resize_")?.split_once('_')?;
    let method = match method {
        "nearest" => ResizeMethod::Nearest,
        "linear" => ResizeMethod::Linear,
        "cubic" => ResizeMethod::Cubic,
        "lanczos" => ResizeMethod::Lanczos3,
        _ => return None,
    };
    let [batch, height, width, channels] = IMAGES;
    let [height, width] = match to {
        "half" => [height / 2, width / 2],
        "double" => [2 * height, 2 * width],
        _ => return None,
    };
    let images = random::normal(&key(0), IMAGES);
    Some(Workload::of([images], move |[x]| {
        Ok(vec![resize(&x, [batch, height, width, channels], method).run()?])
    }))
}
