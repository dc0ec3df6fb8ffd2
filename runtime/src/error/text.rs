//! The texts of errors: what was expected, what was found and what to do.

use std::fmt;

use super::Error;
use super::near::nearest;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Shape { op, found, expected } | Error::DType { op, found, expected } => {
                write!(f, "`{op}` expects {expected}, found {found}")
            }
            Error::Argument { op, message } => write!(f, "`{op}`: {message}"),
            Error::OutOfMemory { op, shape, bytes } => write!(
                f,
                "`{op}`: there is no memory for {bytes} bytes on the way to {shape}: use smaller shapes, batches or a \
                 narrower dtype, or drop what is not needed any more"
            ),
            Error::Leaked { transform } => write!(
                f,
                "a value traced by `{transform}` was used after `{transform}` returned: return it from the \
                 transformed function instead of storing it elsewhere"
            ),
            Error::UnboundAxis { axis, bound } if bound.is_empty() => {
                write!(f, "no axis named `{axis}` here: call through `vmap(..).axis_name(\"{axis}\")`")
            }
            Error::UnboundAxis { axis, bound } => write!(
                f,
                "no axis named `{axis}` here, the named axes are {bound:?}: use one of them, or call through \
                 `vmap(..).axis_name(\"{axis}\")`"
            ),
            Error::Concrete { transform: "vmap", shape } => write!(
                f,
                "the elements of a value of shape {shape:?} were asked for under `vmap`, where they differ between \
                 examples: use `select`, or return the value and look at it outside"
            ),
            Error::Concrete { transform, shape } => write!(
                f,
                "the elements of a value of shape {shape:?} were asked for while `{transform}` traces: they exist only \
                 when the compiled function runs; use `select`, or move this code out of `{transform}`"
            ),
            Error::Abstract { shape } => write!(
                f,
                "the elements of a value of shape {shape:?} from `eval_shape` were asked for: it has only a shape and a \
                 dtype; call the function itself to have values"
            ),
            Error::NotScalar { shape, dtype } if shape.is_empty() => {
                write!(
                    f,
                    "`grad` needs a loss of a float dtype, found {dtype}: cast it, or differentiate another output"
                )
            }
            Error::NotScalar { shape, .. } => {
                write!(
                    f,
                    "`grad` needs a scalar loss, found shape {shape:?}: add `.mean()` or `.sum()`, which are over all axes"
                )
            }
            Error::ElementType { found, asked } => {
                write!(f, "a tensor of {found} was read as {asked}: cast it first, or ask for its own type")
            }
            Error::NotOneElement { shape } => {
                write!(f, "`item` needs exactly one element, found shape {shape:?}")
            }
            Error::AxisSize { found } if found.is_empty() => {
                f.write_str("`vmap` maps no argument: give `in_axes` an axis, or say `axis_size`")
            }
            Error::AxisSize { found } => {
                write!(f, "`vmap` needs one size for all mapped axes, found {found:?}")
            }
            Error::MappedOutput { path, axis } => write!(
                f,
                "output{}{path} of `vmap` has `out_axes` None but differs between examples: average it first with \
                 `pmean(\"{}\")` or give it an axis",
                if path.is_empty() { "" } else { " " },
                axis.as_deref().unwrap_or("…")
            ),
            Error::NotDifferentiable { op, message } if message.is_empty() => {
                write!(f, "`{op}` has no gradient")
            }
            Error::NotDifferentiable { op, message } => write!(f, "`{op}` has no gradient: {message}"),
            Error::Structure { context, message } => write!(f, "{context}: {message}"),
            Error::KeyNotFound { path, parent, available } => {
                let inside =
                    if parent.is_empty() { "at the top".to_owned() } else { format!("in `{parent}`") };
                let last = path.strip_prefix(&format!("{parent}/")).unwrap_or(path).split('/').next();
                let meant = last.and_then(|name| nearest(name, available.iter().map(String::as_str)));
                let meant = meant.map(|name| format!("; was `{name}` meant?")).unwrap_or_default();
                write!(f, "there is no `{path}`: {inside} there is {}{meant}", list(available))
            }
            Error::CollectionNotFound { collection, name, path, available } => write!(
                f,
                "no `{name}` in `{path}`: the collection `{collection}` is empty, and there is {}{}; pass it in the variables, or \
                 make it with `init`, or `.mutable(\"{collection}\")`{}",
                list(available),
                meant(collection, available),
                lifted(
                    path,
                    &format!(
                        "name the collection, as in `.axis(\"{collection}\", 0)` or `.share(\"{collection}\")`"
                    )
                )
            ),
            Error::ParamNotFound { name, path, available } => write!(
                f,
                "no parameter `{name}` in `{path}`: there is {}; the variables are those of another model, or \
                 incomplete",
                list(available)
            ),
            Error::VariableNotFound { collection, name, path } => write!(
                f,
                "no variable `{name}` of `{collection}` in `{path}`: pass it in the variables, or make it with `init`, \
                 or `.mutable(\"{collection}\")`"
            ),
            Error::ParamShape { name, path, found, expected } => write!(
                f,
                "the parameter `{name}` in `{path}` has shape {found}, but its initializer makes {expected}: the \
                 variables are those of another model, or the input has another shape than at `init`"
            ),
            Error::Immutable { collection, name, path, mutable } => write!(
                f,
                "`{name}` in `{path}` cannot be updated, as the collection `{collection}` is immutable{}: run with \
                 `.mutable(\"{collection}\")`, which returns the updates",
                match &mutable[..] {
                    [] => String::new(),
                    _ => format!(" ({} is mutable{})", list(mutable), meant(collection, mutable)),
                }
            ),
            Error::NameInUse { kind, name, path } => write!(
                f,
                "the {kind} `{name}` cannot be made in `{path}`: the name is in use; give another one, or keep what \
                 was made first and use it again"
            ),
            Error::MissingRng { stream, path, available } => write!(
                f,
                "`{path}` needs random numbers of the stream `{stream}`, the run has {}: pass a key, as in \
                 `.rngs(Rngs::none().with(\"{stream}\", key))`{}",
                list(available),
                lifted(
                    path,
                    &format!("name the stream, as in `.split(\"{stream}\")` or `.share(\"{stream}\")`")
                )
            ),
            Error::InvalidScope { path } => write!(
                f,
                "the scope `{path}` was used after the `init` or `apply` it belongs to had returned: use it inside, or \
                 make a module that stays bound with `bind`"
            ),
            Error::TraceLevel { path, action } => write!(
                f,
                "`{path}` {action} under a transform that was entered inside the model: lift the transform, as in \
                 `lift::vmap(self, |m, x| ..)`, `lift::grad(self, ..)` or `lift::jit(self, ..)`, and use the module that its \
                 function is given; do so before the transform, whose function may use the tensors; or start the run inside \
                 the transform, as in \
                 `grad(|params| model.apply(..).call(..))`"
            ),
            Error::PerturbationNotFound { collection, name, path } => write!(
                f,
                "no perturbation `{name}` of `{collection}` in `{path}`: pass the perturbations that `init` returned, \
                 or leave the collection out"
            ),
            Error::Unbound { module, action } => write!(
                f,
                "`{module}` {action}, but is part of no running model: put `#[compact]` on the method that builds it; if that is \
                 there, call it where it is built, as the receiver itself (not an argument, nor behind an index or a field), or \
                 pass it to `self.child(..)` before; otherwise keep it in a `#[submodule]` or `#[setup]` field, or run it with `init`, \
                 `apply` or `bind`"
            ),
            Error::NotCompact { module, path, made } => write!(
                f,
                "`{module}` in `{path}` makes {made} in a plain method: mark the method `#[compact]`, or make it in a \
                 `#[setup(..)]` field"
            ),
            Error::AxisMetadata { path, message } if path.is_empty() => write!(f, "a box: {message}"),
            Error::AxisMetadata { path, message } => write!(f, "the box `{path}`: {message}"),
            Error::LazyInit { variables } => write!(
                f,
                "lazy initialisation needs the values of the inputs for {}: use `init` with real inputs",
                list(variables)
            ),
            Error::Interceptor { method, message } => write!(f, "an interceptor of `{method}`: {message}"),
            Error::InModule { path, module, error } => write!(f, "in `{path}` ({module}): {error}"),
            Error::At { location, error } => write!(f, "{error} (staged at {location})"),
            Error::Placement { op, tensor, found, expected } => write!(
                f,
                "`{op}` runs on {expected}, but {tensor} is on {found}: move it with `to_device` or `to_host`, or compute where \
                 it is, with `jit(..).on(&device)`"
            ),
            Error::Device { device, action, code, message } => {
                write!(f, "{device} cannot {action}: {message} ({code})")?;
                if *code == "RESOURCE_EXHAUSTED" {
                    f.write_str(": use smaller shapes, batches or a narrower dtype, or drop what is not needed any more")?;
                }
                Ok(())
            }
            Error::File { path, message } => write!(f, "`{path}`: {message}"),
            Error::RankFailed { rank, error } => write!(f, "rank {rank} failed: {error}"),
            Error::RanksMissing { ranks, op, seconds } => write!(
                f,
                "`{op}`: {} did not come within {seconds} s: see whether it still runs, and does the same steps; \
                 `World::limit` sets how long to wait",
                numbers(ranks)
            ),
            Error::RanksDiffer { ranks, message } => write!(f, "{} differs: {message}", numbers(ranks)),
            Error::InvalidVariables { message }
            | Error::InvalidRng { message }
            | Error::Other { message, .. } => f.write_str(message),
        }
    }
}

/// Names as text, for messages.
/// That a name that is there is nearly the one that is not.
fn meant(missing: &str, available: &[String]) -> String {
    let near = nearest(missing, available.iter().map(String::as_str));
    near.map(|name| format!(": `{name}` should be `{missing}`?")).unwrap_or_default()
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Ranks as text.
fn numbers(ranks: &[usize]) -> String {
    let all = ranks.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    format!("rank{} {all}", if ranks.len() == 1 { "" } else { "s" })
}

/// What a lifted transform asks for, if a path leads through one.
fn lifted(path: &str, remedy: &str) -> String {
    if path.contains('(') { format!("; of a lifted transform, {remedy}") } else { String::new() }
}
