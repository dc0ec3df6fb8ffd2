use std::sync::Barrier;
use std::sync::atomic::Ordering::Relaxed;

use super::*;

/// A pool of a test's own, whose threads stay until the process ends.
fn pool(threads: usize) -> &'static Pool {
    let pool: &'static Pool = Box::leak(Box::new(Pool::new()));
    pool.set_threads(threads);
    pool
}

fn counters(count: usize) -> Vec<AtomicUsize> {
    (0..count).map(|_| AtomicUsize::new(0)).collect()
}

fn all_are(counters: &[AtomicUsize], expected: usize) -> bool {
    counters.iter().all(|counter| counter.load(Relaxed) == expected)
}

/// Two indices that wait for each other, which they can only do on two threads.
fn meet(pool: &'static Pool) {
    let barrier = Barrier::new(2);
    pool.run(2, &|_| {
        barrier.wait();
    });
}

#[test]
fn every_index_is_visited_once() {
    for threads in [1, 2, 3, 8] {
        let pool = pool(threads);
        for count in [0, 1, 2, 7, 1000] {
            let seen = counters(count);
            pool.run(count, &|i| {
                seen[i].fetch_add(1, Relaxed);
            });
            assert!(all_are(&seen, 1));
        }
    }
}

#[test]
fn jobs_share_threads_that_are_awake_asleep_or_kept_awake() {
    let pool = pool(2);
    meet(pool);
    meet(pool);
    while pool.is_awake() {
        thread::sleep(SPIN);
    }
    meet(pool);
    while pool.is_awake() {
        thread::sleep(SPIN);
    }
    pool.keep_awake();
    meet(pool);
    pool.let_sleep();
}

#[test]
fn a_pool_of_many_threads_wakes_all_of_them() {
    let pool = pool(7);
    for _ in 0..3 {
        let barrier = Barrier::new(7);
        pool.run(7, &|_| {
            barrier.wait();
        });
        thread::sleep(20 * SPIN);
    }
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
    let pool = pool(3);
    for bad in [0, 1, 57] {
        let job = || {
            pool.run(100, &|i| {
                assert!(i != bad, "index {i}");
            });
        };
        let panic = catch_unwind(AssertUnwindSafe(job)).unwrap_err();
        assert_eq!(*panic.downcast::<String>().unwrap(), format!("index {bad}"));
        meet(pool);
    }
}

#[test]
fn a_panic_on_a_worker_reaches_the_caller() {
    let pool = pool(2);
    let (caller, barrier) = (thread::current().id(), Barrier::new(2));
    let job = || {
        pool.run(2, &|_| {
            barrier.wait();
            assert!(thread::current().id() == caller, "on a worker");
        });
    };
    assert!(catch_unwind(AssertUnwindSafe(job)).is_err());
    meet(pool);
}

#[test]
fn a_job_inside_of_a_job_stays_on_its_thread() {
    let pool = pool(3);
    let seen = counters(5 * 50);
    pool.run(50, &|i| {
        let this = thread::current().id();
        pool.run(5, &|j| {
            assert_eq!(thread::current().id(), this);
            seen[5 * i + j].fetch_add(1, Relaxed);
        });
    });
    assert!(all_are(&seen, 1));
}

#[test]
fn callers_at_the_same_time_do_not_wait_for_each_other() {
    let pool = pool(2);
    let (entered, left) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            pool.run(2, &|i| {
                if i == 0 {
                    entered.wait();
                    left.wait();
                }
            });
        });
        entered.wait();
        let this = thread::current().id();
        pool.run(3, &|_| assert_eq!(thread::current().id(), this));
        left.wait();
    });
}

#[test]
fn many_small_jobs_of_several_callers_lose_nothing() {
    let pool = pool(4);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for round in 0..2000 {
                    let count = round % 9;
                    let mut out = vec![0; count];
                    let start = out.as_mut_ptr() as usize;
                    // SAFETY: each index writes to an element of its own.
                    pool.run(count, &|i| unsafe { *(start as *mut usize).add(i) = i + round });
                    assert!(out.iter().enumerate().all(|(i, &x)| x == i + round));
                    if round % 100 == 0 {
                        thread::sleep(2 * SPIN);
                    }
                }
            });
        }
    });
}

#[test]
fn the_number_of_threads_may_change_between_jobs() {
    let pool = pool(1);
    let widest = |threads: usize| {
        pool.set_threads(threads);
        let seen = Mutex::new(std::collections::HashSet::new());
        pool.run(200, &|_| {
            seen.lock().unwrap().insert(thread::current().id());
            thread::sleep(Duration::from_micros(20));
        });
        seen.into_inner().unwrap().len()
    };
    for threads in [1, 3, 2, 5, 1, 5] {
        assert!(widest(threads) <= threads);
        assert_eq!(pool.threads(), threads);
    }
    pool.set_threads(MAX_THREADS + 1);
    assert_eq!(pool.threads(), MAX_THREADS);
    pool.set_threads(0);
    assert!(pool.threads() > 0);
}

#[test]
fn a_caller_sleeps_while_a_worker_is_busy_for_long() {
    let pool = pool(2);
    let (caller, barrier) = (thread::current().id(), Barrier::new(2));
    for _ in 0..3 {
        let done = AtomicBool::new(false);
        pool.run(2, &|_| {
            barrier.wait();
            if thread::current().id() != caller {
                thread::sleep(100 * SPIN);
                done.store(true, Relaxed);
            }
        });
        assert!(done.load(Relaxed));
    }
}
