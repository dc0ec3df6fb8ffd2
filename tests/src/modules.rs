//! What several tests of modules use.

use flaxen::prelude::*;

/// The paths of all tensors of a collection, in order: `Dense_0/bias`, `Dense_0/kernel`.
pub fn paths(variables: &Variables, collection: &str) -> Vec<String> {
    let leaves = variables.collection(collection).map(tree::leaves_with_path).unwrap_or_default();
    leaves.into_iter().map(|(path, _)| path.join("/")).collect()
}

/// The values of a tensor.
///
/// # Panics
/// If they are no `F32`.
#[track_caller]
pub fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.to_vec().expect("values of the dtype F32")
}

/// The error of a call that should fail, without the module it happened in.
///
/// # Panics
/// If the call succeeded.
#[track_caller]
pub fn root_error<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("the call should have failed"),
        Err(error) => error.root().clone(),
    }
}

/// Two layers.
#[module]
pub struct Foo;

impl Layer for Foo {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let h = Dense::new(4).call(x)?;
        Dense::new(2).call(&h)
    }
}

/// A shared head, and two outputs.
#[module]
pub struct BNet;

impl BNet {
    #[compact]
    /// The head of the pooled features, twice.
    ///
    /// # Errors
    /// What a layer returns.
    pub fn call(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let x = Conv::new(4, [3, 3]).call(x)?;
        let norm = self.child(BatchNorm::new().use_running_average(true));
        let x = Layer::call(&norm, &x)?;
        let head = self.child_named("head", Dense::new(3));
        let pooled = x.mean_axes([1, 2]);
        Ok((head.call(&pooled)?, head.call(&pooled)?))
    }
}
