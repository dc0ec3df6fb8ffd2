//! What every edition compiles under every group of lints, none of which an expansion may allow for itself: with `forbid`,
//! that would be an error.
#![forbid(
    future_incompatible,
    keyword_idents,
    let_underscore,
    nonstandard_style,
    refining_impl_trait,
    rust_2018_compatibility,
    rust_2018_idioms,
    rust_2021_compatibility,
    rust_2024_compatibility,
    unused,
    absolute_paths_not_starting_with_crate,
    ambiguous_negative_literals,
    closure_returning_async_block,
    deprecated,
    deprecated_in_future,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    impl_trait_redundant_captures,
    macro_use_extern_crate,
    meta_variable_misuse,
    missing_abi,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    non_ascii_idents,
    redundant_imports,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unpredictable_function_pointer_comparisons,
    unreachable_pub,
    unsafe_code,
    unused_crate_dependencies,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
#![deny(warnings)]

#[cfg(feature = "extern-crate")]
extern crate flaxen;

use flaxen::prelude::*;

/// Of every role.
#[module]
pub struct Everything<L: Layer> {
    /// Required.
    pub features: usize,
    /// By default.
    #[module(default = 0.5)]
    pub rate: f32,
    #[module(default)]
    axis: Option<String>,
    #[module(default = Tensor::relu)]
    activation: fn(&Tensor) -> Tensor,
    #[submodule]
    inner: L,
    #[setup(Dense::new(self.features))]
    dense: Dense,
    #[setup(self.param("scale", init::ones(), [self.features]))]
    scale: Tensor,
}

impl<L: Layer> Layer for Everything<L> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.dense.call(&self.inner.call(x)?)?;
        let x = Small::new(3).call(&x)?;
        let is_right = matches!(Dense::new(4).call(&x), Ok(ref y) if y.rank() == 2);
        let x = sequential![Dense::new(self.features), self.activation].call(&x)?;
        if is_right { self.scaled(&x, true) } else { Ok(x) }
    }
}

impl<L: Layer> Everything<L> {
    #[compact(name_scope)]
    fn scaled(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        if self.axis.is_some() || !train {
            return Ok(x.clone());
        }
        Ok(Dense::new(self.features).call(x)? * &*self.scale * self.rate)
    }
}

#[module]
struct Small {
    width: usize,
    #[module(default = false)]
    nobody_sets_this: bool,
    #[module(default = Tensor::relu)]
    function: fn(&Tensor) -> Tensor,
}

impl Layer for Small {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = (self.function)(x);
        if self.nobody_sets_this { Ok(x) } else { Dense::new(self.width).call(&x) }
    }
}

/// Nobody uses it.
#[module]
pub struct Unused;

/// On its way out.
#[deprecated]
#[derive(Clone, Debug, Tree)]
pub struct Old {
    x: Tensor,
    #[deprecated]
    y: Tensor,
    #[tree(static)]
    n: usize,
}

/// A state.
#[derive(Clone, Debug, Tree)]
pub struct State<T>(Tensor, T, #[cfg_attr(all(), tree(static))] bool);

impl<T> State<T> {
    /// From nothing.
    pub fn new(inner: T) -> Self {
        Self(Tensor::zeros([2]), inner, true)
    }
}

macro_rules! model {
    ($name:ident { $($field:ident: $ty:ty),* } $result:ty) => {
        #[module]
        struct $name {
            $(#[module(default)] $field: $ty,)*
        }

        impl Layer for $name {
            #[compact]
            fn call(&self, x: &Tensor) -> $result {
                Dense::new(self.count.unwrap_or(3)).call(x)
            }
        }
    };
}

model!(Named { title: String, axis: Option<String>, count: Option<usize> } Result<Tensor>);

/// Behind conditions.
#[module]
#[cfg_attr(all(), derive(Eq))]
pub struct Conditional {
    width: usize,
    /// How deep.
    #[cfg_attr(all(), module(default = 3))]
    depth: usize,
    #[cfg_attr(any(), module(default = 3))]
    required: usize,
    #[cfg_attr(all(), setup(Dense::new(self.width)))]
    dense: Dense,
    #[cfg_attr(all(), cfg(any()))]
    missing: Missing,
}

impl Layer for Conditional {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = self.dense.call(x)?;
        for _ in self.required..self.depth {
            x = Dense::new(self.width).call(&x)?;
        }
        Ok(x)
    }
}

/// Everything that expansions could name has another meaning here.
pub mod shadowed {
    use flaxen::prelude::{Layer, Tensor, Tree, compact, module};

    /// Not what is meant.
    macro_rules! takes {
        ($($name:ident)*) => {
            $(#[derive(Debug)]
            struct $name;)*

            /// They are used.
            pub fn taken() -> ::std::string::String {
                format!("{:?}", ($($name,)*))
            }
        };
    }

    takes! { Vec Result Some Ok Err None Default Clone Into }

    /// Not the one of `std`.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub struct String;

    /// Not the one of `std`.
    #[derive(Clone, Debug, Eq, PartialEq)]
    pub struct Option<T>(T);

    /// Methods that every value has, by the names of those that expansions call.
    pub trait Blanket {
        /// Not the one of expansions.
        fn observe(&self) {}
        /// Not the one of expansions.
        fn output(&self) {}
        /// Not the one of expansions.
        fn bind_child(&self) {}
        /// Not the one of expansions.
        fn child(&self) {}
    }

    impl<T: ?Sized> Blanket for T {}

    /// A module.
    #[module]
    pub struct Block<L: Layer> {
        #[submodule]
        inner: L,
        text: String,
        maybe: Option<String>,
        #[module(default = ::flaxen::Padding::Same)]
        padding: ::flaxen::Padding,
        #[module(default = ::std::option::Option::None)]
        count: ::std::option::Option<usize>,
        #[setup(::flaxen::nn::Dense::new(2))]
        dense: ::flaxen::nn::Dense,
    }

    impl<L: Layer> Layer for Block<L> {
        #[compact]
        fn call(&self, x: &Tensor) -> ::flaxen::Result<Tensor> {
            Plain::new().call(&self.dense.call(&self.inner.call(x)?)?)
        }
    }

    /// A module that has nothing.
    #[module]
    pub struct Plain;

    impl Layer for Plain {
        #[compact]
        fn call(&self, x: &Tensor) -> ::flaxen::Result<Tensor> {
            ::flaxen::nn::Dense::new(2).call(x)
        }
    }

    /// A tree.
    #[derive(Clone, Debug, Tree)]
    pub struct State {
        x: Tensor,
        #[tree(static)]
        maybe: Option<String>,
    }

    /// A block.
    #[must_use]
    pub fn block() -> impl Layer {
        Block::new(Plain::new(), String, Option(String))
    }

    /// A state.
    #[must_use]
    pub fn state() -> State {
        State { x: Tensor::zeros([1]), maybe: Option(String) }
    }
}

/// The names of parameters of models that use all of it.
///
/// # Errors
/// If a model is wrong.
pub fn names() -> Result<Vec<String>> {
    let x = Tensor::ones([1, 3]);
    let model = Everything::new(3, Dense::new(2)).rate(0.1).axis(None);
    let models = [
        model.init(key(0)).call(&x)?,
        Named::new().title("t").axis("batch").count(3).init(key(0)).call(&x)?,
        Conditional::new(2, 1).depth(4).init(key(0)).call(&x)?,
        shadowed::block().init(key(0)).call(&x)?,
    ];
    let mut names = Vec::new();
    for variables in &models {
        names.extend(variables.dict("params")?.keys().map(str::to_owned));
    }
    Ok(names)
}
