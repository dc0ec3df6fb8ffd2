//! `cond` and `switch`: one of several functions of modules.

use std::cell::RefCell;

use super::pack::Pack;
use super::target::Target;
use crate::core::Tensor;
use crate::error::Result;
use crate::scope::Rngs;
use crate::transform;
use crate::tree::{self, Structure, Tree};
use crate::variables::{Filter, Variables};

/// One of two functions of modules of the running model: the first where `pred` is true; `flax.linen.cond`.
///
/// Of the variables those change that the function writes which runs. Both make the same variables, or find them: while a model
/// is initialised whose branches have layers of their own, call each of them once before.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift;
///
/// #[module]
/// struct Either {
///     #[setup(Dense::new(2))]
///     a: Dense,
///     #[setup(Dense::new(2))]
///     b: Dense,
/// }
///
/// impl Either {
///     #[compact]
///     fn call(&self, pred: &Tensor, x: &Tensor) -> Result<Tensor> {
///         if self.is_initializing() {
///             self.a.call(x)?;
///             self.b.call(x)?;
///         }
///         lift::cond(self, pred, |m, x: &Tensor| m.a.call(x), |m, x| m.b.call(x), x)
///     }
/// }
///
/// let x = Tensor::ones([1, 3]);
/// let variables = Either::new().init(key(0)).run(|m| m.call(&Tensor::from(true), &x))?;
/// let y = Either::new().apply(&variables).run(|m| m.call(&Tensor::from(false), &x))?;
/// let b = Either::new().apply(&variables).run(|m| m.b.call(&x))?;
/// assert_eq!(y.to_vec::<f32>()?, b.to_vec::<f32>()?);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// What the functions return; if `pred` is no single number; if results or variables differ in structure, shape or dtype.
pub fn cond<L, X, Y>(
    target: L,
    pred: &Tensor,
    on_true: impl Fn(&L::Inner, &X) -> Result<Y>,
    on_false: impl Fn(&L::Inner, &X) -> Result<Y>,
    operands: &X,
) -> Result<Y>
where
    L: Target,
    X: Tree,
    Y: Tree,
{
    let branching = Branching::new("cond", &target)?;
    let (on_true, on_false) = (branching.branch(&on_true), branching.branch(&on_false));
    let packed = branching.packed(operands)?;
    let out = transform::cond(pred, on_true, on_false)(packed);
    branching.finish(out)
}

/// One of several functions of modules of the running model, chosen by an index, which is clamped; `flax.linen.switch`.
///
/// See [`cond`] for what the functions may do. Closures of one type come as an array or `Vec`, and others boxed, or as a tuple of
/// up to eight.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift;
///
/// #[module]
/// struct Heads {
///     #[setup(vec![Dense::new(2), Dense::new(2), Dense::new(2)])]
///     heads: Vec<Dense>,
/// }
///
/// impl Heads {
///     #[compact]
///     fn call(&self, index: &Tensor, x: &Tensor) -> Result<Tensor> {
///         if self.is_initializing() {
///             self.heads.iter().try_for_each(|head| head.call(x).map(drop))?;
///         }
///         lift::switch(self, index, [0, 1, 2].map(|i| move |m: &Heads, x: &Tensor| m.heads[i].call(x)), x)
///     }
/// }
///
/// let (y, _) = Heads::new().init_with_output(key(0)).run(|m| m.call(&Tensor::from(1), &Tensor::ones([1, 3])))?;
/// assert_eq!(y.shape(), [1, 2]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// As [`cond`]; if there are no functions; if `index` is no single integer.
pub fn switch<L, X, Y, B>(target: L, index: &Tensor, branches: B, operands: &X) -> Result<Y>
where
    L: Target,
    X: Tree,
    Y: Tree,
    B: Branches<L::Inner, X, Y>,
{
    let branching = Branching::new("switch", &target)?;
    let lifted: Vec<_> = branches.list().into_iter().map(|branch| branching.branch(branch)).collect();
    let packed = branching.packed(operands)?;
    let out = transform::switch(index, lifted)(packed);
    branching.finish(out)
}

/// A function of modules and an argument.
type Branch<'b, M, X, Y> = &'b dyn Fn(&M, &X) -> Result<Y>;

/// Functions of modules to choose from: an array or `Vec` of closures of one type, or a tuple of up to eight closures.
pub trait Branches<M, X, Y> {
    /// The functions, in order.
    fn list(&self) -> Vec<Branch<'_, M, X, Y>>;
}

impl<M, X, Y, F: Fn(&M, &X) -> Result<Y>> Branches<M, X, Y> for Vec<F> {
    fn list(&self) -> Vec<Branch<'_, M, X, Y>> {
        self.iter().map(|branch| branch as Branch<'_, M, X, Y>).collect()
    }
}

impl<M, X, Y, F: Fn(&M, &X) -> Result<Y>, const N: usize> Branches<M, X, Y> for [F; N] {
    fn list(&self) -> Vec<Branch<'_, M, X, Y>> {
        self.iter().map(|branch| branch as Branch<'_, M, X, Y>).collect()
    }
}

macro_rules! tuples {
    ($(($($F:ident $index:tt)*))*) => {
        $(impl<M, X, Y, $($F: Fn(&M, &X) -> Result<Y>),*> Branches<M, X, Y> for ($($F,)*) {
            fn list(&self) -> Vec<Branch<'_, M, X, Y>> {
                vec![$(&self.$index),*]
            }
        })*
    };
}

tuples! {
    (A 0)
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4)
    (A 0 B 1 C 2 D 3 E 4 F 5)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
}

/// All that a branch takes.
type Packed<X> = (Vec<Variables>, Vec<Rngs>, X);

/// Functions that are lifted together: they draw from the random streams one after the other.
struct Branching<'t, L> {
    transform: &'static str,
    pack: Pack<'t, L>,
    /// The variables as the first function left them.
    left: RefCell<Option<Structure>>,
}

impl<'t, L: Target> Branching<'t, L> {
    fn new(transform: &'static str, target: &'t L) -> Result<Branching<'t, L>> {
        Ok(Branching { transform, pack: Pack::new(transform, target)?, left: RefCell::default() })
    }

    fn packed<X: Tree>(&self, operands: &X) -> Result<Packed<X>> {
        let scopes = &self.pack.scopes;
        let operands = tree::map(operands, |x| Ok(x.clone()))?;
        Ok((scopes.variables(&Filter::all()), scopes.rngs(&Filter::all()), operands))
    }

    fn branch<X: Tree, Y: Tree>(
        &self,
        f: impl Fn(&L::Inner, &X) -> Result<Y>,
    ) -> impl Fn(Packed<X>) -> Result<(Y, Vec<Variables>)> {
        move |(variables, rngs, operands): Packed<X>| {
            let (y, variables) =
                self.pack.run(&variables, rngs, &Filter::all(), |inner| f(inner, &operands))?;
            let mut left = self.left.borrow_mut();
            let difference = left.get_or_insert_with(|| Structure::of(&variables)).difference(&variables);
            match difference {
                None => Ok((y, variables)),
                Some(difference) => {
                    let message = format!(
                        "the functions leave different variables: {difference}. Make those of all of them before, as in \
                         `if self.is_initializing() {{ .. }}` with a call of each"
                    );
                    Err(self.pack.error(self.transform, message))
                }
            }
        }
    }

    fn finish<Y>(&self, out: Result<(Y, Vec<Variables>)>) -> Result<Y> {
        let (y, variables) = out.map_err(|error| self.pack.located(error))?;
        self.pack.scopes.write_back(&variables)?;
        Ok(y)
    }
}
