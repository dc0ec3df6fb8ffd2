//! Fourier transforms of rows, of complex numbers by `rustfft`, and of real ones by half as many complex ones, or where their number is
//! odd by `realfft`.
//!
//! Here, because those are generic: this crate says for `f32`, and so compiles them once.

mod halves;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

use self::halves::Halves;
use crate::threads;

/// Which transform of a row of `n`; none divides by anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fourier {
    /// `y_k = Σ_j x_j e^(-2πi jk/n)`.
    Forward,
    /// `y_k = Σ_j x_j e^(2πi jk/n)`.
    Inverse,
    /// The first `n/2 + 1` elements of [`Forward`](Fourier::Forward) of real numbers; the others are their conjugates.
    RealForward,
    /// The real numbers that [`Inverse`](Fourier::Inverse) gives of `n/2 + 1` elements and the conjugates that follow from them; the
    /// imaginary parts of the first one, and for an even `n` of the last one, are not read.
    RealInverse,
}

impl Fourier {
    /// The elements of a row that it is given.
    pub fn input(self, n: usize) -> usize {
        if self == Fourier::RealInverse { n / 2 + 1 } else { n }
    }

    /// The elements of a row that it gives.
    pub fn output(self, n: usize) -> usize {
        if self == Fourier::RealForward { n / 2 + 1 } else { n }
    }
}

/// A transform of rows of a known length, ready to run.
#[derive(Clone)]
pub struct Plan {
    size: usize,
    steps: Steps,
}

#[derive(Clone)]
enum Steps {
    Complex(Arc<dyn Fft<f32>>),
    RealForward(Arc<dyn RealToComplex<f32>>),
    RealInverse(Arc<dyn ComplexToReal<f32>>),
    /// Of real numbers that are even in number, from or to them.
    Halves(Arc<Halves>, Fourier),
}

/// The plans that were made; they are forgotten when there are many, as a program that meets rows of any length would make.
static PLANS: Mutex<Option<HashMap<(Fourier, usize), Plan>>> = Mutex::new(None);
const MOST_PLANS: usize = 64;

impl Plan {
    /// The plan of a transform of rows of `size`.
    ///
    /// # Panics
    /// If `size` is zero.
    pub fn of(transform: Fourier, size: usize) -> Plan {
        assert!(size > 0, "a transform of rows without elements");
        let mut plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
        let plans = plans.get_or_insert_default();
        if plans.len() >= MOST_PLANS && !plans.contains_key(&(transform, size)) {
            plans.clear();
        }
        plans.entry((transform, size)).or_insert_with(|| Plan::new(transform, size)).clone()
    }

    fn new(transform: Fourier, size: usize) -> Plan {
        let steps = match transform {
            Fourier::RealForward | Fourier::RealInverse if size.is_multiple_of(2) => {
                Steps::Halves(Arc::new(Halves::new(size, transform == Fourier::RealForward)), transform)
            }
            Fourier::Forward => Steps::Complex(FftPlanner::new().plan_fft_forward(size)),
            Fourier::Inverse => Steps::Complex(FftPlanner::new().plan_fft_inverse(size)),
            Fourier::RealForward => Steps::RealForward(RealFftPlanner::new().plan_fft_forward(size)),
            Fourier::RealInverse => Steps::RealInverse(RealFftPlanner::new().plan_fft_inverse(size)),
        };
        Plan { size, steps }
    }

    /// The rough cost of a row, in the units of [`threads::split`].
    pub fn work(&self) -> usize {
        2 * self.size * (self.size.ilog2() as usize + 1)
    }

    /// Transforms every row of `x`, given as bytes of `f32` or [`Complex32`], and multiplies the results by `scale`.
    ///
    /// # Panics
    /// If the bytes are not as many rows of input as of output, or are not aligned.
    pub fn run(&self, x: &[u8], out: &mut [u8], scale: f32) {
        match &self.steps {
            Steps::Complex(fft) => {
                complex(&**fft, bytemuck::cast_slice(x), bytemuck::cast_slice_mut(out), scale, self.work());
            }
            Steps::Halves(halves, Fourier::RealForward) => {
                let (x, out): (&[f32], &mut [Complex32]) =
                    (bytemuck::cast_slice(x), bytemuck::cast_slice_mut(out));
                check(x.len(), out.len(), [self.size, self.size / 2 + 1]);
                threads::split(out, self.size / 2 + 1, self.work(), |first, out| {
                    halves.forward(&x[first * self.size..], out, scale);
                });
            }
            Steps::Halves(halves, _) => {
                let (x, out): (&[Complex32], &mut [f32]) =
                    (bytemuck::cast_slice(x), bytemuck::cast_slice_mut(out));
                let input = self.size / 2 + 1;
                check(x.len(), out.len(), [input, self.size]);
                threads::split(out, self.size, self.work(), |first, out| {
                    halves.inverse(&x[first * input..], out, scale);
                });
            }
            Steps::RealForward(fft) => {
                let (x, out) = (bytemuck::cast_slice::<_, f32>(x), bytemuck::cast_slice_mut(out));
                self.rows(x, out, [self.size, self.size / 2 + 1], |x, out: &mut [Complex32], scratch| {
                    // The lengths are those of the plan, the only mistakes there are.
                    let done = fft.process_with_scratch(x, out, scratch);
                    debug_assert!(done.is_ok(), "rows of the plan's lengths");
                    if scale != 1.0 {
                        out.iter_mut().for_each(|y| *y *= scale);
                    }
                });
            }
            Steps::RealInverse(fft) => {
                let (x, out) = (bytemuck::cast_slice::<_, Complex32>(x), bytemuck::cast_slice_mut(out));
                self.rows(x, out, [self.size / 2 + 1, self.size], |x, out: &mut [f32], scratch| {
                    x[0].im = 0.0;
                    let done = fft.process_with_scratch(x, out, scratch);
                    debug_assert!(done.is_ok(), "rows of the plan's lengths");
                    if scale != 1.0 {
                        out.iter_mut().for_each(|y| *y *= scale);
                    }
                });
            }
        }
    }

    /// Calls `f` with a copy of each row of `x`, which it may overwrite, its row of `out`, and memory to compute in.
    fn rows<A: Copy + Sync, B: Send>(
        &self,
        x: &[A],
        out: &mut [B],
        [input, output]: [usize; 2],
        f: impl Fn(&mut [A], &mut [B], &mut [Complex32]) + Sync,
    ) {
        check(x.len(), out.len(), [input, output]);
        let scratch = match &self.steps {
            Steps::Complex(_) | Steps::Halves(..) => 0,
            Steps::RealForward(fft) => fft.get_scratch_len(),
            Steps::RealInverse(fft) => fft.get_scratch_len(),
        };
        threads::split(out, output, self.work(), |first, out| {
            let mut scratch = vec![Complex32::ZERO; scratch];
            let mut copy = x[first * input..][..input].to_vec();
            for (row, out) in out.chunks_exact_mut(output).enumerate() {
                copy.copy_from_slice(&x[(first + row) * input..][..input]);
                f(&mut copy, out, &mut scratch);
            }
        });
    }
}

fn check(x: usize, out: usize, [input, output]: [usize; 2]) {
    let rows = x / input;
    assert!(x == rows * input && out == rows * output, "as many rows of input as of output");
}

fn complex(fft: &dyn Fft<f32>, x: &[Complex32], out: &mut [Complex32], scale: f32, work: usize) {
    assert_eq!(x.len(), out.len(), "as many rows of input as of output");
    let size = fft.len();
    threads::split(out, size, work, |first, out| {
        let mut scratch = vec![Complex32::ZERO; fft.get_immutable_scratch_len()];
        let rows = x[first * size..].chunks_exact(size);
        for (out, x) in out.chunks_exact_mut(size).zip(rows) {
            fft.process_immutable_with_scratch(x, out, &mut scratch);
            if scale != 1.0 {
                out.iter_mut().for_each(|y| *y *= scale);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize) -> Vec<Complex32> {
        (0..count).map(|i| Complex32::new((i as f32).sin(), (3.0 * i as f32).cos())).collect()
    }

    #[test]
    fn a_row_has_the_same_bits_alone_and_among_others_also_of_forgotten_plans() {
        for n in 1..2 * MOST_PLANS {
            let plan = Plan::of(Fourier::Forward, n);
            let (x, mut all, mut one) = (numbers(3 * n), numbers(3 * n), numbers(n));
            plan.run(bytemuck::cast_slice(&x), bytemuck::cast_slice_mut(&mut all), 0.5);
            let row = bytemuck::cast_slice(&x[n..2 * n]);
            Plan::of(Fourier::Forward, n).run(row, bytemuck::cast_slice_mut(&mut one), 0.5);
            assert_eq!(all[n..2 * n], one[..]);
        }
        let plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(plans.as_ref().is_some_and(|plans| plans.len() <= MOST_PLANS));
    }

    #[test]
    fn half_a_spectrum_is_the_front_of_the_whole() {
        for n in [1, 2, 7, 16] {
            let x: Vec<f32> = numbers(n).iter().map(|x| x.re).collect();
            let wide: Vec<Complex32> = x.iter().map(|&x| x.into()).collect();
            let (mut half, mut whole) = (numbers(n / 2 + 1), numbers(n));
            Plan::of(Fourier::RealForward, n).run(
                bytemuck::cast_slice(&x),
                bytemuck::cast_slice_mut(&mut half),
                1.0,
            );
            Plan::of(Fourier::Forward, n).run(
                bytemuck::cast_slice(&wide),
                bytemuck::cast_slice_mut(&mut whole),
                1.0,
            );
            assert!(half.iter().zip(&whole).all(|(a, b)| (a - b).norm() < 1e-5), "{n}");
        }
    }
}
