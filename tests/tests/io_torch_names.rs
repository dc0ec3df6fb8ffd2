//! Models with the names of other libraries: their weights in ours, and out again. `torch/names.py` made the file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use flaxen::io::safetensors;
use flaxen::io::torch::{Kind, StateDict};
use flaxen::nn::{Attend, Embed, GruCell, LstmCell, MultiHeadDotProductAttention, PReLU, Rnn, SimpleCell};
use flaxen::prelude::*;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("torch").join(name)
}

/// The tensors of a file whose names begin in a way, by the rest of their names.
fn tensors_of(file: &str, begin: &str) -> BTreeMap<String, Tensor> {
    let file = safetensors::File::open(path(file)).unwrap();
    let of_model = file
        .names()
        .filter_map(|full| Some((full.strip_prefix(begin)?.to_owned(), file.tensor(full).unwrap())));
    of_model.collect()
}

/// The state dict of a model, its input and its output.
fn model(name: &str) -> (StateDict, Tensor, Tensor) {
    let one = |what: &str| tensors_of("names.safetensors", &format!("{what}.{name}")).remove("").unwrap();
    (StateDict::new(tensors_of("names.safetensors", &format!("state.{name}/"))), one("x"), one("y"))
}

fn all(state: &StateDict) -> BTreeMap<String, Tensor> {
    state.names().map(|name| (name.to_owned(), state.tensor(name).unwrap().clone())).collect()
}

fn assert_bits(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.aval(), expected.aval());
    assert_eq!(found.array().unwrap().bytes(), expected.array().unwrap().bytes());
}

fn assert_same(found: &BTreeMap<String, Tensor>, expected: &BTreeMap<String, Tensor>) {
    assert!(found.keys().eq(expected.keys()), "{:?}\n{:?}", found.keys(), expected.keys());
    for (name, tensor) in expected {
        assert_eq!(found[name].aval(), tensor.aval(), "{name}");
        assert_bits(&found[name], tensor);
    }
}

/// The shapes of a model's variables, which are all that loading needs.
fn shapes<L: Layer>(layer: &L, x: &Tensor) -> Variables {
    flaxen::eval_shape(|x: Tensor| layer.init(key(0)).call(&x), x).unwrap()
}

/// Whether ours computes what PyTorch's does, and gives the same file back.
fn agrees<L: Layer>(
    name: &str,
    layer: &L,
    rules: impl FnOnce(StateDict) -> StateDict,
) -> (StateDict, Variables) {
    let (state, x, y) = model(name);
    let (file, state) = (all(&state), rules(state));
    let variables = state.variables_like(&shapes(layer, &x)).unwrap();
    let found = layer.apply(&variables).call(&x).unwrap();
    assert!(found.all_close(&y, 1e-5, 1e-5).unwrap(), "{name}: {found:?}\n{y:?}");
    assert_same(&all(&state.export(&variables).unwrap()), &file);
    (state, variables)
}

#[module]
struct Bert {
    #[setup(Embed::new(11, 8))]
    word: Embed,
    #[setup(Embed::new(6, 8))]
    position: Embed,
    #[setup(LayerNorm::new().epsilon(1e-12))]
    norm: LayerNorm,
}

impl Layer for Bert {
    #[compact]
    fn call(&self, ids: &Tensor) -> Result<Tensor> {
        let positions = Tensor::arange(0, ids.shape()[1] as i32, 1);
        let x = self.word.call(ids)? + self.position.call(&positions)?;
        let mut x = self.norm.call(&x)?;
        for layer in 0..2 {
            let attention = MultiHeadDotProductAttention::new(2);
            let y = self.child_named(format!("attention_{layer}"), attention).call(&x, Attend::new())?;
            let norm = LayerNorm::new().epsilon(1e-12);
            x = self.child_named(format!("norm_{layer}"), norm).call(&(x + y))?;
        }
        Ok(x)
    }
}

fn bert(state: StateDict) -> StateDict {
    state
        .rename("embeddings.*_embeddings", "$1")
        .rename("embeddings.LayerNorm", "norm")
        .rename("encoder.layer.*.attention.self", "attention_$1")
        .rename("encoder.layer.*.attention.output.dense", "attention_$1/out")
        .rename("encoder.layer.*.attention.output.LayerNorm", "norm_$1")
        .ignore("embeddings.position_ids")
}

#[test]
fn separate_queries_keys_and_values_become_heads_and_patterns_carry_what_they_matched() {
    let (state, variables) = agrees("bert", &Bert::new(), bert);
    assert_eq!(variables.tensor("params/attention_1/key/kernel").unwrap().shape(), [8, 2, 4]);
    // Without a model, layers are said to be what they are.
    let said = state
        .layer("embeddings.*_embeddings", Kind::Embedding)
        .layer("encoder.layer.*.attention.self.*", Kind::ToHeads { heads: 2 })
        .layer("encoder.layer.*.attention.output.dense", Kind::FromHeads { heads: 2 });
    assert_eq!(said.variables().unwrap(), variables);
}

#[module]
struct Attention {
    #[setup(MultiHeadDotProductAttention::new(2))]
    attn: MultiHeadDotProductAttention,
}

impl Layer for Attention {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.attn.call(x, Attend::new())
    }
}

#[test]
fn queries_keys_and_values_of_one_linear_are_split() {
    let rules = |state: StateDict| {
        state
            .layer("attn.qkv", Kind::QueryKeyValue { heads: 2 })
            .rename("attn.qkv", "attn")
            .rename("attn.proj", "attn/out")
    };
    let _ = agrees("vit", &Attention::new(), rules);
}

#[module]
struct Cross {
    #[setup(MultiHeadDotProductAttention::new(2))]
    attn: MultiHeadDotProductAttention,
}

impl Layer for Cross {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let part = |features| x.try_slice_axis(2, 0..features);
        self.attn.call(x, Attend::new().keys(&part(5)?).values(&part(6)?))
    }
}

#[test]
fn the_heads_of_attention_are_those_that_ours_has() {
    let _ = agrees("cross", &Cross::new(), |state| state);
    // That of one input, in a matrix for all; and ours that says the same by plain layers.
    let state = StateDict::new(tensors_of("layers.safetensors", "state.attention."));
    let x = Tensor::ones([1, 3, 8]);
    let variables = state.variables_like(&shapes(&MultiHeadDotProductAttention::new(4), &x)).unwrap();
    assert_eq!(variables.tensor("params/value/bias").unwrap().shape(), [4, 2]);
    assert_same(&all(&state.export(&variables).unwrap()), &all(&state));
    let plain =
        ["query", "key", "value", "out"].map(|name| (name, Dense::new(8).init(key(0)).call(&x).unwrap()));
    let plain = plain.iter().map(|(name, own)| (*name, own.dict("params").unwrap().clone()));
    let plain = Variables::new().with("params", plain.collect::<Dict>());
    let variables = state.variables_like(&plain).unwrap();
    assert_eq!(variables.tensor("params/query/kernel").unwrap().shape(), [8, 8]);
    assert_same(&all(&state.export(&variables).unwrap()), &all(&state));
}

#[module]
struct Gpt {
    #[setup(Embed::new(7, 4))]
    wte: Embed,
    #[setup(Dense::new(4))]
    c_fc: Dense,
}

impl Layer for Gpt {
    #[compact]
    fn call(&self, ids: &Tensor) -> Result<Tensor> {
        self.wte.attend(&self.c_fc.call(&self.wte.call(ids)?)?)
    }
}

#[test]
fn tied_weights_are_one_here_and_two_there() {
    let rules =
        |state: StateDict| state.layer("c_fc", Kind::LinearInOut).tied("lm_head.weight", "wte.weight");
    let (state, variables) = agrees("gpt", &Gpt::new(), rules);
    // What has changed has changed in both; and the second name is made if the file has left it out.
    let changed = variables.tensor("params/wte/embedding").unwrap() + 1.0;
    let params = variables.dict("params").unwrap().with("wte/embedding", &changed);
    let trained = Variables::new().with("params", params);
    let mut left_out = all(&state);
    left_out.remove("lm_head.weight");
    let left_out = rules(StateDict::new(left_out));
    for state in [state, left_out] {
        let exported = state.export(&trained).unwrap();
        for name in ["wte.weight", "lm_head.weight"] {
            assert_bits(exported.tensor(name).unwrap(), &changed);
        }
    }
    // What is said to be the same is.
    let (state, ..) = model("gpt");
    let message = state
        .tied("c_fc.bias", "wte.weight")
        .layer("c_fc", Kind::LinearInOut)
        .variables()
        .unwrap_err()
        .to_string();
    assert!(message.contains("`c_fc.bias` is said to be `wte.weight`"), "{message}");
    for (original, part) in [("wte.weigth", "which is not there"), ("lm_head.weight", "another one itself")] {
        let circle = model("gpt").0.tied("lm_head.weight", original).variables().unwrap_err().to_string();
        assert!(circle.contains(part), "{circle}");
    }
}

#[test]
fn a_tensor_that_ours_has_twice_is_copied_and_stays_one_in_the_file() {
    let (state, ..) = model("gpt");
    let mut once = all(&state);
    once.remove("lm_head.weight");
    let state = StateDict::new(once.clone())
        .layer("c_fc", Kind::LinearInOut)
        .layer("wte", Kind::Embedding)
        .copied("wte.weight", "lm_head.weight");
    let variables = state.variables().unwrap();
    assert_bits(
        &variables.tensor("params/wte/embedding").unwrap().t(),
        variables.tensor("params/lm_head/kernel").unwrap(),
    );
    assert_same(&all(&state.export(&variables).unwrap()), &once);
    let params = variables.dict("params").unwrap().with("wte/embedding", Tensor::zeros([7, 4]));
    let message = state.export(&Variables::new().with("params", params)).unwrap_err().to_string();
    assert!(message.contains("`lm_head.weight` is a copy of `wte.weight`"), "{message}");
}

#[module]
struct Pitch {
    #[setup(Conv::new(3, [4]).padding(Padding::Valid))]
    conv: Conv,
    #[setup(PReLU::new().per_channel(true))]
    act: PReLU,
    #[setup(Dense::new(5))]
    point: Dense,
}

impl Layer for Pitch {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.act.call(&self.conv.call(&x.move_axis(1, -1))?)?;
        let gain = self.param("gain", init::zeros(), [5])?;
        Ok((self.point.call(&x)? * gain).move_axis(1, -1))
    }
}

#[test]
fn kernels_lose_axes_of_size_one_slopes_are_known_and_a_models_own_parameters_are_kept() {
    let (_, variables) = agrees("pitch", &Pitch::new(), |state| state);
    assert_eq!(variables.tensor("params/conv/kernel").unwrap().shape(), [4, 2, 3]);
    assert_eq!(variables.tensor("params/point/kernel").unwrap().shape(), [3, 5]);
    assert_eq!(variables.tensor("params/act/negative_slope").unwrap().shape(), [3]);
    assert_eq!(variables.tensor("params/gain").unwrap().shape(), [5]);
    // One that cannot be known is taken for a norm, and said to be nearest.
    let (state, x, _) = model("pitch");
    let message =
        state.rename("act", "slopes").variables_like(&shapes(&Pitch::new(), &x)).unwrap_err().to_string();
    let near = "the model has `params/act/negative_slope` f32[3], which the file has not: nearest is `act.weight` -> \
                `params/slopes/scale` f32[3]";
    assert!(message.contains(near), "{message}");
}

#[test]
fn maps_change_tensors_and_are_undone_where_they_say_how() {
    let file = || {
        StateDict::new([
            ("fc.weight", Tensor::arange(0.0f32, 6.0, 1.0).reshape([2, 3])),
            ("fc.bias", Tensor::arange(0.0f32, 2.0, 1.0)),
        ])
    };
    let doubled = |x: &Tensor| Ok(x * 2.0);
    let both = file().map_with_inverse("fc", doubled, |x| Ok(x / 2.0));
    let variables = both.variables().unwrap();
    assert_eq!(variables.tensor("params/fc/bias").unwrap().to_vec::<f32>().unwrap(), [0.0, 2.0]);
    assert_same(&all(&both.export(&variables).unwrap()), &all(&file()));
    let one = file().map("fc.weight", doubled);
    assert_eq!(
        one.variables().unwrap().tensor("params/fc/bias").unwrap().to_vec::<f32>().unwrap(),
        [0.0, 1.0]
    );
    let says = |state: StateDict, part: &str| {
        let message = state.export(&variables).unwrap_err().to_string();
        assert!(message.contains(part), "{part}: {message}");
    };
    says(one, "`fc.weight`: `.map` says what it becomes here, but not the way back");
    let wrong = file().map_with_inverse("fc.bias", doubled, |x| Ok(x.reshape([2, 1])));
    says(wrong, "`fc.bias`: its way back has shape [2, 1], but the state dict has [2]");
    let failed = file().map("fc", |x| x.try_reshape([7])).variables().unwrap_err().to_string();
    assert!(failed.contains("`fc.bias`: its change failed"), "{failed}");
    assert!(file().map("fd", doubled).variables().is_err());
}

/// Every layer of two files, whose state dict is given back bit for bit.
#[test]
fn what_was_loaded_is_exported_as_it_was() {
    let kinds = |state: StateDict| {
        state
            .layer("embedding", Kind::Embedding)
            .layer("attention", Kind::Attention { heads: 2 })
            .layer("up1", Kind::ConvTranspose)
            .layer("up2", Kind::ConvTransposeFlipped)
    };
    let state = kinds(StateDict::new(tensors_of("layers.safetensors", "state.")));
    assert_same(&all(&state.export(&state.variables().unwrap()).unwrap()), &all(&state));
    // In another dtype, and in it back again.
    let halves: BTreeMap<_, _> = all(&state)
        .into_iter()
        .map(|(name, x)| {
            let x = if x.dtype() == DType::F32 { x.cast(DType::BF16) } else { x };
            (name, x)
        })
        .collect();
    let halves = kinds(StateDict::new(halves)).cast(DType::F32);
    assert_same(&all(&halves.export(&halves.variables().unwrap()).unwrap()), &all(&halves));
    let state = StateDict::new(tensors_of("recurrent.safetensors", "state."));
    assert_same(&all(&state.export(&state.variables().unwrap()).unwrap()), &all(&state));
    let (weight, shape) = (Tensor::arange(0.0f32, 72.0, 1.0).reshape([6, 12]), [2, 2, 3]);
    let state = StateDict::new([
        ("in.weight", weight.clone()),
        ("out.weight", weight.t()),
        ("out.bias", Tensor::arange(0.0f32, 12.0, 1.0)),
    ]);
    let state = state.flattened("in", shape).unflattened("out", shape);
    assert_same(&all(&state.export(&state.variables().unwrap()).unwrap()), &all(&state));
}

/// Whether a trained layer of ours, exported, loads as what it was.
fn comes_back<L: Layer>(name: &str, layer: &L) {
    let file = || StateDict::new(tensors_of("recurrent.safetensors", &format!("state.{name}.")));
    let x = Tensor::ones([2, 5, 3]);
    let trained = layer.init(key(7)).call(&x).unwrap();
    // Biases begin as zeros.
    let params = trained.dict("params").unwrap().flatten("/").into_iter().map(|(path, value)| {
        let value = value.tensor().unwrap().clone();
        let value = if path.ends_with("bias") {
            random::normal(&key(path.len() as u64), value.shape())
        } else {
            value
        };
        (path, value)
    });
    let params = params.fold(Dict::new(), |params, (path, value)| params.with(path.as_str(), value));
    let trained = Variables::new().with("params", params);
    let exported = file().export(&trained).unwrap();
    assert!(exported.names().eq(file().names()));
    assert_eq!(exported.variables_like(&trained).unwrap(), trained, "{name}");
}

#[test]
fn recurrent_layers_that_were_trained_here_load_as_what_they_were() {
    comes_back("lstm", &Rnn::new(LstmCell::new(4)));
    comes_back(
        "lstm_deep",
        &sequential![Rnn::new(LstmCell::new(4)), Rnn::new(LstmCell::new(4)), Rnn::new(LstmCell::new(4))],
    );
    comes_back("gru", &Rnn::new(GruCell::new(4)));
    comes_back("rnn", &Rnn::new(SimpleCell::new(4)));
    // Ours has biases that this one has no place for.
    let plain = StateDict::new(tensors_of("recurrent.safetensors", "state.lstm_plain."));
    let variables = plain.variables().unwrap();
    let params = variables.dict("params").unwrap().with("cell/hf/bias", Tensor::ones([4]));
    let message = plain.export(&Variables::new().with("params", params)).unwrap_err().to_string();
    assert!(
        message.contains("`params/cell/hf/bias` is not 0, but PyTorch's layer has no such bias"),
        "{message}"
    );
}

#[test]
fn all_that_does_not_fit_is_listed_with_what_is_nearest() {
    let (state, x, _) = model("bert");
    let state = state
        .rename("embeddings.*_embeddings", "$1")
        .rename("embeddings.LayerNorm", "norm")
        .rename("encoder.layer.*.attention.self", "attention_$1")
        .rename("encoder.layer.*.attention.output.dens", "attention_$1/out")
        .rename("encoder.layer.*.attention.output.LayerNorm", "norms_$1");
    let message = state.variables_like(&shapes(&Bert::new(), &x)).unwrap_err().to_string();
    let parts = [
        "no rule says what becomes of `embeddings.position_ids`",
        "the rules for `encoder.layer.*.attention.output.dens` are about, nearest to `encoder.layer.*.attention.output.dens` is \
         `encoder.layer.0.attention.output.dense`",
        "the model has `params/attention_0/out/bias` f32[8], which the file has not: nearest is",
        "the model has `params/norm_1/scale` f32[8], which the file has not: nearest is \
         `encoder.layer.1.attention.output.LayerNorm.weight` -> `params/norms_1/scale` f32[8]",
        "the file has `encoder.layer.1.attention.output.LayerNorm.bias` -> `params/norms_1/bias` f32[8], which the model has not: \
         nearest is `params/norm_1/bias` f32[8]",
    ];
    for part in parts {
        assert!(message.contains(part), "{part}:\n{message}");
    }
    // What the variables have and PyTorch's model has not.
    let (state, x, _) = model("bert");
    let state = bert(state);
    let variables = state.variables_like(&shapes(&Bert::new(), &x)).unwrap();
    let params = variables.dict("params").unwrap();
    let more = params.with("extra", Tensor::ones([3])).with("norm/scale", Tensor::ones([9]));
    let message = state.export(&Variables::new().with("params", more)).unwrap_err().to_string();
    for part in [
        "`params/extra` f32[3], which the file has not",
        "`params/norm/scale` is f32[8], made of `embeddings.LayerNorm.weight`",
    ] {
        assert!(message.contains(part), "{part}:\n{message}");
    }
    let message = bert(StateDict::new([("a.b.weight", Tensor::ones([2]))]))
        .rename("a.*", "x_$2")
        .variables()
        .unwrap_err()
        .to_string();
    assert!(message.contains("there is no `$2` in `a.*`, which has 1 stars"), "{message}");
}

#[test]
fn a_report_says_what_became_of_what() {
    let (state, x, _) = model("bert");
    let report = bert(state).report_like(&shapes(&Bert::new(), &x)).unwrap().to_string();
    let lines: Vec<Vec<&str>> = report.lines().map(|line| line.split_whitespace().collect()).collect();
    let expected = [
        "embeddings.position_ids i64[1,6] left out",
        "embeddings.word_embeddings.weight f32[11,8] -> params/word/embedding f32[11,8]",
        "encoder.layer.1.attention.self.query.weight f32[8,8] -> params/attention_1/query/kernel f32[8,2,4] transposed, reshaped to [8, 2, 4]",
    ];
    for expected in expected {
        let expected: Vec<&str> = expected.split_whitespace().collect();
        assert!(lines.contains(&expected), "{expected:?}\n{report}");
    }
    let recurrent =
        StateDict::new(tensors_of("recurrent.safetensors", "state.gru.")).report().unwrap().to_string();
    assert!(
        recurrent.contains("part 3 of 3, transposed") && recurrent.contains("part 1 of 3, added"),
        "{recurrent}"
    );
    let wrong =
        StateDict::new([("a.weight", Tensor::ones([2])), ("b", Tensor::ones([2]))]).layer("a", Kind::Linear);
    let wrong = wrong.report().unwrap().to_string();
    assert!(wrong.contains("wrong: it has shape [2]") && wrong.contains("no rule is for it"), "{wrong}");
}

/// `torch/strict.py` loads both files into PyTorch's layers, with `weights_only=True` and `strict=True`.
#[test]
fn what_is_saved_is_what_pytorch_has_read() {
    let mut tensors = tensors_of("layers.safetensors", "state.");
    tensors.extend(tensors_of("recurrent.safetensors", "state."));
    let numbers = Tensor::from([0.0f32, 1.0, 2.0]);
    for dtype in DType::ALL {
        tensors.insert(format!("dtype.{}", dtype.name()), numbers.cast(dtype));
    }
    tensors.insert("empty".to_owned(), Tensor::zeros([0, 3]));
    tensors.insert("scalar".to_owned(), Tensor::from(2.5f32));
    let state = StateDict::new(tensors.clone());
    let folder = tempfile::tempdir().unwrap();
    for name in ["exported.pt", "exported.safetensors"] {
        let mut state = state.clone();
        if name.ends_with("safetensors") {
            // It has no complex numbers.
            let mut real = tensors.clone();
            real.remove("dtype.complex64");
            state = StateDict::new(real);
        }
        state.save(folder.path().join(name)).unwrap();
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        let stored = path("files").join(name);
        if std::env::var_os("FLAXEN_BLESS").is_some() {
            std::fs::write(&stored, &bytes).unwrap();
        }
        assert!(bytes == std::fs::read(&stored).unwrap(), "{name} differs: bless it and run torch/strict.py");
        let read = StateDict::open(stored).unwrap();
        assert_same(&all(&read), &all(&state));
    }
    let refused = state.save(folder.path().join("weights.txt")).unwrap_err().to_string();
    assert!(refused.contains("`.safetensors`"), "{refused}");
}
