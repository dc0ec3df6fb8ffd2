//! Loops and branches as a user combines them, against loops and branches of Rust: `fori_loop`, `map`, and all of them inside one
//! another and under every transform.

use std::sync::{Arc, Mutex};

use flaxen::prelude::*;
use flaxen::{debug, map};
use flaxen_tests::numbers::{assert_close, assert_same, scalar, vector};

fn close(a: &Tensor, b: &Tensor) {
    assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()));
    let (a, b) = (a.cast(DType::F64), b.cast(DType::F64));
    let difference = (&a - &b).abs().max().item::<f64>().unwrap();
    assert!(difference <= 2e-5 * b.abs().max().item::<f64>().unwrap().max(1.0), "{a} and {b}");
}

/// Value, gradient and gradient of the gradient's square of a function of two vectors, each as it is and compiled.
fn derivatives(f: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) -> Vec<Tensor> {
    type Pair = (Tensor, Tensor);
    let args = (vector(&[0.3, -0.6, 0.9]), vector(&[0.5, 0.25, -0.75]));
    let loss = |(a, b): &Pair| Ok(f(a, b)?.sin().sum());
    let squares = |p: &Pair| {
        let (a, b) = grad(loss)(p)?;
        Ok((&a * &a).sum() + (&b * &b).sum())
    };
    let all = |p: Pair| {
        let (value, (a, b)) = value_and_grad(loss)(&p)?;
        let (c, d) = grad(squares)(&p)?;
        let (_, tangent) = jvp(loss, &p, &(p.1.clone(), p.0.clone()))?;
        Ok(vec![value, a, b, c, d, tangent])
    };
    let plain = all(args.clone()).unwrap();
    let compiled = jit(all).call(args).unwrap();
    plain.iter().zip(&compiled).for_each(|(a, b)| close(b, a));
    plain
}

/// The same of two functions; and over a batch with each argument mapped or not, of the first against each example of the second.
fn agree(f: impl Fn(&Tensor, &Tensor) -> Result<Tensor>, plain: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) {
    derivatives(&f).iter().zip(&derivatives(&plain)).for_each(|(a, b)| close(a, b));
    let (xs, ys) = (random::normal(&key(1), [4, 3]), random::normal(&key(2), [4, 3]) * 0.5);
    let slopes = |f: &dyn Fn(&Tensor, &Tensor) -> Result<Tensor>, (a, b): &(Tensor, Tensor)| {
        let (a, b) = grad(|(a, b): &(Tensor, Tensor)| Ok(f(a, b)?.sin().sum()))(&(a.clone(), b.clone()))?;
        Ok(a + b * 2.0)
    };
    for (in_x, in_y) in [(Some(0), Some(0)), (Some(0), None), (None, Some(0))] {
        let one = |i: isize| {
            (
                if in_x.is_some() { xs.get(i) } else { xs.get(0) },
                if in_y.is_some() { ys.get(i) } else { ys.get(0) },
            )
        };
        let args = (
            if in_x.is_some() { xs.clone() } else { xs.get(0) },
            if in_y.is_some() { ys.clone() } else { ys.get(0) },
        );
        let batched = |args: (Tensor, Tensor)| {
            let values =
                vmap(|(a, b): (Tensor, Tensor)| f(&a, &b)).in_axes((in_x, in_y)).call(args.clone())?;
            let slopes = vmap(|p: (Tensor, Tensor)| slopes(&f, &p)).in_axes((in_x, in_y)).call(args)?;
            Ok((values, slopes))
        };
        for (values, grads) in [batched(args.clone()).unwrap(), jit(batched).call(args).unwrap()] {
            for i in 0..4 {
                let (a, b) = one(i);
                close(&values.get(i), &plain(&a, &b).unwrap());
                close(&grads.get(i), &slopes(&plain, &(a, b)).unwrap());
            }
        }
    }
}

mod fori {
    use super::*;

    #[test]
    fn it_is_a_loop_of_rust_with_all_derivatives() {
        for (from, to) in [(0, 3), (2, 3), (3, 3), (5, 2), (-2, 1)] {
            agree(
                |a, b| fori_loop(from..to, |i, x: Tensor| Ok((x * b).sin() + i * 0.5))(a.clone()),
                |a, b| (from..to).try_fold(a.clone(), |x, i| Ok((x * b).sin() + f64::from(i) * 0.5)),
            );
        }
    }

    #[test]
    fn its_integer_is_a_bare_number_unless_its_bounds_are_tensors() {
        let seen = |dtype: DType| {
            let x = Tensor::zeros([2]).cast(dtype);
            fori_loop(0..2usize, |i, x: Tensor| Ok(x + i))(x).unwrap().dtype()
        };
        assert_eq!((seen(DType::BF16), seen(DType::U8)), (DType::BF16, DType::U8));
        let wide = Tensor::of(0i64, DType::I64)..Tensor::of(2i64, DType::I64);
        let last = fori_loop(wide, |i, _: Tensor| Ok(i))(Tensor::of(0i64, DType::I64)).unwrap();
        assert_eq!((last.dtype(), last.item::<i64>()), (DType::I64, Ok(1)));
    }

    #[test]
    fn bounds_that_are_not_known_make_a_while_loop() {
        let power = |(x, n): (Tensor, Tensor)| {
            fori_loop(Tensor::from(0)..n, |_, y: Tensor| Ok(y * &x))(Tensor::from(1.0f32))
        };
        let compiled = jit(power);
        for n in [-1, 0, 1, 5] {
            let y = compiled.call((scalar(2.0), Tensor::from(n))).unwrap();
            assert_eq!(y.item::<f32>(), Ok(2f32.powi(n.max(0))));
        }
        let each = vmap(power).in_axes((None, 0)).call((scalar(3.0), Tensor::from([0, 3, 1]))).unwrap();
        assert_close(&each, &[3], &[1., 27., 3.]);
        // Known where it runs, it has derivatives; compiled with its bounds as arguments, it has those of forward mode.
        let slope = grad(|x: &Tensor| power((x.clone(), Tensor::from(3))))(&scalar(2.0)).unwrap();
        assert_eq!(slope.item::<f32>(), Ok(12.0));
        let forward = jit(|(x, n): (Tensor, Tensor)| {
            Ok(jvp(|x: &Tensor| power((x.clone(), n.clone())), &x, &scalar(1.0))?.1)
        });
        assert_eq!(forward.call((scalar(2.0), Tensor::from(3))).unwrap().item::<f32>(), Ok(12.0));
        let reverse = jit(|(x, n): (Tensor, Tensor)| grad(|x: &Tensor| power((x.clone(), n.clone())))(&x));
        let error = reverse.call((scalar(2.0), Tensor::from(3))).unwrap_err().to_string();
        assert!(error.contains("while_loop") && error.contains("fori_loop"), "{error}");
    }

    #[test]
    fn wrong_bounds_and_states_are_errors() {
        let text = |error: Error| error.to_string();
        let half = fori_loop(Tensor::from(0.5)..Tensor::from(2.0), |_, x: Tensor| Ok(x));
        assert!(text(half(scalar(1.)).unwrap_err()).contains("a single integer"));
        let many = fori_loop(Tensor::from([0])..Tensor::from([1]), |_, x: Tensor| Ok(x));
        assert!(text(many(scalar(1.)).unwrap_err()).contains("a single integer"));
        let far = fori_loop(0..1i64 << 40, |_, x: Tensor| Ok(x));
        assert!(text(far(scalar(1.)).unwrap_err()).contains("32 bits"));
        let grows =
            fori_loop(0..2, |_, x: Vec<Tensor>| Ok(vec![Tensor::stack(&[x[0].clone(), x[0].clone()], 0)]));
        let error = text(grows(vec![scalar(1.)]).unwrap_err());
        assert!(error.contains("f32[2]") && error.contains("0`"), "{error}");
    }
}

mod mapped {
    use super::*;

    #[test]
    fn it_is_vmap_in_the_memory_of_a_few_slices() {
        let f = |(x, s): (Tensor, Tensor)| Ok((x.sin() * &s, s.exp()));
        for n in [0, 1, 2, 7, 8] {
            let xs = || (random::normal(&key(1), [n, 3]), random::normal(&key(2), [n]));
            let (a, b) = vmap(f).call(xs()).unwrap();
            for size in [None, Some(1), Some(2), Some(3), Some(8), Some(100)] {
                let g = map(f);
                let g = if let Some(size) = size { g.batch_size(size) } else { g };
                for (c, d) in [g.call(xs()).unwrap(), jit(|xs| g.call(xs)).call(xs()).unwrap()] {
                    assert_eq!(c.shape(), a.shape());
                    assert_eq!(d.shape(), b.shape());
                    if n > 0 {
                        close(&c, &a);
                        close(&d, &b);
                    }
                }
            }
        }
    }

    #[test]
    fn it_has_all_derivatives_and_batches() {
        agree(
            |a, b| map(|(x, y): (Tensor, Tensor)| Ok((x * y).sin())).call((a.clone(), b.clone())),
            |a, b| Ok((a * b).sin()),
        );
        agree(
            |a, b| map(|x: Tensor| Ok((x * b).cos().sum())).batch_size(2).call(a.clone()),
            |a, b| Ok((a.expand_dims([1]) * b).cos().sum_axes([1])),
        );
    }

    #[test]
    fn wrong_uses_are_errors() {
        let f = map(|(x, _): (Tensor, Tensor)| Ok(x));
        let error = f.call((vector(&[1.]), vector(&[1., 2.]))).unwrap_err().to_string();
        assert!(error.contains("2 slices at `1`"), "{error}");
        let error = f.call((vector(&[1.]), scalar(1.))).unwrap_err().to_string();
        assert!(error.contains("a scalar at `1`"), "{error}");
        assert!(map(|(): ()| Ok(())).call(()).is_err());
        assert!(map(|x: Tensor| Ok(x)).batch_size(0).call(vector(&[1.])).is_err());
    }
}

mod inside_one_another {
    use super::*;

    /// `x` halved until its square sum is small, by steps that no derivative sees, and what is left squared.
    fn while_in_scan(a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let (x, ys) = scan(|x: Tensor, y: Tensor| {
            let n = while_loop(
                |(n, y): &(Tensor, Tensor)| Ok(y.abs().gt(0.3) & n.lt(9)),
                |(n, y): (Tensor, Tensor)| Ok((n + 1, y * 0.5)),
            )((Tensor::from(0), y.stop_gradient()))?
            .0;
            let x = (x * &y + n.cast(DType::F32) * 0.1).sin();
            Ok((x.clone(), x.sum()))
        })
        .call(a.clone(), b.clone())?;
        Ok(x + ys)
    }

    fn while_in_scan_in_rust(a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let mut x = a.clone();
        let mut ys = Vec::new();
        for i in 0..3 {
            let y = b.get(i);
            // Masks, as there is no value to ask for under a transform.
            let (mut n, mut size) = (Tensor::from(0.0f32), y.stop_gradient().abs());
            for _ in 0..9 {
                let large = size.gt(0.3);
                n += large.cast(DType::F32);
                size = large.select(&size * 0.5, &size);
            }
            x = (x * &y + n * 0.1).sin();
            ys.push(x.sum());
        }
        Ok(x + Tensor::try_stack(&ys, 0)?)
    }

    #[test]
    fn a_while_loop_in_a_scan() {
        agree(while_in_scan, while_in_scan_in_rust);
    }

    #[test]
    fn a_cond_in_a_scan_whose_predicate_is_data() {
        agree(
            |a, b| {
                let step = |x: Tensor, y: Tensor| {
                    let x =
                        cond(&y.gt(0.0), |x: Tensor| Ok((x * &y).sin()), |x: Tensor| Ok(x.exp() * 0.3 + &y))(
                            x,
                        )?;
                    Ok((x.clone(), x.mean()))
                };
                let (x, means) = scan(step).reverse().call(a.clone(), b.clone())?;
                Ok(x + means)
            },
            |a, b| {
                let (mut x, mut means) = (a.clone(), Vec::new());
                for i in (0..3).rev() {
                    let y = b.get(i);
                    x = y.gt(0.0).select((&x * &y).sin(), x.exp() * 0.3 + &y);
                    means.push(x.mean());
                }
                means.reverse();
                Ok(x + Tensor::try_stack(&means, 0)?)
            },
        );
    }

    #[test]
    fn a_switch_in_a_fori_loop_in_a_checkpoint() {
        let plain = |a: &Tensor, b: &Tensor| {
            Ok((0..4).fold(a.clone(), |x, i| match i {
                0 => (x * b).sin(),
                1 => x + b,
                _ => (x.cos() * b).tanh(),
            }))
        };
        for policy in [checkpoint::nothing(), checkpoint::everything(), checkpoint::dots()] {
            let f = checkpoint(|(a, b): &(Tensor, Tensor)| {
                fori_loop(0..4, |i, x: Tensor| {
                    let branches = (
                        |x: Tensor| Ok((x * b).sin()),
                        |x: Tensor| Ok(x + b),
                        |x: Tensor| Ok((x.cos() * b).tanh()),
                    );
                    switch(&i, branches)(x)
                })(a.clone())
            })
            .policy(policy);
            agree(|a, b| f.call(&(a.clone(), b.clone())), plain);
        }
    }

    #[test]
    fn scans_in_scans_with_checkpoints_and_rules_of_ones_own_inside() {
        let swish = custom_jvp(
            |x: &Tensor| Ok(x * x.sigmoid()),
            |x: &Tensor, dx: &Tensor| {
                let s = x.sigmoid();
                Ok((x * &s, dx * (&s + x * &s * (1.0 - &s))))
            },
        );
        agree(
            |a, b| {
                let outer = |x: Tensor, y: Tensor| {
                    let inner = |x: Tensor, z: Tensor| {
                        let x = checkpoint(|(x, y): &(Tensor, Tensor)| swish.call(&(x * y)))
                            .call(&(x + z, y.clone()))?;
                        Ok((x.clone(), x.sum()))
                    };
                    let (x, sums) = scan(inner).call(x, b.clone())?;
                    Ok((x, sums.sum()))
                };
                let (x, sums) = scan(outer).unroll(2).call(a.clone(), b.clone())?;
                Ok(x + sums)
            },
            |a, b| {
                let (mut x, mut sums) = (a.clone(), Vec::new());
                for i in 0..3 {
                    let mut sum = Tensor::from(0.0f32);
                    for j in 0..3 {
                        let y = (x + b.get(j)) * b.get(i);
                        x = &y * y.sigmoid();
                        sum += x.sum();
                    }
                    sums.push(sum);
                }
                Ok(x + Tensor::try_stack(&sums, 0)?)
            },
        );
    }

    /// What goes from the loop forward to the loop backward, by the policy of a checkpoint around each step of four layers.
    #[test]
    fn a_checkpoint_around_the_body_keeps_nothing_but_carries() {
        let w = random::normal(&key(0), [8, 8]);
        let stacked = |policy: Option<checkpoint::Policy>| {
            let layers = |x: &Tensor| (0..4).try_fold(x.clone(), |x, _| Ok(x.dot(&w).tanh()));
            let loss = |x: &Tensor| {
                let step = |x: Tensor, (): ()| match policy.clone() {
                    Some(policy) => Ok((checkpoint(layers).policy(policy).call(&x)?, ())),
                    None => Ok((layers(&x)?, ())),
                };
                Ok(scan(step).length(5).call(x.clone(), ())?.0.sum())
            };
            let graph = jit(|x: Tensor| grad(loss)(&x)).graph(&Tensor::ones([2, 8])).unwrap();
            let forward = graph.eqns().iter().find(|eqn| eqn.primitive().name() == "scan").unwrap();
            forward.outs().iter().filter(|&&out| graph.aval(out).shape[..] == [5, 2, 8]).count()
        };
        assert_eq!(stacked(Some(checkpoint::nothing())), 1);
        assert_eq!(stacked(Some(checkpoint::dots())), 4);
        assert_eq!(stacked(Some(checkpoint::everything())), 4);
        assert_eq!(stacked(None), 4);
    }

    #[test]
    fn a_gradient_inside_of_a_loop() {
        // Gradient descent on (x·b − a)².
        agree(
            |a, b| {
                fori_loop(0..4, |_, x: Tensor| {
                    let slope = grad(|x: &Tensor| Ok((x * b - a).square().sum()))(&x)?;
                    Ok(x - slope * 0.1)
                })(a.clone())
            },
            |a, b| Ok((0..4).fold(a.clone(), |x, _| &x - (&x * b - a) * b * 0.2)),
        );
    }

    #[test]
    fn a_vmap_inside_of_a_loop_and_axes_that_it_talks_over() {
        agree(
            |a, b| {
                let step = |x: Tensor, y: Tensor| {
                    let centred = vmap(|x: Tensor| Ok((&x - x.pmean("i")?) * &y)).axis_name("i");
                    let x = centred.call(x)?.cos();
                    Ok((x, ()))
                };
                Ok(scan(step).call(a.clone(), b.clone())?.0)
            },
            |a, b| Ok((0..3).fold(a.clone(), |x, i| ((&x - x.mean()) * b.get(i)).cos())),
        );
        let outside =
            vmap(|x: Tensor| fori_loop(0..2, |_, x: Tensor| Ok(&x - x.pmean("i")? * 0.5))(x)).axis_name("i");
        // 1, 3 has the mean 2, and then 1.
        assert_close(&outside.call(vector(&[1., 3.])).unwrap(), &[2], &[-0.5, 1.5]);
    }
}

mod effects {
    use super::*;

    type Seen = Arc<Mutex<Vec<f32>>>;

    fn record(seen: &Seen, x: &Tensor) -> Result<()> {
        let seen = seen.clone();
        let record = move |x: Tensor| {
            seen.lock().unwrap().push(x.item()?);
            Ok(())
        };
        debug::callback(record, x)
    }

    fn take(seen: &Seen) -> Vec<f32> {
        std::mem::take(&mut *seen.lock().unwrap())
    }

    #[test]
    fn they_happen_at_each_step_of_a_loop_and_in_the_branch_that_is_taken() {
        let seen = Seen::default();
        let f = |x: Tensor| {
            let (x, ()) = scan(|x: Tensor, y: Tensor| {
                record(&seen, &y)?;
                // Nothing depends on a step, and still it is one each time.
                record(&seen, &Tensor::from(7.0f32))?;
                Ok((x + y, ()))
            })
            .call(x, vector(&[1., 2.]))?;
            let x = while_loop(
                |x: &Tensor| Ok(x.lt(6.0)),
                |x: Tensor| {
                    record(&seen, &x)?;
                    Ok(x + 1.0)
                },
            )(x)?;
            cond(
                &x.gt(100.0),
                |x: Tensor| {
                    record(&seen, &Tensor::from(-1.0f32))?;
                    Ok(x)
                },
                |x: Tensor| {
                    record(&seen, &(&x * 10.0))?;
                    Ok(x)
                },
            )(x)
        };
        let expected = [1., 7., 2., 7., 3.5, 4.5, 5.5, 65.];
        f(scalar(0.5)).unwrap();
        assert_eq!(take(&seen), expected);
        let compiled = jit(f);
        for _ in 0..2 {
            compiled.call(scalar(0.5)).unwrap();
            assert_eq!(take(&seen), expected);
        }
    }

    #[test]
    fn under_grad_they_happen_once_and_in_order() {
        let seen = Seen::default();
        let f = |x: &Tensor| {
            let step = |x: Tensor, y: Tensor| {
                let x = (x * &y).sin();
                record(&seen, &(&x * 0.0 + &y))?;
                Ok((x, ()))
            };
            Ok(scan(step).call(x.clone(), vector(&[1., 2., 3.]))?.0)
        };
        for result in [grad(f)(&scalar(0.5)), jit(|x: Tensor| grad(f)(&x)).call(scalar(0.5))] {
            result.unwrap();
        }
        assert_eq!(take(&seen), [1., 2., 3., 1., 2., 3.]);
        let again = checkpoint(f);
        jit(|x: Tensor| grad(|x: &Tensor| again.call(x))(&x)).call(scalar(0.5)).unwrap();
        assert_eq!(take(&seen), [1., 2., 3.]);
    }

    #[test]
    fn a_loop_for_nobody_but_its_effects_runs() {
        let seen = Seen::default();
        let f = jit(|x: Tensor| {
            scan(|n: Tensor, x: Tensor| {
                record(&seen, &(x + &n))?;
                Ok((n + 10.0, ()))
            })
            .call(scalar(0.0), x.clone())?;
            Ok(x.sum())
        });
        f.call(vector(&[1., 2., 3.])).unwrap();
        assert_eq!(take(&seen), [1., 12., 23.]);
    }

    #[test]
    fn under_vmap_each_step_has_all_examples() {
        let seen = Seen::default();
        let f = vmap(|x: Tensor| {
            fori_loop(0..2, |_, x: Tensor| {
                record(&seen, &x)?;
                Ok(x * 10.0)
            })(x)
        });
        assert_same(&f.call(vector(&[1., 2.])).unwrap(), &vector(&[100., 200.]));
        assert_eq!(take(&seen), [1., 2., 10., 20.]);
    }

    #[test]
    fn loops_branches_and_calls_whose_results_nobody_reads_still_happen_in_order() {
        let seen = Seen::default();
        let f = jit(|x: Tensor| {
            let shown = |x: Tensor| {
                record(&seen, &x)?;
                Ok(x * 2.0)
            };
            cond(&x.gt(0.0), shown, |x: Tensor| Ok(x))(&x + 1.0)?;
            while_loop(|x: &Tensor| Ok(x.lt(3.0)), shown)(x.clone())?;
            checkpoint(|x: &Tensor| shown(x * 10.0)).call(&x)?;
            let each = vmap(|y: Tensor| cond(&y.gt(0.0), shown, |x: Tensor| Ok(x))(y.clone()));
            each.call(Tensor::stack(&[&x * 0.25, &x * -0.5], 0))?;
            Ok(x)
        });
        for _ in 0..2 {
            f.call(scalar(1.0)).unwrap();
            // Where the predicate is mapped, both branches run for all examples.
            assert_eq!(take(&seen), [2., 1., 2., 10., 0.25, -0.5]);
        }
    }
}
