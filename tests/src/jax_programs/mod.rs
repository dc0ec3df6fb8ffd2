//! Random programs that the real JAX ran, from the table `jax/programs.json`: what it computed, and how ours is compared with it.
//!
//! A program is a list of nodes, each an operation of inputs and of nodes before it. `golden/scripts/random_programs.py` makes
//! them, and writes values, gradients and batches of what JAX made of them.

mod compare;
mod elementwise;
mod operations;

use flaxen::core::Backend;
use flaxen::prelude::*;
use serde_json::Value as Json;

pub use compare::difference;
pub(crate) use compare::step;
pub use operations::Node;

use crate::backends;
use crate::jax;

/// A program with what JAX computed.
pub struct JaxProgram {
    json: Json,
    inputs: Vec<Tensor>,
    differentiated: Vec<usize>,
}

/// A batch of a program's inputs.
struct Batch {
    inputs: Vec<Tensor>,
    axes: Vec<Option<isize>>,
    out_axis: isize,
}

impl JaxProgram {
    /// All of the table.
    ///
    /// # Panics
    /// If the table is not what the script writes.
    pub fn all() -> Vec<JaxProgram> {
        let Json::Array(programs) = jax::table("programs") else { panic!("the table is no list") };
        programs.into_iter().map(JaxProgram::new).collect()
    }

    fn new(json: Json) -> JaxProgram {
        let inputs = list(&json["inputs"]).iter().map(tensor).collect();
        let differentiated = numbers(&json["diff"]);
        JaxProgram { json, inputs, differentiated }
    }

    /// Its operations, in order.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        list(&self.json["nodes"]).iter().map(Node)
    }

    /// What every node computes, from inputs like the program's own.
    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut values = inputs.to_vec();
        for node in self.nodes() {
            let arguments: Vec<Tensor> = node.arguments().into_iter().map(|i| values[i].clone()).collect();
            values.push(node.run(&arguments)?);
        }
        Ok(values.split_off(inputs.len()))
    }

    fn last(&self, inputs: &[Tensor]) -> Result<Tensor> {
        Ok(self.run(inputs)?.pop().expect("a program has a node"))
    }

    /// The last node as a number to differentiate: its elements, weighted differently, summed.
    fn loss(&self, inputs: &[Tensor], leaves: &[Tensor]) -> Result<Tensor> {
        let mut inputs = inputs.to_vec();
        for (&at, leaf) in self.differentiated.iter().zip(leaves) {
            inputs[at] = leaf.clone();
        }
        let out = self.last(&inputs)?;
        let weights: Vec<f32> = (0..out.size()).map(|i| 1.0 + (i % 7) as f32 * 0.25).collect();
        out.try_cast(DType::F32)?.try_mul(Tensor::try_from_vec(weights, out.shape())?)?.try_sum()
    }

    fn grads(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        grad(|leaves: &Vec<Tensor>| self.loss(inputs, leaves))(&self.leaves(inputs))
    }

    fn leaves(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        self.differentiated.iter().map(|&at| inputs[at].clone()).collect()
    }

    /// The derivative along tangents that count 1, 1.5, 2, 2.5, 3, 1, ….
    fn tangent(&self) -> Result<Tensor> {
        let leaves = self.leaves(&self.inputs);
        let tangents: Vec<Tensor> = leaves
            .iter()
            .map(|x| {
                let steps: Vec<f32> = (0..x.size()).map(|i| 1.0 + (i % 5) as f32 * 0.5).collect();
                Tensor::from_vec(steps, x.shape()).cast(x.dtype())
            })
            .collect();
        let of_leaves = |leaves: &Vec<Tensor>| {
            let mut inputs = self.inputs.clone();
            for (&at, leaf) in self.differentiated.iter().zip(leaves) {
                inputs[at] = leaf.clone();
            }
            self.last(&inputs)
        };
        Ok(jvp(of_leaves, &leaves, &tangents)?.1)
    }

    fn batch(&self) -> Option<Batch> {
        let json = self.json.get("vmap").filter(|json| !json.is_null())?;
        let inputs = list(&json["inputs"]).iter().map(tensor).collect();
        let axes = list(&json["axes"]).iter().map(|axis| axis.as_i64().map(|axis| axis as isize)).collect();
        let out_axis = json["out"].as_i64().expect("an axis") as isize;
        Some(Batch { inputs, axes, out_axis })
    }

    /// Where ours differ from JAX's values in one of the ways to run a program, or nothing.
    ///
    /// # Errors
    /// If ours fails.
    pub fn differences(&self) -> Result<Vec<String>> {
        let mut found = vec![];
        let mut compare = |way: &str, ours: &[Tensor], key: &str, of: &Json| {
            found.extend(self.compare(way, ours, key, of));
        };
        compare("eager", &self.run(&self.inputs)?, "results", &self.json);
        let staged = jit(|inputs: Vec<Tensor>| self.run(&inputs));
        compare("jit", &staged.call(self.inputs.clone())?, "results", &self.json);
        if !self.json["grad"].is_null() {
            compare("grad", &self.grads(&self.inputs)?, "grad", &self.json);
            let staged = jit(|inputs: Vec<Tensor>| self.grads(&inputs));
            compare("jit of grad", &staged.call(self.inputs.clone())?, "grad", &self.json);
        }
        if !self.json["jvp"].is_null() {
            compare("jvp", &[self.tangent()?], "jvp", &self.json);
        }
        if let Some(Batch { inputs, axes, out_axis }) = self.batch() {
            let of = &self.json["vmap"];
            let mapped = |inputs: Vec<Tensor>| {
                let each = vmap(|inputs: Vec<Tensor>| self.last(&inputs));
                each.in_axes(axes.clone()).out_axes(out_axis).call(inputs)
            };
            compare("vmap", &[mapped(inputs.clone())?], "result", of);
            compare("jit of vmap", &[jit(mapped).call(inputs.clone())?], "result", of);
            if !of["grad"].is_null() {
                let mapped =
                    vmap(|inputs: Vec<Tensor>| self.grads(&inputs)).in_axes(axes.clone()).call(inputs)?;
                compare("vmap of grad", &mapped, "grad", of);
            }
        }
        Ok(found)
    }

    /// The same for what a backend makes of values, gradients and batches.
    ///
    /// # Errors
    /// If ours fails.
    pub fn differences_on(&self, backend: &'static dyn Backend) -> Result<Vec<String>> {
        let run = |inputs: Vec<Tensor>| self.run(&inputs);
        let values = backends::run(Some(backend), run, self.inputs.clone())?;
        let mut found = self.compare("jit", &values, "results", &self.json);
        if !self.json["grad"].is_null() {
            let grads = |inputs: Vec<Tensor>| self.grads(&inputs);
            let grads = backends::run(Some(backend), grads, self.inputs.clone())?;
            found.extend(self.compare("grad", &grads, "grad", &self.json));
        }
        if let Some(Batch { inputs, axes, out_axis }) = self.batch() {
            let mapped = |inputs: Vec<Tensor>| {
                let each = vmap(|inputs: Vec<Tensor>| self.last(&inputs));
                each.in_axes(axes.clone()).out_axes(out_axis).call(inputs)
            };
            let whole = backends::run(Some(backend), mapped, inputs)?;
            found.extend(self.compare("vmap", &[whole], "result", &self.json["vmap"]));
        }
        Ok(found)
    }

    fn compare(&self, way: &str, ours: &[Tensor], key: &str, of: &Json) -> Vec<String> {
        let theirs = match &of[key] {
            Json::Null => return vec![],
            Json::Array(all) => all.iter().collect(),
            one => vec![one],
        };
        assert_eq!(ours.len(), theirs.len(), "{way} of {self}");
        let mut found = vec![];
        for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            if let Some(difference) = difference(ours, &tensor(theirs), self.precision()) {
                found.push(format!("{way}, {i}: {difference}\n    {self}"));
            }
        }
        found
    }

    /// The coarsest step of all dtypes that the program computes in: errors of one grow through the others.
    fn precision(&self) -> f64 {
        let given = list(&self.json["inputs"]).iter().chain(list(&self.json["results"]));
        let named = given.filter_map(|value| value["dtype"].as_str()).map(str::to_owned);
        let cast = self.nodes().filter_map(|node| node.dtype_name().map(str::to_owned));
        named
            .chain(cast)
            .map(|name| compare::step(jax::dtype(&name)))
            .fold(compare::step(DType::F32), f64::max)
    }
}

impl std::fmt::Display for JaxProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inputs: Vec<String> = self.inputs.iter().map(|x| x.aval().to_string()).collect();
        write!(f, "program {} of {}: {}", self.json["id"], inputs.join(", "), self.json["nodes"])
    }
}

fn tensor(json: &Json) -> Tensor {
    let dtype = jax::dtype(json["dtype"].as_str().expect("a dtype"));
    jax::from_bits(list(&json["bits"]), dtype, &numbers(&json["shape"]))
}

fn list(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}

fn numbers(json: &Json) -> Vec<usize> {
    list(json).iter().map(|number| number.as_u64().expect("a number") as usize).collect()
}
