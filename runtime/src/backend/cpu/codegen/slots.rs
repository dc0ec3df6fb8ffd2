//! Slot assignment: values of a tile whose lifetimes do not overlap share memory, by a linear scan over the instructions
//! (M. Poletto and V. Sarkar, "Linear scan register allocation", 1999, with memory for registers).

use super::instruction::{ArrayId, Instruction};
use super::tile_program::{LINE, Prologue};

/// Gives slots whose lifetimes do not overlap the same memory, by width and kind; returns where each begins.
///
/// The result of an instruction never lies where one of its arguments does.
pub(super) fn assign(
    body: &mut [Instruction],
    prologue: &[(Prologue, usize, ArrayId)],
    needs: &[(usize, bool, bool)],
    first: usize,
    tile: usize,
    rows: usize,
) -> (Vec<usize>, usize) {
    let slot_of = |array: ArrayId| (array as usize).checked_sub(first);
    let mut last = vec![0; needs.len()];
    for (at, instruction) in body.iter().enumerate() {
        let arrays = instruction.reads().iter().chain(instruction.writes());
        arrays.filter_map(|&array| slot_of(array)).for_each(|slot| last[slot] = at);
    }
    let mut merged: Vec<Option<usize>> = vec![None; needs.len()];
    // What was given away: width, kind.
    let mut memory: Vec<(usize, bool)> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    for (_, _, array) in prologue {
        if let Some(slot) = slot_of(*array) {
            merged[slot] = Some(memory.len());
            memory.push((needs[slot].0, false));
        }
    }
    for (at, step) in body.iter().enumerate() {
        for slot in step.writes().iter().filter_map(|&array| slot_of(array)) {
            if merged[slot].is_some() {
                continue;
            }
            let (width, _, by_rows) = needs[slot];
            let found = free.iter().position(|&m| memory[m] == (width, by_rows)).map(|i| free.swap_remove(i));
            merged[slot] = Some(found.unwrap_or_else(|| {
                memory.push((width, by_rows));
                memory.len() - 1
            }));
        }
        let arrays = step.reads().iter().chain(step.writes());
        let mut ended: Vec<usize> = arrays.filter_map(|&array| slot_of(array)).collect();
        ended.sort_unstable();
        ended.dedup();
        for slot in ended {
            if last[slot] == at && !needs[slot].1 {
                free.extend(merged[slot]);
            }
        }
    }
    let mut bytes = 0;
    let offsets: Vec<usize> = memory
        .iter()
        .map(|&(width, by_rows)| {
            let begin = bytes;
            bytes += (width * if by_rows { rows } else { tile }).next_multiple_of(LINE);
            begin
        })
        .collect();
    (merged.iter().map(|memory| memory.map_or(0, |m| offsets[m])).collect(), bytes)
}
