//! The official examples of Flax Linen, ported line by line, each compared with what Flax computed.
//!
//! The cases are in the folder `golden/examples`, whose generator runs the examples themselves at small sizes. An example is
//! compared in its tree of parameters, initial values, outputs, gradients of the first step of training, what each step
//! measures, and the parameters in the end.

mod beam_search;
pub mod imagenet;
pub mod linen_design_attention;
pub mod linen_design_test;
pub mod lm1b;
pub mod nlp_seq;
pub mod ogbg_molpcba;
pub mod pixelcnn;
pub mod ppo;
pub mod seq2seq;
pub mod sst2;
mod transformer;
pub mod vae;
pub mod wmt;

use flaxen::optim::DynTransformation;
use flaxen::prelude::*;

use crate::golden::{Case, Tolerance, own_folder};
use crate::runner::compare;
use crate::runner::containers::{arrays_of, tree_at};
use crate::runner::layer::whole;

/// No tolerance at all.
const EXACT: Tolerance = Tolerance { relative: 0.0, absolute: 0.0 };

/// For initial values made under `jit`, where XLA fuses a sample with its scale, and rounds otherwise.
const FUSED: Tolerance = Tolerance { relative: 1e-6, absolute: 0.0 };

/// For orthogonal initial values, whose matrices LAPACK decomposes by another algorithm.
const ORTHOGONAL: Tolerance = Tolerance { relative: 1e-6, absolute: 1e-6 };

/// A state of training with an optimizer of any type.
type State = TrainState<DynTransformation>;

/// What Flax computed for an example.
struct Example(Case);

impl Example {
    fn load(name: &str) -> Example {
        let case = Case::read(&own_folder().join("examples"), name);
        Example(case.unwrap_or_else(|error| panic!("{error}")))
    }

    fn array(&self, key: &str) -> Tensor {
        self.0.array(key)
    }

    /// The dict below a key.
    fn dict(&self, key: &str) -> Dict {
        match tree_at(&self.0, key) {
            Ok(Some(Value::Dict(dict))) => dict,
            found => panic!("`{key}` should be a dict: {found:?}"),
        }
    }

    /// Asserts initial values: the names, shapes and dtypes, and the values bit for bit.
    #[track_caller]
    fn initial(&self, key: &str, found: &impl Tree) {
        self.within(EXACT, key, found);
    }

    /// Asserts computed values: the names, shapes and dtypes, and the values within the tolerance of the case.
    #[track_caller]
    fn near(&self, key: &str, found: &impl Tree) {
        self.within(self.0.tolerance(), key, found);
    }

    #[track_caller]
    fn within(&self, tolerance: Tolerance, key: &str, found: &impl Tree) {
        if let Err(stop) = compare::near(key, &arrays_of(found), &whole(&self.0, key), tolerance) {
            panic!("{}: {stop:?}", self.0.name());
        }
    }

    /// Asserts integers: the same.
    #[track_caller]
    fn same(&self, key: &str, found: &impl Tree) {
        self.within(EXACT, key, found);
    }

    /// Trains, and asserts the gradients of the first step, what each step measures, and the last parameters.
    #[track_caller]
    fn train<M: Tree>(
        &self,
        params: &Dict,
        tx: impl GradientTransformation<Dict> + Send + Sync + 'static,
        steps: usize,
        step: impl Fn(State, usize) -> Result<(State, M)>,
    ) -> Result<State> {
        let (recorded, _) = step(TrainState::create(params.clone(), Recorder.boxed()), 0)?;
        self.near("gradients", &recorded.opt_state);
        let mut state = TrainState::create(params.clone(), tx.boxed());
        for i in 0..steps {
            let measured;
            (state, measured) = step(state, i)?;
            self.near(&format!("step{i}"), &measured);
        }
        self.near("final/params", &state.params);
        Ok(state)
    }

    /// Asserts that something was compared with each array, but for those that went in.
    #[track_caller]
    fn finish(self) {
        let unread: Vec<&str> = self.0.unread().into_iter().filter(|key| !key.starts_with("in/")).collect();
        assert!(unread.is_empty(), "{}: nothing was compared with {unread:?}", self.0.name());
    }
}

/// An optimizer whose state is the last gradient: how a whole step of training shows its gradients.
struct Recorder;

impl<P: Tree + Clone> GradientTransformation<P> for Recorder {
    type State = P;

    fn init(&self, params: &P) -> P {
        zeros_like(params).expect("parameters have zeros like them")
    }

    fn update(&self, updates: &P, _state: &P, _params: &P) -> Result<(P, P)> {
        Ok((zeros_like(updates)?, updates.clone()))
    }
}

fn zeros_like<P: Tree>(tree: &P) -> Result<P> {
    tree::map(tree, |leaf| Ok(leaf.zeros_like()))
}

/// The variables that are parameters alone.
fn with_params(params: &Dict) -> Variables {
    Variables::new().with("params", params)
}

/// The gradients' mean over a named axis, as `lax.pmean` of a tree.
fn pmean<T: Tree>(tree: &T, axis: &str) -> Result<T> {
    tree::map(tree, |leaf| leaf.pmean(axis))
}
