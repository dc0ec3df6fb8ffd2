//! The gradient with respect to the kernel.

use super::super::matmul::{View, product};
use super::super::number::Number;
use super::super::threads;
use super::Geometry;
use super::block::{Output, for_each, windows};
use super::depthwise;
use super::forward::Places;
use super::patches::Patches;
use super::phase::{Phase, phases};

/// Parts that the windows are summed in at most, and what their sums may take together in elements.
const PARTS: usize = 16;
const PARTS_SIZE: usize = 1 << 22;

/// Writes the gradient to `rhs_grad`; the geometry has been checked against the slices.
pub(super) fn weight_gradient<T: Number<Acc = T>>(
    geometry: &Geometry,
    lhs: &[T],
    out_grad: &[T],
    rhs_grad: &mut [T],
) {
    rhs_grad.fill(T::ZERO);
    if lhs.is_empty() || out_grad.is_empty() || rhs_grad.is_empty() {
        return;
    }
    for phase in phases(geometry) {
        if phase.taps() > 0 {
            add_phase(geometry, &phase, lhs, out_grad, rhs_grad);
        }
    }
}

/// Adds the gradient from the windows of one phase: sums over parts of them in parallel, which are then added up in order.
fn add_phase<T: Number<Acc = T>>(
    geometry: &Geometry,
    phase: &Phase,
    lhs: &[T],
    out_grad: &[T],
    rhs_grad: &mut [T],
) {
    let row = geometry.cin / geometry.groups * geometry.cout;
    let size = phase.taps() * row;
    let patches = Patches::new(geometry, phase, lhs);
    let places = Places::new(geometry, phase);
    let (total, block) = (geometry.batch * phase.outs(), windows(size / geometry.cout));
    let blocks = total.div_ceil(block);
    let parts = blocks.min((PARTS_SIZE / size).clamp(2, PARTS));
    let per_part = blocks.div_ceil(parts) * block;
    let parts = total.div_ceil(per_part);
    let mut sums = vec![T::ZERO; parts * size];
    let output = Output::new(&mut sums);
    for_each(parts, total * size, Default::default, |(buffer, rows): &mut (Vec<T>, Vec<T>), part| {
        // SAFETY: every part has sums of its own.
        let sums = unsafe { output.slice(part * size, size) };
        let end = total.min((part + 1) * per_part);
        for first in (part * per_part..end).step_by(block) {
            let count = block.min(end - first);
            if depthwise::applies(geometry) {
                depthwise::add_weight_gradient(geometry, &patches, out_grad, &places, (first, count), sums);
                continue;
            }
            let gradient = if phase.whole {
                &out_grad[first * geometry.cout..]
            } else {
                rows.clear();
                let places = (first..first + count).map(|window| places.of(window) * geometry.cout);
                places.for_each(|place| rows.extend_from_slice(&out_grad[place..][..geometry.cout]));
                rows.as_slice()
            };
            add_products(geometry, &patches, gradient, (first, count), buffer, sums);
        }
    });
    let taps = phase.kernel_indices(&geometry.kernel);
    threads::chunks(rhs_grad, row, |tap, out| {
        if let Some(mine) = taps.iter().position(|&t| t == tap) {
            for part in sums.chunks_exact(size) {
                for (y, &x) in out.iter_mut().zip(&part[mine * row..][..row]) {
                    *y = y.plus(x);
                }
            }
        }
    });
}

/// Adds transposed patches times gradients of some windows to `sums`, group by group.
fn add_products<T: Number<Acc = T>>(
    geometry: &Geometry,
    patches: &Patches<'_, T>,
    gradient: &[T],
    (first, count): (usize, usize),
    buffer: &mut Vec<T>,
    sums: &mut [T],
) {
    let cout = geometry.cout;
    let (cin_each, cout_each) = (geometry.cin / geometry.groups, cout / geometry.groups);
    let depth = sums.len() / cout;
    assert!(gradient.len() >= count * cout);
    for g in 0..geometry.groups {
        let matrix = patches.matrix(first, count, g * cin_each..(g + 1) * cin_each, buffer);
        let transposed = View { row: matrix.col, col: matrix.row, ..matrix };
        let gradient = View { start: gradient.as_ptr(), row: cout as isize, col: 1 }.from(0, g * cout_each);
        // SAFETY: `matrix` and `gradient` have a row for each window; `sums` has one for each tap and channel of a group.
        unsafe {
            let target = sums.as_mut_ptr().add(g * cout_each);
            product([depth, count, cout_each], transposed, gradient, target, cout, true);
        }
    }
}
