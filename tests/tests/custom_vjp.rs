//! Functions with gradients of one's own.

use flaxen::prelude::*;
use flaxen_tests::numbers::{assert_close, scalar, tensor, vector};

/// `x²` whose gradient claims to be `10 x`.
fn square(x: &Tensor) -> Result<Tensor> {
    custom_vjp(
        |x: &Tensor| Ok(x * x),
        |x: &Tensor| Ok((x * x, x.clone())),
        |x: &Tensor, ct: &Tensor| Ok(x * ct * 10.0),
    )
    .call(x)
}

#[test]
fn the_value_is_that_of_the_function_and_the_gradient_ones_own() {
    assert_eq!(square(&scalar(3.0)).unwrap().item::<f32>(), Ok(9.0));
    assert_eq!(grad(square)(&scalar(3.0)).unwrap().item::<f32>(), Ok(30.0));
    let (y, pullback) = vjp(square, &vector(&[1., 2.])).unwrap();
    assert_close(&y, &[2], &[1., 4.]);
    assert_close(&pullback(&vector(&[1., 3.])).unwrap(), &[2], &[10., 60.]);
}

#[test]
fn it_goes_through_jit_and_vmap_in_every_order() {
    let xs = vector(&[1., 2., 3.]);
    let expected = [10., 20., 30.];
    let sum = |xs: &Tensor| Ok(vmap(|x: Tensor| square(&x)).call(xs.clone())?.sum_axes([0]));
    let compiled = jit(|x: Tensor| square(&x));
    let orders: [Result<Tensor>; 6] = [
        vmap(|x: Tensor| grad(square)(&x)).call(xs.clone()),
        grad(sum)(&xs),
        jit(|xs: Tensor| vmap(|x: Tensor| grad(square)(&x)).call(xs)).call(xs.clone()),
        jit(|xs: Tensor| grad(sum)(&xs)).call(xs.clone()),
        vmap(|x: Tensor| grad(|x: &Tensor| compiled.call(x.clone()))(&x)).call(xs.clone()),
        vmap(|x: Tensor| jit(|x: Tensor| grad(square)(&x)).call(x)).call(xs),
    ];
    for found in orders {
        assert_close(&found.unwrap(), &[3], &expected);
    }
}

#[test]
fn vmap_with_an_unmapped_part_of_the_argument() {
    let scaled = custom_vjp(
        |(x, w): &(Tensor, Tensor)| Ok(x * w),
        |(x, w): &(Tensor, Tensor)| Ok((x * w, (x.clone(), w.clone()))),
        |(x, w): &(Tensor, Tensor), ct: &Tensor| Ok((ct * w * 2.0, ct * x * 3.0)),
    );
    let f = vmap(|(x, w): (Tensor, Tensor)| grad(|p: &(Tensor, Tensor)| scaled.call(p))(&(x, w)))
        .in_axes((0, None));
    let (dx, dw) = f.call((vector(&[1., 2.]), scalar(5.0))).unwrap();
    assert_close(&dx, &[2], &[10., 10.]);
    assert_close(&dw, &[2], &[3., 6.]);
}

#[test]
fn the_gradient_may_be_differentiated_again() {
    // The gradient of the gradient 10x is 10.
    assert_eq!(grad(grad(square))(&scalar(3.0)).unwrap().item::<f32>(), Ok(10.0));
}

#[test]
fn forward_mode_uses_the_gradient_of_ones_own() {
    let (y, dy) = jvp(square, &scalar(3.0), &scalar(2.0)).unwrap();
    assert_eq!((y.item::<f32>(), dy.item::<f32>()), (Ok(9.0), Ok(60.0)));
}

#[test]
fn residuals_and_results_may_be_trees() {
    let f = custom_vjp(
        |x: &Tensor| Ok(vec![x.sin(), x * 2.0]),
        |x: &Tensor| Ok((vec![x.sin(), x * 2.0], (x.clone(), Some(x.cos())))),
        |(x, cos): &(Tensor, Option<Tensor>), cts: &Vec<Tensor>| {
            Ok(&cts[0] * cos.as_ref().unwrap() + &cts[1] * 2.0 + x * 0.0)
        },
    );
    let loss = |x: &Tensor| {
        let out = f.call(x)?;
        Ok(&out[0] * 3.0 + &out[1])
    };
    let x = 0.4f32;
    assert_close(&grad(loss)(&scalar(x)).unwrap(), &[], &[f64::from(3.0 * x.cos() + 2.0)]);
    // A result that is not used has a cotangent of zeros.
    let first = |x: &Tensor| Ok(f.call(x)?[0].clone());
    assert_close(&grad(first)(&scalar(x)).unwrap(), &[], &[f64::from(x.cos())]);
}

#[test]
fn outside_of_transforms_only_the_function_runs() {
    let f = custom_vjp(
        |x: &Tensor| Ok(if x.item::<f32>()? > 0.0 { x.clone() } else { -x }),
        |_: &Tensor| -> Result<(Tensor, ())> { panic!("not called") },
        |(): &(), _: &Tensor| -> Result<Tensor> { panic!("not called") },
    );
    assert_eq!(f.call(&scalar(-2.0)).unwrap().item::<f32>(), Ok(2.0));
}

#[test]
fn functions_that_disagree_are_an_error() {
    let forward = custom_vjp(
        |x: &Tensor| Ok(x.clone()),
        |x: &Tensor| Ok((x.reshape([1]), ())),
        |(): &(), ct: &Tensor| Ok(ct.clone()),
    );
    let error = grad(|x: &Tensor| forward.call(x))(&scalar(1.)).unwrap_err().to_string();
    assert!(error.contains("forward function"), "{error}");
    let backward = custom_vjp(
        |x: &Tensor| Ok(x.clone()),
        |x: &Tensor| Ok((x.clone(), ())),
        |(): &(), ct: &Tensor| Ok(ct.reshape([1, 1])),
    );
    let error = grad(|x: &Tensor| backward.call(x))(&scalar(1.)).unwrap_err().to_string();
    assert!(error.contains("backward function"), "{error}");
}

#[test]
fn closing_over_a_traced_value_is_an_error_that_says_what_to_do() {
    let f = |w: &Tensor| {
        let f = custom_vjp(
            |x: &Tensor| Ok(x * w),
            |x: &Tensor| Ok((x * w, ())),
            |(): &(), ct: &Tensor| Ok(ct.clone()),
        );
        f.call(&scalar(1.))
    };
    let error = grad(f)(&scalar(1.)).unwrap_err().to_string();
    assert!(error.contains("pass it as part of the argument"), "{error}");
}

#[test]
fn it_talks_over_named_axes() {
    // The value is averaged, and the gradient is not.
    let local = |x: &Tensor| {
        custom_vjp(
            |x: &Tensor| x.pmean("batch"),
            |x: &Tensor| Ok((x.pmean("batch")?, ())),
            |(): &(), ct: &Tensor| Ok(ct * 7.0),
        )
        .call(x)
    };
    let f = vmap(|x: Tensor| value_and_grad(local)(&x)).axis_name("batch");
    let (mean, dx) = f.call(vector(&[1., 3.])).unwrap();
    assert_close(&mean, &[2], &[2., 2.]);
    assert_close(&dx, &[2], &[7., 7.]);
}

#[test]
fn matrices_keep_their_shapes() {
    let x = tensor(&[2, 3], &[1.; 6]);
    let dx = grad(|x: &Tensor| Ok(square(x)?.sum_axes([0, 1])))(&x).unwrap();
    assert_close(&dx, &[2, 3], &[10.; 6]);
}

#[test]
fn the_gradient_may_talk_over_an_axis_the_value_does_not() {
    // Parameters that are not mapped, whose gradient is averaged.
    let averaged = |w: &Tensor| {
        custom_vjp(
            |w: &Tensor| Ok(w.clone()),
            |w: &Tensor| Ok((w.clone(), ())),
            |(): &(), ct: &Tensor| ct.pmean("batch"),
        )
        .call(w)
    };
    let loss = |w: &Tensor, x: Tensor| Ok(averaged(w)? * x);
    let x = vector(&[1., 3., 8.]);
    let inside = vmap(|x: Tensor| grad(|w: &Tensor| loss(w, x.clone()))(&scalar(2.))).axis_name("batch");
    assert_close(&inside.call(x.clone()).unwrap(), &[3], &[4., 4., 4.]);
    let outside =
        grad(|w: &Tensor| Ok(vmap(|x: Tensor| loss(w, x)).axis_name("batch").call(x.clone())?.sum()));
    assert_close(&outside(&scalar(2.)).unwrap(), &[], &[12.]);
}

#[test]
fn its_operations_are_counted_as_those_of_the_function() {
    let square = |x: Tensor| {
        let f = custom_vjp(
            |x: &Tensor| Ok(x.dot(x)),
            |x: &Tensor| Ok((x.dot(x), x.clone())),
            |x: &Tensor, ct: &Tensor| Ok(ct.dot(x) * 2.0),
        );
        f.call(&x)
    };
    let profile = jit(square).profile(&Tensor::ones([8, 8])).unwrap();
    // 8 · 8 sums of 8 products.
    assert_eq!(profile.steps.iter().map(|step| step.flops).sum::<u64>(), 2 * 8 * 8 * 8);
}
