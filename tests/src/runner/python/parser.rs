//! Python sources as trees of syntax, by recursive descent.

use std::sync::Arc;

use super::lexer::{Kind, Token, tokens};
use super::syntax::{Class, Expression, Function, Parameter, Passed, Statement, Takes};

pub(super) type Parsed<T> = Result<T, String>;

/// Reads the statements of a source.
///
/// # Errors
/// What cannot be read, with its line.
pub fn statements(source: &str) -> Parsed<Vec<Statement>> {
    let mut parser = Parser { tokens: tokens(source)?, at: 0 };
    let mut statements = Vec::new();
    while !parser.is_kind(&Kind::End) {
        parser.statement(&mut statements)?;
    }
    Ok(statements)
}

/// Reads one expression, and what is left behind it.
///
/// # Errors
/// What cannot be read.
pub fn expression(source: &str) -> Parsed<Expression> {
    let mut parser = Parser { tokens: tokens(source.trim())?, at: 0 };
    let expression = parser.tuple()?;
    if parser.take_kind(&Kind::NewLine) && parser.is_kind(&Kind::End) {
        Ok(expression)
    } else {
        parser.fail("more")
    }
}

pub(super) struct Parser {
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
}

const UPDATES: [(&str, &str); 8] = [
    ("+=", "+"),
    ("-=", "-"),
    ("*=", "*"),
    ("/=", "/"),
    ("//=", "//"),
    ("%=", "%"),
    ("**=", "**"),
    ("@=", "@"),
];

impl Parser {
    pub(super) fn kind(&self) -> &Kind {
        &self.tokens[self.at].kind
    }

    pub(super) fn is_kind(&self, kind: &Kind) -> bool {
        self.kind() == kind
    }

    pub(super) fn take_kind(&mut self, kind: &Kind) -> bool {
        let is_there = self.is_kind(kind);
        self.at += usize::from(is_there && *kind != Kind::End);
        is_there
    }

    pub(super) fn is(&self, operator: &str) -> bool {
        matches!(self.kind(), Kind::Operator(found) if *found == operator)
    }

    pub(super) fn take(&mut self, operator: &str) -> bool {
        let is_there = self.is(operator);
        self.at += usize::from(is_there);
        is_there
    }

    pub(super) fn expect(&mut self, operator: &str) -> Parsed<()> {
        if self.take(operator) { Ok(()) } else { self.fail(operator) }
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.kind(), Kind::Name(name) if name == word)
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let is_there = self.is_word(word);
        self.at += usize::from(is_there);
        is_there
    }

    pub(super) fn name(&mut self) -> Parsed<String> {
        match self.kind().clone() {
            Kind::Name(name) => {
                self.at += 1;
                Ok(name)
            }
            _ => self.fail("a name"),
        }
    }

    pub(super) fn fail<T>(&self, expected: &str) -> Parsed<T> {
        let Token { kind, line } = &self.tokens[self.at];
        Err(format!("line {line}: {kind:?} where {expected} is expected"))
    }

    /// An indented block, or statements behind a colon.
    fn block(&mut self) -> Parsed<Vec<Statement>> {
        self.expect(":")?;
        let mut statements = Vec::new();
        if !self.take_kind(&Kind::NewLine) {
            self.simple_statements(&mut statements)?;
            return Ok(statements);
        }
        if !self.take_kind(&Kind::Indent) {
            return self.fail("an indented block");
        }
        while !self.take_kind(&Kind::Dedent) {
            self.statement(&mut statements)?;
        }
        Ok(statements)
    }

    fn statement(&mut self, into: &mut Vec<Statement>) -> Parsed<()> {
        if self.take_kind(&Kind::NewLine) {
            return Ok(());
        }
        let mut decorators = Vec::new();
        while self.take("@") {
            decorators.push(self.expression()?);
            self.take_kind(&Kind::NewLine);
        }
        if self.take_word("def") {
            into.push(Statement::Function(self.function(decorators)?));
        } else if self.take_word("class") {
            into.push(Statement::Class(self.class()?));
        } else if self.take_word("if") {
            into.push(self.conditional()?);
        } else if self.take_word("for") {
            let target = self.targets()?;
            let list = if self.take_word("in") { self.tuple()? } else { return self.fail("in") };
            into.push(Statement::For(target, list, self.block()?));
        } else if self.take_word("while") {
            let condition = self.expression()?;
            into.push(Statement::While(condition, self.block()?));
        } else {
            self.simple_statements(into)?;
        }
        Ok(())
    }

    fn conditional(&mut self) -> Parsed<Statement> {
        let condition = self.expression()?;
        let then = self.block()?;
        let otherwise = if self.take_word("elif") {
            vec![self.conditional()?]
        } else if self.take_word("else") {
            self.block()?
        } else {
            Vec::new()
        };
        Ok(Statement::If(condition, then, otherwise))
    }

    fn function(&mut self, decorators: Vec<Expression>) -> Parsed<Arc<Function>> {
        let name = self.name()?;
        self.expect("(")?;
        let parameters = self.parameters(")", true)?;
        self.expect(")")?;
        if self.take("->") {
            self.expression()?;
        }
        let body = self.block()?;
        Ok(Arc::new(Function { name, parameters, body, decorators }))
    }

    pub(super) fn parameters(&mut self, end: &str, are_typed: bool) -> Parsed<Vec<Parameter>> {
        let (mut parameters, mut takes) = (Vec::new(), Takes::One);
        while !self.is(end) {
            let this = if self.take("**") {
                Takes::RestNamed
            } else if self.take("*") {
                let alone = self.is(",");
                takes = Takes::Named;
                if alone {
                    self.expect(",")?;
                    continue;
                }
                Takes::Rest
            } else if self.take("/") {
                self.take(",");
                continue;
            } else {
                takes
            };
            let name = self.name()?;
            if are_typed && self.take(":") {
                self.expression()?;
            }
            let default = if self.take("=") { Some(self.expression()?) } else { None };
            parameters.push(Parameter { name, default, takes: this });
            if !self.take(",") {
                break;
            }
        }
        Ok(parameters)
    }

    fn class(&mut self) -> Parsed<Arc<Class>> {
        let name = self.name()?;
        let mut bases = Vec::new();
        if self.take("(") {
            for passed in self.arguments()? {
                if let Passed::Positional(base) = passed {
                    bases.push(base);
                }
            }
        }
        let body = self.block()?;
        Ok(Arc::new(Class { name, bases, body }))
    }

    fn simple_statements(&mut self, into: &mut Vec<Statement>) -> Parsed<()> {
        loop {
            into.push(self.simple_statement()?);
            if !self.take(";") {
                break;
            }
            if self.is_kind(&Kind::NewLine) {
                break;
            }
        }
        if self.take_kind(&Kind::NewLine) { Ok(()) } else { self.fail("the end of the line") }
    }

    fn simple_statement(&mut self) -> Parsed<Statement> {
        let ends = |parser: &Parser| matches!(parser.kind(), Kind::NewLine) || parser.is(";");
        if self.take_word("return") {
            return Ok(Statement::Return(if ends(self) { None } else { Some(self.tuple()?) }));
        }
        if self.take_word("raise") {
            return Ok(Statement::Raise(if ends(self) { None } else { Some(self.expression()?) }));
        }
        for (word, statement) in
            [("break", Statement::Break), ("continue", Statement::Continue), ("pass", Statement::Nothing)]
        {
            if self.take_word(word) {
                return Ok(statement);
            }
        }
        if ["import", "from", "assert", "del", "global", "nonlocal"]
            .into_iter()
            .any(|word| self.is_word(word))
        {
            while !ends(self) {
                self.at += 1;
            }
            return Ok(Statement::Nothing);
        }
        let first = self.tuple()?;
        if let (Expression::Name(name), true) = (&first, self.is(":")) {
            let name = name.clone();
            self.expect(":")?;
            self.expression()?;
            let value = if self.take("=") { Some(self.tuple()?) } else { None };
            return Ok(Statement::Declare(name, value));
        }
        for (update, operator) in UPDATES {
            if self.take(update) {
                return Ok(Statement::Update(first, operator, self.tuple()?));
            }
        }
        let mut targets = vec![first];
        while self.take("=") {
            targets.push(self.tuple()?);
        }
        let value = targets.pop().expect("at least one");
        Ok(if targets.is_empty() { Statement::Expression(value) } else { Statement::Assign(targets, value) })
    }

    /// What a loop assigns to.
    pub(super) fn targets(&mut self) -> Parsed<Expression> {
        let mut items = vec![self.postfix()?];
        while self.take(",") {
            if self.is_word("in") {
                break;
            }
            items.push(self.postfix()?);
        }
        Ok(if items.len() == 1 { items.remove(0) } else { Expression::Tuple(items) })
    }
}
