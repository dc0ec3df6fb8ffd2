//! Weights of PyTorch, in our layers, give PyTorch's outputs. `torch/layers.py` and `torch/recurrent.py` made the files.

use std::path::PathBuf;

use flaxen::io::safetensors;
use flaxen::io::torch::{Kind, StateDict};
use flaxen::nn::{
    Bidirectional, Cell, ConvTranspose, Embed, GroupNorm, GruCell, LstmCell, MultiHeadDotProductAttention,
    OptimizedLstmCell, PReLU, Rnn, Sequence, SimpleCell,
};
use flaxen::prelude::*;
use proptest::prelude::*;

fn file() -> Dict {
    file_of("layers")
}

fn file_of(name: &str) -> Dict {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("torch");
    safetensors::load(folder.join(format!("{name}.safetensors"))).unwrap()
}

/// The tensors of the state dict whose names begin with one of these modules.
fn state(modules: &[&str]) -> StateDict {
    state_of(&file(), modules)
}

fn state_of(file: &Dict, modules: &[&str]) -> StateDict {
    let all = file.flatten("/").into_iter();
    StateDict::new(all.filter_map(|(name, value)| {
        let name = name.strip_prefix("state.")?.to_owned();
        let wanted = modules.iter().any(|module| name.split('.').next() == Some(module));
        wanted.then(|| (name, value.tensor().unwrap().clone()))
    }))
}

/// `[batch, channels, spatial..]` with channels last.
fn channels_last(x: &Tensor) -> Tensor {
    if x.rank() > 2 { x.move_axis(1, -1) } else { x.clone() }
}

/// Whether a layer of ours with PyTorch's weights computes PyTorch's output.
fn agrees<L: Layer>(name: &str, layer: L, rules: impl FnOnce(StateDict) -> StateDict, images: bool) {
    let file = file();
    let turned = |name: &str| {
        let x = file.tensor([name]).unwrap();
        if images { channels_last(x) } else { x.clone() }
    };
    let (x, y) = (turned(&format!("x.{name}")), turned(&format!("y.{name}")));
    let own = layer.init(key(0)).call(&x).unwrap();
    let variables = rules(state(&[name])).rename(name, "").variables_like(&own).unwrap();
    let found = layer.apply(&variables).call(&x).unwrap();
    assert_eq!(found.shape(), y.shape(), "{name}");
    assert!(found.all_close(&y, 1e-5, 1e-5).unwrap(), "{name}: {found:?}\n{y:?}");
}

#[test]
fn layers_that_are_known_by_their_tensors_agree() {
    let as_is = |state| state;
    agrees("linear", Dense::new(5), as_is, false);
    agrees("plain", Dense::new(2).use_bias(false), as_is, false);
    agrees("conv1", Conv::new(3, [3]).padding([(1, 1)]), as_is, true);
    let grouped = Conv::new(6, [3, 2]).strides([2, 2]).feature_group_count(2).padding(Padding::Valid);
    agrees("conv2", grouped, as_is, true);
    agrees("conv3", Conv::new(2, [2, 2, 2]).kernel_dilation([2, 2, 2]).padding(Padding::Valid), as_is, true);
    let averages = || BatchNorm::new().use_running_average(true);
    agrees("batch_norm", averages(), as_is, true);
    agrees("statistics", averages().use_bias(false).use_scale(false), as_is, true);
    agrees("layer_norm", LayerNorm::new().epsilon(1e-5), as_is, false);
    agrees("group_norm", GroupNorm::new().num_groups(2).epsilon(1e-5), as_is, true);
}

#[test]
fn layers_that_are_named_agree() {
    agrees("embedding", Embed::new(7, 3), |state| state.layer("embedding", Kind::Embedding), false);
    agrees(
        "attention",
        MultiHeadDotProductAttention::new(2),
        |state| state.layer("attention", Kind::Attention { heads: 2 }),
        false,
    );
    let up1 = ConvTranspose::new(2, [4]).strides([2]).padding([(2, 2)]);
    let up2 = ConvTranspose::new(3, [3, 2]).strides([2, 1]).padding([(2, 2), (1, 1)]);
    for (transposed, kind) in [(true, Kind::ConvTranspose), (false, Kind::ConvTransposeFlipped)] {
        agrees("up1", up1.clone().transpose_kernel(transposed), |state| state.layer("up1", kind), true);
        agrees(
            "up2",
            up2.clone().transpose_kernel(transposed),
            |state| state.layer("*", Kind::Conv).layer("up2", kind),
            true,
        );
    }
}

#[test]
fn features_of_images_are_put_into_our_order() {
    let weight = random::normal(&key(0), [5, 24]);
    let x = random::normal(&key(1), [2, 2, 3, 4]);
    let theirs = x.reshape([2, 24]).dot(&weight.t());
    let state = StateDict::new([("fc.weight", weight.clone())]).flattened("fc", [2, 3, 4]);
    let kernel = state.variables().unwrap().tensor("params/fc/kernel").unwrap().clone();
    let ours = channels_last(&x).flatten(1).dot(&kernel);
    assert!(ours.all_close(&theirs, 1e-5, 1e-5).unwrap());

    let (weight, bias) = (weight.t(), random::normal(&key(2), [24]));
    let z = random::normal(&key(3), [2, 5]);
    let theirs = channels_last(&(z.dot(&weight.t()) + &bias).reshape([2, 2, 3, 4]));
    let state = StateDict::new([("fc.weight", weight), ("fc.bias", bias)]).unflattened("fc", [2, 3, 4]);
    let variables = state.variables().unwrap();
    let ours =
        Dense::new(24).apply(Variables::new().with("params", variables.dict("params/fc").unwrap())).call(&z);
    assert!(ours.unwrap().reshape([2, 3, 4, 2]).all_close(&theirs, 1e-5, 1e-5).unwrap());
    let message = state.flattened("fc", [2, 2, 2]).variables().unwrap_err().to_string();
    assert!(message.contains("5 features") && message.contains("[2, 2, 2]"), "{message}");
}

#[test]
fn names_are_mapped_kept_and_left_out() {
    let one = || Tensor::ones([1]);
    let square = || Tensor::ones([2, 2]);
    let state = StateDict::new([
        ("encoder.layers.0.attn.weight", square()),
        ("encoder.layers.1.attn.weight", square()),
        ("encoder.layers.1.act.weight", one()),
        ("encoder.position", one()),
        ("head.weight", square()),
        ("old.weight", square()),
        ("old.bias", one()),
    ]);
    let state = state
        .rename("encoder", "body")
        .rename("encoder.layers.1", "body/last")
        .rename("head", "")
        .keep("encoder.position")
        .layer("encoder.layers.*.act", Kind::PReLU)
        .ignore("old");
    let variables = state.variables().unwrap();
    let names: Vec<_> = variables.as_dict().flatten("/").into_keys().collect();
    let expected = [
        "params/body/last/act/negative_slope",
        "params/body/last/attn/kernel",
        "params/body/layers/0/attn/kernel",
        "params/body/position",
        "params/kernel",
    ];
    assert_eq!(names, expected);
    let slope = variables.tensor("params/body/last/act/negative_slope").unwrap();
    PReLU::new()
        .apply(Variables::new().with("params", Dict::from([("negative_slope", slope)])))
        .call(&one())
        .unwrap();
}

#[test]
fn halves_become_floats_if_that_is_said() {
    let halves = || {
        StateDict::new([
            ("fc.weight", Tensor::ones([2, 3]).cast(DType::BF16)),
            ("fc.bias", Tensor::zeros([2])),
        ])
    };
    let own = Dense::new(2).init(key(0)).call(&Tensor::ones([1, 3])).unwrap();
    let refused = halves().rename("fc", "").variables_like(&own).unwrap_err().to_string();
    assert!(refused.contains("`params/kernel` is bf16[3,2]"), "{refused}");
    assert!(halves().rename("fc", "").cast(DType::F32).variables_like(&own).is_ok());
}

#[test]
fn what_no_rule_is_for_is_listed() {
    let state = || StateDict::new([("gru.weight_ih_l0", Tensor::ones([2, 2])), ("scale", Tensor::ones([2]))]);
    let message = state().variables().unwrap_err().to_string();
    assert!(message.contains("what becomes of `gru.weight_ih_l0`, `scale`"), "{message}");
    let message =
        state().ignore("gru").keep("scale").layer("gruu", Kind::Linear).variables().unwrap_err().to_string();
    assert!(message.contains("the rules for `gruu`") && message.contains("gru.weight_ih_l0"), "{message}");
    let wrong = |kind| {
        StateDict::new([("m.weight", Tensor::ones([3]))])
            .layer("m", kind)
            .variables()
            .unwrap_err()
            .to_string()
    };
    for kind in [Kind::Linear, Kind::Conv, Kind::ConvTranspose, Kind::Embedding] {
        assert!(wrong(kind).contains("`m.weight`: it has shape [3]"), "{}", wrong(kind));
    }
    let slopes = StateDict::new([("m.weight", Tensor::ones([3]))]).layer("m", Kind::PReLU);
    assert_eq!(slopes.variables().unwrap().tensor("params/m/negative_slope").unwrap().shape(), [3]);
    let heads = StateDict::new([("a.in_proj_weight", Tensor::ones([12, 4]))]);
    let heads = heads.layer("a", Kind::Attention { heads: 3 }).variables().unwrap_err().to_string();
    assert!(heads.contains("an attention of 3 heads"), "{heads}");
    let twice = StateDict::new([("a.weight", Tensor::ones([2, 2])), ("b.weight", Tensor::ones([2, 2]))])
        .rename("b", "a");
    assert!(twice.variables().unwrap_err().to_string().contains("given twice"));
    let tricks = StateDict::new([("a.weight", Tensor::ones([2, 2]))]).rename("a", "../b");
    assert!(tricks.variables().unwrap_err().to_string().contains("means a folder"));
}

proptest! {
    #[test]
    fn no_shape_does_harm(
        shape in prop::collection::vec(0usize..7, 0..7),
        own in prop::sample::select(vec![
            "weight", "bias", "running_mean", "in_proj_weight", "in_proj_bias", "q_proj_weight", "out_proj.weight", "weight_hh_l0",
        ]),
        image in prop::collection::vec(0usize..4, 0..4),
        rule in 0usize..19,
    ) {
        let state = StateDict::new([(format!("m.{own}"), Tensor::zeros(&shape))]);
        let kinds = [
            Kind::Linear,
            Kind::Conv,
            Kind::ConvTranspose,
            Kind::ConvTransposeFlipped,
            Kind::BatchNorm,
            Kind::Norm,
            Kind::Embedding,
            Kind::PReLU,
            Kind::Attention { heads: 0 },
            Kind::Attention { heads: 2 },
            Kind::LinearInOut,
            Kind::ToHeads { heads: 2 },
            Kind::FromHeads { heads: 3 },
            Kind::QueryKeyValue { heads: 1 },
            Kind::Gru,
            Kind::Rnn,
        ];
        let state = match rule {
            16 => state.flattened("m", image),
            17 => state.unflattened("m", image),
            18 => state,
            kind => state.layer("m", kinds[kind]),
        };
        let _ = state.report().unwrap().to_string();
        if let Ok(variables) = state.variables() {
            prop_assert!(state.variables_like(&variables).is_ok());
            let back = state.export(&variables).unwrap();
            let name = format!("m.{own}");
            prop_assert_eq!(back.tensor(&name).unwrap().shape(), &shape[..]);
        }
    }
}

#[test]
fn a_bias_of_another_length_than_its_layer_has_features_is_refused() {
    let variables = |kind: Option<Kind>, tensors: &[(&str, &[usize])]| {
        let state =
            StateDict::new(tensors.iter().map(|(name, shape)| (format!("m.{name}"), Tensor::zeros(*shape))));
        match kind {
            Some(kind) => state.layer("m", kind).variables(),
            None => state.variables(),
        }
    };
    let attention = Some(Kind::Attention { heads: 2 });
    let cases: [(_, &str, &[usize], &str, usize, usize); 9] = [
        (None, "weight", &[2, 3], "bias", 2, 5),
        (None, "weight", &[8, 3, 3], "bias", 8, 3),
        (None, "weight", &[4], "bias", 4, 2),
        (None, "running_mean", &[4], "bias", 4, 2),
        (None, "running_mean", &[4], "weight", 4, 2),
        (None, "running_mean", &[4], "running_var", 4, 1),
        (Some(Kind::ConvTranspose), "weight", &[4, 3, 3, 3], "bias", 3, 6),
        (attention, "in_proj_weight", &[12, 4], "in_proj_bias", 12, 6),
        (attention, "out_proj.weight", &[4, 4], "out_proj.bias", 4, 8),
    ];
    for (kind, weight, shape, bias, right, wrong) in cases {
        let with = |len: usize| variables(kind, &[(weight, shape), (bias, &[len])]);
        assert!(with(right).is_ok(), "{weight} {shape:?}: {:?}", with(right));
        let message = with(wrong).unwrap_err().to_string();
        assert!(message.contains(&format!("`m.{bias}`: it has shape [{wrong}]")), "{message}");
    }
    let groups = variables(Some(Kind::ConvTransposeFlipped), &[("weight", &[4, 3, 3, 3]), ("bias", &[6])]);
    let message = groups.unwrap_err().to_string();
    assert!(message.contains("a transposed convolution in 2 groups"), "{message}");
    // A `LayerNorm` over two axes.
    assert!(variables(Some(Kind::Norm), &[("weight", &[4, 3]), ("bias", &[4, 3])]).is_ok());
    assert!(variables(Some(Kind::Norm), &[("weight", &[4, 3]), ("bias", &[4])]).is_err());
}

#[test]
fn a_tensor_of_an_unknown_dtype_can_be_left_out() {
    let header = r#"{"fc.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"fc.scale":{"dtype":"F4","shape":[2],"data_offsets":[4,5]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 5]].concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let state = StateDict::open(&path).unwrap();
    let message = state.variables().unwrap_err().to_string();
    assert!(
        message.contains("`fc.scale` is of dtype F4") && message.contains("`.ignore(name)`"),
        "{message}"
    );
    let variables = state.ignore("fc.scale").variables().unwrap();
    assert_eq!(variables.tensor("params/fc/kernel").unwrap().shape(), [1, 1]);
}

/// Whether a recurrent layer of ours with PyTorch's weights computes PyTorch's output; its variables.
fn recurrent_agrees<L: Layer>(name: &str, layer: &L) -> Variables {
    let file = file_of("recurrent");
    let (x, y) = (file.tensor([format!("x.{name}")]).unwrap(), file.tensor([format!("y.{name}")]).unwrap());
    let own = layer.init(key(0)).call(x).unwrap();
    let variables = state_of(&file, &[name]).rename(name, "").variables_like(&own).unwrap();
    let found = layer.apply(&variables).call(x).unwrap();
    assert!(found.all_close(y, 1e-5, 1e-5).unwrap(), "{name}: {found:?}\n{y:?}");
    variables
}

#[test]
fn recurrent_layers_agree() {
    let lstm = || Rnn::new(LstmCell::new(4));
    recurrent_agrees("lstm", &lstm());
    recurrent_agrees("lstm", &Rnn::new(OptimizedLstmCell::new(4)));
    recurrent_agrees("lstm_plain", &lstm().time_major());
    recurrent_agrees("lstm_deep", &sequential![lstm(), lstm(), lstm()]);
    let both = || Bidirectional::new(Rnn::new(LstmCell::new(4)), Rnn::new(LstmCell::new(4)));
    recurrent_agrees("lstm_both", &sequential![both(), both()]);
    let gru = || Rnn::new(GruCell::new(4));
    recurrent_agrees("gru", &gru());
    recurrent_agrees("gru_plain", &gru().time_major());
    let both = || Bidirectional::new(Rnn::new(GruCell::new(4)), Rnn::new(GruCell::new(4)));
    recurrent_agrees("gru_both", &sequential![both(), both()]);
    recurrent_agrees("rnn", &Rnn::new(SimpleCell::new(4)));
    recurrent_agrees("rnn_plain", &Rnn::new(SimpleCell::new(4)).time_major());
    let relu = || Rnn::new(SimpleCell::new(4).activation_fn(Tensor::relu));
    recurrent_agrees("rnn_relu", &Bidirectional::new(relu(), relu()));
}

#[test]
fn states_at_the_end_of_a_sequence_agree() {
    let file = file_of("recurrent");
    let tensor = |name: &str| file.tensor([name]).unwrap().clone();
    let same = |found: &Tensor, name: &str| {
        // [layers, batch, features] there.
        assert!(found.all_close(tensor(name).index_axis(0, 0), 1e-5, 1e-5).unwrap(), "{name}: {found:?}");
    };
    let (x, lstm) = (tensor("x.lstm"), Rnn::new(LstmCell::new(4)));
    let variables = recurrent_agrees("lstm", &lstm);
    let (c, h) = lstm.apply(&variables).run(|m| m.with_carry(&x, Sequence::new())).unwrap().0;
    same(&c, "c.lstm");
    same(&h, "h.lstm");
    let (x, gru) = (tensor("x.gru"), Rnn::new(GruCell::new(4)));
    let variables = recurrent_agrees("gru", &gru);
    same(&gru.apply(&variables).run(|m| m.with_carry(&x, Sequence::new())).unwrap().0, "h.gru");
}

/// Whether a cell of ours with PyTorch's weights makes PyTorch's step.
fn cell_agrees<C: Cell>(file: &Dict, name: &str, cell: &C) {
    let x = file.tensor([format!("x.{name}")]).unwrap();
    let carry = cell.initial_carry(&key(0), x.shape()).unwrap();
    let own = cell.init(key(0)).run(|m| m.call(carry.clone(), x)).unwrap();
    let variables = state_of(file, &[name]).rename(name, "").variables_like(&own).unwrap();
    let (_, found) = cell.apply(&variables).run(|m| m.call(carry.clone(), x)).unwrap();
    let y = file.tensor([format!("y.{name}")]).unwrap();
    assert!(found.all_close(y, 1e-5, 1e-5).unwrap(), "{name}: {found:?}\n{y:?}");
}

#[test]
fn recurrent_cells_alone_agree() {
    let file = file_of("recurrent");
    cell_agrees(&file, "lstm_cell", &LstmCell::new(4));
    cell_agrees(&file, "lstm_cell", &OptimizedLstmCell::new(4));
    cell_agrees(&file, "gru_cell", &GruCell::new(4));
    cell_agrees(&file, "rnn_cell", &SimpleCell::new(4));
}

#[test]
fn layers_of_a_stack_get_names_and_both_directions_their_own() {
    let paths = |state: StateDict| {
        let variables = state.variables().unwrap();
        let flat = variables.as_dict().flatten("/");
        flat.keys().filter(|path| path.ends_with("hi/bias")).cloned().collect::<Vec<_>>()
    };
    let file = file_of("recurrent");
    assert_eq!(paths(state_of(&file, &["lstm"])), ["params/lstm/cell/hi/bias"]);
    let deep = || state_of(&file, &["lstm_deep"]);
    let expected = [0, 1, 2].map(|n| format!("params/lstm_deep/layers_{n}/cell/hi/bias"));
    assert_eq!(paths(deep()), expected);
    let named = deep()
        .rename("lstm_deep.layers_0", "RNN_0")
        .rename("lstm_deep.layers_1", "RNN_1")
        .rename("lstm_deep.layers_2", "top/RNN_0");
    let expected =
        ["params/RNN_0/cell/hi/bias", "params/RNN_1/cell/hi/bias", "params/top/RNN_0/cell/hi/bias"];
    assert_eq!(paths(named), expected);
    let both = paths(state_of(&file, &["lstm_both"]));
    let expected = ["0/backward", "0/forward", "1/backward", "1/forward"];
    assert_eq!(both, expected.map(|at| format!("params/lstm_both/layers_{at}_rnn/cell/hi/bias")));
}

#[test]
fn recurrent_weights_that_do_not_fit_are_named() {
    let of = |tensors: &[(&str, &[usize])]| {
        let tensors = tensors.iter().map(|(name, shape)| (format!("r.{name}"), Tensor::ones(*shape)));
        StateDict::new(tensors.collect::<Vec<_>>()).variables().unwrap_err().to_string()
    };
    let (ih, hh) = (("weight_ih_l0", &[16, 3][..]), ("weight_hh_l0", &[16, 4][..]));
    let cases = [
        (vec![ih], "`r.weight_ih_l0`"),
        (
            vec![hh, ("weight_ih_l0", &[12, 3])],
            "`r.weight_ih_l0`: it has shape [12, 3], expected [16, inputs]",
        ),
        (vec![ih, hh, ("bias_ih_l0", &[16])], "`r.bias_ih_l0`: there is no bias `bias_hh_l0`"),
        (vec![ih, hh, ("bias_hh_l0", &[16])], "`r.bias_hh_l0`: there is no bias `bias_ih_l0`"),
        (vec![ih, hh, ("bias_ih_l0", &[16]), ("bias_hh_l0", &[4])], "`r.bias_hh_l0`: it has shape [4]"),
        (vec![ih, hh, ("weight_hr_l0", &[2, 4])], "proj_size"),
        (vec![ih, hh, ("weight_xx_l0", &[2, 4])], "`r.weight_xx_l0`"),
        (vec![ih, ("weight_hh_l0", &[20, 4])], "no rule says what becomes of"),
    ];
    for (tensors, part) in cases {
        let message = of(&tensors);
        assert!(message.contains(part), "{part}: {message}");
    }
    // What is said to be another layer than it is.
    let wrong = state_of(&file_of("recurrent"), &["gru"]).layer("gru", Kind::Lstm).variables();
    assert!(wrong.unwrap_err().to_string().contains("[12, 4], which is none of a `Lstm` layer"));
}

#[test]
fn variables_that_come_from_no_file_get_the_names_and_shapes_that_pytorch_gives() {
    let known = ["linear", "plain", "conv1", "conv2", "conv3", "batch_norm", "layer_norm", "group_norm"];
    let layers = state(&[&known[..], &["statistics", "embedding", "attention"]].concat())
        .layer("embedding", Kind::Embedding)
        .layer("attention", Kind::Attention { heads: 2 });
    let all = ["lstm", "gru", "rnn", "rnn_relu", "lstm_cell", "gru_cell", "rnn_cell"];
    let recurrent = state_of(&file_of("recurrent"), &all);
    for file in [layers, recurrent] {
        let variables = file.variables().unwrap();
        let made = StateDict::of(&variables).unwrap();
        assert_eq!(made.names().collect::<Vec<_>>(), file.names().collect::<Vec<_>>());
        for name in file.names() {
            let [found, stored] = [&made, &file].map(|state| state.tensor(name).unwrap());
            assert_eq!((found.shape(), found.dtype()), (stored.shape(), stored.dtype()), "{name}");
            // Ours has the sum of two biases, and no count of batches.
            if !name.contains("bias_") && !name.ends_with("num_batches_tracked") {
                assert!(found.all_close(stored, 0.0, 0.0).unwrap(), "{name}");
            }
        }
        assert_eq!(made.variables_like(&variables).unwrap(), variables);
        // As a file does, it exports what the variables have become.
        let twice = flaxen::tree::map(&variables, |x| x.try_mul(2.0)).unwrap();
        let exported = made.export(&twice).unwrap();
        assert_eq!(exported.variables_like(&variables).unwrap(), twice);
    }
}

#[test]
fn modules_of_variables_without_a_file_are_named_as_one_likes() {
    #[module]
    struct Model;
    impl Layer for Model {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let scale = self.param("position", init::ones(), [3])?;
            let x = self.child_named("layers_0", Dense::new(3)).call(&(x * scale))?;
            let x = self.child_named("layers_1", nn::DenseGeneral::new([2, 3])).call(&x)?.flatten(1);
            let heads = MultiHeadDotProductAttention::new(2).qkv_features(8);
            self.child_named("mixer", heads).call(&x.expand_dims([0]), ())
        }
    }
    let variables = Model::new().init(key(0)).call(&Tensor::ones([4, 3])).unwrap();
    let made =
        StateDict::named(&variables, |path| path.replace("layers_", "net.").replace('/', ".")).unwrap();
    let shapes: Vec<(&str, &[usize])> =
        made.names().map(|name| (name, made.tensor(name).unwrap().shape())).collect();
    let expected: [(&str, &[usize]); 13] = [
        ("mixer.key.bias", &[8]),
        ("mixer.key.weight", &[8, 6]),
        ("mixer.out.bias", &[6]),
        ("mixer.out.weight", &[6, 8]),
        ("mixer.query.bias", &[8]),
        ("mixer.query.weight", &[8, 6]),
        ("mixer.value.bias", &[8]),
        ("mixer.value.weight", &[8, 6]),
        ("net.0.bias", &[3]),
        ("net.0.weight", &[3, 3]),
        ("net.1.bias", &[6]),
        ("net.1.weight", &[6, 3]),
        ("position", &[3]),
    ];
    assert_eq!(shapes, expected);
    assert_eq!(made.variables_like(&variables).unwrap(), variables);
    let same = StateDict::named(&variables, |_| "net".to_owned()).unwrap_err().to_string();
    assert!(same.contains("both called `net`") || same.contains("two tensors are called"), "{same}");
    let cache = variables.with("cache", Dict::new().with("step", Tensor::from(0)));
    let message = StateDict::of(&cache).unwrap_err().to_string();
    assert!(message.contains("`cache/step`") && message.contains("batch_stats"), "{message}");
}
