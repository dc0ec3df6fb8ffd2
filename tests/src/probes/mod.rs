//! Probes: small calls of functions, compared with what the real JAX made of them.
//!
//! `golden/scripts/probes.py` writes a table of them into the folder `jax`: arguments, settings, results, gradients and a
//! second copy of the arguments to map over. Ours have to agree in dtype, shape and value when they are run directly,
//! compiled, mapped and differentiated, unless the table itself says where they do not, and why.

mod settings;

use flaxen::prelude::*;
use num_complex::Complex32;
use serde_json::Value as Json;

pub use settings::Settings;

use crate::backends;
use crate::jax;
use crate::jax_programs::step;

/// How many steps of the coarsest dtype rounding may add up to, unless a probe says more.
const STEPS: f64 = 40.0;

/// A function of probes: the name of ours, its arguments and its settings.
type Function<'f> = dyn Fn(&str, &[Tensor], &Settings<'_>) -> Result<Vec<Tensor>> + 'f;

/// What a function of probes returns for a name that it does not know.
///
/// # Errors
/// Always.
pub fn unknown(name: &str) -> Result<Vec<Tensor>> {
    Err(Error::msg(format!("{UNKNOWN}{name}")))
}

const UNKNOWN: &str = "the test knows no function of the name ";

/// Runs every probe of a table of the folder `jax`, and returns how many there are.
///
/// # Panics
/// With all differences at once; if the table is empty, or gives a reason for what does not differ.
pub fn run(file: &str, ours: impl Fn(&str, &[Tensor], &Settings<'_>) -> Result<Vec<Tensor>>) -> usize {
    let table = jax::table(file.trim_end_matches(".json"));
    let count = list(&table["probes"]).len();
    let failures = failures(&table, &ours);
    assert!(failures.is_empty(), "{} failures of {count} probes\n{}", failures.len(), failures.join("\n"));
    println!("{file}: {count} probes, {} with a reason to differ", list(&table["reasons"]).len());
    count
}

fn failures(table: &Json, ours: &Function<'_>) -> Vec<String> {
    let probes: Vec<Probe<'_>> = list(&table["probes"]).iter().map(Probe).collect();
    let mut failures = vec![];
    if probes.is_empty() {
        failures.push("no probes".to_owned());
    }
    let mut found: Vec<Difference> = probes.iter().flat_map(|probe| probe.differences(ours)).collect();
    for reason in list(&table["reasons"]) {
        let before = found.len();
        found.retain(|difference| {
            reason["probe"] != difference.probe.as_str() || reason["part"] != difference.part
        });
        if found.len() == before {
            failures.push(format!("{}, {}: a reason, but no difference", reason["probe"], reason["part"]));
        }
    }
    failures.extend(found.iter().map(|d| format!("{} ({}): {}", d.probe, d.part, d.what)));
    failures
}

/// Where ours is not what JAX's is.
struct Difference {
    probe: String,
    part: &'static str,
    what: String,
}

struct Probe<'a>(&'a Json);

impl Probe<'_> {
    fn differences(&self, ours: &Function<'_>) -> Vec<Difference> {
        let mut found = vec![];
        let mut note = |part, outcome: Result<Vec<String>>| {
            let whats = outcome.unwrap_or_else(|error| vec![format!("error: {error}")]);
            let probe = self.text("name");
            found.extend(whats.into_iter().map(|what| Difference { probe: probe.clone(), part, what }));
        };
        if self.0.get("raises").is_some() {
            note("values", self.refused(ours));
            return found;
        }
        note("values", self.values(ours));
        if !self.0["grads"].is_null() {
            note("gradient", self.gradients(ours));
            if self.0["jvp"] != false {
                note("jvp", self.forward(ours));
            }
        }
        if !self.0["second"].is_null() {
            note("vmap", self.batch(ours));
        }
        found
    }

    fn call(&self, ours: &Function<'_>, args: &[Tensor]) -> Result<Vec<Tensor>> {
        ours(&self.text("ours"), args, &Settings(&self.0["settings"]))
    }

    fn refused(&self, ours: &Function<'_>) -> Result<Vec<String>> {
        Ok(match self.call(ours, &self.tensors("args")) {
            Err(error) if !error.to_string().contains(UNKNOWN) => vec![],
            Err(error) => return Err(error),
            Ok(_) => vec![format!("JAX raises {}, ours is no error", self.0["raises"])],
        })
    }

    fn values(&self, ours: &Function<'_>) -> Result<Vec<String>> {
        let (args, expected) = (self.tensors("args"), self.tensors("outs"));
        let mut found = self.compare("directly", &self.call(ours, &args)?, &expected, true);
        if self.0["jit"] != false {
            let compiled = backends::compiled(|args: Vec<Tensor>| self.call(ours, &args));
            found.extend(self.compare("under jit", &compiled.call(args)?, &expected, true));
        }
        Ok(found)
    }

    /// The gradient of the loss by the arguments that JAX differentiated by.
    fn grads(&self, ours: &Function<'_>, args: &[Tensor]) -> Result<Vec<Tensor>> {
        grad(|leaves: &Vec<Tensor>| loss(&self.call(ours, &self.with_leaves(args, leaves))?))(
            &self.leaves(args),
        )
    }

    fn by(&self) -> impl Iterator<Item = usize> {
        list(&self.0["by"]).iter().map(|at| at.as_u64().expect("a position") as usize)
    }

    fn leaves(&self, args: &[Tensor]) -> Vec<Tensor> {
        self.by().map(|at| args[at].clone()).collect()
    }

    fn with_leaves(&self, args: &[Tensor], leaves: &[Tensor]) -> Vec<Tensor> {
        let mut args = args.to_vec();
        for (at, leaf) in self.by().zip(leaves) {
            args[at] = leaf.clone();
        }
        args
    }

    fn gradients(&self, ours: &Function<'_>) -> Result<Vec<String>> {
        let (args, expected) = (self.tensors("args"), self.tensors("grads"));
        let mut found = self.compare("grad", &self.grads(ours, &args)?, &expected, false);
        if self.0["jit"] != false {
            let compiled = backends::compiled(|args: Vec<Tensor>| self.grads(ours, &args));
            found.extend(self.compare("jit of grad", &compiled.call(args)?, &expected, false));
        }
        Ok(found)
    }

    /// The derivative of the loss along tangents of 1, 1.5, 2, 2.5, 3, 1, … is what the gradient says.
    fn forward(&self, ours: &Function<'_>) -> Result<Vec<String>> {
        let args = self.tensors("args");
        let leaves = self.leaves(&args);
        if leaves.iter().any(|leaf| !leaf.dtype().is_inexact()) {
            return Ok(vec![]);
        }
        let tangents: Vec<Tensor> = leaves
            .iter()
            .map(|x| {
                let steps: Vec<f32> = (0..x.size()).map(|i| 1.0 + (i % 5) as f32 * 0.5).collect();
                let steps = Tensor::from_vec(steps, x.shape());
                if x.is_complex() { Tensor::complex(&steps, &steps * -0.5) } else { steps.cast(x.dtype()) }
            })
            .collect();
        let of_leaves = |leaves: &Vec<Tensor>| loss(&self.call(ours, &self.with_leaves(&args, leaves))?);
        let (value, along) = jvp(of_leaves, &leaves, &tangents)?;
        // Of what is no number there is no derivative.
        if !value.item::<f64>()?.is_finite() {
            return Ok(vec![]);
        }
        let (mut expected, mut size) = (0.0, 0.0);
        for (tangent, gradient) in tangents.iter().zip(self.tensors("grads")) {
            // A cotangent of a complex number times its tangent counts by its real part.
            let products = wide(tangent)?.into_iter().zip(wide(&gradient)?).enumerate();
            for (i, (t, g)) in products {
                expected += if tangent.is_complex() && i % 2 == 1 { -t * g } else { t * g };
                size += (t * g).abs();
            }
        }
        let along: f64 = along.item()?;
        let near = (along - expected).abs() <= self.tolerance() * (size + 1e-3);
        Ok(if near || !size.is_finite() {
            vec![]
        } else {
            vec![format!("{along}, but grad says {expected}")]
        })
    }

    /// Two copies of the arguments at once give what each gives, and so do their gradients.
    fn batch(&self, ours: &Function<'_>) -> Result<Vec<String>> {
        let first = self.tensors("args");
        let mapped: Vec<Option<Tensor>> =
            list(&self.0["second"]).iter().map(|json| json.as_str().map(tensor)).collect();
        let axes: Vec<Option<isize>> = mapped.iter().map(|other| other.as_ref().map(|_| 0)).collect();
        let second: Vec<Tensor> =
            first.iter().zip(mapped).map(|(x, other)| other.unwrap_or_else(|| x.clone())).collect();
        let both: Vec<Tensor> =
            std::iter::zip(&first, &second)
                .zip(&axes)
                .map(|((x, y), axis)| {
                    if axis.is_some() { Tensor::try_stack(&[x.clone(), y.clone()], 0) } else { Ok(x.clone()) }
                })
                .collect::<Result<_>>()?;
        let mut found = vec![];
        let mut check = |way: &str, outs: &[Tensor], at: usize, expected: &[Tensor], is_value: bool| {
            let one: Result<Vec<Tensor>> = outs.iter().map(|out| out.try_take(at as i32, 0)).collect();
            found.extend(self.compare(&format!("{way}, {at}"), &one?, expected, is_value));
            Ok::<(), Error>(())
        };
        let each = |args: Vec<Tensor>| {
            vmap(|args: Vec<Tensor>| self.call(ours, &args)).in_axes(axes.clone()).call(args)
        };
        let outs = each(both.clone())?;
        check("vmap", &outs, 0, &self.tensors("outs"), true)?;
        check("vmap", &outs, 1, &self.tensors("second_outs"), true)?;
        if self.0["jit"] != false {
            let outs = backends::compiled(each).call(both.clone())?;
            check("jit of vmap", &outs, 0, &self.tensors("outs"), true)?;
            check("jit of vmap", &outs, 1, &self.tensors("second_outs"), true)?;
        }
        if !self.0["grads"].is_null() {
            let each = vmap(|args: Vec<Tensor>| self.grads(ours, &args)).in_axes(axes.clone());
            let grads = each.call(both)?;
            check("vmap of grad", &grads, 0, &self.tensors("grads"), false)?;
            check("vmap of grad", &grads, 1, &self.grads(ours, &second)?, false)?;
        }
        Ok(found)
    }

    fn compare(&self, way: &str, ours: &[Tensor], theirs: &[Tensor], is_value: bool) -> Vec<String> {
        if ours.len() != theirs.len() {
            return vec![format!("{way}: JAX has {} results, ours {}", theirs.len(), ours.len())];
        }
        let pairs = ours.iter().zip(theirs).enumerate();
        pairs
            .filter_map(|(i, (ours, theirs))| {
                Some(format!("{way}, {i}: {}", self.difference(ours, theirs, is_value)?))
            })
            .collect()
    }

    fn difference(&self, ours: &Tensor, theirs: &Tensor, is_value: bool) -> Option<String> {
        if ours.dtype() != theirs.dtype() || ours.shape() != theirs.shape() {
            return Some(format!("JAX has {}, ours is {}", theirs.aval(), ours.aval()));
        }
        if !ours.dtype().is_inexact() || (self.0["exact"] == true && is_value) {
            let (a, b) = (jax::bits(ours), jax::bits(theirs));
            let nans = if ours.dtype().is_float() { (nans(ours), nans(theirs)) } else { Default::default() };
            let same = |i: usize| a[i] == b[i] || (nans.0.get(i) == Some(&true) && nans.1[i]);
            let at = (0..a.len()).find(|&i| !same(i))?;
            return Some(format!("at {at}: JAX has bits {:x}, ours are {:x}", b[at], a[at]));
        }
        let (a, b) = (wide(ours).expect("values"), wide(theirs).expect("values"));
        let tolerance = self.tolerance();
        let largest = b.iter().filter(|b| b.is_finite()).fold(0f64, |largest, b| largest.max(b.abs()));
        let signs = is_value && self.0["signs"] != false;
        let same = |a: f64, b: f64| {
            if a == 0.0 && b == 0.0 {
                return !signs || a.is_sign_negative() == b.is_sign_negative();
            }
            let near = (a - b).abs() <= tolerance * (b.abs() + largest * 0.25);
            a == b || (a.is_nan() && b.is_nan()) || (a.is_finite() && b.is_finite() && near)
        };
        let at = (0..a.len()).find(|&i| !same(a[i], b[i]))?;
        Some(format!("at {at}: JAX has {:?}, ours is {:?} (all of JAX {b:?}, of ours {a:?})", b[at], a[at]))
    }

    /// Relative: errors of a coarse dtype grow through the others.
    fn tolerance(&self) -> f64 {
        self.0["tolerance"].as_f64().unwrap_or_else(|| {
            let all = self.tensors("args").into_iter().chain(self.tensors("outs"));
            all.map(|x| step(x.dtype())).fold(step(DType::F32), f64::max) * STEPS
        })
    }

    fn text(&self, key: &str) -> String {
        self.0[key].as_str().unwrap_or_else(|| panic!("{key} is no text")).to_owned()
    }

    fn tensors(&self, key: &str) -> Vec<Tensor> {
        list(&self.0[key]).iter().map(|json| tensor(json.as_str().expect("an array"))).collect()
    }
}

/// The elements of all results that have gradients, weighted as the script does, summed.
fn loss(outs: &[Tensor]) -> Result<Tensor> {
    let mut total = Tensor::from(0.0f32);
    for (k, out) in outs.iter().enumerate().filter(|(_, out)| out.dtype().is_inexact()) {
        let weights: Vec<f32> = (0..out.size()).map(|i| 1.0 + ((i + k) % 7) as f32 * 0.25).collect();
        let weights = Tensor::try_from_vec(weights, out.shape())?;
        let real = out.try_real()?;
        let weighted = real.try_cast(real.dtype().promote(DType::F32))?.try_mul(&weights)?;
        total = total.try_add(weighted.try_sum()?)?;
        if out.is_complex() {
            total = total.try_add(out.try_imag()?.try_mul(weights.try_mul(0.5)?)?.try_sum()?)?;
        }
    }
    Ok(total)
}

/// The elements, of complex numbers both parts one after the other.
fn wide(x: &Tensor) -> Result<Vec<f64>> {
    if x.is_complex() {
        let parts = x.to_vec::<Complex32>()?.into_iter().flat_map(|x| [x.re.into(), x.im.into()]);
        return Ok(parts.collect());
    }
    x.try_cast(DType::F64)?.to_vec::<f64>()
}

fn nans(x: &Tensor) -> Vec<bool> {
    wide(x).expect("values").into_iter().map(f64::is_nan).collect()
}

/// The array of a text like `f32[2,3] 3f800000 0 …`.
fn tensor(text: &str) -> Tensor {
    let mut words = text.split_ascii_whitespace();
    let head = words.next().expect("a dtype and a shape");
    let (dtype, shape) = head.trim_end_matches(']').split_once('[').expect("a shape");
    let shape: Vec<usize> =
        shape.split(',').filter(|size| !size.is_empty()).map(|size| size.parse().expect("a size")).collect();
    jax::from_words(words, jax::dtype(dtype), &shape)
}

fn list(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
