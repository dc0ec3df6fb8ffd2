//! The short-time Fourier transform and its inverse, as `jax.scipy.signal`.

use std::f64::consts::PI;

use super::fft::{Norm, try_fft, try_fftfreq, try_ifft, try_irfft, try_rfft, try_rfftfreq};
use super::tapers::{BLACKMAN, HAMMING, cosines, kaiser_at, triangle, weights};
use crate::array::DType;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result, unwrap};
use crate::ops::create::iota;
use crate::ops::pad::PadMode;
use crate::ops::range::Slice;
use crate::ops::{axis_of, convert};

/// The weights of a piece of a signal, periodic as those of `scipy.signal.get_window`: the next piece goes on where one ends.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Window {
    /// `sin²(πi/n)`.
    #[default]
    Hann,
    /// `0.54 − 0.46 cos(2πi/n)`.
    Hamming,
    /// `0.42 − 0.5 cos(2πi/n) + 0.08 cos(4πi/n)`.
    Blackman,
    /// A triangle from 0 to 1 and back.
    Bartlett,
    /// Ones.
    Boxcar,
    /// The Kaiser window with this `beta`.
    Kaiser(f64),
    /// These weights, one for each element of a piece.
    Weights(Tensor),
}

impl Window {
    fn of(&self, op: &'static str, count: usize) -> Result<Tensor> {
        Ok(match self {
            Window::Hann => weights(count, count, |t| (PI * t).sin().powi(2)),
            Window::Hamming => weights(count, count, |t| cosines(t, HAMMING)),
            Window::Blackman => weights(count, count, |t| cosines(t, BLACKMAN)),
            Window::Bartlett => weights(count, count, triangle),
            Window::Boxcar => weights(count, count, |_| 1.0),
            Window::Kaiser(beta) => weights(count, count, |t| kaiser_at(t, *beta)),
            Window::Weights(given) if given.shape() == [count] => given.clone(),
            Window::Weights(given) => {
                let found = format!("{:?}", given.shape());
                return Err(Error::shape(
                    op,
                    found,
                    format!("{count} weights, one for each element of a piece"),
                ));
            }
        })
    }
}

/// What a signal is continued with at both ends, by half a piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Boundary {
    /// Zeros.
    #[default]
    Zeros,
    /// The signal backwards.
    Even,
    /// The signal backwards and upside down, about its last element.
    Odd,
    /// Its last element.
    Constant,
    /// Nothing.
    None,
}

/// The settings of [`stft`] and [`istft`], with the defaults of JAX.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::signal::{StftOptions, istft, stft};
///
/// let x = Tensor::linspace(0.0, 20.0, 400).sin();
/// let options = StftOptions::new().nperseg(64);
/// let (_, times, spectrum) = stft(&x, &options);
/// assert_eq!(spectrum.shape(), [33, times.size()]);
/// let (_, back) = istft(&spectrum, &options);
/// assert!((back.slice_axis(0, 0..400) - x).abs().max().item::<f32>()? < 1e-5);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StftOptions {
    /// Elements of the signal in a unit of time; 1 by default.
    pub fs: f64,
    /// The weights of a piece.
    pub window: Window,
    /// The elements of a piece; by default 256 for [`stft`], or all if there are fewer, and what the spectrum says for [`istft`].
    pub nperseg: Option<usize>,
    /// The elements that a piece shares with the next one; half of them by default.
    pub noverlap: Option<usize>,
    /// The length of transforms, for which pieces are followed by zeros; that of a piece by default.
    pub nfft: Option<usize>,
    /// Whether the mean of each piece is taken away first, of [`stft`]; not by default.
    pub detrend: bool,
    /// Whether the spectrum of a real signal has half of the frequencies, of which the others are conjugates; by default it has. That
    /// of a complex signal has all.
    pub onesided: bool,
    /// How the signal is continued at both ends, and whether [`istft`] takes that away again.
    pub boundary: Boundary,
    /// Whether zeros follow the signal so that pieces cover it; by default they do.
    pub padded: bool,
    /// The axis of time of the signal; the last one by default.
    pub axis: isize,
    /// The axis of frequencies of the spectrum that [`istft`] is given; the last but one by default.
    pub freq_axis: isize,
    /// The axis of times of the spectrum that [`istft`] is given; the last one by default.
    pub time_axis: isize,
}

impl Default for StftOptions {
    fn default() -> StftOptions {
        StftOptions {
            fs: 1.0,
            window: Window::Hann,
            nperseg: None,
            noverlap: None,
            nfft: None,
            detrend: false,
            onesided: true,
            boundary: Boundary::Zeros,
            padded: true,
            axis: -1,
            freq_axis: -2,
            time_axis: -1,
        }
    }
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty => $value:expr;)*) => {
        impl StftOptions {
            /// The defaults.
            pub fn new() -> StftOptions {
                StftOptions::default()
            }

            $($(#[$doc])*
            pub fn $name(self, $name: $type) -> StftOptions {
                StftOptions { $name: $value, ..self }
            })*
        }
    };
}

settings! {
    /// Sets how many elements there are in a unit of time.
    fs: f64 => fs;
    /// Sets the weights of a piece.
    window: Window => window;
    /// Sets the elements of a piece.
    nperseg: usize => Some(nperseg);
    /// Sets the elements that a piece shares with the next one.
    noverlap: usize => Some(noverlap);
    /// Sets the length of transforms.
    nfft: usize => Some(nfft);
    /// Sets whether the mean of each piece is taken away first.
    detrend: bool => detrend;
    /// Sets whether the spectrum has half of the frequencies.
    onesided: bool => onesided;
    /// Sets how the signal is continued at both ends.
    boundary: Boundary => boundary;
    /// Sets whether zeros follow the signal so that pieces cover it.
    padded: bool => padded;
    /// Sets the axis of time of the signal.
    axis: isize => axis;
    /// Sets the axis of frequencies of the spectrum.
    freq_axis: isize => freq_axis;
    /// Sets the axis of times of the spectrum.
    time_axis: isize => time_axis;
}

/// The length of pieces, the distance between them, and the length of transforms.
struct Pieces {
    size: usize,
    step: usize,
    length: usize,
}

impl StftOptions {
    fn pieces(&self, op: &'static str, size: usize, length: usize) -> Result<Pieces> {
        let overlap = self.noverlap.unwrap_or(size / 2);
        let wrong = |message: String| Err(Error::argument(op, message));
        if size == 0 {
            return wrong("expects at least 1 as `nperseg`, found 0".to_owned());
        }
        if overlap >= size {
            return wrong(format!("expects less than `nperseg`, {size}, as `noverlap`, found {overlap}"));
        }
        if length < size {
            return wrong(format!("expects at least `nperseg`, {size}, as `nfft`, found {length}"));
        }
        Ok(Pieces { size, step: size - overlap, length })
    }
}

/// The spectra of overlapping pieces of a signal: their frequencies `[F]` and times `[T]`, both `F32`, and the spectra, `C64`, whose axis
/// of frequencies is where that of time was, and whose last axis is that of times, as `jax.scipy.signal.stft`.
///
/// Each piece is multiplied by a window, and the spectrum divided by the sum of that.
///
/// # Panics
/// If there is no such axis, or settings do not fit each other or the signal.
#[track_caller]
pub fn stft(x: impl TensorLike, options: &StftOptions) -> (Tensor, Tensor, Tensor) {
    unwrap(try_stft(x, options))
}

/// As [`stft`].
///
/// # Errors
/// If there is no such axis, or settings do not fit each other or the signal.
#[track_caller]
pub fn try_stft(x: impl TensorLike, options: &StftOptions) -> Result<(Tensor, Tensor, Tensor)> {
    let (op, x) = ("stft", x.operand()?);
    let at = axis_of(op, options.axis, x.rank())?;
    let x = if x.is_complex() { x } else { convert(&x, DType::F32, false)? };
    let given = match &options.window {
        Window::Weights(given) => options.nperseg.unwrap_or(given.size()),
        _ => options.nperseg.unwrap_or(256).min(x.shape()[at]),
    };
    let Pieces { size, step, length } = options.pieces(op, given, options.nfft.unwrap_or(given))?;
    let rows = extended(&x.try_move_axis(at as isize, -1)?, size / 2, options.boundary)?;
    let last = rows.rank() - 1;
    if rows.shape()[last] < size {
        let found = format!("{} elements", rows.shape()[last]);
        return Err(Error::shape(op, found, format!("at least a piece of {size}")));
    }
    let missing = (rows.shape()[last] - size).next_multiple_of(step) + size - rows.shape()[last];
    let rows = if options.padded && missing % size > 0 {
        crate::ops::complex::padded_to(&rows, -1, rows.shape()[last] + missing % size)?
    } else {
        rows
    };
    let total = rows.shape()[last];
    let count = (total - size) / step + 1;

    // Every piece, as a row of its own: [.., T, size].
    let starts = iota([count, 1], DType::I32, 0)?.try_mul(step as i64)?;
    let pieces = rows.try_take(starts.try_add(iota([1, size], DType::I32, 1)?)?, -1)?;
    let pieces = if options.detrend { pieces.try_sub(pieces.try_mean_keep([-1])?)? } else { pieces };
    let window = options.window.of(op, size)?;
    let weighted = pieces.try_mul(&window)?;
    let onesided = options.onesided && !x.is_complex();
    let spectra = if onesided {
        try_rfft(weighted, length, -1, Norm::Backward)?
    } else {
        try_fft(weighted, length, -1, Norm::Backward)?
    };
    let spectra = spectra.try_div(window.try_sum()?.try_abs()?)?.try_move_axis(-1, -2)?;
    // The axis of frequencies goes to where that of time was, that of times stays last.
    let spectra = if at == last { spectra } else { spectra.try_move_axis(-2, at as isize)? };
    let frequencies = if onesided {
        try_rfftfreq(length, 1.0 / options.fs)?
    } else {
        try_fftfreq(length, 1.0 / options.fs)?
    };
    let first = if options.boundary == Boundary::None { size as f64 / 2.0 } else { 0.0 };
    let times = iota([count], DType::F32, 0)?.try_mul(step as f64)?.try_add(first)?.try_div(options.fs)?;
    Ok((frequencies, times, spectra))
}

/// The last axis, continued by so many elements at both ends.
#[track_caller]
fn extended(x: &Tensor, by: usize, boundary: Boundary) -> Result<Tensor> {
    let last = x.rank() - 1;
    let mut widths = vec![(0, 0); x.rank()];
    widths[last] = (by, by);
    match boundary {
        Boundary::None => Ok(x.clone()),
        Boundary::Zeros => x.try_pad(widths, x.like(0.0)),
        Boundary::Constant => x.try_pad_mode(widths, PadMode::Edge),
        Boundary::Even => x.try_pad_mode(widths, PadMode::Reflect),
        Boundary::Odd => {
            let end = |range: Slice| x.try_slice_axis(-1, range)?.try_mul(2.0);
            let mirrored = x.try_pad_mode(widths, PadMode::Reflect)?;
            let part = |from: usize, to: usize| mirrored.try_slice_axis(-1, from..to);
            let size = x.shape()[last];
            let before = end((..1).into())?.try_sub(part(0, by)?)?;
            let after = end((-1..).into())?.try_sub(part(by + size, 2 * by + size)?)?;
            Tensor::try_concatenate(&[before, x.clone(), after], -1)
        }
    }
}

/// The signal of spectra that [`stft`] gave with the same settings, behind its times `[N]`, as `jax.scipy.signal.istft`.
///
/// Overlapping pieces are added up, and divided by the sum of the squares of their windows, so that what no window lets through, and
/// only that, is lost. The result may be longer than the signal, by the zeros that followed it.
///
/// # Panics
/// If an axis is not there, or settings do not fit each other or the spectra.
#[track_caller]
pub fn istft(spectra: impl TensorLike, options: &StftOptions) -> (Tensor, Tensor) {
    unwrap(try_istft(spectra, options))
}

/// As [`istft`].
///
/// # Errors
/// If an axis is not there, or settings do not fit each other or the spectra.
#[track_caller]
pub fn try_istft(spectra: impl TensorLike, options: &StftOptions) -> Result<(Tensor, Tensor)> {
    let (op, z) = ("istft", spectra.operand()?);
    let (frequency, time) =
        (axis_of(op, options.freq_axis, z.rank())?, axis_of(op, options.time_axis, z.rank())?);
    if frequency == time {
        return Err(Error::argument(op, format!("axis {time} cannot be that of times and of frequencies")));
    }
    let bins = z.shape()[frequency];
    let whole = if options.onesided { 2 * bins.saturating_sub(1) } else { bins };
    let size = options.nperseg.unwrap_or(whole);
    // Half a spectrum does not say whether the length was odd.
    let odd = options.onesided && size == whole + 1;
    let Pieces { size, step, length } =
        options.pieces(op, size, options.nfft.unwrap_or(whole + usize::from(odd)))?;

    // [.., T, F], with the axes of the signal in front as they were.
    let others = (0..z.rank()).filter(|axis| ![frequency, time].contains(axis));
    let order: Vec<isize> = others.chain([time, frequency]).map(|axis| axis as isize).collect();
    let rows = z.try_transpose(order)?;
    let pieces = if options.onesided {
        try_irfft(rows, length, -1, Norm::Backward)?
    } else {
        try_ifft(rows, length, -1, Norm::Backward)?
    };
    let window = options.window.of(op, size)?;
    let pieces = pieces.try_slice_axis(-1, 0..size)?.try_mul(window.try_mul(window.try_sum()?)?)?;
    let count = pieces.shape()[pieces.rank() - 2];
    let norm = window.try_square()?.try_broadcast_to([count, size])?;
    let (x, norm) = (overlap_and_add(&pieces, step)?, overlap_and_add(&norm, step)?);
    let inner = |x: &Tensor| {
        if options.boundary == Boundary::None {
            return Ok(x.clone());
        }
        x.try_slice_axis(-1, size / 2..x.shape()[x.rank() - 1] - size / 2)
    };
    let (x, norm) = (inner(&x)?, inner(&norm)?);
    let x = x.try_div(norm.try_gt(1e-10)?.try_select(&norm, 1.0)?)?;
    let total = x.shape()[x.rank() - 1];
    // Without the axis of frequencies, that of time is where it was.
    let at = time - usize::from(frequency < time);
    let times = iota([total], DType::F32, 0)?.try_div(options.fs)?;
    Ok((times, x.try_move_axis(-1, at as isize)?))
}

/// The pieces `[.., T, size]`, each `step` after the one before, added up.
#[track_caller]
fn overlap_and_add(pieces: &Tensor, step: usize) -> Result<Tensor> {
    let rank = pieces.rank();
    let (count, size) = (pieces.shape()[rank - 2], pieces.shape()[rank - 1]);
    let total = size + step * count.saturating_sub(1);
    let batch = &pieces.shape()[..rank - 2];
    let zeros = crate::ops::create::full(pieces.aval().with_shape([batch, &[total]].concat()), 0.0)?;
    let starts = iota([count, 1], DType::I32, 0)?.try_mul(step as i64)?;
    zeros.try_index_add(-1, starts.try_add(iota([1, size], DType::I32, 1)?)?, pieces)
}
