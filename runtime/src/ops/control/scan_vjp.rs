//! Reverse mode of `scan`: a loop forward that keeps what each step's pullback reads, and a loop backward over that.
//!
//! What all steps read alike is kept once, and slices of arguments are not kept again. Gradients of constants are summed step after
//! step, but for products: the sum over all steps of products is one product, over the steps as well (the weights of recurrent
//! layers: Appleyard, Kočiský and Blunsom, "Optimizing performance of recurrent neural networks on GPUs", 2016, section 3.2).

use rustc_hash::FxHashMap;

use super::scan::{Layout, Scan, scan, scan_simplified};
use crate::array::Shape;
use crate::core::add_any::{AddAny, add_any};
use crate::core::op::{DotDimensions, Op};
use crate::core::precision;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Pullback};
use crate::core::trace::stage::Stage;
use crate::core::trace::{self, Trace};
use crate::core::{Graph, Tensor, Var};
use crate::error::Result;
use crate::ops::call::{Call, strong};
use crate::ops::dot_general::DotOptions;
use crate::ops::{convert, zeros_of};
use crate::scalar::op::ScalarOp;
use crate::scalar::reduce::ReduceOp;

/// Where the backward loop finds what a step's pullback reads.
#[derive(Clone, Copy)]
enum Kept {
    /// The same for all steps.
    Const,
    /// A slice for each step.
    Slices,
}

/// What the backward loop is made from.
struct Backward {
    /// From what is kept, and the cotangents of all outputs, to those of the active inputs.
    step: Call,
    kept: Vec<Kept>,
    layout: Layout,
    /// Which inputs of the step have gradients.
    active: Vec<bool>,
    /// Which arguments need theirs.
    needs_grad: Vec<bool>,
    /// The body itself, for shapes.
    body: Call,
}

pub(super) fn vjp_fwd(
    of: &Scan,
    args: Args,
    needs_grad: &[bool],
    active: &[bool],
) -> Result<(Outs, Pullback)> {
    let layout @ Layout { consts, carry, .. } = of.layout;
    let calls = of.body.vjp(active)?;
    let mut forward = calls.forward.graph().clone();
    let count = of.body.graph().outs.len();
    let residuals = forward.outs.split_off(count);
    // What is an argument already is not made again.
    let mut found: Vec<(Kept, Option<Tensor>)> = Vec::with_capacity(residuals.len());
    for var in residuals {
        let input = forward.inputs.iter().position(|&input| input == var);
        let constant = forward.consts.iter().find(|(other, _)| *other == var);
        found.push(match (input, constant) {
            (_, Some((_, array))) => (Kept::Const, Some(array.clone().into())),
            (Some(i), _) if i < consts => (Kept::Const, Some(args[i].clone())),
            (Some(i), _) if i >= consts + carry => (Kept::Slices, Some(args[i].clone())),
            _ => {
                forward.outs.push(var);
                (Kept::Slices, None)
            }
        });
    }
    let mut outs = scan_simplified(forward, of.body.target(), layout, args)?;
    let mut stacked = outs.drain(count..).collect::<Vec<_>>().into_iter();
    let kept = found.iter().map(|(kept, _)| *kept).collect();
    let residuals: Vec<Tensor> =
        found.into_iter().filter_map(|(_, value)| value.or_else(|| stacked.next())).collect();
    let backward = Backward {
        step: calls.backward,
        kept,
        layout,
        active: active.to_vec(),
        needs_grad: needs_grad.to_vec(),
        body: of.body.clone(),
    };
    Ok((outs, Box::new(move |cts| backward.run(&residuals, cts))))
}

/// A gradient of a constant, in the graph of a backward step.
enum Sum {
    /// Summed step after step, in the carry.
    Carried,
    /// Products of slices, summed after the loop.
    Deferred(Vec<Product>),
}

/// What is summed over all steps at once.
enum Product {
    Dot(DotDimensions, Option<precision::Pair>, Var, Var),
    /// A sum over axes of slices.
    Sum(Shape, Var),
}

impl Backward {
    fn run(&self, residuals: &[Tensor], cts: Cotangents) -> Result<Grads> {
        let Layout { consts, carry, length, .. } = self.layout;
        let (body, target) = (self.body.graph(), self.body.target());
        let active_carry: Vec<usize> = (0..carry).filter(|&i| self.active[consts + i]).collect();
        let graph = self.stage(&cts, &active_carry)?;
        // Simplified before products are looked for; where nothing is known to be zero, the step is what it was.
        let is_whole = (0..body.outs.len()).all(|i| is_given(i, carry, &cts, &active_carry));
        let mut graph = if is_whole { graph } else { target.backend.simplify(graph) };

        // The inputs of the graph are what is kept, cotangents of the carry, and those of the slices that have one.
        let (fixed, slices): (Vec<usize>, Vec<usize>) =
            (0..residuals.len()).partition(|&i| matches!(self.kept[i], Kept::Const));
        let input = graph.inputs.clone();
        let ct_carry = residuals.len()..residuals.len() + active_carry.len();
        let ct_ys = ct_carry.end..input.len();

        let active_consts: Vec<usize> = (0..consts).filter(|&i| self.active[i]).collect();
        let mut outs = std::mem::take(&mut graph.outs).into_iter();
        let of_consts: Vec<Var> = outs.by_ref().take(active_consts.len()).collect();
        let mut new_carry: Vec<Var> = outs.by_ref().take(active_carry.len()).collect();
        let mut new_slices: Vec<Var> = outs.collect();

        let mut sums = Vec::new();
        let mut accumulators = Vec::new();
        let given: Vec<Var> = slices.iter().copied().chain(ct_ys.clone()).map(|i| input[i]).collect();
        let deferred = Deferral::find(&graph, given.clone(), fixed.iter().map(|&i| input[i]), &of_consts);
        for (var, products) in of_consts.into_iter().zip(deferred) {
            sums.push(match products {
                Some(all) => Sum::Deferred(all),
                None => {
                    let aval = strong(graph.aval(var));
                    let before = graph.add_var(aval.clone());
                    let after = graph.push(AddAny, [before, var], aval);
                    accumulators.push(before);
                    new_carry.push(after);
                    Sum::Carried
                }
            });
        }
        // The factors of products are kept by the loop, unless they are slices that are there already.
        let mut factors: FxHashMap<Var, usize> = FxHashMap::default();
        for product in sums.iter().filter_map(Sum::products).flatten() {
            for var in product.vars().filter(|var| !given.contains(var)) {
                factors.entry(var).or_insert_with(|| {
                    new_slices.push(var);
                    new_slices.len() - 1
                });
            }
        }

        let mut args = Args::new();
        let mut ordered = Vec::new();
        for &i in &fixed {
            args.push(residuals[i].clone());
            ordered.push(input[i]);
        }
        for (&i, at) in active_carry.iter().zip(ct_carry) {
            let aval = strong(body.aval(body.outs[i]));
            args.push(match &cts[i] {
                Some(ct) => convert(ct, aval.dtype, false)?,
                None => zeros_of(&aval)?,
            });
            ordered.push(input[at]);
        }
        for &before in &accumulators {
            args.push(zeros_of(graph.aval(before))?);
            ordered.push(before);
        }
        let mut whole: FxHashMap<Var, Tensor> = FxHashMap::default();
        for &i in &slices {
            args.push(residuals[i].clone());
            ordered.push(input[i]);
            whole.insert(input[i], residuals[i].clone());
        }
        let given =
            cts[carry..].iter().zip(&body.outs[carry..]).filter_map(|(ct, out)| Some((ct.as_ref()?, *out)));
        for ((ct, out), at) in given.zip(ct_ys) {
            let ct = convert(ct, body.aval(out).dtype, false)?;
            args.push(ct.clone());
            ordered.push(input[at]);
            whole.insert(input[at], ct);
        }
        let layout = Layout {
            consts: fixed.len(),
            carry: active_carry.len() + accumulators.len(),
            length,
            reverse: !self.layout.reverse,
        };
        graph.inputs = ordered;
        graph.outs = new_carry.iter().chain(&new_slices).copied().collect();
        let dtypes: Vec<_> = body.inputs.iter().map(|&var| body.aval(var).dtype).collect();
        let mut made = scan(graph, target, layout, args)?;
        let of_slices: Vec<Tensor> = made.drain(layout.carry..).collect();
        let summed: Vec<Tensor> = made.drain(active_carry.len()..).collect();

        whole.extend(factors.iter().map(|(&var, &at)| (var, of_slices[at].clone())));
        let mut of_consts = sums.iter();
        let mut summed = summed.into_iter();
        let mut of_carry = made.into_iter();
        let mut of_slices = of_slices.into_iter();
        let mut grads = Grads::new();
        for (i, &is_active) in self.active.iter().enumerate() {
            if !is_active {
                grads.push(None);
                continue;
            }
            let grad = if i < consts {
                match of_consts.next() {
                    Some(Sum::Carried) => summed.next(),
                    Some(Sum::Deferred(products)) => Some(total(products, &whole)?),
                    None => None,
                }
            } else if i < consts + carry {
                of_carry.next()
            } else {
                of_slices.next()
            };
            let grad = grad.map(|grad| convert(&grad, dtypes[i], false)).transpose()?;
            grads.push(grad.filter(|_| self.needs_grad[i]));
        }
        Ok(grads)
    }

    /// The graph of a backward step: from what is kept, the cotangents of the carry and of slices, to those of constants, of the carry
    /// and of slices.
    fn stage(&self, cts: &Cotangents, active_carry: &[usize]) -> Result<Graph> {
        let Layout { consts, carry, .. } = self.layout;
        let (body, step) = (self.body.graph(), self.step.graph());
        let stage = Stage::new(trace::current());
        trace::run(Trace::Stage(stage.clone()), || {
            let mut args: Vec<Tensor> =
                step.inputs[..self.kept.len()].iter().map(|&var| stage.input(step.aval(var))).collect();
            for (i, &out) in body.outs.iter().enumerate() {
                let aval = strong(body.aval(out));
                let is_given = is_given(i, carry, cts, active_carry);
                args.push(if is_given { stage.input(&aval) } else { zeros_of(&aval)? });
            }
            let made = step.interpret(args)?;
            let mut grads: Vec<(usize, Tensor)> =
                (0..self.active.len()).filter(|&i| self.active[i]).zip(made).collect();
            // A cotangent of the carry has the dtype of the carry: it is one again in the next step.
            for (i, grad) in grads.iter_mut().filter(|(i, _)| (consts..consts + carry).contains(i)) {
                *grad = convert(grad, body.aval(body.inputs[*i]).dtype, false)?;
            }
            let outs: Vec<Tensor> = grads.into_iter().map(|(_, grad)| grad).collect();
            let (graph, captured) = stage.finish(&outs);
            assert!(captured.is_empty(), "a graph holds no traced values");
            Ok(graph)
        })
    }
}

/// Whether the cotangent of an output is an input of the backward step, not known to be zero.
fn is_given(out: usize, carry: usize, cts: &Cotangents, active_carry: &[usize]) -> bool {
    if out < carry { active_carry.contains(&out) } else { cts[out].is_some() }
}

impl Sum {
    fn products(&self) -> Option<&[Product]> {
        match self {
            Sum::Deferred(products) => Some(products),
            Sum::Carried => None,
        }
    }
}

impl Product {
    fn vars(&self) -> impl Iterator<Item = Var> {
        match self {
            Product::Dot(_, _, lhs, rhs) => [Some(*lhs), Some(*rhs)],
            Product::Sum(_, var) => [Some(*var), None],
        }
        .into_iter()
        .flatten()
    }
}

/// Finds the gradients of constants that are sums of products.
struct Deferral<'a> {
    graph: &'a Graph,
    /// By variable: the equation that makes it.
    made_by: FxHashMap<Var, usize>,
    /// By variable: whether it differs from step to step.
    varies: Vec<bool>,
    /// Slices that are there, and factors that the loop is to keep.
    kept: Vec<Var>,
}

impl Deferral<'_> {
    /// For each of `sums`, what is to be summed after the loop instead of it.
    fn find(
        graph: &Graph,
        given: Vec<Var>,
        fixed: impl Iterator<Item = Var>,
        sums: &[Var],
    ) -> Vec<Option<Vec<Product>>> {
        let makers = graph.eqns.iter().enumerate();
        let mut varies = vec![false; graph.avals.len()];
        graph.inputs.iter().for_each(|var| varies[var.index()] = true);
        fixed.for_each(|var| varies[var.index()] = false);
        for eqn in &graph.eqns {
            let any = eqn.args.iter().any(|arg| varies[arg.index()]);
            eqn.outs.iter().for_each(|out| varies[out.index()] = any);
        }
        let made_by = makers.flat_map(|(at, eqn)| eqn.outs.iter().map(move |&out| (out, at))).collect();
        let mut all = Deferral { graph, made_by, varies, kept: given };
        // A sum of slices waits only for what is kept anyway, which the first round finds out.
        let first: Vec<_> = sums.iter().filter_map(|&sum| all.products(sum, true)).flatten().collect();
        all.kept.extend(
            first.iter().filter(|product| matches!(product, Product::Dot(..))).flat_map(Product::vars),
        );
        sums.iter().map(|&sum| all.products(sum, false)).collect()
    }

    /// The products that a value is the sum of; none if it is something else, or keeping their factors is more than adding them up.
    fn products(&self, sum: Var, any: bool) -> Option<Vec<Product>> {
        let (mut found, mut open) = (Vec::new(), vec![sum]);
        while let Some(var) = open.pop() {
            let eqn = &self.graph.eqns[*self.made_by.get(&var)?];
            let size = |var: Var| self.graph.aval(var).size();
            match (eqn.primitive.op(), &eqn.args[..]) {
                (Op::Elementwise(ScalarOp::Add), &[x, y]) if size(x) == size(var) && size(y) == size(var) => {
                    open.extend([x, y]);
                }
                (Op::DotGeneral { dimensions: dims, precision }, &[lhs, rhs])
                    if dims.batch.0.is_empty() && self.varies[lhs.index()] && self.varies[rhs.index()] =>
                {
                    let new = [lhs, rhs].into_iter().filter(|var| !self.kept.contains(var));
                    if new.map(size).sum::<usize>() > 4 * size(var) {
                        return None;
                    }
                    found.push(Product::Dot(dims.clone(), precision, lhs, rhs));
                }
                (Op::Reduce(ReduceOp::Sum, axes), &[x]) if any || self.kept.contains(&x) => {
                    found.push(Product::Sum(axes.into(), x));
                }
                _ => return None,
            }
        }
        Some(found)
    }
}

/// The sum of products over all steps.
fn total(products: &[Product], whole: &FxHashMap<Var, Tensor>) -> Result<Tensor> {
    let with_steps =
        |axes: &[usize]| std::iter::once(0).chain(axes.iter().map(|axis| axis + 1)).collect::<Shape>();
    let mut sum: Option<Tensor> = None;
    for product in products {
        let next = match product {
            Product::Dot(dims, precision, lhs, rhs) => {
                let contracting = (with_steps(&dims.contracting.0), with_steps(&dims.contracting.1));
                let dims = DotDimensions { contracting, batch: (Shape::new(), Shape::new()) };
                let options = DotOptions::new().precision(*precision);
                whole[lhs].try_dot_general_with(&whole[rhs], dims, &options)?
            }
            Product::Sum(axes, var) => crate::ops::reduce::sum_axes(&whole[var], &with_steps(axes))?,
        };
        sum = Some(match sum {
            Some(sum) => add_any(sum, next)?,
            None => next,
        });
    }
    match sum {
        Some(sum) => Ok(sum),
        None => unreachable!("a sum of one product, at least"),
    }
}
