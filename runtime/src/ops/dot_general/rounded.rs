//! Products of operands that are rounded to `BF16` first, in one: what the CPU makes of a product of casts, so that weights in `F32`
//! are read once and their `BF16` is written nowhere.

use std::sync::Arc;

use smallvec::smallvec;

use super::{DotGeneral, Lines, Order, Product};
use crate::array::{Array, Aval, DType};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, Kernel, on_cpu};
use crate::core::primitive::{Args, Outs, Primitive};
use crate::core::rewrite::{Match, Operand, Rewrite};
use crate::core::trace::bind1;
use crate::error::Result;
use crate::kernels::arrays;
use crate::kernels::matmul::{self, RoundedBatch};
use crate::ops::cast::Cast;
use crate::ops::unpack;
use crate::scalar::op::ScalarOp;

/// A product of `BF16`, of which some operands are given in `F32`.
#[derive(Clone, PartialEq)]
struct RoundedDotGeneral(DotGeneral);

/// The product that rounds its operands itself, where these are casts of what lies in memory anyway.
///
/// What another kernel computes is rounded there, before it is written.
pub(super) fn of_casts(dot: &DotGeneral, args: &[Match<'_>]) -> Option<Rewrite> {
    let is_cast = [0, 1].map(|side| reads_beneath(dot, args, side));
    let operand = |side| if is_cast[side] { Operand::Inner(side, 0) } else { Operand::Arg(side) };
    let rounded =
        || Rewrite::Apply(Arc::new(RoundedDotGeneral(dot.clone())), smallvec![operand(0), operand(1)]);
    is_cast.contains(&true).then(rounded)
}

/// Whether an operand is a cast that the product can do itself.
pub(super) fn reads_beneath(dot: &DotGeneral, args: &[Match<'_>], side: usize) -> bool {
    let (lhs, rhs) = (args[0].aval(), args[1].aval());
    if lhs.dtype != DType::BF16 || args[side].made_by::<Cast>().is_none() {
        return false;
    }
    let inner = &args[side].inner()[0];
    inner.aval().dtype == DType::F32 && inner.is_given() && multiplies_pairs(dot, [lhs, rhs])
}

fn multiplies_pairs(dot: &DotGeneral, [lhs, rhs]: [&Aval; 2]) -> bool {
    let (lb, rb) = &dot.0.batch;
    let Order { lf, lc, rc, rf, sizes, .. } = dot.order(&lhs.shape, &rhs.shape);
    let sides = (Lines::new(&lhs.shape, lb, &lf, &lc), Lines::new(&rhs.shape, rb, &rc, &rf));
    let (Some(l), Some(r)) = sides else { return false };
    !sizes.contains(&0) && matmul::multiplies_pairs(sizes, (l.rows, l.columns), (r.rows, r.columns))
}

impl Primitive for RoundedDotGeneral {
    fn name(&self) -> &'static str {
        "rounded_dot_general"
    }

    fn flops(&self, args: &[&Aval], outs: &[&Aval]) -> u64 {
        self.0.flops(args, outs)
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let [lhs, rhs] = [0, 1].map(|i| args[i].with_dtype(DType::BF16));
        self.0.infer(&[&lhs, &rhs])
    }

    fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
        let [lhs, rhs] = [0, 1].map(|i| args[i].try_cast(DType::BF16));
        Ok(smallvec![bind1(&self.0, [lhs?, rhs?])?])
    }

    on_cpu!();
}

impl CpuRules for RoundedDotGeneral {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let rounded = unpack::<2, Array>(args).map(|array| {
            let aval = array.aval().with_dtype(DType::BF16);
            arrays::elementwise::<1>(ScalarOp::Cast, [array], aval)
        });
        self.0.eval(rounded.into_iter().collect(), outs)
    }

    fn specialize(&self, args: &[&Aval], out: &Aval) -> Option<Box<dyn Kernel>> {
        let is_wide = [0, 1].map(|i| args[i].dtype == DType::F32);
        Some(Box::new(RoundedProduct { product: self.0.product(args, out)?, is_wide }))
    }
}

impl std::fmt::Debug for RoundedDotGeneral {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rounded {:?}", self.0)
    }
}

/// A product whose strides are known.
struct RoundedProduct {
    product: Product,
    is_wide: [bool; 2],
}

impl Kernel for RoundedProduct {
    fn run(&self, args: &[&[u8]], out: &mut [u8]) {
        self.run_with_epilogue(args, out, &|_, _| ());
    }

    fn run_with_epilogue(
        &self,
        args: &[&[u8]],
        out: &mut [u8],
        epilogue: &(dyn Fn(usize, &mut [u8]) + Sync),
    ) {
        let Product { sizes, batch, sides, .. } = &self.product;
        let [lhs, rhs] = [0, 1].map(|i| {
            let (side, is_wide) = (&sides[i], self.is_wide[i]);
            if is_wide {
                RoundedBatch::Floats(side.operand(bytemuck::cast_slice(args[i])))
            } else {
                RoundedBatch::Halves(side.operand(bytemuck::cast_slice(args[i])))
            }
        });
        matmul::matmul_of_rounded(
            batch,
            *sizes,
            &lhs,
            &rhs,
            bytemuck::cast_slice_mut(out),
            &|first, piece| {
                epilogue(first * DType::BF16.size(), bytemuck::cast_slice_mut(piece));
            },
        );
    }

    fn tile(&self) -> Option<usize> {
        self.product.tile()
    }
}
