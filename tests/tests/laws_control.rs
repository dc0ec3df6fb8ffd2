//! The laws of loops and branches: as for every operation, and against the same thing written as a loop of the host language.

use flaxen::prelude::*;
use flaxen_tests::data::Data;
use flaxen_tests::laws::{Law, check, law};
use flaxen_tests::numbers::assert_near;

/// From arguments to the last carry and the results of all steps.
type Looped<'f> = dyn Fn(&[Tensor]) -> Result<(Tensor, Tensor)> + 'f;

/// A recurrent step with a constant, a carry and a slice.
fn step(w: &Tensor, carry: &Tensor, x: &Tensor) -> (Tensor, Tensor) {
    let new = (carry.dot(w) + x).tanh();
    (new.clone(), &new * x)
}

fn recurrent(data: &mut Data) -> Vec<Tensor> {
    vec![
        data.distinct([3, 3], -1.0, 1.0),
        data.distinct([2, 3], -1.0, 1.0),
        data.distinct([4, 2, 3], -1.0, 1.0),
    ]
}

fn scanned(args: &[Tensor], reverse: bool, unroll: usize) -> Result<(Tensor, Tensor)> {
    let w = args[0].clone();
    let steps = scan(move |carry: Tensor, x: Tensor| Ok(step(&w, &carry, &x)));
    let steps = if reverse { steps.reverse() } else { steps };
    steps.unroll(unroll).call(args[1].clone(), args[2].clone())
}

fn looped(args: &[Tensor], reverse: bool) -> Result<(Tensor, Tensor)> {
    let length = args[2].shape()[0] as isize;
    let mut ys = Vec::new();
    let mut carry = args[1].clone();
    for i in 0..length {
        let at = if reverse { length - 1 - i } else { i };
        let (new, y) = step(&args[0], &carry, &args[2].try_get(at)?);
        carry = new;
        ys.push(y);
    }
    if reverse {
        ys.reverse();
    }
    Ok((carry, Tensor::try_stack(&ys, 0)?))
}

#[test]
fn scan_obeys_the_laws() {
    check([
        law("scan", recurrent, |args| scanned(args, false, 1)).loose(8.0),
        law("reversed", recurrent, |args| scanned(args, true, 1)).loose(8.0),
        law("unrolled by two", recurrent, |args| scanned(args, false, 2)).loose(8.0),
        law("unrolled by three, reversed", recurrent, |args| scanned(args, true, 3)).loose(8.0),
        law("unrolled whole", recurrent, |args| scanned(args, false, 9)).loose(8.0),
    ]);
}

#[test]
fn scan_is_a_loop() {
    for reverse in [false, true] {
        for unroll in [1, 2, 3, 4] {
            let args = recurrent(&mut Data::new(7));
            let both = |f: &Looped<'_>| {
                let loss = |args: &Vec<Tensor>| {
                    let (last, ys) = f(args)?;
                    Ok(last.sin().sum() + (&ys * &ys).sum())
                };
                let (value, grads) = value_and_grad(loss)(&args).unwrap();
                let again = grad(|args: &Vec<Tensor>| {
                    let grads = grad(loss)(args)?;
                    Ok(grads.iter().map(|g| (g * g).sum()).reduce(|a, b| a + b).unwrap())
                })(&args);
                [vec![value], grads, again.unwrap()].concat()
            };
            let (a, b) = (both(&|args| scanned(args, reverse, unroll)), both(&|args| looped(args, reverse)));
            a.iter().zip(&b).for_each(|(a, b)| assert_near(a, b));
        }
    }
}

fn dense(data: &mut Data) -> Vec<Tensor> {
    vec![data.distinct([3], -1.0, 1.0), data.distinct([3], 0.2, 1.0)]
}

/// A carry of two parts of which one depends on the other, invariants, and what only slices decide.
fn tangled(args: &[Tensor]) -> Result<Vec<Tensor>> {
    let (a, b) = (args[0].clone(), args[1].clone());
    let f = scan(move |(x, y, fixed): (Tensor, Tensor, Tensor), z: Tensor| {
        let scale = b.exp();
        let new = (&x * &scale * 0.3).sin() + &y * &z + &fixed;
        Ok(((y.clone(), new, fixed), (z.cos(), x)))
    });
    let xs = Tensor::of([0.1, 0.5, -0.3], a.dtype());
    let ((x, y, fixed), (p, q)) = f.call((a.clone(), a.tanh(), &a * 2.0), xs)?;
    Ok(vec![x, y, fixed, p, q])
}

fn nested(args: &[Tensor]) -> Result<Vec<Tensor>> {
    let b = args[1].clone();
    let (x, ys) = scan(move |x: Tensor, (): ()| {
        let b = b.clone();
        let inner = scan(move |x: Tensor, (): ()| {
            let x = (x * &b).sin();
            Ok((x.clone(), x))
        });
        inner.length(2).call(x, ())
    })
    .length(3)
    .call(args[0].clone(), ())?;
    Ok(vec![x, ys])
}

fn checkpointed(args: &[Tensor]) -> Result<Vec<Tensor>> {
    let b = args[1].clone();
    let (x, ys) = scan(move |x: Tensor, (): ()| {
        let x = checkpoint(|(x, b): &(Tensor, Tensor)| Ok((x * b).sin().cos())).call(&(x, b.clone()))?;
        Ok((x.clone(), x.sum()))
    })
    .length(3)
    .call(args[0].clone(), ())?;
    Ok(vec![x, ys])
}

#[test]
fn loops_in_every_shape_obey_the_laws() {
    check([
        law("a tangled carry", dense, tangled).loose(4.0),
        law("a scan in a scan", dense, nested).loose(4.0),
        law("a checkpoint in a scan", dense, checkpointed).loose(4.0),
        law("no steps", dense, |args| {
            let b = args[1].clone();
            let steps = scan(move |x: Tensor, (): ()| Ok((&x * &b, x.sum())));
            let (x, ys) = steps.length(0).call(args[0].clone(), ())?;
            Ok(vec![x, ys])
        }),
        law("no carry", dense, |args| {
            let b = args[1].clone();
            let ((), ys) = scan(move |(): (), x: Tensor| Ok(((), x * &b))).call((), args[0].clone())?;
            Ok(ys)
        }),
    ]);
}

#[test]
fn branches_obey_the_laws() {
    fn branch(i: i32) -> impl Fn(&[Tensor]) -> Result<Vec<Tensor>> {
        move |args| {
            let captured = args[1].clone();
            let branches = (
                |x: Tensor| Ok((x.sin(), &x * &captured)),
                |x: Tensor| Ok((&x * 2.0, x.exp() * captured.cos())),
                |x: Tensor| Ok((Tensor::zeros_like(&x), x)),
            );
            let (a, b) = switch(&Tensor::from(i), branches)(args[0].clone())?;
            Ok(vec![a, b])
        }
    }
    let chosen: Vec<Law> = (-1..4).map(|i| law(format!("switch {i}"), dense, branch(i)).loose(4.0)).collect();
    check(chosen);
    // The predicate depends on an argument, so under `vmap` every example goes its own way.
    let by_sign = |args: &[Tensor]| {
        let b = args[1].clone();
        cond(&args[0].sum().gt(0.0), |x: Tensor| Ok((&x * &b).sin()), |x: Tensor| Ok(x * 3.0))(
            args[0].clone(),
        )
    };
    check([
        law("cond", dense, by_sign).loose(4.0),
        law("cond in a scan", dense, move |args| {
            let b = args[1].clone();
            let (x, ys) = scan(move |x: Tensor, (): ()| {
                let x = by_sign(&[x, b.clone()])?;
                Ok((&x - 0.4, x))
            })
            .length(3)
            .call(args[0].clone(), ())?;
            Ok(vec![x, ys])
        })
        .loose(8.0),
    ]);
}

/// Doubles until the sum is large enough.
fn doubled(args: &[Tensor]) -> Result<Tensor> {
    let b = args[1].clone();
    let (x, _) = while_loop(
        |(x, n): &(Tensor, Tensor)| Ok((x * x).sum().lt(20.0) & n.lt(20)),
        |(x, n): (Tensor, Tensor)| Ok((x * (&b + 1.5), n + 1)),
    )((args[0].clone(), Tensor::from(0)))?;
    Ok(x)
}

#[test]
fn while_loops_run_under_vmap_and_jit_and_have_forward_mode() {
    check([law("while", dense, doubled).no_gradient().dtypes([])]);
    let args = dense(&mut Data::new(3));
    let tangents = dense(&mut Data::new(4));
    let steps = {
        let mut x = args[0].clone();
        let mut n = 0;
        while (&x * &x).sum().item::<f64>().unwrap() < 20.0 {
            x *= &args[1] + 1.5;
            n += 1;
        }
        n
    };
    let unrolled = |args: &Vec<Tensor>| Ok((0..steps).fold(args[0].clone(), |x, _| x * (&args[1] + 1.5)));
    let (y, dy) = jvp(|args: &Vec<Tensor>| doubled(args), &args, &tangents).unwrap();
    let (expected, slope) = jvp(unrolled, &args, &tangents).unwrap();
    assert_near(&y, &expected);
    assert_near(&dy, &slope);
    let compiled = jit(|(args, tangents): (Vec<Tensor>, Vec<Tensor>)| {
        jvp(|args: &Vec<Tensor>| jit(|args: Vec<Tensor>| doubled(&args)).call(args.clone()), &args, &tangents)
    });
    assert_near(&compiled.call((args.clone(), tangents)).unwrap().1, &slope);

    let error = grad(|args: &Vec<Tensor>| Ok(doubled(args)?.sum()))(&args).unwrap_err().to_string();
    assert!(error.contains("while_loop") && error.contains("scan") && error.contains("fori_loop"), "{error}");
}

#[test]
fn a_carry_that_changes_is_an_error_that_names_the_leaf() {
    let x = Tensor::from([1.0f32, 2.0]);
    let halves = scan(|(a, b): (Tensor, Tensor), (): ()| Ok(((a, b.cast(DType::F16)), ()))).length(2);
    let error = halves.call((x.clone(), x.clone()), ()).unwrap_err().to_string();
    assert!(error.contains("`1`") && error.contains("f32[2]") && error.contains("f16[2]"), "{error}");
    let longer =
        while_loop(|x: &Tensor| Ok(x.sum().lt(3.0)), |x: Tensor| Tensor::try_concatenate(&[x.clone(), x], 0));
    let error = longer(x.clone()).unwrap_err().to_string();
    assert!(error.contains("f32[2]") && error.contains("f32[4]"), "{error}");
    // A bare number becomes one of the dtype it meets.
    let y = scan(|sum: Tensor, x: Tensor| Ok((sum + x, ())))
        .call(Tensor::from(0.0f32), x.cast(DType::F32))
        .unwrap()
        .0;
    assert_eq!(y.dtype(), DType::F32);
}
