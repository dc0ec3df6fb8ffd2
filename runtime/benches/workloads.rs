//! A step of each named workload, as a user's program runs it: `cargo bench -p flaxen --bench workloads`.
#![allow(missing_docs)]

#[path = "../../examples/bench/src/dense.rs"]
mod dense;
#[path = "../../examples/bench/src/encoder.rs"]
mod encoder;
#[allow(dead_code, reason = "the list of functions is the binary's")]
#[path = "../../examples/bench/src/functions.rs"]
mod functions;
#[path = "../../examples/bench/src/language.rs"]
mod language;
#[path = "../../examples/bench/src/models.rs"]
mod models;
#[path = "../../examples/bench/src/ranks.rs"]
mod ranks;
#[allow(dead_code, reason = "the list of real networks is the binary's")]
#[path = "../../examples/bench/src/real.rs"]
mod real;
#[path = "../../examples/bench/src/residual.rs"]
mod residual;
#[allow(dead_code, reason = "profiles and statistics are the binary's")]
#[path = "../../examples/bench/src/workload.rs"]
mod workload;

use divan::Bencher;
use workload::{CASES, Workload};

fn main() {
    divan::main();
}

/// W4 is many steps at a time.
#[divan::bench(args = CASES)]
fn steps(bencher: Bencher<'_, '_>, case: &str) {
    let mut workload = Workload::new(case).unwrap().unwrap();
    bencher.bench_local(|| workload.run().unwrap());
}
