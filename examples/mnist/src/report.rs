//! What people look at: a confusion matrix, mistakes, and curves.

use std::path::Path;

use anyhow::{Result, anyhow};
use comfy_table::{CellAlignment, Table, presets};
use flaxen::prelude::*;
use plotters::prelude::*;

use crate::data::Digits;
use crate::train::{Epoch, Score};

const TEXT_WIDTH: usize = 100;
const CHART_SIZE: (u32, u32) = (960, 420);
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
    let titles = wrong.iter().map(|&i| format!("{} for {}", found[i], labels[i]));
    lines.push(titles.map(|title| format!("{title:<0$}", 2 * width + 2)).collect());
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
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, CHART_SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let area = area.titled(title, ("sans-serif", 20)).map_err(failed)?;
        let (left, right) = area.split_horizontally(CHART_SIZE.0 / 2);
        let losses = |score: &Score| score.loss;
        let most = history.iter().flat_map(|epoch| [epoch.train.loss, epoch.test.loss]).fold(0.0, f32::max);
        chart(&left, "loss", 0.0..most.max(1e-3) * 1.05, history, losses)?;
        let errors = |score: &Score| 100.0 * score.accuracy;
        let least = history.iter().flat_map(|epoch| [epoch.train.accuracy, epoch.test.accuracy]).fold(1.0, f32::min);
        chart(&right, "accuracy in %", (100.0 * least - 1.0).clamp(0.0, 90.0)..100.5, history, errors)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn chart(
    area: &Area<'_>,
    caption: &str,
    range: std::ops::Range<f32>,
    history: &[Epoch],
    value: impl Fn(&Score) -> f32,
) -> Result<()> {
    let epochs = 0.5..history.len() as f32 + 0.5;
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(epochs, range)
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
    let curves: [(&str, RGBColor, fn(&Epoch) -> &Score); 2] =
        [("training", TRAIN_COLOR, |epoch| &epoch.train), ("test", TEST_COLOR, |epoch| &epoch.test)];
    for (name, color, score) in curves {
        let points: Vec<(f32, f32)> =
            history.iter().enumerate().map(|(i, epoch)| (i as f32 + 1.0, value(score(epoch)))).collect();
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)).point_size(3))
            .map_err(failed)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("the curves cannot be drawn: {error}")
}
