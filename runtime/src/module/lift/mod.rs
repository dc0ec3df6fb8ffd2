//! Lifted transforms: [`vmap`](crate::vmap()), [`scan`](crate::scan()), [`checkpoint`](crate::checkpoint()), [`jit`](crate::jit())
//! and their like for modules, whose variables and random keys pass through them.
//!
//! A plain transform takes a function of tensors; under it a module of the running model can be read, but neither made nor written,
//! nor can it draw. A lifted one takes what a module reads and writes out of the model, passes it through the transform, and puts
//! back what has become of it.
//!
//! # Modules in transforms
//! A wrapped module is a module. It is built where it is called, named after what wraps it, and the variables of what it wraps
//! stand directly under it. A [`Layer`](crate::Layer) stays one; functions of other signatures run by `run`.
//!
//! ```
//! use flaxen::prelude::*;
//! use flaxen::lift::{Remat, Scan, Vmap};
//!
//! #[module]
//! struct Block;
//!
//! impl Block {
//!     #[compact]
//!     fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
//!         let h = Dense::new(8).call(x)?.relu();
//!         Dropout::new(0.1).call(&(Dense::new(4).call(&h)? + x), train)
//!     }
//! }
//!
//! #[module]
//! struct Model {
//!     layers: usize,
//! }
//!
//! impl Model {
//!     #[compact]
//!     fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
//!         // Layers stacked by scan: one body, parameters with a leading axis, keys split by layer.
//!         let (x, ()) = Scan::new(Remat::new(Block::new()))
//!             .axis("params", 0)
//!             .split(["params", "dropout"])
//!             .length(self.layers)
//!             .run(|block, x: Tensor, ()| Ok((block.run(|b, x: &Tensor| b.call(x, train), &x)?, ())), x.clone(), ())?;
//!         // An ensemble: three heads, each for the whole batch.
//!         Vmap::new(Dense::new(2)).axis("params", 0).split("params").in_axes(None::<isize>).axis_size(3).call(&x)
//!     }
//! }
//!
//! let (model, x) = (Model::new(12), Tensor::ones([5, 4]));
//! let variables = model.init(key(0)).run(|m| m.call(&x, false))?;
//! assert_eq!(variables.tensor("params/ScanCheckpointBlock_0/Dense_0/kernel")?.shape(), [12, 4, 8]);
//! assert_eq!(variables.tensor("params/VmapDense_0/kernel")?.shape(), [3, 4, 2]);
//! assert_eq!(model.apply(&variables).run(|m| m.call(&x, false))?.shape(), [3, 5, 2]);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! # Functions of modules
//! The functions of this module take a module of the running model (`self`, or any other), and a function that gets the same module
//! within the transform. Use that one in the function, not `self`. Several modules come as a tuple; handles on variables, and scopes
//! without modules, work as well; see [`Target`].
//!
//! ```
//! use flaxen::prelude::*;
//! use flaxen::lift;
//!
//! #[module]
//! struct Energy {
//!     #[setup(Dense::new(1))]
//!     dense: Dense,
//! }
//!
//! impl Energy {
//!     /// A value, and its slope by the input.
//!     #[compact]
//!     fn call(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
//!         lift::value_and_grad(self, |m, x: &Tensor| Ok(m.dense.call(x)?.tanh().sum()), x)
//!     }
//! }
//!
//! let ((energy, force), _) = Energy::new().init_with_output(key(0)).run(|m| m.call(&Tensor::ones([2, 3])))?;
//! assert_eq!((energy.shape(), force.shape()), (&[][..], &[2, 3][..]));
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! # Collections and random streams
//! Transforms with an axis are told what to do with each collection and each stream; filters are those of `mutable`. What is not
//! named is not there inside, and the error of whoever asks for it says how to name it. The other transforms pass all on.
//!
//! | here | in Flax |
//! |---|---|
//! | `.axis("params", 0)` | `variable_axes={"params": 0}` |
//! | `.axis_in("cache", 1)`, `.axis_out("intermediates", 0)` | `In(1)`, `Out(0)` |
//! | `.share("params")` | `variable_axes={"params": None}`, `variable_broadcast="params"`, and `split_rngs={"params": False}` |
//! | `.carry("state")` | `variable_carry="state"` |
//! | `.split("dropout")` | `split_rngs={"dropout": True}` |
//! | `.metadata("layers")` | `metadata_params={PARTITION_NAME: "layers"}` |
//! | `.check_invariants(false)` | `check_constancy_invariants=False` |
//!
//! # Which name of Linen is which
//! | Linen | a module | a function |
//! |---|---|---|
//! | `vmap` | [`Vmap`] | [`vmap`](fn@vmap) |
//! | `scan` | [`Scan`] | [`scan`](fn@scan) |
//! | `remat`, `checkpoint` | [`Remat`] | [`remat`](fn@remat) |
//! | `remat_scan` | [`RematScan`] | |
//! | `jit` | [`Jit`] | [`jit`](fn@jit) |
//! | `fold_rngs` | [`FoldRngs`] | [`fold_rngs`](fn@fold_rngs) |
//! | `cond`, `switch`, `while_loop` | | [`cond`], [`switch`], [`while_loop`](fn@while_loop) |
//! | `vjp`, `grad`, `value_and_grad`, `jvp`, `custom_vjp` | | [`vjp`], [`grad`], [`value_and_grad`], [`jvp`], [`custom_vjp`] |
//! | `map_variables` | [`MapVariables`] | [`map_variables`](fn@map_variables) |
//! | `add_metadata_axis` | | [`add_metadata_axis`] |
//! | a method of `methods=` | in the function of `run` | in the function |
//! | another method | of `inner()` | of the module |
//!
//! Keys are those of Flax, draw by draw: `vmap` and `remat` change nothing, [`Scan`] and [`Jit`] say what they change. `tabulate`,
//! captures and interceptors see what runs inside, under its own type: `ScanBlock_0` is a `Block`.

mod branches;
mod custom_vjp;
mod fold_rngs;
mod gradients;
pub(super) mod groups;
mod jit;
mod map_variables;
mod metadata;
pub(super) mod module;
mod pack;
mod passes;
mod remat;
mod remat_scan;
mod scan;
mod target;
mod vmap;
mod while_loop;

pub use branches::{Branches, cond, switch};
pub use custom_vjp::custom_vjp;
pub use fold_rngs::{FoldRngs, fold_rngs};
pub use gradients::{Pullback, grad, jvp, value_and_grad, vjp, vjp_of};
pub use jit::{Jit, JitOver, jit};
pub(crate) use map_variables::with_mapped_params;
pub use map_variables::{MapVariables, MapVariablesOver, map_variables};
pub use metadata::add_metadata_axis;
pub use module::Parameter;
pub use remat::{Remat, RematOver, remat};
pub use remat_scan::RematScan;
pub use scan::{Scan, ScanOver, scan};
pub use target::{Found, Inside, Target};
pub use vmap::{Vmap, VmapOver, vmap};
pub use while_loop::{WhileLoop, while_loop};
