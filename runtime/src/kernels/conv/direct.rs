//! Convolutions by register tiles that read their inputs in place.

use std::borrow::Cow;

use super::super::microkernels::{
    MAX_COLUMNS, MAX_DOT_COLUMNS, MAX_ROWS, Microkernels, OuterProduct, PackedDots,
};
use super::super::number::Number;
use super::super::scratch;
use super::super::simd::Level;
use super::Geometry;
use super::block::{Output, for_each, wanted};
use super::forward::Places;
use super::frame::{Band, Frames};
use super::phase::Phase;
use crate::tensor::memory;

/// Windows that the packing of weights pays for.
const MANY_WINDOWS: usize = 256;

/// How a phase is computed on an micro.
pub(super) enum Way<T: 'static> {
    /// Each product with as many output channels as a tile has.
    Tiles(&'static Microkernels<T>),
    /// A dot product for each of a few output channels.
    Dots(&'static Microkernels<T>),
}

/// Returns how to compute a phase, unless lanes would be mostly empty or a plain product does as well.
pub(super) fn applicable<T: Number>(level: Level, geometry: &Geometry, phase: &Phase) -> Option<Way<T>> {
    let (cin_each, cout_each) = (geometry.cin / geometry.groups, geometry.cout / geometry.groups);
    let micro = Microkernels::of(level)?;
    if phase.is_identity() || phase.taps() == 0 {
        return None;
    }
    if cout_each <= MAX_DOT_COLUMNS {
        return (2 * cin_each >= micro.lanes).then_some(Way::Dots(micro));
    }
    Some(Way::Tiles(micro))
}

/// Where the weights of some output channels of a group are.
struct Panel {
    /// First channel of the group, and how many there are.
    first: usize,
    used: usize,
    vectors: usize,
    offset: usize,
}

/// Weights of a phase in panels of a tile's channels, padded with zeros.
struct Panels<'a, T: Clone> {
    data: Cow<'a, [T]>,
    list: Vec<Panel>,
    /// Distance between the weights of neighbouring channels of the input, and between groups.
    row: Option<usize>,
    group: usize,
}

impl<'a, T: Number> Panels<'a, T> {
    fn new(geometry: &Geometry, phase: &Phase, rhs: &'a [T], micro: &Microkernels<T>) -> Self {
        let (cin_each, cout_each) = (geometry.cin / geometry.groups, geometry.cout / geometry.groups);
        let depth = phase.taps() * cin_each;
        let (mut list, mut first, mut offset) = (Vec::new(), 0, 0);
        while first < cout_each {
            let left = cout_each - first;
            let vectors = left.div_ceil(micro.lanes).min(2);
            let used = left.min(vectors * micro.lanes);
            list.push(Panel { first, used, vectors, offset });
            offset += depth * vectors * micro.lanes;
            first += used;
        }
        let whole_vectors = cout_each.is_multiple_of(micro.lanes);
        if phase.whole && whole_vectors && geometry.batch * phase.outs() < MANY_WINDOWS {
            list.iter_mut().for_each(|panel| panel.offset = panel.first);
            return Self { data: rhs.into(), list, row: Some(geometry.cout), group: cout_each };
        }
        let taps = phase.kernel_indices(&geometry.kernel);
        let mut data = memory::with_capacity(offset * geometry.groups);
        for g in 0..geometry.groups {
            for &Panel { first, used, vectors, .. } in &list {
                for tap in &taps {
                    for ci in 0..cin_each {
                        let row = (tap * cin_each + ci) * geometry.cout + g * cout_each + first;
                        data.extend_from_slice(&rhs[row..row + used]);
                        data.resize(data.len() + vectors * micro.lanes - used, T::ZERO);
                    }
                }
            }
        }
        Self { data: data.into(), list, row: None, group: offset }
    }
}

/// Writes the outputs of a phase.
pub(super) fn forward<T: Number>(
    geometry: &Geometry,
    phase: &Phase,
    way: &Way<T>,
    lhs: &[T],
    rhs: &[T],
    out: &Output<T>,
    then: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let cout = geometry.cout;
    let work = geometry.batch * phase.outs() * phase.taps() * geometry.cin / geometry.groups * cout;
    // Each window is a sum of its own, so it may be in any band.
    let frames = Frames::new(geometry, phase, lhs, wanted(work));
    let places = Places::new(geometry, phase);
    let bands = |each: &(dyn Fn(&Band<T>) + Sync)| {
        for_each(
            frames.bands(),
            work,
            || (),
            |(), index| {
                scratch::with(|buffer| {
                    let band = frames.band(index, buffer);
                    each(&band);
                    if phase.whole {
                        // SAFETY: the windows of a band are no other's.
                        then(band.first * cout, unsafe { out.slice(band.first * cout, band.count * cout) });
                    }
                });
            },
        );
    };
    match way {
        Way::Tiles(micro) => {
            let panels = Panels::new(geometry, phase, rhs, micro);
            bands(&|band| tiles(geometry, micro, &frames, &panels, band, (&places, out)));
        }
        Way::Dots(micro) => {
            let weights = by_output_channel(geometry, phase, rhs, micro.lanes);
            bands(&|band| dots(geometry, micro, &frames, &weights, band, (&places, out)));
        }
    }
}

/// Where each of `count` windows from `first` on is; the last one fills up the rest.
fn pointers<T>(band: &Band<T>, windows: &[usize], first: usize, count: usize) -> [*const T; MAX_ROWS] {
    std::array::from_fn(|i| band.frame.wrapping_add(windows[first + i.min(count - 1)]))
}

fn tiles<T: Number>(
    geometry: &Geometry,
    micro: &Microkernels<T>,
    frames: &Frames<'_, T>,
    panels: &Panels<'_, T>,
    band: &Band<T>,
    (places, out): (&Places, &Output<T>),
) {
    let (groups, cout, m) = (geometry.groups, geometry.cout, micro.height(band.count));
    let (cin_each, cout_each) = (geometry.cin / groups, cout / groups);
    let mut spare = [T::ZERO; MAX_ROWS * MAX_COLUMNS];
    for g in 0..groups {
        for panel in &panels.list {
            let width = panel.vectors * micro.lanes;
            let weights = panels.data[g * panels.group + panel.offset..].as_ptr();
            for first in (0..band.count).step_by(m) {
                let count = m.min(band.count - first);
                let windows = pointers(band, &frames.windows, first, count)
                    .map(|window| window.wrapping_add(g * cin_each));
                let place = |i: usize| places.of(band.first + first + i) * cout + g * cout_each + panel.first;
                let whole = panel.used == width;
                let spares = spare.as_mut_ptr();
                let targets: [_; MAX_ROWS] = std::array::from_fn(|i| {
                    if i < count && whole { out.from(place(i)) } else { spares.wrapping_add(i * MAX_COLUMNS) }
                });
                let job = OuterProduct {
                    rows: &windows[..count],
                    segments: &frames.taps,
                    length: cin_each,
                    panel: weights,
                    panel_row: panels.row.unwrap_or(width),
                    out: &targets[..count],
                    accumulate: false,
                };
                // SAFETY: the frame has `cin_each` channels at every tap of its windows, the panel `width` weights for each
                // tap and channel, and every target takes `width` numbers: either spare ones, or an output of this band.
                unsafe { micro.outer_product[panel.vectors - 1][count - 1](&job) };
                if !whole {
                    for (i, row) in spare.as_chunks::<MAX_COLUMNS>().0.iter().take(count).enumerate() {
                        // SAFETY: windows have outputs of their own.
                        unsafe { out.slice(place(i), panel.used) }.copy_from_slice(&row[..panel.used]);
                    }
                }
            }
        }
    }
}

/// Weights of a phase as `[groups, taps, cout, cin]`, with zeros behind to fill up whole vectors.
fn by_output_channel<T: Number>(geometry: &Geometry, phase: &Phase, rhs: &[T], lanes: usize) -> Vec<T> {
    let (groups, cout) = (geometry.groups, geometry.cout);
    let (cin_each, cout_each) = (geometry.cin / groups, cout / groups);
    let padded = cin_each.next_multiple_of(lanes);
    let taps = phase.kernel_indices(&geometry.kernel);
    let mut weights = memory::with_capacity(groups * taps.len() * cout_each * padded);
    for channel in 0..groups {
        for tap in &taps {
            for co in channel * cout_each..(channel + 1) * cout_each {
                weights.extend((0..cin_each).map(|ci| rhs[(tap * cin_each + ci) * cout + co]));
                weights.resize(weights.len() + padded - cin_each, T::ZERO);
            }
        }
    }
    weights
}

fn dots<T: Number>(
    geometry: &Geometry,
    micro: &Microkernels<T>,
    frames: &Frames<'_, T>,
    weights: &[T],
    band: &Band<T>,
    (places, out): (&Places, &Output<T>),
) {
    let (groups, cout) = (geometry.groups, geometry.cout);
    let (cin_each, cout_each) = (geometry.cin / groups, cout / groups);
    let m = micro.packed_dot_rows[cout_each - 1];
    let mut spare = [T::ZERO; MAX_DOT_COLUMNS];
    for g in 0..groups {
        let weights = weights[g * (weights.len() / groups)..].as_ptr();
        for first in (0..band.count).step_by(m) {
            let count = m.min(band.count - first);
            let windows =
                pointers(band, &frames.windows, first, count).map(|window| window.wrapping_add(g * cin_each));
            let spare = spare.as_mut_ptr();
            let targets: [_; MAX_ROWS] = std::array::from_fn(|i| {
                let place = || places.of(band.first + first + i) * cout + g * cout_each;
                if i < count { out.from(place()) } else { spare }
            });
            let job = PackedDots {
                rows: &windows[..m],
                segments: &frames.taps,
                length: cin_each,
                columns: weights,
                out: &targets[..m],
            };
            // SAFETY: the frame has `cin_each` channels at every tap of its windows, the group weights for each tap and
            // channel, and every target takes `cout_each` numbers.
            unsafe { micro.packed_dots[cout_each - 1](&job) };
        }
    }
}
