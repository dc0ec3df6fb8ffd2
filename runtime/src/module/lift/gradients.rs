//! Derivatives of functions of modules.

use super::pack::Pack;
use super::target::Target;
use crate::core::Tensor;
use crate::error::Result;
use crate::scope::Rngs;
use crate::transform::{self, Loss};
use crate::tree::{Builder, Donation, Token, Tree};
use crate::variables::{Filter, Variables};

/// What a function returned, and what became of the variables of each scope.
struct Out<R> {
    out: R,
    variables: Vec<Variables>,
}

impl<R> From<(R, Vec<Variables>)> for Out<R> {
    fn from((out, variables): (R, Vec<Variables>)) -> Out<R> {
        Out { out, variables }
    }
}

impl<R: Tree> Tree for Out<R> {
    fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
        visit(Token::Node(crate::tree::NodeKind::Tuple, 2));
        self.out.walk(visit);
        self.variables.walk(visit);
    }

    fn into_leaves(self, leaves: &mut Vec<Tensor>) {
        self.out.into_leaves(leaves);
        self.variables.into_leaves(leaves);
    }

    fn donate(self, donation: &mut Donation) {
        self.out.donate(donation);
        self.variables.donate(donation);
    }

    fn build(from: &mut Builder<'_>) -> Result<Out<R>> {
        <(R, Vec<Variables>)>::build(from).map(Into::into)
    }
}

impl<R: Loss> Loss for Out<R> {
    fn loss(&self) -> &Tensor {
        self.out.loss()
    }
}

/// A function from the cotangent of a result to those of variables and of the argument; by [`vjp`].
pub type Pullback<I, O> = Box<dyn Fn(&O) -> Result<(Variables, I)>>;

/// What a function of modules of the running model returns, and a function from its cotangent to those of `params` and of the
/// argument; `flax.linen.vjp`.
///
/// The cotangents of parameters are those of the module's own, by collection, as [`variables`](crate::Module::variables) names
/// them; for several modules, all in one. Parameters that the function makes have none: call it once before.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift;
///
/// #[module]
/// struct WithGradient;
///
/// impl WithGradient {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<(Tensor, Variables, Tensor)> {
///         let dense = self.child(Dense::new(2));
///         let (y, pullback) = lift::vjp(&dense, |dense, x: &Tensor| dense.call(x), x)?;
///         let (params, dx) = pullback(&y.ones_like())?;
///         Ok((y, params, dx))
///     }
/// }
///
/// let (model, x) = (WithGradient::new(), Tensor::ones([1, 3]));
/// let variables = model.init(key(0)).run(|m| m.call(&x))?;
/// let (_, params, dx) = model.apply(&variables).run(|m| m.call(&x))?;
/// assert_eq!((params.tensor("params/bias")?.to_vec::<f32>()?, dx.shape()), (vec![1.0, 1.0], &[1, 3][..]));
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// What the function returns. The pullback: if its argument has another structure, shape or dtype than the result.
pub fn vjp<L, I, O>(
    target: L,
    f: impl Fn(&L::Inner, &I) -> Result<O>,
    args: &I,
) -> Result<(O, Pullback<I, O>)>
where
    L: Target,
    I: Tree + Clone + 'static,
    O: Tree + 'static,
{
    vjp_of(target, "params", f, args)
}

/// As [`vjp`], with cotangents of the collections that a filter accepts.
///
/// # Errors
/// As [`vjp`].
pub fn vjp_of<L, I, O>(
    target: L,
    collections: impl Into<Filter>,
    f: impl Fn(&L::Inner, &I) -> Result<O>,
    args: &I,
) -> Result<(O, Pullback<I, O>)>
where
    L: Target,
    I: Tree + Clone + 'static,
    O: Tree + 'static,
{
    let (pack, all, collections) = (Pack::new("vjp", &target)?, Filter::all(), collections.into());
    let fixed = pack.scopes.variables(&collections.complement());
    let rngs = pack.scopes.rngs(&all);
    let function = |(variables, args): &(Vec<Variables>, I)| {
        let variables: Vec<Variables> = variables.iter().zip(&fixed).map(|(a, b)| a.extended(b)).collect();
        pack.run(&variables, rngs.clone(), &all, |inner| f(inner, args))
    };
    let (out, variables, pullback) =
        transform::vjp_with_aux(function, &(pack.scopes.variables(&collections), args.clone()))?;
    pack.scopes.write_back(&variables)?;
    let places = pack.scopes.places_of(&pack.places());
    let pullback = move |ct: &O| {
        let (variables, args) = pullback.call(ct)?;
        Ok((places.gather(&variables), args))
    };
    Ok((out, Box::new(pullback)))
}

/// What a function of modules of the running model returns, and its gradient by the argument; `flax.linen.value_and_grad`.
///
/// # Errors
/// What the function returns, and [`Error::NotScalar`](crate::Error::NotScalar).
pub fn value_and_grad<L, I, R>(target: L, f: impl Fn(&L::Inner, &I) -> Result<R>, args: &I) -> Result<(R, I)>
where
    L: Target,
    I: Tree,
    R: Loss,
{
    let (pack, all) = (Pack::new("value_and_grad", &target)?, Filter::all());
    let (variables, rngs) = (pack.scopes.variables(&all), pack.scopes.rngs(&all));
    let function = |args: &I| pack.run(&variables, rngs.clone(), &all, |inner| f(inner, args)).map(Out::from);
    let (Out { out, variables }, slope) =
        transform::value_and_grad(function)(args).map_err(|error| pack.located(error))?;
    pack.scopes.write_back(&variables)?;
    Ok((out, slope))
}

/// The gradient of a function of modules of the running model by its argument; `flax.linen.grad`.
///
/// # Errors
/// What the function returns, and [`Error::NotScalar`](crate::Error::NotScalar).
pub fn grad<L, I, R>(target: L, f: impl Fn(&L::Inner, &I) -> Result<R>, args: &I) -> Result<I>
where
    L: Target,
    I: Tree,
    R: Loss,
{
    Ok(value_and_grad(target, f, args)?.1)
}

/// What a function of modules of the running model returns, and its derivative along tangents of the argument and of variables;
/// `flax.linen.jvp`.
///
/// `variable_tangents` has those of whole collections of the module, such as `params`; the others do not move.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift;
///
/// #[module]
/// struct Moving;
///
/// impl Moving {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         let dense = self.child(Dense::new(2).use_bias(false));
///         dense.call(x)?;
///         let ones = flaxen::tree::map(&dense.variables()?, |x| Ok(x.ones_like()))?;
///         Ok(lift::jvp(&dense, |dense, x: &Tensor| dense.call(x), x, &x.zeros_like(), ones)?.1)
///     }
/// }
///
/// let (dy, _) = Moving::new().init_with_output(key(0)).run(|m| m.call(&Tensor::ones([1, 3])))?;
/// assert_eq!(dy.to_vec::<f32>()?, [3.0, 3.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// What the function returns; if tangents have another structure or other shapes than what they are tangents of.
pub fn jvp<L, I, O>(
    target: L,
    f: impl Fn(&L::Inner, &I) -> Result<O>,
    primals: &I,
    tangents: &I,
    variable_tangents: impl Into<Variables>,
) -> Result<(O, O)>
where
    L: Target,
    I: Tree + Clone,
    O: Tree,
{
    let (pack, all, variable_tangents) =
        (Pack::new("jvp", &target)?, Filter::all(), variable_tangents.into());
    let places = pack.scopes.places_of(&pack.places());
    let variable_tangents = places.scatter(&variable_tangents)?;
    // Collections without tangents do not move, each by its scope.
    let moving = |all: Vec<Variables>, wanted: bool| -> Vec<Variables> {
        let moves = |tangents: &Variables, name: &str| {
            tangents.collection(name).is_some_and(|dict| !dict.is_empty()) == wanted
        };
        let kept = |(variables, tangents): (Variables, &Variables)| {
            let kept = variables.iter().filter(|(name, _)| moves(tangents, name));
            kept.map(|(name, dict)| (name.to_owned(), dict.clone())).collect()
        };
        all.into_iter().zip(&variable_tangents).map(kept).collect()
    };
    let (moved, fixed) =
        (moving(pack.scopes.variables(&all), true), moving(pack.scopes.variables(&all), false));
    let tangents_of_moved = moving(variable_tangents.clone(), true);
    let rngs: Vec<Rngs> = pack.scopes.rngs(&all);
    let function = |(variables, args): &(Vec<Variables>, I)| {
        let variables: Vec<Variables> = variables.iter().zip(&fixed).map(|(a, b)| a.extended(b)).collect();
        pack.run(&variables, rngs.clone(), &all, |inner| f(inner, args))
    };
    let ((out, variables), (out_tangent, _)) =
        transform::jvp(function, &(moved, primals.clone()), &(tangents_of_moved, tangents.clone()))
            .map_err(|error| pack.located(error))?;
    pack.scopes.write_back(&variables)?;
    Ok((out, out_tangent))
}
