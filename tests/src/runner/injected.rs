//! The products, convolutions, sums of products and promotions of `golden/scripts/injected.py`, by their names there.

use flaxen::nn::{
    ConvGeneralCls, ConvGeneralFn, ConvGeneralOp, DotGeneralCls, DotGeneralFn, DotGeneralOp, EinsumCls,
    EinsumFn, EinsumOp, PromoteDtypeFn,
};
use flaxen::prelude::*;
use flaxen::{ConvOptions, DotDimensions, DotOptions, OperandPrecision, Precision, try_einsum};

use super::arguments::Argument;
use super::python::value::Py;

/// The last name of a path, or a text.
fn name(value: &Py) -> Option<&str> {
    match value {
        Py::Text(name) => Some(name),
        Py::Library(path) => path.rsplit('.').next(),
        _ => None,
    }
}

impl Argument for OperandPrecision {
    fn read(value: &Py) -> Option<OperandPrecision> {
        let one = |value: &Py| Some(name(value)?.to_lowercase());
        match value {
            Py::Tuple(_) | Py::List(_) => match &value.items().ok()?[..] {
                [lhs, rhs] => Some((&*one(lhs)?, &*one(rhs)?).into()),
                _ => None,
            },
            value => Some((&*one(value)?).into()),
        }
    }
}

fn dot(x: &Tensor, w: &Tensor, dimensions: &DotDimensions, options: &DotOptions) -> Result<Tensor> {
    x.try_dot_general_with(w, dimensions.clone(), options)
}

/// 1 without a precision, 2 for `high`, 3 for `highest`.
fn factor(precision: &OperandPrecision) -> Result<f32> {
    match precision {
        OperandPrecision::Unsaid => Ok(1.0),
        OperandPrecision::Of(Precision::High, Precision::High) => Ok(2.0),
        OperandPrecision::Of(Precision::Highest, Precision::Highest) => Ok(3.0),
        other => Err(Error::msg(format!("a product of precision {other:?}"))),
    }
}

/// A product of one's own, by its name.
pub fn dot_general(name: &str) -> Option<DotGeneralFn> {
    Some(match name {
        "doubled_dot" => DotGeneralFn::new(doubled_dot),
        "bf16_dot" => {
            DotGeneralFn::new(|x: &Tensor, w: &Tensor, dimensions: &DotDimensions, options: &DotOptions| {
                let [x, w] = [x.try_cast(DType::BF16)?, w.try_cast(DType::BF16)?];
                let options = options.clone().preferred_element_type(DType::F32);
                x.try_dot_general_with(&w, dimensions.clone(), &options)
            })
        }
        "precise_dot" => {
            DotGeneralFn::new(|x: &Tensor, w: &Tensor, dimensions: &DotDimensions, options: &DotOptions| {
                dot(x, w, dimensions, options)?.try_mul(factor(&options.precision)?)
            })
        }
        _ => return None,
    })
}

fn doubled_dot(x: &Tensor, w: &Tensor, dimensions: &DotDimensions, options: &DotOptions) -> Result<Tensor> {
    dot(x, w, dimensions, options)?.try_mul(2.0)
}

fn doubled_conv(x: &Tensor, w: &Tensor, options: &ConvOptions) -> Result<Tensor> {
    x.try_conv_general(w, options)?.try_mul(2.0)
}

/// Twice the sum of products.
pub fn doubled_einsum(equation: &str, lhs: &Tensor, rhs: &Tensor) -> Result<Tensor> {
    try_einsum(equation, &[lhs, rhs])?.try_mul(2.0)
}

/// A product times a parameter.
#[module]
struct ScaledDot {}

impl DotGeneralOp for ScaledDot {
    #[compact]
    fn dot_general(
        &self,
        x: &Tensor,
        w: &Tensor,
        dimensions: &DotDimensions,
        options: &DotOptions,
    ) -> Result<Tensor> {
        dot(x, w, dimensions, options)?.try_mul(self.param("scale", init::ones(), [])?)
    }
}

/// A product divided by what was the largest absolute element of the left operand so far.
#[module]
struct MeasuredDot {}

impl DotGeneralOp for MeasuredDot {
    #[compact]
    fn dot_general(
        &self,
        x: &Tensor,
        w: &Tensor,
        dimensions: &DotDimensions,
        options: &DotOptions,
    ) -> Result<Tensor> {
        let amax = self.variable("quant", "amax", || Tensor::ones([]))?;
        let y = dot(x, w, dimensions, options)?.try_div(amax.get())?;
        if self.is_mutable_collection("quant") {
            let found = x.try_abs()?.try_max()?.stop_gradient();
            amax.set(amax.get().try_maximum(found)?)?;
        }
        Ok(y)
    }
}

/// A convolution times a parameter.
#[module]
struct ScaledConv {}

impl ConvGeneralOp for ScaledConv {
    #[compact]
    fn conv_general(&self, x: &Tensor, w: &Tensor, options: &ConvOptions) -> Result<Tensor> {
        x.try_conv_general(w, options)?.try_mul(self.param("scale", init::ones(), [])?)
    }
}

/// A sum of products times a parameter.
#[module]
struct ScaledEinsum {}

impl EinsumOp for ScaledEinsum {
    #[compact]
    fn einsum(&self, equation: &str, lhs: &Tensor, rhs: &Tensor) -> Result<Tensor> {
        try_einsum(equation, &[lhs, rhs])?.try_mul(self.param("scale", init::ones(), [])?)
    }
}

impl Argument for DotGeneralFn {
    fn read(value: &Py) -> Option<DotGeneralFn> {
        dot_general(name(value)?)
    }
}

impl Argument for DotGeneralCls {
    fn read(value: &Py) -> Option<DotGeneralCls> {
        match name(value)? {
            "ScaledDot" => Some(DotGeneralCls::new(ScaledDot::new)),
            "MeasuredDot" => Some(DotGeneralCls::new(MeasuredDot::new)),
            "make_doubled_dot" => Some(DotGeneralCls::of_functions(|| DotGeneralFn::new(doubled_dot))),
            _ => None,
        }
    }
}

impl Argument for ConvGeneralFn {
    fn read(value: &Py) -> Option<ConvGeneralFn> {
        match name(value)? {
            "doubled_conv" => Some(ConvGeneralFn::new(doubled_conv)),
            "precise_conv" => Some(ConvGeneralFn::new(|x: &Tensor, w: &Tensor, options: &ConvOptions| {
                x.try_conv_general(w, options)?.try_mul(factor(&options.precision)?)
            })),
            _ => None,
        }
    }
}

impl Argument for ConvGeneralCls {
    fn read(value: &Py) -> Option<ConvGeneralCls> {
        match name(value)? {
            "ScaledConv" => Some(ConvGeneralCls::new(ScaledConv::new)),
            "make_doubled_conv" => Some(ConvGeneralCls::of_functions(|| ConvGeneralFn::new(doubled_conv))),
            _ => None,
        }
    }
}

impl Argument for EinsumCls {
    fn read(value: &Py) -> Option<EinsumCls> {
        match name(value)? {
            "ScaledEinsum" => Some(EinsumCls::new(ScaledEinsum::new)),
            "make_doubled_einsum" => Some(EinsumCls::of_functions(|| EinsumFn::new(doubled_einsum))),
            _ => None,
        }
    }
}

impl Argument for PromoteDtypeFn {
    fn read(value: &Py) -> Option<PromoteDtypeFn> {
        match name(value)? {
            "as_input" => Some(PromoteDtypeFn::new(|tensors: &[&Tensor], dtype: Option<DType>, _: bool| {
                let dtype = dtype.unwrap_or(tensors[0].dtype());
                tensors.iter().map(|tensor| tensor.try_cast(dtype)).collect::<Result<Vec<_>>>()
            })),
            "as_it_is" => Some(PromoteDtypeFn::new(|tensors: &[&Tensor], _: Option<DType>, _: bool| {
                tensors.iter().copied().cloned().collect::<Vec<Tensor>>()
            })),
            _ => None,
        }
    }
}
