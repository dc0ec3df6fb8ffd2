//! `jit`: caching, its orders with the other transforms, training steps.

use std::cell::Cell;
use std::collections::BTreeMap;

use flaxen::prelude::*;
use flaxen_tests::numbers::{assert_close, assert_same, product, scalar, tensor, total, vector};

fn matrices() -> (Tensor, Tensor) {
    (tensor(&[2, 3], &[0.1, 0.5, -0.4, 0.8, 0.31, -0.9]), tensor(&[3, 2], &[0.3, -0.2, 0.7, 0.1, -0.5, 0.9]))
}

#[test]
fn a_function_is_traced_once_per_structure_shapes_and_dtypes() {
    let count = Cell::new(0);
    let f = jit(|(x, y): (Tensor, Option<Tensor>)| {
        count.set(count.get() + 1);
        Ok(match y {
            Some(y) => x * y,
            None => x.exp(),
        })
    });
    assert_eq!(f.call((scalar(2.), Some(scalar(3.)))).unwrap().item::<f32>(), Ok(6.));
    assert_eq!(f.call((scalar(4.), Some(scalar(5.)))).unwrap().item::<f32>(), Ok(20.));
    assert_eq!((count.get(), f.traces()), (1, 1));
    assert_eq!(f.call((scalar(0.), None)).unwrap().item::<f32>(), Ok(1.));
    assert_close(&f.call((vector(&[1., 2.]), Some(scalar(2.)))).unwrap(), &[2], &[2., 4.]);
    assert_eq!((count.get(), f.traces()), (3, 3));
    let other_dtype = (scalar(2.).cast(DType::F64), Some(scalar(3.).cast(DType::F64)));
    assert_eq!(f.call(other_dtype).unwrap().item::<f64>(), Ok(6.));
    assert_eq!((count.get(), f.traces()), (4, 4));
    f.clear();
    assert_eq!(f.traces(), 0);
    f.call((scalar(0.), None)).unwrap();
    assert_eq!((count.get(), f.traces()), (5, 1));
}

#[test]
fn static_data_is_part_of_the_key() {
    let f =
        jit(|(x, Static(power)): (Tensor, Static<u32>)| Ok((0..power).fold(x.ones_like(), |y, _| y * &x)));
    assert_eq!(f.call((scalar(2.), Static(3))).unwrap().item::<f32>(), Ok(8.));
    assert_eq!(f.call((scalar(3.), Static(3))).unwrap().item::<f32>(), Ok(27.));
    assert_eq!(f.traces(), 1);
    assert_eq!(f.call((scalar(2.), Static(5))).unwrap().item::<f32>(), Ok(32.));
    assert_eq!(f.traces(), 2);
}

#[test]
fn static_fields_of_structs_are_part_of_the_key() {
    #[derive(Tree)]
    struct Layer {
        w: Tensor,
        #[tree(static)]
        name: String,
    }
    let f = jit(|layer: Layer| Ok(if layer.name == "double" { layer.w * 2.0 } else { layer.w }));
    let layer = |name: &str| Layer { w: scalar(3.), name: name.to_owned() };
    assert_eq!(f.call(layer("double")).unwrap().item::<f32>(), Ok(6.));
    assert_eq!(f.call(layer("same")).unwrap().item::<f32>(), Ok(3.));
    assert_eq!(f.call(layer("double")).unwrap().item::<f32>(), Ok(6.));
    assert_eq!(f.traces(), 2);
}

#[test]
fn map_keys_are_part_of_the_key() {
    let f = jit(|map: BTreeMap<String, Tensor>| Ok(map.values().fold(scalar(0.), |sum, x| sum + x)));
    let map = |keys: &[&str]| keys.iter().map(|&key| (key.to_owned(), scalar(1.))).collect();
    assert_eq!(f.call(map(&["a", "b"])).unwrap().item::<f32>(), Ok(2.));
    assert_eq!(f.call(map(&["a", "c"])).unwrap().item::<f32>(), Ok(2.));
    assert_eq!(f.traces(), 2);
}

#[test]
fn a_weak_scalar_and_a_strong_one_are_two_programs() {
    let f = jit(|x: Tensor| Ok(x * Tensor::ones_of([1], DType::BF16)));
    assert_eq!(f.call(Tensor::from(true) * 2.0).unwrap().dtype(), DType::BF16);
    assert_eq!(f.call(scalar(2.0)).unwrap().dtype(), DType::F32);
    assert_eq!(f.traces(), 2);
}

#[test]
fn a_failed_trace_is_not_kept() {
    let f = jit(|x: Tensor| if x.rank() == 0 { Err(Error::msg("a scalar")) } else { Ok(x) });
    assert_eq!(f.call(scalar(1.)).unwrap_err(), Error::msg("a scalar"));
    assert_eq!((f.traces(), f.stats().traces, f.stats().hits), (0, 0, 0));
    assert!(f.call(vector(&[1.])).is_ok());
}

#[test]
fn jit_of_grad() {
    let df = jit(|x: Tensor| grad(|x: &Tensor| Ok(x.sin() * x))(&x));
    let x = 0.7f32;
    assert_close(&df.call(scalar(x)).unwrap(), &[], &[f64::from(x.cos() * x + x.sin())]);
    let ddf = jit(|x: Tensor| grad(grad(|x: &Tensor| Ok(x * x * x)))(&x));
    assert_eq!(ddf.call(scalar(2.)).unwrap().item::<f32>(), Ok(12.));
}

#[test]
fn grad_of_jit_traces_the_function_once() {
    let f = jit(|(x, w): (Tensor, Tensor)| Ok(total(&product(&x, &w).tanh())));
    let (x, w) = matrices();
    let eager = grad(|w: &Tensor| Ok(total(&product(&x, w).tanh())))(&w).unwrap();
    for _ in 0..3 {
        assert_same(&grad(|w: &Tensor| f.call((x.clone(), w.clone())))(&w).unwrap(), &eager);
    }
    assert_eq!(f.traces(), 1);
}

#[test]
fn grad_of_grad_of_jit() {
    let f = jit(|x: Tensor| Ok(x.sin() * &x * &x));
    let plain = |x: &Tensor| Ok(x.sin() * x * x);
    let at = scalar(0.4);
    assert_same(&grad(grad(|x: &Tensor| f.call(x.clone())))(&at).unwrap(), &grad(grad(plain))(&at).unwrap());
    let wrapped = jit(|x: Tensor| grad(|x: &Tensor| f.call(x.clone()))(&x));
    assert_same(&wrapped.call(at.clone()).unwrap(), &grad(plain)(&at).unwrap());
}

#[test]
fn grad_of_jit_with_several_outputs() {
    let f = jit(|x: Tensor| Ok((x.sin(), x.exp(), scalar(3.), x.gt(0.0))));
    let df = grad(|x: &Tensor| {
        let (s, _, c, _) = f.call(x.clone())?;
        Ok(s * c)
    });
    assert_close(&df(&scalar(0.4)).unwrap(), &[], &[f64::from(3.0 * 0.4f32.cos())]);
}

#[test]
fn all_six_orders_of_jit_grad_and_vmap_agree() {
    let f = |x: &Tensor| Ok((x.sin() * x).sum_axes([0]));
    let xs = tensor(&[2, 3], &[0.1, 0.5, -0.4, 0.8, 0.31, -0.9]);
    let over = |xs: &Tensor| Ok(total(&vmap(|x: Tensor| f(&x)).call(xs.clone())?));
    let compiled = jit(|x: Tensor| f(&x));
    let compiled_over = jit(|xs: Tensor| over(&xs));
    let compiled_grad = jit(|x: Tensor| grad(f)(&x));
    let at = || xs.clone();
    let orders: [(&str, Result<Tensor>); 6] = [
        ("jit grad vmap", jit(|xs: Tensor| grad(over)(&xs)).call(at())),
        ("jit vmap grad", jit(|xs: Tensor| vmap(|x: Tensor| grad(f)(&x)).call(xs)).call(at())),
        ("grad jit vmap", grad(|xs: &Tensor| compiled_over.call(xs.clone()))(&xs)),
        (
            "grad vmap jit",
            grad(|xs: &Tensor| Ok(total(&vmap(|x: Tensor| compiled.call(x)).call(xs.clone())?)))(&xs),
        ),
        ("vmap jit grad", vmap(|x: Tensor| compiled_grad.call(x)).call(at())),
        ("vmap grad jit", vmap(|x: Tensor| grad(|x: &Tensor| compiled.call(x.clone()))(&x)).call(at())),
    ];
    let expected: Vec<f64> =
        xs.to_vec::<f32>().unwrap().into_iter().map(|x| f64::from(x.cos() * x + x.sin())).collect();
    for (order, found) in orders {
        println!("{order}");
        assert_close(&found.unwrap(), &[2, 3], &expected);
    }
}

#[test]
fn vmap_of_jit_with_an_unmapped_argument() {
    let f = jit(|(x, w): (Tensor, Tensor)| Ok((x * w).sin().sum_axes([0])));
    let (xs, w) = (matrices().0, vector(&[1., 2., 3.]));
    let expected = (&xs * &w).sin().sum_axes([1]);
    assert_same(&vmap(|(x, w)| f.call((x, w))).in_axes((0, None)).call((xs, w)).unwrap(), &expected);
}

#[test]
fn jit_in_jit_becomes_one_program() {
    let inner = jit(|x: Tensor| Ok(x.sin()));
    let outer = jit(|x: Tensor| Ok(inner.call(x.clone())? + inner.call(x)?));
    let graph = outer.graph(&scalar(0.)).unwrap();
    assert_eq!(graph.primitives().collect::<Vec<_>>(), ["sin", "add"]);
    assert_close(&outer.call(scalar(0.5)).unwrap(), &[], &[f64::from(2.0 * 0.5f32.sin())]);
}

#[test]
fn a_jitted_function_sees_the_named_axes_around_it() {
    let f = jit(|x: Tensor| Ok(&x - x.pmean("batch")?));
    let g = vmap(|x: Tensor| f.call(x)).axis_name("batch");
    assert_close(&g.call(vector(&[1., 2., 6.])).unwrap(), &[3], &[-2., -1., 3.]);
    assert_close(&g.call(vector(&[1., 3.])).unwrap(), &[2], &[-1., 1.]);
    // Squared deviations through a jitted pmean, with grad outside and inside.
    let square = jit(|x: Tensor| {
        let d = &x - x.pmean("batch")?;
        Ok(&d * &d)
    });
    let x = vector(&[1., 2., 6.]);
    let outer =
        grad(|x: &Tensor| Ok(total(&vmap(|x: Tensor| square.call(x)).axis_name("batch").call(x.clone())?)))(
            &x,
        );
    assert_close(&outer.unwrap(), &[3], &[-4., -2., 6.]);
    let inner = vmap(|x: Tensor| grad(|x: &Tensor| square.call(x.clone()))(&x)).axis_name("batch").call(x);
    assert_close(&inner.unwrap(), &[3], &[-4., -2., 6.]);
    assert!(matches!(f.call(scalar(1.)), Err(Error::UnboundAxis { .. })));
}

#[test]
fn a_jitted_function_may_capture_a_traced_value() {
    // d/dx x·sin(x·2) where x is captured.
    let f = |x: &Tensor| {
        let inner = jit(|y: Tensor| Ok((x * y).sin()));
        Ok(x * inner.call(scalar(2.))?)
    };
    let x = 0.3f32;
    let expected = f64::from((2.0 * x).sin() + x * 2.0 * (2.0 * x).cos());
    assert_close(&grad(f)(&scalar(x)).unwrap(), &[], &[expected]);
    assert_close(&jit(|x: Tensor| grad(f)(&x)).call(scalar(x)).unwrap(), &[], &[expected]);
    let per_example = vmap(|x: Tensor| grad(f)(&x)).call(vector(&[x, 0.0])).unwrap();
    assert_close(&per_example, &[2], &[expected, 0.0]);
}

#[test]
fn a_captured_array_is_read_when_it_was_captured() {
    let w = vector(&[1., 2.]);
    let f = jit(|x: Tensor| Ok(x * &w));
    assert_close(&f.call(vector(&[1., 1.])).unwrap(), &[2], &[1., 2.]);
    assert_close(&f.call(vector(&[3., 3.])).unwrap(), &[2], &[3., 6.]);
}

/// A jitted function that calls itself on smaller arguments: nothing is locked while it is traced.
#[test]
fn a_jitted_function_calls_itself() {
    struct Halving {
        f: DynJit<'static, (Tensor, Static<u32>), Tensor>,
    }
    static HALVING: std::sync::LazyLock<Halving> = std::sync::LazyLock::new(|| Halving {
        f: jit(Box::new(
            |(x, Static(depth)): (Tensor, Static<u32>)| {
                if depth == 0 { Ok(x) } else { HALVING.f.call((x * 0.5, Static(depth - 1))) }
            },
        )),
    });
    assert_eq!(HALVING.f.call((scalar(8.0), Static(3))).unwrap().item::<f32>(), Ok(1.0));
    assert_eq!(HALVING.f.traces(), 4);
    assert_eq!(HALVING.f.call((scalar(8.0), Static(2))).unwrap().item::<f32>(), Ok(2.0));
    assert_eq!(HALVING.f.traces(), 4);
}

type Params = BTreeMap<String, Tensor>;

/// Dictionary parameters, an optimizer state, running statistics, a loss with aux, all through one compiled step.
#[test]
fn a_training_step() {
    fn init() -> Params {
        [("kernel".to_owned(), tensor(&[2, 1], &[0.5, -0.5])), ("bias".to_owned(), vector(&[0.]))].into()
    }
    let model = |p: &Params, mean: &Tensor, x: &Tensor| -> (Tensor, Tensor) {
        let now = x.sum_axes([0]) / x.shape()[0];
        (product(&(x - &now), &p["kernel"]) + &p["bias"], mean * 0.9 + now * 0.1)
    };
    let body = |(params, momentum, state, x, y): (Params, Params, Tensor, Tensor, Tensor)| {
        let ((loss, state), grads) = value_and_grad(|p: &Params| {
            let (out, state) = model(p, &state, &x);
            let d = out - &y;
            Ok((total(&(&d * &d)) / d.size(), state))
        })(&params)?;
        let momentum = tree::zip_map(&momentum, &grads, |m, g| Ok(m * 0.9 + g))?;
        let params = tree::zip_map(&params, &momentum, |p, m| Ok(p - m * 0.1))?;
        Ok((params, momentum, state, loss))
    };
    let x = tensor(&[4, 2], &[1., 2., 3., 5., -1., 0., 2., 1.]);
    let y = tensor(&[4, 1], &[1., -1., 0.5, 2.]);
    let zeros = tree::map(&init(), |leaf| Ok(leaf.zeros_like())).unwrap();
    let step = jit(body);
    let (mut params, mut momentum, mut state) = (init(), zeros.clone(), vector(&[0., 0.]));
    let (mut p2, mut m2, mut s2) = (init(), zeros, vector(&[0., 0.]));
    let mut losses = vec![];
    for _ in 0..20 {
        let loss;
        (params, momentum, state, loss) = step.call((params, momentum, state, x.clone(), y.clone())).unwrap();
        let eager;
        (p2, m2, s2, eager) = body((p2, m2, s2, x.clone(), y.clone())).unwrap();
        assert_same(&loss, &eager);
        losses.push(loss.item::<f32>().unwrap());
    }
    assert_eq!(step.traces(), 1);
    assert!(losses[19] < 0.3 * losses[0], "{losses:?}");
    assert_same(&params["kernel"], &p2["kernel"]);
    assert_same(&state, &s2);
}
