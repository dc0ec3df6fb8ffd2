//! Loops and branches at their edges: nothing to do, the same array in every role, and transforms on all sides.

use std::sync::Barrier;

use flaxen::checkpoint::{
    Policy, dots, dots_with_no_batch_dims, everything, nothing, save_any_names_but_these,
    save_only_these_names,
};
use flaxen::lift::{Remat, Scan, Vmap};
use flaxen::prelude::*;
use flaxen::{checkpoint_name, tree};

type Pair = (Tensor, Tensor);

type Function<'f, X> = dyn Fn(&X) -> Result<Tensor> + 'f;

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

/// A recurrent layer from weights, first state and inputs.
fn recurrent((w, h, xs): &(Tensor, Tensor, Tensor)) -> Result<Pair> {
    scan(|h: Tensor, x: Tensor| {
        let h = (h.dot(w) + &x).tanh();
        Ok((h.clone(), h * x))
    })
    .call(h.clone(), xs.clone())
}

/// The same by a loop of Rust.
fn by_hand((w, h, xs): &(Tensor, Tensor, Tensor)) -> Result<Pair> {
    let (mut h, mut ys) = (h.clone(), Vec::new());
    for x in xs.try_unstack(0)? {
        h = (h.dot(w) + &x).tanh();
        ys.push(&h * x);
    }
    Ok((h, Tensor::try_stack(&ys, 0)?))
}

fn arguments() -> (Tensor, Tensor, Tensor) {
    (normal(1, &[3, 3]), normal(2, &[2, 3]), normal(3, &[4, 2, 3]))
}

fn total((a, b): Pair) -> Tensor {
    a.sin().sum() + (&b * &b).sum()
}

#[test]
fn no_steps_give_the_first_carry_and_nothing_else_however_many_are_one() {
    for unroll in [1, 2, 5] {
        let f = |(h, xs): Pair| {
            scan(|h: Tensor, x: Tensor| Ok((&h + &x, (x.sum(), h)))).unroll(unroll).call(h, xs)
        };
        let args = (normal(1, &[2]), Tensor::zeros([0, 2]));
        for (last, (sums, hs)) in [f(args.clone()).unwrap(), jit(f).call(args.clone()).unwrap()] {
            close(&last, &args.0);
            assert_eq!((sums.shape(), hs.shape()), (&[0][..], &[0, 2][..]));
        }
        let loss = |args: &Pair| {
            let (last, (sums, _)) = f(args.clone())?;
            Ok(last.sum() + sums.sum())
        };
        let (dh, dxs) = grad(loss)(&args).unwrap();
        close(&dh, &Tensor::ones([2]));
        assert_eq!(dxs.shape(), [0, 2]);
        let many = vmap(f).in_axes((0, None)).call((normal(1, &[3, 2]), args.1.clone())).unwrap();
        assert_eq!((many.0.shape(), many.1.1.shape()), (&[3, 2][..], &[3, 0, 2][..]));
    }
}

#[test]
fn steps_over_nothing_are_steps() {
    let empty =
        |h: Tensor| scan(|h: Tensor, x: Tensor| Ok((&h * &x, h.sum()))).call(h, Tensor::zeros([3, 0, 2]));
    let (last, sums) = jit(empty).call(Tensor::zeros([0, 2])).unwrap();
    assert_eq!((last.shape(), sums.to_vec::<f32>().unwrap()), (&[0, 2][..], vec![0.0; 3]));
    let none = || scan(|(): (), (): ()| Ok(((), ()))).length(3).call((), ());
    none().unwrap();
    jit(|x: Tensor| none().map(|_| x)).call(Tensor::ones([2])).unwrap();
    let constants = jit(|x: Tensor| Ok(scan(|(): (), (): ()| Ok(((), x.sin()))).length(3).call((), ())?.1));
    close(&constants.call(normal(1, &[2])).unwrap(), &normal(1, &[2]).sin().broadcast_to([3, 2]));
    assert_eq!(
        vmap(|x: Tensor| Ok(recurrent(&(arguments().0, x, arguments().2))?.0))
            .call(Tensor::zeros([0, 2, 3]))
            .unwrap()
            .shape(),
        [0, 2, 3]
    );
}

#[test]
fn one_array_may_be_carry_slices_and_constant_at_once() {
    let f = |x: Tensor| {
        let step = |h: Tensor, row: Tensor| {
            let h = h.dynamic_update_axis(0, 1, (&row * 2.0).reshape([1, 300])) + &x * 0.5;
            Ok((h.clone(), (h, x.clone(), row)))
        };
        let (last, (hs, all, rows)) = scan(step).call(x.clone(), x.clone())?;
        Ok(vec![last, hs, all, rows, x.clone()])
    };
    let x = normal(1, &[3, 300]);
    let (mut h, mut hs) = (x.clone(), Vec::new());
    for row in x.unstack(0) {
        let rows = [h.get(0), row * 2.0, h.get(2)];
        h = Tensor::stack(&rows, 0) + &x * 0.5;
        hs.push(h.clone());
    }
    let expected = [
        h,
        Tensor::stack(&hs, 0),
        Tensor::stack(&[x.clone(), x.clone(), x.clone()], 0),
        x.clone(),
        x.clone(),
    ];
    let compiled = jit(f);
    all_close(&f(x.clone()).unwrap(), &expected);
    for _ in 0..2 {
        all_close(&compiled.call(x.clone()).unwrap(), &expected);
    }
    all_close(&compiled.call(normal(1, &[3, 300])).unwrap(), &expected);
}

#[test]
fn one_compiled_loop_runs_on_several_threads_at_once() {
    let f = jit(|args: (Tensor, Tensor, Tensor)| recurrent(&args));
    let all: Vec<_> =
        (0..4).map(|i| (normal(1, &[16, 16]), normal(i, &[16, 16]), normal(9, &[20, 16, 16]))).collect();
    let start = Barrier::new(all.len());
    std::thread::scope(|scope| {
        for args in &all {
            scope.spawn(|| {
                let (h, ys) = by_hand(args).unwrap();
                start.wait();
                for _ in 0..10 {
                    let found = f.call(args.clone()).unwrap();
                    all_close(&[found.0, found.1], &[h.clone(), ys.clone()]);
                }
            });
        }
    });
}

#[test]
fn branches_may_return_what_they_are_given_also_again_and_again() {
    let f = |(x, steps): Pair| {
        let step = |(a, b): Pair, way: Tensor| {
            let (c, d) =
                cond(&way, |(a, b): Pair| Ok((b, a)), |(a, b): Pair| Ok((a.clone(), a + b)))((a, b.clone()))?;
            Ok(((c.clone(), d), (c, b)))
        };
        scan(step).call((x.clone(), x), steps)
    };
    let steps = Tensor::from([false, true, true, false, true]);
    for shape in [&[2][..], &[300]] {
        let x = normal(1, shape);
        let (mut a, mut b) = (x.clone(), x.clone());
        let (mut cs, mut bs) = (Vec::new(), Vec::new());
        for way in [false, true, true, false, true] {
            bs.push(b.clone());
            (a, b) = if way { (b, a) } else { (a.clone(), a + b) };
            cs.push(a.clone());
        }
        let expected = [a, b, Tensor::stack(&cs, 0), Tensor::stack(&bs, 0)];
        for _ in 0..2 {
            let ((a, b), (cs, bs)) = jit(f).call((x.clone(), steps.clone())).unwrap();
            all_close(&[a, b, cs, bs], &expected);
        }
    }
}

#[test]
fn gradients_with_respect_to_one_kind_of_argument_are_those_of_all() {
    let args = arguments();
    let (dw, dh, dxs) = grad(|args: &(Tensor, Tensor, Tensor)| Ok(total(by_hand(args)?)))(&args).unwrap();
    let (w, h, xs) = args;
    let of_w = |w: &Tensor| Ok(total(recurrent(&(w.clone(), h.clone(), xs.clone()))?));
    let of_h = |h: &Tensor| Ok(total(recurrent(&(w.clone(), h.clone(), xs.clone()))?));
    let of_xs = |xs: &Tensor| Ok(total(recurrent(&(w.clone(), h.clone(), xs.clone()))?));
    close(&grad(of_w)(&w).unwrap(), &dw);
    close(&grad(of_h)(&h).unwrap(), &dh);
    close(&grad(of_xs)(&xs).unwrap(), &dxs);
    close(&jit(|w: Tensor| grad(of_w)(&w)).call(w.clone()).unwrap(), &dw);
    close(&jit(|h: Tensor| grad(of_h)(&h)).call(h.clone()).unwrap(), &dh);
    close(&jit(|xs: Tensor| grad(of_xs)(&xs)).call(xs.clone()).unwrap(), &dxs);
}

#[test]
fn a_while_loop_of_no_steps_is_nothing_under_vmap_too() {
    let f = |(x, n): Pair| {
        while_loop(|(i, _): &Pair| Ok(i.lt(&n)), |(i, x): Pair| Ok((i + 1, x.sin() * 2.0)))((
            Tensor::from(0),
            x,
        ))
    };
    let xs = normal(1, &[3, 2]);
    for way in [Tensor::from([0i32, 0, 0]), Tensor::from([-1i32, 0, 2])] {
        let over = |args: Pair| vmap(f).call(args);
        let (counts, found) = jit(over).call((xs.clone(), way.clone())).unwrap();
        let n = way.to_vec::<i32>().unwrap();
        assert_eq!(counts.to_vec::<i32>().unwrap(), n.iter().map(|&n| n.max(0)).collect::<Vec<_>>());
        for (i, &n) in n.iter().enumerate() {
            close(&found.get(i as isize), &(0..n).fold(xs.get(i as isize), |x, _| x.sin() * 2.0));
        }
    }
    let fixed = vmap(f).in_axes((0, None)).call((xs.clone(), Tensor::from(0))).unwrap();
    close(&fixed.1, &xs);
}

#[test]
fn forward_mode_goes_through_loops_in_loops() {
    let f = |looped: bool, x: &Tensor| -> Result<Tensor> {
        let inner = |x: Tensor| -> Result<Tensor> {
            if looped {
                Ok(while_loop(|(i, _): &Pair| Ok(i.lt(2)), |(i, x): Pair| Ok((i + 1, x.sin() * 1.5)))((
                    Tensor::from(0),
                    x,
                ))?
                .1)
            } else {
                Ok(((x.sin() * 1.5).sin()) * 1.5)
            }
        };
        let step = |h: Tensor, x: Tensor| Ok((inner(h * &x)?, x));
        if looped {
            return Ok(scan(step).call(x.get(0), x.clone())?.0.sum());
        }
        Ok(x.try_unstack(0)?.into_iter().try_fold(x.get(0), |h, x| Ok::<_, Error>(step(h, x)?.0))?.sum())
    };
    let (x, dx) = (normal(1, &[3, 2]), normal(2, &[3, 2]));
    let (y, dy) = jvp(|x: &Tensor| f(false, x), &x, &dx).unwrap();
    let found = jvp(|x: &Tensor| f(true, x), &x, &dx).unwrap();
    all_close(&[found.0, found.1], &[y.clone(), dy.clone()]);
    let found = jit(|(x, dx): Pair| jvp(|x: &Tensor| f(true, x), &x, &dx)).call((x, dx)).unwrap();
    all_close(&[found.0, found.1], &[y, dy]);
}

#[test]
fn forward_mode_goes_through_a_while_loop_in_every_wrapping_and_twice() {
    let looped = |x: Tensor| {
        let inner = |x: Tensor| {
            while_loop(|(i, _): &Pair| Ok(i.lt(2)), |(i, x): Pair| Ok((i + 1, x.sin())))((Tensor::from(0), x))
        };
        while_loop(|(i, _): &Pair| Ok(i.lt(2)), |(i, x): Pair| Ok((i + 1, inner(x)?.1 * 2.0)))((
            Tensor::from(0),
            x,
        ))
        .map(|(_, x)| x)
    };
    let expected = |x: &Tensor| Ok((x.sin().sin() * 2.0).sin().sin() * 2.0);
    let wrapped: [(&str, &Function<'_, Tensor>); 6] = [
        ("as it is", &|x| looped(x.clone())),
        ("jit", &|x| jit(looped).call(x.clone())),
        ("checkpoint", &|x| checkpoint(|x: &Tensor| looped(x.clone())).call(x)),
        ("cond", &|x| cond(&Tensor::from(true), looped, |x: Tensor| Ok(x * 3.0))(x.clone())),
        ("cond, beside what has no tangent", &|x| {
            let both = |x: Tensor| Ok((looped(x.clone())?, looped(x.cos())?));
            Ok(cond(&Tensor::from(true), both, |x: Tensor| Ok((x.clone(), x)))(x.clone())?.0)
        }),
        ("vmap", &|x| vmap(looped).call(x.clone())),
    ];
    let (x, dx) = (normal(1, &[3]), normal(2, &[3]));
    let (y, dy) = jvp(expected, &x, &dx).unwrap();
    let twice = |f: &dyn Fn(&Tensor) -> Result<Tensor>| jvp(|x: &Tensor| Ok(jvp(f, x, &dx)?.1), &x, &dx);
    let second = twice(&expected).unwrap().1;
    for (name, f) in wrapped {
        let found = jvp(f, &x, &dx).unwrap_or_else(|error| panic!("{name}: {error}"));
        all_close(&[found.0, found.1], &[y.clone(), dy.clone()]);
        let found = jit(|(x, dx): Pair| jvp(f, &x, &dx)).call((x.clone(), dx.clone())).unwrap();
        all_close(&[found.0, found.1], &[y.clone(), dy.clone()]);
        let again = twice(f).unwrap_or_else(|error| panic!("{name}, twice: {error}"));
        close(&again.1, &second);
        // Both also for each example.
        let each = |(x, dx): Pair| {
            let tangent = |x: &Tensor| Ok(jvp(f, x, &dx)?.1);
            let second = jvp(tangent, &x, &dx)?.1;
            Ok((tangent(&x)?, second))
        };
        let stacked =
            (Tensor::stack(&[x.clone(), x.clone()], 0), Tensor::stack(&[dx.clone(), dx.clone()], 0));
        for (first, again) in [
            vmap(each).call(stacked.clone()).unwrap(),
            jit(|args: Pair| vmap(each).call(args)).call(stacked).unwrap(),
        ] {
            all_close(&[first.get(1), again.get(1)], &[dy.clone(), second.clone()]);
        }
    }
}

#[test]
fn what_a_while_loop_does_not_make_of_an_argument_has_no_gradient_to_it() {
    let f = |x: &Tensor| {
        let state = ((Tensor::from(0), x.clone()), Tensor::from(2.0f32));
        let ((_, _), y) = while_loop(
            |((i, _), _): &(Pair, Tensor)| Ok(i.lt(3)),
            |((i, x), y): (Pair, Tensor)| Ok(((i + 1, x.sin()), y * 2.0)),
        )(state)?;
        Ok(y)
    };
    let x = Tensor::from(0.5f32);
    let (y, dy) = jvp(f, &x, &Tensor::from(1.0f32)).unwrap();
    assert_eq!((y.item::<f32>().unwrap(), dy.item::<f32>().unwrap()), (16.0, 0.0));
    let slope = grad(|x: &Tensor| Ok(f(x)? + x * x))(&x).unwrap();
    assert_eq!(slope.item::<f32>().unwrap(), 1.0);
}

#[test]
fn hessians_of_loops_are_those_of_loops_of_rust() {
    let (w, h, xs) = (normal(1, &[2, 2]), normal(2, &[2]), normal(3, &[3, 2]));
    let with = |f: fn(&(Tensor, Tensor, Tensor)) -> Result<Pair>| {
        let (h, xs) = (h.clone(), xs.clone());
        move |w: Tensor| hessian(|w: &Tensor| Ok(total(f(&(w.clone(), h.clone(), xs.clone()))?)))(&w)
    };
    let expected = with(by_hand)(w.clone()).unwrap();
    close(&with(recurrent)(w.clone()).unwrap(), &expected);
    close(&jit(with(recurrent)).call(w).unwrap(), &expected);
}

#[test]
fn axes_of_loops_and_of_batches_are_independent() {
    let xs = normal(1, &[2, 4, 3, 5]);
    // An example is along 2; in it, steps are along 1.
    let f = |xs: Tensor| {
        let step = |h: Tensor, x: Tensor| {
            let h = (h + x).sin();
            Ok((h.clone(), h))
        };
        Ok(scan(step).axes(1).call(Tensor::zeros([2, 5]), xs)?.1)
    };
    let over = |xs: Tensor| vmap(f).in_axes(2).out_axes(-1).call(xs);
    let mut h = Tensor::zeros([2, 3, 5]);
    let mut hs = Vec::new();
    for i in 0..4 {
        h = (h + xs.index_axis(1, i)).sin();
        hs.push(h.clone());
    }
    // Of [2, 3, 5] for each step: steps behind the first axis, examples last.
    let expected = Tensor::stack(&hs, 1).move_axis(2, -1);
    close(&over(xs.clone()).unwrap(), &expected);
    close(&jit(over).call(xs).unwrap(), &expected);
}

#[test]
fn every_policy_of_checkpoint_gives_the_same_gradients_in_and_around_a_loop() {
    let policies: [Policy; 6] = [
        nothing(),
        everything(),
        dots(),
        dots_with_no_batch_dims(),
        save_only_these_names(["h"]),
        save_any_names_but_these(["h"]),
    ];
    let args = arguments();
    let expected = grad(|args: &(Tensor, Tensor, Tensor)| Ok(total(by_hand(args)?)))(&args).unwrap();
    let expected = tree::leaves(&expected).into_iter().cloned().collect::<Vec<_>>();
    for policy in policies {
        let inside = |(w, h, xs): &(Tensor, Tensor, Tensor)| {
            let step = |(w, h, x): &(Tensor, Tensor, Tensor)| {
                let h = checkpoint_name(&(h.dot(w) + x).tanh(), "h")?;
                Ok((h.clone(), h * x))
            };
            let step = checkpoint(step).policy(policy.clone());
            let all =
                scan(|h: Tensor, x: Tensor| step.call(&(w.clone(), h, x))).call(h.clone(), xs.clone())?;
            Ok(total(all))
        };
        let around = |args: &(Tensor, Tensor, Tensor)| {
            Ok(total(checkpoint(recurrent).policy(policy.clone()).call(args)?))
        };
        let both = |args: &(Tensor, Tensor, Tensor)| checkpoint(inside).policy(policy.clone()).call(args);
        let check = |f: &Function<'_, (Tensor, Tensor, Tensor)>| {
            let found = grad(f)(&args).unwrap();
            all_close(&tree::leaves(&found).into_iter().cloned().collect::<Vec<_>>(), &expected);
            let found = jit(|args: (Tensor, Tensor, Tensor)| grad(f)(&args)).call(args.clone()).unwrap();
            all_close(&tree::leaves(&found).into_iter().cloned().collect::<Vec<_>>(), &expected);
        };
        check(&inside);
        check(&around);
        check(&both);
    }
}

#[test]
fn examples_meet_in_the_steps_of_a_loop() {
    let xs = normal(1, &[3, 4, 2]);
    let f = |xs: Tensor| {
        let step = |h: Tensor, x: Tensor| {
            let h = (&h + &x - x.psum("i")?).tanh() + h.pmean("i")?;
            Ok((h.clone(), h))
        };
        scan(step).call(Tensor::zeros([2]), xs)
    };
    let over = |xs: Tensor| vmap(f).axis_name("i").call(xs);
    let loss = |xs: &Tensor| Ok(total(over(xs.clone())?));
    let by_hand = |xs: &Tensor| -> Result<(Tensor, Tensor)> {
        let (mut h, mut hs) = (Tensor::zeros([3, 2]), Vec::new());
        for x in xs.try_unstack(1)? {
            h = (&h + &x - x.sum_keep(0)).tanh() + h.mean_keep(0);
            hs.push(h.clone());
        }
        Ok((h, Tensor::try_stack(&hs, 1)?))
    };
    let expected = by_hand(&xs).unwrap();
    let expected = [expected.0, expected.1, grad(|xs: &Tensor| Ok(total(by_hand(xs)?)))(&xs).unwrap()];
    let found = over(xs.clone()).unwrap();
    all_close(&[found.0, found.1, grad(loss)(&xs).unwrap()], &expected);
    let found = jit(over).call(xs.clone()).unwrap();
    all_close(&[found.0, found.1, jit(|xs: Tensor| grad(loss)(&xs)).call(xs).unwrap()], &expected);
}

#[test]
fn lifted_loops_in_lifted_checkpoints_in_lifted_batches_are_what_they_hold() {
    let layers = Scan::new(Dense::new(3)).axis("params", 0).split("params").length(2);
    let model = Vmap::new(Remat::new(layers)).axis("params", 0).split("params");
    let x = normal(1, &[4, 5, 3]);
    let variables = model.init(key(0)).call(&x).unwrap();
    let kernel = variables.tensor("params/kernel").unwrap();
    assert_eq!(kernel.shape(), [4, 2, 3, 3]);
    let f = |variables: &Variables| Ok(model.apply(variables).call(&x)?.sin().sum());
    let by_hand = |variables: &Variables| {
        let (kernel, bias) = (variables.tensor("params/kernel")?, variables.tensor("params/bias")?);
        let each = (0..4).map(|i| {
            (0..2)
                .fold(x.get(i), |x, layer| x.dot(&kernel.get(i).get(layer)) + bias.get(i).get(layer))
                .sin()
                .sum()
        });
        Ok(each.reduce(|a, b| a + b).unwrap())
    };
    let (value, slopes) = value_and_grad(f)(&variables).unwrap();
    let (expected, of_hand) = value_and_grad(by_hand)(&variables).unwrap();
    close(&value, &expected);
    for name in ["params/kernel", "params/bias"] {
        close(slopes.tensor(name).unwrap(), of_hand.tensor(name).unwrap());
    }
    let (value, slopes) = jit(|variables: Variables| value_and_grad(f)(&variables)).call(variables).unwrap();
    close(&value, &expected);
    close(slopes.tensor("params/kernel").unwrap(), of_hand.tensor("params/kernel").unwrap());
}

#[test]
fn a_weight_that_a_step_reads_twice_has_the_sum_of_both_gradients() {
    let f = |looped: bool, (w, b, xs): &(Tensor, Tensor, Tensor)| -> Result<Tensor> {
        let step = |h: Tensor, x: Tensor| {
            let inner = (h.dot(w) + &x + b).tanh();
            let h = (inner.dot(w) + x.dot(w) * b).tanh();
            Ok((h.clone(), h * inner))
        };
        let first = Tensor::zeros([2, 3]);
        let all = if looped {
            scan(step).call(first, xs.clone())?
        } else {
            let (mut h, mut ys) = (first, Vec::new());
            for x in xs.try_unstack(0)? {
                let (new, y) = step(h, x)?;
                h = new;
                ys.push(y);
            }
            (h, Tensor::try_stack(&ys, 0)?)
        };
        Ok(total(all))
    };
    let args = (normal(1, &[3, 3]), normal(2, &[3]), normal(3, &[4, 2, 3]));
    let slopes = |looped: bool, args: &(Tensor, Tensor, Tensor)| -> Result<Vec<Tensor>> {
        let (w, b, xs) = grad(|args: &(Tensor, Tensor, Tensor)| f(looped, args))(args)?;
        Ok(vec![w, b, xs])
    };
    let expected = slopes(false, &args).unwrap();
    all_close(&slopes(true, &args).unwrap(), &expected);
    all_close(&jit(|args: (Tensor, Tensor, Tensor)| slopes(true, &args)).call(args).unwrap(), &expected);
}

#[test]
fn loops_of_halves_keep_their_dtype_in_all_derivatives() {
    for dtype in [DType::BF16, DType::F16] {
        let args = (
            normal(1, &[3, 3]).cast(dtype),
            normal(2, &[2, 3]).cast(dtype),
            normal(3, &[4, 2, 3]).cast(dtype),
        );
        let slopes = |f: fn(&(Tensor, Tensor, Tensor)) -> Result<Pair>, args: &(Tensor, Tensor, Tensor)| {
            let (w, h, xs) = grad(|args: &(Tensor, Tensor, Tensor)| Ok(total(f(args)?)))(args)?;
            Ok::<_, Error>(vec![w, h, xs])
        };
        let expected = slopes(by_hand, &args).unwrap();
        let eager = slopes(recurrent, &args).unwrap();
        let compiled =
            jit(|args: (Tensor, Tensor, Tensor)| slopes(recurrent, &args)).call(args.clone()).unwrap();
        for found in [eager, compiled] {
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!((found.dtype(), found.shape()), (dtype, expected.shape()));
                let difference = (found.cast(DType::F32) - expected.cast(DType::F32)).abs().max();
                assert!(difference.item::<f32>().unwrap() < 0.1, "{found} instead of {expected}");
            }
        }
    }
}

#[test]
fn examples_meet_in_the_condition_of_a_loop() {
    // All go on as long as their sum is small.
    let f = |x: Tensor| {
        while_loop(|(_, x): &Pair| Ok(x.psum("i")?.lt(50.0)), |(n, x): Pair| Ok((n + 1, x * 2.0)))((
            Tensor::from(0),
            x,
        ))
    };
    let over = |xs: Tensor| vmap(f).axis_name("i").call(xs);
    let xs = Tensor::from([1.0f32, 2.0, 3.0]);
    for (n, found) in [over(xs.clone()).unwrap(), jit(over).call(xs.clone()).unwrap()] {
        assert_eq!(n.to_vec::<i32>().unwrap(), [4; 3]);
        close(&found, &(&xs * 16.0));
    }
    // Each goes on by itself, and what they make together is that of all.
    let g = |x: Tensor| {
        let limit = &x * 4.0;
        while_loop(move |x: &Tensor| Ok(x.lt(&limit)), |x: Tensor| Ok(&x + x.psum("i")? * 0.25))(x)
    };
    let over = |xs: Tensor| vmap(g).axis_name("i").call(xs);
    let mut state = xs.clone();
    while state.lt(&xs * 4.0).any().item::<bool>().unwrap() {
        state = state.lt(&xs * 4.0).select(&state + state.sum() * 0.25, &state);
    }
    close(&over(xs.clone()).unwrap(), &state);
    close(&jit(over).call(xs).unwrap(), &state);
}

#[test]
fn second_derivatives_in_forward_mode_go_through_compiled_while_loops() {
    let looped = jit(|x: Tensor| {
        Ok(while_loop(|(i, _): &Pair| Ok(i.lt(2)), |(i, x): Pair| Ok((i + 1, x.sin() * 1.5)))((
            Tensor::from(0),
            x,
        ))?
        .1)
    });
    let f = |x: &Tensor| Ok(looped.call(x.clone())?.square());
    let plain = |x: &Tensor| Ok(((x.sin() * 1.5).sin() * 1.5).square());
    let x = normal(1, &[2]);
    let expected = jacfwd(|x: &Tensor| jacfwd(plain)(x))(&x).unwrap();
    close(&jacfwd(|x: &Tensor| jacfwd(f)(x))(&x).unwrap(), &expected);
    close(&jit(|x: Tensor| jacfwd(|x: &Tensor| jacfwd(f)(x))(&x)).call(x.clone()).unwrap(), &expected);
    let reverse = grad(|x: &Tensor| Ok(f(x)?.sum()))(&x).unwrap_err();
    assert!(reverse.to_string().contains("`scan`"), "{reverse}");
    let reverse = jit(|x: Tensor| grad(|x: &Tensor| Ok(f(x)?.sum()))(&x)).call(x).unwrap_err();
    assert!(reverse.to_string().contains("`scan`"), "{reverse}");
}
