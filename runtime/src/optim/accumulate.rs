//! Gradient accumulation: one step for several gradients, as optax's `MultiSteps`.

use std::fmt;
use std::sync::Arc;

use super::finite::choose;
use super::moments::{safe_increment, same_shapes, saturating_cast, upcast, within, zero_count, zeros, zip};
use super::{ExtraArgs, GradientTransformation};
use crate::array::DType;
use crate::core::Tensor;
use crate::core::domain::COUNT;
use crate::error::{Error, Result};
use crate::tree::{self, Builder, Donation, NodeKind, Token, Tree, TreePart, leaves};
use crate::variables::Dict;

/// A transformation of the mean of several gradients; see [`multi_steps`].
#[derive(Clone)]
pub struct MultiSteps<T> {
    inner: T,
    every_k: Arc<Every>,
    use_grad_mean: bool,
    should_skip: Option<Arc<ShouldSkip>>,
    accumulator_dtype: Option<DType>,
}

type Every = dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync;
type ShouldSkip = dyn Fn(&[&Tensor], &Tensor) -> Result<(Tensor, Dict)> + Send + Sync;

/// Whether a gradient has NaN or infinities, `should_skip`, and how many, `num_not_finite`: for
/// [`MultiSteps::should_skip_update_fn`].
///
/// # Errors
/// If a leaf is a value of a transform that has returned.
pub fn skip_not_finite(updates: &[&Tensor], _gradient_step: &Tensor) -> Result<(Tensor, Dict)> {
    let counts = updates.iter().map(|u| u.try_is_finite()?.try_logical_not()?.try_sum());
    let count = counts.reduce(|a, b| a?.try_add(b?)).unwrap_or_else(|| Ok(zero_count()))?;
    let count = count.try_cast(DType::I32)?;
    let skip = count.try_gt(0)?;
    let found = Dict::new().with("should_skip", skip.clone()).with("num_not_finite", count);
    Ok((skip, found))
}

/// A function that leaves gradients out whose square of the norm, `norm_squared`, is not below a number: for
/// [`MultiSteps::should_skip_update_fn`].
///
/// # Errors
/// The returned function returns an error if a leaf is a value of a transform that has returned.
pub fn skip_large_updates(
    max_squared_norm: f64,
) -> impl Fn(&[&Tensor], &Tensor) -> Result<(Tensor, Dict)> + Send + Sync + 'static {
    move |updates: &[&Tensor], _gradient_step: &Tensor| {
        let squares = updates.iter().map(|u| upcast(u).try_square()?.try_sum());
        let sum = squares.reduce(|a, b| a?.try_add(b?)).unwrap_or_else(|| Ok(Tensor::zeros([])))?;
        let skip = sum.try_lt(max_squared_norm)?.try_logical_not()?;
        let found = Dict::new().with("should_skip", skip.clone()).with("norm_squared", sum);
        Ok((skip, found))
    }
}

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
    /// What the condition said of the last gradient; None if none is ever left out.
    pub skip_state: Option<Dict>,
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
            Some(found) => found.walk(visit),
            None => ().walk(visit),
        }
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        leaves.extend([self.mini_step, self.gradient_step]);
        self.inner_opt_state.into_leaves(leaves);
        self.acc_grads.into_leaves(leaves);
        self.skip_state.into_leaves(leaves);
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
            Some(TreePart::Node(_, 0)) => <()>::build(from).map(|()| None)?,
            _ => Some(Dict::build(from)?),
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
#[doc(alias = "MultiSteps")]
pub fn multi_steps<T>(inner: T, every_k: i32) -> MultiSteps<T> {
    MultiSteps {
        inner,
        every_k: Arc::new(move |_| Ok(every_k.into())),
        use_grad_mean: true,
        should_skip: None,
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

    /// Leaves gradients out for which a condition is true; they do not count.
    ///
    /// It is a function of the leaves of the gradient and of the number of steps so far, to a boolean scalar and what is to be remembered of
    /// it as `skip_state`: [`skip_not_finite`], [`skip_large_updates`], or one's own. (Optax also gives it the parameters.)
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let tx = optim::multi_steps(optim::sgd(1.0), 1).should_skip_update_fn(optim::skip_large_updates(4.0));
    /// let params = Tensor::from(0.0f32);
    /// let (update, state) = tx.update(&Tensor::from(3.0f32), &tx.init(&params), &params)?;
    /// assert_eq!(update.item::<f32>()?, 0.0);
    /// assert_eq!(state.skip_state.expect("there is a condition").tensor("norm_squared")?.item::<f32>()?, 9.0);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    #[must_use]
    pub fn should_skip_update_fn(
        self,
        condition: impl Fn(&[&Tensor], &Tensor) -> Result<(Tensor, Dict)> + Send + Sync + 'static,
    ) -> Self {
        MultiSteps { should_skip: Some(Arc::new(condition)), ..self }
    }

    /// Leaves gradients with NaN or infinities out; see [`skip_not_finite`].
    #[must_use]
    pub fn skip_not_finite(self) -> Self {
        self.should_skip_update_fn(skip_not_finite)
    }
}

/// What a condition found, if that is anything.
fn remembered(found: Dict) -> Option<Dict> {
    (!found.is_empty()).then_some(found)
}

impl<S, P> MultiStepsState<S, P> {
    /// Whether the last update took a step, a boolean scalar.
    ///
    /// # Errors
    /// If this is a value of a transform that has returned.
    pub fn has_updated(&self) -> Result<Tensor> {
        self.mini_step.try_eq(0)?.try_bitand(self.gradient_step.try_gt(0)?)
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
            skip_state: self.should_skip.as_ref().and_then(|condition| {
                let nothing = zeros(params, None);
                // What it refuses is an error of the first update.
                condition(&leaves(&nothing), &zero_count()).ok().and_then(|(_, found)| remembered(found))
            }),
        }
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
        let (full, inner) = self.inner.update_with(&mean, &state.inner_opt_state, params, extra)?;
        let none = zeros(&full, None);
        let next = MultiStepsState {
            mini_step: (&state.mini_step + 1) % &k,
            gradient_step: last.try_select(safe_increment(&state.gradient_step), &state.gradient_step)?,
            inner_opt_state: choose(&last, &inner, &state.inner_opt_state)?,
            acc_grads: choose(&last, &zeros(&sum, None), &sum)?,
            skip_state: state.skip_state.clone(),
        };
        let full = choose(&last, &full, &none)?;
        let Some(condition) = &self.should_skip else { return Ok((full, next)) };

        let (skip, found) = condition(&leaves(updates), &state.gradient_step)?;
        if skip.rank() > 0 || skip.dtype() != DType::Bool {
            let found = format!("a condition {}", skip.aval());
            return Err(Error::shape("multi_steps", found, "a single boolean"));
        }
        let skip_state = remembered(found);
        let with =
            |state: MultiStepsState<T::State, P>| MultiStepsState { skip_state: skip_state.clone(), ..state };
        let next = choose(&skip, &with(state.clone()), &with(next))?;
        Ok((choose(&skip, &none, &full)?, next))
    }
}
