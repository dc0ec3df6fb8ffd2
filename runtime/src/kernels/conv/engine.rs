//! Which inner loops a machine has.

use std::any::Any;

use super::super::simd::Level;
use super::tile::{Dots, Forward, Weights};

/// Windows of a tile, its weights, the same where their inputs are neighbours, and output channels of dot products, at most.
pub(in super::super) const MOST_WINDOWS: usize = 12;
pub(super) const MOST_WEIGHTS: usize = 9;
pub(super) const MOST_NEIGHBOURS: usize = 14;
pub(super) const MOST_DOTS: usize = 4;

/// Sums up a tile of windows.
pub(in super::super) type OfWindows<T> = unsafe fn(&Forward<'_, T>);
/// Sums up a tile of weights.
pub(in super::super) type OfWeights<T> = unsafe fn(&Weights<'_, T>);

/// The inner loops for one type on one instruction set.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Engine<T> {
    /// Numbers of a vector.
    pub lanes: usize,
    /// Windows of a tile at most.
    pub windows: usize,
    /// By vectors of output channels and windows, each less one.
    pub forward: [[OfWindows<T>; MOST_WINDOWS]; 2],
    /// Windows of each of `dots`.
    pub dot_windows: [usize; MOST_DOTS],
    /// By output channels, less one.
    pub dots: [unsafe fn(&Dots<'_, T>); MOST_DOTS],
    /// Weights of a tile at most.
    pub most_weights: usize,
    /// By vectors of output channels and weights, each less one.
    pub weights: [[OfWeights<T>; MOST_WEIGHTS]; 2],
    /// The same for weights whose inputs follow each other.
    pub most_neighbours: usize,
    pub neighbours: [[OfWeights<T>; MOST_NEIGHBOURS]; 2],
}

impl<T> Engine<T> {
    /// Windows of each tile where `count` are cut into as few tiles as can be, of nearly the same size.
    pub fn height(&self, count: usize) -> usize {
        count.div_ceil(count.div_ceil(self.windows).max(1)).max(1)
    }
}

/// Returns the engine for a type on the best instruction set up to `level`, if there is one.
pub(in super::super) fn engine<T: 'static + Copy>(level: Level) -> Option<Engine<T>> {
    let (single, double) = (f32_engine(level), f64_engine(level));
    let engines: [&dyn Any; 2] = [&single, &double];
    engines.iter().find_map(|engine| engine.downcast_ref::<Option<Engine<T>>>().copied()).flatten()
}

#[cfg(not(target_arch = "x86_64"))]
fn f32_engine(_level: Level) -> Option<Engine<f32>> {
    None
}

#[cfg(not(target_arch = "x86_64"))]
fn f64_engine(_level: Level) -> Option<Engine<f64>> {
    None
}

#[cfg(target_arch = "x86_64")]
use x86::{f32_engine, f64_engine};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

    use super::super::tile::{self, Dots, Forward, Weights};
    use super::{Engine, Level, MOST_NEIGHBOURS, MOST_WEIGHTS, MOST_WINDOWS, OfWeights, OfWindows};

    macro_rules! engine {
        ($name:ident, $vector:ty, $scalar:ty, $lanes:literal, $features:literal, $windows:literal, $dots:expr, $weights:expr, $neighbours:expr) => {
            mod $name {
                use super::*;

                const DOTS: [usize; 4] = $dots;

                #[target_feature(enable = $features)]
                unsafe fn forward<const M: usize, const N: usize>(job: &Forward<'_, $scalar>) {
                    // SAFETY: the same promises, and this function has the instruction set.
                    unsafe { tile::forward::<$vector, M, N>(job) }
                }

                #[target_feature(enable = $features)]
                unsafe fn dots<const M: usize, const N: usize>(job: &Dots<'_, $scalar>) {
                    // SAFETY: the same promises, and this function has the instruction set.
                    unsafe { tile::dots::<$vector, M, N>(job) }
                }

                #[target_feature(enable = $features)]
                unsafe fn weights<const M: usize, const N: usize>(job: &Weights<'_, $scalar>) {
                    // SAFETY: the same promises, and this function has the instruction set.
                    unsafe { tile::weights::<$vector, M, N>(job) }
                }

                #[target_feature(enable = $features)]
                unsafe fn neighbours<const M: usize, const N: usize>(job: &Weights<'_, $scalar>) {
                    // SAFETY: the same promises, and this function has the instruction set.
                    unsafe { tile::neighbours::<$vector, M, N>(job) }
                }

                // A tile needs registers for its sums, for vectors of weights and for an input. Larger tiles are never asked for.
                const fn tiles_of_windows<const N: usize>() -> [OfWindows<$scalar>; MOST_WINDOWS] {
                    const fn cut(m: usize) -> usize {
                        if m < $windows { m } else { $windows }
                    }
                    [
                        forward::<{ cut(1) }, N>,
                        forward::<{ cut(2) }, N>,
                        forward::<{ cut(3) }, N>,
                        forward::<{ cut(4) }, N>,
                        forward::<{ cut(5) }, N>,
                        forward::<{ cut(6) }, N>,
                        forward::<{ cut(7) }, N>,
                        forward::<{ cut(8) }, N>,
                        forward::<{ cut(9) }, N>,
                        forward::<{ cut(10) }, N>,
                        forward::<{ cut(11) }, N>,
                        forward::<{ cut(12) }, N>,
                    ]
                }

                // A tile needs registers for its sums, for vectors of gradients and for an input; `weights` also needs a pointer for
                // each weight. Larger tiles are never asked for.
                const fn tiles<const N: usize>() -> [OfWeights<$scalar>; MOST_WEIGHTS] {
                    const fn cut(m: usize) -> usize {
                        if m < $weights { m } else { $weights }
                    }
                    [
                        weights::<{ cut(1) }, N>,
                        weights::<{ cut(2) }, N>,
                        weights::<{ cut(3) }, N>,
                        weights::<{ cut(4) }, N>,
                        weights::<{ cut(5) }, N>,
                        weights::<{ cut(6) }, N>,
                        weights::<{ cut(7) }, N>,
                        weights::<{ cut(8) }, N>,
                        weights::<{ cut(9) }, N>,
                    ]
                }

                const fn tiles_of_neighbours<const N: usize>() -> [OfWeights<$scalar>; MOST_NEIGHBOURS] {
                    const fn cut(m: usize) -> usize {
                        if m < $neighbours { m } else { $neighbours }
                    }
                    [
                        neighbours::<{ cut(1) }, N>,
                        neighbours::<{ cut(2) }, N>,
                        neighbours::<{ cut(3) }, N>,
                        neighbours::<{ cut(4) }, N>,
                        neighbours::<{ cut(5) }, N>,
                        neighbours::<{ cut(6) }, N>,
                        neighbours::<{ cut(7) }, N>,
                        neighbours::<{ cut(8) }, N>,
                        neighbours::<{ cut(9) }, N>,
                        neighbours::<{ cut(10) }, N>,
                        neighbours::<{ cut(11) }, N>,
                        neighbours::<{ cut(12) }, N>,
                        neighbours::<{ cut(13) }, N>,
                        neighbours::<{ cut(14) }, N>,
                    ]
                }

                pub const ENGINE: Engine<$scalar> = Engine {
                    lanes: $lanes,
                    windows: $windows,
                    forward: [tiles_of_windows::<1>(), tiles_of_windows::<2>()],
                    dot_windows: DOTS,
                    dots: [
                        dots::<{ DOTS[0] }, 1>,
                        dots::<{ DOTS[1] }, 2>,
                        dots::<{ DOTS[2] }, 3>,
                        dots::<{ DOTS[3] }, 4>,
                    ],
                    most_weights: $weights,
                    weights: [tiles::<1>(), tiles::<2>()],
                    most_neighbours: $neighbours,
                    neighbours: [tiles_of_neighbours::<1>(), tiles_of_neighbours::<2>()],
                };
            }
        };
    }

    engine!(f32_512, __m512, f32, 16, "avx512f", 12, [12, 10, 8, 6], 9, 14);
    engine!(f64_512, __m512d, f64, 8, "avx512f", 12, [12, 10, 8, 6], 9, 14);
    engine!(f32_256, __m256, f32, 8, "avx2,fma", 6, [8, 6, 4, 3], 4, 6);
    engine!(f64_256, __m256d, f64, 4, "avx2,fma", 6, [8, 6, 4, 3], 4, 6);

    pub(super) fn f32_engine(level: Level) -> Option<Engine<f32>> {
        match level.min(Level::best()) {
            Level::Avx512 | Level::Native => Some(f32_512::ENGINE),
            Level::Avx2 => Some(f32_256::ENGINE),
            Level::Portable => None,
        }
    }

    pub(super) fn f64_engine(level: Level) -> Option<Engine<f64>> {
        match level.min(Level::best()) {
            Level::Avx512 | Level::Native => Some(f64_512::ENGINE),
            Level::Avx2 => Some(f64_256::ENGINE),
            Level::Portable => None,
        }
    }
}
