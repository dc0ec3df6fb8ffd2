//! Functions as XLA's compiler for CPUs computes them, where its results are not the nearest numbers.
//!
//! Samples that are to have the bits of `jax.random` take these; what users call takes the more precise functions next
//! door. The steps and their roundings are those of jaxlib 0.10.2 with fused multiply-add.

use super::Real;
use super::polynomial::{horner, horner_f64};

/// `erf` in single precision: a rational function, off by up to 5 units in the last place, and ±1 from 3.8325 on.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let s = x * x;
    let numerator = horner(s, ERF_NUMERATOR.map(f32::from_bits));
    let denominator = horner(s, ERF_DENOMINATOR.map(f32::from_bits));
    if x.abs() >= f32::from_bits(0x4075_47CB) { 1f32.copysign(x) } else { x * numerator / denominator }
}

pub(crate) const ERF_NUMERATOR: [u32; 5] = [0x3970_2D51, 0x3B5F_5DA2, 0x3D50_B6EB, 0x3E3D_A740, 0x3F90_6EBA];
pub(crate) const ERF_DENOMINATOR: [u32; 7] =
    [0xB3FD_3906, 0x37C5_88DF, 0x3A85_6D28, 0x3C66_87D4, 0x3DE3_4C21, 0x3EFE_B44A, 0x3F80_0000];

/// `e^x` in single precision, off by up to one unit in the last place; 0 where the result would be subnormal.
///
/// Source: Cephes' `expf` (S. Moshier), with the logarithm of 2 in two parts.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Comparisons that let NaN through.
    let x = if x < -87.8 { -87.8 } else { x };
    let x = if x > 88.8 { 88.8 } else { x };
    let n = x.mul_add(std::f32::consts::LOG2_E, 0.5).floor().clamp(-127.0, 127.0);
    let r = (-n).mul_add(-2.121_944_4e-4, (-n).mul_add(0.693_359_4, x));
    let y = horner(r, [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5]);
    let power = f32::from_bits(((n as i32 + 127) as u32) << 23);
    (y.mul_add(r * r, r) + 1.0) * power
}

/// `log |Γ(x)|` in single precision for `x ≥ ½`, off by some units in the last place; for others the rounded value.
///
/// Source: C. Lanczos, "A precision approximation of the gamma function" (1964), with 8 terms and a shift of 7.
pub fn lgamma(x: f32) -> f32 {
    if x < 0.5 || x.is_nan() {
        return Real::lgamma(x);
    }
    let z = x - 1.0;
    let mut sum = 1.0f32;
    for (i, c) in (1u8..).zip(LANCZOS) {
        sum += c / (z + f32::from(i));
    }
    let t = z + 7.5;
    let log_t = 7.5f64.ln() as f32 + Real::log1p(z * (1.0 / 7.5));
    let half_log_tau = 0.918_938_55_f32;
    (z + 0.5 - t / log_t).mul_add(log_t, half_log_tau) + Real::log(sum)
}

const LANCZOS: [f32; 8] = [
    676.520_4,
    -1_259.139_2,
    771.323_4,
    -176.615_03,
    12.507_343,
    -0.138_571_1,
    9.984_369_6e-6,
    1.505_632_7e-7,
];

/// `log(1 + x)` in double precision: the rational function of Cephes, here up to `√2 - 1` on both sides of 0, although
/// below `√½ - 1` it loses two digits.
#[inline(always)]
pub fn log1p_f64(x: f64) -> f64 {
    let x2 = x * x;
    let numerator = horner_f64(
        x,
        [
            4.527_000_086_244_52e-5,
            0.498_541_028_231_933_75,
            6.578_732_594_206_104,
            29.911_919_328_553_072,
            60.949_667_980_987_79,
            57.112_963_590_585_54,
            20.039_553_499_201_283,
        ],
    );
    let denominator = horner_f64(
        x,
        [
            1.0,
            15.062_909_083_469_192,
            83.047_565_967_967_22,
            221.762_398_237_328_57,
            309.098_722_253_120_57,
            216.427_886_144_959_47,
            60.118_660_497_603_84,
        ],
    );
    let near = x + x2.mul_add(-0.5, (x * x2) * (numerator / denominator));
    if x.abs() < 0.414_213_562_373_095_03 { near } else { (1.0 + x).ln() }
}

/// The inverse of `erf` in double precision.
///
/// Source: M. Giles, "Approximating the erfinv function" (GPU Computing Gems, 2011). The squared argument is rounded
/// before it is subtracted from 1, which costs digits near ±1.
#[inline(always)]
pub fn erf_inv_f64(x: f64) -> f64 {
    let w = -log1p_f64(x * -x);
    let p = if w < 6.25 {
        horner_f64(w - 3.125, GILES_CENTRE)
    } else if w < 16.0 {
        horner_f64(w.sqrt() - 3.25, GILES_SIDE)
    } else {
        horner_f64(w.sqrt() - 5.0, GILES_TAIL)
    };
    if x.abs() == 1.0 { x * f64::INFINITY } else { p * x }
}

pub(crate) const GILES_CENTRE: [f64; 23] = [
    -3.644_412_064_017_82e-21,
    -1.685_059_138_182_016_6e-19,
    1.285_848_071_525_64e-18,
    1.115_787_767_802_518_1e-17,
    -1.333_171_662_854_621e-16,
    2.097_276_787_596_856_2e-17,
    6.637_638_134_358_324e-15,
    -4.054_566_272_975_207e-14,
    -8.151_934_197_605_472e-14,
    2.633_509_315_308_232_3e-12,
    -1.297_513_325_345_353_2e-11,
    -5.415_412_054_294_628e-11,
    1.051_212_273_321_532_3e-9,
    -4.112_633_980_346_984e-9,
    -2.907_036_995_788_200_5e-8,
    4.234_787_782_793_240_4e-7,
    -1.365_469_200_083_467_9e-6,
    -1.388_252_336_278_646_9e-5,
    0.000_186_734_208_034_057_14,
    -0.000_740_702_534_166_267,
    -0.006_033_670_871_430_149,
    0.240_158_182_425_589_62,
    1.653_654_562_683_102_7,
];
pub(crate) const GILES_SIDE: [f64; 19] = [
    2.213_737_692_177_578_7e-9,
    9.075_656_193_888_539e-8,
    -2.751_740_629_706_454_5e-7,
    1.823_962_921_438_922_8e-8,
    1.502_740_396_890_982_8e-6,
    -4.013_867_526_981_546e-6,
    2.923_444_908_995_544_6e-6,
    1.247_530_448_167_177_9e-5,
    -4.731_822_900_905_573_4e-5,
    6.828_485_145_957_318e-5,
    2.403_111_038_709_789_4e-5,
    -0.000_355_037_520_362_847_5,
    0.000_953_289_379_737_380_5,
    -0.001_688_275_556_023_504_7,
    0.002_491_442_096_107_851,
    -0.003_751_208_507_569_241,
    0.005_370_914_553_590_064,
    1.005_258_967_694_159_2,
    3.083_885_610_492_220_8,
];
pub(crate) const GILES_TAIL: [f64; 17] = [
    -2.710_992_061_643_857_3e-11,
    -2.555_641_816_996_525e-10,
    1.507_657_269_350_054_8e-9,
    -3.789_465_440_126_737e-9,
    7.615_701_208_078_34e-9,
    -1.496_002_662_714_924e-8,
    2.914_795_345_090_108e-8,
    -6.771_199_775_845_234e-8,
    2.290_048_222_802_665_5e-7,
    -9.929_827_294_231_7e-7,
    4.526_062_597_223_154e-6,
    -1.968_177_810_553_167e-5,
    7.599_527_703_001_776e-5,
    -0.000_215_030_119_300_444_77,
    -0.000_138_719_318_336_231_22,
    1.010_300_464_864_534_4,
    4.849_906_401_408_584,
];
