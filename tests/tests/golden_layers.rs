//! Every golden case of a layer: initial values, outputs, updates and gradients of real Flax.

use flaxen_tests::runner::{run_all, run_layer};

#[test]
fn layers_have_the_numbers_of_flax() {
    run_all("layer", run_layer);
}
