//! Sounds: read from a WAV file, made, and brought to another rate.

use std::f64::consts::PI;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flaxen::ConvOptions;
use flaxen::prelude::*;
use hound::{SampleFormat, WavReader};

/// A sound of one channel.
#[derive(Clone, Debug)]
pub struct Sound {
    /// From -1 to 1.
    pub samples: Vec<f32>,
    /// How many there are in a second.
    pub rate: u32,
}

/// Reads a WAV file of any number of channels, of which the mean is taken.
pub fn read(path: &Path) -> Result<Sound> {
    decode(path).with_context(|| format!("`{}`", path.display()))
}

fn decode(path: &Path) -> Result<Sound> {
    let mut reader = WavReader::open(path)?;
    let spec = reader.spec();
    ensure!(spec.channels > 0 && spec.sample_rate > 0, "has no channels, or no samples in a second");
    let samples: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>()?,
        SampleFormat::Int => {
            let full = (1u64 << (spec.bits_per_sample - 1)) as f32;
            reader
                .samples::<i32>()
                .map(|sample| Ok(sample? as f32 / full))
                .collect::<Result<_, hound::Error>>()?
        }
    };
    let channels = spec.channels.into();
    let mean = |frame: &[f32]| frame.iter().sum::<f32>() / channels as f32;
    Ok(Sound { samples: samples.chunks_exact(channels).map(mean).collect(), rate: spec.sample_rate })
}

/// The sound at another rate, by a sinc function within a window of Hann that ends behind its sixth zero, just below the lower of the two
/// rates (J. O. Smith, *Digital audio resampling*).
///
/// The numbers of both rates without their common divisor, `from` and `to`, are those of one period: `to` kernels, which one convolution
/// with the stride `from` moves along.
pub fn resampled(sound: &Sound, rate: u32) -> Result<Sound> {
    /// Zeros of the sinc function within half of the window.
    const ZEROS: f64 = 6.0;
    /// The part of the lower rate that is kept.
    const ROLLOFF: f64 = 0.99;
    if sound.rate == rate || sound.samples.is_empty() {
        return Ok(Sound { rate, ..sound.clone() });
    }
    let divisor = common_divisor(sound.rate, rate);
    let (from, to) = ((sound.rate / divisor) as usize, (rate / divisor) as usize);
    ensure!(from.max(to) <= 1 << 14, "{} Hz and {rate} Hz have no period of a usual length", sound.rate);
    let cut = from.min(to) as f64 * ROLLOFF;
    let width = (ZEROS * from as f64 / cut).ceil() as usize;
    let taps = 2 * width + from;
    let weight = |tap: usize, phase: usize| {
        let time = (tap as f64 - width as f64) / from as f64 - phase as f64 / to as f64;
        let t = (time * cut).clamp(-ZEROS, ZEROS);
        let window = (t * PI / ZEROS / 2.0).cos().powi(2);
        let sinc = if t == 0.0 { 1.0 } else { (t * PI).sin() / (t * PI) };
        (sinc * window * cut / from as f64) as f32
    };
    let kernel: Vec<f32> = (0..taps).flat_map(|tap| (0..to).map(move |phase| weight(tap, phase))).collect();
    let kernel = Tensor::from_vec(kernel, [taps, 1, to]);

    let count = sound.samples.len();
    let x = Tensor::from(&sound.samples[..]).reshape([1, count, 1]);
    let options = ConvOptions::new().strides([from]).padding([(width as isize, (width + from) as isize)]);
    let y = x.try_conv_general(&kernel, &options)?.flatten(0);
    let length = (count * to).div_ceil(from);
    Ok(Sound { samples: y.to_vec::<f32>()?.into_iter().take(length).collect(), rate })
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// The formants of `a`, `i`, `u` and `e`, in Hertz.
const VOWELS: [[f64; 3]; 4] =
    [[730.0, 1090.0, 2440.0], [270.0, 2290.0, 3010.0], [300.0, 870.0, 2240.0], [530.0, 1840.0, 2480.0]];

/// A voice that says vowels for two seconds of three, in a little noise: what there is to find without a file.
pub fn voice(rate: u32, seconds: f64) -> Sound {
    let (hertz, mut phase, mut noise) = (f64::from(rate), 0.0, 1u64);
    let wave = |turns: f64| (2.0 * PI * turns).sin();
    let sample = |i: usize| {
        let t = i as f64 / hertz;
        noise = (noise * 1_103_515_245 + 12_345) % (1 << 31);
        let mut value = (noise as f64 / f64::from(1 << 30) - 1.0) * 0.003;
        let pitch = 110.0 + 25.0 * wave(0.7 * t) + 15.0 * wave(2.3 * t);
        phase += pitch / hertz;
        if t % 3.0 <= 2.0 {
            let vowel = VOWELS[(t / 0.2) as usize % 4];
            let loudness = 0.12 * (PI * ((t / 0.2) % 1.0)).sin().sqrt();
            for k in (1..26).map(f64::from).take_while(|k| k * pitch <= 0.45 * hertz) {
                let formants = vowel.into_iter().zip([60.0, 90.0, 120.0]);
                let height: f64 = formants
                    .map(|(centre, width)| 1.0 / (1.0 + ((k * pitch - centre) / width).powi(2)))
                    .sum();
                value += loudness * height * wave(k * phase);
            }
        }
        value as f32
    };
    Sound { samples: (0..(seconds * hertz) as usize).map(sample).collect(), rate }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    #[test]
    fn resampling_gives_the_samples_of_torchaudio() -> Result<()> {
        for case in reference::of("resampled").as_array().unwrap() {
            let number = |name: &str| case[name].as_u64().unwrap() as u32;
            let signal = |i: i32| (0.3 * f64::from(i)).sin() + 0.5 * (2.1 * f64::from(i)).sin();
            let x = Sound { samples: (0..300).map(|i| signal(i) as f32).collect(), rate: number("from") };
            let y = resampled(&x, number("to"))?;
            let expected = reference::numbers(&case["y"]);
            assert_eq!((y.samples.len(), y.rate), (expected.len(), number("to")));
            for (found, expected) in y.samples.iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
        Ok(())
    }

    #[test]
    fn files_of_integers_and_floats_are_read_and_channels_are_averaged() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("sound.wav");
        for (format, bits) in [
            (SampleFormat::Int, 8),
            (SampleFormat::Int, 16),
            (SampleFormat::Int, 24),
            (SampleFormat::Float, 32),
        ] {
            let spec = hound::WavSpec {
                channels: 2,
                sample_rate: 8000,
                bits_per_sample: bits,
                sample_format: format,
            };
            let mut writer = hound::WavWriter::create(&path, spec)?;
            for value in [0.5f32, -0.25, 0.0, -1.0] {
                match format {
                    SampleFormat::Float => writer.write_sample(value)?,
                    SampleFormat::Int => writer.write_sample((value * (1 << (bits - 1)) as f32) as i32)?,
                }
            }
            writer.finalize()?;
            let sound = read(&path)?;
            assert_eq!((sound.samples, sound.rate), (vec![0.125, -0.5], 8000), "{bits}");
        }
        std::fs::write(&path, b"no sound")?;
        assert!(format!("{:#}", read(&path).unwrap_err()).contains("sound.wav"));
        Ok(())
    }
}
