//! What several tests of modules use.

use flaxen::{Error, Result, Tensor, Variables, tree};

/// The paths of all tensors of a collection, in order: `Dense_0/bias`, `Dense_0/kernel`.
pub fn paths(variables: &Variables, collection: &str) -> Vec<String> {
    let leaves = variables.collection(collection).map(tree::leaves_with_path).unwrap_or_default();
    leaves.into_iter().map(|(path, _)| path.join("/")).collect()
}

/// The numbers of a tensor.
///
/// # Panics
/// If they are no `F32`.
#[track_caller]
pub fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.to_vec().expect("numbers of the dtype F32")
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
