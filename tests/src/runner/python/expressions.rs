//! Expressions of Python sources.

use std::sync::Arc;

use super::lexer::Kind;
use super::parser::{Parsed, Parser, expression};
use super::syntax::{Clause, Expression, Function, Passed, Statement};

/// Operators of two operands, weakest first; those of one row are of one strength.
const BINARY: [&[&str]; 6] =
    [&["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "/", "//", "%", "@"]];

impl Parser {
    /// One expression, or several with commas between them.
    pub(super) fn tuple(&mut self) -> Parsed<Expression> {
        let first = self.starred()?;
        if !self.is(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.take(",") {
            let ends = matches!(self.kind(), Kind::NewLine | Kind::End)
                || [")", "]", "=", ":"].into_iter().any(|operator| self.is(operator));
            if ends {
                break;
            }
            items.push(self.starred()?);
        }
        Ok(Expression::Tuple(items))
    }

    fn starred(&mut self) -> Parsed<Expression> {
        if self.take("*") { Ok(Expression::Starred(Box::new(self.or()?))) } else { self.expression() }
    }

    pub(super) fn expression(&mut self) -> Parsed<Expression> {
        if self.take_word("lambda") {
            let parameters = self.parameters(":", false)?;
            self.expect(":")?;
            let body = vec![Statement::Return(Some(self.expression()?))];
            let function = Function { name: "<lambda>".to_owned(), parameters, body, decorators: Vec::new() };
            return Ok(Expression::Lambda(Arc::new(function)));
        }
        let then = self.or()?;
        if !self.take_word("if") {
            return Ok(then);
        }
        let condition = Box::new(self.or()?);
        if !self.take_word("else") {
            return self.fail("else");
        }
        let otherwise = Box::new(self.expression()?);
        Ok(Expression::Conditional { condition, then: Box::new(then), otherwise })
    }

    fn or(&mut self) -> Parsed<Expression> {
        let mut left = self.and()?;
        while self.take_word("or") {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expression> {
        let mut left = self.not()?;
        while self.take_word("and") {
            left = Expression::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed<Expression> {
        if self.take_word("not") {
            return Ok(Expression::Unary("not", Box::new(self.not()?)));
        }
        let first = self.binary(0)?;
        let mut rest = Vec::new();
        while let Some(operator) = self.comparison() {
            rest.push((operator, self.binary(0)?));
        }
        Ok(if rest.is_empty() { first } else { Expression::Compare(Box::new(first), rest) })
    }

    fn comparison(&mut self) -> Option<&'static str> {
        let found = ["==", "!=", "<=", ">=", "<", ">"].into_iter().find(|operator| self.is(operator));
        if found.is_some() {
            self.at += 1;
            return found;
        }
        if self.take_word("is") {
            return Some(if self.take_word("not") { "is not" } else { "is" });
        }
        let negated =
            self.is_word("not") && matches!(&self.tokens[self.at + 1].kind, Kind::Name(name) if name == "in");
        self.at += usize::from(negated);
        let within = self.take_word("in");
        within.then_some(if negated { "not in" } else { "in" })
    }

    fn binary(&mut self, strength: usize) -> Parsed<Expression> {
        let Some(operators) = BINARY.get(strength) else { return self.unary() };
        let mut left = self.binary(strength + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.is(operator)) {
            self.at += 1;
            left = Expression::Binary(operator, Box::new(left), Box::new(self.binary(strength + 1)?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Expression> {
        for operator in ["-", "+", "~"] {
            if self.take(operator) {
                return Ok(Expression::Unary(operator, Box::new(self.unary()?)));
            }
        }
        let base = self.postfix()?;
        if self.take("**") {
            return Ok(Expression::Binary("**", Box::new(base), Box::new(self.unary()?)));
        }
        Ok(base)
    }

    pub(super) fn postfix(&mut self) -> Parsed<Expression> {
        let mut value = self.atom()?;
        loop {
            if self.take(".") {
                value = Expression::Attribute(Box::new(value), self.name()?);
            } else if self.take("(") {
                value = Expression::Call(Box::new(value), self.arguments()?);
            } else if self.take("[") {
                let index = self.subscript()?;
                self.expect("]")?;
                value = Expression::Index(Box::new(value), Box::new(index));
            } else {
                return Ok(value);
            }
        }
    }

    fn subscript(&mut self) -> Parsed<Expression> {
        let mut items = vec![self.slice()?];
        let is_tuple = self.is(",");
        while self.take(",") {
            if self.is("]") {
                break;
            }
            items.push(self.slice()?);
        }
        Ok(if is_tuple { Expression::Tuple(items) } else { items.remove(0) })
    }

    fn slice(&mut self) -> Parsed<Expression> {
        let mut parts = [None, None, None];
        let mut part = 0;
        loop {
            if self.take(":") {
                part += 1;
                if part == 3 {
                    return self.fail("the end of a slice");
                }
            } else if self.is(",") || self.is("]") {
                break;
            } else if parts[part].is_some() {
                return self.fail("the end of a slice");
            } else {
                parts[part] = Some(Box::new(self.starred()?));
            }
        }
        match (part, parts) {
            (0, [Some(single), None, None]) => Ok(*single),
            (_, parts) => Ok(Expression::Slice(parts)),
        }
    }

    /// Up to the closing parenthesis.
    pub(super) fn arguments(&mut self) -> Parsed<Vec<Passed>> {
        let mut arguments = Vec::new();
        while !self.take(")") {
            let named = matches!(
                (&self.kind(), &self.tokens[self.at + 1].kind),
                (Kind::Name(_), Kind::Operator("="))
            );
            arguments.push(if self.take("**") {
                Passed::AllNamed(self.expression()?)
            } else if self.take("*") {
                Passed::All(self.expression()?)
            } else if named {
                let name = self.name()?;
                self.expect("=")?;
                Passed::Named(name, self.expression()?)
            } else {
                let value = self.expression()?;
                Passed::Positional(if self.is_word("for") { self.comprehension(None, value)? } else { value })
            });
            if !self.take(",") && !self.is(")") {
                return self.fail(")");
            }
        }
        Ok(arguments)
    }

    fn comprehension(&mut self, key: Option<Expression>, element: Expression) -> Parsed<Expression> {
        let mut clauses = Vec::new();
        while self.take_word("for") {
            let target = self.targets()?;
            let list = if self.take_word("in") { self.or()? } else { return self.fail("in") };
            let mut conditions = Vec::new();
            while self.take_word("if") {
                conditions.push(self.or()?);
            }
            clauses.push(Clause { target, list, conditions });
        }
        Ok(Expression::Comprehension { key: key.map(Box::new), element: Box::new(element), clauses })
    }

    fn atom(&mut self) -> Parsed<Expression> {
        let kind = self.kind().clone();
        self.at += 1;
        Ok(match kind {
            Kind::Whole(number) => Expression::Whole(number),
            Kind::Number(number) => Expression::Number(number),
            Kind::Text(mut text) => {
                while let Kind::Text(more) = self.kind().clone() {
                    text += &more;
                    self.at += 1;
                }
                Expression::Text(text)
            }
            Kind::Format(text) => format(&text)?,
            Kind::Name(name) => match &name[..] {
                "None" => Expression::Nothing,
                "True" => Expression::Truth(true),
                "False" => Expression::Truth(false),
                _ => Expression::Name(name),
            },
            Kind::Operator("...") => Expression::Ellipsis,
            Kind::Operator("(") => {
                if self.take(")") {
                    return Ok(Expression::Tuple(Vec::new()));
                }
                let inner = self.tuple()?;
                let inner = if self.is_word("for") { self.comprehension(None, inner)? } else { inner };
                self.expect(")")?;
                inner
            }
            Kind::Operator("[") => self.list()?,
            Kind::Operator("{") => self.dict()?,
            _ => {
                self.at -= 1;
                return self.fail("an expression");
            }
        })
    }

    fn list(&mut self) -> Parsed<Expression> {
        let mut items = Vec::new();
        while !self.take("]") {
            items.push(self.starred()?);
            if self.is_word("for") {
                let list = self.comprehension(None, items.remove(0))?;
                self.expect("]")?;
                return Ok(list);
            }
            if !self.take(",") && !self.is("]") {
                return self.fail("]");
            }
        }
        Ok(Expression::List(items))
    }

    fn dict(&mut self) -> Parsed<Expression> {
        let mut items = Vec::new();
        while !self.take("}") {
            let key = self.expression()?;
            self.expect(":")?;
            let value = self.expression()?;
            if self.is_word("for") {
                let dict = self.comprehension(Some(key), value)?;
                self.expect("}")?;
                return Ok(dict);
            }
            items.push((key, value));
            if !self.take(",") && !self.is("}") {
                return self.fail("}");
            }
        }
        Ok(Expression::Dict(items))
    }
}

/// The pieces of `f"layer_{i}"`.
fn format(text: &str) -> Parsed<Expression> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, inside)) = rest.split_once('{') {
        let (value, after) = inside.split_once('}').ok_or_else(|| format!("the text `{text}`"))?;
        let value = value.split([':', '!']).next().unwrap_or_default();
        pieces.push((before.to_owned(), Some(expression(value)?)));
        rest = after;
    }
    pieces.push((rest.to_owned(), None));
    Ok(Expression::Format(pieces))
}
