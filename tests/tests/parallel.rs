//! Many ranks: collectives between threads are those over the axis of a `vmap`, and no fault makes any of them wait for ever.

use std::time::Duration;

use flaxen::collectives;
use flaxen::parallel::{Replicas, World, spmd, zero};
use flaxen::prelude::*;
use flaxen::variables::{Boxed, Partitioned};
use flaxen_tests::numbers::Numbers;

/// Ranks that the laws are tested with.
const SIZES: [usize; 3] = [2, 3, 4];

/// Numbers without a pattern, of so many ranks or examples along the first axis.
fn examples(ranks: usize, shape: &[usize]) -> Tensor {
    let mut whole = vec![ranks];
    whole.extend(shape);
    random::normal(&key(7), whole)
}

fn assert_close(found: &Tensor, expected: &Tensor, tolerance: f64, what: &str) {
    let [found, expected] = [found, expected].map(|x| Numbers::of(x).unwrap());
    found.close(&expected, tolerance).unwrap_or_else(|difference| panic!("{what}: {difference}"));
}

/// A function of one example, or of one rank, gives the same over both kinds of axes: as it is, and compiled within and around.
fn check(name: &str, x: &Tensor, f: impl Fn(Tensor) -> Result<Tensor> + Sync) {
    let ranks = x.shape()[0];
    let expected = vmap(&f).axis_name("i").call(x.clone()).unwrap();
    let world = World::threads(ranks).limit(Duration::from_mins(1));
    let inside = jit(&f);
    for way in ["as it is", "compiled within", "compiled around"] {
        let outs = world.run(|world| {
            let own = x.try_get(world.rank() as isize)?;
            match way {
                "as it is" => spmd(&f).axis_name("i").run(world, own),
                "compiled within" => spmd(|x| inside.call(x)).axis_name("i").run(world, own),
                _ => jit(|x| spmd(&f).axis_name("i").run(world, x)).call(own),
            }
        });
        let found = Tensor::stack(&outs.unwrap_or_else(|error| panic!("{name}, {way}: {error}")), 0);
        assert_close(&found, &expected, 1e-6, &format!("{name} on {ranks} ranks, {way}"));
    }
}

#[test]
fn collectives_between_ranks_are_those_between_examples() {
    for ranks in SIZES {
        let x = examples(ranks, &[ranks, 2 * ranks, 3]);
        check("psum", &x, |x| x.psum("i"));
        check("pmean", &x, |x| x.pmean("i"));
        check("pmax", &x, |x| x.pmax("i"));
        check("pmin", &x, |x| x.pmin("i"));
        check("all_gather", &x, |x| x.all_gather("i", 1));
        check("all_gather_tiled", &x, |x| x.all_gather_tiled("i", -1));
        check("all_to_all", &x, |x| x.all_to_all("i", 0, 2));
        check("all_to_all_tiled", &x, |x| x.all_to_all_tiled("i", 1, 0));
        check("psum_scatter", &x, |x| x.psum_scatter("i", 0));
        check("psum_scatter_tiled", &x, |x| x.psum_scatter_tiled("i", 1));
        check("ppermute", &x, |x| x.ppermute("i", &[(0, 1), (1, 0)]));
        check("pshuffle", &x, move |x| x.pshuffle("i", &(0..ranks).rev().collect::<Vec<_>>()));
        check("axis_index", &x, |x| Ok(x * axis_index("i")?));
        check("two in a row", &x, |x| Ok((&x - x.pmean("i")?).square().psum("i")? + x.pmax("i")?));
    }
}

#[test]
fn collectives_between_ranks_take_every_dtype_that_those_between_examples_take() {
    for dtype in DType::ALL {
        let x = (examples(3, &[50]) * 100.0).cast(dtype);
        let check_exact = |name: &str, f: &(dyn Fn(Tensor) -> Result<Tensor> + Sync)| {
            let expected = vmap(f).axis_name("i").call(x.clone());
            let outs = World::threads(3)
                .run(|world| spmd(f).axis_name("i").run(world, x.try_get(world.rank() as isize)?));
            match (expected, outs) {
                (Ok(expected), Ok(outs)) => {
                    let found = Tensor::stack(&outs, 0);
                    assert_eq!(found.dtype(), expected.dtype(), "{name} of {dtype}");
                    assert_close(&found, &expected, 1e-6, &format!("{name} of {dtype}"));
                }
                (Err(_), Err(_)) => {}
                (expected, outs) => panic!("{name} of {dtype}: {expected:?} and {outs:?}"),
            }
        };
        check_exact("psum", &|x| x.psum("i"));
        check_exact("pmean", &|x| x.pmean("i"));
        check_exact("pmax", &|x| x.pmax("i"));
        check_exact("pmin", &|x| x.pmin("i"));
        check_exact("all_gather", &|x| x.all_gather("i", 0));
        check_exact("ppermute", &|x| x.ppermute("i", &[(0, 2)]));
    }
}

#[test]
fn extremes_between_ranks_keep_nan_on_every_rank() {
    for of in 0..3 {
        let outs = World::threads(3).run(|world| {
            let x = if world.rank() == of { f32::NAN } else { world.rank() as f32 };
            let both = |x: Tensor| Ok((x.pmax("i")?, x.pmin("i")?));
            let (most, least) = spmd(both).axis_name("i").run(world, Tensor::from(x))?;
            Ok(most.item::<f32>()?.is_nan() && least.item::<f32>()?.is_nan())
        });
        assert_eq!(outs.unwrap(), [true; 3]);
    }
}

/// A loss with a collective in it.
type Loss<'a> = &'a (dyn Fn(&Tensor) -> Result<Tensor> + Sync);

#[test]
fn gradients_flow_between_ranks_as_between_examples() {
    for ranks in SIZES {
        let x = examples(ranks, &[ranks, 3]);
        // Weights that differ between what each rank sends.
        let w = random::normal(&key(3), [ranks, 3]);
        let losses: [(&str, Loss<'_>); 8] = [
            ("psum", &|x| Ok((x.psum("i")? * &w).sin().sum())),
            ("pmean", &|x| Ok((x.pmean("i")? * x * &w).sum())),
            ("pmax", &|x| Ok((x.pmax("i")? * &w).sum())),
            ("pmin", &|x| Ok((x.pmin("i")? * x).sum())),
            ("all_gather", &|x| Ok((x.all_gather("i", 1)? * w.expand_dims([1])).sin().sum())),
            ("all_to_all", &|x| Ok((x.all_to_all("i", 0, 0)? * &w).sin().sum())),
            ("psum_scatter", &|x| Ok(x.psum_scatter("i", 0)?.square().sum())),
            ("ppermute", &|x| Ok((x.ppermute("i", &[(0, 1)])? * &w).sin().sum())),
        ];
        for (name, loss) in losses {
            check(&format!("the gradient of {name}"), &x, |x| grad(loss)(&x));
            check(&format!("the second derivative of {name}"), &x, |x| {
                grad(|x: &Tensor| Ok((grad(loss)(x)? * x).sum()))(&x)
            });
        }
    }
}

#[test]
fn a_gradient_is_taken_around_the_function_of_a_rank() {
    let x = examples(3, &[4]);
    let loss = |x: Tensor| Ok((x.psum("i")? * &x).sum());
    let expected =
        vmap(|x: Tensor| grad(|x: &Tensor| loss(x.clone()))(&x)).axis_name("i").call(x.clone()).unwrap();
    let found = World::threads(3).run(|world| {
        let own = x.try_get(world.rank() as isize)?;
        grad(|x: &Tensor| spmd(loss).axis_name("i").run(world, x.clone()))(&own)
    });
    assert_close(&Tensor::stack(&found.unwrap(), 0), &expected, 1e-6, "around");
}

#[test]
fn vmaps_within_a_rank_have_axes_of_their_own() {
    let x = examples(3, &[4, 5]);
    check("a mean over both axes", &x, |x| {
        let inner = |row: Tensor| row.pmean(["i", "j"]);
        vmap(inner).axis_name("j").call(x)
    });
    check("gathered within", &x, |x| vmap(|row: Tensor| row.all_gather("i", 0)).call(x));
    check("split within", &x, |x| vmap(|row: Tensor| row.slice_axis(0, 0..3).all_to_all("i", 0, 0)).call(x));
    // The inner axis hides the outer one of the same name.
    check("hidden", &x, |x| vmap(|row: Tensor| row.psum("i")).axis_name("i").call(x));
}

#[test]
fn loops_and_branches_talk_in_their_bodies() {
    let x = examples(3, &[4, 5]);
    check("scan", &x, |xs| {
        let step = |carry: Tensor, row: Tensor| {
            let next = (carry + row.psum("i")?).tanh();
            Ok((next.clone(), next * row))
        };
        let (last, rows) = scan(step).call(Tensor::zeros([5]), xs)?;
        Ok(rows + last)
    });
    check("the gradient of scan", &x, |xs| {
        grad(|xs: &Tensor| {
            let step = |carry: Tensor, row: Tensor| Ok(((carry + row.pmean("i")?).tanh(), row.square()));
            let (last, rows) = scan(step).call(Tensor::zeros([5]), xs.clone())?;
            Ok((rows * last).sum())
        })(&xs)
    });
    check("cond", &x, |x| {
        let sum = x.psum("i")?;
        cond(&sum.sum().gt(1e9), |x: Tensor| x.pmax("i"), |x: Tensor| x.pmin("i"))(sum)
    });
    check("checkpoint", &x, |x| {
        grad(|x: &Tensor| {
            let f = checkpoint(|x: &Tensor| Ok((x.psum("i")?.sin() * x).square().sum()));
            f.call(x)
        })(&x)
    });
}

#[test]
fn one_compiled_function_serves_all_ranks() {
    let step = jit(|x: Tensor| x.psum("i"));
    let world = World::threads(4);
    let outs = world.run(|world| {
        let mut x = Tensor::from(world.rank() as f32);
        for _ in 0..10 {
            x = spmd(|x| step.call(x)).axis_name("i").run(world, x)? * 0.25;
        }
        x.item::<f32>()
    });
    assert_eq!(outs.unwrap(), [1.5; 4]);
    assert_eq!(step.traces(), 1);
}

#[test]
fn trees_of_values_are_reduced_together() {
    let outs = World::threads(2).run(|world| {
        let tree = Dict::new().with("a", Tensor::from(world.rank() as f32)).with("b", Tensor::ones([3]));
        let sum = spmd(|tree: Dict| collectives::psum(&tree, "i")).axis_name("i").run(world, tree)?;
        Ok((sum.tensor("a")?.item::<f32>()?, sum.tensor("b")?.to_vec::<f32>()?))
    });
    assert_eq!(outs.unwrap(), vec![(1.0, vec![2.0; 3]); 2]);
}

#[test]
fn a_rank_that_fails_ends_all_with_its_error() {
    let outs = World::threads(3).run(|world| {
        spmd(|x: Tensor| {
            if axis_index("i")?.item::<i32>()? == 1 {
                return Err(Error::msg("the data of this rank are broken"));
            }
            x.psum("i")
        })
        .axis_name("i")
        .run(world, Tensor::ones([2]))
    });
    let Err(error) = outs else { panic!("it fails") };
    assert_eq!(error.to_string(), "rank 1 failed: the data of this rank are broken");
}

#[test]
fn a_rank_that_panics_ends_all_with_its_error() {
    let outs = World::threads(2).run(|world| {
        assert!(world.rank() == 0, "this rank has no data");
        spmd(|x: Tensor| x.psum("i")).axis_name("i").run(world, Tensor::ones([2]))
    });
    assert_eq!(outs.err().unwrap().to_string(), "rank 1 failed: it panicked: this rank has no data");
}

#[test]
fn a_rank_that_never_comes_is_waited_for_no_longer_than_the_limit() {
    let (send, receive) = std::sync::mpsc::channel::<()>();
    let receive = std::sync::Mutex::new(receive);
    let world = World::threads(3).limit(Duration::from_millis(50));
    let outs = world.run(|world| {
        if world.rank() == 2 {
            // Until the others have given up.
            let _ = receive.lock().unwrap().recv();
            return Ok(());
        }
        let sum = spmd(|x: Tensor| x.psum("i")).axis_name("i").run(world, Tensor::ones([2]));
        let error = sum.err().unwrap().to_string();
        send.send(()).unwrap();
        assert!(error.contains("`psum`: rank 2 did not come within 0.05 s"), "{error}");
        Ok(())
    });
    outs.unwrap();
}

#[test]
fn a_rank_that_has_ended_is_not_waited_for() {
    let outs = World::threads(2).run(|world| {
        if world.rank() == 1 {
            return Ok(());
        }
        spmd(|x: Tensor| x.psum("i")).axis_name("i").run(world, Tensor::ones([2])).map(|_| ())
    });
    let error = outs.err().unwrap().to_string();
    assert_eq!(error, "rank 1 failed: it has ended, and others wait for it in `psum`");
}

#[test]
fn ranks_that_do_not_do_the_same_are_told() {
    let outs = World::threads(2).run(|world| {
        let x = Tensor::ones([2 + world.rank()]);
        spmd(|x: Tensor| x.psum("i")).axis_name("i").run(world, x)
    });
    let error = outs.err().unwrap().to_string();
    assert!(error.contains("differs: it calls `psum` of f32["), "{error}");
    assert!(error.contains("where rank"), "{error}");
}

#[test]
fn an_axis_of_ranks_is_gone_when_their_function_has_ended() {
    let outs = World::threads(2).run(|world| {
        spmd(|x: Tensor| x.psum("i")).axis_name("i").run(world, Tensor::ones([2]))?;
        Ok(Tensor::ones([2]).psum("i").err().unwrap().to_string())
    });
    assert!(outs.unwrap()[0].starts_with("no axis named `i` here"));
    let outside = spmd(|x: Tensor| x.psum("i")).axis_name("i").run(&World::threads(2), Tensor::ones([2]));
    assert!(outside.err().unwrap().to_string().contains("within `world.run"));
    assert!(World::threads(0).run(|_| Ok(())).is_err());
}

/// A training step of a network of several layers: sums of gradients in between, and of a loss.
fn stepped(
    params: Vec<Tensor>,
    x: &Tensor,
    mean: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<(Vec<Tensor>, Tensor)> {
    let (loss, grads) = value_and_grad(|params: &Vec<Tensor>| {
        let last = params.iter().try_fold(x.clone(), |x, w| Ok::<_, Error>(x.dot(w).tanh()))?;
        Ok(last.square().mean())
    })(&params)?;
    let grads = grads.iter().map(&mean).collect::<Result<Vec<_>>>()?;
    let stepped = params.iter().zip(&grads).map(|(w, g)| w - g * 0.1).collect();
    Ok((stepped, mean(&loss)?))
}

/// Trains a step on three ranks, compares with one process, and gives the names of the steps.
fn steps_of_training(width: usize) -> Vec<&'static str> {
    let scale = 1.0 / (width as f32).sqrt();
    let params: Vec<Tensor> = (0..6).map(|i| random::normal(&key(i), [width, width]) * scale).collect();
    let x = random::normal(&key(9), [6, width]);
    let (expected, loss) = stepped(params.clone(), &x, |x| Ok(x.clone())).unwrap();
    let step = jit(|(params, x): (Vec<Tensor>, Tensor)| stepped(params, &x, |x| x.pmean("i")));
    let outs = World::threads(3).run(|world| {
        let own = x.slice_axis(0, 2 * world.rank() as isize..2 * world.rank() as isize + 2);
        let args = (params.clone(), own);
        let program = spmd_program(world, &step, &args)?;
        Ok((program, spmd(|args| step.call(args)).axis_name("i").run(world, args)?))
    });
    let outs = outs.unwrap();
    for (_, (found, found_loss)) in &outs {
        for (found, expected) in found.iter().zip(&expected) {
            assert_close(found, expected, 1e-6, "a parameter");
        }
        assert_close(found_loss, &loss, 1e-6, "the loss");
    }
    outs[0].0.clone()
}

#[test]
fn small_gradients_are_sent_in_one_buffer() {
    let program = steps_of_training(8);
    let count = |name| program.iter().filter(|&&step| step == name).count();
    assert_eq!((count("start_pmean"), count("finish_pmean"), count("pmean")), (1, 1, 0), "{program:?}");
}

#[test]
fn large_gradients_are_sent_while_others_are_computed() {
    let program = steps_of_training(512);
    let start = program.iter().position(|&step| step == "start_pmean").unwrap();
    let finish = program.iter().position(|&step| step == "finish_pmean").unwrap();
    let within = &program[start..finish];
    assert!(within.iter().filter(|&&step| step == "dot_general").count() > 4, "{program:?}");
    assert_eq!(within.iter().filter(|&&step| step == "start_pmean").count(), 7, "{program:?}");
}

/// Several tensors and one more.
type Tensors = (Vec<Tensor>, Tensor);

/// The steps of a compiled function on this rank.
fn spmd_program<F>(
    world: &World,
    step: &flaxen::Jit<F, Tensors, Tensors>,
    args: &Tensors,
) -> Result<Vec<&'static str>>
where
    F: Fn(Tensors) -> Result<Tensors>,
{
    let steps = std::cell::RefCell::new(Vec::new());
    spmd(|args: (Vec<Tensor>, Tensor)| {
        *steps.borrow_mut() = step.program(&args)?.steps().to_vec();
        Ok(())
    })
    .axis_name("i")
    .run(world, args.clone())?;
    Ok(steps.into_inner())
}

#[test]
fn replicas_that_differ_are_an_error_that_names_path_and_ranks() {
    let params =
        |of: usize| Dict::new().with("a/kernel", Tensor::ones([3])).with("b/bias", Tensor::from(of as f32));
    let same = World::threads(3).run(|world| Replicas::new(1).check(world, &params(0)));
    same.unwrap();
    let ended = World::threads(3).run(|world| {
        let mut replicas = Replicas::new(2);
        replicas.check(world, &params(0))?;
        // Nobody looks at the second one.
        replicas.check(world, &params(world.rank()))?;
        replicas.check(world, &params(world.rank() / 2))
    });
    let Err(Error::RanksDiffer { ranks, message }) = ended else { panic!("they differ") };
    assert_eq!(ranks, [2]);
    assert!(message.starts_with("its `b/bias` is not that of rank 0"), "{message}");
}

/// Parameters of which one is cut along its second axis.
fn partitioned() -> Dict {
    let kernel = Boxed::new(random::normal(&key(1), [3, 12]), Partitioned::new(["", "ranks"]));
    let odd = Boxed::new(random::normal(&key(2), [7]), Partitioned::new(["ranks"]));
    Dict::from([("kernel", kernel), ("odd", odd)]).with("bias", random::normal(&key(3), [5]))
}

type Trained = (Dict, AdamState<Dict>);

/// Steps of Adam on ranks that share out its state, from a whole state to a whole state.
fn train_shared(ranks: usize, steps: usize, begin: Option<Trained>) -> Trained {
    let outs = World::threads(ranks).run(|world| {
        let tx = zero(optim::adam(0.1), "ranks");
        let train = |(): ()| {
            let (mut params, mut state) = match &begin {
                Some((params, whole)) => (params.clone(), tx.own_state(whole, params)?),
                None => (partitioned(), tx.init(&partitioned())),
            };
            let step = jit(|(params, state): Trained| {
                let grads = tree::map(&params, |leaf| Ok(leaf.sin()))?;
                let (updates, state) = tx.update(&grads, &state, &params)?;
                Ok((optim::apply_updates(&params, &updates)?, state))
            });
            for _ in 0..steps {
                (params, state) = step.call((params, state))?;
            }
            let sizes: Vec<usize> = tree::leaves(&state.0.mu).iter().map(|leaf| leaf.size()).collect();
            assert_eq!(sizes, [5, 36 / world.size(), 7]);
            let whole = tx.whole_state(&state, &params)?;
            Ok((params, whole))
        };
        spmd(train).axis_name("ranks").run(world, ())
    });
    outs.unwrap().swap_remove(ranks - 1)
}

#[test]
fn an_optimizer_whose_state_is_shared_out_updates_as_a_whole_one() {
    let tx = optim::adam(0.1);
    let mut whole = (partitioned(), tx.init(&partitioned()));
    for _ in 0..4 {
        let grads = tree::map(&whole.0, |leaf| Ok(leaf.sin())).unwrap();
        let (updates, state) = tx.update(&grads, &whole.1, &whole.0).unwrap();
        whole = (optim::apply_updates(&whole.0, &updates).unwrap(), state);
    }
    // Half of it on two ranks, and on with three.
    let shared = train_shared(3, 2, Some(train_shared(2, 2, None)));
    for (found, expected) in tree::leaves(&shared).into_iter().zip(tree::leaves(&whole)) {
        assert_close(found, expected, 1e-6, "a leaf of the state");
    }
}

#[test]
fn a_whole_batch_is_cut_into_parts_and_put_together() {
    let (x, w) = (random::normal(&key(0), [5, 6]), random::normal(&key(1), [5]));
    let f = |(x, w): (Tensor, Tensor)| {
        let mean = x.mean_axes(1).pmean("i")?;
        Ok((w.dot(&x), x - mean.expand_dims([1]), mean))
    };
    let parts = spmd(f).axis_name("i").in_axes((1, None)).out_axes((0, 1, None));
    let (product, centred, mean) = parts.run_whole(&World::threads(3), (x.clone(), w.clone())).unwrap();
    assert_close(&product, &w.dot(&x), 1e-6, "a product");
    assert_close(&mean, &x.mean_axes(1), 1e-6, "means");
    assert_close(&centred, &(&x - x.mean_keep(1)), 1e-6, "centred");
    assert!(parts.run_whole(&World::threads(4), (x, w)).is_err(), "6 columns are not 4 equal parts");
}

#[test]
fn kernels_of_a_rank_have_its_share_of_the_threads() {
    let all = flaxen::num_threads();
    let shares = World::threads(2).run(|_| Ok(flaxen::num_threads())).unwrap();
    assert_eq!(shares, [all.div_ceil(2), (all / 2).max(1)]);
    assert_eq!(flaxen::num_threads(), all);
}

#[test]
fn a_thread_of_ones_own_talks_for_its_rank_through_a_handle() {
    let sums = World::threads(2).run(|world| {
        let sum = |x: Tensor| {
            let handle = flaxen::trace_handle();
            std::thread::scope(|scope| scope.spawn(|| handle.enter(|| x.psum("i"))).join().unwrap())
        };
        spmd(sum).axis_name("i").run(world, Tensor::from(1.0f32 + world.rank() as f32))?.item::<f32>()
    });
    assert_eq!(sums.unwrap(), [3.0, 3.0]);
}

#[test]
fn a_single_rank_talks_to_itself() {
    let sum = spmd(|x: Tensor| x.psum("i")?.all_gather("i", 0)).axis_name("i");
    let alone = sum.run(&World::single(), Tensor::from([1.0f32, 2.0])).unwrap();
    assert_eq!((alone.shape(), alone.to_vec::<f32>().unwrap()), (&[1, 2][..], vec![1.0, 2.0]));
}
