//! The loops around bodies, and what comes before and after them.
//!
//! A loop goes over rows, and over the elements of each, 16 or more at a time; what is left of a row is computed in some lanes
//! only.

use super::body::{Body, Pass, fold_into};
use super::layout::{
    COLS, COLUMN, END, INDEX, LANES, LEFT, Layout, PLACES, REST, ROW, ROWS, SAVED, SPARE, VECTOR, as_number,
    keep, layout, spread,
};
use super::segment::{RowFold, Segment};
use super::x86::{
    Assembler, EVERY, Operand, PERMUTE, RSP, SHUFFLE_QUARTERS, SPREAD, STORE_FIRST, When, XOR, Zmm,
};
use crate::kernels::reduce::{Fold, Max, Min, Prod, Sum};
use crate::scalar::reduce::ReduceOp;

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
        finish_fold(code, *fold, register, &layout);
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

fn neutral(folding: ReduceOp) -> u32 {
    let neutral = match folding {
        ReduceOp::Sum => Sum::<f32>::IDENTITY,
        ReduceOp::Prod => Prod::<f32>::IDENTITY,
        ReduceOp::Max => Max::<f32>::IDENTITY,
        ReduceOp::Min => Min::<f32>::IDENTITY,
    };
    neutral.to_bits()
}

/// Folds the lanes of an accumulator, and writes the only number that is left.
fn finish_fold(code: &mut Assembler, fold: RowFold, register: Zmm, layout: &Layout) {
    const HALVES: u8 = 0x4E;
    const NEIGHBOURS: u8 = 0xB1;
    let other = Zmm(0);
    for (shuffle, how) in
        [(SHUFFLE_QUARTERS, HALVES), (SHUFFLE_QUARTERS, NEIGHBOURS), (PERMUTE, HALVES), (PERMUTE, NEIGHBOURS)]
    {
        let second = (shuffle == SHUFFLE_QUARTERS).then_some(register.0);
        code.vector(shuffle, other.0, second, Operand::Register(register), EVERY, Some(how));
        fold_into(code, fold.folding, register, other, EVERY);
    }
    let base = layout.pointer(fold.out, code);
    let to = Operand::Memory { base, index: Some((ROW, 2)), distance: 0, is_spread: false };
    code.vector(STORE_FIRST, register.0, None, to, EVERY, None);
}
