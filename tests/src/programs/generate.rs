//! Programs from seeds.

use super::reference::broadcast;
use super::{Op, Program, Seen, Step};
use crate::data::Data;
use crate::numbers::Numbers;

/// Elements of a value at most.
const LARGEST: usize = 64;

/// Axes of a value at most.
const RANK: usize = 4;

impl Program {
    /// The program of a seed: one to three inputs, and up to ten steps whose values are of moderate size at the inputs
    /// of [`Program::inputs_of`].
    pub fn generate(seed: u64) -> Program {
        let mut data = Data::new(seed);
        let inputs: Vec<Vec<usize>> = (0..=data.below(3)).map(|_| shape(&mut data)).collect();
        let mut program = Program { seed, inputs, steps: vec![], outs: vec![] };
        let mut seen = Seen { values: program.inputs_of(0), choices: vec![] };
        let mut boolean = vec![false; program.inputs.len()];
        let wanted = 1 + data.below(10);
        for _ in 0..40 {
            if program.steps.len() == wanted {
                break;
            }
            let Some(step) = step(&mut data, &seen.values, &boolean) else { continue };
            if seen.step(&step.op, &step.args).is_some() {
                boolean.push(match step.op {
                    Op::Greater | Op::Less => true,
                    Op::Reshape(_) | Op::Transpose(_) | Op::Broadcast(_) | Op::Expand(_) => {
                        boolean[step.args[0]]
                    }
                    _ => false,
                });
                program.steps.push(step);
            }
        }
        let last = seen.values.len() - 1;
        program.outs = vec![last];
        if data.below(3) == 0 {
            program.outs.push(data.below(last + 1));
        }
        program
    }

    /// Example `k` of the inputs.
    pub fn inputs_of(&self, k: u64) -> Vec<Numbers> {
        let mut data = Data::new(self.seed ^ ((k + 1) << 40));
        let one = |shape: &Vec<usize>| {
            let count = shape.iter().product();
            Numbers { shape: shape.clone(), data: data.list(count, -2.0, 2.0) }
        };
        self.inputs.iter().map(one).collect()
    }
}

fn shape(data: &mut Data) -> Vec<usize> {
    let rank = *data.pick(&[0, 1, 1, 2, 2, 2, 3]);
    (0..rank).map(|_| *data.pick(&[1, 2, 2, 3, 3, 4])).collect()
}

/// Any step that fits the values, or None if the dice fell badly.
fn step(data: &mut Data, values: &[Numbers], boolean: &[bool]) -> Option<Step> {
    // Later values more often, so that programs are deep.
    let any = |data: &mut Data| values.len() - 1 - data.below(values.len()).min(data.below(values.len()));
    let float = |data: &mut Data| Some(any(data)).filter(|&i| !boolean[i]);
    let small = |shape: Vec<usize>| -> Option<Vec<usize>> {
        (shape.len() <= RANK && shape.iter().product::<usize>() <= LARGEST).then_some(shape)
    };
    let by = (data.list(1, -2.0, 2.0)[0] * 8.0).round() / 8.0;
    match data.below(28) {
        kind @ 0..=6 => {
            let op =
                [Op::Neg, Op::Sin, Op::Cos, Op::Tanh, Op::Exp, Op::Scale(by), Op::Shift(by)][kind].clone();
            Some(Step { op, args: vec![float(data)?] })
        }
        kind @ 7..=14 => {
            let ops = [Op::Add, Op::Sub, Op::Mul, Op::Div, Op::Maximum, Op::Minimum, Op::Greater, Op::Less];
            let (x, y) = (float(data)?, float(data)?);
            small(broadcast(&values[x].shape, &values[y].shape)?)?;
            Some(Step { op: ops[kind - 7].clone(), args: vec![x, y] })
        }
        15 | 16 => {
            let conditions: Vec<usize> = (0..values.len()).filter(|&i| boolean[i]).collect();
            if conditions.is_empty() {
                return None;
            }
            let condition = *data.pick(&conditions);
            if data.below(4) == 0 {
                return Some(Step { op: Op::ToFloat, args: vec![condition] });
            }
            let (x, y) = (float(data)?, float(data)?);
            let sides = broadcast(&values[x].shape, &values[y].shape)?;
            small(broadcast(&values[condition].shape, &sides)?)?;
            Some(Step { op: Op::Select, args: vec![condition, x, y] })
        }
        17 => Some(Step { op: Op::Clamp(-0.5, 0.75), args: vec![float(data)?] }),
        kind @ 18..=20 => {
            let x = float(data)?;
            let rank = values[x].shape.len();
            let mut axes: Vec<isize> = (0..rank as isize).filter(|_| data.bits() & 1 == 1).collect();
            if axes.is_empty() {
                return None;
            }
            if data.bits() & 1 == 1 {
                axes.iter_mut().for_each(|axis| *axis -= rank as isize);
            }
            let op = [Op::Sum, Op::Max, Op::Mean][kind - 18](axes);
            Some(Step { op, args: vec![x] })
        }
        21 => {
            let x = any(data);
            let mut shape: Vec<usize> = vec![];
            let mut rest: usize = values[x].shape.iter().product();
            while rest > 1 && shape.len() < 3 {
                let divisors: Vec<usize> = (1..=rest).filter(|n| rest.is_multiple_of(*n)).collect();
                let size = *data.pick(&divisors);
                shape.push(size);
                rest /= size;
            }
            shape.push(rest);
            Some(Step { op: Op::Reshape(shape), args: vec![x] })
        }
        22 => {
            let x = any(data);
            let rank = values[x].shape.len();
            let mut axes: Vec<isize> = (0..rank as isize).collect();
            for i in (1..rank).rev() {
                let other = data.below(i + 1);
                axes.swap(i, other);
            }
            Some(Step { op: Op::Transpose(axes), args: vec![x] })
        }
        23 => {
            let x = any(data);
            let mut shape = values[x].shape.clone();
            for size in &mut shape {
                if *size == 1 && data.bits() & 1 == 1 {
                    *size = 1 + data.below(3);
                }
            }
            if data.bits() & 1 == 1 {
                shape.insert(0, 1 + data.below(3));
            }
            Some(Step { op: Op::Broadcast(small(shape)?), args: vec![x] })
        }
        24 => {
            let x = any(data);
            let rank = values[x].shape.len() as isize;
            if rank as usize >= RANK {
                return None;
            }
            let axis = data.below(rank as usize + 1) as isize;
            let axis = if data.bits() & 1 == 1 { axis } else { axis - rank - 1 };
            Some(Step { op: Op::Expand(vec![axis]), args: vec![x] })
        }
        25 => {
            let x = float(data)?;
            let rank = values[x].shape.len();
            let axis = (rank > 0).then(|| data.below(rank))?;
            let size = values[x].shape[axis] as isize;
            if data.below(3) == 0 {
                return Some(Step { op: Op::Cumsum(axis as isize - rank as isize), args: vec![x] });
            }
            let from = data.below(size as usize) as isize;
            let to = from + 1 + data.below((size - from) as usize) as isize;
            let step = *data.pick(&[1, 1, 2]);
            Some(Step { op: Op::Slice(axis as isize, from, to, step), args: vec![x] })
        }
        26 => {
            let (x, y) = (float(data)?, float(data)?);
            let (a, b) = (&values[x].shape, &values[y].shape);
            let axis = (!a.is_empty() && a.len() == b.len()).then(|| data.below(a.len()))?;
            let fits = (0..a.len()).all(|other| other == axis || a[other] == b[other]);
            let total = values[x].data.len() + values[y].data.len();
            (fits && total <= LARGEST).then(|| Step { op: Op::Concat(axis as isize), args: vec![x, y] })
        }
        _ => {
            let (x, y) = (float(data)?, float(data)?);
            let (a, b) = (&values[x].shape, &values[y].shape);
            (a.len() == 2 && b.len() == 2 && a[1] == b[0]).then(|| Step { op: Op::Matmul, args: vec![x, y] })
        }
    }
}
