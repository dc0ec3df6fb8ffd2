//! Many ranks: collectives between threads are those over the axis of a `vmap`, and no fault makes any of them wait for ever.

use std::time::Duration;

use flaxen::parallel::{World, spmd};
use flaxen::prelude::*;
use flaxen::{DType, collectives};
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
    let world = World::threads(ranks).limit(Duration::from_secs(60));
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

#[test]
fn gradients_flow_between_ranks_as_between_examples() {
    for ranks in SIZES {
        let x = examples(ranks, &[ranks, 3]);
        // Weights that differ between what each rank sends.
        let w = random::normal(&key(3), [ranks, 3]);
        let losses: [(&str, &(dyn Fn(&Tensor) -> Result<Tensor> + Sync)); 8] = [
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
    check("split within", &x, |x| vmap(|row: Tensor| row.slice_axis(0, 0, 3).all_to_all("i", 0, 0)).call(x));
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
