//! The part of Python's syntax that models are written in.

use std::sync::Arc;

/// What has a value.
#[derive(Debug)]
pub enum Expression {
    Nothing,
    Truth(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    /// `f"{a}_{b}"`: the text in front of each value, and the value.
    Format(Vec<(String, Option<Expression>)>),
    Ellipsis,
    Name(String),
    Attribute(Box<Expression>, String),
    Call(Box<Expression>, Vec<Passed>),
    Index(Box<Expression>, Box<Expression>),
    Slice([Option<Box<Expression>>; 3]),
    Tuple(Vec<Expression>),
    List(Vec<Expression>),
    Dict(Vec<(Expression, Expression)>),
    Starred(Box<Expression>),
    Unary(&'static str, Box<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
    /// A chain: `a < b <= c`.
    Compare(Box<Expression>, Vec<(&'static str, Expression)>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Conditional {
        condition: Box<Expression>,
        then: Box<Expression>,
        otherwise: Box<Expression>,
    },
    Lambda(Arc<Function>),
    /// The element, or key and element of a dict, and the clauses `for .. in .. if ..`.
    Comprehension {
        key: Option<Box<Expression>>,
        element: Box<Expression>,
        clauses: Vec<Clause>,
    },
}

/// `for target in list if ..`.
#[derive(Debug)]
pub struct Clause {
    pub target: Expression,
    pub list: Expression,
    pub conditions: Vec<Expression>,
}

/// An argument of a call.
#[derive(Debug)]
pub enum Passed {
    Positional(Expression),
    Named(String, Expression),
    /// `*list`
    All(Expression),
    /// `**dict`
    AllNamed(Expression),
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Takes {
    One,
    /// One argument, by name only.
    Named,
    /// `*rest`
    Rest,
    /// `**rest`
    RestNamed,
}

#[derive(Debug)]
pub struct Parameter {
    pub name: String,
    pub default: Option<Expression>,
    pub takes: Takes,
}

#[derive(Debug)]
pub struct Function {
    pub name: String,
    pub parameters: Vec<Parameter>,
    pub body: Vec<Statement>,
    pub decorators: Vec<Expression>,
}

#[derive(Debug)]
pub struct Class {
    pub name: String,
    pub bases: Vec<Expression>,
    pub body: Vec<Statement>,
}

#[derive(Debug)]
pub enum Statement {
    Expression(Expression),
    /// Targets from left to right.
    Assign(Vec<Expression>, Expression),
    Update(Expression, &'static str, Expression),
    /// `name: type = value`
    Declare(String, Option<Expression>),
    Return(Option<Expression>),
    If(Expression, Vec<Statement>, Vec<Statement>),
    For(Expression, Expression, Vec<Statement>),
    While(Expression, Vec<Statement>),
    Function(Arc<Function>),
    Class(Arc<Class>),
    Break,
    Continue,
    /// What has no effect here: imports, assertions, `pass`.
    Nothing,
    Raise(Option<Expression>),
}
