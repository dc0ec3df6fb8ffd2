//! What `main` of a module takes and returns, read from its text.

use crate::array::{Aval, DType, Shape};
use crate::error::{Error, Result};

/// What `main` takes and returns.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) inputs: Vec<Leaf>,
    pub(crate) outputs: Vec<Leaf>,
}

/// An argument or a result.
#[derive(Debug)]
pub(crate) struct Leaf {
    /// A path, or empty.
    pub(crate) name: String,
    pub(crate) aval: Aval,
    pub(crate) donated: bool,
}

impl Signature {
    /// Reads the line that `main` begins with, as [`lower`](super::lower) writes it.
    ///
    /// # Errors
    /// If there is none, or what stands there is not what was expected.
    pub(crate) fn of(text: &str) -> Result<Signature> {
        let wrong = || {
            Error::msg(
                "this is no exported program: its text has no `func.func public @main(…) -> (…) {` that can be read",
            )
        };
        let (_, rest) = text.split_once("func.func public @main").ok_or_else(wrong)?;
        let mut cursor = Cursor { rest };
        let inputs = cursor.leaves(true).ok_or_else(wrong)?;
        cursor.expect("->").ok_or_else(wrong)?;
        let outputs = cursor.leaves(false).ok_or_else(wrong)?;
        Ok(Signature { inputs, outputs })
    }
}

/// What is left to be read.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn eat(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Option<()> {
        self.eat(token).then_some(())
    }

    fn until(&mut self, token: &str) -> Option<&'a str> {
        let (before, rest) = self.rest.split_once(token)?;
        self.rest = rest;
        Some(before.trim())
    }

    /// Text in quotation marks.
    fn string(&mut self) -> Option<String> {
        self.expect("\"")?;
        let mut bytes = Vec::new();
        loop {
            let (&byte, _) = self.rest.as_bytes().split_first()?;
            match byte {
                b'"' => {
                    self.rest = &self.rest[1..];
                    return String::from_utf8(bytes).ok();
                }
                b'\\' => {
                    bytes.push(u8::from_str_radix(self.rest.get(1..3)?, 16).ok()?);
                    self.rest = &self.rest[3..];
                }
                plain => {
                    bytes.push(plain);
                    self.rest = self.rest.get(1..)?;
                }
            }
        }
    }

    /// A list in parentheses; arguments have names and colons in front.
    fn leaves(&mut self, named: bool) -> Option<Vec<Leaf>> {
        self.expect("(")?;
        let mut leaves = Vec::new();
        while !self.eat(")") {
            if !leaves.is_empty() {
                self.expect(",")?;
            }
            if named {
                self.until(":")?;
            }
            leaves.push(self.leaf()?);
        }
        Some(leaves)
    }

    /// A type, its attributes, and its location.
    fn leaf(&mut self) -> Option<Leaf> {
        self.expect("tensor<")?;
        let mut leaf = Leaf { name: String::new(), aval: aval(self.until_closing()?)?, donated: false };
        if self.eat("{") {
            while !self.eat("}") {
                self.eat(",");
                let name = self.until("=")?;
                if name.ends_with("_info") {
                    leaf.name = self.string()?;
                } else {
                    leaf.donated |= name == "tf.aliasing_output";
                    let end = self.rest.find([',', '}'])?;
                    self.rest = &self.rest[end..];
                }
            }
        }
        if self.eat("loc(") {
            self.string()?;
            self.expect(")")?;
        }
        Some(leaf)
    }

    /// What stands before the bracket that closes the one that was opened.
    fn until_closing(&mut self) -> Option<&'a str> {
        let mut depth = 1;
        for (at, c) in self.rest.char_indices() {
            match c {
                '<' => depth += 1,
                '>' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let inner = &self.rest[..at];
                self.rest = &self.rest[at + 1..];
                return Some(inner);
            }
        }
        None
    }
}

/// The abstract value of `2x3xf32`.
fn aval(text: &str) -> Option<Aval> {
    let mut shape = Shape::new();
    let mut rest = text.trim();
    while let Some((size, after)) = rest.split_once('x') {
        let Ok(size) = size.parse() else { break };
        shape.push(size);
        rest = after;
    }
    let dtype = DType::ALL.into_iter().find(|&dtype| super::types::Element::Of(dtype).name() == rest)?;
    Aval::try_new(shape, dtype).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_main_takes_and_returns_is_read_from_its_line() {
        let text = r#"module @"main" { func.func public @main(%0: tensor<2x3xf32> {jax.arg_info = "a, \22(b)", tf.aliasing_output = 0 : i32} loc("a"), %1: tensor<complex<f32>>) -> (tensor<0xi1> {jax.result_info = ""}, tensor<ui8>) {"#;
        let Signature { inputs, outputs } = Signature::of(text).unwrap();
        assert_eq!((inputs[0].name.as_str(), inputs[0].donated), ("a, \"(b)", true));
        assert_eq!(inputs[0].aval, Aval::new([2, 3], DType::F32));
        assert_eq!((inputs[1].aval.clone(), inputs[1].donated), (Aval::new([], DType::C64), false));
        assert_eq!(outputs[0].aval, Aval::new([0], DType::Bool));
        assert_eq!((outputs[1].aval.clone(), outputs.len()), (Aval::new([], DType::U8), 2));
    }

    #[test]
    fn what_is_no_exported_program_is_an_error() {
        for text in ["", "func.func public @main(", "func.func public @main(%0: tensor<2xq7>) -> () {"] {
            assert!(Signature::of(text).unwrap_err().to_string().contains("no exported program"));
        }
    }
}
