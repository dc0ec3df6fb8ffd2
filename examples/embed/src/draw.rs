//! Similarities as a picture of text.

use std::fmt::Write as _;

use anyhow::Result;
use flaxen::prelude::*;

/// How cells are filled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// By colours of a terminal: from dark blue for what has nothing in common to yellow for the same.
    Colors,
    /// By characters, for files and pipes.
    Shades,
}

/// A matrix of cosines, the sentences beside it.
pub fn matrix(cosines: &Tensor, sentences: &[String], fill: Fill) -> Result<String> {
    let (values, count) = (cosines.to_vec::<f32>()?, sentences.len());
    let width = count.to_string().len();
    let mut text = format!("{:width$} ", "");
    for column in 1..=count {
        write!(text, "{column:>5} ")?;
    }
    text.push('\n');
    for (row, sentence) in sentences.iter().enumerate() {
        write!(text, "{:>width$} ", row + 1)?;
        for &cosine in &values[row * count..(row + 1) * count] {
            text.push_str(&cell(cosine, fill));
        }
        writeln!(text, "  {}", shortened(sentence))?;
    }
    Ok(text)
}

fn cell(cosine: f32, fill: Fill) -> String {
    let strength = cosine.clamp(0.0, 1.0);
    match fill {
        Fill::Colors => {
            let [red, green, blue] = color(strength);
            // Dark letters on what is bright.
            let ink = if strength > 0.6 { 16 } else { 231 };
            format!("\x1b[48;2;{red};{green};{blue}m\x1b[38;5;{ink}m{cosine:>5.2} \x1b[0m")
        }
        Fill::Shades => {
            let shade = [' ', '░', '▒', '▓', '█'][(strength * 4.0).round() as usize];
            format!("{cosine:>5.2}{shade}")
        }
    }
}

/// Between a few colours of viridis (van der Walt and Smith, 2015), whose brightness grows with the number.
fn color(strength: f32) -> [u8; 3] {
    const STOPS: [[f32; 3]; 5] = [
        [68.0, 1.0, 84.0],
        [59.0, 82.0, 139.0],
        [33.0, 145.0, 140.0],
        [94.0, 201.0, 98.0],
        [253.0, 231.0, 37.0],
    ];
    let place = strength * (STOPS.len() - 1) as f32;
    let below = (place as usize).min(STOPS.len() - 2);
    let part = place - below as f32;
    std::array::from_fn(|i| (STOPS[below][i] + part * (STOPS[below + 1][i] - STOPS[below][i])).round() as u8)
}

fn shortened(sentence: &str) -> String {
    const WIDTH: usize = 60;
    if sentence.chars().count() <= WIDTH {
        return sentence.to_owned();
    }
    sentence.chars().take(WIDTH - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_has_a_row_for_each_sentence_and_fills_what_is_alike() {
        let cosines = Tensor::from([[1.0f32, -0.25], [-0.25, 1.0]]);
        let sentences = ["one".to_owned(), "x".repeat(80)];
        let text = matrix(&cosines, &sentences, Fill::Shades).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["      1     2 ", "1  1.00█-0.25   one"]);
        assert!(lines[2].ends_with(&format!("{}…", "x".repeat(59))));
        let colored = matrix(&cosines, &sentences, Fill::Colors).unwrap();
        assert!(
            colored.contains("\x1b[48;2;253;231;37m\x1b[38;5;16m 1.00")
                && colored.contains("\x1b[48;2;68;1;84m")
        );
    }
}
