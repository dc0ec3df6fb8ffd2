//! From our tensors back to PyTorch's.

use std::collections::BTreeMap;

use super::StateDict;
use super::convert::same;
use super::fit::{Dtypes, Misfit};
use super::layout::{Made, Target, text};
use super::plan::{Planned, Role, Source};
use super::template::Template;
use crate::core::Tensor;
use crate::variables::{Variables, join};

/// Our tensors, and what the state dict's own become.
struct Ours<'a> {
    given: &'a Template,
    planned: &'a BTreeMap<String, Planned>,
    /// Sums as the state dict's own tensors make them.
    sums: BTreeMap<String, Tensor>,
}

impl StateDict {
    /// Our tensors by PyTorch's names, or what is wrong.
    pub(super) fn exported(&self, variables: &Variables) -> Result<BTreeMap<String, Tensor>, String> {
        let given = Template::of(variables)?;
        let plan = self.plan(Some(&given))?;
        plan.check()?;
        let planned = plan.planned(self.dtype)?;
        if let Some(message) = Misfit::new(&plan, &planned).with_model(&given, Dtypes::Any).message() {
            return Err(message);
        }
        let mut ours = Ours { given: &given, planned: &planned, sums: BTreeMap::new() };
        for source in plan.sources.values() {
            for target in source.targets() {
                if let Made::Summand(way) = &target.made {
                    let (path, part) = (join(&target.path), way.forward(&source.tensor)?);
                    let sum = match ours.sums.get(&path) {
                        Some(other) => text(other.try_add(&part))?,
                        None => part,
                    };
                    ours.sums.insert(path, sum);
                }
            }
        }
        let mut exported = BTreeMap::new();
        for (name, source) in &plan.sources {
            let at = |message: String| format!("`{name}`: {message}");
            let tensor = match &source.role {
                // What this model has not is as it was.
                Ok(Role::LeftOut) => source.stored.clone(),
                Ok(Role::Ours(targets)) => Some(ours.back(name, source, targets).map_err(at)?),
                _ => None,
            };
            exported.extend(tensor.map(|tensor| (name.clone(), tensor)));
        }
        let ties = plan.sources.iter().filter_map(|(name, source)| match &source.role {
            Ok(Role::Tied(original)) => Some((name, original)),
            _ => None,
        });
        for (name, original) in ties.chain(&plan.tied) {
            let tensor = exported.get(original).cloned();
            let tensor =
                tensor.ok_or_else(|| format!("`{name}` is said to be `{original}`, which is tied itself"))?;
            exported.insert(name.clone(), tensor);
        }
        for (name, source) in &plan.sources {
            let Some(original) = &source.copy_of else { continue };
            if let (Some(copy), Some(tensor)) = (exported.remove(name), exported.get(original))
                && !same(&copy, tensor)?
            {
                return Err(format!(
                    "`{name}` is a copy of `{original}`, but their values differ by now: the state dict has only one"
                ));
            }
        }
        Ok(exported)
    }
}

impl Ours<'_> {
    /// The tensor that ours are made of.
    fn back(&self, name: &str, source: &Source, targets: &[Target]) -> Result<Tensor, String> {
        let mut parts = Vec::new();
        for target in targets {
            let path = join(&target.path);
            let given = &self.given.tensors[&path];
            let (way, tensor) = match &target.made {
                Made::Of(way) => (way, given.clone()),
                Made::Summand(way) => (way, self.summand(name, way.forward(&source.tensor)?, &path, given)?),
                Made::Zeros(_) if is_zero(given)? => continue,
                Made::Zeros(_) => {
                    return Err(format!(
                        "`{path}` is not 0, but PyTorch's layer has no such bias: make one there"
                    ));
                }
            };
            parts.push((way.part().map_or(0, |part| part.index), way.backward(&tensor)?));
        }
        parts.sort_by_key(|&(index, _)| index);
        let mut parts: Vec<Tensor> = parts.into_iter().map(|(_, part)| part).collect();
        let mut tensor = match parts.len() {
            1 => parts.remove(0),
            _ => text(Tensor::try_concatenate(&parts, 0))?,
        };
        if let Some(change) = &source.change {
            let back = change.back.as_ref().ok_or_else(|| {
                "`.map` says what it becomes here, but not the way back: say both with `.map_with_inverse`".to_owned()
            })?;
            tensor = text(back(&tensor))?;
        }
        let stored = source.stored.as_ref().unwrap_or(&source.tensor);
        if tensor.shape() != stored.shape() {
            return Err(format!(
                "its way back has shape {:?}, but the state dict has {:?}: the functions of `.map_with_inverse` must undo each other",
                tensor.shape(),
                stored.shape()
            ));
        }
        text(tensor.try_cast(stored.dtype()))
    }

    /// What one of two tensors is of whose sum ours is: as it was if the sum is, otherwise all of it or nothing.
    fn summand(&self, name: &str, before: Tensor, path: &str, given: &Tensor) -> Result<Tensor, String> {
        let sum = text(self.sums[path].try_cast(given.dtype()))?;
        if same(&sum, given)? {
            return Ok(before);
        }
        let takes_all = self.planned[path].sources[0] == name;
        Ok(if takes_all { given.clone() } else { Tensor::zeros_of(given.shape(), given.dtype()) })
    }
}

fn is_zero(tensor: &Tensor) -> Result<bool, String> {
    text(tensor.all_close(Tensor::zeros_of(tensor.shape(), tensor.dtype()), 0.0, 0.0))
}
