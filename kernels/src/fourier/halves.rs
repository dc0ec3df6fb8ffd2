//! Transforms of an even number of real numbers: the even ones as real parts and the odd ones as imaginary parts of half as many complex
//! numbers, whose transform is that of both, mixed (W. H. Press et al., "Numerical recipes", §12.3).

use std::sync::Arc;

use num_complex::Complex32;
use rustfft::{Fft, FftPlanner};

use crate::simd::{self, SimdKernel};

/// Pairs of elements that are unmixed at once.
const LANES: usize = 8;

/// A transform from or to real numbers.
pub(super) struct Halves {
    /// Of half as many complex numbers.
    fft: Arc<dyn Fft<f32>>,
    /// `e^(-2πi k/n)` for `k` from 1 on below `n/4`: real and imaginary parts.
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Halves {
    /// Prepares the transform of so many numbers, an even count: from them, or else to them.
    pub fn new(size: usize, is_forward: bool) -> Halves {
        let mut planner = FftPlanner::new();
        let half = size / 2;
        let fft = if is_forward { planner.plan_fft_forward(half) } else { planner.plan_fft_inverse(half) };
        let angle = |k: usize| -std::f64::consts::TAU * k as f64 / size as f64;
        let of = |f: fn(f64) -> f64| (1..=half.saturating_sub(1) / 2).map(|k| f(angle(k)) as f32).collect();
        Halves { fft, cos: of(f64::cos), sin: of(f64::sin) }
    }

    /// Transforms rows of `n` real numbers to rows of `n/2 + 1` complex ones, times `scale`.
    pub fn forward(&self, x: &[f32], out: &mut [Complex32], scale: f32) {
        let half = self.fft.len();
        let mut scratch = vec![Complex32::ZERO; self.fft.get_immutable_scratch_len()];
        for (x, out) in x.chunks_exact(2 * half).zip(out.chunks_exact_mut(half + 1)) {
            self.fft.process_immutable_with_scratch(bytemuck::cast_slice(x), &mut out[..half], &mut scratch);
            simd::run(Unmix { cos: &self.cos, sin: &self.sin, out, scale });
        }
    }

    /// Transforms rows of `n/2 + 1` complex numbers to rows of `n` real ones, times `scale`.
    pub fn inverse(&self, x: &[Complex32], out: &mut [f32], scale: f32) {
        let half = self.fft.len();
        let mut scratch = vec![Complex32::ZERO; self.fft.get_outofplace_scratch_len()];
        let mut mixed = vec![Complex32::ZERO; half];
        for (x, out) in x.chunks_exact(half + 1).zip(out.chunks_exact_mut(2 * half)) {
            simd::run(Mix { cos: &self.cos, sin: &self.sin, x, mixed: &mut mixed });
            self.fft.process_outofplace_with_scratch(&mut mixed, bytemuck::cast_slice_mut(out), &mut scratch);
            if scale != 1.0 {
                simd::run(|| out.iter_mut().for_each(|y| *y *= scale));
            }
        }
    }
}

/// Elements `k` and `n/2 - k` of a row, from the outermost pair on, in lanes.
type Lanes = [f32; LANES];

/// Real and imaginary parts of elements, in their order or the other way around.
#[inline(always)]
fn parts(x: &[Complex32; LANES], is_reversed: bool) -> [Lanes; 2] {
    let [mut re, mut im] = [[0.0; LANES]; 2];
    for i in 0..LANES {
        let x = x[if is_reversed { LANES - 1 - i } else { i }];
        (re[i], im[i]) = (x.re, x.im);
    }
    [re, im]
}

#[inline(always)]
fn elements([re, im]: [Lanes; 2], is_reversed: bool) -> [Complex32; LANES] {
    let mut x = [Complex32::ZERO; LANES];
    for i in 0..LANES {
        x[if is_reversed { LANES - 1 - i } else { i }] = Complex32 { re: re[i], im: im[i] };
    }
    x
}

/// Takes the transforms of even and odd numbers, `E_k` and `O_k`, out of that of both, `Z_k = E_k + i O_k`, and makes the whole one of them:
/// `X_k = E_k + w^k O_k`, `X_(n/2-k) = conj(E_k - w^k O_k)`, with `w = e^(-2πi/n)` and `2 E_k = Z_k + conj Z_(n/2-k)`.
struct Unmix<'a> {
    cos: &'a [f32],
    sin: &'a [f32],
    out: &'a mut [Complex32],
    scale: f32,
}

impl SimdKernel for Unmix<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Unmix { cos, sin, out, scale } = self;
        let (half, pairs) = (out.len() - 1, cos.len());
        let first = out[0];
        out[0] = Complex32::new((first.re + first.im) * scale, 0.0);
        out[half] = Complex32::new((first.re - first.im) * scale, 0.0);
        if half.is_multiple_of(2) {
            out[half / 2] = Complex32::new(out[half / 2].re * scale, -out[half / 2].im * scale);
        }
        let (left, right) = out[1..half].split_at_mut(pairs);
        let (right, halved) = (right.split_at_mut(right.len() - pairs).1, 0.5 * scale);
        let (lanes, rest) = left.as_chunks_mut::<LANES>();
        let (right_rest, right_lanes) = right.as_rchunks_mut::<LANES>();
        let (cos_lanes, cos_rest) = cos.as_chunks::<LANES>();
        let (sin_lanes, sin_rest) = sin.as_chunks::<LANES>();
        for (((a, b), cos), sin) in
            lanes.iter_mut().zip(right_lanes.iter_mut().rev()).zip(cos_lanes).zip(sin_lanes)
        {
            let ([a_re, a_im], [b_re, b_im]) = (parts(a, false), parts(b, true));
            let (mut front, mut back) = ([[0.0; LANES]; 2], [[0.0; LANES]; 2]);
            for i in 0..LANES {
                let (x, y) = unmixed([a_re[i], a_im[i]], [b_re[i], b_im[i]], [cos[i], sin[i]], halved);
                ([front[0][i], front[1][i]], [back[0][i], back[1][i]]) = (x, y);
            }
            (*a, *b) = (elements(front, false), elements(back, true));
        }
        for (((a, b), &cos), &sin) in
            rest.iter_mut().zip(right_rest.iter_mut().rev()).zip(cos_rest).zip(sin_rest)
        {
            let (x, y) = unmixed([a.re, a.im], [b.re, b.im], [cos, sin], halved);
            (*a, *b) = (Complex32::new(x[0], x[1]), Complex32::new(y[0], y[1]));
        }
    }
}

/// `X_k` and `X_(n/2-k)` of `Z_k` and `Z_(n/2-k)`, with half of what they are multiplied by.
#[inline(always)]
fn unmixed(a: [f32; 2], b: [f32; 2], [cos, sin]: [f32; 2], halved: f32) -> ([f32; 2], [f32; 2]) {
    let (even, odd) = ([a[0] + b[0], a[1] - b[1]], [a[1] + b[1], b[0] - a[0]]);
    let turned = [cos * odd[0] - sin * odd[1], cos * odd[1] + sin * odd[0]];
    (
        [(even[0] + turned[0]) * halved, (even[1] + turned[1]) * halved],
        [(even[0] - turned[0]) * halved, (turned[1] - even[1]) * halved],
    )
}

/// What [`Unmix`] undoes, times 2: `Z_k = X_k + conj X_(n/2-k) + i w^-k (X_k - conj X_(n/2-k))`.
struct Mix<'a> {
    cos: &'a [f32],
    sin: &'a [f32],
    x: &'a [Complex32],
    mixed: &'a mut [Complex32],
}

impl SimdKernel for Mix<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Mix { cos, sin, x, mixed } = self;
        let (half, pairs) = (mixed.len(), cos.len());
        // Both are real, whatever their imaginary parts are.
        mixed[0] = Complex32::new(x[0].re + x[half].re, x[0].re - x[half].re);
        if half.is_multiple_of(2) {
            let middle = x[half / 2];
            mixed[half / 2] = Complex32::new(2.0 * middle.re, -2.0 * middle.im);
        }
        let (x_left, x_right) = (&x[1..=pairs], &x[half - pairs..half]);
        let (left, right) = mixed[1..].split_at_mut(pairs);
        let right = right.split_at_mut(right.len() - pairs).1;
        let (lanes, rest) = left.as_chunks_mut::<LANES>();
        let (right_rest, right_lanes) = right.as_rchunks_mut::<LANES>();
        let (x_lanes, x_rest) = x_left.as_chunks::<LANES>();
        let (x_right_rest, x_right_lanes) = x_right.as_rchunks::<LANES>();
        let (cos_lanes, cos_rest) = cos.as_chunks::<LANES>();
        let (sin_lanes, sin_rest) = sin.as_chunks::<LANES>();
        let read = x_lanes.iter().zip(x_right_lanes.iter().rev()).zip(cos_lanes.iter().zip(sin_lanes));
        for ((to_a, to_b), ((a, b), (cos, sin))) in
            lanes.iter_mut().zip(right_lanes.iter_mut().rev()).zip(read)
        {
            let ([a_re, a_im], [b_re, b_im]) = (parts(a, false), parts(b, true));
            let (mut front, mut back) = ([[0.0; LANES]; 2], [[0.0; LANES]; 2]);
            for i in 0..LANES {
                let (x, y) = mixed_pair([a_re[i], a_im[i]], [b_re[i], b_im[i]], [cos[i], sin[i]]);
                ([front[0][i], front[1][i]], [back[0][i], back[1][i]]) = (x, y);
            }
            (*to_a, *to_b) = (elements(front, false), elements(back, true));
        }
        let read = x_rest.iter().zip(x_right_rest.iter().rev()).zip(cos_rest.iter().zip(sin_rest));
        for ((to_a, to_b), ((a, b), (&cos, &sin))) in
            rest.iter_mut().zip(right_rest.iter_mut().rev()).zip(read)
        {
            let (x, y) = mixed_pair([a.re, a.im], [b.re, b.im], [cos, sin]);
            (*to_a, *to_b) = (Complex32::new(x[0], x[1]), Complex32::new(y[0], y[1]));
        }
    }
}

/// `Z_k` and `Z_(n/2-k)` of `X_k` and `X_(n/2-k)`.
#[inline(always)]
fn mixed_pair(a: [f32; 2], b: [f32; 2], [cos, sin]: [f32; 2]) -> ([f32; 2], [f32; 2]) {
    let (sum, difference) = ([a[0] + b[0], a[1] - b[1]], [a[0] - b[0], a[1] + b[1]]);
    // The difference turned by `w^-k`, and by a quarter more.
    let turned = [sin * difference[0] - cos * difference[1], cos * difference[0] + sin * difference[1]];
    ([sum[0] + turned[0], sum[1] + turned[1]], [sum[0] - turned[0], turned[1] - sum[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 % 1013) as f32 / 500.0 - 1.0) * (1.0 + i as f32).ln()).collect()
    }

    #[test]
    fn rows_are_what_the_definition_says() {
        for n in (2..80).step_by(2).chain([256, 1000]) {
            let (x, half) = (noise(2 * n), n / 2);
            let mut out = vec![Complex32::ZERO; 2 * (half + 1)];
            Halves::new(n, true).forward(&x, &mut out, 0.25);
            for (x, out) in x.chunks_exact(n).zip(out.chunks_exact(half + 1)) {
                for (k, y) in out.iter().enumerate() {
                    let (mut re, mut im) = (0.0, 0.0);
                    for (j, &x) in x.iter().enumerate() {
                        let angle = -std::f64::consts::TAU * (j * k % n) as f64 / n as f64;
                        re += f64::from(x) * angle.cos();
                        im += f64::from(x) * angle.sin();
                    }
                    let error = (f64::from(y.re) - 0.25 * re).abs() + (f64::from(y.im) - 0.25 * im).abs();
                    assert!(error < 2e-7 * n as f64 * (n as f64).ln(), "{n} {k}: {y} {re} {im}");
                }
                assert!(out[0].im == 0.0 && out[half].im == 0.0, "the ends are real");
            }
        }
    }

    #[test]
    fn the_inverse_brings_rows_back_and_does_not_read_the_imaginary_parts_of_the_ends() {
        for n in (2..80).step_by(2).chain([1 << 12, 6000]) {
            let (x, half) = (noise(2 * n), n / 2);
            let mut spectrum = vec![Complex32::ZERO; 2 * (half + 1)];
            Halves::new(n, true).forward(&x, &mut spectrum, 1.0);
            spectrum.chunks_exact_mut(half + 1).for_each(|row| (row[0].im, row[half].im) = (f32::NAN, 7.0));
            let mut back = vec![0.0; 2 * n];
            Halves::new(n, false).inverse(&spectrum, &mut back, 1.0 / n as f32);
            assert!(x.iter().zip(&back).all(|(x, y)| (x - y).abs() < 1e-5), "{n}");
        }
    }

    #[test]
    fn all_instruction_sets_give_equal_bits() {
        let (halves, x) = (Halves::new(100, true), noise(102));
        let before: &[Complex32] = bytemuck::cast_slice(&x);
        let at = |level| {
            let (mut out, mut mixed) = (before.to_vec(), vec![Complex32::ZERO; 50]);
            let (cos, sin) = (&halves.cos[..], &halves.sin[..]);
            simd::run_at(level, Unmix { cos, sin, out: &mut out, scale: 0.3 });
            simd::run_at(level, Mix { cos, sin, x: before, mixed: &mut mixed });
            [out, mixed].concat()
        };
        let portable = at(simd::Level::Portable);
        assert!(simd::Level::available().into_iter().all(|level| at(level) == portable));
    }
}
