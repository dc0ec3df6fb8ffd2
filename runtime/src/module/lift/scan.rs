//! `Scan`: a module that is one step of a loop.

use super::groups::{CollectionAxes, Groups, Role, StreamAxes, group_methods, sizes};
use super::module::{Parameter, lifted_module};
use super::pack::Pack;
use super::passes::Passes;
use super::target::Target;
use crate::core::Tensor;
use crate::error::Result;
use crate::module::{Layer, Module};
use crate::ops::axis_of;
use crate::scope::Rngs;
use crate::transform::{self, Axes, stage_lazily};
use crate::tree::{self, Structure, Tree};
use crate::variables::{Filter, Variables};

/// A module that is one step of a loop, as by [`scan`](crate::scan()): layers that are stacked, or cells over time;
/// `flax.linen.scan`.
///
/// What becomes of a collection is said for each: [`axis`](Scan::axis) stacks the variables of the steps, [`share`](Scan::share)
/// has them once for all, [`carry`](Scan::carry) hands them from one step to the next, so that they must be there before. A
/// collection that is not named is not there inside. Random streams are [`split`](Scan::split), so that each step draws its own
/// numbers, or shared; what is not named is not there either. The module is named `ScanBlock_0`, and the variables of what it wraps
/// stand directly under it.
///
/// A step is traced twice where it may draw random numbers or make shared variables: the first time finds these, and counts draws.
/// So a step that draws `n` numbers from a stream has those of the draws `n + 1` to `2n`, as in Flax.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift::Scan;
///
/// // Twelve layers in one, whose kernels are stacked.
/// let layers = Scan::new(Dense::new(4)).axis("params", 0).split("params").length(12);
/// let x = Tensor::ones([2, 4]);
/// let variables = layers.init(key(0)).call(&x)?;
/// assert_eq!(variables.tensor("params/kernel")?.shape(), [12, 4, 4]);
/// assert_eq!(layers.apply(&variables).call(&x)?.shape(), [2, 4]);
///
/// // A cell over time: a function of a carry and of slices of the input.
/// let cell = Scan::new(Dense::new(4)).share("params");
/// let xs = Tensor::ones([7, 2, 4]);
/// let step = |cell: &Dense, h: Tensor, x: Tensor| {
///     let h = cell.call(&(h + x))?.tanh();
///     Ok((h.clone(), h))
/// };
/// let variables = cell.init(key(0)).run(|cell| cell.run(step, Tensor::zeros([2, 4]), xs.clone()))?;
/// let (last, hs) = cell.apply(&variables).run(|cell| cell.run(step, Tensor::zeros([2, 4]), xs))?;
/// assert_eq!((last.shape(), hs.shape()), (&[2, 4][..], &[7, 2, 4][..]));
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a module does nothing before it is called"]
pub struct Scan<M, A = isize, B = isize> {
    module: M,
    groups: Groups,
    options: Options<A, B>,
}

/// A function of modules that is one step of a loop; see [`scan`](fn@scan).
#[must_use = "nothing runs before `call`"]
pub struct ScanOver<L, F, A = isize, B = isize> {
    target: L,
    f: F,
    groups: Groups,
    options: Options<A, B>,
}

#[derive(Clone, Debug, PartialEq)]
struct Options<A, B> {
    in_axes: A,
    out_axes: B,
    length: Option<usize>,
    reverse: bool,
    unroll: usize,
    invariants: bool,
}

const OPTIONS: Options<isize, isize> =
    Options { in_axes: 0, out_axes: 0, length: None, reverse: false, unroll: 1, invariants: true };

/// A loop over a function of modules of the running model, from a carry and a slice of `xs` to the next carry and a slice of the
/// result: `lift::scan(self, |m, carry: Tensor, x: Tensor| m.step(&carry, &x)).share("params").call(carry, xs)?`.
///
/// See [`Scan`] for what becomes of variables and keys.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift;
///
/// #[module]
/// struct Running {
///     #[setup(Dense::new(2))]
///     dense: Dense,
/// }
///
/// impl Layer for Running {
///     #[compact]
///     fn call(&self, xs: &Tensor) -> Result<Tensor> {
///         let step = |m: &Running, h: Tensor, x: Tensor| {
///             let h = h + m.dense.call(&x)?;
///             Ok((h.clone(), h))
///         };
///         Ok(lift::scan(self, step).share("params").call(Tensor::zeros([2]), xs.clone())?.1)
///     }
/// }
///
/// let (y, _) = Running::new().init_with_output(key(0)).call(&Tensor::ones([5, 3]))?;
/// assert_eq!(y.shape(), [5, 2]);
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn scan<L, C, X, Y, F>(target: L, f: F) -> ScanOver<L, F>
where
    L: Target,
    F: Fn(&L::Inner, C, X) -> Result<(C, Y)>,
{
    ScanOver { target, f, groups: Groups::default(), options: OPTIONS }
}

impl<M: Module> Scan<M> {
    /// Wraps a module.
    pub fn new(module: M) -> Scan<M> {
        Scan { module, groups: Groups::default(), options: OPTIONS }
    }
}

macro_rules! loop_methods {
    ($kind:ident) => {
        group_methods!();

        /// Hands the collections of a filter from one step to the next; they must be there before the loop.
        pub fn carry(mut self, collections: impl Into<Filter>) -> Self {
            self.groups.add(collections, Role::Carried);
            self
        }

        /// Which axis of which input slices are taken along: an axis, `None` for what every step reads whole, or a tuple of these; 0
        /// by default.
        pub fn in_axes<A2>(self, in_axes: A2) -> Changed!($kind, A2, B) {
            let Options { out_axes, length, reverse, unroll, invariants, .. } = self.options;
            Made!($kind, self, Options { in_axes, out_axes, length, reverse, unroll, invariants })
        }

        /// Along which axis which result is put together; `None` for one that is that of the last step alone. 0 by default.
        pub fn out_axes<B2>(self, out_axes: B2) -> Changed!($kind, A, B2) {
            let Options { in_axes, length, reverse, unroll, invariants, .. } = self.options;
            Made!($kind, self, Options { in_axes, out_axes, length, reverse, unroll, invariants })
        }

        /// The axis of all inputs and all results.
        pub fn axes(self, axis: isize) -> Changed!($kind, isize, isize) {
            self.in_axes(axis).out_axes(axis)
        }

        /// The number of steps, where no input says so.
        pub fn length(mut self, length: usize) -> Self {
            self.options.length = Some(length);
            self
        }

        /// Begins with the last slice. Results stay where their slices are.
        pub fn reverse(mut self) -> Self {
            self.options.reverse = true;
            self
        }

        /// How many steps are one step of the compiled loop; 1 by default.
        pub fn unroll(mut self, steps: usize) -> Self {
            self.options.unroll = steps;
            self
        }

        /// Without them, a step is traced once: it cannot make or write shared variables, and its draws are counted from 1, so that
        /// initial values and masks are others; Flax's `check_constancy_invariants`. On by default.
        pub fn check_invariants(mut self, check: bool) -> Self {
            self.options.invariants = check;
            self
        }
    };
}

macro_rules! Changed {
    (module, $A:ty, $B:ty) => { Scan<M, $A, $B> };
    (function, $A:ty, $B:ty) => { ScanOver<L, F, $A, $B> };
}

macro_rules! Made {
    (module, $this:ident, $options:expr) => {{
        let options = $options;
        Scan { module: $this.module, groups: $this.groups, options }
    }};
    (function, $this:ident, $options:expr) => {{
        let options = $options;
        ScanOver { target: $this.target, f: $this.f, groups: $this.groups, options }
    }};
}

impl<M: Module, A, B> Scan<M, A, B> {
    loop_methods!(module);

    /// Runs the loop over a function of the module: the last carry, and what all steps made beside it.
    ///
    /// # Errors
    /// What the function returns; if the inputs disagree on the number of steps, or none says it; if the carry or a carried variable
    /// changes its structure, a shape or a dtype; if a shared variable depends on the step.
    pub fn run<C, X, Y, F>(&self, f: F, init: C, xs: X) -> Result<(C, Y)>
    where
        C: Tree,
        X: Tree,
        Y: Tree,
        F: Fn(&M, C, X) -> Result<(C, Y)>,
        A: Axes<X> + Clone,
        B: Axes<Y> + Clone,
    {
        run(&&self.module, &self.groups, &self.options, f, init, xs)
    }
}

impl<L, F, A, B> ScanOver<L, F, A, B> {
    loop_methods!(function);

    /// Runs the loop: the last carry, and what all steps made beside it.
    ///
    /// # Errors
    /// As [`Scan::run`].
    pub fn call<C, X, Y>(&self, init: C, xs: X) -> Result<(C, Y)>
    where
        L: Target,
        C: Tree,
        X: Tree,
        Y: Tree,
        F: Fn(&L::Inner, C, X) -> Result<(C, Y)>,
        A: Axes<X> + Clone,
        B: Axes<Y> + Clone,
    {
        run(&self.target, &self.groups, &self.options, &self.f, init, xs)
    }
}

lifted_module!(Scan<M, A, B>, "Scan");

/// The layer again and again, each time on its own output.
impl<M, A, B> Layer for Scan<M, A, B>
where
    M: Layer,
    A: Axes<()> + Parameter,
    B: Axes<()> + Parameter,
{
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.run(|layer, x: Tensor, ()| Ok((layer.call(&x)?, ())), x.clone(), ())?.0)
    }
}

/// What a step reads beside its carry: variables and keys of each scope, and its slice of the input.
type Slice<X> = (Vec<Variables>, Vec<Rngs>, X);

/// What goes from step to step; errors name what is in it by these fields.
#[derive(Tree)]
struct LoopState<C> {
    carry: C,
    variables: Vec<Variables>,
}

pub(super) fn scan_with<L, C, X, Y>(
    target: &L,
    groups: &Groups,
    length: usize,
    f: impl Fn(&L::Inner, C, X) -> Result<(C, Y)>,
    init: C,
    xs: X,
) -> Result<(C, Y)>
where
    L: Target,
    C: Tree,
    X: Tree,
    Y: Tree,
{
    run(target, groups, &Options { length: Some(length), ..OPTIONS }, f, init, xs)
}

fn run<L, C, X, Y, A, B>(
    target: &L,
    groups: &Groups,
    options: &Options<A, B>,
    f: impl Fn(&L::Inner, C, X) -> Result<(C, Y)>,
    init: C,
    xs: X,
) -> Result<(C, Y)>
where
    L: Target,
    C: Tree,
    X: Tree,
    Y: Tree,
    A: Axes<X> + Clone,
    B: Axes<Y> + Clone,
{
    let mut pack = Pack::new("scan", target)?;
    // What is carried and cannot be written is the same for all.
    let carried = groups.filter(|role| role == Role::Carried).intersect(pack.scopes.mutable());
    let stacked = groups.filter(|role| matches!(role, Role::Axis { out: Some(_), .. }));
    let shared = groups.filter(|role| role == Role::Shared);
    let state = pack.scopes.variables(&carried);
    let read = pack.scopes.variables(&groups.incoming().subtract(&carried));
    let mut read = groups.boxes_in(read).map_err(|error| pack.located(error))?;

    let length = length(&pack, groups, options, &read, &xs)?;
    let rngs = groups.split_rngs(&pack.scopes.rngs(&groups.streams()), length)?;
    let in_axes = || (CollectionAxes { groups, out: false }, StreamAxes(groups), options.in_axes.clone());

    // Where nothing is drawn and no shared variable is made, a first pass would find nothing.
    let draws = rngs.iter().any(|rngs| rngs.streams().len() > 0);
    let makes = shared.intersect(pack.scopes.mutable()) != Filter::none();
    let first_pass = options.invariants && (draws || makes);
    let writes = stacked.union(&carried);
    let writes = if options.invariants { writes.union(&shared) } else { writes };
    let mut made = Vec::new();
    let mut slice = (read, rngs, xs);
    if first_pass {
        let session = pack.unobserved();
        made = invariants(
            &pack,
            &in_axes(),
            &shared,
            &(&init, &state),
            &slice,
            |carry, (variables, rngs, x)| {
                pack.run(&variables, rngs, &writes, |inner| f(inner, carry, x))
                    .map(|(_, variables)| variables)
            },
        )?;
        pack.observed(session);
        slice.0 = slice.0.iter().zip(&made).map(|(read, made)| read.extended(made)).collect();
    }
    read = slice.0;

    let passes = Passes::default();
    let step = |now: LoopState<C>, (read, rngs, x): Slice<X>| {
        passes.begin(&pack.scopes, &now);
        let LoopState { carry, variables: state } = now;
        let variables: Vec<Variables> = read.iter().zip(&state).map(|(a, b)| a.extended(b)).collect();
        let ((carry, y), out) = pack.run(&variables, rngs, &writes, |inner| f(inner, carry, x))?;
        let of = |filter: &Filter| out.iter().map(|out| out.filtered(filter)).collect::<Vec<_>>();
        let next = of(&carried);
        if let Some(difference) = Structure::of(&state).difference(&next) {
            let message = format!(
                "carried variables must be there before the loop, and stay what they are: {difference}. Call the module once \
                 before, outside of the loop, while it is initialised; or say `.axis(..)` for what each step makes"
            );
            return Err(pack.error("scan", message));
        }
        Ok((LoopState { carry, variables: next }, (y, of(&stacked))))
    };
    let mut looped = transform::scan(step)
        .in_axes(in_axes())
        .out_axes((options.out_axes.clone(), CollectionAxes { groups, out: true }))
        .length(length)
        .unroll(options.unroll);
    if options.reverse {
        looped = looped.reverse();
    }
    let first = LoopState { carry: init, variables: state };
    let (LoopState { carry, variables: state }, (ys, stacked)) =
        looped.call(first, (read, slice.1, slice.2)).map_err(|error| pack.located(error))?;
    pack.scopes.write_back(&made)?;
    pack.scopes.write_back(&state)?;
    pack.scopes.write_back(&groups.boxes_out(stacked).map_err(|error| pack.located(error))?)?;
    Ok((carry, ys))
}

/// The number of steps.
fn length<L: Target, X: Tree, A: Axes<X>, B>(
    pack: &Pack<'_, L>,
    groups: &Groups,
    options: &Options<A, B>,
    read: &[Variables],
    xs: &X,
) -> Result<usize> {
    let mut axes = Vec::new();
    options.in_axes.broadcast_prefix(xs, &mut axes);
    let of_inputs = sizes(tree::leaves(xs), &axes);
    let all: Vec<usize> = options.length.into_iter().chain(of_inputs).chain(groups.sizes(read)).collect();
    let Some(&length) = all.first() else {
        let message = "neither an input nor a variable says how many steps there are: say so by `.length(n)`";
        return Err(pack.error("scan", message));
    };
    if all.iter().any(|&other| other != length) {
        let message = format!(
            "the number of steps is {length}, and axes of inputs or of stacked variables have the sizes {:?}: take slices along \
             axes of one size, and say `None` in `in_axes` for what every step reads whole",
            &all[usize::from(options.length.is_some())..]
        );
        return Err(pack.error("scan", message));
    }
    Ok(length)
}

/// The shared variables after a step on a carry and slices without values: nothing else may be read by what makes them.
fn invariants<L: Target, C: Tree, X: Tree>(
    pack: &Pack<'_, L>,
    in_axes: &impl Axes<Slice<X>>,
    shared: &Filter,
    (init, state): &(&C, &Vec<Variables>),
    slice: &Slice<X>,
    step: impl Fn(C, Slice<X>) -> Result<Vec<Variables>>,
) -> Result<Vec<Variables>> {
    let mut axes = Vec::new();
    in_axes.broadcast_prefix(slice, &mut axes);
    let ((structure, names), computed) = stage_lazily(|| {
        let unknown = |x: &Tensor| Ok(Tensor::abstract_value(x.aval().clone()));
        let (carry, state) = (tree::map(*init, unknown)?, tree::map(*state, unknown)?);
        let mut axes = axes.into_iter();
        let (read, rngs, x) = tree::map(slice, |x: &Tensor| match axes.next().flatten() {
            None => Ok(x.clone()),
            Some(axis) => {
                let mut shape = x.shape().to_vec();
                shape.remove(axis_of("scan", axis, x.rank())?);
                Ok(Tensor::abstract_value(x.aval().with_shape(&shape[..])))
            }
        })?;
        let variables = read.iter().zip(&state).map(|(a, b)| a.extended(b)).collect();
        let made: Vec<Variables> =
            step(carry, (variables, rngs, x))?.iter().map(|made| made.filtered(shared)).collect();
        let names: Vec<String> =
            tree::leaves_with_path(&made).iter().map(|(path, _)| path.join("/")).collect();
        let leaves = tree::leaves(&made).into_iter().cloned().collect();
        Ok(((Structure::of(&made), names), leaves))
    })?;
    match computed {
        Ok(leaves) => structure.try_build(leaves),
        Err(dependent) => {
            // The first step of a path is the number of the scope.
            let names: Vec<&str> = dependent
                .iter()
                .map(|&at| names[at].split_once('/').map_or(&*names[at], |(_, name)| name))
                .collect();
            let message = format!(
                "{names:?} are shared by all steps, and depend on the carry, on a slice, or on a key that is split: say \
                 `.axis(..)` for what each step has, `.carry(..)` for what goes from step to step, or do not split the stream"
            );
            Err(pack.error("scan", message))
        }
    }
}
