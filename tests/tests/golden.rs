//! Every golden case: what the real Flax, JAX and optax computed, beside what is computed here.
//!
//! The cases are those of the folder that the environment variable `FLAXEN_GOLDEN_DIR` names, by default our own. Each case
//! gets a line, and their number is in the last one.

use std::io::Write;

use flaxen_tests::golden::own_folder;
use flaxen_tests::runner::run_folder;

#[test]
fn every_golden_case_has_the_numbers_of_flax() {
    let folder = std::env::var_os("FLAXEN_GOLDEN_DIR").map_or_else(own_folder, Into::into);
    // Past the capture of the test harness, which hides what tests that pass print.
    let print = |line: &str| writeln!(std::io::stdout(), "{line}").expect("standard output is open");
    let summary = run_folder(&folder, print).unwrap_or_else(|error| panic!("{error}"));
    print(&summary.closing());
    let failures = summary.failures();
    assert!(failures.is_empty(), "{}\n{}", failures.join("\n"), summary.closing());
}
