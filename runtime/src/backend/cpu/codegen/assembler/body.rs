//! The body of a loop: vector operations as instructions, and the registers they work on.

use super::super::instruction::Place;
use super::graph::{Node, One, Relation, Two, Value};
use super::layout::{COLUMN, INDEX, LANES, LEFT, Layout, REGISTERS, ROW, TRUTH, VECTOR, as_number, spread};
use super::segment::{Segment, Step};
use super::x86::{
    ADD, ADD_INTEGERS, ADD_TO_FIRST, AND, Assembler, BLEND, COMPARE, Code, DIVIDE, EVERY, FROM_INTEGER, Gpr,
    LARGEST, LEAST, LOAD, LOAD_BYTES, Lanes, MULTIPLY, MULTIPLY_FIRST, OR, Operand, RANGE, ROOT, ROUND, RSP,
    SHIFT, SPREAD, STORE, STORE_BYTES, SUBTRACT, SUBTRACT_INTEGERS, TEST, XOR, Zmm,
};
use crate::scalar::reduce::ReduceOp;

/// One way through the elements of a row.
pub struct Pass<'a> {
    pub segment: &'a Segment,
    pub uses: Vec<Vec<usize>>,
    /// Whether only some lanes are computed.
    is_rest: bool,
}

impl<'a> Pass<'a> {
    pub fn new(segment: &'a Segment, is_rest: bool) -> Pass<'a> {
        Pass { segment, uses: segment.uses(), is_rest }
    }

    /// The registers that it uses at most, and the values that it puts on the stack.
    pub fn trial(&self, layout: &Layout) -> (usize, usize) {
        let mut code = Assembler::default();
        let mut body = Body::new(self, layout, &mut code);
        body.run();
        (body.peak, body.spills)
    }
}

/// Where an operand is; memory is named only where an instruction reads it.
#[derive(Clone, Copy)]
enum Found {
    Register(Zmm),
    Source(Value),
    Spilled(usize),
}

pub struct Body<'a> {
    segment: &'a Segment,
    layout: &'a Layout,
    code: &'a mut Assembler,
    /// Whether only some lanes are computed.
    is_rest: bool,
    /// By value: the steps that need it.
    uses: &'a [Vec<usize>],
    registers: Vec<Option<Zmm>>,
    spilled: Vec<Option<usize>>,
    free: Vec<Zmm>,
    /// Values that the current step needs.
    pinned: Vec<Value>,
    now: usize,
    /// The most registers that were in use, and values on the stack.
    pub peak: usize,
    pub spills: usize,
}

impl<'a> Body<'a> {
    pub fn new(pass: &'a Pass<'a>, layout: &'a Layout, code: &'a mut Assembler) -> Body<'a> {
        let nodes = &pass.segment.graph.nodes;
        let kept =
            |node: &Node| layout.kept.iter().find(|(kept, _)| kept == node).map(|&(_, register)| register);
        let taken = layout.kept.len() + layout.accumulators.len();
        Body {
            segment: pass.segment,
            layout,
            code,
            is_rest: pass.is_rest,
            uses: &pass.uses,
            registers: nodes.iter().map(kept).collect(),
            spilled: vec![None; nodes.len()],
            free: (0..REGISTERS - taken as u8).rev().map(Zmm).collect(),
            pinned: Vec::new(),
            now: 0,
            peak: 0,
            spills: 0,
        }
    }

    pub fn run(&mut self) {
        if !self.is_rest {
            for &place in &self.segment.far {
                if let Some(&base) = self.layout.pointers.get(&place) {
                    for line in 0..self.lines() {
                        self.code.prefetch(base, INDEX, 2, self.segment.ahead + line * VECTOR);
                    }
                }
            }
        }
        for (at, &step) in self.segment.steps.iter().enumerate() {
            self.now = at;
            self.pinned.clear();
            match step {
                Step::Compute(value) => self.compute(value),
                Step::Store(value, place, at) => self.store(STORE, value, place, at),
                Step::StoreByte(value, place, at) => self.store(STORE_BYTES, value, place, at),
                Step::Fold(value, fold) => self.fold(value, fold),
            }
            self.release_pinned();
        }
    }

    /// Vectors that are computed at a time.
    fn lines(&self) -> i32 {
        let vectors = self.segment.graph.nodes.iter().map(|node| match *node {
            Node::Load(_, at) => i32::from(at) + 1,
            _ => 1,
        });
        vectors.max().unwrap_or(1)
    }

    fn lanes(&self) -> Lanes {
        Lanes { mask: if self.is_rest { LEFT } else { EVERY.mask }, or_zero: false }
    }

    /// Whether no later step needs a value.
    fn ends(&self, value: Value) -> bool {
        self.uses[value].last().is_none_or(|&last| last <= self.now)
    }

    fn is_kept(&self, value: Value) -> bool {
        self.layout.kept.iter().any(|(kept, _)| *kept == self.segment.graph.nodes[value])
    }

    fn release(&mut self, value: Value) {
        if self.ends(value)
            && !self.is_kept(value)
            && let Some(register) = self.registers[value].take()
        {
            self.free.push(register);
        }
    }

    fn release_pinned(&mut self) {
        for at in 0..self.pinned.len() {
            self.release(self.pinned[at]);
        }
    }

    fn allocate(&mut self) -> Zmm {
        let register = self.free.pop().unwrap_or_else(|| self.evict());
        let reserved = self.layout.kept.len() + self.layout.accumulators.len();
        self.peak = self.peak.max(usize::from(REGISTERS) - reserved - self.free.len());
        register
    }

    /// Takes the register of the value that is needed last.
    fn evict(&mut self) -> Zmm {
        let next = |value: Value| self.uses[value].iter().copied().find(|&at| at > self.now);
        let victims = (0..self.registers.len()).filter(|value| {
            self.registers[*value].is_some() && !self.pinned.contains(value) && !self.is_kept(*value)
        });
        let victim = victims.max_by_key(|&value| next(value).unwrap_or(usize::MAX));
        let Some(victim) = victim else { unreachable!("a step needs fewer values than there are registers") };
        let Some(register) = self.registers[victim].take() else { unreachable!("it was filtered for this") };
        if !self.segment.graph.nodes[victim].is_source() && self.spilled[victim].is_none() {
            let slot = self.spills;
            self.spills += 1;
            self.spilled[victim] = Some(slot);
            let to = self.stack(slot);
            self.code.vector(STORE, register.0, None, to, EVERY, None);
        }
        register
    }

    fn stack(&self, slot: usize) -> Operand {
        let distance = self.layout.spills + slot as i32 * VECTOR;
        Operand::Memory { base: RSP, index: None, distance, is_spread: false }
    }

    /// An element of an array, so many vectors behind the one at an index.
    fn element(&mut self, place: Place, index: Gpr, scale: u8, vectors: u8) -> Operand {
        let base = self.layout.pointer(place, self.code);
        let distance = i32::from(vectors) * ((LANES as i32) << scale);
        Operand::Memory { base, index: Some((index, scale)), distance, is_spread: false }
    }

    /// Where a value is, as it is for the last operand of an instruction.
    fn find(&mut self, value: Value) -> Found {
        if let Some(register) = self.registers[value] {
            self.pinned.push(value);
            return Found::Register(register);
        }
        let is_foldable = match self.segment.graph.nodes[value] {
            // What is read again is worth a register; and lanes that are not there must not be read.
            Node::Load(..) | Node::Column(..) => !self.is_rest && self.ends(value),
            Node::LoadByte(..) => false,
            _ => true,
        };
        match self.spilled[value] {
            Some(slot) => Found::Spilled(slot),
            None if is_foldable => Found::Source(value),
            None => Found::Register(self.register(value)),
        }
    }

    fn operand(&mut self, found: Found) -> Operand {
        match found {
            Found::Register(register) => Operand::Register(register),
            Found::Spilled(slot) => self.stack(slot),
            Found::Source(value) => match self.segment.graph.nodes[value] {
                Node::Load(place, at) => self.element(place, INDEX, 2, at),
                Node::Column(place, at) => self.element(place, COLUMN, 2, at),
                Node::Row(place) => match self.element(place, ROW, 2, 0) {
                    Operand::Memory { base, index, distance, .. } => {
                        Operand::Memory { base, index, distance, is_spread: true }
                    }
                    other => other,
                },
                node => spread(node, self.layout),
            },
        }
    }

    /// A register that holds a value.
    fn register(&mut self, value: Value) -> Zmm {
        if !self.pinned.contains(&value) {
            self.pinned.push(value);
        }
        if let Some(register) = self.registers[value] {
            return register;
        }
        let register = self.allocate();
        self.registers[value] = Some(register);
        if let Some(slot) = self.spilled[value] {
            let from = self.stack(slot);
            self.code.vector(LOAD, register.0, None, from, EVERY, None);
            return register;
        }
        let some = Lanes { or_zero: self.is_rest, ..self.lanes() };
        match self.segment.graph.nodes[value] {
            Node::Load(place, at) => {
                let from = self.element(place, INDEX, 2, at);
                self.code.vector(LOAD, register.0, None, from, some, None);
            }
            Node::Column(place, at) => {
                let from = self.element(place, COLUMN, 2, at);
                self.code.vector(LOAD, register.0, None, from, some, None);
            }
            Node::LoadByte(place, at) => {
                let from = self.element(place, INDEX, 0, at);
                self.code.vector(LOAD_BYTES, register.0, None, from, some, None);
            }
            Node::Row(place) => {
                let from = self.element(place, ROW, 2, 0);
                self.code.vector(SPREAD, register.0, None, from, EVERY, None);
            }
            node => {
                let from = as_number(spread(node, self.layout));
                self.code.vector(SPREAD, register.0, None, from, EVERY, None);
            }
        }
        register
    }

    /// The register of a result, which may be that of an argument that ends here.
    fn result(&mut self, value: Value) -> Zmm {
        self.release_pinned();
        let register = self.allocate();
        self.registers[value] = Some(register);
        register
    }

    fn compute(&mut self, value: Value) {
        match self.segment.graph.nodes[value] {
            Node::One(one, x) => self.one(value, one, x),
            Node::Two(two, x, y) => {
                let (code, at_end) = instruction(two);
                let is_symmetric = !matches!(
                    two,
                    Two::Subtract | Two::Divide | Two::SubtractIntegers | Two::Larger | Two::Smaller
                );
                let (x, y) =
                    if is_symmetric && self.segment.graph.nodes[x].is_source() { (y, x) } else { (x, y) };
                let first = self.register(x);
                let last = self.find(y);
                let to = self.result(value);
                let last = self.operand(last);
                self.code.vector(code, to.0, Some(first.0), last, EVERY, at_end);
            }
            Node::MultiplyAdd(x, y, z) => self.multiply_add(value, x, y, z),
            Node::Compare(relation, x, y) => {
                self.relate(relation, x, y);
                let to = self.result(value);
                let truth = Lanes { mask: TRUTH, or_zero: true };
                let one = Operand::Constant { bits: 1, is_spread: false };
                self.code.vector(SPREAD, to.0, None, one, truth, None);
            }
            Node::Choose(relation, x, y, then, otherwise) => {
                self.relate(relation, x, y);
                self.choose(value, then, otherwise);
            }
            Node::Pick(condition, then, otherwise) => {
                let register = self.register(condition);
                let last = Operand::Register(register);
                self.code.vector(TEST, TRUTH.0, Some(register.0), last, EVERY, None);
                self.choose(value, then, otherwise);
            }
            _ => unreachable!("sources are read where they are used"),
        }
    }

    fn one(&mut self, value: Value, one: One, x: Value) {
        if let One::Left(by) | One::Right(by) = one {
            const LEFT_BY: u8 = 6;
            const RIGHT_BY: u8 = 4;
            let x = self.register(x);
            let to = self.result(value);
            let which = if let One::Left(_) = one { LEFT_BY } else { RIGHT_BY };
            return self.code.vector(SHIFT, which, Some(to.0), Operand::Register(x), EVERY, Some(by));
        }
        let x = self.find(x);
        let to = self.result(value);
        let x = self.operand(x);
        let (code, at_end) = match one {
            One::Root => (ROOT, None),
            One::Round(how) => (ROUND, Some(how)),
            _ => (FROM_INTEGER, None),
        };
        self.code.vector(code, to.0, None, x, EVERY, at_end);
    }

    fn relate(&mut self, relation: Relation, x: Value, y: Value) {
        let first = self.register(x);
        let last = self.find(y);
        let last = self.operand(last);
        compare(self.code, relation, first, last);
    }

    /// The first where the last comparison held, else the second.
    fn choose(&mut self, value: Value, then: Value, otherwise: Value) {
        let otherwise = self.register(otherwise);
        let then = self.find(then);
        let to = self.result(value);
        let then = self.operand(then);
        let truth = Lanes { mask: TRUTH, or_zero: false };
        self.code.vector(BLEND, to.0, Some(otherwise.0), then, truth, None);
    }

    fn multiply_add(&mut self, value: Value, x: Value, y: Value, z: Value) {
        let (x, y) = if self.segment.graph.nodes[x].is_source() { (y, x) } else { (x, y) };
        let first = self.register(x);
        let second = self.find(y);
        let Found::Register(factor) = second else {
            // The instruction that reads a factor from memory adds to its first operand.
            let sum = self.register(z);
            let to = self.overwrite(value, z, sum);
            let second = self.operand(second);
            return self.code.vector(ADD_TO_FIRST, to.0, Some(first.0), second, EVERY, None);
        };
        let third = self.find(z);
        if let Found::Register(sum) = third
            && (self.may_overwrite(z) || !(self.may_overwrite(x) || self.may_overwrite(y)))
        {
            let to = self.overwrite(value, z, sum);
            return self.code.vector(
                ADD_TO_FIRST,
                to.0,
                Some(first.0),
                Operand::Register(factor),
                EVERY,
                None,
            );
        }
        let (overwritten, register, factor) = if self.may_overwrite(x) || !self.may_overwrite(y) {
            (x, first, factor)
        } else {
            (y, factor, first)
        };
        let to = self.overwrite(value, overwritten, register);
        let third = self.operand(third);
        self.code.vector(MULTIPLY_FIRST, to.0, Some(factor.0), third, EVERY, None);
    }

    fn may_overwrite(&self, value: Value) -> bool {
        self.ends(value) && !self.is_kept(value)
    }

    /// Makes a register that holds an argument the one of the result, or a copy of it.
    fn overwrite(&mut self, value: Value, arg: Value, register: Zmm) -> Zmm {
        if self.may_overwrite(arg) {
            self.registers[arg] = None;
            self.registers[value] = Some(register);
            return register;
        }
        let to = self.allocate();
        self.code.vector(LOAD, to.0, None, Operand::Register(register), EVERY, None);
        self.registers[value] = Some(to);
        to
    }

    fn store(&mut self, code: Code, value: Value, place: Place, at: u8) {
        let scale = if code == STORE_BYTES { 0 } else { 2 };
        let from = self.register(value);
        let to = self.element(place, INDEX, scale, at);
        let lanes = self.lanes();
        self.code.vector(code, from.0, None, to, lanes, None);
    }

    fn fold(&mut self, value: Value, fold: usize) {
        let x = self.register(value);
        let folding = self.segment.folds[fold].folding;
        fold_into(self.code, folding, self.layout.accumulators[fold], x, self.lanes());
    }
}

/// Of [`RANGE`]: the sign is that of what is taken.
const OWN_SIGN: u8 = 4;
const GREATEST: u8 = OWN_SIGN | 1;
const SMALLEST: u8 = OWN_SIGN;

/// An instruction and its parameter.
fn instruction(two: Two) -> (Code, Option<u8>) {
    let code = match two {
        Two::Add => ADD,
        Two::Subtract => SUBTRACT,
        Two::Multiply => MULTIPLY,
        Two::Divide => DIVIDE,
        Two::Larger => LARGEST,
        Two::Smaller => LEAST,
        Two::Largest => return (RANGE, Some(GREATEST)),
        Two::Least => return (RANGE, Some(SMALLEST)),
        Two::And => AND,
        Two::Or => OR,
        Two::Xor => XOR,
        Two::AddIntegers => ADD_INTEGERS,
        Two::SubtractIntegers => SUBTRACT_INTEGERS,
    };
    (code, None)
}

/// Combines numbers into an accumulator, in some lanes.
pub fn fold_into(code: &mut Assembler, folding: ReduceOp, register: Zmm, x: Zmm, lanes: Lanes) {
    let (operation, how) = match folding {
        ReduceOp::Sum => (ADD, None),
        ReduceOp::Prod => (MULTIPLY, None),
        ReduceOp::Max => (RANGE, Some(GREATEST)),
        ReduceOp::Min => (RANGE, Some(SMALLEST)),
    };
    // Of a number and NaN, the instruction takes the number: where it met a NaN is asked before.
    if how.is_some() {
        let relation = Some(Relation::Unordered as u8);
        code.vector(COMPARE, TRUTH.0, Some(x.0), Operand::Register(register), lanes, relation);
    }
    code.vector(operation, register.0, Some(register.0), Operand::Register(x), lanes, how);
    if how.is_some() {
        let nan = Operand::Constant { bits: f32::NAN.to_bits(), is_spread: false };
        code.vector(SPREAD, register.0, None, nan, Lanes { mask: TRUTH, or_zero: false }, None);
    }
}

fn compare(code: &mut Assembler, relation: Relation, x: Zmm, y: Operand) {
    code.vector(COMPARE, TRUTH.0, Some(x.0), y, EVERY, Some(relation as u8));
}
