//! Reductions over windows and their gradients.
//!
//! A sum and its transpose are each other's gradients. The gradient of an extreme goes to the element that was selected,
//! and the gradient of that takes from there: two primitives, linear in what they move, that are each other's gradients.
//! That of a product is made of the products of all other elements of its window.

use std::sync::Arc;

use smallvec::smallvec;

use super::padding::{Padding, Sizes, ones_unless_given};
use crate::array::dtype::dispatch_wide;
use crate::array::memory;
use crate::array::{Array, Aval, DType};
use crate::core::Tensor;
use crate::core::cpu::{CpuRules, Kernel, on_cpu};
use crate::core::op::Op;
use crate::core::primitive::{Args, Cotangents, Grads, Outs, Primitive, ResidualMask, Residuals};
use crate::core::trace::{Axis, bind1};
use crate::error::unwrap;
use crate::error::{Error, Result};
use crate::kernels::arrays;
pub use crate::kernels::window::Reduction as WindowReduction;
use crate::kernels::window::{self, Selection, WindowGeometry};
use crate::ops::{addressable, batch_all, cotangent, only, window_product};
use crate::scalar::number::Number;
use crate::scalar::op::ScalarOp;

/// How windows go over a tensor; an entry per axis in each list, and an empty one stands for all 1.
///
/// ```
/// use flaxen::{WindowOptions, WindowReduction, prelude::*};
/// let x = Tensor::from([1.0f32, 2.0, 4.0, 8.0]);
/// let y = x.reduce_window(&WindowOptions::new([2]).strides([2]), WindowReduction::Sum);
/// assert_eq!(y.to_vec::<f32>()?, [3.0, 12.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WindowOptions {
    /// Sizes of the window.
    pub window: Vec<usize>,
    /// Steps between windows.
    pub strides: Vec<usize>,
    /// Neutral elements around the dilated tensor; none by default. How much [`Padding::Same`] is, is reckoned without
    /// base dilation.
    pub padding: Padding,
    /// Steps between elements of the tensor; greater than 1 inserts neutral elements.
    pub base_dilation: Vec<usize>,
    /// Steps between elements of the window.
    pub window_dilation: Vec<usize>,
}

impl WindowOptions {
    /// A window of these sizes at each position where it fits.
    pub fn new(window: impl AsRef<[usize]>) -> WindowOptions {
        WindowOptions {
            window: window.as_ref().into(),
            strides: Vec::new(),
            padding: Padding::Valid,
            base_dilation: Vec::new(),
            window_dilation: Vec::new(),
        }
    }

    /// Sets the steps between windows.
    pub fn strides(self, strides: impl AsRef<[usize]>) -> WindowOptions {
        WindowOptions { strides: strides.as_ref().into(), ..self }
    }

    /// Sets what is put around the dilated tensor.
    pub fn padding(self, padding: impl Into<Padding>) -> WindowOptions {
        WindowOptions { padding: padding.into(), ..self }
    }

    /// Sets the steps between elements of the tensor.
    pub fn base_dilation(self, dilation: impl AsRef<[usize]>) -> WindowOptions {
        WindowOptions { base_dilation: dilation.as_ref().into(), ..self }
    }

    /// Sets the steps between elements of the window.
    pub fn window_dilation(self, dilation: impl AsRef<[usize]>) -> WindowOptions {
        WindowOptions { window_dilation: dilation.as_ref().into(), ..self }
    }

    fn geometry(&self, shape: &[usize]) -> Result<WindowGeometry> {
        let rank = shape.len();
        let mut geometry = WindowGeometry {
            shape: shape.into(),
            window: self.window.clone(),
            strides: ones_unless_given(&self.strides, rank),
            padding: Vec::new(),
            base_dilation: ones_unless_given(&self.base_dilation, rank),
            window_dilation: ones_unless_given(&self.window_dilation, rank),
        };
        let sizes = Sizes {
            op: "reduce_window",
            input: shape,
            window: &geometry.window,
            strides: &geometry.strides,
            input_dilation: &geometry.base_dilation,
            window_dilation: &geometry.window_dilation,
        };
        geometry.padding = sizes.pad(&self.padding)?;
        Ok(geometry)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// From the tensor.
    Reduce(WindowReduction),
    /// From values of windows: the transpose of the sum.
    Spread,
    /// From the tensor and values of windows: each added to the element that is selected.
    Scatter(Selection),
    /// From the tensor and a tensor like it: the elements of the second where the first is selected.
    Gather(Selection),
}

#[derive(Clone, PartialEq)]
struct Windowed {
    kind: Kind,
    geometry: WindowGeometry,
}

impl Windowed {
    fn with(&self, kind: Kind) -> Windowed {
        Windowed { kind, geometry: self.geometry.clone() }
    }

    fn run<T: Number>(&self, data: &[&[T]], out: &mut [T]) {
        let geometry = &self.geometry;
        match self.kind {
            Kind::Reduce(reduction) => window::reduce_window(geometry, reduction, data[0], out),
            Kind::Spread => window::sum_gradient(geometry, data[0], out),
            Kind::Scatter(which) => window::select_and_scatter_add(geometry, which, data[0], data[1], out),
            Kind::Gather(which) => {
                let mut indices = memory::zeroed(out.len());
                window::select_indices(geometry, which, data[0], &mut indices);
                window::gather(&indices, data[1], out);
            }
        }
    }
}

impl Primitive for Windowed {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Reduce(WindowReduction::Sum) => "reduce_window_sum",
            Kind::Reduce(WindowReduction::Product) => "reduce_window_product",
            Kind::Reduce(WindowReduction::Max) => "reduce_window_max",
            Kind::Reduce(WindowReduction::Min) => "reduce_window_min",
            Kind::Spread => "window_sum_transpose",
            Kind::Scatter(_) => "select_and_scatter_add",
            Kind::Gather(_) => "select_and_gather",
        }
    }

    fn infer(&self, args: &[&Aval]) -> Result<Outs<Aval>> {
        if args.iter().any(|arg| arg.dtype != args[0].dtype)
            || args[0].dtype == DType::Bool
            || args[0].dtype.is_complex()
        {
            let found = args.iter().map(|arg| arg.dtype.name()).collect::<Vec<_>>().join(" and ");
            return Err(Error::dtype(self.name(), found, "numbers of one type (cast booleans first)"));
        }
        let (tensor, windows) = (&self.geometry.shape, &self.geometry.out_shape());
        let (takes, gives): (&[&Vec<usize>], _) = match self.kind {
            Kind::Reduce(_) => (&[tensor], windows),
            Kind::Spread => (&[windows], tensor),
            Kind::Scatter(_) => (&[tensor, windows], tensor),
            Kind::Gather(_) => (&[tensor, tensor], windows),
        };
        if args.iter().zip(takes).any(|(arg, shape)| arg.shape[..] != shape[..]) {
            let found = args.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
            return Err(Error::shape(self.name(), found, format!("shapes {takes:?}")));
        }
        let weak = args.iter().all(|arg| arg.weak);
        let out = Aval { shape: gives[..].into(), dtype: args[0].dtype, weak };
        Ok(smallvec![addressable(self.name(), out)?])
    }

    fn op(&self) -> Op<'_> {
        match self.kind {
            Kind::Reduce(reduction) => Op::ReduceWindow(reduction, &self.geometry),
            Kind::Spread => Op::WindowSumTranspose(&self.geometry),
            Kind::Scatter(which) => Op::SelectAndScatterAdd(which, &self.geometry),
            Kind::Gather(which) => Op::SelectAndGather(which, &self.geometry),
        }
    }

    fn residuals(&self, _needs_grad: &[bool]) -> ResidualMask {
        match self.kind {
            Kind::Reduce(WindowReduction::Sum) | Kind::Spread => ResidualMask::NONE,
            Kind::Reduce(_) | Kind::Scatter(_) | Kind::Gather(_) => ResidualMask::args([0]),
        }
    }

    fn vjp(&self, residuals: &Residuals, cts: Cotangents, needs_grad: &[bool]) -> Result<Grads> {
        let ct = cotangent(cts);
        let selecting = |kind: Kind, ct: Tensor| bind1(&self.with(kind), [residuals.arg(0).clone(), ct]);
        let select = |which: Selection| -> Result<Grads> {
            Ok(smallvec![Some(selecting(Kind::Scatter(which), ct.clone())?)])
        };
        // Which element is selected does not change with small changes of the first argument.
        let moved = |kind: Kind| -> Result<Grads> {
            Ok(smallvec![None, if needs_grad[1] { Some(selecting(kind, ct.clone())?) } else { None }])
        };
        match self.kind {
            Kind::Reduce(WindowReduction::Sum) => Ok(smallvec![Some(bind1(&self.with(Kind::Spread), [ct])?)]),
            Kind::Spread => Ok(smallvec![Some(bind1(&self.with(Kind::Reduce(WindowReduction::Sum)), [ct])?)]),
            Kind::Reduce(WindowReduction::Max) => select(Selection::Max),
            Kind::Reduce(WindowReduction::Min) => select(Selection::Min),
            Kind::Scatter(which) => moved(Kind::Gather(which)),
            Kind::Gather(which) => moved(Kind::Scatter(which)),
            Kind::Reduce(WindowReduction::Product) => {
                Ok(smallvec![Some(window_product::gradient(&self.geometry, residuals.arg(0), &ct)?)])
            }
        }
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let mut batched = self.clone();
        let geometry = &mut batched.geometry;
        geometry.shape.insert(0, axis.size);
        geometry.padding.insert(0, (0, 0));
        for ones in [
            &mut geometry.window,
            &mut geometry.strides,
            &mut geometry.base_dilation,
            &mut geometry.window_dilation,
        ] {
            ones.insert(0, 1);
        }
        let args = batch_all(axis.size, args, mapped)?;
        let outs = crate::core::trace::bind(&batched, args)?;
        Ok((outs, smallvec![true]))
    }

    on_cpu!();
}

impl CpuRules for Windowed {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        let out = only(outs);
        // Integers wrap around alike in more bits, and are rare here.
        if let Some(range) = out.dtype.narrow_range() {
            let wide = args.iter().map(|x| arrays::convert(x, DType::I64, false)).collect();
            let wide_out = out.with_dtype(DType::I64);
            let mut result = only(self.eval(wide, smallvec![wide_out.clone()])?);
            if let Kind::Reduce(WindowReduction::Max | WindowReduction::Min) = self.kind {
                // What a window in padding alone gives.
                let [least, greatest] = range.map(|x| Array::scalar(x, false));
                result = arrays::elementwise(ScalarOp::Clamp, [least, result, greatest], wide_out);
            }
            return Ok(smallvec![arrays::elementwise(ScalarOp::Cast, [result], out)]);
        }
        Ok(smallvec![dispatch_wide!(out.dtype, T => Array::build(out, |out: &mut [T]| {
            self.run(&args.iter().map(Array::data).collect::<Args<&[T]>>(), out);
        }))])
    }

    fn specialize(&self, _args: &[&Aval], out: &Aval) -> Option<Box<dyn Kernel>> {
        if out.dtype.narrow_range().is_some() {
            return None;
        }
        let (this, dtype) = (self.clone(), out.dtype);
        Some(Box::new(move |args: &[&[u8]], out: &mut [u8]| {
            dispatch_wide!(dtype, T => {
                let data: Args<&[T]> = args.iter().map(|bytes| bytemuck::cast_slice(bytes)).collect();
                this.run(&data, bytemuck::cast_slice_mut(out));
            });
        }))
    }

    fn with_batch_size(&self, count: usize) -> Option<Arc<dyn Primitive>> {
        let g = &self.geometry;
        let steps = [&g.window, &g.strides, &g.base_dilation, &g.window_dilation];
        let is_apart = g.padding.first() == Some(&(0, 0)) && steps.iter().all(|steps| steps[0] == 1);
        let mut own = self.clone();
        own.geometry.shape[..1].fill(count);
        (is_apart && matches!(self.kind, Kind::Reduce(_))).then(|| Arc::new(own) as Arc<dyn Primitive>)
    }
}

impl std::fmt::Debug for Windowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let g = &self.geometry;
        write!(f, "{}[", self.name())?;
        if let Kind::Scatter(which) | Kind::Gather(which) = self.kind {
            write!(f, "select={which:?} ")?;
        }
        write!(f, "window={:?} strides={:?} padding={:?}", g.window, g.strides, g.padding)?;
        for (name, dilation) in [("base_dilation", &g.base_dilation), ("window_dilation", &g.window_dilation)]
        {
            if dilation.iter().any(|&step| step != 1) {
                write!(f, " {name}={dilation:?}")?;
            }
        }
        f.write_str("]")
    }
}

/// # Reductions over windows
impl Tensor {
    /// Reduces each window of a tensor of any rank to one element, as `lax.reduce_window`.
    ///
    /// A window in padding alone gives the neutral element: 0, 1, −∞ or +∞ (of integers, the smallest and largest).
    /// `BF16` and `F16` are added and multiplied in `F32` and rounded once. The gradient of an extreme goes whole to the
    /// first of equals, in row-major order of the window.
    ///
    /// # Panics
    /// If this is boolean, lists have not one entry per axis, or a step or window size is 0.
    #[track_caller]
    pub fn reduce_window(&self, options: &WindowOptions, reduction: WindowReduction) -> Tensor {
        unwrap(self.try_reduce_window(options, reduction))
    }

    /// As [`reduce_window`](Tensor::reduce_window).
    ///
    /// # Errors
    /// If this is boolean, lists have not one entry per axis, or a step or window size is 0.
    #[track_caller]
    pub fn try_reduce_window(&self, options: &WindowOptions, reduction: WindowReduction) -> Result<Tensor> {
        let geometry = options.geometry(self.shape())?;
        bind1(&Windowed { kind: Kind::Reduce(reduction), geometry }, [self.clone()])
    }
}
