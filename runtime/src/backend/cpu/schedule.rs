//! Schedules: what the passes make of a graph, and a program is compiled from.

use std::fmt;
use std::sync::Arc;

use super::passes::epilogue::Epilogue;
use super::passes::fuse::Fusion;
use super::passes::tile_batch::BatchTiled;
use crate::array::Aval;
use crate::core::Graph;
use crate::core::graph::Effects;
use crate::core::op::Op;
use crate::core::primitive::{Args, Outs, Primitive};

/// What one equation of a schedule does; a kernel each, but for primitives that have none.
#[derive(Clone)]
pub(crate) enum Step {
    Primitive(Arc<dyn Primitive>),
    Fused(Arc<Fusion>),
    /// A product, and the fused kernel that takes its tiles.
    Epilogue(Arc<Epilogue>),
    /// A chain of equations, for a few examples at a time.
    BatchTiled(Arc<BatchTiled>),
}

/// Steps over the variables of a graph.
pub(crate) type Schedule = Graph<Step>;

impl Step {
    /// What it is as data, if it is a primitive still.
    pub fn op(&self) -> Option<Op<'_>> {
        match self {
            Step::Primitive(primitive) => Some(primitive.op()),
            _ => None,
        }
    }

    pub fn primitive(&self) -> Option<&Arc<dyn Primitive>> {
        match self {
            Step::Primitive(primitive) => Some(primitive),
            _ => None,
        }
    }

    pub fn fusion(&self) -> Option<&Fusion> {
        match self {
            Step::Fused(fusion) => Some(fusion),
            _ => None,
        }
    }

    /// Its equations, and all levels of its kernel if that was generated.
    pub fn explain(&self) -> String {
        let kernel = match self {
            Step::Fused(fusion) => fusion.kernel().explain(),
            Step::Epilogue(epilogue) => epilogue.fusion().kernel().explain(),
            // A program within is compiled by itself.
            Step::Primitive(primitive) => {
                primitive.op().subgraphs().fold(String::new(), |text, graph| text + &graph.to_string() + "\n")
            }
            Step::BatchTiled(_) => String::new(),
        };
        format!("{self:?}\n{kernel}")
    }

    /// What it is called in a list of steps.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Primitive(primitive) => primitive.name(),
            Step::Fused(_) => "fusion",
            Step::Epilogue(epilogue) => epilogue.product().name(),
            Step::BatchTiled(_) => "batch_tiled",
        }
    }
}

impl Effects for Step {
    fn has_effects(&self) -> bool {
        // What is joined of several equations is made of numbers alone.
        self.primitive().is_some_and(Effects::has_effects)
    }
}

impl From<Graph> for Schedule {
    fn from(graph: Graph) -> Schedule {
        let Graph { avals, inputs, consts, eqns, outs } = graph;
        let eqns = eqns.into_iter().map(|eqn| eqn.map(Step::Primitive)).collect();
        Graph { avals, inputs, consts, eqns, outs }
    }
}

impl Schedule {
    /// The floating-point operations of a step.
    pub fn flops_of(&self, step: usize) -> u64 {
        let eqn = &self.eqns[step];
        match &eqn.primitive {
            Step::Primitive(primitive) => {
                let args: Args<&Aval> = eqn.args.iter().map(|&var| self.aval(var)).collect();
                let outs: Outs<&Aval> = eqn.outs.iter().map(|&var| self.aval(var)).collect();
                primitive.flops(&args, &outs)
            }
            Step::Fused(fusion) => fusion.flops(),
            Step::Epilogue(epilogue) => {
                let args: Args<&Aval> = eqn.args.iter().map(|&var| self.aval(var)).collect();
                epilogue.flops(&args)
            }
            Step::BatchTiled(tiled) => tiled.flops(),
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Primitive(primitive) => primitive.fmt(f),
            Step::Fused(fusion) => fusion.fmt(f),
            Step::Epilogue(epilogue) => epilogue.fmt(f),
            Step::BatchTiled(tiled) => tiled.fmt(f),
        }
    }
}
