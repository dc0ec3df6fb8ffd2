//! What there is to say of many values.

use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;

/// The distribution of a tensor's values.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// How many there are.
    pub count: usize,
    /// How many are NaN.
    pub nan: usize,
    /// How many are infinite.
    pub infinite: usize,
    /// How many are 0.
    pub zeros: usize,
    /// The least finite one; 0 if there is none, as of the next three.
    pub min: f64,
    /// The greatest finite one.
    pub max: f64,
    /// The mean of the finite ones.
    pub mean: f64,
    /// Their standard deviation.
    pub std: f64,
    /// The finite ones by their place between `min` and `max`, in [`BINS`](Stats::BINS) equal parts.
    pub histogram: Vec<usize>,
}

impl Stats {
    /// The number of parts of a histogram.
    pub const BINS: usize = 40;

    /// Of a tensor's values; None if they are no floats.
    ///
    /// # Errors
    /// While a transform traces.
    pub fn of(tensor: &Tensor) -> Result<Option<Stats>> {
        if !tensor.dtype().is_float() {
            return Ok(None);
        }
        Ok(Some(Stats::of_values(&tensor.try_cast(DType::F32)?.to_vec::<f32>()?)))
    }

    fn of_values(values: &[f32]) -> Stats {
        let finite = || values.iter().filter(|value| value.is_finite()).map(|&value| f64::from(value));
        let number = finite().count();
        let (min, max) =
            finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), x| (min.min(x), max.max(x)));
        let (min, max) = if number == 0 { (0.0, 0.0) } else { (min, max) };
        let mean = finite().sum::<f64>() / number.max(1) as f64;
        let variance = finite().map(|x| (x - mean).powi(2)).sum::<f64>() / number.max(1) as f64;
        let mut histogram = vec![0; Stats::BINS];
        let width = (max - min).max(f64::MIN_POSITIVE);
        for x in finite() {
            let place = ((x - min) / width * Stats::BINS as f64) as usize;
            histogram[place.min(Stats::BINS - 1)] += 1;
        }
        Stats {
            count: values.len(),
            nan: values.iter().filter(|value| value.is_nan()).count(),
            infinite: values.iter().filter(|value| value.is_infinite()).count(),
            zeros: values.iter().filter(|&&value| value == 0.0).count(),
            min,
            max,
            mean,
            std: variance.sqrt(),
            histogram,
        }
    }
}

/// With fewer examples and positions, a unit that none of them reaches is no wonder.
const LEAST_PLACES: usize = 8;

/// Of how many units along the last axis all values are 0, and how many there are.
pub(super) fn zero_units(gradient: &Tensor) -> Result<Option<(usize, usize)>> {
    let Some(&units) = gradient.shape().last() else { return Ok(None) };
    if units == 0 || gradient.size() < units * LEAST_PLACES {
        return Ok(None);
    }
    let values = gradient.try_cast(DType::F32)?.to_vec::<f32>()?;
    let mut alive = vec![false; units];
    for row in values.chunks(units) {
        alive.iter_mut().zip(row).for_each(|(alive, &value)| *alive |= value != 0.0);
    }
    Ok(Some((alive.iter().filter(|alive| !**alive).count(), units)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_counted_and_left_out() {
        let stats =
            Stats::of(&Tensor::from([1.0f32, 3.0, 0.0, f32::NAN, f32::NEG_INFINITY])).unwrap().unwrap();
        assert_eq!((stats.count, stats.nan, stats.infinite, stats.zeros), (5, 1, 1, 1));
        assert_eq!((stats.min, stats.max), (0.0, 3.0));
        assert!((stats.mean - 4.0 / 3.0).abs() < 1e-12);
        assert_eq!((stats.histogram[0], stats.histogram[Stats::BINS - 1]), (1, 1));
        assert_eq!(stats.histogram.iter().sum::<usize>(), 3);
        assert_eq!(Stats::of(&Tensor::from([1])).unwrap(), None);
        assert_eq!(Stats::of(&Tensor::zeros([0])).unwrap().unwrap().max, 0.0);
    }

    #[test]
    fn a_unit_is_dead_if_no_example_reaches_it() {
        let mut values = [0.0f32; 24];
        (values[1], values[23]) = (1.0, f32::NAN);
        let gradient = Tensor::from_vec(values, [2, 4, 3]);
        assert_eq!(zero_units(&gradient).unwrap(), Some((1, 3)));
        assert_eq!(zero_units(&Tensor::zeros([3])).unwrap(), None);
        assert_eq!(zero_units(&Tensor::zeros([7, 3])).unwrap(), None, "too few examples to tell");
        assert_eq!(zero_units(&Tensor::zeros([8, 0])).unwrap(), None);
    }
}
