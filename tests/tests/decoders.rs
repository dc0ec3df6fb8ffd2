//! What decoders of today are made of computes what transformers and PEFT compute. `torch/decoders.py` made the file.

use std::path::PathBuf;

use flaxen::io::safetensors;
use flaxen::lift::Scan;
use flaxen::nn::{
    ActivationFn, Attend, Embed, Lora, MultiHeadDotProductAttention, RMSNorm, RotaryEmbedding, RotaryScaling,
    SwiGLU, alibi_slopes, dot_product_attention, make_alibi_bias, make_causal_mask, make_sliding_window_mask,
    scaled_dot_product_attention,
};
use flaxen::prelude::*;
use flaxen_tests::laws::{check, law};

/// What PyTorch 2.15, transformers 5.24 and PEFT 0.21 computed, by its name.
fn file() -> Dict {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("torch/decoders.safetensors");
    safetensors::load(path).unwrap()
}

/// Those whose names begin so, by what follows, as a tree.
fn part(file: &Dict, prefix: &str) -> Dict {
    let entries =
        file.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.to_owned(), value.clone())));
    Dict::unflatten_separated(".", entries).unwrap()
}

fn assert_close(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let difference = (found - expected).abs().max().item::<f32>().unwrap();
    assert!(found.all_close(expected, 2e-5, 1e-5).unwrap(), "{what}: {difference} apart");
}

fn llama3() -> RotaryEmbedding {
    let scaling = RotaryScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_length: 64.0,
    };
    RotaryEmbedding::new().base(500.0).scaling(scaling)
}

#[test]
fn rotary_embeddings_are_those_of_transformers() -> Result<()> {
    let file = file();
    let array = |name: &str| file.tensor([&*format!("rotary.{name}")]);
    let plain = RotaryEmbedding::new;
    let ntk = RotaryScaling::Ntk { factor: 2.0 * 42.0 / 16.0 - 1.0 };
    let yarn = RotaryScaling::Yarn { factor: 4.0, original_length: 512.0 };
    for (name, rotary) in [
        ("default", plain()),
        ("base", plain().base(500.0)),
        ("linear", plain().scaling(RotaryScaling::Linear { factor: 4.0 })),
        ("ntk", plain().scaling(ntk)),
        ("llama3", llama3()),
        ("yarn", plain().base(500.0).scaling(yarn)),
        ("interleaved.16", plain().interleaved(true)),
        ("interleaved.6", plain().interleaved(true).features(6)),
    ] {
        let (x, positions) = (array("x")?, array("positions")?);
        assert_close(&rotary.apply(x, positions)?, array(name)?, name);
        // One list of positions for all examples.
        let second = rotary.apply(x, &positions.index_axis(0, 1))?;
        assert_close(&second.index_axis(0, 1), &array(name)?.index_axis(0, 1), name);
    }
    Ok(())
}

#[test]
fn rotary_embeddings_keep_the_laws_and_their_dtypes() -> Result<()> {
    check([false, true].map(|interleaved| {
        law(
            format!("interleaved={interleaved}"),
            |data| vec![data.floats([3, 2, 8], -1.0, 1.0)],
            move |x| {
                let rotary = RotaryEmbedding::new().interleaved(interleaved).features(6);
                rotary.apply(&x[0], &Tensor::from([4, 5, 6]))
            },
        )
    }));
    let (x, positions) = (random::normal(&key(0), [2, 3, 8]), Tensor::from([0, 1]));
    let first = RotaryEmbedding::new().apply(&x, &positions)?.index_axis(0, 0);
    assert_eq!(
        first.to_vec::<f32>()?,
        x.index_axis(0, 0).to_vec::<f32>()?,
        "nothing is turned at the first position"
    );
    assert_eq!(RotaryEmbedding::new().apply(&x.cast(DType::BF16), &positions)?.dtype(), DType::BF16);
    Ok(())
}

#[test]
fn rotary_embeddings_that_make_no_sense_are_refused() {
    let text = |rotary: RotaryEmbedding, x: [usize; 3], positions: Tensor| {
        rotary.apply(&Tensor::ones(x), &positions).unwrap_err().to_string()
    };
    let plain = RotaryEmbedding::new;
    let two = || Tensor::from([0, 1]);
    assert!(text(plain(), [2, 3, 5], two()).contains("an even number of features"));
    assert!(text(plain().features(10), [2, 3, 8], two()).contains("at most 8"));
    assert!(text(plain(), [3, 3, 8], two()).contains("at positions"));
    assert!(text(plain(), [2, 3, 8], Tensor::from(1)).contains("at positions"));
    assert!(text(plain().base(0.0), [2, 3, 8], two()).contains("`base`"));
    let never = RotaryScaling::Linear { factor: 0.0 };
    assert!(text(plain().scaling(never), [2, 3, 8], two()).contains("`factor`"));
    assert!(plain().apply(&Tensor::ones([3, 8]), &two()).is_err());
}

#[test]
fn grouped_queries_are_those_of_pytorch() -> Result<()> {
    let file = file();
    let (q, mask) = (file.tensor(["grouped.q"])?, file.tensor(["grouped.mask"])?);
    for heads in [3, 2, 1] {
        let array = |name: &str| file.tensor([&*format!("grouped.{heads}.{name}")]);
        let (k, v) = (array("k")?, array("v")?);
        assert_close(&dot_product_attention(q, k, v).mask(mask).run()?, array("y")?, "ours");
        let seen = mask.cast(DType::Bool);
        assert_close(&scaled_dot_product_attention(q, k, v).mask(&seen).run()?, array("y")?, "JAX's");
        // As if each head had keys of its own.
        let own = |x: &Tensor| x.repeat(6 / heads, 2);
        assert_close(&dot_product_attention(q, &own(k), &own(v)).mask(mask).run()?, array("y")?, "repeated");
    }
    let text = dot_product_attention(q, &q.slice_axis(2, 0..4), &q.slice_axis(2, 0..4))
        .run()
        .unwrap_err()
        .to_string();
    assert!(text.contains("heads of keys that divide"), "{text}");
    assert!(dot_product_attention(q, &q.slice_axis(2, 0..0), &q.slice_axis(2, 0..0)).run().is_err());
    Ok(())
}

#[test]
fn grouped_queries_keep_the_laws() {
    check([law(
        "grouped",
        |data| {
            vec![[3, 4, 2], [5, 2, 2], [5, 2, 2]]
                .into_iter()
                .map(|shape| data.floats(shape, -1.0, 1.0))
                .collect()
        },
        |x| dot_product_attention(&x[0], &x[1], &x[2]).run(),
    )
    .loose(8.0)]);
}

#[test]
fn slopes_are_those_of_transformers_and_distances_count_from_the_query() -> Result<()> {
    let file = file();
    for heads in [1, 4, 6, 12] {
        // Slopes times the positions of keys, `[heads, 1, keys]`.
        let theirs = file.tensor([&*format!("alibi.{heads}")])?;
        assert_close(&alibi_slopes(heads), &theirs.index_axis(2, 1).squeeze([1]), "slopes");
        let positions = Tensor::arange(0, 5, 1);
        let ours = make_alibi_bias(heads, &positions, &positions)?;
        let causal = make_causal_mask(&Tensor::zeros([5]))?;
        let weights = |bias: &Tensor| causal.cast(DType::Bool).select(bias, f32::MIN).softmax(-1);
        assert_close(&weights(&ours), &weights(&theirs.broadcast_to([heads, 5, 5])), "weights");
        let last = make_alibi_bias(heads, &Tensor::from([4]), &positions)?;
        assert_close(&last, &ours.slice_axis(1, 4..5), "the last query alone");
    }
    assert_eq!(make_alibi_bias(2, &Tensor::zeros([3, 4]), &Tensor::zeros([3, 5]))?.shape(), [3, 2, 4, 5]);
    assert!(make_alibi_bias(2, &Tensor::from(0), &Tensor::from([0])).is_err());
    assert!(make_sliding_window_mask(&Tensor::from(0.0f32), (1, 0)).is_err());
    Ok(())
}

/// A layer of a decoder: norms before its two parts, and behind them, too, if there are `post_norms`.
#[module]
struct Block {
    attention: MultiHeadDotProductAttention,
    #[module(default = ActivationFn::from(nn::silu))]
    activation: ActivationFn,
    #[module(default = 1e-5)]
    epsilon: f64,
    #[module(default = false)]
    post_norms: bool,
}

impl Block {
    #[compact]
    fn call(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let norm = |name: &str| self.child_named(name, RMSNorm::new().epsilon(self.epsilon));
        let behind = |name: &str, y: Tensor| if self.post_norms { norm(name).call(&y) } else { Ok(y) };
        let call = mask.map_or_else(Attend::new, |mask| Attend::new().mask(mask));
        let y = norm("attention_norm").call(x)?;
        let y = self.child_named("attention", self.attention.clone()).call(&y, call)?;
        let x = x + behind("attention_post_norm", y)?;
        let y = norm("mlp_norm").call(&x)?;
        let y = self.child_named("mlp", SwiGLU::new(20).activation_fn(self.activation.clone())).call(&y)?;
        Ok(&x + behind("mlp_post_norm", y)?)
    }
}

/// A decoder, from `I32[batch, length]` to logits, whose embedding is its last layer, too.
#[module]
struct Decoder {
    blocks: Vec<Block>,
    #[module(default = 1.0)]
    embedding_scale: f64,
}

impl Decoder {
    #[compact]
    fn call(&self, tokens: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let embed = self.child_named("embed", Embed::new(13, 12));
        let mut x = embed.call(tokens)? * self.embedding_scale;
        for (i, block) in self.blocks.iter().enumerate() {
            x = self.child_named(format!("layers_{i}"), block.clone()).call(&x, mask)?;
        }
        embed.attend(&self.child_named("norm", RMSNorm::new().epsilon(self.blocks[0].epsilon)).call(&x)?)
    }
}

/// The attention of all models: six heads of queries of 4 features, which share two of keys.
fn attention(rotary: RotaryEmbedding) -> MultiHeadDotProductAttention {
    MultiHeadDotProductAttention::new(6).num_kv_heads(2).qkv_features(24).use_bias(false).rotary(rotary)
}

fn models() -> Vec<(&'static str, Decoder)> {
    let llama = Block::new(attention(llama3()));
    let mistral = Block::new(attention(RotaryEmbedding::new().base(500.0)).local_window_size((2, 0)));
    let gemma = |attention| Block::new(attention).post_norms(true).activation(ActivationFn::from(nn::gelu));
    let plain = || attention(RotaryEmbedding::new());
    let gemma = [gemma(plain().local_window_size((3, 0))), gemma(plain())];
    vec![
        ("llama", Decoder::new(vec![llama.clone(), llama])),
        ("mistral", Decoder::new(vec![mistral.clone(), mistral])),
        ("gemma", Decoder::new(gemma.into()).embedding_scale(12f64.sqrt())),
    ]
}

fn shapes(params: &Dict) -> Vec<(String, Vec<usize>)> {
    let flat = params.flatten("/").into_iter();
    flat.map(|(name, value)| (name, value.tensor().unwrap().shape().to_vec())).collect()
}

#[test]
fn whole_decoders_are_those_of_transformers() -> Result<()> {
    let file = file();
    for (name, model) in models() {
        let params = part(&file, &format!("{name}.params."));
        let tokens = file.tensor([&*format!("{name}.tokens")])?;
        let own = model.init(key(0)).run(|m| m.call(tokens, None))?;
        assert_eq!(shapes(own.dict("params")?), shapes(&params), "{name}");
        let mask = make_causal_mask(tokens)?;
        let variables = Variables::new().with("params", params);
        let logits = model.apply(&variables).run(|m| m.call(tokens, Some(&mask)))?;
        assert_close(&logits, file.tensor([&*format!("{name}.logits")])?, name);
    }
    Ok(())
}

#[test]
fn decoding_by_a_cache_of_few_heads_is_the_same_at_once() -> Result<()> {
    let file = file();
    for (name, model) in models() {
        let params = part(&file, &format!("{name}.params."));
        let tokens = file.tensor([&*format!("{name}.tokens")])?;
        let mut decoder = model.clone();
        for block in &mut decoder.blocks {
            block.attention = block.attention.clone().decode(true);
        }
        let cache = decoder.init(key(0)).run(|m| m.call(tokens, None))?.dict("cache")?.clone();
        // A window is all that a cache has room for.
        let length = match name {
            "llama" => 9,
            "mistral" => 3,
            _ => 4,
        };
        assert_eq!(cache.tensor("layers_0/attention/cached_key")?.shape(), [2, length, 2, 4], "{name}");
        let params = Variables::new().with("params", params);
        let step = jit(|(cache, token): (Dict, Tensor)| {
            let run = decoder.apply(params.with("cache", cache)).mutable("cache");
            let (logits, cache) = run.run(|m| m.call(&token, None))?;
            Ok((cache.dict("cache")?.clone(), logits.squeeze([1])))
        });
        let (_, logits) =
            scan(|cache, token| step.call((cache, token))).call(cache, tokens.t().expand_dims([2]))?;
        assert_close(&logits.swap_axes(0, 1), file.tensor([&*format!("{name}.logits")])?, name);
    }
    Ok(())
}

#[test]
fn a_cache_of_a_window_takes_masks_and_biases_of_all_positions_and_more_of_them_than_it_began_with()
-> Result<()> {
    const LENGTH: usize = 11;
    let layer = MultiHeadDotProductAttention::new(2).local_window_size((3, 0));
    let x = random::normal(&key(1), [2, LENGTH, 8]);
    let variables = layer.init(key(0)).call(&x)?;
    // A key in the middle is hidden, and each distance has a bias of its own.
    let hidden = Tensor::arange(0, LENGTH as i32, 1).try_ne(5)?.broadcast_to([2, 1, LENGTH, LENGTH]);
    let causal = make_causal_mask(&Tensor::ones([2, LENGTH]))?.cast(DType::Bool);
    let mask = causal.try_bitand(&hidden)?;
    let bias = random::normal(&key(2), [1, 2, LENGTH, LENGTH]);
    let expected = layer.apply(&variables).run(|m| m.call(&x, Attend::new().mask(&mask).bias(&bias)))?;

    let decoder = layer.clone().decode(true);
    // Begun with fewer positions than are decoded: there is no last one.
    let cache = decoder.init(key(0)).call(&x.slice_axis(1, 0..6))?.dict("cache")?.clone();
    assert_eq!(cache.tensor("cached_key")?.shape(), [2, 4, 2, 4]);
    let mut state = variables.with("cache", cache);
    for at in 0..LENGTH as isize {
        let row = |x: &Tensor| x.slice_axis(2, at..at + 1);
        let (mask, bias) = (row(&mask), row(&bias));
        let token = x.slice_axis(1, at..at + 1);
        let call = Attend::new().mask(&mask).bias(&bias);
        let (y, cache) = decoder.apply(&state).mutable("cache").run(|m| m.call(&token, call))?;
        state = variables.with("cache", cache.dict("cache")?.clone());
        assert_close(&y, &expected.slice_axis(1, at..at + 1), &format!("position {at}"));
    }
    Ok(())
}

#[test]
fn adapters_of_scanned_layers_are_merged_one_by_one() -> Result<()> {
    #[module]
    struct Tower;
    impl Layer for Tower {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let layers = Scan::new(MultiHeadDotProductAttention::new(2)).axis("params", 0).axis("lora", 0);
            layers.split("params").length(3).call(x)
        }
    }
    let (model, lora, x) = (Tower::new(), Lora::new(4).alpha(2.0), random::normal(&key(1), [2, 3, 8]));
    let both = lora.run(|| model.init(key(0)).call(&x))?;
    let drawn = |x: &Tensor| Ok(random::normal(&key(x.size() as u64), x.shape()) * 0.3);
    let both = both.with("lora", both.dict("lora")?.map(drawn)?);
    let shapes = shapes(both.dict("lora")?);
    assert!(shapes.iter().all(|(_, shape)| shape[0] == 3) && shapes.len() == 8, "{shapes:?}");
    let beside = lora.run(|| model.apply(&both).call(&x))?;
    let merged = lora.merge(&both)?;
    assert!(!merged.contains("lora"));
    assert!(!model.apply(both.pop("lora")?.1).call(&x)?.all_close(&beside, 0.1, 0.1)?);
    assert_close(&model.apply(merged).call(&x)?, &beside, "merged");
    Ok(())
}

#[test]
fn only_distances_between_positions_count() -> Result<()> {
    let layer = attention(RotaryEmbedding::new());
    let x = random::normal(&key(1), [2, 4, 12]);
    let variables = layer.init(key(0)).call(&x)?;
    let at = |positions: Tensor| {
        let call = Attend::new().positions(&positions);
        layer.apply(&variables).run(|m| m.call(&x, call))
    };
    let plain = layer.apply(&variables).call(&x)?;
    assert_close(&at(Tensor::from([0, 1, 2, 3]))?, &plain, "from the first position");
    assert_close(&at(Tensor::from([100, 101, 102, 103]))?, &plain, "from another one");
    assert_close(&at(Tensor::from([[0, 1, 2, 3], [7, 8, 9, 10]]))?, &plain, "from one for each example");
    assert!(!at(Tensor::from([0, 2, 4, 6]))?.all_close(&plain, 1e-3, 1e-3)?);
    assert!(at(Tensor::from([0, 1, 2])).unwrap_err().to_string().contains("at positions"));
    Ok(())
}

#[test]
fn heads_that_do_not_divide_are_refused() {
    let refused = |heads: usize| {
        let attention = MultiHeadDotProductAttention::new(4).num_kv_heads(heads);
        attention.init(key(0)).call(&Tensor::ones([1, 2, 8])).unwrap_err().to_string()
    };
    assert!(refused(3).contains("`num_kv_heads`") && refused(0).contains("`num_kv_heads`"), "{}", refused(3));
}

#[module]
struct Net;

impl Layer for Net {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.child_named("up", Dense::new(8)).call(x)?.tanh();
        let x = self.child_named("hidden", Dense::new(8)).call(&x)?.tanh();
        self.child_named("down", Dense::new(3)).call(&x)
    }
}

#[test]
fn adapters_are_those_of_peft() -> Result<()> {
    let file = file();
    for stabilized in [false, true] {
        let name = format!("lora.{}", i32::from(stabilized));
        let lora = Lora::new(2).alpha(3.0).targets(["up", "down"]).rank_stabilized(stabilized);
        let params = part(&file, &format!("{name}.params."));
        let variables =
            Variables::new().with("params", params).with("lora", part(&file, &format!("{name}.lora.")));
        let x = file.tensor([&*format!("{name}.x")])?;
        let expected = file.tensor([&*format!("{name}.y")])?;
        assert_close(&lora.run(|| Net::new().apply(&variables).call(x))?, expected, "beside");
        let compiled = jit(|x: Tensor| lora.run(|| Net::new().apply(&variables).call(&x)));
        assert_close(&compiled.call(x.clone())?, expected, "compiled");
        let merged = lora.merge(&variables)?;
        assert_eq!(merged.collections().collect::<Vec<_>>(), ["params"]);
        assert_close(
            merged.tensor("params/up/kernel")?,
            file.tensor([&*format!("{name}.merged")])?,
            "kernel",
        );
        assert_close(&Net::new().apply(&merged).call(x)?, expected, "merged");
    }
    Ok(())
}

#[test]
fn adapters_begin_with_nothing_and_leave_the_model_as_it_is() -> Result<()> {
    let (model, x) = (MultiHeadDotProductAttention::new(2), random::normal(&key(1), [2, 3, 8]));
    let finished = model.init(key(0)).call(&x)?;
    let lora = Lora::new(4);
    let both = lora.run(|| model.init(key(0)).call(&x))?;
    assert_eq!(both.dict("params")?, finished.dict("params")?);
    assert_eq!(both.tensor("lora/query/lora_a")?.shape(), [8, 4]);
    assert_eq!(both.tensor("lora/query/lora_b")?.shape(), [4, 2, 4]);
    assert_eq!(both.tensor("lora/out/lora_a")?.shape(), [2, 4, 4]);
    assert_eq!(both.tensor("lora/out/lora_b")?.shape(), [4, 8]);
    let y = model.apply(&finished).call(&x)?;
    assert_close(&lora.run(|| model.apply(&both).call(&x))?, &y, "nothing is added at first");

    // Other adapters are added in the middle of the model as they are to the kernels in the end.
    let other = both.dict("lora")?.map(|x| Ok(random::normal(&key(7), x.shape())))?;
    let both = both.with("lora", other);
    let beside = lora.run(|| model.apply(&both).call(&x))?;
    assert!(!beside.all_close(&y, 0.1, 0.1)?);
    assert_close(&model.apply(lora.merge(&both)?).call(&x)?, &beside, "merged");
    Ok(())
}

#[test]
fn adapters_of_a_layer_that_is_called_twice_are_one() -> Result<()> {
    #[module]
    struct Twice {
        #[setup(Dense::new(4))]
        dense: Dense,
    }
    impl Layer for Twice {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            self.dense.call(&self.dense.call(x)?)
        }
    }
    let x = random::normal(&key(1), [2, 4]);
    let lora = Lora::new(1);
    let variables = lora.run(|| Twice::new().init(key(0)).call(&x))?;
    let adapters = variables.dict("lora")?.map(|x| Ok(x.ones_like()))?;
    assert_eq!(adapters.flatten("/").into_keys().collect::<Vec<_>>(), ["dense/lora_a", "dense/lora_b"]);
    let variables = variables.with("lora", adapters);
    let y = lora.run(|| Twice::new().apply(&variables).call(&x))?;
    assert_close(&Twice::new().apply(lora.merge(&variables)?).call(&x)?, &y, "merged");
    Ok(())
}

#[test]
fn adapters_that_are_not_there_or_do_not_fit_are_refused() -> Result<()> {
    let x = Tensor::ones([2, 5]);
    let finished = Net::new().init(key(0)).call(&x)?;
    let text = Lora::new(2).run(|| Net::new().apply(&finished).call(&x)).unwrap_err().to_string();
    assert!(text.contains("`/up`") && text.contains("lora_a") && text.contains("`targets`"), "{text}");
    let text = Lora::new(0).run(|| Net::new().init(key(0)).call(&x)).unwrap_err().to_string();
    assert!(text.contains("`rank`"), "{text}");
    assert!(Lora::new(1).merge(&finished).unwrap_err().to_string().contains("lora"));
    let wrong = Dict::from([("lora_a", Tensor::ones([4, 1])), ("lora_b", Tensor::ones([1, 8]))]);
    let variables = finished.with("lora", Dict::from([("up", wrong)]));
    let text = Lora::new(1).merge(&variables).unwrap_err().to_string();
    assert!(text.contains("`up/kernel`"), "{text}");
    let batched = nn::DenseGeneral::new(3).batch_dims(0);
    let text = Lora::new(1).run(|| batched.init(key(0)).call(&x)).unwrap_err().to_string();
    assert!(text.contains("`batch_dims`"), "{text}");
    Ok(())
}
