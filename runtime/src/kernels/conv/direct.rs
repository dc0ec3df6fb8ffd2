//! Convolutions by register tiles that read their inputs in place.

use super::super::number::Number;
use super::Geometry;
use super::block::{Output, for_each};
use super::forward::Places;
use super::patches::Patches;
use super::phase::Phase;
use super::tile::{Engine, engine};

/// Windows that a thread takes at a time: a multiple of what any tile has.
const BLOCK: usize = 144;
/// Windows of the largest tile.
const MOST_WINDOWS: usize = 12;

/// Returns the engine to compute a phase with, unless tiles would be mostly empty or a plain product does as well.
pub(super) fn applicable<T: Number>(geometry: &Geometry, phase: &Phase) -> Option<Engine<T>> {
    let (cin_each, cout_each) = (geometry.cin / geometry.groups, geometry.cout / geometry.groups);
    let engine = engine::<T>()?;
    let worth = cin_each >= 4 && 2 * cout_each >= engine.channels && !phase.is_identity() && phase.taps() > 0;
    worth.then_some(engine)
}

/// Weights of a phase in panels of a tile's channels each, padded with zeros: `[groups, panels, taps · cin, channels]`.
struct Panels<T> {
    data: Vec<T>,
    /// First channel (in the group), channels to write, channels of the tile and where its panel is.
    list: Vec<(usize, usize, usize, usize)>,
    group: usize,
}

impl<T: Number> Panels<T> {
    fn new(geometry: &Geometry, phase: &Phase, rhs: &[T], channels: usize) -> Self {
        let (cin_each, cout_each) = (geometry.cin / geometry.groups, geometry.cout / geometry.groups);
        let taps = phase.kernel_indices(&geometry.kernel);
        let depth = taps.len() * cin_each;
        let (mut list, mut first, mut group) = (Vec::new(), 0, 0);
        while first < cout_each {
            let left = cout_each - first;
            let width = if left <= channels / 2 { channels / 2 } else { channels };
            list.push((first, left.min(width), width, group));
            group += depth * width;
            first += width;
        }
        let mut data = Vec::with_capacity(group * geometry.groups);
        for g in 0..geometry.groups {
            for &(first, used, width, _) in &list {
                for tap in &taps {
                    for ci in 0..cin_each {
                        let row = (tap * cin_each + ci) * geometry.cout + g * cout_each + first;
                        data.extend_from_slice(&rhs[row..row + used]);
                        data.resize(data.len() + width - used, T::ZERO);
                    }
                }
            }
        }
        Self { data, list, group }
    }
}

/// Writes the outputs of a phase.
pub(super) fn forward<T: Number>(
    geometry: &Geometry,
    phase: &Phase,
    engine: &Engine<T>,
    lhs: &[T],
    rhs: &[T],
    out: &Output<T>,
) {
    let (groups, cin, cout) = (geometry.groups, geometry.cin, geometry.cout);
    let (cin_each, cout_each) = (cin / groups, cout / groups);
    let patches = Patches::new(geometry, phase, lhs);
    let panels = Panels::new(geometry, phase, rhs, engine.channels);
    let places = Places::new(geometry, phase);
    let zeros = vec![T::ZERO; cin];
    let zeros = zeros.as_slice();
    let (total, m) = (geometry.batch * phase.outs(), engine.windows);
    let tile_rows = phase.taps() * m;
    let work = total * phase.taps() * cin_each * cout;
    for_each(total.div_ceil(BLOCK), work, Vec::new, |rows: &mut Vec<usize>, index| {
        let first = index * BLOCK;
        let count = BLOCK.min(total - first);
        patches.tile_starts(first, count, m, rows);
        let mut scratch = vec![T::ZERO; m * engine.channels];
        for g in 0..groups {
            let source = |&start: &usize| if start == usize::MAX { zeros } else { &lhs[start..start + cin] };
            let pointers: Vec<_> = rows.iter().map(|start| source(start)[g * cin_each..].as_ptr()).collect();
            for &(channel, used, width, panel) in &panels.list {
                let weights = panels.data[g * panels.group + panel..].as_ptr();
                let kernel = if width == engine.channels { engine.wide } else { engine.narrow };
                for (tile, pointers) in pointers.chunks_exact(tile_rows).enumerate() {
                    let (first, windows) = (first + tile * m, m.min(count - tile * m));
                    let place = |i: usize| places.of(first + i) * cout + g * cout_each + channel;
                    let mut targets = [std::ptr::null_mut(); MOST_WINDOWS];
                    let rows = scratch.chunks_exact_mut(engine.channels).enumerate();
                    for (target, (i, row)) in targets.iter_mut().zip(rows) {
                        let inside = i < windows && used == width;
                        *target = if inside { out.from(place(i)) } else { row.as_mut_ptr() };
                    }
                    // SAFETY: every pointer has the `cin_each` channels of the group, the panel has `width` weights for
                    // each tap and channel, and every target takes `width` numbers: either scratch, or an output of this
                    // block's windows, in which the whole tile lies.
                    unsafe { kernel(pointers, cin_each, weights, &targets[..m]) };
                    if used < width {
                        for (i, row) in scratch.chunks_exact(engine.channels).take(windows).enumerate() {
                            // SAFETY: windows have outputs of their own.
                            unsafe { out.slice(place(i), used) }.copy_from_slice(&row[..used]);
                        }
                    }
                }
            }
        }
    });
}
