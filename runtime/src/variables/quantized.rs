//! `Quantized`: a matrix of weights in 8 bits.

use super::{Dict, Value};
use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};

const OP: &str = "Quantized";
/// The entries of the dict that it is stored as.
const NUMBERS: &str = "int8";
const SCALE: &str = "scale";
/// The greatest magnitude of a number: -128 is left out, so that both signs have as many.
const GREATEST: f64 = 127.0;

/// A matrix of weights in 8 bits, symmetric, with a scale for each channel: `numbers · scale`.
///
/// In variables it is a dict with the entries `int8`, `[a, b]` in `I8`, and `scale`, `[1, b]` or `[a, 1]` in `F32`, so that it is saved,
/// loaded and looked at as any other. What asks for a parameter that is stored as such has `numbers · scale`.
#[derive(Clone, Debug)]
pub struct Quantized {
    numbers: Tensor,
    scale: Tensor,
}

impl Quantized {
    /// Rounds a matrix `[a, b]` of floats to 8 bits, with a scale for each place along `channels`: its greatest magnitude by 127.
    ///
    /// # Errors
    /// If it is no matrix of floats, `channels` is neither 0 nor 1, or a number is not finite.
    ///
    /// # Examples
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::variables::Quantized;
    /// let kernel = Tensor::from([[1.27f32, -1.0], [-0.64, 0.5]]);
    /// let quantized = Quantized::new(&kernel, 1)?;
    /// assert_eq!(quantized.numbers().to_vec::<i8>()?, [127, -127, -64, 64]);
    /// assert!(quantized.dequantized()?.all_close(&kernel, 0.0, 0.005)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn new(weights: &Tensor, channels: usize) -> Result<Quantized> {
        if weights.rank() != 2 || !weights.dtype().is_float() || channels > 1 {
            let found = format!("{} with channels along {channels}", weights.aval());
            return Err(Error::shape(OP, found, "a matrix of floats, with channels along axis 0 or 1"));
        }
        let weights = weights.try_cast(DType::F32)?;
        let axis = 1 - channels as isize;
        let greatest = weights.try_abs()?.try_max_axes([axis])?.try_expand_dims([axis])?;
        if !greatest.try_is_finite()?.try_all()?.item::<bool>()? {
            return Err(Error::argument(OP, "weights are not finite: look for what made them so"));
        }
        let zero = greatest.like(0.0);
        let factor =
            greatest.try_ne(&zero)?.try_select(&greatest.like(GREATEST).try_div(&greatest)?, &zero)?;
        let numbers = weights.try_mul(&factor)?.try_round()?.try_cast(DType::I8)?;
        let scale = greatest.try_div(greatest.like(GREATEST))?;
        Ok(Quantized { numbers, scale })
    }

    /// The matrix that a value is, if it is one.
    pub fn of(value: &Value) -> Option<Quantized> {
        let dict = value.unboxed().as_dict().filter(|dict| dict.len() == 2)?;
        let entry = |name: &str| dict.get(name)?.as_tensor().filter(|tensor| tensor.rank() == 2);
        let (numbers, scale) = (entry(NUMBERS)?, entry(SCALE)?);
        let ([a, b], [c, d]) = (numbers.shape(), scale.shape()) else { return None };
        let is_scaled = ([c, d] == [&1, b] || [c, d] == [a, &1])
            && (numbers.dtype(), scale.dtype()) == (DType::I8, DType::F32);
        is_scaled.then(|| Quantized { numbers: numbers.clone(), scale: scale.clone() })
    }

    /// The dict that it is stored as.
    pub fn to_dict(&self) -> Dict {
        Dict::new().with(NUMBERS, self.numbers.clone()).with(SCALE, self.scale.clone())
    }

    /// The integers, `[a, b]`.
    pub fn numbers(&self) -> &Tensor {
        &self.numbers
    }

    /// What they are multiplied with, `[1, b]` or `[a, 1]`.
    pub fn scale(&self) -> &Tensor {
        &self.scale
    }

    /// The axis along which each place has a scale.
    pub fn channels(&self) -> usize {
        usize::from(self.scale.shape()[0] == 1)
    }

    /// The weights, `[a, b]` in `F32`.
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    pub fn dequantized(&self) -> Result<Tensor> {
        self.numbers.try_cast(DType::F32)?.try_mul(&self.scale)
    }
}
