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
    Ok(checkpoint(block)(x)?.sum_axes([0]))
}

fn count(f: impl Fn(Tensor) -> Result<Tensor>, name: &str) -> usize {
    jit(f).graph(&vector(&[0.1, 0.2])).unwrap().primitives().filter(|&other| other == name).count()
}

#[test]
fn values_and_gradients_are_the_same() {
    let x = vector(&[0.3, 0.7]);
    assert_same(&checkpoint(block)(&x).unwrap(), &block(&x).unwrap());
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
    let (_, again) = jvp(|x: &Tensor| checkpoint(block)(x), &scalar(0.3), &scalar(2.0)).unwrap();
    assert_same(&again, &tangent);
}

#[test]
fn it_takes_trees_and_may_capture_traced_values() {
    let f = |w: &Tensor| {
        let layer = checkpoint(|(x, b): &(Tensor, Tensor)| Ok((x * w + b).sin()));
        layer(&(scalar(2.0), w.clone()))
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
    let dx = vmap(|x: Tensor| grad(&f)(&x)).axis_name("batch").call(vector(&[1., 2., 6.])).unwrap();
    assert_close(&dx, &[3], &[-4., -2., 6.]);
}

#[test]
fn asking_for_numbers_inside_is_an_error() {
    let f = checkpoint(|x: &Tensor| Ok(if x.item::<f32>()? > 0.0 { x.clone() } else { -x }));
    assert!(matches!(f(&scalar(1.)), Err(Error::Concrete { .. })));
}

#[test]
fn its_operations_are_counted_as_those_of_what_is_inside() {
    fn flops(f: impl Fn(Tensor) -> Result<Tensor>) -> u64 {
        jit(f).profile(&Tensor::ones([8, 8])).unwrap().steps.iter().map(|step| step.flops).sum()
    }
    // 8 · 8 sums of 8 products.
    assert_eq!(flops(|x: Tensor| Ok(x.dot(&x))), 2 * 8 * 8 * 8);
    assert_eq!(flops(|x: Tensor| checkpoint(|x: &Tensor| Ok(x.dot(x)))(&x)), 2 * 8 * 8 * 8);
}

#[test]
fn its_step_is_explained_by_the_program_inside() {
    let f = jit(|x: Tensor| checkpoint(|x: &Tensor| Ok(x.dot(x)))(&x));
    let text = f.explain(&Tensor::ones([8, 8])).unwrap();
    assert!(text.starts_with("checkpoint") && text.contains("= dot_general"), "{text}");
}
