//! Modules within transforms that are no loops: `Vmap`, `Remat`, `Jit`, `FoldRngs` and `map_variables`.

use flaxen::lift::{self, FoldRngs, Jit, MapVariables, Remat, Vmap};
use flaxen::module::{Observed, intercept_methods};
use flaxen::prelude::*;
use flaxen::scope;
use flaxen::variables::Partitioned;

fn numbers(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap()
}

fn close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.shape(), b.shape());
    for (a, b) in numbers(a).into_iter().zip(numbers(b)) {
        assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} for {b}");
    }
}

fn input() -> Tensor {
    Tensor::arange(0.0, 12.0, 1.0).reshape([4, 3]).sin()
}

/// Names its layer by the layer's type.
#[module]
struct Within<L: Layer> {
    layer: L,
}

impl<L: Layer> Layer for Within<L> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.child(self.layer.clone()).call(x)
    }
}

/// Two `Dense`, a dropout, a count of the calls, and a value on the way.
#[module]
struct Block;

impl Layer for Block {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let calls = self.variable("state", "calls", || Tensor::from(0.0f32))?;
        if self.is_mutable_collection("state") {
            calls.set(calls.get() + 1.0)?;
        }
        let h = Dense::new(3).call(x)?.tanh();
        self.sow("intermediates", "h", &h)?;
        Dense::new(3).call(&Dropout::new(0.5).call(&h, self.has_rng("dropout"))?)
    }
}

fn rngs() -> Rngs {
    Rngs::new(key(0)).with("dropout", key(1))
}

#[test]
fn a_lifted_module_is_a_module_where_it_is_built_with_the_variables_of_what_it_wraps() {
    let ensemble = Within::new(Vmap::new(Dense::new(2)).axis("params", 0).split("params"));
    let variables = ensemble.init(key(0)).call(&input()).unwrap();
    assert_eq!(variables.tensor("params/VmapDense_0/kernel").unwrap().shape(), [4, 3, 2]);
    let remat = Within::new(Remat::new(Dense::new(2))).init(key(0)).call(&input()).unwrap();
    assert_eq!(remat.tensor("params/CheckpointDense_0/kernel").unwrap().shape(), [3, 2]);
    let jit = Within::new(Jit::new(Dense::new(2))).init(key(0)).call(&input()).unwrap();
    assert_eq!(jit.tensor("params/JitDense_0/kernel").unwrap().shape(), [3, 2]);
    // The model itself may be one, and one may be in another.
    let both = Vmap::new(Remat::new(Dense::new(2))).axis("params", 0).split("params");
    let variables = Within::new(both.clone()).init(key(0)).call(&input()).unwrap();
    assert_eq!(variables.tensor("params/VmapCheckpointDense_0/bias").unwrap().shape(), [4, 2]);
    assert_eq!(both.init(key(0)).call(&input()).unwrap().tensor("params/bias").unwrap().shape(), [4, 2]);
}

#[test]
fn vmap_over_parameters_is_a_loop_over_their_slices() {
    let ensemble = Vmap::new(Dense::new(2)).axis("params", 0).split("params");
    let variables = ensemble.init(key(0)).call(&input()).unwrap();
    let whole = ensemble.apply(&variables).call(&input()).unwrap();
    for i in 0..4 {
        let slice = flaxen::tree::map(&variables, |x| Ok(x.get(i))).unwrap();
        close(&whole.get(i), &Dense::new(2).apply(&slice).call(&input().get(i)).unwrap());
    }
    // Each element has a key of its own.
    let kernel = variables.tensor("params/kernel").unwrap();
    assert_ne!(numbers(&kernel.get(0)), numbers(&kernel.get(1)));
    let same =
        Vmap::new(Dense::new(2)).axis("params", 0).share("params").init(key(0)).call(&input()).unwrap();
    let kernel = same.tensor("params/kernel").unwrap();
    assert_eq!(numbers(&kernel.get(0)), numbers(&kernel.get(3)));
}

#[test]
fn functions_of_a_wrapped_module_take_arguments_of_their_own() {
    #[module]
    struct Head;

    impl Head {
        #[compact]
        fn call(&self, x: &Tensor, shift: &Tensor) -> Result<Tensor> {
            let seen = self.variable("batch_stats", "seen", || Tensor::from(0.0f32))?;
            if !self.is_initializing() {
                seen.set(x.sum())?;
            }
            Ok(Dense::new(2).call(x)? + shift)
        }
    }

    #[module]
    struct Model;

    impl Model {
        #[compact]
        fn call(&self, x: &Tensor, shift: &Tensor) -> Result<Tensor> {
            Vmap::new(Head::new())
                .share("params")
                .axis("batch_stats", 0)
                .in_axes((0, None))
                .out_axes(1)
                .run(|head, (x, shift): (Tensor, Tensor)| head.call(&x, &shift), (x.clone(), shift.clone()))
        }
    }

    let (x, shift) = (input(), Tensor::from(10.0f32));
    let variables = Model::new().init(key(0)).run(|m| m.call(&x, &shift)).unwrap();
    assert_eq!(variables.tensor("params/VmapHead_0/Dense_0/kernel").unwrap().shape(), [3, 2]);
    assert_eq!(variables.tensor("batch_stats/VmapHead_0/seen").unwrap().shape(), [4]);
    let model = Model::new();
    let run = model.apply(&variables).mutable("batch_stats");
    let (y, updates) = run.run(|m| m.call(&x, &shift)).unwrap();
    assert_eq!(y.shape(), [2, 4]);
    close(updates.tensor("batch_stats/VmapHead_0/seen").unwrap(), &x.sum_axes(1));
}

#[test]
fn remat_changes_neither_values_nor_keys_nor_gradients() {
    let (plain, remat) = (Within::new(Block::new()), Within::new(Remat::new(Block::new())));
    let variables = plain.init(rngs()).call(&input()).unwrap();
    // Keys follow from the path, so the names have to be the same.
    let lifted = Remat::new(Block::new()).init(rngs()).call(&input()).unwrap();
    assert_eq!(lifted, Block::new().init(rngs()).call(&input()).unwrap());
    let renamed: Variables = variables
        .iter()
        .map(|(name, dict)| {
            let inner = dict.dict("Block_0").unwrap().clone();
            (name.to_owned(), Dict::from([("CheckpointBlock_0", inner)]))
        })
        .collect();
    let loss = |model: &dyn Fn(&Variables) -> Result<Tensor>, v: &Variables| {
        grad(|v: &Variables| model(v))(v).unwrap()
    };
    let a = loss(&|v| Ok(plain.apply(v).call(&input())?.sum()), &variables);
    let b = loss(&|v| Ok(remat.apply(v).call(&input())?.sum()), &renamed);
    for name in ["Dense_0/kernel", "Dense_1/bias"] {
        let at = |v: &Variables, of: &str| v.tensor(&*format!("params/{of}/{name}")).unwrap().clone();
        close(&at(&a, "Block_0"), &at(&b, "CheckpointBlock_0"));
    }
    let (_, updates) = remat.apply(&renamed).mutable(["state", "intermediates"]).call(&input()).unwrap();
    assert_eq!(numbers(updates.tensor("state/CheckpointBlock_0/calls").unwrap()), [2.0]);
    let sown = updates.at("intermediates/CheckpointBlock_0/h").unwrap().tuple().unwrap();
    assert_eq!((sown.len(), sown[0].tensor().unwrap().shape()), (1, &[4, 3][..]));
}

#[test]
fn jit_begins_its_streams_anew_and_is_what_fold_rngs_is() {
    let jit = Within::new(Jit::new(Dense::new(2))).init(key(0)).call(&input()).unwrap();
    // R62: the key is that of the first draw where the module is, from which the path down to there does not follow again.
    let first = scope::fold_in_path(
        &key(0),
        [scope::PathPart::Name("JitDense_0"), scope::PathPart::Number(1)],
        false,
    );
    let kernel = scope::fold_in_path(&first.unwrap(), [scope::PathPart::Number(2)], false).unwrap();
    let expected = init::lecun_normal().tensor(&kernel, &[3, 2], DType::F32).unwrap();
    assert_eq!(numbers(jit.tensor("params/JitDense_0/kernel").unwrap()), numbers(&expected));
    let folded = Within::new(FoldRngs::new(Dense::new(2)).clone()).init(key(0)).call(&input()).unwrap();
    assert_eq!(folded.tensor("params/Fold_rngsDense_0/kernel").unwrap().shape(), [3, 2]);
    assert_eq!(
        Jit::new(Block::new()).init(rngs()).call(&input()).unwrap(),
        FoldRngs::new(Block::new()).init(rngs()).call(&input()).unwrap(),
    );
}

#[test]
fn jit_computes_what_the_module_does_and_returns_what_it_sows_and_writes() {
    let model = Within::new(Jit::new(Block::new()));
    let variables = model.init(rngs()).call(&input()).unwrap();
    let inner: Variables = variables
        .iter()
        .map(|(name, dict)| (name.to_owned(), dict.dict("JitBlock_0").unwrap().clone()))
        .collect();
    let (y, updates) = model.apply(&variables).mutable(["state", "intermediates"]).call(&input()).unwrap();
    let (expected, inner) =
        Block::new().apply(&inner).mutable(["state", "intermediates"]).call(&input()).unwrap();
    close(&y, &expected);
    assert_eq!(updates.dict("state/JitBlock_0").unwrap(), inner.dict("state").unwrap());
    assert_eq!(updates.at("intermediates/JitBlock_0/h").unwrap().tuple().unwrap().len(), 1);
}

#[test]
fn functions_over_the_running_module_see_its_submodules_and_name_new_ones_as_they_come() {
    #[module]
    struct Model {
        #[setup(Dense::new(3))]
        dense: Dense,
    }

    impl Layer for Model {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let x = Dense::new(3).call(x)?;
            let lifted = lift::vmap(self, |m, x: Tensor| m.child(Dense::new(3)).call(&m.dense.call(&x)?));
            let x = lifted.share("params").call(x)?;
            Dense::new(3).call(&x)
        }
    }

    let variables = Model::new().init(key(0)).call(&input()).unwrap();
    let params = variables.dict("params").unwrap();
    assert_eq!(params.keys().collect::<Vec<_>>(), ["Dense_0", "Dense_1", "Dense_2", "dense"]);
    assert_eq!(params.tensor("Dense_1/kernel").unwrap().shape(), [3, 3]);
}

#[test]
fn modules_of_elsewhere_come_along_in_fields_and_as_targets_of_their_own() {
    #[module]
    struct Counter;

    impl Counter {
        #[compact]
        fn count(&self) -> Result<Tensor> {
            let n = self.variable("counter", "n", || Tensor::from(0.0f32))?;
            n.set(n.get() + 1.0)?;
            Ok(n.get())
        }
    }

    #[module]
    struct Inner {
        #[submodule]
        counter: Counter,
    }

    impl Layer for Inner {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            Ok(Dense::new(2).call(x)? + self.counter.count()?)
        }
    }

    #[module]
    struct Outer {
        #[setup(Counter::new())]
        counter: Counter,
    }

    impl Layer for Outer {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            self.counter.count()?;
            let y = Jit::new(Inner::new(self.counter.clone())).call(x)?;
            lift::jit((self, &*self.counter), |(_, counter), y: Tensor| Ok(y + counter.count()?)).call(y)
        }
    }

    let variables = Outer::new().init(key(0)).call(&input()).unwrap();
    assert_eq!(variables.dict("params").unwrap().keys().collect::<Vec<_>>(), ["JitInner_0"]);
    assert_eq!(variables.dict("counter").unwrap().keys().collect::<Vec<_>>(), ["counter"]);
    assert_eq!(numbers(variables.tensor("counter/counter/n").unwrap()), [3.0]);
    let (_, updates) = Outer::new().apply(&variables).mutable("counter").call(&input()).unwrap();
    assert_eq!(numbers(updates.tensor("counter/counter/n").unwrap()), [6.0]);
}

#[test]
fn variables_are_targets_too() {
    #[module]
    struct Model;

    impl Layer for Model {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let sum = self.variable("state", "sum", || Tensor::zeros([]))?;
            let doubled = lift::jit(&sum, |sum, x: Tensor| {
                sum.set(sum.get() + x.sum())?;
                Ok(sum.get() * 2.0)
            });
            doubled.call(x.clone())
        }
    }

    let x = Tensor::ones([3]);
    let (y, variables) = Model::new().init_with_output(key(0)).call(&x).unwrap();
    assert_eq!((numbers(&y), numbers(variables.tensor("state/sum").unwrap())), (vec![6.0], vec![3.0]));
}

#[test]
fn interceptors_captures_and_tabulate_see_what_runs_inside() {
    let model =
        Within::new(Vmap::new(Block::new()).axis(["params", "state", "intermediates"], 0).split("params"));
    let variables = model.init(key(0)).call(&input()).unwrap();
    let captured = model.apply(&variables).capture_intermediates().call(&input()).unwrap().1;
    let inner = captured.dict("intermediates/VmapBlock_0").unwrap();
    assert_eq!(inner.keys().collect::<Vec<_>>(), ["Dense_0", "Dense_1", "Dropout_0", "__call__", "h"]);
    assert_eq!(inner.at("__call__").unwrap().tuple().unwrap()[0].tensor().unwrap().shape(), [4, 3]);

    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let into = seen.clone();
    let doubled = intercept_methods(
        move |call, next| {
            into.lock().unwrap().push((call.module().type_name(), call.module().path().join("/")));
            let Observed::Tree(y) = next()? else { return Err(Error::msg("expected a tensor")) };
            let is_block = call.module().type_name() == "Block";
            Ok(Observed::Tree(if is_block { (y.tensor()? * 2.0).into() } else { y }))
        },
        || model.apply(&variables).call(&input()),
    );
    close(&doubled.unwrap(), &(model.apply(&variables).call(&input()).unwrap() * 2.0));
    assert_eq!(seen.lock().unwrap()[1], ("Block", "VmapBlock_0".to_owned()));

    let summary = model.tabulate(key(0)).call(&input()).unwrap();
    let rows: Vec<_> = summary.rows().iter().map(|row| (row.path().join("/"), row.module())).collect();
    assert_eq!(rows[1], ("VmapBlock_0".to_owned(), "Block"));
    assert_eq!(rows[2], ("VmapBlock_0/Dense_0".to_owned(), "Dense"));
    assert_eq!(summary.rows()[2].variables().tensor("params/kernel").unwrap().shape(), [4, 3, 3]);
}

#[test]
fn perturbations_pass_through() {
    #[module]
    struct Perturbed;

    impl Layer for Perturbed {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            Ok(self.perturb("h", &(x * 2.0))? * 3.0)
        }
    }

    let model = Within::new(Vmap::new(Perturbed::new()).axis("perturbations", 0));
    let variables = model.init(key(0)).call(&input()).unwrap();
    assert_eq!(variables.tensor("perturbations/VmapPerturbed_0/h").unwrap().shape(), [4, 3]);
    let slope = grad(|v: &Variables| Ok(model.apply(v).call(&input())?.sum()))(&variables).unwrap();
    assert_eq!(numbers(slope.tensor("perturbations/VmapPerturbed_0/h").unwrap()), [3.0; 12]);
}

#[test]
fn boxes_gain_the_name_of_the_axis_and_lose_it_inside() {
    let kernel = init::lecun_normal().boxed(Partitioned::new(["in", "out"]));
    let dense = Dense::new(2).kernel_init(kernel);
    let model = Vmap::new(dense.clone()).axis("params", 1).split("params").metadata("layers");
    let variables = model.init(key(0)).call(&input()).unwrap();
    let Value::Boxed(boxed) = variables.at("params/kernel").unwrap() else { panic!("not in a box") };
    assert_eq!(boxed.metadata_as::<Partitioned>(), Some(&Partitioned::new(["in", "layers", "out"])));
    assert_eq!(model.apply(&variables).call(&input()).unwrap().shape(), [4, 2]);
    let unnamed = Within::new(Vmap::new(dense).axis("params", 0).split("params"));
    let error = unnamed.init(key(0)).call(&input()).unwrap_err().to_string();
    assert!(error.contains("/vmap(VmapDense_0)") && error.contains(".metadata(\"layers\")"), "{error}");
}

#[test]
fn scopes_are_targets_without_modules() {
    let dense = |s: &Scope, x: &Tensor| Ok(x.dot(&s.param("kernel", init::ones(), [3, 2])?));
    let (y, variables) = scope::init(key(0))
        .run(|s| {
            lift::vmap(&s.child("dense")?, |s, x: Tensor| dense(s, &x))
                .axis("params", 0)
                .split("params")
                .call(input())
        })
        .unwrap();
    assert_eq!(
        (y.shape(), variables.tensor("params/dense/kernel").unwrap().shape()),
        (&[4, 2][..], &[4, 3, 2][..])
    );
}

/// A module of which a method is lifted, and another one is not.
#[module]
struct Coder {
    #[setup(Dense::new(3))]
    dense: Dense,
}

impl Coder {
    #[compact]
    fn encode(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.dense.call(x)?.sin())
    }

    #[compact]
    fn plain(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.dense.call(x)? * 2.0)
    }
}

/// As `nn.remat(Coder, methods=['encode'])` of Flax 0.12.8: the names are `CheckpointCoder_0/dense`, and in the jaxpr the other method is
/// outside of the checkpoint.
#[test]
fn methods_that_are_not_lifted_run_as_they_are() {
    #[module]
    struct Both;

    impl Both {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
            let coder = self.child(Remat::new(Coder::new()));
            Ok((coder.run(|m, x: &Tensor| m.encode(x), x)?, coder.inner().plain(x)?))
        }
    }

    let x = Tensor::ones([1, 4]);
    let variables = Both::new().init(key(0)).run(|m| m.call(&x)).unwrap();
    assert_eq!(variables.tensor("params/CheckpointCoder_0/dense/kernel").unwrap().shape(), [4, 3]);
    assert_eq!(flaxen::tree::count(&variables), 2);
    let graph = jit(move |x: Tensor| Both::new().apply(&variables).run(|m| m.call(&x))).graph(&x).unwrap();
    let count = |name: &str| graph.primitives().filter(|&other| other == name).count();
    assert_eq!((count("checkpoint"), count("dot_general")), (1, 1), "{graph}");
}

/// As `nn.map_variables(nn.Dense, 'params', transpose, transpose, init=True)`, whose name and numbers are those of Flax 0.12.8 for
/// `key(0)` and `[[0, 1, 2, 3]]`.
#[test]
fn a_module_sees_its_variables_through_a_function() {
    fn transpose(variables: Variables) -> Result<Variables> {
        flaxen::tree::map(&variables, |x| Ok(x.t()))
    }

    #[module]
    struct Transposed;

    impl Layer for Transposed {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            MapVariables::new(Dense::new(3), "params", transpose, transpose).with_init(true).call(x)
        }
    }

    let x = Tensor::from([[0.0f32, 1.0, 2.0, 3.0]]);
    let variables = Transposed::new().init(key(0)).call(&x).unwrap();
    let kernel = variables.tensor("params/Map_variablesDense_0/kernel").unwrap();
    let expected = Tensor::from([
        [-0.850_768_8f32, -0.254_472_43, 0.116_750_6, -0.169_763_97],
        [-0.098_931_08, 0.166_945_74, -0.430_524_92, 0.306_627_48],
        [-0.922_745_17, -0.573_745_13, 0.199_224_71, 0.549_189_2],
    ]);
    assert!(kernel.all_close(&expected, 1e-6, 0.0).unwrap(), "{kernel}");
    let y = Transposed::new().apply(&variables).call(&x).unwrap();
    assert!(y.all_close([[-0.530_263_1f32, 0.225_778_37, 1.472_271_9]], 1e-5, 1e-6).unwrap(), "{y}");
}
