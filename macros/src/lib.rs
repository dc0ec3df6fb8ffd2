//! The macros of Flaxen; use them through the `flaxen` crate.
//!
//! Each macro is a directory that reads in the order in which it works: `attr` (the grammar of its options), `model`
//! (what was written), `valid` (whether it may be), `expand` (what is generated), `fallback` (what is generated beside
//! an error). All of it is on `proc_macro2`, so that it is tested without a compiler around it.
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

mod compact;
mod errors;
mod module;
mod options;
#[cfg(test)]
mod testing;
mod tokens;
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

/// Makes a struct a module: a configuration with a constructor, setters, and a path among other modules.
///
/// The fields stay what they are. Beside them, the struct gets `new`, which takes its required fields in their order,
/// a setter for each field with a default, `Clone`, `Debug` and `PartialEq` of its configuration, and `Module`, whose
/// methods are [for the bodies of its own](macro@compact).
///
/// ```text
/// #[module]
/// pub struct ConvBlock {
///     pub features: usize,
///     /// Slope for negative values.
///     #[module(default = 0.01)]
///     pub slope: f32,
/// }
///
/// let block = ConvBlock::new(32).slope(0.2);
/// ```
///
/// # Fields
/// A field has one role:
/// - A field without an attribute is required: a parameter of `new`.
/// - `#[module(default = expr)]`: the field is `expr` until its setter says something else. `#[module(default)]` is
///   the type's `Default`. The setter has the field's name and documentation, and names the default.
///
///   ```text
///   #[module(default = init::lecun_normal())]
///   pub kernel_init: Initializer,
///   ```
/// - `#[module(flag)]`: a `bool` that is false until its setter, which takes nothing, makes it true: `.reverse()`.
/// - `#[submodule]`: a required field that holds modules, as a module, `Vec`, `Option`, array or tuple of them. They
///   are named after the field.
///
///   ```text
///   #[submodule]
///   pub encoder: E,
///   ```
/// - `#[setup(expr)]`: the field is built from the fields before it: a module (or several), which is named after the
///   field, or a param or variable. It is built anew when a setter is called, and when the module is bound, which is
///   when params and variables are there. The expression may use `?`; one that is `self.param(…)`, or alike, need not.
///
///   ```text
///   #[setup(Dense::new(self.features))]
///   head: Dense,
///   #[setup(self.param("scale", init::ones(), [self.features]))]
///   scale: Tensor,
///   ```
///
/// `new` and the setters take an `impl Into<String>` for a `String`, and an `impl Into<Option<T>>` for an `Option<T>`,
/// so that `.axis("batch")` needs no `Some` and no `to_string`. An `Option` of a type parameter is taken as it is.
/// - `#[module(into)]` on a required field or one with a default: it is taken as `impl Into` of its type.
///
///   ```text
///   #[module(into, default = Padding::Same)]
///   pub padding: Padding,
///   ```
///
/// The names of a module's methods (`name`, `param`, `call`, …) are reserved: a field cannot have them.
///
/// # Options of the struct
/// - `#[module(name = "Conv")]`: what automatic names begin with, if it is not the type's name.
/// - `#[module(crate = path)]`: where Flaxen is, if it is not `::flaxen`.
///
/// # Derives
/// Other derives stand *below* the attribute; one above it would not know of the hidden field that binds the module.
/// `Clone`, `Debug` and `PartialEq` are implemented already. With serde's `Serialize` and `Deserialize`, the hidden
/// field and the setup fields are skipped; those are built again when the module is bound.
///
/// # Generics
/// Where a field's type mentions a type parameter, the implementations ask for what a field of a module needs: `Clone`,
/// `Debug`, `PartialEq`, `Send`, `Sync`, `'static`, and for a submodule that it contains modules. `E: Layer` is all of
/// these. Lifetimes are refused, as a module owns what it holds; so are enums and tuple structs.
#[proc_macro_attribute]
pub fn module(args: TokenStream, item: TokenStream) -> TokenStream {
    module::attribute(args.into(), item.into()).into()
}

/// Makes a method part of the model: it may create children, params and variables, and its call can be observed.
///
/// ```text
/// impl Layer for Mlp {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         let x = Dense::new(self.hidden).call(x)?.relu();
///         Dense::new(self.out).call(&x)
///     }
/// }
/// ```
///
/// The method takes `&self` and returns a `Result`; its signature is left as it is.
///
/// # Children
/// A module that is called where it is built becomes a child: `Dense::new(…)` with any setters and then `.call(…)`, and
/// likewise what a function, a `?`, a block or `sequential!` has made. The body above reads
/// `self.child(Dense::new(self.hidden)).call(x)?`, and its children are `Dense_0` and `Dense_1`. The type decides, so a module
/// may have any name, and what is no module is called as it is. That holds in closures and for every expression in the
/// arguments of macros such as `vec!`, `assert!` and `matches!`; not in functions inside the body, which have no
/// `self`.
///
/// So does a module that a `let` holds, where it is built, as in Flax: it may be called twice, chosen by `if` or `match`, come from a
/// function or a method of `self`, and be passed on. A closure builds one at each call, and a list or a loop holds many:
///
/// ```text
/// let norm = || BatchNorm::new().momentum(0.9);         // `functools.partial` in Flax
/// let shared = Dense::new(4);                           // `Dense_0`, with parameters of its own
/// let x = norm().call(&shared.call(&x)?, train)?;       // `BatchNorm_0`
/// let x = norm().call(&shared.call(&x)?, train)?;       // `Dense_0` again, and `BatchNorm_1`
/// let layers: Vec<_> = (0..3).map(|_| Dense::new(4)).collect();
/// for layer in [Dense::new(8), Dense::new(4)] { /* … */ }
/// ```
///
/// What a `let mut` holds, what is cloned or lifted afterwards, and what is an argument of another constructor, as in `Rnn::new(LstmCell::new(4))`, is not bound there: the
/// latter is that module's own submodule. Everything else says whose child it is, or has a name:
///
/// ```text
/// let head = self.child_named("head", Dense::new(10));
/// self.child(layer).call(&x)?
/// ```
///
/// A body that is half typed is passed through as it is, so that an editor can work with it.
///
/// # Options
/// - `#[compact(name_scope)]`: the children's paths contain the method's name.
///
///   ```text
///   #[compact(name_scope)]
///   pub fn encode(&self, x: &Tensor) -> Result<Tensor> {
///       Dense::new(8).call(x)
///   }
///   ```
/// - `#[compact(crate = path)]`: where Flaxen is, if it is not `::flaxen`.
#[proc_macro_attribute]
pub fn compact(args: TokenStream, item: TokenStream) -> TokenStream {
    compact::attribute(args.into(), item.into()).into()
}
