//! Fits a sine with a small network, on nothing but tensors, trees and transforms.

use flaxen::prelude::*;
use flaxen::tree;

const LEARNING_RATE: f32 = 0.02;
const STEPS: usize = 2000;

#[derive(Clone, Debug, Tree)]
struct Dense {
    kernel: Tensor,
    bias: Tensor,
}

impl Dense {
    fn new(seed: u64, inputs: usize, outputs: usize) -> Dense {
        let kernel = random::normal(&random::key(seed), [inputs, outputs]) / (inputs as f32).sqrt();
        Dense { kernel, bias: Tensor::zeros([outputs]) }
    }

    fn call(&self, x: &Tensor) -> Tensor {
        x.dot(&self.kernel) + &self.bias
    }
}

#[derive(Clone, Debug, Tree)]
struct Mlp {
    hidden: Dense,
    out: Dense,
}

impl Mlp {
    /// One example: `[1]` to `[1]`.
    fn call(&self, x: &Tensor) -> Tensor {
        self.out.call(&self.hidden.call(x).tanh())
    }

    /// The mean squared error over a batch, which the network itself knows nothing of.
    fn loss(&self, xs: &Tensor, ys: &Tensor) -> Result<Tensor> {
        let predicted = vmap(|x: Tensor| Ok(self.call(&x))).call(xs.clone())?;
        Ok((predicted - ys).square().mean())
    }
}

fn main() -> Result<()> {
    let inputs: Vec<f32> = (0..64).map(|i| (i as f32 / 63.0 - 0.5) * 6.0).collect();
    let xs = Tensor::from_vec(inputs, [64, 1]);
    let ys = xs.sin();

    let step = jit(|(model, xs, ys): (Mlp, Tensor, Tensor)| {
        let (loss, grads) = value_and_grad(|model: &Mlp| model.loss(&xs, &ys))(&model)?;
        Ok((tree::zip_map(&model, &grads, |param, gradient| Ok(param - gradient * LEARNING_RATE))?, loss))
    });

    let mut model = Mlp { hidden: Dense::new(0, 1, 32), out: Dense::new(1, 32, 1) };
    for count in 0..=STEPS {
        let loss;
        // By value: the step writes the new parameters into the memory of the old ones.
        (model, loss) = step.call((model, xs.clone(), ys.clone()))?;
        if count % 200 == 0 {
            println!("step {count:4}: loss {:.5}", loss.item::<f32>()?);
        }
    }
    let one = Tensor::from_vec([1.0f32], [1]);
    println!("sin(1) = {:.4}, the network says {:.4}", 1f32.sin(), model.call(&one).to_vec::<f32>()?[0]);
    Ok(())
}
