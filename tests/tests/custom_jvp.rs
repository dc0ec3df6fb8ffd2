//! Functions with derivatives of one's own in forward mode, which reverse mode transposes.

use flaxen::prelude::*;
use flaxen_tests::numbers::{assert_close, assert_same, scalar, vector};

/// `sin x`, whose derivative claims to be `10 x`.
fn wave(x: &Tensor) -> Result<Tensor> {
    custom_jvp(|x: &Tensor| Ok(x.sin()), |x: &Tensor, dx: &Tensor| Ok((x.sin(), x * 10.0 * dx))).call(x)
}

#[test]
fn the_value_is_that_of_the_function_and_both_modes_have_the_derivative_of_ones_own() {
    assert_same(&wave(&scalar(3.0)).unwrap(), &scalar(3.0).sin());
    assert_eq!(grad(wave)(&scalar(3.0)).unwrap().item::<f32>(), Ok(30.0));
    let (y, dy) = jvp(wave, &vector(&[1., 2.]), &vector(&[3., 4.])).unwrap();
    assert_same(&y, &vector(&[1., 2.]).sin());
    assert_close(&dy, &[2], &[30., 80.]);
    let (y, pullback) = vjp(wave, &vector(&[1., 2.])).unwrap();
    assert_same(&y, &vector(&[1., 2.]).sin());
    assert_close(&pullback(&vector(&[1., 3.])).unwrap(), &[2], &[10., 60.]);
}

#[test]
fn derivatives_of_derivatives_differentiate_the_rule() {
    // 10x, 10, 0.
    assert_eq!(grad(grad(wave))(&scalar(3.0)).unwrap().item::<f32>(), Ok(10.0));
    assert_eq!(grad(grad(grad(wave)))(&scalar(3.0)).unwrap().item::<f32>(), Ok(0.0));
    let slope = |x: &Tensor| Ok(jvp(wave, x, &scalar(1.0))?.1);
    assert_eq!(grad(slope)(&scalar(3.0)).unwrap().item::<f32>(), Ok(10.0));
    assert_eq!(jvp(slope, &scalar(3.0), &scalar(2.0)).unwrap().1.item::<f32>(), Ok(20.0));
    assert_eq!(jvp(grad(wave), &scalar(3.0), &scalar(2.0)).unwrap().1.item::<f32>(), Ok(20.0));
    assert_eq!(hessian(wave)(&scalar(3.0)).unwrap().item::<f32>(), Ok(10.0));
}

#[test]
fn it_goes_through_jit_vmap_and_checkpoint_in_every_order() {
    let xs = vector(&[1., 2., 3.]);
    let sum = |xs: &Tensor| Ok(vmap(|x: Tensor| wave(&x)).call(xs.clone())?.sum());
    let compiled = jit(|x: Tensor| wave(&x));
    let again = checkpoint(wave);
    let orders: [Result<Tensor>; 8] = [
        vmap(|x: Tensor| grad(wave)(&x)).call(xs.clone()),
        grad(sum)(&xs),
        jit(|xs: Tensor| vmap(|x: Tensor| grad(wave)(&x)).call(xs)).call(xs.clone()),
        jit(|xs: Tensor| grad(sum)(&xs)).call(xs.clone()),
        vmap(|x: Tensor| grad(|x: &Tensor| compiled.call(x.clone()))(&x)).call(xs.clone()),
        vmap(|x: Tensor| jit(|x: Tensor| grad(wave)(&x)).call(x)).call(xs.clone()),
        grad(|xs: &Tensor| Ok(again.call(xs)?.sum()))(&xs),
        vmap(|x: Tensor| Ok(jvp(wave, &x, &scalar(1.0))?.1)).call(xs.clone()),
    ];
    for found in orders {
        assert_close(&found.unwrap(), &[3], &[10., 20., 30.]);
    }
    let second = jit(|xs: Tensor| vmap(|x: Tensor| grad(grad(wave))(&x)).call(xs));
    assert_close(&second.call(xs).unwrap(), &[3], &[10.; 3]);
}

/// Of an argument that is not differentiated the tangent is zero, whatever the others are.
#[test]
fn arguments_are_trees_and_some_have_no_tangent() {
    let f = custom_jvp(
        |(x, n, w): &(Tensor, Tensor, Vec<Tensor>)| Ok((x * &w[0], n + 1)),
        |(x, n, w): &(Tensor, Tensor, Vec<Tensor>), (dx, dn, dw): &(Tensor, Tensor, Vec<Tensor>)| {
            assert_eq!((dn.dtype(), dn.shape()), (DType::I32, n.shape()));
            let tangent = dx * &w[0] * 3.0 + x * &dw[0] * 5.0;
            Ok(((x * &w[0], n + 1), (tangent, dn.clone())))
        },
    );
    let n = Tensor::from([1i32, 2]);
    let loss = |x: &Tensor, w: &Tensor| {
        let (y, m) = f.call(&(x.clone(), n.clone(), vec![w.clone()]))?;
        assert_eq!(m.dtype(), DType::I32);
        Ok(y)
    };
    let (x, w) = (scalar(2.0), scalar(7.0));
    assert_eq!(grad(|x: &Tensor| loss(x, &w))(&x).unwrap().item::<f32>(), Ok(21.0));
    assert_eq!(grad(|w: &Tensor| loss(&x, w))(&w).unwrap().item::<f32>(), Ok(10.0));
    let both = grad(|(x, w): &(Tensor, Tensor)| loss(x, w));
    let (dx, dw) = both(&(x.clone(), w.clone())).unwrap();
    assert_eq!((dx.item::<f32>(), dw.item::<f32>()), (Ok(21.0), Ok(10.0)));
    let mapped = vmap(|(x, w): (Tensor, Tensor)| both(&(x, w))).in_axes((0, None));
    let (dx, dw) = mapped.call((vector(&[1., 2.]), w)).unwrap();
    assert_close(&dx, &[2], &[21., 21.]);
    assert_close(&dw, &[2], &[5., 10.]);
}

#[test]
fn outside_of_transforms_only_the_function_runs() {
    let f = custom_jvp(
        |x: &Tensor| Ok(if x.item::<f32>()? > 0.0 { x.clone() } else { -x }),
        |_: &Tensor, _: &Tensor| -> Result<(Tensor, Tensor)> { panic!("not called") },
    );
    assert_eq!(f.call(&scalar(-2.0)).unwrap().item::<f32>(), Ok(2.0));
}

#[test]
fn a_rule_that_disagrees_with_its_function_is_an_error() {
    let message =
        |f: &dyn Fn(&Tensor) -> Result<Tensor>| grad(|x: &Tensor| f(x))(&scalar(1.)).unwrap_err().to_string();
    let value =
        custom_jvp(|x: &Tensor| Ok(x.clone()), |x: &Tensor, dx: &Tensor| Ok((x.reshape([1]), dx.clone())));
    let text = message(&|x| value.call(x));
    assert!(text.contains("value of the rule of (f32[1])"), "{text}");
    let tangent = custom_jvp(
        |x: &Tensor| Ok(x.clone()),
        |x: &Tensor, dx: &Tensor| Ok((x.clone(), dx.cast(DType::BF16))),
    );
    let text = message(&|x| tangent.call(x));
    assert!(text.contains("tangent of the rule of (bf16[])"), "{text}");
    let structure = custom_jvp(
        |x: &Tensor| Ok(vec![x.clone()]),
        |x: &Tensor, dx: &Tensor| Ok((vec![x.clone()], vec![dx.clone(), dx.clone()])),
    );
    let text = message(&|x| Ok(structure.call(x)?.remove(0)));
    assert!(text.contains("rule of `custom_jvp`"), "{text}");
}

/// As `custom_jvp` of JAX, which refuses the same.
#[test]
fn closing_over_a_value_of_a_transform_works_unless_that_is_differentiated() {
    let scaled = |x: &Tensor, w: &Tensor| {
        let rule = |x: &Tensor, dx: &Tensor| Ok((x * w, dx * w * 2.0));
        custom_jvp(|x: &Tensor| Ok(x * w), rule).call(x)
    };
    let (x, w) = (scalar(3.0), vector(&[1., 10.]));
    let slopes = vmap(|w: Tensor| grad(|x: &Tensor| scaled(x, &w))(&x));
    assert_close(&slopes.call(w.clone()).unwrap(), &[2], &[2., 20.]);
    assert_close(&jit(|w: Tensor| slopes.call(w)).call(w.clone()).unwrap(), &[2], &[2., 20.]);
    let error = grad(|w: &Tensor| scaled(&x, w))(&scalar(1.)).unwrap_err().to_string();
    assert!(error.contains("custom_jvp") && error.contains("pass it as part of the argument"), "{error}");
    let stopped = grad(|w: &Tensor| Ok(scaled(&(w * 3.0), &w.stop_gradient())? + w));
    assert_close(&stopped(&scalar(2.)).unwrap(), &[], &[3.0 * 2.0 * 2.0 + 1.0]);
}

#[test]
fn the_functions_of_a_gradient_may_close_over_values_of_transforms_too() {
    let scaled = |x: &Tensor, w: &Tensor, v: &Tensor| {
        let backward = |x: &Tensor, ct: &Tensor| Ok(ct * x * v);
        custom_vjp(|x: &Tensor| Ok(x * w), |x: &Tensor| Ok((x * w, x.clone())), backward).call(x)
    };
    let f = vmap(|(w, v): (Tensor, Tensor)| value_and_grad(|x: &Tensor| scaled(x, &w, &v))(&scalar(3.)));
    let args = (vector(&[1., 10.]), vector(&[5., 7.]));
    for (value, slope) in
        [f.call(args.clone()).unwrap(), jit(|args| f.call(args)).call(args.clone()).unwrap()]
    {
        assert_close(&value, &[2], &[3., 30.]);
        assert_close(&slope, &[2], &[15., 21.]);
    }
    // One that only the backward function reads is one as well.
    let error = grad(|v: &Tensor| scaled(&scalar(3.), &scalar(1.), v))(&scalar(1.)).unwrap_err().to_string();
    assert!(error.contains("custom_vjp") && error.contains("pass it as part of the argument"), "{error}");
}

#[test]
fn it_talks_over_named_axes() {
    let centred = |x: &Tensor| {
        custom_jvp(
            |x: &Tensor| Ok(x - x.pmean("batch")?),
            |x: &Tensor, dx: &Tensor| Ok((x - x.pmean("batch")?, dx * 7.0)),
        )
        .call(x)
    };
    let f = vmap(|x: Tensor| value_and_grad(centred)(&x)).axis_name("batch");
    let (value, dx) = f.call(vector(&[1., 3.])).unwrap();
    assert_close(&value, &[2], &[-1., 1.]);
    assert_close(&dx, &[2], &[7., 7.]);
}
