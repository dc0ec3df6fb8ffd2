//! A graph made ready to run many times.
//!
//! Values that only fused and prepared kernels touch live in *homes*: memory that belongs to the program, shared by
//! values whose lifetimes do not overlap, and kept between calls. All others are arrays, which are moved out of their slot
//! at their last use, so that a kernel may write into them.

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::Location;
use std::sync::Arc;

use smallvec::SmallVec;

use super::epilogue::Epilogue;
use super::fuse::Fusion;
use super::graph::Graph;
use super::plan::{Dest, Operand, Plan};
use crate::error::{Error, Result};
use crate::kernels::fused::Source;
use crate::kernels::threads;
use crate::primitive::{Args, Prepared, Primitive};
use crate::spare::Spares;
use crate::tensor::pool::Buffer;
use crate::tensor::{Array, Aval, memory};
use crate::trace::eval;

/// Floating-point operations, or numbers read and written, from which on a run keeps threads awake.
const LARGE: u64 = 1 << 20;

pub(crate) struct Program {
    inputs: usize,
    consts: Vec<Array>,
    pub(super) steps: Vec<Step>,
    outs: Vec<Operand>,
    /// Bytes of each home.
    homes: Vec<usize>,
    needed: usize,
    slots: usize,
    /// Whether threads are worth waking.
    is_large: bool,
    /// Kept between calls; several threads may run one program.
    envs: Spares<Env>,
}

/// The memory of one run.
struct Env {
    slots: Vec<Option<Array>>,
    homes: Vec<Option<Buffer>>,
    lists: Lists,
}

/// Lists that a step fills; between steps they are empty, and nothing but memory.
#[derive(Default)]
struct Lists {
    made: Vec<Made>,
    held: Vec<Option<usize>>,
    sources: Vec<Source<'static>>,
    results: Vec<&'static mut [u8]>,
}

/// Where a result is written, while it is.
enum Made {
    Array(Array),
    Home(Buffer),
}

pub(super) struct Step {
    pub action: Action,
    pub args: Vec<Operand>,
    pub outs: Vec<Dest>,
    /// Which argument's memory each result may be written to.
    pub pairs: Vec<Option<usize>>,
    /// Slots of arguments that are not used again.
    pub ends: Vec<usize>,
    pub avals: Vec<Aval>,
    pub location: &'static Location<'static>,
    pub place: Option<Arc<str>>,
    pub flops: u64,
    /// Bytes read and written.
    pub bytes: u64,
}

pub(super) enum Action {
    Fused(Fusion),
    /// A product whose kernel hands its pieces on to a fused one.
    Epilogue(Epilogue, Box<dyn Prepared>),
    /// With the name of its primitive.
    Prepared(&'static str, Box<dyn Prepared>),
    /// The argument under another shape.
    Reshape,
    Eval(Arc<dyn Primitive>),
}

impl Action {
    fn name(&self) -> Cow<'static, str> {
        match self {
            Action::Fused(_) => "fusion".into(),
            Action::Epilogue(epilogue, _) => format!("{}+fusion", epilogue.product().name()).into(),
            Action::Prepared(name, _) => (*name).into(),
            Action::Reshape => "reshape".into(),
            Action::Eval(primitive) => primitive.name().into(),
        }
    }
}

impl Program {
    pub(crate) fn new(graph: &Graph) -> Program {
        let Plan { steps, outs, homes, needed, slots } = Plan::new(graph);
        let work = steps.iter().fold(0u64, |sum, step| sum.saturating_add(step.flops.max(step.bytes / 4)));
        Program {
            inputs: graph.inputs.len(),
            consts: graph.consts.iter().map(|(_, array)| array.clone()).collect(),
            steps,
            outs,
            homes,
            needed,
            slots,
            is_large: work >= LARGE,
            envs: Spares::default(),
        }
    }

    /// Bytes of the memory that is kept between calls.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.homes.iter().copied().fold(0, usize::saturating_add)
    }

    /// Bytes of intermediate values that are alive at once, at most.
    pub(crate) fn needed_bytes(&self) -> usize {
        self.needed
    }

    pub(crate) fn run(&self, args: impl IntoIterator<Item = Array>) -> Result<Vec<Array>> {
        self.run_then(args, |outs| outs.collect())
    }

    /// Hands the results, one after the other, to `finish`; nothing is allocated for them together.
    pub(crate) fn run_then<R>(
        &self,
        args: impl IntoIterator<Item = Array>,
        finish: impl FnOnce(&mut dyn Iterator<Item = Array>) -> R,
    ) -> Result<R> {
        self.run_with(args, |_, step| step(), finish)
    }

    /// Runs each step through `around`, which is given its number.
    pub(super) fn run_with<R>(
        &self,
        args: impl IntoIterator<Item = Array>,
        mut around: impl FnMut(usize, &mut dyn FnMut() -> Result<()>) -> Result<()>,
        finish: impl FnOnce(&mut dyn Iterator<Item = Array>) -> R,
    ) -> Result<R> {
        let at = Cell::new(None);
        let what = || match at.get().map(|at: usize| &self.steps[at]) {
            Some(step) => format!("{} ({})", eval::list(&step.avals), step.action.name()),
            None => "the memory that a compiled program keeps".to_owned(),
        };
        let run = || {
            // Whoever finds all memory in use makes its own.
            let mut env = self.envs.take().unwrap_or_else(|| Box::new(self.env()));
            for (slot, array) in env.slots.iter_mut().zip(args.into_iter().take(self.inputs)) {
                *slot = Some(array);
            }
            let awake = self.is_large.then(threads::awake);
            for (i, step) in self.steps.iter().enumerate() {
                at.set(Some(i));
                around(i, &mut || self.step(step, &mut env))?;
            }
            drop(awake);
            let result = finish(&mut self.outs.iter().map(|&out| self.take(&mut env.slots, out)));
            // A value left in its slot would keep its buffer from being used again.
            env.slots.fill(None);
            self.envs.put(env);
            Ok(result)
        };
        memory::or_error("jit", what, run).map_err(|error| match (&error, at.get()) {
            (Error::OutOfMemory { .. }, Some(at)) => error.at(self.steps[at].location),
            _ => error,
        })
    }

    fn env(&self) -> Env {
        let homes = self.homes.iter().map(|&bytes| Some(Buffer::scratch(bytes))).collect();
        Env { slots: vec![None; self.slots], homes, lists: Lists::default() }
    }

    fn take(&self, slots: &mut [Option<Array>], operand: Operand) -> Array {
        let array = match operand {
            Operand::Const(at) => return self.consts[at].clone(),
            Operand::Slot(at, true) => slots[at].take(),
            Operand::Slot(at, false) => slots[at].clone(),
            Operand::Home(..) => None,
        };
        array.unwrap_or_else(|| {
            unreachable!("values of homes go to kernels, others are made before they are used")
        })
    }

    fn step(&self, step: &Step, env: &mut Env) -> Result<()> {
        match &step.action {
            Action::Fused(fusion) => self.fused(step, env, |args, results| {
                fusion.kernel().run(args, results);
            }),
            Action::Epilogue(epilogue, kernel) => self.fused(step, env, |args, results| {
                epilogue.run(&**kernel, args, results);
            }),
            Action::Prepared(_, kernel) => self.prepared(&**kernel, step, env),
            Action::Reshape => {
                let array = self.take(&mut env.slots, step.args[0]).with_aval(step.avals[0].clone());
                if let Dest::Slot(at) = step.outs[0] {
                    env.slots[at] = Some(array);
                }
            }
            Action::Eval(primitive) => {
                let args: Args<Array> = step.args.iter().map(|&arg| self.take(&mut env.slots, arg)).collect();
                let avals = step.avals.iter().cloned().collect();
                let outs = primitive.eval(args, avals).map_err(|e| e.at(step.location))?;
                for (dest, out) in step.outs.iter().zip(outs) {
                    if let Dest::Slot(at) = dest {
                        env.slots[*at] = Some(out);
                    }
                }
            }
        }
        Ok(())
    }

    fn prepared(&self, kernel: &dyn Prepared, step: &Step, env: &mut Env) {
        let Env { slots, homes, .. } = env;
        let (dest, aval) = (step.outs[0], &step.avals[0]);
        let mut made = match dest {
            Dest::Slot(_) => Made::Array(Array::scratch(aval.clone())),
            Dest::Home(at, _) => Made::home(homes, at),
        };
        let args: SmallVec<[&[u8]; 4]> = step.args.iter().map(|&arg| self.bytes(slots, homes, arg)).collect();
        kernel.run(&args, made.bytes(dest));
        drop(args);
        made.put(dest, slots, homes);
        step.ends.iter().for_each(|&at| slots[at] = None);
    }

    fn bytes<'a>(
        &'a self,
        slots: &'a [Option<Array>],
        homes: &'a [Option<Buffer>],
        operand: Operand,
    ) -> &'a [u8] {
        let bytes = match operand {
            Operand::Const(at) => return self.consts[at].bytes(),
            Operand::Slot(at, _) => slots[at].as_ref().map(Array::bytes),
            Operand::Home(at, bytes) => homes[at].as_ref().map(|home| &home.slice::<u8>()[..bytes]),
        };
        bytes.unwrap_or_else(|| unreachable!("a value is made before it is used, and in no home of a result"))
    }

    /// Runs a kernel that writes to several results, each in new memory or in that of an argument.
    fn fused(&self, step: &Step, env: &mut Env, run: impl FnOnce(&[Source<'_>], &mut [&mut [u8]])) {
        let Env { slots, homes, lists } = env;
        let Lists { made, held, .. } = lists;
        held.resize(step.args.len(), None);
        for (i, (&dest, pair)) in step.outs.iter().zip(&step.pairs).enumerate() {
            let arg = pair.map(|input| (input, step.args[input]));
            made.push(match (dest, arg) {
                (Dest::Home(at, _), _) => {
                    // The home of an argument that ends here may be the result's.
                    if let Some((input, Operand::Home(from, _))) = arg
                        && from == at
                    {
                        held[input] = Some(i);
                    }
                    Made::home(homes, at)
                }
                (Dest::Slot(_), Some((input, Operand::Slot(from, true)))) => {
                    match slots[from].take_if(|array| array.may_be_overwritten(&step.avals[i])) {
                        Some(array) => {
                            held[input] = Some(i);
                            Made::Array(array.redescribed(&step.avals[i]))
                        }
                        None => Made::Array(Array::scratch(step.avals[i].clone())),
                    }
                }
                (Dest::Slot(_), _) => Made::Array(Array::scratch(step.avals[i].clone())),
            });
        }
        let mut sources = emptied(std::mem::take(&mut lists.sources));
        sources.extend(step.args.iter().zip(&*held).map(|(&arg, held)| match held {
            Some(result) => Source::Result(*result),
            None => Source::Bytes(self.bytes(slots, homes, arg)),
        }));
        let mut results = emptied(std::mem::take(&mut lists.results));
        results.extend(made.iter_mut().zip(&step.outs).map(|(made, &dest)| made.bytes(dest)));
        run(&sources, &mut results);
        (lists.sources, lists.results) = (emptied(sources), emptied(results));
        held.clear();
        made.drain(..).zip(&step.outs).for_each(|(made, &dest)| made.put(dest, slots, homes));
        step.ends.iter().for_each(|&at| slots[at] = None);
    }
}

impl Made {
    fn home(homes: &mut [Option<Buffer>], at: usize) -> Made {
        match homes[at].take() {
            Some(buffer) => Made::Home(buffer),
            None => unreachable!("results of one step have homes of their own"),
        }
    }

    fn bytes(&mut self, dest: Dest) -> &mut [u8] {
        let bytes = match (self, dest) {
            (Made::Array(array), _) => array.unique_bytes(),
            (Made::Home(buffer), Dest::Home(_, bytes)) => Some(&mut buffer.slice_mut::<u8>()[..bytes]),
            (Made::Home(_), Dest::Slot(_)) => None,
        };
        bytes.unwrap_or_else(|| unreachable!("a result is new, given away, or in a home of its own"))
    }

    fn put(self, dest: Dest, slots: &mut [Option<Array>], homes: &mut [Option<Buffer>]) {
        match (self, dest) {
            (Made::Array(array), Dest::Slot(at)) => slots[at] = Some(array),
            (Made::Home(buffer), Dest::Home(at, _)) => homes[at] = Some(buffer),
            _ => unreachable!("arrays are made for slots, and homes are only borrowed"),
        }
    }
}

/// The memory of a list for items that live for another time.
///
/// A list that is collected from a list of items of the same size keeps its memory.
fn emptied<T, U>(mut list: Vec<T>) -> Vec<U> {
    list.clear();
    list.into_iter().map(|_| unreachable!("the list is empty")).collect()
}

/// For tests and reports: which values share memory.
impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for step in &self.steps {
            let name = step.action.name();
            let args: Vec<String> = step.args.iter().map(Operand::to_string).collect();
            let outs: Vec<String> = step.outs.iter().map(Dest::to_string).collect();
            writeln!(f, "{} = {name} {}", outs.join(" "), args.join(" "))?;
        }
        Ok(())
    }
}
