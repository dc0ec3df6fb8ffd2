//! The network of Silero VAD, for one rate of samples.

use flaxen::PadMode;
use flaxen::nn::{Cell, ConvPadding, OptimizedLstmCell};
use flaxen::prelude::*;

/// The sizes that go with a rate of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    Khz8,
    Khz16,
}

impl Rate {
    pub fn of(hertz: u32) -> Option<Rate> {
        match hertz {
            8000 => Some(Rate::Khz8),
            16000 => Some(Rate::Khz16),
            _ => None,
        }
    }

    /// Samples a second.
    pub fn hertz(self) -> u32 {
        16000 / self.divisor() as u32
    }

    /// Samples that one probability is about: 32 milliseconds.
    pub fn window(self) -> usize {
        512 / self.divisor()
    }

    /// Samples before them that are seen, too.
    pub fn context(self) -> usize {
        64 / self.divisor()
    }

    /// Samples of a spectrum.
    fn spectrum(self) -> usize {
        256 / self.divisor()
    }

    fn divisor(self) -> usize {
        if self == Rate::Khz8 { 2 } else { 1 }
    }
}

/// What the network remembers: `c` and `h` of its LSTM, `F32[1, 128]` each.
pub type Memory = (Tensor, Tensor);

/// From windows of sound to the probabilities that somebody speaks.
///
/// Four spectra of a window, four convolutions over them that leave one vector, an LSTM from window to window, and a sigmoid.
#[module]
pub struct Vad {
    rate: Rate,
}

impl Vad {
    /// What the network remembers after some windows, `F32[windows, context + window]`, and their probabilities, `F32[windows]`.
    #[compact]
    pub fn call(&self, memory: Memory, windows: &Tensor) -> Result<(Memory, Tensor)> {
        let features = self.features(windows)?;
        let cell = self.child_named("lstm_cell", OptimizedLstmCell::new(128));
        // Once outside of the loop, where parameters may be made.
        let first = features.slice_axis(0, 0..1);
        let (next, y) = cell.call(memory, &first)?;
        let steps = scan(|memory: Memory, x: Tensor| cell.call(memory, &x.expand_dims([0])));
        let (memory, rest) = steps.call(next, features.slice_axis(0, 1..))?;
        let y = Tensor::try_concatenate(&[y.expand_dims([0]), rest], 0)?.relu();
        let y = self.child_named("final_conv", Conv::new(1, [1])).call(&y)?;
        Ok((memory, y.squeeze([1, 2]).sigmoid()))
    }

    /// A vector of each window, `F32[windows, 128]`.
    fn features(&self, windows: &Tensor) -> Result<Tensor> {
        let size = self.rate.spectrum();
        let padded = windows.try_pad_mode([(0, 0), (0, size / 4)], PadMode::Reflect)?.expand_dims([2]);
        // A convolution with cosines and sines: real parts, then imaginary ones.
        let spectra = Conv::new(size + 2, [size]).strides([size / 2]).padding(Padding::Valid).use_bias(false);
        let spectra = self.child_named("stft_conv", spectra).call(&padded)?;
        let half = size / 2 + 1;
        let (real, imaginary) =
            (spectra.slice_axis(2, ..half).square(), spectra.slice_axis(2, half..).square());
        let mut x = (real + imaginary).sqrt();
        for (i, (features, stride)) in [(128, 1), (64, 2), (64, 2), (128, 1)].into_iter().enumerate() {
            let conv = Conv::new(features, [3]).strides([stride]).padding(ConvPadding::All(1));
            x = self.child_named(format!("conv{}", i + 1), conv).call(&x)?.relu();
        }
        Ok(x.squeeze([1]))
    }
}
