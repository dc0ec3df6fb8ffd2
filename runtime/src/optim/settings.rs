//! How optimizers are configured, and how those that are chains of others are written.

/// Setters of a struct's fields, or of the fields of one of its fields; a path behind the type wraps the value.
macro_rules! setters {
    (@all $type:ident $within:tt $($(#[$doc:meta])* $field:ident: $value:ident $(<$of:ident>)? $(=> $wrap:path)?,)*) => {
        impl $type {
            $(
                $(#[$doc])*
                #[must_use]
                #[track_caller]
                pub fn $field(mut self, $field: setters!(@argument $value $(<$of>)?)) -> Self {
                    let value = $($wrap)?(setters!(@value $value $field));
                    setters!(@set self $within $field value);
                    self
                }
            )*
        }
    };
    (@argument Tensor) => { impl $crate::core::TensorLike };
    (@argument DType) => { impl Into<$crate::DType> };
    (@argument $value:ty) => { impl Into<$value> };
    (@value Tensor $argument:ident) => { $crate::error::unwrap($crate::core::TensorLike::operand($argument)) };
    (@value $value:ident $argument:ident) => { $argument.into() };
    (@set $this:ident [$($inner:ident)*] $field:ident $new:ident) => {
        $this$(.$inner)*.$field = $new
    };
    ($type:ident $(. $inner:ident)* { $($fields:tt)* }) => {
        setters! { @all $type [$($inner)*] $($fields)* }
    };
}

/// Makes a struct the transformation that it is short for; the state is that of the transformation.
macro_rules! alias {
    ($type:ident, $state:ty, |$this:ident| $chain:expr) => {
        impl<P: $crate::tree::Tree + Clone> $crate::optim::GradientTransformation<P> for $type {
            type State = $state;

            fn init(&self, params: &P) -> Self::State {
                let $this = self;
                $crate::optim::GradientTransformation::<P>::init(&$chain, params)
            }

            fn update(
                &self,
                updates: &P,
                state: &Self::State,
                params: &P,
            ) -> $crate::error::Result<(P, Self::State)> {
                let extra = $crate::optim::ExtraArgs::new();
                $crate::optim::GradientTransformation::<P>::update_with(self, updates, state, params, &extra)
            }

            fn update_with(
                &self,
                updates: &P,
                state: &Self::State,
                params: &P,
                extra: &$crate::optim::ExtraArgs<'_, P>,
            ) -> $crate::error::Result<(P, Self::State)> {
                let $this = self;
                $crate::optim::GradientTransformation::<P>::update_with(
                    &$chain, updates, state, params, extra,
                )
            }
        }
    };
}

/// Makes a struct a transformation without state, of each leaf by itself: of the update and the parameter.
macro_rules! stateless {
    ($type:ident, |$this:ident, $update:ident, $param:ident| $value:expr) => {
        impl<P: $crate::tree::Tree + Clone> $crate::optim::GradientTransformation<P> for $type {
            type State = ();

            fn init(&self, _params: &P) {}

            fn update(&self, updates: &P, _state: &(), params: &P) -> $crate::error::Result<(P, ())> {
                let $this = self;
                let [updates] =
                    $crate::optim::moments::zip([updates, params], |[$update, $param]| Ok([$value]))?;
                Ok((updates, ()))
            }
        }
    };
}

pub(super) use {alias, setters, stateless};
