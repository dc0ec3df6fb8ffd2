//! Ranks that do what they should not, and one that trains until it is killed.

use std::path::Path;
use std::time::{Duration, Instant};

use flaxen::io::checkpoints::Checkpoints;
use flaxen::parallel::{Reduction, World};
use flaxen::{Array, Aval, DType, Error, Result, Tensor};

/// How long ranks wait for one that does not come.
const LIMIT: Duration = Duration::from_secs(4);

fn numbers(count: usize) -> Array {
    Array::from_slice(Aval::new([count], DType::F32), &vec![1.0f32; count])
}

/// The last rank does it, after a call that all make.
pub fn run(fault: &str) -> Result<()> {
    let world = World::mpi()?.limit(LIMIT);
    let transport = world.transport().unwrap().clone();
    transport.barrier()?;
    let is_last = world.rank() == world.size() - 1;
    let reduce = || transport.all_reduce(Reduction::Sum, numbers(100_000)).map(|_| ());
    match (fault, is_last) {
        ("other_op", true) => transport.all_gather(numbers(100_000)).map(|_| ()),
        ("other_shape", true) => transport.all_reduce(Reduction::Sum, numbers(99_999)).map(|_| ()),
        ("fails", true) => world.run(|_| Err::<(), _>(Error::msg("its data is damaged"))).map(|_| ()),
        ("panics", true) => world.run::<()>(|_| panic!("its data is damaged")).map(|_| ()),
        ("leaves", true) => Ok(()),
        ("is_late", true) => {
            // Longer than the others wait, who tell it that they have given up.
            std::thread::sleep(2 * LIMIT);
            reduce()
        }
        ("other_op" | "other_shape" | "fails" | "panics" | "leaves" | "is_late", false) => {
            let error = reduce().unwrap_err();
            // What failed once fails at once.
            let start = Instant::now();
            assert_eq!(reduce().unwrap_err(), error);
            assert!(start.elapsed() < LIMIT);
            Err(error)
        }
        _ => panic!("there is no fault `{fault}`"),
    }
}

/// Adds up the numbers of ranks step by step, the sum of which the first rank writes now and then.
pub fn train(folder: &Path, seconds: f64) -> Result<()> {
    let world = World::mpi()?.limit(Duration::from_secs_f64(seconds));
    println!("rank {} has the process {}", world.rank(), std::process::id());
    let checkpoints = Checkpoints::new(folder).keep(2);
    world.run::<()>(|world| {
        let transport = world.transport().unwrap();
        let mut step = 0;
        let mut sum = Tensor::zeros([1 << 18]);
        loop {
            step += 1;
            let sums = transport.all_reduce(Reduction::Mean, (&sum + 1.0).array()?.clone())?;
            sum = Tensor::from(sums);
            if world.rank() == 0 && step % 5 == 0 {
                checkpoints.save(step, &sum)?;
            }
        }
    })?;
    Ok(())
}
