//! Threads: shared functions, and threads inside transforms.

use std::sync::Barrier;
use std::thread;

use flaxen::prelude::*;
use flaxen::{Vmap, trace_handle};
use flaxen_tests::numbers::{assert_close, assert_same, scalar, vector};

#[test]
fn values_and_transformed_functions_may_be_shared() {
    fn check<T: Send + Sync + Clone>() {}
    fn shared<T: Send + Sync>(_: &T) {}
    check::<Tensor>();
    check::<Error>();
    check::<DType>();
    shared(&jit(|x: Tensor| Ok(x)));
    let mapped: Vmap<_, Tensor, Tensor> = vmap(|x: Tensor| Ok(x));
    shared(&mapped);
    shared(&grad(|x: &Tensor| Ok(x.clone())));
}

#[test]
fn two_threads_share_a_jitted_function() {
    let f = jit(|x: Tensor| -> Result<Tensor> { Ok(x.sin() * 2.0) });
    thread::scope(|s| {
        for i in 0..4 {
            let f = &f;
            s.spawn(move || {
                for _ in 0..100 {
                    let x = scalar(i as f32);
                    assert_same(&f.call(x.clone()).unwrap(), &(x.sin() * 2.0));
                }
            });
        }
    });
}

#[test]
fn threads_that_trace_one_function_at_once_keep_one_program() {
    const THREADS: usize = 16;
    for round in 0..8 {
        let meeting = Barrier::new(THREADS);
        // All of them are in the middle of tracing when they meet.
        let f = jit(|x: Tensor| {
            meeting.wait();
            Ok(x.sin() * 2.0)
        });
        let f = if round % 2 == 0 { f } else { f.limit(1) };
        thread::scope(|s| {
            for i in 0..THREADS {
                let f = &f;
                s.spawn(move || {
                    let x = scalar(i as f32);
                    assert_same(&f.call(x.clone()).unwrap(), &(x.sin() * 2.0));
                });
            }
        });
        f.call(scalar(1.0)).unwrap();
        let stats = f.stats();
        assert_eq!((f.traces(), stats.programs), (1, 1));
        assert_eq!((stats.traces, stats.hits, stats.evicted), (THREADS as u64, 1, 0));
    }
}

#[test]
fn threads_that_need_one_program_at_once_keep_one_however_they_meet() {
    const THREADS: usize = 16;
    for _ in 0..20 {
        let (f, meeting) = (jit(|x: Tensor| Ok(x.cos())), Barrier::new(THREADS));
        thread::scope(|s| {
            for _ in 0..THREADS {
                s.spawn(|| {
                    meeting.wait();
                    f.call(scalar(0.5)).unwrap();
                });
            }
        });
        let stats = f.stats();
        assert_eq!((f.traces(), stats.programs, stats.evicted), (1, 1, 0));
        assert_eq!(stats.traces + stats.hits, THREADS as u64);
    }
}

#[test]
fn threads_differentiate_and_batch_one_jitted_function() {
    let f = jit(|x: Tensor| Ok((x.sin() * &x).sum_axes([0])));
    let x = vector(&[0.1, 0.2]);
    let expected = grad(|x: &Tensor| Ok((x.sin() * x).sum_axes([0])))(&x).unwrap();
    thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..20 {
                    assert_same(&grad(|x: &Tensor| f.call(x.clone()))(&x).unwrap(), &expected);
                    let both = x.expand_dims([0]).broadcast_to([3, 2]);
                    assert_eq!(vmap(|x: Tensor| f.call(x)).call(both).unwrap().shape(), [3]);
                }
            });
        }
    });
}

#[test]
fn a_thread_inside_grad_records_on_the_same_tape() {
    let f = |x: &Tensor| {
        let (a, b) = thread::scope(|s| {
            let a = s.spawn(|| x.sin());
            let b = s.spawn(|| x * x);
            (a.join().unwrap(), b.join().unwrap())
        });
        Ok(a * b)
    };
    let x = 0.7f32;
    let expected = f64::from(x.cos() * x * x + x.sin() * 2.0 * x);
    assert_close(&grad(f)(&scalar(x)).unwrap(), &[], &[expected]);
}

#[test]
fn operations_on_a_thread_inside_vmap_find_their_axis_through_their_arguments() {
    let on_thread = |x: Tensor| thread::scope(|s| s.spawn(|| x.pmean("batch")).join().unwrap());
    let f = vmap(on_thread).axis_name("batch");
    assert_close(&f.call(vector(&[1., 3.])).unwrap(), &[2], &[2., 2.]);
}

/// A new thread starts outside of all transforms; a transform started there does not see the axes around it…
#[test]
fn a_transform_on_a_thread_inside_vmap_sees_no_named_axes() {
    let on_thread =
        |x: Tensor| thread::scope(|s| s.spawn(|| jit(|x: Tensor| x.pmean("batch")).call(x)).join().unwrap());
    let f = vmap(on_thread).axis_name("batch");
    assert!(matches!(f.call(vector(&[1., 3.])), Err(Error::UnboundAxis { .. })));
}

/// …unless the thread enters them.
#[test]
fn a_thread_that_enters_the_handle_sees_everything() {
    let on_thread = |x: Tensor| {
        let handle = trace_handle();
        thread::scope(|s| {
            let work = || handle.enter(|| jit(|x: Tensor| x.pmean("batch")).call(x));
            s.spawn(work).join().unwrap()
        })
    };
    let f = vmap(on_thread).axis_name("batch");
    assert_close(&f.call(vector(&[1., 3.])).unwrap(), &[2], &[2., 2.]);
    let constant = jit(|x: Tensor| {
        let handle = trace_handle();
        let staged =
            thread::scope(|s| s.spawn(|| handle.enter(|| (scalar(1.) + 1.0).item::<f32>())).join().unwrap());
        assert!(matches!(staged, Err(Error::Concrete { .. })));
        Ok(x)
    });
    constant.call(scalar(1.)).unwrap();
}

#[test]
fn a_thread_that_panics_inside_a_transform_harms_no_other() {
    let f = jit(|x: Tensor| if x.rank() == 1 { panic!("on purpose") } else { Ok(x * 2.0) });
    let panicked = thread::scope(|s| s.spawn(|| f.call(vector(&[1.]))).join().is_err());
    assert!(panicked);
    assert_eq!(f.call(scalar(2.)).unwrap().item::<f32>(), Ok(4.));
}
