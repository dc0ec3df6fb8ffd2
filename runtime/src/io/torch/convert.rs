//! From PyTorch's tensors to ours.

use std::collections::BTreeMap;

use super::StateDict;
use super::fit::{self, Misfit};
use super::layout::{Made, text};
use super::plan::{Plan, Role, Source};
use super::template::Template;
use crate::array::DType;
use crate::core::Tensor;
use crate::error::Error;
use crate::io::names;
use crate::io::restore::some;
use crate::tree::Structure;
use crate::variables::{Variables, join};

impl StateDict {
    /// The variables, or what is wrong.
    pub(super) fn convert(&self) -> Result<Variables, String> {
        let plan = self.plan(None)?;
        plan.check()?;
        let planned = plan.planned(self.dtype)?;
        // Everything is either converted, kept, ignored or an error: weights that are left out in silence make a wrong model.
        if let Some(message) = Misfit::new(&plan, &planned).message() {
            return Err(message);
        }
        let paths = plan.sources.values().flat_map(Source::targets).map(|target| &target.path);
        let paths: BTreeMap<String, &Vec<String>> = paths.map(|path| (join(path), path)).collect();
        let made = plan.made(self.dtype)?;
        let tensors = made.into_iter().map(|(name, tensor)| (paths[&name].clone(), tensor));
        let dict = text(names::nested(tensors))?;
        dict.try_into().map_err(|error: Error| error.to_string())
    }

    /// The variables in the structure of a model's own, or what is wrong.
    pub(super) fn convert_like(&self, model: &Variables) -> Result<Variables, String> {
        let template = Template::of(model)?;
        let plan = self.plan(Some(&template))?;
        plan.check()?;
        let planned = plan.planned(self.dtype)?;
        let misfit = Misfit::new(&plan, &planned).with_model(&template, fit::Dtypes::Same);
        if let Some(message) = misfit.message() {
            return Err(message);
        }
        let mut made = plan.made(self.dtype)?;
        let tensors = template.order.iter().map(|name| {
            let (tensor, aval) = (made.remove(name), template.tensors[name].aval());
            let tensor = tensor.ok_or_else(|| format!("there is no `{name}`"))?;
            // As weak as in the model: a compiled step that has seen that is not traced again.
            Ok(text(tensor.array())?.clone().with_aval(aval.clone()).into())
        });
        let tensors = tensors.collect::<Result<Vec<Tensor>, String>>()?;
        text(Structure::of(model).try_build(tensors))
    }
}

impl Plan<'_> {
    /// What is wrong with tensors by themselves.
    pub(super) fn check(&self) -> Result<(), String> {
        let flaws = self.flaws();
        if !flaws.is_empty() {
            return Err(some(&flaws));
        }
        for (name, source) in &self.sources {
            let Ok(Role::Tied(original)) = &source.role else { continue };
            if !same(&source.tensor, &self.sources[original].tensor)? {
                return Err(format!(
                    "`{name}` is said to be `{original}`, but their values differ: both are needed"
                ));
            }
        }
        Ok(())
    }

    /// Our tensors by their names.
    pub(super) fn made(&self, cast: Option<DType>) -> Result<BTreeMap<String, Tensor>, String> {
        let mut made = BTreeMap::<String, Tensor>::new();
        for (name, source) in &self.sources {
            for target in source.targets() {
                let at = |message: String| format!("`{name}`: {message}");
                let path = join(&target.path);
                let mut tensor = match &target.made {
                    Made::Of(way) | Made::Summand(way) => way.forward(&source.tensor).map_err(at)?,
                    Made::Zeros(shape) => Tensor::zeros_of(shape, source.tensor.dtype()),
                };
                if let (Made::Summand(_), Some(other)) = (&target.made, made.get(&path)) {
                    tensor = text(other.try_add(&tensor)).map_err(at)?;
                }
                made.insert(path, tensor);
            }
        }
        // After both summands have been added.
        for tensor in made.values_mut() {
            if let Some(dtype) = cast.filter(|_| tensor.dtype().is_float()) {
                *tensor = text(tensor.try_cast(dtype))?;
            }
        }
        Ok(made)
    }
}

/// Whether two tensors are the same, bit for bit.
pub(super) fn same(a: &Tensor, b: &Tensor) -> Result<bool, String> {
    let bits = |tensor: &Tensor| Ok::<_, String>(text(tensor.array())?.bytes().to_vec());
    Ok(a.shape() == b.shape() && a.dtype() == b.dtype() && bits(a)? == bits(b)?)
}
