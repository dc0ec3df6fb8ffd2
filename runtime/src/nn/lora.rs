//! `Lora`: adapters of low rank beside the layers of a finished model.

use super::{Dense, DenseGeneral};
use crate::array::{Aval, DType};
use crate::core::Tensor;
use crate::core::domain::{COUNT, FINITE};
use crate::error::{Error, Result};
use crate::module::{MethodCall, Observed, intercept_methods};
use crate::nn::init::{Distribution, FanMode, VarianceScaling};
use crate::ops::create::full;
use crate::ops::saturating_size;
use crate::scope::{Initializer, Scope};
use crate::variables::Variables;

const OP: &str = "Lora";

/// The collection of the adapters.
const COLLECTION: &str = "lora";

/// Adapters of low rank beside the [`Dense`] and [`DenseGeneral`] layers of a model that stays as it is: `y + α/r · x·A·B`.
///
/// A model runs with them inside of [`run`](Lora::run). They are the collection `lora`, apart from the parameters: a loss is a function of
/// that collection, so that gradients, the optimizer's state and what is saved are as small as it is. [`merge`](Lora::merge) adds them to
/// the kernels in the end, and the model runs without this again.
///
/// # Variables
/// In the collection `lora`, by the path of each layer: `lora_a`, `[inputs.., rank]`, uniform with the bound `1/√inputs`, and `lora_b`,
/// `[rank, features..]`, zeros. They are made by `init`, and by `apply` if the collection is mutable.
///
/// ```
/// use flaxen::nn::Lora;
/// use flaxen::prelude::*;
///
/// let (model, x) = (sequential![Dense::new(8), Dense::new(3)], Tensor::ones([4, 5]));
/// let finished = model.init(key(0)).call(&x)?;
///
/// // Adapters of rank 2 for the last layer alone.
/// let lora = Lora::new(2).alpha(4.0).targets(["layers_1"]);
/// let made = lora.run(|| model.apply(&finished).rngs(Rngs::new(key(1))).mutable("lora").call(&x))?;
/// let adapters = made.1.dict("lora")?.clone();
/// assert_eq!(made.1.tensor("lora/layers_1/lora_a")?.shape(), [8, 2]);
///
/// // Only they are trained.
/// let loss = |adapters: &Dict| {
///     let variables = finished.with("lora", adapters);
///     lora.run(|| model.apply(&variables).call(&x))?.try_square()?.try_mean()
/// };
/// let (_, gradients) = value_and_grad(loss)(&adapters)?;
/// let updates = tree::map(&gradients, |gradient| Ok(gradient * -0.1))?;
/// let trained = optim::apply_updates(&adapters, &updates)?;
///
/// // And become part of the kernels.
/// let variables = finished.with("lora", trained);
/// let merged = lora.merge(&variables)?;
/// let y = lora.run(|| model.apply(&variables).call(&x))?;
/// assert!(model.apply(&merged).call(&x)?.all_close(y, 1e-5, 1e-6)?);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Hu et al., arXiv:2106.09685; as `LoraConfig` of PEFT.
#[derive(Clone, Debug, PartialEq)]
pub struct Lora {
    rank: usize,
    alpha: f64,
    rank_stabilized: bool,
    targets: Vec<Vec<String>>,
}

impl Lora {
    /// Adapters of a rank, at least 1, for all layers; what they add is multiplied by 1.
    #[must_use]
    pub fn new(rank: usize) -> Lora {
        Lora { rank, alpha: rank as f64, rank_stabilized: false, targets: Vec::new() }
    }

    /// Sets what is divided by the rank and multiplies what adapters add; the rank by default.
    #[must_use]
    pub fn alpha(self, alpha: f64) -> Lora {
        Lora { alpha, ..self }
    }

    /// Sets whether `alpha` is divided by the root of the rank instead (Kalajdzievski, arXiv:2312.03732); false by default.
    #[must_use]
    pub fn rank_stabilized(self, rank_stabilized: bool) -> Lora {
        Lora { rank_stabilized, ..self }
    }

    /// Sets which layers have adapters: those whose path ends with one of these, such as `query` or `attention/query`; all by default.
    #[must_use]
    pub fn targets(self, targets: impl IntoIterator<Item = impl AsRef<str>>) -> Lora {
        let path = |target: &str| target.split('/').map(str::to_owned).collect();
        Lora { targets: targets.into_iter().map(|target| path(target.as_ref())).collect(), ..self }
    }

    /// Runs `f`, in which every model has adapters: around `init`, `apply` and what traces them.
    ///
    /// What runs returns an error if a layer has no adapters and may not make them, or has `batch_dims`.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let lora = self.clone();
        intercept_methods(
            move |call, next| {
                let Some(axes) = lora.axes(call)? else { return next() };
                let out = next()?;
                let (Observed::Tree(y), Some((_, Observed::Tree(x)))) = (&out, call.inputs().first()) else {
                    return Ok(out);
                };
                let (x, y) = (x.tensor()?, y.tensor()?);
                let y = y.try_add(lora.added(&call.module().scope(), x, y, &axes)?)?;
                Ok(Observed::Tree(y.into()))
            },
            f,
        )
    }

    /// The variables with the adapters added to the kernels, and without the collection `lora`.
    ///
    /// Layers of a [`Scan`](crate::lift::Scan) or [`Vmap`](crate::lift::Vmap) have kernels and adapters behind each other, along a first
    /// axis of both, and are merged one by one: `.axis("params", 0)` and `.axis("lora", 0)`.
    ///
    /// # Errors
    /// If there is no such collection; if an adapter has no kernel beside it, or one of another shape.
    pub fn merge(&self, variables: &Variables) -> Result<Variables> {
        let scale = self.scale()?;
        let (adapters, variables) = variables.pop(COLLECTION)?;
        let mut params = variables.dict("params")?.clone();
        for (mut path, a) in adapters.flatten_keys() {
            if path.pop().as_deref() != Some("lora_a") {
                continue;
            }
            let with = |name: &str| [&path[..], &[name.to_owned()]].concat();
            let (kernel, a) = (params.at(with("kernel"))?.unboxed().tensor()?, a.unboxed().tensor()?);
            let b = adapters.at(with("lora_b"))?.unboxed().tensor()?;
            let Some(product) = product(a, b, kernel.shape())? else {
                let path = path.join("/");
                let found =
                    format!("`{path}/kernel` {} and adapters {}, {}", kernel.aval(), a.aval(), b.aval());
                return Err(Error::shape(OP, found, "adapters of the shape of their kernel"));
            };
            let merged = kernel.try_add(product.try_mul(product.like(scale))?.try_cast(kernel.dtype())?)?;
            params = params.try_with(with("kernel"), merged)?;
        }
        Ok(variables.with("params", params))
    }

    /// What adapters' products are multiplied by.
    fn scale(&self) -> Result<f64> {
        COUNT.check(OP, "rank", self.rank as f64)?;
        FINITE.check(OP, "alpha", self.alpha)?;
        let rank = self.rank as f64;
        Ok(self.alpha / if self.rank_stabilized { rank.sqrt() } else { rank })
    }

    /// The axes that a layer sums over, its features and the dtype of its parameters, if it is one that has adapters.
    fn axes(&self, call: &MethodCall<'_>) -> Result<Option<Layout>> {
        let module = call.module();
        if call.method() != "call" {
            return Ok(None);
        }
        let layout = if let Some(dense) = module.downcast_ref::<Dense>() {
            Layout { axes: vec![-1], features: vec![dense.features], dtype: dense.param_dtype }
        } else if let Some(dense) = module.downcast_ref::<DenseGeneral>() {
            Layout {
                axes: dense.axis.0.clone(),
                features: dense.features.0.clone(),
                dtype: dense.param_dtype,
            }
        } else {
            return Ok(None);
        };
        let path = module.path();
        let is_target = self.targets.is_empty() || self.targets.iter().any(|target| path.ends_with(target));
        if is_target
            && module.downcast_ref::<DenseGeneral>().is_some_and(|dense| !dense.batch_dims.0.is_empty())
        {
            let message = format!(
                "the layer `{}` has `batch_dims`, and a kernel for each of them: leave it out by `targets`",
                path.join("/")
            );
            return Err(Error::argument(OP, message));
        }
        Ok(is_target.then_some(layout))
    }

    /// What adapters add to the output of a layer.
    fn added(&self, scope: &Scope, x: &Tensor, y: &Tensor, layout: &Layout) -> Result<Tensor> {
        let scale = self.scale()?;
        let mut axes = layout.axes.clone();
        // As the axes of a kernel: ascending, and from the front.
        axes.iter_mut().filter(|axis| **axis < 0).for_each(|axis| *axis += x.rank() as isize);
        axes.sort_unstable();
        let inputs: Vec<usize> = axes.iter().map(|&axis| x.shape()[axis as usize]).collect();
        let a = adapter(scope, "lora_a", || {
            let init =
                Initializer::from(VarianceScaling::new(1.0 / 3.0, FanMode::FanIn, Distribution::Uniform));
            let flat =
                init.value(&scope.make_rng("params")?, &[saturating_size(&inputs), self.rank], layout.dtype)?;
            flat.tensor()?.try_reshape([&inputs[..], &[self.rank]].concat())
        })?;
        let b = adapter(scope, "lora_b", || {
            full(Aval::unchecked([&[self.rank], &layout.features[..]].concat(), layout.dtype), 0.0)
        })?;
        let (x, a, b) = (x.try_cast(y.dtype())?, a.try_cast(y.dtype())?, b.try_cast(y.dtype())?);
        let contracted: Vec<isize> = (0..axes.len() as isize).collect();
        let product = x.try_tensordot(&a, &axes, &contracted)?.try_tensordot(&b, &[-1], &[0])?;
        product.try_mul(product.like(scale))
    }
}

/// What adapters `[layers.., inputs.., rank]` and `[layers.., rank, features..]` add to a kernel `[layers.., inputs.., features..]`; none
/// if they are not those of one of this shape.
fn product(a: &Tensor, b: &Tensor, kernel: &[usize]) -> Result<Option<Tensor>> {
    // Rank is an axis of both adapters and not of the kernel, and those of the layers are in all three.
    let Some(layers) = (a.rank() + b.rank()).checked_sub(kernel.len() + 2) else { return Ok(None) };
    let (Some((of_a, [inputs @ .., rank])), Some((of_b, [same, features @ ..]))) =
        (a.shape().split_at_checked(layers), b.shape().split_at_checked(layers))
    else {
        return Ok(None);
    };
    if of_a != of_b || rank != same || [of_a, inputs, features].concat() != kernel {
        return Ok(None);
    }
    let [count, inputs, features] = [of_a, inputs, features].map(saturating_size);
    let (a, b) = (a.try_reshape([count, inputs, *rank])?, b.try_reshape([count, *rank, features])?);
    a.try_matmul(&b)?.try_reshape(kernel).map(Some)
}

/// How a layer's kernel lies in its input and output.
struct Layout {
    axes: Vec<isize>,
    features: Vec<usize>,
    dtype: DType,
}

/// A part of the adapter of a layer, which several calls of it share.
fn adapter(scope: &Scope, name: &str, init: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
    if let Some(value) = scope.get_variable::<Tensor>(COLLECTION, name)? {
        return Ok(value);
    }
    if !scope.is_mutable_collection(COLLECTION) {
        let message = format!(
            "the layer `{}` has no `{name}` in the collection `lora`: make adapters by `init`, or by `apply` with the collection \
             mutable, both inside of `run`, or leave the layer out by `targets`",
            scope.path_text()
        );
        return Err(Error::argument(OP, message));
    }
    let value = init()?;
    scope.put_variable(COLLECTION, name, value.clone())?;
    Ok(value)
}
