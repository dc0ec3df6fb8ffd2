//! Primitives of one's own: what they decompose into runs everywhere, under every transform.

use std::sync::Arc;

use flaxen::Aval;
use flaxen::core::bind1;
use flaxen::core::primitive::{Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use flaxen::prelude::*;
use flaxen_tests::naive_backend::NAIVE;
use flaxen_tests::numbers::{assert_close, scalar, tensor, vector};

/// `x·y + sin x`, with the gradient of what it decomposes into.
#[derive(Clone, Debug, PartialEq)]
struct Wave;

impl Primitive for Wave {
    fn name(&self) -> &'static str {
        "wave"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        if args[0].shape != args[1].shape {
            return Err(Error::msg(format!("wave of {} and {}", args[0], args[1])));
        }
        Ok([args[0].clone()].into_iter().collect())
    }

    fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
        Ok([&args[0] * &args[1] + args[0].sin()].into_iter().collect())
    }
}

fn wave(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    bind1(&Wave, [x.clone(), y.clone()])
}

/// `w·x` of a shared `w`, whose gradient claims to be ten times what it is.
#[derive(Clone, Debug, PartialEq)]
struct Scaled;

impl Primitive for Scaled {
    fn name(&self) -> &'static str {
        "scaled"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok([args[1].clone()].into_iter().collect())
    }

    fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
        Ok([&args[0] * &args[1]].into_iter().collect())
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::ARGS
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, _needs_grad: &[bool]) -> Result<Grads> {
        let ct = cts[0].as_ref().unwrap();
        let dw = ct * residuals.arg(1) * 10.0;
        let all: Vec<isize> = (0..dw.rank() as isize).collect();
        Ok([Some(dw.sum_axes(all)), Some(ct * residuals.arg(0) * 10.0)].into_iter().collect())
    }
}

fn scaled(w: &Tensor, x: &Tensor) -> Result<Tensor> {
    bind1(&Scaled, [w.clone(), x.clone()])
}

fn waves(xs: &[f64], ys: &[f64]) -> Vec<f64> {
    xs.iter().zip(ys).map(|(x, y)| x * y + x.sin()).collect()
}

const XS: [f64; 3] = [0.5, -1.0, 2.0];
const YS: [f64; 3] = [2.0, 3.0, -1.0];

#[test]
fn its_value_is_that_of_its_decomposition_in_every_way_it_is_run() {
    let (x, y) = (vector(&XS.map(|x| x as f32)), vector(&YS.map(|y| y as f32)));
    let both = |(x, y): (Tensor, Tensor)| wave(&x, &y);
    let ways: [Result<Tensor>; 6] = [
        wave(&x, &y),
        jit(both).call((x.clone(), y.clone())),
        jit(both).unfused().call((x.clone(), y.clone())),
        jit(both).on(&NAIVE).call((x.clone(), y.clone())),
        vmap(both).call((x.clone(), y.clone())),
        jit(|args| vmap(both).call(args)).call((x, y)),
    ];
    for found in ways {
        assert_close(&found.unwrap(), &[3], &waves(&XS, &YS));
    }
}

#[test]
fn its_gradients_are_those_of_its_decomposition_unless_it_says_otherwise() {
    let (x, y) = (vector(&XS.map(|x| x as f32)), vector(&YS.map(|y| y as f32)));
    let expected: Vec<f64> = XS.iter().zip(&YS).map(|(x, y)| y + x.cos()).collect();
    let dx = |x: Tensor| grad(|x: &Tensor| Ok(wave(x, &y)?.sum()))(&x);
    assert_close(&dx(x.clone()).unwrap(), &[3], &expected);
    assert_close(&jit(dx).call(x.clone()).unwrap(), &[3], &expected);
    let compiled = jit(|x: Tensor| wave(&x, &y));
    let outside = grad(|x: &Tensor| Ok(compiled.call(x.clone())?.sum()))(&x);
    assert_close(&outside.unwrap(), &[3], &expected);
    let each = |(x, y): (Tensor, Tensor)| grad(|x: &Tensor| wave(x, &y))(&x);
    assert_close(&vmap(each).call((x.clone(), y.clone())).unwrap(), &[3], &expected);
    let second = grad(|x: &Tensor| Ok(dx(x.clone())?.sum()))(&x).unwrap();
    assert_close(&second, &[3], &XS.map(|x| -x.sin()));
    let (_, tangent) = jvp(|x: &Tensor| wave(x, &y), &x, &vector(&[1., 1., 1.])).unwrap();
    assert_close(&tangent, &[3], &expected);
}

#[test]
fn a_gradient_of_its_own_goes_through_jit_and_vmap_in_every_order() {
    let (w, xs) = (scalar(3.0), tensor(&[2, 2], &[1., 2., 3., 4.]));
    let loss = |w: &Tensor, xs: &Tensor| Ok(vmap(|x: Tensor| scaled(w, &x)).call(xs.clone())?.sum());
    // Of a weight that all examples share, the sum over them.
    let dw = |w: Tensor| grad(|w: &Tensor| loss(w, &xs))(&w);
    assert_close(&dw(w.clone()).unwrap(), &[], &[100.]);
    assert_close(&jit(dw).call(w.clone()).unwrap(), &[], &[100.]);
    let compiled = jit(|(w, xs): (Tensor, Tensor)| loss(&w, &xs));
    let outside = grad(|w: &Tensor| compiled.call((w.clone(), xs.clone())))(&w);
    assert_close(&outside.unwrap(), &[], &[100.]);
    let per_example = vmap(|x: Tensor| grad(|w: &Tensor| Ok(scaled(w, &x)?.sum()))(&w));
    assert_close(&per_example.call(xs.clone()).unwrap(), &[2], &[30., 70.]);
    let dx = grad(|xs: &Tensor| loss(&w, xs))(&xs).unwrap();
    assert_close(&dx, &[2, 2], &[30.; 4]);
}

#[test]
fn a_staged_graph_keeps_it_and_a_program_has_what_it_decomposes_into() {
    let f = jit(|x: Tensor| wave(&x, &x));
    let x = vector(&[1., 2.]);
    assert!(f.graph(&x).unwrap().primitives().eq(["wave"]));
    assert_eq!(f.program(&x).unwrap().steps(), ["fusion"]);
}

/// Says that it gives one number, and gives as many as there are.
#[derive(Clone, Debug, PartialEq)]
struct Wrong;

impl Primitive for Wrong {
    fn name(&self) -> &'static str {
        "wrong"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok([Aval::new([], args[0].dtype)].into_iter().collect())
    }

    fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
        Ok([args[0].clone()].into_iter().collect())
    }
}

#[test]
fn a_decomposition_that_is_not_what_was_inferred_is_an_error_that_names_it() {
    let f = |x: Tensor| bind1(&Wrong, [x]);
    for error in [f(vector(&[1., 2.])), jit(f).call(vector(&[1., 2.]))].map(Result::unwrap_err) {
        let text = error.to_string();
        assert!(text.contains("wrong") && text.contains("a decomposition into f32[2]"), "{text}");
    }
}

#[test]
fn within_programs_that_stay_one_equation_it_decomposes_for_every_backend() {
    let both = |x: Tensor| {
        let custom = custom_vjp(
            |x: &Tensor| wave(x, x),
            |x: &Tensor| Ok((wave(x, x)?, x.clone())),
            |x: &Tensor, ct: &Tensor| Ok(x * ct),
        );
        custom.call(&checkpoint(|x: &Tensor| wave(x, x)).call(&x)?)
    };
    let (x, batch) = (vector(&XS.map(|x| x as f32)), |x| vmap(both).call(x));
    let once = waves(&XS, &XS);
    let expected = waves(&once, &once);
    let ways: [Result<Tensor>; 4] = [
        jit(both).call(x.clone()),
        jit(batch).call(x.clone()),
        jit(both).on(&NAIVE).call(x.clone()),
        jit(batch).on(&NAIVE).call(x),
    ];
    for found in ways {
        assert_close(&found.unwrap(), &[3], &expected);
    }
}

/// The sum over these named axes.
#[derive(Clone, Debug, PartialEq)]
struct SumOver(Vec<Arc<str>>);

impl Primitive for SumOver {
    fn name(&self) -> &'static str {
        "sum_over"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok([args[0].clone()].into_iter().collect())
    }

    fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
        let sum = self.0.iter().try_fold(args[0].clone(), |x, axis| x.psum(axis))?;
        Ok([sum].into_iter().collect())
    }

    fn collectives(&self) -> &[Arc<str>] {
        &self.0
    }
}

#[test]
fn it_talks_over_the_named_axes_of_all_batches_around_it() {
    let sum = |x: Tensor| bind1(&SumOver(vec!["i".into(), "j".into()]), [x]);
    let rows = |x: Tensor| vmap(sum).axis_name("i").call(x);
    let all = |x: Tensor| vmap(rows).axis_name("j").call(x);
    let x = tensor(&[2, 2], &[1., 2., 3., 4.]);
    for found in [all(x.clone()), jit(all).call(x.clone())] {
        assert_close(&found.unwrap(), &[2, 2], &[10.; 4]);
    }
    assert!(rows(x).unwrap_err().to_string().contains("no axis named `j`"));
}

/// Would never end.
#[derive(Clone, Debug, PartialEq)]
struct Endless;

impl Primitive for Endless {
    fn name(&self) -> &'static str {
        "endless"
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok([args[0].clone()].into_iter().collect())
    }

    fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
        Ok([bind1(&Endless, [args[0].clone()])?].into_iter().collect())
    }
}

#[test]
fn a_decomposition_that_leads_back_to_itself_is_an_error_however_it_is_run() {
    let (f, x) = (|x: Tensor| bind1(&Endless, [x]), vector(&[1., 2.]));
    let ways = [
        f(x.clone()),
        jit(f).call(x.clone()),
        vmap(f).call(x.clone()),
        jit(|x: Tensor| vmap(f).call(x)).call(x.clone()),
        grad(|x: &Tensor| Ok(f(x.clone())?.sum()))(&x),
        jit(|x: Tensor| grad(|x: &Tensor| Ok(f(x.clone())?.sum()))(&x)).call(x.clone()),
    ];
    for error in ways.map(Result::unwrap_err) {
        assert!(error.to_string().contains("`endless` decomposes into itself"), "{error}");
    }
    // The next decomposition starts from nothing again.
    assert!(wave(&x, &x).is_ok());
}
