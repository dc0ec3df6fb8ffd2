//! Programs that must not compile, one a file; what is wrong with it is its name. Those that must are the tests beside this
//! one.

use std::env;
use std::process::Command;

#[test]
fn mistakes_are_explained() {
    if !is_the_blessing_compiler() {
        eprintln!("skipped: the messages are those of Rust {}", env!("CARGO_PKG_RUST_VERSION"));
        return;
    }
    // Without a single `pass`, all of them are checked by one call of Cargo, and no code is generated.
    let tests = trybuild::TestCases::new();
    for theme in ["tree", "transform", "module", "compact", "setup", "layer"] {
        tests.compile_fail(format!("{theme}/*.rs"));
    }
}

/// Every version of the compiler words its messages differently, so one version's are compared.
fn is_the_blessing_compiler() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output();
    let expected = concat!("rustc ", env!("CARGO_PKG_RUST_VERSION"), ".");
    version.is_ok_and(|output| output.stdout.starts_with(expected.as_bytes()))
}
