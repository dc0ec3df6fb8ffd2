//! Gradient accumulation: one step for several gradients, as optax's `MultiSteps`.

use std::fmt;
use std::sync::Arc;

use super::GradientTransformation;
use super::finite::choose;
use super::moments::{safe_increment, same_shapes, saturating_cast, within, zero_count, zeros, zip};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::COUNT;
use crate::error::Result;
use crate::tree::{self, Builder, Donation, NodeKind, Token, Tree, TreePart, leaves};
use crate::variables::Dict;

/// A transformation of the mean of several gradients; see [`multi_steps`].
#[derive(Clone)]
pub struct MultiSteps<T> {
    inner: T,
    every_k: Arc<Every>,
    use_grad_mean: bool,
    skip_not_finite: bool,
    accumulator_dtype: Option<DType>,
}

type Every = dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync;

/// The gradients so far.
#[derive(Clone, Debug)]
pub struct MultiStepsState<S, P = Dict> {
    /// How many gradients there are since the last step, `I32`.
    pub mini_step: Tensor,
    /// How many steps there were, `I32`.
    pub gradient_step: Tensor,
    /// The state of the transformation.
    pub inner_opt_state: S,
    /// The mean, or the sum, of the gradients since the last step: `F32` for leaves of fewer bits, unless asked otherwise.
    pub acc_grads: P,
    /// How many gradients were left out in all, `I32`; None if none ever are.
    pub skip_state: Option<Tensor>,
}

/// Where no gradient is ever left out, `skip_state` is an empty tuple, as in Optax.
impl<S: Tree, P: Tree> Tree for MultiStepsState<S, P> {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Node(NodeKind::Struct("MultiStepsState"), 5));
        visit(Token::Key("mini_step"));
        self.mini_step.walk(visit);
        visit(Token::Key("gradient_step"));
        self.gradient_step.walk(visit);
        visit(Token::Key("inner_opt_state"));
        self.inner_opt_state.walk(visit);
        visit(Token::Key("acc_grads"));
        self.acc_grads.walk(visit);
        visit(Token::Key("skip_state"));
        match &self.skip_state {
            Some(count) => count.walk(visit),
            None => ().walk(visit),
        }
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        leaves.extend([self.mini_step, self.gradient_step]);
        self.inner_opt_state.into_leaves(leaves);
        self.acc_grads.into_leaves(leaves);
        leaves.extend(self.skip_state);
    }

    fn donate(self, donation: &mut Donation) {
        self.mini_step.donate(donation);
        self.gradient_step.donate(donation);
        self.inner_opt_state.donate(donation);
        self.acc_grads.donate(donation);
        self.skip_state.donate(donation);
    }

    fn build(from: &mut Builder<'_>) -> Result<Self> {
        from.expect(NodeKind::Struct("MultiStepsState"), 5)?;
        from.key()?;
        let mini_step = from.leaf()?;
        from.key()?;
        let gradient_step = from.leaf()?;
        from.key()?;
        let inner_opt_state = S::build(from)?;
        from.key()?;
        let acc_grads = P::build(from)?;
        from.key()?;
        let skip_state = match from.peek() {
            Some(TreePart::Leaf) => Some(from.leaf()?),
            _ => <()>::build(from).map(|()| None)?,
        };
        Ok(MultiStepsState { mini_step, gradient_step, inner_opt_state, acc_grads, skip_state })
    }
}

/// Takes one step for every `every_k` gradients, with their mean; updates are zeros in between.
///
/// `every_k` is 1 or more, otherwise each update is an error. The mean is kept in `F32` at least: in `BF16` a sum of ones would
/// end at 256.
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = optim::multi_steps(optim::sgd(1.0), 2);
/// let params = Tensor::from(0.0f32);
/// let mut state = tx.init(&params);
/// let mut steps = vec![];
/// for gradient in [1.0f32, 3.0, 5.0, 7.0] {
///     let update;
///     (update, state) = tx.update(&gradient.into(), &state, &params)?;
///     steps.push(update.item::<f32>()?);
/// }
/// assert_eq!(steps, [0.0, -2.0, 0.0, -6.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn multi_steps<T>(inner: T, every_k: i32) -> MultiSteps<T> {
    MultiSteps {
        inner,
        every_k: Arc::new(move |_| Ok(every_k.into())),
        use_grad_mean: true,
        skip_not_finite: false,
        accumulator_dtype: None,
    }
}

impl<T> MultiSteps<T> {
    /// How many gradients make a step, as a function of the number of steps so far.
    #[must_use]
    pub fn every_k_schedule(
        self,
        every_k: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Self {
        MultiSteps { every_k: Arc::new(every_k), ..self }
    }

    /// Whether steps are made with the mean of gradients, which is the default, or with their sum.
    #[must_use]
    pub fn use_grad_mean(self, mean: bool) -> Self {
        MultiSteps { use_grad_mean: mean, ..self }
    }

    /// The dtype of the mean or the sum; by default that of the leaf, but `F32` for `F16` and `BF16`.
    #[must_use]
    pub fn accumulator_dtype(self, dtype: DType) -> Self {
        MultiSteps { accumulator_dtype: Some(dtype), ..self }
    }

    /// Leaves gradients with NaN or infinities out; they do not count.
    #[must_use]
    pub fn skip_not_finite(self) -> Self {
        MultiSteps { skip_not_finite: true, ..self }
    }
}

impl<T> MultiSteps<T> {
    fn zero_updates<P: Tree>(&self, params: &P) -> P {
        let zeros = |leaf: &Tensor| {
            let dtype = match leaf.dtype() {
                DType::F16 | DType::BF16 => DType::F32,
                dtype => dtype,
            };
            Ok(Tensor::zeros_of(leaf.shape(), self.accumulator_dtype.unwrap_or(dtype)))
        };
        crate::error::unwrap(tree::map(params, zeros))
    }
}

impl<T: fmt::Debug> fmt::Debug for MultiSteps<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiSteps").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<P: Tree + Clone, T: GradientTransformation<P>> GradientTransformation<P> for MultiSteps<T> {
    type State = MultiStepsState<T::State, P>;

    fn init(&self, params: &P) -> Self::State {
        MultiStepsState {
            mini_step: zero_count(),
            gradient_step: zero_count(),
            inner_opt_state: self.inner.init(params),
            acc_grads: self.zero_updates(params),
            skip_state: self.skip_not_finite.then(zero_count),
        }
    }

    fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
        let k = (self.every_k)(&state.gradient_step)?.try_cast(DType::I32)?;
        COUNT.check_number("multi_steps", "every_k", &k)?;
        let taken = (&state.mini_step + 1).cast(DType::F32);
        same_shapes("update", "a gradient", updates, &state.acc_grads)?;
        let [sum] = zip([&state.acc_grads, updates], |[sum, g]| {
            let g = g.try_cast(g.dtype().promote(sum.dtype()))?;
            // The difference of a gradient and the mean may be larger than any number; its parts are not.
            let part = |x: &Tensor| x / taken.cast(g.dtype());
            let new = if self.use_grad_mean { sum + (part(&g) - part(sum)) } else { sum + &g };
            let summands_finite = sum.try_is_finite()?.try_bitand(g.try_is_finite()?)?;
            let new = summands_finite.try_select(within(&new, new.dtype())?, new)?;
            Ok([saturating_cast(&new, sum.dtype())?])
        })?;
        let [mean] = zip([&sum, updates], |[sum, g]| Ok([saturating_cast(sum, g.dtype())?]))?;
        let last = state.mini_step.try_eq(&k - 1)?;
        let (full, inner) = self.inner.update(&mean, &state.inner_opt_state, params)?;
        let none = zeros(&full, None);
        let next = MultiStepsState {
            mini_step: (&state.mini_step + 1) % &k,
            gradient_step: last.try_select(safe_increment(&state.gradient_step), &state.gradient_step)?,
            inner_opt_state: choose(&last, &inner, &state.inner_opt_state)?,
            acc_grads: choose(&last, &zeros(&sum, None), &sum)?,
            skip_state: state.skip_state.clone(),
        };
        let full = choose(&last, &full, &none)?;
        let Some(skipped) = &state.skip_state else { return Ok((full, next)) };

        let finite = leaves(updates).into_iter().map(|u| u.try_is_finite()?.try_all());
        let finite = finite.reduce(|a, b| a?.try_bitand(b?)).unwrap_or_else(|| Ok(Tensor::full([], true)))?;
        let kept = choose(&finite, &next, state)?;
        let skip_state = Some(finite.try_select(skipped, safe_increment(skipped))?);
        Ok((choose(&finite, &full, &none)?, MultiStepsState { skip_state, ..kept }))
    }
}
