//! Functions in pairs: one that panics, at the line of its caller, and its twin that returns a `Result`.

/// Methods of tensors, with the title of their section on the page of `Tensor`. What follows `fails` is when; the body is a `Result`.
macro_rules! methods {
    ($(=> $section:literal;)? $(
        $(#[$doc:meta])*
        $method:ident $try_method:ident($($arg:ident: $type:ty),* $(,)?) -> $out:ty, fails $fails:literal
        |$x:ident| $body:expr;
    )*) => {
        $(#[doc = concat!("# ", $section)])?
        impl $crate::Tensor { $(
            $(#[$doc])*
            ///
            /// # Panics
            #[doc = $fails]
            #[track_caller]
            pub fn $method(&self, $($arg: $type),*) -> $out {
                $crate::error::unwrap(self.$try_method($($arg),*))
            }

            #[doc = concat!("As [`", stringify!($method), "`](crate::Tensor::", stringify!($method), ").")]
            ///
            /// # Errors
            #[doc = $fails]
            #[track_caller]
            pub fn $try_method(&self, $($arg: $type),*) -> $crate::Result<$out> {
                let $x = self;
                $body
            }
        )* }
    };
}

/// Functions of the type of tensors, of several or of none.
macro_rules! functions {
    ($(=> $section:literal;)? $(
        $(#[$doc:meta])*
        $function:ident $try_function:ident($($arg:ident: $type:ty),* $(,)?) -> $out:ty, fails $fails:literal
        $body:expr;
    )*) => {
        $(#[doc = concat!("# ", $section)])?
        impl $crate::Tensor { $(
            $(#[$doc])*
            ///
            /// # Panics
            #[doc = $fails]
            #[track_caller]
            pub fn $function($($arg: $type),*) -> $out {
                $crate::error::unwrap($crate::Tensor::$try_function($($arg),*))
            }

            #[doc = concat!("As [`", stringify!($function), "`](crate::Tensor::", stringify!($function), ").")]
            ///
            /// # Errors
            #[doc = $fails]
            #[track_caller]
            pub fn $try_function($($arg: $type),*) -> $crate::Result<$out> {
                $body
            }
        )* }
    };
}

pub(super) use {functions, methods};
