//! The cases by name, each made ready to run a step.

use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::Distribution;

use crate::models::{Block, Cnn, ConvNorm, Mlp, Network, chain};
use crate::protocol::{Case, Mode, Result, Step};

/// Elements of the elementwise chain.
const CHAIN: usize = 4 << 20;

/// # Errors
/// For a workload that there is none of.
pub fn make(case: &Case<'_>) -> Result<Step> {
    let batch = case.batch;
    let device = match case.mode {
        Mode::Forward => Device::flex(),
        Mode::Gradient | Mode::Train => Device::flex().autodiff(),
    };
    Ok(match case.workload {
        "w1" => network(case, Cnn::new(&device), [batch, 1, 28, 28], likelihood(case, 10, &device), &device),
        "w2" => {
            let model = Mlp::new(784, 1024, 10, &device);
            network(case, model, [batch, 784], likelihood(case, 10, &device), &device)
        }
        "w3" => network(case, Block::new(&device), [batch, 128, 256], mean_square, &device),
        "w4" => {
            let model = Mlp::new(8, 16, 4, &device);
            network(case, model, [batch, 8], likelihood(case, 4, &device), &device)
        }
        "w5" => network(case, ConvNorm::new(&device), [batch, 3, 32, 32], mean_square, &device),
        "w6" => {
            let [x, y] = [(); 2].map(|()| normal([CHAIN], &device));
            Box::new(move || {
                chain(x.clone(), y.clone());
                Ok(())
            })
        }
        _ => return Err("unknown case".into()),
    })
}

fn normal<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

/// The negative log-likelihood of the classes.
fn likelihood(case: &Case<'_>, classes: usize, device: &Device) -> impl Fn(Tensor<2>) -> Tensor<1> + 'static {
    let labels = TensorData::new(case.labels(classes), [case.batch, 1]);
    let labels = Tensor::<2, Int>::from_data(labels, device);
    move |out| out.gather(1, labels.clone()).mean().neg()
}

fn mean_square<const D: usize>(out: Tensor<D>) -> Tensor<1> {
    out.square().mean()
}

fn network<M: Network<IN, OUT> + 'static, const IN: usize, const OUT: usize>(
    case: &Case<'_>,
    model: M,
    shape: [usize; IN],
    loss: impl Fn(Tensor<OUT>) -> Tensor<1> + 'static,
    device: &Device,
) -> Step {
    let x = normal(shape, device);
    match case.mode {
        Mode::Forward => Box::new(move || {
            model.forward(x.clone());
            Ok(())
        }),
        Mode::Gradient => Box::new(move || {
            let grads = loss(model.forward(x.clone())).backward();
            GradientsParams::from_grads(grads, &model);
            Ok(())
        }),
        Mode::Train => {
            let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
            let mut held = Some(model);
            Box::new(move || {
                let model = held.take().ok_or("a step before has failed")?;
                let grads = loss(model.forward(x.clone())).backward();
                let grads = GradientsParams::from_grads(grads, &model);
                held = Some(optimizer.step(1e-8, model, grads));
                Ok(())
            })
        }
    }
}
