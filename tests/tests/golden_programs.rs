//! Every golden case of a program: those of `flaxen_tests::seeds`, by the name of the case.

use flaxen_tests::golden::Case;
use flaxen_tests::runner::{Stop, Verdict, run_all};
use flaxen_tests::seeds;

fn run(case: &Case) -> Verdict {
    let name = case.manifest()["name"].as_str().unwrap_or_default();
    match seeds::check(name, case) {
        Some(result) => Ok(result.map(|()| String::new())?),
        None => Err(Stop::Unsupported("no program of this name".to_owned())),
    }
}

#[test]
fn programs_have_the_numbers_of_flax() {
    run_all("program", run);
    run_all("program_digest", run);
}
