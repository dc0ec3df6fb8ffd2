//! Buffer assignment: where each value lives while a program runs.
//!
//! Steps are in order, so the lifetime of a value is the interval from the step that makes it to its last use (linear scan, as
//! Poletto and Sarkar do for registers, "Linear scan register allocation", 1999). Values that only kernels see share the slots of
//! an arena: each takes the smallest free slot that is large enough (best fit), once the value before has ended there.

use std::fmt;

use rustc_hash::FxHashMap;

use super::control::Control;
use super::program::{Command, Origin, Work};
use super::schedule::{Schedule, Step};
use crate::array::Aval;
use crate::backend::cpu::passes::analysis::{DefUse, VarMap};
use crate::backend::cpu::passes::fuse::is_reshape;
use crate::backend::cpu::rules;
use crate::core::op::Op;
use crate::core::primitive::Args;
use crate::core::{Eqn, Var};

/// Where a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// An array; true at its last use, where it is moved out. Donation is nothing more than this, applied to an argument the
    /// caller gave away.
    Array(u32, bool),
    /// A slot of the arena, so many bytes of it.
    Slot(u32, usize),
    Const(u32),
    /// A slice, of so many bytes, of an array: in a loop, where this step of it is.
    Slice(u32, usize),
    /// A slice of a result, which this step of a loop has written.
    Written(u32, usize),
}

/// Where a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// An array, and the number of its shape and dtype.
    Array(u32, u32),
    /// A slot of the arena, so many bytes of it.
    Slot(u32, usize),
    /// A slice, of so many bytes, of a result: in a loop, where this step of it is.
    Slice(u32, usize),
}

/// How a program is given arguments and gives results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallingConvention {
    /// Arrays, all of which it may write into and has to make.
    Call,
    /// The body of a loop. The first arguments are constants, which stay for the next step; the next ones, and the first results, the
    /// carry; all others slices, read and written where they are in arrays of all slices.
    Loop { consts: usize, carry: usize },
}

/// A slice of a result that is not written by what makes it.
pub(crate) struct Copied {
    /// Which of the results that are put together from slices.
    pub y: u32,
    pub from: Read,
    /// The array that is over with it.
    pub ends: Option<u32>,
}

/// A result of a step, and the argument whose memory it may be written to.
pub(crate) struct Output {
    pub to: Write,
    pub alias: Option<u32>,
}

/// What steps read and write, step after step.
#[derive(Default)]
pub(crate) struct Lists {
    pub args: Vec<Read>,
    pub outs: Vec<Output>,
    /// Arrays that are not used again.
    pub ends: Vec<u32>,
    /// Of arrays that are made.
    pub avals: Vec<Aval>,
}

/// A schedule with the memory of every value.
pub(crate) struct Assignment {
    pub commands: Vec<Command>,
    pub lists: Lists,
    pub origins: Vec<Origin>,
    /// All results, or the carry of a loop.
    pub outs: Vec<Read>,
    pub copied: Vec<Copied>,
    /// Bytes of each slot of the arena.
    pub slots: Vec<usize>,
    /// Bytes of the values in the arena that are alive at once, at most: no assignment needs less.
    pub peak: usize,
    pub arrays: usize,
}

struct Assigner<'a> {
    schedule: &'a Schedule,
    /// Inputs that stay for the next step of a loop.
    fixed: VarMap<()>,
    /// Inputs that are slices of arrays.
    slices: VarMap<()>,
    /// Values that are made where they belong in a result of a loop.
    written: VarMap<u32>,
    uses: DefUse,
    /// The last step that reads a value under any shape; results are read after all of them.
    last: VarMap<usize>,
    consts: VarMap<u32>,
    /// By variable: the one whose array is read for it. A value that kernels alone read under another shape needs no array
    /// of that shape.
    bases: Vec<Var>,
    /// The last step that reads an array.
    last_array: VarMap<usize>,
    arrays: VarMap<u32>,
    array_count: u32,
    is_in_arena: Vec<bool>,
    /// Where values of the arena are.
    slot: VarMap<u32>,
    /// Bytes of each slot.
    slots: Vec<usize>,
    free: Vec<u32>,
    /// Bytes of values in the arena: now, and at most so far.
    alive: usize,
    peak: usize,
    lists: Lists,
    origins: Vec<Origin>,
}

impl Assignment {
    pub fn new(schedule: &Schedule, convention: CallingConvention) -> Assignment {
        let works: Vec<Work> = schedule.eqns.iter().map(|eqn| work(schedule, eqn)).collect();
        let roots = roots(schedule, &works);
        let (consts, carry) = match convention {
            CallingConvention::Call => (0, schedule.outs.len()),
            CallingConvention::Loop { consts, carry } => (consts, carry),
        };
        let mut written = writable(schedule, &roots, carry);
        let is_in_arena = is_in_arena(schedule, &works, &roots, &written);
        written.retain(|root, _| is_in_arena[root.index()]);
        let slices = match convention {
            CallingConvention::Call => &[],
            CallingConvention::Loop { .. } => &schedule.inputs[consts + carry..],
        };
        let variables = schedule.avals.len();
        let mut assigner = Assigner {
            schedule,
            fixed: VarMap::of(variables, schedule.inputs[..consts].iter().map(|&var| (var, ()))),
            slices: VarMap::of(variables, slices.iter().map(|&var| (var, ()))),
            written: VarMap::of(variables, written),
            uses: DefUse::of(schedule),
            last: VarMap::new(variables),
            consts: VarMap::of(
                variables,
                schedule.consts.iter().enumerate().map(|(i, (var, _))| (*var, i as u32)),
            ),
            bases: bases(schedule, &works, &roots),
            last_array: VarMap::new(variables),
            arrays: VarMap::new(variables),
            array_count: 0,
            is_in_arena,
            slot: VarMap::new(variables),
            slots: Vec::new(),
            free: Vec::new(),
            alive: 0,
            peak: 0,
            lists: Lists::default(),
            origins: Vec::new(),
        };
        assigner.find_last_uses(&works, &roots);
        for &input in &schedule.inputs {
            let next = assigner.next_array();
            assigner.arrays.insert(input, next);
        }
        let steps = schedule.eqns.iter().zip(works).enumerate();
        let commands = steps.filter_map(|(at, (eqn, work))| assigner.step(at, eqn, work, &roots)).collect();
        let outs = assigner.results(carry);
        let copied = assigner.copied(carry, &roots);
        let Assigner { slots, peak, array_count, lists, origins, .. } = assigner;
        Assignment { commands, lists, origins, outs, copied, slots, peak, arrays: array_count as usize }
    }
}

fn work(schedule: &Schedule, eqn: &Eqn<Step>) -> Work {
    let args = || eqn.args.iter().map(|&arg| schedule.aval(arg)).collect::<Args<&Aval>>();
    match &eqn.primitive {
        Step::Fused(fusion) => Work::Fused(fusion.kernel().clone()),
        Step::Epilogue(epilogue) => match epilogue.specialize(&args()) {
            Some(kernel) => Work::Epilogue(epilogue.fusion().kernel().clone(), epilogue.joint(), kernel),
            None => unreachable!("it was made for such a kernel"),
        },
        Step::BatchTiled(tiled) => Work::BatchTiled(tiled.clone()),
        Step::Primitive(primitive) if let Some(control) = Control::of(primitive.op()) => {
            Work::Control(Box::new(control))
        }
        Step::Primitive(primitive) => match eqn.outs[..] {
            [_] if is_reshape(primitive.op()) || matches!(primitive.op(), Op::Barrier) => Work::Reshape,
            [out] => match rules(&**primitive).specialize(&args(), schedule.aval(out)) {
                Some(kernel) => Work::Kernel(kernel),
                None => Work::Eval(primitive.clone()),
            },
            _ => Work::Eval(primitive.clone()),
        },
    }
}

/// By variable: the one it is a reshape of, or behind a barrier, through any number of these.
fn roots(graph: &Schedule, works: &[Work]) -> Vec<Var> {
    let mut roots: Vec<Var> = (0..graph.avals.len() as u32).map(Var).collect();
    for (eqn, work) in graph.eqns.iter().zip(works) {
        if matches!(work, Work::Reshape) {
            roots[eqn.outs[0].index()] = roots[eqn.args[0].index()];
        }
    }
    roots
}

/// Values that are one result of a loop, put together from slices, and no other: which of them.
fn writable(graph: &Schedule, roots: &[Var], carry: usize) -> FxHashMap<Var, u32> {
    let mut count: FxHashMap<Var, usize> = FxHashMap::default();
    graph.outs.iter().for_each(|out| *count.entry(roots[out.index()]).or_default() += 1);
    let ys = graph.outs[carry..].iter().enumerate();
    let own = ys.map(|(y, out)| (roots[out.index()], y as u32));
    own.filter(|(root, _)| count[root] == 1).collect()
}

/// By variable: whether only kernels that read and write bytes ever see it, under any shape.
fn is_in_arena(graph: &Schedule, works: &[Work], roots: &[Var], writable: &FxHashMap<Var, u32>) -> Vec<bool> {
    let mut made = vec![false; graph.avals.len()];
    let mut seen = vec![false; graph.avals.len()];
    for (eqn, work) in graph.eqns.iter().zip(works) {
        match work {
            Work::Fused(_) | Work::Epilogue(..) | Work::Kernel(..) => {
                eqn.outs.iter().for_each(|out| made[out.index()] = true);
            }
            Work::Reshape => {}
            Work::BatchTiled(_) | Work::Eval(_) | Work::Control(_) => {
                eqn.args.iter().for_each(|arg| seen[roots[arg.index()].index()] = true);
            }
        }
    }
    let outs = graph.outs.iter().map(|out| roots[out.index()]);
    outs.filter(|root| !writable.contains_key(root)).for_each(|root| seen[root.index()] = true);
    roots.iter().map(|root| made[root.index()] && !seen[root.index()]).collect()
}

/// By variable: the one it is a reshape of, if nobody needs an array of its own shape, or itself.
fn bases(graph: &Schedule, works: &[Work], roots: &[Var]) -> Vec<Var> {
    let mut needed = vec![false; graph.avals.len()];
    for (eqn, work) in graph.eqns.iter().zip(works) {
        if let Work::BatchTiled(_) | Work::Eval(_) | Work::Control(_) = work {
            eqn.args.iter().for_each(|arg| needed[arg.index()] = true);
        }
    }
    graph.outs.iter().for_each(|out| needed[out.index()] = true);
    let base = |(i, root): (usize, &Var)| if needed[i] { Var(i as u32) } else { *root };
    roots.iter().enumerate().map(base).collect()
}

impl Assigner<'_> {
    /// The ends of lifetimes: of values, which last as long as all their shapes, and of the arrays that hold them.
    fn find_last_uses(&mut self, works: &[Work], roots: &[Var]) {
        for (at, (eqn, work)) in self.schedule.eqns.iter().zip(works).enumerate() {
            self.last.extend(eqn.args.iter().map(|arg| (roots[arg.index()], at)));
            if !self.is_nothing(eqn, work) {
                self.last_array.extend(eqn.args.iter().map(|arg| (self.bases[arg.index()], at)));
            }
        }
        self.last.extend(self.schedule.outs.iter().map(|&out| (out, usize::MAX)));
        self.last_array.extend(self.schedule.outs.iter().map(|&out| (out, usize::MAX)));
    }

    /// Where the first results are; one that is returned twice is moved out the second time.
    fn results(&self, count: usize) -> Vec<Read> {
        let mut later: VarMap<()> = VarMap::new(self.schedule.avals.len());
        let mut outs: Vec<Read> = Vec::new();
        for &out in self.schedule.outs[..count].iter().rev() {
            let last = !later.contains(out) && !self.fixed.contains(out);
            later.insert(out, ());
            outs.push(self.array(out, last));
        }
        outs.reverse();
        outs
    }

    /// The slices of results that are values of another kind, too, and so are copied to where they belong.
    fn copied(&self, carry: usize, roots: &[Var]) -> Vec<Copied> {
        let (carried, ys) = self.schedule.outs.split_at(carry);
        let is_own = |var: Var| !carried.contains(&var) && !self.schedule.inputs.contains(&var);
        let mut ended: VarMap<()> = VarMap::new(self.schedule.avals.len());
        let mut copied: Vec<Copied> = Vec::new();
        for (y, &out) in ys.iter().enumerate().rev() {
            if self.written.contains(roots[out.index()]) {
                continue;
            }
            let from = self.array(out, false);
            let ends = match from {
                Read::Array(at, _) if is_own(out) && !ended.contains(out) => Some(at),
                _ => None,
            };
            if ends.is_some() {
                ended.insert(out, ());
            }
            copied.push(Copied { y: y as u32, from, ends });
        }
        copied.reverse();
        copied
    }

    /// Where a value is that is in no arena.
    fn array(&self, var: Var, last: bool) -> Read {
        if let Some(at) = self.consts.get(var) {
            return Read::Const(at);
        }
        let Some(at) = self.arrays.get(var) else { unreachable!("a value is made before it is read") };
        if self.slices.contains(var) { Read::Slice(at, self.bytes(var)) } else { Read::Array(at, last) }
    }

    /// Whether it is a reshape of what is read in place.
    fn is_nothing(&self, eqn: &Eqn<Step>, work: &Work) -> bool {
        let is_elsewhere = |out: Var| self.is_in_arena[out.index()] || self.bases[out.index()] != out;
        matches!(work, Work::Reshape) && is_elsewhere(eqn.outs[0])
    }

    fn next_array(&mut self) -> u32 {
        self.array_count += 1;
        self.array_count - 1
    }

    /// Where a value of the arena is.
    fn slot_of(&self, var: Var) -> u32 {
        match self.slot.get(var) {
            Some(slot) => slot,
            None => unreachable!("a value is made before it is read"),
        }
    }

    fn bytes(&self, var: Var) -> usize {
        self.schedule.aval(var).bytes()
    }

    /// The command of a step: where it reads, where it writes, and what ends with it.
    ///
    /// What is hard is the order in which slots are given and freed. A result may take over the slot of an argument that ends here
    /// and that its kernel reads element by element (`aliases`); any other result needs a slot that nobody reads meanwhile, so the
    /// slots of the arguments that end are free only after all results have theirs. Values under several shapes share a slot, which
    /// is free when the last of the shapes is not read any more.
    fn step(&mut self, at: usize, eqn: &Eqn<Step>, work: Work, roots: &[Var]) -> Option<Command> {
        if self.is_nothing(eqn, &work) {
            return None;
        }
        let first_arg = self.lists.args.len();
        let bases: Args<Var> = eqn.args.iter().map(|&arg| self.bases[arg.index()]).collect();
        for (i, (&arg, base)) in eqn.args.iter().zip(&bases).enumerate() {
            let root = roots[arg.index()];
            let operand = if self.consts.contains(*base) || !self.is_in_arena[arg.index()] {
                // Of one value given twice, the last reader takes it.
                let last = self.last_array.get(*base) == Some(at) && !bases[i + 1..].contains(base);
                self.array(*base, last && !self.fixed.contains(*base))
            } else if let Some(y) = self.written.get(root) {
                Read::Written(y, self.bytes(arg))
            } else {
                Read::Slot(self.slot_of(root), self.bytes(arg))
            };
            self.lists.args.push(operand);
        }
        let mut ended: Vec<Var> = eqn.args.iter().map(|arg| roots[arg.index()]).collect();
        ended.retain(|var| self.slot.contains(*var) && self.last_of(*var, roots) == at);
        ended.sort_unstable();
        ended.dedup();
        let mut aliases: Vec<Option<usize>> = match &work {
            Work::Fused(kernel) => kernel.aliases().to_vec(),
            Work::Epilogue(kernel, joint, _) => joint.aliases(kernel),
            _ => Vec::new(),
        };
        // What is read in two ways is not overwritten.
        let mut readings: FxHashMap<Var, usize> = FxHashMap::default();
        eqn.args.iter().for_each(|arg| *readings.entry(roots[arg.index()]).or_default() += 1);
        let is_single = |input: &usize| readings[&roots[eqn.args[*input].index()]] == 1;
        aliases.iter_mut().for_each(|alias| *alias = alias.filter(is_single));
        let first_out = self.lists.outs.len();
        for (i, &out) in eqn.outs.iter().enumerate() {
            let alias = aliases.get(i).copied().flatten();
            let made = |to| Output { to, alias: alias.map(|input| input as u32) };
            if !self.is_in_arena[out.index()] {
                let array = self.arrays.get(out).unwrap_or_else(|| self.next_array());
                self.arrays.insert(out, array);
                let aval = self.lists.avals.len() as u32;
                self.lists.outs.push(made(Write::Array(array, aval)));
                self.lists.avals.push(self.schedule.aval(out).clone());
                continue;
            }
            let bytes = self.bytes(out);
            if let Some(y) = self.written.get(roots[out.index()]) {
                self.lists.outs.push(Output { to: Write::Slice(y, bytes), alias: None });
                continue;
            }
            let donor = alias.map(|input| roots[eqn.args[input].index()]);
            let slot = match donor.and_then(|var| ended.iter().position(|&other| other == var)) {
                Some(found) => self.slot_of(ended.swap_remove(found)),
                None => {
                    self.alive += bytes;
                    self.free_slot(bytes)
                }
            };
            self.slot.insert(out, slot);
            self.lists.outs.push(made(Write::Slot(slot, bytes)));
        }
        self.peak = self.peak.max(self.alive);
        for var in ended {
            self.alive -= self.bytes(var);
            self.free.extend(self.slot.get(var));
        }
        // What nobody reads is free again at once.
        for out in &eqn.outs {
            let is_in_slot = self.is_in_arena[out.index()] && self.slot.contains(*out);
            if is_in_slot && self.uses.last_use(*out).is_none() {
                self.alive -= self.bytes(*out);
                self.free.extend(self.slot.get(*out));
            }
        }
        let moves = !matches!(work, Work::Reshape);
        let bytes = self.moved(eqn, &self.lists.args[first_arg..]);
        self.origins.push(Origin {
            step: eqn.primitive.clone(),
            location: eqn.location,
            path: eqn.path.clone(),
            flops: self.schedule.flops_of(at),
            bytes: if moves { bytes } else { 0 },
        });
        let first_end = self.lists.ends.len();
        let Lists { args, outs, ends, .. } = &mut self.lists;
        ends.extend(args[first_arg..].iter().filter_map(Read::end));
        let range = |first: usize, last: usize| first as u32..last as u32;
        Some(Command {
            work,
            args: range(first_arg, args.len()),
            outs: range(first_out, outs.len()),
            ends: range(first_end, ends.len()),
        })
    }

    /// Bytes that a step reads and writes: of what it picks parts of, or writes parts into where it lies, those of the parts.
    fn moved(&self, eqn: &Eqn<Step>, reads: &[Read]) -> u64 {
        let bytes =
            |vars: &[Var]| vars.iter().map(|&var| self.bytes(var) as u64).fold(0, u64::saturating_add);
        match eqn.primitive.op() {
            Some(Op::DynamicUpdateSlice | Op::Scatter { .. }) if matches!(reads[0], Read::Array(_, true)) => {
                let parts = if matches!(eqn.primitive.op(), Some(Op::Scatter { .. })) { 2 } else { 1 };
                bytes(&eqn.args[1..]).saturating_add(bytes(&eqn.args[parts..=parts]))
            }
            Some(Op::DynamicSlice { .. } | Op::Gather(_) | Op::TakeRows) => {
                bytes(&eqn.args[1..]).saturating_add(bytes(&eqn.outs).saturating_mul(2))
            }
            _ => bytes(&eqn.args).saturating_add(bytes(&eqn.outs)),
        }
    }

    /// The last step that reads a value under any shape.
    fn last_of(&self, root: Var, roots: &[Var]) -> usize {
        assert_eq!(roots[root.index()], root, "a value that is another under another shape");
        self.last.get(root).unwrap_or(0)
    }

    /// Best fit: the smallest free slot that is large enough, or the largest, made larger, or a new one.
    fn free_slot(&mut self, bytes: usize) -> u32 {
        let size = |at: usize| self.slots[self.free[at] as usize];
        let fits = |&at: &usize| size(at) >= bytes;
        let smallest = (0..self.free.len()).filter(fits).min_by_key(|&at| size(at));
        // Much too large a slot is better left to others.
        let found = smallest
            .filter(|&at| size(at) <= 4 * bytes.max(64))
            .or_else(|| (0..self.free.len()).filter(|at| !fits(at)).max_by_key(|&at| size(at)));
        match found {
            Some(at) => {
                let slot = self.free.swap_remove(at);
                let size = &mut self.slots[slot as usize];
                *size = bytes.max(*size);
                slot
            }
            None => {
                self.slots.push(bytes);
                self.slots.len() as u32 - 1
            }
        }
    }
}

impl Write {
    /// The number of an array's shape and dtype.
    pub fn aval(self) -> Option<u32> {
        match self {
            Write::Array(_, aval) => Some(aval),
            Write::Slot(..) | Write::Slice(..) => None,
        }
    }
}

impl Read {
    /// The array that is used for the last time.
    fn end(&self) -> Option<u32> {
        match *self {
            Read::Array(at, true) => Some(at),
            _ => None,
        }
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Read::Array(at, last) => write!(f, "array{at}{}", if *last { "!" } else { "" }),
            Read::Slot(at, bytes) => write!(f, "slot{at}[{bytes}]"),
            Read::Const(at) => write!(f, "const{at}"),
            Read::Slice(at, bytes) => write!(f, "slice of array{at}[{bytes}]"),
            Read::Written(y, bytes) => write!(f, "slice of result{y}[{bytes}]"),
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Write::Array(at, _) => write!(f, "array{at}"),
            Write::Slot(at, bytes) => write!(f, "slot{at}[{bytes}]"),
            Write::Slice(y, bytes) => write!(f, "slice of result{y}[{bytes}]"),
        }
    }
}
