//! How files store elements: as in memory, or as floats of 8 bits, which become wider ones.

use crate::array::DType;

/// The type of a stored element.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Encoding {
    /// As in memory.
    Plain(DType),
    /// A float of 8 bits, of which every value is one of `BF16`, too.
    Eight(Eight),
}

/// Floats of 8 bits: those of the [Open Compute Project](https://www.opencompute.org/documents/ocp-8-bit-floating-point-specification-ofp8-revision-1-0-2023-12-01-pdf-1),
/// and those of Graphcore and AMD (`Fnuz`: finite, no negative zero), which have one exponent more and NaN where others have −0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Eight {
    E4M3,
    E4M3Fnuz,
    E5M2,
    E5M2Fnuz,
    /// A power of two, as scales of blocks are.
    E8M0,
}

impl Encoding {
    /// The dtype that the elements have in memory.
    pub(super) fn dtype(self) -> DType {
        match self {
            Encoding::Plain(dtype) => dtype,
            Encoding::Eight(_) => DType::BF16,
        }
    }

    /// Bytes of an element in the file.
    pub(super) fn size(self) -> usize {
        match self {
            Encoding::Plain(dtype) => dtype.size(),
            Encoding::Eight(_) => 1,
        }
    }

    /// Bytes of what has an order of bytes.
    pub(super) fn word(self) -> usize {
        match self {
            Encoding::Plain(dtype) => dtype.word(),
            Encoding::Eight(_) => 1,
        }
    }

    /// The same values in the little-endian bytes of [`dtype`](Encoding::dtype).
    pub(super) fn decode(self, from: &[u8], into: &mut [u8]) {
        match self {
            Encoding::Plain(_) => into.copy_from_slice(from),
            Encoding::Eight(eight) => {
                for (&from, into) in from.iter().zip(into.as_chunks_mut().0) {
                    *into = half::bf16::from_f32(eight.value(from)).to_le_bytes();
                }
            }
        }
    }
}

impl Eight {
    fn value(self, byte: u8) -> f32 {
        let is_nan = match self {
            Eight::E4M3 => byte & 0x7f == 0x7f,
            Eight::E4M3Fnuz | Eight::E5M2Fnuz => byte == 0x80,
            Eight::E8M0 => byte == 0xff,
            // As a half has them.
            Eight::E5M2 => false,
        };
        match self {
            _ if is_nan => f32::NAN,
            Eight::E4M3 => finite(byte, 3, 7),
            Eight::E4M3Fnuz => finite(byte, 3, 8),
            // The upper byte of a half.
            Eight::E5M2 => half::f16::from_bits(u16::from(byte) << 8).to_f32(),
            Eight::E5M2Fnuz => finite(byte, 2, 16),
            Eight::E8M0 => (f32::from(byte) - 127.0).exp2(),
        }
    }
}

/// A sign, an exponent with a bias, and so many bits of a fraction.
fn finite(byte: u8, bits: u32, bias: i32) -> f32 {
    let (exponent, fraction) = (i32::from(byte & 0x7f) >> bits, f32::from(byte & ((1 << bits) - 1)));
    let whole = f32::from(1u8 << bits);
    let magnitude = match exponent {
        0 => fraction / whole * ((1 - bias) as f32).exp2(),
        _ => (1.0 + fraction / whole) * ((exponent - bias) as f32).exp2(),
    };
    if byte & 0x80 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_of_eight_bits_are_those_of_their_standards() {
        // Largest, smallest normal and smallest subnormal numbers, of OCP's table, and of Noune et al. (2022) for `fnuz`.
        let of: [(Eight, &[(u8, f32)]); 5] = [
            (
                Eight::E4M3,
                &[(0x7e, 448.0), (0x08, 0.015625), (0x01, 0.001953125), (0x80, -0.0), (0xb8, -1.0)],
            ),
            (
                Eight::E5M2,
                &[
                    (0x7b, 57344.0),
                    (0x04, 6.1035156e-5),
                    (0x01, 1.5258789e-5),
                    (0x7c, f32::INFINITY),
                    (0xbc, -1.0),
                ],
            ),
            (Eight::E4M3Fnuz, &[(0x7f, 240.0), (0x08, 0.0078125), (0x01, 0.0009765625), (0xc0, -1.0)]),
            (Eight::E5M2Fnuz, &[(0x7f, 57344.0), (0x04, 3.0517578e-5), (0x01, 7.6293945e-6), (0xc0, -1.0)]),
            (Eight::E8M0, &[(0x7f, 1.0), (0x00, 5.877472e-39), (0xfe, 1.7014118e38)]),
        ];
        for (eight, values) in of {
            for &(byte, value) in values {
                assert_eq!(eight.value(byte).to_bits(), value.to_bits(), "{eight:?} {byte:#x}");
            }
        }
    }

    #[test]
    fn a_wider_float_has_every_value_of_eight_bits() {
        let nans = [
            (Eight::E4M3, 2),
            (Eight::E4M3Fnuz, 1),
            (Eight::E5M2, 6),
            (Eight::E5M2Fnuz, 1),
            (Eight::E8M0, 1),
        ];
        for (eight, nans) in nans {
            let values = (0..=255).map(|byte| eight.value(byte));
            assert_eq!(values.clone().filter(|value| value.is_nan()).count(), nans, "{eight:?}");
            for value in values.filter(|value| !value.is_nan()) {
                assert_eq!(half::bf16::from_f32(value).to_f32(), value, "{eight:?}");
            }
        }
    }
}
