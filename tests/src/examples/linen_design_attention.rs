//! `linen_design_test/attention_simple`: attention of one head and one example, lifted over heads and batch.

use flaxen::lift::Vmap;
use flaxen::prelude::*;

use super::Example;

#[module]
struct Dense {
    features: usize,
    #[module(default = true)]
    use_bias: bool,
}

impl Layer for Dense {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let features = x.shape()[x.rank() - 1];
        let y = x.try_dot(&self.param("kernel", init::lecun_normal(), [features, self.features])?)?;
        Ok(if self.use_bias { y + self.param("bias", init::zeros(), [self.features])? } else { y })
    }
}

#[module]
struct SoftmaxAttn {}

impl Layer for SoftmaxAttn {
    #[compact]
    fn call(&self, weights: &Tensor) -> Result<Tensor> {
        weights.try_softmax(-1)
    }
}

#[module]
struct Dropout {
    rate: f64,
}

impl Layer for Dropout {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let keep = 1.0 - self.rate;
        let mask = random::try_bernoulli(&self.make_rng("dropout")?, keep, x.shape())?;
        mask.try_select(x / keep, x.zeros_like())
    }
}

#[module]
struct SoftmaxAttnWDropout {
    rate: f64,
}

impl Layer for SoftmaxAttnWDropout {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = SoftmaxAttn::new().call(x)?;
        Dropout::new(self.rate).call(&x)
    }
}

/// `[queries, features]`, and as many keys as values.
#[module]
struct RawDotProductAttention {
    rate: f64,
}

impl RawDotProductAttention {
    #[compact]
    fn call(&self, query: &Tensor, key: &Tensor, value: &Tensor) -> Result<Tensor> {
        let weights = query.try_dot(&key.t())?;
        SoftmaxAttnWDropout::new(self.rate).call(&weights)?.try_dot(value)
    }
}

#[module]
struct DotProductAttention {
    qkv_features: usize,
    out_features: usize,
    rate: f64,
}

impl DotProductAttention {
    #[compact]
    fn call(&self, inputs_q: &Tensor, inputs_kv: &Tensor) -> Result<Tensor> {
        let dense = || Dense::new(self.qkv_features).use_bias(false);
        let query = self.child_named("query", dense()).call(inputs_q)?;
        let key = self.child_named("key", dense()).call(inputs_kv)?;
        let value = self.child_named("value", dense()).call(inputs_kv)?;
        let y = RawDotProductAttention::new(self.rate).call(&query, &key, &value)?;
        self.child_named("out", Dense::new(self.out_features)).call(&y)
    }
}

#[module]
struct MultiHeadDotProductAttention {
    qkv_features: usize,
    out_features: usize,
    num_heads: usize,
    rate: f64,
    broadcast_dropout: bool,
}

impl MultiHeadDotProductAttention {
    #[compact]
    fn call(&self, inputs_q: &Tensor, inputs_kv: &Tensor) -> Result<Tensor> {
        let one = DotProductAttention::new(self.qkv_features / self.num_heads, self.out_features, self.rate);
        let heads = Vmap::new(one)
            .in_axes((None, None))
            .out_axes(-2)
            .axis_size(self.num_heads)
            .axis("params", 0)
            .split("params");
        let heads = if self.broadcast_dropout { heads.share("dropout") } else { heads.split("dropout") };
        let batch = Vmap::new(heads).share("params");
        let batch = if self.broadcast_dropout { batch.share("dropout") } else { batch.split("dropout") };
        let y = self.child(batch).run(
            |heads, inputs: (Tensor, Tensor)| {
                heads.run(|one, (q, kv): (Tensor, Tensor)| one.call(&q, &kv), inputs)
            },
            (inputs_q.clone(), inputs_kv.clone()),
        )?;
        Ok(y.mean_axes([-2]))
    }
}

/// Compares the example with Flax.
///
/// # Errors
/// What the example returns.
///
/// # Panics
/// If anything differs.
pub fn check() -> Result<()> {
    let example = Example::load("linen_design_attention");
    let x = example.array("in/tokens");
    for (name, broadcast) in [("each", false), ("shared", true)] {
        let model = MultiHeadDotProductAttention::new(6, 5, 3, 0.3, broadcast);
        let rngs = Rngs::new(key(0)).with("dropout", key(1));
        let (y, variables) = model.init_with_output(rngs).run(|m| m.call(&x, &x))?;
        example.initial(&format!("{name}/init"), &variables);
        example.near(&format!("{name}/init_out"), &y);
        let apply = |variables: &Variables| {
            model.apply(variables).rngs(Rngs::none().with("dropout", key(2))).run(|m| m.call(&x, &x))
        };
        example.near(&format!("{name}/out"), &apply(&variables)?);
        let loss = |variables: &Variables| Ok(apply(variables)?.square().sum());
        example.near(&format!("{name}/gradients"), &grad(loss)(&variables)?);
    }
    example.finish();
    Ok(())
}
