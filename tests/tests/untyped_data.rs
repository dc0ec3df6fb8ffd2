//! Data that come without a dtype are of 32 bits; those that name one keep all their bits.

use flaxen::DType::{BF16, Bool, F32, F64, I32, I64};
use flaxen::prelude::*;
use flaxen::random::{self, Choice};

#[test]
fn f64_data_become_f32_wherever_they_come_in() {
    let list = vec![0.1, 0.2];
    let matrix = ndarray::arr2(&[[0.1, 0.2]]);
    for x in [
        Tensor::from([0.1, 0.2]),
        Tensor::from([[0.1, 0.2]]),
        Tensor::from([[[0.1, 0.2]]]),
        Tensor::from([[[[0.1, 0.2]]]]),
        Tensor::from(&list[..]),
        Tensor::from(&list),
        Tensor::from(list.clone()),
        Tensor::from_vec(&list, [2]),
        Tensor::from(&matrix),
        Tensor::from(matrix.t()),
        Tensor::from(0.1),
        Tensor::full([2], 0.1),
        Tensor::arange(0.0, 1.0, 0.5),
        Tensor::linspace(0.0, 1.0, 3),
        random::from_fn(&key(0), [2], |_| 0.1),
        Tensor::zeros([2]).maximum(list.clone()),
        Choice::of(&list[..], 0).sample(&key(0), [1]),
    ] {
        assert_eq!((x.dtype(), x.aval().weak), (F32, false));
    }
    assert_eq!(Tensor::from([0.1]).to_vec::<f32>(), Ok(vec![0.1f32]));
    assert_eq!(Tensor::from([1e300, f64::NAN]).to_vec::<f32>().unwrap()[0], f32::INFINITY);
}

#[test]
fn i64_data_become_i32_or_are_refused() {
    for x in [
        Tensor::from([1i64, 2]),
        Tensor::from_vec(vec![1i64, 2], [2]),
        Tensor::from(1i64),
        Tensor::full([1], 2i64),
    ] {
        assert_eq!(x.dtype(), I32);
    }
    assert_eq!(Tensor::arange(0i64, 10, 3).to_vec::<i32>(), Ok(vec![0, 3, 6, 9]));
    assert_eq!(Tensor::from([i64::from(i32::MIN)]).to_vec::<i32>(), Ok(vec![i32::MIN]));
    let large = i64::from(i32::MAX) + 1;
    let error = Tensor::try_from_vec([0, large], [2]).unwrap_err().to_string();
    assert!(error.contains("2147483648") && error.contains("Tensor::of(data, DType::I64)"), "{error}");
    assert!(Tensor::try_arange(0, large, large - 1).is_ok());
    assert!(Tensor::try_arange(0, large + 1, large).is_err());
    assert!(Tensor::zeros_of([1], I32).try_add([large]).is_err());
    assert!(random::try_from_fn(&key(0), [1], |_| large).is_err());
    assert!(std::panic::catch_unwind(|| Tensor::from([i64::MAX])).is_err());
    assert!(std::panic::catch_unwind(|| Tensor::full([2], i64::MAX)).is_err());
}

#[test]
fn a_named_dtype_keeps_all_bits() {
    let third = 1.0 / 3.0;
    for x in [
        Tensor::of([third], F64),
        Tensor::of(third, F64),
        Tensor::of(vec![third], F64),
        Tensor::of(ndarray::arr1(&[third]), F64),
        Tensor::from_vec_of([third], [1], F64),
        Tensor::full_of([], third, F64),
        Tensor::arange_of(third, 1.0, 1.0, F64),
        Tensor::linspace_of(third, 1.0, 1, F64),
        random::from_fn_of(&key(0), [1], F64, |_| third),
        Tensor::zeros_of([1], F64).maximum(third),
        Tensor::zeros_of([1], F64) + third,
    ] {
        assert_eq!(x.item::<f64>(), Ok(third));
    }
    for x in [
        Tensor::of([i64::MAX], I64),
        Tensor::full_of([1], i64::MAX, I64),
        Tensor::arange_of(i64::MAX - 1, i64::MAX, 1, I64) + 1,
    ] {
        assert_eq!(x.item::<i64>(), Ok(i64::MAX));
    }
    assert_eq!(Tensor::of([1.7, -1.7], I32).to_vec::<i32>(), Ok(vec![1, -1]));
    assert_eq!(Tensor::of(Tensor::from([1, 0]), Bool).to_vec::<bool>(), Ok(vec![true, false]));
    assert_eq!(Tensor::of([0.1], BF16).dtype(), BF16);
}

/// `len(jnp.arange(1.0, 1.3, 0.1))` is 4: JAX counts in the precision of the arguments.
#[test]
fn a_range_of_f64_is_counted_in_f64() {
    assert_eq!(Tensor::arange(1.0, 1.3, 0.1).to_vec::<f32>(), Ok(vec![1.0, 1.1, 1.2, 1.0 + 0.1 * 3.0]));
    assert_eq!(Tensor::arange(1.0f32, 1.3, 0.1).shape(), [3]);
}

#[test]
fn numbers_come_out_as_their_type_or_a_wider_one_of_the_kind() {
    let x = Tensor::from([0.1f32, 0.2]);
    assert_eq!(x.to_vec::<f64>(), Ok(vec![f64::from(0.1f32), f64::from(0.2f32)]));
    assert_eq!(x.to_ndarray::<f64>().unwrap()[1], f64::from(0.2f32));
    assert_eq!(x.cast(BF16).sum().item::<f32>(), x.cast(BF16).sum().cast(F32).item::<f32>());
    assert_eq!(Tensor::from([7u8]).item::<i64>(), Ok(7));
    assert_eq!(Tensor::from([u32::MAX]).item::<i64>(), Ok(i64::from(u32::MAX)));
    let wrong = |asked: Result<()>| matches!(asked, Err(Error::ElementType { .. }));
    assert!(wrong(Tensor::of([0.1], F64).to_vec::<f32>().map(drop)));
    assert!(wrong(Tensor::from([1]).to_vec::<f32>().map(drop)));
    assert!(wrong(Tensor::from([1]).to_vec::<u32>().map(drop)));
    assert!(wrong(Tensor::from([true]).to_vec::<i32>().map(drop)));
    assert!(wrong(x.view::<f64>().map(drop)));
}

/// Every layer with parameters of its own beside an input.
#[test]
fn a_layer_does_not_compute_in_f64_because_its_input_is() {
    fn refuses(layer: &impl Layer, shape: &[usize]) {
        let x = Tensor::ones_of(shape, F64);
        let error = layer.init(key(0)).call(&x).unwrap_err().to_string();
        assert!(error.contains("float64") && error.contains("param_dtype"), "{error}");
        let variables = layer.init(key(0)).call(&x.cast(F32)).unwrap();
        assert!(layer.apply(&variables).call(&x).is_err());
    }
    refuses(&Dense::new(2), &[1, 3]);
    refuses(&nn::DenseGeneral::new(2), &[1, 3]);
    refuses(&nn::Einsum::new([3, 2]).einsum_str("ab,bc->ac"), &[1, 3]);
    refuses(&Conv::new(2, [2]), &[1, 4, 3]);
    refuses(&nn::ConvTranspose::new(2, [2]), &[1, 4, 3]);
    refuses(&nn::ConvLocal::new(2, [2]), &[1, 4, 3]);
    refuses(&LayerNorm::new(), &[2, 3]);
    refuses(&nn::RMSNorm::new(), &[2, 3]);
    refuses(&nn::GroupNorm::new().num_groups(1), &[2, 3]);

    let x = Tensor::ones_of([1, 3], F64);
    let wide = Dense::new(2).param_dtype(F64).init_with_output(key(0)).call(&x).unwrap().0;
    let asked = Dense::new(2).dtype(F64).init_with_output(key(0)).call(&x).unwrap().0;
    let narrow = Dense::new(2).dtype(F32).init_with_output(key(0)).call(&x).unwrap().0;
    assert_eq!([wide.dtype(), asked.dtype(), narrow.dtype()], [F64, F64, F32]);
}
