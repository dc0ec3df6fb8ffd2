//! Each pass by itself: its text, and that it computes what was computed before.

use super::{Graph, Program};
use crate::tensor::{Array, Tensor};
use crate::trace::stage::Stage;
use crate::trace::{self, Trace};

/// A function as it is written, without any pass.
fn staged(f: impl Fn(&[Tensor]) -> Vec<Tensor>, args: &[Tensor]) -> Graph {
    let stage = Stage::new(None);
    let inputs: Vec<Tensor> = args.iter().map(|arg| stage.input(arg.aval())).collect();
    let outs = trace::run(Trace::Stage(stage.clone()), || f(&inputs));
    stage.finish(&outs).0
}

type Pass = (&'static str, fn(Graph) -> Graph);

const PASSES: [Pass; 6] = [
    ("simplify", Graph::simplify),
    ("cse", Graph::cse),
    ("dce", Graph::dce),
    ("fuse", Graph::fuse),
    ("bundle", Graph::bundle),
    ("epilogues", Graph::epilogues),
];

fn numbers(graph: &Graph, args: &[Tensor]) -> Vec<Vec<u8>> {
    let arrays: Vec<Array> = args.iter().map(|arg| arg.array().unwrap().clone()).collect();
    let outs = Program::new(graph).run(arrays).unwrap();
    outs.iter().map(|out| out.bytes().to_vec()).collect()
}

fn ramp(shape: &[usize]) -> Tensor {
    let size = shape.iter().product();
    let numbers: Vec<f32> = (0..size).map(|i: usize| (i * 37 % 101) as f32 * 0.02 - 1.0).collect();
    Tensor::from_vec(numbers, shape)
}

#[test]
fn every_pass_computes_what_was_computed_before() {
    type Function = fn(&[Tensor]) -> Vec<Tensor>;
    let dense: Function = |x| {
        let y = (x[0].t().dot(&x[1]) + &x[2]).relu();
        let unused = y.exp();
        let _ = unused.sum();
        vec![y.t().dot(&(&y * 1.0)).softmax(-1), &y - y.mean(), x[0].t().t().reshape([20]) + 0.0]
    };
    let updates: Function = |x| {
        let rate = x[0].sum() * 0.1;
        let twice = x[0].sum() * 0.1;
        x.iter().map(|x| (x - x * &rate).tanh() * (&twice + &rate)).collect()
    };
    let outer: Function = |x| vec![x[2].reshape([6, 1]).dot(&x[2].reshape([1, 6])) * 2.0, x[1].dot(&x[2])];
    let args = [ramp(&[4, 5]), ramp(&[4, 6]), ramp(&[6])];
    for f in [dense, updates, outer] {
        let mut graph = staged(f, &args);
        let before = numbers(&graph, &args);
        for (name, pass) in PASSES {
            graph = pass(graph);
            assert!(numbers(&graph, &args) == before, "after {name}:\n{graph}");
        }
    }
}

#[test]
fn passes_are_read_as_text() {
    let f = |x: &[Tensor]| {
        let y = x[0].t().dot(&x[1]) * 1.0;
        let _ = y.exp();
        vec![(&y + 1.0).tanh(), (&y + 1.0).exp()]
    };
    let mut graph = staged(f, &[ramp(&[2, 3]), ramp(&[2, 3])]);
    let mut texts = vec![("staged", graph.to_string())];
    for (name, pass) in PASSES {
        graph = pass(graph);
        texts.push((name, graph.to_string()));
    }
    let texts: Vec<String> = texts.into_iter().map(|(name, text)| format!("{name}: {text}")).collect();
    assert_eq!(texts.join("\n"), include_str!("passes.txt").trim_end());
}
