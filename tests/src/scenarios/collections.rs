//! Collections, mutability and what is refused: Linen's own scenarios, written in Rust.

use flaxen::prelude::*;
use serde_json::{Value as Json, json};

use super::Scenarios;

#[module]
struct Model;

impl Model {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = Dense::new(2).call(x)?;
        self.sow("intermediates", "h", &x)?;
        let two = Tensor::from(2.0f32);
        self.sow_with("losses", "l2", &two, || Tensor::from(1.0f32), |sum, loss| sum + loss)?;
        BatchNorm::new().call(&x, train)
    }
}

fn x() -> Tensor {
    Tensor::from([[1.0f32, 2.0, 3.0]])
}

fn names(variables: &Variables) -> Json {
    variables.collections().collect::<Vec<_>>().into()
}

fn variables() -> Result<Variables> {
    Model::new().init(key(0)).run(|m| m.call(&x(), true))
}

/// An error, for a scenario that has one.
fn refused<T>(result: Result<T>) -> Result<Json> {
    result.map(|_| json!("nothing is refused"))
}

/// Runs the scenarios of collections.
pub fn run(all: &mut Scenarios<'_>) -> Result<()> {
    mutable(all)?;
    sow(all)?;
    missing(all)?;
    rngs(all)?;
    layers(all);
    impossible(all);
    Ok(())
}

fn mutable(all: &mut Scenarios<'_>) -> Result<()> {
    let model = Model::new();
    all.result("init_default_collections", Ok(names(&variables()?)));
    for (filter, text) in [
        (Filter::from(true), "True"),
        ("batch_stats".into(), "'batch_stats'"),
        (["batch_stats"].into(), "['batch_stats']"),
        (["batch_stats", "intermediates"].into(), "['batch_stats','intermediates']"),
        (DenyList("params").into(), "DenyList('params')"),
        (DenyList(["params", "losses"]).into(), "DenyList(['params','losses'])"),
        (Filter::none(), "[]"),
    ] {
        for (train, name) in [(false, "False"), (true, "True")] {
            let run = model.apply(variables()?).mutable(filter.clone());
            let found = run.run(|m| m.call(&x(), train)).map(|(_, updates)| names(&updates));
            all.result(&format!("apply_mutable={text}_train_{name}"), found);
        }
    }
    let y = model.apply(variables()?).run(|m| m.call(&x(), false))?;
    assert_eq!(y.shape(), [1, 2]);
    all.result("apply_mutable=False_train_False", Ok(json!("no mutated variables returned")));
    let trained = model.apply(variables()?).run(|m| m.call(&x(), true));
    all.result("apply_mutable=False_train_True", refused(trained));

    for (id, filter) in
        [("init_mutable_params_only", Filter::from(["params"])), ("init_mutable_False", Filter::none())]
    {
        all.result(id, refused(model.init(key(0)).mutable(filter).run(|m| m.call(&x(), true))));
    }
    Ok(())
}

fn sow(all: &mut Scenarios<'_>) -> Result<()> {
    let model = Model::new();
    let loss = |variables: &Variables| variables.tensor("losses/l2")?.item::<f32>();
    let first = variables()?;
    all.result("sow_custom_reduce_init", Ok(json!(loss(&first)?)));
    let (_, second) = model.apply(&first).mutable("losses").run(|m| m.call(&x(), false))?;
    all.result("sow_custom_reduce_apply_existing", Ok(json!(loss(&second)?)));

    let run =
        |variables: &Variables| model.apply(variables).mutable("intermediates").run(|m| m.call(&x(), false));
    let (_, once) = run(&first)?;
    let (_, twice) = run(&first.merge(&once))?;
    all.result("sow_existing_intermediates_append", Ok(json!(twice["intermediates/h"].tuple()?.len())));
    Ok(())
}

fn missing(all: &mut Scenarios<'_>) -> Result<()> {
    let model = Model::new();
    let run = |variables: Variables| refused(model.apply(variables).run(|m| m.call(&x(), false)));
    let good = variables()?;
    let (params, state) = good.pop("params")?;
    all.result("missing_collection", run(Variables::new()));
    let kernel = Dict::new().with("Dense_0/kernel", params.tensor("Dense_0/kernel")?);
    all.result("missing_param", run(Variables::from([("params", kernel)])));
    all.result("missing_batch_stats", run(Variables::from([("params", params.clone())])));
    let wrong = params.with("Dense_0/kernel", Tensor::zeros([4, 2]));
    all.result("wrong_param_shape", run(state.with("params", wrong)));
    let nested = Dict::new().with("params", params);
    all.result("extra_params_layer", run(Variables::from([("params", nested)])));
    let no_dict = Variables::try_from(Dict::new().with("params", x()));
    all.result("not_a_dict", refused(no_dict));
    Ok(())
}

fn rngs(all: &mut Scenarios<'_>) -> Result<()> {
    let model = Model::new();
    let init = |rngs: Rngs| model.init(rngs).run(|m| m.call(&x(), true));
    all.result("bad_rng", refused(init(random::key(0).split_n(3).into())));
    all.result("missing_rng_on_init", refused(init(Rngs::none().with("dropout", key(0)))));
    let both = Rngs::new(key(0)).with("dropout", key(1));
    all.result("init_extra_rng_ok", init(both).map(|variables| names(&variables)));

    let dropout = Dropout::new(0.5);
    let run =
        |rngs: Rngs| dropout.apply(Variables::new()).rngs(rngs).run(|m| m.call(&Tensor::ones([2, 3]), true));
    all.result("apply_single_rng_is_params", run(key(0).into()).map(|y| json!(y.shape())));

    #[module]
    struct Drops;

    impl Drops {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            Dropout::new(0.5).call(x, true)
        }
    }

    let dropped = Drops::new().apply(Variables::new()).run(|m| m.call(&x()));
    all.result("apply_missing_dropout_rng", refused(dropped));
    Ok(())
}

fn layers(all: &mut Scenarios<'_>) {
    let norm = BatchNorm::new().use_running_average(true);
    let both = norm.init(key(0)).run(|m| m.call(&x(), false));
    all.result("merge_param_both", refused(both));
    all.result("merge_param_none", refused(BatchNorm::new().init(key(0)).call(&x())));
    let causal = Conv::new(2, [3, 3]).padding("CAUSAL");
    all.result("causal_2d", refused(causal.init(key(0)).call(&Tensor::ones([1, 4, 4, 2]))));
    let transposed = Conv::new(2, 3).input_dilation(2).padding("SAME");
    all.result(
        "conv_transposed_string_padding",
        refused(transposed.init(key(0)).call(&Tensor::ones([1, 4, 2]))),
    );
    let floats = nn::Embed::new(3, 2).init(key(0)).call(&x());
    all.result("embed_float_ids", refused(floats));
    let four = Tensor::ones([2, 4]);
    let default = nn::GroupNorm::new().init(key(0)).call(&four);
    all.result("groupnorm_default_32_on_4_channels", refused(default));
    let both = nn::GroupNorm::new().num_groups(2).group_size(2).init(key(0)).call(&four);
    all.result("groupnorm_both", refused(both));
    let empty = nn::Sequential::new(vec![]);
    all.result("sequential_empty", refused(empty.init(key(0)).call(&x())));
}

fn impossible(all: &mut Scenarios<'_>) {
    for (id, reason) in [
        ("bad_rng_dict", "streams hold keys and nothing else"),
        ("sequential_not_seq", "`Sequential::new` takes a `Vec`; `sequential!` a list"),
    ] {
        all.impossible(id, reason);
    }
}
