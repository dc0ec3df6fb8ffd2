//! Small random programs, and three ways to run them.

mod generate;
mod reference;

use std::fmt;

use flaxen::{DType, Result, Tensor};

use crate::numbers::Numbers;

/// One operation; axes and shapes are given as they will be passed.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Of one value.
    Neg,
    /// Of one value.
    Sin,
    /// Of one value.
    Cos,
    /// Of one value.
    Tanh,
    /// Of one value.
    Exp,
    /// With a bare scalar to the right.
    Scale(f64),
    /// With a bare scalar to the left.
    Shift(f64),
    /// Of two values that broadcast.
    Add,
    /// Of two values that broadcast.
    Sub,
    /// Of two values that broadcast.
    Mul,
    /// Of two values that broadcast.
    Div,
    /// Of two values that broadcast.
    Maximum,
    /// Of two values that broadcast.
    Minimum,
    /// Of two values that broadcast; gives booleans.
    Greater,
    /// Of two values that broadcast; gives booleans.
    Less,
    /// Of a boolean value and two others, all of which broadcast.
    Select,
    /// Of a value and two bounds.
    Clamp(f64, f64),
    /// Of booleans.
    ToFloat,
    /// Over these axes.
    Sum(Vec<isize>),
    /// Over these axes.
    Max(Vec<isize>),
    /// Over these axes.
    Mean(Vec<isize>),
    /// Along an axis.
    Cumsum(isize),
    /// Along an axis: from, to, step.
    Slice(isize, isize, isize, isize),
    /// Of two values, along an axis.
    Concat(isize),
    /// To this shape.
    Reshape(Vec<usize>),
    /// By this permutation.
    Transpose(Vec<isize>),
    /// To this shape.
    Broadcast(Vec<usize>),
    /// New axes of size 1.
    Expand(Vec<isize>),
    /// Of two matrices.
    Matmul,
}

/// An operation and the indices of the values it takes.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is done.
    pub op: Op,
    /// With which values.
    pub args: Vec<usize>,
}

/// Inputs are values 0, 1, …, and each step makes the next.
#[derive(Clone, Debug)]
pub struct Program {
    /// What it was generated from.
    pub seed: u64,
    /// The inputs' shapes; all are `F64`.
    pub inputs: Vec<Vec<usize>>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The values returned.
    pub outs: Vec<usize>,
}

impl Program {
    /// Runs the program on tensors, in whatever transform is around.
    ///
    /// # Errors
    /// What the operations return.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut values = inputs.to_vec();
        for step in &self.steps {
            let args: Vec<&Tensor> = step.args.iter().map(|&i| &values[i]).collect();
            let value = apply(&step.op, &args)?;
            values.push(value);
        }
        Ok(self.outs.iter().map(|&i| values[i].clone()).collect())
    }

    /// The same program cut off behind a step, of which it returns the value.
    #[must_use]
    pub fn until(&self, step: usize) -> Program {
        let steps = self.steps[..=step].to_vec();
        Program { seed: self.seed, inputs: self.inputs.clone(), steps, outs: vec![self.inputs.len() + step] }
    }
}

fn apply(op: &Op, args: &[&Tensor]) -> Result<Tensor> {
    let (x, y) = (args[0], args[args.len() - 1]);
    match op {
        Op::Neg => Ok(-x),
        Op::Sin => Ok(x.sin()),
        Op::Cos => Ok(x.cos()),
        Op::Tanh => Ok(x.tanh()),
        Op::Exp => Ok(x.exp()),
        Op::Scale(by) => Ok(x * *by),
        Op::Shift(by) => Ok(*by - x),
        Op::Add => x.try_add(y),
        Op::Sub => x.try_sub(y),
        Op::Mul => x.try_mul(y),
        Op::Div => x.try_div(y),
        Op::Maximum => x.try_maximum(y),
        Op::Minimum => x.try_minimum(y),
        Op::Greater => x.try_gt(y),
        Op::Less => x.try_lt(y),
        Op::Select => x.try_select(args[1], y),
        Op::Clamp(low, high) => x.try_clamp(*low, *high),
        Op::ToFloat => x.try_cast(DType::F64),
        Op::Sum(axes) => x.try_sum_axes(axes),
        Op::Max(axes) => x.try_max_axes(axes),
        Op::Mean(axes) => x.try_mean_axes(axes),
        Op::Cumsum(axis) => x.try_cumsum(*axis),
        Op::Slice(axis, from, to, step) => x.try_slice_axis_step(*axis, *from..*to, *step),
        Op::Concat(axis) => Tensor::try_concatenate(&[x.clone(), y.clone()], *axis),
        Op::Reshape(shape) => x.try_reshape(shape),
        Op::Transpose(axes) => x.try_transpose(axes),
        Op::Broadcast(shape) => x.try_broadcast_to(shape),
        Op::Expand(axes) => x.try_expand_dims(axes),
        Op::Matmul => x.try_matmul(y),
    }
}

/// What the naive interpreter saw.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Every value, inputs first.
    pub values: Vec<Numbers>,
    /// Which way every comparison went: where these differ between two points, there is a kink between them.
    pub choices: Vec<bool>,
}

/// A script that can be read, and typed in again.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for (i, shape) in self.inputs.iter().enumerate() {
            writeln!(f, "  v{i} = input {shape:?}")?;
        }
        for (i, step) in self.steps.iter().enumerate() {
            let args: Vec<String> = step.args.iter().map(|i| format!("v{i}")).collect();
            writeln!(f, "  v{} = {:?} {}", self.inputs.len() + i, step.op, args.join(" "))?;
        }
        let outs: Vec<String> = self.outs.iter().map(|i| format!("v{i}")).collect();
        write!(f, "  return {}", outs.join(" "))
    }
}
