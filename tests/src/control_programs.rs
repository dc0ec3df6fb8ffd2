//! Random programs of loops and branches that the real JAX ran, from the table `jax/control.json`, which
//! `golden/scripts/control_programs.py` writes and describes.

use flaxen::checkpoint::Policy;
use flaxen::prelude::*;
use flaxen::{associative_scan, map};
use serde_json::Value as Json;

use crate::jax;
use crate::jax_programs::difference;

/// Rounding of derivatives of derivatives through loops, in steps of the last place.
const STEP: f64 = f32::EPSILON as f64 * 4.0;

/// A program with what JAX computed.
pub struct ControlProgram(Json);

/// Two vectors and a sequence of vectors.
type Inputs = (Tensor, Tensor, Tensor);

impl ControlProgram {
    /// All of the table.
    ///
    /// # Panics
    /// If the table is not what the script writes.
    pub fn all() -> Vec<ControlProgram> {
        let Json::Array(programs) = jax::table("control") else { panic!("the table is no list") };
        programs.into_iter().map(ControlProgram).collect()
    }

    /// How often each statement occurs, by name.
    pub fn count(&self, name: &str) -> usize {
        self.0["block"].to_string().matches(&format!("\"op\":\"{name}\"")).count()
    }

    fn run(&self, (a, b, xs): &Inputs) -> Result<Tensor> {
        let (mut v, mut s) = (vec![a.clone(), b.clone()], vec![xs.clone()]);
        let block = &self.0["block"];
        for t in list(&block["do"]) {
            statement(t, &mut v, &mut s)?;
        }
        let last = s[s.len() - 1].tanh().sum_axes([0]);
        Ok(list(&block["out"]).iter().fold(last, |sum, i| sum + &v[index(i)]))
    }

    fn slopes(&self, inputs: &Inputs) -> Result<Inputs> {
        let weights = Tensor::from([1.0f32, 1.25, 1.5]);
        grad(|inputs: &Inputs| Ok((self.run(inputs)? * &weights).sum()))(inputs)
    }

    /// The gradient of a function of the gradient.
    fn second(&self, inputs: &Inputs) -> Result<Inputs> {
        grad(|inputs: &Inputs| {
            let (a, b, c) = self.slopes(inputs)?;
            Ok(a.sin().sum() + b.sin().sum() + c.sin().sum())
        })(inputs)
    }

    /// Where ours differ from JAX's values in one of the ways to run the program, or nothing.
    ///
    /// # Errors
    /// If ours fails.
    pub fn differences(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut compare = |way: &str, ours: Vec<Tensor>, key: &str| {
            for (ours, theirs) in ours.iter().zip(list(&self.0[key])) {
                let theirs = tensor(theirs, ours.shape());
                if let Some(difference) = difference(ours, &theirs, STEP) {
                    found.push(format!("{way}, {key}: {difference}\n    {}", self.0["block"]));
                }
            }
        };
        let split = |(a, b, c): Inputs| vec![a, b, c];
        let shapes: [&[usize]; 3] = [&[3], &[3], &[4, 3]];
        let inputs = three(&self.0["inputs"], shapes.map(<[usize]>::to_vec));
        let tangents = three(&self.0["tangents"], shapes.map(<[usize]>::to_vec));
        let tangent = |(p, t): (Inputs, Inputs)| Ok(jvp(|p: &Inputs| self.run(p), &p, &t)?.1);
        compare("eager", vec![self.run(&inputs)?], "value");
        compare("jit", vec![jit(|p: Inputs| self.run(&p)).call(inputs.clone())?], "value");
        compare("eager", split(self.slopes(&inputs)?), "grad");
        compare("jit", split(jit(|p: Inputs| self.slopes(&p)).call(inputs.clone())?), "grad");
        let compiled = jit(|p: Inputs| self.run(&p));
        let weights = Tensor::from([1.0f32, 1.25, 1.5]);
        let of_compiled = grad(|p: &Inputs| Ok((compiled.call(p.clone())? * &weights).sum()))(&inputs)?;
        compare("grad of jit", split(of_compiled), "grad");
        compare("eager", split(self.second(&inputs)?), "second");
        compare("jit", split(jit(|p: Inputs| self.second(&p)).call(inputs.clone())?), "second");
        compare("eager", vec![tangent((inputs.clone(), tangents.clone()))?], "tangent");
        compare("jit", vec![jit(tangent).call((inputs, tangents))?], "tangent");

        let axes: Vec<Option<isize>> =
            list(&self.0["axes"]).iter().map(|axis| axis.as_i64().map(|axis| axis as isize)).collect();
        let axes = (axes[0], axes[1], axes[2]);
        let whole = |shape: &[usize], axis: Option<isize>| [&[3][axis.map_or(1, |_| 0)..], shape].concat();
        let shapes = [whole(shapes[0], axes.0), whole(shapes[1], axes.1), whole(shapes[2], axes.2)];
        let batch = three(&self.0["batch"], shapes);
        let values = |batch: Inputs| vmap(|p: Inputs| self.run(&p)).in_axes(axes).call(batch);
        let grads = |batch: Inputs| vmap(|p: Inputs| self.slopes(&p)).in_axes(axes).call(batch);
        compare("vmap", vec![values(batch.clone())?], "values");
        compare("jit of vmap", vec![jit(values).call(batch.clone())?], "values");
        compare("vmap", split(grads(batch.clone())?), "grads");
        compare("jit of vmap", split(jit(grads).call(batch)?), "grads");
        Ok(found)
    }
}

/// The vectors that a block returns, from those in scope and the sequences.
fn run(block: &Json, v: &[Tensor], s: &[Tensor]) -> Result<Vec<Tensor>> {
    let (mut v, mut s) = (v.to_vec(), s.to_vec());
    for t in list(&block["do"]) {
        statement(t, &mut v, &mut s)?;
    }
    Ok(list(&block["out"]).iter().map(|i| v[index(i)].clone()).collect())
}

fn with(v: &[Tensor], more: impl IntoIterator<Item = Tensor>) -> Vec<Tensor> {
    v.iter().cloned().chain(more).collect()
}

/// The first vector that a block returns.
fn first(block: &Json, v: &[Tensor], s: &[Tensor]) -> Result<Tensor> {
    Ok(run(block, v, s)?.swap_remove(0))
}

/// Appends what a statement makes.
#[allow(clippy::too_many_lines)]
fn statement(t: &Json, v: &mut Vec<Tensor>, s: &mut Vec<Tensor>) -> Result<()> {
    let (vector, carry) = (
        |key: &str| v[index(&t[key])].clone(),
        || list(&t["carry"]).iter().map(|i| v[index(i)].clone()).collect::<Vec<_>>(),
    );
    let number = |key: &str| t[key].as_f64().expect("a number");
    let body = &t["body"];
    let sequence = |key: &str| s[index(&t[key])].clone();
    let mut sequences = Vec::new();
    let vectors = match t["op"].as_str().expect("an operation") {
        "sin" => vec![vector("a").sin()],
        "cos" => vec![vector("a").cos()],
        "tanh" => vec![vector("a").tanh()],
        "add" => vec![vector("a") + vector("b")],
        "sub" => vec![vector("a") - vector("b")],
        "mul" => vec![vector("a") * vector("b")],
        "scale" => vec![vector("a") * number("by")],
        "last" => vec![sequence("a").get(-1)],
        "scan" => {
            let step = |c: Vec<Tensor>, x: Tensor| {
                let mut out = run(body, &with(v, c.into_iter().chain([x])), s)?;
                let y = out.pop().expect("a result beside the carry");
                Ok((out, y))
            };
            let steps = scan(step).unroll(index(&t["unroll"]));
            let steps = if t["reverse"] == true { steps.reverse() } else { steps };
            let (last, ys) = steps.call(carry(), sequence("xs"))?;
            sequences.push(ys);
            last
        }
        "fori" => {
            let step = |i: Tensor, c: Vec<Tensor>| {
                let i = Tensor::full([3], 0.25) * i;
                run(body, &with(v, c.into_iter().chain([i])), s)
            };
            let bound = |key: &str| t[key].as_i64().expect("a bound");
            fori_loop(bound("from")..bound("to"), step)(carry())?
        }
        "while" => {
            let still = |all: &[Tensor]| all.iter().map(Tensor::stop_gradient).collect::<Vec<_>>();
            let (w, r) = (still(v), still(s));
            let below = number("below");
            let (n, x) = while_loop(
                |(n, x): &(Tensor, Tensor)| Ok(x.abs().sum().lt(below) & n.lt(5)),
                |(n, x): (Tensor, Tensor)| Ok((n + 1, first(body, &with(&w, [x]), &r)? * 1.5 + 0.1)),
            )((Tensor::from(0), w[index(&t["a"])].clone()))?;
            vec![x + n.cast(DType::F32) * 0.125]
        }
        "cond" => {
            let above = vector("a").sum().gt(number("above"));
            let then = |w: Vec<Tensor>| run(&t["then"], &w, s);
            cond(&above, then, |w: Vec<Tensor>| run(&t["else"], &w, s))(v.clone())?
        }
        "switch" => {
            let at = (vector("a").sum() * 2.0).floor().cast(DType::I32);
            let branches: Vec<_> =
                list(&t["branches"]).iter().map(|branch| |w: Vec<Tensor>| run(branch, &w, s)).collect();
            switch(&at, branches)(v.clone())?
        }
        "checkpoint" => {
            let f = checkpoint(|w: &Vec<Tensor>| run(body, w, s)).policy(policy(t));
            f.call(v)?
        }
        "vmap" => {
            sequences.push(vmap(|x: Tensor| first(body, &with(v, [x]), s)).call(sequence("xs"))?);
            vec![]
        }
        "map" => {
            let f = map(|x: Tensor| first(body, &with(v, [x]), s));
            let f = if t["batch"].is_null() { f } else { f.batch_size(index(&t["batch"])) };
            sequences.push(f.call(sequence("xs"))?);
            vec![]
        }
        "associative" => {
            let compose = |a: (Tensor, Tensor), b: (Tensor, Tensor)| Ok((&a.0 * &b.0, a.1 * &b.0 + b.1));
            let f = associative_scan(compose);
            let f = if t["reverse"] == true { f.reverse() } else { f };
            sequences.push(f.call((sequence("xs").tanh(), sequence("ys")))?.1);
            vec![]
        }
        "grad" => vec![grad(|x: &Tensor| Ok(first(body, &with(v, [x.clone()]), s)?.sum()))(&vector("a"))?],
        other => panic!("no statement is called {other}"),
    };
    v.extend(vectors);
    s.extend(sequences);
    Ok(())
}

fn policy(t: &Json) -> Policy {
    match t["policy"].as_str() {
        Some("nothing") => checkpoint::nothing(),
        Some("everything") => checkpoint::everything(),
        Some("dots") => checkpoint::dots(),
        other => panic!("no policy is called {other:?}"),
    }
}

fn list(json: &Json) -> &[Json] {
    json.as_array().unwrap_or_else(|| panic!("{json} is no list"))
}

fn index(json: &Json) -> usize {
    json.as_u64().unwrap_or_else(|| panic!("{json} is no index")) as usize
}

fn tensor(json: &Json, shape: &[usize]) -> Tensor {
    let numbers: Vec<f32> = list(json).iter().map(|x| x.as_f64().expect("a number") as f32).collect();
    Tensor::from_vec(numbers, shape)
}

fn three(json: &Json, shapes: [Vec<usize>; 3]) -> Inputs {
    let [a, b, c] = shapes;
    (tensor(&json[0], &a), tensor(&json[1], &b), tensor(&json[2], &c))
}
