//! Tokens of Python sources.

/// A token, and the line it is on.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub kind: Kind,
    pub line: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Name(String),
    Whole(i64),
    Number(f64),
    Text(String),
    /// The inside of `f".."`.
    Format(String),
    Operator(&'static str),
    NewLine,
    Indent,
    Dedent,
    End,
}

/// All operators, longer ones first.
const OPERATORS: [&str; 46] = [
    "**=", "//=", "...", "<<=", ">>=", "**", "//", "->", ":=", "==", "!=", "<=", ">=", "+=", "-=", "*=",
    "/=", "%=", "@=", "<<", ">>", "&=", "|=", "+", "-", "*", "/", "%", "@", "<", ">", "=", "(", ")", "[",
    "]", "{", "}", ",", ":", ".", ";", "&", "|", "^", "~",
];

/// Splits a source into tokens.
///
/// # Errors
/// What cannot be read, with its line.
pub fn tokens(source: &str) -> Result<Vec<Token>, String> {
    let mut lexer = Lexer { text: source, at: 0, line: 1, open: 0, indents: vec![0], tokens: Vec::new() };
    lexer.run()?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    /// Brackets that are open, within which lines do not end.
    open: usize,
    indents: Vec<usize>,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn push(&mut self, kind: Kind) {
        self.tokens.push(Token { kind, line: self.line });
    }

    fn run(&mut self) -> Result<(), String> {
        let mut at_start = true;
        loop {
            if at_start && self.open == 0 {
                self.indentation()?;
                at_start = false;
            }
            let Some(next) = self.rest().chars().next() else { break };
            match next {
                '\n' => {
                    if self.open == 0 {
                        self.push(Kind::NewLine);
                        at_start = true;
                    }
                    self.at += 1;
                    self.line += 1;
                }
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                '\\' if self.rest()[1..].starts_with('\n') => {
                    self.at += 2;
                    self.line += 1;
                }
                _ if next.is_whitespace() => self.at += next.len_utf8(),
                _ => self.token(next)?,
            }
        }
        self.push(Kind::NewLine);
        for _ in 1..self.indents.len() {
            self.push(Kind::Dedent);
        }
        self.push(Kind::End);
        Ok(())
    }

    /// Indents and dedents in front of a line; lines without code have none.
    fn indentation(&mut self) -> Result<(), String> {
        loop {
            let line = self.rest().lines().next().unwrap_or_default();
            let code = line.trim_start();
            if !(code.is_empty() || code.starts_with('#')) || self.rest().is_empty() {
                let depth = if self.rest().is_empty() { 0 } else { line.len() - code.len() };
                self.at += depth;
                if depth > self.indents.last().copied().unwrap_or_default() {
                    self.indents.push(depth);
                    self.push(Kind::Indent);
                }
                while self.indents.last().is_some_and(|&last| last > depth) {
                    self.indents.pop();
                    self.push(Kind::Dedent);
                }
                let fits = self.indents.last() == Some(&depth);
                return if fits {
                    Ok(())
                } else {
                    Err(format!("line {}: an indentation of {depth}", self.line))
                };
            }
            self.at += (line.len() + 1).min(self.rest().len());
            self.line += 1;
        }
    }

    fn token(&mut self, next: char) -> Result<(), String> {
        let rest = self.rest();
        let prefix = rest.chars().take_while(|c| matches!(c, 'f' | 'r' | 'b' | 'F' | 'R')).count();
        if matches!(rest[prefix..].chars().next(), Some('"' | '\'')) {
            return self.text(prefix);
        }
        if next.is_alphabetic() || next == '_' {
            let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let name = rest[..length].to_owned();
            self.at += length;
            self.push(Kind::Name(name));
            return Ok(());
        }
        if next.is_ascii_digit() || (next == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            return self.number();
        }
        let operator = OPERATORS.iter().find(|operator| rest.starts_with(**operator));
        let operator = operator.ok_or_else(|| format!("line {}: `{next}`", self.line))?;
        match *operator {
            "(" | "[" | "{" => self.open += 1,
            ")" | "]" | "}" => self.open = self.open.saturating_sub(1),
            _ => {}
        }
        self.at += operator.len();
        self.push(Kind::Operator(operator));
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        let bytes = self.rest().as_bytes();
        let mut length = 0;
        while let Some(&byte) = bytes.get(length) {
            let signed =
                length > 0 && matches!(bytes[length - 1], b'e' | b'E') && matches!(byte, b'+' | b'-');
            if !(byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'_') || signed) {
                break;
            }
            length += 1;
        }
        let text = self.rest()[..length].replace('_', "");
        let number = if text.contains(['.', 'e', 'E']) {
            text.parse().ok().map(Kind::Number)
        } else {
            text.parse().ok().map(Kind::Whole)
        };
        self.push(number.ok_or_else(|| format!("line {}: the number {text}", self.line))?);
        self.at += length;
        Ok(())
    }

    /// A text behind some letters, in one or three quotes.
    fn text(&mut self, prefix: usize) -> Result<(), String> {
        let start = self.at;
        let letters = self.text[start..start + prefix].to_lowercase();
        let quote = &self.text[start + prefix..=start + prefix];
        let triple = quote.repeat(3);
        let quotes = if self.text[start + prefix..].starts_with(&triple) { triple } else { quote.to_owned() };
        let body = start + prefix + quotes.len();
        let (mut at, mut out) = (body, String::new());
        while !self.text[at..].starts_with(&quotes) {
            let unterminated = || format!("line {}: a text without its end", self.line);
            let c = self.text[at..].chars().next().ok_or_else(unterminated)?;
            at += c.len_utf8();
            if c != '\\' || letters.contains('r') {
                out.push(c);
                continue;
            }
            let escaped = self.text[at..].chars().next().ok_or_else(unterminated)?;
            at += escaped.len_utf8();
            match escaped {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                '\n' => {}
                other => out.push(other),
            }
        }
        self.push(if letters.contains('f') { Kind::Format(out) } else { Kind::Text(out) });
        self.line += self.text[start..at].matches('\n').count();
        self.at = at + quotes.len();
        Ok(())
    }
}
