//! Loops and branches where something does not fit: errors within, slices out of range, numbers that are none, and too much of all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flaxen::debug;
use flaxen::prelude::*;

type Pair = (Tensor, Tensor);

fn close(found: &Tensor, expected: &Tensor) {
    assert_eq!((found.shape(), found.dtype()), (expected.shape(), expected.dtype()));
    let numbers = |x: &Tensor| x.cast(DType::F64).to_vec::<f64>().unwrap();
    for (a, b) in numbers(found).into_iter().zip(numbers(expected)) {
        assert!((a - b).abs() <= 2e-5 * (1.0 + b.abs()), "{found} instead of {expected}");
    }
}

fn all_close(found: &[Tensor], expected: &[Tensor]) {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).for_each(|(a, b)| close(a, b));
}

fn normal(seed: u64, shape: &[usize]) -> Tensor {
    random::normal(&key(seed), shape) * 0.5
}

#[test]
fn an_error_in_the_middle_of_a_loop_ends_it_and_the_next_call_is_whole() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let f = jit(move |(limit, xs): Pair| {
        let step = |h: Tensor, x: Tensor| {
            let h = (&h + &x).sort(-1);
            let counted = counted.clone();
            let refuse = move |(h, limit): Pair| {
                counted.fetch_add(1, Ordering::Relaxed);
                if h.max().item::<f32>()? > limit.item()? { Err(Error::msg("too large")) } else { Ok(()) }
            };
            debug::callback(refuse, &(h.clone(), limit.clone()))?;
            let inner = scan(|h: Tensor, (): ()| Ok((h.tanh() + &x, ()))).length(2).call(h, ())?.0;
            Ok((inner.clone(), inner))
        };
        scan(step).call(Tensor::zeros([300]), xs)
    });
    let xs = normal(1, &[5, 300]);
    let whole = f.call((Tensor::from(1e9f32), xs.clone())).unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), 5);
    for _ in 0..3 {
        let error = f.call((Tensor::from(-1e9f32), xs.clone())).unwrap_err();
        assert!(error.to_string().contains("too large"), "{error}");
        assert_eq!(calls.swap(0, Ordering::Relaxed), 1);
        let again = f.call((Tensor::from(1e9f32), xs.clone())).unwrap();
        all_close(&[again.0, again.1], &[whole.0.clone(), whole.1.clone()]);
        assert_eq!(calls.swap(0, Ordering::Relaxed), 5);
    }
}

#[test]
fn slices_out_of_range_are_moved_inside_in_a_loop_as_outside() {
    let x = normal(1, &[4, 300]);
    let starts = Tensor::from([-9i32, -1, 0, 3, 7]);
    let pick = |x: &Tensor, start: &Tensor| {
        let part = x.dynamic_slice_axis(0, start, 2);
        (x.dynamic_update_axis(0, start, &part * 2.0), part)
    };
    let f = jit(|(x, starts): Pair| scan(|x: Tensor, start: Tensor| Ok(pick(&x, &start))).call(x, starts));
    let (mut last, mut parts) = (x.clone(), Vec::new());
    for start in starts.unstack(0) {
        let (new, part) = pick(&last, &start);
        (last, parts) = (new, [parts, vec![part]].concat());
    }
    let (a, b) = f.call((x, starts)).unwrap();
    all_close(&[a, b], &[last, Tensor::stack(&parts, 0)]);
}

#[test]
fn a_predicate_that_is_no_number_is_true_and_compares_as_false() {
    let f = jit(|x: Tensor| {
        let branch = |pred: &Tensor| {
            cond(pred, |x: Tensor| Ok(x), |x: Tensor| Ok(x * 0.0 + 1.0))(Tensor::from(7.0f32))
        };
        Ok((
            branch(&x)?,
            branch(&x.gt(0.0))?,
            while_loop(|x: &Tensor| Ok(x.lt(1.0)), |x: Tensor| Ok(x + 1.0))(x)?,
        ))
    });
    let (truth, greater, last) = f.call(Tensor::from(f32::NAN)).unwrap();
    assert_eq!((truth.item::<f32>().unwrap(), greater.item::<f32>().unwrap()), (7.0, 1.0));
    assert!(last.item::<f32>().unwrap().is_nan());
}

#[test]
fn more_results_than_there_is_memory_for_are_an_error() {
    for length in [1usize << 45, usize::MAX / 2, usize::MAX] {
        let f = |x: Tensor| {
            let (x, ys) = scan(|x: Tensor, (): ()| Ok((&x + 1.0, x))).length(length).call(x, ())?;
            Ok((x, ys))
        };
        f(normal(1, &[300])).unwrap_err();
        jit(f).call(normal(1, &[300])).unwrap_err();
    }
}

#[test]
fn what_does_not_fit_a_loop_is_an_error_and_no_panic() {
    let xs = normal(1, &[3, 2]);
    let plain = || scan(|h: Tensor, x: Tensor| Ok((&h + &x, h)));
    let init = || Tensor::zeros([2]);
    plain().in_axes(5).call(init(), xs.clone()).unwrap_err();
    plain().out_axes(-7).call(init(), xs.clone()).unwrap_err();
    plain().length(4).call(init(), xs.clone()).unwrap_err();
    plain().unroll(2).length(4).call(init(), xs.clone()).unwrap_err();
    plain().call(Tensor::zeros([1]), xs.clone()).unwrap_err();
    plain().call(init(), Tensor::from(1.0f32)).unwrap_err();
    let nothing = Tensor::zeros([0, 2]);
    // There is no last step to take a result from.
    plain().out_axes(None::<isize>).call(init(), nothing.clone()).unwrap_err();
    plain().out_axes(None::<isize>).unroll(2).call(init(), nothing).unwrap_err();
    // What a step leaks is of no use afterwards.
    let leaked = std::cell::RefCell::new(None);
    let leaking = |h: Tensor, x: Tensor| {
        *leaked.borrow_mut() = Some(x.clone());
        Ok((h + x, ()))
    };
    scan(leaking).call(init(), xs.clone()).unwrap();
    let x = leaked.take().unwrap();
    x.try_add(1.0).unwrap_err();
    scan(|h: Tensor, (): ()| Ok((h.try_add(&x)?, ()))).length(2).call(init(), ()).unwrap_err();
    cond(&Tensor::from(true), |h: Tensor| h.try_add(&x), |h: Tensor| Ok(h))(init()).unwrap_err();
    cond(&Tensor::from([true]), |h: Tensor| Ok(h), |h: Tensor| Ok(h))(init()).unwrap_err();
}

/// Doubles until 100 is reached, and counts its steps.
fn doubled(x: &Tensor, steps: &Arc<AtomicUsize>) -> Result<Tensor> {
    let body = |x: Tensor| {
        let steps = steps.clone();
        debug::callback(
            move |_: Tensor| {
                steps.fetch_add(1, Ordering::Relaxed);
                Ok(())
            },
            &x,
        )?;
        Ok(x * 2.0)
    };
    while_loop(|x: &Tensor| Ok(x.lt(100.0)), body)(x.clone())
}

/// The script that looked says: JAX raises when it transposes the loop, and where the loop's cotangent is symbolically zero it does not.
mod reverse_mode_of_a_while_loop {
    use super::*;

    #[test]
    fn is_refused_when_it_is_traced() {
        let steps = Arc::new(AtomicUsize::new(0));
        let (a, b) = (steps.clone(), steps.clone());
        let one = jit(move |x: Tensor| grad(|x: &Tensor| doubled(x, &a))(&x));
        let each = jit(move |xs: Tensor| vmap(|x: Tensor| grad(|x: &Tensor| doubled(x, &b))(&x)).call(xs));
        let x = Tensor::from(3.0f32);
        let errors = [
            one.graph(&x).unwrap_err(),
            one.graph(&x).unwrap_err(),
            one.call(x).unwrap_err(),
            each.graph(&Tensor::from([3.0f32, 4.0])).unwrap_err(),
        ];
        for error in errors {
            let text = error.to_string();
            for part in ["while_loop", "loop_errors.rs:", "`scan`", "jvp"] {
                assert!(text.contains(part), "{text}");
            }
        }
        assert_eq!(steps.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn is_an_error_where_nothing_is_traced_too() {
        let steps = Arc::new(AtomicUsize::new(0));
        let inner = jit({
            let steps = steps.clone();
            move |x: Tensor| doubled(&x, &steps)
        });
        assert!(grad(|x: &Tensor| doubled(x, &steps))(&Tensor::from(3.0f32)).is_err());
        assert!(grad(|x: &Tensor| inner.call(x.clone()))(&Tensor::from(3.0f32)).is_err());
        let kept = checkpoint(|x: &Tensor| doubled(x, &steps));
        assert!(grad(|x: &Tensor| kept.call(x))(&Tensor::from(3.0f32)).is_err());
    }

    #[test]
    fn is_not_asked_for_by_what_does_not_depend_on_the_loop() {
        let steps = Arc::new(AtomicUsize::new(0));
        let both = |x: &Tensor| Ok((x * x, doubled(x, &steps)?));
        let inner = jit({
            let steps = steps.clone();
            move |x: Tensor| Ok((&x * &x, doubled(&x, &steps)?))
        });
        let kept = checkpoint(both);
        let x = Tensor::from(3.0f32);
        let eager = grad(|x: &Tensor| Ok(both(x)?.0))(&x).unwrap();
        let through_jit = grad(|x: &Tensor| Ok(inner.call(x.clone())?.0))(&x).unwrap();
        let through_checkpoint = grad(|x: &Tensor| Ok(kept.call(x)?.0))(&x).unwrap();
        let compiled = jit({
            let steps = steps.clone();
            move |x: Tensor| grad(|x: &Tensor| Ok((x * x, doubled(x, &steps)?).0))(&x)
        });
        for slope in [eager, through_jit, through_checkpoint, compiled.call(x).unwrap()] {
            assert_eq!(slope.item::<f32>().unwrap(), 6.0);
        }
    }

    #[test]
    fn leaves_forward_mode_as_it_is() {
        let steps = Arc::new(AtomicUsize::new(0));
        let x = Tensor::from(3.0f32);
        let inner = jit({
            let steps = steps.clone();
            move |x: Tensor| doubled(&x, &steps)
        });
        let compiled = jit({
            let steps = steps.clone();
            move |x: Tensor| Ok(jvp(|x: &Tensor| doubled(x, &steps), &x, &Tensor::from(1.0f32))?.1)
        });
        let kept = checkpoint(|x: &Tensor| doubled(x, &steps));
        let one = Tensor::from(1.0f32);
        let slopes = [
            jvp(|x: &Tensor| doubled(x, &steps), &x, &one).unwrap().1,
            jvp(|x: &Tensor| inner.call(x.clone()), &x, &one).unwrap().1,
            jvp(|x: &Tensor| kept.call(x), &x, &one).unwrap().1,
            compiled.call(x.clone()).unwrap(),
            vmap(|x: Tensor| compiled.call(x)).call(x.expand_dims([0])).unwrap().sum(),
        ];
        // 3 · 2⁶ = 192.
        for slope in slopes {
            assert_eq!(slope.item::<f32>().unwrap(), 64.0);
        }
    }
}
