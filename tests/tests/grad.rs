//! Reverse mode: `grad`, `value_and_grad`, `vjp`.

use std::cell::{Cell, RefCell};

use flaxen::prelude::*;
use flaxen_tests::jax;
use flaxen_tests::numbers::{assert_close, product, scalar, tensor, tensor64, total, vector};
use serde_json::Value as Json;

#[test]
fn gradients_have_the_structure_shapes_and_dtypes_of_the_argument() {
    let params = (tensor(&[2, 3], &[0.5; 6]), tensor64(&[2], &[1.0, 2.0]), vector(&[3.0]).cast(DType::BF16));
    let (a, b, c) = grad(|(a, b, c): &(Tensor, Tensor, Tensor)| {
        Ok(total(&(a * a)).cast(DType::F64) + total(&(b * b)) + total(c).cast(DType::F64))
    })(&params)
    .unwrap();
    assert_close(&a, &[2, 3], &[1.0; 6]);
    assert_close(&b, &[2], &[2.0, 4.0]);
    assert_close(&c, &[1], &[1.0]);
    assert_eq!((a.dtype(), b.dtype(), c.dtype()), (DType::F32, DType::F64, DType::BF16));
    assert!(!a.aval().weak && !b.aval().weak && !c.aval().weak);
}

#[test]
fn integer_and_boolean_leaves_get_zeros() {
    let params = (vector(&[2.0, 3.0]), Tensor::from([1i32, 2]), Tensor::from([true, false]));
    let f = |(x, n, b): &(Tensor, Tensor, Tensor)| Ok(total(&b.select(x * n, x * 10.0)));
    let (dx, dn, db) = grad(f)(&params).unwrap();
    assert_close(&dx, &[2], &[1.0, 10.0]);
    assert_eq!((dn.dtype(), dn.to_vec::<i32>().unwrap()), (DType::I32, vec![0, 0]));
    assert_eq!((db.dtype(), db.to_vec::<bool>().unwrap()), (DType::Bool, vec![false, false]));
}

#[test]
fn a_leaf_the_loss_does_not_depend_on_gets_zeros() {
    let (dx, dy) = grad(|(x, _): &(Tensor, Tensor)| Ok(x * x))(&(scalar(3.0), vector(&[1.0, 2.0]))).unwrap();
    assert_close(&dx, &[], &[6.0]);
    assert_close(&dy, &[2], &[0.0, 0.0]);
    let none = grad(|_: &Tensor| Ok(scalar(1.0)))(&vector(&[1.0])).unwrap();
    assert_close(&none, &[1], &[0.0]);
}

#[test]
fn derivatives_of_every_order_follow_from_nesting() {
    let f = |x: &Tensor| Ok(x * x * x * x);
    let d1 = grad(f);
    let d2 = grad(&d1);
    let d3 = grad(&d2);
    let d4 = grad(&d3);
    let at = scalar(2.0);
    let values = [d1(&at), d2(&at), d3(&at), d4(&at)].map(|d| d.unwrap().item::<f32>().unwrap());
    assert_eq!(values, [32.0, 48.0, 48.0, 24.0]);
}

#[test]
fn third_derivatives_of_a_transcendental_function() {
    // (sin x · exp x)''' = 2 exp x (cos x - sin x)
    let f = |x: &Tensor| Ok(x.sin() * x.exp());
    let x = 0.4f32;
    let d3 = grad(grad(grad(f)))(&scalar(x)).unwrap();
    assert_close(&d3, &[], &[f64::from(2.0 * x.exp() * (x.cos() - x.sin()))]);
}

#[test]
fn perturbations_are_not_confused() {
    let at =
        |f: &dyn Fn(&Tensor) -> Result<Tensor>, x: f32| grad(f)(&scalar(x)).unwrap().item::<f32>().unwrap();
    // d/dx (x · d/dy (x + y)) = d/dx x
    assert_eq!(at(&|x| Ok(x * grad(|y: &Tensor| Ok(x + y))(&scalar(1.0))?), 1.0), 1.0);
    // d/dx (x · d/dy (x·y)) = d/dx x²
    assert_eq!(at(&|x| Ok(x * grad(|y: &Tensor| Ok(x * y))(&scalar(1.0))?), 3.0), 6.0);
    // The inner function returns a value of the outer tape only.
    assert_eq!(at(&|x| Ok(x * grad(|_: &Tensor| Ok(x * x))(&scalar(1.0))?), 3.0), 0.0);
    // The inner point is the outer variable: d/dx (d/dy (x·y²) at y = x) = d/dx 2x².
    assert_eq!(at(&|x| grad(|y: &Tensor| Ok(x * y * y))(x), 3.0), 12.0);
}

#[test]
fn control_flow_reads_values() {
    let f = |x: &Tensor| {
        let mut y = x.clone();
        while y.item::<f32>()? < 100.0 {
            y = &y * x;
        }
        Ok(if y.item::<f32>()? > 200.0 { y * 2.0 } else { y })
    };
    let at = |x: f32| grad(f)(&scalar(x)).unwrap().item::<f32>().unwrap();
    assert_eq!(at(3.0), 2.0 * 5.0 * 81.0); // 2·x⁵
    assert_eq!(at(5.0), 3.0 * 25.0); // x³
    assert_eq!(grad(grad(f))(&scalar(5.0)).unwrap().item::<f32>(), Ok(6.0 * 5.0));
}

#[test]
fn values_print_while_they_are_differentiated() {
    let seen = RefCell::new(String::new());
    grad(|x: &Tensor| {
        let y = x * 2.0;
        *seen.borrow_mut() = format!("{y:?}");
        Ok(y)
    })(&scalar(1.5))
    .unwrap();
    assert!(seen.borrow().contains("3."), "{}", seen.borrow());
}

#[test]
fn auxiliary_values_come_back_untraced() {
    let f = |(a, b): &(Tensor, Tensor)| {
        let product = a * b;
        Ok((product.sin(), (product, a + 1.0)))
    };
    let ((loss, (product, next)), (da, db)) = value_and_grad(f)(&(scalar(0.5), scalar(2.0))).unwrap();
    assert_close(&loss, &[], &[f64::from(1f32.sin())]);
    assert_eq!(product.item::<f32>(), Ok(1.0));
    assert_eq!((next * 2.0).item::<f32>(), Ok(3.0));
    assert_close(&da, &[], &[f64::from(2.0 * 1f32.cos())]);
    assert_close(&db, &[], &[f64::from(0.5 * 1f32.cos())]);
}

#[test]
fn a_pullback_may_be_called_again() {
    let (y, pullback) = vjp(|x: &Tensor| Ok(x * x), &vector(&[1.0, 2.0, 3.0])).unwrap();
    assert_close(&y, &[3], &[1.0, 4.0, 9.0]);
    assert_close(&pullback(&vector(&[1.0, 0.0, 0.0])).unwrap(), &[3], &[2.0, 0.0, 0.0]);
    assert_close(&pullback(&vector(&[0.0, 1.0, 1.0])).unwrap(), &[3], &[0.0, 4.0, 6.0]);
}

#[test]
fn a_pullback_checks_its_cotangent() {
    let (_, pullback) = vjp(|x: &Tensor| Ok(x * x), &vector(&[1.0, 2.0])).unwrap();
    assert!(matches!(pullback(&vector(&[1.0])), Err(Error::Shape { op: "vjp", .. })));
    let (_, pullback) = vjp(|x: &Tensor| Ok(vec![x.clone()]), &scalar(1.0)).unwrap();
    assert!(matches!(pullback(&vec![]), Err(Error::Structure { .. })));
}

#[test]
fn a_pullback_takes_a_cotangent_of_another_float_dtype() {
    let (_, pullback) = vjp(|x: &Tensor| Ok(x * x), &vector(&[1.0, 2.0])).unwrap();
    let dx = pullback(&tensor64(&[2], &[1.0, 10.0])).unwrap();
    assert_eq!(dx.dtype(), DType::F32);
    assert_close(&dx, &[2], &[2.0, 40.0]);
}

#[test]
fn a_value_used_many_times_collects_all_its_gradients() {
    let f = |x: &Tensor| {
        let mut sum = x * 0.0;
        for i in 0..10 {
            sum += x * f64::from(i);
        }
        Ok(sum)
    };
    assert_eq!(grad(f)(&scalar(1.0)).unwrap().item::<f32>(), Ok(45.0));
}

#[test]
fn no_gradient_flows_through_stop_gradient() {
    let f = |x: &Tensor| Ok(x * x.stop_gradient());
    assert_eq!(grad(f)(&scalar(3.0)).unwrap().item::<f32>(), Ok(3.0));
}

#[test]
fn a_shared_layer_gets_the_sum_of_its_gradients() {
    let (x, w) = (tensor(&[1, 2], &[1.0, 2.0]), tensor(&[2, 2], &[0.1, 0.2, 0.3, 0.4]));
    let twice = grad(|w: &Tensor| Ok(total(&product(&product(&x, w), w))))(&w).unwrap();
    let parts =
        grad(|(a, b): &(Tensor, Tensor)| Ok(total(&product(&product(&x, a), b))))(&(w.clone(), w)).unwrap();
    let sum = (parts.0 + parts.1).to_vec::<f32>().unwrap();
    assert_close(&twice, &[2, 2], &sum.into_iter().map(f64::from).collect::<Vec<_>>());
}

#[test]
fn operations_on_integers_do_not_stop_a_gradient_elsewhere() {
    let f = |x: &Tensor| {
        let count = x.gt(0.0).cast(DType::I32).sum_axes([0]);
        Ok((x * count).sum_axes([0]))
    };
    assert_close(&grad(f)(&vector(&[1.0, -1.0, 2.0])).unwrap(), &[3], &[2.0; 3]);
}

#[test]
fn a_cast_carries_the_gradient_back_in_the_first_dtype() {
    let dx = grad(|x: &Tensor| Ok(total(&(x.cast(DType::BF16) * 3.0))))(&vector(&[1.0, 2.0])).unwrap();
    assert_eq!(dx.dtype(), DType::F32);
    assert_close(&dx, &[2], &[3.0, 3.0]);
    let through_integers = grad(|x: &Tensor| Ok(total(&x.cast(DType::I32).cast(DType::F32))));
    assert_close(&through_integers(&vector(&[1.5])).unwrap(), &[1], &[0.0]);
}

#[test]
fn a_long_chain_is_freed_without_recursion() {
    let f = |x: &Tensor| Ok((0..200_000).fold(x.clone(), |y, _| y * 1.0));
    assert_eq!(grad(f)(&scalar(3.0)).unwrap().item::<f32>(), Ok(1.0));
    let (_, pullback) = vjp(f, &scalar(3.0)).unwrap();
    assert_eq!(pullback(&scalar(2.0)).unwrap().item::<f32>(), Ok(2.0));
}

#[test]
fn the_function_is_called_once() {
    let calls = Cell::new(0);
    let f = |x: &Tensor| {
        calls.set(calls.get() + 1);
        Ok(x * x)
    };
    value_and_grad(f)(&scalar(1.0)).unwrap();
    assert_eq!(calls.get(), 1);
}

/// Under eager `grad` an operation whose backward rule does not read its argument writes into it.
#[test]
fn buffers_the_backward_pass_does_not_read_are_used_again() {
    let address = |x: &Tensor| x.array().unwrap().address();
    let big = vector(&[0.5; 1024]);
    grad(|x: &Tensor| {
        let a = x + 1.0;
        let first = address(&a);
        let b = a + 2.0; // the sum keeps nothing
        assert_eq!(address(&b), first, "a sum was written elsewhere");
        let c = -b;
        assert_eq!(address(&c), first, "a negation was written elsewhere");
        let d = c * 3.0; // only the other factor is kept
        assert_eq!(address(&d), first, "a product with a constant was written elsewhere");
        let e = d.exp(); // keeps its output
        let kept = address(&e);
        let f = e + 1.0;
        assert_ne!(address(&f), kept, "a kept value was written over");
        Ok(f.sum_axes([0]))
    })(&big)
    .unwrap();
}

/// A function of the table of kinks.
fn kinked(name: &str, parameter: Option<&str>, x: &[Tensor]) -> Result<Tensor> {
    let float = || parameter.expect("a parameter").parse::<f64>().expect("a number");
    let weighted = |x: Tensor| {
        let weights: Vec<f32> = (0..x.shape()[1]).map(|i| 2f32.powi(i as i32)).collect();
        x.try_mul(Tensor::from(weights))
    };
    if parameter == Some("weighted") {
        return weighted(kinked(name, None, x)?);
    }
    let pooled = || x[0].reshape([x[0].shape()[0], 3, 1]);
    match name {
        "abs" => x[0].try_abs(),
        "sign" => x[0].try_sign(),
        "relu" => x[0].try_relu(),
        "relu6" => x[0].try_relu6(),
        "elu" => x[0].try_elu(1.0),
        "celu" => x[0].try_celu(1.0),
        "selu" => x[0].try_selu(),
        "gelu" => x[0].try_gelu(),
        "gelu_exact" => x[0].try_gelu_exact(),
        "hard_tanh" => x[0].try_hard_tanh(),
        "hard_sigmoid" => x[0].try_hard_sigmoid(),
        "hard_silu" => x[0].try_hard_silu(),
        "silu" => x[0].try_silu(),
        "softplus" => x[0].try_softplus(),
        "log_sigmoid" => x[0].try_log_sigmoid(),
        "soft_sign" => x[0].try_soft_sign(),
        "leaky_relu" => x[0].try_leaky_relu(0.25),
        "sqrt" => x[0].try_sqrt(),
        "rsqrt" => x[0].try_rsqrt(),
        "cbrt" => x[0].try_cbrt(),
        "floor" => x[0].try_floor(),
        "round" => x[0].try_round(),
        "trunc" => x[0].try_trunc(),
        "ceil" => x[0].try_ceil(),
        "log" => x[0].try_log(),
        "log1p" => x[0].try_log1p(),
        "log2" => x[0].try_log2(),
        "log10" => x[0].try_log10(),
        "exp" => x[0].try_exp(),
        "exp2" => x[0].try_exp2(),
        "expm1" => x[0].try_expm1(),
        "asin" => x[0].try_asin(),
        "acos" => x[0].try_acos(),
        "atan" => x[0].try_atan(),
        "asinh" => x[0].try_asinh(),
        "acosh" => x[0].try_acosh(),
        "atanh" => x[0].try_atanh(),
        "tanh" => x[0].try_tanh(),
        "sinh" => x[0].try_sinh(),
        "cosh" => x[0].try_cosh(),
        "sin" => x[0].try_sin(),
        "cos" => x[0].try_cos(),
        "tan" => x[0].try_tan(),
        "logistic" => x[0].try_logistic(),
        "erf" => x[0].try_erf(),
        "erfc" => x[0].try_erfc(),
        "erf_inv" => x[0].try_erf_inv(),
        "lgamma" => x[0].try_lgamma(),
        "digamma" => x[0].try_digamma(),
        "square" => x[0].try_square(),
        "reciprocal" => x[0].try_reciprocal(),
        "powi" => x[0].try_powi(float() as i32),
        "maximum" => x[0].try_maximum(&x[1]),
        "minimum" => x[0].try_minimum(&x[1]),
        "pow" => x[0].try_pow(&x[1]),
        "atan2" => x[0].try_atan2(&x[1]),
        "hypot" => x[0].try_hypot(&x[1]),
        "logaddexp" => x[0].try_logaddexp(&x[1]),
        "fmod" => x[0].try_fmod(&x[1]),
        "remainder" => x[0].try_remainder(&x[1]),
        "floor_divide" => x[0].try_floor_divide(&x[1]),
        "div" => x[0].try_div(&x[1]),
        "clip" => x[0].try_clip(&x[1], &x[2]),
        "clip_low" => x[0].try_clip(&x[1], None),
        "clip_high" => x[0].try_clip(None, &x[1]),
        "clamp" => x[0].try_clamp(&x[1], &x[2]),
        "select" => x[0].try_gt(0.0)?.try_select(&x[0], &x[1]),
        "sum" => x[0].try_sum_axes(1),
        "prod" => x[0].try_prod_axes(1),
        "max" => x[0].try_max_axes(1),
        "min" => x[0].try_min_axes(1),
        "mean" => x[0].try_mean_axes(1),
        "var" => x[0].try_var_axes(1, 0),
        "std" => x[0].try_std_axes(1, 0),
        "logsumexp" => x[0].try_logsumexp_axes(1),
        "cumsum" => x[0].try_cumsum(1),
        "cumprod" => x[0].try_cumprod(1),
        "cummax" => x[0].try_cummax(1),
        "cummin" => x[0].try_cummin(1),
        "cumlogsumexp" => x[0].try_cumlogsumexp(1),
        "cummax_reverse" => x[0].try_cummax_reverse(1),
        "cummin_reverse" => x[0].try_cummin_reverse(1),
        "cumlogsumexp_reverse" => x[0].try_cumlogsumexp_reverse(1),
        "softmax" => weighted(x[0].try_softmax(1)?),
        "log_softmax" => weighted(x[0].try_log_softmax(1)?),
        "sort" => weighted(x[0].try_sort(1)?),
        "sort_descending" => weighted(x[0].try_sort_descending(1)?),
        "top_k" => weighted(x[0].try_top_k(2)?.0),
        "max_pool" => max_pool(&pooled(), [2]).run(),
        "min_pool" => flaxen::min_pool(&pooled(), [2]).run(),
        "avg_pool" => avg_pool(&pooled(), [2]).run(),
        "norm" => x[0].try_norm_axes(1, float()),
        "index_max" => x[0].try_index_max(0, &x[1], &x[2]),
        "index_min" => x[0].try_index_min(0, &x[1], &x[2]),
        other => panic!("no function is called {other}"),
    }
}

fn list(json: &Json) -> &[Json] {
    json.as_array().expect("a list")
}

fn numbers_of(json: &Json) -> Vec<f32> {
    let number = |x: &Json| x.as_f64().map_or_else(|| x.as_str().unwrap().parse().unwrap(), |x| x as f32);
    list(json).iter().map(number).collect()
}

/// Where the gradient of an element is not JAX's, as the page of `grad` says.
fn is_ours(name: &str, what: &str, args: &[Tensor], i: usize) -> bool {
    let args: Vec<Vec<f32>> = args.iter().map(floats).collect();
    match name {
        "digamma" => args[0][i] == f32::INFINITY,
        "pow" => what == "gradient 0" && args[1][i] == 0.0 && (args[0][i] == 0.0 || args[0][i].is_nan()),
        "logaddexp" => args.iter().any(|x| x[i].is_infinite()) && !args.iter().any(|x| x[i].is_nan()),
        "cumlogsumexp" | "cumlogsumexp_reverse" => args[0][i / 3 * 3..][..3].iter().any(|x| x.is_infinite()),
        _ => false,
    }
}

fn floats(x: &Tensor) -> Vec<f32> {
    x.cast(DType::F32).to_vec().expect("values")
}

#[test]
fn values_and_gradients_at_kinks_ties_zeros_and_infinities_are_those_of_jax() {
    let same =
        |a: f32, b: f32| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 2e-5 * b.abs() + 1e-6;
    let (mut wrong, mut ours) = (Vec::new(), 0);
    for case in list(&jax::table("kinks")["cases"]) {
        let name = case["name"].as_str().expect("a name");
        let parameter = case["parameters"].get(0).map(|parameter| parameter.as_str().expect("a text"));
        let arg = |arg: &Json| {
            let shape = list(&arg["shape"]).iter().map(|size| size.as_u64().expect("a size") as usize);
            let x = Tensor::from_vec(numbers_of(&arg["values"]), shape.collect::<Vec<_>>());
            if arg["index"] == true { x.cast(DType::I32) } else { x }
        };
        let args: Vec<Tensor> = list(&case["args"]).iter().map(arg).collect();
        let grads = grad(|x: &Vec<Tensor>| kinked(name, parameter, x)?.try_sum())(&args).unwrap();
        let grads = grads.iter().filter(|gradient| gradient.dtype() == DType::F32);
        let value = kinked(name, parameter, &args).unwrap();
        let found = std::iter::once(("value".to_owned(), floats(&value)))
            .chain(grads.enumerate().map(|(i, gradient)| (format!("gradient {i}"), floats(gradient))));
        let expected = std::iter::once(&case["value"]).chain(list(&case["grads"])).map(numbers_of);
        for ((what, found), expected) in found.zip(expected) {
            assert_eq!(found.len(), expected.len(), "{what} of {name}");
            for (i, (found, expected)) in found.into_iter().zip(expected).enumerate() {
                if what != "value" && is_ours(name, &what, &args, i) {
                    ours += 1;
                    assert!(found.is_finite(), "{what} {i} of {name}");
                } else if !same(found, expected) {
                    wrong.push(format!("{what} {i} of {case}: {found}, not {expected}"));
                }
            }
        }
    }
    assert!(ours > 0 && wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_gradient_of_acosh_is_infinite_at_both_ones() -> Result<()> {
    let grads = grad(|x: &Tensor| Ok(x.acosh().sum()))(&Tensor::from([-1.0f32, 1.0, -2.0]))?;
    assert_eq!(grads.to_vec::<f32>()?, [f32::INFINITY, f32::INFINITY, 1.0 / 3f32.sqrt()]);
    Ok(())
}
