//! How long reductions take, beside those of the MPI library alone, in turns.

use std::time::Instant;

use flaxen::parallel::{MpiTransport, Reduction, Transport};
use flaxen::{Array, Aval, DType, Result};
use mpi::collective::SystemOperation;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};

const ROUNDS: usize = 300;

pub fn run() -> Result<()> {
    let transport = MpiTransport::connect()?;
    let library = SimpleCommunicator::world();
    for elements in [1, 1000, 100_000, 1_000_000] {
        let numbers = vec![transport.rank() as f32; elements];
        let mut sums = vec![0.0f32; elements];
        let array = Array::from_slice(Aval::new([elements], DType::F32), &numbers);
        let [mut theirs, mut ours] = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            transport.exclusively(|| {
                library.barrier();
                let start = Instant::now();
                library.all_reduce_into(&numbers[..], &mut sums[..], SystemOperation::sum());
                theirs.push(start.elapsed());
                library.barrier();
            });
            let start = Instant::now();
            let array = transport.all_reduce(Reduction::Sum, array.clone())?;
            ours.push(start.elapsed());
            assert_eq!(array.data::<f32>()[elements / 2], sums[elements / 2]);
        }
        theirs.sort();
        ours.sort();
        if library.rank() == 0 {
            let [theirs, ours] = [theirs, ours].map(|times| times[ROUNDS / 2].as_secs_f64() * 1e6);
            println!(
                "{elements} numbers: MPI_Allreduce {theirs:.1} us, ours {ours:.1} us, ratio {:.2}",
                ours / theirs
            );
        }
    }
    Ok(())
}
