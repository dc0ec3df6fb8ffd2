//! Transformations one after the other.

use super::{ExtraArgs, GradientTransformation};
use crate::error::{Error, Result};
use crate::tree::Tree;

/// Transformations one after the other: a tuple of up to eight, or a `Vec` of one type.
pub trait Chain {}

/// Transformations one after the other, the first first.
///
/// A tuple is a chain already; this says so by name. The state is the tuple of the states.
///
/// ```
/// use flaxen::prelude::*;
///
/// let tx = optim::chain((optim::clip(1.0), optim::sgd(0.1)));
/// let params = Tensor::from([0.0f32, 0.0]);
/// let (updates, _) = tx.update(&Tensor::from([0.5f32, 30.0]), &tx.init(&params), &params)?;
/// assert_eq!(updates.to_vec::<f32>()?, [-0.05, -0.1]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn chain<T: Chain>(transformations: T) -> T {
    transformations
}

/// Updates as they are; see [`identity`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity;

/// Leaves updates as they are.
pub fn identity() -> Identity {
    Identity
}

impl<P: Tree + Clone> GradientTransformation<P> for Identity {
    type State = ();

    fn init(&self, _params: &P) {}

    fn update(&self, updates: &P, _state: &(), _params: &P) -> Result<(P, ())> {
        Ok((updates.clone(), ()))
    }
}

impl<T> Chain for Vec<T> {}

impl<P: Tree + Clone, T: GradientTransformation<P>> GradientTransformation<P> for Vec<T> {
    type State = Vec<T::State>;

    fn init(&self, params: &P) -> Vec<T::State> {
        self.iter().map(|transformation| transformation.init(params)).collect()
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
        if state.len() != self.len() {
            let message = format!("a state of {} for a chain of {}", state.len(), self.len());
            return Err(Error::argument("chain", message));
        }
        let (mut updates, mut next) = (updates.clone(), Vec::with_capacity(self.len()));
        for (transformation, old) in self.iter().zip(state) {
            let state;
            (updates, state) = transformation.update_with(&updates, old, params, extra)?;
            next.push(state);
        }
        Ok((updates, next))
    }
}

macro_rules! chains {
    ($(($First:ident $first:tt $($T:ident $i:tt)*))*) => {
        $(
            impl<$First, $($T),*> Chain for ($First, $($T,)*) {}

            impl<P: Tree, $First: GradientTransformation<P>, $($T: GradientTransformation<P>),*>
                GradientTransformation<P> for ($First, $($T,)*)
            {
                type State = ($First::State, $($T::State,)*);

                fn init(&self, params: &P) -> Self::State {
                    (self.$first.init(params), $(self.$i.init(params),)*)
                }

                fn update(&self, updates: &P, state: &Self::State, params: &P) -> Result<(P, Self::State)> {
                    self.update_with(updates, state, params, &ExtraArgs::new())
                }

                #[allow(non_snake_case)]
                fn update_with(
                    &self,
                    updates: &P,
                    state: &Self::State,
                    params: &P,
                    extra: &ExtraArgs<'_, P>,
                ) -> Result<(P, Self::State)> {
                    let (updates, $First) = self.$first.update_with(updates, &state.$first, params, extra)?;
                    $(let (updates, $T) = self.$i.update_with(&updates, &state.$i, params, extra)?;)*
                    Ok((updates, ($First, $($T,)*)))
                }
            }
        )*
    };
}

chains! {
    (A 0)
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4)
    (A 0 B 1 C 2 D 3 E 4 F 5)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
}
