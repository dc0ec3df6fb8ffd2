//! Every number that a layer, an initializer or a sampler is configured with has a domain, and is refused outside of it.
//! Those of optimizers and schedules are in `optim_domains`, those of losses in `losses`.

use flaxen::nn::{
    Attend, ConvLocal, ConvTranspose, DenseGeneral, Embed, GroupNorm, InstanceNorm,
    MultiHeadDotProductAttention, PReLU, RMSNorm, SpectralNorm, WeightNorm, dot_product_attention,
};
use flaxen::prelude::*;
use flaxen::random;

const TRIED: [f64; 9] = [f64::NAN, f64::NEG_INFINITY, f64::MIN, -1.0, 0.0, 0.5, 1.0, f64::MAX, f64::INFINITY];

fn not_negative(x: f64) -> bool {
    (0.0..1e300).contains(&x)
}

fn finite(x: f64) -> bool {
    x.abs() < 1e300
}

fn probability(x: f64) -> bool {
    (0.0..=1.0).contains(&x)
}

type Make = fn(f64) -> Result<Tensor>;
type Accepts = fn(f64) -> bool;

#[track_caller]
fn refuses_what_is_outside(settings: &[(&str, Make, Accepts)]) {
    for (name, make, accepts) in settings {
        for x in TRIED {
            match make(x) {
                Ok(y) => {
                    assert!(accepts(x), "{name} accepts {x}");
                    assert!(!y.is_nan().any().item::<bool>().unwrap(), "{name} {x}: {y}");
                }
                Err(error) => {
                    assert!(!accepts(x), "{name} refuses {x}: {error}");
                    let (error, setting) = (error.to_string(), name.split(' ').next_back().unwrap());
                    assert!(error.contains(&format!("`{setting}`")), "{name}: {error}");
                }
            }
        }
    }
}

fn output<L: Layer>(layer: L) -> Result<Tensor> {
    let x = Tensor::from([[[1.0f32, -2.0], [0.5, 3.0]]]);
    Ok(layer.init_with_output(key(0)).call(&x)?.0)
}

fn dropout(rate: f64, train: bool) -> Result<Tensor> {
    let rngs = Rngs::none().with("dropout", key(1));
    Dropout::new(rate).apply(Variables::new()).rngs(rngs).run(|m| m.call(&Tensor::ones([8]), train))
}

fn attention(rate: f64, train: bool) -> Result<Tensor> {
    let (layer, x) = (MultiHeadDotProductAttention::new(2).dropout_rate(rate), Tensor::ones([1, 3, 4]));
    Ok(layer.init_with_output(key(0)).run(|m| m.call(&x, Attend::new().train(train)))?.0)
}

#[test]
fn numbers_of_layers() {
    refuses_what_is_outside(&[
        ("Dropout rate", |x| dropout(x, true), probability),
        ("Dropout, not training, rate", |x| dropout(x, false), probability),
        ("attention dropout_rate", |x| attention(x, true), probability),
        ("attention, not training, dropout_rate", |x| attention(x, false), probability),
        (
            "dot_product_attention dropout",
            |x| {
                let q = Tensor::ones([1, 2, 1, 4]);
                dot_product_attention(&q, &q, &q).dropout(x, &key(0)).run()
            },
            probability,
        ),
        ("LayerNorm epsilon", |x| output(LayerNorm::new().epsilon(x)), not_negative),
        ("RMSNorm epsilon", |x| output(RMSNorm::new().epsilon(x)), not_negative),
        ("GroupNorm epsilon", |x| output(GroupNorm::new().num_groups(1).epsilon(x)), not_negative),
        ("InstanceNorm epsilon", |x| output(InstanceNorm::new().epsilon(x)), not_negative),
        (
            "BatchNorm epsilon",
            |x| output(BatchNorm::new().use_running_average(true).epsilon(x)),
            not_negative,
        ),
        (
            "BatchNorm momentum",
            |x| output(BatchNorm::new().use_running_average(false).momentum(x)),
            probability,
        ),
        ("WeightNorm epsilon", |x| output(WeightNorm::new(Dense::new(2)).epsilon(x)), not_negative),
        (
            "SpectralNorm epsilon",
            |x| {
                let layer = SpectralNorm::new(Dense::new(2)).epsilon(x);
                Ok(layer.init_with_output(key(0)).run(|m| m.call(&Tensor::ones([1, 3]), true))?.0)
            },
            not_negative,
        ),
        ("PReLU negative_slope_init", |x| output(PReLU::new().negative_slope_init(x)), finite),
    ]);
}

#[test]
fn a_rate_of_one_drops_everything() {
    for y in [dropout(1.0, true), attention(1.0, true)] {
        assert!(y.unwrap().eq(0.0).all().item::<bool>().unwrap());
    }
}

#[test]
fn numbers_of_initializers() {
    use flaxen::init::{self, Distribution, FanMode};
    fn drawn(initializer: Initializer) -> Result<Tensor> {
        initializer.tensor(&key(0), &[3, 4], DType::F32)
    }
    refuses_what_is_outside(&[
        ("constant value", |x| drawn(init::constant(x)), |x| !x.is_nan()),
        ("normal stddev", |x| drawn(init::normal(x)), not_negative),
        ("truncated_normal stddev", |x| drawn(init::truncated_normal(x, -2.0, 2.0)), not_negative),
        ("truncated_normal lower", |x| drawn(init::truncated_normal(1.0, x, 2.0)), |x| x < 2.0),
        ("truncated_normal upper", |x| drawn(init::truncated_normal(1.0, -2.0, x)), |x| x > -2.0),
        ("uniform scale", |x| drawn(init::uniform(x)), finite),
        ("orthogonal scale", |x| drawn(init::orthogonal(x, -1)), finite),
        (
            "delta_orthogonal scale",
            |x| init::delta_orthogonal(x, -1).tensor(&key(0), &[3, 2, 2], DType::F32),
            finite,
        ),
        (
            "variance_scaling scale",
            |x| drawn(init::variance_scaling(x, FanMode::FanIn, Distribution::TruncatedNormal)),
            not_negative,
        ),
    ]);
}

#[test]
fn numbers_of_samplers() {
    fn floats(booleans: Tensor) -> Tensor {
        booleans.cast(DType::F32)
    }
    refuses_what_is_outside(&[
        ("bernoulli p", |x| Ok(floats(random::try_bernoulli(&key(0), x, [4])?)), probability),
        ("uniform_in low", |x| random::try_uniform_in(&key(0), [4], x, 2.0), finite),
        ("uniform_in high", |x| random::try_uniform_in(&key(0), [4], -2.0, x), finite),
        ("truncated_normal lower", |x| random::try_truncated_normal(&key(0), x, 2.0, [4]), |x| !x.is_nan()),
        ("truncated_normal upper", |x| random::try_truncated_normal(&key(0), -2.0, x, [4]), |x| !x.is_nan()),
    ]);
    for width in [0, 1, 7, 33, 63, 65, u32::MAX] {
        assert!(random::try_bits(&key(0), [4], width).is_err(), "{width}");
    }
    for weights in [[1.0f32, -1.0], [1.0, f32::NAN]] {
        let choice = random::Choice::below(2).weights(Tensor::from(weights));
        assert!(choice.try_sample(&key(0), [4]).is_err(), "{weights:?}");
    }
}

type Made<'a> = (&'static str, &'a dyn Fn(usize) -> Result<Tensor>);

#[test]
fn sizes_that_no_memory_holds_and_steps_that_lead_nowhere() {
    let (image, row) = (|| Tensor::ones([1, 4, 4, 2]), || Tensor::ones([1, 3, 2]));
    let conv = || Conv::new(3, [2, 2]);
    let local = || ConvLocal::new(3, [2, 2]);
    let transpose = || ConvTranspose::new(3, [2, 2]);
    let huge: &[Made<'_>] = &[
        ("Dense features", &|n| output(Dense::new(n))),
        ("DenseGeneral features", &|n| output(DenseGeneral::new([n, 2]))),
        ("Embed features", &|n| output_of(Embed::new(3, n), &Tensor::from([1]))),
        ("Embed num_embeddings", &|n| output_of(Embed::new(n, 3), &Tensor::from([1]))),
        ("Conv features", &|n| output_of(Conv::new(n, [2, 2]), &image())),
        ("Conv kernel_size", &|n| output_of(Conv::new(3, [2, n]), &image())),
        ("Conv input_dilation", &|n| output_of(conv().input_dilation(n), &image())),
        ("Conv feature_group_count", &|n| output_of(conv().feature_group_count(n), &image())),
        ("ConvLocal features", &|n| output_of(ConvLocal::new(n, [2, 2]), &image())),
        ("ConvLocal kernel_size", &|n| output_of(ConvLocal::new(3, [2, n]), &image())),
        ("ConvLocal input_dilation", &|n| output_of(local().input_dilation(n), &image())),
        ("ConvTranspose features", &|n| output_of(ConvTranspose::new(n, [2, 2]), &image())),
        ("ConvTranspose kernel_size", &|n| output_of(ConvTranspose::new(3, [2, n]), &image())),
        ("ConvTranspose strides", &|n| output_of(transpose().strides(n), &image())),
        ("GroupNorm num_groups", &|n| output(GroupNorm::new().num_groups(n))),
        ("GroupNorm group_size", &|n| output(GroupNorm::new().num_groups(None).group_size(n))),
        ("attention num_heads", &|n| output_of(MultiHeadDotProductAttention::new(n), &row())),
        ("attention qkv_features", &|n| {
            output_of(MultiHeadDotProductAttention::new(1).qkv_features(n), &row())
        }),
        ("attention out_features", &|n| {
            output_of(MultiHeadDotProductAttention::new(1).out_features(n), &row())
        }),
        ("SpectralNorm n_steps", &|n| {
            let layer = SpectralNorm::new(Dense::new(2)).n_steps(n);
            Ok(layer.init_with_output(key(0)).run(|m| m.call(&Tensor::ones([1, 3]), true))?.0)
        }),
    ];
    for (name, make) in huge {
        for n in [usize::MAX, usize::MAX / 2, 1 << 62] {
            let error = make(n).expect_err(&format!("{name} accepts {n}"));
            assert!(!error.to_string().is_empty());
        }
    }
    // Steps may lead out of the input, dilated kernels reach past it: then there is nothing, or an error; no panic.
    let either: &[Made<'_>] = &[
        ("Conv strides", &|n| output_of(conv().strides(n), &image())),
        ("Conv kernel_dilation", &|n| output_of(conv().kernel_dilation(n), &image())),
        ("ConvLocal strides", &|n| output_of(local().strides(n), &image())),
        ("ConvLocal kernel_dilation", &|n| output_of(local().kernel_dilation(n), &image())),
        ("ConvTranspose kernel_dilation", &|n| output_of(transpose().kernel_dilation(n), &image())),
    ];
    for (name, make) in either {
        for n in [usize::MAX, usize::MAX / 2, 1 << 62] {
            if let Ok(y) = make(n) {
                assert!(y.size() < 1000, "{name} {n}: {:?}", y.shape());
            }
        }
        assert!(make(0).is_err(), "{name} accepts 0");
    }
    for (name, make) in [
        (
            "Conv input_dilation",
            &(|n| output_of(conv().input_dilation(n), &image())) as &dyn Fn(usize) -> Result<Tensor>,
        ),
        ("Conv feature_group_count", &|n| output_of(conv().feature_group_count(n), &image())),
        ("ConvTranspose strides", &|n| output_of(transpose().strides(n), &image())),
        ("attention num_heads", &|n| output_of(MultiHeadDotProductAttention::new(n), &row())),
    ] {
        assert!(make(0).is_err(), "{name} accepts 0");
    }
}

fn output_of<L: Layer>(layer: L, x: &Tensor) -> Result<Tensor> {
    Ok(layer.init_with_output(key(0)).call(x)?.0)
}

#[test]
fn axes_beyond_all_axes_are_errors() {
    for axis in [isize::MIN, -9, 9, isize::MAX] {
        assert!(output(LayerNorm::new().reduction_axes(axis)).is_err());
        assert!(output(LayerNorm::new().feature_axes(axis)).is_err());
        assert!(output(RMSNorm::new().reduction_axes(axis)).is_err());
        assert!(output(InstanceNorm::new().feature_axes(axis)).is_err());
        assert!(output(BatchNorm::new().use_running_average(false).axis(axis)).is_err());
        assert!(output(DenseGeneral::new(2).axis(axis)).is_err());
        assert!(output(WeightNorm::new(Dense::new(2)).feature_axes(axis)).is_err());
        let shared = Dropout::new(0.5).broadcast_dims(axis);
        let apply = shared.apply(Variables::new()).rngs([("dropout", key(0))]);
        assert!(apply.run(|m| m.call(&Tensor::ones([2]), true)).is_err());
    }
}
