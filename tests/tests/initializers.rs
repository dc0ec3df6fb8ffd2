//! The crate's initializers beyond the golden cases.

use flaxen::init::{self, VarianceScaling};
use flaxen::prelude::*;

#[test]
fn parameters_are_drawn_in_their_own_dtype() -> Result<()> {
    for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
        for initializer in [
            init::lecun_normal(),
            init::he_uniform(),
            init::normal(0.1),
            init::uniform(0.1),
            init::truncated_normal(0.1, -1.0, 1.0),
            init::constant(0.1),
            init::orthogonal(1.0, -1),
            init::zeros(),
        ] {
            let value = initializer.tensor(&key(0), &[4, 3], dtype)?;
            assert_eq!((value.shape(), value.dtype()), (&[4, 3][..], dtype), "{initializer:?}");
        }
    }
    Ok(())
}

#[test]
fn any_distribution_of_rand_is_an_initializer() -> Result<()> {
    use ndarray_rand::rand_distr::{Exp, Uniform};
    let exponential = init::from_distribution(Exp::new(2.0f32).expect("a rate"));
    let value = exponential.tensor(&key(3), &[1000], DType::F32)?;
    assert!((value.mean().item::<f32>()? - 0.5).abs() < 0.05);
    assert_eq!(value.to_vec::<f32>()?, exponential.tensor(&key(3), &[1000], DType::F32)?.to_vec::<f32>()?);
    let uniform = init::from_distribution(Uniform::new(-1.0f64, 1.0).expect("bounds"));
    assert_eq!(uniform.tensor(&key(0), &[2, 2], DType::F64)?.dtype(), DType::F64);
    Ok(())
}

#[test]
fn shapes_without_inputs_and_outputs_are_refused() {
    let refused = |initializer: Initializer, shape: &[usize], text: &str| {
        let error = initializer.tensor(&key(0), shape, DType::F32).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    refused(init::lecun_normal(), &[3], "at least two axes");
    refused(VarianceScaling::lecun_normal().in_axis(2).into(), &[3, 2], "axis 2");
    refused(init::orthogonal(1.0, -1), &[3], "at least two axes");
    refused(init::delta_orthogonal(1.0, -1), &[3, 3], "one to three spatial axes");
    refused(init::delta_orthogonal(1.0, -1), &[3, 4, 2], "no more inputs than outputs, found 4 and 2");
}
