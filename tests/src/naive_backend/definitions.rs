//! What single elements, factorisations and random keys become, by the definitions.

use flaxen::scalar::math::{Real, special};
use flaxen::scalar::op::ScalarOp;
use flaxen::{Aval, DType, Side, Triangle};
use num_complex::Complex64;

use super::Value;
use super::operations::indices;

/// An element: of a float dtype, of an integer or boolean one, or of a complex one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Num {
    /// Of a float dtype.
    Float(f64),
    /// Of an integer dtype; booleans are 0 and 1.
    Int(i64),
    /// Of a complex dtype.
    Complex(Complex64),
}

use Num::{Complex, Float, Int};

impl Num {
    /// As a float.
    pub fn float(self) -> f64 {
        match self {
            Float(x) => x,
            Int(x) => x as f64,
            Complex(x) => x.re,
        }
    }

    /// As a complex number.
    pub fn complex(self) -> Complex64 {
        match self {
            Complex(x) => x,
            real => real.float().into(),
        }
    }

    /// As an integer, towards zero.
    pub fn int(self) -> i64 {
        match self {
            Float(x) => x as i64,
            Int(x) => x,
            Complex(x) => x.re as i64,
        }
    }

    /// The number that a dtype has for it.
    pub fn of(x: f64, dtype: DType) -> Num {
        cast(Float(x), dtype).rounded(dtype)
    }

    /// The nearest number of a dtype; integers wrap around.
    pub fn rounded(self, dtype: DType) -> Num {
        match dtype {
            DType::C64 => {
                let x = self.complex();
                Complex(Complex64::new((x.re as f32).into(), (x.im as f32).into()))
            }
            DType::F64 => Float(self.float()),
            DType::F32 => Float((self.float() as f32).into()),
            DType::BF16 => Float(half::bf16::from_f32(self.float() as f32).into()),
            DType::F16 => Float(half::f16::from_f64(self.float()).into()),
            DType::Bool => Int((self.int() != 0).into()),
            DType::U8 => Int((self.int() as u8).into()),
            DType::U16 => Int((self.int() as u16).into()),
            DType::I8 => Int((self.int() as i8).into()),
            DType::I16 => Int((self.int() as i16).into()),
            DType::U32 => Int((self.int() as u32).into()),
            DType::I32 => Int((self.int() as i32).into()),
            DType::I64 => Int(self.int()),
        }
    }

    /// The larger; NaN if either is.
    pub fn max(self, other: Num) -> Num {
        match (self, other) {
            (Int(x), Int(y)) => Int(x.max(y)),
            (x, y) if x.float().is_nan() || y.float().is_nan() => Float(f64::NAN),
            (x, y) => Float(x.float().max(y.float())),
        }
    }

    /// The smaller; NaN if either is.
    pub fn min(self, other: Num) -> Num {
        match (self, other) {
            (Int(x), Int(y)) => Int(x.min(y)),
            (x, y) if x.float().is_nan() || y.float().is_nan() => Float(f64::NAN),
            (x, y) => Float(x.float().min(y.float())),
        }
    }

    /// The sum.
    pub fn add(self, other: Num) -> Num {
        if let (Complex(x), Complex(y)) = (self, other) {
            return Complex(x + y);
        }
        self.with(other, i64::wrapping_add, |x, y| x + y)
    }

    /// The product.
    pub fn mul(self, other: Num) -> Num {
        if let (Complex(x), Complex(y)) = (self, other) {
            return Complex(x * y);
        }
        self.with(other, i64::wrapping_mul, |x, y| x * y)
    }

    fn with(self, other: Num, of_ints: fn(i64, i64) -> i64, of_floats: fn(f64, f64) -> f64) -> Num {
        match (self, other) {
            (Int(x), Int(y)) => Int(of_ints(x, y)),
            (x, y) => Float(of_floats(x.float(), y.float())),
        }
    }
}

/// Casts as JAX does: floats beyond the integers of a dtype become the nearest of them.
pub(super) fn cast(x: Num, to: DType) -> Num {
    let x = match x {
        Complex(x) if to.is_complex() => return Complex(x),
        Complex(x) if to == DType::Bool => return Int((x != Complex64::ZERO).into()),
        Complex(x) => x.re,
        Float(x) => x,
        Int(_) => return x,
    };
    match to {
        _ if to.is_inexact() => Float(x),
        DType::Bool => Int((x != 0.0).into()),
        DType::U8 => Int((x as u8).into()),
        DType::U16 => Int((x as u16).into()),
        DType::I8 => Int((x as i8).into()),
        DType::I16 => Int((x as i16).into()),
        DType::U32 => Int((x as u32).into()),
        DType::I32 => Int((x as i32).into()),
        _ => Int(x as i64),
    }
}

/// A function of the elements of up to three arguments of a dtype.
pub(super) fn elementwise(op: ScalarOp, x: &[Num], dtype: DType) -> Num {
    let (a, b) = (x[0], x[x.len() - 1]);
    let truth = |is: bool| Int(is.into());
    let unsigned = dtype.is_unsigned();
    if matches!(b, Complex(_)) || op == ScalarOp::Complex {
        return super::complex::elementwise(op, x);
    }
    match op {
        ScalarOp::Copy | ScalarOp::Cast => a,
        ScalarOp::Neg => a.with(a, |x, _| x.wrapping_neg(), |x, _| -x),
        ScalarOp::Not if dtype == DType::Bool => truth(a == Int(0)),
        ScalarOp::Not => Int(!a.int()),
        ScalarOp::Relu => a.max(a.with(a, |_, _| 0, |_, _| 0.0)),
        ScalarOp::IsFinite => truth(a.float().is_finite()),
        ScalarOp::IsNan => truth(a.float().is_nan()),
        ScalarOp::IsInf => truth(a.float().is_infinite()),
        ScalarOp::Powi(n) => match a {
            Float(x) => Float(x.powi(n)),
            Int(x) => Int((0..n).fold(1i64, |product, _| product.wrapping_mul(x))),
            Complex(x) => Complex(x.powi(n)),
        },
        ScalarOp::Add if dtype == DType::Bool => truth(a.int() + b.int() > 0),
        ScalarOp::Add => a.add(b),
        ScalarOp::Sub => a.with(b, i64::wrapping_sub, |x, y| x - y),
        ScalarOp::Mul => a.mul(b),
        ScalarOp::Div => match (a, b) {
            // What has no quotient is as on other processors: all bits, and the least number for its opposite.
            (Int(_), Int(0)) => Int(-1),
            _ => a.with(b, i64::wrapping_div, |x, y| x / y),
        },
        ScalarOp::Rem => match (a, b) {
            (Int(x), Int(0)) => Int(if unsigned { x } else { 0 }),
            _ => a.with(b, i64::wrapping_rem, |x, y| x % y),
        },
        ScalarOp::Pow => match (a, b) {
            (Int(x), Int(n)) => Int((0..n.max(0)).fold(1i64, |product, _| product.wrapping_mul(x))),
            _ => Float(a.float().powf(b.float())),
        },
        ScalarOp::Max => a.max(b),
        ScalarOp::Min => a.min(b),
        ScalarOp::Atan2 => Float(a.float().atan2(b.float())),
        ScalarOp::And => Int(a.int() & b.int()),
        ScalarOp::Or => Int(a.int() | b.int()),
        ScalarOp::Xor => Int(a.int() ^ b.int()),
        ScalarOp::ShiftLeft => match bits(dtype) {
            width if !(0..width).contains(&b.int()) => Int(0),
            _ => Int(a.int().wrapping_shl(b.int() as u32)),
        },
        ScalarOp::ShiftRight => match bits(dtype) {
            width if !(0..width).contains(&b.int()) => Int(if a.int() < 0 { -1 } else { 0 }),
            _ => Int(a.int() >> b.int()),
        },
        ScalarOp::Gcd => {
            let most = a.int().unsigned_abs().max(b.int().unsigned_abs()).max(1);
            let divides = |by: &u64| a.int().unsigned_abs() % by == 0 && b.int().unsigned_abs() % by == 0;
            let both_zero = a.int() == 0 && b.int() == 0;
            Int(if both_zero { 0 } else { (1..=most).rev().find(divides).unwrap_or(1) as i64 })
        }
        ScalarOp::LogAddExp => {
            let (x, y) = (a.float(), b.float());
            let larger = a.max(b).float();
            Float(if x == y && x.is_infinite() { x } else { larger + (-(x - y).abs()).exp().ln_1p() })
        }
        ScalarOp::Xlogy => Float(x_log(a.float(), b.float(), b.float().ln())),
        ScalarOp::Xlog1py => Float(x_log(a.float(), b.float(), b.float().ln_1p())),
        ScalarOp::Igamma => Float(special::igamma(a.float(), b.float())),
        ScalarOp::Igammac => Float(special::igammac(a.float(), b.float())),
        ScalarOp::IgammaGradA => Float(special::igamma_grad_a(a.float(), b.float())),
        ScalarOp::RandomGammaGrad => Float(special::random_gamma_grad(a.float(), b.float())),
        ScalarOp::Zeta => Float(special::zeta(a.float(), b.float())),
        ScalarOp::Betainc => Float(special::betainc(a.float(), x[1].float(), b.float())),
        ScalarOp::Eq => truth(compare(a, b, |a, b| a == b, |a, b| a == b)),
        ScalarOp::Ne => truth(compare(a, b, |a, b| a != b, |a, b| a != b)),
        ScalarOp::Lt => truth(compare(a, b, |a, b| a < b, |a, b| a < b)),
        ScalarOp::Le => truth(compare(a, b, |a, b| a <= b, |a, b| a <= b)),
        ScalarOp::Gt => truth(compare(a, b, |a, b| a > b, |a, b| a > b)),
        ScalarOp::Ge => truth(compare(a, b, |a, b| a >= b, |a, b| a >= b)),
        ScalarOp::Select => {
            if a == Int(0) {
                x[2]
            } else {
                x[1]
            }
        }
        ScalarOp::Clamp => x[1].max(x[0]).min(x[2]),
        ScalarOp::MulAdd => match (a, b) {
            (Int(_), _) => x[0].mul(x[1]).add(x[2]),
            _ => Float(a.float().mul_add(x[1].float(), x[2].float())),
        },
        _ => unary(op, a),
    }
}

fn x_log(x: f64, y: f64, log: f64) -> f64 {
    if x == 0.0 && !y.is_nan() { 0.0 } else { x * log }
}

fn compare(a: Num, b: Num, of_ints: fn(i64, i64) -> bool, of_floats: fn(f64, f64) -> bool) -> bool {
    match (a, b) {
        (Int(a), Int(b)) => of_ints(a, b),
        _ => of_floats(a.float(), b.float()),
    }
}

fn bits(dtype: DType) -> i64 {
    8 * dtype.size() as i64
}

/// What the standard library has, by that; other functions by the library's own definition in 64 bits.
pub(super) fn unary(op: ScalarOp, x: Num) -> Num {
    let Float(x) = x else {
        return Int(if op == ScalarOp::Abs { x.int().wrapping_abs() } else { x.int().signum() });
    };
    Float(match op {
        ScalarOp::Abs => x.abs(),
        ScalarOp::Sign => {
            if x == 0.0 || x.is_nan() {
                x
            } else {
                x.signum()
            }
        }
        ScalarOp::Floor => x.floor(),
        ScalarOp::Ceil => x.ceil(),
        ScalarOp::Round => x.round_ties_even(),
        ScalarOp::Trunc => x.trunc(),
        ScalarOp::Exp => x.exp(),
        ScalarOp::Exp2 => x.exp2(),
        ScalarOp::Expm1 => x.exp_m1(),
        ScalarOp::Log => x.ln(),
        ScalarOp::Log2 => x.log2(),
        ScalarOp::Log1p => x.ln_1p(),
        ScalarOp::Sqrt => x.sqrt(),
        ScalarOp::Rsqrt => 1.0 / x.sqrt(),
        ScalarOp::Cbrt => x.cbrt(),
        ScalarOp::Sin => x.sin(),
        ScalarOp::Cos => x.cos(),
        ScalarOp::Tan => x.tan(),
        ScalarOp::Asin => x.asin(),
        ScalarOp::Acos => x.acos(),
        ScalarOp::Atan => x.atan(),
        ScalarOp::Sinh => x.sinh(),
        ScalarOp::Cosh => x.cosh(),
        ScalarOp::Tanh => x.tanh(),
        ScalarOp::Asinh => x.asinh(),
        ScalarOp::Acosh => x.acosh(),
        ScalarOp::Atanh => x.atanh(),
        ScalarOp::Logistic => 1.0 / (1.0 + (-x).exp()),
        ScalarOp::Erf => Real::erf(x),
        ScalarOp::Erfc => Real::erfc(x),
        ScalarOp::ErfInv => Real::erf_inv(x),
        ScalarOp::Lgamma => Real::lgamma(x),
        ScalarOp::Digamma => Real::digamma(x),
        ScalarOp::Trigamma => Real::trigamma(x),
        ScalarOp::Entr => special::entr(x),
        ScalarOp::BesselI0e => special::bessel_i0e(x),
        ScalarOp::BesselI1e => special::bessel_i1e(x),
        ScalarOp::Ndtri => special::ndtri(x),
        ScalarOp::LogNdtr => special::log_ndtr(x),
        _ => panic!("{op} has no definition here"),
    })
}

pub(super) fn sizes(x: &Value) -> [usize; 2] {
    let [.., rows, columns] = x.aval.shape[..] else { panic!("a matrix") };
    [rows, columns]
}

pub(super) fn matrices(x: &Value) -> Vec<Vec<f64>> {
    let [rows, columns] = sizes(x);
    let data: Vec<f64> = x.data.iter().map(|x| x.float()).collect();
    data.chunks((rows * columns).max(1)).map(<[f64]>::to_vec).collect()
}

pub(super) fn numbers(data: impl IntoIterator<Item = f64>) -> Vec<Num> {
    data.into_iter().map(Num::Float).collect()
}

/// Column by column (Cholesky–Banachiewicz); NaN where the matrix is not positive definite.
pub(super) fn cholesky(x: &Value) -> Vec<Num> {
    let [n, _] = sizes(x);
    let factor = |a: Vec<f64>| {
        let mut l = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let rest = a[i * n + j] - (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum::<f64>();
                l[i * n + j] = if i == j { rest.sqrt() } else { rest / l[j * n + j] };
            }
        }
        let failed = l.iter().any(|x| !x.is_finite());
        let lower = |at: usize| at % n <= at / n;
        (0..n * n).map(move |at| if failed && lower(at) { f64::NAN } else { l[at] }).collect::<Vec<_>>()
    };
    numbers(matrices(x).into_iter().flat_map(factor))
}

/// By Householder reflections, with LAPACK's signs.
pub(super) fn qr(x: &Value, outs: &[Aval]) -> Vec<Vec<Num>> {
    let [m, n] = sizes(x);
    let k = outs[1].shape[outs[1].rank() - 2];
    let (mut all_q, mut all_r) = (Vec::new(), Vec::new());
    for mut r in matrices(x) {
        let mut q: Vec<f64> = (0..m * m).map(|at| f64::from(u8::from(at / m == at % m))).collect();
        for j in 0..m.min(n) {
            let tail = (j + 1..m).map(|i| r[i * n + j].powi(2)).sum::<f64>();
            if tail == 0.0 {
                continue;
            }
            let head = r[j * n + j];
            let mut v: Vec<f64> = (0..m).map(|i| if i < j { 0.0 } else { r[i * n + j] }).collect();
            v[j] += (head * head + tail).sqrt().copysign(head);
            let scale = 2.0 / v.iter().map(|x| x * x).sum::<f64>();
            for column in 0..n {
                let dot = (0..m).map(|i| v[i] * r[i * n + column]).sum::<f64>() * scale;
                (0..m).for_each(|i| r[i * n + column] -= dot * v[i]);
            }
            for row in 0..m {
                let dot = (0..m).map(|i| q[row * m + i] * v[i]).sum::<f64>() * scale;
                (0..m).for_each(|i| q[row * m + i] -= dot * v[i]);
            }
        }
        all_q.extend((0..m).flat_map(|i| q[i * m..i * m + k].to_vec()));
        all_r.extend((0..k * n).map(|at| if at % n < at / n { 0.0 } else { r[at] }));
    }
    vec![numbers(all_q), numbers(all_r)]
}

/// By substitution, one column of the result after another.
pub(super) fn triangular_solve(a: &Value, b: &Value, side: Side, triangle: Triangle) -> Vec<Num> {
    let ([n, _], [rows, columns]) = (sizes(a), sizes(b));
    // From the right, the transposes are solved from the left.
    let transpose = triangle.transpose != (side == Side::Right);
    let lower = triangle.lower != transpose;
    let solve = |(a, mut x): (Vec<f64>, Vec<f64>)| {
        let of = |i: usize, j: usize| if transpose { a[j * n + i] } else { a[i * n + j] };
        let (count, at): (usize, &dyn Fn(usize, usize) -> usize) = match side {
            Side::Left => (columns, &|i, c| i * columns + c),
            Side::Right => (rows, &|i, c| c * columns + i),
        };
        for c in 0..count {
            for step in 0..n {
                let i = if lower { step } else { n - 1 - step };
                let known = if lower { 0..i } else { i + 1..n };
                let rest = x[at(i, c)] - known.map(|j| of(i, j) * x[at(j, c)]).sum::<f64>();
                x[at(i, c)] = if triangle.unit_diagonal { rest } else { rest / of(i, i) };
            }
        }
        x
    };
    numbers(matrices(a).into_iter().zip(matrices(b)).flat_map(solve))
}

type Key = [u32; 2];

fn keys(data: &[Num]) -> impl Iterator<Item = Key> + '_ {
    data.chunks(2).map(|key| [key[0].int() as u32, key[1].int() as u32])
}

fn block([k0, k1]: Key, [c0, c1]: [u32; 2]) -> [u32; 2] {
    let schedule = [k0, k1, k0 ^ k1 ^ 0x1BD1_1BDA];
    let (mut a, mut b) = (c0.wrapping_add(k0), c1.wrapping_add(k1));
    for group in 0..5usize {
        for rotation in [[13, 15, 26, 6], [17, 29, 16, 24]][group % 2] {
            a = a.wrapping_add(b);
            b = b.rotate_left(rotation) ^ a;
        }
        a = a.wrapping_add(schedule[(group + 1) % 3]);
        b = b.wrapping_add(schedule[(group + 2) % 3]).wrapping_add(group as u32 + 1);
    }
    [a, b]
}

/// So many elements for each key, of the blocks that belong to their positions.
pub(super) fn draw(data: &[Num], count: usize, f: impl Fn([u32; 2]) -> Num) -> Vec<Num> {
    keys(data).flat_map(|key| (0..count as u32).map(move |i| block(key, [0, i]))).map(f).collect()
}

pub(super) fn random_bits([a, b]: [u32; 2], width: u32) -> Num {
    let word = a ^ b;
    Num::Int(match width {
        8 => (word as u8).into(),
        16 => (word as u16).into(),
        32 => word.into(),
        _ => (u64::from(a) << 32 | u64::from(b)) as i64,
    })
}

/// The leading bits of a number from 0 to 1, as many as its mantissa has.
pub(super) fn unit(words: [u32; 2], dtype: DType) -> Num {
    let word = words[0] ^ words[1];
    Num::Float(match dtype {
        DType::F64 => ((u64::from(words[0]) << 32 | u64::from(words[1])) >> 12) as f64 / 2f64.powi(52),
        DType::F32 => f64::from(word >> 9) / 2f64.powi(23),
        DType::F16 => f64::from(word as u16 >> 6) / 1024.0,
        _ => f64::from(word as u8 >> 1) / 128.0,
    })
}

pub(super) fn split(data: &[Num], count: usize) -> Vec<Num> {
    let new = keys(data).flat_map(|key| (0..count as u32).flat_map(move |i| block(key, [0, i])));
    new.map(|word| Num::Int(word.into())).collect()
}

pub(super) fn fold_in(data: &[Num], words: &[Num]) -> Vec<Num> {
    let new = keys(data).zip(words).flat_map(|(key, word)| block(key, [0, word.int() as u32]));
    new.map(|word| Num::Int(word.into())).collect()
}

/// Samples of gamma distributions by the method of Marsaglia and Tsang, each from a child of its key, or their logarithms.
pub(super) fn gamma(data: &[Num], shapes: &Value, log_space: bool) -> Vec<Num> {
    let dtype = if shapes.aval.dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let child = |key: Key, i: u32| block(key, [0, i]);
    let uniform = |key: Key| unit(block(key, [0, 0]), dtype).float();
    let one = |key: Key, shape: f64| {
        let raised = if shape >= 1.0 { shape } else { shape + 1.0 };
        let d = raised - 1.0 / 3.0;
        let (mut key, boost) = (child(key, 0), uniform(child(key, 1)));
        loop {
            let (mut x_key, u) = (child(key, 1), uniform(child(key, 2)));
            key = child(key, 0);
            let (x, v) = loop {
                let half = if dtype == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() } / 2.0;
                let x = 2f64.sqrt() * Real::erf_inv(2.0 * uniform(child(x_key, 1)) - 1.0 + half);
                let v = 1.0 + x / (3.0 * d.sqrt());
                if v > 0.0 {
                    break (x, v.powi(3));
                }
                x_key = child(x_key, 0);
            };
            if u.ln() < x * x / 2.0 + d * (1.0 - v + v.ln()) {
                let less = if shape >= 1.0 { 0.0 } else { (-boost).ln_1p() / shape };
                let log = (d * v).ln() + less;
                break if log_space { log } else { log.exp() };
            }
        }
    };
    let each = shapes.data.len() / (data.len() / 2).max(1);
    let of_key = |(key, shapes): (Key, &[Num])| -> Vec<f64> {
        (0..).zip(shapes).map(|(i, shape)| one(child(key, i), shape.float())).collect()
    };
    numbers(keys(data).zip(shapes.data.chunks(each.max(1))).flat_map(of_key))
}

/// High bits and low bits, as one number, modulo the span, as JAX computes it; a span of 0 stands for all numbers.
pub(super) fn below([high, low, span]: [Num; 3], dtype: DType) -> Num {
    let (width, mask) = if dtype == DType::U32 { (32, u64::from(u32::MAX)) } else { (64, u64::MAX) };
    let [high, low, span] = [high, low, span].map(|x| x.int() as u64 & mask);
    let modulo = |x: u64| x.checked_rem(span).unwrap_or(x);
    let half = modulo(1 << (width / 2));
    let weight = modulo(half.wrapping_mul(half) & mask);
    let mixed = (modulo(high).wrapping_mul(weight) & mask).wrapping_add(modulo(low)) & mask;
    Num::Int(modulo(mixed) as i64)
}

/// Orders by sorting random bits, several times: each lane along the axis by itself, the axis last.
pub(super) fn order(data: &[Num], shape: &[usize], axis: usize) -> Vec<Num> {
    let (size, length) = (shape.iter().product::<usize>(), shape[axis]);
    let rounds = (3.0 * (size.max(1) as f64).ln() / f64::from(u32::MAX).ln()).ceil() as usize;
    let mut all = Vec::new();
    for mut key in keys(data) {
        let mut positions: Vec<usize> = (0..size).map(|i| i % length.max(1)).collect();
        for _ in 0..rounds {
            let round = block(key, [0, 1]);
            key = block(key, [0, 0]);
            let drawn: Vec<u32> =
                (0..size as u32).map(|i| block(round, [0, i])).map(|[a, b]| a ^ b).collect();
            // The bits of the shape as it is, read with the axis last.
            let mut lanes = vec![0; size];
            for (flat, i) in indices(shape).enumerate() {
                let rest = (0..shape.len()).filter(|&d| d != axis).fold(0, |at, d| at * shape[d] + i[d]);
                lanes[rest * length + i[axis]] = drawn[flat];
            }
            let mut next = Vec::new();
            for (lane, before) in lanes.chunks(length.max(1)).zip(positions.chunks(length.max(1))) {
                let mut by: Vec<usize> = (0..lane.len()).collect();
                by.sort_by_key(|&i| lane[i]);
                next.extend(by.into_iter().map(|i| before[i]));
            }
            positions = next;
        }
        all.extend(positions.into_iter().map(|at| Num::Int(at as i64)));
    }
    all
}
