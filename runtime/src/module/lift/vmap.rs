//! `Vmap`: a module over a new axis.

use super::groups::{CollectionAxes, Groups, StreamAxes, group_methods, sizes};
use super::module::{Parameter, lifted_module};
use super::pack::Pack;
use super::target::Target;
use crate::core::Tensor;
use crate::error::{Error, Result};
use crate::module::{Layer, Module};
use crate::scope::Rngs;
use crate::transform::{self, Axes};
use crate::tree::{self, Tree};
use crate::variables::Variables;

/// A module over a new axis, as by [`vmap`](crate::vmap()): one for each element, or one for all; `flax.linen.vmap`.
///
/// Which it is, is said for each collection: [`axis`](Vmap::axis) stacks the variables of the elements, [`share`](Vmap::share)
/// has them once. A collection that is not named is not there inside. Random streams are [`split`](Vmap::split), so that each
/// element draws its own numbers, or shared; what is not named is not there either. The module is named `VmapDense_0`, and the
/// variables of what it wraps stand directly under it.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift::Vmap;
///
/// // An ensemble: a `Dense` for each row of the input.
/// let ensemble = Vmap::new(Dense::new(4)).axis("params", 0).split("params");
/// let x = Tensor::ones([3, 2]);
/// let variables = ensemble.init(key(0)).call(&x)?;
/// assert_eq!(variables.tensor("params/kernel")?.shape(), [3, 2, 4]);
/// assert_eq!(ensemble.apply(&variables).call(&x)?.shape(), [3, 4]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a module does nothing before it is called"]
pub struct Vmap<M, A = isize, B = isize> {
    module: M,
    groups: Groups,
    options: Options<A, B>,
}

/// A function of modules over a new axis; see [`vmap`](fn@vmap).
#[must_use = "nothing runs before `call`"]
pub struct VmapOver<L, F, A = isize, B = isize> {
    target: L,
    f: F,
    groups: Groups,
    options: Options<A, B>,
}

#[derive(Clone, Debug, PartialEq)]
struct Options<A, B> {
    in_axes: A,
    out_axes: B,
    size: Option<usize>,
    name: Option<String>,
}

const OPTIONS: Options<isize, isize> = Options { in_axes: 0, out_axes: 0, size: None, name: None };

/// Maps a function of modules of the running model over a new axis: `lift::vmap(self, |m, x: Tensor| …).share("params").call(x)?`.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift;
///
/// #[module]
/// struct PerExample {
///     #[setup(Dense::new(3))]
///     dense: Dense,
/// }
///
/// impl Layer for PerExample {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         lift::vmap(self, |m, x: Tensor| m.dense.call(&x)).share("params").call(x.clone())
///     }
/// }
///
/// let (y, variables) = PerExample::new().init_with_output(key(0)).call(&Tensor::ones([5, 2]))?;
/// assert_eq!((y.shape(), variables.tensor("params/dense/kernel")?.shape()), (&[5, 3][..], &[2, 3][..]));
/// # Ok::<(), flaxen::Error>(())
/// ```
pub fn vmap<L, I, O, F>(target: L, f: F) -> VmapOver<L, F>
where
    L: Target,
    F: Fn(&L::Inner, I) -> Result<O>,
{
    VmapOver { target, f, groups: Groups::default(), options: OPTIONS }
}

impl<M: Module> Vmap<M> {
    /// Wraps a module.
    pub fn new(module: M) -> Vmap<M> {
        Vmap { module, groups: Groups::default(), options: OPTIONS }
    }
}

macro_rules! axes_methods {
    ($($kept:ident)*) => {
        group_methods!();

        /// Which axis of which argument is that of the elements: an axis, `None`, or a tuple of these; 0 by default.
        pub fn in_axes<A2>(self, in_axes: A2) -> Changed!($($kept)*, A2, B) {
            let Options { out_axes, size, name, .. } = self.options;
            Made!($($kept)*, self, Options { in_axes, out_axes, size, name })
        }

        /// Where the axis of the elements goes in which result; `None` for one that does not differ between them. 0 by default.
        pub fn out_axes<B2>(self, out_axes: B2) -> Changed!($($kept)*, A, B2) {
            let Options { in_axes, size, name, .. } = self.options;
            Made!($($kept)*, self, Options { in_axes, out_axes, size, name })
        }

        /// The number of elements, where no argument says so.
        pub fn axis_size(mut self, size: usize) -> Self {
            self.options.size = Some(size);
            self
        }

        /// Names the axis, so that [`pmean`](crate::Tensor::pmean) and its like can talk over it.
        pub fn axis_name(mut self, name: impl Into<String>) -> Self {
            self.options.name = Some(name.into());
            self
        }
    };
}

macro_rules! Changed {
    (module, $A:ty, $B:ty) => { Vmap<M, $A, $B> };
    (target f, $A:ty, $B:ty) => { VmapOver<L, F, $A, $B> };
}

macro_rules! Made {
    (module, $this:ident, $options:expr) => {{
        let options = $options;
        Vmap { module: $this.module, groups: $this.groups, options }
    }};
    (target f, $this:ident, $options:expr) => {{
        let options = $options;
        VmapOver { target: $this.target, f: $this.f, groups: $this.groups, options }
    }};
}

impl<M: Module, A, B> Vmap<M, A, B> {
    axes_methods!(module);

    /// Calls a function of the module on all elements.
    ///
    /// # Errors
    /// What the function returns; if the axes differ in size or there are none; if a shared collection comes to differ between
    /// elements.
    pub fn run<I, O, F>(&self, f: F, args: I) -> Result<O>
    where
        I: Tree,
        O: Tree,
        F: Fn(&M, I) -> Result<O>,
        A: Axes<I> + Clone,
        B: Axes<O> + Clone,
    {
        run(&&self.module, &self.groups, &self.options, f, args)
    }
}

impl<L, F, A, B> VmapOver<L, F, A, B> {
    axes_methods!(target f);

    /// Calls the function on all elements.
    ///
    /// # Errors
    /// As [`Vmap::run`].
    pub fn call<I, O>(&self, args: I) -> Result<O>
    where
        L: Target,
        I: Tree,
        O: Tree,
        F: Fn(&L::Inner, I) -> Result<O>,
        A: Axes<I> + Clone,
        B: Axes<O> + Clone,
    {
        run(&self.target, &self.groups, &self.options, &self.f, args)
    }
}

lifted_module!(Vmap<M, A, B>, "Vmap");

impl<M, A, B> Layer for Vmap<M, A, B>
where
    M: Layer,
    A: Axes<Tensor> + Parameter,
    B: Axes<Tensor> + Parameter,
{
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.run(|layer, x: Tensor| layer.call(&x), x.clone())
    }
}

fn run<L, I, O, A, B>(
    target: &L,
    groups: &Groups,
    options: &Options<A, B>,
    f: impl Fn(&L::Inner, I) -> Result<O>,
    args: I,
) -> Result<O>
where
    L: Target,
    I: Tree,
    O: Tree,
    A: Axes<I> + Clone,
    B: Axes<O> + Clone,
{
    let pack = Pack::new("vmap", target)?;
    let variables = pack.scopes.variables(&groups.incoming());
    let variables = groups.boxes_in(variables).map_err(|error| pack.located(error))?;
    let size = match options.size {
        Some(size) => size,
        None => {
            let mut axes = Vec::new();
            options.in_axes.broadcast_prefix(&args, &mut axes);
            let all: Vec<usize> =
                sizes(tree::leaves(&args), &axes).into_iter().chain(groups.sizes(&variables)).collect();
            let Some(&size) = all.first() else {
                let message =
                    "neither an argument nor a variable has the axis to map over: say `.axis_size(n)`";
                return Err(pack.error("vmap", message));
            };
            if all.iter().any(|&other| other != size) {
                return Err(pack.located(Error::AxisSize { found: all }));
            }
            size
        }
    };
    let rngs = groups.split_rngs(&pack.scopes.rngs(&groups.streams()), size)?;
    let out = groups.outgoing();
    let each = |(variables, rngs, args): (Vec<Variables>, Vec<Rngs>, I)| {
        pack.run(&variables, rngs, &out, |inner| f(inner, args))
    };
    let mut mapped = transform::vmap(each)
        .axis_size(size)
        .in_axes((CollectionAxes { groups, out: false }, StreamAxes(groups), options.in_axes.clone()))
        .out_axes((options.out_axes.clone(), CollectionAxes { groups, out: true }));
    if let Some(name) = &options.name {
        mapped = mapped.axis_name(name);
    }
    let (out, variables) = mapped.call((variables, rngs, args)).map_err(|error| differing(&pack, error))?;
    pack.scopes.write_back(&groups.boxes_out(variables).map_err(|error| pack.located(error))?)?;
    Ok(out)
}

/// Says of a shared collection what it has come to.
fn differing<L: Target>(pack: &Pack<'_, L>, error: Error) -> Error {
    match &error {
        // The variables are the second part of what is mapped, and those of each scope are an element of it.
        Error::MappedOutput { path, .. } if path.starts_with("1.") => {
            let name = path.splitn(3, '.').last().unwrap_or_default().replace('.', "/");
            pack.error(
                "vmap",
                format!(
                    "`{name}` is shared and comes to differ between the elements: give its collection an axis (`.axis(..)`), \
                     do not split the stream that it is drawn from, or talk over the axis (`axis_name`)"
                ),
            )
        }
        _ => pack.located(error),
    }
}
