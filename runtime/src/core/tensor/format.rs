//! What a format such as `{:+8.3}` asks for each element of a tensor.

use std::fmt::{self, Alignment};

/// The options of a format.
#[derive(Clone, Copy, Default)]
pub(crate) struct Style {
    plus: bool,
    precision: Option<usize>,
    /// The letter of the exponent.
    exponent: Option<char>,
    width: usize,
    /// Zeros between sign and digits, up to the width.
    zeros: bool,
    padding: Option<(char, Option<Alignment>)>,
}

impl Style {
    pub(crate) fn of(f: &fmt::Formatter<'_>) -> Style {
        Style {
            plus: f.sign_plus(),
            precision: f.precision(),
            exponent: None,
            width: f.width().unwrap_or(0),
            zeros: f.sign_aware_zero_pad(),
            padding: Some((f.fill(), f.align())),
        }
    }

    /// With a sign in front of all numbers.
    pub(crate) fn with_plus(self) -> Style {
        Style { plus: true, ..self }
    }

    pub(crate) fn with_exponent(self, letter: char) -> Style {
        Style { exponent: Some(letter), ..self }
    }

    /// Whether it says how many digits there are: for integers, a precision is nothing.
    pub(crate) fn asks_for_digits(self, is_float: bool) -> bool {
        self.exponent.is_some() || is_float && self.precision.is_some()
    }

    /// A finite float; `shortest` is it with an exponent, and with as few digits as tell it from others.
    pub(crate) fn float(self, x: f64, shortest: impl FnOnce() -> String) -> String {
        match (self.exponent, self.precision) {
            (None, precision) => format!("{x:.*}", precision.unwrap_or(0)),
            (Some(letter), Some(precision)) => format!("{x:.precision$e}").replace('e', &letter.to_string()),
            (Some(letter), None) => shortest().replace('e', &letter.to_string()),
        }
    }

    /// An integer from its digits.
    pub(crate) fn integer(self, digits: &str) -> String {
        let (Some(letter), Ok(x)) = (self.exponent, digits.trim_start_matches('+').parse::<i128>()) else {
            return digits.to_owned();
        };
        let text = match self.precision {
            Some(precision) => format!("{x:.precision$e}"),
            None => format!("{x:e}"),
        };
        text.replace('e', &letter.to_string())
    }

    /// With a sign, if it is to have one.
    pub(crate) fn signed(self, text: String) -> String {
        if self.plus && !text.starts_with(['-', '+']) { format!("+{text}") } else { text }
    }

    /// As wide as others of its column, and as the format asks for.
    pub(crate) fn pad(self, text: String, column: usize) -> String {
        let (fill, align) = self.padding.unwrap_or((' ', None));
        let is_number = text.ends_with(|last: char| last.is_ascii_digit() || last == '.');
        let text = if self.zeros && is_number { self.with_zeros(&text) } else { text };
        let missing = self.width.max(column).saturating_sub(text.chars().count());
        let left = match align {
            Some(Alignment::Left) => 0,
            Some(Alignment::Center) => missing / 2,
            Some(Alignment::Right) | None => missing,
        };
        let spaces = |count: usize| fill.to_string().repeat(count);
        spaces(left) + &text + &spaces(missing - left)
    }

    fn with_zeros(self, text: &str) -> String {
        let text = text.trim_start();
        let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
        format!("{sign}{}{digits}", "0".repeat(self.width.saturating_sub(text.len())))
    }
}
