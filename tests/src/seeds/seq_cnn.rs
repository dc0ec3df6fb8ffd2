//! A network as a list of layers and functions, and a part of the list.

use flaxen::nn::Sequential;
use flaxen::prelude::*;

use super::{assert_array, assert_initial, seed, setting};
use crate::golden::Case;

fn pool(x: &Tensor) -> Result<Tensor> {
    avg_pool(x, [2, 2]).strides([2, 2]).run()
}

/// All ten layers.
pub(super) fn seq_cnn_of(channels: [usize; 2], units: [usize; 2]) -> Sequential {
    sequential![
        Conv::new(channels[0], [3, 3]),
        Tensor::relu,
        pool,
        Conv::new(channels[1], [3, 3]),
        Tensor::relu,
        pool,
        |x: &Tensor| x.flatten(1),
        Dense::new(units[0]),
        Tensor::relu,
        Dense::new(units[1]),
        |x: &Tensor| x.log_softmax(-1),
    ]
}

/// The list as it was once printed, without its activations and its end.
fn printed(channels: [usize; 2]) -> Sequential {
    sequential![Conv::new(channels[0], [3, 3]), pool, Conv::new(channels[1], [3, 3]), pool, |x: &Tensor| x
        .flatten(1)]
}

/// Initial values, output, and the output of the first seven layers with all the variables.
///
/// # Errors
/// What the program returns.
pub fn seq_cnn(case: &Case) -> Result<()> {
    let channels = [setting(case, "f1"), setting(case, "f2")];
    let units = [setting(case, "d1"), setting(case, "d2")];
    let x = case.array("in/x");

    let model = seq_cnn_of(channels, units);
    let variables = model.init(seed(case)).call(&x)?;
    assert_initial(case, "init", &variables)?;
    assert_array(case, "out", &model.apply(&variables).call(&x)?);
    let prefix = Sequential::new(model.layers[0..7].to_vec());
    assert_array(case, "prefix7", &prefix.apply(&variables).call(&x)?);

    let model = printed(channels);
    let variables = model.init(seed(case)).call(&x)?;
    assert_initial(case, "printed/init", &variables)?;
    let y = model.apply(&variables).call(&x)?;
    assert_array(case, "printed/out", &y);
    assert_array(case, "printed/prefix7", &y);
    Ok(())
}
