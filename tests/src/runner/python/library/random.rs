//! `jax.random`.

use flaxen::prelude::*;

use crate::runner::python::reader::Reader;
use crate::runner::python::value::Py;

/// Calls a function of keys; None if it is unknown.
///
/// # Errors
/// If an argument does not fit.
pub fn call(name: &str, reader: &mut Reader<'_>) -> Result<Option<Py>> {
    if matches!(name, "key" | "PRNGKey") {
        let seed = reader.required::<usize>(0, "seed")?;
        return Ok(Some(Py::Key(random::key(seed as u64))));
    }
    let key = reader.key(0, "key")?;
    let shape = |reader: &mut Reader<'_>, position: usize| -> Result<Vec<usize>> {
        Ok(reader.some_sizes(position, "shape")?.unwrap_or_default())
    };
    let dtype = |reader: &mut Reader<'_>, position: usize| -> Result<DType> {
        Ok(reader.get(position, "dtype")?.unwrap_or(DType::F32))
    };
    Ok(Some(match name {
        "split" => Py::Key(key.try_split_n(reader.get(1, "num")?.unwrap_or(2))?),
        "fold_in" => Py::Key(key.try_fold_in(reader.tensor(1, "data")?)?),
        "normal" => Py::Tensor(random::try_normal_of(&key, shape(reader, 1)?, dtype(reader, 2)?)?),
        "uniform" => {
            let (shape, dtype) = (shape(reader, 1)?, dtype(reader, 2)?);
            match (reader.some(3, "minval"), reader.some(4, "maxval")) {
                (None, None) => Py::Tensor(random::try_uniform_of(&key, shape, dtype)?),
                (low, high) => {
                    let low = low.map_or(Ok(Tensor::from(0.0f32)), |low| low.tensor())?;
                    let high = high.map_or(Ok(Tensor::from(1.0f32)), |high| high.tensor())?;
                    Py::Tensor(random::try_uniform_in(
                        &key,
                        shape,
                        low.try_cast(dtype)?,
                        high.try_cast(dtype)?,
                    )?)
                }
            }
        }
        "gumbel" => Py::Tensor(random::try_gumbel_of(&key, shape(reader, 1)?, dtype(reader, 2)?)?),
        "exponential" => Py::Tensor(random::try_exponential_of(&key, shape(reader, 1)?, dtype(reader, 2)?)?),
        "bernoulli" => {
            let p = reader.some(1, "p").map_or(Ok(Tensor::from(0.5f32)), |p| p.tensor())?;
            let shape = reader.some_sizes(2, "shape")?.unwrap_or_else(|| p.shape().to_vec());
            Py::Tensor(random::try_bernoulli(&key, &p, shape)?)
        }
        "randint" => {
            let shape = shape(reader, 1)?;
            let (low, high) = (reader.tensor(2, "minval")?, reader.tensor(3, "maxval")?);
            Py::Tensor(random::try_randint(&key, shape, &low, &high)?)
        }
        "categorical" => {
            let logits = reader.tensor(1, "logits")?;
            let axis = reader.get::<isize>(2, "axis")?.unwrap_or(-1);
            Py::Tensor(random::try_categorical(&key, &logits, axis)?)
        }
        "permutation" => match reader.value(1, "x")? {
            Py::Whole(n) => Py::Tensor(random::try_permutation(&key, n as usize)?),
            x => Py::Tensor(random::try_permute(
                &key,
                x.tensor()?,
                reader.get::<isize>(2, "axis")?.unwrap_or(0),
            )?),
        },
        _ => return Ok(None),
    }))
}
