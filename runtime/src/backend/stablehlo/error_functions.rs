//! The error function, its complement and its inverse, in double precision.
//!
//! Source: the rational functions of Sun's fdlibm (`s_erf.c`, 1993): for `|x|` below 0.84375, 1.25 and 1/0.35, and beyond. All of them are
//! computed everywhere, and one is chosen.

use super::lanes::copysign;
use super::special::{erf_inv_of_xla, horner};
use super::types::Element;
use super::value::Value;
use crate::error::Result;

/// `erf(1)`, of few bits.
const ERF_OF_ONE: f64 = 8.450_629_115_104_675e-1;

const NEAR_P: [f64; 5] = [
    -2.376_301_665_665_016_3e-5,
    -5.770_270_296_489_442e-3,
    -2.848_174_957_559_851e-2,
    -3.250_421_072_470_015e-1,
    1.283_791_670_955_125_6e-1,
];
const NEAR_Q: [f64; 6] = [
    -3.960_228_278_775_368e-6,
    1.324_947_380_043_216_4e-4,
    5.081_306_281_875_766e-3,
    6.502_224_998_876_729e-2,
    3.979_172_239_591_553_5e-1,
    1.0,
];
const ONE_P: [f64; 7] = [
    -2.166_375_594_868_790_8e-3,
    3.547_830_432_561_823_6e-2,
    -1.108_946_942_823_966_8e-1,
    3.183_466_199_011_617_5e-1,
    -3.722_078_760_357_013e-1,
    4.148_561_186_837_483_3e-1,
    -2.362_118_560_752_659_4e-3,
];
const ONE_Q: [f64; 7] = [
    1.198_449_984_679_911e-2,
    1.363_708_391_202_905_1e-2,
    1.261_712_198_087_616_4e-1,
    7.182_865_441_419_627e-2,
    5.403_979_177_021_71e-1,
    1.064_208_804_008_442_3e-1,
    1.0,
];
const FAR_P: [f64; 8] = [
    -9.814_329_344_169_145,
    -8.128_743_550_630_66e1,
    -1.846_050_929_067_110_4e2,
    -1.623_966_694_625_734_7e2,
    -6.237_533_245_032_601e1,
    -1.055_862_622_532_329_1e1,
    -6.938_585_727_071_818e-1,
    -9.864_944_034_847_148e-3,
];
const FAR_Q: [f64; 9] = [
    -6.042_441_521_485_81e-2,
    6.570_249_770_319_282,
    1.086_350_055_417_794_4e2,
    4.290_081_400_275_678_3e2,
    6.453_872_717_332_679e2,
    4.345_658_774_752_292e2,
    1.376_577_541_435_190_4e2,
    1.965_127_166_743_925_7e1,
    1.0,
];
const TAIL_P: [f64; 7] = [
    -4.835_191_916_086_514e2,
    -1.025_095_131_611_077_2e3,
    -6.375_664_433_683_896e2,
    -1.606_363_848_558_219_2e2,
    -1.775_795_491_775_475_2e1,
    -7.992_832_376_805_23e-1,
    -9.864_942_924_700_1e-3,
];
const TAIL_Q: [f64; 8] = [
    -2.244_095_244_658_582e1,
    4.745_285_412_069_554e2,
    2.553_050_406_433_164_4e3,
    3.199_858_219_508_595_5e3,
    1.536_729_586_084_437e3,
    3.257_925_129_965_739e2,
    3.033_806_074_348_246e1,
    1.0,
];

/// `erf(x)/x - 1` below 0.84375.
fn near(x: Value<'_>) -> Value<'_> {
    let square = x * x;
    horner(square, &NEAR_P) / horner(square, &NEAR_Q)
}

/// `1 - erf(a)` for `a` from 0.84375 on.
fn complement(a: Value<'_>) -> Value<'_> {
    let s = a - 1.0;
    let around_one = a.like(1.0 - ERF_OF_ONE) - horner(s, &ONE_P) / horner(s, &ONE_Q);
    let s = a.like(1.0) / (a * a);
    let is_far = a.lt(a.like(1.0 / 0.35));
    let quotient =
        is_far.select(horner(s, &FAR_P) / horner(s, &FAR_Q), horner(s, &TAIL_P) / horner(s, &TAIL_Q));
    // The square of a number without its lower half is exact; what it misses is small.
    let short = (a.bits_as(Element::I64) & 0xFFFF_FFFF_0000_0000_u64.cast_signed()).bits_as(Element::F64);
    let gauss = (-(short * short) - 0.5625).unary("exponential");
    let rest = ((short - a) * (short + a) + quotient).unary("exponential");
    let beyond = a.gt(a.like(28.0)).select(a.like(0.0), gauss * rest / a);
    a.lt(a.like(1.25)).select(around_one, beyond)
}

/// The error function.
pub(super) fn erf(x: Value<'_>) -> Value<'_> {
    let a = x.unary("abs");
    let far = copysign(a.like(1.0) - complement(a), x);
    let inside = a.lt(a.like(0.84375)).select(x + x * near(x), far);
    x.ne(x).select(x, inside)
}

/// `1 - erf(x)`, precise in the tail.
pub(super) fn erfc(x: Value<'_>) -> Value<'_> {
    let a = x.unary("abs");
    let y = near(x);
    let small = x.like(1.0) - (x + x * y);
    let middle = x.like(0.5) - (x - 0.5 + x * y);
    let near = x.lt(x.like(0.25)).select(small, middle);
    let tail = complement(a);
    let far = x.lt(x.like(0.0)).select(x.like(2.0) - tail, tail);
    let inside = a.lt(a.like(0.84375)).select(near, far);
    x.ne(x).select(x, inside)
}

/// The inverse of [`erf`]: a first guess, refined by Halley's method on `erf`, or on `erfc` where `1 - |y|` is exact.
pub(super) fn erf_inv(y: Value<'_>) -> Result<Value<'_>> {
    let a = y.unary("abs");
    let mut x = erf_inv_of_xla(a)?;
    let guess = x;
    for _ in 0..2 {
        let error = a.lt(a.like(0.5)).select(erf(x) - a, a.like(1.0) - a - erfc(x));
        let newton = error / ((-(x * x)).unary("exponential") * std::f64::consts::FRAC_2_SQRT_PI);
        x = x - newton / (x * newton + 1.0);
    }
    let is_inside = a.lt(a.like(1.0));
    let inside = a.lt(a.like(1e-9)).select(a * (1.0 / std::f64::consts::FRAC_2_SQRT_PI), x);
    Ok(copysign(is_inside.select(inside, guess), y))
}
