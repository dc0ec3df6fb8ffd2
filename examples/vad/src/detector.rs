//! The network over a whole sound.

use anyhow::Result;
use flaxen::prelude::*;

use crate::model::{Rate, Vad};
use crate::weights::silence;

/// So many windows are one call of the compiled program, about 8 seconds.
const BLOCK: usize = 256;

/// The probability of speech in each window of a sound, of which the last one may be filled up by silence.
///
/// One program runs over blocks of windows, in which a `scan` carries the memory of the network from window to window; the memory goes on
/// from block to block, so that a sound may be as long as it likes. `progress` is told how many windows are done.
pub fn probabilities(
    model: &Vad,
    variables: &Variables,
    rate: Rate,
    samples: &[f32],
    mut progress: impl FnMut(usize),
) -> Result<Vec<f64>> {
    let (window, context) = (rate.window(), rate.context());
    let count = samples.len().div_ceil(window);
    // Each window with what is before it, and nothing before the first one.
    let mut padded = vec![0.0; context];
    padded.extend(samples);
    padded.resize(context + count.next_multiple_of(BLOCK) * window, 0.0);

    let block = jit(|(variables, memory, windows): (Variables, (Tensor, Tensor), Tensor)| {
        model.apply(&variables).run(|m| m.call(memory, &windows))
    });
    let mut memory = silence();
    let mut found = Vec::with_capacity(count);
    for first in (0..count).step_by(BLOCK) {
        let windows = (first..first + BLOCK).flat_map(|i| &padded[i * window..][..context + window]);
        let windows = Tensor::from_vec(windows.copied().collect::<Vec<f32>>(), [BLOCK, context + window]);
        let likely;
        (memory, likely) = block.call((variables.clone(), memory, windows))?;
        found.extend(likely.to_vec::<f32>()?.into_iter().map(f64::from));
        progress(found.len().min(count));
    }
    found.truncate(count);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segments::{Rules, segments};
    use crate::{reference, sound, weights};

    #[test]
    fn blocks_go_on_where_the_one_before_ended() -> Result<()> {
        let (rate, model) = (Rate::Khz8, Vad::new(Rate::Khz8));
        let variables = weights::random(&model, rate, 1)?;
        let sound = sound::voice(8000, 9.0);
        let mut done = Vec::new();
        let found = probabilities(&model, &variables, rate, &sound.samples, |count| done.push(count))?;
        assert_eq!(done, [256, 282]);

        let mut padded = vec![0.0; rate.context()];
        padded.extend(&sound.samples);
        padded.resize(rate.context() + found.len() * rate.window(), 0.0);
        let windows =
            (0..found.len()).flat_map(|i| &padded[i * rate.window()..][..rate.context() + rate.window()]);
        let windows: Vec<f32> = windows.copied().collect();
        let windows = Tensor::from_vec(windows, [found.len(), rate.context() + rate.window()]);
        let (_, whole) = model.apply(&variables).run(|m| m.call(silence(), &windows))?;
        for (found, whole) in found.iter().zip(whole.to_vec::<f32>()?) {
            assert!((found - f64::from(whole)).abs() < 1e-6);
        }
        assert!(probabilities(&model, &variables, rate, &[], |_| ())?.is_empty());
        Ok(())
    }

    #[test]
    fn speech_is_where_the_package_finds_it() -> Result<()> {
        let Some(path) = std::env::var_os("FLAXEN_SILERO_VAD") else {
            println!("skipped: FLAXEN_SILERO_VAD names no wheel of silero-vad 6.2.3");
            return Ok(());
        };
        for rate in [Rate::Khz16, Rate::Khz8] {
            let model = Vad::new(rate);
            let variables = weights::load(path.as_ref(), &model, rate)?;
            let expected = &reference::of("speech")[rate.hertz().to_string()];
            let sound = sound::voice(rate.hertz(), 8.0);
            let found = probabilities(&model, &variables, rate, &sound.samples, |_| ())?;
            let theirs = reference::numbers(&expected["probabilities"]);
            assert_eq!(found.len(), theirs.len());
            let apart = found.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart < 2e-5, "{rate:?}: {apart}");
            let segments = segments(&found, rate, sound.samples.len(), &Rules::default());
            assert_eq!(segments, reference::segments(&expected["segments"]));
        }
        Ok(())
    }
}
