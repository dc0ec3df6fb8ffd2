//! Values on the way: sown, captured, and perturbed to have their gradients.

use flaxen::prelude::*;
use flaxen_tests::modules::{numbers, paths, root_error};

fn x() -> Tensor {
    Tensor::from([[1.0f32, 2.0, 3.0]])
}

/// The sums of the tensors of a tuple.
fn sums(variables: &Variables, path: &str) -> Result<Vec<f32>> {
    variables.at(path)?.tuple()?.iter().map(|value| value.tensor()?.sum().item()).collect()
}

#[module]
struct Sows;

impl Sows {
    #[compact]
    fn run(&self, x: &Tensor) -> Result<(bool, bool)> {
        let first = self.sow("intermediates", "h", x)?;
        self.sow("intermediates", "h", &(x * 2.0))?;
        let zero = || Tensor::from(0.0f32);
        let add = |sum: Tensor, x: &Tensor| sum + x.sum();
        let second = self.sow_with("sums", "h", x, zero, add)?;
        self.sow_with("sums", "h", x, zero, add)?;
        Ok((first, second))
    }

    fn plain(&self, x: &Tensor) -> Result<bool> {
        self.sow("intermediates", "plain", &(x.clone(), vec![x * 2.0]))
    }
}

#[test]
fn sown_values_are_collected_in_order_or_reduced() -> Result<()> {
    let run = |mutable: &[&str]| Sows::new().apply(Variables::new()).mutable(mutable).run(|m| m.run(&x()));
    let (stored, seen) = run(&["intermediates", "sums"])?;
    assert_eq!(stored, (true, true));
    assert_eq!(sums(&seen, "intermediates/h")?, [6.0, 12.0]);
    assert_eq!(seen.tensor("sums/h")?.item::<f32>()?, 12.0);

    let (stored, seen) = run(&["intermediates"])?;
    assert_eq!((stored, seen.collections().collect()), ((true, false), vec!["intermediates"]));
    assert_eq!(Sows::new().apply(Variables::new()).run(|m| m.run(&x()))?, (false, false));
    Ok(())
}

#[test]
fn init_keeps_what_is_sown_except_for_intermediates() -> Result<()> {
    let variables = Sows::new().init(key(0)).run(|m| m.run(&x()))?;
    assert_eq!(variables.collections().collect::<Vec<_>>(), ["sums"]);
    let all = Sows::new().init(key(0)).mutable(true).run(|m| m.run(&x()))?;
    assert_eq!(all.collections().collect::<Vec<_>>(), ["intermediates", "sums"]);
    Ok(())
}

#[test]
fn sowing_goes_on_where_the_given_variables_end() -> Result<()> {
    let run = |variables: Variables| Sows::new().apply(variables).mutable(true).run(|m| m.run(&x()));
    let (_, once) = run(Variables::new())?;
    let (_, twice) = run(once)?;
    assert_eq!(sums(&twice, "intermediates/h")?, [6.0, 12.0, 6.0, 12.0]);
    assert_eq!(twice.tensor("sums/h")?.item::<f32>()?, 24.0);
    Ok(())
}

#[test]
fn plain_methods_may_sow_and_any_tree_can_be_sown() -> Result<()> {
    let (_, seen) = Sows::new().apply(Variables::new()).mutable(true).run(|m| m.plain(&x()))?;
    let (first, second): (Tensor, Vec<Tensor>) = seen.at("intermediates/plain")?.tuple()?[0].to()?;
    assert_eq!((numbers(&first), numbers(&second[0])), (vec![1.0, 2.0, 3.0], vec![2.0, 4.0, 6.0]));
    Ok(())
}

#[test]
fn a_sown_value_cannot_have_the_name_of_a_submodule_or_of_a_variable_of_its_collection() {
    #[module]
    struct Clash;
    impl Clash {
        #[compact]
        fn with_submodule(&self, x: &Tensor) -> Result<bool> {
            self.child_named("both", Dense::new(2)).call(x)?;
            self.sow("intermediates", "both", x)
        }
        #[compact]
        fn with_variable(&self, x: &Tensor) -> Result<bool> {
            self.sow("intermediates", "both", x)?;
            self.variable("intermediates", "both", || x.clone())?;
            Ok(true)
        }
    }
    for clash in [Clash::with_submodule, Clash::with_variable] {
        let error = root_error(Clash::new().init(key(0)).mutable(true).run(|m| clash(m, &x())));
        assert!(matches!(&error, Error::NameInUse { name, .. } if &**name == "both"), "{error:?}");
    }
}

#[module]
struct Captured {
    #[setup(Dense::new(2))]
    dense: Dense,
}

impl Captured {
    #[compact]
    fn helper(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let y = self.dense.call(x)?;
        Ok((y.clone(), y * 2.0))
    }
}

impl Layer for Captured {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let (a, b) = self.helper(x)?;
        self.sow("intermediates", "sown", &a)?;
        self.dense.call(x)?;
        Ok(a.tanh() + b)
    }
}

#[test]
fn capture_stores_the_output_of_every_call_under_the_modules_path() -> Result<()> {
    let model = Captured::new();
    let variables = model.init(key(0)).call(&x())?;
    let (y, seen) = model.apply(&variables).capture_intermediates().call(&x())?;
    let expected = ["__call__/0", "dense/__call__/0", "dense/__call__/1", "sown/0"];
    assert_eq!(paths(&seen, "intermediates"), expected);
    assert_eq!(sums(&seen, "intermediates/__call__")?, [y.sum().item::<f32>()?]);
    assert_eq!(seen.collections().collect::<Vec<_>>(), ["intermediates"]);
    Ok(())
}

#[test]
fn a_filter_chooses_what_is_captured_by_module_and_method() -> Result<()> {
    let model = Captured::new();
    let variables = model.init(key(0)).call(&x())?;
    let apply = || model.apply(&variables);
    let (_, seen) = apply().capture_intermediates_if(|module, _| module.is::<Dense>()).call(&x())?;
    assert_eq!(paths(&seen, "intermediates"), ["dense/__call__/0", "dense/__call__/1", "sown/0"]);
    let (_, seen) = apply().capture_intermediates_if(|_, method| method == "helper").call(&x())?;
    assert_eq!(paths(&seen, "intermediates"), ["helper/0/0", "helper/0/1", "sown/0"]);
    let (_, seen) = apply().capture_intermediates_if(|module, _| module.name().is_none()).call(&x())?;
    assert_eq!(paths(&seen, "intermediates"), ["__call__/0", "helper/0/0", "helper/0/1", "sown/0"]);
    let (_, seen) = apply().capture_intermediates_if(|_, _| false).call(&x())?;
    assert_eq!(paths(&seen, "intermediates"), ["sown/0"]);
    let (_, seen) = apply().mutable("state").capture_intermediates().call(&x())?;
    assert!(seen.contains("intermediates/dense/__call__"));
    Ok(())
}

/// Perturbs a value before and after it is multiplied by 4.
#[module]
struct Perturbed {
    #[setup(Dense::new(2))]
    dense: Dense,
}

impl Layer for Perturbed {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.dense.call(x)?;
        let x = self.perturb("before", &x)?;
        let x = x * 4.0;
        self.perturb("after", &x)
    }
}

/// A model that perturbs in its submodules and in a plain method.
#[module]
struct PerturbedInside {
    #[submodule]
    inner: Perturbed,
}

impl Layer for PerturbedInside {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.perturb("out", &self.inner.call(x)?)
    }
}

fn gradients(model: &impl Layer, at: &Variables) -> Result<Dict> {
    let targets = Tensor::from([[0.5f32, -0.5]]);
    let loss = |perturbations: &Dict| {
        let y = model.apply(at.with("perturbations", perturbations)).call(&x())?;
        Ok((y - &targets).square().mean())
    };
    grad(loss)(at.dict("perturbations")?)
}

#[test]
fn the_gradients_of_perturbations_are_those_of_the_values() -> Result<()> {
    let model = Perturbed::new();
    let (y, variables) = model.init_with_output(key(0)).call(&x())?;
    assert_eq!(numbers(variables.tensor("perturbations/before")?), [0.0; 2]);
    assert_eq!(numbers(&model.apply(&variables).call(&x())?), numbers(&y));

    let gradients = gradients(&model, &variables)?;
    // Of the mean of (y − t)² over two numbers.
    let of_y: Vec<f32> = numbers(&y).iter().zip([0.5, -0.5]).map(|(y, t)| y - t).collect();
    assert_eq!(numbers(gradients.tensor("after")?), of_y);
    let of_input: Vec<f32> = of_y.iter().map(|dy| dy * 4.0).collect();
    assert_eq!(numbers(gradients.tensor("before")?), of_input);
    Ok(())
}

#[test]
fn perturbations_are_in_their_modules_paths() -> Result<()> {
    let model = PerturbedInside::new(Perturbed::new());
    let variables = model.init(key(0)).call(&x())?;
    assert_eq!(paths(&variables, "perturbations"), ["inner/after", "inner/before", "out"]);
    let gradients = gradients(&model, &variables)?;
    let [out, after, before] =
        ["out", "inner/after", "inner/before"].map(|path| gradients.tensor(path).map(numbers));
    assert_eq!(out?, after.clone()?);
    assert_eq!(before?, after?.into_iter().map(|dy| dy * 4.0).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn without_its_collection_a_perturbation_is_nothing() -> Result<()> {
    let model = Perturbed::new();
    let (y, variables) = model.init_with_output(key(0)).call(&x())?;
    let (_, without) = variables.pop("perturbations")?;
    assert_eq!(numbers(&model.apply(&without).call(&x())?), numbers(&y));

    for given in [Dict::new(), Dict::new().with("before", Tensor::zeros([1, 2]))] {
        let error = root_error(model.apply(without.with("perturbations", given)).call(&x()));
        assert!(
            matches!(&error, Error::PerturbationNotFound { collection, path, .. }
                if &**collection == "perturbations" && &**path == "/"),
            "{error:?}"
        );
    }
    Ok(())
}
