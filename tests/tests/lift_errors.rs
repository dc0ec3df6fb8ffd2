//! What is wrong only because of a lifted transform: each error has the path with the transform, and what to do.

use flaxen::lift::{self, Jit, Scan, Vmap};
use flaxen::prelude::*;

fn input() -> Tensor {
    Tensor::ones([4, 3])
}

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

/// The text of the error that an `init` of a layer ends with, which has to have all of `words`.
fn refused(layer: impl Layer, words: &[&str]) {
    let rngs = Rngs::new(key(0)).with("dropout", key(1));
    let text = Within::new(layer).init(rngs).call(&input()).expect_err("a wrong use").to_string();
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[test]
fn a_collection_that_is_not_named_is_not_there_inside() {
    refused(
        Vmap::new(Dense::new(2)),
        &["/vmap(VmapDense_0)", "params", ".axis(\"params\", 0)", ".share(\"params\")"],
    );
    let stack = Scan::new(Dense::new(3)).axis("state", 0).split("params").length(2);
    refused(stack, &["/scan(ScanDense_0)", "`params` is empty"]);
}

#[test]
fn a_stream_that_is_not_named_is_not_there_inside() {
    refused(
        Vmap::new(Dense::new(2)).axis("params", 0),
        &["/vmap(VmapDense_0)", "the stream `params`", ".split(\"params\")", ".share(\"params\")"],
    );
}

#[test]
fn a_missing_parameter_is_named_with_the_path_through_the_transform() {
    let model = Within::new(Jit::new(Dense::new(2)));
    let variables = Variables::new().with("params", Dict::new().with("JitDense_0/other", Tensor::ones([1])));
    let text = model.apply(variables).call(&input()).unwrap_err().to_string();
    assert!(text.contains("`kernel` in `/jit(JitDense_0)`"), "{text}");
}

#[test]
fn axes_that_disagree_and_axes_that_are_not_there_are_errors() {
    refused(Vmap::new(Dense::new(2)).axis("params", 0).split("params").axis_size(3), &["/vmap(VmapDense_0)"]);
    let nothing = Vmap::new(Dense::new(2)).share("params").in_axes(None::<isize>).out_axes(None::<isize>);
    refused(nothing, &["/vmap(VmapDense_0)", ".axis_size(n)"]);
    refused(Scan::new(Dense::new(3)).share("params"), &["/scan(ScanDense_0)", ".length(n)"]);
}

#[test]
fn a_shared_variable_that_comes_to_differ_is_an_error() {
    #[module]
    struct Sums;

    impl Layer for Sums {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            self.variable("state", "sum", || Tensor::from(0.0f32))?.set(x.sum())?;
            Ok(x.clone())
        }
    }

    refused(
        Vmap::new(Sums::new()).share("state"),
        &["/vmap(VmapSums_0)", "`state/sum` is shared", ".axis(..)"],
    );
    refused(
        Scan::new(Sums::new()).share("state").length(2),
        &["/scan(ScanSums_0)", "\"state/sum\"", "shared by all steps", ".carry(..)"],
    );
    // Drawn from a key that is split, a shared parameter would differ, too.
    refused(Vmap::new(Dense::new(2)).share("params").split("params"), &["`params/kernel` is shared"]);
    refused(
        Scan::new(Dense::new(3)).share("params").split("params").length(2),
        &["params/kernel", "a key that is split"],
    );
}

#[test]
fn a_carried_variable_has_to_be_there_before_the_loop() {
    #[module]
    struct Counts;

    impl Layer for Counts {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let n = self.variable("state", "n", || Tensor::from(0.0f32))?;
            n.set(n.get() + 1.0)?;
            Ok(x.clone())
        }
    }

    refused(
        Scan::new(Counts::new()).carry("state").length(2),
        &["/scan(ScanCounts_0)", "before the loop", "Call the module once"],
    );

    #[module]
    struct Loop;

    impl Layer for Loop {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let counts = self.child(Counts::new());
            let body = |counts: &Counts, x: Tensor| counts.call(&x);
            lift::while_loop(&counts, |_, x: &Tensor| Ok(x.sum().gt(100.0)), body)
                .carry("state")
                .call(x.clone())
        }
    }

    refused(Loop::new(), &["/while_loop(Counts_0)", "before the loop", "Call the body once"]);
}

#[test]
fn branches_that_make_different_variables_are_an_error() {
    #[module]
    struct Either {
        #[setup(Dense::new(2))]
        a: Dense,
        #[setup(Dense::new(2))]
        b: Dense,
    }

    impl Layer for Either {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let pred = x.sum().gt(0.0);
            lift::cond(self, &pred, |m, x: &Tensor| m.a.call(x), |m, x| m.b.call(x), x)
        }
    }

    refused(Either::new(), &["/cond(Either_0)", "different variables", "is_initializing()"]);
}

#[test]
fn a_transform_within_a_transform_is_lifted_over_the_module_that_is_given() {
    #[module]
    struct Captures;

    impl Layer for Captures {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let dense = self.child(Dense::new(2));
            let lifted = lift::jit(self, |_, x: Tensor| lift::jit(&dense, |d, x: Tensor| d.call(&x)).call(x));
            lifted.call(x.clone())
        }
    }

    // While variables are made, nothing is compiled, and there is another run all the same.
    let variables = Dense::new(2).init(key(0)).call(&input()).unwrap();
    let variables =
        Variables::new().with("params", Dict::new().with("Dense_0", variables.dict("params").unwrap()));
    let text = Captures::new().apply(&variables).call(&input()).unwrap_err().to_string();
    assert!(
        text.contains("`/Dense_0` is lifted (`jit`)")
            && text.contains("the module that its function is given"),
        "{text}"
    );
}

#[test]
fn a_plain_transform_within_a_module_is_told_of_the_lifted_one() {
    #[module]
    struct Plain;

    impl Layer for Plain {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let dense = self.child(Dense::new(2));
            vmap(|x: Tensor| dense.call(&x)).call(x.clone())
        }
    }

    refused(Plain::new(), &["/Plain_0/Dense_0", "`lift::vmap(self, |m, x| ..)`"]);
}

#[test]
fn modules_on_their_own_cannot_be_lifted_over() {
    let error = lift::vmap(&Dense::new(2), |d, x: Tensor| d.call(&x)).call(input()).unwrap_err();
    assert!(matches!(error.root(), Error::Unbound { .. }), "{error}");
    let error = lift::vmap(Vec::<&Dense>::new(), |_, x: Tensor| Ok(x)).call(input()).unwrap_err();
    assert!(error.to_string().contains("no module is lifted"), "{error}");
}

#[test]
fn tangents_and_cotangents_of_other_shapes_are_errors() {
    #[module]
    struct Derivatives;

    impl Derivatives {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let dense = self.child(Dense::new(2));
            let (_, pullback) = lift::vjp(&dense, |d, x: &Tensor| d.call(x), x)?;
            pullback(&Tensor::ones([5])).map(|(_, dx)| dx)
        }

        #[compact]
        fn along(&self, x: &Tensor) -> Result<Tensor> {
            let dense = self.child(Dense::new(2));
            dense.call(x)?;
            let tangents = Variables::new().with("params", Dict::new().with("kernel", Tensor::ones([3, 2])));
            Ok(lift::jvp(&dense, |d, x: &Tensor| d.call(x), x, x, tangents)?.1)
        }
    }

    let model = Derivatives::new();
    let text = model.init(key(0)).run(|m| m.call(&input())).unwrap_err().to_string();
    assert!(text.contains("a cotangent of shape"), "{text}");
    let text = model.init(key(0)).run(|m| m.along(&input())).unwrap_err().to_string();
    assert!(text.contains("/jvp(Dense_0)") && text.contains("tangents"), "{text}");
}
