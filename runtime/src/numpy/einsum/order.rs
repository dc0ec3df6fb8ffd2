//! The order in which values are contracted in pairs.

use crate::numpy::einsum::contraction::Label;

/// Up to as many operands, every order is considered.
const EXHAUSTIVE: usize = 8;

/// Returns the pairs of values to contract, numbered as in [`Step`](crate::numpy::einsum::contraction::Step).
pub(super) fn order(operands: &[Vec<Label>], output: &[Label], sizes: &[usize]) -> Vec<(usize, usize)> {
    let problem =
        Problem { operands: operands.iter().map(|labels| Set::of(labels)).collect(), output, sizes };
    match operands.len() {
        0 | 1 => Vec::new(),
        2 => vec![(0, 1)],
        n if n <= EXHAUSTIVE => problem.best(),
        _ => problem.greedy(),
    }
}

/// A set of labels, in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Set(Vec<Label>);

impl Set {
    fn of(labels: &[Label]) -> Self {
        let mut labels = labels.to_vec();
        labels.sort_unstable();
        labels.dedup();
        Self(labels)
    }

    fn union(&self, other: &Self) -> Self {
        Self::of(&[self.0.as_slice(), other.0.as_slice()].concat())
    }

    fn keep(mut self, keep: impl Fn(Label) -> bool) -> Self {
        self.0.retain(|&label| keep(label));
        self
    }
}

/// What a contraction costs, compared by operations first and by size of results second.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
struct Cost {
    operations: f64,
    size: f64,
}

struct Problem<'a> {
    operands: Vec<Set>,
    output: &'a [Label],
    sizes: &'a [usize],
}

impl Problem<'_> {
    fn size(&self, labels: &Set) -> f64 {
        labels.0.iter().map(|&label| self.sizes[label] as f64).product()
    }

    /// The cost of contracting two values with this union of labels to this result.
    fn cost(&self, union: &Set, result: &Set) -> Cost {
        // A sum takes an addition for each multiplication.
        let per_element = if union.0.len() == result.0.len() { 1.0 } else { 2.0 };
        Cost { operations: self.size(union) * per_element, size: self.size(result) }
    }

    /// Finds the cheapest order by dynamic programming over subsets of operands.
    fn best(&self) -> Vec<(usize, usize)> {
        struct Entry {
            labels: Set,
            cost: Cost,
            left: usize,
        }
        let n = self.operands.len();
        let whole = (1usize << n) - 1;
        let mut table: Vec<Entry> = Vec::with_capacity(whole + 1);
        for subset in 0..=whole {
            let free = Cost { operations: 0.0, size: 0.0 };
            if subset.count_ones() < 2 {
                let labels = if subset == 0 {
                    Set::of(&[])
                } else {
                    self.operands[subset.trailing_zeros() as usize].clone()
                };
                table.push(Entry { labels, cost: free, left: 0 });
                continue;
            }
            let needed = |label: Label| {
                let outside = (0..n).any(|i| subset >> i & 1 == 0 && self.operands[i].0.contains(&label));
                outside || self.output.contains(&label)
            };
            let members = (0..n).filter(|i| subset >> i & 1 == 1);
            let labels = members.fold(Set::of(&[]), |all, i| all.union(&self.operands[i])).keep(needed);
            // The lowest operand is always on the left, so that each split is considered once.
            let lowest = subset & subset.wrapping_neg();
            let mut best: Option<(Cost, usize)> = None;
            let mut left = (subset - 1) & subset;
            while left > 0 {
                if left & lowest != 0 {
                    let (a, b) = (&table[left], &table[subset ^ left]);
                    let step = self.cost(&a.labels.union(&b.labels), &labels);
                    let cost = Cost {
                        operations: a.cost.operations + b.cost.operations + step.operations,
                        size: a.cost.size + b.cost.size + step.size,
                    };
                    if best.is_none_or(|(least, _)| cost < least) {
                        best = Some((cost, left));
                    }
                }
                left = (left - 1) & subset;
            }
            let (cost, left) = best.unwrap_or((free, lowest));
            table.push(Entry { labels, cost, left });
        }

        let mut pairs = Vec::with_capacity(n - 1);
        let splits: Vec<usize> = table.iter().map(|entry| entry.left).collect();
        emit(whole, n, &splits, &mut pairs);
        pairs
    }

    /// Contracts the pair whose result is smallest compared to what it replaces, again and again.
    fn greedy(&self) -> Vec<(usize, usize)> {
        let mut values: Vec<(usize, Set)> = self.operands.iter().cloned().enumerate().collect();
        let mut pairs = Vec::with_capacity(values.len() - 1);
        while values.len() > 1 {
            let mut best: Option<((f64, Cost), usize, usize, Set)> = None;
            for j in 1..values.len() {
                for i in 0..j {
                    let union = values[i].1.union(&values[j].1);
                    let needed = |label: Label| {
                        let others = values.iter().enumerate().filter(|(v, _)| *v != i && *v != j);
                        self.output.contains(&label)
                            || others.into_iter().any(|(_, (_, set))| set.0.contains(&label))
                    };
                    let result = union.clone().keep(needed);
                    let growth = self.size(&result) - self.size(&values[i].1) - self.size(&values[j].1);
                    let score = (growth, self.cost(&union, &result));
                    if best.as_ref().is_none_or(|(least, ..)| score < *least) {
                        best = Some((score, i, j, result));
                    }
                }
            }
            let Some((_, i, j, result)) = best else { break };
            let (right, _) = values.remove(j);
            let (left, _) = values.remove(i);
            values.push((self.operands.len() + pairs.len(), result));
            pairs.push((left, right));
        }
        pairs
    }
}

/// Appends the contractions that make the value of a subset; returns the number of that value.
fn emit(subset: usize, operands: usize, splits: &[usize], pairs: &mut Vec<(usize, usize)>) -> usize {
    if subset.is_power_of_two() {
        return subset.trailing_zeros() as usize;
    }
    let left = emit(splits[subset], operands, splits, pairs);
    let right = emit(subset ^ splits[subset], operands, splits, pairs);
    pairs.push((left, right));
    operands + pairs.len() - 1
}
