//! What functions are lifted over: modules with their fields, setups and names, wherever in the model they are.

use flaxen::lift::{self, Jit, Remat, Scan, Vmap};
use flaxen::nn::Cell;
use flaxen::nn::LstmCell;
use flaxen::prelude::*;
use flaxen::scope;

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

fn names(variables: &Variables, path: &str) -> Vec<String> {
    variables.dict(path).unwrap().keys().map(str::to_owned).collect()
}

/// Counts its calls.
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

/// A layer in a field, by whoever made it.
#[module]
struct Uses<L: Layer> {
    #[submodule]
    inner: L,
}

impl<L: Layer> Layer for Uses<L> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.inner.call(x)? + self.param("shift", init::ones(), [])?)
    }
}

#[test]
fn fields_that_are_modules_are_lifted_with_what_wraps_them_by_the_names_of_fields() {
    let nested = Vmap::new(Uses::new(Uses::new(Dense::new(2)))).axis("params", 0).split("params");
    let variables = nested.init(key(0)).call(&input()).unwrap();
    assert_eq!(names(&variables, "params"), ["inner", "shift"]);
    assert_eq!(variables.tensor("params/inner/inner/kernel").unwrap().shape(), [4, 3, 2]);
    assert_eq!(variables.tensor("params/shift").unwrap().shape(), [4]);

    #[module]
    struct Many {
        #[submodule]
        layers: Vec<Dense>,
        #[setup(Dense::new(3))]
        last: Dense,
    }

    impl Layer for Many {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let x = self.layers.iter().try_fold(x.clone(), |x, layer| layer.call(&x))?;
            self.last.call(&x)
        }
    }

    let many = || Many::new(vec![Dense::new(3), Dense::new(3)]);
    let lifted = Remat::new(many()).init(key(0)).call(&input()).unwrap();
    assert_eq!(names(&lifted, "params"), ["last", "layers_0", "layers_1"]);
    assert_eq!(lifted, many().init(key(0)).call(&input()).unwrap());
}

#[test]
fn names_are_refused_twice_within_a_transform_as_they_are_without() {
    #[module]
    struct Twice;

    impl Layer for Twice {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            self.child_named("a", Dense::new(2)).call(x)?;
            self.child_named("a", Dense::new(2)).call(x)
        }
    }

    #[module]
    struct InSetup {
        #[setup(Dense::new(2))]
        a: Dense,
        #[setup(self.param("a", init::ones(), [])?)]
        b: Tensor,
    }

    impl Layer for InSetup {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            Ok(self.a.call(x)? + &self.b)
        }
    }

    let error = Jit::new(Twice::new()).init(key(0)).call(&input()).unwrap_err();
    assert!(matches!(error.root(), Error::NameInUse { .. }), "{error}");
    let error = Jit::new(InSetup::new()).init(key(0)).call(&input()).unwrap_err();
    assert!(matches!(error.root(), Error::NameInUse { .. }), "{error}");
}

#[test]
fn a_module_in_two_fields_is_one_module_inside_too() {
    #[module]
    struct Both {
        #[submodule]
        a: Dense,
        #[submodule]
        b: Dense,
    }

    impl Both {
        #[compact]
        fn call(&self, x: &Tensor, third: &Dense) -> Result<Tensor> {
            third.call(&self.b.call(&self.a.call(x)?)?)
        }
    }

    #[module]
    struct Model;

    impl Layer for Model {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let dense = self.child(Dense::new(3));
            let both = self.child(Jit::new(Both::new(dense.clone(), dense.clone())));
            // As a field twice and as a target.
            lift::jit((&both, &dense), |(both, dense), x: Tensor| {
                both.run(|both, x: Tensor| both.call(&x, &both.a.clone()), x).and_then(|x| dense.call(&x))
            })
            .call(x.clone())
        }
    }

    let (y, variables) = Model::new().init_with_output(key(0)).call(&input()).unwrap();
    assert_eq!(names(&variables, "params"), ["Dense_0"]);
    let dense = Variables::new().with("params", variables.dict("params/Dense_0").unwrap());
    let by_hand = (0..4).try_fold(input(), |x, _| Dense::new(3).apply(&dense).call(&x)).unwrap();
    close(&y, &by_hand);
    close(&Model::new().apply(&variables).call(&input()).unwrap(), &by_hand);
}

#[test]
fn outer_modules_are_mapped_with_the_function_and_shared_ones_stay_shared() {
    #[module]
    struct Outer {
        #[setup(Dense::new(3))]
        dense: Dense,
    }

    impl Layer for Outer {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            // The layer belongs to this module, and is a field of the one that is mapped.
            Vmap::new(Uses::new(self.dense.clone())).axis("params", 0).split("params").call(x)
        }
    }

    let variables = Outer::new().init(key(0)).call(&input()).unwrap();
    assert_eq!(names(&variables, "params"), ["VmapUses_0", "dense"]);
    assert_eq!(variables.tensor("params/dense/kernel").unwrap().shape(), [4, 3, 3]);
    assert_eq!(Outer::new().apply(&variables).call(&input()).unwrap().shape(), [4, 3]);
}

#[test]
fn handles_and_modules_stay_one_with_what_they_are_handles_of_through_several_transforms() {
    #[module]
    struct Deep {
        #[submodule]
        counter: Counter,
    }

    impl Deep {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            self.counter.count()?;
            let n = self.counter.get_variable::<Tensor>("counter", "n")?.expect("counted");
            lift::jit((self, &self.counter), |(deep, counter), x: Tensor| {
                // The same counter, by two ways.
                deep.counter.count()?;
                Ok(x + counter.count()? + &n)
            })
            .call(x.clone())
        }
    }

    #[module]
    struct Model {
        #[setup(Counter::new())]
        counter: Counter,
    }

    impl Layer for Model {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let total = self.variable("counter", "total", || Tensor::from(0.0f32))?;
            let deep = self.child(Remat::new(Deep::new(self.counter.clone())));
            let y = lift::jit((&deep, &total), |(deep, total), x: Tensor| {
                let y = deep.run(|deep, x: &Tensor| deep.call(x), &x)?;
                total.set(total.get() + 100.0)?;
                Ok(y + total.get())
            })
            .call(x.clone())?;
            Ok(y + self.counter.count()?)
        }
    }

    let x = Tensor::from(0.0f32);
    // Counts 1, 2, 3 inside of everything and 4 outside; the total is 100.
    let (y, variables) = Model::new().init_with_output(key(0)).call(&x).unwrap();
    assert_eq!(numbers(&y), [3.0 + 1.0 + 100.0 + 4.0]);
    assert_eq!(numbers(variables.tensor("counter/counter/n").unwrap()), [4.0]);
    let (y, state) = Model::new().apply(&variables).mutable("counter").call(&x).unwrap();
    assert_eq!(numbers(&y), [7.0 + 5.0 + 200.0 + 8.0]);
    assert_eq!(numbers(state.tensor("counter/total").unwrap()), [200.0]);
}

#[test]
fn scopes_and_scopes_within_them_stay_one_in_the_other() {
    let ((), variables) = scope::init(key(0))
        .run(|s| {
            let child = s.child("a")?;
            child.put_variable("state", "x", Tensor::from(1.0f32))?;
            lift::jit((s, &child), |(s, child), add: Tensor| {
                let x: Tensor = child.get_variable("state", "x")?.expect("put before");
                child.put_variable("state", "x", x + add)?;
                // Seen through the other one.
                let seen = s.variables().tensor("state/a/x")?.clone();
                s.put_variable("state", "seen", seen.clone())?;
                assert_eq!(child.parent(), Some(s));
                Ok(seen)
            })
            .call(Tensor::from(2.0f32))?;
            let x: Tensor = child.get_variable("state", "x")?.expect("still there");
            s.put_variable("state", "after", x)
        })
        .unwrap();
    for path in ["state/a/x", "state/seen", "state/after"] {
        assert_eq!(numbers(variables.tensor(path).unwrap()), [3.0]);
    }
}

#[test]
fn a_shared_scope_stays_shared_inside() {
    #[module]
    struct Flat {
        #[submodule]
        inner: Dense,
        #[setup(self.share_scope(&self.inner)?)]
        shared: (),
    }

    impl Layer for Flat {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            Ok(self.inner.call(x)? * self.param("scale", init::ones(), [])?)
        }
    }

    let model = Vmap::new(Flat::new(Dense::new(2))).axis("params", 0).split("params");
    let variables = model.init(key(0)).call(&input()).unwrap();
    assert_eq!(names(&variables, "params"), ["bias", "kernel", "scale"]);
    assert_eq!(variables.tensor("params/kernel").unwrap().shape(), [4, 3, 2]);
    assert_eq!(model.apply(&variables).call(&input()).unwrap().shape(), [4, 2]);
}

#[test]
fn a_lifted_module_in_a_field_has_the_name_of_the_field_and_options_for_each_method() {
    #[module]
    struct Body {
        #[setup(Dense::new(3))]
        dense: Dense,
        #[setup(self.param("p", init::ones(), [1])?)]
        p: Tensor,
    }

    impl Layer for Body {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            self.helper(&self.dense.call(x)?)
        }
    }

    impl Body {
        /// A plain method.
        fn helper(&self, x: &Tensor) -> Result<Tensor> {
            Ok(x + &*self.p)
        }
    }

    #[module]
    struct Model {
        #[setup(Scan::new(Body::new()).axis("params", 0).split("params").length(2))]
        layers: Scan<Body>,
        #[setup(Vmap::new(Dense::new(2)).axis("params", 0).split("params"))]
        heads: Vmap<Dense>,
    }

    impl Layer for Model {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let x = self.layers.call(x)?;
            let a = self.heads.run(|head, x: Tensor| head.call(&x), x.clone())?;
            // The same heads along another axis.
            let heads = (*self.heads).clone().in_axes(1).out_axes(1);
            let b = heads.run(|head, x: Tensor| head.call(&x), x.t())?;
            Ok(a + b.t())
        }
    }

    let variables = Model::new().init(key(0)).call(&input()).unwrap();
    assert_eq!(names(&variables, "params"), ["heads", "layers"]);
    assert_eq!(variables.tensor("params/layers/p").unwrap().shape(), [2, 1]);
    assert_eq!(variables.tensor("params/heads/kernel").unwrap().shape(), [4, 3, 2]);
    assert_eq!(Model::new().apply(&variables).call(&input()).unwrap().shape(), [4, 2]);
}

#[test]
fn a_scan_over_a_cell_is_the_cell_again_and_again() {
    #[module]
    struct Over;

    impl Layer for Over {
        #[compact]
        fn call(&self, xs: &Tensor) -> Result<Tensor> {
            let cell = self.child(LstmCell::new(2));
            let carry = cell.initial_carry(&key(0), &[3])?;
            let step = |cell: &LstmCell, carry, x: Tensor| cell.call(carry, &x);
            Ok(lift::scan(&cell, step).share("params").call(carry, xs.clone())?.1)
        }
    }

    let (ys, variables) = Over::new().init_with_output(key(0)).call(&input()).unwrap();
    let cell = Variables::new().with("params", variables.dict("params/LSTMCell_0").unwrap());
    let mut carry = LstmCell::new(2).initial_carry(&key(0), &[3]).unwrap();
    for i in 0..4 {
        let (next, y) = LstmCell::new(2).apply(&cell).run(|c| c.call(carry, &input().get(i))).unwrap();
        close(&ys.get(i), &y);
        carry = next;
    }
}
