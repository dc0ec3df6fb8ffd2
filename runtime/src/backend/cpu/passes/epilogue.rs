//! Lets products hand their numbers, piece by piece, to the fused kernel that reads them: biases and activations cost no pass
//! over memory then.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::fuse::Fusion;
use crate::array::{Array, Aval};
use crate::backend::cpu::codegen::{Fused, Source};
use crate::core::cpu::{CpuRules, Kernel, on_cpu};
use crate::core::primitive::{Args, Outs, Primitive};
use crate::core::trace::Axis;
use crate::core::{Eqn, Graph, Var};
use crate::error::{Error, Result};

/// A product, and the fused kernel behind it.
#[derive(Clone)]
pub(crate) struct Epilogue(Arc<Body>);

struct Body {
    product: Arc<dyn Primitive>,
    /// What the product makes.
    made: Aval,
    fusion: Fusion,
    joint: Joint,
}

impl Graph {
    /// Joins each product that only one fused kernel reads with that kernel.
    #[must_use]
    pub(crate) fn epilogues(mut self) -> Graph {
        let mut readers: FxHashMap<Var, Vec<usize>> = FxHashMap::default();
        for (at, eqn) in self.eqns.iter().enumerate() {
            eqn.args.iter().for_each(|&arg| readers.entry(arg).or_default().push(at));
        }
        self.outs.iter().for_each(|&out| readers.entry(out).or_default().push(usize::MAX));
        let mut gone = vec![false; self.eqns.len()];
        for (at, gone) in gone.iter_mut().enumerate() {
            let [out] = self.eqns[at].outs[..] else { continue };
            let Some(&[reader]) = readers.get(&out).map(|readers| &readers[..]) else { continue };
            if reader == usize::MAX {
                continue;
            }
            if let Some(joined) = self.joined(at, out, reader) {
                self.eqns[reader] = joined;
                *gone = true;
            }
        }
        self.without(&gone)
    }

    fn joined(&self, at: usize, out: Var, reader: usize) -> Option<Eqn> {
        let (product, reader) = (&self.eqns[at], &self.eqns[reader]);
        let aval = self.aval(out);
        let fusion = reader.primitive_as::<Fusion>()?;
        let args: Args<&Aval> = product.args.iter().map(|&arg| self.aval(arg)).collect();
        let row = product.primitive.cpu()?.specialize(&args, aval)?.tile()?;
        let input = reader.args.iter().position(|&arg| arg == out)?;
        let (fusion, result, needed) = fusion.after(input)?;
        if reader.args.iter().filter(|&&arg| arg == out).count() > 1
            || needed.is_some_and(|cols| row % cols != 0)
        {
            return None;
        }
        let rest = reader.args.iter().enumerate().filter(|&(i, _)| i != input).map(|(_, &arg)| arg);
        let body = Body {
            product: product.primitive.clone(),
            made: aval.clone(),
            fusion,
            joint: Joint { args: product.args.len(), input, result },
        };
        Some(Eqn {
            primitive: Arc::new(Epilogue(Arc::new(body))),
            args: product.args.iter().copied().chain(rest).collect(),
            path: product.path.clone(),
            ..reader.clone()
        })
    }
}

impl Epilogue {
    pub(crate) fn fusion(&self) -> &Fusion {
        &self.0.fusion
    }

    pub(crate) fn product(&self) -> &dyn Primitive {
        &*self.0.product
    }

    /// The product's kernel for arguments of these shapes.
    pub(crate) fn specialize(&self, args: &[&Aval]) -> Option<Box<dyn Kernel>> {
        self.0.product.cpu()?.specialize(&args[..self.0.joint.args], &self.0.made)
    }

    pub(crate) fn joint(&self) -> Joint {
        self.0.joint
    }
}

/// How a product and the fused kernel behind it share their arguments and results.
#[derive(Clone, Copy)]
pub(crate) struct Joint {
    /// The first so many arguments are the product's.
    args: usize,
    /// Which input of the fused kernel the product is; the others are the rest of the arguments.
    input: usize,
    /// In the memory of which result it arrives.
    result: usize,
}

impl Joint {
    /// Runs both kernels, of the arguments of both.
    pub fn run(self, fused: &Fused, product: &dyn Kernel, args: &[Source<'_>], results: &mut [&mut [u8]]) {
        let (own, rest) = args.split_at(self.args);
        let own: SmallVec<[&[u8]; 4]> = own.iter().copied().map(Source::bytes).collect();
        let mut inputs: SmallVec<[Source<'_>; 16]> = rest.iter().copied().collect();
        inputs.insert(self.input, Source::Result(self.result));
        fused.run_after(&inputs, results, self.result, &|out, then| {
            product.run_with_epilogue(&own, out, then);
        });
    }

    /// The argument that is an input of the fused kernel, if it is not the product.
    fn arg_of(self, input: usize) -> Option<usize> {
        match input.cmp(&self.input) {
            std::cmp::Ordering::Less => Some(self.args + input),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(self.args + input - 1),
        }
    }

    /// Which argument's memory each result may be written to.
    pub fn in_place(self, fused: &Fused) -> Vec<Option<usize>> {
        fused.in_place().iter().map(|pair| pair.and_then(|input| self.arg_of(input))).collect()
    }
}

impl PartialEq for Epilogue {
    fn eq(&self, other: &Epilogue) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Primitive for Epilogue {
    fn name(&self) -> &'static str {
        self.0.product.name()
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        self.0.fusion.infer(args)
    }

    fn batch(&self, _axis: &Axis, _args: Args, _mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        Err(Error::msg("a fused kernel is made after all transforms"))
    }

    fn flops(&self, args: &[&Aval], _outs: &[&Aval]) -> u64 {
        self.0
            .product
            .flops(&args[..self.0.joint.args], &[&self.0.made])
            .saturating_add(self.0.fusion.flops(&[], &[]))
    }

    on_cpu!();
}

impl CpuRules for Epilogue {
    fn eval(&self, _args: Args<Array>, _outs: Outs<Aval>) -> Result<Outs<Array>> {
        Err(Error::msg("a product with a fused kernel runs in a program only"))
    }
}

impl std::fmt::Debug for Epilogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, then as %{} of {:?}", self.0.product, self.0.joint.input, self.0.fusion)
    }
}
