//! The primitives: a convolution, the gradient with respect to its input, and the one with respect to its kernel.
//!
//! All three come from one form, `Σ input · kernel · output` over what meets in a window, which is linear in each of its
//! three operands. Each primitive is the gradient of that form with respect to the operand it lacks, so the gradients of
//! each are the other two, to any order, and one batching rule serves all.

use std::sync::Arc;

use smallvec::smallvec;

use crate::array::dtype::dispatch_wide;
use crate::array::{Array, Aval, DType, Shape};
use crate::core::Tensor;
use crate::core::cpu;
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::{ConvOperand, Op};
use crate::core::precision;
use crate::core::precision::OperandPrecision;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::{Error, Result};
use crate::kernels::conv::{self, Geometry};
use crate::ops::shape::{moved, permuted};
use crate::ops::{addressable, cotangent, in_i64, is_narrow, only, prepend, unpack, zeros_of};
use crate::scalar::number::Number;

use ConvOperand::{Input, Kernel, Output};

#[derive(Clone, PartialEq)]
pub(super) struct Convolution {
    pub gives: ConvOperand,
    pub geometry: Geometry,
    /// As [`Op::Conv`] has it: of all three the same.
    pub precision: Option<precision::Pair>,
}

/// What the batch axis is merged into, so that one convolution does the work of all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Merge {
    Batch,
    InputChannels,
    OutputChannels,
    Groups,
}

impl Merge {
    /// The result is always mapped, and so is one of the arguments: whoever is not does not have the merged axis.
    fn of(mapped: impl Fn(ConvOperand) -> bool) -> Merge {
        match [Input, Kernel, Output].map(mapped) {
            [true, false, true] => Merge::Batch,
            [true, true, false] => Merge::InputChannels,
            [false, true, true] => Merge::OutputChannels,
            _ => Merge::Groups,
        }
    }

    fn geometry(self, of: &Geometry, size: usize) -> Geometry {
        let mut geometry = of.clone();
        match self {
            Merge::Batch => geometry.batch *= size,
            Merge::InputChannels => geometry.cin *= size,
            Merge::OutputChannels => geometry.cout *= size,
            Merge::Groups => {
                geometry.cin *= size;
                geometry.cout *= size;
                geometry.groups *= size;
            }
        }
        geometry
    }

    /// How the last axis of an operand is cut for the batch axis to come behind the first part: channels lie group by
    /// group, and a new axis goes inside each group, or outside of all to make groups of its own. `None`: the batch
    /// axis joins the axis that it is already in front of.
    fn insertion(self, role: ConvOperand, geometry: &Geometry) -> Option<Insertion> {
        let groups = geometry.groups;
        match (self, role) {
            (Merge::Batch, _) => None,
            // The axis of input channels of a kernel has those of one group.
            (Merge::InputChannels, Kernel) => Some(Insertion { from_end: 2, outer: 1 }),
            (Merge::InputChannels | Merge::OutputChannels, _) => {
                Some(Insertion { from_end: 1, outer: groups })
            }
            (Merge::Groups, _) => Some(Insertion { from_end: 1, outer: 1 }),
        }
    }
}

/// An axis, counted from the end, and the number of parts of it that stay outside of the batch axis.
struct Insertion {
    from_end: usize,
    outer: usize,
}

impl Insertion {
    fn merge(&self, x: &Tensor) -> Result<Tensor> {
        let (size, shape) = (x.shape()[0], &x.shape()[1..]);
        let axis = shape.len() - self.from_end;
        let mut cut: Shape = prepend(size, shape);
        cut[axis + 1] = self.outer;
        cut.insert(axis + 2, shape[axis] / self.outer);
        let mut merged: Shape = shape.into();
        merged[axis] *= size;
        permuted(&x.try_reshape(&cut)?, moved(cut.len(), 0, axis + 1))?.try_reshape(&merged)
    }

    fn part(&self, x: &Tensor, size: usize) -> Result<Tensor> {
        let axis = x.rank() - self.from_end;
        let mut cut: Shape = x.shape().into();
        cut[axis] = self.outer;
        cut.insert(axis + 1, size);
        cut.insert(axis + 2, x.shape()[axis] / self.outer / size);
        let mut parted: Shape = prepend(size, x.shape());
        parted[axis + 1] /= size;
        permuted(&x.try_reshape(&cut)?, moved(cut.len(), axis + 1, 0))?.try_reshape(&parted)
    }
}

impl Convolution {
    fn takes(&self) -> [ConvOperand; 2] {
        match self.gives {
            Input => [Kernel, Output],
            Kernel => [Input, Output],
            Output => [Input, Kernel],
        }
    }

    fn shape(&self, role: ConvOperand) -> Shape {
        let g = &self.geometry;
        let (first, middle, last): (Option<usize>, &[usize], &[usize]) = match role {
            Input => (Some(g.batch), &g.in_spatial, &[g.cin]),
            Kernel => (None, &g.kernel, &[g.cin / g.groups, g.cout]),
            Output => (Some(g.batch), &g.out_spatial, &[g.cout]),
        };
        first.iter().chain(middle).chain(last).copied().collect()
    }
}

/// The kernels for operands of a dtype.
struct Kernels(Convolution, DType);

impl cpu::Kernel for Kernels {
    fn run(&self, args: &[&[u8]], out: &mut [u8]) {
        self.run_with_epilogue(args, out, &|_, _| ());
    }

    fn run_with_epilogue(
        &self,
        args: &[&[u8]],
        out: &mut [u8],
        epilogue: &(dyn Fn(usize, &mut [u8]) + Sync),
    ) {
        dispatch_wide!(self.1, T => {
            let [a, b] = [args[0], args[1]].map(bytemuck::cast_slice);
            let epilogue = |first: usize, piece: &mut [T]| epilogue(first * size_of::<T>(), bytemuck::cast_slice_mut(piece));
            self.0.run::<T>(a, b, bytemuck::cast_slice_mut(out), &epilogue);
        });
    }

    fn tile(&self) -> Option<usize> {
        (self.0.gives == Output).then_some(self.0.geometry.cout)
    }
}

impl Convolution {
    /// Calls `epilogue` with each finished piece, and the number of elements before it.
    fn run<T: Number>(&self, a: &[T], b: &[T], out: &mut [T], epilogue: &(dyn Fn(usize, &mut [T]) + Sync)) {
        let g = &self.geometry;
        match self.gives {
            Output => return conv::forward_with_epilogue(g, a, b, out, epilogue),
            Input => conv::input_gradient(g, b, a, out),
            Kernel => conv::weight_gradient(g, a, b, out),
        }
        epilogue(0, out);
    }
}

impl Primitive for Convolution {
    fn name(&self) -> &'static str {
        match self.gives {
            Output => "conv_general",
            Input => "conv_input_gradient",
            Kernel => "conv_kernel_gradient",
        }
    }

    fn flops(&self, _args: &[&Aval], _outs: &[&Aval]) -> u64 {
        let g = &self.geometry;
        let sizes = g.kernel.iter().chain(&g.out_spatial).chain([&g.batch, &g.cout]);
        sizes.fold(2 * (g.cin / g.groups) as u64, |flops, &size| flops.saturating_mul(size as u64))
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        let (a, b) = (args[0], args[1]);
        if a.dtype != b.dtype || a.dtype == DType::Bool || a.dtype.is_complex() {
            let found = format!("{} and {}", a.dtype, b.dtype);
            return Err(Error::dtype(self.name(), found, "two operands of one number type"));
        }
        let shapes = self.takes().map(|role| self.shape(role));
        if [&a.shape, &b.shape] != [&shapes[0], &shapes[1]] {
            let expected = format!("operands of shapes {:?} and {:?}", shapes[0], shapes[1]);
            return Err(Error::shape(self.name(), format!("{a} and {b}"), expected));
        }
        let out = Aval { shape: self.shape(self.gives), dtype: a.dtype, weak: a.weak && b.weak };
        Ok(smallvec![addressable(self.name(), out)?])
    }

    fn op(&self) -> Op<'_> {
        Op::Conv { gives: self.gives, geometry: &self.geometry, precision: self.precision }
    }

    fn residuals(&self, needs_grad: &[bool]) -> ResidualMask {
        ResidualMask::args((0..2).filter(|i| needs_grad[1 - i]))
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let ct = cotangent(cts);
        let takes = self.takes();
        let precision = match self.precision {
            None => OperandPrecision::Unsaid.resolve(self.name())?,
            said => said,
        };
        let gradient = |i: usize| {
            if !needs_grad[i] {
                return Ok(None);
            }
            let primitive = Convolution { gives: takes[i], geometry: self.geometry.clone(), precision };
            let operands =
                primitive.takes().map(|role| if role == self.gives { &ct } else { residuals.arg(1 - i) });
            bind1(&primitive, operands.map(Tensor::clone)).map(Some)
        };
        Ok(smallvec![gradient(0)?, gradient(1)?])
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let (size, takes) = (axis.size, self.takes());
        if size == 0 {
            let shape = prepend(0, &self.shape(self.gives));
            return Ok((smallvec![zeros_of(&args[0].aval().with_shape(shape))?], smallvec![true]));
        }
        let merge = Merge::of(|role| takes.iter().position(|&r| r == role).is_none_or(|i| mapped[i]));
        let geometry = merge.geometry(&self.geometry, size);
        let primitive = Convolution { gives: self.gives, geometry, precision: self.precision };
        let mut merged = Args::<Tensor>::new();
        for (i, arg) in args.iter().enumerate() {
            merged.push(match merge.insertion(takes[i], &self.geometry) {
                _ if !mapped[i] => arg.clone(),
                Some(insertion) => insertion.merge(arg)?,
                None => arg.try_reshape(primitive.shape(takes[i]))?,
            });
        }
        let out = bind1(&primitive, unpack::<2, _>(merged))?;
        let out = match merge.insertion(self.gives, &self.geometry) {
            Some(insertion) => insertion.part(&out, size)?,
            None => out.try_reshape(prepend(size, &self.shape(self.gives)))?,
        };
        Ok((smallvec![out], smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for Convolution {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let ([a, b], out) = (unpack(args), only(outs));
        if is_narrow(out.dtype) {
            return in_i64(&[&a, &b], out, &|args, outs| self.eval(args, outs));
        }
        Ok(smallvec![dispatch_wide!(out.dtype, T => Array::build(out, |out: &mut [T]| {
            self.run(a.data(), b.data(), out, &|_, _| ());
        }))])
    }

    fn specialize(&self, _args: &[&Aval], out: &Aval) -> Option<Box<dyn cpu::Kernel>> {
        (!is_narrow(out.dtype)).then(|| Box::new(Kernels(self.clone(), out.dtype)) as Box<dyn cpu::Kernel>)
    }

    fn with_batch_size(&self, count: usize) -> Option<Arc<dyn Primitive>> {
        let geometry = Geometry { batch: count, ..self.geometry.clone() };
        (self.gives == Output && self.geometry.is_same_in_any_batch()).then(|| {
            Arc::new(Convolution { gives: Output, geometry, precision: self.precision }) as Arc<dyn Primitive>
        })
    }
}

impl std::fmt::Debug for Convolution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let g = &self.geometry;
        write!(f, "{}[strides={:?} padding={:?}", self.name(), g.strides, g.padding)?;
        for (name, dilation) in [("lhs_dilation", &g.lhs_dilation), ("rhs_dilation", &g.rhs_dilation)] {
            if dilation.iter().any(|&step| step != 1) {
                write!(f, " {name}={dilation:?}")?;
            }
        }
        if g.groups != 1 {
            write!(f, " groups={}", g.groups)?;
        }
        precision::write_to(f, self.precision)?;
        f.write_str("]")
    }
}
