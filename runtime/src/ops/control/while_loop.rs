//! `while_loop`: a program applied to a carry as long as another one says so.
//!
//! How many steps there are is known when they are over, so what they would have to keep for a backward pass has no size: there is
//! no reverse mode, and whoever asks for it hears so when it is traced. Forward mode is a loop over the carry and its tangents.

use std::panic::Location;
use std::sync::{Arc, OnceLock};

use super::activity::active_in_loop;
use super::jvp::jvp;
use super::scan::{run_alone, whole_carry};
use crate::array::{Array, Aval};
use crate::core::cpu::{CpuRules, on_cpu};
use crate::core::op::{Op, WhileOp};
use crate::core::primitive::{Args, Outs, Primitive, Pullback};
use crate::core::trace::stage::Stage;
use crate::core::trace::{self, Axis, Trace};
use crate::core::{Graph, Tensor};
use crate::error::{Error, Result};
use crate::ops::call::{Call, Target, distinct, strong};
use crate::ops::{convert, zeros_of};

#[derive(Clone)]
pub(crate) struct While {
    cond: Call,
    body: Call,
    cond_consts: usize,
    body_consts: usize,
    collectives: Arc<[Arc<str>]>,
    /// The line of the program that made it, for errors.
    location: &'static Location<'static>,
    /// What runs it where it is not part of a larger program.
    alone: Arc<OnceLock<Call>>,
}

impl While {
    /// A loop whose arguments are constants of the condition, those of the body, and the carry.
    pub(crate) fn new(
        [cond, body]: [Call; 2],
        [cond_consts, body_consts]: [usize; 2],
        location: &'static Location<'static>,
    ) -> While {
        let collectives = distinct(cond.collectives().iter().chain(body.collectives())).into();
        While { cond, body, cond_consts, body_consts, collectives, location, alone: Arc::default() }
    }

    /// A loop with other programs.
    fn with(&self, programs: [Call; 2], consts: [usize; 2]) -> While {
        While::new(programs, consts, self.location)
    }

    fn consts(&self) -> usize {
        self.cond_consts + self.body_consts
    }

    fn carry(&self) -> usize {
        self.body.graph().outs.len()
    }

    /// Which inputs of the body are active, given which arguments of the loop are.
    fn active(&self, needs_grad: &[bool]) -> Vec<bool> {
        let given = needs_grad[self.cond_consts..].to_vec();
        active_in_loop(self.body.graph(), given, self.body_consts, self.carry())
    }

    /// The loop over the carry and the tangents of its active part; the tangents of active constants are constants.
    fn with_tangents(&self, active: &[bool]) -> Result<While> {
        let (consts, carry) = (self.body_consts, self.carry());
        let made = jvp(self.body.graph(), active, &active[consts..])?;
        let dotted: Vec<usize> = (0..consts).filter(|&i| active[i]).collect();
        // The inputs of `made`: constants, carry, tangents of constants, tangents of the carry.
        let given = consts + carry;
        let (fixed, moved) = (given..given + dotted.len(), given + dotted.len()..made.inputs.len());
        let order = (0..consts).chain(fixed).chain(consts..given).chain(moved.clone());
        let inputs = order.map(|i| made.inputs[i]).collect();
        let body = Call::new(Graph { inputs, ..made }, self.body.target());
        let mut cond = self.cond.graph().clone();
        for i in (0..carry).filter(|i| active[consts + i]) {
            let aval = strong(self.body.graph().aval(self.body.graph().inputs[consts + i]));
            let unread = cond.add_var(aval);
            cond.inputs.push(unread);
        }
        let cond = Call::new(cond, self.cond.target());
        Ok(self.with([cond, body], [self.cond_consts, consts + dotted.len()]))
    }

    /// The loop whose examples go on for different numbers of steps: those that are done stay what they are.
    fn over_examples(&self, mapped: &[bool], axis: &Axis) -> Result<While> {
        let (consts, carry) = (self.consts(), self.carry());
        let all = vec![true; carry];
        let in_body = [&mapped[self.cond_consts..consts], &all[..]].concat();
        let in_cond = [&mapped[..self.cond_consts], &all[..]].concat();
        let body = self.body.batched_at_least(&in_body, axis, &all)?.0;
        let each = self.cond.batched_at_least(&in_cond, axis, &[true])?.0;

        let any = stage_like(each.graph(), |args| {
            let goes_on = each.graph().interpret(args)?;
            Ok(vec![goes_on[0].try_any_axes(0)?])
        })?;
        let avals = each.graph().inputs[..self.cond_consts].iter().map(|&var| each.graph().aval(var));
        let avals = avals.chain(body.graph().inputs.iter().map(|&var| body.graph().aval(var)));
        let step = stage_on(avals, |args| {
            let (of_cond, of_body) = args.split_at(self.cond_consts);
            let before = &of_body[self.body_consts..];
            let goes_on = each.graph().interpret(of_cond.iter().chain(before).cloned())?;
            let after = body.graph().interpret(of_body.iter().cloned())?;
            let chosen = |(after, before): (&Tensor, &Tensor)| {
                let mut shape = vec![1; after.rank()];
                shape[0] = axis.size;
                goes_on[0].try_reshape(shape)?.try_select(after, before)
            };
            after.iter().zip(before).map(chosen).collect()
        })?;
        let (any, step) = (Call::new(any, self.cond.target()), Call::new(step, self.body.target()));
        Ok(self.with([any, step], [self.cond_consts, consts]))
    }
}

/// Stages a function of values like the inputs of a graph.
fn stage_like(graph: &Graph, f: impl FnOnce(Vec<Tensor>) -> Result<Vec<Tensor>>) -> Result<Graph> {
    stage_on(graph.inputs.iter().map(|&var| graph.aval(var)), f)
}

/// Stages a function of values of these shapes and dtypes.
pub(crate) fn stage_on<'a>(
    avals: impl Iterator<Item = &'a Aval>,
    f: impl FnOnce(Vec<Tensor>) -> Result<Vec<Tensor>>,
) -> Result<Graph> {
    let stage = Stage::new(trace::current());
    trace::run(Trace::Stage(stage.clone()), || {
        let outs = f(avals.map(|aval| stage.input(aval)).collect())?;
        let (graph, captured) = stage.finish(&outs);
        assert!(captured.is_empty(), "a graph holds no traced values");
        Ok(graph)
    })
}

impl Primitive for While {
    fn name(&self) -> &'static str {
        "while"
    }

    fn infer(&self, _args: &[&Aval]) -> Result<Outs<Aval>> {
        let body = self.body.graph();
        Ok(body.outs.iter().map(|&var| body.aval(var).clone()).collect())
    }

    fn op(&self) -> Op<'_> {
        let (cond_consts, body_consts) = (self.cond_consts, self.body_consts);
        Op::While(WhileOp { cond: self.cond.graph(), body: self.body.graph(), cond_consts, body_consts })
    }

    fn vjp_fwd(&self, args: Args, needs_grad: &[bool]) -> Result<(Outs, Pullback)> {
        let outs = trace::bind(self, args.clone())?;
        let active = self.active(needs_grad);
        let (consts, carry) = (self.body_consts, self.carry());
        let of_args: Vec<bool> = std::iter::repeat_n(false, self.cond_consts).chain(active.clone()).collect();
        if !active[consts..].contains(&true) {
            let count = args.len();
            return Ok((outs, Box::new(move |_| Ok(std::iter::repeat_n(None, count).collect()))));
        }
        let transposed = Transposed { of: self.clone(), active };
        let needs_grad: Args<bool> = needs_grad.into();
        let pullback: Pullback = Box::new(move |cts| {
            let mut args = args.clone();
            if (0..carry).all(|i| !transposed.active[consts + i] || cts[i].is_none()) {
                // What is asked for has no active part, and so no gradient.
                return Ok(std::iter::repeat_n(None, args.len()).collect());
            }
            let body = transposed.of.body.graph();
            for i in (0..carry).filter(|i| transposed.active[consts + i]) {
                let aval = strong(body.aval(body.outs[i]));
                args.push(match &cts[i] {
                    Some(ct) => convert(ct, aval.dtype, false)?,
                    None => zeros_of(&aval)?,
                });
            }
            let mut grads = trace::bind(&transposed, args)?.into_iter();
            let each = of_args.iter().zip(&needs_grad);
            Ok(each
                .map(|(active, needed)| if *active { grads.next().filter(|_| *needed) } else { None })
                .collect())
        });
        Ok((outs, pullback))
    }

    fn batch(&self, axis: &Axis, args: Args, mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let (consts, carry) = (self.consts(), self.carry());
        let mut mapped = mapped.to_vec();
        let body_and_mapped = loop {
            let in_cond = [&mapped[..self.cond_consts], &mapped[consts..]].concat();
            let (cond, goes_on) = self.cond.batched(&in_cond, axis)?;
            if goes_on[0] {
                let loops = self.over_examples(&mapped, axis)?;
                break (loops, vec![true; carry]);
            }
            let wanted = mapped[consts..].to_vec();
            let in_body = &mapped[self.cond_consts..];
            let (body, outs_mapped) = self.body.batched_at_least(in_body, axis, &wanted)?;
            let new: Vec<usize> = (0..carry).filter(|&i| outs_mapped[i] && !mapped[consts + i]).collect();
            if new.is_empty() {
                break (self.with([cond, body], [self.cond_consts, self.body_consts]), outs_mapped);
            }
            new.into_iter().for_each(|i| mapped[consts + i] = true);
        };
        let (loops, outs_mapped) = body_and_mapped;
        let body = self.body.graph();
        let mut ready: Args = args.iter().take(consts).cloned().collect();
        if loops.body_consts == consts {
            // The steps look at the condition, too, so its constants are also theirs.
            let of_cond: Vec<Tensor> = ready[..self.cond_consts].to_vec();
            ready.insert_many(self.cond_consts, of_cond);
        }
        for (i, arg) in args.into_iter().skip(consts).enumerate() {
            ready.push(whole_carry(arg, body.aval(body.outs[i]), axis.size, outs_mapped[i])?);
        }
        Ok((trace::bind(&loops, ready)?, outs_mapped.into()))
    }

    fn collectives(&self) -> &[Arc<str>] {
        &self.collectives
    }

    fn with_subgraphs(&self, f: &dyn Fn(&Graph) -> Result<Graph>) -> Result<Option<Arc<dyn Primitive>>> {
        let cond = Call::new(f(self.cond.graph())?, self.cond.target());
        let body = Call::new(f(self.body.graph())?, self.body.target());
        Ok(Some(Arc::new(self.with([cond, body], [self.cond_consts, self.body_consts]))))
    }

    on_cpu!();
}

impl CpuRules for While {
    fn eval(&self, args: Args<Array>, outs: Outs<Aval>) -> Result<Outs<Array>> {
        run_alone(self, &self.alone, self.body.target(), args, outs)
    }
}

impl PartialEq for While {
    fn eq(&self, other: &While) -> bool {
        self.cond == other.cond
            && self.body == other.body
            && (self.cond_consts, self.body_consts) == (other.cond_consts, other.body_consts)
    }
}

impl std::fmt::Debug for While {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (cond, body) = (self.cond.graph(), self.body.graph());
        write!(f, "while[cond_consts={} body_consts={}", self.cond_consts, self.body_consts)?;
        write!(f, " cond={cond} body={body}]")
    }
}

/// The pullback of a loop, which is there to be transposed once more: that is the loop's forward mode.
///
/// The arguments are those of the loop and the cotangents of its active results; the outputs are the cotangents of its active
/// arguments. It is linear in the cotangents, so at zero, where forward mode asks for it, it is zero. Evaluated elsewhere, or left in a
/// program with cotangents that are not known to be zero, it is an error.
#[derive(Clone, PartialEq)]
struct Transposed {
    of: While,
    /// By input of the body.
    active: Vec<bool>,
}

impl Transposed {
    /// What it is at zero.
    fn zeros(&self) -> Zeros {
        let body = self.of.body.graph();
        let active = body.inputs.iter().zip(&self.active).filter(|(_, active)| **active);
        Zeros { outs: active.map(|(&var, _)| strong(body.aval(var))).collect(), location: self.of.location }
    }
}

/// The error of a loop whose gradient is asked for.
fn no_reverse_mode(location: &Location<'_>) -> Error {
    let message = format!(
        "how many steps the loop of {location} takes is known only afterwards, so it cannot keep what a backward pass reads: use `scan`, or \
         `fori_loop` with known bounds; forward mode (`jvp`) works"
    );
    Error::NotDifferentiable { op: "while_loop", message }
}

/// Checks that a program asks for no gradient of such a loop.
///
/// # Errors
/// If it does.
pub(crate) fn check_reverse_mode(graph: &Graph, target: Target) -> Result<()> {
    let is_pullback = |primitive: &dyn Primitive| {
        let primitive = primitive as &dyn std::any::Any;
        primitive.is::<Transposed>() || primitive.is::<Zeros>()
    };
    if graph.find(&is_pullback).is_none() {
        return Ok(());
    }
    // What nobody reads is gone once it is simplified.
    Call::new(graph.clone(), target).graph().decomposed(&is_pullback).map(|_| ())
}

impl Primitive for Transposed {
    fn name(&self) -> &'static str {
        "while_transposed"
    }

    fn infer(&self, _args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(self.zeros().outs)
    }

    fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
        self.zeros().decompose(&args[self.of.consts() + self.of.carry()..])
    }

    fn vjp_fwd(&self, args: Args, needs_grad: &[bool]) -> Result<(Outs, Pullback)> {
        let given = self.of.consts() + self.of.carry();
        if !needs_grad[given..].contains(&true) {
            // Zero at every point, or an error.
            let count = args.len();
            let outs = trace::bind(self, args)?;
            return Ok((outs, Box::new(move |_| Ok(std::iter::repeat_n(None, count).collect()))));
        }
        let outs = self.infer(&[])?.iter().map(zeros_of).collect::<Result<Outs>>()?;
        let (of, active) = (self.clone(), self.active.clone());
        let count = args.len();
        let pullback: Pullback = Box::new(move |tangents| {
            let (consts, carry) = (of.of.body_consts, of.of.carry());
            let dotted = of.of.with_tangents(&active)?;
            let body = of.of.body.graph();
            let mut tangents = tangents
                .into_iter()
                .zip(active.iter().zip(&body.inputs).filter(|(on, _)| **on))
                .map(|(tangent, (_, &var))| match tangent {
                    Some(tangent) => convert(&tangent, body.aval(var).dtype, false),
                    None => zeros_of(&strong(body.aval(var))),
                });
            let consts_dotted = active[..consts].iter().filter(|on| **on).count();
            let of_consts: Vec<Tensor> = tangents.by_ref().take(consts_dotted).collect::<Result<_>>()?;
            let of_carry: Vec<Tensor> = tangents.collect::<Result<_>>()?;
            let start = of.of.consts();
            let first = args[..start].iter().cloned().chain(of_consts);
            let all = first.chain(args[start..given].iter().cloned()).chain(of_carry);
            let mut outs = trace::bind(&dotted, all.collect())?;
            let mut grads: Args<Option<Tensor>> = std::iter::repeat_n(None, given).collect();
            grads.extend(outs.drain(carry..).map(Some));
            assert_eq!(grads.len(), count, "a cotangent for each active result");
            Ok(grads)
        });
        Ok((outs, pullback))
    }

    /// Only what has no tangent comes here: forward mode within a batch does not evaluate it.
    fn batch(&self, _axis: &Axis, args: Args, _mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let given = self.of.consts() + self.of.carry();
        let outs = trace::bind(&self.zeros(), args.into_iter().skip(given).collect())?;
        let mapped = outs.iter().map(|_| false).collect();
        Ok((outs, mapped))
    }

    fn collectives(&self) -> &[Arc<str>] {
        self.of.collectives()
    }
}

impl std::fmt::Debug for Transposed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Zeros, if all arguments are zeros; otherwise the error of a loop that has no gradient.
#[derive(Clone, PartialEq)]
struct Zeros {
    outs: Outs<Aval>,
    location: &'static Location<'static>,
}

impl Primitive for Zeros {
    fn name(&self) -> &'static str {
        "while_transposed_at_zero"
    }

    fn infer(&self, _args: &[&Aval]) -> Result<Outs<Aval>> {
        Ok(self.outs.clone())
    }

    fn decompose(&self, args: &[Tensor]) -> Result<Outs> {
        for ct in args {
            let is_zero = match ct.array() {
                // Now, and not as an operation that a program would record.
                Ok(array) => {
                    let ct = Tensor::from(array.clone());
                    !trace::enter(None, || ct.try_ne(0)?.try_any()?.item::<bool>())?
                }
                Err(_) => trace::is_known_zero(ct),
            };
            if !is_zero {
                return Err(no_reverse_mode(self.location));
            }
        }
        self.outs.iter().map(zeros_of).collect()
    }

    /// Constant zeros have no tangent; whoever gives one asks for more than zeros.
    fn vjp_fwd(&self, args: Args, needs_grad: &[bool]) -> Result<(Outs, Pullback)> {
        if needs_grad.contains(&true) {
            return Err(no_reverse_mode(self.location));
        }
        let count = args.len();
        Ok((trace::bind(self, args)?, Box::new(move |_| Ok(std::iter::repeat_n(None, count).collect()))))
    }

    fn batch(&self, _axis: &Axis, args: Args, _mapped: &[bool]) -> Result<(Outs, Outs<bool>)> {
        let outs = trace::bind(self, args)?;
        let mapped = outs.iter().map(|_| false).collect();
        Ok((outs, mapped))
    }
}

impl std::fmt::Debug for Zeros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
