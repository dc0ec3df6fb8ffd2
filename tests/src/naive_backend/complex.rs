//! What complex numbers become, by the definitions.

use std::f64::consts::PI;

use flaxen::kernels::fourier::Fourier;
use flaxen::scalar::op::ScalarOp;
use num_complex::Complex64;

use super::Num;
use super::Num::{Complex, Float, Int};

/// A function of the elements of arguments of which the last one is complex, or which makes complex numbers.
pub(super) fn elementwise(op: ScalarOp, x: &[Num]) -> Num {
    let (a, b) = (x[0].complex(), x[x.len() - 1].complex());
    let truth = |is: bool| Int(is.into());
    match op {
        ScalarOp::Complex => Complex(Complex64::new(x[0].float(), x[1].float())),
        ScalarOp::Imag => Float(a.im),
        ScalarOp::Magnitude => Float(a.norm()),
        ScalarOp::Eq => truth(a == b),
        ScalarOp::Ne => truth(a != b),
        ScalarOp::Select => x[if x[0] == Int(0) { 2 } else { 1 }],
        _ => Complex(match op {
            ScalarOp::Copy | ScalarOp::Cast => a,
            ScalarOp::Conj => a.conj(),
            ScalarOp::Neg => -a,
            ScalarOp::Add => a + b,
            ScalarOp::Sub => a - b,
            ScalarOp::Mul => a * b,
            ScalarOp::Div => a / b,
            ScalarOp::MulAdd => a * x[1].complex() + b,
            ScalarOp::Pow => a.powc(b),
            ScalarOp::Powi(n) => a.powi(n),
            ScalarOp::Exp => a.exp(),
            ScalarOp::Log => a.ln(),
            ScalarOp::Sqrt => a.sqrt(),
            ScalarOp::Rsqrt => a.sqrt().inv(),
            ScalarOp::Sin => a.sin(),
            ScalarOp::Cos => a.cos(),
            ScalarOp::Tan => a.tan(),
            ScalarOp::Sinh => a.sinh(),
            ScalarOp::Cosh => a.cosh(),
            ScalarOp::Tanh => a.tanh(),
            ScalarOp::Logistic => ((-a).exp() + 1.0).inv(),
            _ => panic!("{op} has no definition for complex numbers here"),
        }),
    }
}

/// Each element of the transform of a row, by its sum.
pub(super) fn fourier(row: &[Num], kind: Fourier, size: usize, scale: f64) -> Vec<Num> {
    let sign = if matches!(kind, Fourier::Inverse | Fourier::RealInverse) { 1.0 } else { -1.0 };
    // What half a spectrum stands for.
    let x: Vec<Complex64> = (0..size)
        .map(|j| match row.get(j) {
            Some(x) if kind == Fourier::RealInverse && (j == 0 || 2 * j == size) => x.complex().re.into(),
            Some(x) => x.complex(),
            None => row[size - j].complex().conj(),
        })
        .collect();
    (0..kind.output(size))
        .map(|k| {
            let turn = |j: usize| {
                Complex64::from_polar(scale, sign * 2.0 * PI * (j * k % size) as f64 / size as f64)
            };
            let sum = x.iter().enumerate().map(|(j, &x)| x * turn(j)).sum::<Complex64>();
            if kind == Fourier::RealInverse { Float(sum.re) } else { Complex(sum) }
        })
        .collect()
}
