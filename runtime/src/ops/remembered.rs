//! Programs that were made of equal graphs lately: a loop that runs outside of `jit`, or a function that is wrapped in `jit` anew at
//! every call, is staged each time and compiled once.

use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHasher;

use super::call::{Call, Target};
use crate::core::op::Op;
use crate::core::{Eqn, Graph};
use crate::kernels::threads;

/// Calls that are kept, whether anybody else holds them or not.
const PROGRAMS: usize = 64;
/// Bytes that their programs may keep for intermediate values between calls, all together.
const ARENAS: usize = 64 << 20;
/// Bytes of the captured constants of a graph. One with more is not kept: it would keep weights alive that its owner has dropped, and
/// comparing them takes time.
const CONSTANTS: usize = 4096;

struct Entry {
    hash: u64,
    graph: Graph,
    target: Target,
    threads: usize,
    call: Call,
}

/// The latest last.
static LATEST: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// The call of a graph: the one that was made of an equal graph lately, or else what `make` makes.
///
/// No lock is held while it is made: of threads that make the same, all get what the first has made.
pub(super) fn call(graph: Graph, target: Target, make: impl FnOnce(Graph) -> Call) -> Call {
    if !may_be_kept(&graph) {
        return make(graph);
    }
    // How many there are decides how programs are cut.
    let (hash, threads) = (hash(&graph), threads::count());
    if let Some(found) = find(&mut latest(), hash, &graph, target, threads) {
        return found;
    }
    let call = make(graph.clone());
    let mut latest = latest();
    if let Some(found) = find(&mut latest, hash, &graph, target, threads) {
        return found;
    }
    latest.push(Entry { hash, graph, target, threads, call: call.clone() });
    let mut bytes = 0;
    let mut is_kept = |entry: &Entry| {
        bytes += entry.call.arena_bytes();
        bytes <= ARENAS
    };
    let kept = latest.iter().rev().take(PROGRAMS).take_while(|entry| is_kept(entry)).count();
    let oldest = latest.len() - kept;
    let dropped: Vec<Entry> = latest.drain(..oldest).collect();
    // What they hold is freed without the lock.
    drop(latest);
    drop(dropped);
    call
}

/// Forgets all of them; those that somebody else holds go on.
pub(crate) fn forget() {
    let dropped = std::mem::take(&mut *latest());
    drop(dropped);
}

// Nothing under the lock panics half-way.
fn latest() -> MutexGuard<'static, Vec<Entry>> {
    LATEST.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(latest: &mut Vec<Entry>, hash: u64, graph: &Graph, target: Target, threads: usize) -> Option<Call> {
    let is_it = |entry: &Entry| {
        entry.hash == hash
            && entry.threads == threads
            && entry.target.is(target)
            && is_equal(&entry.graph, graph)
    };
    let found = latest.iter().rposition(is_it)?;
    let entry = latest.remove(found);
    let call = entry.call.clone();
    latest.push(entry);
    Some(call)
}

/// Whether an equal graph can come again, and keeping this one keeps nothing else alive.
fn may_be_kept(graph: &Graph) -> bool {
    let constants: usize = graph.consts.iter().map(|(_, array)| array.aval().bytes()).sum();
    constants <= CONSTANTS
        && graph.consts.iter().all(|(_, array)| array.is_on_host())
        && graph.eqns.iter().all(is_plain)
}

/// Functions and primitives of users may hold anything; and a wall equals no other one.
fn is_plain(eqn: &Eqn) -> bool {
    !matches!(eqn.primitive.op(), Op::Custom | Op::Callback(_))
        && eqn.primitive.same(&*eqn.primitive)
        && eqn.primitive.op().subgraphs().all(may_be_kept)
}

fn hash(graph: &Graph) -> u64 {
    let mut hasher = FxHasher::default();
    graph.avals.hash(&mut hasher);
    graph.inputs.hash(&mut hasher);
    graph.outs.hash(&mut hasher);
    for eqn in &graph.eqns {
        eqn.primitive.name().hash(&mut hasher);
        eqn.args.hash(&mut hasher);
        eqn.outs.hash(&mut hasher);
    }
    hasher.finish()
}

/// Where equations come from is part of it: errors and printed programs say so.
fn is_equal(a: &Graph, b: &Graph) -> bool {
    let same_constants = || {
        let mut pairs = a.consts.iter().zip(&b.consts);
        a.consts.len() == b.consts.len() && pairs.all(|(a, b)| a.0 == b.0 && a.1.bytes() == b.1.bytes())
    };
    let same_equations = || {
        let mut pairs = a.eqns.iter().zip(&b.eqns);
        a.eqns.len() == b.eqns.len()
            && pairs.all(|(a, b)| {
                (&a.args, &a.outs, a.location, &a.path) == (&b.args, &b.outs, b.location, &b.path)
                    && a.primitive.same(&*b.primitive)
            })
    };
    (&a.avals, &a.inputs, &a.outs) == (&b.avals, &b.inputs, &b.outs) && same_constants() && same_equations()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{Aval, DType};
    use crate::core::Tensor;
    use crate::core::trace::stage::Stage;
    use crate::core::trace::{self, Trace};
    use crate::error::Result;

    fn staged(f: impl Fn(&Tensor) -> Result<Tensor>) -> Call {
        let stage = Stage::new(None);
        let x = stage.input(&Aval::new([3], DType::F32));
        let y = trace::run(Trace::Stage(stage.clone()), || f(&x)).unwrap();
        Call::new(stage.finish(&[y]).0, crate::backend::CPU)
    }

    #[test]
    fn equal_graphs_are_one_program_and_others_are_not() {
        let plus = |summand: f32| staged(move |x| x.try_add(summand));
        assert!(plus(0.0) == plus(0.0));
        assert!(plus(0.0) != plus(-0.0), "their sums with −0 differ");
        assert!(plus(f32::NAN) == plus(f32::NAN));
        let with = |constant: &Tensor| staged(|x| x.try_add(constant));
        let few = |value: f32| Tensor::from(vec![value; 3]);
        assert!(with(&few(1.0)) == with(&few(1.0)), "constants are compared by their elements");
        assert!(with(&few(1.0)) != with(&few(2.0)));
    }

    #[test]
    fn constants_of_many_bytes_are_not_kept_alive() {
        let table = Tensor::ones([2000]);
        let with = |table: &Tensor| staged(|x| table.try_mul(x.sum()));
        assert!(with(&table) != with(&table));
        let few = table.slice_axis(0, 0..3);
        assert!(with(&few) == with(&few));
    }

    #[test]
    fn a_loop_outside_of_jit_is_compiled_once() {
        let xs = Tensor::from([0.0f32, 1.0, 2.0, 3.0, 4.0]);
        let run = |scale: f32| {
            let sums = crate::scan(move |sum: Tensor, x: Tensor| {
                let sum = sum * scale + x;
                Ok((sum.clone(), sum))
            });
            sums.call(Tensor::from(0.0f32), xs.clone()).unwrap().1
        };
        let compiled = || Call::compilations();
        let _ = run(1.0);
        let before = compiled();
        let _ = run(1.0);
        assert_eq!(compiled(), before);
        assert_eq!(run(2.0).to_vec::<f32>().unwrap(), [0.0, 1.0, 4.0, 11.0, 26.0]);
        assert_eq!(compiled(), before + 1);
    }
}
