//! What is made of convolutions: patches, kernels of each position's own, and the convolutions of signals.

use smallvec::smallvec;

use crate::array::{Aval, Shape};
use crate::core::op::DotDimensions;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result};
use crate::numpy::paired::methods;
use crate::ops::conv::{ConvLayout, ConvOptions};
use crate::ops::dot_general::DotOptions;
use crate::ops::{promoted, promoted_inexact, saturating_size};

/// How much of a convolution is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ConvolveMode {
    /// All that is not zero for certain: `m + n - 1` elements.
    #[default]
    Full,
    /// The middle of it.
    Same,
    /// Where the shorter signal lies inside of the longer one.
    Valid,
}

/// What is put around a signal, of a kernel of `size` elements; the middle is that of a signal of `kept` elements less.
fn padding(mode: ConvolveMode, size: usize, kept: usize) -> (isize, isize) {
    let (size, kept) = (size as isize, kept as isize);
    match mode {
        ConvolveMode::Full => (size - 1, size - 1),
        ConvolveMode::Same => (size - 1 - (kept - 1) / 2, size - kept + (kept - 1) / 2),
        ConvolveMode::Valid => (0, 0),
    }
}

/// The sums of products with a kernel at each position, over all axes.
#[track_caller]
fn windows(x: &Tensor, kernel: &Tensor, padding: Vec<(isize, isize)>) -> Result<Tensor> {
    let around = |x: &Tensor, before: usize| {
        let shape: Vec<usize> = std::iter::repeat_n(1, before).chain(x.shape().iter().copied()).collect();
        x.try_reshape([&shape[..], &[1; 2][before..]].concat())
    };
    let y = around(x, 1)?.try_conv_general(around(kernel, 0)?, &ConvOptions::new().padding(padding))?;
    y.try_reshape(&y.shape()[1..y.rank() - 1])
}

/// Two signals of one axis, the longer one first, and whether they changed places.
#[track_caller]
fn signals(op: &'static str, x: &Tensor, y: &Tensor) -> Result<(Tensor, Tensor, bool)> {
    let found = || format!("{:?} and {:?}", x.shape(), y.shape());
    if x.rank() != 1 || y.rank() != 1 || x.size() == 0 || y.size() == 0 {
        return Err(Error::shape(op, found(), "two vectors of at least one element"));
    }
    let [x, y] = promoted_inexact([x.clone(), y.clone()])?;
    if x.size() < y.size() { Ok((y, x, true)) } else { Ok((x, y, false)) }
}

/// Two signals of as many axes, the larger one first, and the sizes of the second as it was given.
#[track_caller]
fn fields(op: &'static str, x: &Tensor, y: &Tensor) -> Result<(Tensor, Tensor, Shape)> {
    let pairs = || x.shape().iter().zip(y.shape());
    let (keeps, swaps) = (pairs().all(|(a, b)| a >= b), pairs().all(|(a, b)| a <= b));
    if x.rank() != y.rank() || x.rank() == 0 || x.size() == 0 || y.size() == 0 || !(keeps || swaps) {
        let found = format!("{:?} and {:?}", x.shape(), y.shape());
        return Err(Error::shape(
            op,
            found,
            "signals of as many axes, one of which is the smaller along each",
        ));
    }
    let [x, y] = promoted_inexact([x.clone(), y.clone()])?;
    let second = y.shape().into();
    if swaps { Ok((y, x, second)) } else { Ok((x, y, second)) }
}

/// The products of patches `[batch, positions.., n]` with a matrix for each position, `[positions.., n, features]`.
#[track_caller]
pub(crate) fn times_each(patches: &Tensor, kernel: &Tensor, options: &DotOptions) -> Result<Tensor> {
    let rank = patches.rank();
    let (examples, positions, inputs) =
        (patches.shape()[0], &patches.shape()[1..rank - 1], patches.shape()[rank - 1]);
    let (count, features) = (positions.iter().product::<usize>(), kernel.shape()[rank - 1]);
    let dimensions =
        DotDimensions { contracting: (smallvec![2], smallvec![1]), batch: (smallvec![1], smallvec![0]) };
    let flat = patches.try_reshape([examples, count, inputs])?;
    let y = flat
        .try_dot_general_with(&kernel.try_reshape([count, inputs, features])?, dimensions, options)?
        .try_move_axis(0, 1)?;
    y.try_reshape([&[examples], positions, &[features]].concat())
}

#[track_caller]
fn reversed(x: &Tensor) -> Result<Tensor> {
    x.try_flip((0..x.rank() as isize).collect::<Vec<isize>>())
}

methods! {
    => "Convolutions of signals";
    /// The convolution of two vectors, `Σ self[i] · other[n - i]`, as `jax.numpy.convolve`. Integers give `F32`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::ConvolveMode;
    /// let x = Tensor::from([1.0f32, 2.0, 3.0]);
    /// let y = Tensor::from([1.0f32, 10.0]);
    /// assert_eq!(x.convolve(&y, ConvolveMode::Full).to_vec::<f32>()?, [1.0, 12.0, 23.0, 30.0]);
    /// assert_eq!(x.convolve(&y, ConvolveMode::Valid).to_vec::<f32>()?, [12.0, 23.0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    convolve try_convolve(other: &Tensor, mode: ConvolveMode) -> Tensor, fails
    "If they are not vectors of one element or more."
    |x| {
        let (x, y, _) = signals("convolve", x, other)?;
        windows(&x, &reversed(&y)?, vec![padding(mode, y.size(), y.size())])
    };

    /// The cross-correlation of two vectors, `Σ self[n + i] · other[i]`, as `jax.numpy.correlate`. Integers give `F32`.
    correlate try_correlate(other: &Tensor, mode: ConvolveMode) -> Tensor, fails
    "If they are not vectors of one element or more."
    |x| {
        let (x, y, swapped) = signals("correlate", x, other)?;
        let found = windows(&x, &y, vec![padding(mode, y.size(), y.size())])?;
        if swapped { reversed(&found) } else { Ok(found) }
    };

    /// The convolution over all axes, as `jax.scipy.signal.convolve`: with [`Same`](ConvolveMode::Same) it has the sizes of `self`.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::ConvolveMode;
    /// let x = Tensor::ones([4, 5]).convolve_nd(&Tensor::ones([3, 3]), ConvolveMode::Same);
    /// assert_eq!((x.shape(), x.to_vec::<f32>()?[0], x.to_vec::<f32>()?[6]), (&[4, 5][..], 4.0, 9.0));
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    #[doc(alias = "convolve")]
    #[doc(alias = "convolve2d")]
    convolve_nd try_convolve_nd(other: &Tensor, mode: ConvolveMode) -> Tensor, fails
    "If they have not as many axes, or neither is the smaller along each, or one has no elements."
    |x| {
        let (x, y, second) = fields("convolve_nd", x, other)?;
        let around = y.shape().iter().zip(&second).map(|(&size, &kept)| padding(mode, size, kept)).collect();
        windows(&x, &reversed(&y)?, around)
    };

    /// The cross-correlation over all axes, as `jax.scipy.signal.correlate`.
    #[doc(alias = "correlate")]
    correlate_nd try_correlate_nd(other: &Tensor, mode: ConvolveMode) -> Tensor, fails
    "If they have not as many axes, or neither is the smaller along each, or one has no elements."
    |x| {
        x.try_convolve_nd(&reversed(other)?, mode).map_err(|error| error.called("correlate_nd"))
    };

    /// What the windows of a convolution see, along the axis of channels: `jax.lax.conv_general_dilated_patches`.
    ///
    /// Of an input `[batch, spatial.., channels]` that is `[batch, positions.., channels · window size]`, with the channels outermost; with the layout
    /// [`ChannelsFirst`](ConvLayout::ChannelsFirst) the axes are `[batch, channels, spatial..]`. All other options are those of
    /// [`conv_general`](Tensor::conv_general); groups of channels there are none.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// let x = Tensor::from([[[1.0f32], [2.0], [3.0]]]);
    /// let patches = x.conv_patches([2], &ConvOptions::new());
    /// assert_eq!((patches.shape(), patches.to_vec::<f32>()?), (&[1, 2, 2][..], vec![1.0, 2.0, 2.0, 3.0]));
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    #[doc(alias = "conv_general_dilated_patches")]
    conv_patches try_conv_patches(window: impl AsRef<[usize]>, options: &ConvOptions) -> Tensor, fails
    "If the window has not an entry for each spatial axis, there are groups of channels, or the options are wrong for `conv_general`."
    |x| {
        const OP: &str = "conv_patches";
        let (window, rank) = (window.as_ref(), x.rank());
        if rank != window.len() + 2 {
            let expected = format!("{} axes: batch, channels, and one for each of the window", window.len() + 2);
            return Err(Error::shape(OP, x.aval().to_string(), expected));
        }
        if options.feature_groups != 1 {
            let message = format!("{} feature groups: each channel is one here", options.feature_groups);
            return Err(Error::argument(OP, message));
        }
        let is_last = options.layout == ConvLayout::ChannelsLast;
        let (channels, size) = (x.shape()[if is_last { rank - 1 } else { 1 }], saturating_size(window));
        Aval::unchecked([size, size.saturating_mul(channels)], x.dtype()).check_size(OP)?;
        if channels == 0 || size == 0 {
            return Err(Error::shape(OP, format!("{} and window {window:?}", x.aval()), "at least one channel and element"));
        }
        // For each channel on its own, a kernel for each of its elements that sees it and nothing else.
        let identity = Tensor::try_arange(0, size as i64, 1)?.try_one_hot(size, -1, x.dtype())?;
        let kernel = if is_last {
            identity.try_tile([1, channels])?.try_reshape([window, &[1, channels * size]].concat())?
        } else {
            identity.try_tile([channels, 1])?.try_reshape([&[channels * size, 1], window].concat())?
        };
        x.try_conv_general(kernel, &options.clone().feature_groups(channels))
    };

    /// The convolution with a kernel of its own for each position: `jax.lax.conv_general_dilated_local`.
    ///
    /// Of an input `[batch, spatial.., channels]` and a kernel `[positions.., channels · window size, features]` that is
    /// `[batch, positions.., features]`; the channels are the outer ones, as in [`conv_patches`](Tensor::conv_patches). With the layout
    /// [`ChannelsFirst`](ConvLayout::ChannelsFirst) the kernel is `[features, channels · window size, positions..]`, and input and result
    /// have their channels second.
    #[doc(alias = "conv_general_dilated_local")]
    conv_local try_conv_local(kernel: impl TensorLike, window: impl AsRef<[usize]>, options: &ConvOptions) -> Tensor, fails
    "If the sizes do not fit, or as for `conv_patches`."
    |x| {
        const OP: &str = "conv_local";
        let [patches, kernel] = promoted([x.try_conv_patches(window, options)?, kernel.operand()?])?;
        let is_last = options.layout == ConvLayout::ChannelsLast;
        let rank = patches.rank();
        let fits = kernel.rank() == rank && {
            let (positions, inputs) = if is_last { (1..rank - 1, rank - 2) } else { (2..rank, 1) };
            let of_kernel = if is_last { 0..rank - 2 } else { 2..rank };
            let channels = patches.shape()[if is_last { rank - 1 } else { 1 }];
            kernel.shape()[of_kernel] == patches.shape()[positions] && kernel.shape()[inputs] == channels
        };
        if !fits {
            let found = format!("kernel {} for patches {}", kernel.aval(), patches.aval());
            return Err(Error::shape(OP, found, "a kernel for each position, of as many rows as its patch has elements"));
        }
        let (patches, kernel) = if is_last {
            (patches, kernel)
        } else {
            (patches.try_move_axis(1, -1)?, kernel.try_move_axis(1, -1)?.try_move_axis(0, -1)?)
        };
        let of_product = DotOptions::new().precision(options.precision.clone());
        let y = times_each(&patches, &kernel, &of_product)?;
        if is_last { Ok(y) } else { y.try_move_axis(-1, 1) }
    };
}
