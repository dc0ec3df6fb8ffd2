//! What must hold of every operation, whatever it computes.
//!
//! A [`Law`] is an operation with sample arguments; [`Law::check`] holds it against finite differences, against a loop
//! over examples, against itself under every order of transforms, and against itself in the other float dtypes.

mod batching;
mod derivatives;
mod elsewhere;
mod precision;
mod staging;

use std::panic::{AssertUnwindSafe, catch_unwind};

use flaxen::{DType, Result, Tensor, grad};

use crate::data::Data;
use crate::numbers::Numbers;

/// What an operation under test returns: one tensor or several.
pub trait Outputs {
    /// As a list.
    fn into_list(self) -> Vec<Tensor>;
}

impl Outputs for Tensor {
    fn into_list(self) -> Vec<Tensor> {
        vec![self]
    }
}

impl Outputs for Vec<Tensor> {
    fn into_list(self) -> Vec<Tensor> {
        self
    }
}

impl<const N: usize> Outputs for [Tensor; N] {
    fn into_list(self) -> Vec<Tensor> {
        self.into()
    }
}

impl Outputs for (Tensor, Tensor) {
    fn into_list(self) -> Vec<Tensor> {
        vec![self.0, self.1]
    }
}

type Function = Box<dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>>;
type Make = Box<dyn Fn(&mut Data) -> Vec<Tensor>>;

/// An operation, how to make its arguments, and what may be asked of it.
pub struct Law {
    name: String,
    make: Make,
    f: Function,
    /// Arguments to differentiate by; None for every float one.
    by: Option<Vec<usize>>,
    twice: bool,
    tolerance: f64,
    dtypes: Vec<DType>,
    low_tolerance: f64,
}

/// An operation and how to make its arguments: floats in `F64`, and each call another example of the same shapes.
pub fn law<R: Outputs>(
    name: impl Into<String>,
    make: impl Fn(&mut Data) -> Vec<Tensor> + 'static,
    f: impl Fn(&[Tensor]) -> Result<R> + 'static,
) -> Law {
    Law {
        name: name.into(),
        make: Box::new(make),
        f: Box::new(move |args| Ok(f(args)?.into_list())),
        by: None,
        twice: true,
        tolerance: 1e-6,
        dtypes: vec![DType::F32, DType::BF16, DType::F16],
        low_tolerance: 1.0,
    }
}

impl Law {
    /// Differentiates by these arguments only.
    #[must_use]
    pub fn by(self, arguments: impl Into<Vec<usize>>) -> Law {
        Law { by: Some(arguments.into()), ..self }
    }

    /// Asks for no derivatives: for steps, comparisons, integers.
    #[must_use]
    pub fn no_gradient(self) -> Law {
        self.by([])
    }

    /// Asks for first derivatives only.
    #[must_use]
    pub fn once(self) -> Law {
        Law { twice: false, ..self }
    }

    /// How far a derivative may be from finite differences; 1e-6 unless told.
    #[must_use]
    pub fn tolerance(self, tolerance: f64) -> Law {
        Law { tolerance, ..self }
    }

    /// Which other float dtypes it is run in; all unless told.
    #[must_use]
    pub fn dtypes(self, dtypes: impl Into<Vec<DType>>) -> Law {
        Law { dtypes: dtypes.into(), ..self }
    }

    /// A factor on what is allowed in the other dtypes, for sums of many terms and steep functions.
    #[must_use]
    pub fn loose(self, factor: f64) -> Law {
        Law { low_tolerance: factor, ..self }
    }

    /// Checks all laws.
    ///
    /// # Panics
    /// If one fails, with the operation, the law and the worst element.
    pub fn check(self) {
        check([self]);
    }

    fn failures(&self) -> Vec<String> {
        type Check = fn(&Law) -> Outcome;
        let checks: [(&str, Check); 14] = [
            ("vjp against finite differences", derivatives::vjp),
            ("vjp by one argument alone", derivatives::each_alone),
            ("Jacobian against finite differences", derivatives::jacobian),
            ("jvp against finite differences", derivatives::jvp),
            ("second derivatives against finite differences", derivatives::second_order),
            ("vmap against a loop", batching::subsets),
            ("vmap of vmap against a loop", batching::nested),
            ("vmap of grad against a loop", batching::gradients),
            ("jit against eager", staging::values),
            ("grad with jit against grad", staging::gradients),
            ("vmap with jit against vmap", staging::batches),
            ("the graph prints", staging::prints),
            ("other float dtypes against F64", precision::dtypes),
            ("other backends against the CPU", elsewhere::values_and_gradients),
        ];
        let run = |(title, check): (&str, Check)| {
            let outcome = match catch_unwind(AssertUnwindSafe(|| check(self))) {
                Ok(outcome) => outcome,
                Err(payload) => Err(format!("panic: {}", text(&*payload))),
            };
            outcome.err().map(|message| format!("{}: {title}: {message}", self.name))
        };
        // `FLAXEN_LAWS` is a part of the titles of those that are wanted, if not all are.
        let wanted = std::env::var("FLAXEN_LAWS").unwrap_or_default();
        checks.into_iter().filter(|(title, _)| title.contains(&wanted)).filter_map(run).collect()
    }

    fn example(&self, seed: u64) -> Vec<Tensor> {
        (self.make)(&mut Data::new(seed))
    }

    /// The arguments to differentiate by.
    fn by_of(&self, args: &[Tensor]) -> Vec<usize> {
        let float = |&i: &usize| args[i].dtype().is_float();
        self.by.clone().unwrap_or_else(|| (0..args.len()).filter(float).collect())
    }
}

/// Checks all laws of every operation, and reports all that fail.
///
/// # Panics
/// If one fails, with the operation, the law and the worst element.
pub fn check(laws: impl IntoIterator<Item = Law>) {
    let failures: Vec<String> = laws.into_iter().flat_map(|law| law.failures()).collect();
    assert!(failures.is_empty(), "{} laws fail:\n{}", failures.len(), failures.join("\n"));
}

fn text(payload: &(dyn std::any::Any + Send)) -> String {
    match (payload.downcast_ref::<String>(), payload.downcast_ref::<&str>()) {
        (Some(text), _) => text.clone(),
        (_, Some(text)) => (*text).to_owned(),
        _ => "no message".to_owned(),
    }
}

type Outcome = Result<(), String>;

/// An error inside a check, as a message.
fn say(error: flaxen::Error) -> String {
    error.to_string()
}

/// The arguments with some replaced.
fn replaced(args: &[Tensor], which: &[usize], by: &[Tensor]) -> Vec<Tensor> {
    let mut args = args.to_vec();
    for (&i, value) in which.iter().zip(by) {
        args[i] = value.clone();
    }
    args
}

fn chosen(args: &[Tensor], which: &[usize]) -> Vec<Tensor> {
    which.iter().map(|&i| args[i].clone()).collect()
}

/// Random cotangents for these outputs: zeros for those that are not floats.
fn cotangents(outs: &[Tensor], data: &mut Data) -> Vec<Numbers> {
    let one = |out: &Tensor| {
        let count = out.size();
        let list = if out.dtype().is_float() { data.list(count, -1.0, 1.0) } else { vec![0.0; count] };
        Numbers { shape: out.shape().to_vec(), data: list }
    };
    outs.iter().map(one).collect()
}

/// The values as tensors of the dtypes of others.
fn like(numbers: &[Numbers], others: &[Tensor]) -> Vec<Tensor> {
    numbers.iter().zip(others).map(|(numbers, other)| numbers.tensor(other.dtype())).collect()
}

/// A scalar that depends on every float output.
fn weighted(outs: &[Tensor], weights: &[Tensor]) -> Result<Tensor> {
    let mut total: Option<Tensor> = None;
    for (out, weight) in outs.iter().zip(weights).filter(|(out, _)| out.dtype().is_float()) {
        let mut term = out * weight;
        for _ in 0..term.rank() {
            term = term.try_sum_axes([0])?;
        }
        total = Some(match total {
            Some(total) => total + term,
            None => term,
        });
    }
    total.ok_or_else(|| flaxen::Error::msg("no output is a float"))
}

/// The gradient of [`weighted`] outputs of `f` by some of its arguments.
fn gradient(
    f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>,
    args: &[Tensor],
    by: &[usize],
    weights: &[Tensor],
) -> Result<Vec<Tensor>> {
    grad(|x: &Vec<Tensor>| weighted(&f(&replaced(args, by, x))?, weights))(&chosen(args, by))
}
