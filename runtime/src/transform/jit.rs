//! `jit`: traced once, run many times.

use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock};

use super::stage::{avals, stage};
use crate::compile::Graph;
use crate::error::Result;
use crate::ops::call::Call;
use crate::primitive::Args;
use crate::tensor::{Array, Aval, Repr, Tensor};
use crate::trace::{self, Axis, Trace};
use crate::tree::{self, Structure, Token, Tree};

/// A function that is traced once per structure, shapes and dtypes; see [`jit`].
pub struct Jit<F, I, O> {
    f: F,
    cache: RwLock<Vec<Arc<Entry>>>,
    types: PhantomData<fn(I) -> O>,
}

/// A [`Jit`] whose closure is boxed, to be named in a struct.
///
/// ```
/// use flaxen::prelude::*;
///
/// struct Trainer {
///     step: DynJit<'static, (Tensor, Tensor), Tensor>,
/// }
///
/// let trainer = Trainer { step: jit(Box::new(|(p, g): (Tensor, Tensor)| Ok(p - g * 0.5))) };
/// let p = trainer.step.call((Tensor::from(3.0f32), Tensor::from(2.0f32)))?;
/// assert_eq!(p.item::<f32>()?, 2.0);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub type DynJit<'f, I, O> = Jit<Box<dyn Fn(I) -> Result<O> + Send + Sync + 'f>, I, O>;

struct Entry {
    key: u64,
    inputs: Structure,
    avals: Vec<Aval>,
    /// A staged collective depends on the named axes around the call.
    axes: Vec<Axis>,
    call: Call,
    /// Traced values from outside that `f` closes over. A Rust closure cannot be given other ones, so they stay right
    /// for as long as their trace lasts, and using them later is `Error::Leaked`.
    captured: Vec<Tensor>,
    outs: Structure,
}

/// Compiles a function: it is traced once for each structure, shapes and dtypes of its argument, simplified, and from then
/// on runs without calling `f`.
///
/// The argument is one tree, by value: buffers nobody else holds are written into. While `f` is traced its argument has
/// no numbers, so control flow on them is an error.
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
    Jit { f, cache: RwLock::default(), types: PhantomData }
}

impl<F, I, O> Jit<F, I, O>
where
    I: Tree,
    O: Tree,
    F: Fn(I) -> Result<O>,
{
    /// Runs the function, tracing it if these shapes are new.
    ///
    /// # Errors
    /// What `f` returns while it is traced; if it asks for the numbers of a traced value. The arguments are gone then.
    pub fn call(&self, args: I) -> Result<O> {
        let current = trace::current();
        let entry = self.entry(&args, current.as_ref())?;
        let mut leaves = Vec::with_capacity(entry.avals.len());
        args.into_leaves(&mut leaves);
        let concrete = |leaf: &Tensor| matches!(leaf.repr, Repr::Array(_));
        if current.is_none() && entry.captured.is_empty() && leaves.iter().all(concrete) {
            let arrays = leaves.into_iter().map(|leaf| match leaf.repr {
                Repr::Array(array) => array,
                Repr::Traced(_) => unreachable!("checked above"),
            });
            let outs: Vec<Array> = entry.call.run(arrays)?;
            return Ok(entry.outs.build(outs.into_iter().map(Tensor::from)));
        }
        let all: Args = entry.captured.iter().cloned().chain(leaves).collect();
        Ok(entry.outs.build(trace::bind(&entry.call, all)?))
    }

    /// The graph these arguments lead to, to be printed.
    ///
    /// # Errors
    /// As [`call`](Jit::call).
    pub fn graph(&self, args: &I) -> Result<Graph> {
        Ok(self.entry(args, trace::current().as_ref())?.call.graph().clone())
    }

    /// How many programs were traced and are kept.
    pub fn traces(&self) -> usize {
        self.cache.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Forgets all programs.
    pub fn clear(&self) {
        self.cache.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn entry(&self, args: &I, current: Option<&Trace>) -> Result<Arc<Entry>> {
        let key = tree::fingerprint(args);
        let axes = trace::axes(current);
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        let found =
            cache.iter().find(|entry| entry.key == key && entry.axes == axes && entry.fits(args)).cloned();
        // Tracing calls user code, which may call this very function: no lock is held then.
        drop(cache);
        match found {
            Some(entry) => Ok(entry),
            None => self.trace(args, key, axes),
        }
    }

    fn trace(&self, args: &I, key: u64, axes: Vec<Axis>) -> Result<Arc<Entry>> {
        let (inputs, avals) = (Structure::of(args), avals(args));
        let staged = stage(&inputs, &avals, &self.f)?;
        let (captured, outs) = (staged.captured, staged.outs);
        let entry =
            Arc::new(Entry { key, inputs, avals, axes, call: Call::new(staged.graph), captured, outs });
        self.cache.write().unwrap_or_else(PoisonError::into_inner).push(entry.clone());
        Ok(entry)
    }
}

impl Entry {
    fn fits(&self, args: &impl Tree) -> bool {
        let mut avals = self.avals.iter();
        let mut same = self.inputs.matches(args);
        args.walk(&mut |token| {
            if let Token::Leaf(leaf) = token {
                same = same && avals.next().is_some_and(|aval| aval == leaf.aval());
            }
        });
        same
    }
}
