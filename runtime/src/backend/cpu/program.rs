//! A graph made ready to run many times.
//!
//! Values that only fused and prepared kernels touch live in *homes*: memory that belongs to the program, shared by
//! values whose lifetimes do not overlap, and kept between calls. All others are arrays, which are moved out of their slot
//! at their last use, so that a kernel may write into them.
//!
//! A program may have thousands of steps, each of which takes a microsecond: what a run reads of them lies one behind the
//! other in a few lists, and what it does not read lies elsewhere.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;
use std::panic::Location;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::array::object_pool::ObjectPool;
use crate::array::pool::Buffer;
use crate::array::{Array, Aval, memory};
use crate::backend::cpu::codegen::{Fused, Source};
use crate::backend::cpu::memory::{Dest, Lists, Operand, Out, Plan};
use crate::backend::cpu::passes::epilogue::{Epilogue, Joint};
use crate::backend::cpu::passes::fuse::Fusion;
use crate::backend::cpu::rules;
use crate::core::Graph;
use crate::core::cpu::Kernel;
use crate::core::primitive::{Args, Primitive};
use crate::core::trace::eval;
use crate::error::{Error, Result};
use crate::kernels::threads;

/// Floating-point operations, or numbers read and written, from which on a run keeps threads awake.
const LARGE: u64 = 1 << 20;

pub(crate) struct Program {
    inputs: usize,
    consts: Vec<Array>,
    steps: Vec<Step>,
    lists: Lists,
    pub(crate) origins: Vec<Origin>,
    outs: Vec<Operand>,
    /// Bytes of each home.
    homes: Vec<usize>,
    needed: usize,
    slots: usize,
    /// Whether threads are worth waking.
    is_large: bool,
    /// Kept between calls; several threads may run one program.
    envs: ObjectPool<Env>,
}

/// The memory of one run.
struct Env {
    slots: Vec<Option<Array>>,
    homes: Vec<Option<Buffer>>,
    room: Room,
}

/// Lists that a step fills; between steps they are empty, and nothing but memory.
#[derive(Default)]
struct Room {
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

/// What a step does, and which parts of the program's lists are its own.
pub(crate) struct Step {
    pub action: Action,
    pub args: Range<u32>,
    pub outs: Range<u32>,
    pub ends: Range<u32>,
}

/// What is known of a step besides what it does.
pub(crate) struct Origin {
    pub kind: Kind,
    pub location: &'static Location<'static>,
    pub path: Option<Arc<str>>,
    pub flops: u64,
    /// Bytes read and written.
    pub bytes: u64,
}

pub(crate) enum Action {
    Fused(Arc<Fused>),
    /// A product whose kernel hands its pieces on to a fused one.
    Epilogue(Arc<Fused>, Joint, Box<dyn Kernel>),
    Kernel(Box<dyn Kernel>),
    /// The argument under another shape.
    Reshape,
    Eval(Arc<dyn Primitive>),
}

/// What a step is called by.
pub(crate) enum Kind {
    Fused(Fusion),
    Epilogue(Epilogue),
    Reshape,
    Other(Arc<dyn Primitive>),
}

impl Kind {
    fn name(&self) -> Cow<'static, str> {
        match self {
            Kind::Fused(_) => "fusion".into(),
            Kind::Epilogue(epilogue) => format!("{}+fusion", epilogue.product().name()).into(),
            Kind::Reshape => "reshape".into(),
            Kind::Other(primitive) => primitive.name().into(),
        }
    }
}

impl Program {
    pub(crate) fn new(graph: &Graph) -> Program {
        let Plan { steps, lists, origins, outs, homes, needed, slots } = Plan::new(graph);
        let work = origins.iter().fold(0u64, |sum, step| sum.saturating_add(step.flops.max(step.bytes / 4)));
        Program {
            inputs: graph.inputs.len(),
            consts: graph.consts.iter().map(|(_, array)| array.clone()).collect(),
            steps,
            lists,
            origins,
            outs,
            homes,
            needed,
            slots,
            is_large: work >= LARGE,
            envs: ObjectPool::default(),
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
    pub(crate) fn run_with<R>(
        &self,
        args: impl IntoIterator<Item = Array>,
        mut around: impl FnMut(usize, &mut dyn FnMut() -> Result<()>) -> Result<()>,
        finish: impl FnOnce(&mut dyn Iterator<Item = Array>) -> R,
    ) -> Result<R> {
        let at = Cell::new(None);
        let what = || match at.get() {
            Some(at) => format!("{} ({})", eval::list(&self.arrays(at)), self.origins[at].kind.name()),
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
                around(i, &mut || self.step(i, step, &mut env))?;
            }
            drop(awake);
            let result = finish(&mut self.outs.iter().map(|&out| self.take(&mut env.slots, out)));
            // A value left in its slot would keep its buffer from being used again.
            env.slots.fill(None);
            self.envs.put(env);
            Ok(result)
        };
        memory::or_error("jit", what, run).map_err(|error| match (&error, at.get()) {
            (Error::OutOfMemory { .. }, Some(at)) => error.at(self.origins[at].location),
            _ => error,
        })
    }

    fn env(&self) -> Env {
        let homes = self.homes.iter().map(|&bytes| Some(Buffer::scratch(bytes))).collect();
        Env { slots: vec![None; self.slots], homes, room: Room::default() }
    }

    fn take(&self, slots: &mut [Option<Array>], operand: Operand) -> Array {
        let array = match operand {
            Operand::Const(at) => return self.consts[at as usize].clone(),
            Operand::Slot(at, true) => slots[at as usize].take(),
            Operand::Slot(at, false) => slots[at as usize].clone(),
            Operand::Home(..) => None,
        };
        array.unwrap_or_else(|| {
            unreachable!("values of homes go to kernels, others are made before they are used")
        })
    }

    fn step(&self, number: usize, step: &Step, env: &mut Env) -> Result<()> {
        let (args, outs) = (self.args(step), self.outs(step));
        match &step.action {
            Action::Fused(kernel) => self.fused(step, env, |args, results| kernel.run(args, results)),
            Action::Epilogue(fused, joint, product) => self.fused(step, env, |args, results| {
                joint.run(fused, &**product, args, results);
            }),
            Action::Kernel(kernel) => self.kernel(&**kernel, step, env),
            Action::Reshape => {
                let array = self.take(&mut env.slots, args[0]);
                if let Dest::Slot(at, aval) = outs[0].dest {
                    env.slots[at as usize] = Some(array.with_aval(self.aval(aval).clone()));
                }
            }
            Action::Eval(primitive) => {
                let args: Args<Array> = args.iter().map(|&arg| self.take(&mut env.slots, arg)).collect();
                let avals = outs.iter().filter_map(|out| out.dest.aval()).map(|aval| self.aval(aval).clone());
                let made = rules(&**primitive).eval(args, avals.collect());
                let made = made.map_err(|e| e.at(self.origins[number].location))?;
                for (out, made) in outs.iter().zip(made) {
                    if let Dest::Slot(at, _) = out.dest {
                        env.slots[at as usize] = Some(made);
                    }
                }
            }
        }
        Ok(())
    }

    fn args(&self, step: &Step) -> &[Operand] {
        &self.lists.args[step.args.start as usize..step.args.end as usize]
    }

    fn outs(&self, step: &Step) -> &[Out] {
        &self.lists.outs[step.outs.start as usize..step.outs.end as usize]
    }

    fn aval(&self, number: u32) -> &Aval {
        &self.lists.avals[number as usize]
    }

    /// What is known of the arrays that a step makes.
    fn arrays(&self, step: usize) -> Vec<Aval> {
        let avals = self.outs(&self.steps[step]).iter().filter_map(|out| out.dest.aval());
        avals.map(|aval| self.aval(aval).clone()).collect()
    }

    /// Gives back the arrays that no later step reads.
    fn end(&self, step: &Step, slots: &mut [Option<Array>]) {
        let ends = &self.lists.ends[step.ends.start as usize..step.ends.end as usize];
        ends.iter().for_each(|&at| slots[at as usize] = None);
    }

    fn kernel(&self, kernel: &dyn Kernel, step: &Step, env: &mut Env) {
        let Env { slots, homes, .. } = env;
        let dest = self.outs(step)[0].dest;
        let mut made = match dest {
            Dest::Slot(_, aval) => Made::Array(Array::scratch(self.aval(aval).clone())),
            Dest::Home(at, _) => Made::home(homes, at),
        };
        let args: SmallVec<[&[u8]; 4]> =
            self.args(step).iter().map(|&arg| self.bytes(slots, homes, arg)).collect();
        kernel.run(&args, made.bytes(dest));
        drop(args);
        made.put(dest, slots, homes);
        self.end(step, slots);
    }

    fn bytes<'a>(
        &'a self,
        slots: &'a [Option<Array>],
        homes: &'a [Option<Buffer>],
        operand: Operand,
    ) -> &'a [u8] {
        let bytes = match operand {
            Operand::Const(at) => return self.consts[at as usize].bytes(),
            Operand::Slot(at, _) => slots[at as usize].as_ref().map(Array::bytes),
            Operand::Home(at, bytes) => homes[at as usize].as_ref().map(|home| &home.slice::<u8>()[..bytes]),
        };
        bytes.unwrap_or_else(|| unreachable!("a value is made before it is used, and in no home of a result"))
    }

    /// Runs a kernel that writes to several results, each in new memory or in that of an argument.
    fn fused(&self, step: &Step, env: &mut Env, run: impl FnOnce(&[Source<'_>], &mut [&mut [u8]])) {
        let Env { slots, homes, room } = env;
        let Room { made, held, .. } = room;
        let (args, outs) = (self.args(step), self.outs(step));
        held.resize(args.len(), None);
        for (i, out) in outs.iter().enumerate() {
            let arg = out.pair.map(|input| (input as usize, args[input as usize]));
            made.push(match (out.dest, arg) {
                (Dest::Home(at, _), _) => {
                    // The home of an argument that ends here may be the result's.
                    if let Some((input, Operand::Home(from, _))) = arg
                        && from == at
                    {
                        held[input] = Some(i);
                    }
                    Made::home(homes, at)
                }
                (Dest::Slot(_, aval), Some((input, Operand::Slot(from, true)))) => {
                    let aval = self.aval(aval);
                    match slots[from as usize].take_if(|array| array.may_be_overwritten(aval)) {
                        Some(array) => {
                            held[input] = Some(i);
                            Made::Array(array.redescribed(aval))
                        }
                        None => Made::Array(Array::scratch(aval.clone())),
                    }
                }
                (Dest::Slot(_, aval), _) => Made::Array(Array::scratch(self.aval(aval).clone())),
            });
        }
        let mut sources = emptied(std::mem::take(&mut room.sources));
        sources.extend(args.iter().zip(&*held).map(|(&arg, held)| match held {
            Some(result) => Source::Result(*result),
            None => Source::Bytes(self.bytes(slots, homes, arg)),
        }));
        let mut results = emptied(std::mem::take(&mut room.results));
        results.extend(made.iter_mut().zip(outs).map(|(made, out)| made.bytes(out.dest)));
        run(&sources, &mut results);
        (room.sources, room.results) = (emptied(sources), emptied(results));
        held.clear();
        made.drain(..).zip(outs).for_each(|(made, out)| made.put(out.dest, slots, homes));
        self.end(step, slots);
    }
}

impl Made {
    fn home(homes: &mut [Option<Buffer>], at: u32) -> Made {
        match homes[at as usize].take() {
            Some(buffer) => Made::Home(buffer),
            None => unreachable!("results of one step have homes of their own"),
        }
    }

    fn bytes(&mut self, dest: Dest) -> &mut [u8] {
        let bytes = match (self, dest) {
            (Made::Array(array), _) => array.unique_bytes(),
            (Made::Home(buffer), Dest::Home(_, bytes)) => Some(&mut buffer.slice_mut::<u8>()[..bytes]),
            (Made::Home(_), Dest::Slot(..)) => None,
        };
        bytes.unwrap_or_else(|| unreachable!("a result is new, given away, or in a home of its own"))
    }

    fn put(self, dest: Dest, slots: &mut [Option<Array>], homes: &mut [Option<Buffer>]) {
        match (self, dest) {
            (Made::Array(array), Dest::Slot(at, _)) => slots[at as usize] = Some(array),
            (Made::Home(buffer), Dest::Home(at, _)) => homes[at as usize] = Some(buffer),
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
        for (step, origin) in self.steps.iter().zip(&self.origins) {
            let name = origin.kind.name();
            let args: Vec<String> = self.args(step).iter().map(Operand::to_string).collect();
            let outs: Vec<String> = self.outs(step).iter().map(|out| out.dest.to_string()).collect();
            writeln!(f, "{} = {name} {}", outs.join(" "), args.join(" "))?;
        }
        Ok(())
    }
}
