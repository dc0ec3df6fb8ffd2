//! The derivative of cumulative maxima and minima.
//!
//! Ties are shared as JAX shares them, which computes the maxima by a tree: the maxima of the pairs are scanned likewise,
//! which gives those at odd positions, and each of them and the element behind it give one at an even position. Every maximum of
//! two on the way gives half of its derivative to either at a tie, and none for NaN.

use smallvec::SmallVec;

use crate::core::Tensor;
use crate::error::Result;
use crate::kernels::reduce::Direction;
use crate::ops::elementwise::share;
use crate::ops::pad::pad_general;
use crate::ops::slice;

/// The gradient of `x`, from its cumulative extremes `y` along an axis and their gradient.
#[track_caller]
pub(super) fn gradient(
    [x, y, ct]: [&Tensor; 3],
    largest: bool,
    axis: usize,
    direction: Direction,
) -> Result<Tensor> {
    let tree = Tree { largest, axis };
    if direction == Direction::Forward {
        return tree.gradient(x, y, ct);
    }
    let flipped = |x: &Tensor| slice::reversed(x, &[axis]);
    flipped(&tree.gradient(&flipped(x)?, &flipped(y)?, &flipped(ct)?)?)
}

struct Tree {
    largest: bool,
    axis: usize,
}

impl Tree {
    fn size(&self, x: &Tensor) -> usize {
        x.shape()[self.axis]
    }

    /// Every second element, from a position on.
    #[track_caller]
    fn every_second(&self, x: &Tensor, first: usize) -> Result<Tensor> {
        let count = self.size(x).saturating_sub(first).div_ceil(2);
        slice::every(x, self.axis, first, count, 2)
    }

    #[track_caller]
    fn part(&self, x: &Tensor, first: usize, count: usize) -> Result<Tensor> {
        slice::part(x, self.axis, first, count)
    }

    /// The elements with `between` zeros between them, from `first` on, and zeros up to a size.
    #[track_caller]
    fn spread(&self, x: &Tensor, first: usize, between: usize, size: usize) -> Result<Tensor> {
        let own = self.size(x);
        let taken = first + own + own.saturating_sub(1) * between;
        let mut around: SmallVec<[(isize, isize, usize); 4]> = SmallVec::from_elem((0, 0, 0), x.rank());
        around[self.axis] = (first as isize, size as isize - taken as isize, between);
        pad_general(x, x.like(0.0), around)
    }

    #[track_caller]
    fn gradient(&self, x: &Tensor, y: &Tensor, ct: &Tensor) -> Result<Tensor> {
        let size = self.size(x);
        if size < 2 {
            return Ok(ct.clone());
        }
        let pairs = size / 2;
        let (even, odd) = (self.every_second(x, 0)?, self.every_second(x, 1)?);
        let (left, rest) = (self.part(&even, 0, pairs)?, self.size(&even) - 1);
        let at_odd = self.every_second(y, 1)?;
        // The extremes at even positions behind the first: of the one before and the element itself.
        let (before, here, out) =
            (self.part(&at_odd, 0, rest)?, self.part(&even, 1, rest)?, self.every_second(y, 2)?);
        let ct_even = self.every_second(ct, 0)?;
        let ct_rest = self.part(&ct_even, 1, rest)?;
        let to_before = ct_rest.try_mul(share(&before, &here, &out))?;
        let to_here = ct_rest.try_mul(share(&here, &before, &out))?;
        let ct_odd = self.every_second(ct, 1)?.try_add(self.spread(&to_before, 0, 0, pairs)?)?;
        // Those at odd positions are the cumulative extremes of the pairs.
        let pair = if self.largest { left.try_maximum(&odd)? } else { left.try_minimum(&odd)? };
        let ct_pair = self.gradient(&pair, &at_odd, &ct_odd)?;
        let to_left = ct_pair.try_mul(share(&left, &odd, &pair))?;
        let to_odd = ct_pair.try_mul(share(&odd, &left, &pair))?;
        let first = self.spread(&self.part(&ct_even, 0, 1)?, 0, 0, rest + 1)?;
        let to_even = first.try_add(self.spread(&to_here, 1, 0, rest + 1)?)?.try_add(self.spread(
            &to_left,
            0,
            0,
            rest + 1,
        )?)?;
        self.spread(&to_even, 0, 1, size)?.try_add(self.spread(&to_odd, 1, 1, size)?)
    }
}
