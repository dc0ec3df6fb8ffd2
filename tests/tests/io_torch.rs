//! Weights of PyTorch, in our layers, give PyTorch's outputs. `torch/layers.py` made the file.

use std::path::PathBuf;

use flaxen::io::safetensors;
use flaxen::io::torch::{Kind, StateDict};
use flaxen::nn::{ConvTranspose, Embed, GroupNorm, MultiHeadDotProductAttention, PReLU};
use flaxen::prelude::*;
use proptest::prelude::*;

fn file() -> Dict {
    safetensors::load(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("torch/layers.safetensors")).unwrap()
}

/// The tensors of the state dict whose names begin with one of these modules.
fn state(modules: &[&str]) -> StateDict {
    let all = file().flatten("/").into_iter();
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
    assert!(wrong(Kind::PReLU).contains("one slope"));
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
        own in prop::sample::select(vec!["weight", "bias", "running_mean", "in_proj_weight", "in_proj_bias", "out_proj.weight"]),
        image in prop::collection::vec(0usize..4, 0..4),
        rule in 0usize..13,
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
        ];
        let state = match rule {
            10 => state.flattened("m", image),
            11 => state.unflattened("m", image),
            12 => state,
            kind => state.layer("m", kinds[kind]),
        };
        let _ = state.variables();
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
    let header = r#"{"fc.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"fc.scale":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[4,5]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 5]].concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let state = StateDict::open(&path).unwrap();
    let message = state.variables().unwrap_err().to_string();
    assert!(
        message.contains("`fc.scale` is of dtype F8_E4M3") && message.contains("`.ignore(name)`"),
        "{message}"
    );
    let variables = state.ignore("fc.scale").variables().unwrap();
    assert_eq!(variables.tensor("params/fc/kernel").unwrap().shape(), [1, 1]);
}
