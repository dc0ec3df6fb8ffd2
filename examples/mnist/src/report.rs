//! What people look at: a confusion matrix, mistakes, and curves.

use std::ops::Range;

use anyhow::{Result, anyhow};
use comfy_table::{CellAlignment, Table, presets};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

use crate::data::Digits;
use crate::train::{Epoch, Score};

const TEXT_WIDTH: usize = 100;
const CHART_SIZE: (u32, u32) = (960, 420);
/// A logarithm has no place for 0.
const LEAST_LOSS: f32 = 1e-5;
const TRAIN_COLOR: RGBColor = RGBColor(31, 119, 180);
const TEST_COLOR: RGBColor = RGBColor(214, 93, 14);

/// How often each digit, a row, was taken for each, a column; behind it, the part of the digit's images that was found.
pub fn confusion(labels: &[i32], found: &[i32]) -> String {
    let mut counts = [[0usize; 10]; 10];
    for (&label, &found) in labels.iter().zip(found) {
        counts[label as usize][found as usize] += 1;
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let title = ["digit".to_owned()].into_iter().chain((0..10).map(|digit| digit.to_string()));
    table.set_header(title.chain(["found".to_owned()]));
    for (digit, row) in counts.iter().enumerate() {
        let count: usize = row.iter().sum();
        let part = if count == 0 { "-".to_owned() } else { percent(row[digit] as f32 / count as f32) };
        let cells = row.iter().map(|&count| if count == 0 { "·".to_owned() } else { count.to_string() });
        table.add_row([digit.to_string()].into_iter().chain(cells).chain([part]));
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// The first images that were taken for another digit, side by side; nothing if there are none.
pub fn mistakes(digits: &Digits, labels: &[i32], found: &[i32]) -> Result<Option<String>> {
    let (height, width) = (digits.images.shape()[1], digits.images.shape()[2]);
    let shown = (TEXT_WIDTH / (2 * width + 2)).max(1);
    let wrong: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] != found[i]).take(shown).collect();
    if wrong.is_empty() {
        return Ok(None);
    }
    let images = wrong
        .iter()
        .map(|&i| Ok(digits.images.try_get(i as isize)?.to_vec::<u8>()?))
        .collect::<Result<Vec<_>>>()?;
    let mut lines: Vec<String> = Vec::new();
    let title = |&i: &usize| format!("{:<1$}", format!("{} for {}", found[i], labels[i]), 2 * width + 2);
    lines.push(wrong.iter().map(title).collect::<Vec<_>>().concat());
    for y in 0..height {
        let row = images.iter().map(|image| {
            let shades = image[y * width..][..width].iter().map(|&pixel| shade(pixel, digits.white));
            shades.flat_map(|shade| [shade; 2]).chain([' '; 2]).collect::<String>()
        });
        lines.push(row.collect());
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    Ok(Some(lines.join("\n")))
}

fn shade(pixel: u8, white: u8) -> char {
    [' ', '░', '▒', '▓', '█'][usize::from(pixel) * 4 / usize::from(white)]
}

/// `98.6 %`.
pub fn percent(part: f32) -> String {
    format!("{:.1} %", 100.0 * part)
}

/// Draws loss and accuracy of each epoch, while training and on the test set, as an SVG picture.
pub fn curves(title: &str, history: &[Epoch]) -> Result<String> {
    let scores = || history.iter().flat_map(|epoch| [epoch.train, epoch.test]);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, CHART_SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let area = area.titled(title, ("sans-serif", 20)).map_err(failed)?;
        let (left, right) = area.split_horizontally(CHART_SIZE.0 / 2);

        let loss = |score: Score| score.loss.max(LEAST_LOSS);
        let range = extent(scores().map(loss));
        chart(
            &left,
            "loss",
            SeriesLabelPosition::UpperRight,
            (range.start * 0.8..range.end * 1.25).log_scale(),
            history,
            loss,
        )?;

        let accuracy = |score: Score| 100.0 * score.accuracy;
        let range = extent(scores().map(accuracy));
        chart(
            &right,
            "accuracy in %",
            SeriesLabelPosition::LowerRight,
            (range.start - 1.0).max(0.0)..100.5,
            history,
            accuracy,
        )?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// From the least to the largest number that is not NaN.
fn extent(numbers: impl Iterator<Item = f32> + Clone) -> Range<f32> {
    let (least, most) =
        (numbers.clone().fold(f32::INFINITY, f32::min), numbers.fold(f32::NEG_INFINITY, f32::max));
    if least.is_finite() && most.is_finite() { least..most } else { 0.1..1.0 }
}

/// One of the charts, of a value of each score.
fn chart<R>(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    caption: &str,
    legend: SeriesLabelPosition,
    range: R,
    history: &[Epoch],
    value: impl Fn(Score) -> f32,
) -> Result<()>
where
    R: AsRangedCoord<Value = f32>,
    R::CoordDescType: ValueFormatter<f32> + Ranged<ValueType = f32>,
{
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d(0.5..history.len() as f32 + 0.5, range)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .y_desc(caption)
        .x_labels(history.len().min(10))
        .x_label_formatter(&|x| format!("{x:.0}"))
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(failed)?;
    let train: Vec<Score> = history.iter().map(|epoch| epoch.train).collect();
    let test: Vec<Score> = history.iter().map(|epoch| epoch.test).collect();
    for (name, color, scores) in [("training", TRAIN_COLOR, train), ("test", TEST_COLOR, test)] {
        let points = scores.into_iter().zip(1u16..).map(|(score, i)| (f32::from(i), value(score)));
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)).point_size(2))
            .map_err(failed)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(legend)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("the curves cannot be drawn: {error}")
}
