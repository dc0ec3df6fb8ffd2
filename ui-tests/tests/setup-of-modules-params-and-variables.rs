//! Setup makes modules, parameters and variables.

use flaxen::prelude::*;

#[module]
struct Mlp<L: Layer> {
    hidden: usize,
    #[module(default = 2)]
    depth: usize,
    #[submodule]
    inner: L,
    #[setup((0..self.depth).map(|_| Dense::new(self.hidden)).collect())]
    layers: Vec<Dense>,
    #[setup(Dense::new(self.layers[0].features))]
    like_the_first: Dense,
    #[setup(self.inner.copy())]
    another: L,
    #[setup((self.depth > 1).then(|| Dense::new(3)))]
    maybe: Option<Dense>,
    #[setup(self.param("bias", init::zeros(), [self.hidden]))]
    bias: Tensor,
    #[setup(self.param("scale", init::ones(), [self.hidden])? * 2.0)]
    scale: Tensor,
    #[setup(self.variable("stats", "count", || Tensor::zeros([])))]
    count: Variable<Tensor>,
}

impl<L: Layer> Layer for Mlp<L> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = self.another.call(&self.inner.call(x)?)?;
        for layer in &self.layers {
            x = layer.call(&x)?;
        }
        self.count.set(self.count.get() + 1.0)?;
        let x = self.like_the_first.call(&x)? * &*self.scale + &*self.bias;
        match &*self.maybe {
            Some(last) => last.call(&x),
            None => Ok(x),
        }
    }
}

#[test]
fn setup_makes_modules_params_and_variables() -> Result<()> {
    let model = Mlp::new(4, Dense::new(5)).depth(3);
    assert_eq!((model.layers.len(), model.like_the_first.features), (3, 4));
    assert_eq!(model.clone().depth(1).layers.len(), 1);
    let variables = model.init(key(0)).call(&Tensor::ones([1, 2]))?;
    let y = model.apply(&variables).mutable("stats").call(&Tensor::ones([1, 2]))?.0;
    assert_eq!(y.shape(), [1, 3]);
    Ok(())
}
