//! From probabilities to segments of speech.

use crate::model::Rate;

/// What makes a segment; the names and defaults are those of the package `silero-vad`.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Speech begins with a probability of at least this, and ends below this less 0.15.
    pub threshold: f64,
    /// Shorter segments are left out, in milliseconds.
    pub min_speech_ms: f64,
    /// Longer segments are cut at their longest pause, in seconds.
    pub max_speech_s: f64,
    /// Shorter pauses end nothing, in milliseconds.
    pub min_silence_ms: f64,
    /// What is added on both sides, in milliseconds.
    pub pad_ms: f64,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            threshold: 0.5,
            min_speech_ms: 250.0,
            max_speech_s: f64::INFINITY,
            min_silence_ms: 100.0,
            pad_ms: 30.0,
        }
    }
}

/// Pauses in a segment that are too long for one in a word, in milliseconds: where it may be cut.
const PAUSE_MS: f64 = 98.0;

/// The first sample of a segment, and the one behind its last.
pub type Segment = (usize, usize);

/// A segment while it goes on.
struct Open {
    start: f64,
    /// Where it has become silent, if it has.
    silent_since: Option<f64>,
    /// Pauses so far: where they begin, and how long they are.
    pauses: Vec<(f64, f64)>,
}

/// The segments of a sound of `length` samples, by the probability of each window.
pub fn segments(probabilities: &[f64], rate: Rate, length: usize, rules: &Rules) -> Vec<Segment> {
    let (hertz, window) = (f64::from(rate.hertz()), rate.window() as f64);
    let samples = |milliseconds: f64| hertz * milliseconds / 1000.0;
    let pad = samples(rules.pad_ms);
    let longest = hertz * rules.max_speech_s - window - 2.0 * pad;
    let silence = (rules.threshold - 0.15).max(0.01);

    let mut found: Vec<(f64, f64)> = Vec::new();
    let mut current: Option<Open> = None;
    for (i, &probability) in probabilities.iter().enumerate() {
        let now = window * i as f64;
        let is_speech = probability >= rules.threshold;
        let Some(open) = &mut current else {
            if is_speech {
                current = Some(Open { start: now, silent_since: None, pauses: Vec::new() });
            }
            continue;
        };
        if is_speech
            && let Some(since) = open.silent_since.take()
            && now - since > samples(PAUSE_MS)
        {
            open.pauses.push((since, now - since));
        }
        if now - open.start > longest {
            // At the first of the longest pauses; what is behind it goes on.
            let longer = |best: Option<(f64, f64)>, pause: &(f64, f64)| {
                if best.is_some_and(|best| best.1 >= pause.1) { best } else { Some(*pause) }
            };
            match open.pauses.iter().fold(None, longer) {
                Some((since, duration)) => {
                    found.push((open.start, since));
                    *open = Open { start: since + duration, silent_since: None, pauses: Vec::new() };
                }
                None => {
                    found.push((open.start, now));
                    current = None;
                    continue;
                }
            }
        }
        if probability < silence {
            let since = *open.silent_since.get_or_insert(now);
            if now - since >= samples(rules.min_silence_ms) {
                if since - open.start > samples(rules.min_speech_ms) {
                    found.push((open.start, since));
                }
                current = None;
            }
        }
    }
    if let Some(open) = current
        && length as f64 - open.start > samples(rules.min_speech_ms)
    {
        found.push((open.start, length as f64));
    }
    padded(found, length as f64, pad)
}

/// Longer at both sides; of a pause that is too short for that each side has a half.
fn padded(mut found: Vec<(f64, f64)>, length: f64, pad: f64) -> Vec<Segment> {
    if let Some(first) = found.first_mut() {
        first.0 = (first.0 - pad).max(0.0);
    }
    for i in 0..found.len() {
        let end = found[i].1;
        match found.get_mut(i + 1) {
            Some(next) if next.0 - end < 2.0 * pad => {
                let half = ((next.0 - end) / 2.0).floor();
                next.0 = (next.0 - half).max(0.0);
                found[i].1 += half;
            }
            Some(next) => {
                next.0 = (next.0 - pad).max(0.0);
                found[i].1 = (end + pad).min(length);
            }
            None => found[i].1 = (end + pad).min(length),
        }
    }
    found.into_iter().map(|(start, end)| (start as usize, end as usize)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    #[test]
    fn segments_of_probabilities_are_those_of_the_package() {
        let cases = reference::of("found");
        for case in cases.as_array().unwrap() {
            let mut rules = Rules::default();
            for (name, value) in case["options"].as_object().unwrap() {
                let value = value.as_f64().unwrap();
                match &name[..] {
                    "threshold" => rules.threshold = value,
                    "min_speech_duration_ms" => rules.min_speech_ms = value,
                    "max_speech_duration_s" => rules.max_speech_s = value,
                    "min_silence_duration_ms" => rules.min_silence_ms = value,
                    "speech_pad_ms" => rules.pad_ms = value,
                    other => panic!("{other}"),
                }
            }
            let rate = Rate::of(case["rate"].as_u64().unwrap() as u32).unwrap();
            let length = case["length"].as_u64().unwrap() as usize;
            let found = segments(&reference::numbers(&case["probabilities"]), rate, length, &rules);
            assert!(!found.is_empty());
            assert_eq!(found, reference::segments(&case["segments"]), "{rules:?} {rate:?}");
        }
    }

    #[test]
    fn silence_has_no_segments() {
        assert_eq!(segments(&[0.1; 50], Rate::Khz16, 25600, &Rules::default()), []);
        assert_eq!(segments(&[], Rate::Khz16, 0, &Rules::default()), []);
    }
}
