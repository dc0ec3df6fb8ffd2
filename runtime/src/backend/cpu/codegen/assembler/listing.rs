//! Compiled loops as text: the vector IR of each, and its code in bytes with the operation that each instruction is for.

use std::fmt;

use super::isa::Isa;
use super::isa::x86::Mark;
use super::unroll::Segment;

/// The loops of a kernel.
#[derive(Default)]
pub struct Listing {
    isa: &'static str,
    pub loops: Vec<LoopListing>,
}

pub struct LoopListing {
    /// The vector IR, for one vector.
    pub ir: String,
    /// What instructions are for, and their bytes.
    pub code: Vec<(String, Vec<u8>)>,
}

impl Listing {
    pub fn begin(&mut self, isa: &dyn Isa, segment: &Segment) {
        self.isa = isa.label();
        self.loops.push(LoopListing { ir: segment.to_string(), code: Vec::new() });
    }

    /// Shares out the code of all loops, which begin at `starts`.
    pub fn fill(&mut self, code: &[u8], marks: Vec<Mark>, starts: &[usize]) {
        let ends: Vec<usize> = marks.iter().skip(1).map(|&(at, _)| at).chain([code.len()]).collect();
        for ((at, text), end) in marks.into_iter().zip(ends) {
            let number = starts.partition_point(|&start| start <= at) - 1;
            self.loops[number].code.push((text, code[at..end].to_vec()));
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.block)?;
        for (number, fold) in self.folds.iter().enumerate() {
            writeln!(f, "    p{}[row] = accumulator {number}", fold.out)?;
        }
        Ok(())
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, LoopListing { ir, code }) in self.loops.iter().enumerate() {
            writeln!(f, "loop {number}, vector IR:")?;
            write!(f, "{ir}")?;
            writeln!(f, "loop {number}, {}:", self.isa)?;
            for (text, bytes) in code {
                write!(f, "    {text:<48} ")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                writeln!(f)?;
            }
        }
        Ok(())
    }
}
