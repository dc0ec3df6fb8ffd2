//! Exchanges between threads: in any order of arrival, several at a time, and after a failure.

use super::*;
use crate::array::DType;

fn numbers(all: &[f32]) -> Array {
    Array::from_slice(Aval::new([all.len()], DType::F32), all)
}

/// Runs `f` on a thread for each of so many ranks.
fn on_ranks<T: Send>(size: usize, f: impl Fn(&ThreadTransport) -> T + Sync) -> Vec<T> {
    let group = ThreadTransport::group(size).unwrap();
    let (f, shared) = (&f, group[0].group.clone());
    let found = std::thread::scope(|scope| {
        let threads: Vec<_> = group.into_iter().map(|own| scope.spawn(move || f(&own))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let meeting = shared.meeting();
    assert!(meeting.failure.is_some() || meeting.exchanges.is_empty(), "what all are done with is forgotten");
    found
}

#[test]
fn several_reductions_may_be_under_way_at_once() {
    let found = on_ranks(3, |own| {
        let rank = own.rank() as f32;
        let sum = own.start_all_reduce(Reduction::Sum, numbers(&[rank, 1.0])).unwrap();
        let most = own.start_all_reduce(Reduction::Max, numbers(&[rank])).unwrap();
        let all = own.all_gather(numbers(&[-rank])).unwrap();
        let (most, sum) = (most.wait().unwrap(), sum.wait().unwrap());
        [all, most, sum].map(|array| array.data::<f32>().to_vec())
    });
    assert_eq!(found, vec![[vec![0.0, -1.0, -2.0], vec![2.0], vec![3.0, 3.0]]; 3]);
}

#[test]
fn a_reduction_that_a_rank_does_not_wait_for_holds_nobody_up() {
    let found = on_ranks(2, |own| {
        for _ in 0..100 {
            let sum = own.start_all_reduce(Reduction::Sum, numbers(&[1.0])).unwrap();
            if own.rank() == 0 {
                assert_eq!(sum.wait().unwrap().data::<f32>(), [2.0]);
            }
            own.barrier().unwrap();
        }
        own.broadcast(1, numbers(&[own.rank() as f32])).unwrap().data::<f32>()[0]
    });
    assert_eq!(found, [1.0, 1.0]);
}

#[test]
fn after_a_failure_all_calls_fail_at_once() {
    let errors = on_ranks(3, |own| {
        if own.rank() == 2 {
            own.abort(&Error::msg("no more"));
        }
        let first = own.barrier().err().unwrap();
        assert_eq!(own.all_gather(numbers(&[1.0])).err(), Some(first.clone()));
        first
    });
    let failed = Error::RankFailed { rank: 2, error: Box::new(Error::msg("no more")) };
    assert_eq!(errors, vec![failed; 3]);
}

#[test]
fn sums_have_the_same_bits_whoever_comes_last() {
    let parts = [1e8f32, 1.0, -1e8, 3.25e-3];
    let expected = parts.iter().fold(0.0, |sum, x| sum + x);
    for late in 0..4 {
        let found = on_ranks(4, |own| {
            if own.rank() == late {
                std::thread::sleep(Duration::from_millis(5));
            }
            own.all_reduce(Reduction::Sum, numbers(&[parts[own.rank()]])).unwrap().data::<f32>()[0]
        });
        assert_eq!(found, [expected; 4]);
    }
}
