//! Tensors as plain Rust numbers, and how to compare them.

use flaxen::{DType, Result, Tensor};

/// A shape and its values, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// The values; booleans are 0 and 1.
    pub data: Vec<f64>,
}

impl Numbers {
    /// The values of a concrete tensor of any dtype.
    ///
    /// # Errors
    /// If the tensor has no values.
    pub fn of(tensor: &Tensor) -> Result<Numbers> {
        let tensor = Tensor::from(tensor.array()?.clone());
        Ok(Numbers { shape: tensor.shape().to_vec(), data: tensor.cast(DType::F64).to_vec::<f64>()? })
    }

    /// The values of several tensors.
    ///
    /// # Errors
    /// If one has no values.
    pub fn of_all(tensors: &[Tensor]) -> Result<Vec<Numbers>> {
        tensors.iter().map(Numbers::of).collect()
    }

    /// The same number everywhere.
    pub fn filled(shape: &[usize], value: f64) -> Numbers {
        Numbers { shape: shape.to_vec(), data: vec![value; shape.iter().product()] }
    }

    /// As a tensor of a dtype.
    pub fn tensor(&self, dtype: DType) -> Tensor {
        Tensor::from_vec_of(&self.data, &self.shape, dtype)
    }

    /// `self + other * factor`.
    #[must_use]
    pub fn plus(&self, other: &Numbers, factor: f64) -> Numbers {
        let data = self.data.iter().zip(&other.data).map(|(x, y)| x + y * factor).collect();
        Numbers { shape: self.shape.clone(), data }
    }

    /// The largest absolute value that is finite.
    pub fn scale(&self) -> f64 {
        self.data.iter().map(|x| x.abs()).filter(|x| x.is_finite()).fold(0.0, f64::max)
    }

    /// Several of one shape along a new axis.
    ///
    /// # Panics
    /// If there are none, or the shapes differ.
    pub fn stack(parts: &[Numbers], axis: usize) -> Numbers {
        let part = &parts[0].shape;
        assert!(parts.iter().all(|other| &other.shape == part), "examples differ in shape");
        let inner: usize = part[axis..].iter().product();
        let outer: usize = part[..axis].iter().product();
        let mut data = Vec::with_capacity(outer * parts.len() * inner);
        for row in 0..outer {
            for other in parts {
                data.extend_from_slice(&other.data[row * inner..(row + 1) * inner]);
            }
        }
        let mut shape = part.clone();
        shape.insert(axis, parts.len());
        Numbers { shape, data }
    }

    /// Checks that every element is within `tolerance`, relative to the larger of 1 and the largest element expected.
    ///
    /// # Errors
    /// The worst element.
    pub fn close(&self, expected: &Numbers, tolerance: f64) -> Result<(), String> {
        if self.shape != expected.shape {
            return Err(format!("shape {:?}, expected {:?}", self.shape, expected.shape));
        }
        let allowed = tolerance * expected.scale().max(1.0);
        let mut worst: Option<(usize, f64)> = None;
        for (i, (&found, &expected)) in self.data.iter().zip(&expected.data).enumerate() {
            let same = found == expected || (found.is_nan() && expected.is_nan());
            let error = if same { 0.0 } else { (found - expected).abs() };
            let error = if error.is_nan() { f64::INFINITY } else { error };
            if error > allowed && worst.is_none_or(|(_, other)| error > other) {
                worst = Some((i, error));
            }
        }
        match worst {
            None => Ok(()),
            Some((i, error)) => Err(format!(
                "element {:?} of shape {:?} is {}, expected {} (off by {error:e}, allowed {allowed:e})",
                unravel(i, &self.shape),
                self.shape,
                self.data[i],
                expected.data[i],
            )),
        }
    }
}

/// The indices of a row-major position.
fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut at = vec![0; shape.len()];
    for (at, &size) in at.iter_mut().zip(shape).rev() {
        *at = flat % size;
        flat /= size;
    }
    at
}

/// The sum of the products of all elements.
pub fn inner(x: &[Numbers], y: &[Numbers]) -> f64 {
    x.iter().zip(y).flat_map(|(x, y)| x.data.iter().zip(&y.data)).map(|(x, y)| x * y).sum()
}

/// As [`Numbers::close`], for lists.
///
/// # Errors
/// The worst element of the first entry that differs.
pub fn all_close(found: &[Numbers], expected: &[Numbers], tolerance: f64) -> Result<(), String> {
    if found.len() != expected.len() {
        return Err(format!("{} values, expected {}", found.len(), expected.len()));
    }
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        found.close(expected, tolerance).map_err(|message| format!("value {i}: {message}"))?;
    }
    Ok(())
}

/// Asserts that a tensor has this shape and, up to rounding in its dtype, these values.
///
/// # Panics
/// If not, with the worst element.
#[track_caller]
pub fn assert_close(found: &Tensor, shape: &[usize], expected: &[f64]) {
    let tolerance = match found.dtype() {
        DType::F64 => 1e-12,
        DType::F16 => 2e-3,
        DType::BF16 => 1.6e-2,
        _ => 1e-5,
    };
    let expected = Numbers { shape: shape.to_vec(), data: expected.to_vec() };
    let outcome = Numbers::of(found).map_err(|error| error.to_string());
    if let Err(message) = outcome.and_then(|found| found.close(&expected, tolerance)) {
        panic!("{message}");
    }
}

/// Asserts that two tensors agree up to rounding.
///
/// # Panics
/// If not, with the worst element.
#[track_caller]
pub fn assert_same(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.dtype(), expected.dtype());
    let expected = Numbers::of(expected).unwrap_or_else(|error| panic!("{error}"));
    assert_close(found, &expected.shape, &expected.data);
}

/// Compares two floats of one shape up to rounding in their dtype: 1e-10 in `F64`, 1e-5 in others, of 1 and what is expected.
///
/// # Panics
/// If they differ.
pub fn assert_near(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.shape(), expected.shape());
    let tolerance = if expected.dtype() == DType::F64 { 1e-10 } else { 1e-5 };
    let numbers = |x: &Tensor| x.cast(DType::F64).to_vec::<f64>().unwrap();
    for (a, b) in numbers(found).into_iter().zip(numbers(expected)) {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{a} instead of {b}");
    }
}

/// A strong `F32` scalar.
pub fn scalar(x: f32) -> Tensor {
    Tensor::from_vec([x], [0usize; 0])
}

/// An `F32` vector.
pub fn vector(data: &[f32]) -> Tensor {
    data.into()
}

/// An `F32` tensor.
///
/// # Panics
/// If the data do not fill the shape.
pub fn tensor(shape: &[usize], data: &[f32]) -> Tensor {
    Tensor::from_vec(data, shape)
}

/// An `F64` tensor.
///
/// # Panics
/// If the data do not fill the shape.
pub fn tensor64(shape: &[usize], data: &[f64]) -> Tensor {
    Tensor::from_vec_of(data, shape, DType::F64)
}

/// The product of two matrices, out of a product that broadcasts and a sum.
///
/// # Panics
/// If these are no matrices that fit.
pub fn product(x: &Tensor, y: &Tensor) -> Tensor {
    (x.expand_dims([-1]) * y).sum_axes([1])
}

/// The sum of all elements.
///
/// # Panics
/// If this is a value of a transform that has returned.
pub fn total(x: &Tensor) -> Tensor {
    x.flatten(0).sum_axes([0])
}
