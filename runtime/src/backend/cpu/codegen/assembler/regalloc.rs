//! Register allocation: from the vector IR to instructions that name registers.
//!
//! Blocks have no branches, so this is spilling by the furthest next use (Belady's MIN of 1966, "A study of replacement
//! algorithms for a virtual-storage computer", for registers of long basic blocks as by Guo, Garzarán and Padua, "The power of
//! Belady's algorithm in register allocation for long basic blocks", LCPC 2003). Sources are rematerialised rather than
//! spilled (Briggs, Cooper and Torczon, "Rematerialization", PLDI 1992): their registers are taken first. Values are
//! computed once, so each is stored on the stack at most once, and where fewer of them live at a time than there are registers,
//! nothing is.

use std::fmt;

use smallvec::SmallVec;

use super::isa::Isa;
use super::vector_ir::{BasicBlock, Opcode, Value};

/// A register of vectors, or of masks, by its number.
pub type Reg = u8;

/// The two kinds of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Vector,
    Mask,
}

impl Class {
    /// Of the result of an operation.
    pub fn of(op: Opcode, isa: &dyn Isa) -> Class {
        if op.is_mask() && isa.masks() > 0 { Class::Mask } else { Class::Vector }
    }
}

/// Where an instruction finds an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    Register(Reg),
    Mask(Reg),
    /// A vector on the stack.
    Slot(usize),
    /// In memory, where this source is.
    Source(Opcode),
}

/// An operation whose operands have locations.
#[derive(Clone, Debug)]
pub enum Inst {
    /// Effects have no result: `to` is 0.
    Op {
        op: Opcode,
        class: Class,
        to: Reg,
        args: SmallVec<[Arg; 3]>,
        temporary: Option<Reg>,
    },
    Move {
        to: Reg,
        from: Reg,
    },
    Spill {
        class: Class,
        from: Reg,
        slot: usize,
    },
    Fill {
        class: Class,
        to: Reg,
        slot: usize,
    },
}

impl Inst {
    /// Loads a source into a register.
    pub fn load(op: Opcode, to: Reg) -> Inst {
        Inst::Op { op, class: Class::Vector, to, args: SmallVec::new(), temporary: None }
    }
}

/// What lies in the same registers in all blocks of a loop.
#[derive(Clone, Debug, Default)]
pub struct Pinned {
    /// Sources that stay in registers.
    pub kept: Vec<(Opcode, Reg)>,
    pub accumulators: Vec<Reg>,
}

/// The operations that need each value, in order: one list for all values.
struct Uses {
    /// By value: where its operations begin.
    starts: Vec<usize>,
    operations: Vec<usize>,
}

impl Uses {
    fn of(block: &BasicBlock) -> Uses {
        let each = |f: &mut dyn FnMut(usize, Value)| {
            for (at, node) in block.nodes.iter().enumerate() {
                let args = node.args();
                let once = (0..args.len()).filter(|&i| !args[..i].contains(&args[i]));
                once.for_each(|i| f(at, args[i]));
            }
        };
        let mut starts = vec![0; block.nodes.len() + 1];
        each(&mut |_, arg| starts[arg + 1] += 1);
        for value in 0..block.nodes.len() {
            starts[value + 1] += starts[value];
        }
        let mut operations = vec![0; starts[block.nodes.len()]];
        let mut next = starts.clone();
        each(&mut |at, arg| {
            operations[next[arg]] = at;
            next[arg] += 1;
        });
        Uses { starts, operations }
    }

    fn of_value(&self, value: Value) -> &[usize] {
        &self.operations[self.starts[value]..self.starts[value + 1]]
    }
}

/// The largest number of vectors that live at a time ("MAXLIVE"): of what is computed, and of what is read more than once.
pub fn pressure(block: &BasicBlock, isa: &dyn Isa) -> usize {
    let uses = Uses::of(block);
    let is_counted =
        |op: Opcode| Class::of(op, isa) == Class::Vector && !matches!(op, Opcode::Accumulator(_));
    let (mut live, mut peak) = (0, 0);
    for (now, node) in block.nodes.iter().enumerate().filter(|(_, node)| !node.is_source()) {
        let (mut read, mut ended, mut folded) = (0, 0, 0);
        for (i, &arg) in node.args().iter().enumerate() {
            let op = block.nodes[arg].op;
            if node.args()[..i].contains(&arg) || !is_counted(op) {
                continue;
            }
            if !block.nodes[arg].is_source() || op.is_memory() && uses.of_value(arg).len() > 1 {
                live += usize::from(block.nodes[arg].is_source() && uses.of_value(arg)[0] == now);
                ended += usize::from(uses.of_value(arg).last() == Some(&now));
            } else {
                read += 1;
                folded = folded.max(usize::from(isa.folds(node.op, i) && isa.is_operand(op)));
            }
        }
        let temporary = usize::from(isa.needs_temporary(node.op, node.args().len()));
        peak = peak.max(live + read - folded + temporary);
        live -= ended;
        live += usize::from(!node.op.is_effect() && is_counted(node.op));
        peak = peak.max(live);
    }
    peak
}

/// Finds registers for all values of a block; returns the slots of the stack that it needs, too.
pub fn allocate(block: &BasicBlock, isa: &dyn Isa, pinned: &Pinned) -> (Vec<Inst>, usize) {
    let mut allocator = Allocator::new(block, isa, pinned);
    for (now, node) in block.nodes.iter().enumerate().filter(|(_, node)| !node.is_source()) {
        allocator.now = now;
        allocator.needed.clear();
        match node.op {
            Opcode::SetAccumulator(number) => {
                allocator.set(pinned.accumulators[usize::from(number)], node.args()[0]);
            }
            _ => allocator.operation(now),
        }
        allocator.release_needed();
    }
    (allocator.out, allocator.slots)
}

struct Allocator<'a> {
    block: &'a BasicBlock,
    isa: &'a dyn Isa,
    pinned: &'a Pinned,
    uses: Uses,
    /// By value.
    registers: Vec<Option<Reg>>,
    spilled: Vec<Option<usize>>,
    /// By class.
    free: [Vec<Reg>; 2],
    /// By class and register: what may be taken from it.
    owners: [Vec<Option<Value>>; 2],
    /// Whether what an accumulator held before the block is needed no more.
    is_over: Vec<bool>,
    /// Values that the current operation needs.
    needed: SmallVec<[Value; 4]>,
    now: usize,
    out: Vec<Inst>,
    slots: usize,
}

impl<'a> Allocator<'a> {
    fn new(block: &'a BasicBlock, isa: &'a dyn Isa, pinned: &'a Pinned) -> Allocator<'a> {
        let home = |op: Opcode| match op {
            Opcode::Accumulator(number) => Some(pinned.accumulators[usize::from(number)]),
            // The first register of masks is that of what is left of a row.
            Opcode::Lanes(_) if isa.masks() > 0 => Some(0),
            _ => pinned.kept.iter().find(|(kept, _)| *kept == op).map(|&(_, register)| register),
        };
        let is_free = |register: &Reg| {
            !pinned.accumulators.contains(register) && pinned.kept.iter().all(|(_, kept)| kept != register)
        };
        let is_held =
            |number: usize| block.nodes.iter().any(|node| node.op == Opcode::Accumulator(number as u8));
        Allocator {
            block,
            isa,
            pinned,
            uses: Uses::of(block),
            registers: block
                .nodes
                .iter()
                .map(|node| if node.is_source() { home(node.op) } else { None })
                .collect(),
            spilled: vec![None; block.nodes.len()],
            free: [(0..isa.vectors()).rev().filter(is_free).collect(), (1..isa.masks()).rev().collect()],
            owners: [vec![None; usize::from(isa.vectors())], vec![None; usize::from(isa.masks())]],
            is_over: (0..pinned.accumulators.len()).map(|number| !is_held(number)).collect(),
            needed: SmallVec::new(),
            now: 0,
            out: Vec::new(),
            slots: 0,
        }
    }

    fn class(&self, value: Value) -> Class {
        Class::of(self.block.nodes[value].op, self.isa)
    }

    /// Whether no later operation needs a value.
    fn ends(&self, value: Value) -> bool {
        self.uses.of_value(value).last().is_none_or(|&last| last <= self.now)
    }

    /// Whether a register can be taken from a value.
    fn owns(&self, value: Value, register: Reg) -> bool {
        self.owners[self.class(value) as usize][usize::from(register)] == Some(value)
    }

    fn give(&mut self, value: Value, register: Reg) {
        self.registers[value] = Some(register);
        let is_accumulator = self.pinned.accumulators.contains(&register);
        if self.class(value) == Class::Mask || !is_accumulator {
            self.owners[self.class(value) as usize][usize::from(register)] = Some(value);
        }
    }

    fn release_needed(&mut self) {
        for value in std::mem::take(&mut self.needed) {
            if !self.ends(value) {
                continue;
            }
            let class = self.class(value) as usize;
            if let Opcode::Accumulator(number) = self.block.nodes[value].op {
                self.is_over[usize::from(number)] = true;
            }
            if let Some(register) = self.registers[value]
                && self.owns(value, register)
            {
                self.registers[value] = None;
                self.owners[class][usize::from(register)] = None;
                self.free[class].push(register);
            }
        }
    }

    fn take(&mut self, class: Class) -> Reg {
        self.free[class as usize].pop().unwrap_or_else(|| self.evict(class))
    }

    /// Takes a register from a source, or else from a value; of those, from the one that is needed last.
    fn evict(&mut self, class: Class) -> Reg {
        let next = |value: Value| self.uses.of_value(value).iter().copied().find(|&at| at > self.now);
        let owners = self.owners[class as usize].iter().flatten().copied();
        let victims = owners.filter(|value| !self.needed.contains(value));
        let victim = victims.max_by_key(|&value| {
            let is_cheap = self.block.nodes[value].is_source() || self.spilled[value].is_some();
            (is_cheap, next(value).unwrap_or(usize::MAX))
        });
        let Some(victim) = victim else {
            unreachable!("an operation needs fewer values than there are registers")
        };
        let Some(register) = self.registers[victim].take() else { unreachable!("owners have registers") };
        self.owners[class as usize][usize::from(register)] = None;
        if !self.block.nodes[victim].is_source() && self.spilled[victim].is_none() {
            self.spilled[victim] = Some(self.slots);
            self.out.push(Inst::Spill { class, from: register, slot: self.slots });
            self.slots += 1;
        }
        register
    }

    /// A register that holds a value while the current operation is performed.
    fn register(&mut self, value: Value) -> Reg {
        if !self.needed.contains(&value) {
            self.needed.push(value);
        }
        if let Some(register) = self.registers[value] {
            return register;
        }
        let register = self.take(self.class(value));
        self.bring(value, register);
        self.give(value, register);
        register
    }

    /// Loads a value that has no register.
    fn bring(&mut self, value: Value, to: Reg) {
        let inst = match self.spilled[value] {
            Some(slot) => Inst::Fill { class: self.class(value), to, slot },
            None => Inst::load(self.block.nodes[value].op, to),
        };
        self.out.push(inst);
    }

    /// Where an instruction finds an argument in memory, if that is better than to load it first.
    fn in_memory(&self, value: Value) -> Option<Arg> {
        let op = self.block.nodes[value].op;
        if self.registers[value].is_some() || self.class(value) == Class::Mask {
            return None;
        }
        if let Some(slot) = self.spilled[value] {
            return Some(Arg::Slot(slot));
        }
        // What is read again is worth a register.
        let is_read_again = op.is_memory() && !self.ends(value);
        (self.isa.is_operand(op) && !is_read_again).then_some(Arg::Source(op))
    }

    /// Arguments come first, one of them from memory if the instruction can read it there; then those that end here give their
    /// registers back, so that the result may take one of them.
    fn operation(&mut self, value: Value) {
        let node = self.block.nodes[value];
        let values = node.args();
        let is_alone = |i: usize| values.iter().filter(|&&arg| arg == values[i]).count() == 1;
        let memory = (0..values.len()).rev().find_map(|i| {
            let arg = self.isa.folds(node.op, i).then(|| self.in_memory(values[i]))??;
            is_alone(i).then_some((i, arg))
        });
        let mut args: SmallVec<[Arg; 3]> = SmallVec::new();
        for (i, &arg) in values.iter().enumerate() {
            args.push(match memory {
                Some((at, arg)) if at == i => arg,
                _ if self.class(arg) == Class::Mask => Arg::Mask(self.register(arg)),
                _ => Arg::Register(self.register(arg)),
            });
        }
        let temporary = if self.isa.needs_temporary(node.op, values.len()) {
            // It is free again as soon as the operation is done.
            let register = self.take(Class::Vector);
            self.free[Class::Vector as usize].push(register);
            Some(register)
        } else {
            None
        };
        if node.op.is_effect() {
            return self.out.push(Inst::Op { op: node.op, class: Class::Vector, to: 0, args, temporary });
        }
        let to = if self.isa.overwrites_argument(node.op) {
            self.overwrite(values, &mut args)
        } else {
            self.release_needed();
            self.result(value)
        };
        self.give(value, to);
        self.needed.push(value);
        self.out.push(Inst::Op { op: node.op, class: self.class(value), to, args, temporary });
    }

    /// The register of a result: that of the accumulator that it is for, if that is over, or any.
    fn result(&mut self, value: Value) -> Reg {
        let accumulator = self.uses.of_value(value).iter().find_map(|&at| match self.block.nodes[at].op {
            Opcode::SetAccumulator(number) => Some(usize::from(number)),
            _ => None,
        });
        match accumulator {
            Some(number) if self.is_over[number] => self.pinned.accumulators[number],
            _ => self.take(self.class(value)),
        }
    }

    /// Makes the register of an argument that ends here the one of the result, or else a copy of it.
    fn overwrite(&mut self, values: &[Value], args: &mut [Arg]) -> Reg {
        let candidates = || {
            (0..values.len()).rev().filter_map(|i| match args[i] {
                Arg::Register(register) => Some((i, register)),
                _ => None,
            })
        };
        let over = candidates().find(|&(i, register)| self.ends(values[i]) && self.owns(values[i], register));
        if let Some((i, register)) = over {
            self.registers[values[i]] = None;
            self.release_needed();
            return register;
        }
        let Some((i, from)) = candidates().next() else { unreachable!("one argument at most is in memory") };
        let to = self.take(Class::Vector);
        self.out.push(Inst::Move { to, from });
        args[i] = Arg::Register(to);
        self.release_needed();
        to
    }

    /// Puts a value into the register of an accumulator.
    fn set(&mut self, to: Reg, value: Value) {
        match self.registers[value] {
            Some(from) if from == to => {}
            Some(from) => self.out.push(Inst::Move { to, from }),
            None => self.bring(value, to),
        }
        self.needed.push(value);
    }
}

/// As text: vectors are `v0`, masks `k0`, what lies on the stack or elsewhere in memory stands in brackets.
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Vector => "v",
            Class::Mask => "k",
        })
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arg::Register(register) => write!(f, "v{register}"),
            Arg::Mask(register) => write!(f, "k{register}"),
            Arg::Slot(slot) => write!(f, "[slot {slot}]"),
            Arg::Source(op) => write!(f, "[{op}]"),
        }
    }
}

impl fmt::Display for Inst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Inst::Op { op, class, to, args, .. } => {
                if !op.is_effect() {
                    write!(f, "{class}{to} = ")?;
                }
                write!(f, "{op}")?;
                args.iter().enumerate().try_for_each(|(i, arg)| {
                    write!(f, "{}{arg}", if i == 0 && op.array().is_none() { " " } else { ", " })
                })
            }
            Inst::Move { to, from } => write!(f, "v{to} = v{from}"),
            Inst::Spill { class, from, slot } => write!(f, "slot {slot} = {class}{from}"),
            Inst::Fill { class, to, slot } => write!(f, "{class}{to} = slot {slot}"),
        }
    }
}
