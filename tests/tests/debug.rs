//! `debug::callback` and `debug::print!`: effects of compiled programs, each time and in order.

use std::sync::{Arc, Mutex};

use flaxen::debug;
use flaxen::prelude::*;
use flaxen_tests::naive_backend::NAIVE;
use flaxen_tests::numbers::{scalar, vector};

/// What callbacks saw, in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Sight>>>);

/// A name and the elements.
type Sight = (&'static str, Vec<f32>);

impl Seen {
    fn record(&self, name: &'static str, x: &Tensor) -> Result<()> {
        let seen = self.0.clone();
        let record = move |x: Tensor| {
            seen.lock().unwrap().push((name, x.to_vec()?));
            Ok(())
        };
        debug::callback(record, x)
    }

    fn take(&self) -> Vec<Sight> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn names(&self) -> Vec<&'static str> {
        self.take().into_iter().map(|(name, _)| name).collect()
    }
}

#[test]
fn a_callback_runs_each_time_with_the_values_of_that_time() {
    let seen = Seen::default();
    let f = |x: Tensor| {
        let y = &x * 2.0;
        seen.record("y", &y)?;
        Ok(y + 1.0)
    };
    f(scalar(1.0)).unwrap();
    assert_eq!(seen.take(), [("y", vec![2.0])]);
    let compiled = jit(f);
    compiled.graph(&scalar(0.0)).unwrap();
    assert_eq!(seen.take(), [], "tracing calls nothing");
    compiled.call(scalar(2.0)).unwrap();
    compiled.call(scalar(3.0)).unwrap();
    assert_eq!(seen.take(), [("y", vec![4.0]), ("y", vec![6.0])]);
}

#[test]
fn effects_on_constants_are_not_computed_at_compile_time() {
    let seen = Seen::default();
    let f = jit(|x: Tensor| {
        seen.record("one", &scalar(1.0))?;
        Ok(x)
    });
    f.graph(&scalar(0.0)).unwrap();
    assert_eq!(seen.take(), []);
    f.call(scalar(0.0)).unwrap();
    assert_eq!(seen.names(), ["one"]);
}

#[test]
fn equal_effects_stay_two_and_keep_their_order_among_all_others() {
    let seen = Seen::default();
    let f = jit(|x: Tensor| {
        // The sums of a row are of one kernel, and the last of them is ready before the first callback.
        let rows = [x.sum(), (&x * 2.0).sum(), (&x * &x).exp().sum()];
        seen.record("c", &rows[2])?;
        let twice = jit(|x: Tensor| {
            seen.record("a", &x)?;
            seen.record("a", &x)?;
            Ok(x.sin())
        });
        let called = checkpoint(|x: &Tensor| twice.call(x.clone())).call(&x)?;
        seen.record("b", &(called * 0.0 + rows[0].clone()))?;
        let again = checkpoint(|x: &Tensor| twice.call(x.clone())).call(&x)?;
        seen.record("c", &rows[2])?;
        Ok(again.sum() + &rows[1])
    });
    for _ in 0..2 {
        f.call(vector(&[0.5, 0.25])).unwrap();
        assert_eq!(seen.names(), ["c", "a", "a", "b", "a", "a", "c"]);
    }
}

/// What one effect reads, and what reads from a later one, would make one kernel, which then had to run both before and behind.
#[test]
fn kernels_do_not_join_across_two_effects() {
    let seen = Seen::default();
    let f = jit(|x: Tensor| {
        let early = &x * 2.0 + 1.0;
        seen.record("early", &early)?;
        let inside = checkpoint(|x: &Tensor| {
            seen.record("inside", x)?;
            Ok(x.sin())
        })
        .call(&x)?;
        Ok(early + inside)
    });
    let y = f.call(vector(&[0.0, 0.0])).unwrap();
    assert_eq!(seen.take(), [("early", vec![1.0, 1.0]), ("inside", vec![0.0, 0.0])]);
    assert_eq!(y.to_vec::<f32>().unwrap(), [1.0, 1.0]);
}

#[test]
fn under_vmap_each_example_is_seen_in_order_without_the_axis() {
    let seen = Seen::default();
    let f = vmap(|(x, y): (Tensor, Tensor)| {
        let sum = &x + &y;
        seen.record("sum", &sum)?;
        seen.record("shared", &y)?;
        Ok(sum)
    })
    .in_axes((0, None));
    let expected = [("sum", vec![11.0]), ("sum", vec![12.0]), ("sum", vec![13.0]), ("shared", vec![10.0])];
    f.call((vector(&[1., 2., 3.]), scalar(10.))).unwrap();
    assert_eq!(seen.take(), expected);
    jit(|xs: Tensor| f.call((xs, scalar(10.)))).call(vector(&[1., 2., 3.])).unwrap();
    assert_eq!(seen.take(), expected);
    let nested = vmap(|xs: Tensor| f.call((xs, scalar(0.))));
    nested.call(Tensor::from([[1.0f32, 2.0], [3.0, 4.0]])).unwrap();
    let sums: Vec<f32> =
        seen.take().into_iter().filter(|(name, _)| *name == "sum").flat_map(|(_, x)| x).collect();
    assert_eq!(sums, [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn under_derivatives_it_runs_once_in_the_forward_pass() {
    let seen = Seen::default();
    let f = |x: &Tensor| {
        let y = x.sin();
        seen.record("y", &y)?;
        Ok(y * x)
    };
    let x = scalar(0.0);
    grad(f)(&x).unwrap();
    assert_eq!(seen.take(), [("y", vec![0.0])]);
    grad(grad(f))(&x).unwrap();
    assert_eq!(seen.names(), ["y"]);
    jvp(f, &x, &x).unwrap();
    assert_eq!(seen.names(), ["y"]);
    jit(|x: Tensor| grad(f)(&x)).call(x.clone()).unwrap();
    assert_eq!(seen.names(), ["y"]);
    let compiled = jit(|x: Tensor| f(&x));
    grad(|x: &Tensor| compiled.call(x.clone()))(&x).unwrap();
    assert_eq!(seen.names(), ["y"]);
}

#[test]
fn another_backend_runs_them_as_well() {
    let seen = Seen::default();
    let f = jit(|x: Tensor| {
        seen.record("x", &x)?;
        Ok(x.sin())
    })
    .on(&NAIVE);
    f.call(scalar(0.5)).unwrap();
    assert_eq!(seen.take(), [("x", vec![0.5])]);
}

#[test]
fn an_error_of_the_callback_is_that_of_the_call() {
    let f = jit(|x: Tensor| {
        debug::callback(|_: Tensor| Err(Error::msg("is not pleased")), &x)?;
        Ok(x)
    });
    let error = f.call(scalar(0.5)).unwrap_err().to_string();
    assert!(error.contains("is not pleased"), "{error}");
    // Also without values, and a second time.
    assert!(f.call(scalar(0.5)).is_err());
}

#[test]
fn a_callback_may_call_compiled_functions_and_takes_trees() {
    let seen: Arc<Mutex<Vec<f32>>> = Arc::default();
    let f = jit(|(x, y): (Tensor, Option<Tensor>)| {
        let double = jit(|x: Tensor| Ok(x * 2.0));
        let seen = seen.clone();
        let record = move |(x, y): (Tensor, Option<Tensor>)| {
            let sum = double.call(x)? + y.unwrap_or_else(|| scalar(100.));
            seen.lock().unwrap().push(sum.item()?);
            Ok(())
        };
        debug::callback(record, &(x.clone(), y))?;
        Ok(x)
    });
    f.call((scalar(1.), None)).unwrap();
    f.call((scalar(1.), Some(scalar(5.)))).unwrap();
    assert_eq!(*seen.lock().unwrap(), [102., 7.]);
}

#[test]
fn print_takes_the_formats_of_println() {
    let x = vector(&[0.5, 0.25]);
    debug::print!("nothing").unwrap();
    debug::print!("{:.1} {} {n:>4}{flag}{}", x, "text", x.size(), n = 3, flag = true,).unwrap();
    let f = jit(|x: Tensor| {
        debug::print!("{x} and {y:?}", x = &x, y = x.sum().size())?;
        debug::print!("{}", x)?;
        Ok(x)
    });
    assert_eq!(f.graph(&x).unwrap().primitives().filter(|&name| name == "callback").count(), 2);
    f.call(x).unwrap();
}

#[test]
fn abstract_evaluation_calls_nothing() {
    let seen = Seen::default();
    let f = |x: Tensor| {
        seen.record("x", &x)?;
        Ok(x)
    };
    flaxen::eval_shape(f, &scalar(1.)).unwrap();
    assert_eq!(seen.take(), []);
}
