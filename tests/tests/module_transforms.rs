//! Models under transforms and in threads.

use flaxen::prelude::*;
use flaxen::{Error, lift, tree};

#[module]
struct Mlp {
    hidden: usize,
    out: usize,
}

impl Mlp {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let norm = || self.child(BatchNorm::new().momentum(0.9).epsilon(1e-5).axis_name("batch"));
        let x = Dense::new(self.hidden).call(x)?;
        let x = norm().call(&x, train)?.relu();
        let x = Dropout::new(0.1).call(&x, train)?;
        Dense::new(self.out).call(&x)
    }
}

#[module]
struct Affine {
    features: usize,
}

impl Layer for Affine {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let calls = self.variable("state", "calls", || Tensor::from(0.0f32).cast(DType::F32))?;
        if !self.is_initializing() {
            calls.set(calls.get() + 1.0)?;
        }
        Dense::new(self.features).call(x)
    }
}

fn loss(model: &Affine, params: &Dict, state: &Variables, x: &Tensor) -> Result<(Tensor, Variables)> {
    let (y, state) = model.apply(state.with("params", params)).mutable("state").call(x)?;
    Ok((y.square().mean(), state))
}

#[test]
fn a_gradient_returns_the_state_beside_the_loss() -> Result<()> {
    let (model, x) = (Affine::new(2), Tensor::ones([4, 3]));
    let (params, state) = model.init(key(0)).call(&x)?.pop("params")?;
    let ((value, new), grads) = value_and_grad(|p: &Dict| loss(&model, p, &state, &x))(&params)?;
    assert_eq!(new.tensor("state/calls")?.item::<f32>()?, 1.0);
    // d/db of the mean of (x·W + b)², by hand.
    let y = model.apply(state.with("params", &params)).mutable("state").call(&x)?.0;
    let expected = (&y * 2.0).mean_axes(0) / 2.0;
    let found = grads.tensor("Dense_0/bias")?;
    assert!((found - expected).abs().max().item::<f32>()? < 1e-6);
    assert!((value - y.square().mean()).abs().item::<f32>()? < 1e-6);
    Ok(())
}

#[test]
fn a_jitted_step_equals_the_step() -> Result<()> {
    let (model, x) = (Affine::new(2), random::normal(&key(1), [4, 3]));
    let (params, state) = model.init(key(0)).call(&x)?.pop("params")?;
    let step = |(params, state, x): (Dict, Variables, Tensor)| {
        let ((loss, state), grads) = value_and_grad(|p: &Dict| loss(&model, p, &state, &x))(&params)?;
        let params = tree::zip_map(&params, &grads, |p, g| Ok(p - g * 0.1))?;
        Ok((params, state, loss))
    };
    let compiled = jit(step);
    let (mut a, mut b) = ((params.clone(), state.clone()), (params, state));
    for _ in 0..3 {
        let (p, s, direct) = step((a.0, a.1, x.clone()))?;
        a = (p, s);
        let (p, s, jitted) = compiled.call((b.0, b.1, x.clone()))?;
        b = (p, s);
        assert!((direct - jitted).abs().item::<f32>()? < 1e-6);
    }
    assert_eq!(b.1.tensor("state/calls")?.item::<f32>()?, 3.0);
    assert_eq!(compiled.traces(), 1);
    let apart = tree::zip_map(&a.0, &b.0, |a, b| Ok((a - b).abs().max()))?;
    assert!(tree::leaves(&apart).iter().all(|d| d.item::<f32>().is_ok_and(|d| d < 1e-6)));
    Ok(())
}

#[test]
fn parameters_are_the_same_whether_init_is_jitted_or_not() -> Result<()> {
    let (model, x) = (Affine::new(5), Tensor::ones([1, 3]));
    let direct = model.init(key(0)).call(&x)?;
    let jitted = jit(|(key, x): (random::Key, Tensor)| model.init(key).call(&x)).call((key(0), x.clone()))?;
    assert_eq!(direct, jitted);
    let shapes = flaxen::eval_shape(|x: Tensor| model.init(key(0)).call(&x), &x)?;
    assert_eq!(shapes.tensor("params/Dense_0/kernel")?.shape(), [3, 5]);
    Ok(())
}

#[test]
fn a_batch_of_models_has_a_batch_of_parameters() -> Result<()> {
    let (model, x) = (Affine::new(2), Tensor::ones([1, 3]));
    let keys = key(0).split_n(4);
    let many = vmap(|key: random::Key| model.init(key).call(&x)).call(keys.clone())?;
    assert_eq!(many.tensor("params/Dense_0/kernel")?.shape(), [4, 3, 2]);
    let one = model.init(keys.at(2)).call(&x)?;
    let kernel = many.tensor("params/Dense_0/kernel")?.index_axis(0, 2);
    assert_eq!(one.tensor("params/Dense_0/kernel")?.to_vec::<f32>()?, kernel.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn batch_norm_averages_over_a_named_axis_and_its_state_comes_back_unbatched() -> Result<()> {
    let model = Mlp::new(8, 3);
    let xs = random::normal(&key(7), [16, 4]);
    let rngs = || Rngs::new(key(0)).with("dropout", key(1));
    let variables = model.init(rngs()).run(|m| m.call(&Tensor::ones([4]), true))?;
    let run = |variables: &Variables, x: &Tensor| {
        model.apply(variables).rngs(rngs()).mutable("batch_stats").run(|m| m.call(x, true))
    };
    let mapped = vmap(|x: Tensor| run(&variables, &x)).axis_name("batch").out_axes((0, None));
    let (ys, state) = mapped.call(xs.clone())?;
    assert_eq!(ys.shape(), [16, 3]);
    assert_eq!(state.tensor("batch_stats/BatchNorm_0/mean")?.shape(), [8]);

    // The averages by hand: 0.9 of the initial ones, 0.1 of the batch's.
    let params = variables.dict("params/Dense_0")?;
    let h = xs.dot(params.tensor("kernel")?) + params.tensor("bias")?;
    let expected = h.mean_axes(0) * 0.1;
    let found = state.tensor("batch_stats/BatchNorm_0/mean")?;
    assert!((found - expected).abs().max().item::<f32>()? < 1e-6);

    let error = run(&variables, &xs.index_axis(0, 0)).expect_err("no axis of that name");
    assert!(error.to_string().contains("axis_name(\"batch\")"), "{error}");
    Ok(())
}

/// Enters a transform in the middle of the model.
#[module]
struct Inside;

/// The same programs with lifted transforms, as the error says.
#[module]
struct Lifted;

impl Lifted {
    #[compact]
    fn writes(&self, xs: &Tensor) -> Result<Tensor> {
        lift::vmap(self, |m, x: Tensor| m.child(Dense::new(2)).call(&x)).share("params").call(xs.clone())
    }

    #[compact]
    fn draws(&self, xs: &Tensor) -> Result<Tensor> {
        let draw = |m: &Lifted, x: Tensor| Ok(x + random::normal(&m.make_rng("noise")?, [3]));
        lift::vmap(self, draw).split("noise").call(xs.clone())
    }

    #[compact]
    fn slopes(&self, x: &Tensor) -> Result<Tensor> {
        lift::grad(self, |m, x: &Tensor| Ok(m.child(Dense::new(2)).call(x)?.sum()), x)
    }

    #[compact]
    fn compiled(&self, x: &Tensor) -> Result<Tensor> {
        lift::jit(self, |m, x: Tensor| m.child(Dense::new(2)).call(&x)).call(x.clone())
    }
}

#[test]
fn lifted_transforms_do_what_plain_ones_cannot() -> Result<()> {
    let (model, xs) = (Lifted::new(), Tensor::ones([4, 3]));
    let (y, variables) = model.init_with_output(key(0)).run(|m| m.writes(&xs))?;
    assert_eq!((y.shape(), variables.tensor("params/Dense_0/kernel")?.shape()), (&[4, 2][..], &[3, 2][..]));
    let y = model.apply(Variables::new()).rngs(Rngs::none().with("noise", key(0))).run(|m| m.draws(&xs))?;
    assert!(!y.index_axis(0, 0).all_close(y.index_axis(0, 1), 1e-3, 1e-3)?, "each example draws its own");
    let (slopes, variables) = model.init_with_output(key(0)).run(|m| m.slopes(&xs))?;
    let kernel = variables.tensor("params/Dense_0/kernel")?;
    assert!(slopes.all_close(kernel.sum_axes(1).broadcast_to([4, 3]), 1e-6, 1e-6)?);
    let y = model.init_with_output(key(0)).run(|m| m.compiled(&xs))?.0;
    assert_eq!(y.shape(), [4, 2]);
    Ok(())
}

impl Inside {
    #[compact]
    fn writes(&self, xs: &Tensor) -> Result<Tensor> {
        let dense = self.child(Dense::new(2));
        vmap(|x: Tensor| dense.call(&x)).call(xs.clone())
    }

    #[compact]
    fn draws(&self, xs: &Tensor) -> Result<Tensor> {
        vmap(|x: Tensor| Ok(x + random::normal(&self.make_rng("noise")?, [3]))).call(xs.clone())
    }
}

#[test]
fn a_run_is_changed_only_at_the_level_it_began_at() -> Result<()> {
    let (model, xs) = (Inside::new(), Tensor::ones([4, 3]));
    let error = model.init(key(0)).run(|m| m.writes(&xs)).expect_err("writes under vmap");
    assert!(matches!(error.root(), Error::TraceLevel { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("before the transform") && text.contains("/Dense_0"), "{error}");
    assert!(text.contains("`lift::vmap(self, |m, x| ..)`"), "{error}");
    let error =
        model.apply(Variables::new()).rngs(key(0)).run(|m| m.draws(&xs)).expect_err("draws under vmap");
    assert!(matches!(error.root(), Error::TraceLevel { .. }), "{error}");

    // Reading is harmless: with parameters that are there the same program runs.
    let params = Dense::new(2).init(key(0)).call(&xs)?.dict("params")?.clone();
    let variables = Variables::from([("params", Dict::new().with("Dense_0", params))]);
    let y = model.apply(&variables).run(|m| m.writes(&xs))?;
    assert_eq!(y.shape(), [4, 2]);
    Ok(())
}

#[test]
fn a_bound_model_can_be_differentiated_through() -> Result<()> {
    let (model, x) = (Dense::new(2), Tensor::ones([3]));
    let variables = model.init(key(0)).call(&x)?;
    let bound = model.bind(&variables).module()?;
    let gradient = grad(|x: &Tensor| Ok(bound.call(x)?.sum()))(&x)?;
    let expected = variables.tensor("params/kernel")?.sum_axes(1);
    assert!((gradient - expected).abs().max().item::<f32>()? < 1e-6);
    Ok(())
}

#[test]
fn modules_are_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<Mlp>();
    check::<flaxen::nn::Sequential>();
    check::<Variables>();
    check::<Scope>();
    check::<Variable>();
}

#[test]
fn one_model_runs_in_several_threads_at_once() -> Result<()> {
    let (model, x) = (Affine::new(4), random::normal(&key(3), [8, 3]));
    let variables = model.init(key(0)).call(&x)?;
    let bound = Mlp::new(4, 2);
    let params = bound.init(key(0)).run(|m| m.call(&Tensor::ones([8, 3]), false))?;
    let bound = bound.bind(&params).module()?;
    let expected = (
        model.apply(&variables).mutable("state").call(&x)?.0.to_vec::<f32>()?,
        bound.call(&x, false)?.to_vec::<f32>()?,
    );
    std::thread::scope(|scope| {
        let run = || {
            for _ in 0..20 {
                let y = model.apply(&variables).mutable("state").call(&x).expect("the same run").0;
                assert_eq!(y.to_vec::<f32>().expect("values"), expected.0);
                // The very same bound module, called from all threads.
                let y = bound.call(&x, false).expect("the same call");
                assert_eq!(y.to_vec::<f32>().expect("values"), expected.1);
            }
        };
        for _ in 0..4 {
            scope.spawn(run);
        }
    });
    Ok(())
}
