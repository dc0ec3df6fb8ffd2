//! `Jit::buckets`: lengths that change share a few programs, as each is padded up to the next of a few sizes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::axes::Axes;
use super::jit::{Jit, JitStats};
use super::lengths::{Lengths, Sizes};
use super::programs::CachedProgram;
use super::stage::{avals, stage};
use crate::array::Aval;
use crate::array::object_pool::ObjectPool;
use crate::core::Tensor;
use crate::core::tensor::Repr;
use crate::core::trace;
use crate::error::{Error, Result};
use crate::ops::axis_of;
use crate::tree::{self, Donation, Structure, Tree};

/// Kinds of arguments whose results are known, the oldest of which are forgotten.
const KINDS: usize = 64;

/// A compiled function with an axis, or several, that is padded to a few sizes; see [`Jit::buckets`].
pub struct Bucketed<F, A, O> {
    jit: Jit<F, (A, Lengths), O>,
    axes: Vec<PaddedAxis<A, O>>,
    /// The latest last.
    kinds: Mutex<Vec<Arc<Kind>>>,
    donations: ObjectPool<Donation>,
}

/// An axis that is padded, and where it is.
struct PaddedAxis<A, O> {
    name: Arc<str>,
    places: Box<dyn Axes<A> + Send + Sync>,
    sizes: Sizes,
    fill: f64,
    /// Where it is in the result, if that has been said.
    out_axes: Option<Box<dyn Axes<O> + Send + Sync>>,
}

/// Arguments that differ in nothing but the lengths of their padded axes.
struct Kind {
    structure: Structure,
    /// Of the first of them.
    avals: Vec<Aval>,
    /// By padded axis: the axes of each leaf of the result that are as long, once they have been found.
    carried: Vec<Mutex<Option<Arc<Carried>>>>,
    /// What has run outside of all transforms, by the sizes of padded axes; for as long as it is kept elsewhere.
    programs: Mutex<Vec<(Vec<usize>, Weak<CachedProgram>)>>,
}

/// By leaf of a result: its axes that are as long as an axis of the argument.
type Carried = Vec<Vec<usize>>;

/// What a call pads.
struct Measured {
    /// By padded axis: its length, and the size it is padded to.
    extents: Vec<(usize, usize)>,
    /// By padded axis, by leaf of the argument: its place.
    places: Vec<Vec<Option<usize>>>,
    /// Whether all leaves have elements.
    is_concrete: bool,
}

impl<F, A, O> Jit<F, (A, Lengths), O>
where
    A: Tree,
    O: Tree,
    F: Fn((A, Lengths)) -> Result<O>,
{
    /// Pads an axis of the argument up to the next of a few sizes, so that lengths that change need few programs: powers of two,
    /// unless told otherwise.
    ///
    /// `axes` says where the axis is, as [`Vmap::in_axes`](crate::Vmap::in_axes) does: an axis, `None`, or a tuple of these. All
    /// places have the same length, and zeros are behind it. The function gets [`Lengths`] beside its argument, and has to leave out
    /// what is not real by its [mask](Lengths::mask) or its [length](Lengths::of); then it computes what it would without padding.
    /// Results are cut to the length along the axes that have it. Which these are is found by tracing the function once without padding;
    /// [`out_axes`](Bucketed::out_axes) says it instead.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// // The weighted tokens, and their mean: whatever their number, up to 8 of them are one program, up to 16 another.
    /// let f = jit(|((w, x), lengths): ((Tensor, Tensor), Lengths)| {
    ///     let (mask, count) = (lengths.mask("tokens")?, lengths.of("tokens")?);
    ///     let y = x * w;
    ///     let mean = (&y * mask).sum_axes(0) / count;
    ///     Ok((y, mean))
    /// });
    /// let f = f.buckets("tokens", (None, 0)).at_least(8);
    /// for tokens in 1..=16 {
    ///     let (y, mean) = f.call((Tensor::from(2.0f32), Tensor::ones([tokens])))?;
    ///     assert_eq!((y.shape(), mean.item::<f32>()?), (&[tokens][..], 2.0));
    /// }
    /// assert_eq!(f.stats().traces, 2);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    pub fn buckets<X>(self, name: &str, axes: X) -> Bucketed<F, A, O>
    where
        X: Axes<A> + Send + Sync + 'static,
    {
        let (kinds, donations) = (Mutex::default(), ObjectPool::default());
        Bucketed { jit: self, axes: Vec::new(), kinds, donations }.buckets(name, axes)
    }
}

impl<F, A, O> Bucketed<F, A, O>
where
    A: Tree,
    O: Tree,
    F: Fn((A, Lengths)) -> Result<O>,
{
    /// One more axis, with sizes of its own; as [`Jit::buckets`].
    #[must_use]
    pub fn buckets<X>(mut self, name: &str, axes: X) -> Self
    where
        X: Axes<A> + Send + Sync + 'static,
    {
        let (places, sizes) = (Box::new(axes), Sizes::PowersOfTwo(1));
        self.axes.push(PaddedAxis { name: name.into(), places, sizes, fill: 0.0, out_axes: None });
        self
    }

    /// The least size of the axis that was named last, whose sizes are powers of two: from the first that is not below this one.
    #[must_use]
    pub fn at_least(self, size: usize) -> Self {
        self.with_last(|axis| axis.sizes = Sizes::PowersOfTwo(size))
    }

    /// The sizes of the axis that was named last; a greater length is an error.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let double = jit(|(x, _): (Tensor, Lengths)| Ok(x * 2.0)).buckets("time", 0).sizes([4, 6]);
    /// assert_eq!(double.call(Tensor::from([1.0f32, 2.0]))?.to_vec::<f32>()?, [2.0, 4.0]);
    /// assert!(double.call(Tensor::ones([7])).is_err());
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    #[must_use]
    pub fn sizes(self, sizes: impl Into<Vec<usize>>) -> Self {
        let mut sizes = sizes.into();
        sizes.sort_unstable();
        self.with_last(|axis| axis.sizes = Sizes::Listed(sizes))
    }

    /// Makes the sizes of the axis that was named last the multiples of a number.
    #[must_use]
    pub fn multiples_of(self, step: usize) -> Self {
        self.with_last(|axis| axis.sizes = Sizes::MultiplesOf(step))
    }

    /// What is behind the length, along the axis that was named last; 0 unless told otherwise. It becomes each argument's dtype.
    #[must_use]
    pub fn fill(self, value: f64) -> Self {
        self.with_last(|axis| axis.fill = value)
    }

    /// Where in the result the axis is that was named last: what is cut there. `None` for results that do not have it.
    #[must_use]
    pub fn out_axes<X>(self, axes: X) -> Self
    where
        X: Axes<O> + Send + Sync + 'static,
    {
        self.with_last(|axis| axis.out_axes = Some(Box::new(axes)))
    }

    fn with_last(mut self, change: impl FnOnce(&mut PaddedAxis<A, O>)) -> Self {
        if let Some(axis) = self.axes.last_mut() {
            change(axis);
        }
        self
    }

    /// Runs the function on the padded argument, tracing it if these sizes are new, and cuts its results.
    ///
    /// # Errors
    /// As [`Jit::call`]; if an axis is not there, or has other lengths in other places, or a length that no size is enough for; if
    /// a result depends on the length otherwise than by axes that have it.
    pub fn call(&self, args: A) -> Result<O> {
        let measured = self.measure(&args)?;
        if measured.extents.iter().all(|(length, size)| length == size) {
            return self.jit.call((args, self.lengths(&measured.extents)));
        }
        let kind = self.kind(&args, &measured.places);
        let is_plain = measured.is_concrete && trace::current().is_none();
        let out = match kind.program(&measured.extents).filter(|_| is_plain) {
            Some(program) => self.run(&program, args, &measured)?,
            None => {
                let padded = self.pad(args, &measured, &kind.structure)?;
                self.jit.call_and_keep(padded, &mut |program| {
                    if is_plain && program.captured.is_empty() {
                        kind.keep(&measured.extents, program);
                    }
                })?
            }
        };
        self.cut(out, &measured, &kind)
    }

    /// Runs a program that such arguments have run before: leaves are padded in the donation, and no tree is built of them.
    fn run(&self, program: &CachedProgram, args: A, measured: &Measured) -> Result<O> {
        let mut donation = self.donations.take().unwrap_or_default();
        args.donate(&mut donation);
        self.jit.programs.count(program);
        let out = self.pad_leaves(&mut donation.leaves, measured).and_then(|()| {
            self.lengths(&measured.extents).into_leaves(&mut donation.leaves);
            program.run(&mut donation)
        });
        donation.clear();
        self.donations.put(donation);
        out
    }

    /// The argument with its padding, and its lengths: what the compiled function is called with.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let double = jit(|(x, _): (Tensor, Lengths)| Ok(x * 2.0)).buckets("time", 0).multiples_of(4);
    /// let padded = double.padded(Tensor::ones([3]))?;
    /// assert_eq!(padded.0.shape(), [4]);
    /// println!("{}", double.compiled().profile(&padded)?);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// If an axis is not there, or has other lengths in other places, or a length that no size is enough for.
    pub fn padded(&self, args: A) -> Result<(A, Lengths)> {
        let (measured, structure) = (self.measure(&args)?, Structure::of(&args));
        self.pad(args, &measured, &structure)
    }

    /// The compiled function of padded arguments: to look at its programs, and what they cost.
    pub fn compiled(&self) -> &Jit<F, (A, Lengths), O> {
        &self.jit
    }

    /// What was traced, found, and forgotten so far: as many traces as there were different sizes, if nothing else has changed.
    pub fn stats(&self) -> JitStats {
        self.jit.stats()
    }

    /// Forgets all programs.
    pub fn clear(&self) {
        self.kinds().clear();
        self.jit.clear();
    }

    // Nothing under the lock panics half-way.
    fn kinds(&self) -> MutexGuard<'_, Vec<Arc<Kind>>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lengths(&self, extents: &[(usize, usize)]) -> Lengths {
        let named = self.axes.iter().zip(extents);
        named.fold(Lengths::default(), |lengths, (axis, &(length, size))| {
            lengths.with_shared(axis.name.clone(), length, size)
        })
    }

    /// Where the padded axes are, how long they are, and what they are padded to.
    fn measure(&self, args: &A) -> Result<Measured> {
        let leaves = tree::leaves(args);
        let at = |leaf: usize| {
            let path = tree::leaves_with_path(args).swap_remove(leaf).0;
            if path.is_empty() { "the argument".to_owned() } else { format!("the argument at `{path}`") }
        };
        let is_concrete = leaves.iter().all(|leaf| matches!(leaf.repr, Repr::Array(_)));
        let mut measured = Measured { extents: Vec::new(), places: Vec::new(), is_concrete };
        for PaddedAxis { name, places, sizes, .. } in &self.axes {
            let mut axes = Vec::new();
            places.broadcast_prefix(args, &mut axes);
            let (mut own, mut first) = (vec![None; leaves.len()], None);
            for (i, axis) in axes.into_iter().enumerate() {
                let (Some(axis), Some(leaf)) = (axis, leaves.get(i)) else { continue };
                let rank = leaf.rank();
                let axis = axis_of("buckets", axis, rank).map_err(|_| {
                    let text = format!("{} has {rank} axes, and no axis {axis} for `{name}`", at(i));
                    Error::argument("buckets", text)
                })?;
                let length = leaf.shape()[axis];
                let &mut (before, same) = first.get_or_insert((i, length));
                if length != same {
                    let text = format!(
                        "`{name}` has one length: {} has {same}, {} has {length} along axis {axis}",
                        at(before),
                        at(i)
                    );
                    return Err(Error::argument("buckets", text));
                }
                if measured.places.iter().any(|other: &Vec<Option<usize>>| other[i] == Some(axis)) {
                    let text = format!("axis {axis} of {} has two names, one is `{name}`", at(i));
                    return Err(Error::argument("buckets", text));
                }
                own[i] = Some(axis);
            }
            let Some((leaf, length)) = first else {
                let text = format!("no argument has the axis `{name}`: say where it is, as by `(None, 1)`");
                return Err(Error::argument("buckets", text));
            };
            let size = sizes.next(length).map_err(|sizes| {
                let text = format!(
                    "{} has {length} along axis {} (`{name}`), which is more than {sizes}",
                    at(leaf),
                    own[leaf].unwrap_or(0)
                );
                Error::argument("buckets", text)
            })?;
            measured.extents.push((length, size));
            measured.places.push(own);
        }
        Ok(measured)
    }

    fn pad(&self, args: A, measured: &Measured, structure: &Structure) -> Result<(A, Lengths)> {
        let mut leaves = Vec::new();
        args.into_leaves(&mut leaves);
        self.pad_leaves(&mut leaves, measured)?;
        Ok((structure.try_build(leaves)?, self.lengths(&measured.extents)))
    }

    fn pad_leaves(&self, leaves: &mut [Tensor], measured: &Measured) -> Result<()> {
        let Measured { extents, places, .. } = measured;
        for ((axis, (length, size)), places) in self.axes.iter().zip(extents).zip(places) {
            for (leaf, place) in leaves.iter_mut().zip(places) {
                let Some(place) = place.filter(|_| size > length) else { continue };
                let mut widths = vec![(0, 0); leaf.rank()];
                widths[place].1 = size - length;
                *leaf = leaf.try_pad(widths, axis.fill)?;
            }
        }
        Ok(())
    }

    /// The kind of an argument, which is made when it comes first.
    fn kind(&self, args: &A, places: &[Vec<Option<usize>>]) -> Arc<Kind> {
        let mut kinds = self.kinds();
        if let Some(found) = kinds.iter().rposition(|kind| kind.has(args, places)) {
            let found = kinds.remove(found);
            kinds.push(found.clone());
            return found;
        }
        if kinds.len() == KINDS {
            kinds.remove(0);
        }
        let carried = self.axes.iter().map(|_| Mutex::default()).collect();
        let (structure, avals) = (Structure::of(args), avals(args));
        let kind = Arc::new(Kind { structure, avals, carried, programs: Mutex::default() });
        kinds.push(kind.clone());
        kind
    }

    /// Cuts the results along the axes that have the length of a padded one.
    fn cut(&self, out: O, measured: &Measured, kind: &Kind) -> Result<O> {
        let structure = Structure::of(&out);
        let mut cuts: Vec<(usize, usize, usize)> = Vec::new();
        for (number, (axis, &(length, size))) in self.axes.iter().zip(&measured.extents).enumerate() {
            if length == size {
                continue;
            }
            let carried = match &axis.out_axes {
                Some(axes) => Arc::new(self.said(number, &**axes, &out, size)?),
                None => self.found(number, &out, measured, kind)?,
            };
            let leaves = carried.iter().enumerate();
            cuts.extend(leaves.flat_map(|(leaf, axes)| axes.iter().map(move |&axis| (leaf, axis, length))));
        }
        if cuts.is_empty() {
            return Ok(out);
        }
        let mut leaves = Vec::new();
        out.into_leaves(&mut leaves);
        for (leaf, axis, length) in cuts {
            leaves[leaf] = leaves[leaf].try_slice_axis(axis, 0..length)?;
        }
        structure.try_build(leaves)
    }

    /// Where a padded axis is in the result, as `out_axes` says.
    fn said(&self, number: usize, axes: &dyn Axes<O>, out: &O, size: usize) -> Result<Carried> {
        let name = &self.axes[number].name;
        let mut said = Vec::new();
        axes.broadcast_prefix(out, &mut said);
        let leaves =
            tree::leaves_with_path(out).into_iter().zip(said.into_iter().chain(std::iter::repeat(None)));
        leaves
            .map(|((path, leaf), axis)| {
                let Some(axis) = axis else { return Ok(Vec::new()) };
                match axis_of("buckets", axis, leaf.rank()) {
                    Ok(axis) if leaf.shape()[axis] == size => Ok(vec![axis]),
                    _ => {
                        let text = format!(
                            "the result at `{path}`, of shape {:?}, has no axis {axis} of {size} for `{name}`, as \
                             `out_axes` says",
                            leaf.shape()
                        );
                        Err(Error::argument("buckets", text))
                    }
                }
            })
            .collect()
    }

    /// Where a padded axis is in the result: those of its axes that are shorter when the argument is.
    fn found(&self, number: usize, out: &O, measured: &Measured, kind: &Kind) -> Result<Arc<Carried>> {
        let known = || kind.carried[number].lock().unwrap_or_else(PoisonError::into_inner);
        let size = measured.extents[number].1;
        let leaves = tree::leaves(out);
        let fits = |carried: &Carried| {
            let has = |(leaf, axes): (&&Tensor, &Vec<usize>)| {
                axes.iter().all(|&axis| leaf.shape().get(axis) == Some(&size))
            };
            carried.len() == leaves.len() && leaves.iter().zip(carried).all(has)
        };
        if let Some(found) = known().as_ref().filter(|carried| fits(carried)) {
            return Ok(found.clone());
        }
        // No lock is held while the function is traced, which may come back here.
        let found = Arc::new(self.probe(number, out, measured, kind)?);
        *known() = Some(found.clone());
        Ok(found)
    }

    /// Traces the function with one of its axes not padded, and compares shapes.
    fn probe(&self, number: usize, out: &O, measured: &Measured, kind: &Kind) -> Result<Carried> {
        let name = &self.axes[number].name;
        let (length, size) = measured.extents[number];
        let mut extents = measured.extents.clone();
        extents[number].1 = length;
        let mut inputs = kind.avals.clone();
        for ((_, size), places) in extents.iter().zip(&measured.places) {
            for (aval, place) in inputs.iter_mut().zip(places) {
                if let Some(place) = *place {
                    aval.shape[place] = *size;
                }
            }
        }
        let lengths = self.lengths(&extents);
        inputs.extend(avals(&lengths));
        let structure = Structure::pair(&kind.structure, &Structure::of(&lengths));
        let help = "say by `out_axes` where it is, `None` for results that do not have it";
        let staged = stage(&structure, &inputs, &self.jit.f).map_err(|error| {
            let text = format!("to find where the results have `{name}`, of {length}: {error}; {help}");
            Error::argument("buckets", text)
        })?;
        let padded = tree::leaves_with_path(out);
        if padded.len() != staged.graph.outs.len() {
            let text = format!("how many results there are depends on the length of `{name}`; {help}");
            return Err(Error::argument("buckets", text));
        }
        let shorter = staged.graph.outs.iter().map(|&var| &staged.graph.aval(var).shape);
        let pairs = padded.iter().zip(shorter);
        pairs
            .map(|((path, padded), shorter)| {
                let (padded, mut axes) = (padded.shape(), Vec::new());
                let mut explained = padded.len() == shorter.len();
                for (axis, (long, short)) in padded.iter().zip(shorter).enumerate().filter(|(_, (a, b))| a != b) {
                    explained &= (*long, *short) == (size, length);
                    axes.push(axis);
                }
                if explained {
                    return Ok(axes);
                }
                let text = format!(
                    "the result at `{path}` has shape {padded:?} for `{name}` of {size}, and {shorter:?} for {length}: no \
                     axis to cut; {help}"
                );
                Err(Error::argument("buckets", text))
            })
            .collect()
    }
}

impl Kind {
    /// Whether an argument differs from the first one of the kind in nothing but padded axes.
    fn has(&self, args: &impl Tree, places: &[Vec<Option<usize>>]) -> bool {
        let is_alike = |(leaf, (tensor, aval)): (usize, (&Tensor, &Aval))| {
            let own = tensor.aval();
            let mut sizes = own.shape.iter().zip(&aval.shape).enumerate();
            (own.dtype, own.weak, own.shape.len()) == (aval.dtype, aval.weak, aval.shape.len())
                && sizes
                    .all(|(axis, (a, b))| a == b || places.iter().any(|places| places[leaf] == Some(axis)))
        };
        self.structure.matches(args)
            && tree::leaves(args).into_iter().zip(&self.avals).enumerate().all(is_alike)
    }

    // Nothing under the lock panics half-way.
    fn programs(&self) -> MutexGuard<'_, Vec<(Vec<usize>, Weak<CachedProgram>)>> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has run with these sizes, if it is still there.
    fn program(&self, extents: &[(usize, usize)]) -> Option<Arc<CachedProgram>> {
        let sizes = || extents.iter().map(|(_, size)| size);
        self.programs().iter().find(|(own, _)| own.iter().eq(sizes()))?.1.upgrade()
    }

    fn keep(&self, extents: &[(usize, usize)], program: &Arc<CachedProgram>) {
        let sizes: Vec<usize> = extents.iter().map(|(_, size)| *size).collect();
        let mut programs = self.programs();
        programs.retain(|(own, program)| *own != sizes && program.strong_count() > 0);
        programs.push((sizes, Arc::downgrade(program)));
    }
}
