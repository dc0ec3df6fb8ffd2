//! What the assembler makes of the instructions of a tile, as data: which of them stay, which loops take the place of the
//! others, and the machine code of those. It refers to nothing outside of itself, so that it can be stored.

use super::assembler::JitLoop;
use super::instruction::{Action, ArrayId, Instruction};
use crate::backend::cpu::code_cache::{Reader, Writer};

/// The steps in place of a tile's instructions, and the code of all loops among them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Assembled {
    pub(super) steps: Vec<Step>,
    pub(super) code: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The instruction with this number.
    Kept(usize),
    Loop(LoopStep),
}

/// A loop, instead of many instructions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LoopStep {
    /// The arrays that are read and written, besides scalars.
    pub reads: Vec<ArrayId>,
    pub writes: Vec<ArrayId>,
    /// Whether rows matter.
    pub has_rows: bool,
    /// Whether it handles a value for each row, not for each element.
    pub by_rows: bool,
    /// Where its code begins.
    pub start: usize,
}

impl Assembled {
    /// Nothing is compiled: all instructions stay.
    #[cfg_attr(target_arch = "x86_64", expect(dead_code, reason = "for other processors"))]
    pub(super) fn nothing(instructions: usize) -> Assembled {
        Assembled { steps: (0..instructions).map(Step::Kept).collect(), code: Vec::new() }
    }

    /// Whether it can be of a tile with so many instructions and arrays.
    pub(super) fn fits(&self, instructions: usize, arrays: usize) -> bool {
        let mut kept = vec![false; instructions];
        self.steps.iter().all(|step| match step {
            Step::Kept(at) => kept.get_mut(*at).is_some_and(|kept| !std::mem::replace(kept, true)),
            Step::Loop(step) => {
                let mut ids = step.reads.iter().chain(&step.writes);
                step.start < self.code.len() && ids.all(|&array| usize::from(array) < arrays)
            }
        })
    }

    /// The steps as instructions; the elements of a row, or of all, are a multiple of `multiple`.
    pub(super) fn apply(&self, body: Vec<Instruction>, multiple: usize) -> Vec<Instruction> {
        let mut body: Vec<Option<Instruction>> = body.into_iter().map(Some).collect();
        let made = self.steps.iter().filter_map(|step| match step {
            Step::Kept(at) => body[*at].take(),
            Step::Loop(LoopStep { reads, writes, has_rows, by_rows, start }) => {
                let multiple = if *by_rows { 1 } else { multiple };
                let jit = JitLoop::new(reads.clone(), writes.clone(), *has_rows, multiple, *start);
                let action = Action::Jit(jit);
                Some(Instruction { action, args: [0; 3], out: 0, by_rows: *by_rows })
            }
        });
        made.collect()
    }

    pub(crate) fn encode(&self, to: &mut Writer) {
        to.number(self.steps.len());
        for step in &self.steps {
            match step {
                Step::Kept(at) => {
                    to.byte(0);
                    to.number(*at);
                }
                Step::Loop(step) => {
                    to.byte(1 | u8::from(step.has_rows) << 1 | u8::from(step.by_rows) << 2);
                    to.number(step.start);
                    for ids in [&step.reads, &step.writes] {
                        to.number(ids.len());
                        ids.iter().for_each(|&array| to.number(array.into()));
                    }
                }
            }
        }
        to.bytes(&self.code);
    }

    /// None if the bytes are no assembled instructions.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Assembled> {
        let mut from = Reader(bytes);
        let mut steps = Vec::new();
        for _ in 0..from.number()? {
            steps.push(match from.byte()? {
                0 => Step::Kept(from.number()?),
                flags if flags & 1 == 1 && flags < 8 => {
                    let start = from.number()?;
                    let mut ids = || {
                        let count = from.number()?;
                        (0..count).map(|_| ArrayId::try_from(from.number()?).ok()).collect::<Option<Vec<_>>>()
                    };
                    let (reads, writes) = (ids()?, ids()?);
                    Step::Loop(LoopStep {
                        reads,
                        writes,
                        has_rows: flags & 2 != 0,
                        by_rows: flags & 4 != 0,
                        start,
                    })
                }
                _ => return None,
            });
        }
        let code = from.bytes()?.to_vec();
        from.0.is_empty().then_some(Assembled { steps, code })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Assembled {
        let step =
            LoopStep { reads: vec![0, 3], writes: vec![700], has_rows: true, by_rows: false, start: 5 };
        Assembled { steps: vec![Step::Kept(2), Step::Loop(step), Step::Kept(0)], code: vec![0xC3; 9] }
    }

    fn encoded(assembled: &Assembled) -> Vec<u8> {
        let mut writer = Writer::default();
        assembled.encode(&mut writer);
        writer.0
    }

    #[test]
    fn what_is_stored_comes_back_and_nothing_shorter_or_longer_does() {
        let bytes = encoded(&some());
        assert_eq!(Assembled::decode(&bytes), Some(some()));
        for end in 0..bytes.len() {
            assert_eq!(Assembled::decode(&bytes[..end]), None, "{end} of {} bytes", bytes.len());
        }
        assert_eq!(Assembled::decode(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(Assembled::decode(&[0xFF; 64]), None, "numbers larger than any file");
    }

    #[test]
    fn steps_of_another_tile_do_not_fit() {
        assert!(some().fits(3, 701));
        assert!(!some().fits(2, 701), "there is no third instruction");
        assert!(!some().fits(3, 700), "there is no array 700");
        let twice = Assembled { steps: vec![Step::Kept(0), Step::Kept(0)], code: Vec::new() };
        assert!(!twice.fits(3, 1));
        let mut outside = some();
        outside.code.truncate(5);
        assert!(!outside.fits(3, 701), "the loop begins behind its code");
    }
}
