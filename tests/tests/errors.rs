//! Misuse of transforms and operations: which error, and what it says.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use flaxen::nn::DenseGeneral;
use flaxen::prelude::*;
use flaxen::{Array, Aval, Error, Shape, WindowOptions, WindowReduction, axis_size, eval_shape};
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
    assert_eq!(not_scalar, Error::NotScalar { shape: shape(&[1]), dtype: "float32" });
    let not_float = grad(|x: &Tensor| Ok(x.cast(DType::I32)))(&scalar(1.)).unwrap_err();
    assert_eq!(not_float, Error::NotScalar { shape: shape(&[]), dtype: "int32" });
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
    assert_eq!(x.to_vec::<i32>().unwrap_err(), Error::ElementType { found: "float32", asked: "int32" });
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

/// More elements than any program has addresses for, though few enough to count their bytes.
const MUCH: usize = 1 << 50;

#[test]
fn memory_that_is_not_there_is_an_error_with_operation_shape_and_bytes() {
    let one = Tensor::from(1.5f32);
    let refused = |result: Result<Tensor>, name: &str| match result.as_ref().map_err(Error::root) {
        Err(Error::OutOfMemory { op, shape, bytes }) => {
            assert!(*op == name && shape.contains("1125899906842624") && *bytes >= 4 * MUCH, "{op} {shape}");
        }
        other => panic!("{name}: {other:?}"),
    };
    refused(random::try_normal(&key(0), [MUCH]), "random_unit");
    refused(random::try_bits(&key(0), [MUCH], 32), "random_bits");
    refused(random::try_from_fn(&key(0), [MUCH], |_| 1.0f32), "from_fn");
    refused(one.try_broadcast_to([MUCH]), "broadcast_to");
    refused(Tensor::try_arange_of(0, MUCH as i64, 1, DType::I64), "iota");
    refused(Tensor::try_linspace(0.0, 1.0, MUCH + 1, DType::F32), "iota");
    refused(Tensor::from([1i32]).try_one_hot(MUCH, -1, DType::F32), "iota");
    refused(Tensor::from([1.0f32]).try_pad([(0, MUCH - 1)], 0.0f32), "pad");
    refused(vmap(|x: Tensor| x.try_broadcast_to([MUCH])).call(Tensor::from([1.0f32, 2.0])), "broadcast_to");
    refused(grad(|x: &Tensor| x.try_broadcast_to([MUCH])?.try_sum())(&one), "broadcast_to");
    let staged = jit(|x: Tensor| x.try_broadcast_to([MUCH])?.try_exp()?.try_cumsum(0));
    refused(staged.call(one.clone()), "jit");
    // Nothing is broken afterwards.
    refused(staged.call(one.clone()), "jit");
    assert_eq!(jit(|x: Tensor| x.try_add(1.0f32)).call(one).unwrap().item::<f32>().unwrap(), 2.5);
}

#[test]
fn memory_that_is_not_there_is_a_panic_that_says_so_elsewhere() {
    type Make = fn() -> Tensor;
    let makes: [Make; 5] = [
        || Tensor::zeros([MUCH]),
        || Tensor::ones([MUCH]),
        || Tensor::full([MUCH], 2i64),
        || random::normal(&key(0), [MUCH]),
        || Array::zeros(Aval::new([MUCH], DType::F32)).into(),
    ];
    for make in makes {
        let panic = catch_unwind(make).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.contains("no memory for") && text.contains("bytes"), "{text}");
    }
}

#[test]
fn sizes_that_cannot_be_addressed_are_refused_where_they_are_made() {
    const HALF: usize = 1 << 61;
    let refused = |name: &str, result: Result<Tensor>| match result {
        Err(Error::Shape { expected, .. }) => assert!(expected.contains("fits the address space"), "{name}"),
        other => panic!("{name}: {other:?}"),
    };
    let (one, pair) = (Tensor::from([1.0f32]), Tensor::from([1.0f32, 2.0]));
    let wide = |rows: usize, columns: usize| Tensor::zeros([rows, columns]);
    let huge = |shape: &[usize]| Tensor::abstract_value(Aval::new(shape, DType::F32));
    refused("broadcast_to", one.try_broadcast_to([HALF, 8]));
    refused("broadcast_to bytes", one.try_broadcast_to([HALF]));
    refused("broadcast_to nothing", one.try_broadcast_to([HALF, 8, 0]));
    refused("tile", pair.try_tile([usize::MAX]));
    refused("repeat", pair.try_repeat(usize::MAX, 0));
    refused("pad", pair.try_pad([(HALF, HALF)], 0.0f32));
    refused("one_hot", Tensor::from([1, 2]).try_one_hot(HALF, -1, DType::F32));
    refused("arange", Tensor::try_arange_of(0, i64::MAX, 1, DType::I64));
    refused("linspace", Tensor::try_linspace(0.0, 1.0, usize::MAX, DType::F32));
    refused("matmul", wide(1 << 40, 0).try_matmul(&wide(0, 1 << 40)));
    refused("einsum", flaxen::try_einsum("ij,jl->il", &[&wide(1 << 40, 0), &wide(0, 1 << 40)]));
    refused("concatenate", Tensor::try_concatenate(&[wide(1 << 60, 0), wide(1 << 60, 0)], 0));
    refused("qr", wide(1 << 33, 0).try_qr_full().map(|(q, _)| q));
    refused("random", random::try_normal(&key(0), [HALF, 8]));
    refused("split", key(0).try_split_n(HALF).map(|_| one.clone()));
    refused("from_fn", random::try_from_fn(&key(0), [HALF, 8], |_| 1.0f32));
    refused("vmap", vmap(|x: Tensor| x.try_broadcast_to([HALF / 8])).call(Tensor::zeros([1 << 20])));
    refused("jit", jit(|x: Tensor| x.try_broadcast_to([HALF, 8])).call(one.clone()));
    refused("eval_shape", eval_shape(|x: Tensor| x.try_broadcast_to([HALF, 8]), &one));
    refused("Aval", Aval::try_new([HALF, 8], DType::F32).map(|_| one.clone()));
    refused("stack", eval_shape(|x: Tensor| Tensor::try_stack(&vec![x; 40], 0), &huge(&[1 << 58])));
    refused(
        "take",
        eval_shape(|x: Tensor| x.try_take(Tensor::zeros_of([1 << 20], DType::I32), 0), &huge(&[2, 1 << 50])),
    );
    refused("outer", eval_shape(|x: Tensor| flaxen::try_einsum("i,j->ij", &[&x, &x]), &huge(&[1 << 40])));
    let wide_kernel = Tensor::ones([3, 2, 1 << 20]);
    refused(
        "conv",
        eval_shape(
            |x: Tensor| x.try_conv_general(&wide_kernel, &ConvOptions::new()),
            &huge(&[1, 1 << 45, 2]),
        ),
    );
    let around = Padding::Explicit(vec![(1 << 40, 0); 2]);
    let window = WindowOptions::new([1, 1]).padding(around);
    refused("window", wide(3, 3).try_reduce_window(&window, WindowReduction::Max));
    let many = vmap(|x: Tensor| x.try_add(Tensor::ones([2]))).in_axes(None).axis_size(1 << 62);
    refused("axis_size", many.call(pair.clone()));
    for size in [1 << 62, usize::MAX] {
        let error = Dense::new(size).init(key(0)).call(&Tensor::ones([1, 4])).err().unwrap().to_string();
        assert!(error.contains("in `/` (Dense)") && error.contains("fits the address space"), "{error}");
        let layer = DenseGeneral::new([size, 8]);
        let error = layer.init(key(0)).call(&Tensor::ones([1, 4])).err().unwrap().to_string();
        assert!(
            error.contains("in `/` (DenseGeneral)") && error.contains("fits the address space"),
            "{error}"
        );
    }
    let made = eval_shape(
        |x: Tensor| x.try_matmul(&x),
        &Tensor::abstract_value(Aval::new([1 << 30; 2], DType::F32)),
    );
    assert_eq!(made.unwrap().shape(), [1 << 30; 2]);
    assert!(Tensor::try_from_vec([0f32; 0], [HALF, 8]).is_err());

    let mut aval = Aval::new([2], DType::F32);
    aval.shape = shape(&[HALF, 8]);
    let panics: [&dyn Fn(); 9] = [
        &|| drop(Aval::new([HALF, 8], DType::F32)),
        &|| drop(Array::zeros(aval.clone())),
        &|| drop(Array::scratch(aval.clone())),
        &|| drop(Array::from_slice::<f32>(aval.clone(), &[])),
        &|| drop(Array::zeros(Aval::new([0], DType::F32)).with_aval(aval.clone())),
        &|| drop(Tensor::abstract_value(aval.clone())),
        &|| drop(Tensor::zeros([HALF, 8])),
        &|| drop(Tensor::eye(1 << 40)),
        &|| drop(Tensor::tri(1 << 40, 1 << 40, 0, DType::Bool)),
    ];
    for (i, panics) in panics.into_iter().enumerate() {
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err(), "{i}");
    }
}

#[test]
fn an_array_is_made_only_of_as_many_numbers_as_it_has_elements_and_of_its_dtype() {
    let make = |numbers: Vec<f32>, dtype| {
        catch_unwind(|| Array::from_slice(Aval::new([3], dtype), &numbers).data::<f32>().to_vec())
    };
    assert_eq!(make(vec![1.0, 2.0, 3.0], DType::F32).unwrap(), [1.0, 2.0, 3.0]);
    for (numbers, dtype) in [(vec![1.0], DType::F32), (vec![1.0; 4], DType::F32), (vec![1.0; 3], DType::I32)]
    {
        let panic = make(numbers, dtype).unwrap_err();
        assert!(panic.downcast_ref::<String>().unwrap().contains("give as many as it has elements"));
    }
}
