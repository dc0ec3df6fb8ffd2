//! The macros of Flaxen; use them through the `flaxen` crate.
//!
//! Each macro is a directory that reads in the order in which it works: `attr` (the grammar of its options), `model`
//! (what was written, checked), `expand` (what is generated), `fallback` (what is generated beside an error). All of
//! it is on `proc_macro2`, so that it is tested without a compiler around it.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod errors;
#[cfg(test)]
mod testing;
mod tree;

use proc_macro::TokenStream;

/// Makes a struct of tensors and trees a tree, which every transform can take apart and put together again.
///
/// A field is a child, whose type is a `Tree` itself, unless it is marked `#[tree(static)]`: then it is part of the
/// structure. Two structs whose static fields differ have different structures, and a jitted function is compiled for
/// each. A static field's type is `PartialEq + Clone + Debug + Send + Sync + 'static`.
///
/// ```text
/// #[derive(Clone, Debug, Tree)]
/// struct Momentum<P> {
///     count: Tensor,
///     velocity: P,
///     #[tree(static)]
///     nesterov: bool,
/// }
/// ```
///
/// # Options
/// - `#[tree(static)]` on a field: the field is part of the structure.
/// - `#[tree(crate = path)]` on the struct: where Flaxen is, if it is not `::flaxen`.
///
/// # Generics
/// A field whose type mentions a type parameter adds that type as a bound, here `P: Tree`. Lifetimes are refused, as
/// a tree owns its tensors; so are enums and unions.
#[proc_macro_derive(Tree, attributes(tree))]
pub fn derive_tree(input: TokenStream) -> TokenStream {
    tree::derive(input.into()).into()
}
