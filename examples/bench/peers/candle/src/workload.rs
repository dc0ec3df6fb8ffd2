//! The cases by name, each made ready to run a step.

use candle_core::{DType, Device, Result as CandleResult, Tensor};
use candle_nn::{AdamW, ModuleT, Optimizer, ParamsAdamW, VarBuilder, VarMap, loss};

use crate::models::{Block, Cnn, ConvNorm, Mlp, SentenceEncoder, chain};
use crate::protocol::{Case, Mode, Result, Step};

/// Elements of the elementwise chain.
const CHAIN: usize = 4 << 20;

/// # Errors
/// For a workload that there is none of, and those of candle.
pub fn make(case: &Case<'_>) -> Result<Step> {
    let batch = case.batch;
    match case.workload {
        "w1" => network(case, Cnn::new, &[batch, 1, 28, 28], 10),
        "w2" => network(case, |vb| Mlp::new(784, 1024, 10, vb), &[batch, 784], 10),
        "w3" => network(case, Block::new, &[batch, 128, 256], 0),
        "w4" => network(case, |vb| Mlp::new(8, 16, 4, vb), &[batch, 8], 4),
        "w5" => network(case, ConvNorm::new, &[batch, 3, 32, 32], 0),
        "w6" => {
            let [x, y] = [normal(&[CHAIN])?, normal(&[CHAIN])?];
            Ok(Box::new(move || Ok(chain(&x, &y).map(drop)?)))
        }
        "r4" if case.mode == Mode::Forward => encoder(batch, case.tokens),
        _ => Err("unknown case".into()),
    }
}

fn encoder(batch: usize, tokens: usize) -> Result<Step> {
    let variables = VarMap::new();
    SentenceEncoder::new(VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu))?;
    let model = SentenceEncoder::new(detached(&variables)?)?;
    let ids: Vec<u32> = (0..batch * tokens).map(|i| ((i * 7919 + 13) % 30522) as u32).collect();
    let ids = Tensor::from_vec(ids, (batch, tokens), &Device::Cpu)?;
    let mask = Tensor::ones((batch, tokens), DType::F32, &Device::Cpu)?;
    Ok(Box::new(move || Ok(model.forward(&ids, &mask).map(drop)?)))
}

/// Plain tensors, because operations on variables are recorded for a gradient that nobody asks for.
fn detached(variables: &VarMap) -> Result<VarBuilder<'static>> {
    let tensors = variables.data().lock().map_err(|_| "the variables are poisoned")?.clone();
    let tensors = tensors.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect();
    Ok(VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu))
}

fn normal(shape: &[usize]) -> CandleResult<Tensor> {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu)
}

fn network<M: ModuleT + 'static>(
    case: &Case<'_>,
    new: impl Fn(VarBuilder<'_>) -> CandleResult<M>,
    shape: &[usize],
    classes: usize,
) -> Result<Step> {
    let x = normal(shape)?;
    let variables = VarMap::new();
    let model = new(VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu))?;
    if case.mode == Mode::Forward {
        let model = new(detached(&variables)?)?;
        return Ok(Box::new(move || Ok(model.forward_t(&x, false).map(drop)?)));
    }
    let labels = if classes > 0 { case.labels(classes) } else { Vec::new() };
    let labels = Tensor::new(labels, &Device::Cpu)?;
    let loss = move || {
        let out = model.forward_t(&x, true)?;
        if classes > 0 { loss::nll(&out, &labels) } else { out.sqr()?.mean_all() }
    };
    if case.mode == Mode::Gradient {
        return Ok(Box::new(move || Ok(loss()?.backward().map(drop)?)));
    }
    // Without decay it is Adam.
    let adam = ParamsAdamW { lr: 1e-8, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut optimizer = AdamW::new(variables.all_vars(), adam)?;
    Ok(Box::new(move || Ok(optimizer.backward_step(&loss()?)?)))
}
