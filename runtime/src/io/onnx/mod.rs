//! The weights in [ONNX](https://onnx.ai) models: initialisers and constants, by name. What the model computes is not read.
//!
//! ```no_run
//! use flaxen::io::onnx::File;
//!
//! let file = File::open("model.onnx")?;
//! for name in file.names() {
//!     println!("{name}: {}", file.aval(name)?);
//! }
//! let kernel = file.tensor("encoder.layers.0.weight")?;
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! - **Names** are those of the model: exporters of PyTorch keep the names of parameters, and call what they have computed beforehand by
//!   names of their own, such as `onnx::MatMul_123`, of which many are transposed. The value of a `Constant` node has the name of the node's
//!   output. What is within a graph within a node (`If`, `Loop`) has the names of that node and of its attribute in front:
//!   `If_0.then_branch.weight`.
//! - **Values** are read wherever they are: as bytes, as lists of numbers, and in files of their own beside the model, whose names must be
//!   relative and stay in its folder.
//! - **Dtypes**: `FLOAT`, `DOUBLE`, `FLOAT16`, `BFLOAT16`, `INT8` to `INT64`, `UINT8` to `UINT32`, `BOOL`, `COMPLEX64`; floats of 8 bits become
//!   `BF16`, without loss. A tensor of another dtype, or a sparse one, spoils only itself.
//!
//! [`StateDict::open`](super::torch::StateDict::open) reads such a file, too.
//!
//! The format is a protocol buffer, of which one pass over the file finds the places of all tensors; values stay where they are until
//! they are asked for.

mod file;
mod graph;
mod tensor;
mod wire;

pub use file::File;
