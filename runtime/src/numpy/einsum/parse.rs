//! The notation of `numpy.einsum`.

use std::fmt;

/// An index of the sum; a position in [`Plan::sizes`](crate::numpy::einsum::contraction::Plan::sizes).
pub type Label = usize;

/// An einsum string with shapes that fit it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Equation {
    /// The label of each axis of each operand.
    pub operands: Vec<Vec<Label>>,
    pub output: Vec<Label>,
    /// The size of each label; an operand may have size one instead.
    pub sizes: Vec<usize>,
}

/// Why an einsum string is malformed or does not fit its operands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EinsumError {
    /// There are no operands.
    NoOperands,
    /// The string has more or fewer terms than there are operands.
    OperandCount { subscripts: String, terms: usize, operands: usize },
    /// A character is none of the notation.
    Character { subscripts: String, character: char },
    /// Dots are not a single `...` within a term.
    Ellipsis { subscripts: String, term: String },
    /// There is more than one arrow.
    Arrow { subscripts: String },
    /// A term has another number of labels than its operand has axes.
    Rank { subscripts: String, operand: usize, term: String, shape: Vec<usize> },
    /// Axes with one label differ in size, and neither is one.
    Size { subscripts: String, label: String, operand: usize, size: usize, before: usize },
    /// The output has a label that no operand has.
    UnknownOutput { subscripts: String, label: char },
    /// The output has a label twice.
    RepeatedOutput { subscripts: String, label: char },
}

impl fmt::Display for EinsumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOperands => f.write_str("einsum needs at least one operand"),
            Self::OperandCount { subscripts, terms, operands } => {
                write!(f, "einsum `{subscripts}` has {terms} terms for {operands} operands")
            }
            Self::Character { subscripts, character } => {
                write!(f, "einsum `{subscripts}` has `{character}`; labels are the letters a-z and A-Z")
            }
            Self::Ellipsis { subscripts, term } => {
                write!(f, "einsum `{subscripts}`: `{term}` has dots that are not one `...`")
            }
            Self::Arrow { subscripts } => {
                write!(f, "einsum `{subscripts}` has more than one `->`, or half of one")
            }
            Self::Rank { subscripts, operand, term, shape } => write!(
                f,
                "einsum `{subscripts}`: term `{term}` does not fit operand {operand} of shape {shape:?}; \
                 write one label an axis, or `...`"
            ),
            Self::Size { subscripts, label, operand, size, before } => {
                write!(f, "einsum `{subscripts}`: {label} is {size} in operand {operand} and {before} before")
            }
            Self::UnknownOutput { subscripts, label } => {
                write!(f, "einsum `{subscripts}`: no operand has `{label}` of the output")
            }
            Self::RepeatedOutput { subscripts, label } => {
                write!(f, "einsum `{subscripts}`: the output has `{label}` twice")
            }
        }
    }
}

impl std::error::Error for EinsumError {}

/// The labels of one term, before and after an ellipsis.
struct Term {
    text: String,
    front: Vec<char>,
    /// The labels after the ellipsis, if there is one.
    back: Option<Vec<char>>,
}

impl Term {
    fn parse(text: &str, subscripts: &str) -> Result<Self, EinsumError> {
        if let Some(character) = text.chars().find(|c| !c.is_ascii_alphabetic() && *c != '.') {
            return Err(EinsumError::Character { subscripts: subscripts.to_owned(), character });
        }
        let (front, back) = match text.split_once("...") {
            Some((front, back)) => (front, Some(back)),
            None => (text, None),
        };
        if front.contains('.') || back.is_some_and(|back| back.contains('.')) {
            return Err(EinsumError::Ellipsis { subscripts: subscripts.to_owned(), term: text.to_owned() });
        }
        let letters = |s: &str| s.chars().collect();
        Ok(Self { text: text.to_owned(), front: letters(front), back: back.map(letters) })
    }

    fn letters(&self) -> impl Iterator<Item = char> {
        self.front.iter().chain(self.back.iter().flatten()).copied()
    }
}

/// Gives numbers to letters and to the axes of ellipses.
struct Labels {
    /// How many axes the widest ellipsis stands for; they have the labels from 0 on, aligned at the right.
    ellipsis: usize,
    letters: Vec<char>,
}

impl Labels {
    fn find(&self, letter: char) -> Option<Label> {
        self.letters.iter().position(|&l| l == letter).map(|i| self.ellipsis + i)
    }

    fn number(&mut self, letter: char) -> Label {
        self.find(letter).unwrap_or_else(|| {
            self.letters.push(letter);
            self.ellipsis + self.letters.len() - 1
        })
    }

    fn describe(&self, label: Label) -> String {
        if label < self.ellipsis {
            format!("axis -{} of `...`", self.ellipsis - label)
        } else {
            format!("`{}`", self.letters[label - self.ellipsis])
        }
    }
}

pub(super) fn parse(subscripts: &str, shapes: &[&[usize]]) -> Result<Equation, EinsumError> {
    let owned = || subscripts.to_owned();
    let compact: String = subscripts.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = match compact.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (compact.as_str(), None),
    };
    if [Some(inputs), output].into_iter().flatten().any(|part| part.contains(['-', '>'])) {
        return Err(EinsumError::Arrow { subscripts: owned() });
    }
    if shapes.is_empty() {
        return Err(EinsumError::NoOperands);
    }
    let terms = inputs.split(',').map(|term| Term::parse(term, subscripts)).collect::<Result<Vec<_>, _>>()?;
    if terms.len() != shapes.len() {
        return Err(EinsumError::OperandCount {
            subscripts: owned(),
            terms: terms.len(),
            operands: shapes.len(),
        });
    }

    // How many axes the ellipsis of each term stands for.
    let mut covered = Vec::with_capacity(terms.len());
    for (operand, (term, shape)) in terms.iter().zip(shapes).enumerate() {
        match shape.len().checked_sub(term.letters().count()) {
            Some(axes) if axes == 0 || term.back.is_some() => covered.push(axes),
            _ => {
                return Err(EinsumError::Rank {
                    subscripts: owned(),
                    operand,
                    term: term.text.clone(),
                    shape: shape.to_vec(),
                });
            }
        }
    }
    let mut labels = Labels { ellipsis: covered.iter().copied().max().unwrap_or(0), letters: Vec::new() };
    let operands: Vec<Vec<Label>> = terms
        .iter()
        .zip(&covered)
        .map(|(term, &axes)| {
            let mut numbers: Vec<Label> = term.front.iter().map(|&l| labels.number(l)).collect();
            numbers.extend(labels.ellipsis - axes..labels.ellipsis);
            numbers.extend(term.back.iter().flatten().map(|&l| labels.number(l)));
            numbers
        })
        .collect();
    let sizes = sizes(&operands, shapes, &labels, subscripts)?;
    let output = match output {
        Some(output) => explicit_output(&Term::parse(output, subscripts)?, &labels, subscripts)?,
        None => implicit_output(&terms, &labels),
    };
    Ok(Equation { operands, output, sizes })
}

fn sizes(
    operands: &[Vec<Label>],
    shapes: &[&[usize]],
    labels: &Labels,
    subscripts: &str,
) -> Result<Vec<usize>, EinsumError> {
    let mut sizes = vec![1; labels.ellipsis + labels.letters.len()];
    for (operand, (axes, shape)) in operands.iter().zip(shapes).enumerate() {
        for (axis, (&label, &size)) in axes.iter().zip(*shape).enumerate() {
            // Within an operand axes are not broadcast: there is no diagonal of axes of sizes one and five.
            let earlier = axes[..axis].iter().position(|&l| l == label).map(|i| shape[i]);
            let before = earlier.unwrap_or(sizes[label]);
            if size != before && (earlier.is_some() || (size != 1 && before != 1)) {
                return Err(EinsumError::Size {
                    subscripts: subscripts.to_owned(),
                    label: labels.describe(label),
                    operand,
                    size,
                    before,
                });
            }
            if size != 1 {
                sizes[label] = size;
            }
        }
    }
    Ok(sizes)
}

fn explicit_output(term: &Term, labels: &Labels, subscripts: &str) -> Result<Vec<Label>, EinsumError> {
    let mut output = Vec::new();
    for (part, letters) in [Some(&term.front), term.back.as_ref()].into_iter().enumerate() {
        if part == 1 && term.back.is_some() {
            output.extend(0..labels.ellipsis);
        }
        for &letter in letters.into_iter().flatten() {
            let Some(label) = labels.find(letter) else {
                return Err(EinsumError::UnknownOutput { subscripts: subscripts.to_owned(), label: letter });
            };
            if output.contains(&label) {
                return Err(EinsumError::RepeatedOutput { subscripts: subscripts.to_owned(), label: letter });
            }
            output.push(label);
        }
    }
    Ok(output)
}

/// The axes of ellipses, then the letters that occur once, in alphabetical order.
fn implicit_output(terms: &[Term], labels: &Labels) -> Vec<Label> {
    let mut once: Vec<char> = labels
        .letters
        .iter()
        .copied()
        .filter(|&letter| terms.iter().flat_map(Term::letters).filter(|&l| l == letter).count() == 1)
        .collect();
    once.sort_unstable();
    (0..labels.ellipsis).chain(once.into_iter().filter_map(|letter| labels.find(letter))).collect()
}
