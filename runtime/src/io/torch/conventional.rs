//! The state dict that a model would have in PyTorch, for variables that come from no file: what a layer is shows in the names and
//! shapes of its tensors.

use std::collections::{BTreeMap, BTreeSet};

use super::StateDict;
use super::layout::Kind;
use super::template::Template;
use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::variables::Variables;

/// The gates of recurrent cells, as the names of ours end, and the layers of PyTorch that have them.
const CELLS: [(Kind, &[&str]); 3] =
    [(Kind::Lstm, &["i", "f", "g", "o"]), (Kind::Gru, &["r", "z", "n"]), (Kind::Rnn, &[""])];

impl StateDict {
    /// The state dict of a model that was made here, which [`save`](StateDict::save) writes: the names are the modules' own, with dots.
    ///
    /// A `kernel` of two axes is that of a `Linear`, one of three to five that of a convolution; a `scale` is that of a norm, with
    /// `batch_stats` of a `BatchNorm`; `embedding`, `negative_slope`, the gates of recurrent cells, and `query`, `key`, `value` and `out`
    /// beside each other are what they are called. Transposed convolutions, and features that were
    /// [flattened](StateDict::flattened), do not show: such models begin with a file that PyTorch saved of its twin, and
    /// [`export`](StateDict::export). A parameter that belongs to none of these layers keeps name and shape.
    ///
    /// Loading the result, and exporting other variables of the same model by it, is what it is for a file.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::io::torch::StateDict;
    ///
    /// #[module]
    /// struct Net {
    ///     #[setup(Conv::new(8, [3, 3]))]
    ///     conv: Conv,
    ///     #[setup(Dense::new(10))]
    ///     fc: Dense,
    /// }
    /// impl Layer for Net {
    ///     #[compact]
    ///     fn call(&self, x: &Tensor) -> Result<Tensor> {
    ///         self.fc.call(&self.conv.call(x)?.mean_axes([1, 2]))
    ///     }
    /// }
    ///
    /// let variables = Net::new().init(key(0)).call(&Tensor::ones([1, 5, 5, 3]))?;
    /// let state = StateDict::of(&variables)?;
    /// assert_eq!(state.names().collect::<Vec<_>>(), ["conv.bias", "conv.weight", "fc.bias", "fc.weight"]);
    /// assert_eq!(state.tensor("conv.weight")?.shape(), [8, 3, 3, 3]);
    /// assert_eq!(state.variables_like(&variables)?, variables);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are variables of other collections than `params` and `batch_stats`, or two tensors get one name.
    pub fn of(variables: &Variables) -> Result<StateDict> {
        StateDict::named(variables, |path| path.replace('/', "."))
    }

    /// As [`of`](StateDict::of), with the names that `name` gives to modules, of which it is told the paths.
    ///
    /// ```
    /// use flaxen::prelude::*;
    /// use flaxen::io::torch::StateDict;
    ///
    /// let params = Dict::new().with("layers_0/kernel", Tensor::ones([3, 5])).with("layers_1/kernel", Tensor::ones([5, 2]));
    /// let variables = Variables::new().with("params", params);
    /// // As the modules of an `nn.Sequential` with an activation between each two.
    /// let place = |path: &str| path.strip_prefix("layers_").and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
    /// let state = StateDict::named(&variables, |path| (2 * place(path)).to_string())?;
    /// assert_eq!(state.names().collect::<Vec<_>>(), ["0.weight", "2.weight"]);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`of`](StateDict::of).
    pub fn named(variables: &Variables, name: impl Fn(&str) -> String) -> Result<StateDict> {
        let wrong = |message: String| Error::file("(variables)", message);
        let template = Template::of(variables).map_err(wrong)?;
        let mut made = Made { modules: modules(&template).map_err(wrong)?, ..Made::default() };
        let paths: Vec<String> = made.modules.keys().cloned().collect();
        // Layers of several modules first, which take these with them.
        for path in &paths {
            made.attention(path, &name).map_err(wrong)?;
            made.recurrent(path, &name).map_err(wrong)?;
        }
        for path in &paths {
            made.layer(path, &name).map_err(wrong)?;
        }
        let mut state = StateDict::new(made.tensors);
        for (module, path) in made.paths {
            if module.replace('.', "/") != path {
                state = state.rename(&module, &path);
            }
        }
        for (module, kind) in made.kinds {
            state = state.layer(&module, kind);
        }
        for name in made.kept {
            state = state.keep(&name);
        }
        state.export(variables)
    }
}

/// The tensors of a module, by their own names: those of `params`, and the statistics.
#[derive(Default)]
struct Module {
    params: BTreeMap<String, Tensor>,
    statistics: BTreeMap<String, Tensor>,
}

impl Module {
    fn shape(&self, own: &str) -> Option<&[usize]> {
        self.params.get(own).map(Tensor::shape)
    }
}

/// The modules by their paths.
fn modules(template: &Template) -> std::result::Result<BTreeMap<String, Module>, String> {
    let mut modules: BTreeMap<String, Module> = BTreeMap::new();
    for (name, tensor) in &template.tensors {
        let (collection, path) = name.split_once('/').unwrap_or((name, ""));
        let (module, own) = path.rsplit_once('/').unwrap_or(("", path));
        let module = modules.entry(module.to_owned()).or_default();
        let tensors = match collection {
            "params" => &mut module.params,
            "batch_stats" => &mut module.statistics,
            _ => {
                return Err(format!(
                    "PyTorch has nothing for `{name}`: give only the collections `params` and `batch_stats`"
                ));
            }
        };
        tensors.insert(own.to_owned(), tensor.clone());
    }
    Ok(modules)
}

/// What is known of the state dict so far.
#[derive(Default)]
struct Made {
    modules: BTreeMap<String, Module>,
    /// Paths whose tensors are in the state dict already.
    taken: BTreeSet<String>,
    /// Zeros, in whose place the values come.
    tensors: BTreeMap<String, Tensor>,
    /// By PyTorch's names of modules.
    paths: BTreeMap<String, String>,
    kinds: BTreeMap<String, Kind>,
    /// Parameters that belong to no layer.
    kept: Vec<String>,
}

type Done = std::result::Result<(), String>;

impl Made {
    /// A tensor of a module.
    fn add(&mut self, module: &str, path: &str, own: &str, shape: &[usize], dtype: DType) -> Done {
        let name = if module.is_empty() { own.to_owned() } else { format!("{module}.{own}") };
        if let Some(other) = self.paths.insert(module.to_owned(), path.to_owned())
            && other != path
        {
            return Err(format!("the modules `{other}` and `{path}` are both called `{module}`"));
        }
        match self.tensors.insert(name.clone(), Tensor::zeros_of(shape, dtype)) {
            Some(_) => Err(format!("two tensors are called `{name}`")),
            None => Ok(()),
        }
    }

    /// A part of a module, if it has that tensor.
    fn part(&self, path: &str, part: &str, own: &str) -> Option<&Tensor> {
        let path = if path.is_empty() { part.to_owned() } else { format!("{path}/{part}") };
        self.modules.get(&path)?.params.get(own)
    }

    /// Takes the parts of the module that is called `part` at the end of `path`, where they are the four of attention.
    fn attention(&mut self, path: &str, name: &impl Fn(&str) -> String) -> Done {
        let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
        let kernels = ["query", "key", "value", "out"].map(|part| self.part(above, part, "kernel").cloned());
        let [Some(query), Some(key), Some(value), Some(out)] = kernels else { return Ok(()) };
        if last != "query" || [&query, &key, &value, &out].iter().any(|kernel| kernel.rank() != 3) {
            return Ok(());
        }
        let (heads, depth, features) = (query.shape()[1], query.shape()[2], out.shape()[2]);
        let parts = ["query", "key", "value", "out"];
        let at = |part: &str| if above.is_empty() { part.to_owned() } else { format!("{above}/{part}") };
        let has_bias = parts.map(|part| self.part(above, part, "bias").is_some());
        let is_whole = [&query, &key, &value].iter().all(|kernel| kernel.shape() == [features, heads, depth])
            && heads * depth == features
            && has_bias.iter().all(|has| *has == has_bias[0]);
        if is_whole {
            let module = name(above);
            self.kinds.insert(module.clone(), Kind::Attention { heads });
            self.add(&module, above, "in_proj_weight", &[3 * features, features], query.dtype())?;
            self.add(&module, above, "out_proj.weight", &[features, features], out.dtype())?;
            if has_bias[0] {
                self.add(&module, above, "in_proj_bias", &[3 * features], query.dtype())?;
                self.add(&module, above, "out_proj.bias", &[features], out.dtype())?;
            }
        } else {
            // Of other sizes, a `Linear` each.
            for (part, kernel) in parts.iter().zip([&query, &key, &value, &out]) {
                let (path, module) = (at(part), name(&at(part)));
                let &[a, b, c] = kernel.shape() else { continue };
                let (inputs, outputs, kind) = match *part {
                    "out" => (a * b, c, Kind::FromHeads { heads: a }),
                    _ => (a, b * c, Kind::ToHeads { heads: b }),
                };
                self.kinds.insert(module.clone(), kind);
                self.add(&module, &path, "weight", &[outputs, inputs], kernel.dtype())?;
                if self.part(above, part, "bias").is_some() {
                    self.add(&module, &path, "bias", &[outputs], kernel.dtype())?;
                }
            }
        }
        self.taken.extend(parts.map(at));
        Ok(())
    }

    /// Takes the gates beside the one at `path`, where that is the first of a recurrent cell.
    fn recurrent(&mut self, path: &str, name: &impl Fn(&str) -> String) -> Done {
        let (cell, last) = path.rsplit_once('/').unwrap_or(("", path));
        for (kind, gates) in CELLS {
            let parts = |side: &str| gates.iter().map(|gate| format!("{side}{gate}")).collect::<Vec<_>>();
            let (of_x, of_h) = (parts("i"), parts("h"));
            let kernel = |part: &String| self.part(cell, part, "kernel").filter(|kernel| kernel.rank() == 2);
            let is_whole = of_x.iter().chain(&of_h).all(|part| kernel(part).is_some());
            let (Some(x), Some(h)) = (kernel(&of_x[0]), kernel(&of_h[0])) else { continue };
            if !is_whole || last != of_x[0] || h.shape()[0] != h.shape()[1] {
                continue;
            }
            let (inputs, features, dtype) = (x.shape()[0], h.shape()[0], x.dtype());
            let (rnn, suffix) = match cell.rsplit_once('/').unwrap_or(("", cell)) {
                (rnn, "cell") => match rnn.rsplit_once('/').unwrap_or(("", rnn)) {
                    (both, "forward_rnn") => (both, "_l0"),
                    (both, "backward_rnn") => (both, "_l0_reverse"),
                    _ => (rnn, "_l0"),
                },
                _ => (cell, ""),
            };
            let (module, rows) = (name(rnn), gates.len() * features);
            let rnn = rnn.to_owned();
            self.kinds.insert(module.clone(), kind);
            for (own, shape) in [
                ("weight_ih", &[rows, inputs][..]),
                ("weight_hh", &[rows, features]),
                ("bias_ih", &[rows]),
                ("bias_hh", &[rows]),
            ] {
                self.add(&module, &rnn, &format!("{own}{suffix}"), shape, dtype)?;
            }
            let at = |part: &String| if cell.is_empty() { part.clone() } else { format!("{cell}/{part}") };
            self.taken.extend(of_x.iter().chain(&of_h).map(at));
        }
        Ok(())
    }

    /// Takes a module that is a layer by itself.
    fn layer(&mut self, path: &str, name: &impl Fn(&str) -> String) -> Done {
        let Some(module) = self.modules.remove(path).filter(|_| !self.taken.contains(path)) else {
            return Ok(());
        };
        let called = name(path);
        for (own, tensor) in &module.params {
            let (shape, dtype) = (tensor.shape(), tensor.dtype());
            let renamed = match own.as_str() {
                "kernel" if (2..=5).contains(&shape.len()) => {
                    let shape = kernel(shape, module.shape("bias"));
                    self.add(&called, path, "weight", &shape, dtype)?;
                    continue;
                }
                "bias" if module.shape("kernel").is_some() => {
                    self.add(&called, path, "bias", &[tensor.size()], dtype)?;
                    continue;
                }
                "scale" if shape.len() == 1 => Some("weight"),
                "embedding" if shape.len() == 2 => {
                    self.kinds.insert(called.clone(), Kind::Embedding);
                    Some("weight")
                }
                "negative_slope" if shape.len() < 2 => {
                    self.kinds.insert(called.clone(), Kind::PReLU);
                    self.add(&called, path, "weight", &[tensor.size()], dtype)?;
                    continue;
                }
                "bias" => None,
                _ => {
                    let full = if called.is_empty() { own.clone() } else { format!("{called}.{own}") };
                    self.kept.push(full);
                    None
                }
            };
            self.add(&called, path, renamed.unwrap_or(own), shape, dtype)?;
        }
        for (own, tensor) in &module.statistics {
            self.add(&called, path, &format!("running_{own}"), tensor.shape(), tensor.dtype())?;
        }
        if module.statistics.contains_key("mean") {
            self.add(&called, path, "num_batches_tracked", &[], DType::I64)?;
        }
        Ok(())
    }
}

/// The shape of PyTorch's weight of a kernel; a bias of several axes is that of features of several axes.
fn kernel(shape: &[usize], bias: Option<&[usize]>) -> Vec<usize> {
    let (ends, spatial) = (shape.len() - 2, &shape[..shape.len() - 2]);
    match bias {
        Some(bias) if bias.len() > 1 && shape.ends_with(bias) => {
            let inputs = &shape[..shape.len() - bias.len()];
            vec![bias.iter().product(), inputs.iter().product()]
        }
        _ => [&[shape[ends + 1], shape[ends]], spatial].concat(),
    }
}
