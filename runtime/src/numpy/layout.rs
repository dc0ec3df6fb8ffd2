//! Elements in other places: mirrored, turned, repeated.

use super::paired::methods;
use crate::array::Shape;
use crate::core::Tensor;
use crate::error::Error;
use crate::ops::{axes_of, saturating_size};

methods! {
    => "Axes as in NumPy";
    /// The columns in reverse order: mirrored along the second axis.
    fliplr try_fliplr() -> Tensor, fails "If there are fewer than two axes."
    |x| x.try_flip([1]).map_err(|error| error.called("fliplr"));

    /// The rows in reverse order: mirrored along the first axis.
    flipud try_flipud() -> Tensor, fails "If there are no axes."
    |x| x.try_flip([0]).map_err(|error| error.called("flipud"));

    /// Turned `k` times by 90°, from the first of two axes towards the second.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[1i32, 2], [3, 4]]);
    /// assert_eq!(x.rot90(1, [0, 1]).to_vec::<i32>()?, [2, 4, 1, 3]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    rot90 try_rot90(k: isize, axes: [isize; 2]) -> Tensor, fails "If there are no two such axes."
    |x| {
        axes_of("rot90", &axes, x.rank())?;
        match k.rem_euclid(4) {
            0 => Ok(x.clone()),
            1 => x.try_flip([axes[1]])?.try_swap_axes(axes[0], axes[1]),
            2 => x.try_flip(axes),
            _ => x.try_swap_axes(axes[0], axes[1])?.try_flip([axes[1]]),
        }
    };

    /// The elements in their order under another shape, from the beginning again where they do not fill it, as `jnp.resize`.
    ///
    /// What does not fit is left out, and what has no elements gives zeros. That of images is a function of its own.
    resize try_resize(shape: impl AsRef<[usize]>) -> Tensor, fails "If the shape overflows the address space."
    |x| {
        let (shape, size) = (shape.as_ref(), saturating_size(shape.as_ref()));
        if x.size() == 0 || size == 0 {
            return crate::ops::zeros_of(&x.aval().with_shape(shape));
        }
        let repeated = x.try_flatten(0)?.try_tile([size.div_ceil(x.size())])?;
        crate::ops::slice::part(&repeated, 0, 0, size)?.try_reshape(shape)
    };

    /// The axes from `start` up to, without, `stop` merged into one, as `lax.collapse`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// assert_eq!(Tensor::zeros([2, 3, 4, 5]).collapse(1, 3).shape(), [2, 12, 5]);
    /// ```
    collapse try_collapse(start: usize, stop: usize) -> Tensor, fails "If the axes are not in ascending order, or not there."
    |x| {
        if start > stop || stop > x.rank() {
            let message = format!("axes {start}..{stop} of a tensor with {} axes", x.rank());
            return Err(Error::argument("collapse", message));
        }
        let mut shape: Shape = x.shape()[..start].into();
        shape.push(x.shape()[start..stop].iter().product());
        shape.extend(x.shape()[stop..].iter().copied());
        x.try_reshape(&shape)
    };

    /// The tensor in a larger shape, whose axis `axes[i]` is its axis `i`, as `lax.broadcast_in_dim`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([1i32, 2]).broadcast_in_dim([2, 3], [0]);
    /// assert_eq!(x.to_vec::<i32>()?, [1, 1, 1, 2, 2, 2]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    broadcast_in_dim try_broadcast_in_dim(shape: impl AsRef<[usize]>, axes: impl AsRef<[usize]>) -> Tensor,
    fails "If there is not one ascending axis of the shape for each axis, or a size does not broadcast."
    |x| {
        let (shape, axes) = (shape.as_ref(), axes.as_ref());
        let fits = axes.len() == x.rank()
            && axes.is_sorted_by(|a, b| a < b)
            && axes.last().is_none_or(|&axis| axis < shape.len());
        if !fits {
            let found = format!("axes {axes:?} of shape {shape:?} for {:?}", x.shape());
            return Err(Error::shape("broadcast_in_dim", found, "an axis for each, in ascending order"));
        }
        let mut sizes = Shape::from_elem(1, shape.len());
        for (&axis, &size) in axes.iter().zip(x.shape()) {
            sizes[axis] = size;
        }
        x.try_reshape(&sizes)?.try_broadcast_to(shape).map_err(|error| error.called("broadcast_in_dim"))
    };
}
