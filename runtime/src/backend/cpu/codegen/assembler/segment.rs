//! A loop that is to be assembled.

use super::super::instruction::Place;
use super::graph::{Graph, Node, Value};
use crate::scalar::reduce::ReduceOp;

/// What is done, in this order.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Compute(Value),
    /// As numbers of 32 bits, so many vectors behind the first.
    Store(Value, Place, u8),
    StoreByte(Value, Place, u8),
    /// Along rows.
    Fold(Value, usize),
}

/// What each row is folded to, and where that is written.
#[derive(Clone, Copy, Debug)]
pub struct RowFold {
    pub folding: ReduceOp,
    pub out: Place,
}

/// A loop to be assembled, for one vector at a time.
pub struct Segment {
    pub graph: Graph,
    pub steps: Vec<Step>,
    pub folds: Vec<RowFold>,
    /// Arrays that are read from far away, and how many bytes before they are needed they are asked for.
    pub far: Vec<Place>,
    pub ahead: i32,
    /// Elements of a row, at most.
    pub cols: usize,
}

impl Segment {
    /// The loop for so many vectors at a time.
    pub fn repeated(&self, copies: u8) -> Segment {
        let mut graph = Graph::default();
        let mut values: Vec<Vec<Value>> = vec![Vec::new(); usize::from(copies)];
        for &node in &self.graph.nodes {
            for copy in 0..copies {
                let of = &mut values[usize::from(copy)];
                let value = graph.add(node.behind(copy, |arg| of[arg]));
                of.push(value);
            }
        }
        let mut steps = Vec::new();
        for &step in &self.steps {
            steps.extend((0..copies).filter_map(|copy| {
                let to = |value: Value| values[usize::from(copy)][value];
                match step {
                    // What is the same for all elements is computed once.
                    Step::Compute(value) if copy > 0 && to(value) == values[0][value] => None,
                    Step::Compute(value) => Some(Step::Compute(to(value))),
                    Step::Store(value, place, at) => Some(Step::Store(to(value), place, at + copy)),
                    Step::StoreByte(value, place, at) => Some(Step::StoreByte(to(value), place, at + copy)),
                    Step::Fold(value, fold) => Some(Step::Fold(to(value), fold)),
                }
            }));
        }
        let (folds, far) = (self.folds.clone(), self.far.clone());
        Segment { graph, steps, folds, far, ahead: self.ahead, cols: self.cols }
    }

    pub fn has_columns(&self) -> bool {
        self.graph.nodes.iter().any(|node| matches!(node, Node::Column(..)))
    }

    /// By value: the steps that need it.
    pub fn uses(&self) -> Vec<Vec<usize>> {
        let mut uses: Vec<Vec<usize>> = vec![Vec::new(); self.graph.nodes.len()];
        for (at, step) in self.steps.iter().enumerate() {
            let mut needed = match *step {
                Step::Compute(value) => self.graph.nodes[value].args(),
                Step::Store(value, ..) | Step::StoreByte(value, ..) | Step::Fold(value, _) => {
                    smallvec::smallvec![value]
                }
            };
            needed.sort_unstable();
            needed.dedup();
            needed.iter().for_each(|&value| uses[value].push(at));
        }
        uses
    }
}
