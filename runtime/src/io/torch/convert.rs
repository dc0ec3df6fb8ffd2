//! From PyTorch's tensors to ours.

use super::StateDict;
use super::features;
use super::layout::{Converted, Kind};
use super::recurrent::{self, Recurrent};
use super::rules::Rules;
use crate::core::Tensor;
use crate::error::Error;
use crate::io::names;
use crate::io::safetensors::spoiled;
use crate::variables::{Variables, join};

impl StateDict {
    /// The variables, or what is wrong.
    pub(super) fn convert(&self) -> Result<Variables, String> {
        let mut rules = Rules::new(&self.rules);
        let (mut tensors, mut unknown) = (Vec::new(), Vec::new());
        let flawed = self.flawed.iter().filter(|(name, _)| !rules.ignores(name));
        let flawed: Vec<String> = flawed.map(|(_, flaw)| flaw.clone()).collect();
        if !flawed.is_empty() {
            return Err(spoiled(
                &flawed,
                "convert them before saving, or leave them out with `.ignore(name)`",
            ));
        }
        // Everything is either converted, kept, ignored or an error: weights that are left out in silence make a wrong model.
        for (name, tensor) in &self.tensors {
            let at = |message: String| format!("`{name}`: {message}");
            match self.converted(name, tensor, &mut rules).map_err(at)? {
                None => unknown.push(name.clone()),
                Some(converted) => {
                    for Converted { path, tensor } in converted {
                        names::check(&join(&path)).map_err(at)?;
                        tensors.push((path, self.cast_float(tensor)?));
                    }
                }
            }
        }
        if !unknown.is_empty() {
            return Err(format!(
                "no rule says what becomes of {}: say it with `.layer(module, kind)`, `.keep(name)` or `.ignore(name)`",
                names::list(&unknown)
            ));
        }
        // A rule that is about nothing is most likely misspelt.
        let unused = rules.unused();
        if !unused.is_empty() {
            let all: Vec<String> = self.tensors.keys().cloned().collect();
            return Err(format!(
                "nothing is there that the rules for {} are about; there is {}",
                names::list(&unused),
                names::list(&all)
            ));
        }
        names::check_paths(tensors.iter().map(|(path, _)| path.as_slice()))?;
        let dict = names::nested(tensors).map_err(|error| error.to_string())?;
        dict.try_into().map_err(|error: Error| error.to_string())
    }

    /// Our tensors of one of PyTorch's with their whole paths; none if no rule is for it.
    fn converted(
        &self,
        name: &str,
        tensor: &Tensor,
        rules: &mut Rules<'_>,
    ) -> Result<Option<Vec<Converted>>, String> {
        let (module, own) = name.rsplit_once('.').unwrap_or(("", name));
        if rules.ignores(name) {
            return Ok(Some(vec![]));
        }
        if rules.keeps(name) {
            let path = [vec!["params".to_owned()], rules.path(module), vec![own.to_owned()]].concat();
            return Ok(Some(vec![Converted { path, tensor: tensor.clone() }]));
        }
        // The output of attention is a module of its own in PyTorch.
        let (above, last) = module.rsplit_once('.').unwrap_or(("", module));
        let attention =
            rules.layer(above).filter(|kind| last == "out_proj" && matches!(kind, Kind::Attention { .. }));
        let (kind, module, own) = match attention {
            Some(kind) => (Some(kind), above, format!("out_proj.{own}")),
            None => (rules.layer(module).or_else(|| self.guess(module)), module, own.to_owned()),
        };
        let Some(kind) = kind else { return Ok(None) };
        let beside = |own: &str| self.of(module, own);
        let (converted, path) = if kind.is_recurrent() {
            let found = recurrent::convert(kind, &own, tensor, &beside)?;
            let Some(Recurrent { layer, converted }) = found else { return Ok(None) };
            // Each layer of several is a module here, which can have a name of its own.
            let layer =
                layer.map(|layer| if module.is_empty() { layer } else { format!("{module}.{layer}") });
            (converted, rules.path(layer.as_deref().unwrap_or(module)))
        } else {
            features::check(kind, &own, tensor, &beside)?;
            let Some(converted) = kind.convert(&own, tensor, rules.order(module))? else { return Ok(None) };
            (converted, rules.path(module))
        };
        // Behind the collection.
        let placed = |Converted { path: mut own, tensor }: Converted| {
            own.splice(1..1, path.iter().cloned());
            Converted { path: own, tensor }
        };
        Ok(Some(converted.into_iter().map(placed).collect()))
    }

    fn cast_float(&self, tensor: Tensor) -> Result<Tensor, String> {
        match self.dtype {
            Some(dtype) if tensor.dtype().is_float() => {
                tensor.try_cast(dtype).map_err(|error| error.to_string())
            }
            _ => Ok(tensor),
        }
    }

    /// A tensor of a module.
    fn of(&self, module: &str, own: &str) -> Option<&Tensor> {
        let name = if module.is_empty() { own.to_owned() } else { format!("{module}.{own}") };
        self.tensors.get(&name)
    }

    /// What a module probably is.
    fn guess(&self, module: &str) -> Option<Kind> {
        if self.of(module, "running_mean").is_some() {
            return Some(Kind::BatchNorm);
        }
        if let Some(kind) = recurrent::guess(&|own| self.of(module, own)) {
            return Some(kind);
        }
        match self.of(module, "weight")?.rank() {
            1 => Some(Kind::Norm),
            2 => Some(Kind::Linear),
            3..=5 => Some(Kind::Conv),
            _ => None,
        }
    }
}
