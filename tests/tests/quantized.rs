//! Weights in 8 bits, and in `BF16`: models run with them as they are.

use flaxen::nn::{Embed, quantize};
use flaxen::prelude::*;
use flaxen::variables::Quantized;

fn model() -> Sequential {
    sequential![Dense::new(40), |x: &Tensor| x.relu(), Dense::new(9)]
}

fn input() -> Tensor {
    random::normal(&key(5), [6, 24])
}

/// The largest difference, by the largest number of the second.
fn relative(a: &Tensor, b: &Tensor) -> Result<f32> {
    let largest = (a - b).abs().max().item::<f32>()?;
    Ok(largest / b.abs().max().item::<f32>()?)
}

#[test]
fn a_model_runs_with_weights_in_8_bits_eagerly_and_compiled_alike() -> Result<()> {
    let (model, x) = (model(), input());
    let variables = model.init(key(0)).call(&x)?;
    let quantized = variables.with("params", quantize::int8(variables.dict("params")?)?);
    let (y, z) = (model.apply(&variables).call(&x)?, model.apply(&quantized).call(&x)?);
    assert!(relative(&z, &y)? < 0.02);
    let compiled = jit(|(variables, x): (Variables, Tensor)| model.apply(&variables).call(&x));
    assert_eq!(compiled.call((quantized.clone(), x.clone()))?.to_vec::<f32>()?, z.to_vec::<f32>()?);
    // Examples by themselves, which are other operations with the same numbers.
    let each = vmap(|x: Tensor| model.apply(&quantized).call(&x)).call(x.clone())?;
    assert!(each.all_close(&z, 1e-6, 1e-6)?);
    // And the way back.
    let wide = variables.with("params", quantize::dequantize(quantized.dict("params")?)?);
    assert!(relative(&model.apply(&wide).call(&x)?, &y)? < 0.02);
    Ok(())
}

#[test]
fn gradients_pass_weights_in_8_bits_as_they_pass_their_numbers() -> Result<()> {
    let (layer, x) = (Dense::new(16), input());
    let variables = layer.init(key(0)).call(&x)?;
    let quantized = variables.with("params", quantize::int8(variables.dict("params")?)?);
    let wide = variables.with("params", quantize::dequantize(quantized.dict("params")?)?);
    let gradient = |variables: &Variables| {
        grad(|x: &Tensor| -> Result<Tensor> { Ok((layer.apply(variables).call(x)? * 0.5).sum()) })(&x)
    };
    assert!(gradient(&quantized)?.all_close(gradient(&wide)?, 1e-5, 1e-6)?);
    Ok(())
}

#[test]
fn a_table_in_8_bits_is_looked_up_and_attended_to() -> Result<()> {
    let (embed, ids) = (Embed::new(30, 16), Tensor::from([[1, 5, -1], [29, 0, 30]]));
    let variables = embed.init(key(0)).call(&ids)?;
    let quantized = variables.with("params", quantize::int8(variables.dict("params")?)?);
    let table = quantized.at("params/embedding")?;
    let Some(table) = Quantized::of(table) else { panic!("a table in 8 bits") };
    assert_eq!((table.channels(), table.scale().shape()), (0, &[30, 1][..]));
    let (y, z) = (embed.apply(&variables).call(&ids)?, embed.apply(&quantized).call(&ids)?);
    // An id outside of the table gives NaN, as ever.
    assert!(z.index_axis(0, 1).index_axis(0, 2).is_nan().all().item::<bool>()?);
    assert!(relative(&z.index_axis(0, 0), &y.index_axis(0, 0))? < 0.01);
    let query = y.index_axis(0, 0);
    let attend = |variables: &Variables| embed.apply(variables).run(|embed| embed.attend(&query));
    assert!(relative(&attend(&quantized)?, &attend(&variables)?)? < 0.02);
    Ok(())
}

#[test]
fn what_is_quantised_is_saved_and_loaded_as_any_other() -> Result<()> {
    let (model, x) = (model(), input());
    let variables = model.init(key(0)).call(&x)?;
    let quantized = variables.with("params", quantize::int8(variables.dict("params")?)?);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    flaxen::io::safetensors::save(&path, &quantized)?;
    let loaded = flaxen::io::safetensors::load_variables(&path)?;
    assert_eq!(
        model.apply(&loaded).call(&x)?.to_vec::<f32>()?,
        model.apply(&quantized).call(&x)?.to_vec::<f32>()?
    );
    Ok(())
}

#[test]
fn other_layers_compute_with_the_numbers() -> Result<()> {
    // A layer of one's own asks for a kernel as ever.
    let run = |variables: &Variables, x: &Tensor| {
        flaxen::scope::apply(variables)
            .run(|scope| Ok(x.dot(&scope.param("kernel", init::lecun_normal(), [24, 16])?)))
    };
    let x = input();
    let variables = Dense::new(16).use_bias(false).init(key(0)).call(&x)?;
    let quantized = variables.with("params", quantize::int8(variables.dict("params")?)?);
    assert!(relative(&run(&quantized, &x)?, &run(&variables, &x)?)? < 0.02);
    // And says so where it has another shape.
    let wrong = Dense::new(17).use_bias(false).apply(&quantized).call(&x).unwrap_err().to_string();
    assert!(wrong.contains("kernel") || wrong.contains("[24, 16]"), "{wrong}");
    Ok(())
}

#[test]
fn small_matrices_convolutions_and_integers_stay_as_they_are() -> Result<()> {
    let params = Dict::new()
        .with("Dense_0/kernel", Tensor::ones([24, 3]))
        .with("Conv_0/kernel", Tensor::ones([3, 3, 8, 8]))
        .with("Table/embedding", Tensor::ones_of([9, 9], DType::I32));
    assert_eq!(quantize::int8(&params)?, params);
    let infinite = Dict::new().with("kernel", Tensor::full([8, 8], f32::INFINITY));
    assert!(quantize::int8(&infinite).unwrap_err().to_string().contains("not finite"));
    let twice = quantize::int8(&quantize::int8(&Dict::new().with("kernel", Tensor::ones([8, 8])))?)?;
    assert_eq!(twice.tensor("kernel/int8")?.shape(), [8, 8]);
    Ok(())
}

#[test]
fn one_collection_is_cast_and_what_is_no_float_stays() -> Result<()> {
    let variables = Variables::new()
        .with("params", Dict::new().with("a/kernel", Tensor::ones([2])).with("count", Tensor::from(3)))
        .with("batch_stats", Dict::new().with("mean", Tensor::zeros([2])));
    let cast = variables.cast("params", DType::BF16)?;
    assert_eq!(cast.tensor("params/a/kernel")?.dtype(), DType::BF16);
    assert_eq!(cast.tensor("params/count")?.dtype(), DType::I32);
    assert_eq!(cast.tensor("batch_stats/mean")?.dtype(), DType::F32);
    assert!(variables.cast("params", DType::I8).is_err() && variables.cast("cache", DType::BF16).is_err());
    Ok(())
}
