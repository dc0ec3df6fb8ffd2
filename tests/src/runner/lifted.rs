//! Cases of the kind `lifted`: small models with lifted transforms, by name.

use flaxen::lift::{self, FoldRngs, Jit, Remat, RematScan, Scan, Vmap};
use flaxen::nn::BatchNorm;
use flaxen::prelude::*;
use flaxen::variables::{PartitionSpec, unbox};
use flaxen::{Value, vjp};

use super::compare::{near, same};
use super::containers::{arrays_of, variables_at};
use super::layer::{mutable, rngs, total_loss, whole};
use super::{Stop, Verdict, lifted_draws};
use crate::backends;
use crate::golden::Case;

/// The sizes of all models.
const FEATURES: usize = 3;

/// A model, how it is initialised, and how it is called.
pub trait Lifted {
    fn init(&self, rngs: Rngs, inputs: &[Tensor]) -> Result<Variables>;
    fn apply(
        &self,
        variables: &Variables,
        rngs: Rngs,
        mutable: Filter,
        inputs: &[Tensor],
    ) -> Result<(Value, Variables)>;
}

/// What a call returns.
pub type Called = Result<Value>;

struct Program<M> {
    model: M,
    init: fn(&M, &[Tensor]) -> Called,
    call: fn(&M, &[Tensor]) -> Called,
}

impl<M: flaxen::Module> Lifted for Program<M> {
    fn init(&self, rngs: Rngs, inputs: &[Tensor]) -> Result<Variables> {
        self.model.init(rngs).run(|m| (self.init)(m, inputs))
    }

    fn apply(
        &self,
        variables: &Variables,
        rngs: Rngs,
        mutable: Filter,
        inputs: &[Tensor],
    ) -> Result<(Value, Variables)> {
        self.model.apply(variables).rngs(rngs).mutable(mutable).run(|m| (self.call)(m, inputs))
    }
}

/// A program that is initialised by its call.
pub fn program<M: flaxen::Module>(model: M, call: fn(&M, &[Tensor]) -> Called) -> Option<Box<dyn Lifted>> {
    Some(Box::new(Program { model, init: call, call }))
}

/// A program that is a layer.
pub fn layer<L: Layer>(model: L) -> Option<Box<dyn Lifted>> {
    program(model, |model, inputs| Ok(model.call(&inputs[0])?.into()))
}

/// The programs of the cases that have initial variables and a call.
fn programs(name: &str) -> Option<Box<dyn Lifted>> {
    let ensemble = || Vmap::new(Dense::new(FEATURES));
    if let Some(name) = name.strip_prefix("more_lift_") {
        return lifted_draws::named(name);
    }
    match name.strip_prefix("lift_")? {
        "vmap_split" => layer(Within::new(ensemble().axis("params", 0).split("params"))),
        "vmap_shared" => layer(Within::new(ensemble().share("params"))),
        "vmap_batched_same_rng" => layer(Within::new(ensemble().axis("params", 0).share("params"))),
        "vmap_axis1" => {
            layer(Within::new(ensemble().axis("params", 1).split("params").in_axes(1).out_axes(2)))
        }
        "vmap_batchnorm" => layer(Within::new(
            Vmap::new(BatchNorm::new().use_running_average(false).axis_name("b"))
                .share(["params", "batch_stats"])
                .axis_name("b"),
        )),
        "partitioned_vmap" => {
            let boxed = init::lecun_normal().boxed(flaxen::variables::Partitioned::new(["in", "out"]));
            let dense = Dense::new(FEATURES).kernel_init(boxed);
            layer(Within::new(Vmap::new(dense).axis("params", 0).split("params").metadata("layers")))
        }
        "scan_split" => scanned(Cell::new(), |scan| scan.axis("params", 0).split("params")),
        "scan_shared" => scanned(Cell::new(), |scan| scan.share("params")),
        "scan_axis1_reverse" => scanned(Cell::new(), |scan| scan.share("params").axes(1).reverse()),
        "scan_dropout_split" => scanned(DropCell::new(), |scan| scan.split("dropout")),
        "scan_dropout_shared" => scanned(DropCell::new(), |scan| scan.share("dropout")),
        "scan_carry_sow" => program(CarryAndSow::new(), CarryAndSow::call),
        "remat_scan" => layer(Within::new(RematScan::new(TanhDense::new(), [2, 2])).known_as("s")),
        "cond_true" | "cond_false" => program(Cond::new(), Cond::call),
        "switch" => program(Switch::new(), Switch::call),
        "remat" => layer(Stacked::new(Remat::new(Mlp::new()))),
        "jit" => layer(Stacked::new(Jit::new(Mlp::new()))),
        "fold_rngs" => layer(Stacked::new(FoldRngs::new(Mlp::new()))),
        "map_variables_transpose" => layer(Transposed::new()),
        "custom_vjp" => layer(SignGradient::new()),
        _ => None,
    }
}

/// Names the layer within a model.
#[flaxen::module]
struct Within<L: Layer> {
    layer: L,
    #[module(default)]
    known_as: Option<String>,
}

impl<L: Layer> Layer for Within<L> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        match &self.known_as {
            Some(name) => self.child_named(name, self.layer.clone()).call(x),
            None => self.child(self.layer.clone()).call(x),
        }
    }
}

#[flaxen::module]
struct Mlp;

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        // Built from the outside in, as the case was: the last layer is the first to be named.
        let last = self.child(Dense::new(FEATURES));
        last.call(&Dense::new(5).call(x)?.tanh())
    }
}

/// A layer, and a `Dense` that is named before it.
#[flaxen::module]
struct Stacked<L: Layer> {
    layer: L,
}

impl<L: Layer> Layer for Stacked<L> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let last = self.child(Dense::new(2));
        last.call(&self.child(self.layer.clone()).call(x)?)
    }
}

/// A variable of the collection `state` that is there.
pub fn stored<M: flaxen::Module>(module: &M, name: &str) -> Result<Tensor> {
    module.get_variable("state", name)?.ok_or_else(|| Error::msg(format!("no `{name}` in `state`")))
}

/// A step of a loop.
trait Step: flaxen::Module {
    fn step(&self, carry: Tensor, x: Tensor) -> Result<(Tensor, Tensor)>;
}

#[flaxen::module]
struct Cell;

impl Step for Cell {
    #[compact]
    fn step(&self, carry: Tensor, x: Tensor) -> Result<(Tensor, Tensor)> {
        let y = Dense::new(FEATURES).call(&Tensor::concatenate(&[carry, x], -1))?.tanh();
        Ok((y.clone(), y * 2.0))
    }
}

#[flaxen::module]
struct DropCell;

impl Step for DropCell {
    #[compact]
    fn step(&self, carry: Tensor, x: Tensor) -> Result<(Tensor, Tensor)> {
        let y = Dropout::new(0.5).call(&(carry + x), true)?;
        Ok((y.clone(), y))
    }
}

/// A scan over the two inputs: a carry, and what is scanned.
fn scanned<S: Step>(step: S, with: fn(Scan<S>) -> Scan<S>) -> Option<Box<dyn Lifted>> {
    program(Scanned::new(with(Scan::new(step))), |m, inputs| m.call(&inputs[0], &inputs[1]))
}

#[flaxen::module]
struct Scanned<S: Step> {
    scan: Scan<S>,
}

impl<S: Step> Scanned<S> {
    #[compact]
    fn call(&self, carry: &Tensor, xs: &Tensor) -> Called {
        let scan = self.child(self.scan.clone());
        Ok(Value::of(&scan.run(
            |step, carry: Tensor, x: Tensor| step.step(carry, x),
            carry.clone(),
            xs.clone(),
        )?))
    }
}

#[flaxen::module]
struct CarryCell;

impl Step for CarryCell {
    #[compact]
    fn step(&self, carry: Tensor, x: Tensor) -> Result<(Tensor, Tensor)> {
        let n = self.variable("state", "n", || Tensor::from(0.0f32))?;
        n.set(n.get() + 1.0)?;
        self.sow("intermediates", "c", &carry)?;
        let y = Dense::new(FEATURES).call(&carry)? + x * n.get();
        Ok((y.clone(), y))
    }
}

#[flaxen::module]
struct CarryAndSow;

impl CarryAndSow {
    #[compact]
    fn call(&self, inputs: &[Tensor]) -> Called {
        let (carry, xs) = (inputs[0].clone(), inputs[1].clone());
        let cell = self.child_named("cell", CarryCell::new());
        if self.is_initializing() {
            return Ok(Value::of(&cell.step(carry, xs.get(0))?));
        }
        let scan = lift::scan(&cell, |cell, carry: Tensor, x: Tensor| cell.step(carry, x));
        Ok(Value::of(&scan.carry("state").share("params").axis("intermediates", 0).call(carry, xs)?))
    }
}

#[flaxen::module]
struct TanhDense;

impl Layer for TanhDense {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(Dense::new(FEATURES).call(x)?.tanh())
    }
}

#[flaxen::module]
struct Cond {
    #[setup(Dense::new(FEATURES))]
    a: Dense,
    #[setup(Dense::new(FEATURES))]
    b: Dense,
}

impl Cond {
    #[compact]
    fn call(&self, inputs: &[Tensor]) -> Called {
        self.variable("state", "hits", || Tensor::from(0.0f32))?;
        let branch = |m: &Cond, dense: &Dense, count: f32, x: &Tensor| {
            let hits = stored(m, "hits")?;
            m.put_variable("state", "hits", hits + count)?;
            dense.call(x)
        };
        let (on_true, on_false) = (
            move |m: &Cond, x: &Tensor| branch(m, &m.a, 1.0, x),
            move |m: &Cond, x: &Tensor| branch(m, &m.b, 10.0, x),
        );
        if self.is_initializing() {
            on_true(self, &inputs[0])?;
            return Ok(on_false(self, &inputs[0])?.into());
        }
        Ok(lift::cond(self, &inputs[1].gt(0.0), on_true, on_false, &inputs[0])?.into())
    }
}

#[flaxen::module]
struct Switch {
    #[setup(vec![Dense::new(FEATURES); 3])]
    h: Vec<Dense>,
}

impl Switch {
    #[compact]
    fn call(&self, inputs: &[Tensor]) -> Called {
        if self.is_initializing() {
            self.h.iter().try_for_each(|head| head.call(&inputs[0]).map(drop))?;
        }
        let heads = [0, 1, 2].map(|i| move |m: &Switch, x: &Tensor| m.h[i].call(x));
        Ok(lift::switch(self, &inputs[1], heads, &inputs[0])?.into())
    }
}

fn transpose(variables: Variables) -> Result<Variables> {
    flaxen::tree::map(&variables, |x| Ok(x.t()))
}

#[flaxen::module]
struct Transposed;

impl Layer for Transposed {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let dec = self.child_named("dec", Dense::new(5).use_bias(false));
        lift::map_variables(&dec, "params", transpose, transpose).init().run(|dec| dec.call(x))
    }
}

#[flaxen::module]
struct SignGradient;

impl Layer for SignGradient {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let dense = self.child_named("d", Dense::new(FEATURES));
        let forward = |dense: &Dense, x: &Tensor| {
            let y = dense.call(x)?;
            Ok((y, (dense.variables()?, x.clone())))
        };
        let backward = |(variables, x): &(Variables, Tensor), ct: &Tensor| {
            let f = |(variables, x): &(Variables, Tensor)| Dense::new(FEATURES).apply(variables).call(x);
            let (params, x) = vjp(f, &(variables.clone(), x.clone()))?.1(ct)?;
            Ok((flaxen::tree::map(&params, |x| Ok(x.sign()))?, x * 2.0))
        };
        lift::custom_vjp(&dense, forward, backward, x)
    }
}

/// Runs a case of the kind `lifted`.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    match case.name() {
        "lift_vjp" => run_vjp(case),
        "lift_value_and_grad" => run_value_and_grad(case),
        "lift_jvp" => run_jvp(case),
        "lift_while_loop" => run_while_loop(case),
        name => {
            let unknown = || Stop::Unsupported(format!("the lifted program `{name}`"));
            run_program(case, &*programs(name).ok_or_else(unknown)?)
        }
    }
}

fn run_program(case: &Case, program: &dyn Lifted) -> Verdict {
    let settings = case.settings();
    let inputs: Vec<Tensor> = (0..case.keys().count())
        .map(|i| format!("in/{i}"))
        .take_while(|key| case.has(key))
        .map(|key| case.array(&key))
        .collect();
    // As they were made, as a file of arrays knows of no boxes.
    let used = program.init(rngs(&settings["init_rngs"])?, &inputs)?;
    same("init", &arrays_of(&unbox(&used)?), &case.group("init"))?;

    let apply_rngs = rngs(&settings["apply_rngs"])?;
    let written = mutable(&settings["mutable"])?.unwrap_or_else(Filter::none);
    let apply = |used: &Variables| program.apply(used, apply_rngs.clone(), written.clone(), &inputs);
    for backend in backends::ways() {
        let by = backends::named(backend);
        let (out, updates) = backends::run(backend, |used: Variables| apply(&used), used.clone())?;
        near(&format!("{by}out"), &arrays_of(&out), &whole(case, "out"), case.tolerance())?;
        near(&format!("{by}mut"), &arrays_of(&updates), &case.group("mut"), case.tolerance())?;
        let expected = case.group("grad_params");
        if !expected.is_empty() {
            let loss = |params: &Dict| total_loss(&apply(&used.with("params", params))?.0);
            let params = used.collection("params").cloned().unwrap_or_default();
            let grads = backends::run(backend, |params: Dict| grad(loss)(&params), params)?;
            near(&format!("{by}grad_params"), &arrays_of(&unbox(&grads)?), &expected, case.tolerance())?;
        }
    }
    if let Some(spec) = case.expect()["spec"].as_object() {
        let found = flaxen::variables::partition_spec(&used);
        for (path, names) in spec {
            let names = names.as_array().into_iter().flatten();
            let names = PartitionSpec::new(names.map(|name| name.as_str().unwrap_or_default()));
            let spec = found.get(path.as_str());
            if spec != Some(&names) {
                return Err(Stop::Failed(format!("`{path}` is partitioned as {spec:?}, expected {names:?}")));
            }
        }
    }
    Ok(String::new())
}

/// A `Dense` that is called by a function of the test's.
#[flaxen::module]
struct Holder {
    #[setup(Dense::new(FEATURES))]
    d: Dense,
}

/// A `Dense` that is called by a loop.
#[flaxen::module]
struct Looping;

impl Looping {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let cond = |m: &Looping, _: &Tensor| Ok(stored(m, "acc")?.lt(3));
        let body = |m: &Looping, c: Tensor| {
            m.put_variable("state", "acc", stored(m, "acc")? + 1)?;
            Ok(c * 0.5)
        };
        lift::while_loop(self, cond, body).carry("state").call(x.clone())
    }
}

fn run_while_loop(case: &Case) -> Verdict {
    let (x, used) = (case.array("in/x"), variables_at(case, "used")?);
    let (out, updates) = Looping::new().apply(used).mutable("state").run(|m| m.call(&x))?;
    near("out", &arrays_of(&out), &whole(case, "out"), case.tolerance())?;
    near("mut", &arrays_of(&updates), &case.group("mut"), case.tolerance())?;
    Ok(String::new())
}

/// Runs a function of a bound model with the case's variables.
fn bound<T>(case: &Case, f: impl FnOnce(&Holder) -> Result<T>) -> Result<T, Stop> {
    Ok(Holder::new().apply(variables_at(case, "init")?).run(f)?)
}

fn run_vjp(case: &Case) -> Verdict {
    let (x, y) = (case.array("in/x"), case.array("in/y"));
    let (out, (params, dx)) = bound(case, |m| {
        let (out, pullback) = lift::vjp(&*m.d, |d, x: &Tensor| d.call(x), &x)?;
        let cotangents = pullback(&y)?;
        Ok((out, cotangents))
    })?;
    near("out", &arrays_of(&out), &whole(case, "out"), case.tolerance())?;
    near("params_grad", &arrays_of(&params), &case.group("params_grad"), case.tolerance())?;
    near("x_grad", &arrays_of(&dx), &whole(case, "x_grad"), case.tolerance())?;
    Ok(String::new())
}

fn run_value_and_grad(case: &Case) -> Verdict {
    let x = case.array("in/x");
    let (out, dx) =
        bound(case, |m| lift::value_and_grad(m, |m, x: &Tensor| Ok(m.d.call(x)?.sin().sum()), &x))?;
    near("out", &arrays_of(&out), &whole(case, "out"), case.tolerance())?;
    near("x_grad", &arrays_of(&dx), &whole(case, "x_grad"), case.tolerance())?;
    Ok(String::new())
}

fn run_jvp(case: &Case) -> Verdict {
    let x = case.array("in/x");
    let (out, tangent) = bound(case, |m| {
        let ones = flaxen::tree::map(&m.variables()?, |x| Ok(x.ones_like()))?;
        lift::jvp(m, |m, x: &Tensor| Ok(m.d.call(x)?.sin()), &x, &x.ones_like(), ones)
    })?;
    near("out", &arrays_of(&out), &whole(case, "out"), case.tolerance())?;
    near("tangent", &arrays_of(&tangent), &whole(case, "tangent"), case.tolerance())?;
    Ok(String::new())
}
