//! Function multiversioning: compiles one plain loop for several instruction sets and picks the best one at run time.
//!
//! The code is ordinary Rust without intrinsics: the compiler vectorises it once for AVX-512, once for AVX2 with FMA
//! and once for the build's own target (SSE2 on x86-64; NEON with FMA on 64-bit ARM). Every level performs the same
//! roundings, so results are equal to the bit; `mul_add` is exact everywhere and merely slow on the portable level.
//!
//! A short loop is a closure:
//!
//! ```
//! # mod flaxen { pub use flaxen_kernels as kernels; }
//! use flaxen::kernels::simd;
//!
//! let (xs, ys) = ([1.0f32, 2.0, 3.0], [4.0f32, 5.0, 6.0]);
//! let mut out = [0.0f32; 3];
//! simd::run(|| {
//!     for ((out, &x), &y) in out.iter_mut().zip(&xs).zip(&ys) {
//!         *out = x + y;
//!     }
//! });
//! assert_eq!(out, [5.0, 7.0, 9.0]);
//! ```
//!
//! What makes a loop vectorise: slices of equal length walked by `zip` (or cut to one length beforehand, so that no
//! bounds check is left inside), no early exit, no call that is not inlined, `if`/`else` that only selects values.
//!
//! The body must be *inlined* into the specialised function, or it stays compiled for the build's own target: results
//! stay right and speed is lost. The compiler decides that for closures by their size (a few dozen operations are
//! safe). A larger body is a struct of its operands that implements [`SimdKernel`] with `#[inline(always)]` on `run` and on
//! every function that `run` calls, which leaves the compiler no choice:
//!
//! ```
//! # mod flaxen { pub use flaxen_kernels as kernels; }
//! use flaxen::kernels::simd::{self, SimdKernel};
//!
//! struct Scale<'a>(&'a mut [f32], f32);
//!
//! impl SimdKernel for Scale<'_> {
//!     type Output = ();
//!     #[inline(always)]
//!     fn run(self) {
//!         self.0.iter_mut().for_each(|x| *x *= self.1);
//!     }
//! }
//!
//! let mut xs = [1.0, 2.0];
//! simd::run(Scale(&mut xs, 3.0));
//! assert_eq!(xs, [3.0, 6.0]);
//! ```
//!
//! A call costs a few nanoseconds, so it goes around a loop, never inside one. Together with
//! [`threads::split`] it goes around the loop over each piece.
//!
//! [`threads::split`]: crate::threads::split

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// Returns the names of this machine's vector extensions, as far as any [`Level`] asks for them or compilers choose between them,
/// separated by spaces; detected once, and empty where none are known.
pub fn extensions() -> &'static str {
    static FOUND: OnceLock<String> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut found: Vec<&str> = Vec::new();
        #[cfg(target_arch = "x86_64")]
        macro_rules! detect {
            ($($name:tt)*) => {
                $(if is_x86_feature_detected!($name) {
                    found.push($name);
                })*
            };
        }
        #[cfg(target_arch = "x86_64")]
        detect!("avx" "avx2" "fma" "f16c" "bmi1" "bmi2" "avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl" "avx512vnni" "avx512bf16" "avx512fp16");
        found.sort_unstable();
        found.join(" ")
    })
}

/// Describes a computation that [`run`] compiles for each [`Level`]; closures are kernels too.
pub trait SimdKernel {
    /// Describes what the computation returns.
    type Output;

    /// Whether instances for vectors that not every machine has pay for the time to compile them.
    const VECTORS: bool = true;

    /// Whether an instance for 512-bit vectors pays as well.
    ///
    /// Else machines that have them run the one for 256 bits: for elements that are not those of models, or loops that wait for
    /// memory.
    const WIDEST: bool = true;

    /// Performs the computation; implementations carry `#[inline(always)]`.
    fn run(self) -> Self::Output;
}

impl<R, F: FnOnce() -> R> SimdKernel for F {
    type Output = R;

    #[inline(always)]
    fn run(self) -> R {
        self()
    }
}

/// Names an instruction set that kernels are compiled for, from the least to the most capable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The build's own target features.
    Portable,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// 512-bit vectors.
    Avx512,
}

impl Level {
    /// Returns the levels that this machine can run, the best one last.
    pub fn available() -> Vec<Level> {
        [Level::Portable, Level::Avx2, Level::Avx512]
            .into_iter()
            .filter(|&level| level <= Level::best())
            .collect()
    }

    /// Returns the best level of this machine, detected once.
    #[inline]
    pub fn best() -> Level {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(Level::detect)
    }

    /// Returns the level that kernels run at: the best one, unless [`force`] or the variable `FLAXEN_SIMD` (`portable`,
    /// `avx2` or `avx512`) has named a lower one.
    #[inline]
    pub fn chosen() -> Level {
        match FORCED.load(Ordering::Relaxed) {
            1 => Level::Portable,
            2 => Level::Avx2,
            3 => Level::Avx512,
            _ => Level::choose(),
        }
    }

    #[cold]
    fn choose() -> Level {
        let named = std::env::var("FLAXEN_SIMD").ok();
        let level = match named.as_deref() {
            Some("portable") => Level::Portable,
            Some("avx2") => Level::Avx2,
            _ => Level::Avx512,
        };
        force(level);
        Level::chosen()
    }

    #[cfg(target_arch = "x86_64")]
    fn detect() -> Level {
        if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
            Level::Portable
        } else if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            Level::Avx512
        } else {
            Level::Avx2
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn detect() -> Level {
        Level::Portable
    }
}

/// The chosen level, counted from 1; 0 until it is asked for.
static FORCED: AtomicU8 = AtomicU8::new(0);

/// Makes kernels run at `level`, or at the machine's best level if that is lower; to find out what a level is worth.
pub fn force(level: Level) {
    FORCED.store(level.min(Level::best()) as u8 + 1, Ordering::Relaxed);
}

/// Whether loops are compiled: 1 and 2 stand for no and yes; 0 until it is asked for.
static JIT: AtomicU8 = AtomicU8::new(0);

/// Tells whether fused kernels run in loops that are compiled just in time for the chosen level, where it has them: unless
/// [`force_jit`] or the variable `FLAXEN_JIT` (`0`) has left them to the interpreter.
#[inline]
pub fn has_jit() -> bool {
    match JIT.load(Ordering::Relaxed) {
        0 => choose_jit(),
        chosen => chosen == 2,
    }
}

#[cold]
fn choose_jit() -> bool {
    force_jit(std::env::var("FLAXEN_JIT").as_deref() != Ok("0"));
    has_jit()
}

/// Makes fused kernels run in loops that are compiled for them, or by the interpreter; both give the same bits.
pub fn force_jit(is_on: bool) {
    JIT.store(1 + u8::from(is_on), Ordering::Relaxed);
}

/// Runs a kernel compiled for the chosen instruction set, mostly the best one of this machine.
#[inline]
pub fn run<K: SimdKernel>(kernel: K) -> K::Output {
    run_at(Level::chosen(), kernel)
}

/// Runs a kernel compiled for `level`, or for the machine's best level if that is lower; tests compare levels with it.
#[inline]
pub fn run_at<K: SimdKernel>(level: Level, kernel: K) -> K::Output {
    if !K::VECTORS {
        return kernel.run();
    }
    match level.min(Level::best()) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `best` returns these levels only on a machine that has all features of both.
        Level::Avx512 => unsafe { if K::WIDEST { run_avx512(kernel) } else { run_avx2(kernel) } },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => unsafe { run_avx2(kernel) },
        _ => kernel.run(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn run_avx512<K: SimdKernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: SimdKernel>(kernel: K) -> K::Output {
    kernel.run()
}

/// Prefetches the cache line at an address, which need not be that of anything, to L1.
#[inline(always)]
#[doc(hidden)]
pub fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction is part of every x86-64 processor, reads nothing, and ignores bad addresses.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// As [`prefetch`], to L2.
#[inline(always)]
#[doc(hidden)]
pub fn prefetch_l2<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as above.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_level_is_the_last_available_one() {
        let levels = Level::available();
        assert_eq!(levels[0], Level::Portable);
        assert_eq!(levels.last(), Some(&Level::best()));
        assert!(levels.is_sorted());
    }

    #[test]
    fn compiled_loops_can_be_left_out() {
        let before = has_jit();
        for is_on in [false, true, before] {
            force_jit(is_on);
            assert_eq!(has_jit(), is_on);
        }
    }

    #[test]
    fn all_levels_give_equal_bits_for_a_loop_with_fused_and_plain_roundings() {
        let xs: Vec<f32> = (0..1003).map(|i| (i as f32 * 0.37).sin()).collect();
        let at = |level| {
            let mut out = vec![0u32; xs.len()];
            run_at(level, || {
                for (out, &x) in out.iter_mut().zip(&xs) {
                    *out = (x.mul_add(x, 0.1) + x * 0.3).to_bits();
                }
            });
            out
        };
        let portable = at(Level::Portable);
        assert!(Level::available().into_iter().all(|level| at(level) == portable));
    }

    #[test]
    fn a_kernel_returns_its_value_and_may_consume_its_operands() {
        let text = String::from("moved");
        assert_eq!(run(move || text.len()), 5);
    }
}
