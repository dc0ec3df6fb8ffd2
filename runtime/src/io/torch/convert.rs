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
        let paths = plan.sources.values().flat_map(Source::targets).map(|target| target.path.clone());
        let mut paths: BTreeMap<String, Vec<String>> = paths.map(|path| (join(&path), path)).collect();
        let made = plan.made(self.dtype)?;
        let tensors = made.into_iter().filter_map(|(name, tensor)| Some((paths.remove(&name)?, tensor)));
        let dict = text(names::nested(tensors))?;
        dict.try_into().map_err(|error: Error| error.to_string())
    }

    /// The variables in the structure of a model's own, or what is wrong.
    pub(super) fn convert_like(&self, model: &Variables) -> Result<Variables, String> {
        let template = Template::of(model)?;
        self.plan_like(&template)?.build_like(&template, model, self.dtype)
    }

    /// As [`convert_like`](StateDict::convert_like); the tensors are given up one by one.
    pub(super) fn convert_into(self, model: &Variables) -> Result<Variables, String> {
        let (template, cast) = (Template::of(model)?, self.dtype);
        let mut plan = self.plan_like(&template)?;
        drop(self);
        plan.sources.values_mut().for_each(|source| source.stored = None);
        plan.build_like(&template, model, cast)
    }

    fn plan_like(&self, template: &Template) -> Result<Plan, String> {
        let plan = self.plan(Some(template))?;
        plan.check()?;
        let planned = plan.planned(self.dtype)?;
        match Misfit::new(&plan, &planned).with_model(template, fit::Dtypes::Same).message() {
            Some(message) => Err(message),
            None => Ok(plan),
        }
    }
}

impl Plan {
    fn build_like(
        self,
        template: &Template,
        model: &Variables,
        cast: Option<DType>,
    ) -> Result<Variables, String> {
        let mut made = self.made(cast)?;
        let tensors = template.order.iter().map(|name| {
            let (tensor, aval) = (made.remove(name), template.tensors[name].aval());
            let tensor = tensor.ok_or_else(|| format!("there is no `{name}`"))?;
            // As weak as in the model: a compiled step that has seen that is not traced again.
            Ok(text(tensor.array())?.clone().with_aval(aval.clone()).into())
        });
        let tensors = tensors.collect::<Result<Vec<Tensor>, String>>()?;
        text(Structure::of(model).try_build(tensors))
    }

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

    /// Our tensors by their names; each of PyTorch's is given up when ours have been made of it.
    fn made(self, cast: Option<DType>) -> Result<BTreeMap<String, Tensor>, String> {
        let mut made = BTreeMap::<String, Tensor>::new();
        for (name, source) in self.sources {
            for target in source.targets() {
                let at = |message: String| format!("`{name}`: {message}");
                let path = join(&target.path);
                let mut tensor = match &target.made {
                    Made::Of(way) | Made::Summand(way) => way.forward(&source.tensor).map_err(at)?,
                    Made::Zeros(shape) => Tensor::zeros_of(shape, source.tensor.dtype()),
                };
                let is_sum = matches!(target.made, Made::Summand(_));
                let other = made.get(&path).filter(|_| is_sum);
                if let Some(other) = other {
                    tensor = text(other.try_add(&tensor)).map_err(at)?;
                }
                // A sum is cast when it is whole.
                let is_whole = !is_sum || other.is_some();
                if let Some(dtype) = cast.filter(|_| is_whole && tensor.dtype().is_float()) {
                    tensor = text(tensor.try_cast(dtype)).map_err(at)?;
                }
                made.insert(path, tensor);
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
