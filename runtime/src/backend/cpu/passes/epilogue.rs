//! Epilogue fusion: a product hands its tiles, while they are in the cache, to the fused kernel that reads them, so that biases
//! and activations cost no pass over memory; as CUTLASS calls what a matrix product does with its accumulators at the end.

use std::sync::Arc;

use smallvec::SmallVec;

use super::analysis::DefUse;
use super::fuse::Fusion;
use crate::array::Aval;
use crate::backend::cpu::codegen::{Fused, Source};
use crate::backend::cpu::schedule::{Schedule, Step};
use crate::core::cpu::Kernel;
use crate::core::primitive::{Args, Primitive};
use crate::core::{Eqn, Var};

/// A product, and the fused kernel behind it.
pub(crate) struct Epilogue {
    product: Arc<dyn Primitive>,
    /// What the product makes.
    made: Aval,
    fusion: Fusion,
    joint: Joint,
}

impl Schedule {
    /// Joins each product that only one fused kernel reads with that kernel.
    #[must_use]
    pub(crate) fn epilogues(mut self) -> Schedule {
        let uses = DefUse::of(&self);
        let mut gone = vec![false; self.eqns.len()];
        for (at, gone) in gone.iter_mut().enumerate() {
            let [out] = self.eqns[at].outs[..] else { continue };
            let Some(reader) = uses.only_use(out) else { continue };
            if let Some(joined) = self.joined(at, out, reader) {
                self.eqns[reader] = joined;
                *gone = true;
            }
        }
        self.without(&gone)
    }

    fn joined(&self, at: usize, out: Var, reader: usize) -> Option<Eqn<Step>> {
        let (eqn, reader) = (&self.eqns[at], &self.eqns[reader]);
        let aval = self.aval(out);
        let fusion = reader.primitive.fusion()?;
        let product = eqn.primitive.primitive()?;
        let args: Args<&Aval> = eqn.args.iter().map(|&arg| self.aval(arg)).collect();
        let row = product.cpu()?.specialize(&args, aval)?.tile()?;
        let input = reader.args.iter().position(|&arg| arg == out)?;
        let (fusion, result) = fusion.after(input, row)?;
        let rest = reader.args.iter().enumerate().filter(|&(i, _)| i != input).map(|(_, &arg)| arg);
        let joint = Joint { args: eqn.args.len(), input, result };
        let epilogue = Epilogue { product: product.clone(), made: aval.clone(), fusion, joint };
        Some(Eqn {
            primitive: Step::Epilogue(Arc::new(epilogue)),
            args: eqn.args.iter().copied().chain(rest).collect(),
            path: eqn.path.clone(),
            ..reader.clone()
        })
    }
}

impl Epilogue {
    pub(crate) fn fusion(&self) -> &Fusion {
        &self.fusion
    }

    pub(crate) fn product(&self) -> &dyn Primitive {
        &*self.product
    }

    /// The product's kernel for arguments of these shapes.
    pub(crate) fn specialize(&self, args: &[&Aval]) -> Option<Box<dyn Kernel>> {
        self.product.cpu()?.specialize(&args[..self.joint.args], &self.made)
    }

    pub(crate) fn joint(&self) -> Joint {
        self.joint
    }

    pub(crate) fn flops(&self, args: &[&Aval]) -> u64 {
        let product = self.product.flops(&args[..self.joint.args], &[&self.made]);
        product.saturating_add(self.fusion.flops())
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
    pub fn aliases(self, fused: &Fused) -> Vec<Option<usize>> {
        fused.aliases().iter().map(|alias| alias.and_then(|input| self.arg_of(input))).collect()
    }
}

impl std::fmt::Debug for Epilogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, then as %{} of {:?}", self.product, self.joint.input, self.fusion)
    }
}
