//! The naive interpreter: plain loops over plain numbers, which know nothing of the library.

use super::{Op, Program, Seen};
use crate::numbers::Numbers;

/// Values beyond this are not wanted: rounding would drown the comparison.
const LARGEST: f64 = 1e4;

/// Comparisons closer than this could go either way.
const CLOSEST: f64 = 1e-6;

/// Divisors smaller than this are not wanted.
const SMALLEST_DIVISOR: f64 = 0.1;

impl Program {
    /// Runs the program by plain loops; None if a value is too large, or a comparison too close.
    pub fn reference(&self, inputs: &[Numbers]) -> Option<Seen> {
        let mut seen = Seen { values: inputs.to_vec(), choices: Vec::new() };
        for step in &self.steps {
            seen.step(&step.op, &step.args)?;
        }
        Some(seen)
    }
}

impl Seen {
    /// Adds the value of one more step; None, and no value, if it is not wanted.
    pub fn step(&mut self, op: &Op, args: &[usize]) -> Option<()> {
        let args: Vec<&Numbers> = args.iter().map(|&i| &self.values[i]).collect();
        let mut choices = Vec::new();
        let value = compute(op, &args, &mut choices)?;
        if value.data.iter().any(|x| x.is_nan() || x.abs() > LARGEST) {
            return None;
        }
        self.values.push(value);
        self.choices.extend(choices);
        Some(())
    }
}

/// The shape two shapes broadcast to.
pub(super) fn broadcast(x: &[usize], y: &[usize]) -> Option<Vec<usize>> {
    let rank = x.len().max(y.len());
    let size =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    (0..rank)
        .map(|axis| match (size(x, axis), size(y, axis)) {
            (a, b) if a == b => Some(a),
            (1, b) => Some(b),
            (a, 1) => Some(a),
            _ => None,
        })
        .collect()
}

/// The element of `x` that stands at an index of a shape it broadcasts to.
fn element(x: &Numbers, index: &[usize]) -> f64 {
    let skipped = index.len() - x.shape.len();
    let mut at = 0;
    for (&size, &i) in x.shape.iter().zip(&index[skipped..]) {
        at = at * size + if size == 1 { 0 } else { i };
    }
    x.data[at]
}

/// Every index of a shape, row-major.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut indices = vec![vec![]];
    for &size in shape {
        indices =
            indices.iter().flat_map(|index| (0..size).map(move |i| [&index[..], &[i]].concat())).collect();
    }
    indices
}

fn build(shape: &[usize], f: impl FnMut(&[usize]) -> f64) -> Numbers {
    let mut f = f;
    Numbers { shape: shape.to_vec(), data: indices(shape).iter().map(|index| f(index)).collect() }
}

fn map(x: &Numbers, f: impl Fn(f64) -> f64) -> Option<Numbers> {
    Some(Numbers { shape: x.shape.clone(), data: x.data.iter().map(|&x| f(x)).collect() })
}

fn zip(x: &Numbers, y: &Numbers, mut f: impl FnMut(f64, f64) -> f64) -> Option<Numbers> {
    let shape = broadcast(&x.shape, &y.shape)?;
    Some(build(&shape, |index| f(element(x, index), element(y, index))))
}

fn reduce(x: &Numbers, axes: &[isize], start: f64, mut f: impl FnMut(f64, f64) -> f64) -> Numbers {
    let gone: Vec<usize> = axes.iter().map(|&axis| positive(axis, x.shape.len())).collect();
    let kept: Vec<usize> = (0..x.shape.len()).filter(|axis| !gone.contains(axis)).collect();
    let shape: Vec<usize> = kept.iter().map(|&axis| x.shape[axis]).collect();
    let mut out = Numbers::filled(&shape, start);
    for index in indices(&x.shape) {
        let at = kept.iter().fold(0, |at, &axis| at * x.shape[axis] + index[axis]);
        out.data[at] = f(out.data[at], element(x, &index));
    }
    out
}

fn positive(axis: isize, rank: usize) -> usize {
    if axis < 0 { (axis + rank as isize) as usize } else { axis as usize }
}

fn compute(op: &Op, args: &[&Numbers], choices: &mut Vec<bool>) -> Option<Numbers> {
    let (x, y) = (args[0], args[args.len() - 1]);
    let mut close = false;
    let mut larger = |a: f64, b: f64| {
        close |= (a - b).abs() < CLOSEST;
        choices.push(a > b);
        a > b
    };
    let out = match op {
        Op::Neg => map(x, |x| -x),
        Op::Sin => map(x, f64::sin),
        Op::Cos => map(x, f64::cos),
        Op::Tanh => map(x, f64::tanh),
        Op::Exp => map(x, f64::exp),
        Op::Scale(by) => map(x, |x| x * by),
        Op::Shift(by) => map(x, |x| by - x),
        Op::Add => zip(x, y, |x, y| x + y),
        Op::Sub => zip(x, y, |x, y| x - y),
        Op::Mul => zip(x, y, |x, y| x * y),
        Op::Div if y.data.iter().any(|y| y.abs() < SMALLEST_DIVISOR) => None,
        Op::Div => zip(x, y, |x, y| x / y),
        Op::Maximum => zip(x, y, |x, y| if larger(x, y) { x } else { y }),
        Op::Minimum => zip(x, y, |x, y| if larger(x, y) { y } else { x }),
        Op::Greater => zip(x, y, |x, y| f64::from(u8::from(larger(x, y)))),
        Op::Less => zip(x, y, |x, y| f64::from(u8::from(larger(y, x)))),
        Op::Select => {
            let shape = broadcast(&broadcast(&x.shape, &args[1].shape)?, &y.shape)?;
            Some(build(&shape, |index| element(if element(x, index) == 0.0 { y } else { args[1] }, index)))
        }
        Op::Clamp(low, high) => {
            let mut data = Vec::with_capacity(x.data.len());
            for &x in &x.data {
                let (below, above) = (larger(*low, x), larger(x, *high));
                data.push(if below {
                    *low
                } else if above {
                    *high
                } else {
                    x
                });
            }
            Some(Numbers { shape: x.shape.clone(), data })
        }
        Op::ToFloat => Some(x.clone()),
        Op::Sum(axes) => Some(reduce(x, axes, 0.0, |sum, x| sum + x)),
        Op::Mean(axes) => {
            let sums = reduce(x, axes, 0.0, |sum, x| sum + x);
            let count = x.data.len() as f64 / sums.data.len() as f64;
            map(&sums, |sum| sum / count)
        }
        // The first element meets a number so small that no comparison with it is close.
        Op::Max(axes) => Some(reduce(x, axes, f64::MIN, |max, x| if larger(x, max) { x } else { max })),
        Op::Cumsum(axis) => {
            let axis = positive(*axis, x.shape.len());
            Some(build(&x.shape, |index| {
                let mut index = index.to_vec();
                let last = index[axis];
                (0..=last)
                    .map(|i| {
                        index[axis] = i;
                        element(x, &index)
                    })
                    .sum()
            }))
        }
        Op::Slice(axis, from, to, step) => {
            let axis = positive(*axis, x.shape.len());
            let mut shape = x.shape.clone();
            shape[axis] = (to - from).unsigned_abs().div_ceil(step.unsigned_abs());
            Some(build(&shape, |index| {
                let mut index = index.to_vec();
                index[axis] = (from + index[axis] as isize * step) as usize;
                element(x, &index)
            }))
        }
        Op::Concat(axis) => {
            let axis = positive(*axis, x.shape.len());
            let mut shape = x.shape.clone();
            shape[axis] += y.shape[axis];
            Some(build(&shape, |index| {
                let mut index = index.to_vec();
                match index[axis].checked_sub(x.shape[axis]) {
                    None => element(x, &index),
                    Some(i) => {
                        index[axis] = i;
                        element(y, &index)
                    }
                }
            }))
        }
        Op::Reshape(shape) => Some(Numbers { shape: shape.clone(), data: x.data.clone() }),
        Op::Expand(axes) => {
            let rank = x.shape.len() + axes.len();
            let new: Vec<usize> = axes.iter().map(|&axis| positive(axis, rank)).collect();
            let mut old = x.shape.iter();
            let size = |axis: usize| if new.contains(&axis) { Some(1) } else { old.next().copied() };
            Some(Numbers { shape: (0..rank).filter_map(size).collect(), data: x.data.clone() })
        }
        Op::Transpose(axes) => {
            let axes: Vec<usize> = axes.iter().map(|&axis| positive(axis, x.shape.len())).collect();
            let shape: Vec<usize> = axes.iter().map(|&axis| x.shape[axis]).collect();
            Some(build(&shape, |index| {
                let mut from = vec![0; axes.len()];
                for (&axis, &i) in axes.iter().zip(index) {
                    from[axis] = i;
                }
                element(x, &from)
            }))
        }
        Op::Broadcast(shape) => Some(build(shape, |index| element(x, index))),
        Op::Matmul => {
            let inner = x.shape[1];
            Some(build(&[x.shape[0], y.shape[1]], |index| {
                (0..inner).map(|k| element(x, &[index[0], k]) * element(y, &[k, index[1]])).sum()
            }))
        }
    };
    if close { None } else { out }
}
