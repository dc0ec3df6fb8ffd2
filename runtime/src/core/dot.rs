//! Graphs as pictures, through Graphviz.

use std::fmt::Write as _;

use crate::core::{Graph, Var};

impl<P: std::fmt::Debug> Graph<P> {
    /// The graph in the language of Graphviz: `dot -Tsvg` draws it.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let f = jit(|x: Tensor| Ok(x.sin() * 2.0));
    /// let text = f.graph(&Tensor::zeros([3]))?.to_dot();
    /// assert!(text.starts_with("digraph") && text.contains("sin"));
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn to_dot(&self) -> String {
        let names = self.names();
        let name = |var: &Var| names.get(var).copied().unwrap_or(*var);
        let mut text = String::from("digraph {\n  node [shape=box]\n");
        let mut line = |args: std::fmt::Arguments<'_>| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {args}");
        };
        for var in &self.inputs {
            line(format_args!(
                "\"{}\" [shape=ellipse label=\"{}: {}\"]",
                name(var),
                name(var),
                self.aval(*var)
            ));
        }
        for (i, eqn) in self.eqns.iter().enumerate() {
            let label = format!("{:?}", eqn.primitive)
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\l");
            line(format_args!("e{i} [label=\"{label}\"]"));
        }
        let maker = |var: &Var| match self.eqns.iter().position(|eqn| eqn.outs.contains(var)) {
            Some(i) => format!("e{i}"),
            None => format!("\"{}\"", name(var)),
        };
        let numbers: Vec<Var> =
            self.consts.iter().filter(|(_, a)| a.is_scalar()).map(|(var, _)| *var).collect();
        for (i, eqn) in self.eqns.iter().enumerate() {
            for arg in eqn.args.iter().filter(|arg| !numbers.contains(arg)) {
                line(format_args!("{} -> e{i} [label=\"{}\"]", maker(arg), self.aval(*arg)));
            }
        }
        for (i, out) in self.outs.iter().enumerate() {
            line(format_args!("out{i} [shape=ellipse label=\"result {i}\"]"));
            line(format_args!("{} -> out{i} [label=\"{}\"]", maker(out), self.aval(*out)));
        }
        text.push_str("}\n");
        text
    }
}
