//! What holds for all layers: compiled, batched and in other dtypes they are the same functions.

use flaxen::module::BoxedLayer;
use flaxen::nn::{
    ConvLocal, ConvTranspose, DenseGeneral, Einsum, Embed, GroupNorm, InstanceNorm,
    MultiHeadDotProductAttention, PReLU, RMSNorm, WeightNorm,
};
use flaxen::prelude::*;

/// A layer for inputs of a shape whose first axis is that of examples.
struct Case {
    layer: BoxedLayer,
    shape: Vec<usize>,
    /// Whether examples know nothing of each other.
    per_example: bool,
}

fn case<L: Layer>(layer: L, shape: &[usize]) -> Case {
    Case { layer: flaxen::module::IntoLayer::into_layer(layer), shape: shape.into(), per_example: true }
}

fn layers() -> Vec<Case> {
    vec![
        case(Dense::new(3), &[4, 5]),
        case(DenseGeneral::new([2, 3]).axis([-1, 1]), &[4, 2, 3, 2]),
        case(Einsum::new([5, 2, 3]).einsum_str("...d,dhk->...hk"), &[4, 2, 5]),
        case(Conv::new(3, [3, 2]).strides([1, 2]), &[4, 5, 4, 2]),
        case(Conv::new(4, [3]).padding("CIRCULAR").feature_group_count(2), &[4, 5, 2]),
        case(Conv::new(3, [2]).padding("CAUSAL").kernel_dilation(2), &[4, 6, 2]),
        case(ConvTranspose::new(3, [3, 3]).strides([2, 2]), &[4, 3, 2, 2]),
        case(ConvTranspose::new(2, [3]).strides(2).padding("CIRCULAR"), &[4, 3, 2]),
        case(ConvLocal::new(3, [2]), &[4, 5, 2]),
        case(LayerNorm::new(), &[4, 5]),
        case(RMSNorm::new(), &[4, 5]),
        case(GroupNorm::new().num_groups(2).reduction_axes(flaxen::nn::AxisList::from(-1)), &[4, 3, 6]),
        case(InstanceNorm::new(), &[4, 5, 3]),
        case(PReLU::new(), &[4, 3]),
        case(WeightNorm::new(Dense::new(3)), &[4, 5]),
        case(MultiHeadDotProductAttention::new(2).normalize_qk(true), &[4, 3, 6]),
        case(sequential![Dense::new(4), Tensor::relu, LayerNorm::new(), Dense::new(2)], &[4, 5]),
        Case { per_example: false, ..case(BatchNorm::new().use_running_average(false), &[4, 3]) },
        Case { per_example: false, ..case(Dropout::new(0.5).deterministic(false), &[4, 3]) },
    ]
}

fn input(shape: &[usize]) -> Tensor {
    random::normal(&key(7), shape)
}

fn streams() -> Rngs {
    Rngs::new(key(0)).with("dropout", key(1))
}

fn output(layer: &BoxedLayer, variables: &Variables, x: &Tensor) -> Result<Tensor> {
    Ok(layer.apply(variables).rngs(streams()).mutable("batch_stats").call(x)?.0)
}

fn assert_close(layer: &BoxedLayer, found: &Tensor, expected: &Tensor) {
    assert_eq!(found.shape(), expected.shape(), "{layer:?}");
    assert!(found.all_close(expected, 1e-5, 1e-5).expect("values"), "{layer:?}: {found} for {expected}");
}

#[test]
fn a_compiled_layer_is_the_same_function() -> Result<()> {
    for Case { layer, shape, .. } in layers() {
        let x = input(&shape);
        let variables = layer.init(streams()).call(&x)?;
        let compiled = jit(|(variables, x): (Variables, Tensor)| output(&layer, &variables, &x));
        let found = compiled.call((variables.clone(), x.clone()))?;
        assert_close(&layer, &found, &output(&layer, &variables, &x)?);
    }
    Ok(())
}

#[test]
fn initial_values_do_not_depend_on_compilation() -> Result<()> {
    for Case { layer, shape, .. } in layers() {
        let x = input(&shape);
        let compiled = jit(|x: Tensor| layer.init(streams()).call(&x));
        let (found, expected) = (compiled.call(x.clone())?, layer.init(streams()).call(&x)?);
        let (found, expected) = (tree::leaves(&found), tree::leaves(&expected));
        assert_eq!(found.len(), expected.len(), "{layer:?}");
        for (found, expected) in found.into_iter().zip(expected) {
            assert_close(&layer, found, expected);
        }
    }
    Ok(())
}

#[test]
fn a_layer_of_each_example_is_the_layer_of_the_batch() -> Result<()> {
    for Case { layer, shape, .. } in layers().into_iter().filter(|case| case.per_example) {
        // Normalisations take the first axis of what they see as the batch's.
        let x = input(&[&[2], &shape[..]].concat());
        let variables = layer.init(streams()).call(&x.get(0))?;
        let found = vmap(|x: Tensor| output(&layer, &variables, &x)).call(x.clone())?;
        let expected = Tensor::stack(
            &[output(&layer, &variables, &x.get(0))?, output(&layer, &variables, &x.get(1))?],
            0,
        );
        assert_close(&layer, &found, &expected);
    }
    Ok(())
}

#[test]
fn dtype_is_that_of_the_computation_and_param_dtype_that_of_parameters() -> Result<()> {
    macro_rules! check {
        ($($layer:expr, $shape:expr;)*) => {$(
            for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
                let x = input(&$shape);
                let layer = $layer.dtype(dtype);
                let (y, variables) = layer.init_with_output(key(0)).call(&x)?;
                assert_eq!(y.dtype(), dtype, "{layer:?}");
                assert!(tree::leaves(&variables).iter().all(|leaf| leaf.dtype() == DType::F32), "{layer:?}");
                let layer = $layer.param_dtype(dtype);
                let (y, variables) = layer.init_with_output(key(0)).call(&x)?;
                assert_eq!(y.dtype(), DType::F32.promote(dtype), "{layer:?}");
                assert!(tree::leaves(variables.dict("params")?).iter().all(|leaf| leaf.dtype() == dtype), "{layer:?}");
                // Halves in, halves through, as no `F32` is in it.
                let (y, _) = layer.init_with_output(key(0)).call(&x.cast(dtype))?;
                assert_eq!(y.dtype(), dtype, "{layer:?}");
            }
        )*};
    }
    check! {
        Dense::new(3), [2, 4];
        DenseGeneral::new([3, 2]), [2, 4];
        Einsum::new([4, 3]).einsum_str("ab,bc->ac"), [2, 4];
        Conv::new(3, [2]), [2, 4, 2];
        ConvTranspose::new(3, [2]), [2, 4, 2];
        ConvLocal::new(3, [2]), [2, 4, 2];
        LayerNorm::new(), [2, 4];
        RMSNorm::new(), [2, 4];
        GroupNorm::new().num_groups(2), [2, 4];
        InstanceNorm::new(), [2, 3, 4];
        BatchNorm::new().use_running_average(false), [2, 4];
        MultiHeadDotProductAttention::new(2), [2, 3, 4];
        MultiHeadDotProductAttention::new(2).normalize_qk(true), [2, 3, 4];
    }
    for dtype in [DType::F16, DType::BF16, DType::F64] {
        let ids = Tensor::from([0, 2]);
        let embed = Embed::new(3, 2).dtype(dtype);
        assert_eq!(embed.init_with_output(key(0)).call(&ids)?.0.dtype(), dtype);
        let embed = Embed::new(3, 2).param_dtype(dtype);
        assert_eq!(embed.init_with_output(key(0)).call(&ids)?.0.dtype(), dtype);
    }
    Ok(())
}

#[test]
fn integers_are_computed_with_as_floats() -> Result<()> {
    let x = Tensor::from([[1, 2, 3, 4]]);
    for layer in [
        sequential![Dense::new(3)],
        sequential![LayerNorm::new()],
        sequential![Einsum::new([4, 3]).einsum_str("ab,bc->ac")],
        sequential![BatchNorm::new().use_running_average(false)],
    ] {
        assert_eq!(layer.init_with_output(key(0)).call(&x)?.0.dtype(), DType::F32, "{layer:?}");
    }
    Ok(())
}

#[test]
fn equal_layers_are_equal_and_say_what_they_are() {
    let conv = || Conv::new(4, [3, 3]).mask(Tensor::ones([3, 3, 1, 4])).padding("VALID");
    assert_eq!(conv(), conv());
    assert_ne!(conv(), conv().mask(Tensor::zeros([3, 3, 1, 4])));
    assert_ne!(conv(), conv().padding([(1, 1), (0, 0)]));
    assert!(format!("{:?}", conv()).contains("kernel_size: Sizes([3, 3])"), "{:?}", conv());
}
