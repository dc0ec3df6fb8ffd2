//! Register tiles: a few windows times a few vectors of output channels, summed over all taps and input channels.
//!
//! The inputs are found through a pointer per window and tap (an indirect product), so no patches are gathered.

use std::any::Any;

/// Computes `windows × channels` sums: for each tap a pointer per window (`rows`) to `cin` inputs, `weights` as
/// `[taps · cin, channels]`, and a pointer per window to where its channels go.
pub(super) type Tile<T> = unsafe fn(rows: &[*const T], cin: usize, weights: *const T, out: &[*mut T]);

/// What this machine has the best tile of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Engine<T> {
    /// Windows of a tile.
    pub windows: usize,
    /// Channels of the tile `wide`.
    pub channels: usize,
    pub wide: Tile<T>,
    /// The tile of half as many channels.
    pub narrow: Tile<T>,
}

/// Returns the engine for a type, if there is one on this machine.
pub(super) fn engine<T: 'static + Copy>() -> Option<Engine<T>> {
    let engines: [Option<Box<dyn Any>>; 2] =
        [f32_engine().map(|e| Box::new(e) as _), f64_engine().map(|e| Box::new(e) as _)];
    engines.iter().flatten().find_map(|engine| engine.downcast_ref().copied())
}

#[cfg(not(target_arch = "x86_64"))]
fn f32_engine() -> Option<Engine<f32>> {
    None
}

#[cfg(not(target_arch = "x86_64"))]
fn f64_engine() -> Option<Engine<f64>> {
    None
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{f32_engine, f64_engine};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::is_x86_feature_detected as has;
    use std::arch::x86_64::{
        __m256, __m256d, __m512, __m512d, _mm256_fmadd_pd, _mm256_fmadd_ps, _mm256_loadu_pd, _mm256_loadu_ps,
        _mm256_set1_pd, _mm256_set1_ps, _mm256_storeu_pd, _mm256_storeu_ps, _mm512_fmadd_pd, _mm512_fmadd_ps,
        _mm512_loadu_pd, _mm512_loadu_ps, _mm512_set1_pd, _mm512_set1_ps, _mm512_storeu_pd, _mm512_storeu_ps,
    };

    use super::Engine;

    /// A register of `LANES` numbers.
    ///
    /// # Safety
    /// All functions need the instruction set of the register, and memory for `LANES` numbers behind their pointers.
    trait Vector: Copy {
        type Scalar: Copy + 'static;
        const LANES: usize;
        unsafe fn splat(x: Self::Scalar) -> Self;
        unsafe fn load(from: *const Self::Scalar) -> Self;
        unsafe fn store(self, to: *mut Self::Scalar);
        unsafe fn times_plus(self, factor: Self, summand: Self) -> Self;
    }

    macro_rules! vector {
        ($vector:ty, $scalar:ty, $lanes:literal, $splat:ident, $load:ident, $store:ident, $fused:ident) => {
            impl Vector for $vector {
                type Scalar = $scalar;
                const LANES: usize = $lanes;
                #[inline(always)]
                unsafe fn splat(x: $scalar) -> Self {
                    // SAFETY: the caller has the instruction set.
                    unsafe { $splat(x) }
                }
                #[inline(always)]
                unsafe fn load(from: *const $scalar) -> Self {
                    // SAFETY: the caller has the instruction set and vouches for the memory.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $scalar) {
                    // SAFETY: the caller has the instruction set and vouches for the memory.
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn times_plus(self, factor: Self, summand: Self) -> Self {
                    // SAFETY: the caller has the instruction set.
                    unsafe { $fused(self, factor, summand) }
                }
            }
        };
    }

    vector!(__m512, f32, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps);
    vector!(__m512d, f64, 8, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_fmadd_pd);
    vector!(__m256, f32, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps);
    vector!(__m256d, f64, 4, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_fmadd_pd);

    /// # Safety
    /// As [`super::Tile`] says, for `out.len() == M` windows and `N` vectors of channels; and as [`Vector`].
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "indices of registers, all known when compiling")]
    unsafe fn tile<V: Vector, const M: usize, const N: usize>(
        rows: &[*const V::Scalar],
        cin: usize,
        mut weights: *const V::Scalar,
        out: &[*mut V::Scalar],
    ) {
        let out: &[*mut V::Scalar; M] = out.try_into().expect("an output per window");
        // SAFETY: each row has `cin` elements and each step of `weights` `N` vectors, each output takes `N` vectors.
        unsafe {
            let zero = V::splat(std::mem::zeroed());
            let mut sums = [[zero; N]; M];
            for rows in rows.as_chunks::<M>().0 {
                let mut c = 0;
                // Two channels at a time: there are fewer registers than pointers, and each is loaded once for both.
                while c + 2 <= cin {
                    let mut w = [[zero; N]; 2];
                    for u in 0..2 {
                        for v in 0..N {
                            w[u][v] = V::load(weights.add((u * N + v) * V::LANES));
                        }
                    }
                    for i in 0..M {
                        for u in 0..2 {
                            let x = V::splat(*rows[i].add(c + u));
                            for v in 0..N {
                                sums[i][v] = x.times_plus(w[u][v], sums[i][v]);
                            }
                        }
                    }
                    weights = weights.add(2 * N * V::LANES);
                    c += 2;
                }
                if c < cin {
                    for i in 0..M {
                        let x = V::splat(*rows[i].add(c));
                        for v in 0..N {
                            sums[i][v] = x.times_plus(V::load(weights.add(v * V::LANES)), sums[i][v]);
                        }
                    }
                    weights = weights.add(N * V::LANES);
                }
            }
            for i in 0..M {
                for v in 0..N {
                    sums[i][v].store(out[i].add(v * V::LANES));
                }
            }
        }
    }

    macro_rules! tiles {
        ($($name:ident: $vector:ty, $scalar:ty, $m:literal by $n:literal, $features:literal;)*) => { $(
            #[target_feature(enable = $features)]
            unsafe fn $name(rows: &[*const $scalar], cin: usize, weights: *const $scalar, out: &[*mut $scalar]) {
                // SAFETY: the same promises, and this function has the instruction set.
                unsafe { tile::<$vector, $m, $n>(rows, cin, weights, out) }
            }
        )* };
    }

    tiles! {
        wide_f32_512: __m512, f32, 12 by 2, "avx512f";
        narrow_f32_512: __m512, f32, 12 by 1, "avx512f";
        wide_f64_512: __m512d, f64, 12 by 2, "avx512f";
        narrow_f64_512: __m512d, f64, 12 by 1, "avx512f";
        wide_f32_256: __m256, f32, 6 by 2, "avx2,fma";
        narrow_f32_256: __m256, f32, 6 by 1, "avx2,fma";
        wide_f64_256: __m256d, f64, 6 by 2, "avx2,fma";
        narrow_f64_256: __m256d, f64, 6 by 1, "avx2,fma";
    }

    pub(in super::super) fn f32_engine() -> Option<Engine<f32>> {
        if has!("avx512f") {
            return Some(Engine { windows: 12, channels: 32, wide: wide_f32_512, narrow: narrow_f32_512 });
        }
        let engine = Engine { windows: 6, channels: 16, wide: wide_f32_256, narrow: narrow_f32_256 };
        (has!("avx2") && has!("fma")).then_some(engine)
    }

    pub(in super::super) fn f64_engine() -> Option<Engine<f64>> {
        if has!("avx512f") {
            return Some(Engine { windows: 12, channels: 16, wide: wide_f64_512, narrow: narrow_f64_512 });
        }
        let engine = Engine { windows: 6, channels: 8, wide: wide_f64_256, narrow: narrow_f64_256 };
        (has!("avx2") && has!("fma")).then_some(engine)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// Runs both tiles of an engine on a window whose second tap is all ones.
        fn sums(engine: &Engine<f32>) {
            let (cin, taps) = (3, 2);
            let inputs: Vec<f32> = (0..cin * engine.windows).map(|i| i as f32).collect();
            let ones = [1.0; 3];
            let mut rows: Vec<*const f32> = inputs.chunks(cin).map(<[f32]>::as_ptr).collect();
            rows.extend(vec![ones.as_ptr(); engine.windows]);
            for (tile, channels) in [(engine.wide, engine.channels), (engine.narrow, engine.channels / 2)] {
                let weights: Vec<f32> = (0..taps * cin * channels).map(|i| (i % 7) as f32).collect();
                let mut out = vec![0.0; engine.windows * channels];
                let targets: Vec<*mut f32> = out.chunks_mut(channels).map(<[f32]>::as_mut_ptr).collect();
                // SAFETY: pointers for two taps of three channels and for every output; the machine has this engine.
                unsafe { tile(&rows, cin, weights.as_ptr(), &targets) };
                for (i, &y) in out.iter().enumerate() {
                    let (window, channel) = (i / channels, i % channels);
                    let x = |k: usize| if k < cin { inputs[window * cin + k] } else { 1.0 };
                    let expected: f32 = (0..taps * cin).map(|k| x(k) * weights[k * channels + channel]).sum();
                    assert_eq!(y, expected);
                }
            }
        }

        #[test]
        fn tiles_sum_over_taps_and_channels_on_every_instruction_set() {
            if has!("avx2") && has!("fma") {
                sums(&Engine { windows: 6, channels: 16, wide: wide_f32_256, narrow: narrow_f32_256 });
            }
            if let Some(engine) = f32_engine() {
                sums(&engine);
            }
        }
    }
}
