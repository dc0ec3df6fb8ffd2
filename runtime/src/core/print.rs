//! Graphs as text, in the manner of a jaxpr.

use std::collections::HashMap;
use std::fmt;

use crate::array::Array;
use crate::core::{Graph, Var};

impl fmt::Display for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (high, low) = (self.0 / 26, (b'a' + (self.0 % 26) as u8) as char);
        if high > 0 { write!(f, "{}{low}", Var(high - 1)) } else { write!(f, "{low}") }
    }
}

impl<P: fmt::Debug> fmt::Debug for Graph<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl<P: fmt::Debug> fmt::Display for Graph<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names();
        let scalars: HashMap<Var, String> = self
            .consts
            .iter()
            .filter(|(_, array)| array.is_scalar())
            .map(|(var, array)| (*var, literal(array)))
            .collect();
        let name = |var: &Var| match scalars.get(var) {
            Some(text) => text.clone(),
            None => names[var].to_string(),
        };
        let typed = |var: &Var| format!("{}:{}", names[var], self.aval(*var));
        let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(" ");
        let consts = list(&mut self.consts.iter().filter(|(_, a)| !a.is_scalar()).map(|(v, _)| typed(v)));
        let inputs = list(&mut self.inputs.iter().map(typed));
        writeln!(f, "{{ lambda {consts} ; {inputs}. let")?;
        for eqn in &self.eqns {
            let outs = list(&mut eqn.outs.iter().map(typed));
            let args = list(&mut eqn.args.iter().map(name));
            let space = if args.is_empty() { "" } else { " " };
            // Programs within are further in.
            let applied = format!("{:?}", eqn.primitive).replace('\n', "\n    ");
            writeln!(f, "    {outs} = {applied}{space}{args}")?;
        }
        write!(f, "  in ({}) }}", self.outs.iter().map(name).collect::<Vec<_>>().join(", "))
    }
}

impl<P> Graph<P> {
    /// Letters in order of appearance, so that a dropped equation does not rename the others in a snapshot.
    pub(crate) fn names(&self) -> HashMap<Var, Var> {
        let mut names = HashMap::new();
        let consts = self.consts.iter().filter(|(_, a)| !a.is_scalar()).map(|(v, _)| v);
        let defined = consts.chain(&self.inputs).chain(self.eqns.iter().flat_map(|eqn| &eqn.outs));
        for var in defined {
            let next = Var(names.len() as u32);
            names.entry(*var).or_insert(next);
        }
        names
    }
}

fn literal(array: &Array) -> String {
    use crate::array::DType;
    use crate::array::dtype::dispatch;
    match array.dtype() {
        DType::Bool => (array.data::<u8>()[0] != 0).to_string(),
        dtype if dtype.is_short_integer() => {
            literal(&crate::kernels::arrays::convert(array, DType::I32, false))
        }
        DType::C64 => array.data::<num_complex::Complex32>()[0].to_string(),
        dtype => dispatch!(dtype, T => format!("{:?}", array.data::<T>()[0])),
    }
}
