//! Derivatives of functions of modules, views of variables, and metadata of one's own.

use std::sync::Arc;

use flaxen::lift::{self, Vmap};
use flaxen::prelude::*;
use flaxen::variables::{Metadata, MetadataParams, Partitioned};

fn numbers(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap()
}

fn input() -> Tensor {
    Tensor::arange(0.0, 6.0, 1.0).reshape([2, 3])
}

#[module]
struct Scale;

impl Layer for Scale {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x * self.param("scale", init::constant(2.0), [])?)
    }
}

/// Runs a function of a model that is made by it.
fn made<T>(f: impl FnOnce(&Two) -> Result<T>) -> T {
    Two::new().init_with_output(key(0)).run(f).unwrap().0
}

/// Two layers.
#[module]
struct Two {
    #[setup(Scale::new())]
    a: Scale,
    #[setup(Scale::new())]
    b: Scale,
}

#[test]
fn gradients_are_those_of_the_arguments_with_and_without_more_results() {
    let x = Tensor::from(3.0f32);
    // (2x)² has the slope 8x.
    let square = |a: &Scale, x: &Tensor| a.call(x)?.try_square();
    assert_eq!(numbers(&made(|m| lift::grad(&*m.a, square, &x))), [24.0]);
    let (y, dx) = made(|m| lift::value_and_grad(&*m.a, square, &x));
    assert_eq!((numbers(&y), numbers(&dx)), (vec![36.0], vec![24.0]));
    let with_aux = |a: &Scale, x: &Tensor| Ok((square(a, x)?, x + 1.0));
    let ((y, aux), dx) = made(|m| lift::value_and_grad(&*m.a, with_aux, &x));
    assert_eq!((numbers(&y), numbers(&aux), numbers(&dx)), (vec![36.0], vec![4.0], vec![24.0]));
    assert_eq!(numbers(&made(|m| lift::grad(&*m.a, with_aux, &x))), [24.0]);
    // Over two modules, and two arguments.
    let product = |(a, b): &(Scale, Scale), (x, y): &(Tensor, Tensor)| Ok(a.call(x)? * b.call(y)?);
    let (dx, dy) = made(|m| lift::grad((&*m.a, &*m.b), product, &(x.clone(), Tensor::from(5.0f32))));
    assert_eq!((numbers(&dx), numbers(&dy)), (vec![20.0], vec![12.0]));
    // Over the module that has them.
    let both = |m: &Two, x: &Tensor| m.b.call(&m.a.call(x)?);
    assert_eq!(numbers(&made(|m| lift::grad(m, both, &x))), [4.0]);
}

#[test]
fn a_pullback_has_the_cotangents_of_parameters_and_arguments_and_the_state_is_written() {
    #[module]
    struct Seen;

    impl Layer for Seen {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            self.variable("state", "seen", || Tensor::from(0.0f32))?.set(x.sum())?;
            Ok(x * self.param("scale", init::constant(2.0), [])?)
        }
    }

    let run = |m: &Seen| {
        let (y, pullback) = lift::vjp(m, |m, x: &Tensor| m.call(x), &input())?;
        let (params, dx) = pullback(&y.ones_like())?;
        Ok((params, dx))
    };
    let variables = Seen::new().init(key(0)).call(&Tensor::from(0.0f32)).unwrap();
    let ((params, dx), variables) = Seen::new().apply(&variables).mutable(true).run(run).unwrap();
    assert_eq!(numbers(params.tensor("params/scale").unwrap()), [15.0]);
    assert_eq!(params.collections().collect::<Vec<_>>(), ["params"]);
    assert_eq!(numbers(&dx), [2.0; 6]);
    assert_eq!(numbers(variables.tensor("state/seen").unwrap()), [15.0]);
    // Of other collections.
    let of_state = |m: &Seen| {
        let read =
            |m: &Seen, x: &Tensor| Ok(x * m.get_variable::<Tensor>("state", "seen")?.expect("made before"));
        let (y, pullback) = lift::vjp_of(m, "state", read, &input())?;
        Ok(pullback(&y.ones_like())?.0)
    };
    let state = Seen::new().apply(&variables).run(of_state).unwrap();
    assert_eq!(numbers(state.tensor("state/seen").unwrap()), [15.0]);
}

#[test]
fn second_derivatives_go_through_lifted_gradients() {
    let model = Scale::new();
    let variables = model.init(key(0)).call(&Tensor::from(1.0f32)).unwrap();
    // d/ds of d/dx (s·x)² = 2 s² x is 4 s x.
    let slope = |v: &Variables| {
        model
            .apply(v)
            .run(|m| lift::grad(m, |m: &Scale, x: &Tensor| m.call(x)?.try_square(), &Tensor::from(3.0f32)))
    };
    let second = grad(slope)(&variables).unwrap();
    assert_eq!(numbers(second.tensor("params/scale").unwrap()), [24.0]);
}

#[test]
fn one_kernel_serves_encoder_and_decoder_through_its_transpose() {
    fn transpose(variables: Variables) -> Result<Variables> {
        flaxen::tree::map(&variables, |x| Ok(x.t()))
    }

    #[module]
    struct TiedAutoEncoder {
        #[setup(Dense::new(4).use_bias(false))]
        encoder: Dense,
    }

    impl Layer for TiedAutoEncoder {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let z = self.encoder.call(x)?;
            let features = x.shape()[1];
            lift::map_variables(&self.encoder, "params", transpose, transpose).run(|encoder| {
                let kernel = encoder.get_variable::<Tensor>("params", "kernel")?.expect("made before");
                assert_eq!(kernel.shape(), [4, features]);
                Ok(z.dot(&kernel))
            })
        }
    }

    let (y, variables) = TiedAutoEncoder::new().init_with_output(key(0)).call(&input()).unwrap();
    let kernel = variables.tensor("params/encoder/kernel").unwrap();
    assert_eq!((y.shape(), flaxen::tree::count(&variables)), (&[2, 3][..], 1));
    let expected = input().dot(kernel).dot(&kernel.t());
    assert!((y - expected).abs().max().item::<f32>().unwrap() < 1e-5);
}

#[test]
fn weights_are_seen_by_their_signs_and_stored_as_they_are() {
    let signs = |variables: Variables| flaxen::tree::map(&variables, |x| Ok(x.sign()));
    let run = |m: &Dense, x: &Tensor| lift::map_variables(m, "params", signs, Ok).init().run(|m| m.call(x));
    let model = Dense::new(2).use_bias(false);
    let (_, variables) = model.init_with_output(key(0)).run(|m| run(m, &input())).unwrap();
    // As in Flax, `init` stores what is seen.
    assert!(numbers(variables.tensor("params/kernel").unwrap()).iter().all(|x| x.abs() == 1.0));
    let kernel = Tensor::from([[0.5f32, -2.0], [-0.1, 3.0], [7.0, -0.2]]);
    let variables = Variables::new().with("params", Dict::new().with("kernel", kernel.clone()));
    let y = model.apply(&variables).run(|m| run(m, &input())).unwrap();
    assert_eq!(numbers(&y), numbers(&input().dot(&kernel.sign())));
    // Without `init` and `mutable` nothing can be written inside.
    let written = model.apply(&variables).mutable("params").run(|m| {
        lift::map_variables(m, "params", signs, Ok)
            .run(|m| m.put_variable("params", "kernel", Tensor::zeros([3, 2])))
    });
    assert!(matches!(written.unwrap_err().root(), Error::Immutable { .. }));
}

#[test]
fn a_metadata_axis_is_added_without_a_transform() {
    let kernel = init::lecun_normal().boxed(Partitioned::new(["in", "out"]));
    let dense = Dense::new(2).kernel_init(kernel);
    let run = |m: &Dense| lift::add_metadata_axis(m, "params", 0, "layers", |m| m.call(&input()));
    let variables = dense.init(key(0)).run(run).unwrap();
    let Value::Boxed(kernel) = variables.at("params/kernel").unwrap() else { panic!("not in a box") };
    assert_eq!(kernel.metadata_as::<Partitioned>(), Some(&Partitioned::new(["layers", "in", "out"])));
    assert_eq!(dense.apply(&variables).run(run).unwrap().shape(), [2, 2]);
}

#[test]
fn metadata_of_ones_own_is_asked_about_every_axis() {
    /// How many axes were added, as far as the box knows.
    #[derive(Clone, Debug, PartialEq)]
    struct Axes(usize);

    impl Metadata for Axes {
        fn add_axis(&self, _index: isize, _params: &MetadataParams) -> Result<Option<Arc<dyn Metadata>>> {
            Ok(Some(Arc::new(Axes(self.0 + 1))))
        }

        fn remove_axis(&self, _index: isize, _params: &MetadataParams) -> Result<Option<Arc<dyn Metadata>>> {
            Ok(Some(Arc::new(Axes(self.0 - 1))))
        }
    }

    #[module]
    struct Model;

    impl Layer for Model {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            Ok(x * self.param("scale", init::ones().boxed(Axes(0)), [])?)
        }
    }

    let twice = Vmap::new(Vmap::new(Model::new()).axis("params", 0)).axis("params", 0);
    let twice = twice.share("params");
    let variables = twice.init(key(0)).call(&input());
    // The inner one has no stream to make parameters from.
    assert!(variables.is_err());
    let inner = Vmap::new(Model::new()).axis("params", 0).split("params");
    let twice = Vmap::new(inner).axis("params", 0).split("params");
    let variables = twice.init(key(0)).call(&input()).unwrap();
    let axes = |v: &Variables| match v.at("params/scale").unwrap() {
        Value::Boxed(boxed) => boxed.metadata_as::<Axes>().cloned(),
        _ => None,
    };
    assert_eq!(axes(&variables), Some(Axes(2)));
    let (_, updates) = twice.apply(&variables).mutable("params").call(&input()).unwrap();
    assert_eq!(axes(&updates), Some(Axes(2)));
}
