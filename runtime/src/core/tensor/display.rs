//! Printing as NumPy does: `Display` like `str`, `Debug` like `repr` with shape and dtype; what a format asks for (`{:8.3}`,
//! `{:e}`, `{:+}`) is for each element.

use std::fmt::{self, Write as _};

use super::format::Style;
use crate::array::dtype::dispatch;
use crate::array::{Array, DType};
use crate::core::Tensor;
use crate::core::tensor::Repr;
use crate::scalar::rounding;

/// Larger arrays are shortened.
const THRESHOLD: usize = 1000;
/// Elements shown at either end of an axis that is shortened.
const EDGE: usize = 3;
/// Characters of a line.
const WIDTH: usize = 75;
/// As many axes as arrays of NumPy have; what has more is printed by its shape.
const RANK: usize = 64;
/// Digits after the point at most.
const PRECISION: usize = 8;

/// How the elements of an array become words of one width.
enum Format {
    /// Integers and booleans: the widest word.
    Plain { width: usize },
    /// Digits in front of and behind the point.
    Fixed { left: usize, right: usize },
    /// Digits behind the point of the mantissa, and the widest word.
    Scientific { right: usize, width: usize },
    /// As the format asks for: the widest word.
    Asked { width: usize },
    /// That of the real parts and that of the imaginary ones, which have signs.
    Complex(Box<[Format; 2]>),
}

struct Printer<'a> {
    array: &'a Array,
    style: Style,
    format: Format,
    /// Between elements of a row.
    separator: &'static str,
    shortened: bool,
}

impl<'a> Printer<'a> {
    fn new(array: &'a Array, separator: &'static str, style: Style) -> Printer<'a> {
        let shortened = array.size() > THRESHOLD;
        let mut printer = Printer { array, style, format: Format::Plain { width: 0 }, separator, shortened };
        let mut shown = Vec::new();
        printer.visit(0, 0, &mut |flat| shown.push(flat));
        let is_float = array.dtype().is_inexact();
        printer.format = if style.asks_for_digits(is_float) {
            Format::Asked { width: shown.iter().map(|&flat| printer.asked(flat).len()).max().unwrap_or(0) }
        } else if array.dtype().is_complex() {
            let format = |part: usize, style: Style| {
                let values = shown.iter().map(|&flat| parts_of(array, flat)[part]).collect::<Vec<_>>();
                float_format(&values, DType::F32, style)
            };
            Format::Complex(Box::new([format(0, style), format(1, style.with_plus())]))
        } else if is_float {
            let values = shown.iter().map(|&flat| float(array, flat)).collect::<Vec<_>>();
            float_format(&values, array.dtype(), style)
        } else {
            let width = shown.iter().map(|&flat| printer.whole(flat).len()).max().unwrap_or(0);
            Format::Plain { width }
        };
        printer
    }

    /// The indices along an axis that are shown; None stands for the gap.
    fn indices(&self, axis: usize) -> Vec<Option<usize>> {
        let size = self.array.shape()[axis];
        if !self.shortened || size <= 2 * EDGE {
            return (0..size).map(Some).collect();
        }
        (0..EDGE).map(Some).chain([None]).chain((size - EDGE..size).map(Some)).collect()
    }

    fn visit(&self, axis: usize, flat: usize, f: &mut impl FnMut(usize)) {
        let shape = self.array.shape();
        if axis == shape.len() {
            return f(flat);
        }
        for index in self.indices(axis).into_iter().flatten() {
            self.visit(axis + 1, flat * shape[axis] + index, f);
        }
    }

    fn word(&self, flat: usize) -> String {
        let (text, width) = match &self.format {
            Format::Plain { width } => (self.whole(flat), *width),
            Format::Asked { width } => (self.asked(flat), *width),
            Format::Complex(formats) => {
                let ([re, im], style) = (parts_of(self.array, flat), self.style);
                let re = formats[0].float(re, DType::F32, style);
                let im = formats[1].float(im, DType::F32, style.with_plus());
                (re + &with_unit(&im), 0)
            }
            format => return format.float(float(self.array, flat), self.array.dtype(), self.style),
        };
        self.style.pad(text, width)
    }

    fn whole(&self, flat: usize) -> String {
        match self.array.dtype() {
            DType::Bool => if self.array.data::<u8>()[flat] != 0 { "True" } else { "False" }.to_owned(),
            DType::I8 => self.style.signed(self.array.data::<i8>()[flat].to_string()),
            DType::I16 => self.style.signed(self.array.data::<i16>()[flat].to_string()),
            DType::U16 => self.style.signed(self.array.data::<u16>()[flat].to_string()),
            dtype => {
                dispatch!(dtype, T => self.style.signed(self.array.data::<T>()[flat].to_string()))
            }
        }
    }

    /// The element with as many digits as the format asks for.
    fn asked(&self, flat: usize) -> String {
        match self.array.dtype() {
            DType::Bool => self.whole(flat),
            DType::C64 => {
                let [re, im] = parts_of(self.array, flat);
                let im = asked_float(im, DType::F32, self.style.with_plus());
                asked_float(re, DType::F32, self.style) + &im + "j"
            }
            dtype if !dtype.is_float() => self.style.signed(self.style.integer(&self.whole(flat))),
            dtype => asked_float(float(self.array, flat), dtype, self.style),
        }
    }

    /// The part of the array from an axis on, its lines after the first indented.
    fn print(&self, axis: usize, flat: usize, indent: usize) -> String {
        let shape = self.array.shape();
        if axis == shape.len() {
            return self.word(flat);
        }
        if self.array.size() == 0 {
            return "[]".to_owned();
        }
        let comma = self.separator.trim_end();
        let mut out = String::from("[");
        if axis + 1 == shape.len() {
            let mut line = indent + 1;
            for (i, index) in self.indices(axis).into_iter().enumerate() {
                let word =
                    index.map_or_else(|| "...".to_owned(), |index| self.word(flat * shape[axis] + index));
                if i > 0 && line + self.separator.len() + word.len() + 1 > WIDTH {
                    let _ = write!(out, "{comma}\n{:1$}", "", indent + 1);
                    line = indent + 1;
                } else if i > 0 {
                    out.push_str(self.separator);
                    line += self.separator.len();
                }
                line += word.len();
                out.push_str(&word);
            }
        } else {
            let gap = "\n".repeat(shape.len() - axis - 1);
            for (i, index) in self.indices(axis).into_iter().enumerate() {
                if i > 0 {
                    let _ = write!(out, "{comma}{gap}{:1$}", "", indent + 1);
                }
                match index {
                    Some(index) => {
                        out.push_str(&self.print(axis + 1, flat * shape[axis] + index, indent + 1));
                    }
                    None => out.push_str("..."),
                }
            }
        }
        out.push(']');
        out
    }
}

impl Format {
    /// A float in columns; the other formats are not of floats.
    fn float(&self, x: f64, dtype: DType, style: Style) -> String {
        match *self {
            Format::Fixed { left, right } => style.pad(fixed(x, dtype, left, right, style), 0),
            Format::Scientific { right, width } => style.pad(scientific(x, dtype, Some(right), style), width),
            _ => unreachable!("a format of floats"),
        }
    }
}

fn asked_float(x: f64, dtype: DType, style: Style) -> String {
    let text =
        if x.is_finite() { style.float(x, || shortest(x, dtype, true)) } else { special(x).to_owned() };
    style.signed(text)
}

/// The imaginary unit behind the digits, and what fills the column behind that.
fn with_unit(im: &str) -> String {
    let digits = im.trim_end();
    format!("{digits}j{}", &im[digits.len()..])
}

/// The real and the imaginary part of a complex number.
fn parts_of(array: &Array, flat: usize) -> [f64; 2] {
    let x = array.data::<num_complex::Complex32>()[flat];
    [x.re.into(), x.im.into()]
}

fn float(array: &Array, flat: usize) -> f64 {
    match array.dtype() {
        DType::F16 => array.data::<half::f16>()[flat].to_f64(),
        DType::BF16 => array.data::<half::bf16>()[flat].to_f64(),
        DType::F32 => f64::from(array.data::<f32>()[flat]),
        _ => array.data::<f64>()[flat],
    }
}

/// The shortest digits that give the number back in its own dtype.
fn shortest(x: f64, dtype: DType, exponent: bool) -> String {
    macro_rules! text {
        ($x:expr) => {
            if exponent { format!("{:e}", $x) } else { format!("{}", $x) }
        };
    }
    match dtype {
        DType::F64 => text!(x),
        DType::F32 => text!(x as f32),
        // Neither prints its own shortest form: the first number of digits that gives it back is it.
        _ => {
            let back = |text: &str| {
                let y: f64 = text.parse().unwrap_or(f64::NAN);
                if dtype == DType::F16 {
                    rounding::f16_of_f64(y).to_f64()
                } else {
                    rounding::bf16_of_f64(y).to_f64()
                }
            };
            let digits = (0..8).map(|n| format!("{x:.n$e}")).find(|text| back(text) == x);
            let digits = digits.unwrap_or_else(|| format!("{x:e}"));
            if exponent { digits } else { text!(digits.parse::<f64>().unwrap_or(x)) }
        }
    }
}

/// Digits in front of the point (with the sign) and behind it, cut to the precision.
fn parts(x: f64, dtype: DType, style: Style) -> (String, String) {
    let text = style.signed(shortest(x, dtype, false));
    let (left, right) = text.split_once('.').unwrap_or((&text, ""));
    if right.len() <= PRECISION {
        return (left.to_owned(), right.to_owned());
    }
    let rounded = style.signed(format!("{x:.PRECISION$}"));
    let (left, right) = rounded.split_once('.').unwrap_or((&rounded, ""));
    (left.to_owned(), right.trim_end_matches('0').to_owned())
}

fn special(x: f64) -> &'static str {
    if x.is_nan() {
        "nan"
    } else if x > 0.0 {
        "inf"
    } else {
        "-inf"
    }
}

fn fixed(x: f64, dtype: DType, left: usize, right: usize, style: Style) -> String {
    if !x.is_finite() {
        return format!("{:>1$}", style.signed(special(x).to_owned()), left + 1 + right);
    }
    let (whole, fraction) = parts(x, dtype, style);
    format!("{whole:>left$}.{fraction:<right$}")
}

/// `1.5e-05`: the exponent has a sign and two digits at least.
fn scientific(x: f64, dtype: DType, right: Option<usize>, style: Style) -> String {
    if !x.is_finite() {
        return style.signed(special(x).to_owned());
    }
    let text = shortest(x, dtype, true);
    let digits = text.split_once('e').and_then(|(m, _)| m.split_once('.')).map_or(0, |(_, f)| f.len());
    let right = right.unwrap_or(digits.min(PRECISION));
    let text = if digits > right { format!("{x:.right$e}") } else { text };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    style.signed(format!("{whole}.{fraction:0<right$}e{sign}{:02}", exponent.abs()))
}

fn float_format(values: &[f64], dtype: DType, style: Style) -> Format {
    let finite = || values.iter().copied().filter(|x| x.is_finite());
    let sizes = || finite().map(f64::abs).filter(|&x| x != 0.0);
    let (most, least) = (sizes().fold(0.0, f64::max), sizes().fold(f64::INFINITY, f64::min));
    // NumPy's rule for when the digits of a fixed notation would not tell much.
    if most >= 1e8 || (most > 0.0 && (least < 1e-4 || most / least > 1000.0)) {
        let fraction = |x| {
            scientific(x, dtype, None, Style::default())
                .split_once('e')
                .map_or(0, |(m, _)| m.len() - 1 - m.find('.').unwrap_or(0))
        };
        let right = finite().map(fraction).max().unwrap_or(0);
        let width = values.iter().map(|&x| scientific(x, dtype, Some(right), style).len()).max().unwrap_or(0);
        return Format::Scientific { right, width };
    }
    let words: Vec<(String, String)> = finite().map(|x| parts(x, dtype, style)).collect();
    let left = words.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    let right = words.iter().map(|(_, right)| right.len()).max().unwrap_or(0);
    let specials = values.iter().filter(|x| !x.is_finite()).map(|&x| style.signed(special(x).to_owned()));
    let widest = specials.map(|word| word.len()).max().unwrap_or(0);
    Format::Fixed { left: left.max(widest.saturating_sub(right + 1)), right }
}

fn debug(array: &Array, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let text = if array.shape().len() > RANK {
        "...".to_owned()
    } else {
        Printer::new(array, ", ", Style::of(f)).print(0, 0, "Tensor(".len())
    };
    let weak = if array.aval().weak { ", weak" } else { "" };
    write!(f, "Tensor({text}, shape={:?}, dtype={}{weak})", array.shape(), array.dtype())
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(self, f)
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.repr {
            Repr::Array(array) => debug(array, f),
            Repr::Traced(traced) => traced.fmt(f),
        }
    }
}

/// As NumPy prints an array: `[1.  2.5]`, columns aligned, a large one shortened.
///
/// What a format asks for is for each element: `{:.3}` prints three decimals, `{:8.3}` at least eight characters, `{:+}` signs,
/// `{:e}` exponents.
///
/// ```
/// let x = flaxen::Tensor::from([1.5f32, -22.25]);
/// assert_eq!(format!("{x}"), "[  1.5  -22.25]");
/// assert_eq!(format!("{x:.1}"), "[  1.5 -22.2]");
/// assert_eq!(format!("{:.3}", x.mean()), "-10.375");
/// assert_eq!(format!("{x:.1e}"), "[ 1.5e0 -2.2e1]");
/// ```
///
/// A value without numbers (under `jit` or `vmap`) is printed as what it is, and one of more than 64 axes by its dtype and shape.
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(self, f, Style::of(f))
    }
}

/// Every element with an exponent.
impl fmt::LowerExp for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(self, f, Style::of(f).with_exponent('e'))
    }
}

/// Every element with an exponent.
impl fmt::UpperExp for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(self, f, Style::of(f).with_exponent('E'))
    }
}

fn display(tensor: &Tensor, f: &mut fmt::Formatter<'_>, style: Style) -> fmt::Result {
    match tensor.array() {
        Ok(array) if array.shape().len() > RANK => write!(f, "{}", array.aval()),
        Ok(array) => f.write_str(&Printer::new(array, " ", style).print(0, 0, 0)),
        Err(_) => fmt::Debug::fmt(tensor, f),
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    // Every expectation is what NumPy 2 prints for the same array.

    #[test]
    fn nothing_is_printed_flat() {
        for shape in [&[0][..], &[0, 3], &[2, 0, 3]] {
            assert_eq!(Tensor::zeros(shape).to_string(), "[]");
        }
    }

    /// As NumPy 2 prints with `precision=3, floatmode='fixed', suppress=True`.
    #[test]
    fn a_precision_is_for_each_element() {
        let text = |x: &Tensor| format!("{x:.3}");
        assert_eq!(text(&Tensor::from([1.0f32, 2.5, -3.25])), "[ 1.000  2.500 -3.250]");
        assert_eq!(text(&Tensor::from([1e-5f32, 2.5])), "[0.000 2.500]");
        assert_eq!(text(&Tensor::from([-0.0f32, 0.0])), "[-0.000  0.000]");
        let special = Tensor::from([f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY]);
        assert_eq!(text(&special), "[  nan 1.000   inf  -inf]");
        assert_eq!(text(&Tensor::from([1i32, -20])), "[  1 -20]");
        assert_eq!(text(&Tensor::from([true, false])), "[ True False]");
        assert_eq!(text(&Tensor::zeros([0, 2])), "[]");
        assert_eq!(format!("{:.3?}", Tensor::from([1.5f32])), "Tensor([1.500], shape=[1], dtype=float32)");
    }

    /// As Rust prints the numbers by themselves.
    #[test]
    fn a_scalar_is_printed_as_a_number_is() {
        macro_rules! assert_same {
            ($($format:literal)*) => {
                $(for x in [1.2345678e-5f32, 123.45678, -2.5, 0.0, 1e30] {
                    assert_eq!(format!($format, Tensor::from(x)), format!($format, x), "{}", stringify!($format));
                })*
            };
        }
        assert_same!("{:.0}" "{:.3}" "{:8.3}" "{:<12.2}|" "{:*^14.2}" "{:+.3}" "{:012.3}" "{:+012.1}" "{:e}" "{:.2e}" "{:E}" "{:+15e}");
        assert_eq!(
            format!("{:+} {:4} {:e}", Tensor::from(7i32), Tensor::from(7), Tensor::from(1200)),
            "+7    7 1.2e3"
        );
        assert_eq!(format!("{:.1}", Tensor::from(0.25f64).cast(crate::DType::BF16)), "0.2");
    }

    /// As NumPy 2 prints with `sign='+'`.
    #[test]
    fn a_sign_is_for_each_element() {
        let text = |x: Tensor| format!("{x:+}");
        assert_eq!(text(Tensor::from([1.0f32, 2.5, -3.25])), "[+1.   +2.5  -3.25]");
        assert_eq!(text(Tensor::from([1e-5f32, 2.5])), "[+1.0e-05 +2.5e+00]");
        assert_eq!(
            text(Tensor::from([f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY])),
            "[+nan  +1. +inf -inf]"
        );
        assert_eq!(text(Tensor::from([[1.0f32, -22.5], [f32::NAN, 3.0]])), "[[ +1.  -22.5]\n [ +nan  +3. ]]");
        assert_eq!(text(Tensor::from([-0.0f32, 0.0])), "[-0. +0.]");
        assert_eq!(text(Tensor::from([1i32, -20])), "[ +1 -20]");
    }

    #[test]
    fn a_width_is_for_each_element() {
        assert_eq!(format!("{:6}", Tensor::from([1i32, -20])), "[     1    -20]");
        assert_eq!(format!("{:<5}|", Tensor::from([1.5f32, 2.0])), "[1.5   2.   ]|");
        assert_eq!(format!("{:8.2}", Tensor::from([[1.5f32], [200.0]])), "[[    1.50]\n [  200.00]]");
    }

    #[test]
    fn floats_are_aligned_at_the_point() {
        assert_eq!(Tensor::from([1.0f32, 2.5, -3.25]).to_string(), "[ 1.    2.5  -3.25]");
        assert_eq!(Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]).to_string(), "[[1. 2.]\n [3. 4.]]");
        assert_eq!(Tensor::from([0.1f32, 1.0 / 3.0]).to_string(), "[0.1        0.33333334]");
        assert_eq!(Tensor::of([1.0f64 / 3.0], DType::F64).to_string(), "[0.33333333]");
        assert_eq!(Tensor::from([f32::NAN, 1.0, f32::INFINITY]).to_string(), "[nan  1. inf]");
    }

    #[test]
    fn very_different_floats_have_exponents() {
        assert_eq!(Tensor::from([1e-5f32, 2.5]).to_string(), "[1.0e-05 2.5e+00]");
        assert_eq!(Tensor::from([1e10f32, -1.0]).to_string(), "[ 1.e+10 -1.e+00]");
    }

    #[test]
    fn integers_and_booleans_are_aligned_right() {
        assert_eq!(Tensor::from([1i32, -20, 300]).to_string(), "[  1 -20 300]");
        assert_eq!(Tensor::from([true, false]).to_string(), "[ True False]");
    }

    #[test]
    fn large_arrays_are_shortened() {
        let long = Tensor::from((0..2000).collect::<Vec<i32>>());
        assert_eq!(long.to_string(), "[   0    1    2 ... 1997 1998 1999]");
        let matrix = long.reshape([40, 50]).to_string();
        assert!(
            matrix.starts_with("[[   0    1    2 ...   47   48   49]\n [  50 ")
                && matrix.contains("\n ...\n")
        );
    }

    #[test]
    fn debug_tells_shape_and_dtype() {
        let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
        assert_eq!(format!("{x:?}"), "Tensor([[1., 2.],\n        [3., 4.]], shape=[2, 2], dtype=float32)");
        assert_eq!(format!("{:?}", Tensor::from(1.5f32)), "Tensor(1.5, shape=[], dtype=float32)");
        assert_eq!(format!("{:?}", Tensor::zeros([0])), "Tensor([], shape=[0], dtype=float32)");
    }

    #[test]
    fn long_rows_wrap() {
        let text = Tensor::from((100_000_000..100_000_010).collect::<Vec<i32>>()).to_string();
        assert!(text.lines().count() == 2 && text.lines().all(|line| line.len() <= 75), "{text}");
    }

    #[test]
    fn cubes_have_empty_lines_between_matrices() {
        assert_eq!(Tensor::from([[[1i32], [2]], [[3], [4]]]).to_string(), "[[[1]\n  [2]]\n\n [[3]\n  [4]]]");
    }
}
