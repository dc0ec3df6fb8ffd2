//! Exported programs that a device runs: without the function that they were made of.

use std::sync::Arc;

use super::export::{Exported, Leaf};
use crate::array::{Array, Aval};
use crate::backend::device::Device;
use crate::core::{Executable, Tensor};
use crate::error::{Error, Result};
use crate::tree::Tree;

/// An exported program that a device has compiled; [`Exported::on`] makes it.
pub struct Loaded {
    program: Arc<dyn Executable>,
    inputs: Vec<Leaf>,
    outputs: Vec<Leaf>,
}

impl Exported {
    /// Compiles the program for a device of a plugin, which runs it from then on.
    ///
    /// ```no_run
    /// use flaxen::prelude::*;
    /// use flaxen::{Device, export};
    ///
    /// let gpu = Device::pjrt("$FLAXEN_PJRT_PLUGIN")?;
    /// let model = export::load("model.mlir")?.on(&gpu)?;
    /// let outs = model.call(Tensor::ones([4, 3]))?;
    /// println!("{}: {}", model.outputs()[0].path, outs[0]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the device's compiler says; if the device is the host, which compiles functions and no texts.
    pub fn on(&self, device: &Device) -> Result<Loaded> {
        let donated = self.inputs().iter().map(|leaf| leaf.donated).collect();
        let outs = self.outputs().iter().map(|leaf| Aval::try_new(&leaf.shape, leaf.dtype));
        let program = device.compile_text(self.text(), donated, outs.collect::<Result<_>>()?)?;
        Ok(Loaded { program, inputs: self.inputs().to_vec(), outputs: self.outputs().to_vec() })
    }
}

impl Loaded {
    /// Runs it on the leaves of a tree, and returns those of the result, in the order of [`outputs`](Loaded::outputs). What is donated and
    /// held by nobody else is gone.
    ///
    /// # Errors
    /// If the leaves are others than [`inputs`](Loaded::inputs) says; if they have no numbers, under a transform; if one is on
    /// another device.
    pub fn call(&self, args: impl Tree) -> Result<Vec<Tensor>> {
        let mut leaves = Vec::new();
        args.into_leaves(&mut leaves);
        if leaves.len() != self.inputs.len() {
            let text = format!("{} tensors for a program of {}", leaves.len(), self.inputs.len());
            return Err(Error::argument("Loaded::call", text));
        }
        let arrays = leaves.into_iter().zip(&self.inputs).map(|(leaf, wanted)| wanted.array(leaf));
        let mut arrays = arrays.collect::<Result<Vec<Array>>>()?.into_iter();
        let mut results = Vec::new();
        self.program.run(&mut arrays, &mut |outs| results.extend(outs.map(Tensor::from)))?;
        Ok(results)
    }

    /// The leaves of the argument, in order.
    pub fn inputs(&self) -> &[Leaf] {
        &self.inputs
    }

    /// The leaves of the result, in order.
    pub fn outputs(&self) -> &[Leaf] {
        &self.outputs
    }
}

impl Leaf {
    /// The numbers of a tensor that is to be this leaf.
    fn array(&self, tensor: Tensor) -> Result<Array> {
        let found = tensor.aval();
        if found.shape != self.shape || found.dtype != self.dtype {
            let expected = Aval::unchecked(&self.shape, self.dtype);
            let text = format!("`{}` is {found}, and the program takes {expected}", self.path);
            return Err(Error::argument("Loaded::call", text));
        }
        // The tensor is gone then, so that the array may be given away.
        tensor.array().cloned()
    }
}
