//! `jit`, and its orders with the other transforms, against eager evaluation.

use flaxen::{Result, Tensor, jit, vmap};

use super::batching::{examples, stacked, stacked_outputs};
use super::{Law, Outcome, cotangents, gradient, like, say};
use crate::data::Data;
use crate::numbers::{Numbers, all_close};

/// What rounding may change when the compiler reorders a sum.
const ROUNDING: f64 = 1e-12;

pub(super) fn values(law: &Law) -> Outcome {
    let compiled = jit(|x: Vec<Tensor>| (law.f)(&x));
    for args in examples(law, 2) {
        let eager = (law.f)(&args).map_err(say)?;
        let found = compiled.call(args).map_err(say)?;
        for (found, eager) in found.iter().zip(&eager) {
            if found.aval() != eager.aval() {
                return Err(format!("{} instead of {}", found.aval(), eager.aval()));
            }
        }
        let eager = Numbers::of_all(&eager).map_err(say)?;
        all_close(&Numbers::of_all(&found).map_err(say)?, &eager, ROUNDING)?;
    }
    if compiled.traces() == 1 { Ok(()) } else { Err(format!("traced {} times", compiled.traces())) }
}

pub(super) fn gradients(law: &Law) -> Outcome {
    let args = law.example(1);
    let by = law.by_of(&args);
    if by.is_empty() {
        return Ok(());
    }
    let outs = (law.f)(&args).map_err(say)?;
    let weights = like(&cotangents(&outs, &mut Data::new(12)), &outs);
    let f = |x: &[Tensor]| (law.f)(x);
    let eager = Numbers::of_all(&gradient(f, &args, &by, &weights).map_err(say)?).map_err(say)?;
    let compiled = jit(|x: Vec<Tensor>| (law.f)(&x));
    let inside = |x: &[Tensor]| compiled.call(x.to_vec());
    let orders: [(&str, Result<Vec<Tensor>>); 3] = [
        ("grad of jit", gradient(inside, &args, &by, &weights)),
        ("jit of grad", jit(|x: Vec<Tensor>| gradient(f, &x, &by, &weights)).call(args.clone())),
        ("jit of grad of jit", jit(|x: Vec<Tensor>| gradient(inside, &x, &by, &weights)).call(args.clone())),
    ];
    for (order, found) in orders {
        let context = |message: String| format!("{order}: {message}");
        let found = found.and_then(|found| Numbers::of_all(&found)).map_err(say).map_err(context)?;
        all_close(&found, &eager, ROUNDING).map_err(context)?;
    }
    Ok(())
}

pub(super) fn batches(law: &Law) -> Outcome {
    let examples = examples(law, 3);
    let args: Vec<Tensor> =
        (0..examples[0].len()).map(|i| stacked(&examples, i, 0)).collect::<Result<_>>().map_err(say)?;
    let runs: Vec<Vec<Tensor>> =
        examples.iter().map(|args| (law.f)(args)).collect::<Result<_>>().map_err(say)?;
    let expected = stacked_outputs(&runs, &vec![0; runs[0].len()]).map_err(say)?;
    let compiled = jit(|x: Vec<Tensor>| (law.f)(&x));
    let orders: [(&str, Result<Vec<Tensor>>); 2] = [
        ("vmap of jit", vmap(|x: Vec<Tensor>| compiled.call(x)).call(args.clone())),
        ("jit of vmap", jit(|x: Vec<Tensor>| vmap(|x: Vec<Tensor>| (law.f)(&x)).call(x)).call(args.clone())),
    ];
    for (order, found) in orders {
        let context = |message: String| format!("{order}: {message}");
        let found = found.and_then(|found| Numbers::of_all(&found)).map_err(say).map_err(context)?;
        all_close(&found, &expected, ROUNDING).map_err(context)?;
    }

    let by = law.by_of(&examples[0]);
    if by.is_empty() {
        return Ok(());
    }
    let weights = like(&cotangents(&runs[0], &mut Data::new(13)), &runs[0]);
    let runs: Vec<Vec<Tensor>> = examples
        .iter()
        .map(|args| gradient(|x| (law.f)(x), args, &by, &weights))
        .collect::<Result<_>>()
        .map_err(say)?;
    let expected = stacked_outputs(&runs, &vec![0; by.len()]).map_err(say)?;
    let found = vmap(|x: Vec<Tensor>| gradient(|x| compiled.call(x.to_vec()), &x, &by, &weights))
        .call(args)
        .and_then(|found| Numbers::of_all(&found))
        .map_err(say)?;
    all_close(&found, &expected, 1e-10).map_err(|message| format!("vmap of grad of jit: {message}"))
}

pub(super) fn prints(law: &Law) -> Outcome {
    let args = law.example(1);
    let graph = jit(|x: Vec<Tensor>| (law.f)(&x)).graph(&args).map_err(say)?;
    let text = graph.to_string();
    // Programs within are further in.
    let is_equation =
        |line: &&str| line.strip_prefix("    ").is_some_and(|rest| rest.starts_with(char::is_alphabetic));
    let equations = text.lines().filter(is_equation).filter(|line| line.contains(" = ")).count();
    if text.starts_with("{ lambda") && text.ends_with(") }") && equations == graph.len() {
        Ok(())
    } else {
        Err(text)
    }
}
