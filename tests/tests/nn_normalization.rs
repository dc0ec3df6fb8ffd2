//! What normalisations do beyond the golden cases: named axes, masks, running averages, wrapped layers.

use flaxen::nn::{GroupNorm, InstanceNorm, SpectralNorm, WeightNorm};
use flaxen::prelude::*;

fn close(found: &Tensor, expected: &Tensor) -> Result<()> {
    assert_eq!(found.shape(), expected.shape());
    assert!(found.all_close(expected, 1e-5, 1e-5)?, "{found} for {expected}");
    Ok(())
}

#[test]
fn batch_norm_over_a_named_axis_is_that_over_the_whole_batch() -> Result<()> {
    let x = random::normal(&key(1), [6, 3]) * 2.0 + 1.0;
    let (whole, named) = (BatchNorm::new(), BatchNorm::new().axis_name("batch"));
    let variables = whole.init(key(0)).run(|m| m.call(&x, true))?;
    let (expected, updates) = whole.apply(&variables).mutable("batch_stats").run(|m| m.call(&x, true))?;
    let each = |x: Tensor| named.apply(&variables).mutable("batch_stats").run(|m| m.call(&x, true));
    let (found, mapped) = vmap(each).axis_name("batch").out_axes((0, None)).call(x)?;
    close(&found, &expected)?;
    for name in ["batch_stats/mean", "batch_stats/var"] {
        close(mapped.tensor(name)?, updates.tensor(name)?)?;
    }
    Ok(())
}

#[test]
fn running_averages_come_near_the_statistics_of_the_data() -> Result<()> {
    let norm = BatchNorm::new().momentum(0.5);
    let x = random::normal(&key(1), [2000, 2]) * 3.0 + 5.0;
    let mut variables = norm.init(key(0)).run(|m| m.call(&x, true))?;
    assert_eq!(variables.tensor("batch_stats/mean")?.to_vec::<f32>()?, [0.0, 0.0]);
    for _ in 0..20 {
        let (_, updates) = norm.apply(&variables).mutable("batch_stats").run(|m| m.call(&x, true))?;
        variables = variables.merge(&updates);
    }
    close(variables.tensor("batch_stats/mean")?, &x.mean_axes(0))?;
    let trained = norm.apply(&variables).mutable("batch_stats").run(|m| m.call(&x, true))?.0;
    let eval = norm.apply(&variables).run(|m| m.call(&x, false))?;
    assert!(eval.all_close(&trained, 1e-3, 1e-3)?);
    Ok(())
}

#[test]
fn what_a_mask_hides_does_not_count() -> Result<()> {
    let x = random::normal(&key(1), [4, 3]);
    let mask = Tensor::from([true, true, false, true]).reshape([4, 1]);
    let spoiled = mask.select(&x, f32::NAN);
    let kept = Tensor::concatenate(&[x.slice_axis(0, 0..2), x.slice_axis(0, 3..4)], 0);
    let norm = BatchNorm::new();
    let variables = norm.init(key(0)).run(|m| m.call(&x, true))?;
    let run = |x: &Tensor, mask: Option<&Tensor>| {
        let apply = norm.apply(&variables).mutable("batch_stats");
        apply.run(|m| match mask {
            Some(mask) => m.call_masked(x, true, mask),
            None => m.call(x, true),
        })
    };
    let (_, found) = run(&spoiled, Some(&mask))?;
    let (_, expected) = run(&kept, None)?;
    for name in ["batch_stats/mean", "batch_stats/var"] {
        close(found.tensor(name)?, expected.tensor(name)?)?;
    }
    Ok(())
}

#[test]
fn the_fast_variance_is_never_negative() -> Result<()> {
    let x = Tensor::full([1, 64], 1000.1f32);
    let y = LayerNorm::new().init_with_output(key(0)).call(&x)?.0;
    assert!(y.to_vec::<f32>()?.iter().all(|y| y.is_finite()));
    Ok(())
}

#[test]
fn a_mean_far_from_zero_needs_the_slow_variance() -> Result<()> {
    let x = random::normal(&key(1), [1, 256]) + 10_000.0;
    let spread = |norm: LayerNorm| norm.init_with_output(key(0)).call(&x)?.0.std().item::<f32>();
    assert!((spread(LayerNorm::new().use_fast_variance(false))? - 1.0).abs() < 1e-3);
    Ok(())
}

#[test]
fn instance_norm_of_several_feature_axes_has_parameters_of_their_sizes() -> Result<()> {
    let norm = InstanceNorm::new().feature_axes([1, -1]);
    let variables = norm.init(key(0)).call(&Tensor::ones([2, 3, 4, 5]))?;
    assert_eq!(variables.tensor("params/scale")?.shape(), [3, 5]);
    Ok(())
}

#[test]
fn weights_have_the_length_of_their_scale() -> Result<()> {
    let norm = WeightNorm::new(Dense::new(3).use_bias(false));
    // Outputs for the unit vectors are the rows of the kernel.
    let eye = Tensor::from([[1.0f32, 0.0], [0.0, 1.0]]);
    let variables = norm.init(key(0)).call(&eye)?;
    let params =
        variables.dict("params")?.with(["layer_instance/kernel/scale"], Tensor::from([1.0f32, 2.0, 3.0]));
    let kernel = norm.apply(variables.with("params", params)).call(&eye)?;
    close(&kernel.square().sum_axes(0).sqrt(), &Tensor::from([1.0f32, 2.0, 3.0]))
}

#[test]
fn the_filter_says_which_weights_are_normalised() -> Result<()> {
    let x = Tensor::ones([1, 2]);
    let names = |norm: WeightNorm<Dense>| -> Result<Vec<String>> {
        let variables = norm.init(key(0)).call(&x)?;
        Ok(variables.dict("params")?.keys().filter(|name| name.contains('/')).map(str::to_owned).collect())
    };
    let norm = || WeightNorm::new(Dense::new(3));
    assert_eq!(names(norm())?, ["layer_instance/kernel/scale"]);
    assert_eq!(
        names(norm().variable_filter([]))?,
        ["layer_instance/bias/scale", "layer_instance/kernel/scale"]
    );
    assert_eq!(names(norm().variable_filter("bias"))?, ["layer_instance/bias/scale"]);
    assert!(names(norm().use_scale(false))?.is_empty());
    Ok(())
}

#[test]
fn the_largest_singular_value_comes_near_one() -> Result<()> {
    let norm = SpectralNorm::new(Dense::new(4).use_bias(false).kernel_init(init::normal(2.0))).n_steps(50);
    let eye = Tensor::from_vec((0..36).map(|i| f32::from(u8::from(i % 7 == 0))).collect::<Vec<_>>(), [6, 6]);
    let variables = norm.init(key(0)).run(|m| m.call(&eye, true))?;
    let (kernel, updates) = norm.apply(&variables).mutable("batch_stats").run(|m| m.call(&eye, true))?;
    let u = updates.tensor(["batch_stats", "layer_instance/kernel/u"])?;
    let length = kernel.dot(&u.reshape([4])).square().sum().sqrt().item::<f32>()?;
    assert!((length - 1.0).abs() < 1e-3, "{length}");
    Ok(())
}

#[test]
fn variables_of_a_wrapped_layer_are_its_own() -> Result<()> {
    let model = sequential![Dense::new(3), BatchNorm::new().use_running_average(false)];
    let norm = WeightNorm::new(model);
    let x = random::normal(&key(1), [4, 2]);
    let variables = norm.init(key(0)).call(&x)?;
    let path = "batch_stats/layer_instance/layers_1/mean";
    assert_eq!(variables.tensor(path)?.to_vec::<f32>()?, [0.0; 3]);
    let (_, updates) = norm.apply(&variables).mutable("batch_stats").call(&x)?;
    assert_ne!(updates.tensor(path)?.to_vec::<f32>()?, [0.0; 3]);
    Ok(())
}

#[test]
fn gradients_flow_through_normalised_weights() -> Result<()> {
    let (norm, x) = (WeightNorm::new(Dense::new(3)), random::normal(&key(1), [4, 2]));
    let variables = norm.init(key(0)).call(&x)?;
    let loss = |params: &Dict| Ok(norm.apply(variables.with("params", params)).call(&x)?.square().sum());
    let gradient = grad(loss)(variables.dict("params")?)?;
    // Along the kernel's own direction nothing changes.
    let (kernel, gradient) =
        (variables.tensor("params/layer_instance/kernel")?, gradient.tensor("layer_instance/kernel")?);
    assert!((kernel * gradient).sum_axes(0).abs().max().item::<f32>()? < 1e-4);
    assert!(gradient.abs().max().item::<f32>()? > 1e-3);
    Ok(())
}

#[test]
fn layer_group_and_instance_norm_are_one_another_with_the_right_axes() -> Result<()> {
    let x = random::normal(&key(1), [2, 3, 4, 6]) * 3.0 + 1.0;
    let run = |layer: Sequential| layer.init_with_output(key(0)).call(&x).map(|(y, _)| y);
    let one_group = run(sequential![GroupNorm::new().num_groups(1)])?;
    close(&one_group, &run(sequential![LayerNorm::new().reduction_axes([1, 2, 3])])?)?;
    let groups_of_one = run(sequential![GroupNorm::new().num_groups(None).group_size(1)])?;
    let instance = run(sequential![InstanceNorm::new()])?;
    close(&groups_of_one, &instance)?;
    close(&instance, &run(sequential![LayerNorm::new().reduction_axes([1, 2])])?)
}

#[test]
fn group_norm_of_one_example_is_that_in_a_batch() -> Result<()> {
    let x = random::normal(&key(1), [2, 3, 4]);
    let batched = GroupNorm::new().num_groups(2);
    let expected = batched.init_with_output(key(0)).call(&x)?.0;
    let single = GroupNorm::new().num_groups(2).reduction_axes(nn::AxisList::from([0, 1]));
    for i in 0..2 {
        close(&single.init_with_output(key(0)).call(&x.get(i))?.0, &expected.get(i))?;
    }
    let more = GroupNorm::new().num_groups(2).reduction_axes(nn::AxisList::from([-2, -1]));
    let found = more.init_with_output(key(0)).call(&x.reshape([1, 2, 3, 4]))?.0;
    close(&found.reshape([2, 3, 4]), &expected)
}

#[test]
fn wrapped_weights_may_be_in_boxes() -> Result<()> {
    use flaxen::variables::Partitioned;
    let boxed = init::lecun_normal().boxed(Partitioned::new(["in", "out"]));
    let x = random::normal(&key(1), [4, 2]);
    let norm = WeightNorm::new(Dense::new(3).kernel_init(boxed));
    let (expected, variables) = norm.init_with_output(key(0)).call(&x)?;
    assert!(matches!(variables.at("params/layer_instance/kernel")?, Value::Boxed(_)));
    close(&norm.apply(&variables).call(&x)?, &expected)
}

#[test]
fn models_with_normalised_weights_learn() -> Result<()> {
    let (x, target) = (random::normal(&key(1), [16, 4]), random::normal(&key(2), [16, 3]));
    let spectral = SpectralNorm::new(Dense::new(3));
    let mut variables = spectral.init(key(0)).run(|m| m.call(&x, true))?;
    let mut losses = Vec::new();
    for _ in 0..20 {
        let ((loss, updates), gradient) = value_and_grad(|params: &Dict| {
            let apply = spectral.apply(variables.with("params", params)).mutable("batch_stats");
            let (y, updates) = apply.run(|m| m.call(&x, true))?;
            Ok(((y - &target).square().mean(), updates))
        })(variables.dict("params")?)?;
        let params = tree::zip_map(variables.dict("params")?, &gradient, |p, g| Ok(p - g * 0.3))?;
        variables = variables.merge(&updates).with("params", params);
        losses.push(loss.item::<f32>()?);
    }
    assert!(losses[19] < losses[0], "{losses:?}");
    Ok(())
}

/// As in Flax: what `init` stores is what the layer was called with.
#[test]
fn init_stores_the_normalised_weights() {
    use flaxen::nn::{SpectralNorm, WeightNorm};
    let x = Tensor::ones([1, 4]);
    let dense = || Dense::new(3).kernel_init(flaxen::init::normal(2.0));
    let variables = WeightNorm::new(dense()).init(key(0)).call(&x).unwrap();
    let kernel = variables.tensor("params/layer_instance/kernel").unwrap();
    assert!(kernel.square().sum_axes(0).all_close(1.0f32, 1e-5, 0.0).unwrap(), "{kernel}");

    let norm = SpectralNorm::new(dense()).n_steps(20usize);
    let variables = norm.init(key(0)).run(|m| m.call(&x, true)).unwrap();
    let kernel = variables.tensor("params/layer_instance/kernel").unwrap();
    let products = kernel.t().dot(kernel);
    let mut direction = Tensor::ones([3, 1]);
    for _ in 0..100 {
        direction = products.dot(&direction);
        direction = &direction / direction.square().sum().sqrt();
    }
    let largest = products.dot(&direction).square().sum().sqrt().sqrt().item::<f32>().unwrap();
    assert!((largest - 1.0).abs() < 1e-3, "the largest singular value is {largest}");
}
