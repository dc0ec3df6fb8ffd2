//! The program: a schedule made ready to run many times.
//!
//! Values that only kernels of plain memory touch live in the *slots* of an arena, which belongs to the program: shared by values
//! whose lifetimes do not overlap, and kept between calls. All others are arrays, which are moved out of the environment at
//! their last use, so that a kernel may write into them.
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
use crate::backend::cpu::control::Control;
use crate::backend::cpu::memory::{Assignment, CallingConvention, Copied, Lists, Output, Read, Write};
use crate::backend::cpu::passes::epilogue::Joint;
use crate::backend::cpu::passes::fuse::is_reshape;
use crate::backend::cpu::passes::tile_batch::BatchTiled;
use crate::backend::cpu::rules;
use crate::backend::cpu::schedule::{Schedule, Step};
use crate::backend::cpu::spares::Spares;
use crate::core::backend::{Executable, Finish};
use crate::core::cpu::Kernel;
use crate::core::primitive::{Args, Primitive};
use crate::core::trace::eval;
use crate::core::{CacheLookup, Profile};
use crate::error::{Error, Result};
use crate::kernels::lanes::Lane;
use crate::kernels::threads;
use crate::ops::collective::started;

/// Floating-point operations, or numbers read and written, from which on a run keeps threads awake.
pub(super) const LARGE: u64 = 1 << 20;

/// Bytes of a slice from which on one is not copied for an operation that takes arrays: a view of it costs an allocation.
const VIEWED: usize = 1 << 10;

pub(crate) struct Program {
    inputs: usize,
    consts: Vec<Array>,
    commands: Vec<Command>,
    lists: Lists,
    pub(crate) origins: Vec<Origin>,
    /// All results, or the carry of a loop.
    pub(super) outs: Vec<Read>,
    pub(super) copied: Vec<Copied>,
    pub(super) convention: CallingConvention,
    /// Of the arguments, in order.
    input_avals: Vec<Aval>,
    /// Bytes of each slot of the arena.
    pub(super) slots: Vec<usize>,
    peak: usize,
    arrays: usize,
    /// Floating-point operations, or numbers read and written, of a run.
    pub(super) work: u64,
    /// Kept between calls; several threads may run one program.
    envs: ObjectPool<Env>,
    /// What the cache on disk had of its kernels.
    lookup: Option<CacheLookup>,
}

/// The memory of one run.
pub(super) struct Env {
    pub arrays: Vec<Option<Array>>,
    /// Those of the arena.
    pub slots: Vec<Option<Buffer>>,
    /// The results of a loop that are put together from slices.
    pub ys: Vec<Option<Lane>>,
    /// Which of the slices a step of a loop is about.
    pub slice: usize,
    pub spares: Spares,
    pub room: Room,
}

/// Lists that a step fills; between steps they are empty, and nothing but memory.
#[derive(Default)]
pub(super) struct Room {
    made: Vec<Made>,
    held: Vec<Option<usize>>,
    sources: Vec<Source<'static>>,
    results: Vec<&'static mut [u8]>,
    values: Vec<Array>,
    /// Of a loop that finds its end itself: what its condition reads.
    pub asked: Vec<Array>,
    pub of_cond: Vec<Array>,
}

/// Where a result is written, while it is.
enum Made {
    Array(Array),
    Slot(Buffer),
    Slice(Lane),
}

/// What to run for a step, and which parts of the program's lists are its own.
pub(crate) struct Command {
    pub work: Work,
    pub args: Range<u32>,
    pub outs: Range<u32>,
    pub ends: Range<u32>,
}

/// What is known of a step besides what it does.
pub(crate) struct Origin {
    pub step: Step,
    pub location: &'static Location<'static>,
    pub path: Option<Arc<str>>,
    pub flops: u64,
    /// Bytes read and written.
    pub bytes: u64,
}

pub(crate) enum Work {
    Fused(Arc<Fused>),
    /// A product whose kernel hands its tiles on to a fused one.
    Epilogue(Arc<Fused>, Joint, Box<dyn Kernel>),
    Kernel(Box<dyn Kernel>),
    BatchTiled(Arc<BatchTiled>),
    /// The argument under another shape.
    Reshape,
    Eval(Arc<dyn Primitive>),
    Control(Box<Control>),
}

impl Origin {
    /// What the step is called.
    fn name(&self) -> Cow<'static, str> {
        match &self.step {
            Step::Epilogue(_) => format!("{}+fusion", self.step.name()).into(),
            Step::Primitive(primitive) if is_reshape(primitive.op()) => "reshape".into(),
            step => step.name().into(),
        }
    }
}

impl Program {
    pub(crate) fn new(schedule: &Schedule) -> Program {
        Program::with(schedule, CallingConvention::Call)
    }

    pub(super) fn with(schedule: &Schedule, convention: CallingConvention) -> Program {
        let Assignment { commands, lists, origins, outs, copied, slots, peak, arrays } =
            Assignment::new(schedule, convention);
        let work = origins.iter().fold(0u64, |sum, step| sum.saturating_add(step.flops.max(step.bytes / 4)));
        Program {
            inputs: schedule.inputs.len(),
            consts: schedule.consts.iter().map(|(_, array)| array.clone()).collect(),
            commands,
            lists,
            origins,
            outs,
            copied,
            convention,
            input_avals: schedule.inputs.iter().map(|&var| schedule.aval(var).clone()).collect(),
            slots,
            peak,
            arrays,
            work,
            envs: ObjectPool::default(),
            lookup: None,
        }
    }

    /// Bytes of the memory that is kept between calls.
    pub(crate) fn arena_bytes(&self) -> usize {
        let within = self.controls().map(Control::arena_bytes);
        self.slots.iter().copied().chain(within).fold(0, usize::saturating_add)
    }

    /// Bytes that a run reads and writes, without those of programs within.
    #[cfg(test)]
    pub(super) fn moved_bytes(&self) -> u64 {
        self.origins.iter().map(|origin| origin.bytes).sum()
    }

    /// The programs that its steps run.
    #[cfg(test)]
    pub(super) fn programs_within(&self) -> impl Iterator<Item = &Program> {
        self.controls().flat_map(Control::programs)
    }

    /// The steps that run other programs.
    fn controls(&self) -> impl Iterator<Item = &Control> {
        self.commands.iter().filter_map(|command| match &command.work {
            Work::Control(control) => Some(&**control),
            _ => None,
        })
    }

    /// Compiles the kernels of all steps, also within other programs.
    pub(crate) fn compile_kernels(&mut self) {
        let mut kernels = Vec::new();
        self.add_kernels(&mut kernels);
        self.lookup = Fused::compile(kernels);
    }

    fn add_kernels<'a>(&'a self, to: &mut Vec<&'a Fused>) {
        for command in &self.commands {
            match &command.work {
                Work::Fused(kernel) | Work::Epilogue(kernel, ..) => to.push(kernel),
                Work::BatchTiled(tiled) => tiled.programs().for_each(|program| program.add_kernels(to)),
                Work::Control(control) => control.programs().for_each(|program| program.add_kernels(to)),
                Work::Kernel(_) | Work::Reshape | Work::Eval(_) => {}
            }
        }
    }

    /// Bytes of intermediate values that are alive at once, at most.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.peak + self.controls().map(Control::peak_bytes).max().unwrap_or(0)
    }

    pub(crate) fn run(&self, args: impl IntoIterator<Item = Array>) -> Result<Vec<Array>> {
        self.run_and_finish(args, |outs| outs.collect())
    }

    /// Hands the results, one after the other, to `finish`; nothing is allocated for them together.
    pub(crate) fn run_and_finish<R>(
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
            Some(at) => format!("{} ({})", eval::list(&self.arrays(at)), self.origins[at].name()),
            None => "the memory that a compiled program keeps".to_owned(),
        };
        let first = started::next_ticket();
        let run = || {
            let mut env = self.take_env();
            for (own, array) in env.arrays.iter_mut().zip(args.into_iter().take(self.inputs)) {
                *own = Some(array);
            }
            let awake = (self.work >= LARGE).then(threads::awake);
            for (i, command) in self.commands.iter().enumerate() {
                at.set(Some(i));
                around(i, &mut || self.step(i, command, &mut env))?;
                started::progress();
            }
            drop(awake);
            let result = finish(&mut self.outs.iter().map(|&out| self.take(&mut env, out)));
            self.put_env(env);
            Ok(result)
        };
        memory::or_error("jit", what, run).inspect_err(|_| started::forget_from(first)).map_err(
            |error| match (&error, at.get()) {
                (Error::OutOfMemory { .. }, Some(at)) => error.at(self.origins[at].location),
                _ => error,
            },
        )
    }

    /// Memory for a run; whoever finds all in use makes its own.
    pub(super) fn take_env(&self) -> Box<Env> {
        self.envs.take().unwrap_or_else(|| {
            let slots = self.slots.iter().map(|&bytes| Some(Buffer::scratch(bytes))).collect();
            let arrays = vec![None; self.arrays];
            let (spares, room) = (Spares::default(), Room::default());
            Box::new(Env { arrays, slots, ys: Vec::new(), slice: 0, spares, room })
        })
    }

    /// Keeps the memory of a run for the next one.
    pub(super) fn put_env(&self, mut env: Box<Env>) {
        // An array left behind would keep its buffer from being used again.
        env.arrays.fill(None);
        self.envs.put(env);
    }

    /// All steps, in order.
    pub(super) fn run_steps(&self, env: &mut Env) -> Result<()> {
        self.commands.iter().enumerate().try_for_each(|(i, command)| self.step(i, command, env))
    }

    /// A value as an array, moved out at its last use.
    pub(super) fn take(&self, env: &mut Env, read: Read) -> Array {
        let arrays = &mut env.arrays;
        let array = match read {
            Read::Const(at) => return self.consts[at as usize].clone(),
            Read::Array(at, true) => arrays[at as usize].take(),
            Read::Array(at, false) => arrays[at as usize].clone(),
            Read::Slice(at, bytes) if bytes >= VIEWED => {
                let whole = arrays[at as usize].as_ref();
                whole.map(|whole| whole.part(env.slice * bytes, self.input_avals[at as usize].clone()))
            }
            Read::Slice(at, _) => {
                let mut copy = env.spares.scratch(&self.input_avals[at as usize]);
                if let Some(bytes) = copy.unique_bytes() {
                    bytes.copy_from_slice(self.bytes(env, read));
                }
                Some(copy)
            }
            Read::Slot(..) | Read::Written(..) => None,
        };
        array.unwrap_or_else(|| {
            unreachable!("values of the arena go to kernels, others are made before they are used")
        })
    }

    fn step(&self, number: usize, command: &Command, env: &mut Env) -> Result<()> {
        let (args, outs) = (self.args(command), self.outs(command));
        match &command.work {
            Work::Fused(kernel) => self.fused(command, env, |args, results| kernel.run(args, results)),
            Work::Epilogue(fused, joint, product) => self.fused(command, env, |args, results| {
                joint.run(fused, &**product, args, results);
            }),
            Work::Kernel(kernel) => self.kernel(&**kernel, command, env),
            Work::Reshape => {
                let array = self.take(env, args[0]);
                if let Write::Array(at, aval) = outs[0].to {
                    env.arrays[at as usize] = Some(array.with_aval(self.aval(aval).clone()));
                }
            }
            Work::BatchTiled(tiled) => {
                let args: Args<Array> = args.iter().map(|&arg| self.take(env, arg)).collect();
                if let Write::Array(at, aval) = outs[0].to {
                    let made = tiled.run(&args, self.aval(aval).clone());
                    env.arrays[at as usize] = Some(made.map_err(|e| e.at(self.origins[number].location))?);
                }
            }
            Work::Control(control) => {
                let mut values = std::mem::take(&mut env.room.values);
                values.extend(args.iter().map(|&arg| self.take(env, arg)));
                let made = control.run(&mut values, &mut env.spares);
                made.map_err(|e| e.at(self.origins[number].location))?;
                for (out, made) in outs.iter().zip(values.drain(..)) {
                    Program::put(Made::Array(made), out.to, env);
                }
                env.room.values = values;
            }
            Work::Eval(primitive) => {
                let args: Args<Array> = args.iter().map(|&arg| self.take(env, arg)).collect();
                let avals = outs.iter().filter_map(|out| out.to.aval()).map(|aval| self.aval(aval).clone());
                let made = rules(&**primitive).eval(args, avals.collect());
                let made = made.map_err(|e| e.at(self.origins[number].location))?;
                for (out, made) in outs.iter().zip(made) {
                    if let Write::Array(at, _) = out.to {
                        env.arrays[at as usize] = Some(made);
                    }
                }
            }
        }
        Ok(())
    }

    fn args(&self, command: &Command) -> &[Read] {
        &self.lists.args[command.args.start as usize..command.args.end as usize]
    }

    fn outs(&self, command: &Command) -> &[Output] {
        &self.lists.outs[command.outs.start as usize..command.outs.end as usize]
    }

    fn aval(&self, number: u32) -> &Aval {
        &self.lists.avals[number as usize]
    }

    /// What is known of the arrays that a step makes.
    fn arrays(&self, command: usize) -> Vec<Aval> {
        let avals = self.outs(&self.commands[command]).iter().filter_map(|out| out.to.aval());
        avals.map(|aval| self.aval(aval).clone()).collect()
    }

    /// Gives back the arrays that no later step reads.
    fn end(&self, command: &Command, env: &mut Env) {
        let ends = &self.lists.ends[command.ends.start as usize..command.ends.end as usize];
        for array in ends.iter().filter_map(|&at| env.arrays[at as usize].take()) {
            env.spares.give(array);
        }
    }

    fn kernel(&self, kernel: &dyn Kernel, command: &Command, env: &mut Env) {
        let to = self.outs(command)[0].to;
        let mut made = match to {
            Write::Array(_, aval) => Made::Array(env.spares.scratch(self.aval(aval))),
            Write::Slot(at, _) => Made::slot(&mut env.slots, at),
            Write::Slice(y, _) => Made::slice(&mut env.ys, y),
        };
        let args: SmallVec<[&[u8]; 4]> = self.args(command).iter().map(|&arg| self.bytes(env, arg)).collect();
        kernel.run(&args, made.bytes(to, env.slice));
        drop(args);
        Program::put(made, to, env);
        self.end(command, env);
    }

    pub(super) fn bytes<'a>(&'a self, env: &'a Env, read: Read) -> &'a [u8] {
        self.bytes_of(&env.arrays, &env.slots, &env.ys, env.slice, read)
    }

    fn bytes_of<'a>(
        &'a self,
        arrays: &'a [Option<Array>],
        slots: &'a [Option<Buffer>],
        ys: &'a [Option<Lane>],
        slice: usize,
        read: Read,
    ) -> &'a [u8] {
        let bytes = match read {
            Read::Const(at) => return self.consts[at as usize].bytes(),
            Read::Array(at, _) => arrays[at as usize].as_ref().map(Array::bytes),
            Read::Slot(at, bytes) => slots[at as usize].as_ref().map(|slot| &slot.slice::<u8>()[..bytes]),
            Read::Slice(at, bytes) => {
                arrays[at as usize].as_ref().map(|array| &array.bytes()[slice * bytes..][..bytes])
            }
            Read::Written(y, _) => ys[y as usize].as_ref().map(|y| y.piece(slice)),
        };
        bytes.unwrap_or_else(|| unreachable!("a value is made before it is used, and in no slot of a result"))
    }

    /// Runs a kernel that writes to several results, each in new memory or in that of an argument.
    ///
    /// What is hard: all results are taken out of the environment before the arguments are borrowed from it, and an argument whose
    /// memory a result takes over is then no bytes to read but "in that result" (`held`). The lists that this needs keep their
    /// memory between calls, as an empty list holds no borrow.
    fn fused(&self, command: &Command, env: &mut Env, run: impl FnOnce(&[Source<'_>], &mut [&mut [u8]])) {
        let Env { arrays, slots, ys, room, spares, slice } = env;
        let slice = *slice;
        let Room { made, held, .. } = room;
        let (args, outs) = (self.args(command), self.outs(command));
        held.resize(args.len(), None);
        for (i, out) in outs.iter().enumerate() {
            let arg = out.alias.map(|input| (input as usize, args[input as usize]));
            made.push(match (out.to, arg) {
                (Write::Slot(at, _), _) => {
                    // The slot of an argument that ends here may be the result's.
                    if let Some((input, Read::Slot(from, _))) = arg
                        && from == at
                    {
                        held[input] = Some(i);
                    }
                    Made::slot(slots, at)
                }
                (Write::Array(_, aval), Some((input, Read::Array(from, true)))) => {
                    let aval = self.aval(aval);
                    match arrays[from as usize].take_if(|array| array.may_be_overwritten(aval)) {
                        Some(array) => {
                            held[input] = Some(i);
                            Made::Array(array.redescribed(aval))
                        }
                        None => Made::Array(spares.scratch(aval)),
                    }
                }
                (Write::Array(_, aval), _) => Made::Array(spares.scratch(self.aval(aval))),
                (Write::Slice(y, _), _) => Made::slice(ys, y),
            });
        }
        let mut sources = emptied(std::mem::take(&mut room.sources));
        sources.extend(args.iter().zip(&*held).map(|(&arg, held)| match held {
            Some(result) => Source::Result(*result),
            None => Source::Bytes(self.bytes_of(arrays, slots, ys, slice, arg)),
        }));
        let mut results = emptied(std::mem::take(&mut room.results));
        results.extend(made.iter_mut().zip(outs).map(|(made, out)| made.bytes(out.to, slice)));
        run(&sources, &mut results);
        (room.sources, room.results) = (emptied(sources), emptied(results));
        held.clear();
        let mut list = std::mem::take(made);
        list.drain(..).zip(outs).for_each(|(made, out)| Program::put(made, out.to, env));
        env.room.made = list;
        self.end(command, env);
    }

    /// A result to where it is read.
    fn put(made: Made, to: Write, env: &mut Env) {
        match (made, to) {
            (Made::Array(array), Write::Array(at, _)) => {
                // What an earlier step of a loop has left there is over.
                if let Some(before) = env.arrays[at as usize].replace(array) {
                    env.spares.give(before);
                }
            }
            (Made::Slot(buffer), Write::Slot(at, _)) => env.slots[at as usize] = Some(buffer),
            (Made::Slice(lane), Write::Slice(y, _)) => env.ys[y as usize] = Some(lane),
            _ => unreachable!("arrays are made where arrays go, and slots are only borrowed"),
        }
    }
}

impl Made {
    fn slot(slots: &mut [Option<Buffer>], at: u32) -> Made {
        match slots[at as usize].take() {
            Some(buffer) => Made::Slot(buffer),
            None => unreachable!("results of one step have slots of their own"),
        }
    }

    fn slice(ys: &mut [Option<Lane>], y: u32) -> Made {
        match ys[y as usize].take() {
            Some(lane) => Made::Slice(lane),
            None => unreachable!("results of one step have slices of their own"),
        }
    }

    fn bytes(&mut self, to: Write, slice: usize) -> &mut [u8] {
        let bytes = match (self, to) {
            (Made::Array(array), _) => array.unique_bytes(),
            (Made::Slot(buffer), Write::Slot(_, bytes)) => Some(&mut buffer.slice_mut::<u8>()[..bytes]),
            (Made::Slice(lane), _) => Some(lane.piece_mut(slice)),
            (Made::Slot(_), Write::Array(..) | Write::Slice(..)) => None,
        };
        bytes.unwrap_or_else(|| unreachable!("a result is new, given away, or in a slot of its own"))
    }
}

impl Executable for Program {
    fn run(&self, args: &mut dyn Iterator<Item = Array>, finish: &mut Finish<'_>) -> Result<()> {
        self.run_with(args, |_, step| step(), finish)
    }

    fn profile(&self, args: &[Array], runs: usize) -> Result<Profile> {
        self.measure(args, runs)
    }

    fn arena_bytes(&self) -> usize {
        Program::arena_bytes(self)
    }

    fn cache_lookup(&self) -> Option<CacheLookup> {
        self.lookup
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
        for (command, origin) in self.commands.iter().zip(&self.origins) {
            let name = origin.name();
            let args: Vec<String> = self.args(command).iter().map(Read::to_string).collect();
            let outs: Vec<String> = self.outs(command).iter().map(|out| out.to.to_string()).collect();
            writeln!(f, "{} = {name} {}", outs.join(" "), args.join(" "))?;
        }
        Ok(())
    }
}
