//! Models written on scopes, in the styles that the core of Flax was designed for.

use flaxen::lift::{self, RematScan};
use flaxen::prelude::*;
use flaxen::scope;
use flaxen::tree::leaves;
use flaxen_tests::scenarios::shapes;
use serde_json::{Value as Json, json};

/// A linear layer on a scope.
fn dense(scope: &Scope, x: &Tensor, features: usize, bias: bool) -> Result<Tensor> {
    let inputs = x.shape()[x.rank() - 1];
    let y = x.dot(&scope.param("kernel", init::lecun_normal(), [inputs, features])?);
    if bias { Ok(y + scope.param("bias", init::zeros(), [features])?) } else { Ok(y) }
}

fn mlp(scope: &Scope, x: &Tensor, hidden: usize, out: usize) -> Result<Tensor> {
    let x = dense(&scope.child("hidden")?, x, hidden, true)?.relu();
    dense(&scope.child("out")?, &x, out, true)
}

fn shapes_of(variables: &Variables, collection: &str) -> Json {
    shapes(variables.dict(collection).unwrap())
}

fn x(shape: impl AsRef<[usize]>) -> Tensor {
    random::normal(&key(7), shape)
}

#[test]
fn heads_of_attention_are_one_function_mapped_over_its_parameters() -> Result<()> {
    let attend = |scope: &Scope, x: &Tensor, features: usize, out: usize| {
        let project = |name: &str| dense(&scope.child(name)?, x, features, false);
        let (q, k, v) = (project("query")?, project("key")?, project("value")?);
        let weights = q.dot(&k.t()).softmax(-1);
        let kept = random::bernoulli(&scope.make_rng("dropout")?, 0.9, weights.shape());
        let weights = kept.select(&(weights / 0.9), 0.0);
        dense(&scope.child("out")?, &weights.dot(&v), out, true)
    };
    let heads = |scope: &Scope, x: Tensor| {
        let one = |scope: &Scope, x: Tensor| attend(scope, &x, 8, 16);
        let all = lift::vmap(scope, one).axis("params", 0).split("params").split("dropout");
        Ok(all.in_axes(None).out_axes(-2).axis_size(2).call(x)?.mean_axes(-2))
    };
    let model = |scope: &Scope| {
        lift::vmap(scope, heads).share("params").split("dropout").call(Tensor::ones([2, 7, 16]))
    };
    let rngs = Rngs::new(key(0)).with("dropout", key(1));
    let (y, variables) = scope::init(rngs).run(model)?;
    assert_eq!(y.shape(), [2, 7, 16]);
    let kernel = json!({"kernel": [2, 16, 8]});
    let expected = json!({"key": kernel, "query": kernel, "value": kernel, "out": {"bias": [2, 16], "kernel": [2, 8, 16]}});
    assert_eq!(shapes_of(&variables, "params"), expected);
    Ok(())
}

fn autoencoder_shapes(encoder: &str, decoder: &str) -> Json {
    let part = |a: usize, h: usize, b: usize| json!({"hidden": {"kernel": [a, h], "bias": [h]}, "out": {"kernel": [h, b], "bias": [b]}});
    json!({encoder: part(4, 3, 2), decoder: part(2, 3, 4)})
}

/// The sizes are fields, the scope comes with each call.
struct AutoEncoder {
    latents: usize,
    features: usize,
    hidden: usize,
}

impl AutoEncoder {
    fn encode(&self, scope: &Scope, x: &Tensor) -> Result<Tensor> {
        mlp(&scope.child("encoder")?, x, self.hidden, self.latents)
    }

    fn decode(&self, scope: &Scope, z: &Tensor) -> Result<Tensor> {
        mlp(&scope.child("decoder")?, z, self.hidden, self.features)
    }
}

#[test]
fn an_autoencoder_may_be_a_struct_of_its_sizes() -> Result<()> {
    let (model, x) = (AutoEncoder { latents: 2, features: 4, hidden: 3 }, Tensor::ones([1, 4]));
    let (y, variables) = scope::init(key(0)).run(|s| model.decode(s, &model.encode(s, &x)?))?;
    assert_eq!(y.shape(), x.shape());
    assert_eq!(shapes_of(&variables, "params"), autoencoder_shapes("encoder", "decoder"));
    Ok(())
}

/// The scope is a field; its methods enter scopes of their names.
struct Scoped<'s> {
    scope: &'s Scope,
    sizes: AutoEncoder,
}

impl Scoped<'_> {
    fn encode(&self, x: &Tensor) -> Result<Tensor> {
        mlp(&self.scope.reentered_child("encode")?, x, self.sizes.hidden, self.sizes.latents)
    }

    fn decode(&self, z: &Tensor) -> Result<Tensor> {
        mlp(&self.scope.reentered_child("decode")?, z, self.sizes.hidden, self.sizes.features)
    }
}

#[test]
fn an_autoencoder_may_hold_its_scope() -> Result<()> {
    let x = Tensor::ones([1, 4]);
    let (y, variables) = scope::init(key(0)).run(|scope| {
        let model = Scoped { scope, sizes: AutoEncoder { latents: 2, features: 4, hidden: 3 } };
        model.decode(&model.encode(&x)?)
    })?;
    assert_eq!(y.shape(), x.shape());
    assert_eq!(shapes_of(&variables, "params"), autoencoder_shapes("encode", "decode"));
    Ok(())
}

#[test]
fn an_autoencoder_may_be_made_of_functions_that_have_their_scopes() -> Result<()> {
    type Part = Box<dyn Fn(&Tensor) -> Result<Tensor>>;
    let x = Tensor::ones([1, 4]);
    let (y, variables) = scope::init(key(0)).run(|scope| {
        let part = |name: &str, out: usize| -> Result<Part> {
            let scope = scope.child(name)?;
            Ok(Box::new(move |x: &Tensor| mlp(&scope, x, 3, out)))
        };
        let (encode, decode) = (part("encode", 2)?, part("decode", 4)?);
        decode(&encode(&x)?)
    })?;
    assert_eq!(y.shape(), x.shape());
    assert_eq!(shapes_of(&variables, "params"), autoencoder_shapes("encode", "decode"));
    Ok(())
}

/// A residual block of the width of its input.
#[module]
struct Block;

impl Layer for Block {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let features = x.shape()[x.rank() - 1];
        let half = |i: usize, y: &Tensor| {
            let conv = Conv::new(features, [3, 3]).use_bias(false);
            let y = self.child_named(format!("conv_{i}"), conv).call(y)?;
            self.child_named(format!("bn_{i}"), BatchNorm::new()).call(&y, true)
        };
        Ok((half(2, &half(1, x)?.relu())? + x).relu())
    }
}

#[test]
fn a_very_deep_network_is_loops_in_loops_with_stacked_variables() -> Result<()> {
    let model =
        RematScan::new(Block::new(), [10, 5]).axis("params", 0).axis("batch_stats", 0).split("params");
    let x = x([1, 8, 8, 8]);
    let (y, variables) = model.init_with_output(key(1)).call(&x)?;
    assert_eq!(y.shape(), x.shape());
    let (conv, norm) =
        (json!({"kernel": [10, 5, 3, 3, 8, 8]}), json!({"scale": [10, 5, 8], "bias": [10, 5, 8]}));
    let expected = json!({"conv_1": conv, "conv_2": conv, "bn_1": norm, "bn_2": norm});
    assert_eq!(shapes_of(&variables, "params"), expected);
    let norm = json!({"mean": [10, 5, 8], "var": [10, 5, 8]});
    assert_eq!(shapes_of(&variables, "batch_stats"), json!({"bn_1": norm, "bn_2": norm}));
    Ok(())
}

#[test]
fn a_backward_function_of_ones_own_replaces_the_gradients_of_parameters() -> Result<()> {
    let signed = |scope: &Scope, x: &Tensor, features: usize| {
        let forward = |scope: &Scope, x: &Tensor| {
            Ok((dense(scope, x, features, true)?, (scope.variables(), x.clone())))
        };
        let backward = move |kept: &(Variables, Tensor), ct: &Tensor| {
            let again = |(variables, x): &(Variables, Tensor)| {
                scope::apply(variables).run(|scope| dense(scope, x, features, true))
            };
            let (params, x) = vjp(again, kept)?.1(ct)?;
            Ok((tree::map(&params, |g| Ok(g.sign()))?, x))
        };
        lift::custom_vjp(scope, forward, backward, x)
    };
    let x = x([1, 4]);
    let model = |scope: &Scope| {
        let h = signed(&scope.child("hidden_0")?, &x, 8)?.relu();
        signed(&scope.child("out")?, &h, 1)
    };
    let (y, variables) = scope::init(key(1)).run(model)?;
    assert_eq!(y.shape(), [1, 1]);
    let expected =
        json!({"hidden_0": {"kernel": [4, 8], "bias": [8]}, "out": {"kernel": [8, 1], "bias": [1]}});
    assert_eq!(shapes_of(&variables, "params"), expected);
    let slopes = grad(|v: &Variables| Ok(scope::apply(v).run(model)?.square().mean()))(&variables)?;
    assert_eq!(shapes_of(&slopes, "params"), expected);
    let numbers: Vec<f32> =
        leaves(&slopes).into_iter().flat_map(|leaf| leaf.to_vec::<f32>().unwrap()).collect();
    assert!(
        numbers.iter().all(|g| [-1.0, 0.0, 1.0].contains(g))
            && numbers.contains(&-1.0) | numbers.contains(&1.0)
    );
    Ok(())
}

#[test]
fn a_linear_layer_is_a_function_of_a_scope() -> Result<()> {
    let (y, variables) = scope::init(key(0)).run(|s| dense(s, &Tensor::ones([1, 3]), 4, true))?;
    assert_eq!(y.shape(), [1, 4]);
    assert_eq!(shapes_of(&variables, "params"), json!({"kernel": [3, 4], "bias": [4]}));
    Ok(())
}

/// A layer whose parameters are its fields.
#[derive(Tree)]
struct ExplicitDense {
    kernel: Tensor,
    bias: Option<Tensor>,
}

impl ExplicitDense {
    fn create(key: &flaxen::random::Key, inputs: usize, outputs: usize) -> Result<ExplicitDense> {
        let [of_kernel, of_bias] = key.try_split()?;
        let kernel = init::lecun_normal().tensor(&of_kernel, &[inputs, outputs], DType::F32)?;
        Ok(ExplicitDense { kernel, bias: Some(init::zeros().tensor(&of_bias, &[outputs], DType::F32)?) })
    }

    fn create_in(scope: &Scope, inputs: usize, outputs: usize) -> Result<ExplicitDense> {
        let kernel = scope.param("kernel", init::lecun_normal(), [inputs, outputs])?;
        Ok(ExplicitDense { kernel, bias: Some(scope.param("bias", init::zeros(), [outputs])?) })
    }

    fn call(&self, x: &Tensor) -> Tensor {
        let y = x.dot(&self.kernel);
        self.bias.as_ref().map_or_else(|| y.clone(), |bias| &y + bias)
    }
}

#[test]
fn a_layer_of_explicit_parameters_is_one_parameter() -> Result<()> {
    let x = Tensor::ones([1, 4]);
    let model = |scope: &Scope| {
        let first = scope.param_with("dense_0", |key| ExplicitDense::create(key, 4, 3))?;
        let second = scope.param_with("dense_1", |key| ExplicitDense::create(key, 3, 1))?;
        Ok(second.call(&first.call(&x).relu()))
    };
    let (y, variables) = scope::init(key(0)).run(model)?;
    assert_eq!(y.shape(), [1, 1]);
    let first: ExplicitDense = variables.at("params/dense_0")?.to()?;
    let second: ExplicitDense = variables.at("params/dense_1")?.to()?;
    assert_eq!((first.kernel.shape(), second.kernel.shape()), (&[4, 3][..], &[3, 1][..]));
    assert_eq!(first.bias.unwrap().shape(), [3]);
    assert_eq!(scope::apply(&variables).run(model)?.to_vec::<f32>()?, y.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn a_layer_of_explicit_parameters_may_be_made_in_a_scope() -> Result<()> {
    let x = Tensor::ones([1, 4]);
    let (y, variables) = scope::init(key(0)).run(|scope| {
        let first = ExplicitDense::create_in(&scope.child("dense_0")?, 4, 3)?;
        let second = ExplicitDense::create_in(&scope.child("dense_1")?, 3, 1)?;
        Ok(second.call(&first.call(&x).relu()))
    })?;
    assert_eq!(y.shape(), [1, 1]);
    let expected =
        json!({"dense_0": {"kernel": [4, 3], "bias": [3]}, "dense_1": {"kernel": [3, 1], "bias": [1]}});
    assert_eq!(shapes_of(&variables, "params"), expected);
    Ok(())
}

/// `e^a` of a small matrix, by its series.
fn exponential(a: &Tensor) -> Tensor {
    let one = Tensor::eye(a.shape()[0]);
    (1..=20)
        .fold((one.clone(), one), |(sum, term), k| {
            let term = term.dot(a) / k;
            (sum + &term, term)
        })
        .0
}

/// An invertible layer, in either direction.
fn flow(scope: &Scope, x: &Tensor, forward: bool) -> Result<Tensor> {
    let features = x.shape()[1];
    let kernel = scope.param("kernel", init::lecun_normal(), [features, features])?;
    let bias = scope.param("bias", init::zeros(), [features])?;
    if forward { Ok(x.dot(&exponential(&kernel)) + bias) } else { Ok((x - bias).dot(&exponential(&-kernel))) }
}

#[test]
fn a_flow_and_its_inverse_have_the_same_parameters() -> Result<()> {
    let x = Tensor::ones([1, 3]);
    let forward =
        |scope: &Scope| (0..3).try_fold(x.clone(), |x, i| flow(&scope.child(&i.to_string())?, &x, true));
    let (y, variables) = scope::init(key(0)).run(forward)?;
    assert_eq!(y.shape(), [1, 3]);
    let part = json!({"kernel": [3, 3], "bias": [3]});
    assert_eq!(shapes_of(&variables, "params"), json!({"0": part, "1": part, "2": part}));
    let restored = scope::apply(&variables).run(|scope| {
        (0..3).rev().try_fold(y.clone(), |y, i| flow(&scope.child(&i.to_string())?, &y, false))
    })?;
    assert!(restored.all_close(&x, 1e-5, 1e-5)?);
    assert!(!y.all_close(&x, 1e-2, 1e-2)?);
    Ok(())
}

/// Blocks of three convolutions, projected where their shapes differ.
#[module]
struct ResNet {
    block_sizes: Vec<usize>,
    features: usize,
    classes: usize,
}

impl Layer for ResNet {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let conv = |features: usize, size: usize| Conv::new(features, [size, size]).use_bias(false);
        let x = self.child_named("init_conv", conv(16, 7).padding([3, 3])).call(x)?;
        let x = self.child_named("init_bn", BatchNorm::new()).call(&x, true)?.relu();
        let mut x = max_pool(&x, [2, 2]).strides([2, 2]).padding(Padding::Same).run()?;
        for (i, &size) in self.block_sizes.iter().enumerate() {
            for j in 0..size {
                let stride = if i > 0 && j == 0 { 2 } else { 1 };
                let block = Bottleneck::new(self.features << i, stride);
                x = self.child_named(format!("block_{i}_{j}"), block).call(&x)?;
            }
        }
        self.child_named("out", Dense::new(self.classes)).call(&x.mean_axes([1, 2]))
    }
}

#[module]
struct Bottleneck {
    features: usize,
    stride: usize,
}

impl Layer for Bottleneck {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let step = |name: &str, x: &Tensor, (features, size, stride): (usize, usize, usize)| {
            let conv = Conv::new(features, [size, size]).strides([stride, stride]).use_bias(false);
            let (conv_name, norm_name) = match name {
                "proj" => ("proj_conv".to_owned(), "proj_bn".to_owned()),
                i => (format!("conv_{i}"), format!("bn_{i}")),
            };
            let x = self.child_named(conv_name, conv).call(x)?;
            self.child_named(norm_name, BatchNorm::new()).call(&x, true)
        };
        let y = step("1", x, (self.features, 1, 1))?.relu();
        let y = step("2", &y, (4 * self.features, 3, self.stride))?.relu();
        let y = step("3", &y, (4 * self.features, 1, 1))?;
        let residual = if y.shape() == x.shape() {
            x.clone()
        } else {
            step("proj", x, (4 * self.features, 1, self.stride))?
        };
        Ok((residual + y).relu())
    }
}

#[test]
fn a_residual_network_has_blocks_of_its_stages() -> Result<()> {
    let model = ResNet::new(vec![2, 2], 16, 100);
    let (y, variables) = model.init_with_output(key(1)).call(&x([1, 16, 16, 3]))?;
    assert_eq!(y.shape(), [1, 100]);
    let conv = |size: usize, a: usize, b: usize| json!({"kernel": [size, size, a, b]});
    let norm = |n: usize| json!({"bias": [n], "scale": [n]});
    let block = |a: usize, f: usize, projects: bool| {
        let mut block = json!({
            "conv_1": conv(1, a, f), "conv_2": conv(3, f, 4 * f), "conv_3": conv(1, 4 * f, 4 * f),
            "bn_1": norm(f), "bn_2": norm(4 * f), "bn_3": norm(4 * f),
        });
        if projects {
            block["proj_conv"] = conv(1, a, 4 * f);
            block["proj_bn"] = norm(4 * f);
        }
        block
    };
    let expected = json!({
        "init_conv": conv(7, 3, 16), "init_bn": norm(16), "out": {"kernel": [128, 100], "bias": [100]},
        "block_0_0": block(16, 16, true), "block_0_1": block(64, 16, false),
        "block_1_0": block(64, 32, true), "block_1_1": block(128, 32, false),
    });
    assert_eq!(shapes_of(&variables, "params"), expected);
    Ok(())
}

/// Counts its steps, and gives each row to a layer.
fn counting(scope: &Scope, xs: &Tensor, shares: bool) -> Result<Tensor> {
    scope.variable("counter", "i", || Tensor::from(0i32))?;
    let body = |scope: &Scope, carry: (), x: Tensor| {
        let counter = scope.existing_variable::<Tensor>("counter", "i")?;
        counter.set(counter.get() + 1)?;
        Ok((carry, dense(&scope.reentered_child("dense_0")?, &x, 1, true)?))
    };
    let scan = lift::scan(scope, body).carry("counter");
    let scan = if shares { scan.share("params") } else { scan.axis("params", 0).split("params") };
    Ok(scan.call((), xs.clone())?.1)
}

#[test]
fn a_loop_carries_a_counter_and_stacks_or_shares_parameters() -> Result<()> {
    let row = x([1, 4]);
    let xs = Tensor::concatenate(&[row.clone(), row], 0);
    let (y, variables) = scope::init(key(1)).run(|s| counting(s, &xs, false))?;
    assert_eq!(variables.tensor("counter/i")?.item::<i32>()?, 2);
    let stacked = json!({"dense_0": {"kernel": [2, 4, 1], "bias": [2, 1]}});
    assert_eq!(shapes_of(&variables, "params"), stacked);
    let y = y.to_vec::<f32>()?;
    assert_ne!(y[0], y[1], "each step has parameters of its own");

    let (y, variables) = scope::init(key(1)).run(|s| counting(s, &xs, true))?;
    assert_eq!(variables.tensor("counter/i")?.item::<i32>()?, 2);
    assert_eq!(shapes_of(&variables, "params"), json!({"dense_0": {"kernel": [4, 1], "bias": [1]}}));
    let y = y.to_vec::<f32>()?;
    assert_eq!(y[0], y[1]);
    Ok(())
}

/// A linear layer whose kernel is stored transposed.
fn transposed(scope: &Scope, z: &Tensor, features: usize) -> Result<Tensor> {
    let transpose = |variables: Variables| tree::map(&variables, |x| Ok(x.t()));
    lift::map_variables(scope, "params", transpose, transpose)
        .mutable()
        .run(|scope| dense(scope, z, features, false))
}

#[test]
fn encoder_and_decoder_may_have_one_kernel() -> Result<()> {
    let x = Tensor::ones([1, 4]);
    let tied = |scope: &Scope| {
        let layer = scope.child("tied")?;
        let z = dense(&layer, &x, 2, false)?;
        transposed(&scope.reentered_child("tied")?, &z, 4)
    };
    let (y, variables) = scope::init(key(0)).run(tied)?;
    assert_eq!(shapes_of(&variables, "params"), json!({"tied": {"kernel": [4, 2]}}));
    assert_eq!(y.shape(), x.shape());
    let kernel = variables.tensor("params/tied/kernel")?;
    assert!(y.all_close(x.dot(kernel).dot(&kernel.t()), 1e-6, 1e-6)?);
    Ok(())
}

#[test]
fn a_decoder_alone_makes_the_kernel_of_the_encoder() -> Result<()> {
    let (y, variables) = scope::init(key(0)).run(|scope| transposed(scope, &Tensor::ones([1, 2]), 4))?;
    assert_eq!(shapes_of(&variables, "params"), json!({"kernel": [4, 2]}));
    assert_eq!(y.shape(), [1, 4]);
    Ok(())
}

#[test]
fn mapped_layers_share_parameters_or_have_their_own() -> Result<()> {
    let row = x([1, 4]);
    let xs = Tensor::concatenate(&[row.clone(), row], 0);
    let mapped = |scope: Scope, x: Tensor, features: usize, shares: bool| {
        let map = lift::vmap(&scope, |scope: &Scope, x: Tensor| dense(scope, &x, features, true));
        if shares { map.share("params").call(x) } else { map.axis("params", 0).split("params").call(x) }
    };
    for (shares, hidden, out) in [
        (true, json!({"kernel": [4, 8], "bias": [8]}), json!({"kernel": [8, 1], "bias": [1]})),
        (false, json!({"kernel": [2, 4, 8], "bias": [2, 8]}), json!({"kernel": [2, 8, 1], "bias": [2, 1]})),
    ] {
        let (y, variables) = scope::init(key(1)).run(|scope| {
            let h = mapped(scope.child("hidden_0")?, xs.clone(), 8, shares)?.relu();
            mapped(scope.child("out")?, h, 1, shares)
        })?;
        assert_eq!(shapes_of(&variables, "params"), json!({"hidden_0": hidden, "out": out}));
        assert_eq!(y.shape(), [2, 1]);
        let y = y.to_vec::<f32>()?;
        assert_eq!((y[0] - y[1]).abs() < 1e-6, shares, "{y:?}");
    }
    Ok(())
}

#[test]
fn weights_may_be_standardised_on_the_way_in() -> Result<()> {
    let wide = |scope: &Scope, x: &Tensor| {
        let kernel = scope.param("kernel", init::normal(1e5), [4, 8])?;
        Ok(x.dot(&kernel) + scope.param("bias", init::zeros(), [8])?)
    };
    let standardised = |variables: Variables| {
        let kernel = variables.tensor("params/kernel")?;
        let norm = (kernel.square().sum_keep(0) + 1e-8).sqrt();
        Ok(variables.with("params", variables.dict("params")?.with("kernel", kernel / norm)))
    };
    let x = x([1, 4]);
    let model = |scope: &Scope| {
        let hidden = scope.child("hidden_0")?;
        let h =
            lift::map_variables(&hidden, "params", standardised, Ok).init().run(|scope| wide(scope, &x))?;
        dense(&scope.child("out")?, &h, 1, true)
    };
    let (y, variables) = scope::init(key(1)).run(model)?;
    let expected =
        json!({"hidden_0": {"kernel": [4, 8], "bias": [8]}, "out": {"kernel": [8, 1], "bias": [1]}});
    assert_eq!(shapes_of(&variables, "params"), expected);
    assert!(y.item::<f32>()?.abs() < 10.0, "far below the 1e5 of the weights as they are drawn");
    let again = scope::apply(&variables).run(model)?;
    assert!(again.all_close(&y, 1e-5, 1e-5)?);
    Ok(())
}
