//! Runs the statements of a source.

use std::cell::Cell;
use std::sync::Arc;

use flaxen::prelude::*;

use super::classes::{Interpreted, bind};
use super::library;
use super::operators::{binary, compare, unary};
use super::syntax::{Clause, Expression, Function, Parameter, Passed, Statement, Takes};
use super::value::{Closure, Named, Names, Passing, Py, This, lock};
use super::{methods, subscript};
use crate::runner::models::Arguments;
use crate::runner::modules;

/// More calls inside of each other are taken for a recursion without an end.
const DEEPEST_CALL: usize = 100;

/// More iterations of a `while` are taken for a loop without an end.
const MOST_ITERATIONS: usize = 10_000;

/// Evaluates what can be named where it stands, on the module whose method runs.
#[derive(Clone)]
pub struct Evaluator {
    pub(super) names: Names,
    pub(super) this: Option<This>,
}

thread_local! {
    /// How many functions of sources run on this thread.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A function that runs.
struct Running;

impl Running {
    fn enter() -> Result<Running> {
        if DEPTH.get() == DEEPEST_CALL {
            return fail("a recursion without an end");
        }
        DEPTH.set(DEPTH.get() + 1);
        Ok(Running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// How a block ended.
enum Flow {
    Next,
    Break,
    Continue,
    Return(Py),
}

fn fail<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::msg(message))
}

impl Evaluator {
    pub fn new(names: &Names, this: Option<This>) -> Evaluator {
        Evaluator { names: names.clone(), this }
    }

    /// Evaluates what needs no names.
    pub fn bare() -> Evaluator {
        Evaluator::new(&Names::new(None), None)
    }

    /// The same within a new block.
    fn inner(&self) -> Evaluator {
        Evaluator { names: Names::new(Some(&self.names)), this: self.this.clone() }
    }

    /// Runs a function on arguments, the first of which is a method's module.
    ///
    /// # Errors
    /// If the arguments do not fit; what a statement returns.
    pub fn run_function(&self, function: &Function, this: Option<Py>, passing: Passing) -> Result<Py> {
        let _running = Running::enter()?;
        let inner = self.inner();
        inner.take(function, this, passing)?;
        match inner.block(&function.body)? {
            Flow::Return(value) => Ok(value),
            _ => Ok(Py::Nothing),
        }
    }

    /// Gives the parameters of a function their values.
    fn take(&self, function: &Function, this: Option<Py>, passing: Passing) -> Result<()> {
        let mut positional = this.into_iter().chain(passing.positional);
        let mut named = passing.named;
        for Parameter { name, default, takes } in &function.parameters {
            let given = named.iter().position(|(other, _)| other == name);
            let value = match takes {
                Takes::Rest => Some(Py::tuple(positional.by_ref().collect())),
                Takes::RestNamed => {
                    let rest = named.drain(..).map(|(name, value)| (Py::text(&name), value));
                    Some(Py::dict(rest.collect()))
                }
                Takes::One | Takes::Named => {
                    let next = if *takes == Takes::One && given.is_none() { positional.next() } else { None };
                    next.or_else(|| given.map(|given| named.remove(given).1))
                }
            };
            let value = match (value, default) {
                (Some(value), _) => value,
                (None, Some(default)) => self.evaluate(default)?,
                (None, None) => return fail(format!("`{}` lacks the argument `{name}`", function.name)),
            };
            self.names.set(name, value);
        }
        match (positional.next(), named.first()) {
            (None, None) => Ok(()),
            (Some(_), _) => fail(format!("`{}` takes fewer positional arguments", function.name)),
            (None, Some((name, _))) => fail(format!("`{}` takes no `{name}`", function.name)),
        }
    }

    /// Runs the statements of a source's top level.
    ///
    /// # Errors
    /// What a statement returns.
    pub fn run(&self, statements: &[Statement]) -> Result<()> {
        self.block(statements).map(drop)
    }

    fn block(&self, statements: &[Statement]) -> Result<Flow> {
        for statement in statements {
            match self.statement(statement)? {
                Flow::Next => {}
                ended => return Ok(ended),
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&self, statement: &Statement) -> Result<Flow> {
        match statement {
            Statement::Expression(expression) => drop(self.evaluate(expression)?),
            Statement::Assign(targets, value) => {
                let value = self.evaluate(value)?;
                for target in targets {
                    self.assign(target, value.clone())?;
                }
            }
            Statement::Update(target, operator, value) => {
                let value = binary(operator, &self.evaluate(target)?, &self.evaluate(value)?)?;
                self.assign(target, value)?;
            }
            Statement::Declare(name, value) => {
                if let Some(value) = value {
                    self.names.set(name, self.evaluate(value)?);
                }
            }
            Statement::Return(value) => {
                let value = value.as_ref().map_or(Ok(Py::Nothing), |value| self.evaluate(value))?;
                return Ok(Flow::Return(value));
            }
            Statement::If(condition, then, otherwise) => {
                let holds = self.evaluate(condition)?.truth()?;
                return self.block(if holds { then } else { otherwise });
            }
            Statement::For(target, list, body) => {
                for item in self.evaluate(list)?.items()? {
                    self.assign(target, item)?;
                    match self.block(body)? {
                        Flow::Break => break,
                        Flow::Return(value) => return Ok(Flow::Return(value)),
                        Flow::Next | Flow::Continue => {}
                    }
                }
            }
            Statement::While(condition, body) => {
                let mut left = MOST_ITERATIONS;
                while self.evaluate(condition)?.truth()? {
                    left = left.checked_sub(1).ok_or_else(|| Error::msg("a loop without an end"))?;
                    match self.block(body)? {
                        Flow::Break => break,
                        Flow::Return(value) => return Ok(Flow::Return(value)),
                        Flow::Next | Flow::Continue => {}
                    }
                }
            }
            Statement::Function(function) => self.names.set(&function.name, self.closure(function)),
            Statement::Class(class) => {
                let class = self.class(class)?;
                self.names.set(class.name, Py::Class(Arc::new(class)));
            }
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
            Statement::Nothing => {}
            Statement::Raise(value) => {
                let value = value.as_ref().map(|value| self.evaluate(value)).transpose()?;
                return fail(format!("the source raises {value:?}"));
            }
        }
        Ok(Flow::Next)
    }

    fn closure(&self, function: &Arc<Function>) -> Py {
        let (function, names, this) = (function.clone(), self.names.clone(), self.this.clone());
        Py::Function(Arc::new(Closure { function, names, this }))
    }

    fn assign(&self, target: &Expression, value: Py) -> Result<()> {
        match target {
            Expression::Name(name) => self.names.set(name, value),
            Expression::Tuple(targets) | Expression::List(targets) => {
                let mut items = value.items()?;
                let starred = targets.iter().position(|target| matches!(target, Expression::Starred(_)));
                if let (Some(at), true) = (starred, items.len() + 1 >= targets.len()) {
                    let rest = items.splice(at..=at + items.len() - targets.len(), [Py::Nothing]);
                    let rest: Vec<Py> = rest.collect();
                    items[at] = Py::list(rest);
                }
                if items.len() != targets.len() {
                    return fail(format!("{} values for {} names", items.len(), targets.len()));
                }
                for (target, item) in targets.iter().zip(items) {
                    self.assign(target, item)?;
                }
            }
            Expression::Starred(target) => self.assign(target, value)?,
            Expression::Attribute(owner, name) => {
                self.assign_attribute(&self.evaluate(owner)?, name, value)?;
            }
            Expression::Index(owner, index) => {
                let (owner, index) = (self.evaluate(owner)?, self.evaluate(index)?);
                subscript::assign(&owner, &index, value)?;
            }
            other => return fail(format!("an assignment to {other:?}")),
        }
        Ok(())
    }

    fn assign_attribute(&self, owner: &Py, name: &str, value: Py) -> Result<()> {
        match (owner, &self.this) {
            (Py::Variable(variable), _) if name == "value" => variable.set(value.tree()?),
            (Py::Interpreted(_), Some(this)) if this.in_setup => {
                let bound = bind(this.module.body().__slot(), &value, name)?;
                this.attributes.set(name, bound);
                Ok(())
            }
            (owner, _) => fail(format!("an assignment to `{name}` of {}", owner.kind())),
        }
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// What an operation returns; a name that is unknown.
    pub fn evaluate(&self, expression: &Expression) -> Result<Py> {
        Ok(match expression {
            Expression::Nothing => Py::Nothing,
            Expression::Truth(truth) => Py::Truth(*truth),
            Expression::Whole(number) => Py::Whole(*number),
            Expression::Number(number) => Py::Number(*number),
            Expression::Text(text) => Py::text(text),
            Expression::Ellipsis => Py::Ellipsis,
            Expression::Format(pieces) => {
                let mut out = String::new();
                for (before, value) in pieces {
                    out += before;
                    if let Some(value) = value {
                        out += &self.evaluate(value)?.written();
                    }
                }
                Py::text(&out)
            }
            Expression::Name(name) => self.named(name)?,
            Expression::Attribute(owner, name) => self.attribute(&self.evaluate(owner)?, name)?,
            Expression::Call(callee, passed) => {
                let (callee, passing) = (self.evaluate(callee)?, self.passing(passed)?);
                self.call(&callee, passing)?
            }
            Expression::Index(owner, index) => {
                subscript::get(&self.evaluate(owner)?, &self.evaluate(index)?)?
            }
            Expression::Slice(parts) => {
                let part = |part: &Option<Box<Expression>>| match part {
                    None => Ok(None),
                    Some(part) => match self.evaluate(part)? {
                        Py::Whole(number) => Ok(Some(number as isize)),
                        Py::Nothing => Ok(None),
                        other => fail(format!("{} in a slice", other.kind())),
                    },
                };
                Py::Slice([part(&parts[0])?, part(&parts[1])?, part(&parts[2])?])
            }
            Expression::Tuple(items) => Py::tuple(self.items(items)?),
            Expression::List(items) => Py::list(self.items(items)?),
            Expression::Dict(entries) => {
                let entry = |(key, value): &(Expression, Expression)| {
                    Ok((self.evaluate(key)?, self.evaluate(value)?))
                };
                Py::dict(entries.iter().map(entry).collect::<Result<_>>()?)
            }
            Expression::Starred(_) => return fail("a star outside of a list"),
            Expression::Unary(operator, value) => unary(operator, &self.evaluate(value)?)?,
            Expression::Binary(operator, left, right) => {
                binary(operator, &self.evaluate(left)?, &self.evaluate(right)?)?
            }
            Expression::Compare(first, rest) => self.comparison(first, rest)?,
            Expression::And(left, right) => {
                let left = self.evaluate(left)?;
                if left.truth()? { self.evaluate(right)? } else { left }
            }
            Expression::Or(left, right) => {
                let left = self.evaluate(left)?;
                if left.truth()? { left } else { self.evaluate(right)? }
            }
            Expression::Conditional { condition, then, otherwise } => {
                self.evaluate(if self.evaluate(condition)?.truth()? { then } else { otherwise })?
            }
            Expression::Lambda(function) => self.closure(function),
            Expression::Comprehension { key, element, clauses } => {
                let (inner, mut out) = (self.inner(), Vec::new());
                inner.comprehend(clauses, &mut |inner| {
                    let key = key.as_ref().map_or(Ok(Py::Nothing), |key| inner.evaluate(key))?;
                    out.push((key, inner.evaluate(element)?));
                    Ok(())
                })?;
                match key {
                    Some(_) => Py::dict(out),
                    None => Py::list(out.into_iter().map(|(_, value)| value).collect()),
                }
            }
        })
    }

    fn items(&self, expressions: &[Expression]) -> Result<Vec<Py>> {
        let mut items = Vec::new();
        for expression in expressions {
            match expression {
                Expression::Starred(list) => items.extend(self.evaluate(list)?.items()?),
                other => items.push(self.evaluate(other)?),
            }
        }
        Ok(items)
    }

    fn comparison(&self, first: &Expression, rest: &[(&'static str, Expression)]) -> Result<Py> {
        let mut left = self.evaluate(first)?;
        let mut out = Py::Truth(true);
        for (operator, right) in rest {
            let right = self.evaluate(right)?;
            out = compare(operator, &left, &right)?;
            if rest.len() > 1 && !out.truth()? {
                break;
            }
            left = right;
        }
        Ok(out)
    }

    fn comprehend(&self, clauses: &[Clause], each: &mut dyn FnMut(&Evaluator) -> Result<()>) -> Result<()> {
        let Some((clause, rest)) = clauses.split_first() else { return each(self) };
        for item in self.evaluate(&clause.list)?.items()? {
            self.assign(&clause.target, item)?;
            let mut holds = true;
            for condition in &clause.conditions {
                holds = holds && self.evaluate(condition)?.truth()?;
            }
            if holds {
                self.comprehend(rest, each)?;
            }
        }
        Ok(())
    }

    fn passing(&self, passed: &[Passed]) -> Result<Passing> {
        let mut passing = Passing::default();
        for argument in passed {
            match argument {
                Passed::Positional(value) => passing.positional.push(self.evaluate(value)?),
                Passed::Named(name, value) => passing.named.push((name.clone(), self.evaluate(value)?)),
                Passed::All(list) => passing.positional.extend(self.evaluate(list)?.items()?),
                Passed::AllNamed(dict) => match self.evaluate(dict)? {
                    Py::Dict(entries) => {
                        passing
                            .named
                            .extend(lock(&entries).iter().map(|(key, value)| (key.written(), value.clone())));
                    }
                    Py::Nothing => {}
                    other => return fail(format!("** of {}", other.kind())),
                },
            }
        }
        Ok(passing)
    }

    fn named(&self, name: &str) -> Result<Py> {
        let found = self.names.get(name).or_else(|| library::root(name));
        found.map_or_else(|| fail(format!("the name `{name}` is unknown")), Ok)
    }

    /// An attribute of a value.
    ///
    /// # Errors
    /// If there is none.
    pub fn attribute(&self, owner: &Py, name: &str) -> Result<Py> {
        let method = || Ok(Py::Method(Arc::new((owner.clone(), name.to_owned()))));
        match owner {
            Py::Library(path) => Ok(library::member(path, name)),
            Py::Interpreted(Named { module, .. }) => {
                let here = self.this.as_ref().filter(|this| is_same(&this.module, module));
                let found = match here {
                    // While the setup runs, the module itself does not know yet what it makes.
                    Some(this) => this.attributes.get(name).or_else(|| module.field(name)),
                    None => module.attribute(name),
                };
                if let Some(value) = found {
                    return Ok(value);
                }
                if let Some(function) = module.class().methods.get(name) {
                    let is_property = function.decorators.iter().any(|it| is_decorator(it, "property"));
                    return if is_property {
                        self.call_method(owner, name, Passing::default())
                    } else {
                        method()
                    };
                }
                match module.class().constants.get(name) {
                    Some(value) => Ok(value.clone()),
                    None => methods::module_attribute(module, name).map_or_else(method, Ok),
                }
            }
            Py::Class(class) => match class.constants.get(name) {
                Some(value) => Ok(value.clone()),
                None => fail(format!("{} has no `{name}`", class.name)),
            },
            Py::Tensor(tensor) => methods::tensor_attribute(tensor, name).map_or_else(method, Ok),
            Py::Variable(variable) if name == "value" => Py::of_tree(&variable.try_get()?),
            _ => method(),
        }
    }

    /// Calls a function, a class, or a module.
    ///
    /// # Errors
    /// What it returns; if it cannot be called, or the arguments do not fit.
    pub fn call(&self, callee: &Py, passing: Passing) -> Result<Py> {
        match callee {
            Py::Library(path) => match path.strip_prefix("nn.").filter(|class| modules::is_class(class)) {
                Some(class) => self.construct_library(class, passing),
                None => library::call(self, path, passing),
            },
            Py::Function(closure) => {
                let evaluator =
                    Evaluator::new(&closure.names, closure.this.clone().or_else(|| self.this.clone()));
                evaluator.run_function(&closure.function, None, passing)
            }
            Py::Class(class) => self.construct(class, passing),
            Py::Partial(partial) => {
                let (function, first) = &**partial;
                let mut all = first.clone();
                all.positional.extend(passing.positional);
                all.named.retain(|(name, _)| !passing.named.iter().any(|(other, _)| name == other));
                all.named.extend(passing.named);
                self.call(function, all)
            }
            Py::Method(method) => self.call_method(&method.0, &method.1, passing),
            Py::Interpreted(_) | Py::Module(_) => self.call_method(callee, "__call__", passing),
            Py::Initializer(initializer) => methods::initialize(initializer, passing),
            Py::DType(dtype) => library::call_dtype(*dtype, passing),
            other => fail(format!("{} cannot be called", other.kind())),
        }
    }

    fn call_method(&self, owner: &Py, name: &str, passing: Passing) -> Result<Py> {
        match owner {
            Py::Module(Named { module, .. }) => Py::of_tree(&module.call(name, &Arguments::from(passing))?),
            Py::Interpreted(Named { module, .. }) => {
                let Some(function) = module.class().methods.get(name) else {
                    return methods::call_module(self, module, name, passing);
                };
                // A method that is not compact runs within the one that calls it.
                let here = self.this.as_ref().filter(|this| is_same(&this.module, module));
                let is_compact = function.decorators.iter().any(|it| is_decorator(it, "compact"));
                match here {
                    Some(this) if !is_compact => {
                        let evaluator = Evaluator::new(&module.class().names, Some(this.clone()));
                        evaluator.run_function(function, Some(owner.clone()), passing)
                    }
                    _ => module.call(name, passing),
                }
            }
            owner => methods::call(self, owner, name, passing),
        }
    }
}

/// Whether two modules of one run are one.
fn is_same(a: &Interpreted, b: &Interpreted) -> bool {
    matches!((a.path(), b.path()), (Ok(a), Ok(b)) if a == b)
}

fn is_decorator(expression: &Expression, name: &str) -> bool {
    matches!(expression, Expression::Name(found) | Expression::Attribute(_, found) if found == name)
}
