//! Contraction over any dimensions: the workhorse of every product.

mod methods;
mod rounded;

use std::sync::Arc;

use smallvec::smallvec;

pub use methods::DotOptions;
pub(crate) use methods::SummedIn;
pub(super) use methods::product_of;

use super::elementwise::Elementwise;
use super::shape::{Reshape, Transpose, moved, permuted};
use super::{addressable, cotangent, in_i64, is_narrow, only, unpack};
use crate::array::dtype::{dispatch_wide, dispatch_width};
use crate::array::{Array, Aval, DType, Shape};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, Kernel, on_cpu};
use crate::core::op::{DotDimensions, Op};
use crate::core::precision;
use crate::core::precision::OperandPrecision;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::rewrite::{Match, Operand, Rewrite};
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::kernels::matmul::{self, matmul, matmul_with_epilogue};
use crate::scalar::number::Number;
use crate::scalar::op::ScalarOp;

#[derive(Clone, PartialEq)]
struct DotGeneral(DotDimensions, Option<precision::Pair>);

fn free(rank: usize, contracting: &[usize], batch: &[usize]) -> Shape {
    (0..rank).filter(|axis| !contracting.contains(axis) && !batch.contains(axis)).collect()
}

impl DotDimensions {
    fn check(&self, lhs: &Aval, rhs: &Aval) -> Result<()> {
        let found = || format!("{lhs} and {rhs} with {self:?}");
        let wrong = |expected: &str| Err(Error::shape("dot_general", found(), expected));
        let ((lc, rc), (lb, rb)) = (&self.contracting, &self.batch);
        if lc.len() != rc.len() || lb.len() != rb.len() {
            return wrong("dimensions in pairs");
        }
        for (aval, contracting, batch) in [(lhs, lc, lb), (rhs, rc, rb)] {
            let mut all: Shape = contracting.iter().chain(batch).copied().collect();
            all.sort_unstable();
            if all.windows(2).any(|pair| pair[0] == pair[1])
                || all.last().is_some_and(|&last| last >= aval.rank())
            {
                return wrong("each dimension at most once, and within the rank");
            }
        }
        let sizes_agree =
            |l: &[usize], r: &[usize]| l.iter().zip(r).all(|(&i, &j)| lhs.shape[i] == rhs.shape[j]);
        if !sizes_agree(lc, rc) {
            return wrong("contracting dimensions of equal size");
        }
        if !sizes_agree(lb, rb) {
            return wrong("batch dimensions of equal size");
        }
        Ok(())
    }
}

impl Primitive for DotGeneral {
    fn name(&self) -> &'static str {
        "dot_general"
    }

    fn flops(&self, args: &[&Aval], outs: &[&Aval]) -> u64 {
        let contracted: usize = self.0.contracting.0.iter().map(|&axis| args[0].shape[axis]).product();
        2u64.saturating_mul(outs[0].size().saturating_mul(contracted) as u64)
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let (lhs, rhs) = (args[0], args[1]);
        if lhs.dtype != rhs.dtype || lhs.dtype == DType::Bool || lhs.dtype.is_complex() {
            let found = format!("{} and {}", lhs.dtype, rhs.dtype);
            return Err(Error::dtype("dot_general", found, "two operands of one number type"));
        }
        self.0.check(lhs, rhs)?;
        let ((lc, rc), (lb, rb)) = (&self.0.contracting, &self.0.batch);
        let mut shape: Shape = lb.iter().map(|&i| lhs.shape[i]).collect();
        shape.extend(free(lhs.rank(), lc, lb).iter().map(|&i| lhs.shape[i]));
        shape.extend(free(rhs.rank(), rc, rb).iter().map(|&i| rhs.shape[i]));
        let out = Aval { shape, dtype: lhs.dtype, weak: lhs.weak && rhs.weak };
        Ok(smallvec![addressable("dot_general", out)?])
    }

    fn op(&self) -> Op<'_> {
        Op::DotGeneral { dimensions: &self.0, precision: self.1 }
    }

    fn residuals(&self, needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::args((0..2).filter(|i| needs_grad[1 - i]))
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let ct = cotangent(cts);
        let ((lc, rc), (lb, rb)) = (&self.0.contracting, &self.0.batch);
        let (lhs_rank, rhs_rank) = (residuals.arg_aval(0).rank(), residuals.arg_aval(1).rank());
        let (lf, rf) = (free(lhs_rank, lc, lb), free(rhs_rank, rc, rb));
        let batch: Shape = (0..lb.len()).collect();
        let from_left: Shape = (lb.len()..lb.len() + lf.len()).collect();
        let from_right: Shape = (lb.len() + lf.len()..ct.rank()).collect();

        let dl = if needs_grad[0] {
            let dimensions =
                DotDimensions { contracting: (from_right, rf.clone()), batch: (batch.clone(), rb.clone()) };
            let out = self.like(ct.clone(), residuals.arg(1).clone(), dimensions, self.1)?;
            // Now: batch, free dimensions of the left, contracted dimensions in the order of the right.
            let contracted = partners(rc, lc);
            Some(restore(&out, lb.iter().chain(&lf).chain(&contracted))?)
        } else {
            None
        };
        let dr = if needs_grad[1] {
            let dimensions = DotDimensions { contracting: (lf, from_left), batch: (lb.clone(), batch) };
            // JAX has the cotangent on the left here, too, and the precisions in the same order.
            let swapped = self.1.map(|(lhs, rhs)| (rhs, lhs));
            let out = self.like(residuals.arg(0).clone(), ct, dimensions, swapped)?;
            // Now: batch, contracted dimensions in the order of the left, free dimensions of the right.
            let contracted = partners(lc, rc);
            Some(restore(&out, rb.iter().chain(&contracted).chain(&rf))?)
        } else {
            None
        };
        Ok(smallvec![dl, dr])
    }

    fn batch(&self, _axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let [lhs, rhs] = unpack(args);
        let shift =
            |axes: &Shape, by: bool| axes.iter().map(|&axis| axis + usize::from(by)).collect::<Shape>();
        let ((lc, rc), (lb, rb)) = (&self.0.contracting, &self.0.batch);
        let mut dimensions = DotDimensions {
            contracting: (shift(lc, mapped[0]), shift(rc, mapped[1])),
            batch: (shift(lb, mapped[0]), shift(rb, mapped[1])),
        };
        let kept_left = lhs.rank() - lc.len() - lb.len();
        let at = match (mapped[0], mapped[1]) {
            (true, true) => {
                dimensions.batch.0.insert(0, 0);
                dimensions.batch.1.insert(0, 0);
                0
            }
            (true, false) => lb.len(),
            _ => lb.len() + kept_left,
        };
        let out = bind1(&DotGeneral(dimensions, self.1), [lhs, rhs])?;
        let front = moved(out.rank(), at, 0);
        Ok((smallvec![permuted(&out, front)?], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for DotGeneral {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([lhs, rhs], out) = (unpack(args), only(outs));
        if is_narrow(out.dtype) {
            return in_i64(&[&lhs, &rhs], out, &|args, outs| self.eval(args, outs));
        }
        let Order { lf, lc, rc, rf, sizes, batch } = self.order(lhs.shape(), rhs.shape());
        let (lb, rb) = &self.0.batch;
        let (l, r) = (Side::new(lhs, lb, &lf, &lc), Side::new(rhs, rb, &rc, &rf));
        Ok(smallvec![dispatch_wide!(out.dtype, T => product::<T>(&batch, sizes, &l, &r, out))])
    }

    fn specialize(&self, args: &[&Aval], out: &Aval) -> Option<Box<dyn Kernel>> {
        if is_narrow(out.dtype) {
            return None;
        }
        Some(Box::new(self.product(args, out)?))
    }

    /// A transposed operand is contracted as it lies, if the order of what is left of it stays, and nobody else needs it or it
    /// makes no difference. A sum of one product is that
    /// product, which a fused kernel computes along with what it is used for.
    fn simplify(&self, args: &[Match<'_>]) -> Option<Rewrite> {
        for side in 0..2 {
            let Some(beneath) = self.beneath(args, side) else { continue };
            if args[side].is_shared() && !self.reads_beneath(args, side) {
                continue;
            }
            let mut operands: Args<Operand> = smallvec![Operand::Arg(0), Operand::Arg(1)];
            operands[side] = Operand::Inner(side, 0);
            return Some(Rewrite::Apply(Arc::new(beneath), operands));
        }
        self.outer(args).or_else(|| rounded::of_casts(self, args))
    }

    fn reads_beneath(&self, args: &[Match<'_>], i: usize) -> bool {
        if rounded::reads_beneath(self, args, i) {
            return true;
        }
        let Some(beneath) = self.beneath(args, i) else { return false };
        let operands = [args[0].aval(), args[1].aval()];
        let mut others = operands;
        others[i] = args[i].inner()[0].aval();
        !beneath.repacks(others) || self.repacks(operands)
    }
}

impl std::fmt::Debug for DotGeneral {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ((lc, rc), (lb, rb)) = (&self.0.contracting, &self.0.batch);
        write!(f, "dot_general[contracting={lc:?}×{rc:?}")?;
        if !lb.is_empty() {
            write!(f, " batch={lb:?}×{rb:?}")?;
        }
        precision::write_to(f, self.1)?;
        f.write_str("]")
    }
}

/// The dimensions of both operands in the order in which a product of matrices takes them.
struct Order {
    lf: Shape,
    lc: Vec<usize>,
    rc: Vec<usize>,
    rf: Shape,
    /// Rows, contracted, columns.
    sizes: [usize; 3],
    batch: Shape,
}

/// The same product with a right matrix that is transposed, if `primitive` is one that repacks it as it is.
pub(crate) fn by_rows_of_right(primitive: &dyn Primitive, args: [&Aval; 2]) -> Option<Arc<dyn Primitive>> {
    let DotGeneral(dimensions, precision) = (primitive as &dyn std::any::Any).downcast_ref()?;
    let (contracting, batch) = (&dimensions.contracting, &dimensions.batch);
    if args[1].rank() != 2 || contracting.1[..] != [1] || !batch.0.is_empty() {
        return None;
    }
    let mut other = DotGeneral(dimensions.clone(), *precision);
    other.0.contracting.1[0] = 0;
    let transposed = args[1].with_shape(args[1].shape.iter().rev().copied().collect::<Shape>());
    let pays =
        DotGeneral(dimensions.clone(), *precision).repacks(args) && !other.repacks([args[0], &transposed]);
    pays.then(|| Arc::new(other) as Arc<dyn Primitive>)
}

impl DotGeneral {
    /// A product of the way back: of what was said here, or of the default of this thread.
    fn like(
        &self,
        lhs: Tensor,
        rhs: Tensor,
        dimensions: DotDimensions,
        precision: Option<precision::Pair>,
    ) -> Result<Tensor> {
        let precision = match self.1 {
            Some(_) => precision,
            None => OperandPrecision::Unsaid.resolve(self.name())?,
        };
        bind1(&DotGeneral(dimensions, precision), [lhs, rhs])
    }

    /// For known shapes; none if rows or columns of an operand have no one stride.
    fn product(&self, args: &[&Aval], out: &Aval) -> Option<Product> {
        let (lhs, rhs) = (&args[0].shape[..], &args[1].shape[..]);
        let Order { lf, lc, rc, rf, sizes, batch } = self.order(lhs, rhs);
        let (lb, rb) = &self.0.batch;
        let (left, right) = (Lines::new(lhs, lb, &lf, &lc)?, Lines::new(rhs, rb, &rc, &rf)?);
        Some(Product { sizes, batch, sides: [left, right], dtype: out.dtype })
    }

    /// The same product of what is beneath a transposed operand, if the order of what is left of that stays.
    fn beneath(&self, args: &[Match<'_>], side: usize) -> Option<DotGeneral> {
        let Transpose(axes) = args[side].made_by::<Transpose>()?;
        let mut dimensions = self.0.clone();
        let (contracting, batch) = match side {
            0 => (&mut dimensions.contracting.0, &mut dimensions.batch.0),
            _ => (&mut dimensions.contracting.1, &mut dimensions.batch.1),
        };
        let left = free(axes.len(), contracting, batch);
        if !left.iter().map(|&axis| axes[axis]).is_sorted() {
            return None;
        }
        contracting.iter_mut().chain(batch).for_each(|axis| *axis = axes[*axis]);
        Some(DotGeneral(dimensions, self.1))
    }

    /// Whether its kernel repacks an operand that it would read as it is if that were transposed.
    fn repacks(&self, [lhs, rhs]: [&Aval; 2]) -> bool {
        let (lb, rb) = &self.0.batch;
        let Order { lf, lc, rc, rf, sizes, .. } = self.order(&lhs.shape, &rhs.shape);
        let sides = (Lines::new(&lhs.shape, lb, &lf, &lc), Lines::new(&rhs.shape, rb, &rc, &rf));
        let (Some(l), Some(r)) = sides else { return true };
        let (l, r) = ((l.rows, l.columns), (r.rows, r.columns));
        let dtype = if is_narrow(lhs.dtype) { DType::I64 } else { lhs.dtype };
        dispatch_wide!(dtype, T => matmul::repacks::<T>(sizes, l, r))
    }

    /// The product of each element of one operand with each of the other, if nothing is summed.
    fn outer(&self, args: &[Match<'_>]) -> Option<Rewrite> {
        let (lhs, rhs) = (args[0].aval(), args[1].aval());
        let ((lc, rc), (lb, rb)) = (&self.0.contracting, &self.0.batch);
        let (lf, rf) = (free(lhs.rank(), lc, lb), free(rhs.rank(), rc, rb));
        if !lb.is_empty() || lc.iter().any(|&axis| lhs.shape[axis] != 1) {
            return None;
        }
        let mut left: Shape = lf.iter().map(|&axis| lhs.shape[axis]).collect();
        let right: Shape = rf.iter().map(|&axis| rhs.shape[axis]).collect();
        left.extend(right.iter().map(|_| 1));
        let product = smallvec![Operand::Step(0), Operand::Step(1)];
        Some(Rewrite::Steps(vec![
            (Arc::new(Reshape(left)), smallvec![Operand::Arg(0)]),
            (Arc::new(Reshape(right)), smallvec![Operand::Arg(1)]),
            (Arc::new(Elementwise(ScalarOp::Mul)), product),
        ]))
    }

    fn order(&self, lhs: &[usize], rhs: &[usize]) -> Order {
        let ((lc, rc), (lb, rb)) = (&self.0.contracting, &self.0.batch);
        // The pairs in the order of the left operand: then its own dimensions merge whenever they can.
        let mut pairs: Vec<(usize, usize)> = lc.iter().copied().zip(rc.iter().copied()).collect();
        pairs.sort_unstable();
        let (lc, rc): (Vec<usize>, Vec<usize>) = pairs.into_iter().unzip();
        let (lf, rf) = (free(lhs.len(), &lc, lb), free(rhs.len(), &rc, rb));
        let size = |shape: &[usize], axes: &[usize]| axes.iter().map(|&axis| shape[axis]).product::<usize>();
        let sizes = [size(lhs, &lf), size(lhs, &lc), size(rhs, &rf)];
        let batch = lb.iter().map(|&axis| lhs[axis]).collect();
        Order { lf, lc, rc, rf, sizes, batch }
    }
}

/// A product whose strides are known.
struct Product {
    sizes: [usize; 3],
    batch: Shape,
    sides: [Lines; 2],
    dtype: DType,
}

/// Distances between rows, columns, and matrices of an operand.
struct Lines {
    rows: isize,
    columns: isize,
    batch: Vec<isize>,
}

impl Lines {
    /// None if rows or columns are groups of axes that lie too far apart to have one stride each.
    fn new(shape: &[usize], batch: &[usize], rows: &[usize], columns: &[usize]) -> Option<Lines> {
        let batch = batch.iter().map(|&axis| step(shape, axis) as isize).collect();
        Some(Lines { rows: stride(shape, rows)? as isize, columns: stride(shape, columns)? as isize, batch })
    }

    fn operand<'a, T: Number>(&'a self, data: &'a [T]) -> matmul::MatrixBatch<'a, T> {
        matmul::MatrixBatch {
            data,
            offset: 0,
            row_stride: self.rows,
            col_stride: self.columns,
            batch_strides: &self.batch,
        }
    }
}

impl Kernel for Product {
    fn run(&self, args: &[&[u8]], out: &mut [u8]) {
        self.run_with_epilogue(args, out, &|_, _| ());
    }

    fn run_with_epilogue(
        &self,
        args: &[&[u8]],
        out: &mut [u8],
        epilogue: &(dyn Fn(usize, &mut [u8]) + Sync),
    ) {
        dispatch_wide!(self.dtype, T => {
            let [x, y] = [0, 1].map(|i| self.sides[i].operand::<T>(bytemuck::cast_slice(args[i])));
            let epilogue = |first: usize, piece: &mut [T]| epilogue(first * size_of::<T>(), bytemuck::cast_slice_mut(piece));
            matmul_with_epilogue(&self.batch, self.sizes, &x, &y, bytemuck::cast_slice_mut(out), &epilogue);
        });
    }

    fn tile(&self) -> Option<usize> {
        // Parts of rows are too short to be worth a call of their own.
        let [lhs, rhs] = &self.sides;
        let (lhs, rhs) = ((lhs.rows, lhs.columns), (rhs.rows, rhs.columns));
        let has_whole_rows =
            dispatch_wide!(self.dtype, T => matmul::has_whole_rows::<T>(&self.batch, self.sizes, lhs, rhs));
        has_whole_rows.then_some(self.sizes[2])
    }
}

/// `partner` of the dimensions, which are taken in ascending order.
fn partners(dimensions: &[usize], partner: &[usize]) -> Shape {
    let mut pairs: Vec<(usize, usize)> = dimensions.iter().copied().zip(partner.iter().copied()).collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(_, partner)| partner).collect()
}

/// Undoes an order of dimensions: dimension `i` of `x` becomes dimension `order[i]`.
fn restore<'a>(x: &Tensor, order: impl Iterator<Item = &'a usize>) -> Result<Tensor> {
    let mut axes = Shape::from_elem(0, x.rank());
    for (i, &to) in order.enumerate() {
        axes[to] = i;
    }
    permuted(x, axes)
}

/// An operand as a batch of matrices: where rows and columns lie.
struct Side {
    array: Array,
    lines: Lines,
}

impl Side {
    /// Groups that lie too far apart to have one stride each are copied together first.
    fn new(array: Array, batch: &[usize], rows: &[usize], columns: &[usize]) -> Side {
        if let Some(lines) = Lines::new(array.shape(), batch, rows, columns) {
            return Side { array, lines };
        }
        let axes: Shape = batch.iter().chain(rows).chain(columns).copied().collect();
        let shape: Shape = axes.iter().map(|&axis| array.shape()[axis]).collect();
        let copy = dispatch_width!(array.dtype(), T => Array::build(array.aval().with_shape(shape), |out: &mut [T]| {
            crate::kernels::transpose::transpose(array.data::<T>(), array.shape(), &axes, out);
        }));
        let order: Vec<usize> = (0..axes.len()).collect();
        let (b, rest) = order.split_at(batch.len());
        let (r, c) = rest.split_at(rows.len());
        Side::new(copy, b, r, c)
    }

    fn operand<T: Number>(&self) -> matmul::MatrixBatch<'_, T> {
        self.lines.operand(self.array.data())
    }
}

fn step(shape: &[usize], axis: usize) -> usize {
    shape[axis + 1..].iter().product()
}

/// The one stride of several axes walked in order, if they have one.
fn stride(shape: &[usize], axes: &[usize]) -> Option<usize> {
    let mut last: Option<(usize, usize)> = None;
    for &axis in axes.iter().filter(|&&axis| shape[axis] != 1) {
        let here = step(shape, axis);
        if last.is_some_and(|(_, outer)| outer != here * shape[axis]) {
            return None;
        }
        last = Some((axis, here));
    }
    Some(last.map_or(1, |(_, stride)| stride))
}

fn product<T: Number>(batch: &[usize], sizes: [usize; 3], lhs: &Side, rhs: &Side, out: Aval) -> Array {
    Array::build(out, |out: &mut [T]| matmul(batch, sizes, &lhs.operand(), &rhs.operand(), out))
}
