//! What each register is for, and what lies on the stack.

use std::collections::HashMap;

use super::super::instruction::Place;
use super::graph::{Node, Value};
use super::segment::{Segment, Step};
use super::x86::{
    Assembler, Gpr, Mask, Operand, R8, R9, R10, R11, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI,
    RSP, Zmm,
};
use crate::kernels::reduce;

pub const PLACES: Gpr = RDI;
pub const ROWS: Gpr = RSI;
pub const COLS: Gpr = RDX;
/// The element.
pub const INDEX: Gpr = RCX;
pub const END: Gpr = R8;
pub const ROW: Gpr = R9;
/// Elements that are left of each row.
pub const REST: Gpr = R11;
/// The element of the row.
pub const COLUMN: Gpr = RBX;
/// For pointers that have no register of their own.
pub const SPARE: Gpr = RAX;
pub const POINTERS: [Gpr; 6] = [R10, RBP, R12, R13, R14, R15];
pub const SAVED: [Gpr; 6] = [RBX, RBP, R12, R13, R14, R15];

/// The lanes of what is left of a row.
pub const LEFT: Mask = Mask(1);
/// The result of the last comparison.
pub const TRUTH: Mask = Mask(2);

pub const REGISTERS: u8 = 32;
/// Numbers in a register, as many as reductions fold apart.
pub const LANES: usize = reduce::LANES;
pub const VECTOR: i32 = 64;

/// What is found where, the same in both bodies of a loop.
pub struct Layout {
    pub pointers: HashMap<Place, Gpr>,
    /// Where on the stack single numbers are.
    pub numbers: HashMap<Place, i32>,
    /// Registers of sources that stay in them.
    pub kept: Vec<(Node, Zmm)>,
    pub accumulators: Vec<Zmm>,
    /// Where on the stack values begin that have no register.
    pub spills: i32,
}

impl Layout {
    /// The register that points to an array; the spare one is loaded for those that have none.
    pub fn pointer(&self, place: Place, code: &mut Assembler) -> Gpr {
        self.pointers.get(&place).copied().unwrap_or_else(|| {
            code.load(SPARE, PLACES, 8 * i32::from(place));
            SPARE
        })
    }
}

/// The layout before any source stays in a register.
pub fn layout(segment: &Segment) -> Layout {
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
pub fn keep(segment: &Segment, uses: &[Vec<usize>], peak: usize, layout: &mut Layout) {
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
pub fn spread(node: Node, layout: &Layout) -> Operand {
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
pub fn as_number(operand: Operand) -> Operand {
    match operand {
        Operand::Memory { base, index, distance, .. } => {
            Operand::Memory { base, index, distance, is_spread: false }
        }
        Operand::Constant { bits, .. } => Operand::Constant { bits, is_spread: false },
        register @ Operand::Register(_) => register,
    }
}
