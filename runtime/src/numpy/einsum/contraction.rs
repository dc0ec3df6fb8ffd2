//! What an einsum string asks for, and in which order to do it.
//!
//! This is the pure part of `einsum`: strings and shapes go in, a [`Plan`] of pairwise contractions comes out.

use super::parse::Equation;
pub use super::parse::{EinsumError, Label};

/// How to compute an einsum with dots of two operands at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How to prepare each operand.
    pub operands: Vec<Operand>,
    /// The contractions, in order; one less than there are operands.
    pub steps: Vec<Step>,
    /// The labels of the last step's result, or of the only operand: those of `output` in some order.
    pub result: Vec<Label>,
    /// The labels of the axes of the output.
    pub output: Vec<Label>,
    /// The size of the axis behind each label, by label.
    pub sizes: Vec<usize>,
}

/// How to prepare an operand, so that it has each of its labels once and only labels that others need.
///
/// In this order: drop the axes in `squeeze`, take diagonals of the axes that then share a label, sum over `sum`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand {
    /// Axes of size one where other operands have more: they broadcast, so this operand does without.
    pub squeeze: Vec<usize>,
    /// The labels of the axes that are left; a label that is repeated stands for a diagonal.
    pub axes: Vec<Label>,
    /// Labels that no other operand and not the output has.
    pub sum: Vec<Label>,
    /// The labels that are left in the end, in order of first appearance.
    pub labels: Vec<Label>,
}

/// A contraction of two values, as `dot_general` does it.
///
/// Operands are numbered first, then the results of steps. The labels of the result are those of the batch, then those
/// kept from the left, then those kept from the right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The number of the left value; it is not needed afterwards.
    pub lhs: usize,
    /// The number of the right value; it is not needed afterwards.
    pub rhs: usize,
    /// The labels of the left value.
    pub lhs_labels: Vec<Label>,
    /// The labels of the right value.
    pub rhs_labels: Vec<Label>,
    /// The labels of the result.
    pub out_labels: Vec<Label>,
}

impl Step {
    /// Describes the contraction of two values of which the labels in `needed` are wanted afterwards.
    fn new(
        (lhs, lhs_labels): (usize, &[Label]),
        (rhs, rhs_labels): (usize, &[Label]),
        needed: &[Label],
    ) -> Self {
        let mut out_labels: Vec<Label> =
            lhs_labels.iter().copied().filter(|l| rhs_labels.contains(l) && needed.contains(l)).collect();
        let lhs_kept = lhs_labels.iter().filter(|l| !rhs_labels.contains(l));
        let rhs_kept = rhs_labels.iter().filter(|l| !lhs_labels.contains(l));
        out_labels.extend(lhs_kept.chain(rhs_kept));
        Self { lhs, rhs, lhs_labels: lhs_labels.to_vec(), rhs_labels: rhs_labels.to_vec(), out_labels }
    }

    /// Returns the labels of both sides that the result has too.
    pub fn batch(&self) -> impl Iterator<Item = Label> {
        self.shared().filter(|l| self.out_labels.contains(l))
    }

    /// Returns the labels of both sides that are summed over.
    pub fn contracted(&self) -> impl Iterator<Item = Label> {
        self.shared().filter(|l| !self.out_labels.contains(l))
    }

    fn shared(&self) -> impl Iterator<Item = Label> {
        self.lhs_labels.iter().copied().filter(|l| self.rhs_labels.contains(l))
    }
}

/// Makes a plan for a string in the notation of `numpy.einsum` and operands of these shapes.
///
/// The order of contractions has the fewest operations for up to eight operands, and among those the smallest
/// intermediate results; for more it is found greedily.
///
/// # Errors
/// If the string is malformed or does not fit the shapes.
pub fn plan(subscripts: &str, shapes: &[&[usize]]) -> Result<Plan, EinsumError> {
    let Equation { operands: axes, output, sizes } = super::parse::parse(subscripts, shapes)?;
    // Axes of size 1 that another operand has longer are broadcast by leaving them out.
    let squeezed: Vec<(Vec<usize>, Vec<Label>)> = axes
        .iter()
        .zip(shapes)
        .map(|(axes, shape)| {
            let broadcast = |i: &usize| shape[*i] == 1 && sizes[axes[*i]] != 1;
            let (squeeze, kept): (Vec<usize>, Vec<usize>) = (0..axes.len()).partition(broadcast);
            (squeeze, kept.into_iter().map(|i| axes[i]).collect())
        })
        .collect();
    // What neither another operand nor the result has is summed at once, before any contraction; a label that an operand has twice
    // means its diagonal, and is there once from then on.
    let operands: Vec<Operand> = squeezed
        .iter()
        .enumerate()
        .map(|(number, (squeeze, axes))| {
            let needed = |label: &Label| {
                let elsewhere =
                    squeezed.iter().enumerate().any(|(i, (_, other))| i != number && other.contains(label));
                elsewhere || output.contains(label)
            };
            let mut unique: Vec<Label> = Vec::with_capacity(axes.len());
            for &label in axes {
                if !unique.contains(&label) {
                    unique.push(label);
                }
            }
            let (labels, sum) = unique.into_iter().partition(needed);
            Operand { squeeze: squeeze.clone(), axes: axes.clone(), sum, labels }
        })
        .collect();

    // Each contraction appends its value, so that steps name operands and intermediate values by one count.
    let mut values: Vec<Vec<Label>> = operands.iter().map(|operand| operand.labels.clone()).collect();
    let mut alive: Vec<usize> = (0..values.len()).collect();
    let mut steps = Vec::new();
    for (lhs, rhs) in super::order::order(&values, &output, &sizes) {
        alive.retain(|&value| value != lhs && value != rhs);
        let mut needed = output.clone();
        needed.extend(alive.iter().flat_map(|&value| &values[value]));
        let step = Step::new((lhs, &values[lhs]), (rhs, &values[rhs]), &needed);
        alive.push(values.len());
        values.push(step.out_labels.clone());
        steps.push(step);
    }
    let result = values.pop().unwrap_or_default();
    Ok(Plan { operands, steps, result, output, sizes })
}
