//! R6 and R8: dense layers, with a gradient for each example, and in half precision.

use flaxen::prelude::*;

use crate::workload::{Mode, Workload, class_loss, indices, training};

const CLASSES: usize = 10;
const FEATURES: usize = 1024;

/// R8: three layers as wide as their input.
#[module]
struct Wide {
    dtype: DType,
}

impl Layer for Wide {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for _ in 0..3 {
            x = self.child(Dense::new(FEATURES).dtype(self.dtype)).call(&x)?.relu();
        }
        Ok(x)
    }
}

/// R8 with a batch, computed in a dtype from weights in F32.
pub fn wide(dtype: DType, batch: usize, mode: Mode) -> Result<Workload> {
    of_layer(Wide::new(dtype), &[batch, FEATURES], mode)
}

/// A model forward, or in training for the mean square of its output.
pub fn of_layer<M>(model: M, shape: &[usize], mode: Mode) -> Result<Workload>
where
    M: Layer + Clone + Send + Sync + 'static,
{
    let x = random::normal(&key(0), shape);
    let (params, _) = model.init(key(1)).call(&x)?.pop("params")?;
    let apply = move |params: &Dict, x: &Tensor| model.apply(Variables::new().with("params", params)).call(x);
    if mode == Mode::Forward {
        return Ok(Workload::of((params, x), move |(params, x): (Dict, Tensor)| {
            Ok(vec![apply(&params, &x)?])
        }));
    }
    Ok(training(params, x, move |params, x| Ok(apply(params, x)?.cast(DType::F32).square().mean())))
}

/// R6 with a batch: the mean of the gradients of single examples, each clipped to a norm of 1 (DP-SGD).
pub fn clipped(batch: usize) -> Result<Workload> {
    let model = sequential![Dense::new(256), Tensor::relu, Dense::new(CLASSES)];
    let (x, labels) = (random::normal(&key(0), [batch, 784]), indices(CLASSES, &[batch], 0));
    let (params, _) = model.init(key(1)).call(&x)?.pop("params")?;
    let gradients = move |(params, x, labels): (Dict, Tensor, Tensor)| {
        let one = |(x, label): (Tensor, Tensor)| {
            let loss = |params: &Dict| {
                class_loss(&model.apply(Variables::new().with("params", params)).call(&x)?, &label)
            };
            grad(loss)(&params)
        };
        let all = vmap(one).call((x, labels))?;
        let squares = tree::leaves(&all)
            .iter()
            .map(|leaf| Ok(leaf.try_reshape([batch, leaf.size() / batch])?.square().sum_axes([1])))
            .reduce(|sum: Result<Tensor>, next| Ok(sum? + next?))
            .unwrap_or_else(|| Ok(Tensor::zeros([batch])))?;
        let scale = (1.0 / squares.sqrt()).minimum(1.0);
        let mut means = Vec::new();
        for leaf in tree::leaves(&all) {
            let shape: Vec<usize> = (0..leaf.rank()).map(|axis| if axis == 0 { batch } else { 1 }).collect();
            means.push((leaf * scale.try_reshape(shape)?).mean_axes([0]));
        }
        Ok(means)
    };
    Ok(Workload::of((params, x, labels), gradients))
}
