//! What layers do beyond the golden cases.

use flaxen::nn::{ConvTranspose, Embed, batch_apply, merge_param};
use flaxen::prelude::*;

#[test]
fn batch_apply_passes_on_what_has_too_few_axes() -> Result<()> {
    let args = (Tensor::ones([2, 3, 4]), Tensor::ones([4]));
    let (sums, count) = batch_apply(2, args, |(a, b): (Tensor, Tensor)| {
        assert_eq!((a.shape(), b.shape()), (&[6, 4][..], &[4][..]));
        Ok((a.dot(&b), a))
    })?;
    assert_eq!((sums.shape(), count.shape()), (&[2, 3][..], &[2, 3, 4][..]));
    Ok(())
}

#[test]
fn ids_outside_of_the_table_give_nan_and_negative_ones_count_from_its_end() -> Result<()> {
    let embed = Embed::new(3, 2);
    let variables = embed.init(key(0)).call(&Tensor::from([0]))?;
    let table = variables.tensor("params/embedding")?;
    let found = embed.apply(&variables).call(&Tensor::from([-1, 3, -4]))?;
    assert_eq!(found.get(0).to_vec::<f32>()?, table.get(2).to_vec::<f32>()?);
    assert!(found.get(1).to_vec::<f32>()?.iter().all(|x| x.is_nan()));
    assert!(found.get(2).to_vec::<f32>()?.iter().all(|x| x.is_nan()));
    Ok(())
}

#[test]
fn the_table_of_a_bound_embedding_can_be_read() -> Result<()> {
    let embed = Embed::new(3, 2);
    let variables = embed.init(key(0)).call(&Tensor::from([0]))?;
    let bound = embed.bind(&variables).module()?;
    assert_eq!(bound.embedding.shape(), [3, 2]);
    Ok(())
}

#[test]
fn a_transposed_convolution_with_the_kernel_transposed_is_the_gradient_of_the_convolution() -> Result<()> {
    let (x, y) = (random::normal(&key(1), [1, 6, 2]), random::normal(&key(2), [1, 3, 3]));
    let conv = Conv::new(3, [3]).strides(2).use_bias(false);
    let variables = conv.init(key(0)).call(&x)?;
    let (_, pullback) = vjp(|x: &Tensor| conv.apply(&variables).call(x), &x)?;
    let transposed = ConvTranspose::new(2, [3]).strides(2).use_bias(false).transpose_kernel(true);
    let found = transposed.apply(&variables).call(&y)?;
    // `Same` pads the convolution by (0, 1), the transposed one by (2, 1): the gradient's (2, 1), too.
    assert!(found.all_close(pullback(&y)?, 1e-5, 1e-5)?);
    Ok(())
}

#[test]
fn causal_convolutions_do_not_see_the_future() -> Result<()> {
    let conv = Conv::new(2, [3]).padding("CAUSAL");
    let x = random::normal(&key(1), [1, 6, 2]);
    let variables = conv.init(key(0)).call(&x)?;
    let run = |x: &Tensor| conv.apply(&variables).call(x);
    let later = x.dynamic_update_axis(1, 4, Tensor::zeros([1, 2, 2]));
    let (before, after) = (run(&x)?, run(&later)?);
    assert_eq!(before.slice_axis(1, 0..4).to_vec::<f32>()?, after.slice_axis(1, 0..4).to_vec::<f32>()?);
    Ok(())
}

#[test]
fn dropout_keeps_the_mean_and_shares_draws_along_broadcast_dims() -> Result<()> {
    let dropout = Dropout::new(0.25).broadcast_dims(1);
    let x = Tensor::ones([4000, 3]);
    let rngs = || Rngs::none().with("dropout", key(3));
    let y = dropout.apply(Variables::new()).rngs(rngs()).run(|m| m.call(&x, true))?;
    assert!((y.mean().item::<f32>()? - 1.0).abs() < 0.03);
    assert_eq!(y.index_axis(1, 0).to_vec::<f32>()?, y.index_axis(1, 2).to_vec::<f32>()?);
    let other = dropout.apply(Variables::new()).run(|m| m.call_with_key(&x, &key(4)))?;
    assert_ne!(y.to_vec::<f32>()?, other.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn nothing_is_left_at_rate_one_and_its_gradient_is_no_nan() -> Result<()> {
    let dropout = Dropout::new(1.0);
    let loss = |x: &Tensor| Ok(dropout.apply(Variables::new()).run(|m| m.call(x, true))?.sum());
    assert_eq!(grad(loss)(&Tensor::ones([2]))?.to_vec::<f32>()?, [0.0, 0.0]);
    Ok(())
}

#[test]
fn initializers_with_metadata_keep_it() -> Result<()> {
    use flaxen::nn::DenseGeneral;
    use flaxen::variables::Partitioned;
    let init = init::lecun_normal().boxed(Partitioned::new(["in", "out"]));
    let layer = DenseGeneral::new([2, 3]).kernel_init(init);
    let variables = layer.init(key(0)).call(&Tensor::ones([1, 4]))?;
    assert!(matches!(variables.at("params/kernel")?, Value::Boxed(_)));
    assert_eq!(variables.tensor("params/kernel")?.shape(), [4, 2, 3]);
    assert_eq!(layer.apply(&variables).call(&Tensor::ones([1, 4]))?.shape(), [1, 2, 3]);
    Ok(())
}

#[test]
fn an_option_is_given_in_one_place() {
    assert_eq!(merge_param("x", Some(1), None).ok(), Some(1));
    assert_eq!(merge_param("x", None, Some(2)).ok(), Some(2));
    assert!(merge_param("x", Some(1), Some(1)).is_err());
    assert!(merge_param::<i32>("x", None, None).is_err());
}

#[test]
fn a_dict_passes_from_layer_to_layer_by_its_names() -> Result<()> {
    let model =
        sequential![|x: &Tensor| Dict::new().with("a", x + 1.0).with("b", x * 2.0), |named: Dict| named
            .tensor("b")?
            .try_sub(named.tensor("a")?),];
    let y = model.apply(Variables::new()).call(&Tensor::from(3.0f32))?;
    assert_eq!(y.item::<f32>()?, 2.0);
    let pair: (Tensor, Tensor) = sequential![|(a, b): (Tensor, Tensor)| (b, a)]
        .apply(Variables::new())
        .run(|m| m.call_tree(&(Tensor::from(1.0f32), Tensor::from(2.0f32))))?;
    assert_eq!((pair.0.item::<f32>()?, pair.1.item::<f32>()?), (2.0, 1.0));
    Ok(())
}

/// As in Flax, whose table of one vector is not looked into.
#[test]
fn a_table_of_one_vector_gives_it_for_every_id() {
    let (embed, ids) = (flaxen::nn::Embed::new(1, 3), Tensor::from([0i32, 5, -3]));
    let (y, variables) = embed.init_with_output(key(0)).call(&ids).unwrap();
    let row = variables.tensor("params/embedding").unwrap().to_vec::<f32>().unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap(), [row.clone(), row.clone(), row].concat());
    let beyond = flaxen::nn::Embed::new(4, 2)
        .init_with_output(key(0))
        .call(&Tensor::from([0i32, 4, -1, -5]))
        .unwrap()
        .0;
    let nan = beyond.is_nan().to_vec::<bool>().unwrap();
    assert_eq!(nan, [false, false, true, true, false, false, true, true]);
}
