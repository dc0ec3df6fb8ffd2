//! What loops become under `jit`: what is computed once, what is kept for the backward pass, and what is written in place.

use flaxen::core::Graph;
use flaxen::core::op::Op;
use flaxen::prelude::*;
use flaxen_tests::numbers::assert_near;

fn ones(shape: &[usize]) -> Tensor {
    Tensor::full(shape, 0.1f32)
}

/// The bodies of the loops of a graph, in order.
fn bodies(graph: &Graph) -> Vec<&Graph> {
    let ops = graph.eqns().iter().map(|eqn| eqn.primitive().op());
    ops.filter_map(|op| if let Op::Scan(scan) = op { Some(scan.body) } else { None }).collect()
}

fn count(graph: &Graph, name: &str) -> usize {
    graph.primitives().filter(|&other| other == name).count()
}

/// The shapes of what the loops of a graph give.
fn made(graph: &Graph) -> Vec<Vec<Vec<usize>>> {
    let loops = graph.eqns().iter().filter(|eqn| matches!(eqn.primitive().op(), Op::Scan(_)));
    loops.map(|eqn| eqn.outs().iter().map(|&out| graph.aval(out).shape.to_vec()).collect()).collect()
}

/// A recurrent layer: 5 steps of 2 examples, 3 features to 4.
fn recurrent(wi: &Tensor, wh: &Tensor, xs: Tensor) -> Result<Tensor> {
    let step = |h: Tensor, x: Tensor| {
        let h = (x.dot(wi) + h.dot(wh)).tanh();
        Ok((h.clone(), h))
    };
    Ok(scan(step).call(Tensor::zeros([2, 4]), xs)?.1)
}

#[test]
fn a_product_with_slices_is_one_product_over_all_steps() {
    let f = jit(|(wi, wh, xs): (Tensor, Tensor, Tensor)| recurrent(&wi, &wh, xs));
    let graph = f.graph(&(ones(&[3, 4]), ones(&[4, 4]), ones(&[5, 2, 3]))).unwrap();
    assert_eq!(count(&graph, "dot_general"), 1, "{graph}");
    assert_eq!(count(bodies(&graph)[0], "dot_general"), 1, "only the carry's product is left:\n{graph}");
}

#[test]
fn gradients_of_weights_are_one_product_over_all_steps() {
    let f = jit(|(wi, wh, xs): (Tensor, Tensor, Tensor)| {
        grad(|(wi, wh): &(Tensor, Tensor)| Ok(recurrent(wi, wh, xs.clone())?.sum()))(&(wi, wh))
    });
    let graph = f.graph(&(ones(&[3, 4]), ones(&[4, 4]), ones(&[5, 2, 3]))).unwrap();
    let bodies = bodies(&graph);
    assert_eq!(bodies.len(), 2, "a loop forward and one backward:\n{graph}");
    assert_eq!(count(bodies[1], "dot_general"), 1, "the pullback of the carry alone:\n{graph}");
    assert_eq!(count(&graph, "dot_general"), 3, "all inputs, and both weights:\n{graph}");
}

#[test]
fn what_no_step_changes_is_computed_once() {
    let f = jit(|(w, xs): (Tensor, Tensor)| {
        let step = |h: Tensor, x: Tensor| Ok(((h + x).dot(&w.exp().transpose([1, 0])), ()));
        scan(step).call(Tensor::zeros([2, 4]), xs)
    });
    let graph = f.graph(&(ones(&[4, 4]), ones(&[5, 2, 4]))).unwrap();
    assert_eq!((count(&graph, "exp"), count(bodies(&graph)[0], "exp")), (1, 0), "{graph}");
}

#[test]
fn the_backward_pass_is_given_what_it_reads_and_no_copy_of_what_is_there() {
    let f = jit(|(w, xs): (Tensor, Tensor)| {
        grad(|w: &Tensor| {
            // Reads the weight, the slice and the new carry.
            let step = |h: Tensor, x: Tensor| Ok(((h * w * &x).tanh(), ()));
            Ok(scan(step).call(ones(&[4]), xs.clone())?.0.sum())
        })(&w)
    });
    let graph = f.graph(&(ones(&[4]), ones(&[5, 4]))).unwrap();
    let kept = made(&graph)[0].iter().filter(|shape| shape[..] == [5, 4]).count();
    // The carry before a step, and the result of tanh, which is the carry after it.
    assert_eq!(kept, 2, "neither the weight for each step nor the slices once more:\n{graph}");
}

#[test]
fn with_a_checkpoint_inside_only_carries_are_kept() {
    let f = jit(|(w, xs): (Tensor, Tensor)| {
        grad(|w: &Tensor| {
            let step = |h: Tensor, x: Tensor| {
                let block =
                    checkpoint(|(h, w, x): &(Tensor, Tensor, Tensor)| Ok((h * w * x).tanh().exp().sin()));
                Ok((block.call(&(h, w.clone(), x))?, ()))
            };
            Ok(scan(step).call(ones(&[4]), xs.clone())?.0.sum())
        })(&w)
    });
    let graph = f.graph(&(ones(&[4]), ones(&[5, 4]))).unwrap();
    assert_eq!(made(&graph)[0], [vec![4], vec![5, 4]], "the last carry, and all carries:\n{graph}");
}

#[test]
fn results_that_nobody_reads_are_not_made() {
    let f = jit(|xs: Tensor| {
        let step = |(a, b): (Tensor, Tensor), x: Tensor| Ok(((&a + &x, b * &x), (a.sin(), x.exp())));
        let ((a, _), _) = scan(step).call((Tensor::zeros([2]), Tensor::ones([2])), xs)?;
        Ok(a)
    });
    let graph = f.graph(&ones(&[5, 2])).unwrap();
    assert_eq!(made(&graph), [[vec![2]]], "{graph}");
    assert_eq!(bodies(&graph)[0].len(), 1, "{graph}");
}

#[test]
fn the_number_of_steps_does_not_change_the_program() {
    let text = |length: usize| {
        let f = jit(move |x: Tensor| scan(|x: Tensor, (): ()| Ok((x.sin(), ()))).length(length).call(x, ()));
        f.graph(&ones(&[3])).unwrap().to_string().replace(&format!("length={length}"), "")
    };
    assert_eq!(text(3), text(3000));
}

#[test]
fn a_carry_that_is_given_away_is_written_in_place() {
    let f = jit(|(cache, xs): (Tensor, Tensor)| {
        let step = |(cache, at): (Tensor, Tensor), x: Tensor| {
            let cache = cache.try_dynamic_update_slice(&x, &[at.clone(), Tensor::from(0)])?;
            Ok(((cache, at + 1), ()))
        };
        let ((cache, _), ()) = scan(step).call((cache, Tensor::from(0)), xs)?;
        Ok(cache)
    });
    let xs = Tensor::arange(0, 24, 1).cast(DType::F32).reshape([6, 1, 4]);
    let cache = Tensor::zeros([8, 4]);
    let before = cache.array().unwrap().address();
    let cache = f.call((cache, xs)).unwrap();
    assert_eq!(cache.array().unwrap().address(), before);
    let expected: Vec<f32> = (0..32).map(|i| if i < 24 { i as f32 } else { 0.0 }).collect();
    assert_eq!(cache.to_vec::<f32>().unwrap(), expected);
}

#[test]
fn loops_of_large_arrays_give_what_a_loop_of_the_host_gives() {
    // Slices and results in place, branches and views, on every convention of memory there is.
    let w = random::normal(&random::key(1), [16, 16]) * 0.2;
    let xs = random::normal(&random::key(2), [7, 16, 16]);
    let step = |h: &Tensor, x: &Tensor| {
        let new = (h.dot(&w) + x).tanh();
        let sorted = x.sort(-1);
        let parts = new.split(4, -1);
        let kept = &parts[0] * &parts[3];
        (new.clone(), vec![new.clone(), sorted, kept, x.clone(), h.clone(), new.reshape([256]), h.sum()])
    };
    for reverse in [false, true] {
        let f = jit(|(h, xs): (Tensor, Tensor)| {
            let steps = scan(|h: Tensor, x: Tensor| Ok(step(&h, &x)));
            if reverse { steps.reverse().call(h, xs) } else { steps.call(h, xs) }
        });
        let mut h = xs.get(0);
        let mut all: Vec<Vec<Tensor>> = Vec::new();
        for i in 0..7 {
            let (new, ys) = step(&h, &xs.get(if reverse { 6 - i } else { i }));
            h = new;
            all.push(ys);
        }
        if reverse {
            all.reverse();
        }
        for _ in 0..2 {
            let (last, ys) = f.call((xs.get(0), xs.clone())).unwrap();
            assert_near(&last, &h);
            for (y, found) in ys.iter().enumerate() {
                let expected: Vec<Tensor> = all.iter().map(|ys| ys[y].clone()).collect();
                assert_near(found, &Tensor::try_stack(&expected, 0).unwrap());
            }
        }
    }
}

/// A recurrent layer with gates: two states, whose rows go their own ways, and a result that is read again.
fn gated(
    w: &Tensor,
    (c, h): (Tensor, Tensor),
    xs: Tensor,
    reverse: bool,
) -> Result<((Tensor, Tensor), Tensor)> {
    let step = |(c, h): (Tensor, Tensor), x: Tensor| {
        let parts = (h.dot(w) + x).split(4, -1);
        let c = parts[1].sigmoid() * c + parts[0].sigmoid() * parts[2].tanh();
        let h = parts[3].softmax(-1) * c.tanh();
        Ok(((c.clone(), h.clone()), h + c))
    };
    let step = scan(step);
    if reverse { step.reverse() } else { step }.call((c, h), xs)
}

#[test]
fn rows_that_go_their_own_ways_give_the_same_on_any_number_of_threads() {
    let normal = |shape: &[usize], seed: u32| random::normal(&key(seed.into()), shape) * 0.3;
    let (w, xs) = (normal(&[64, 256], 1), normal(&[9, 32, 256], 2));
    let first = (normal(&[32, 64], 3), normal(&[32, 64], 4));
    for reverse in [false, true] {
        let f = jit(move |(w, first, xs): (Tensor, (Tensor, Tensor), Tensor)| gated(&w, first, xs, reverse));
        let g = jit(move |(w, first, xs): (Tensor, (Tensor, Tensor), Tensor)| {
            let loss = |w: &Tensor, xs: &Tensor| {
                let ((c, _), ys) = gated(w, first.clone(), xs.clone(), reverse)?;
                Ok(ys.square().sum() + c.sum())
            };
            let of_w = grad(|w: &Tensor| loss(w, &xs))(&w)?;
            Ok((of_w, grad(|xs: &Tensor| loss(&w, xs))(&xs)?))
        });
        let args = || (w.clone(), first.clone(), xs.clone());
        let runs: Vec<_> = [1, 2, 3]
            .map(|threads| {
                flaxen::set_num_threads(threads);
                (f.call(args()).unwrap(), g.call(args()).unwrap())
            })
            .into();
        flaxen::set_num_threads(0);
        for (((c, h), ys), (of_w, of_xs)) in &runs {
            let (((c1, h1), ys1), (of_w1, of_xs1)) = &runs[0];
            for (x, y) in [(c, c1), (h, h1), (ys, ys1), (of_w, of_w1), (of_xs, of_xs1)] {
                assert!(x.array().unwrap().bytes() == y.array().unwrap().bytes());
            }
        }
        // Some of the rows by themselves.
        let ((c, h), ys) = &runs[0].0;
        for (start, end) in [(0, 5), (13, 19), (31, 32)] {
            let part = |x: &Tensor, axis: isize| x.slice_axis(axis, start..end);
            let states = (part(&first.0, 0), part(&first.1, 0));
            let ((own_c, own_h), own_ys) = gated(&w, states, part(&xs, 1), reverse).unwrap();
            assert_near(&part(c, 0), &own_c);
            assert_near(&part(h, 0), &own_h);
            assert_near(&part(ys, 1), &own_ys);
        }
        let own = grad(|xs: &Tensor| {
            let states = (first.0.slice_axis(0, 3..10), first.1.slice_axis(0, 3..10));
            let ((c, _), ys) = gated(&w, states, xs.clone(), reverse)?;
            Ok(ys.square().sum() + c.sum())
        })(&xs.slice_axis(1, 3..10))
        .unwrap();
        assert_near(&runs[0].1.1.slice_axis(1, 3..10), &own);
    }
}
