//! Calls of functions as texts: `sgd(exponential_decay(.1, 2, .5), momentum=.9, nesterov)`.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::Stop;

/// What an argument of a call may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A number, which may be written without its leading zero.
    Number(f64),
    /// A name with arguments.
    Call(Call),
    /// Terms in brackets.
    List(Vec<Term>),
    /// Pairs in braces.
    Map(Vec<(Term, Term)>),
}

/// A name and its arguments; a name without parentheses has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// The name; empty for arguments alone.
    pub name: String,
    positional: Vec<Term>,
    named: Vec<(String, Term)>,
    read: RefCell<BTreeSet<String>>,
}

/// Reads a text.
pub fn parse(text: &str) -> Result<Term, Stop> {
    let mut parser = Parser { text: text.as_bytes(), at: 0 };
    let term = parser.term().filter(|_| parser.peek().is_none());
    term.ok_or_else(|| Stop::Unsupported(format!("`{text}` cannot be read at {}", parser.at)))
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        (self.peek()? == expected).then(|| self.at += 1)
    }

    fn term(&mut self) -> Option<Term> {
        match self.peek()? {
            b'(' => Some(Term::Call(self.arguments(String::new())?)),
            b'[' => {
                self.take(b'[')?;
                let items = self.separated(b']', Parser::term)?;
                Some(Term::List(items))
            }
            b'{' => {
                self.take(b'{')?;
                let pair = |parser: &mut Self| {
                    let key = parser.term()?;
                    parser.take(b':')?;
                    Some((key, parser.term()?))
                };
                Some(Term::Map(self.separated(b'}', pair)?))
            }
            b'-' | b'.' | b'0'..=b'9' => Some(Term::Number(self.number()?)),
            _ => {
                let name = self.word(|byte| byte.is_ascii_alphanumeric() || byte == b'_')?;
                if self.peek() == Some(b'(') {
                    Some(Term::Call(self.arguments(name)?))
                } else {
                    self.bare(name)
                }
            }
        }
    }

    /// `const .5` is a call of one argument.
    fn bare(&mut self, name: String) -> Option<Term> {
        let mut call = Call { name, ..Call::default() };
        if self.peek().is_some_and(|byte| byte == b'.' || byte.is_ascii_digit()) {
            call.positional.push(Term::Number(self.number()?));
        }
        Some(Term::Call(call))
    }

    fn number(&mut self) -> Option<f64> {
        let start = self.at;
        while let Some(byte) = self.text.get(self.at) {
            let after_exponent = self.at > start && self.text[self.at - 1] == b'e';
            let sign = matches!(byte, b'-' | b'+') && (self.at == start || after_exponent);
            if !(byte.is_ascii_digit() || matches!(byte, b'.' | b'e') || sign) {
                break;
            }
            self.at += 1;
        }
        std::str::from_utf8(&self.text[start..self.at]).ok()?.parse().ok()
    }

    fn word(&mut self, belongs: impl Fn(u8) -> bool) -> Option<String> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(|&byte| belongs(byte)) {
            self.at += 1;
        }
        let word = std::str::from_utf8(&self.text[start..self.at]).ok()?;
        (!word.is_empty()).then(|| word.to_owned())
    }

    fn separated<T>(&mut self, end: u8, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        while self.peek()? != end {
            items.push(item(self)?);
            if self.peek()? != end {
                self.take(b',')?;
            }
        }
        self.take(end)?;
        Some(items)
    }

    /// `name=term`, `name` for a flag, `warmup3` for `warmup=3`, or a term.
    fn arguments(&mut self, name: String) -> Option<Call> {
        self.take(b'(')?;
        let mut call = Call { name, ..Call::default() };
        let argument = |parser: &mut Self| {
            let start = parser.at;
            if parser.peek()?.is_ascii_alphabetic() {
                let start = parser.at;
                let name = parser.word(|byte| byte.is_ascii_alphanumeric() || byte == b'_')?;
                if parser.peek() == Some(b'=') {
                    parser.take(b'=')?;
                    return Some((Some(name), parser.term()?));
                }
                parser.at = start;
                let letters = parser.word(|byte| byte.is_ascii_alphabetic() || byte == b'_')?;
                let next = parser.text.get(parser.at).copied();
                if next.is_some_and(|byte| byte == b'.' || byte.is_ascii_digit())
                    && let Some(number) = parser.number()
                    && matches!(parser.peek(), Some(b',' | b')'))
                {
                    return Some((Some(letters), Term::Number(number)));
                }
            }
            parser.at = start;
            Some((None, parser.term()?))
        };
        for (name, term) in self.separated(b')', argument)? {
            match (name, term) {
                (Some(name), term) => call.named.push((name, term)),
                (None, term) => call.positional.push(term),
            }
        }
        Some(call)
    }
}

impl Call {
    /// The argument of a name, or at its position in the function's list of parameters.
    pub fn get(&self, name: &str, position: usize, short: &[&str]) -> Option<&Term> {
        let called = |other: &str| other == name || short.contains(&other);
        // What is another argument's already is not this one's.
        let is_free = |other: &str| !is_full(other) && !self.read.borrow().contains(other);
        let is_short = |other: &str| is_free(other) && abbreviates(other, name);
        let found = self.named.iter().find(|(other, _)| called(other));
        if let Some((found, term)) = found.or_else(|| self.named.iter().find(|(other, _)| is_short(other))) {
            self.read.borrow_mut().insert(found.clone());
            return Some(term);
        }
        let plain = self.positional.iter().filter(|term| !matches!(term, Term::Call(call) if call.is_flag()));
        let found = plain.clone().nth(position)?;
        self.read.borrow_mut().insert(format!("#{position}"));
        Some(found)
    }

    /// Whether a name stands among the arguments, or is given as true.
    pub fn flag(&self, name: &str) -> Option<bool> {
        let bare = |term: &Term| matches!(term, Term::Call(call) if call.name == name && call.is_flag());
        if self.positional.iter().any(bare) {
            self.read.borrow_mut().insert(name.to_owned());
            return Some(true);
        }
        let (_, term) = self.named.iter().find(|(other, _)| other == name)?;
        self.read.borrow_mut().insert(name.to_owned());
        match term {
            Term::Call(call) => Some(call.name.eq_ignore_ascii_case("true")),
            Term::Number(number) => Some(*number != 0.0),
            _ => None,
        }
    }

    /// All arguments without a name.
    pub fn positional(&self) -> &[Term] {
        for position in 0..self.positional.len() {
            self.read.borrow_mut().insert(format!("#{position}"));
        }
        &self.positional
    }

    /// Whether it is a name alone.
    fn is_flag(&self) -> bool {
        self.positional.is_empty() && self.named.is_empty() && FLAGS.contains(&self.name.as_str())
    }

    /// Checks that no argument was left out of account.
    pub fn finish(&self) -> Result<(), Stop> {
        let read = self.read.borrow();
        let mut position = 0;
        for term in &self.positional {
            let known = match term {
                Term::Call(call) if call.is_flag() => read.contains(&call.name),
                _ => {
                    position += 1;
                    read.contains(&format!("#{}", position - 1))
                }
            };
            if !known {
                return Err(Stop::Unsupported(format!("the argument {term:?} of `{}`", self.name)));
            }
        }
        match self.named.iter().find(|(name, _)| !read.contains(name)) {
            Some((name, _)) => Err(Stop::Unsupported(format!("the argument `{name}` of `{}`", self.name))),
            None => Ok(()),
        }
    }
}

/// Whether a name is short for another: `init_acc` for `initial_accumulator_value`, `wd` for `weight_decay`.
fn abbreviates(short: &str, name: &str) -> bool {
    let initials: String = name.split('_').filter_map(|word| word.chars().next()).collect();
    let mut words = name.split('_');
    initials == short || short.split('_').all(|part| words.any(|word| word.starts_with(part)))
}

/// Whether a name is that of an argument, and so no other one's.
fn is_full(name: &str) -> bool {
    FULL.contains(&name)
}

/// Names of arguments that other names begin with, or are short for.
const FULL: [&str; 16] = [
    "alpha",
    "b1",
    "b2",
    "centered",
    "decay",
    "decay_rate",
    "eps",
    "eps_root",
    "factored",
    "momentum",
    "nesterov",
    "power",
    "rho",
    "staircase",
    "threshold",
    "weight_decay",
];

/// Names that stand for `name=True`.
const FLAGS: [&str; 4] = ["nesterov", "centered", "staircase", "bias_correction"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::optimizer;

    #[test]
    fn names_of_arguments_may_be_short() {
        for (short, name) in [
            ("init_acc", "initial_accumulator_value"),
            ("wd", "weight_decay"),
            ("lr", "learning_rate"),
            ("begin", "transition_begin"),
            ("end", "end_value"),
        ] {
            assert!(abbreviates(short, name), "{short} for {name}");
        }
        assert!(!abbreviates("b1", "b2") && !abbreviates("value_end", "end_value"));
    }

    #[test]
    fn an_argument_is_that_of_one_name() {
        for text in ["adagrad(.1, init_acc=.5)", "adam(lr=1e-2, eps=1e-3)", "adamw(1e-2, wd=.1, nesterov)"] {
            assert!(optimizer(text).is_ok(), "{text}");
        }
        for text in ["adagrad(.1, novel=.5)", "adam(1e-2, epsilon=1e-3, init_acc=1)", "novel(.1)"] {
            assert!(optimizer(text).is_err(), "{text}");
        }
    }
}
