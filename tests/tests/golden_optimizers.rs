//! Every golden case of an optimizer or of schedules: updates, parameters and states of real optax.

use flaxen_tests::runner::{run_all, run_optimizer};

#[test]
fn optimizers_have_the_numbers_of_optax() {
    run_all("optimizer", run_optimizer);
}
