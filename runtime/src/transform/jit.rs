//! `jit`: tracing once, and a cache of programs by structure, shapes and dtypes.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::programs::{CachedProgram, Programs, Wanted};
use super::stage::{avals, stage};
use crate::array::Array;
use crate::array::object_pool::ObjectPool;
use crate::backend::CPU;
use crate::core::Tensor;
use crate::core::backend::{IntoBackend, check_placement};
use crate::core::primitive::Args;
use crate::core::tensor::Repr;
use crate::core::trace;
use crate::core::trace::{Axis, Trace};
use crate::core::{Backend, Graph, Profile, ProgramText};
use crate::error::{Error, Result};
use crate::ops::control::while_loop::check_reverse_mode;
use crate::tree::{self, Donation, Structure, Tree};

/// A function that is traced once per structure, shapes and dtypes; see [`jit`].
pub struct Jit<F, I, O> {
    pub(super) f: F,
    pub(super) programs: Programs,
    /// What the last calls ran.
    recent: ObjectPool<Recent>,
    types: PhantomData<fn(I) -> O>,
}

/// A [`Jit`] whose closure is [`boxed`](Jit::boxed), to be named in a struct.
///
/// ```
/// use flaxen::prelude::*;
///
/// struct Trainer {
///     step: DynJit<'static, (Tensor, Tensor), Tensor>,
/// }
///
/// let trainer = Trainer { step: jit(|(p, g): (Tensor, Tensor)| Ok(p - g * 0.5)).boxed() };
/// let p = trainer.step.call((Tensor::from(3.0f32), Tensor::from(2.0f32)))?;
/// assert_eq!(p.item::<f32>()?, 2.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub type DynJit<'f, I, O> = Jit<Box<dyn Fn(I) -> Result<O> + Send + Sync + 'f>, I, O>;

/// What a [`Jit`] has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JitStats {
    /// Times the function was traced; threads that need the same program at once may each trace it, and one of them is kept.
    pub traces: u64,
    /// Calls that found a program.
    pub hits: u64,
    /// Programs that are kept.
    pub programs: usize,
    /// Programs that made room for others.
    pub evicted: u64,
    /// Spent on tracing and compiling.
    pub compile_time: Duration,
    /// Programs whose machine code was read from the folder of [`compilation_cache`](crate::compilation_cache()).
    pub disk_hits: u64,
    /// Programs that were not in that folder, and were stored there.
    pub disk_misses: u64,
    /// Programs whose file there was damaged, or not safe to be read, and was replaced.
    pub disk_rejected: u64,
}

/// What a call runs, and what its argument donates.
struct Recent {
    entry: Arc<CachedProgram>,
    donation: Donation,
}

/// Compiles a function: it is traced once for each structure, shapes and dtypes of its argument, simplified, and from then
/// on runs without calling `f`.
///
/// The argument is one tree, by value: buffers nobody else holds are written into, so a state that is moved in costs no memory
/// of its own, and one that is cloned in costs that of the copy. While `f` is traced its argument has no values, so control
/// flow on them is an error. What a program became, and what each of its steps costs, is seen by [`Jit::program`] and
/// [`Jit::profile`].
///
/// ```
/// use flaxen::prelude::*;
///
/// let step = jit(|(w, x): (Tensor, Tensor)| {
///     let dw = grad(|w: &Tensor| Ok((w * &x - 1.0).sum()))(&w)?;
///     Ok(w - dw * 0.1)
/// });
/// let mut w = Tensor::from([1.0f32, 2.0]);
/// for _ in 0..3 {
///     w = step.call((w, Tensor::from([1.0f32, 1.0])))?;
/// }
/// assert_eq!(step.traces(), 1);
/// println!("{}", step.graph(&(w.clone(), w))?);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn jit<I, O, F>(f: F) -> Jit<F, I, O>
where
    I: Tree,
    O: Tree,
    F: Fn(I) -> Result<O>,
{
    Jit { f, programs: Programs::new(CPU), recent: ObjectPool::default(), types: PhantomData }
}

impl<F, I, O> Jit<F, I, O>
where
    I: Tree,
    O: Tree,
    F: Fn(I) -> Result<O>,
{
    /// The same, with its closure behind a pointer: of a type that a struct can name; see [`DynJit`].
    pub fn boxed<'f>(self) -> DynJit<'f, I, O>
    where
        F: Send + Sync + 'f,
    {
        Jit { f: Box::new(self.f), programs: self.programs, recent: self.recent, types: PhantomData }
    }

    /// Runs the function, tracing it if these shapes are new.
    ///
    /// # Errors
    /// What `f` returns while it is traced; if it asks for the elements of a traced value. The arguments are gone then.
    pub fn call(&self, args: I) -> Result<O> {
        self.call_and_keep(args, &mut |_| ())
    }

    /// As [`call`](Jit::call), and shows the program that is run to `keep`.
    pub(super) fn call_and_keep(&self, args: I, keep: &mut dyn FnMut(&Arc<CachedProgram>)) -> Result<O> {
        let current = trace::current();
        let mut recent = self.recent(&args, current.as_ref())?;
        let Recent { entry, donation } = &mut *recent;
        keep(entry);
        args.donate(donation);
        let backend = self.programs.target.backend;
        let fits = |leaf: &Tensor| matches!(&leaf.repr, Repr::Array(array) if array.is_on_host() || backend.takes(array));
        let outs = if current.is_none() && entry.captured.is_empty() && donation.leaves.iter().all(fits) {
            entry.run(donation)
        } else {
            entry.check_placement(backend, &donation.leaves)?;
            let all: Args = entry.captured.iter().cloned().chain(donation.leaves.drain(..)).collect();
            trace::bind(&entry.call, all).map(|outs| entry.outs.build(outs))
        };
        // What the argument was in is freed, unless the result is in it now.
        donation.clear();
        self.recent.put(recent);
        outs
    }

    /// The graph these arguments lead to, to be printed.
    ///
    /// # Errors
    /// As [`call`](Jit::call).
    pub fn graph(&self, args: &I) -> Result<Graph> {
        Ok(self.entry(args, trace::current().as_ref())?.call.graph().clone())
    }

    /// Runs primitives one by one, not in fused kernels: to find out what fusion is worth, or whether it is to blame.
    #[must_use]
    pub fn unfused(mut self) -> Self {
        self.programs.target.options.fuse = false;
        self.clear();
        self
    }

    /// Compiles by another backend than the CPU, or for a device: `jit(step).on(&device)`.
    #[must_use]
    pub fn on(mut self, backend: impl IntoBackend) -> Self {
        self.programs.target.backend = backend.into_backend();
        self.clear();
        self
    }

    /// How many programs are kept; 256 unless told otherwise. Those that were not used for the longest time go first.
    #[must_use]
    pub fn limit(mut self, programs: usize) -> Self {
        self.programs.limit = programs.max(1);
        self
    }

    /// What was traced, found, and forgotten so far.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let f = jit(|x: Tensor| Ok(x + 1.0));
    /// for size in [2, 3, 3] {
    ///     f.call(Tensor::zeros([size]))?;
    /// }
    /// assert_eq!((f.stats().traces, f.stats().hits), (2, 1));
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn stats(&self) -> JitStats {
        self.programs.stats()
    }

    /// Runs the function several times and says what each step costs.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let f = jit(|x: Tensor| Ok((x.dot(&x) + 1.0).tanh()));
    /// let profile = f.profile(&Tensor::ones([64, 64]))?;
    /// assert_eq!(profile.steps.len(), 1);
    /// println!("{profile}");
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`call`](Jit::call); inside another transform, where there are no values.
    pub fn profile(&self, args: &I) -> Result<Profile> {
        const RUNS: usize = 10;
        let entry = self.entry(args, trace::current().as_ref())?;
        let leaves = tree::leaves(args).into_iter();
        let captured = entry.captured.iter();
        let arrays: Vec<Array> =
            captured.chain(leaves).map(|leaf| leaf.array().cloned()).collect::<Result<_>>()?;
        entry.call.executable()?.profile(&arrays, RUNS)
    }

    /// The program these arguments lead to, as it runs: with fused kernels.
    ///
    /// # Errors
    /// As [`call`](Jit::call).
    pub fn program(&self, args: &I) -> Result<ProgramText> {
        self.entry(args, trace::current().as_ref())?.call.list()
    }

    /// The step that takes longest, on all levels: its equations, what the kernel computes, the program of a tile, the vector IR, and
    /// machine code in bytes with the operation that each instruction is for. To learn from, and to look for what is slow.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let f = jit(|x: Tensor| Ok((x * 2.0 + 1.0).relu()));
    /// let text = f.explain(&Tensor::ones([1000]))?;
    /// assert!(text.starts_with("fusion") && text.contains("relu"));
    /// println!("{text}");
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`profile`](Jit::profile), with which the step is found.
    pub fn explain(&self, args: &I) -> Result<String> {
        let profile = self.profile(args)?;
        let costliest = profile.steps.iter().enumerate().max_by_key(|(_, step)| step.time);
        self.explain_step(args, costliest.map_or(0, |(step, _)| step))
    }

    /// As [`explain`](Jit::explain), of the step with this number in [`program`](Jit::program), counted from 0.
    ///
    /// # Errors
    /// As [`call`](Jit::call); if there is no such step.
    pub fn explain_step(&self, args: &I, step: usize) -> Result<String> {
        self.entry(args, trace::current().as_ref())?.call.explain(step)
    }

    /// How many programs were traced and are kept.
    pub fn traces(&self) -> usize {
        self.programs.len()
    }

    /// Forgets all programs.
    pub fn clear(&self) {
        self.recent.clear();
        self.programs.clear();
    }

    /// What these arguments run: most calls are like the one before, which is found by one walk over the arguments.
    fn recent(&self, args: &I, current: Option<&Trace>) -> Result<Box<Recent>> {
        let mut recent = self.recent.take();
        if let Some(recent) = recent.take_if(|recent| recent.entry.fits(args, &trace::axes(current))) {
            self.programs.count(&recent.entry);
            return Ok(recent);
        }
        let entry = self.entry(args, current)?;
        Ok(match recent {
            Some(mut recent) => {
                recent.entry = entry;
                recent
            }
            None => Box::new(Recent { entry, donation: Donation::default() }),
        })
    }

    // Once for each function, not once for each caller: it is seldom called.
    #[inline(never)]
    fn entry(&self, args: &I, current: Option<&Trace>) -> Result<Arc<CachedProgram>> {
        let (axes, key) = (trace::axes(current), tree::fingerprint(args));
        let fits = |program: &CachedProgram| program.fits(args, &axes);
        let wanted = Wanted { key, fits: &fits };
        let (found, call) = self.programs.find(&wanted);
        if let Some(found) = found {
            return Ok(found);
        }
        // Tracing calls user code, which may call this very function: no lock is held then.
        let start = Instant::now();
        let (inputs, avals) = (Structure::of(args), avals(args));
        let staged = stage(&inputs, &avals, &self.f)?;
        if current.is_none() {
            check_reverse_mode(&staged.graph, self.programs.target)?;
        }
        let described = (inputs, avals, axes.clone());
        self.programs.add(&wanted, call, start, described, staged, std::any::type_name::<F>())
    }
}

impl CachedProgram {
    fn fits(&self, args: &impl Tree, axes: &[Axis]) -> bool {
        self.axes == axes && self.inputs.fits(args, &self.avals)
    }

    /// Refuses arrays that are where the backend does not read them, and says which.
    #[cold]
    fn check_placement(&self, backend: &dyn Backend, leaves: &[Tensor]) -> Result<()> {
        for (i, leaf) in leaves.iter().enumerate() {
            if let Repr::Array(array) = &leaf.repr {
                check_placement(backend, array, "jit", || match self.inputs.paths(leaves)[i].to_string() {
                    path if path.is_empty() => "the argument".to_owned(),
                    path => format!("`{path}` of its argument"),
                })?;
            }
        }
        Ok(())
    }

    /// Runs the program on leaves that are all arrays.
    pub(super) fn run<O: Tree>(&self, donation: &mut Donation) -> Result<O> {
        // The list goes back when the program has all of them, and containers are filled while it hands out its results.
        let mut leaves = std::mem::take(&mut donation.leaves);
        let arrays = leaves.drain(..).map(|leaf| match leaf.repr {
            Repr::Array(array) => array,
            Repr::Traced(_) => unreachable!("all of them are arrays"),
        });
        let mut built = None;
        self.call.executable()?.run(&mut { arrays }, &mut |outs| {
            built = Some(self.outs.build_reusing(&mut outs.map(Tensor::from), donation, &self.reuses));
        })?;
        donation.leaves = leaves;
        built.unwrap_or_else(|| Err(Error::msg("a backend handed out no results")))
    }
}
