//! Functional cases of activations: `out/<function>` and `grad/<function>` of `in/x`.

use std::collections::BTreeMap;

use flaxen::prelude::*;

use super::functional::{check, check_array, input};
use super::{Stop, Verdict};
use crate::golden::Case;

type Function = Box<dyn Fn(&Tensor) -> Result<Tensor>>;

/// Runs a case of activations.
///
/// # Errors
/// If it does not pass.
pub fn run(case: &Case) -> Verdict {
    for name in case.group("out").into_keys() {
        if let Some(text) = name.strip_prefix("one_hot_") {
            let unsupported = || Stop::Unsupported(format!("the function `{name}`"));
            let (size, axis) = text.split_once("_axis").unwrap_or((text, "-1"));
            let (size, axis) = size.parse().ok().zip(axis.parse::<isize>().ok()).ok_or_else(unsupported)?;
            let found = input(case, "onehot_idx")?.try_one_hot(size, axis, DType::F32)?;
            check_array(case, &format!("out/{name}"), found)?;
            continue;
        }
        let mut options = Options::of(case, &name);
        let f = function(&name, &mut options, case)?;
        options.finish(&name)?;
        check(case, &name, &input(case, "x")?, &f)?;
    }
    Ok(String::new())
}

/// The arguments that a manifest gives to a function, in the words of `expect.suffix_meaning`.
struct Options(BTreeMap<String, String>);

impl Options {
    /// `axis=0, epsilon=1e-2`; a word alone is a flag, and what is no argument has spaces.
    ///
    /// An axis may stand in the name itself: `log_softmax_axis0`.
    fn of(case: &Case, name: &str) -> Options {
        let text = case.expect()["suffix_meaning"][name].as_str().unwrap_or_default();
        let option = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, "True"));
            let value = value.split(' ').next().unwrap_or_default();
            (!name.is_empty() && !name.contains(' ')).then(|| (name.to_owned(), value.to_owned()))
        };
        let axis = name.rsplit_once("_axis").map(|(_, axis)| ("axis".to_owned(), axis.to_owned()));
        let axis = axis.filter(|(_, axis)| axis.parse::<isize>().is_ok());
        Options(axis.into_iter().chain(text.split(',').map(str::trim).filter_map(option)).collect())
    }

    fn number(&mut self, name: &str, default: f64) -> Result<f64, Stop> {
        let Some(text) = self.0.remove(name) else { return Ok(default) };
        text.parse().map_err(|_| Stop::Unsupported(format!("`{name}={text}`")))
    }

    fn axis(&mut self) -> Result<isize, Stop> {
        Ok(self.number("axis", -1.0)? as isize)
    }

    fn flag(&mut self, name: &str, default: bool) -> bool {
        self.0.remove(name).map_or(default, |text| text == "True")
    }

    fn finish(&self, function: &str) -> Result<(), Stop> {
        match self.0.first_key_value() {
            None => Ok(()),
            Some((name, value)) => Err(Stop::Unsupported(format!("`{name}={value}` of `{function}`"))),
        }
    }
}

/// The function whose name a name begins with; what follows only tells cases apart.
fn function(name: &str, options: &mut Options, case: &Case) -> Result<Function, Stop> {
    let has_options = !options.0.is_empty();
    let mut known = name;
    loop {
        if let Some(function) = known_function(known, options, case)? {
            // Without a word about it, what follows may mean anything.
            if known != name && !has_options {
                return Err(Stop::Unsupported(format!("`{name}`, about which nothing is said")));
            }
            return Ok(function);
        }
        known = match known.rsplit_once('_') {
            Some((shorter, _)) => shorter,
            None => return Err(Stop::Unsupported(format!("the function `{name}`"))),
        };
    }
}

fn known_function(name: &str, options: &mut Options, case: &Case) -> Result<Option<Function>, Stop> {
    Ok(Some(match name {
        "relu" => Box::new(Tensor::try_relu),
        "relu6" => Box::new(Tensor::try_relu6),
        "sigmoid" => Box::new(Tensor::try_sigmoid),
        "softplus" => Box::new(Tensor::try_softplus),
        "soft_sign" => Box::new(Tensor::try_soft_sign),
        "silu" => Box::new(Tensor::try_silu),
        "swish" => Box::new(Tensor::try_swish),
        "log_sigmoid" => Box::new(Tensor::try_log_sigmoid),
        "hard_sigmoid" => Box::new(Tensor::try_hard_sigmoid),
        "hard_silu" => Box::new(Tensor::try_hard_silu),
        "hard_swish" => Box::new(Tensor::try_hard_swish),
        "hard_tanh" => Box::new(Tensor::try_hard_tanh),
        "selu" => Box::new(Tensor::try_selu),
        "tanh" => Box::new(Tensor::try_tanh),
        "gelu" if options.flag("approximate", true) => Box::new(Tensor::try_gelu),
        "gelu" => Box::new(Tensor::try_gelu_exact),
        "leaky_relu" => {
            let slope = options.number("negative_slope", 0.01)?;
            Box::new(move |x| x.try_leaky_relu(slope))
        }
        "elu" => {
            let alpha = options.number("alpha", 1.0)?;
            Box::new(move |x| x.try_elu(alpha))
        }
        "celu" => {
            let alpha = options.number("alpha", 1.0)?;
            Box::new(move |x| x.try_celu(alpha))
        }
        "glu" => {
            let axis = options.axis()?;
            Box::new(move |x| x.try_glu(axis))
        }
        "softmax" => {
            let axis = options.axis()?;
            match options.0.remove("where") {
                None => Box::new(move |x| x.try_softmax(axis)),
                Some(key) => {
                    let mask = input(case, key.trim_start_matches("in/"))?;
                    Box::new(move |x| x.try_softmax_where(axis, &mask))
                }
            }
        }
        "log_softmax" => {
            let axis = options.axis()?;
            Box::new(move |x| x.try_log_softmax(axis))
        }
        "logsumexp" => {
            let axis = options.axis()?;
            if options.flag("keepdims", false) {
                Box::new(move |x| x.try_logsumexp_keep(axis))
            } else {
                Box::new(move |x| x.try_logsumexp_axes([axis]))
            }
        }
        "standardize" | "normalize" => {
            let (axis, epsilon) = (options.axis()?, options.number("epsilon", 1e-5)?);
            Box::new(move |x| x.try_standardize(axis, epsilon))
        }
        _ => return Ok(None),
    }))
}
