//! Saving and loading: [`safetensors`], [`npz`], and the weights of PyTorch models with [`torch`].
//!
//! Whatever is a [`Tree`](trait@crate::Tree) can be saved: a [`Dict`](crate::Dict), [`Variables`](crate::Variables), a
//! [`TrainState`](crate::optim::TrainState), a tuple of parameters and an optimizer's state. Each tensor has a name, the way to
//! it joined by `/`: `params/Dense_0/kernel`, `opt_state/0/mu/Dense_0/kernel`. What is loaded without more is a `Dict`, in which
//! tuples are dicts with the names `0`, `1`, …; a *template* of the same structure, such as the state a program starts from,
//! gives everything its type back:
//!
//! ```
//! use flaxen::prelude::*;
//! use flaxen::io::safetensors;
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("state.safetensors");
//! let model = Dense::new(2);
//! let (params, _) = model.init(key(0)).call(&Tensor::ones([1, 3]))?.pop("params")?;
//! let state = TrainState::create(params, optim::adam(1e-3));
//! safetensors::save(&path, &state)?;
//!
//! let resumed = safetensors::restore(&path, &state)?;
//! assert_eq!(resumed.params, state.params);
//! // Some of it, as plain variables.
//! let params = safetensors::File::open(&path)?.subtree("params")?;
//! assert_eq!(params, state.params);
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! A file appears whole or not at all: it is written under a temporary name in the same folder, flushed to the disk, and renamed.
//! Files are not trusted: what is truncated, corrupt or contradictory is an [`Error::File`](crate::Error::File) that names the
//! file and says what is wrong, and no more memory is taken than the file is long (for compressed npz: than its contents are).

mod atomic;
mod map;
mod names;
pub mod npz;
mod numbers;
mod restore;
pub mod safetensors;
mod source;
pub mod torch;
