//! Fourier transforms.

use super::types::{Element, Type, array};
use super::value::Value;
use crate::kernels::fourier::Fourier;

/// The transform of each row, times a number; that of StableHLO divides inverse ones by the size.
pub(super) fn transform<'b>(x: Value<'b>, kind: Fourier, size: usize, scale: f64, out: &Type) -> Value<'b> {
    let (name, scale) = match kind {
        Fourier::Forward => ("FFT", scale),
        Fourier::Inverse => ("IFFT", scale * size as f64),
        Fourier::RealForward => ("RFFT", scale),
        Fourier::RealInverse => ("IRFFT", scale * size as f64),
    };
    let attributes = format!("fft_type = #stablehlo<fft_type {name}>, fft_length = {}", array([size]));
    let made = x.body().op("fft", &[x], &attributes, out.clone());
    if (scale - 1.0).abs() < f64::EPSILON {
        return made;
    }
    if made.element().is_complex() {
        let [real, imag] = [made.real(), made.imag()].map(|part| part * scale);
        return real.complex(imag);
    }
    debug_assert_eq!(made.element(), Element::F32);
    made * scale
}
