//! From vector operations to instructions: registers, and the loops around them.
//!
//! A loop goes over rows, and over the elements of each, 16 at a time; what is left of a row is computed in some lanes only.

use std::collections::HashMap;

use super::super::code::Folding;
use super::super::plan::Place;
use super::graph::{Graph, Node, One, Relation, Two, Value};
use super::x86::{
    ADD, ADD_INTEGERS, ADD_TO_FIRST, AND, Assembler, BLEND, COMPARE, Code, DIVIDE, EVERY, FROM_INTEGER, Gpr,
    LARGEST, LEAST, LOAD, LOAD_BYTES, Lanes, MULTIPLY, MULTIPLY_FIRST, Mask, OR, Operand, PERMUTE, R8, R9,
    R10, R11, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, ROOT, ROUND, RSI, RSP, SHIFT,
    SHUFFLE_QUARTERS, SPREAD, STORE, STORE_BYTES, STORE_FIRST, SUBTRACT, SUBTRACT_INTEGERS, TEST, When, XOR,
    Zmm,
};

/// What is done, in this order.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Compute(Value),
    /// As numbers of 32 bits, so many vectors behind the first.
    Store(Value, Place, u8),
    StoreByte(Value, Place, u8),
    /// Along rows.
    Fold(Value, usize),
}

/// What each row is folded to, and where that is written.
#[derive(Clone, Copy, Debug)]
pub struct RowFold {
    pub folding: Folding,
    pub out: Place,
}

/// A loop to be assembled, for one vector at a time.
pub struct Segment {
    pub graph: Graph,
    pub steps: Vec<Step>,
    pub folds: Vec<RowFold>,
    /// Arrays that are read from far away, and how many bytes before they are needed they are asked for.
    pub far: Vec<Place>,
    pub ahead: i32,
    /// Elements of a row, at most.
    pub cols: usize,
}

const PLACES: Gpr = RDI;
const ROWS: Gpr = RSI;
const COLS: Gpr = RDX;
/// The element.
const INDEX: Gpr = RCX;
const END: Gpr = R8;
const ROW: Gpr = R9;
/// Elements that are left of each row.
const REST: Gpr = R11;
/// The element of the row.
const COLUMN: Gpr = RBX;
/// For pointers that have no register of their own.
const SPARE: Gpr = RAX;
const POINTERS: [Gpr; 6] = [R10, RBP, R12, R13, R14, R15];
const SAVED: [Gpr; 6] = [RBX, RBP, R12, R13, R14, R15];

/// The lanes of what is left of a row.
const LEFT: Mask = Mask(1);
/// The result of the last comparison.
const TRUTH: Mask = Mask(2);

const REGISTERS: u8 = 32;
/// Numbers in a register.
const LANES: usize = 16;
const VECTOR: i32 = 64;

/// What is found where, the same in both bodies of a loop.
struct Layout {
    pointers: HashMap<Place, Gpr>,
    /// Where on the stack single numbers are.
    numbers: HashMap<Place, i32>,
    /// Registers of sources that stay in them.
    kept: Vec<(Node, Zmm)>,
    accumulators: Vec<Zmm>,
    /// Where on the stack values begin that have no register.
    spills: i32,
}

/// Where an operand is; memory is named only where an instruction reads it.
#[derive(Clone, Copy)]
enum Found {
    Register(Zmm),
    Source(Value),
    Spilled(usize),
}

struct Body<'a> {
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
    peak: usize,
    spills: usize,
}

/// One way through the elements of a row.
struct Pass<'a> {
    segment: &'a Segment,
    uses: Vec<Vec<usize>>,
    /// Whether only some lanes are computed.
    is_rest: bool,
}

impl<'a> Pass<'a> {
    fn new(segment: &'a Segment, is_rest: bool) -> Pass<'a> {
        Pass { segment, uses: uses(segment), is_rest }
    }

    /// The registers that it uses at most, and the values that it puts on the stack.
    fn trial(&self, layout: &Layout) -> (usize, usize) {
        let mut code = Assembler::default();
        let mut body = Body::new(self, layout, &mut code);
        body.run();
        (body.peak, body.spills)
    }
}

/// Operations of a loop that is worth repeating in its body, at most.
const MOST_REPEATED: usize = 400;

/// The loop with several vectors at a time, so that one is computed while another waits for an operation to end.
fn repeated(segment: &Segment, layout: &Layout) -> Option<(Segment, i32)> {
    [4, 2].into_iter().find_map(|copies: u8| {
        let fits = segment.cols >= LANES * usize::from(copies)
            && segment.steps.len() * usize::from(copies) <= MOST_REPEATED;
        let many = fits.then(|| segment.repeated(copies))?;
        let (_, spills) = Pass::new(&many, false).trial(layout);
        (spills == 0).then_some((many, i32::from(copies)))
    })
}

impl Segment {
    fn repeated(&self, copies: u8) -> Segment {
        let mut graph = Graph::default();
        let mut values: Vec<Vec<Value>> = vec![Vec::new(); usize::from(copies)];
        for &node in &self.graph.nodes {
            for copy in 0..copies {
                let of = &mut values[usize::from(copy)];
                let value = graph.add(node.behind(copy, |arg| of[arg]));
                of.push(value);
            }
        }
        let mut steps = Vec::new();
        for &step in &self.steps {
            steps.extend((0..copies).filter_map(|copy| {
                let to = |value: Value| values[usize::from(copy)][value];
                match step {
                    // What is the same for all elements is computed once.
                    Step::Compute(value) if copy > 0 && to(value) == values[0][value] => None,
                    Step::Compute(value) => Some(Step::Compute(to(value))),
                    Step::Store(value, place, at) => Some(Step::Store(to(value), place, at + copy)),
                    Step::StoreByte(value, place, at) => Some(Step::StoreByte(to(value), place, at + copy)),
                    Step::Fold(value, fold) => Some(Step::Fold(to(value), fold)),
                }
            }));
        }
        let (folds, far) = (self.folds.clone(), self.far.clone());
        Segment { graph, steps, folds, far, ahead: self.ahead, cols: self.cols }
    }

    fn has_columns(&self) -> bool {
        self.graph.nodes.iter().any(|node| matches!(node, Node::Column(..)))
    }
}

/// Appends the loop to the code.
pub fn emit(segment: &Segment, code: &mut Assembler) {
    let mut layout = layout(segment);
    let many = repeated(segment, &layout);
    let (one, rest) = (Pass::new(segment, false), Pass::new(segment, true));
    let many = many.as_ref().map(|(segment, copies)| (Pass::new(segment, false), *copies));
    let passes = || many.iter().map(|(pass, _)| pass).chain([&one, &rest]);
    let peak = passes().map(|pass| pass.trial(&layout).0).max().unwrap_or(0);
    keep(segment, &one.uses, peak, &mut layout);
    let spills = passes().map(|pass| pass.trial(&layout).1).max().unwrap_or(0);
    let frame = layout.spills + spills as i32 * VECTOR;
    SAVED.iter().for_each(|&register| code.push(register));
    code.add_number(RSP, -frame);
    code.mask(LEFT, INDEX);
    code.count_bits(REST, INDEX);
    for (&place, &at) in &layout.numbers {
        code.load(SPARE, PLACES, 8 * i32::from(place));
        code.load_half(SPARE, SPARE, 0);
        code.store_half(SPARE, RSP, at);
    }
    for (&place, &register) in &layout.pointers {
        code.load(register, PLACES, 8 * i32::from(place));
    }
    for &(node, register) in &layout.kept {
        code.vector(SPREAD, register.0, None, as_number(spread(node, &layout)), EVERY, None);
    }
    code.clear(INDEX);
    code.clear(ROW);
    let rows = code.here();
    for (fold, &register) in segment.folds.iter().zip(&layout.accumulators) {
        match neutral(fold.folding) {
            0 => code.vector(XOR, register.0, Some(register.0), Operand::Register(register), EVERY, None),
            bits => code.vector(
                SPREAD,
                register.0,
                None,
                Operand::Constant { bits, is_spread: false },
                EVERY,
                None,
            ),
        }
    }
    code.clear(COLUMN);
    code.copy(END, INDEX);
    code.add(END, COLS);
    if let Some((pass, copies)) = &many {
        elements(pass, *copies, &layout, code);
    }
    elements(&one, 1, &layout, code);
    code.test(REST);
    let to_end = code.jump(When::Zero);
    Body::new(&rest, &layout, code).run();
    code.add(INDEX, REST);
    code.land(to_end);
    for (fold, &register) in segment.folds.iter().zip(&layout.accumulators) {
        finish_fold(code, fold, register, &layout);
    }
    code.add_number(ROW, 1);
    code.compare(ROW, ROWS);
    code.jump_back(When::Less, rows);
    code.add_number(RSP, frame);
    SAVED.iter().rev().for_each(|&register| code.pop(register));
    code.leave();
}

/// A loop over as many elements as there are, several whole vectors at a time.
fn elements(pass: &Pass<'_>, vectors: i32, layout: &Layout, code: &mut Assembler) {
    let step = LANES as i32 * vectors;
    // The end is moved to where the last step may begin, and back.
    code.add_number(END, 1 - step);
    code.compare(INDEX, END);
    let to_end = code.jump(When::NotLess);
    let again = code.here();
    Body::new(pass, layout, code).run();
    code.add_number(INDEX, step);
    if pass.segment.has_columns() {
        code.add_number(COLUMN, step);
    }
    code.compare(INDEX, END);
    code.jump_back(When::Less, again);
    code.land(to_end);
    code.add_number(END, step - 1);
}

/// By value: the steps that need it.
fn uses(segment: &Segment) -> Vec<Vec<usize>> {
    let mut uses: Vec<Vec<usize>> = vec![Vec::new(); segment.graph.nodes.len()];
    for (at, step) in segment.steps.iter().enumerate() {
        let mut needed = match *step {
            Step::Compute(value) => segment.graph.nodes[value].args(),
            Step::Store(value, ..) | Step::StoreByte(value, ..) | Step::Fold(value, _) => {
                smallvec::smallvec![value]
            }
        };
        needed.sort_unstable();
        needed.dedup();
        needed.iter().for_each(|&value| uses[value].push(at));
    }
    uses
}

fn layout(segment: &Segment) -> Layout {
    let mut counts: HashMap<Place, usize> = HashMap::new();
    let mut numbers = HashMap::new();
    for node in &segment.graph.nodes {
        match *node {
            Node::Load(place, _) | Node::LoadByte(place, _) | Node::Row(place) | Node::Column(place, _) => {
                *counts.entry(place).or_default() += 1;
            }
            Node::Number(place) => {
                let at = 4 * numbers.len() as i32;
                numbers.entry(place).or_insert(at);
            }
            _ => {}
        }
    }
    for step in &segment.steps {
        if let Step::Store(_, place, _) | Step::StoreByte(_, place, _) = *step {
            *counts.entry(place).or_default() += 1;
        }
    }
    let mut places: Vec<(Place, usize)> = counts.into_iter().collect();
    places.sort_by_key(|&(place, count)| (std::cmp::Reverse(count), place));
    let pointers = places.iter().zip(POINTERS).map(|(&(place, _), register)| (place, register)).collect();
    let accumulators = (0..segment.folds.len()).map(|i| Zmm(REGISTERS - 1 - i as u8)).collect();
    let spills = (4 * numbers.len() as i32 + VECTOR - 1) / VECTOR * VECTOR;
    Layout { pointers, numbers, kept: Vec::new(), accumulators, spills }
}

/// Gives registers that nobody needs to the numbers that are used most.
fn keep(segment: &Segment, uses: &[Vec<usize>], peak: usize, layout: &mut Layout) {
    let is_spread =
        |value: &usize| matches!(segment.graph.nodes[*value], Node::Number(_) | Node::Constant(_));
    let mut numbers: Vec<Value> = (0..segment.graph.nodes.len()).filter(is_spread).collect();
    numbers.retain(|&value| !uses[value].is_empty());
    numbers.sort_by_key(|&value| (std::cmp::Reverse(uses[value].len()), value));
    let reserved = layout.accumulators.len();
    let room = usize::from(REGISTERS).saturating_sub(reserved + peak);
    let registers = (0..room).map(|i| Zmm((usize::from(REGISTERS) - 1 - reserved - i) as u8));
    layout.kept = numbers.into_iter().map(|value| segment.graph.nodes[value]).zip(registers).collect();
}

/// Where a source with one number for many elements is.
fn spread(node: Node, layout: &Layout) -> Operand {
    match node {
        Node::Constant(bits) => Operand::Constant { bits, is_spread: true },
        Node::Number(place) => {
            let distance = layout.numbers[&place];
            Operand::Memory { base: RSP, index: None, distance, is_spread: true }
        }
        _ => unreachable!("other sources have many numbers"),
    }
}

/// The operand of an instruction that spreads by itself.
fn as_number(operand: Operand) -> Operand {
    match operand {
        Operand::Memory { base, index, distance, .. } => {
            Operand::Memory { base, index, distance, is_spread: false }
        }
        Operand::Constant { bits, .. } => Operand::Constant { bits, is_spread: false },
        register @ Operand::Register(_) => register,
    }
}

fn neutral(folding: Folding) -> u32 {
    match folding {
        Folding::Sum => 0,
        Folding::Prod => 1f32.to_bits(),
        Folding::Max => f32::NEG_INFINITY.to_bits(),
        Folding::Min => f32::INFINITY.to_bits(),
    }
}

/// Folds the lanes of an accumulator, and writes the only number that is left.
fn finish_fold(code: &mut Assembler, fold: &RowFold, register: Zmm, layout: &Layout) {
    const HALVES: u8 = 0x4E;
    const NEIGHBOURS: u8 = 0xB1;
    let other = Zmm(0);
    for (shuffle, how) in
        [(SHUFFLE_QUARTERS, HALVES), (SHUFFLE_QUARTERS, NEIGHBOURS), (PERMUTE, HALVES), (PERMUTE, NEIGHBOURS)]
    {
        let second = (shuffle == SHUFFLE_QUARTERS).then_some(register.0);
        code.vector(shuffle, other.0, second, Operand::Register(register), EVERY, Some(how));
        fold_into(code, fold.folding, register, other, Zmm(1), EVERY);
    }
    let base = layout.pointers.get(&fold.out).copied().unwrap_or_else(|| {
        code.load(SPARE, PLACES, 8 * i32::from(fold.out));
        SPARE
    });
    let to = Operand::Memory { base, index: Some((ROW, 2)), distance: 0, is_spread: false };
    code.vector(STORE_FIRST, register.0, None, to, EVERY, None);
}

/// Combines numbers into an accumulator, in some lanes.
fn fold_into(code: &mut Assembler, folding: Folding, register: Zmm, x: Zmm, spare: Zmm, lanes: Lanes) {
    let extreme = match folding {
        Folding::Sum => {
            return code.vector(ADD, register.0, Some(register.0), Operand::Register(x), lanes, None);
        }
        Folding::Prod => {
            return code.vector(MULTIPLY, register.0, Some(register.0), Operand::Register(x), lanes, None);
        }
        Folding::Max => LARGEST,
        Folding::Min => LEAST,
    };
    // Of a NaN, or of two zeros, the instruction takes the last operand; a NaN must win wherever it is.
    code.vector(extreme, spare.0, Some(x.0), Operand::Register(register), EVERY, None);
    compare(code, Relation::Unordered, x, Operand::Register(x));
    let is_nan = Lanes { mask: TRUTH, or_zero: false };
    code.vector(LOAD, spare.0, None, Operand::Register(x), is_nan, None);
    code.vector(LOAD, register.0, None, Operand::Register(spare), lanes, None);
}

fn compare(code: &mut Assembler, relation: Relation, x: Zmm, y: Operand) {
    code.vector(COMPARE, TRUTH.0, Some(x.0), y, EVERY, Some(relation as u8));
}

impl<'a> Body<'a> {
    fn new(pass: &'a Pass<'a>, layout: &'a Layout, code: &'a mut Assembler) -> Body<'a> {
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

    fn run(&mut self) {
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
            let uses: Vec<Value> = self.pinned.clone();
            uses.iter().for_each(|&value| self.release(value));
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
        let base = self.layout.pointers.get(&place).copied().unwrap_or_else(|| {
            self.code.load(SPARE, PLACES, 8 * i32::from(place));
            SPARE
        });
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
        for arg in self.pinned.clone() {
            self.release(arg);
        }
        let register = self.allocate();
        self.registers[value] = Some(register);
        register
    }

    fn compute(&mut self, value: Value) {
        match self.segment.graph.nodes[value] {
            Node::One(one, x) => self.one(value, one, x),
            Node::Two(two, x, y) => {
                let code = instruction(two);
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
                self.code.vector(code, to.0, Some(first.0), last, EVERY, None);
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
        let spare = self.allocate();
        fold_into(self.code, folding, self.layout.accumulators[fold], x, spare, self.lanes());
        self.free.push(spare);
    }
}

fn instruction(two: Two) -> Code {
    match two {
        Two::Add => ADD,
        Two::Subtract => SUBTRACT,
        Two::Multiply => MULTIPLY,
        Two::Divide => DIVIDE,
        Two::Larger => LARGEST,
        Two::Smaller => LEAST,
        Two::And => AND,
        Two::Or => OR,
        Two::Xor => XOR,
        Two::AddIntegers => ADD_INTEGERS,
        Two::SubtractIntegers => SUBTRACT_INTEGERS,
    }
}
