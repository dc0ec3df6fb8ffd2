//! Ranks that are processes compute what ranks that are threads do, bit by bit.

use std::thread;

use flaxen::parallel::{MpiTransport, Reduction, ThreadTransport, Transport, World};
use flaxen::{Array, Aval, DType, Element, Result};
use half::{bf16, f16};

/// Numbers of elements: none, one, fewer than ranks, not a multiple of ranks, and so many that two rounds are made of them.
const SIZES: [usize; 5] = [0, 1, 3, 1001, 70_003];

const REDUCTIONS: [Reduction; 4] = [Reduction::Sum, Reduction::Mean, Reduction::Max, Reduction::Min];

pub fn run() -> Result<()> {
    let transport = MpiTransport::connect()?;
    let (rank, size) = (transport.rank(), transport.size());
    let (ours, common) = everything(&transport)?;
    let threads: Vec<(Vec<Array>, Vec<Array>)> = thread::scope(|scope| {
        let group = ThreadTransport::group(size)?;
        let start = |transport: ThreadTransport| scope.spawn(move || everything(&transport));
        let threads: Vec<_> = group.into_iter().map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Result<_>>()
    })?;
    let theirs: Vec<&Array> = threads[rank].0.iter().chain(&threads[rank].1).collect();
    assert_eq!(ours.len() + common.len(), theirs.len());
    for (at, (ours, theirs)) in ours.iter().chain(&common).zip(&theirs).enumerate() {
        assert_eq!((ours.shape(), ours.dtype()), (theirs.shape(), theirs.dtype()), "result {at}");
        assert!(ours.bytes() == theirs.bytes(), "result {at} of rank {rank}, {}", ours.aval());
    }
    for ours in &common {
        let first = transport.broadcast(0, ours.clone())?;
        assert!(first.bytes() == ours.bytes(), "{} differs between rank 0 and {rank}", ours.aval());
    }

    let world = World::mpi()?;
    assert_eq!((world.rank(), world.size()), (rank, size));
    let ranks = world.run(|world| Ok(world.rank()))?;
    assert_eq!(ranks, [rank]);
    println!("rank {rank} of {size}: {} results", theirs.len());
    Ok(())
}

/// Results of all collectives on this rank: its own, and those that all ranks have.
fn everything(transport: &dyn Transport) -> Result<(Vec<Array>, Vec<Array>)> {
    let size = transport.size();
    let [mut results, mut common] = [Vec::new(), Vec::new()];
    for elements in SIZES {
        let arrays = arrays(transport.rank(), elements);
        for reduction in REDUCTIONS {
            let allowed = arrays.iter().filter(|array| may_be_reduced(reduction, array.dtype()));
            // All are under way before the first is waited for, and they are waited for from the last to the first.
            let started: Result<Vec<_>> =
                allowed.map(|array| transport.start_all_reduce(reduction, array.clone())).collect();
            let waited: Result<Vec<_>> =
                started?.into_iter().rev().map(flaxen::parallel::Pending::wait).collect();
            common.extend(waited?);
        }
        // One whose result nobody wants is not in the way of others.
        drop(transport.start_all_reduce(Reduction::Sum, arrays[0].clone())?);
        for array in arrays {
            let parts: Vec<Array> = (0..size).map(|_| array.clone()).collect();
            common.push(transport.all_gather(array.clone())?);
            let right: Vec<_> = (0..size).map(|rank| Some((rank + size - 1) % size)).collect();
            let first: Vec<_> = (0..size).map(|rank| (rank == size - 1).then_some(0)).collect();
            results.push(transport.permute(array.clone(), &right)?);
            results.push(transport.permute(array.clone(), &first)?);
            common.push(transport.broadcast(size - 1, array.clone())?);
            transport.barrier()?;
            let shape: Vec<usize> = [size].iter().chain(array.shape()).copied().collect();
            let whole = Aval::new(shape, array.dtype());
            let bytes: Vec<u8> = parts.iter().flat_map(flaxen::Array::bytes).copied().collect();
            results.push(transport.all_to_all(of_bytes(whole, &bytes))?);
        }
    }
    Ok((results, common))
}

fn may_be_reduced(reduction: Reduction, dtype: DType) -> bool {
    match dtype {
        DType::Bool | DType::I8 | DType::I16 | DType::U16 => false,
        DType::C64 => matches!(reduction, Reduction::Sum | Reduction::Mean),
        DType::U8 | DType::U32 | DType::I32 | DType::I64 => reduction != Reduction::Mean,
        _ => true,
    }
}

/// Arrays of all dtypes whose numbers differ on each rank, floats among them NaN, infinities and zeros of both signs.
fn arrays(rank: usize, elements: usize) -> Vec<Array> {
    let number = |at: usize| ((at * 7919 + rank * 104_729) % 2003) as f64 / 16.0 - 60.0;
    let special = |at: usize| match (at * 31 + rank * 17) % 97 {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 | 3 => -0.0,
        4 | 5 => 0.0,
        _ => number(at),
    };
    let floats = || (0..elements).map(special);
    let integers = || (0..elements).map(|at| number(at).abs() as u32);
    vec![
        array(&floats().map(|x| x as f32).collect::<Vec<_>>()),
        array(&floats().collect::<Vec<f64>>()),
        array(&floats().map(bf16::from_f64).collect::<Vec<_>>()),
        array(&floats().map(f16::from_f64).collect::<Vec<_>>()),
        array(&integers().map(|x| x as i32 - 50).collect::<Vec<_>>()),
        array(&integers().map(|x| i64::from(x) << 40).collect::<Vec<_>>()),
        array(&integers().map(|x| x.wrapping_mul(0x9e37_79b9)).collect::<Vec<_>>()),
        array(&integers().map(|x| x as u8).collect::<Vec<_>>()),
        array(&integers().map(|x| x > 30).collect::<Vec<_>>()),
        of_bytes(
            Aval::new([elements], DType::C64),
            &floats().flat_map(|x| [x as f32, 1.0]).flat_map(f32::to_ne_bytes).collect::<Vec<_>>(),
        ),
    ]
}

fn array<T: Element>(numbers: &[T]) -> Array {
    Array::from_slice(Aval::new([numbers.len()], T::DTYPE), numbers)
}

fn of_bytes(aval: Aval, bytes: &[u8]) -> Array {
    match aval.dtype.size() {
        1 => Array::build(aval, |out: &mut [u8]| out.copy_from_slice(bytes)),
        2 => Array::build(aval, |out: &mut [u16]| fill(out, bytes, u16::from_ne_bytes)),
        4 => Array::build(aval, |out: &mut [u32]| fill(out, bytes, u32::from_ne_bytes)),
        _ => Array::build(aval, |out: &mut [u64]| fill(out, bytes, u64::from_ne_bytes)),
    }
}

fn fill<T, const N: usize>(out: &mut [T], bytes: &[u8], number: impl Fn([u8; N]) -> T) {
    let (numbers, _) = bytes.as_chunks::<N>();
    out.iter_mut().zip(numbers).for_each(|(out, bytes)| *out = number(*bytes));
}
