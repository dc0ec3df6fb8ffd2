//! Instruction selection: from the operations of a kernel spec, in order, to the instructions of a tile.

use rustc_hash::FxHashMap;

use super::instruction::{Action, ArrayId, Instruction, Map, Side};
use super::interpreter::fold::{fold_columns, fold_rows};
use super::spec::{Access, IterationSpace, KernelOp, KernelSpec};
use super::tile_program::{CrossTile, LINE, Prologue};
use crate::array::DType;
use crate::kernels::blocks::{self, Block};
use crate::scalar::op::ScalarOp;

/// A tile program in the making.
pub(super) struct Builder<'a> {
    pub spec: &'a KernelSpec,
    pub tile_rows: usize,
    pub prologue: Vec<(Prologue, usize, ArrayId)>,
    pub body: Vec<Instruction>,
    /// By slot: bytes of an element, whether it is kept, whether it has a value for each row only.
    pub slots: Vec<(usize, bool, bool)>,
    /// Values as seen by each element, or by each row.
    pub seen: FxHashMap<(usize, bool), ArrayId>,
}

impl Builder<'_> {
    fn inputs(&self) -> usize {
        self.spec.inputs.len()
    }

    fn slot(&mut self, width: usize, kept: bool, by_rows: bool) -> ArrayId {
        self.slots.push((width, kept, by_rows));
        (self.inputs() + self.spec.outs.len() + self.slots.len() - 1) as ArrayId
    }

    fn width(&self, value: usize) -> usize {
        match value.checked_sub(self.inputs()) {
            None => self.spec.inputs[value].1.size(),
            Some(op) => self.spec.ops[op].dtype().size(),
        }
    }

    /// Where a value is found with an element for each element of the tile, or each row.
    fn array(&mut self, value: usize, by_rows: bool) -> ArrayId {
        if let Some(&array) = self.seen.get(&(value, by_rows)) {
            return array;
        }
        let width = self.width(value);
        let array = match self.spec.inputs.get(value).map(|(access, _)| access) {
            Some(Access::One) => {
                // One value for all is the same for elements and rows.
                let slot = match self.seen.get(&(value, !by_rows)) {
                    Some(&slot) => slot,
                    None => {
                        let slot = self.slot(width, true, false);
                        self.prologue.push((Prologue::Splat, value, slot));
                        slot
                    }
                };
                self.seen.insert((value, !by_rows), slot);
                slot
            }
            Some(Access::Full) => value as ArrayId,
            Some(Access::Rows) if by_rows => value as ArrayId,
            Some(Access::Columns | Access::Window(_)) if self.tile_rows < 2 => value as ArrayId,
            Some(Access::Columns) => {
                let slot = self.slot(width, true, false);
                self.prologue.push((Prologue::Repeat, value, slot));
                slot
            }
            Some(Access::Window(_) | Access::Strided(_)) => {
                let out = self.slot(width, false, false);
                let args = [value as ArrayId, 0, 0];
                self.body.push(Instruction { action: Action::Gather, args, out, by_rows: false });
                out
            }
            // A value for each row, and wanted for each element.
            Some(Access::Rows) | None => {
                let args = [self.array(value, true), 0, 0];
                let out = self.slot(width, false, false);
                self.body.push(Instruction { action: Action::Expand(width), args, out, by_rows: false });
                out
            }
        };
        self.seen.insert((value, by_rows), array);
        array
    }

    pub fn op(
        &mut self,
        at: usize,
        aliases: &[Option<usize>],
        cross_tile: &mut Vec<CrossTile>,
        cross_tile_bytes: &mut usize,
    ) {
        let spec = self.spec;
        let value = self.inputs() + at;
        let op = &spec.ops[at];
        let by_rows = op.space() == IterationSpace::Row;
        match op {
            KernelOp::Map { op, args, from, to, .. }
                if let Some((side, block, cols)) = self.mixed(*op, args, *from, by_rows) =>
            {
                let mut arrays = [0; 3];
                // A value for each row is found where rows are handled; one for all is the input itself.
                arrays[side] = if cols == 0 { args[side] as ArrayId } else { self.array(args[side], true) };
                arrays[1 - side] = self.array(args[1 - side], by_rows);
                let out = self.destination(value, by_rows, aliases);
                let kind = if cols == 0 { Side::Scalar(side) } else { Side::Row(side) };
                let map = Map { block, parameter: cols, op: *op, from: *from, to: *to, side: kind };
                self.body.push(Instruction { action: Action::Map(map), args: arrays, out, by_rows });
            }
            KernelOp::Map { op, args, from, to, .. } => {
                let mut arrays = [0; 3];
                for (array, &arg) in arrays.iter_mut().zip(args) {
                    *array = self.array(arg, by_rows);
                }
                let Some((block, parameter)) = blocks::entry(*op, *from, *to) else {
                    unreachable!("`supports` was asked")
                };
                let out = self.destination(value, by_rows, aliases);
                let map = Map { block, parameter, op: *op, from: *from, to: *to, side: Side::None };
                self.body.push(Instruction { action: Action::Map(map), args: arrays, out, by_rows });
            }
            KernelOp::Fold { op, arg, dtype, space } => {
                let args = [self.array(*arg, false), 0, 0];
                if by_rows {
                    let out = self.destination(value, true, aliases);
                    let action = Action::Rows(fold_rows(*op, *dtype), *op, *dtype);
                    self.body.push(Instruction { action, args, out, by_rows });
                    return;
                }
                let fold = fold_columns(*op, *dtype);
                let cols = if *space == IterationSpace::Total { 1 } else { spec.cols };
                let out = spec.outs.iter().position(|&(out, _)| out == value);
                let out = out.unwrap_or_else(|| unreachable!("what is known at the end is a result"));
                let action = Action::CrossTile(cross_tile.len());
                self.body.push(Instruction { action, args, out: 0, by_rows: false });
                let is_total = *space == IterationSpace::Total;
                let bytes = (cols * fold.width).next_multiple_of(LINE);
                let (offset, recent, tile) =
                    (*cross_tile_bytes, *cross_tile_bytes + bytes, *cross_tile_bytes + 2 * bytes);
                cross_tile.push(CrossTile { fold, cols, out, offset, recent, tile, is_total });
                *cross_tile_bytes += 3 * bytes;
            }
        }
    }

    /// Which of two arguments is a scalar, or one for each row, and the loop for that; rows have so many elements.
    fn mixed(&self, op: ScalarOp, args: &[usize], from: DType, by_rows: bool) -> Option<(usize, Block, i32)> {
        let &[x, y] = args else { return None };
        let is_number = |value: usize| matches!(self.spec.inputs.get(value), Some((Access::One, _)));
        let is_row = |value: usize| match value.checked_sub(self.inputs()) {
            None => matches!(self.spec.inputs[value].0, Access::Rows),
            Some(op) => self.spec.ops[op].space() == IterationSpace::Row,
        };
        let loops = blocks::mixed(op, from)?;
        if is_number(x) != is_number(y) {
            let side = usize::from(is_number(y));
            return Some((side, loops.number[side], 0));
        }
        let cols = i32::try_from(self.spec.cols).ok()?;
        if by_rows || is_number(x) || is_row(x) == is_row(y) {
            return None;
        }
        let side = usize::from(is_row(y));
        Some((side, loops.rows[side], cols))
    }

    /// Where a value is written: into the result's memory if it is one and nothing of that is read any more.
    fn destination(&mut self, value: usize, by_rows: bool, aliases: &[Option<usize>]) -> ArrayId {
        let result = self.spec.outs.iter().position(|&(out, _)| out == value);
        let array = match result {
            // Rows that do not follow each other are put where they belong at the end.
            Some(out) if self.tile_rows > 1 && self.spec.part(out).is_some() => {
                self.slot(self.width(value), false, by_rows)
            }
            Some(out) if aliases[out].is_none_or(|input| !self.is_read_from(input, value)) => {
                (self.inputs() + out) as ArrayId
            }
            _ => self.slot(self.width(value), false, by_rows),
        };
        self.seen.insert((value, by_rows), array);
        array
    }

    /// Whether the operation that makes `value`, or a later one, reads an input.
    fn is_read_from(&self, input: usize, value: usize) -> bool {
        self.spec.ops[value - self.inputs()..].iter().any(|op| op.args().contains(&input))
    }

    /// Copies a result that waits in a slot.
    pub fn finish(&mut self, out: usize, value: usize) {
        let op = &self.spec.ops[value - self.inputs()];
        if matches!(op.space(), IterationSpace::Column | IterationSpace::Total) {
            return;
        }
        let by_rows = op.space() == IterationSpace::Row;
        let (from, to) = (self.array(value, by_rows), (self.inputs() + out) as ArrayId);
        if from != to && self.spec.part(out).is_some() && self.tile_rows > 1 {
            let action = Action::Scatter(self.width(value));
            self.body.push(Instruction { action, args: [from, 0, 0], out: to, by_rows });
        } else if from != to {
            let (block, dtype) = (blocks::copy(self.width(value)), op.dtype());
            let map =
                Map { block, parameter: 0, op: ScalarOp::Copy, from: dtype, to: dtype, side: Side::None };
            self.body.push(Instruction { action: Action::Map(map), args: [from, 0, 0], out: to, by_rows });
        }
    }
}
