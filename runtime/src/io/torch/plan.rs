//! What becomes of each tensor of a state dict, before any is made: names and shapes decide.

use std::collections::BTreeMap;

use super::StateDict;
use super::change::Change;
use super::features;
use super::layout::{Kind, Made, Target, text};
use super::recurrent::{self, Recurrent};
use super::rules::Rules;
use super::template::Template;
use crate::array::{Aval, DType};
use crate::core::Tensor;
use crate::io::names;
use crate::io::safetensors::spoiled;
use crate::variables::join;

/// All tensors, and what becomes of each.
pub(super) struct Plan {
    pub(super) sources: BTreeMap<String, Source>,
    /// Names that tensors have on PyTorch's side only, and the tensor each is.
    pub(super) tied: BTreeMap<String, String>,
    /// The patterns of rules that are about nothing.
    pub(super) unused: Vec<String>,
}

/// A tensor of the state dict.
pub(super) struct Source {
    /// As it is in the file; none for one that is a copy of another one.
    pub(super) stored: Option<Tensor>,
    /// The name of what it is a copy of.
    pub(super) copy_of: Option<String>,
    pub(super) change: Option<Change>,
    /// After the change.
    pub(super) tensor: Tensor,
    /// What becomes of it, or what is wrong.
    pub(super) role: Result<Role, String>,
}

#[derive(Clone)]
pub(super) enum Role {
    /// Ours are made of it.
    Ours(Vec<Target>),
    /// Nothing is made of it.
    LeftOut,
    /// It is another name of this tensor.
    Tied(String),
    /// No rule is for it.
    Unknown,
}

/// A tensor of ours that will be made.
pub(super) struct Planned {
    pub(super) aval: Aval,
    /// The names of what it is made of.
    pub(super) sources: Vec<String>,
}

impl StateDict {
    /// Plans what becomes of all tensors; a template tells more of layers than their tensors.
    pub(super) fn plan(&self, template: Option<&Template>) -> Result<Plan, String> {
        let mut rules = Rules::new(&self.rules);
        let flawed = self.flawed.iter().filter(|(name, _)| !rules.ignores(name));
        let flawed: Vec<String> = flawed.map(|(_, flaw)| flaw.clone()).collect();
        if !flawed.is_empty() {
            return Err(spoiled(
                &flawed,
                "convert them before saving, or leave them out with `.ignore(name)`",
            ));
        }
        let mut sources = BTreeMap::new();
        for (name, tensor) in &self.tensors {
            sources.insert(name.clone(), Source::new(tensor, Some(tensor.clone()), None));
        }
        for (name, original, used) in rules.copies() {
            let Some(tensor) = self.tensors.get(original) else { continue };
            *used = true;
            if sources.insert(name.clone(), Source::new(tensor, None, Some(original.to_owned()))).is_some() {
                return Err(format!("`{name}` is there, so it cannot be a copy of `{original}`"));
            }
        }
        for (name, source) in &mut sources {
            if rules.ignores(name) {
                continue;
            }
            source.change = rules.change(name).cloned();
            if let Some(change) = &source.change {
                source.tensor = (change.there)(&source.tensor)
                    .map_err(|error| format!("`{name}`: its change failed: {error}"))?;
            }
        }
        let shapes = sources.iter().map(|(name, source)| (name.as_str(), source.tensor.shape()));
        let layers = Layers { shapes: shapes.collect(), template };
        let roles: Vec<_> = sources
            .iter()
            .map(|(name, source)| layers.role(name, source.tensor.shape(), &mut rules))
            .collect();
        sources.values_mut().zip(roles).for_each(|(source, role)| source.role = role);
        let tied = rules.missing_ties(&self.tensors);
        Ok(Plan { sources, tied, unused: rules.unused() })
    }
}

impl Source {
    fn new(tensor: &Tensor, stored: Option<Tensor>, copy_of: Option<String>) -> Source {
        Source { stored, copy_of, change: None, tensor: tensor.clone(), role: Ok(Role::Unknown) }
    }

    /// The tensors of ours that are made of it.
    pub(super) fn targets(&self) -> &[Target] {
        match &self.role {
            Ok(Role::Ours(targets)) => targets,
            _ => &[],
        }
    }

    /// The dtype of what is made of it.
    pub(super) fn dtype(&self, cast: Option<DType>) -> DType {
        cast.filter(|_| self.tensor.dtype().is_float()).unwrap_or(self.tensor.dtype())
    }
}

impl Plan {
    /// What is wrong with tensors by themselves.
    pub(super) fn flaws(&self) -> Vec<String> {
        let wrong = |(name, source): (&String, &Source)| match &source.role {
            Err(message) => Some(format!("`{name}`: {message}")),
            Ok(_) => None,
        };
        self.sources.iter().filter_map(wrong).collect()
    }

    /// The names of tensors that no rule is for.
    pub(super) fn unknown(&self) -> Vec<String> {
        let is_unknown = |source: &Source| matches!(source.role, Ok(Role::Unknown));
        self.sources.iter().filter(|(_, source)| is_unknown(source)).map(|(name, _)| name.clone()).collect()
    }

    /// The tensors of ours by their names, or two that have one.
    pub(super) fn planned(&self, cast: Option<DType>) -> Result<BTreeMap<String, Planned>, String> {
        let mut planned: BTreeMap<String, Planned> = BTreeMap::new();
        let mut paths = Vec::new();
        for (name, source) in &self.sources {
            for target in source.targets() {
                let path = join(&target.path);
                if let (Made::Summand(_), Some(planned)) = (&target.made, planned.get_mut(&path)) {
                    planned.sources.push(name.clone());
                    continue;
                }
                let aval = text(Aval::try_new(target.shape(), source.dtype(cast)))?;
                paths.push(target.path.as_slice());
                planned.insert(path, Planned { aval, sources: vec![name.clone()] });
            }
        }
        names::check_paths(paths.into_iter())?;
        Ok(planned)
    }
}

/// What is known of layers: the shapes of their tensors there, and those here.
struct Layers<'a> {
    shapes: BTreeMap<&'a str, &'a [usize]>,
    template: Option<&'a Template>,
}

impl<'a> Layers<'a> {
    /// What becomes of one tensor.
    fn role(&self, name: &str, shape: &[usize], rules: &mut Rules<'_>) -> Result<Role, String> {
        let (module, own) = name.rsplit_once('.').unwrap_or(("", name));
        if rules.ignores(name) {
            return Ok(Role::LeftOut);
        }
        if let Some(original) = rules.tied(name) {
            if !self.shapes.contains_key(original) {
                return Err(format!("it is said to be `{original}`, which is not there"));
            }
            if rules.tied(original).is_some() {
                return Err(format!("it is said to be `{original}`, which is another one itself: name that"));
            }
            return Ok(Role::Tied(original.to_owned()));
        }
        let targets = if rules.keeps(name) {
            Some(self.kept(own, shape, rules.path(module)?))
        } else {
            self.converted(module, own, shape, rules)?
        };
        let targets = match targets {
            Some(targets) => targets,
            // A parameter of the model's own, such as a position, which no layer has.
            None => {
                let path = rules.path(module)?;
                match self.template.and_then(|template| template.param(&path, own)) {
                    Some(_) => self.kept(own, shape, path),
                    None => return Ok(Role::Unknown),
                }
            }
        };
        targets.iter().try_for_each(|target| names::check(&join(&target.path)))?;
        Ok(if targets.is_empty() { Role::LeftOut } else { Role::Ours(targets) })
    }

    fn kept(&self, own: &str, shape: &[usize], path: Vec<String>) -> Vec<Target> {
        let target = Target::new(["params", own], super::way::Way::of(shape));
        self.placed(vec![target], &path, false)
    }

    /// Our tensors of one of a layer's; none if no layer is known that has it.
    fn converted(
        &self,
        module: &str,
        own: &str,
        shape: &[usize],
        rules: &mut Rules<'_>,
    ) -> Result<Option<Vec<Target>>, String> {
        // The output of attention is a module of its own in PyTorch.
        let (above, last) = module.rsplit_once('.').unwrap_or(("", module));
        let attention = match last {
            "out_proj" => self.kind(above, rules)?.filter(|kind| matches!(kind, Kind::Attention { .. })),
            _ => None,
        };
        let (kind, module, own) = match attention {
            Some(kind) => (Some(kind), above, format!("out_proj.{own}")),
            None => (self.kind(module, rules)?, module, own.to_owned()),
        };
        let Some(kind) = kind else { return Ok(None) };
        let beside = |own: &str| self.of(module, own);
        if kind.is_recurrent() {
            let found = recurrent::targets(kind, &own, shape, &beside)?;
            let Some(Recurrent { layer, targets }) = found else { return Ok(None) };
            // Each layer of several is a module here, which can have a name of its own.
            let layer =
                layer.map(|layer| if module.is_empty() { layer } else { format!("{module}.{layer}") });
            let path = rules.path(layer.as_deref().unwrap_or(module))?;
            return Ok(Some(self.placed(targets, &path, false)));
        }
        features::check(kind, &own, shape, &beside)?;
        let Some(targets) = kind.targets(&own, shape, rules.order(module))? else { return Ok(None) };
        Ok(Some(self.placed(targets, &rules.path(module)?, kind.is_linear())))
    }

    /// Targets behind a module's path, in the shapes that the template has if those are only written in another way.
    fn placed(&self, mut targets: Vec<Target>, path: &[String], regroup: bool) -> Vec<Target> {
        for target in &mut targets {
            target.path.splice(1..1, path.iter().cloned());
            let wanted = self.template.and_then(|template| template.aval(&join(&target.path)));
            if let (Some(wanted), Made::Of(way)) = (wanted, &target.made) {
                target.made = Made::Of(way.clone().fitted(&wanted.shape, regroup));
            }
        }
        targets
    }

    /// What a module is: what was said, or what its tensors tell, here and there.
    fn kind(&self, module: &str, rules: &mut Rules<'_>) -> Result<Option<Kind>, String> {
        if let Some(kind) = rules.layer(module) {
            return Ok(Some(kind));
        }
        let there = |own: &str| self.of(module, own);
        if there("running_mean").is_some() {
            return Ok(Some(Kind::BatchNorm));
        }
        if let Some(kind) = recurrent::guess(&there) {
            return Ok(Some(kind));
        }
        let path = rules.path(module)?;
        let here = |own: &str| self.template.and_then(|template| template.param(&path, own));
        if there("in_proj_weight").or_else(|| there("q_proj_weight")).is_some() {
            // Where ours is a `Dense`, its features are one head.
            let heads = |shape: &[usize]| if shape.len() == 3 { shape[1] } else { 1 };
            return Ok(here("query/kernel").map(|shape| Kind::Attention { heads: heads(shape) }));
        }
        Ok(match there("weight").map(<[usize]>::len) {
            Some(1) if here("negative_slope").is_some() && here("scale").is_none() => Some(Kind::PReLU),
            Some(1) => Some(Kind::Norm),
            Some(2) if here("embedding").is_some() && here("kernel").is_none() => Some(Kind::Embedding),
            Some(2) => Some(Kind::Linear),
            Some(3..=5) => Some(Kind::Conv),
            _ => None,
        })
    }

    /// The shape of a tensor of a module.
    fn of(&self, module: &str, own: &str) -> Option<&'a [usize]> {
        let name = if module.is_empty() { own.to_owned() } else { format!("{module}.{own}") };
        self.shapes.get(name.as_str()).copied()
    }
}
