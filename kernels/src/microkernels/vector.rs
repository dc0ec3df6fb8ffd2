//! Vector registers of one width and element type, which micro-kernels are written over.

/// A register of `LANES` elements.
///
/// # Safety
/// All functions need the instruction set of the register, and memory for `LANES` elements behind their pointers.
pub(super) trait Vector: Copy {
    type Scalar: Copy + 'static;
    const LANES: usize;
    unsafe fn splat(x: Self::Scalar) -> Self;
    unsafe fn load(from: *const Self::Scalar) -> Self;
    /// The first `count` elements and then zeros; memory for the first `count` is enough.
    unsafe fn load_first(from: *const Self::Scalar, count: usize) -> Self;
    unsafe fn store(self, to: *mut Self::Scalar);
    unsafe fn mul_add(self, factor: Self, summand: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    /// The sum of all lanes, in an order of its own.
    unsafe fn sum(self) -> Self::Scalar;
    /// Writes the sum of each register's lanes, in an order of its own.
    ///
    /// # Safety
    /// As the others, with room for `N` elements.
    #[inline(always)]
    unsafe fn store_sums<const N: usize>(registers: [Self; N], to: *mut Self::Scalar) {
        for (v, register) in registers.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { *to.add(v) = register.sum() };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m256d, __m256i, __m512, __m512d, _mm_add_pd, _mm_add_ps, _mm_add_sd, _mm_add_ss,
        _mm_cvtsd_f64, _mm_cvtss_f32, _mm_movehdup_ps, _mm_movehl_ps, _mm_storeu_ps, _mm_unpackhi_pd,
        _mm256_add_pd, _mm256_add_ps, _mm256_castpd_ps, _mm256_castpd256_pd128, _mm256_castps256_ps128,
        _mm256_cmpgt_epi32, _mm256_cmpgt_epi64, _mm256_extractf128_pd, _mm256_extractf128_ps,
        _mm256_fmadd_pd, _mm256_fmadd_ps, _mm256_loadu_pd, _mm256_loadu_ps, _mm256_maskload_pd,
        _mm256_maskload_ps, _mm256_permute2f128_pd, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_set1_pd,
        _mm256_set1_ps, _mm256_setr_epi32, _mm256_setr_epi64x, _mm256_storeu_pd, _mm256_storeu_ps,
        _mm512_add_pd, _mm512_add_ps, _mm512_castpd512_pd256, _mm512_castps_pd, _mm512_extractf64x4_pd,
        _mm512_fmadd_pd, _mm512_fmadd_ps, _mm512_loadu_pd, _mm512_loadu_ps, _mm512_maskz_loadu_pd,
        _mm512_maskz_loadu_ps, _mm512_reduce_add_pd, _mm512_reduce_add_ps, _mm512_set1_pd, _mm512_set1_ps,
        _mm512_shuffle_f64x2, _mm512_shuffle_ps, _mm512_storeu_pd, _mm512_storeu_ps, _mm512_unpackhi_pd,
        _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
    };

    use super::Vector;

    macro_rules! vector {
        ($vector:ty, $scalar:ty, $lanes:literal, $splat:ident, $load:ident, $store:ident, $mul_add:ident, $add:ident, $first:path, $sum:path $(, $($extra:tt)*)?) => {
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
                unsafe fn load_first(from: *const $scalar, count: usize) -> Self {
                    // SAFETY: as above; lanes that are masked out are not read.
                    unsafe { $first(from, count) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $scalar) {
                    // SAFETY: the caller has the instruction set and vouches for the memory.
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn mul_add(self, factor: Self, summand: Self) -> Self {
                    // SAFETY: the caller has the instruction set.
                    unsafe { $mul_add(self, factor, summand) }
                }
                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    // SAFETY: the caller has the instruction set.
                    unsafe { $add(self, other) }
                }
                #[inline(always)]
                unsafe fn sum(self) -> $scalar {
                    // SAFETY: the caller has the instruction set.
                    unsafe { $sum(self) }
                }
                $($($extra)*)?
            }
        };
    }

    vector!(
        __m512,
        f32,
        16,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        first_ps_512,
        _mm512_reduce_add_ps,
        // Four at once take fewer shuffles than each by itself.
        #[inline(always)]
        unsafe fn store_sums<const N: usize>(registers: [Self; N], to: *mut f32) {
            // SAFETY: the caller has the instruction set, and room for `N` elements.
            unsafe {
                let Ok([a, b, c, d]) = <[Self; 4]>::try_from(registers.as_slice()) else {
                    return registers.into_iter().enumerate().for_each(|(v, sum)| *to.add(v) = sum.sum());
                };
                let pair = |x, y| _mm512_add_ps(_mm512_unpacklo_ps(x, y), _mm512_unpackhi_ps(x, y));
                let (ab, cd) = (pair(a, b), pair(c, d));
                // Each quarter holds a part of all four sums now.
                let (low, high) = (_mm512_shuffle_ps::<0x44>(ab, cd), _mm512_shuffle_ps::<0xee>(ab, cd));
                let quarters = _mm512_castps_pd(_mm512_add_ps(low, high));
                let (low, high) = (_mm512_castpd512_pd256(quarters), _mm512_extractf64x4_pd::<1>(quarters));
                let halves = _mm256_add_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high));
                let (low, high) = (_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves));
                _mm_storeu_ps(to, _mm_add_ps(low, high));
            }
        }
    );
    vector!(
        __m512d,
        f64,
        8,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_fmadd_pd,
        _mm512_add_pd,
        first_pd_512,
        _mm512_reduce_add_pd,
        #[inline(always)]
        unsafe fn store_sums<const N: usize>(registers: [Self; N], to: *mut f64) {
            // SAFETY: as above.
            unsafe {
                let Ok([a, b, c, d]) = <[Self; 4]>::try_from(registers.as_slice()) else {
                    return registers.into_iter().enumerate().for_each(|(v, sum)| *to.add(v) = sum.sum());
                };
                let pair = |x, y| _mm512_add_pd(_mm512_unpacklo_pd(x, y), _mm512_unpackhi_pd(x, y));
                let (ab, cd) = (pair(a, b), pair(c, d));
                let (even, odd) =
                    (_mm512_shuffle_f64x2::<0x88>(ab, cd), _mm512_shuffle_f64x2::<0xdd>(ab, cd));
                let quarters = _mm512_add_pd(even, odd);
                let (ab, cd) = (_mm512_castpd512_pd256(quarters), _mm512_extractf64x4_pd::<1>(quarters));
                let low = _mm256_permute2f128_pd::<0x20>(ab, cd);
                let high = _mm256_permute2f128_pd::<0x31>(ab, cd);
                _mm256_storeu_pd(to, _mm256_add_pd(low, high));
            }
        }
    );
    vector!(
        __m256,
        f32,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        first_ps_256,
        sum_ps_256
    );
    vector!(
        __m256d,
        f64,
        4,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_fmadd_pd,
        _mm256_add_pd,
        first_pd_256,
        sum_pd_256
    );

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn first_ps_512(from: *const f32, count: usize) -> __m512 {
        // SAFETY: the caller vouches for the first `count` elements.
        unsafe { _mm512_maskz_loadu_ps(((1u32 << count) - 1) as u16, from) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn first_pd_512(from: *const f64, count: usize) -> __m512d {
        // SAFETY: the caller vouches for the first `count` elements.
        unsafe { _mm512_maskz_loadu_pd(((1u32 << count) - 1) as u8, from) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn first_ps_256(from: *const f32, count: usize) -> __m256 {
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let mask: __m256i = _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lanes);
        // SAFETY: the caller vouches for the first `count` elements.
        unsafe { _mm256_maskload_ps(from, mask) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn first_pd_256(from: *const f64, count: usize) -> __m256d {
        let mask: __m256i =
            _mm256_cmpgt_epi64(_mm256_set1_epi64x(count as i64), _mm256_setr_epi64x(0, 1, 2, 3));
        // SAFETY: the caller vouches for the first `count` elements.
        unsafe { _mm256_maskload_pd(from, mask) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn sum_ps_256(x: __m256) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn sum_pd_256(x: __m256d) -> f64 {
        let two = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
        _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
    }
}
