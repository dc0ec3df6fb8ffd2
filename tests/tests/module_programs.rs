//! The programs of the README and the guide: each looks as a user would write it.

use flaxen::prelude::*;

#[module]
struct Dense {
    features: usize,
    #[module(default = true)]
    use_bias: bool,
    #[module(default = init::lecun_normal())]
    kernel_init: Initializer,
}

impl Layer for Dense {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let inputs = x.shape()[x.rank() - 1];
        let kernel = self.param("kernel", &self.kernel_init, [inputs, self.features])?;
        let y = x.dot(&kernel);
        if !self.use_bias {
            return Ok(y);
        }
        Ok(y + self.param("bias", init::zeros(), [self.features])?)
    }
}

#[module]
struct Mlp {
    hidden: usize,
    out: usize,
}

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Dense::new(self.hidden).call(x)?.relu();
        Dense::new(self.out).use_bias(false).call(&x)
    }
}

fn names(dict: &Dict) -> Vec<String> {
    flaxen::tree::leaves_with_path(dict).into_iter().map(|(path, _)| path.join("/")).collect()
}

#[test]
fn inline_submodules_are_named_by_type_and_number() -> Result<()> {
    let (mlp, x) = (Mlp::new(8, 2), Tensor::ones([4, 3]));
    let variables = mlp.init(key(0)).call(&x)?;
    assert_eq!(names(variables.dict("params")?), ["Dense_0/bias", "Dense_0/kernel", "Dense_1/kernel"]);
    let y = mlp.apply(&variables).call(&x)?;
    assert_eq!(y.shape(), [4, 2]);
    Ok(())
}

#[module]
struct TwoHeads {
    n: usize,
    #[setup(Dense::new(4))]
    trunk: Dense,
    #[setup((0..self.n).map(|_| Dense::new(2)).collect())]
    heads: Vec<Dense>,
    #[setup(self.param("scale", init::ones(), [1]))]
    scale: Tensor,
}

impl Layer for TwoHeads {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.trunk.call(x)?;
        let mut y = Tensor::zeros([1, 2]);
        for head in &self.heads {
            y = y + head.call(&x)? * &*self.scale;
        }
        Ok(y)
    }
}

#[test]
fn setup_fields_are_submodules_of_their_names() -> Result<()> {
    let (model, x) = (TwoHeads::new(2), Tensor::ones([1, 3]));
    assert_eq!(model.trunk.features, 4);
    let variables = model.init(key(0)).call(&x)?;
    assert_eq!(
        names(variables.dict("params")?),
        [
            "heads_0/bias",
            "heads_0/kernel",
            "heads_1/bias",
            "heads_1/kernel",
            "scale",
            "trunk/bias",
            "trunk/kernel"
        ]
    );
    model.apply(&variables).call(&x)?;
    assert!(format!("{}", Dense::new(3).call(&x).unwrap_err()).contains("Dense::new(..).call(..)"));
    Ok(())
}
