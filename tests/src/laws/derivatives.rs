//! Derivatives against finite differences in `F64`.

use flaxen::{Result, Tensor, jvp as forward_mode, vjp as reverse_mode};

use super::{Law, Outcome, chosen, cotangents, gradient, like, replaced, say};
use crate::data::Data;
use crate::numbers::{Numbers, all_close, inner};

/// Step of the differences: their error is of the order of its fourth power.
const STEP: f64 = 1e-4;

/// Jacobians of more entries are not compared entry by entry.
const ENTRIES: usize = 400;

/// An operation at a point, as a function of the arguments it is differentiated by.
struct Point<'a> {
    law: &'a Law,
    args: Vec<Tensor>,
    by: Vec<usize>,
    x: Vec<Numbers>,
}

impl<'a> Point<'a> {
    /// None for an operation without gradients.
    fn new(law: &'a Law) -> Result<Option<Point<'a>>, String> {
        let args = law.example(1);
        let by = law.by_of(&args);
        if by.is_empty() {
            return Ok(None);
        }
        let x = Numbers::of_all(&chosen(&args, &by)).map_err(say)?;
        Ok(Some(Point { law, args, by, x }))
    }

    fn call(&self, x: &[Tensor]) -> Result<Vec<Tensor>> {
        (self.law.f)(&replaced(&self.args, &self.by, x))
    }

    fn here(&self) -> Vec<Tensor> {
        chosen(&self.args, &self.by)
    }

    fn direction(&self, data: &mut Data) -> Vec<Numbers> {
        let one = |x: &Numbers| Numbers { shape: x.shape.clone(), data: data.list(x.data.len(), -1.0, 1.0) };
        self.x.iter().map(one).collect()
    }

    /// The derivative of `g` in a direction, by differences of fourth order.
    fn difference(
        &self,
        direction: &[Numbers],
        g: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>,
    ) -> Result<Vec<Numbers>> {
        let at = |step: f64| -> Result<Vec<Numbers>> {
            let moved: Vec<Numbers> = self.x.iter().zip(direction).map(|(x, d)| x.plus(d, step)).collect();
            Numbers::of_all(&g(&like(&moved, &self.here()))?)
        };
        let (far_back, back, front, far_front) = (at(-2.0 * STEP)?, at(-STEP)?, at(STEP)?, at(2.0 * STEP)?);
        let combine = |i: usize| {
            let near = front[i].plus(&back[i], -1.0);
            let far = far_front[i].plus(&far_back[i], -1.0);
            let zero = Numbers::filled(&near.shape, 0.0);
            zero.plus(&near, 8.0 / (12.0 * STEP)).plus(&far, -1.0 / (12.0 * STEP))
        };
        Ok((0..front.len()).map(combine).collect())
    }
}

fn fits(grads: &[Tensor], here: &[Tensor]) -> Outcome {
    for (i, (grad, x)) in grads.iter().zip(here).enumerate() {
        if grad.shape() != x.shape() || grad.dtype() != x.dtype() {
            return Err(format!("the gradient of argument {i} is {}, not {}", grad.aval(), x.aval()));
        }
    }
    Ok(())
}

fn scalar(x: f64) -> Numbers {
    Numbers { shape: vec![], data: vec![x] }
}

pub(super) fn vjp(law: &Law) -> Outcome {
    let Some(point) = Point::new(law)? else { return Ok(()) };
    let here = point.here();
    let (outs, pullback) = reverse_mode(|x: &Vec<Tensor>| point.call(x), &here).map_err(say)?;
    all_close(
        &Numbers::of_all(&outs).map_err(say)?,
        &Numbers::of_all(&point.call(&here).map_err(say)?).map_err(say)?,
        1e-12,
    )
    .map_err(|message| format!("the value differs under vjp: {message}"))?;
    let mut data = Data::new(7);
    for _ in 0..2 {
        let ct = cotangents(&outs, &mut data);
        let grads = pullback(&like(&ct, &outs)).map_err(say)?;
        fits(&grads, &here)?;
        let grads = Numbers::of_all(&grads).map_err(say)?;
        let direction = point.direction(&mut data);
        let differences = point.difference(&direction, |x| point.call(x)).map_err(say)?;
        let (found, expected) = (inner(&grads, &direction), inner(&ct, &differences));
        scalar(found).close(&scalar(expected), law.tolerance)?;
    }
    Ok(())
}

/// Asks for one gradient at a time, so that what the others need is not kept.
pub(super) fn each_alone(law: &Law) -> Outcome {
    let Some(point) = Point::new(law)? else { return Ok(()) };
    let outs = point.call(&point.here()).map_err(say)?;
    let weights = like(&cotangents(&outs, &mut Data::new(8)), &outs);
    let f = |x: &[Tensor]| (law.f)(x);
    let together = gradient(f, &point.args, &point.by, &weights).map_err(say)?;
    let together = Numbers::of_all(&together).map_err(say)?;
    for (&i, expected) in point.by.iter().zip(together) {
        let alone = gradient(f, &point.args, &[i], &weights).map_err(say)?;
        let alone = Numbers::of_all(&alone).map_err(say)?;
        all_close(&alone, &[expected], 1e-12).map_err(|message| format!("argument {i}: {message}"))?;
    }
    Ok(())
}

pub(super) fn jacobian(law: &Law) -> Outcome {
    let Some(point) = Point::new(law)? else { return Ok(()) };
    let here = point.here();
    let (outs, pullback) = reverse_mode(|x: &Vec<Tensor>| point.call(x), &here).map_err(say)?;
    let (ins, all): (usize, usize) =
        (here.iter().map(Tensor::size).sum(), outs.iter().map(Tensor::size).sum());
    if ins * all > ENTRIES {
        return Ok(());
    }
    // rows[k][i]: output element k by argument element i.
    let mut rows = Vec::with_capacity(all);
    let zeros: Vec<Numbers> = outs.iter().map(|out| Numbers::filled(out.shape(), 0.0)).collect();
    for (o, out) in outs.iter().enumerate() {
        for k in 0..out.size() {
            let mut ct = zeros.clone();
            ct[o].data[k] = f64::from(u8::from(out.dtype().is_float()));
            let grads = pullback(&like(&ct, &outs)).map_err(say)?;
            let row = Numbers::of_all(&grads).map_err(say)?;
            rows.push(row.into_iter().flat_map(|x| x.data).collect::<Vec<f64>>());
        }
    }
    let mut at = 0;
    for (a, x) in point.x.iter().enumerate() {
        for i in 0..x.data.len() {
            let mut direction: Vec<Numbers> =
                point.x.iter().map(|x| Numbers::filled(&x.shape, 0.0)).collect();
            direction[a].data[i] = 1.0;
            let differences = point.difference(&direction, |x| point.call(x)).map_err(say)?;
            let mut row = 0;
            for (difference, out) in differences.into_iter().zip(&outs) {
                let found = rows[row..row + out.size()].iter().map(|row| row[at]).collect();
                row += out.size();
                if out.dtype().is_float() {
                    let found = Numbers { shape: difference.shape.clone(), data: found };
                    found
                        .close(&difference, law.tolerance)
                        .map_err(|message| format!("by element {i} of argument {a}: {message}"))?;
                }
            }
            at += 1;
        }
    }
    Ok(())
}

pub(super) fn jvp(law: &Law) -> Outcome {
    let Some(point) = Point::new(law)? else { return Ok(()) };
    let here = point.here();
    let mut data = Data::new(9);
    let direction = point.direction(&mut data);
    let (outs, tangents) =
        forward_mode(|x: &Vec<Tensor>| point.call(x), &here, &like(&direction, &here)).map_err(say)?;
    let floats: Vec<usize> = (0..outs.len()).filter(|&i| outs[i].dtype().is_float()).collect();
    let of_floats = |all: &[Numbers]| -> Vec<Numbers> { floats.iter().map(|&i| all[i].clone()).collect() };
    let tangents = Numbers::of_all(&tangents).map_err(say)?;
    let differences = point.difference(&direction, |x| point.call(x)).map_err(say)?;
    all_close(&of_floats(&tangents), &of_floats(&differences), law.tolerance)?;

    let (_, pullback) = reverse_mode(|x: &Vec<Tensor>| point.call(x), &here).map_err(say)?;
    let ct = cotangents(&outs, &mut data);
    let grads = Numbers::of_all(&pullback(&like(&ct, &outs)).map_err(say)?).map_err(say)?;
    let (forward, reverse) = (inner(&ct, &tangents), inner(&grads, &direction));
    scalar(forward)
        .close(&scalar(reverse), 1e-9)
        .map_err(|message| format!("it is not the transpose of vjp: {message}"))
}

pub(super) fn second_order(law: &Law) -> Outcome {
    let Some(point) = Point::new(law)?.filter(|_| law.twice) else { return Ok(()) };
    let here = point.here();
    let mut data = Data::new(10);
    let outs = point.call(&here).map_err(say)?;
    let weights = like(&cotangents(&outs, &mut data), &outs);
    let again = like(&point.direction(&mut data), &here);
    let first =
        |x: &[Tensor]| gradient(|x| (law.f)(x), &replaced(&point.args, &point.by, x), &point.by, &weights);
    // The scalar is the gradient along a random direction.
    let all: Vec<usize> = (0..here.len()).collect();
    let found = gradient(first, &here, &all, &again).map_err(say)?;
    fits(&found, &here)?;
    let direction = point.direction(&mut data);
    let expected = point.difference(&direction, first).map_err(say)?;
    let again = Numbers::of_all(&again).map_err(say)?;
    let found = inner(&Numbers::of_all(&found).map_err(say)?, &direction);
    scalar(found).close(&scalar(inner(&expected, &again)), law.tolerance)
}
