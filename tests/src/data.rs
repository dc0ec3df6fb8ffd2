//! Arguments for tests: pseudo-random, and the same on every run.

use flaxen::{DType, Tensor};

/// A stream of pseudo-random numbers: a 64-bit linear congruential generator, of which the high bits are used.
#[derive(Clone, Debug)]
pub struct Data(u64);

impl Data {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Data {
        let mut data = Data(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d);
        data.bits();
        data.bits();
        data
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 32) as u32
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        f64::from(self.bits()) / 4294967296.0
    }

    /// A number in `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f64) as usize
    }

    /// One of the items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Numbers in `low..high`.
    pub fn list(&mut self, count: usize, low: f64, high: f64) -> Vec<f64> {
        (0..count).map(|_| low + (high - low) * self.unit()).collect()
    }

    /// `F64` values in `low..high`.
    pub fn floats(&mut self, shape: impl AsRef<[usize]>, low: f64, high: f64) -> Tensor {
        let shape = shape.as_ref();
        Tensor::from_vec_of(self.list(shape.iter().product(), low, high), shape, DType::F64)
    }

    /// `F64` values in `low..high` that are far apart, in random order: for functions with kinks where two are equal.
    pub fn distinct(&mut self, shape: impl AsRef<[usize]>, low: f64, high: f64) -> Tensor {
        let shape = shape.as_ref();
        let count: usize = shape.iter().product();
        let step = (high - low) / count.max(1) as f64;
        let mut list: Vec<f64> =
            (0..count).map(|i| low + step * (i as f64 + 0.25 + 0.5 * self.unit())).collect();
        for i in (1..count).rev() {
            let other = self.below(i + 1);
            list.swap(i, other);
        }
        Tensor::from_vec_of(list, shape, DType::F64)
    }

    /// `F64` values with an absolute value in `low..high` and either sign: for functions with a kink or pole at 0.
    pub fn away_from_zero(&mut self, shape: impl AsRef<[usize]>, low: f64, high: f64) -> Tensor {
        let shape = shape.as_ref();
        let mut list = self.list(shape.iter().product(), low, high);
        for x in &mut list {
            if self.bits() & 1 == 1 {
                *x = -*x;
            }
        }
        Tensor::from_vec_of(list, shape, DType::F64)
    }

    /// Integers in `low..high` of a dtype.
    pub fn integers(&mut self, shape: impl AsRef<[usize]>, dtype: DType, low: i64, high: i64) -> Tensor {
        let shape = shape.as_ref();
        let list = self.list(shape.iter().product(), low as f64, high as f64);
        let list: Vec<i64> = list.into_iter().map(|x| x.floor() as i64).collect();
        Tensor::from_vec_of(list, shape, dtype)
    }

    /// Booleans.
    pub fn booleans(&mut self, shape: impl AsRef<[usize]>) -> Tensor {
        let shape = shape.as_ref();
        let list: Vec<bool> = (0..shape.iter().product::<usize>()).map(|_| self.bits() & 1 == 1).collect();
        Tensor::from_vec(list, shape)
    }
}
