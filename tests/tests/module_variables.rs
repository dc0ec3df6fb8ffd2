//! Parameters and variables of modules: making them, asking for them, writing them.

use flaxen::module::IntoLayer;
use flaxen::prelude::*;
use flaxen_tests::modules::{numbers, paths, root_error};

fn x() -> Tensor {
    Tensor::ones([1, 3])
}

/// Adds a parameter; its methods are plain.
#[module]
struct Plain;

impl Plain {
    fn param_in_plain_method(&self) -> Result<Tensor> {
        self.param("bias", init::ones(), [3])
    }

    fn variable_in_plain_method(&self) -> Result<Variable> {
        self.variable("state", "count", || Tensor::from(0.0f32))
    }
}

impl Layer for Plain {
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x + self.param_in_plain_method()?)
    }
}

#[test]
fn a_model_applied_to_what_init_made_returns_what_init_returned() -> Result<()> {
    let model = Dense::new(4);
    let (made, variables) = model.init_with_output(key(0)).call(&x())?;
    assert_eq!(numbers(&model.apply(&variables).call(&x())?), numbers(&made));
    assert_eq!(model.init(key(0)).call(&x())?, variables);
    Ok(())
}

#[test]
fn lazy_init_makes_the_variables_of_init_from_a_shape() -> Result<()> {
    #[module]
    struct Lazy;
    impl Layer for Lazy {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let kernel = self.param("kernel", init::lecun_normal(), [x.shape()[1], 8])?;
            let mean = self.variable("batch_stats", "mean", || Tensor::zeros([8]))?;
            Dense::new(2).call(&(x.try_dot(&kernel)? - mean.get()))
        }
    }
    let shape = Tensor::abstract_value(Aval::new([1024, 3], DType::F32));
    assert_eq!(Lazy::new().lazy_init(key(0)).call(&shape)?, Lazy::new().init(key(0)).call(&x())?);
    Ok(())
}

#[test]
fn a_plain_method_makes_no_parameters_and_no_variables() {
    let made = [
        root_error(Plain::new().init(key(0)).call(&x())),
        root_error(Plain::new().init(key(0)).run(Plain::param_in_plain_method)),
    ];
    for error in made {
        assert!(
            matches!(&error, Error::NotCompact { made, .. } if &**made == "the param `bias`"),
            "{error:?}"
        );
        assert!(error.to_string().contains("mark the method `#[compact]`"), "{error}");
    }
    let error = root_error(Plain::new().init(key(0)).run(Plain::variable_in_plain_method));
    assert!(matches!(&error, Error::NotCompact { made, .. } if made.contains("`count`")), "{error:?}");
}

#[test]
fn an_unbound_module_has_no_variables_and_says_so() {
    let model = Dense::new(3);
    assert!(!model.is_bound() && !model.has_variable("params", "kernel"));
    assert!(!model.is_mutable_collection("params") && !model.is_initializing());
    let asked = [
        root_error(model.variables()),
        root_error(model.get_variable::<Tensor>("params", "kernel")),
        root_error(model.put_variable("params", "kernel", x())),
        root_error(model.param("kernel", init::zeros(), [1])),
        root_error(model.variable("state", "v", x)),
        root_error(model.sow("intermediates", "v", &x())),
        root_error(model.perturb("v", &x())),
        root_error(model.scope()),
    ];
    for error in asked {
        assert!(matches!(error, Error::Unbound { module: "Dense", .. }), "{error:?}");
    }
}

#[module]
struct Asks;

impl Asks {
    #[compact]
    fn mutable(&self, collections: &[&str]) -> Result<Vec<bool>> {
        Ok(collections.iter().map(|name| self.is_mutable_collection(name)).collect())
    }

    #[compact]
    fn initializing(&self) -> Result<(bool, bool)> {
        let child = self.child(Plain::new());
        Ok((self.is_initializing(), child.is_initializing()))
    }
}

#[test]
fn a_module_knows_which_collections_it_may_write() -> Result<()> {
    let (model, asked) = (Asks::new(), ["params", "state", "intermediates"]);
    let at_init = model.init_with_output(key(0)).run(|m| m.mutable(&asked))?.0;
    assert_eq!(at_init, [true, true, false]);
    assert_eq!(model.apply(Variables::new()).run(|m| m.mutable(&asked))?, [false; 3]);
    let run = model.apply(Variables::new()).mutable(["state", "intermediates"]);
    assert_eq!(run.run(|m| m.mutable(&asked))?.0, [false, true, true]);
    Ok(())
}

#[test]
fn only_init_initializes_whatever_the_variables_are() -> Result<()> {
    let model = Asks::new();
    assert_eq!(model.init_with_output(key(0)).run(Asks::initializing)?.0, (true, true));
    assert_eq!(model.apply(Variables::new()).run(Asks::initializing)?, (false, false));
    let run = model.apply(Variables::new()).rngs(key(0)).mutable(true);
    assert_eq!(run.run(Asks::initializing)?.0, (false, false));
    assert!(!model.bind(Variables::new()).module()?.is_initializing());
    Ok(())
}

/// Reads and writes a variable without making it first.
#[module]
struct Direct {
    #[setup(Dense::new(2).use_bias(false))]
    dense: Dense,
}

impl Direct {
    #[compact]
    fn count(&self, x: &Tensor) -> Result<Tensor> {
        if !self.has_variable("state", "count") {
            self.put_variable("state", "count", Tensor::from(0.0f32))?;
        }
        let count: Tensor = self.get_variable("state", "count")?.ok_or_else(|| Error::msg("just written"))?;
        self.put_variable("state", "count", &count + 1.0)?;
        self.dense.call(x)?;
        let halved = self.dense.get_variable::<Tensor>("params", "kernel")?.map(|kernel| kernel * 0.5);
        self.dense.put_variable("params", "kernel", halved.ok_or_else(|| Error::msg("made by the call"))?)?;
        Ok(count)
    }

    fn missing(&self) -> Result<Option<Tensor>> {
        self.get_variable("state", "missing")
    }
}

#[test]
fn variables_can_be_read_and_written_without_being_made_first() -> Result<()> {
    let model = Direct::new();
    let plain_kernel = model.dense.init(key(0)).call(&x())?;
    let (count, variables) = model.init_with_output(key(0)).run(|m| m.count(&x()))?;
    assert_eq!((count.item::<f32>()?, variables.tensor("state/count")?.item::<f32>()?), (0.0, 1.0));
    assert_eq!(
        variables.tensor("params/dense/kernel")?.shape(),
        plain_kernel.tensor("params/kernel")?.shape()
    );

    let run = model.apply(&variables).mutable(["params", "state"]);
    let (count, updated) = run.run(|m| m.count(&x()))?;
    assert_eq!((count.item::<f32>()?, updated.tensor("state/count")?.item::<f32>()?), (1.0, 2.0));
    let kernel = |variables: &Variables| variables.tensor("params/dense/kernel").map(numbers);
    let halved: Vec<f32> = kernel(&variables)?.into_iter().map(|k| k * 0.5).collect();
    assert_eq!(kernel(&updated)?, halved);

    assert!(model.apply(&variables).run(Direct::missing)?.is_none());
    let error = root_error(model.apply(&variables).run(|m| m.count(&x())));
    assert!(matches!(&error, Error::Immutable { collection, .. } if &**collection == "state"), "{error}");
    Ok(())
}

#[test]
fn variables_are_taken_in_any_form_and_never_changed() -> Result<()> {
    let model = Direct::new();
    let (_, variables) = model.init_with_output(key(0)).run(|m| m.count(&x()))?;
    let before = variables.clone();
    let params = variables.dict("params")?;
    let state = variables.dict("state")?;
    let given: [Variables; 3] = [
        (&variables).into(),
        [("params", params.clone()), ("state", state.clone())].into(),
        Dict::new().with("params", params).with("state", state).try_into()?,
    ];
    for given in given {
        let (_, updated) = model.apply(given).mutable(true).run(|m| m.count(&x()))?;
        assert_eq!(updated.tensor("state/count")?.item::<f32>()?, 2.0);
    }
    assert_eq!(variables, before);
    Ok(())
}

/// A module that is generic in what it holds.
#[module]
struct Tagged<T, L>
where
    T: Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static,
    L: Layer,
{
    tag: T,
    #[submodule]
    inner: L,
}

impl<T, L> Tagged<T, L>
where
    T: Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static,
    L: Layer,
{
    #[compact]
    fn tagged(&self, x: &Tensor) -> Result<(T, Tensor)> {
        Ok((self.tag.clone(), self.inner.call(x)?))
    }
}

#[test]
fn modules_may_be_generic() -> Result<()> {
    let model = Tagged::new("tag", Dense::new(2));
    let ((tag, y), variables) = model.init_with_output(key(0)).run(|m| m.tagged(&x()))?;
    assert_eq!((tag, y.shape()), ("tag", &[1, 2][..]));
    assert_eq!(paths(&variables, "params"), ["inner/bias", "inner/kernel"]);
    assert_eq!(
        Tagged::new(1, Tensor::relu.into_layer()).apply(Variables::new()).run(|m| m.tagged(&x()))?.0,
        1
    );
    Ok(())
}
