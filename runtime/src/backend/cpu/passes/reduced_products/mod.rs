//! Products that are only reduced are not written: where all that becomes of a product is scaled, perhaps squared, and summed, the
//! sums are computed from its operands.
//!
//! | what becomes of `P = a bᵀ` | what stands in its place |
//! |---|---|
//! | `Σ_e s_e · a_e b_eᵀ`, over the batch | one product that contracts the batch, too: `(s · a)ᵀ b` |
//! | `Σ_i (a bᵀ)_ij`, over rows or columns | the product of the sum: `(Σ_i a_i) bᵀ` |
//! | `‖a bᵀ‖²` of an outer product, where nothing is contracted | `‖a‖² ‖b‖²` |
//! | `‖a bᵀ‖²` with few contracted | `Σ (aᵀ a) ∘ (bᵀ b)`, of matrices as large as what is contracted |
//!
//! The gradients of single examples are such products: of a layer's input and the gradient of its output. Their norms were first
//! computed like this in Goodfellow, "Efficient per-example gradient computations", 2015; for sequences in Li et al., "Large language
//! models can be strong differentially private learners", 2022.
//!
//! **Numbers.** Sums in another order are rounded otherwise, by as much as any sum. Squares are computed in `F64`: so they neither
//! overflow nor vanish where those of the product would not, and what cancels in the last row cancels to within the rounding of `F64`,
//! which is less than the square of the rounding that each element of an `F32` product has. An `F64` product is squared only where
//! nothing is contracted. Where an operand is infinite or NaN, so is a sum that it is in; which of the two may differ, as zeros of the
//! other operand are met in another order.

mod folded;
#[cfg(test)]
mod tests;
mod ways;

use rustc_hash::FxHashMap;

use super::analysis::DefUse;
use super::splice;
use crate::array::{Aval, DType, Shape};
use crate::core::op::{DotDimensions, Op};
use crate::core::precision::Precision;
use crate::core::{Eqn, Graph, Var};
use ways::{Way, Ways};

/// Elements of a product from which on it is worth a look.
const LEAST: usize = 1 << 12;
/// What an element costs that is written and read again later, in floating-point operations of a product.
const WRITTEN: f64 = 80.0;
/// What another pass over it costs.
const READ: f64 = 40.0;
/// What an operation costs in `F64`, and in a product that is as small as those of what is contracted.
const WIDE: f64 = 4.0;

/// A product, and the axes of its result: those of the batch, of the left operand and of the right one.
struct Product<'a> {
    operands: [Var; 2],
    out: Var,
    aval: &'a Aval,
    dimensions: &'a DotDimensions,
    precision: Option<(Precision, Precision)>,
    /// The axes of each operand that are left, in order: of the result's axes behind those of the batch.
    free: [Shape; 2],
    /// How many pairs are summed for each element.
    contracted: usize,
}

impl<'a> Product<'a> {
    fn of(graph: &'a Graph, eqn: &'a Eqn) -> Option<Product<'a>> {
        let Op::DotGeneral { dimensions, precision } = eqn.primitive.op() else { return None };
        let (operands, out) = ([eqn.args[0], eqn.args[1]], eqn.outs[0]);
        let aval = graph.aval(out);
        if aval.size() < LEAST || !aval.dtype.is_float() {
            return None;
        }
        let [lhs, rhs] = operands.map(|var| &graph.aval(var).shape);
        let ((lc, rc), (lb, rb)) = (&dimensions.contracting, &dimensions.batch);
        let left = |shape: &[usize], c: &[usize], b: &[usize]| {
            (0..shape.len()).filter(|axis| !c.contains(axis) && !b.contains(axis)).collect::<Shape>()
        };
        let free = [left(lhs, lc, lb), left(rhs, rc, rb)];
        let contracted = lc.iter().map(|&axis| lhs[axis]).product();
        Some(Product { operands, out, aval, dimensions, precision, free, contracted })
    }

    /// How many axes of the result are those of the batch.
    fn batch(&self) -> usize {
        self.dimensions.batch.0.len()
    }

    /// The axes of the result that are those left of an operand.
    fn axes_of(&self, side: usize) -> std::ops::Range<usize> {
        let first = self.batch() + if side == 0 { 0 } else { self.free[0].len() };
        first..first + self.free[side].len()
    }

    fn size_of(&self, mut axes: impl Iterator<Item = usize>) -> f64 {
        axes.try_fold(1.0, |size, axis| Some(size * self.aval.shape[axis] as f64)).unwrap_or(1.0)
    }

    /// Whether the sums cost less than the product and the passes over it.
    fn pays(&self, ways: &[Way]) -> bool {
        let size = self.aval.size() as f64;
        let contracted = self.contracted as f64;
        let [m, n] = [0, 1].map(|side| self.size_of(self.axes_of(side)));
        let batch = self.size_of(0..self.batch());
        let before = size * (2.0 * contracted + WRITTEN + READ * (ways.len() - 1) as f64);
        let sum = |way: &Way| {
            let kept = (self.batch()..self.aval.rank()).filter(|&axis| !way.reduced[axis]);
            let kept = self.size_of(kept);
            match (way.view.is_squared, self.contracted) {
                (false, _) => 2.0 * contracted * batch * (kept + m + n),
                (true, 1) => WIDE * batch * (2.0 * kept + m + n),
                (true, _) => WIDE * batch * contracted * contracted * (m + n + 1.0),
            }
        };
        ways.iter().map(sum).sum::<f64>() < before
    }
}

impl Graph {
    /// Computes sums of products from the operands, where nobody needs the products.
    pub(crate) fn reduced_products(mut self) -> Graph {
        let found = self.sums_of_products();
        if found.is_empty() {
            return self;
        }
        for (at, eqn) in std::mem::take(&mut self.eqns).into_iter().enumerate() {
            match found.get(&at) {
                Some((graph, args)) => self.splice(graph, args, &eqn.outs, &eqn),
                None => self.eqns.push(eqn),
            }
        }
        self.simplify().cse().dce()
    }

    /// By the equation of a sum: what computes it, and from which variables.
    fn sums_of_products(&self) -> FxHashMap<usize, (Graph, Vec<Var>)> {
        let mut found = FxHashMap::default();
        let products = self.eqns.iter().filter_map(|eqn| Product::of(self, eqn));
        let mut uses = None;
        for product in products {
            let uses = uses.get_or_insert_with(|| DefUse::of(self));
            let Some(ways) = Ways::of(self, uses, &product) else { continue };
            let is_free = |way: &Way| !found.contains_key(&way.at);
            if !product.pays(&ways) || !ways.iter().all(is_free) {
                continue;
            }
            let sums: Option<Vec<_>> = ways.iter().map(|way| self.sum(&product, way)).collect();
            found.extend(sums.into_iter().flatten());
        }
        found
    }

    /// What computes one sum.
    fn sum(&self, product: &Product<'_>, way: &Way) -> Option<(usize, (Graph, Vec<Var>))> {
        let factors = way.view.factors.iter().map(|factor| factor.var);
        let args: Vec<Var> = product.operands.into_iter().chain(factors).collect();
        let avals: Vec<&Aval> = args.iter().map(|&arg| self.aval(arg)).collect();
        let out = self.aval(self.eqns[way.at].outs[0]);
        let graph = splice::program(&avals, &[out], |args| Ok(vec![folded::sum(product, way, args, out)?]))?;
        Some((way.at, (graph, args)))
    }
}

/// The dtype in which squares are computed.
const WIDEST: DType = DType::F64;
