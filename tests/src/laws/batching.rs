//! `vmap` against a loop over examples.

use flaxen::{Result, Tensor, vmap};

use super::{Law, Outcome, cotangents, gradient, like, say};
use crate::data::Data;
use crate::numbers::{Numbers, all_close};

/// Examples in a batch: a size no axis of the samples has by chance would be best, but shapes are small.
const EXAMPLES: usize = 3;

pub(super) fn examples(law: &Law, count: usize) -> Vec<Vec<Tensor>> {
    (0..count as u64).map(|seed| law.example(seed + 1)).collect()
}

/// Argument `i` of all examples, along a new axis.
pub(super) fn stacked(examples: &[Vec<Tensor>], i: usize, axis: usize) -> Result<Tensor> {
    let parts: Vec<Tensor> = examples.iter().map(|args| args[i].clone()).collect();
    Ok(Numbers::stack(&Numbers::of_all(&parts)?, axis).tensor(parts[0].dtype()))
}

/// What a loop gives: output `i` of all runs along a new axis.
pub(super) fn stacked_outputs(runs: &[Vec<Tensor>], axes: &[usize]) -> Result<Vec<Numbers>> {
    let output = |(i, &axis): (usize, &usize)| {
        let parts: Vec<Tensor> = runs.iter().map(|outs| outs[i].clone()).collect();
        Ok(Numbers::stack(&Numbers::of_all(&parts)?, axis))
    };
    axes.iter().enumerate().map(output).collect()
}

/// Example `k` in the arguments that are mapped, example 0 in the others.
fn mixed(examples: &[Vec<Tensor>], mapped: &[bool], k: usize) -> Vec<Tensor> {
    mapped.iter().enumerate().map(|(i, &mapped)| examples[if mapped { k } else { 0 }][i].clone()).collect()
}

/// Where the batch axis is put.
#[derive(Clone, Copy, Debug)]
enum Position {
    Front,
    Last,
    LastFromTheEnd,
}

impl Position {
    fn axis(self, rank: usize) -> isize {
        match self {
            Position::Front => 0,
            Position::Last => rank as isize,
            Position::LastFromTheEnd => -1,
        }
    }

    fn position(self, rank: usize) -> usize {
        if matches!(self, Position::Front) { 0 } else { rank }
    }
}

pub(super) fn subsets(law: &Law) -> Outcome {
    let examples = examples(law, EXAMPLES);
    let count = examples[0].len();
    let positions = [
        (Position::Front, Position::Front),
        (Position::LastFromTheEnd, Position::Last),
        (Position::Last, Position::LastFromTheEnd),
    ];
    for bits in 1..1u32 << count {
        let mapped: Vec<bool> = (0..count).map(|i| bits >> i & 1 == 1).collect();
        let runs: Vec<Vec<Tensor>> = (0..EXAMPLES)
            .map(|k| (law.f)(&mixed(&examples, &mapped, k)))
            .collect::<Result<_>>()
            .map_err(say)?;
        for (into, out_of) in positions {
            let at = |i: usize| into.position(examples[0][i].rank());
            let args: Vec<Tensor> = (0..count)
                .map(|i| if mapped[i] { stacked(&examples, i, at(i)) } else { Ok(examples[0][i].clone()) })
                .collect::<Result<_>>()
                .map_err(say)?;
            let axis = |i: usize| mapped[i].then(|| into.axis(examples[0][i].rank()));
            let in_axes: Vec<Option<isize>> = (0..count).map(axis).collect();
            let out_axes: Vec<Option<isize>> =
                runs[0].iter().map(|out| Some(out_of.axis(out.rank()))).collect();
            let positions: Vec<usize> = runs[0].iter().map(|out| out_of.position(out.rank())).collect();
            let context =
                |message: String| format!("mapped {mapped:?}, in {into:?}, out {out_of:?}: {message}");
            let outs = vmap(|x: Vec<Tensor>| (law.f)(&x))
                .in_axes(in_axes)
                .out_axes(out_axes)
                .call(args)
                .map_err(say)
                .map_err(context)?;
            for (out, run) in outs.iter().zip(&runs[0]) {
                if out.dtype() != run.dtype() {
                    return Err(context(format!("{} instead of {}", out.dtype(), run.dtype())));
                }
            }
            let expected = stacked_outputs(&runs, &positions).map_err(say)?;
            all_close(&Numbers::of_all(&outs).map_err(say)?, &expected, 1e-12).map_err(context)?;
        }
    }
    Ok(())
}

/// Two batch axes on every argument, and then one each on alternate arguments.
pub(super) fn nested(law: &Law) -> Outcome {
    let rows: Vec<Vec<Vec<Tensor>>> = (0..2u64)
        .map(|row| (0..EXAMPLES as u64).map(|k| law.example(1 + row * EXAMPLES as u64 + k)).collect())
        .collect();
    let count = rows[0][0].len();
    let whole = |i: usize| -> Result<Tensor> {
        let parts = rows.iter().map(|row| stacked(row, i, 0)).collect::<Result<Vec<_>>>()?;
        Ok(Numbers::stack(&Numbers::of_all(&parts)?, 0).tensor(parts[0].dtype()))
    };
    let args = (0..count).map(whole).collect::<Result<Vec<_>>>().map_err(say)?;
    let found = vmap(|x: Vec<Tensor>| vmap(|x: Vec<Tensor>| (law.f)(&x)).call(x)).call(args).map_err(say)?;
    let run = |args: &Vec<Tensor>| (law.f)(args);
    let grid = |of: &dyn Fn(usize, usize) -> Vec<Tensor>| -> Result<Vec<Numbers>> {
        let row = |r: usize| -> Result<Vec<Numbers>> {
            let runs = (0..EXAMPLES).map(|k| run(&of(r, k))).collect::<Result<Vec<_>>>()?;
            stacked_outputs(&runs, &vec![0; runs[0].len()])
        };
        let rows = (0..2).map(row).collect::<Result<Vec<_>>>()?;
        let output = |i: usize| {
            let parts: Vec<Numbers> = rows.iter().map(|row| row[i].clone()).collect();
            Numbers::stack(&parts, 0)
        };
        Ok((0..rows[0].len()).map(output).collect())
    };
    let expected = grid(&|r, k| rows[r][k].clone()).map_err(say)?;
    all_close(&Numbers::of_all(&found).map_err(say)?, &expected, 1e-12)?;
    if count < 2 {
        return Ok(());
    }

    // Even arguments differ along the outer axis, odd ones along the inner.
    let columns = &rows[0];
    let firsts: Vec<Vec<Tensor>> = rows.iter().map(|row| row[0].clone()).collect();
    let args = (0..count)
        .map(|i| if i % 2 == 0 { stacked(&firsts, i, 0) } else { stacked(columns, i, 0) })
        .collect::<Result<Vec<_>>>()
        .map_err(say)?;
    let axes = |parity: usize| -> Vec<Option<isize>> {
        (0..count).map(|i| (i % 2 == parity).then_some(0)).collect()
    };
    let inner = |x: Vec<Tensor>| vmap(|x: Vec<Tensor>| (law.f)(&x)).in_axes(axes(1)).call(x);
    let found = vmap(inner).in_axes(axes(0)).call(args).map_err(say)?;
    let expected = grid(&|r, k| {
        (0..count).map(|i| if i % 2 == 0 { firsts[r][i].clone() } else { columns[k][i].clone() }).collect()
    })
    .map_err(say)?;
    all_close(&Numbers::of_all(&found).map_err(say)?, &expected, 1e-12)
        .map_err(|message| format!("arguments mapped by turns: {message}"))
}

pub(super) fn gradients(law: &Law) -> Outcome {
    let examples = examples(law, EXAMPLES);
    let count = examples[0].len();
    let by = law.by_of(&examples[0]);
    if by.is_empty() {
        return Ok(());
    }
    let outs = (law.f)(&examples[0]).map_err(say)?;
    let weights = like(&cotangents(&outs, &mut Data::new(11)), &outs);
    let f = |x: &[Tensor]| (law.f)(x);
    let mut masks = vec![vec![true; count]];
    if count > 1 {
        masks.extend((0..count).map(|only| (0..count).map(|i| i == only).collect()));
    }
    for mapped in masks {
        let context = |message: String| format!("mapped {mapped:?}: {message}");
        let runs: Vec<Vec<Tensor>> = (0..EXAMPLES)
            .map(|k| gradient(f, &mixed(&examples, &mapped, k), &by, &weights))
            .collect::<Result<_>>()
            .map_err(say)?;
        let args: Vec<Tensor> = (0..count)
            .map(|i| if mapped[i] { stacked(&examples, i, 0) } else { Ok(examples[0][i].clone()) })
            .collect::<Result<_>>()
            .map_err(say)?;
        let in_axes: Vec<Option<isize>> = mapped.iter().map(|&mapped| mapped.then_some(0)).collect();
        let found = vmap(|x: Vec<Tensor>| gradient(f, &x, &by, &weights))
            .in_axes(in_axes)
            .call(args)
            .map_err(say)
            .map_err(context)?;
        let expected = stacked_outputs(&runs, &vec![0; by.len()]).map_err(say)?;
        all_close(&Numbers::of_all(&found).map_err(say)?, &expected, 1e-10).map_err(context)?;
    }

    // The gradient of the sum over the batch holds the gradients of the examples.
    let args = (0..count).map(|i| stacked(&examples, i, 0)).collect::<Result<Vec<_>>>().map_err(say)?;
    let over_batch = |x: &[Tensor]| vmap(|x: Vec<Tensor>| (law.f)(&x)).call(x.to_vec());
    let repeated: Vec<Tensor> = weights
        .iter()
        .map(|weight| {
            let copies = vec![Numbers::of(weight)?; EXAMPLES];
            Ok(Numbers::stack(&copies, 0).tensor(weight.dtype()))
        })
        .collect::<Result<_>>()
        .map_err(say)?;
    let found = gradient(over_batch, &args, &by, &repeated).map_err(say)?;
    let runs: Vec<Vec<Tensor>> =
        examples.iter().map(|args| gradient(f, args, &by, &weights)).collect::<Result<_>>().map_err(say)?;
    let expected = stacked_outputs(&runs, &vec![0; by.len()]).map_err(say)?;
    all_close(&Numbers::of_all(&found).map_err(say)?, &expected, 1e-10)
        .map_err(|message| format!("grad of vmap: {message}"))
}
