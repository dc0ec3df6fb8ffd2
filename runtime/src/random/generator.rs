//! A key as a generator of the `rand` ecosystem, for the distributions that are not here.

use rand_core::RngCore;

use super::Key;
use crate::array::{Aval, DType, Element, memory};
use crate::core::Tensor;
use crate::error::Result;
use crate::error::unwrap;
use crate::kernels::threefry;

/// A stream of random bits from a key, which `rand` and its like can draw from: Threefry in counter mode.
///
/// The bits are those of other samples from the same key in another order, so the key should have no other use.
///
/// ```
/// use flaxen::random::{self, Generator};
/// use ndarray_rand::rand::Rng;
///
/// let mut generator = Generator::new(&random::key(0))?;
/// let die: u8 = generator.random_range(1..=6);
/// assert!((1..=6).contains(&die));
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Generator {
    key: [u32; 2],
    counter: u64,
    /// The second word of a block whose first was taken.
    rest: Option<u32>,
}

impl Generator {
    /// The stream of a key.
    ///
    /// # Errors
    /// If this is an array of keys, or a key under `jit` or `vmap`, whose values are not known yet.
    pub fn new(key: &Key) -> Result<Generator> {
        let words = key.single("generator")?.to_vec::<u32>()?;
        Ok(Generator { key: [words[0], words[1]], counter: 0, rest: None })
    }
}

impl RngCore for Generator {
    fn next_u32(&mut self) -> u32 {
        if let Some(word) = self.rest.take() {
            return word;
        }
        let [word, rest] = threefry::block(self.key, [(self.counter >> 32) as u32, self.counter as u32]);
        self.counter = self.counter.wrapping_add(1);
        self.rest = Some(rest);
        word
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_u32(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        rand_core::impls::fill_bytes_via_next(self, bytes);
    }
}

/// A tensor of numbers that a function draws one after another, row-major; `f64` becomes `F32`, as [Numbers](crate#numbers)
/// says.
///
/// Any distribution of the `rand` ecosystem can fill a tensor so. The values are drawn at once: under `jit` they are a
/// constant of the compiled function.
///
/// ```
/// use flaxen::random;
/// use ndarray_rand::rand_distr::{Beta, Distribution};
///
/// let beta = Beta::new(2.0f32, 5.0).unwrap();
/// let x = random::from_fn(&random::key(0), [3, 4], |generator| beta.sample(generator));
/// assert_eq!(x.shape(), [3, 4]);
/// ```
///
/// # Panics
/// Where [`try_from_fn`] returns an error.
#[track_caller]
pub fn from_fn<T: Element>(
    key: &Key,
    shape: impl AsRef<[usize]>,
    draw: impl FnMut(&mut Generator) -> T,
) -> Tensor {
    unwrap(try_from_fn(key, shape, draw))
}

/// As [`from_fn`].
///
/// # Errors
/// As [`Generator::new`]; if the size overflows the address space.
#[track_caller]
pub fn try_from_fn<T: Element>(
    key: &Key,
    shape: impl AsRef<[usize]>,
    draw: impl FnMut(&mut Generator) -> T,
) -> Result<Tensor> {
    Tensor::try_from_vec(draw_all(key, shape.as_ref(), draw)?, shape)
}

/// As [`from_fn`], of a dtype.
///
/// # Panics
/// Where [`try_from_fn_of`] returns an error.
#[track_caller]
pub fn from_fn_of<T: Element>(
    key: &Key,
    shape: impl AsRef<[usize]>,
    dtype: DType,
    draw: impl FnMut(&mut Generator) -> T,
) -> Tensor {
    unwrap(try_from_fn_of(key, shape, dtype, draw))
}

/// As [`from_fn_of`].
///
/// # Errors
/// As [`Generator::new`]; if the size overflows the address space.
#[track_caller]
pub fn try_from_fn_of<T: Element>(
    key: &Key,
    shape: impl AsRef<[usize]>,
    dtype: DType,
    draw: impl FnMut(&mut Generator) -> T,
) -> Result<Tensor> {
    Tensor::try_from_vec_of(draw_all(key, shape.as_ref(), draw)?, shape, dtype)
}

#[track_caller]
fn draw_all<T: Element>(
    key: &Key,
    shape: &[usize],
    mut draw: impl FnMut(&mut Generator) -> T,
) -> Result<Vec<T>> {
    let mut generator = Generator::new(key)?;
    let aval = crate::ops::addressable("from_fn", Aval::unchecked(shape, T::DTYPE))?;
    let room = || Ok(memory::with_capacity(aval.size()));
    let mut numbers = memory::or_error("from_fn", || aval.to_string(), room)?;
    numbers.extend((0..aval.size()).map(|_| draw(&mut generator)));
    Ok(numbers)
}
