//! Equations one after another, and the match over what they apply.

use super::body::Body;
use super::types::Type;
use super::value::Value;
use super::{
    contraction, control, elementwise, factorizations, fourier, indexing, jacobi, movement, random,
    reductions, samplers, scans, sorting, special, windows,
};
use crate::array::Aval;
use crate::core::decompose;
use crate::core::op::Op;
use crate::core::{Eqn, Graph, Var};
use crate::error::{Error, Result};
use crate::kernels::sort::SortOrder;

/// Writes the equations of a graph, and returns its results.
///
/// # Errors
/// See [`apply`].
pub(super) fn write_graph<'b>(
    body: &'b Body<'b>,
    graph: &Graph,
    args: &[Value<'b>],
) -> Result<Vec<Value<'b>>> {
    let mut values: Vec<Option<Value<'b>>> = vec![None; graph.avals.len()];
    let known = |values: &[Option<Value<'b>>], var: &Var| match values[var.index()] {
        Some(value) => value,
        None => unreachable!("{var} is defined before it is used"),
    };
    for (var, arg) in graph.inputs().iter().zip(args) {
        values[var.index()] = Some(*arg);
    }
    for (var, array) in graph.consts() {
        values[var.index()] = Some(body.dense(array));
    }
    for eqn in graph.eqns() {
        let args: Vec<Value<'b>> = eqn.args().iter().map(|var| known(&values, var)).collect();
        let outs: Vec<Type> = eqn.outs().iter().map(|&var| Type::of(graph.aval(var))).collect();
        let primitive = eqn.primitive();
        let made = body
            .located(eqn.path.as_deref(), primitive.name(), || match primitive.op() {
                Op::Custom => decomposed(body, graph, eqn, &args),
                op => apply(body, op, &args, &outs),
            })
            .map_err(|error| error.at(eqn.location))?;
        for ((var, of), value) in eqn.outs().iter().zip(&outs).zip(made) {
            debug_assert!(value.ty() == *of, "{} gave {} for {of}", primitive.name(), value.ty());
            values[var.index()] = Some(value);
        }
    }
    Ok(graph.outs().iter().map(|var| known(&values, var)).collect())
}

/// Writes what a primitive decomposes into: here and not before, so that nothing puts it together again.
fn decomposed<'b>(
    body: &'b Body<'b>,
    graph: &Graph,
    eqn: &Eqn,
    args: &[Value<'b>],
) -> Result<Vec<Value<'b>>> {
    let avals = |vars: &[Var]| -> Vec<Aval> { vars.iter().map(|&var| graph.aval(var).clone()).collect() };
    let depth = body.functions.depth.get();
    let parts = decompose::graph_of(&**eqn.primitive(), &avals(eqn.args()), &avals(eqn.outs()), depth)?;
    body.functions.depth.set(depth + 1);
    let made = write_graph(body, &parts, args);
    body.functions.depth.set(depth);
    made
}

/// Writes an operation, and returns its results.
///
/// # Errors
/// If there is no way to say it in StableHLO.
#[allow(clippy::too_many_lines)] // An arm for each operation.
fn apply<'b>(body: &'b Body<'b>, op: Op<'_>, args: &[Value<'b>], outs: &[Type]) -> Result<Vec<Value<'b>>> {
    if !outs.is_empty() && outs.iter().all(|out| out.size() == 0) && !matches!(op, Op::Callback(_)) {
        return Ok(outs.iter().map(|out| body.splat(0, out)).collect());
    }
    let one = |value: Value<'b>| Ok(vec![value]);
    match op {
        Op::Elementwise(op) => one(elementwise::elementwise(body, op, args, &outs[0])?),
        Op::Cast => one(elementwise::cast(args[0], outs[0].element)),
        Op::Bitcast => one(body.op("bitcast_convert", args, "", outs[0].clone())),
        Op::StopGradient => one(args[0]),
        Op::Barrier => Ok(body.generic("stablehlo.optimization_barrier", args, "", &[], outs.to_vec())),
        Op::Full(value) => one(body.splat(value, &outs[0])),
        Op::Iota { axis } => one(body.iota(outs[0].clone(), axis)),

        Op::Reshape => one(args[0].reshape(&outs[0].shape)),
        Op::Transpose { axes } => one(args[0].transpose(axes)),
        Op::BroadcastTo => one(args[0].broadcast_to(&outs[0].shape)),
        Op::Slice { starts, strides } => one(movement::slice(args[0], starts, strides, &outs[0])),
        Op::Rev { axes } => one(args[0].reverse(axes)),
        Op::Pad(padding) => one(args[0].pad(args[1], padding)),
        Op::Concatenate { axis } => one(body.concatenate(args, axis)),
        Op::Split { axis, sizes } => Ok(movement::split(args[0], axis, sizes)),
        Op::Shift { axis, direction, fill } => one(movement::shift(args[0], axis, direction, fill)),
        Op::DynamicSlice { sizes } => one(movement::dynamic_slice(args[0], &args[1..], sizes)),
        Op::DynamicUpdateSlice => one(movement::dynamic_update_slice(args[0], args[1], &args[2..])),

        Op::Gather(dimensions) => one(indexing::gather(args[0], args[1], dimensions, &outs[0])?),
        Op::Scatter { op, dimensions, unique } => {
            one(indexing::scatter([args[0], args[1], args[2]], op, dimensions, unique)?)
        }
        Op::TakeRows => one(indexing::take_rows(args[0], args[1])?),
        Op::PutRows { .. } => one(indexing::put_rows(args[0], args[1], &outs[0])?),
        Op::Pick { axes } => one(indexing::pick(args[0], axes)?),
        Op::Banded { axis, bands } => one(indexing::banded(args[0], axis, bands)?),

        Op::Reduce(op, axes) => one(reductions::reduce(args[0], op, axes)?),
        Op::Any(axes) => {
            one(reductions::reduce_with(args[0], "or", body.scalar(0, args[0].element()), axes)?)
        }
        Op::All(axes) => {
            one(reductions::reduce_with(args[0], "and", body.scalar(1, args[0].element()), axes)?)
        }
        Op::ArgReduce { largest, axis } => one(reductions::arg_reduce(args[0], largest, axis, &outs[0])?),
        Op::Cumulative { op, axis, direction } => one(scans::cumulative(args[0], op, axis, direction)?),
        Op::Recurrence { axis, direction, factor } => {
            one(scans::recurrence(args[0], args[1], axis, direction, factor)?)
        }
        Op::ReduceWindow(op, window) => one(windows::reduce(args[0], op, window)?),
        Op::WindowSumTranspose(window) => one(windows::sum_transposed(args[0], window)?),
        Op::SelectAndScatterAdd(selection, window) => {
            one(windows::select_and_scatter_add(args[0], args[1], selection, window)?)
        }
        Op::SelectAndGather(selection, window) => {
            one(windows::select_and_gather(args[0], args[1], selection, window)?)
        }

        Op::Sort(order) => one(sorting::sorted(args[0], order)?),
        Op::SortPairs(order) => {
            let [sorted, places] = sorting::sorted_pairs(args[0], order)?;
            Ok(vec![sorted, places.convert(outs[1].element)])
        }
        Op::ArgSort(order) => one(sorting::sorted_pairs(args[0], order)?[1].convert(outs[0].element)),
        Op::TopK(count) => {
            let last = args[0].rank() - 1;
            let [sorted, places] = sorting::sorted_pairs(args[0], SortOrder::Descending)?;
            let [sorted, places] = [sorted, places].map(|x| x.part(last, 0, count));
            Ok(vec![sorted, places.convert(outs[1].element)])
        }
        Op::SearchSorted(bound) => {
            one(indexing::search_sorted(args[0], args[1], bound)?.convert(outs[0].element))
        }

        Op::DotGeneral { dimensions, precision } => {
            one(contraction::dot_general(args[0], args[1], dimensions, precision, &outs[0]))
        }
        Op::Conv { gives, geometry, precision } => {
            one(contraction::convolution(args[0], args[1], gives, geometry, precision, &outs[0]))
        }
        Op::Fft { kind, size, scale } => one(fourier::transform(args[0], kind, size, scale, &outs[0])),
        Op::Cholesky => one(factorizations::cholesky(args[0])?),
        Op::TriangularSolve { side, triangle } => {
            one(factorizations::triangular_solve(args[0], args[1], side, triangle))
        }
        Op::Qr(_) => factorizations::qr(args[0], outs),
        Op::Lu => factorizations::lu(args[0], outs),
        Op::Eigh { .. } => jacobi::eigh(args[0], outs),
        Op::Svd { .. } => jacobi::svd(args[0], outs),

        Op::RandomBits { draw, shape } => one(random::bits(args[0], draw, shape, &outs[0])?),
        Op::RandomSplit(count) => one(random::split(args[0], count)?),
        Op::RandomFoldIn => one(random::fold_in(args[0], args[1])?),
        Op::RandomGamma { log_space } => one(samplers::gamma(args[0], args[1], log_space)?),
        Op::RandomBelow => one(samplers::below(args, &outs[0])),
        Op::RandomOrder { shape, axis } => one(samplers::order(args[0], shape, axis, &outs[0])?),
        Op::RoundedAsXla(op) => one(special::rounded_as_xla(body, op, args, &outs[0])?),
        Op::NextAfter { up } => one(special::next_after(args[0], up)),

        Op::Call(graph) => control::call(body, graph, args),
        Op::Scan(scan) => control::scan(body, scan, args, outs),
        Op::While(lasting) => control::while_loop(body, lasting, args),
        Op::Cond(branches) => control::cond(body, branches, args, outs),
        Op::Callback(_) => Err(Error::argument(
            "export",
            "a function of the host is called, which StableHLO cannot say: leave out `debug::print` and the like in what is exported or \
             runs on a device",
        )),
        Op::Collective(_, name) => Err(Error::argument(
            "export",
            format!(
                "a collective over the axis `{name}`, which no `vmap` around it has: export what is inside of the `vmap` with it"
            ),
        )),
        Op::Custom => unreachable!("it is written as what it decomposes into"),
    }
}
