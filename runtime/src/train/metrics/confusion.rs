//! Which classes are taken for which.

use std::fmt;

use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::tree::Tree;

/// How often examples of each class were taken for each class: rows are labels, columns predictions.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::train::metrics::Confusion;
///
/// let confusion = Confusion::of(&Tensor::from([0, 1, 1, 2]), &Tensor::from([0, 1, 2, 2]), 3)?;
/// assert_eq!(confusion.counts.to_vec::<f32>()?, [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
/// assert_eq!(confusion.recall()?.to_vec::<f32>()?, [1.0, 0.5, 1.0]);
/// assert_eq!(confusion.precision()?.to_vec::<f32>()?, [1.0, 1.0, 0.5]);
/// println!("{confusion}");
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, Tree)]
pub struct Confusion {
    /// `F32[classes, classes]`, exact up to 16 million of a pair.
    pub counts: Tensor,
}

impl Confusion {
    /// Of labels and predictions, integers of one shape from 0 to `classes` − 1; others are left out.
    ///
    /// # Errors
    /// If they are no integers of one shape.
    pub fn of(labels: &Tensor, predictions: &Tensor, classes: usize) -> Result<Confusion> {
        if labels.shape() != predictions.shape()
            || !labels.dtype().is_integer()
            || !predictions.dtype().is_integer()
        {
            let found = format!("{} and {}", labels.aval(), predictions.aval());
            return Err(Error::shape(
                "Confusion::of",
                found,
                "labels and predictions, integers of one shape",
            ));
        }
        // As a product of the two in one-hot form, which runs under every transform and on every device.
        let rows = labels.try_reshape(-1)?.try_one_hot(classes, -1, DType::F32)?;
        let columns = predictions.try_reshape(-1)?.try_one_hot(classes, -1, DType::F32)?;
        Ok(Confusion { counts: rows.try_transpose([1, 0])?.try_matmul(&columns)? })
    }

    /// The part of examples on the diagonal, `F32[]`.
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    pub fn accuracy(&self) -> Result<Tensor> {
        self.right()?.try_sum()?.try_div(self.counts.try_sum()?)
    }

    /// By class, the part of its examples that were found, `F32[classes]`; NaN of none.
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    pub fn recall(&self) -> Result<Tensor> {
        self.right()?.try_div(self.counts.try_sum_axes(1)?)
    }

    /// By class, the part of what was taken for it that is of it, `F32[classes]`; NaN of nothing.
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    pub fn precision(&self) -> Result<Tensor> {
        self.right()?.try_div(self.counts.try_sum_axes(0)?)
    }

    /// By class, the harmonic mean of precision and recall, `F32[classes]`.
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    pub fn f1(&self) -> Result<Tensor> {
        let both = self.counts.try_sum_axes(0)?.try_add(self.counts.try_sum_axes(1)?)?;
        self.right()?.try_mul(2.0)?.try_div(both)
    }

    fn right(&self) -> Result<Tensor> {
        self.counts.try_diagonal()
    }
}

/// A table: a row for each label, a column for each prediction, zeros as dots.
impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Ok(counts), [classes, _]) = (self.counts.to_vec::<f32>(), self.counts.shape()) else {
            return write!(f, "{}", self.counts);
        };
        let text = |count: &f32| if *count == 0.0 { "·".to_owned() } else { format!("{count}") };
        let cells: Vec<String> = counts.iter().map(text).collect();
        let headers: Vec<String> = (0..*classes).map(|class| class.to_string()).collect();
        let width = cells.iter().chain(&headers).map(|cell| cell.chars().count()).max().unwrap_or(1);
        let first = headers.last().map_or(1, String::len);
        let row = |cells: &[String]| {
            cells.iter().fold(String::new(), |line, cell| format!("{line} {cell:>width$}"))
        };
        write!(f, "{:first$}{}", "", row(&headers))?;
        for (class, cells) in headers.iter().zip(cells.chunks((*classes).max(1))) {
            write!(f, "\n{class:>first$}{}", row(cells))?;
        }
        Ok(())
    }
}
