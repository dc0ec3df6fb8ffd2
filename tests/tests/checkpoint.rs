//! `checkpoint`: less memory, more computation, the same values.

use flaxen::prelude::*;
use flaxen_tests::numbers::{assert_close, assert_same, scalar, tensor, vector};

fn block(x: &Tensor) -> Result<Tensor> {
    Ok(x.sin().sin().sin())
}

fn loss(x: &Tensor) -> Result<Tensor> {
    Ok(block(x)?.sum_axes([0]))
}

fn checkpointed_loss(x: &Tensor) -> Result<Tensor> {
    Ok(checkpoint(block).call(x)?.sum_axes([0]))
}

fn count(f: impl Fn(Tensor) -> Result<Tensor>, name: &str) -> usize {
    jit(f).graph(&vector(&[0.1, 0.2])).unwrap().primitives().filter(|&other| other == name).count()
}

#[test]
fn values_and_gradients_are_the_same() {
    let x = vector(&[0.3, 0.7]);
    assert_same(&checkpoint(block).call(&x).unwrap(), &block(&x).unwrap());
    assert_same(&grad(checkpointed_loss)(&x).unwrap(), &grad(loss)(&x).unwrap());
    let second = |f: fn(&Tensor) -> Result<Tensor>| {
        grad(move |x: &Tensor| Ok(grad(f)(x)?.sum_axes([0])))(&vector(&[0.3, 0.7])).unwrap()
    };
    assert_same(&second(checkpointed_loss), &second(loss));
}

/// Of three sines the plain gradient computes three; the checkpointed one computes the two inner ones once more, for their
/// gradients, behind a barrier, and the outermost not, because its value has no use.
#[test]
fn the_backward_pass_computes_again_under_jit() {
    let plain = |x: Tensor| value_and_grad(loss)(&x).map(|(value, dx)| dx + value);
    let again = |x: Tensor| value_and_grad(checkpointed_loss)(&x).map(|(value, dx)| dx + value);
    assert_eq!(count(plain, "sin"), 3);
    assert_eq!(count(again, "sin"), 3 + 2);
    assert_eq!((count(plain, "barrier"), count(again, "barrier")), (0, 1));
    assert_eq!(count(again, "cos"), 3);
}

#[test]
fn it_goes_under_every_transform() {
    let xs = tensor(&[2, 2], &[0.1, 0.2, 0.3, 0.4]);
    let expected = vmap(|x: Tensor| grad(loss)(&x)).call(xs.clone()).unwrap();
    assert_same(&vmap(|x: Tensor| grad(checkpointed_loss)(&x)).call(xs.clone()).unwrap(), &expected);
    assert_same(
        &jit(|xs: Tensor| vmap(|x: Tensor| grad(checkpointed_loss)(&x)).call(xs)).call(xs.clone()).unwrap(),
        &expected,
    );
    let over = |xs: &Tensor| Ok(vmap(|x: Tensor| checkpointed_loss(&x)).call(xs.clone())?.sum_axes([0]));
    assert_same(&grad(over)(&xs).unwrap(), &expected);
    let (_, tangent) = jvp(block, &scalar(0.3), &scalar(2.0)).unwrap();
    let (_, again) = jvp(|x: &Tensor| checkpoint(block).call(x), &scalar(0.3), &scalar(2.0)).unwrap();
    assert_same(&again, &tangent);
}

#[test]
fn it_takes_trees_and_may_capture_traced_values() {
    let f = |w: &Tensor| {
        let layer = checkpoint(|(x, b): &(Tensor, Tensor)| Ok((x * w + b).sin()));
        layer.call(&(scalar(2.0), w.clone()))
    };
    // sin(2w + w)
    assert_close(&grad(f)(&scalar(0.2)).unwrap(), &[], &[f64::from(3.0 * 0.6f32.cos())]);
}

#[test]
fn it_sees_named_axes() {
    let f = checkpoint(|x: &Tensor| {
        let d = x - x.pmean("batch")?;
        Ok(&d * &d)
    });
    let dx = vmap(|x: Tensor| grad(|x: &Tensor| f.call(x))(&x))
        .axis_name("batch")
        .call(vector(&[1., 2., 6.]))
        .unwrap();
    assert_close(&dx, &[3], &[-4., -2., 6.]);
}

#[test]
fn asking_for_numbers_inside_is_an_error() {
    let f = checkpoint(|x: &Tensor| Ok(if x.item::<f32>()? > 0.0 { x.clone() } else { -x }));
    assert!(matches!(f.call(&scalar(1.)), Err(Error::Concrete { .. })));
}

#[test]
fn its_operations_are_counted_as_those_of_what_is_inside() {
    fn flops(f: impl Fn(Tensor) -> Result<Tensor>) -> u64 {
        jit(f).profile(&Tensor::ones([8, 8])).unwrap().steps.iter().map(|step| step.flops).sum()
    }
    // 8 · 8 sums of 8 products.
    assert_eq!(flops(|x: Tensor| Ok(x.dot(&x))), 2 * 8 * 8 * 8);
    assert_eq!(flops(|x: Tensor| checkpoint(|x: &Tensor| Ok(x.dot(x))).call(&x)), 2 * 8 * 8 * 8);
}

#[test]
fn its_step_is_explained_by_the_program_inside() {
    let f = jit(|x: Tensor| checkpoint(|x: &Tensor| Ok(x.dot(x))).call(&x));
    let text = f.explain(&Tensor::ones([8, 8])).unwrap();
    assert!(text.starts_with("checkpoint") && text.contains("= dot_general"), "{text}");
}

mod policies {
    use flaxen::checkpoint::{
        Policy, dots, dots_with_no_batch_dims, everything, nothing, save_any_names_but_these,
        save_from_both_policies, save_only_these_names,
    };
    use flaxen::{checkpoint_name, debug};

    use super::*;

    type Parameters = (Tensor, Tensor, Tensor);

    /// A little attention: two products with parameters, two without.
    fn attention((x, w1, w2): &Parameters) -> Result<Tensor> {
        let hidden = checkpoint_name(&x.dot(w1).tanh(), "hidden")?;
        let scores = checkpoint_name(&einsum("bik,bjk->bij", &[&hidden, &hidden]), "scores")?;
        let mixed = einsum("bij,bjk->bik", &[&scores.sin(), &hidden]);
        Ok(mixed.dot(w2).tanh().sum())
    }

    fn parameters() -> Parameters {
        let normal = |seed, shape: &[usize]| random::normal(&key(seed), shape);
        (normal(0, &[2, 5, 3]), normal(1, &[3, 4]), normal(2, &[4, 3]))
    }

    fn stacked((x, w1, w2): Parameters) -> Parameters {
        let twice = |x: Tensor| Tensor::stack(&[&x * 0.5, x], 0);
        (twice(x), twice(w1), twice(w2))
    }

    fn all() -> Vec<(&'static str, Policy)> {
        vec![
            ("nothing", nothing()),
            ("everything", everything()),
            ("dots", dots()),
            ("dots without batch", dots_with_no_batch_dims()),
            ("hidden", save_only_these_names(["hidden"])),
            ("scores", save_only_these_names(["scores"])),
            ("other than scores", save_any_names_but_these(["scores"])),
            (
                "hidden or dots without batch",
                save_from_both_policies(save_only_these_names(["hidden"]), dots_with_no_batch_dims()),
            ),
        ]
    }

    fn count(graph: &flaxen::core::Graph, name: &str) -> usize {
        graph.primitives().filter(|&other| other == name).count()
    }

    /// Counted in the jaxprs of JAX 0.10.2. It has one product and one `tanh` more wherever `hidden` is kept, as it does not see that the
    /// named value is the one that the gradient of `tanh` reads.
    #[test]
    fn each_computes_again_what_it_does_not_keep() {
        let found: Vec<_> = all()
            .into_iter()
            .map(|(name, policy)| {
                let f = checkpoint(attention).policy(policy);
                let with_gradient = |p: Parameters| value_and_grad(|p: &Parameters| f.call(p))(&p);
                let graph = jit(with_gradient).graph(&parameters()).unwrap();
                let each = jit(|ps: Parameters| vmap(with_gradient).call(ps));
                let sum = |ps: &Parameters| Ok(vmap(|p: Parameters| f.call(&p)).call(ps.clone())?.sum());
                let batched = jit(|ps: Parameters| value_and_grad(sum)(&ps));
                let dots = [
                    count(&graph, "dot_general"),
                    count(&each.graph(&stacked(parameters())).unwrap(), "dot_general"),
                    count(&batched.graph(&stacked(parameters())).unwrap(), "dot_general"),
                ];
                (name, dots, count(&graph, "tanh"))
            })
            .collect();
        let expected = [
            ("nothing", [16, 16, 16], 4),
            ("everything", [12, 12, 12], 2),
            ("dots", [12, 12, 12], 4),
            // In a batch all products have a batch dimension.
            ("dots without batch", [14, 14, 16], 4),
            ("hidden", [15, 15, 15], 3),
            ("scores", [15, 15, 15], 4),
            ("other than scores", [15, 15, 15], 3),
            ("hidden or dots without batch", [14, 14, 15], 3),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn each_gives_the_gradients_of_the_plain_function() {
        fn same(a: &Parameters, b: &Parameters) {
            [(&a.0, &b.0), (&a.1, &b.1), (&a.2, &b.2)].into_iter().for_each(|(a, b)| assert_same(a, b));
        }
        fn close(a: &Parameters, b: &Parameters) {
            for (a, b) in [(&a.0, &b.0), (&a.1, &b.1), (&a.2, &b.2)] {
                let difference = (a - b).abs().max().item::<f32>().unwrap();
                assert!(difference <= 1e-5 * b.abs().max().item::<f32>().unwrap(), "{a} and {b}");
            }
        }
        let p = parameters();
        let plain = grad(attention)(&p).unwrap();
        let of_slopes = |p: &Parameters| {
            let (a, b, c) = grad(attention)(p)?;
            Ok((&a * &a).sum() + (&b * &b).sum() + c.sum())
        };
        let second = grad(of_slopes)(&p).unwrap();
        for (_, policy) in all() {
            let f = checkpoint(attention).policy(policy);
            let slopes = grad(|p: &Parameters| f.call(p));
            same(&slopes(&p).unwrap(), &plain);
            close(&jit(|p: Parameters| slopes(&p)).call(p.clone()).unwrap(), &plain);
            let (batched, _, _) = vmap(|p: Parameters| slopes(&p)).call(stacked(p.clone())).unwrap();
            let first = batched.index_axis(0, 1);
            assert!((first - &plain.0).abs().max().item::<f32>().unwrap() < 1e-5);
            let of_slopes = |p: &Parameters| {
                let (a, b, c) = slopes(p)?;
                Ok((&a * &a).sum() + (&b * &b).sum() + c.sum())
            };
            close(&grad(of_slopes)(&p).unwrap(), &second);
            close(&jit(|p: Parameters| grad(of_slopes)(&p)).call(p.clone()).unwrap(), &second);
        }
    }

    #[test]
    fn a_checkpoint_in_a_checkpoint_has_the_same_gradient() {
        let x = vector(&[0.3, 0.7]);
        for outer in [nothing(), everything(), dots()] {
            for inner in [nothing(), everything()] {
                let inside = checkpoint(block).policy(inner);
                let f = checkpoint(|x: &Tensor| Ok(inside.call(&x.cos())?.sum())).policy(outer.clone());
                let expected = grad(|x: &Tensor| Ok(block(&x.cos())?.sum()))(&x).unwrap();
                assert_same(&grad(|x: &Tensor| f.call(x))(&x).unwrap(), &expected);
                assert_same(
                    &jit(|x: Tensor| grad(|x: &Tensor| f.call(x))(&x)).call(x.clone()).unwrap(),
                    &expected,
                );
            }
        }
    }

    /// Eight blocks of four layers: 32 results of layers, of which a checkpoint keeps 8 and computes 4 at a time.
    #[test]
    fn compiled_it_needs_less_memory() {
        let w = random::normal(&key(3), [64, 64]) * 0.1;
        let peak = |policy: Policy| {
            let block = checkpoint(|x: &Tensor| (0..4).try_fold(x.clone(), |x, _| Ok(x.dot(&w).tanh())))
                .policy(policy);
            let loss = |x: &Tensor| (0..8).try_fold(x.clone(), |x, _| block.call(&x)).map(|x| x.sum());
            let f = jit(|x: Tensor| grad(loss)(&x));
            f.profile(&Tensor::ones([64, 64])).unwrap().peak_bytes
        };
        let (less, more) = (peak(nothing()), peak(everything()));
        let each = 64 * 64 * 4;
        assert!(more >= 31 * each, "{}", more / each);
        assert!(less <= 16 * each, "{}", less / each);
    }

    #[test]
    fn without_a_barrier_the_compiler_finds_the_first_computation() {
        let f = |prevent| {
            let f = checkpoint(block).prevent_cse(prevent);
            let f = jit(move |x: Tensor| value_and_grad(|x: &Tensor| Ok(f.call(x)?.sum()))(&x));
            count(&f.graph(&vector(&[0.1, 0.2])).unwrap(), "sin")
        };
        assert_eq!((f(true), f(false)), (5, 3));
    }

    #[test]
    fn effects_happen_in_the_pass_forward_only() {
        let seen = std::sync::Arc::new(std::sync::Mutex::new(0));
        let f = checkpoint(|x: &Tensor| {
            let y = x.sin();
            let seen = seen.clone();
            debug::callback(
                move |_: Tensor| {
                    *seen.lock().unwrap() += 1;
                    Ok(())
                },
                &y,
            )?;
            Ok(y.sin())
        });
        grad(|x: &Tensor| f.call(x))(&scalar(0.5)).unwrap();
        jit(|x: Tensor| grad(|x: &Tensor| f.call(x))(&x)).call(scalar(0.5)).unwrap();
        assert_eq!(*seen.lock().unwrap(), 2);
    }

    #[test]
    fn names_do_nothing_elsewhere() {
        let named = |x: Tensor| {
            let (a, b) = checkpoint_name(&(x.sin(), x.cos()), "both")?;
            Ok(a * b)
        };
        let plain = |x: Tensor| Ok(x.sin() * x.cos());
        let x = vector(&[0.25, 0.5]);
        assert_same(&named(x.clone()).unwrap(), &plain(x.clone()).unwrap());
        assert_same(&jit(named).call(x.clone()).unwrap(), &jit(plain).call(x.clone()).unwrap());
        assert_eq!(jit(named).program(&x).unwrap().steps(), jit(plain).program(&x).unwrap().steps());
        let slope = |f: fn(Tensor) -> Result<Tensor>| grad(move |x: &Tensor| Ok(f(x.clone())?.sum()));
        assert_same(&slope(named)(&x).unwrap(), &slope(plain)(&x).unwrap());
        let (_, tangent) = jvp(|x: &Tensor| named(x.clone()), &x, &x).unwrap();
        assert_same(&tangent, &jvp(|x: &Tensor| plain(x.clone()), &x, &x).unwrap().1);
        assert_same(&vmap(named).call(x.clone()).unwrap(), &plain(x).unwrap());
    }
}
