//! Misuse of transforms and operations: which error, and what it says.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use flaxen::prelude::*;
use flaxen::{Shape, axis_size, eval_shape};
use flaxen_tests::numbers::{scalar, total, vector};

fn shape(sizes: &[usize]) -> Shape {
    sizes.into()
}

/// Runs a transform that stores a value of its own.
fn leaked_by(run: impl Fn(&RefCell<Tensor>)) -> Tensor {
    let leak = RefCell::new(scalar(0.));
    run(&leak);
    leak.into_inner()
}

fn leaks() -> Vec<(&'static str, Tensor)> {
    let by_grad = leaked_by(|leak| {
        grad(|x: &Tensor| {
            *leak.borrow_mut() = x * 2.0;
            Ok(x.clone())
        })(&scalar(1.))
        .unwrap();
    });
    let by_vmap = leaked_by(|leak| {
        vmap(|x: Tensor| {
            *leak.borrow_mut() = x.clone();
            Ok(x)
        })
        .call(vector(&[1.]))
        .unwrap();
    });
    let by_jit = leaked_by(|leak| {
        jit(|x: Tensor| {
            *leak.borrow_mut() = x.clone();
            Ok(x)
        })
        .call(scalar(1.))
        .unwrap();
    });
    vec![("grad", by_grad), ("vmap", by_vmap), ("jit", by_jit)]
}

#[test]
fn a_leaked_value_is_an_error_that_names_its_transform() {
    for (transform, value) in leaks() {
        let expected = Error::Leaked { transform };
        assert_eq!(value.item::<f32>().unwrap_err(), expected);
        assert_eq!(value.try_add(scalar(1.)).unwrap_err(), expected);
        assert_eq!(scalar(1.).try_add(&value).unwrap_err(), expected);
        assert_eq!(value.try_reshape([1, 1]).unwrap_err(), expected);
        assert!(expected.to_string().contains(&format!("traced by `{transform}`")));
    }
}

#[test]
fn a_leaked_value_is_noticed_by_every_transform_it_is_captured_by() {
    for (transform, value) in leaks() {
        let expected = Error::Leaked { transform };
        assert_eq!(jit(|x: Tensor| x.try_add(&value)).call(scalar(1.)).unwrap_err(), expected);
        assert_eq!(grad(|x: &Tensor| x.try_add(&value))(&scalar(1.)).unwrap_err(), expected);
        assert_eq!(vmap(|x: Tensor| x.try_add(&value)).call(vector(&[1.])).unwrap_err(), expected);
    }
}

#[test]
fn a_leaked_value_is_noticed_as_argument_and_as_result() {
    for (transform, value) in leaks() {
        let expected = Error::Leaked { transform };
        assert_eq!(grad(|x: &Tensor| Ok(x.clone()))(&value).unwrap_err(), expected);
        assert_eq!(jit(|x: Tensor| Ok(x)).call(value.clone()).unwrap_err(), expected);
        assert_eq!(jit(|_: Tensor| Ok(value.clone())).call(scalar(1.)).unwrap_err(), expected);
        assert_eq!(
            vmap(|x: Tensor| Ok((x, value.clone()))).out_axes((0, None)).call(vector(&[1.])).unwrap_err(),
            expected
        );
        let aux = value_and_grad(|x: &Tensor| Ok((x.clone(), value.clone())))(&scalar(1.));
        assert_eq!(aux.unwrap_err(), expected);
    }
}

#[test]
fn a_jitted_function_that_outlives_what_it_captured() {
    let kept = RefCell::new(None);
    let outer = grad(|x: &Tensor| {
        let x2 = x.clone();
        let f = jit(move |y: Tensor| Ok(&x2 * y));
        let out = f.call(scalar(2.))?;
        *kept.borrow_mut() = Some(f);
        Ok(out)
    });
    assert_eq!(outer(&scalar(3.)).unwrap().item::<f32>(), Ok(2.));
    assert_eq!(
        kept.borrow().as_ref().unwrap().call(scalar(2.)).unwrap_err(),
        Error::Leaked { transform: "grad" }
    );
}

#[test]
fn an_unbound_axis_is_named() {
    let unbound = |bound: &[&str]| Error::UnboundAxis {
        axis: "batch".into(),
        bound: bound.iter().map(|&name| name.to_owned()).collect(),
    };
    assert_eq!(scalar(1.).pmean("batch").unwrap_err(), unbound(&[]));
    assert_eq!(axis_index("batch").unwrap_err(), unbound(&[]));
    assert_eq!(axis_size("batch").unwrap_err(), unbound(&[]));
    assert_eq!(vmap(|x: Tensor| x.pmean("batch")).call(vector(&[1.])).unwrap_err(), unbound(&[]));
    let rows = vmap(|x: Tensor| x.pmean("batch")).axis_name("rows").call(vector(&[1.])).unwrap_err();
    assert_eq!(rows, unbound(&["rows"]));
    assert!(rows.to_string().contains("`batch`") && rows.to_string().contains("rows"));
    assert_eq!(jit(|x: Tensor| x.pmean("batch")).call(scalar(1.)).unwrap_err(), unbound(&[]));
    assert_eq!(grad(|x: &Tensor| x.pmean("batch"))(&scalar(1.)).unwrap_err(), unbound(&[]));
}

#[test]
fn a_pullback_that_averages_needs_its_axis_when_it_is_called() {
    let kept = RefCell::new(None);
    let inside = |x: Tensor| {
        let (y, pullback) = vjp(|_: &Tensor| scalar(2.).pmean("batch"), &scalar(1.))?;
        *kept.borrow_mut() = Some(pullback);
        Ok(x * y)
    };
    vmap(inside).axis_name("batch").call(vector(&[1., 2.])).unwrap();
    // Nothing of the argument was averaged: the pullback is zero, and needs no axis.
    assert_eq!(kept.borrow().as_ref().unwrap()(&scalar(1.)).unwrap().item::<f32>(), Ok(0.));
}

#[test]
fn numbers_of_a_staged_value_do_not_exist() {
    let concrete = |shape: &[usize]| Error::Concrete { transform: "jit", shape: self::shape(shape) };
    let f = jit(|x: Tensor| Ok(if x.item::<f32>()? > 0.0 { x } else { -x }));
    assert_eq!(f.call(scalar(1.)).unwrap_err(), concrete(&[]));
    let f = jit(|x: Tensor| Ok(Tensor::from(x.to_vec::<f32>()?)));
    assert_eq!(f.call(vector(&[1., 2.])).unwrap_err(), concrete(&[2]));
    // Through grad, and for a constant: everything inside is staged.
    let f = jit(|x: Tensor| {
        grad(|x: &Tensor| {
            x.item::<f32>()?;
            Ok(x.clone())
        })(&x)
    });
    assert_eq!(f.call(scalar(1.)).unwrap_err(), concrete(&[]));
    let f = jit(|x: Tensor| {
        (scalar(1.) + 1.0).item::<f32>()?;
        Ok(x)
    });
    assert_eq!(f.call(scalar(1.)).unwrap_err(), concrete(&[]));
    // A concrete value that was there before is still concrete.
    let one = scalar(1.);
    let f = jit(|x: Tensor| {
        one.item::<f32>()?;
        Ok(x)
    });
    assert!(f.call(scalar(1.)).is_ok());
}

#[test]
fn numbers_of_a_batch_have_an_error_of_their_own() {
    let f = vmap(|x: Tensor| Ok(if x.item::<f32>()? > 0.0 { x } else { -x }));
    let error = f.call(vector(&[1.])).unwrap_err();
    assert_eq!(error, Error::Concrete { transform: "vmap", shape: shape(&[]) });
    assert!(error.to_string().contains("differ between examples"));
    let through_grad = vmap(|x: Tensor| {
        grad(|x: &Tensor| {
            x.item::<f32>()?;
            Ok(x.clone())
        })(&x)
    });
    assert_eq!(through_grad.call(vector(&[1.])).unwrap_err(), error);
    // What is not mapped has numbers.
    let f = vmap(|(x, n): (Tensor, Tensor)| Ok(x * f64::from(n.item::<f32>()?))).in_axes((0, None));
    assert!(f.call((vector(&[1.]), scalar(2.))).is_ok());
}

#[test]
fn shapes_without_numbers_say_so() {
    let out =
        eval_shape(|x: Tensor| Ok(x.sum_axes([0])), &Tensor::abstract_value(Aval::new([2, 3], DType::F32)))
            .unwrap();
    assert_eq!(out.shape(), [3]);
    assert_eq!(out.to_vec::<f32>().unwrap_err(), Error::Abstract { shape: shape(&[3]) });
    assert_eq!(out.try_add(1.0f32).unwrap_err(), Error::Abstract { shape: shape(&[3]) });
    assert!(eval_shape(|x: Tensor| Ok(Tensor::from(x.item::<f32>()?)), &scalar(1.)).is_err());
}

#[test]
fn out_axes_none_needs_a_value_shared_by_the_examples() {
    let f = vmap(|x: Tensor| Ok((x.clone(), vec![x]))).axis_name("batch").out_axes((0, None));
    let error = f.call(vector(&[1., 2.])).unwrap_err();
    assert_eq!(error, Error::MappedOutput { path: "1.0".into(), axis: Some("batch".into()) });
    let text = error.to_string();
    assert!(text.contains("pmean(\"batch\")") && text.contains("1.0"), "{text}");
}

#[test]
fn grad_wants_a_float_scalar() {
    let not_scalar = grad(|x: &Tensor| Ok(x * 2.0))(&vector(&[1.])).unwrap_err();
    assert_eq!(not_scalar, Error::NotScalar { shape: shape(&[1]), dtype: DType::F32 });
    let not_float = grad(|x: &Tensor| Ok(x.cast(DType::I32)))(&scalar(1.)).unwrap_err();
    assert_eq!(not_float, Error::NotScalar { shape: shape(&[]), dtype: DType::I32 });
    assert!(not_float.to_string().contains("int32"));
}

#[test]
fn vmap_wants_one_size() {
    let f = vmap(|(x, y): (Tensor, Tensor)| Ok(x + y));
    assert_eq!(
        f.call((vector(&[1.]), vector(&[1., 2.]))).unwrap_err(),
        Error::AxisSize { found: vec![1, 2] }
    );
    assert!(vmap(|x: Tensor| Ok(x)).call(scalar(1.)).is_err());
    let unmapped = vmap(|x: Tensor| Ok(x)).in_axes(None).call(scalar(1.)).unwrap_err();
    assert_eq!(unmapped, Error::AxisSize { found: vec![] });
    assert!(unmapped.to_string().contains("axis_size"));
    assert!(vmap(|x: Tensor| Ok(x)).in_axes(2).call(vector(&[1.])).is_err());
    assert!(vmap(|x: Tensor| Ok(x)).out_axes(1).call(vector(&[1.])).is_err());
    assert!(vmap(|x: Tensor| Ok(x)).axis_size(3).call(vector(&[1.])).is_err());
}

#[test]
fn an_error_inside_a_compiled_function_names_the_line_that_staged_it() {
    // Valid for one example, and for a batch of other examples not.
    let f = jit(|x: Tensor| x.try_add(vector(&[1., 2.])));
    let error = f.call(vector(&[1., 2., 3.])).unwrap_err().to_string();
    assert!(error.contains("`add`") && error.contains("[3] and [2]"), "{error}");
}

#[test]
fn arithmetic_on_shapes_that_do_not_fit_panics_with_both() {
    let panic = catch_unwind(|| vector(&[1., 2.]) + vector(&[1., 2., 3.])).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("`add`") && text.contains("[2] and [3]"), "{text}");
}

#[test]
fn a_panic_leaves_the_thread_usable() {
    let misfit = |x: &Tensor| x + vector(&[1., 2.]) + vector(&[1., 2., 3.]);
    let x = vector(&[1., 2.]);
    let runs: [&dyn Fn() -> Result<Tensor>; 4] = [
        &|| grad(|x: &Tensor| Ok(misfit(x)))(&x),
        &|| vmap(|x: Tensor| Ok(misfit(&x))).call(vector(&[1., 2.]).reshape([1, 2])),
        &|| jit(|x: Tensor| Ok(misfit(&x))).call(x.clone()),
        &|| jit(|x: Tensor| vmap(|x: Tensor| grad(|x: &Tensor| Ok(misfit(x)))(&x)).call(x)).call(x.clone()),
    ];
    for run in runs {
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
        // Outside of every transform again: values are concrete.
        assert_eq!((scalar(1.) + 1.0).item::<f32>(), Ok(2.));
        assert_eq!(grad(|x: &Tensor| Ok(x * x))(&scalar(3.)).unwrap().item::<f32>(), Ok(6.));
    }
}

#[test]
fn an_error_leaves_the_thread_usable() {
    let wrong = || Err::<Tensor, _>(Error::msg("mine"));
    assert_eq!(grad(|_: &Tensor| wrong())(&scalar(1.)).unwrap_err(), Error::msg("mine"));
    assert_eq!(vmap(|_: Tensor| wrong()).call(vector(&[1.])).unwrap_err(), Error::msg("mine"));
    assert_eq!(jit(|_: Tensor| wrong()).call(scalar(1.)).unwrap_err(), Error::msg("mine"));
    assert_eq!((scalar(1.) + 1.0).item::<f32>(), Ok(2.));
}

#[test]
fn errors_of_other_libraries_pass_through_transforms() {
    let f = grad(|x: &Tensor| {
        let factor: f64 = "three".parse().map_err(Error::other)?;
        Ok(x * factor)
    });
    assert!(f(&scalar(1.)).unwrap_err().to_string().contains("invalid float literal"));
}

#[test]
fn reading_another_type_or_number_of_elements() {
    let x = vector(&[1., 2.]);
    assert_eq!(x.to_vec::<i32>().unwrap_err(), Error::ElementType { found: DType::F32, asked: DType::I32 });
    assert_eq!(x.item::<f32>().unwrap_err(), Error::NotOneElement { shape: shape(&[2]) });
    assert!(Tensor::try_from_vec([1f32, 2.0], [3]).is_err());
    assert!(Tensor::try_from_vec([1f32], [usize::MAX, usize::MAX]).is_err());
}

#[test]
fn sizes_that_overflow_are_errors() {
    let x = Tensor::zeros([1]);
    assert!(matches!(x.try_broadcast_to([usize::MAX / 2, 16]), Err(Error::Shape { .. })));
    assert!(matches!(
        Tensor::zeros([1 << 20, 1]).try_broadcast_to([1 << 20, 1 << 44]),
        Err(Error::Shape { .. })
    ));
    assert!(catch_unwind(|| Tensor::zeros([1 << 40, 1 << 40])).is_err());
    assert!(catch_unwind(|| total(&Tensor::abstract_value(Aval::new([1], DType::F32)))).is_err());
}

#[test]
fn tensors_of_more_than_256_axes_are_refused_where_they_are_made() {
    let one = Tensor::ones([1]);
    let message = one.try_reshape(vec![1; 257]).unwrap_err().to_string();
    assert!(message.contains("257 axes") && message.contains("at most 256"), "{message}");
    assert!(Tensor::try_from_vec([1i32], vec![1; 257]).is_err());
    assert!(jit(|x: Tensor| x.try_reshape(vec![1; 257])).call(one.clone()).is_err());
    // What there may be is printed and computed with on the stack of a thread.
    let most = Tensor::ones([2, 3]).reshape([vec![1; 254], vec![2, 3]].concat());
    std::thread::scope(|scope| {
        let work = || {
            assert!(
                most.to_string().starts_with("f32[1,1,")
                    && format!("{most:?}").starts_with("Tensor(..., shape=[1, 1")
            );
            let cropped = most.try_pad_interior(vec![(1, -1, 0); 256], 0.0f32).unwrap();
            assert_eq!(cropped.shape(), most.shape());
            let loss = |x: &Tensor| Ok((x.softmax(-1) * x).sum());
            assert_eq!(grad(loss)(&most).unwrap().reshape([6]).shape(), [6]);
        };
        std::thread::Builder::new().stack_size(2 << 20).spawn_scoped(scope, work).unwrap();
    });
    let rows = Tensor::ones([2, 3]).reshape([vec![1; 62], vec![2, 3]].concat()).to_string();
    assert!(rows.contains("[1. 1. 1.]"), "{rows}");
}
