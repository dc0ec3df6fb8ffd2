//! The switch for 64 bits. It is for the whole process, so that these tests have one of their own.

use flaxen::DType::{F32, F64, I32, I64};
use flaxen::prelude::*;

fn found(x: &Tensor) -> (DType, bool) {
    (x.dtype(), x.aval().weak)
}

/// The dtypes of JAX under `jax_enable_x64`.
#[test]
fn untyped_data_keep_64_bits() {
    flaxen::enable_f64();
    assert_eq!(found(&Tensor::from([0.1, 0.2])), (F64, false));
    assert_eq!(found(&Tensor::from(0.1)), (F64, false));
    assert_eq!(found(&Tensor::full([2], 0.1)), (F64, false));
    assert_eq!(found(&Tensor::arange(0.0, 1.0, 0.5)), (F64, false));
    assert_eq!(found(&Tensor::linspace(0.0, 1.0, 3)), (F64, false));
    assert_eq!(Tensor::from([i64::MAX]).to_vec::<i64>(), Ok(vec![i64::MAX]));
    // What says its type has it.
    assert_eq!(found(&Tensor::from([0.1f32])), (F32, false));
    assert_eq!(found(&Tensor::from([1, 2])), (I32, false));
    assert_eq!(found(&Tensor::zeros([2])), (F32, false));

    assert_eq!(found(&(Tensor::from([1, 2]) * 0.5)), (F64, true));
    assert_eq!(found(&Tensor::from([1, 2]).maximum(0.5)), (F64, true));
    assert_eq!(found(&(Tensor::from([true]) + 1)), (I64, true));
    assert_eq!(found(&Tensor::from([true]).select(1.0, 0.0)), (F64, true));
    assert_eq!(found(&(Tensor::from([0.1f32]) * 0.5)), (F32, false));

    // A layer computes in the dtype of the mixture, as in Flax.
    let y = Dense::new(2).init_with_output(key(0)).call(&Tensor::from([[0.1, 0.2]])).unwrap().0;
    assert_eq!(y.dtype(), F64);
}
