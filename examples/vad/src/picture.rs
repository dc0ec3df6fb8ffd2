//! What was found, as an SVG picture and in a line of text.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::segments::Segment;
use crate::sound::Sound;

const SIZE: (u32, u32) = (1200, 360);
const SOUND: RGBColor = RGBColor(150, 150, 150);
const SPEECH: RGBColor = RGBColor(31, 119, 180);
const PROBABILITY: RGBColor = RGBColor(214, 93, 14);
/// A picture has no more points than this along an axis, however long the sound is.
const COLUMNS: usize = 1100;

/// The sound, the segments behind it, and the probabilities over it, along the seconds.
pub fn draw(sound: &Sound, segments: &[Segment], probabilities: &[f64], window: usize) -> Result<String> {
    let mut svg = String::new();
    {
        let rate = f64::from(sound.rate);
        let seconds = sound.samples.len() as f64 / rate;
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(52)
            .build_cartesian_2d(0.0..seconds.max(0.1), -1.0..1.0)
            .map_err(failed)?;
        let speech = segments.iter().map(|&(start, end)| {
            let corners = [(start as f64 / rate, -1.0), (end as f64 / rate, 1.0)];
            Rectangle::new(corners, SPEECH.mix(0.2).filled())
        });
        chart.draw_series(speech).map_err(failed)?;
        chart
            .configure_mesh()
            .x_desc("seconds")
            .y_desc("sound, and probability of speech")
            .light_line_style(TRANSPARENT)
            .draw()
            .map_err(failed)?;
        chart.draw_series(LineSeries::new(outline(&sound.samples, rate), SOUND)).map_err(failed)?;
        let likely = outline_of_highest(probabilities, window as f64 / rate);
        chart.draw_series(LineSeries::new(likely, PROBABILITY.stroke_width(2))).map_err(failed)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// The lowest and the highest sample of each column.
fn outline(samples: &[f32], rate: f64) -> Vec<(f64, f64)> {
    let step = samples.len().div_ceil(COLUMNS).max(1);
    let columns = samples.chunks(step).enumerate();
    let ends = columns.flat_map(|(i, column)| {
        let time = (i * step) as f64 / rate;
        let (low, high) = column.iter().fold((1f32, -1f32), |(low, high), &x| (low.min(x), high.max(x)));
        [(time, f64::from(low)), (time, f64::from(high))]
    });
    ends.collect()
}

fn outline_of_highest(probabilities: &[f64], seconds: f64) -> Vec<(f64, f64)> {
    let step = probabilities.len().div_ceil(COLUMNS).max(1);
    let columns = probabilities.chunks(step).enumerate();
    columns
        .map(|(i, column)| ((i * step) as f64 * seconds, column.iter().copied().fold(0.0, f64::max)))
        .collect()
}

/// A line of so many characters, `█` where somebody speaks.
pub fn line(length: usize, segments: &[Segment], characters: usize) -> String {
    let is_speech = |at: usize| segments.iter().any(|&(start, end)| (start..end).contains(&at));
    let places = (0..characters).map(|i| (2 * i + 1) * length / (2 * characters));
    places.map(|at| if is_speech(at) { '█' } else { '·' }).collect()
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("the picture cannot be drawn: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_where_speech_is() {
        assert_eq!(line(100, &[(20, 50)], 10), "··███·····");
        assert_eq!(line(0, &[], 3), "···");
    }

    #[test]
    fn a_picture_of_a_long_sound_is_small() -> Result<()> {
        let sound = Sound { samples: vec![0.5; 3_000_000], rate: 16000 };
        let svg = draw(&sound, &[(0, 500_000)], &vec![0.7; 5860], 512)?;
        assert!(svg.starts_with("<svg") && svg.len() < 200_000, "{}", svg.len());
        assert!(draw(&Sound { samples: vec![], rate: 8000 }, &[], &[], 256).is_ok());
        Ok(())
    }
}
