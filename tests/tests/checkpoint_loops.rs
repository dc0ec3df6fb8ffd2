//! `checkpoint` of loops: what a policy keeps of their steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flaxen::checkpoint::{
    Policy, dots, everything, nothing, save_any_names_but_these, save_only_these_names,
};
use flaxen::core::Graph;
use flaxen::core::op::Op;
use flaxen::core::primitive::Primitive;
use flaxen::{checkpoint_name, debug};

use flaxen::prelude::*;
use flaxen_tests::numbers::{assert_same, vector};

type Args = (Tensor, Tensor);

fn args() -> Args {
    (random::normal(&key(0), [3, 3]) * 0.3, random::normal(&key(1), [5, 2, 3]))
}

/// A step with names, as the script that counted in JAX has it.
fn step(w: &Tensor, h: &Tensor, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let h = checkpoint_name(&(h.dot(w) + x).tanh(), "hidden")?;
    let y = checkpoint_name(&h.sin().cos(), "out")?;
    Ok((h, y))
}

fn one_loop((w, xs): &Args) -> Result<Tensor> {
    let (h, ys) = scan(|h: Tensor, x: Tensor| step(w, &h, &x)).call(Tensor::zeros([2, 3]), xs.clone())?;
    Ok(ys.sum() + h.sum())
}

fn loop_in_a_loop((w, xs): &Args) -> Result<Tensor> {
    let block = |h: Tensor, _: Tensor| {
        let (h, ys) = scan(|h: Tensor, x: Tensor| step(w, &h, &x)).call(h, xs.clone())?;
        Ok((h, ys.sum()))
    };
    Ok(scan(block).call(Tensor::zeros([2, 3]), Tensor::zeros([4]))?.1.sum())
}

fn counted_loop((w, xs): &Args) -> Result<Tensor> {
    let next = |i: Tensor, h: Tensor| Ok(step(w, &h, &xs.try_take(i, 0)?)?.0);
    let h = fori_loop(0..5, next)(Tensor::zeros([2, 3]))?;
    Ok(h.sum())
}

fn policies() -> Vec<(&'static str, Policy)> {
    vec![
        ("nothing", nothing()),
        ("everything", everything()),
        ("dots", dots()),
        ("hidden", save_only_these_names(["hidden"])),
        ("out", save_only_these_names(["out"])),
        ("both", save_only_these_names(["hidden", "out"])),
        ("not hidden", save_any_names_but_these(["hidden"])),
    ]
}

/// How often operations are in the loops of a program.
fn in_loops(graph: &Graph, name: &str) -> usize {
    let within = |eqn: &flaxen::core::Eqn<Arc<dyn Primitive>>| -> usize {
        let op = eqn.primitive().op();
        let of_subgraphs: usize = op.subgraphs().map(|inner| in_loops(inner, name)).sum();
        match op {
            Op::Scan(scan) => of_subgraphs + scan.body.primitives().filter(|&other| other == name).count(),
            _ => of_subgraphs,
        }
    };
    graph.eqns().iter().map(within).sum()
}

fn with_gradient(f: fn(&Args) -> Result<Tensor>, policy: Policy) -> Graph {
    let f = move |args: Args| {
        value_and_grad(|args: &Args| checkpoint(f).policy(policy.clone()).call(args))(&args)
    };
    jit(f).graph(&args()).unwrap()
}

/// Counted in the jaxprs of JAX 0.10.2, but that a named value is seen to be what the gradient of `tanh` reads: where `hidden` is kept
/// there is no product and no `tanh` again, of which JAX computes both once more.
#[test]
fn each_step_computes_again_what_is_not_kept_of_it() {
    for f in [one_loop as fn(&Args) -> Result<Tensor>, loop_in_a_loop] {
        let found: Vec<_> = policies()
            .into_iter()
            .map(|(name, policy)| {
                let graph = with_gradient(f, policy);
                (name, in_loops(&graph, "tanh"), in_loops(&graph, "sin"))
            })
            .collect();
        let expected = [
            ("nothing", 2, 3),
            ("everything", 1, 2),
            ("dots", 2, 3),
            ("hidden", 1, 3),
            ("out", 2, 3),
            ("both", 1, 3),
            ("not hidden", 2, 3),
        ];
        assert_eq!(found, expected);
    }
}

#[test]
fn what_a_loop_keeps_has_the_shape_of_all_steps() {
    // As `jax._src.ad_checkpoint.saved_residuals` lists them: one value of each step of `hidden` or of the product, nothing of `out`.
    let products = |policy| in_loops(&with_gradient(one_loop, policy), "dot_general");
    let [nothing, dots, hidden, out] =
        [nothing(), dots(), save_only_these_names(["hidden"]), save_only_these_names(["out"])].map(products);
    assert_eq!((nothing, out), (dots + 1, dots + 1));
    assert_eq!(hidden, dots);
}

#[test]
fn values_and_gradients_do_not_depend_on_what_is_kept() {
    for f in [one_loop as fn(&Args) -> Result<Tensor>, loop_in_a_loop, counted_loop] {
        let (value, (dw, dx)) = value_and_grad(f)(&args()).unwrap();
        for (name, policy) in policies() {
            let kept = move |args: &Args| checkpoint(f).policy(policy.clone()).call(args);
            let eager = value_and_grad(&kept)(&args()).unwrap();
            let compiled = jit({
                let kept = kept.clone();
                move |args: Args| value_and_grad(&kept)(&args)
            });
            for (again, (ew, ex)) in [eager, compiled.call(args()).unwrap()] {
                for (a, b) in [(&value, &again), (&dw, &ew), (&dx, &ex)] {
                    assert!(a.all_close(b, 1e-5, 1e-5).unwrap(), "{name}: {a} {b}");
                }
            }
            let second = |f: &dyn Fn(&Args) -> Result<Tensor>| {
                grad(|args: &Args| Ok(grad(|args: &Args| f(args))(args)?.0.square().sum()))(&args())
                    .unwrap()
                    .0
            };
            assert!(second(&kept).all_close(second(&f), 1e-4, 1e-4).unwrap(), "{name}");
            let each = vmap(|w: Tensor| grad(|args: &Args| kept(args))(&(w, args().1)).map(|(dw, _)| dw));
            let stacked = Tensor::stack(&[args().0, args().0 * 0.5], 0);
            assert!(
                each.call(stacked).unwrap().index_axis(0, 0).all_close(&dw, 1e-5, 1e-5).unwrap(),
                "{name}"
            );
        }
    }
}

#[test]
fn what_a_step_does_beside_its_results_it_does_once() {
    let seen = Arc::new(AtomicUsize::new(0));
    let f = {
        let seen = seen.clone();
        move |xs: &Tensor| {
            let step = |h: Tensor, x: Tensor| {
                let seen = seen.clone();
                let count = move |_: Tensor| {
                    seen.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                };
                debug::callback(count, &x)?;
                let h = checkpoint_name(&(h * x).sin(), "hidden")?;
                Ok((h.clone(), h))
            };
            Ok(scan(step).call(Tensor::from(1.0f32), xs.clone())?.1.sum())
        }
    };
    let xs = vector(&[0.5, 0.7]);
    let plain = grad(&f)(&xs).unwrap();
    assert_eq!(seen.swap(0, Ordering::Relaxed), 2);
    let kept = checkpoint(&f).policy(save_only_these_names(["hidden"]));
    assert_same(&grad(|xs: &Tensor| kept.call(xs))(&xs).unwrap(), &plain);
    assert_eq!(seen.load(Ordering::Relaxed), 2);
}
