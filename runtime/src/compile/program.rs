//! A graph made ready to run many times.
//!
//! Values that only fused and prepared kernels touch live in *homes*: memory that belongs to the program, shared by
//! values whose lifetimes do not overlap, and kept between calls. All others are arrays, which are moved out of their slot
//! at their last use, so that a kernel may write into them.

use std::panic::Location;
use std::sync::{Arc, Mutex};

use smallvec::SmallVec;

use super::epilogue::Epilogue;
use super::fuse::Fusion;
use super::graph::Graph;
use super::plan::{Dest, Operand, Plan};
use crate::error::Result;
use crate::kernels::fused::Source;
use crate::kernels::threads;
use crate::primitive::{Args, Prepared, Primitive};
use crate::tensor::pool::Buffer;
use crate::tensor::{Array, Aval};

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
    /// Environments are kept between calls; several threads may run one program.
    pool: Mutex<Vec<Env>>,
}

/// The memory of one run.
struct Env {
    slots: Vec<Option<Array>>,
    homes: Vec<Option<Buffer>>,
}

pub(super) struct Step {
    pub action: Action,
    pub args: Vec<Operand>,
    pub outs: Vec<Dest>,
    /// Which argument's memory each result may be written to.
    pub pairs: Vec<Option<usize>>,
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

impl Program {
    pub(crate) fn new(graph: &Graph) -> Program {
        let Plan { steps, outs, homes, needed, slots } = Plan::new(graph);
        let work: u64 = steps.iter().map(|step| step.flops.max(step.bytes / 4)).sum();
        Program {
            inputs: graph.inputs.len(),
            consts: graph.consts.iter().map(|(_, array)| array.clone()).collect(),
            steps,
            outs,
            homes,
            needed,
            slots,
            is_large: work >= LARGE,
            pool: Mutex::default(),
        }
    }

    /// Bytes of the memory that is kept between calls.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.homes.iter().sum()
    }

    /// Bytes of intermediate values that are alive at once, at most.
    pub(crate) fn needed_bytes(&self) -> usize {
        self.needed
    }

    pub(crate) fn run(&self, args: impl IntoIterator<Item = Array>) -> Result<Vec<Array>> {
        self.run_with(args, |_, step| step())
    }

    /// Runs each step through `around`, which is given its number.
    pub(super) fn run_with(
        &self,
        args: impl IntoIterator<Item = Array>,
        mut around: impl FnMut(usize, &mut dyn FnMut() -> Result<()>) -> Result<()>,
    ) -> Result<Vec<Array>> {
        // Whoever finds the pool in use makes memory of its own.
        let pooled = self.pool.try_lock().ok().and_then(|mut pool| pool.pop());
        let mut env = pooled.unwrap_or_else(|| self.env());
        for (slot, array) in env.slots.iter_mut().zip(args.into_iter().take(self.inputs)) {
            *slot = Some(array);
        }
        let awake = self.is_large.then(threads::awake);
        for (i, step) in self.steps.iter().enumerate() {
            around(i, &mut || self.step(step, &mut env))?;
        }
        drop(awake);
        let outs = self.outs.iter().map(|&out| self.take(&mut env, out)).collect();
        // A value left in its slot would keep its buffer from being used again.
        env.slots.fill(None);
        if let Ok(mut pool) = self.pool.try_lock() {
            pool.push(env);
        }
        Ok(outs)
    }

    fn env(&self) -> Env {
        let homes = self.homes.iter().map(|&bytes| Some(Buffer::scratch(bytes))).collect();
        Env { slots: vec![None; self.slots], homes }
    }

    fn take(&self, env: &mut Env, operand: Operand) -> Array {
        let array = match operand {
            Operand::Const(at) => return self.consts[at].clone(),
            Operand::Slot(at, true) => env.slots[at].take(),
            Operand::Slot(at, false) => env.slots[at].clone(),
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
                let array = self.take(env, step.args[0]).with_aval(step.avals[0].clone());
                step.outs.iter().for_each(|out| {
                    if let Dest::Slot(at) = out {
                        env.slots[*at] = Some(array.clone());
                    }
                });
            }
            Action::Eval(primitive) => {
                let args: Args<Array> = step.args.iter().map(|&arg| self.take(env, arg)).collect();
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
        let mut made: Option<Array> = None;
        let mut home: Option<Buffer> = None;
        match step.outs[0] {
            Dest::Slot(_) => made = Some(Array::scratch(step.avals[0].clone())),
            Dest::Home(at, _) => home = env.homes[at].take(),
        }
        {
            let args: SmallVec<[&[u8]; 4]> = step.args.iter().map(|&arg| self.bytes(env, arg)).collect();
            let out = match (&mut made, &mut home, &step.outs[0]) {
                (Some(array), ..) => array.unique_bytes(),
                (None, Some(buffer), Dest::Home(_, bytes)) => Some(&mut buffer.slice_mut::<u8>()[..*bytes]),
                _ => None,
            };
            match out {
                Some(out) => kernel.run(&args, out),
                None => unreachable!("a result is new, or in a home of its own"),
            }
        }
        match step.outs[0] {
            Dest::Slot(at) => env.slots[at] = made,
            Dest::Home(at, _) => env.homes[at] = home,
        }
        drop_used(step, env);
    }

    fn bytes<'a>(&'a self, env: &'a Env, operand: Operand) -> &'a [u8] {
        let bytes = match operand {
            Operand::Const(at) => return self.consts[at].bytes(),
            Operand::Slot(at, _) => env.slots[at].as_ref().map(Array::bytes),
            Operand::Home(at, bytes) => env.homes[at].as_ref().map(|home| &home.slice::<u8>()[..bytes]),
        };
        bytes.unwrap_or_else(|| unreachable!("a value is made before it is used, and in no home of a result"))
    }

    /// Runs a kernel that writes to several results, each in new memory or in that of an argument.
    fn fused(&self, step: &Step, env: &mut Env, run: impl FnOnce(&[Source<'_>], &mut [&mut [u8]])) {
        let mut made: SmallVec<[Option<Array>; 4]> = SmallVec::new();
        let mut homes: SmallVec<[Option<Buffer>; 4]> = SmallVec::new();
        let mut held: SmallVec<[Option<usize>; 16]> = SmallVec::from_elem(None, step.args.len());
        for (i, (dest, pair)) in step.outs.iter().zip(&step.pairs).enumerate() {
            let (array, home) = match (dest, pair.map(|input| (input, step.args[input]))) {
                // The home of an argument that ends here may be the result's.
                (Dest::Home(at, _), Some((input, Operand::Home(from, _)))) if *at == from => {
                    held[input] = Some(i);
                    (None, env.homes[*at].take())
                }
                (Dest::Home(at, _), _) => (None, env.homes[*at].take()),
                (Dest::Slot(_), Some((input, Operand::Slot(from, true)))) => match env.slots[from].take() {
                    Some(array) => match array.reuse(step.avals[i].clone()) {
                        Ok(array) => {
                            held[input] = Some(i);
                            (Some(array), None)
                        }
                        Err((array, fresh)) => {
                            env.slots[from] = Some(array);
                            (Some(fresh), None)
                        }
                    },
                    None => (Some(Array::scratch(step.avals[i].clone())), None),
                },
                (Dest::Slot(_), _) => (Some(Array::scratch(step.avals[i].clone())), None),
            };
            made.push(array);
            homes.push(home);
        }
        {
            let sources: SmallVec<[Source<'_>; 16]> = (step.args.iter().zip(&held))
                .map(|(&arg, held)| match held {
                    Some(result) => Source::Result(*result),
                    None => Source::Bytes(self.bytes(env, arg)),
                })
                .collect();
            let mut results: SmallVec<[&mut [u8]; 4]> = SmallVec::new();
            for ((array, home), dest) in made.iter_mut().zip(&mut homes).zip(&step.outs) {
                let bytes = match (array, home, dest) {
                    (Some(array), ..) => array.unique_bytes(),
                    (None, Some(buffer), Dest::Home(_, bytes)) => {
                        Some(&mut buffer.slice_mut::<u8>()[..*bytes])
                    }
                    _ => None,
                };
                match bytes {
                    Some(bytes) => results.push(bytes),
                    None => unreachable!("a result is new, given away, or in a home of its own"),
                }
            }
            run(&sources, &mut results);
        }
        for ((array, home), dest) in made.into_iter().zip(homes).zip(&step.outs) {
            match dest {
                Dest::Slot(at) => env.slots[*at] = array,
                Dest::Home(at, _) => env.homes[*at] = home,
            }
        }
        drop_used(step, env);
    }
}

/// Lets go of arguments that are not used again.
fn drop_used(step: &Step, env: &mut Env) {
    for arg in &step.args {
        if let Operand::Slot(at, true) = arg {
            env.slots[*at] = None;
        }
    }
}

/// For tests and reports: which values share memory.
impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for step in &self.steps {
            let name = match &step.action {
                Action::Fused(_) => "fusion",
                Action::Epilogue(epilogue, _) => &format!("{}+fusion", epilogue.product().name()),
                Action::Prepared(name, _) => name,
                Action::Reshape => "reshape",
                Action::Eval(primitive) => primitive.name(),
            };
            let args: Vec<String> = step.args.iter().map(Operand::to_string).collect();
            let outs: Vec<String> = step.outs.iter().map(Dest::to_string).collect();
            writeln!(f, "{} = {name} {}", outs.join(" "), args.join(" "))?;
        }
        Ok(())
    }
}
