//! Every golden case of losses: values and gradients of real optax.

use flaxen_tests::runner::{run_all, run_losses};

#[test]
fn losses_have_the_numbers_of_optax() {
    run_all("functional", run_losses);
}
