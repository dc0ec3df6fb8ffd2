//! `custom_vjp`: a function of modules with a gradient of one's own.

use super::pack::Pack;
use super::target::Target;
use crate::array::Aval;
use crate::error::{Error, Result};
use crate::ops::zeros_of;
use crate::scope::Rngs;
use crate::transform;
use crate::tree::{self, Structure, Tree};
use crate::variables::{Filter, Variables};

/// Calls a function of modules of the running model that has a gradient of its own; `flax.linen.custom_vjp`.
///
/// `forward` returns the result and what `backward` needs, such as the module's [`variables`](crate::Module::variables).
/// `backward` takes that and the cotangent of the result; it returns the cotangents of the module's `params`, by collection as
/// [`vjp`](super::vjp) returns them, and of the argument. What it leaves out of the former has none. It has no module, and neither
/// of them may close over values of a transform.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::lift;
///
/// // Gradients of parameters by their signs only.
/// #[module]
/// struct SignOfGradient;
///
/// impl Layer for SignOfGradient {
///     #[compact]
///     fn call(&self, x: &Tensor) -> Result<Tensor> {
///         let dense = self.child(Dense::new(2));
///         let forward = |dense: &Dense, x: &Tensor| Ok((dense.call(x)?, (dense.variables()?, x.clone())));
///         let backward = |kept: &(Variables, Tensor), ct: &Tensor| {
///             let again = |(variables, x): &(Variables, Tensor)| Dense::new(2).apply(variables).call(x);
///             let (params, x) = vjp(again, kept)?.1(ct)?;
///             Ok((flaxen::tree::map(&params, |g| Ok(g.sign()))?, x))
///         };
///         lift::custom_vjp(&dense, forward, backward, x)
///     }
/// }
///
/// let (model, x) = (SignOfGradient::new(), Tensor::ones([1, 3]));
/// let variables = model.init(key(0)).call(&x)?;
/// let slope = grad(|v: &Variables| Ok((model.apply(v).call(&x)? * 5.0).sum()))(&variables)?;
/// assert_eq!(slope.tensor("params/Dense_0/bias")?.to_vec::<f32>()?, [1.0, 1.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// What the functions return; if the cotangents have other shapes than what they are cotangents of.
pub fn custom_vjp<L, I, O, S>(
    target: L,
    forward: impl Fn(&L::Inner, &I) -> Result<(O, S)>,
    backward: impl Fn(&S, &O) -> Result<(Variables, I)>,
    args: &I,
) -> Result<O>
where
    L: Target,
    I: Tree,
    O: Tree,
    S: Tree,
{
    let (pack, all, params) = (Pack::new("custom_vjp", &target)?, Filter::all(), Filter::from("params"));
    let places = pack.scopes.places_of(&pack.places());
    let primal = (
        pack.scopes.variables(&params),
        (pack.scopes.variables(&params.complement()), pack.scopes.rngs(&all)),
        tree::map(args, |x| Ok(x.clone()))?,
    );
    let zeros = (Zeros::like(&primal.0), Zeros::like(&primal.1));
    let function = |(params, (others, rngs), args): &Packed<I>| {
        let variables: Vec<Variables> = params.iter().zip(others).map(|(a, b)| b.extended(a)).collect();
        pack.run(&variables, rngs.clone(), &all, |inner| forward(inner, args))
    };
    let custom = transform::custom_vjp(
        |primal: &Packed<I>| {
            let ((out, _), variables) = function(primal)?;
            Ok((out, variables))
        },
        |primal: &Packed<I>| {
            let ((out, kept), variables) = function(primal)?;
            Ok(((out, variables), kept))
        },
        |kept: &S, (ct, _): &(O, Vec<Variables>)| {
            let (variables, args) = backward(kept, ct)?;
            let nothing: Vec<Variables> = zeros.0.build()?;
            let params = nothing
                .iter()
                .zip(places.scatter(&variables.filtered("params"))?)
                .map(|(nothing, params)| nothing.merge(&params))
                .collect();
            Ok((params, zeros.1.build()?, args))
        },
    );
    let (out, variables) = custom.call(&primal).map_err(|error: Error| pack.located(error))?;
    pack.scopes.write_back(&variables)?;
    Ok(out)
}

/// Parameters; what has no gradient; the argument.
type Packed<I> = (Vec<Variables>, (Vec<Variables>, Vec<Rngs>), I);

/// The shapes of a tree, to make zeros of where they are needed.
struct Zeros {
    structure: Structure,
    avals: Vec<Aval>,
}

impl Zeros {
    fn like(tree: &impl Tree) -> Zeros {
        let avals = tree::leaves(tree).into_iter().map(|leaf| leaf.aval().clone()).collect();
        Zeros { structure: Structure::of(tree), avals }
    }

    fn build<T: Tree>(&self) -> Result<T> {
        self.structure.try_build(self.avals.iter().map(zeros_of).collect::<Result<Vec<_>>>()?)
    }
}
