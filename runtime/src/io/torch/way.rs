//! Ways from a tensor of PyTorch to one of ours: steps that only move numbers, so that each can be undone.

use std::fmt;

use super::layout::text;
use crate::array::Shape;
use crate::core::Tensor;

/// Steps from one shape to another one.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// The tensor may be one of several that lie below each other in one of PyTorch.
    part: Option<Part>,
    steps: Vec<Step>,
    /// The shape at the end.
    shape: Shape,
}

/// One of so many equal parts of the first axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) index: usize,
    pub(super) of: usize,
}

#[derive(Clone, Debug)]
enum Step {
    Transpose(Vec<usize>),
    /// To another shape, and from which one.
    Reshape(Shape, Shape),
    Flip(Vec<isize>),
}

impl Way {
    /// The way that leaves a tensor of a shape as it is.
    pub(super) fn of(shape: &[usize]) -> Way {
        Way { part: None, steps: vec![], shape: shape.into() }
    }

    /// The ways to the parts of the first axis of a tensor of a shape, whose size there is a multiple of their number.
    pub(super) fn parts(shape: &[usize], of: usize) -> impl Iterator<Item = Way> {
        let mut part: Shape = shape.into();
        part[0] /= of;
        (0..of).map(move |index| Way { part: Some(Part { index, of }), steps: vec![], shape: part.clone() })
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(super) fn part(&self) -> Option<Part> {
        self.part
    }

    /// Puts axes into another order.
    pub(super) fn transpose(mut self, axes: impl IntoIterator<Item = usize>) -> Way {
        let axes: Vec<usize> = axes.into_iter().collect();
        if !axes.iter().copied().eq(0..self.shape.len()) {
            self.shape = axes.iter().map(|&axis| self.shape[axis]).collect();
            self.steps.push(Step::Transpose(axes));
        }
        self
    }

    /// Swaps the axes of a matrix.
    pub(super) fn t(self) -> Way {
        self.transpose([1, 0])
    }

    /// Gives a shape of as many elements.
    pub(super) fn reshape(mut self, shape: &[usize]) -> Way {
        if *self.shape != *shape {
            let from = std::mem::replace(&mut self.shape, shape.into());
            self.steps.push(Step::Reshape(shape.into(), from));
        }
        self
    }

    /// Turns axes around.
    pub(super) fn flip(mut self, axes: impl IntoIterator<Item = usize>) -> Way {
        self.steps.push(Step::Flip(axes.into_iter().map(|axis| axis as isize).collect()));
        self
    }

    /// Our tensor of one of PyTorch's.
    pub(super) fn forward(&self, theirs: &Tensor) -> Result<Tensor, String> {
        let mut tensor = match self.part {
            None => theirs.clone(),
            Some(Part { index, of }) => {
                let size = theirs.shape().first().map_or(0, |rows| rows / of);
                text(theirs.try_slice_axis(0, index * size..(index + 1) * size))?
            }
        };
        for step in &self.steps {
            tensor = text(match step {
                Step::Transpose(axes) => {
                    tensor.try_transpose(axes.iter().map(|&axis| axis as isize).collect::<Vec<_>>())
                }
                Step::Reshape(to, _) => tensor.try_reshape(to),
                Step::Flip(axes) => tensor.try_flip(axes),
            })?;
        }
        Ok(tensor)
    }

    /// PyTorch's tensor of one of ours, or its part.
    pub(super) fn backward(&self, ours: &Tensor) -> Result<Tensor, String> {
        let mut tensor = ours.clone();
        for step in self.steps.iter().rev() {
            tensor = text(match step {
                Step::Transpose(axes) => {
                    let mut inverse = vec![0; axes.len()];
                    axes.iter().enumerate().for_each(|(to, &from)| inverse[from] = to as isize);
                    tensor.try_transpose(inverse)
                }
                Step::Reshape(_, from) => tensor.try_reshape(from),
                Step::Flip(axes) => tensor.try_flip(axes),
            })?;
        }
        Ok(tensor)
    }

    /// The way to a wanted shape, if only axes of size 1 come or go, or, where `regroup` says so, axes are split or merged.
    pub(super) fn fitted(self, wanted: &[usize], regroup: bool) -> Way {
        let without_ones = |shape: &[usize]| -> Shape { shape.iter().copied().filter(|&n| n != 1).collect() };
        let (ours, theirs) = (without_ones(&self.shape), without_ones(wanted));
        let fits = ours == theirs || regroup && (refines(&ours, &theirs) || refines(&theirs, &ours));
        if fits { self.reshape(wanted) } else { self }
    }
}

/// Whether each axis of one shape is the product of neighbouring axes of the other one, in order.
fn refines(fine: &[usize], coarse: &[usize]) -> bool {
    let mut fine = fine.iter();
    let all = coarse.iter().all(|&wanted| {
        let mut size = 1usize;
        while size < wanted {
            match fine.next() {
                Some(&next) => size = size.saturating_mul(next),
                None => return false,
            }
            if size == 0 {
                return false;
            }
        }
        size == wanted && wanted > 0
    });
    all && fine.next().is_none()
}

/// What is done, in words; nothing for what stays as it is.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = self.part.filter(|part| part.of > 1);
        let part = part.map(|Part { index, of }| format!("part {} of {of}", index + 1));
        let steps = self.steps.iter().map(|step| match step {
            Step::Transpose(axes) if axes.len() == 2 => "transposed".to_owned(),
            Step::Transpose(axes) => format!("axes {axes:?}"),
            Step::Reshape(to, _) => format!("reshaped to {to:?}"),
            Step::Flip(axes) => format!("flipped along {axes:?}"),
        });
        let words: Vec<String> = part.into_iter().chain(steps).collect();
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_same(found: &Tensor, expected: &Tensor) {
        assert_eq!(found.shape(), expected.shape());
        assert_eq!(found.to_vec::<i32>().unwrap(), expected.to_vec::<i32>().unwrap());
    }

    #[test]
    fn every_way_back_gives_what_there_was() {
        let theirs = Tensor::arange(0, 48, 1).reshape([4, 3, 2, 2]);
        let ways = [
            Way::of(&[4, 3, 2, 2]),
            Way::of(&[4, 3, 2, 2]).transpose([2, 3, 1, 0]).flip([0, 1]),
            Way::of(&[4, 3, 2, 2]).transpose([1, 2, 3, 0]).reshape(&[6, 8]).t().fitted(&[8, 2, 3], true),
        ];
        for way in ways {
            let ours = way.forward(&theirs).unwrap();
            assert_eq!(ours.shape(), way.shape());
            assert_same(&way.backward(&ours).unwrap(), &theirs);
        }
        let parts: Vec<Tensor> = Way::parts(theirs.shape(), 2)
            .map(|way| {
                let way = way.transpose([3, 2, 1, 0]);
                way.backward(&way.forward(&theirs).unwrap()).unwrap()
            })
            .collect();
        assert_same(&Tensor::try_concatenate(&parts, 0).unwrap(), &theirs);
    }

    #[test]
    fn shapes_fit_if_ones_come_or_go_and_if_neighbouring_axes_are_regrouped_where_that_is_said() {
        let fits = |from: &[usize], to: &[usize], regroup| Way::of(from).fitted(to, regroup).shape() == to;
        assert!(
            fits(&[512, 1, 1, 8], &[512, 1, 8], false)
                && fits(&[1], &[], false)
                && fits(&[3], &[1, 3], false)
        );
        assert!(
            fits(&[6, 12], &[6, 3, 4], true)
                && fits(&[6, 3, 4], &[6, 12], true)
                && fits(&[12], &[1, 12], true)
        );
        assert!(
            !fits(&[6, 12], &[6, 3, 4], false)
                && !fits(&[6, 4], &[4, 6], true)
                && !fits(&[6, 4], &[3, 8], true)
        );
        assert!(!fits(&[0, 4], &[4, 0], true) && !fits(&[0], &[0, 5], true) && !fits(&[2, 3], &[6, 0], true));
    }
}
