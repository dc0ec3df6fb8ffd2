//! Kernels as text: what is computed of each element, and the program of a tile.

use std::fmt;

use super::instruction::{Action, ArrayId, Instruction, Map, Side};
use super::spec::{Access, IterationSpace, KernelOp, KernelSpec};
use super::tile_program::{Prologue, TileProgram};

/// Names of values or arrays, with commas between them.
struct Names<'a, T>(&'a str, &'a [T]);

impl<T: fmt::Display> fmt::Display for Names<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Names(kind, names) = self;
        names
            .iter()
            .enumerate()
            .try_for_each(|(i, name)| write!(f, "{}{kind}{name}", if i == 0 { "" } else { ", " }))
    }
}

fn space(space: IterationSpace) -> &'static str {
    match space {
        IterationSpace::Full => "",
        IterationSpace::Row => " by row",
        IterationSpace::Column => " by column",
        IterationSpace::Total => " in all",
    }
}

impl fmt::Display for KernelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "kernel of {} elements in rows of {}:", self.size, self.cols)?;
        for (value, (access, dtype)) in self.inputs.iter().enumerate() {
            let access = match access {
                Access::One => "a value",
                Access::Full => "a value by element",
                Access::Rows => "a value by row",
                Access::Columns => "a value by column",
                Access::Window(_) => "a value by element, in a part of the rows",
                Access::Strided(_) => "broadcast",
            };
            writeln!(f, "    %{value} = input {dtype}, {access}")?;
        }
        for (value, op) in (self.inputs.len()..).zip(&self.ops) {
            let by = space(op.space());
            match op {
                KernelOp::Map { op, args, to, .. } => {
                    writeln!(f, "    %{value} = {} {}: {to}{by}", op, Names("%", args))?;
                }
                KernelOp::Fold { op, arg, dtype, .. } => {
                    writeln!(f, "    %{value} = {op} %{arg}: {dtype}{by}")?;
                }
            }
        }
        let outs: Vec<usize> = self.outs.iter().map(|&(value, _)| value).collect();
        let (whole, mut rest) = outs.split_at(self.whole());
        let mut results: Vec<String> = whole.iter().map(|value| format!("%{value}")).collect();
        for &count in &self.joined {
            let (parts, behind) = rest.split_at(count);
            results.push(format!("[{}]", Names("%", parts)));
            rest = behind;
        }
        writeln!(f, "    results {}", results.join(", "))
    }
}

impl fmt::Display for TileProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (inputs, outs) = (self.inputs.len(), self.inputs.len() + self.outs.len());
        let tile = self.tile;
        writeln!(f, "tiles of {tile} elements, inputs from p0, results from p{inputs}, slots from p{outs}:")?;
        for (kind, input, array) in &self.prologue {
            let how = match kind {
                Prologue::Splat => "splat",
                Prologue::Repeat => "repeat",
            };
            writeln!(f, "    p{array} = {how} p{input}, once")?;
        }
        self.body.iter().try_for_each(|step| writeln!(f, "    {step}"))
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instruction { action, args, out, .. } = self;
        match action {
            Action::Map(map) => {
                let args: Vec<String> = (0..map.op.arity()).map(|i| arg(map, *args, i)).collect();
                write!(f, "p{out} = {} {}", map.op, Names("p", &args))?;
            }
            Action::Expand(_) => write!(f, "p{out} = expand p{}", args[0])?,
            Action::Gather => write!(f, "p{out} = gather p{}", args[0])?,
            Action::Scatter(_) => write!(f, "p{out} = scatter p{}", args[0])?,
            Action::Rows(_, op, _) => write!(f, "p{out} = {} p{}", op, args[0])?,
            Action::CrossTile(reduction) => write!(f, "accumulator {reduction} takes p{}", args[0])?,
            Action::Jit(jit) => {
                write!(f, "{} = loop {}", Names("p", &jit.writes), Names("p", &jit.reads))?;
            }
        }
        f.write_str(if self.by_rows { ", by row" } else { "" })
    }
}

/// The array of an argument, and how many elements a value of it is for.
fn arg(map: &Map, args: [ArrayId; 3], number: usize) -> String {
    let array = args[number];
    match map.side {
        Side::Scalar(side) if side == number => format!("{array}[0]"),
        Side::Row(side) if side == number => format!("{array}[row]"),
        _ => array.to_string(),
    }
}
