//! Printed graphs: what is staged, and what the compiler makes of it.

use flaxen::prelude::*;
use flaxen_tests::numbers::{assert_same, scalar, vector};

fn graph(f: impl Fn(Tensor) -> Result<Tensor>, x: Tensor) -> String {
    jit(f).graph(&x).unwrap().to_string()
}

fn names(f: impl Fn(Tensor) -> Result<Tensor>, x: Tensor) -> Vec<&'static str> {
    jit(f).graph(&x).unwrap().primitives().collect()
}

#[test]
fn everything_inside_is_staged_and_nothing_unused_is_kept() {
    let w = vector(&[1., 2., 3.]);
    let f = jit(|x: Tensor| {
        let _unused = x.exp() * 3.0;
        let scaled = &w * 2.0; // staged, and then computed once, by the compiler
        Ok(x.sin() * scaled + x.sin())
    });
    assert_eq!(
        f.graph(&vector(&[0., 0., 0.])).unwrap().to_string(),
        "\
{ lambda a:f32[3] ; b:f32[3]. let
    c:f32[3] = sin b
    d:f32[3] = mul c a
    e:f32[3] = add d c
  in (e) }"
    );
    let x = vector(&[0.1, 0.2, 0.3]);
    assert_same(&f.call(x.clone()).unwrap(), &(x.sin() * (&w * 2.0) + x.sin()));
}

#[test]
fn neutral_elements_vanish() {
    let x = || vector(&[1., 2.]);
    assert_eq!(
        graph(|x| Ok(x * 1.0), x()),
        "\
{ lambda  ; a:f32[2]. let
  in (a) }"
    );
    for f in
        [|x: Tensor| Ok(x * 1.0), |x: Tensor| Ok(x / 1.0), |x: Tensor| Ok(x - 0.0), |x: Tensor| Ok(1.0 * x)]
    {
        assert_eq!(names(f, x()), [""; 0]);
    }
    // It changes -0.0.
    assert_eq!(names(|x| Ok(x + 0.0), x()), ["add"]);
    // It changes the shape.
    assert_ne!(names(|x| Ok(x * Tensor::ones([3, 1])), x()), [""; 0]);
}

#[test]
fn shapes_that_cancel_vanish() {
    let x = || Tensor::zeros([2, 3, 4]);
    assert_eq!(names(|x| Ok(x.transpose([2, 0, 1]).transpose([1, 2, 0])), x()), [""; 0]);
    assert_eq!(names(|x| Ok(x.reshape([6, 4]).reshape([24]).reshape([2, 3, 4])), x()), [""; 0]);
    assert_eq!(names(|x| Ok(x.transpose([1, 0, 2]).transpose([2, 0, 1])), x()), ["transpose"]);
}

#[test]
fn equal_computations_are_merged() {
    assert_eq!(names(|x| Ok(x.sin() * x.sin()), scalar(0.)), ["sin", "mul"]);
    let twice = |x: Tensor| Ok((&x + 1.0).exp() * (&x + 1.0).exp());
    assert_eq!(names(twice, scalar(0.)), ["add", "exp", "mul"]);
}

#[test]
fn small_constants_are_computed_while_compiling() {
    let f = |x: Tensor| Ok(x * (Tensor::from([2.0f32]) * Tensor::from([3.0f32])));
    assert_eq!(names(f, vector(&[1., 2.])), ["mul"]);
    assert_same(&jit(f).call(vector(&[1., 2.])).unwrap(), &vector(&[6., 12.]));
}

#[test]
fn a_select_on_a_known_condition_is_its_choice() {
    let f = |x: Tensor| Ok(Tensor::from(true).select(&x, x.exp()));
    assert_eq!(names(f, vector(&[1., 2.])), [""; 0]);
}

#[test]
fn constants_of_full_size_are_steps() {
    let text = graph(|x| Ok(x + Tensor::ones([1000])), Tensor::zeros([1000]));
    assert!(text.starts_with("{ lambda  ; a:f32[1000]. let"), "{text}");
    assert!(text.contains("full[1.0]"), "{text}");
}

#[test]
fn a_gradient_reads_like_its_formula() {
    let text = graph(|x| grad(|x: &Tensor| Ok(x.sin() * 2.0))(&x), scalar(0.));
    assert_eq!(
        text,
        "\
{ lambda  ; a:f32[]. let
    b:f32[] = cos a
    c:f32[] = mul 2.0 b
  in (c) }"
    );
}

#[test]
fn only_the_gradients_that_are_wanted_are_computed() {
    let f = jit(|(x, w): (Tensor, Tensor)| grad(|w: &Tensor| Ok((&x * w).tanh().sum_axes([0])))(&w));
    let names: Vec<_> = f.graph(&(vector(&[1.]), vector(&[1.]))).unwrap().primitives().collect();
    assert_eq!(names.iter().filter(|&&name| name == "tanh").count(), 1);
    // Forward: x·w, tanh. Backward: 1 - y², times x.
    assert!(names.len() <= 6, "{names:?}");
}

#[test]
fn variables_are_named_in_order_of_appearance() {
    let many = |x: Tensor| Ok((0..30).fold(x, |x, i| x * f64::from(i + 2)));
    let text = graph(many, scalar(1.));
    assert!(text.contains("z:f32[] = mul"), "{text}");
    assert!(text.contains("aa:f32[] = mul z"), "{text}");
}

#[test]
fn a_graph_counts_its_equations() {
    let g = jit(|x: Tensor| Ok(x.sin().exp())).graph(&scalar(0.)).unwrap();
    assert_eq!((g.len(), g.is_empty()), (2, false));
    assert!(jit(|x: Tensor| Ok(x)).graph(&scalar(0.)).unwrap().is_empty());
}

/// What is weak takes on the dtype of what it meets next, so a step that only makes a value strong stays where it matters.
#[test]
fn a_simplified_result_is_as_strong_as_an_eager_one() {
    let weak = Tensor::from(2f32);
    for f in [|x: Tensor| Ok(x.cast(DType::F32)), |x: Tensor| Ok(x * scalar(1.0))] {
        let eager = f(weak.clone()).unwrap();
        let compiled = jit(f).call(weak.clone()).unwrap();
        assert!(!eager.aval().weak);
        assert_eq!(compiled.aval(), eager.aval());
    }
}
