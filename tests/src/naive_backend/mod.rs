//! A second backend: every operation by a loop over the indices of its result, in numbers of 64 bits.
//!
//! It knows graphs and `Op` alone, and shows what an emitter has to know. It is slow, and as plain as can be.

mod complex;
mod definitions;
mod factorizations;
mod operations;

use std::sync::Arc;

use flaxen::core::backend::Finish;
use flaxen::core::{Backend, CompileOptions, Executable, Graph};
use flaxen::{Array, Aval, DType, Error, Result};
use num_complex::{Complex32, Complex64};

pub use definitions::Num;

/// The backend, to be given to [`Jit::on`](flaxen::Jit::on).
pub static NAIVE: Naive = Naive;

/// See the [module](self).
pub struct Naive;

/// A shape and its elements, row-major.
#[derive(Clone)]
struct Value {
    aval: Aval,
    data: Vec<Num>,
}

struct Interpreter(Graph);

impl Backend for Naive {
    fn platform(&self) -> &'static str {
        "naive"
    }

    fn compile(&self, graph: &Graph, _options: CompileOptions) -> Result<Arc<dyn Executable>> {
        Ok(Arc::new(Interpreter(graph.clone())))
    }
}

impl Executable for Interpreter {
    fn run(&self, args: &mut dyn Iterator<Item = Array>, finish: &mut Finish<'_>) -> Result<()> {
        let outs = evaluate(&self.0, args.map(|array| Value::of(&array)).collect())?;
        finish(&mut outs.into_iter().map(|value| value.array()));
        Ok(())
    }
}

fn evaluate(graph: &Graph, args: Vec<Value>) -> Result<Vec<Value>> {
    let variables = graph.eqns().iter().flat_map(|eqn| eqn.args().iter().chain(eqn.outs()));
    let all =
        variables.chain(graph.inputs()).chain(graph.outs()).chain(graph.consts().iter().map(|(v, _)| v));
    let mut values: Vec<Option<Value>> = vec![None; all.map(|var| var.index() + 1).max().unwrap_or(0)];
    for (var, arg) in graph.inputs().iter().zip(args) {
        values[var.index()] = Some(arg);
    }
    for (var, array) in graph.consts() {
        values[var.index()] = Some(Value::of(array));
    }
    let known = |values: &[Option<Value>], var: usize| values[var].clone().expect("defined before its use");
    for eqn in graph.eqns() {
        let args: Vec<Value> = eqn.args().iter().map(|var| known(&values, var.index())).collect();
        let outs: Vec<Aval> = eqn.outs().iter().map(|&var| graph.aval(var).clone()).collect();
        let op = eqn.primitive().op();
        let made = operations::apply(op, &args, &outs)?;
        for ((var, aval), data) in eqn.outs().iter().zip(outs).zip(made) {
            if data.len() != aval.size() {
                return Err(Error::msg(format!("{op:?} gave {} elements for {aval}", data.len())));
            }
            let data = data.into_iter().map(|x| x.rounded(aval.dtype)).collect();
            values[var.index()] = Some(Value { aval, data });
        }
    }
    Ok(graph.outs().iter().map(|var| known(&values, var.index())).collect())
}

impl Value {
    fn of(array: &Array) -> Value {
        let data = match array.dtype() {
            DType::Bool | DType::U8 => array.data::<u8>().iter().map(|&x| Num::Int(x.into())).collect(),
            DType::U16 => array.data::<u16>().iter().map(|&x| Num::Int(x.into())).collect(),
            DType::I8 => array.data::<i8>().iter().map(|&x| Num::Int(x.into())).collect(),
            DType::I16 => array.data::<i16>().iter().map(|&x| Num::Int(x.into())).collect(),
            DType::U32 => array.data::<u32>().iter().map(|&x| Num::Int(x.into())).collect(),
            DType::I32 => array.data::<i32>().iter().map(|&x| Num::Int(x.into())).collect(),
            DType::I64 => array.data::<i64>().iter().map(|&x| Num::Int(x)).collect(),
            DType::F16 => array.data::<half::f16>().iter().map(|&x| Num::Float(x.into())).collect(),
            DType::BF16 => array.data::<half::bf16>().iter().map(|&x| Num::Float(x.into())).collect(),
            DType::F32 => array.data::<f32>().iter().map(|&x| Num::Float(x.into())).collect(),
            DType::C64 => {
                let parts = array.data::<Complex32>().iter();
                parts.map(|x| Num::Complex(Complex64::new(x.re.into(), x.im.into()))).collect()
            }
            DType::F64 => array.data::<f64>().iter().map(|&x| Num::Float(x)).collect(),
        };
        Value { aval: array.aval().clone(), data }
    }

    fn array(&self) -> Array {
        let aval = self.aval.clone();
        macro_rules! build {
            ($type:ty, |$x:ident| $convert:expr) => {
                Array::build::<$type>(aval, |out| {
                    for (out, $x) in out.iter_mut().zip(&self.data) {
                        *out = $convert;
                    }
                })
            };
        }
        match self.aval.dtype {
            DType::Bool | DType::U8 => build!(u8, |x| x.int() as u8),
            DType::U16 => build!(u16, |x| x.int() as u16),
            DType::I8 => build!(i8, |x| x.int() as i8),
            DType::I16 => build!(i16, |x| x.int() as i16),
            DType::U32 => build!(u32, |x| x.int() as u32),
            DType::I32 => build!(i32, |x| x.int() as i32),
            DType::I64 => build!(i64, |x| x.int()),
            DType::F16 => build!(half::f16, |x| half::f16::from_f64(x.float())),
            DType::BF16 => build!(half::bf16, |x| half::bf16::from_f64(x.float())),
            DType::F32 => build!(f32, |x| x.float() as f32),
            DType::C64 => build!(Complex32, |x| {
                let x = x.complex();
                Complex32::new(x.re as f32, x.im as f32)
            }),
            DType::F64 => build!(f64, |x| x.float()),
        }
    }
}
