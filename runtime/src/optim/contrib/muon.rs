//! Muon: steps whose matrices are orthogonal, and Adam for what is no matrix.

use std::fmt;
use std::sync::Arc;

use super::newton_schulz::{Layout, MuonDimensionNumbers, Preconditioning, orthogonalize};
use crate::array::DType;
use crate::core::domain::{DECAY, FINITE, NOT_NEGATIVE};
use crate::core::tensor::bare;
use crate::core::{Tensor, TensorLike};
use crate::error::{Error, Result, unwrap};
use crate::optim::adam::{AdamW, AdamWState, ScaleByAdam, adamw, scale_by_adam};
use crate::optim::moments::{in_dtype_of, moving_average, safe_increment, zero_count, zeros, zip_moments};
use crate::optim::partition::{MultiTransform, MultiTransformState, multi_transform};
use crate::optim::scale::{ScheduleState, scale_by_learning_rate};
use crate::optim::schedule::Schedule;
use crate::optim::settings::setters;
use crate::optim::weight_decay::{AddDecayedWeights, add_decayed_weights, decaying};
use crate::optim::{ExtraArgs, GradientTransformation};
use crate::tree::{Tree, leaves_with_path};
use crate::variables::{Dict, Value};

type Dimensions = dyn Fn(&str, &Tensor) -> Option<MuonDimensionNumbers> + Send + Sync;

/// Orthogonal steps; see [`scale_by_muon`].
#[derive(Clone)]
pub struct ScaleByMuon {
    ns_coeffs: Tensor,
    ns_steps: usize,
    beta: Tensor,
    eps: Tensor,
    mu_dtype: Option<DType>,
    nesterov: bool,
    adaptive: bool,
    preconditioning: Preconditioning,
    dimensions: Arc<Dimensions>,
}

impl fmt::Debug for ScaleByMuon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScaleByMuon").field("beta", &self.beta).finish_non_exhaustive()
    }
}

/// What Muon remembers.
#[derive(Clone, Debug, Tree)]
pub struct MuonState<P = Dict> {
    /// The number of updates so far, `I32`.
    pub count: Tensor,
    /// The moving average of gradients.
    pub mu: P,
    /// The coefficients of the iteration, `F32` of shape `[3]` or `[steps, 3]`.
    pub ns_coeffs: Tensor,
}

/// The moving average of gradients, with Nesterov's momentum, as matrices whose singular values are all near 1.
///
/// Leaves are kernels of `[in, out]`; [`weight_dimension_numbers`](ScaleByMuon::weight_dimension_numbers) says how others lie. Optax's
/// preconditioning by the largest singular value is left out.
///
/// Source: Jordan, *Muon: An optimizer for hidden layers in neural networks*, 2024.
pub fn scale_by_muon() -> ScaleByMuon {
    ScaleByMuon {
        ns_coeffs: Tensor::from([3.4445f32, -4.775, 2.0315]),
        ns_steps: 5,
        beta: bare(0.95),
        eps: bare(1e-8),
        mu_dtype: None,
        nesterov: true,
        adaptive: false,
        preconditioning: Preconditioning::Frobenius,
        dimensions: Arc::new(|_, leaf| (leaf.rank() == 2).then(MuonDimensionNumbers::default)),
    }
}

macro_rules! muon_setters {
    ($type:ident [$($inner:ident)*]) => {
        setters! { $type $(. $inner)* {
            /// The coefficients of the iteration: three numbers, or rows of three, of which the last `ns_steps` are taken.
            ns_coeffs: Tensor,
            /// How many iterations there are; 5 by default.
            ns_steps: usize,
            /// How much of the average of gradients stays at each step: at least 0 and below 1; 0.95 by default.
            beta: Tensor,
            /// What is added to norms: at least 0; 10⁻⁸ by default.
            eps: Tensor,
            /// The dtype of the average of gradients; that of the parameters by default.
            mu_dtype: DType => Some,
            /// Whether the average is looked at one step ahead, which is the default.
            nesterov: bool,
            /// Whether steps are multiplied by their inner product with the average.
            adaptive: bool,
            /// What matrices are divided by first.
            preconditioning: Preconditioning,
        } }
    };
}

muon_setters!(ScaleByMuon []);

impl ScaleByMuon {
    const OP: &'static str = "scale_by_muon";

    /// Which axes are inputs and which are outputs, by the path and the leaf; those of kernels by default.
    #[must_use]
    pub fn weight_dimension_numbers(
        self,
        numbers: impl Fn(&str, &Tensor) -> MuonDimensionNumbers + Send + Sync + 'static,
    ) -> Self {
        ScaleByMuon { dimensions: Arc::new(move |path, leaf| Some(numbers(path, leaf))), ..self }
    }

    /// The coefficients of another iteration for each step, which reaches 1 more closely: optax's `"dion"`.
    fn dion() -> Tensor {
        Tensor::from([
            [4.0848f32, -6.8946, 2.927],
            [3.9505, -6.3029, 2.6377],
            [3.7418, -5.5913, 2.3037],
            [2.8769, -3.1427, 1.2046],
            [2.8366, -3.0525, 1.2012],
        ])
    }

    /// How the matrices of each leaf lie.
    fn layouts(&self, updates: &impl Tree) -> Result<Vec<Layout>> {
        let layout = |(path, leaf): (crate::tree::Path, &Tensor)| {
            let path = path.join("/");
            let numbers = (self.dimensions)(&path, leaf).ok_or_else(|| {
                let message = format!("`{path}` of shape {:?} is no matrix: say how it lies", leaf.shape());
                Error::argument(Self::OP, message)
            })?;
            Layout::of(leaf, &numbers)
        };
        leaves_with_path(updates).into_iter().map(layout).collect()
    }

    fn check(&self) -> Result<()> {
        DECAY.check_number(Self::OP, "beta", &self.beta)?;
        NOT_NEGATIVE.check_number(Self::OP, "eps", &self.eps)?;
        match *self.ns_coeffs.shape() {
            [3] => Ok(()),
            [rows, 3] if rows <= self.ns_steps => Ok(()),
            [rows, 3] => {
                let message = format!("{rows} rows of `ns_coeffs` are more than {} steps", self.ns_steps);
                Err(Error::argument(Self::OP, message))
            }
            _ => {
                let found = format!("`ns_coeffs` of shape {:?}", self.ns_coeffs.shape());
                Err(Error::shape(Self::OP, found, "three numbers, or rows of three"))
            }
        }
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for ScaleByMuon {
    type State = MuonState<P>;

    fn init(&self, params: &P) -> MuonState<P> {
        let mu = zeros(params, self.mu_dtype);
        MuonState { count: zero_count(), mu, ns_coeffs: self.ns_coeffs.clone() }
    }

    fn update(&self, updates: &P, state: &Self::State, _params: &P) -> Result<(P, Self::State)> {
        self.check()?;
        let layouts = self.layouts(updates)?;
        let count = safe_increment(&state.count);
        let momentum: ScaleByAdam = scale_by_adam().b1(&self.beta).nesterov(self.nesterov);
        let mut at = 0;
        let [updates, mu] = zip_moments([updates, &state.mu], 2, |[g, mu]| {
            let mu = moving_average(mu, g, &self.beta);
            let direction = momentum.direction(g, &mu, &count);
            let (coefficients, layout) = (&state.ns_coeffs, &layouts[at]);
            at += 1;
            let preconditioning = self.preconditioning;
            let step =
                orthogonalize(&direction, layout, coefficients, self.ns_steps, preconditioning, &self.eps)?;
            if !self.adaptive {
                return Ok([step, mu]);
            }
            Ok([direction.try_mul(&step)?.try_sum()? * step, mu])
        })?;
        Ok((updates, MuonState { count, mu, ns_coeffs: state.ns_coeffs.clone() }))
    }
}

/// Steps in proportion to the shapes of their matrices.
#[derive(Clone)]
struct ScaleByShape {
    dimensions: Arc<Dimensions>,
    consistent_rms: Option<Tensor>,
}

impl ScaleByShape {
    fn update<P: Tree>(&self, updates: &P) -> Result<P> {
        crate::tree::map_with_path(updates, |path, step| {
            let Some(numbers) = (self.dimensions)(&path.join("/"), step) else { return Ok(step.clone()) };
            let (fan_in, fan_out) = Layout::of(step, &numbers)?.fans();
            let (fan_in, fan_out) = (fan_in as f64, fan_out as f64);
            match &self.consistent_rms {
                None => Ok(step * (fan_out / fan_in).max(1.0).sqrt()),
                Some(rms) => {
                    FINITE.check_number("muon", "consistent_rms", rms)?;
                    Ok(step * in_dtype_of(&(rms * fan_in.max(fan_out).sqrt()), step))
                }
            }
        })
    }
}

/// Muon; see [`muon`].
#[derive(Clone, Debug)]
pub struct Muon {
    learning_rate: Schedule,
    scale: ScaleByMuon,
    decay: AddDecayedWeights,
    adam: AdamW,
    adam_learning_rate: Option<Schedule>,
    consistent_rms: Option<Tensor>,
}

/// Orthogonal steps for kernels, times the root of `max(1, out/in)`, and [`adamw`](crate::optim::adamw) for all other parameters.
///
/// Kernels are leaves of two axes, unless [`muon_weight_dimension_numbers`](Muon::muon_weight_dimension_numbers) says otherwise. The
/// state is that of [`multi_transform`] with the labels `muon` and `adam`.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::optim::contrib::muon;
///
/// let tx = muon(0.1);
/// let params = Dict::new().with("kernel", Tensor::ones([2, 2])).with("bias", Tensor::ones([2]));
/// let (updates, _) = tx.update(&params, &tx.init(&params), &params)?;
/// assert_eq!(updates.tensor("kernel")?.shape(), [2, 2]);
/// // Adam's first step, with Nesterov's momentum.
/// assert!(updates.tensor("bias")?.all_close(-0.14737f32, 1e-4, 0.0)?);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// Source: Jordan, *Muon: An optimizer for hidden layers in neural networks*, 2024; Liu et al., *Muon is Scalable for LLM Training*, 2025,
/// for `consistent_rms`.
pub fn muon(learning_rate: impl Into<Schedule>) -> Muon {
    Muon {
        learning_rate: learning_rate.into(),
        scale: scale_by_muon(),
        decay: add_decayed_weights(0.0),
        adam: adamw(0.0).weight_decay(0.0),
        adam_learning_rate: None,
        consistent_rms: None,
    }
}

muon_setters!(Muon[scale]);
decaying!(Muon: weight_decay, weight_decay_mask);

setters! { Muon {
    /// The learning rate of the other parameters, a number or a schedule; that of kernels by default.
    adam_learning_rate: Schedule => Some,
    /// What steps are multiplied by beside the root of `max(in, out)`, instead of the root of `max(1, out/in)`; about 0.2 makes them as
    /// large as those of Adam.
    consistent_rms: Tensor => Some,
} }

impl Muon {
    /// The coefficients of optax's `"dion"`, another for each of five steps.
    #[must_use]
    pub fn dion_coefficients(self) -> Self {
        self.ns_coeffs(ScaleByMuon::dion())
    }

    /// How much of the average of gradients of the other parameters stays at each step: at least 0 and below 1; 0.9 by default.
    #[must_use]
    #[track_caller]
    pub fn adam_b1(self, b1: impl TensorLike) -> Self {
        let b1 = unwrap(b1.operand());
        Muon { adam: self.adam.b1(b1), ..self }
    }

    /// How much of the average of their squares stays at each step: at least 0 and below 1; 0.999 by default.
    #[must_use]
    #[track_caller]
    pub fn adam_b2(self, b2: impl TensorLike) -> Self {
        let b2 = unwrap(b2.operand());
        Muon { adam: self.adam.b2(b2), ..self }
    }

    /// What is added below the root: at least 0, which is the default.
    #[must_use]
    #[track_caller]
    pub fn adam_eps_root(self, eps_root: impl TensorLike) -> Self {
        let eps_root = unwrap(eps_root.operand());
        Muon { adam: self.adam.eps_root(eps_root), ..self }
    }

    /// The weight decay of the other parameters: a number or a schedule; 0 by default.
    #[must_use]
    pub fn adam_weight_decay(self, decay: impl Into<Schedule>) -> Self {
        Muon { adam: self.adam.weight_decay(decay), ..self }
    }

    /// Which leaves are kernels, and which of their axes are inputs and outputs, by the path and the leaf; None for those of Adam.
    #[must_use]
    pub fn muon_weight_dimension_numbers(
        mut self,
        numbers: impl Fn(&str, &Tensor) -> Option<MuonDimensionNumbers> + Send + Sync + 'static,
    ) -> Self {
        self.scale.dimensions = Arc::new(numbers);
        self
    }

    fn parts(&self) -> MultiTransform<Part> {
        let dimensions = self.scale.dimensions.clone();
        let rate = self.adam_learning_rate.as_ref().unwrap_or(&self.learning_rate);
        let mut adam =
            self.adam.clone().learning_rate(rate).eps(&self.scale.eps).nesterov(self.scale.nesterov);
        if let Some(dtype) = self.scale.mu_dtype {
            adam = adam.mu_dtype(dtype);
        }
        let kernels = Part::Muon(Box::new(Kernels {
            scale: self.scale.clone(),
            shape: ScaleByShape {
                dimensions: self.scale.dimensions.clone(),
                consistent_rms: self.consistent_rms.clone(),
            },
            decay: self.decay.clone(),
            learning_rate: self.learning_rate.clone(),
        }));
        multi_transform([("muon", kernels), ("adam", Part::Adam(Box::new(adam)))], move |path, leaf| {
            if dimensions(path, leaf).is_some() { "muon" } else { "adam" }
        })
    }
}

/// What kernels go through.
#[derive(Clone)]
struct Kernels {
    scale: ScaleByMuon,
    shape: ScaleByShape,
    decay: AddDecayedWeights,
    learning_rate: Schedule,
}

/// What leaves of one kind go through.
#[derive(Clone)]
enum Part {
    Muon(Box<Kernels>),
    Adam(Box<AdamW>),
}

/// The state of kernels: of the moments, of their scale, which has none, of the weight decay, and of the learning rate.
type KernelsState<P> = (MuonState<P>, (), ScheduleState, ScheduleState);

impl<P: Tree + Clone> GradientTransformation<P> for Kernels {
    type State = KernelsState<P>;

    fn init(&self, params: &P) -> KernelsState<P> {
        let rate = scale_by_learning_rate(&self.learning_rate);
        (self.scale.init(params), (), self.decay.init(params), rate.init(params))
    }

    fn update(&self, updates: &P, state: &KernelsState<P>, params: &P) -> Result<(P, KernelsState<P>)> {
        let (steps, muon) = self.scale.update(updates, &state.0, params)?;
        let (steps, decay) = self.decay.update(&self.shape.update(&steps)?, &state.2, params)?;
        let (steps, rate) = scale_by_learning_rate(&self.learning_rate).update(&steps, &state.3, params)?;
        Ok((steps, (muon, (), decay, rate)))
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for Part {
    type State = Value;

    fn init(&self, params: &P) -> Value {
        match self {
            Part::Muon(kernels) => Value::of(&kernels.init(params)),
            Part::Adam(adam) => Value::of(&adam.init(params)),
        }
    }

    fn update(&self, updates: &P, state: &Value, params: &P) -> Result<(P, Value)> {
        match self {
            Part::Muon(kernels) => {
                let (updates, state) = kernels.update(updates, &state.to::<KernelsState<P>>()?, params)?;
                Ok((updates, Value::try_of(&state)?))
            }
            Part::Adam(adam) => {
                let (updates, state) = adam.update(updates, &state.to::<AdamWState<P>>()?, params)?;
                Ok((updates, Value::try_of(&state)?))
            }
        }
    }
}

impl<P: Tree + Clone> GradientTransformation<P> for Muon {
    type State = MultiTransformState;

    fn init(&self, params: &P) -> MultiTransformState {
        self.parts().init(params)
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        self.update_with(updates, state, params, &ExtraArgs::new())
    }

    fn update_with(
        &self,
        updates: &P,
        state: &Self::State,
        params: &P,
        extra: &ExtraArgs<'_, P>,
    ) -> Result<(P, Self::State)> {
        self.parts().update_with(updates, state, params, extra)
    }
}
