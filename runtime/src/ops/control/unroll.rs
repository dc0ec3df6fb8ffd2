//! Loop unrolling: several steps as one, which makes fewer and larger programs of small ones.

use super::scan::{Layout, scan};
use super::while_loop::stage_on;
use crate::array::Aval;
use crate::core::primitive::{Args, Outs};
use crate::core::{Graph, Tensor};
use crate::error::Result;
use crate::ops::call::Target;
use crate::ops::prepend;

/// As [`scan`], with `unroll` steps in each step of the loop; all of them without a loop if there are no more.
///
/// # Errors
/// As [`scan`].
pub(crate) fn unrolled(
    body: &Graph,
    target: Target,
    layout: Layout,
    args: Args,
    unroll: usize,
) -> Result<Outs> {
    let Layout { consts, carry, length, reverse } = layout;
    if length == 0 {
        // There is no step to say what shapes results have.
        return scan(body.clone(), target, layout, args);
    }
    if unroll >= length {
        return steps(body, layout, length, &args);
    }
    let (blocks, rest) = (length / unroll, length % unroll);
    // The loop goes over the slices that come first; the rest, which is no block, follows it.
    let (in_blocks, in_rest) =
        if reverse { (rest..length, 0..rest) } else { (0..length - rest, length - rest..length) };
    let part = |x: &Tensor, range: &std::ops::Range<usize>| x.try_slice_axis(0, range.start..range.end);
    let (fixed, xs) = args.split_at(consts + carry);
    let mut ready: Args = fixed.iter().cloned().collect();
    for x in xs {
        let shape = [&[blocks, unroll], &x.shape()[1..]].concat();
        ready.push(part(x, &in_blocks)?.try_reshape(shape)?);
    }
    let block = Layout { length: unroll, ..layout };
    let avals: Vec<Aval> = body
        .inputs
        .iter()
        .enumerate()
        .map(|(i, &var)| {
            let aval = body.aval(var);
            if i < consts + carry { aval.clone() } else { aval.with_shape(prepend(unroll, &aval.shape)) }
        })
        .collect();
    let of_block = stage_on(avals.iter(), |args| Ok(steps(body, block, unroll, &args)?.into_vec()))?;
    let mut outs = scan(of_block, target, Layout { length: blocks, ..layout }, ready)?;
    for y in &mut outs[carry..] {
        let shape = [&[blocks * unroll], &y.shape()[2..]].concat();
        *y = y.try_reshape(shape)?;
    }
    if rest == 0 {
        return Ok(outs);
    }
    let mut ready: Args = args[..consts].iter().cloned().collect();
    ready.extend(outs[..carry].iter().cloned());
    for x in xs {
        ready.push(part(x, &in_rest)?);
    }
    let last = steps(body, Layout { length: rest, ..layout }, rest, &ready)?;
    for (i, (out, last)) in outs.iter_mut().zip(last).enumerate() {
        *out = match (i < carry, reverse) {
            (true, _) => last,
            (false, false) => Tensor::try_concatenate(&[out.clone(), last], 0)?,
            (false, true) => Tensor::try_concatenate(&[last, out.clone()], 0)?,
        };
    }
    Ok(outs)
}

/// So many steps, one after the other.
fn steps(body: &Graph, layout: Layout, count: usize, args: &[Tensor]) -> Result<Outs> {
    let Layout { consts, carry, reverse, .. } = layout;
    let mut state: Vec<Tensor> = args[consts..consts + carry].to_vec();
    let mut slices: Vec<Vec<Tensor>> = vec![Vec::new(); body.outs.len() - carry];
    for step in 0..count {
        let at = if reverse { count - 1 - step } else { step };
        let xs = args[consts + carry..].iter().map(|x| x.try_index_axis(0, at as isize));
        let xs: Vec<Tensor> = xs.collect::<Result<_>>()?;
        let inputs = args[..consts].iter().cloned().chain(state).chain(xs);
        let mut made = body.interpret(inputs)?;
        for (all, slice) in slices.iter_mut().zip(made.drain(carry..)) {
            all.push(slice);
        }
        state = made;
    }
    let mut outs: Outs = state.into();
    for mut all in slices {
        if reverse {
            all.reverse();
        }
        outs.push(Tensor::try_stack(&all, 0)?);
    }
    Ok(outs)
}
