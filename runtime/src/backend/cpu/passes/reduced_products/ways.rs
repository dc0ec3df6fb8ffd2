//! What becomes of a product: ways that scale it, may square it once, and end in sums.

use smallvec::{SmallVec, smallvec};

use super::Product;
use crate::array::{DType, Shape};
use crate::backend::cpu::passes::analysis::DefUse;
use crate::core::op::{DotDimensions, Op};
use crate::core::{Eqn, Graph, Var};
use crate::scalar::op::ScalarOp;
use crate::scalar::reduce::ReduceOp;

/// More ways than these are not looked for.
const MOST: usize = 8;

/// The product on the way to a sum.
#[derive(Clone)]
pub(super) struct View {
    /// By axis: the axes of the product that it is made of, in order; those of size 1 are nowhere.
    pub groups: Vec<SmallVec<[usize; 2]>>,
    pub dtype: DType,
    pub is_squared: bool,
    pub factors: SmallVec<[Factor; 2]>,
}

/// What the product is multiplied by.
#[derive(Clone)]
pub(super) struct Factor {
    pub var: Var,
    /// The axes of the product in the order of the factor's elements, and the sizes: 1 for those along which it stays the same.
    pub axes: Shape,
    pub sizes: Shape,
    /// Of the factor, in what it multiplies: 1, 2 if it was there before a square, negative if it divides.
    pub power: i32,
    pub is_before_square: bool,
}

/// A way that has come to an end.
pub(super) struct Way {
    pub view: View,
    /// The equation of the sum.
    pub at: usize,
    /// By axis of the product: whether it is summed over, or of size 1.
    pub reduced: Vec<bool>,
    /// The axes of the product that are left, in the order of the sum's.
    pub kept: Shape,
}

/// The search for all ways of a product.
pub(super) struct Ways<'a> {
    graph: &'a Graph,
    uses: &'a DefUse,
    shape: &'a [usize],
    found: Vec<Way>,
}

impl Ways<'_> {
    /// All ways of a product; none if any of them does not end in a sum that its operands give.
    pub fn of(graph: &Graph, uses: &DefUse, product: &Product<'_>) -> Option<Vec<Way>> {
        let shape = &product.aval.shape[..];
        let axis = |(axis, &size)| if size == 1 { smallvec![] } else { smallvec![axis] };
        let groups = shape.iter().enumerate().map(axis).collect();
        let view = View { groups, dtype: product.aval.dtype, is_squared: false, factors: SmallVec::new() };
        let mut ways = Ways { graph, uses, shape, found: Vec::new() };
        ways.follow(product.out, &view)?;
        let is_known = |way: &Way| super::folded::is_known(product, way);
        (!ways.found.is_empty() && ways.found.iter().all(is_known)).then_some(ways.found)
    }

    fn follow(&mut self, var: Var, view: &View) -> Option<()> {
        if self.uses.last_use(var) == Some(usize::MAX) {
            return None;
        }
        let mut last = None;
        for &at in self.uses.uses(var) {
            // A product with itself is there twice.
            if last.replace(at) != Some(at) {
                self.through(at, var, view.clone())?;
            }
        }
        Some(())
    }

    /// What an equation makes of the product, followed to its end.
    fn through(&mut self, at: usize, var: Var, mut view: View) -> Option<()> {
        let eqn = &self.graph.eqns[at];
        let other = |eqn: &Eqn| eqn.args.iter().position(|&arg| arg != var);
        match eqn.primitive.op() {
            Op::Elementwise(ScalarOp::Powi(2)) => view.square()?,
            Op::Elementwise(ScalarOp::Mul) => match other(eqn) {
                None => view.square()?,
                Some(i) => self.scaled(&mut view, eqn, i, 1)?,
            },
            Op::Elementwise(ScalarOp::Div) if other(eqn) == Some(1) => self.scaled(&mut view, eqn, 1, -1)?,
            Op::Cast => {
                // A narrower dtype would round what is summed.
                let to = self.graph.aval(eqn.outs[0]).dtype;
                view.dtype = Some(to).filter(|to| to.is_float() && view.dtype.promote(*to) == *to)?;
            }
            Op::Reshape => view.groups = self.regrouped(&view, &self.graph.aval(eqn.outs[0]).shape)?,
            Op::Transpose { axes } => {
                view.groups = axes.iter().map(|&axis| view.groups[axis].clone()).collect();
            }
            Op::Reduce(ReduceOp::Sum, axes) => return self.end(at, view, axes),
            Op::DotGeneral { dimensions, .. } => {
                return self.weighted(at, var, view, dimensions);
            }
            _ => return None,
        }
        self.follow(eqn.outs[0], &view)
    }

    /// Times argument `i` of an equation, if that has axes of size 1 or those of the product.
    fn scaled(&self, view: &mut View, eqn: &Eqn, i: usize, power: i32) -> Option<()> {
        let [factor, whole] = [eqn.args[i], eqn.outs[0]].map(|var| &self.graph.aval(var).shape[..]);
        let product = &self.graph.aval(eqn.args[1 - i]).shape[..];
        if product != whole {
            return None;
        }
        let new = whole.len() - factor.len();
        let is_whole = |axis: usize| axis >= new && factor[axis - new] == whole[axis];
        view.times(eqn.args[i], self.shape, is_whole, power);
        Some(())
    }

    /// The axes under another shape, if each of its axes is made of whole ones of the product.
    fn regrouped(&self, view: &View, shape: &[usize]) -> Option<Vec<SmallVec<[usize; 2]>>> {
        let mut axes = view.groups.iter().flatten().copied().peekable();
        let mut groups = Vec::with_capacity(shape.len());
        for &size in shape {
            let (mut group, mut left) = (SmallVec::new(), size);
            while left > 1 {
                let axis = axes.next()?;
                if !left.is_multiple_of(self.shape[axis]) {
                    return None;
                }
                left /= self.shape[axis];
                group.push(axis);
            }
            groups.push(group);
        }
        axes.next().is_none().then_some(groups)
    }

    /// A sum of products with weights: the other operand has nothing that the product has not.
    fn weighted(&mut self, at: usize, var: Var, mut view: View, dimensions: &DotDimensions) -> Option<()> {
        let eqn = &self.graph.eqns[at];
        let side = eqn.args.iter().position(|&arg| arg == var)?;
        let weights = eqn.args[1 - side];
        let shape = &self.graph.aval(weights).shape;
        let of = |pair: &(Shape, Shape), side: usize| if side == 0 { pair.0.clone() } else { pair.1.clone() };
        let [own, others] = [side, 1 - side]
            .map(|side| [of(&dimensions.batch, side), of(&dimensions.contracting, side)].concat());
        let is_free = |axis: &usize| !others.contains(axis);
        if weights == var || (0..shape.len()).filter(is_free).any(|axis| shape[axis] != 1) {
            return None;
        }
        // The weights lie in the order of their axes, each of which is one of the view's.
        let order: Vec<usize> = (0..shape.len())
            .filter_map(|axis| others.iter().position(|&other| other == axis))
            .map(|pair| own[pair])
            .collect();
        let axes: Shape = order.iter().flat_map(|&axis| view.groups[axis].iter().copied()).collect();
        let sizes = axes.iter().map(|&axis| self.shape[axis]).collect();
        view.factors.push(Factor { var: weights, axes, sizes, power: 1, is_before_square: false });
        let summed = of(&dimensions.contracting, side);
        let batch = of(&dimensions.batch, side);
        let free = (0..view.groups.len()).filter(|axis| !own.contains(axis));
        let kept: Vec<usize> = batch.iter().copied().chain(free).collect();
        view.groups = summed.iter().chain(&kept).map(|&axis| view.groups[axis].clone()).collect();
        let summed: Shape = (0..summed.len()).collect();
        self.end(at, view, &summed)
    }

    fn end(&mut self, at: usize, view: View, axes: &[usize]) -> Option<()> {
        let mut reduced: Vec<bool> = self.shape.iter().map(|&size| size == 1).collect();
        axes.iter().flat_map(|&axis| &view.groups[axis]).for_each(|&axis| reduced[axis] = true);
        let left = view.groups.iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
        let kept = left.flat_map(|(_, group)| group.iter().copied()).collect();
        if self.found.len() == MOST || self.found.iter().any(|way| way.at == at) {
            return None;
        }
        self.found.push(Way { view, at, reduced, kept });
        Some(())
    }
}

impl View {
    fn square(&mut self) -> Option<()> {
        if self.is_squared {
            return None;
        }
        self.is_squared = true;
        self.factors.iter_mut().for_each(|factor| factor.is_before_square = true);
        Some(())
    }

    fn times(&mut self, var: Var, shape: &[usize], is_whole: impl Fn(usize) -> bool, power: i32) {
        let (mut axes, mut sizes) = (Shape::new(), Shape::new());
        for (axis, group) in self.groups.iter().enumerate() {
            for &of_product in group {
                axes.push(of_product);
                sizes.push(if is_whole(axis) { shape[of_product] } else { 1 });
            }
        }
        self.factors.push(Factor { var, axes, sizes, power, is_before_square: false });
    }
}

impl Factor {
    /// The axes of the product along which it is not the same.
    pub fn touched(&self) -> impl Iterator<Item = usize> {
        self.axes.iter().zip(&self.sizes).filter(|&(_, &size)| size != 1).map(|(&axis, _)| axis)
    }
}
