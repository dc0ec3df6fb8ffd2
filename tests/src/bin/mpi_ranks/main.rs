//! One rank of the tests of `tests/mpi.rs`, which start as many of them with `mpirun`.
//!
//! The first argument says what to do; a rank that fails says why on standard error, and ends with 1.

mod faults;
mod laws;
mod speed;

use std::io::Write;
use std::process::ExitCode;

use flaxen::Result;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // In one piece, so that those of several ranks are not mixed.
            let line = format!("{error}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let case = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match (case.as_str(), rest.as_slice()) {
        ("laws", []) => laws::run(),
        ("speed", []) => speed::run(),
        ("train", [folder, seconds]) => faults::train(folder.as_ref(), seconds.parse().unwrap()),
        (fault, []) => faults::run(fault),
        _ => panic!("what should this rank do?"),
    }
}
