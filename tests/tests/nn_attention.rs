//! Attention as functions against real Flax, and what its modules do beside that.

use flaxen::nn::{
    Attend, AttentionFn, DotProductAttention, MultiHeadAttention, MultiHeadDotProductAttention,
    SelfAttention, combine_masks, dot_product_attention_weights, make_causal_mask,
};
use flaxen::prelude::*;

#[test]
fn no_masks_combine_to_none() -> Result<()> {
    assert!(combine_masks([None, None])?.is_none());
    Ok(())
}

#[test]
fn a_query_that_sees_no_key_weighs_all_alike() -> Result<()> {
    let (q, k) = (random::normal(&key(0), [1, 1, 1, 4]), random::normal(&key(1), [1, 5, 1, 4]));
    for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
        let weights =
            dot_product_attention_weights(&q, &k).mask(&Tensor::zeros([1, 1, 1, 5])).dtype(dtype).run()?;
        assert_eq!(weights.dtype(), dtype);
        assert!(weights.cast(DType::F32).all_close(Tensor::full([1, 1, 1, 5], 0.2f32), 0.01, 0.0)?);
    }
    Ok(())
}

#[test]
fn weights_dropped_by_one_draw_are_the_same_in_all_examples_and_heads() -> Result<()> {
    let (q, k) = (Tensor::ones([3, 4, 2, 4]), Tensor::ones([3, 5, 2, 4]));
    let draw = |shared: bool| {
        let weights = dot_product_attention_weights(&q, &k).dropout(0.5, &key(0)).broadcast_dropout(shared);
        weights.run()?.eq(0.0).reshape([6, 20]).try_unstack(0)
    };
    let all_alike = |draws: Vec<Tensor>| -> Result<bool> {
        let first = draws[0].to_vec::<bool>()?;
        draws.iter().try_fold(true, |alike, draw| Ok(alike && draw.to_vec::<bool>()? == first))
    };
    assert!(all_alike(draw(true)?)?);
    assert!(!all_alike(draw(false)?)?);
    Ok(())
}

#[test]
fn decoding_position_by_position_is_causal_attention() -> Result<()> {
    let x = random::normal(&key(1), [2, 5, 8]);
    let decoder = MultiHeadDotProductAttention::new(2).decode(true);
    let mut variables = decoder.init(key(0)).call(&x)?;
    let params = Variables::from([("params", variables.dict("params")?.clone())]);
    let mask = make_causal_mask(&Tensor::zeros([2, 5]))?;
    let whole = MultiHeadDotProductAttention::new(2);
    let expected = whole.apply(&params).run(|m| m.call(&x, Attend::new().mask(&mask)))?;

    let step = jit(|(variables, x): (Variables, Tensor)| {
        let (y, cache) = decoder.apply(&variables).mutable("cache").call(&x)?;
        Ok((y, variables.merge(&cache)))
    });
    let mut positions = Vec::new();
    for position in 0..5 {
        let y;
        (y, variables) = step.call((variables, x.slice_axis(1, position..position + 1)))?;
        positions.push(y);
    }
    assert!(Tensor::concatenate(&positions, 1).all_close(expected, 1e-5, 1e-5)?);
    assert_eq!(variables.tensor("cache/cache_index")?.item::<i32>()?, 5);
    Ok(())
}

#[test]
fn any_function_can_attend() -> Result<()> {
    let uniform = AttentionFn::from(|attention: DotProductAttention| {
        let length = attention.weights.query.shape()[1];
        attention.value.try_mean_keep(1)?.try_repeat(length, 1)
    });
    let attention = MultiHeadDotProductAttention::new(2).attention_fn(uniform.clone());
    assert_eq!(attention, attention.clone());
    assert_ne!(attention, MultiHeadDotProductAttention::new(2));
    let x = random::normal(&key(1), [1, 3, 4]);
    let y = attention.init_with_output(key(0)).call(&x)?.0;
    assert!(y.index_axis(1, 0).all_close(y.index_axis(1, 2), 1e-6, 1e-6)?);
    Ok(())
}

#[module]
struct Encoder;

impl Layer for Encoder {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = MultiHeadAttention::new(2).call(x, ())?;
        let x = SelfAttention::new(2).call(&x, Attend::new().mask(&Tensor::ones([1, 1, 3, 3])))?;
        MultiHeadDotProductAttention::new(2).call(&x, Attend::new().sow_weights(true))
    }
}

#[test]
fn modules_are_named_by_their_types_and_store_weights_on_request() -> Result<()> {
    let x = Tensor::ones([1, 3, 4]);
    let variables = Encoder::new().init(key(0)).call(&x)?;
    let names: Vec<&str> = variables.dict("params")?.keys().collect();
    assert_eq!(names, ["MultiHeadAttention_0", "MultiHeadDotProductAttention_0", "SelfAttention_0"]);
    let (_, seen) = Encoder::new().apply(&variables).mutable("intermediates").call(&x)?;
    let weights = seen.at("intermediates/MultiHeadDotProductAttention_0/attention_weights")?.tuple()?;
    assert_eq!(weights[0].tensor()?.shape(), [1, 2, 3, 3]);
    Ok(())
}

#[test]
fn a_key_given_to_the_call_drops_what_the_stream_would_not() -> Result<()> {
    let attention = MultiHeadDotProductAttention::new(1).dropout_rate(0.5);
    let x = random::normal(&key(1), [1, 6, 4]);
    let run = |call: Attend| attention.init_with_output(key(0)).run(|m| m.call(&x, call)).map(|(y, _)| y);
    let (a, b) = (key(5), key(6));
    let first = run(Attend::new().train(true).dropout_key(&a))?;
    assert_eq!(first.to_vec::<f32>()?, run(Attend::new().train(true).dropout_key(&a))?.to_vec::<f32>()?);
    assert_ne!(first.to_vec::<f32>()?, run(Attend::new().train(true).dropout_key(&b))?.to_vec::<f32>()?);
    assert_ne!(first.to_vec::<f32>()?, run(Attend::new().train(false))?.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn the_alias_is_the_same_layer_under_another_name() -> Result<()> {
    let x = random::normal(&key(1), [1, 3, 4]);
    let (y, variables) = MultiHeadDotProductAttention::new(2).init_with_output(key(0)).call(&x)?;
    let (z, alias) = MultiHeadAttention::new(2).init_with_output(key(0)).call(&x)?;
    assert_eq!(variables, alias);
    assert_eq!(y.to_vec::<f32>()?, z.to_vec::<f32>()?);
    // As submodules they have other names, and so other initial values.
    let variables = Encoder::new().init(key(0)).call(&x)?;
    let kernel = |name: &str| variables.tensor(["params", name, "query", "kernel"])?.to_vec::<f32>();
    assert_ne!(kernel("MultiHeadAttention_0")?, kernel("MultiHeadDotProductAttention_0")?);
    Ok(())
}

#[test]
fn the_output_may_begin_otherwise_than_the_projections() -> Result<()> {
    let attention = MultiHeadDotProductAttention::new(2)
        .kernel_init(init::ones())
        .out_kernel_init(init::zeros())
        .bias_init(init::zeros())
        .out_bias_init(init::ones());
    let y = attention.init_with_output(key(0)).call(&Tensor::ones([1, 3, 4]))?.0;
    assert_eq!(y.to_vec::<f32>()?, [1.0; 12]);
    Ok(())
}

#[test]
fn whether_it_trains_may_be_said_in_either_place() -> Result<()> {
    let x = random::normal(&key(1), [1, 3, 4]);
    let dropping = MultiHeadDotProductAttention::new(2).dropout_rate(0.5);
    let in_call = dropping.init_with_output(key(0)).run(|m| m.call(&x, Attend::new().train(false)))?.0;
    let in_constructor = dropping.deterministic(true).init_with_output(key(0)).call(&x)?.0;
    assert_eq!(in_call.to_vec::<f32>()?, in_constructor.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn under_a_causal_mask_only_the_past_has_influence() -> Result<()> {
    let x = random::normal(&key(1), [1, 5, 4]);
    let attention = MultiHeadDotProductAttention::new(2);
    let variables = attention.init(key(0)).call(&x)?;
    let mask = make_causal_mask(&Tensor::zeros([1, 5]))?;
    let influence = grad(|x: &Tensor| {
        let y = attention.apply(&variables).run(|m| m.call(x, Attend::new().mask(&mask)))?;
        y.index_axis(1, 2).try_sum()
    })(&x)?;
    let seen = influence.abs().sum_axes([0, 2]).gt(0.0).to_vec::<bool>()?;
    assert_eq!(seen, [true, true, true, false, false]);
    Ok(())
}
