//! Direct convolution: tiles of windows and output channels whose sums stay in registers, and which read their inputs where they
//! are in a halo tile, without a matrix of patches.
//!
//! Registers are blocked over windows and output channels as in E. Georganas et al., "Anatomy of high-performance deep learning
//! convolutions on SIMD architectures" (SC 2018).

use super::super::microkernels::{
    Ahead, MAX_COLUMNS, MAX_DOT_COLUMNS, MAX_ROWS, Microkernels, OuterProduct, PackedDots,
};
use super::super::scratch::Scratch;
use super::super::simd::Level;
use super::super::threads::DisjointSlice;
use super::Geometry;
use super::blocking::{for_each, wanted};
use super::forward::OutputPositions;
use super::halo::{HaloTiles, Strip};
use super::polyphase::PolyphasePart;
use crate::array::memory;
use crate::scalar::number::Number;

/// Windows that the packing of weights pays for.
const MIN_PACKED_WINDOWS: usize = 256;

/// How a polyphase part is computed.
pub(super) enum Method<T: 'static> {
    /// Each input times as many output channels as a tile has.
    OuterProduct(&'static Microkernels<T>),
    /// A dot product for each of a few output channels.
    Dots(&'static Microkernels<T>),
}

/// Returns how to compute a polyphase part, unless lanes would be mostly empty or a plain product does as well.
pub(super) fn applicable<T: Number>(
    level: Level,
    geometry: &Geometry,
    part: &PolyphasePart,
) -> Option<Method<T>> {
    let (cin_each, cout_each) = (geometry.cin / geometry.groups, geometry.cout / geometry.groups);
    let micro = Microkernels::of(level)?;
    if part.is_identity() || part.taps() == 0 {
        return None;
    }
    if cout_each <= MAX_DOT_COLUMNS {
        return (2 * cin_each >= micro.lanes).then_some(Method::Dots(micro));
    }
    Some(Method::OuterProduct(micro))
}

/// Where the weights of some output channels of a group are: a panel of the right matrix.
struct Panel {
    /// First channel of the group, and how many there are.
    first: usize,
    used: usize,
    vectors: usize,
    offset: usize,
}

/// Weights of a polyphase part in panels of a tile's channels, padded with zeros.
struct Panels<'a, T> {
    data: &'a [T],
    list: Vec<Panel>,
    /// Distance between the weights of neighbouring channels of the input, and between groups.
    row: Option<usize>,
    group: usize,
}

impl<'a, T: Number> Panels<'a, T> {
    /// The weights are copied to `packed`, unless they are used where they are.
    fn new(
        geometry: &Geometry,
        part: &PolyphasePart,
        rhs: &'a [T],
        micro: &Microkernels<T>,
        packed: &'a mut Vec<T>,
    ) -> Self {
        let (cin_each, cout_each) = (geometry.cin / geometry.groups, geometry.cout / geometry.groups);
        let depth = part.taps() * cin_each;
        let (mut list, mut first, mut offset) = (Vec::new(), 0, 0);
        // Panels of two vectors, the last one maybe of one, and partly of zeros.
        while first < cout_each {
            let left = cout_each - first;
            let vectors = left.div_ceil(micro.lanes).min(2);
            let used = left.min(vectors * micro.lanes);
            list.push(Panel { first, used, vectors, offset });
            offset += depth * vectors * micro.lanes;
            first += used;
        }
        // For few windows, weights that need no padding are read where they are.
        let whole_vectors = cout_each.is_multiple_of(micro.lanes);
        if part.whole && whole_vectors && geometry.batch * part.outs() < MIN_PACKED_WINDOWS {
            list.iter_mut().for_each(|panel| panel.offset = panel.first);
            return Self { data: rhs, list, row: Some(geometry.cout), group: cout_each };
        }
        let taps = part.kernel_indices(&geometry.kernel);
        packed.clear();
        memory::reserve(packed, offset * geometry.groups);
        for g in 0..geometry.groups {
            for &Panel { first, used, vectors, .. } in &list {
                for tap in &taps {
                    for ci in 0..cin_each {
                        let row = (tap * cin_each + ci) * geometry.cout + g * cout_each + first;
                        packed.extend_from_slice(&rhs[row..row + used]);
                        packed.resize(packed.len() + vectors * micro.lanes - used, T::ZERO);
                    }
                }
            }
        }
        Self { data: packed, list, row: None, group: offset }
    }
}

/// Writes the outputs of a polyphase part.
pub(super) fn forward<T: Number>(
    geometry: &Geometry,
    part: &PolyphasePart,
    method: &Method<T>,
    lhs: &[T],
    rhs: &[T],
    out: &DisjointSlice<'_, T>,
    epilogue: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let cout = geometry.cout;
    let work = geometry.batch * part.outs() * part.taps() * geometry.cin / geometry.groups * cout;
    // Each window is a sum of its own, so it may be in any strip.
    let halos = HaloTiles::new(geometry, part, lhs, wanted(work));
    let positions = OutputPositions::new(geometry, part);
    let strips = |each: &(dyn Fn(&Strip<T>) + Sync)| {
        for_each(
            halos.strips(),
            work,
            || (),
            |(), index| {
                let mut buffer = Scratch::new();
                let strip = halos.strip(index, &mut buffer);
                each(&strip);
                if part.whole {
                    // SAFETY: the windows of a strip are no other's.
                    epilogue(strip.first * cout, unsafe {
                        out.slice(strip.first * cout, strip.count * cout)
                    });
                }
            },
        );
    };
    // Weights are packed once for all strips, before threads share these out.
    match method {
        Method::OuterProduct(micro) => {
            let mut packed = Scratch::new();
            let panels = Panels::new(geometry, part, rhs, micro, &mut packed);
            strips(&|strip| tiles(geometry, micro, &halos, &panels, strip, (&positions, out)));
        }
        Method::Dots(micro) => {
            let weights = by_output_channel(geometry, part, rhs, micro.lanes);
            strips(&|strip| dots(geometry, micro, &halos, &weights, strip, (&positions, out)));
        }
    }
}

/// Where each of `count` windows from `first` on is; the last one fills up the rest.
fn pointers<T>(strip: &Strip<T>, windows: &[usize], first: usize, count: usize) -> [*const T; MAX_ROWS] {
    std::array::from_fn(|i| strip.halo.wrapping_add(windows[first + i.min(count - 1)]))
}

fn tiles<T: Number>(
    geometry: &Geometry,
    micro: &Microkernels<T>,
    halos: &HaloTiles<'_, T>,
    panels: &Panels<'_, T>,
    strip: &Strip<T>,
    (positions, out): (&OutputPositions, &DisjointSlice<'_, T>),
) {
    let (groups, cout, m) = (geometry.groups, geometry.cout, micro.height(strip.count));
    let (cin_each, cout_each) = (geometry.cin / groups, cout / groups);
    let mut edge = [T::ZERO; MAX_ROWS * MAX_COLUMNS];
    // A panel of weights stays in L1 while the tiles of windows pass, whose inputs stay in L2.
    for g in 0..groups {
        for panel in &panels.list {
            let width = panel.vectors * micro.lanes;
            let weights = panels.data[g * panels.group + panel.offset..].as_ptr();
            for first in (0..strip.count).step_by(m) {
                let count = m.min(strip.count - first);
                let windows = pointers(strip, &halos.windows, first, count)
                    .map(|window| window.wrapping_add(g * cin_each));
                let position =
                    |i: usize| positions.of(strip.first + first + i) * cout + g * cout_each + panel.first;
                // A tile at the edge of the output is computed whole in a buffer, of which the part that exists is copied.
                let whole = panel.used == width;
                let edges = edge.as_mut_ptr();
                let targets: [_; MAX_ROWS] = std::array::from_fn(|i| {
                    if i < count && whole {
                        out.from(position(i))
                    } else {
                        edges.wrapping_add(i * MAX_COLUMNS)
                    }
                });
                let job = OuterProduct {
                    rows: &windows[..count],
                    segments: &halos.taps,
                    length: cin_each,
                    panel: weights,
                    panel_row: panels.row.unwrap_or(width),
                    out: &targets[..count],
                    accumulate: false,
                    ahead: Ahead::NOTHING,
                };
                // SAFETY: the halo tile has `cin_each` channels at every tap of its windows, the panel `width` weights for each
                // tap and channel, and every target takes `width` elements: those of the edge tile, or an output of this strip.
                unsafe { micro.outer_product[panel.vectors - 1][count - 1](&job) };
                if !whole {
                    for (i, row) in edge.as_chunks::<MAX_COLUMNS>().0.iter().take(count).enumerate() {
                        // SAFETY: windows have outputs of their own.
                        unsafe { out.slice(position(i), panel.used) }.copy_from_slice(&row[..panel.used]);
                    }
                }
            }
        }
    }
}

/// Weights of a polyphase part as `[groups, taps, cout, cin]`, with zeros behind to fill up whole vectors.
fn by_output_channel<T: Number>(
    geometry: &Geometry,
    part: &PolyphasePart,
    rhs: &[T],
    lanes: usize,
) -> Scratch<T> {
    let (groups, cout) = (geometry.groups, geometry.cout);
    let (cin_each, cout_each) = (geometry.cin / groups, cout / groups);
    let padded = cin_each.next_multiple_of(lanes);
    let taps = part.kernel_indices(&geometry.kernel);
    let mut weights = Scratch::empty();
    memory::reserve(&mut weights, groups * taps.len() * cout_each * padded);
    for channel in 0..groups {
        for tap in &taps {
            for co in channel * cout_each..(channel + 1) * cout_each {
                weights.extend((0..cin_each).map(|ci| rhs[(tap * cin_each + ci) * cout + co]));
                let end = weights.len() + padded - cin_each;
                weights.resize(end, T::ZERO);
            }
        }
    }
    weights
}

fn dots<T: Number>(
    geometry: &Geometry,
    micro: &Microkernels<T>,
    halos: &HaloTiles<'_, T>,
    weights: &[T],
    strip: &Strip<T>,
    (positions, out): (&OutputPositions, &DisjointSlice<'_, T>),
) {
    let (groups, cout) = (geometry.groups, geometry.cout);
    let (cin_each, cout_each) = (geometry.cin / groups, cout / groups);
    let m = micro.packed_dot_rows[cout_each - 1];
    let mut edge = [T::ZERO; MAX_DOT_COLUMNS];
    for g in 0..groups {
        let weights = weights[g * (weights.len() / groups)..].as_ptr();
        for first in (0..strip.count).step_by(m) {
            let count = m.min(strip.count - first);
            let windows =
                pointers(strip, &halos.windows, first, count).map(|window| window.wrapping_add(g * cin_each));
            // The micro-kernel always takes `m` rows: those beyond the last window repeat it, and their sums go to the edge.
            let edge = edge.as_mut_ptr();
            let targets: [_; MAX_ROWS] = std::array::from_fn(|i| {
                let position = || positions.of(strip.first + first + i) * cout + g * cout_each;
                if i < count { out.from(position()) } else { edge }
            });
            let job = PackedDots {
                rows: &windows[..m],
                segments: &halos.taps,
                length: cin_each,
                columns: weights,
                out: &targets[..m],
            };
            // SAFETY: the halo tile has `cin_each` channels at every tap of its windows, the group weights for each tap and
            // channel, and every target takes `cout_each` elements.
            unsafe { micro.packed_dots[cout_each - 1](&job) };
        }
    }
}
