//! How the time of a step, and of its compilation, grows with the batch, the depth, the length and the number of parameters.

use std::fmt::Write as _;
use std::time::Duration;

use flaxen::Result;

use crate::measure;
use crate::workload::Workload;

/// What grows, the case without its number, and the numbers.
const CURVES: [(&str, &str, &[usize]); 6] = [
    ("images in a batch (W1)", "w1_train_b", &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512]),
    ("dense layers of 64 features, 32 rows", "deep_train_l", &[1, 2, 4, 8, 16, 32, 64]),
    ("blocks (W3) in a row", "blocks_train_l", &[1, 3, 6, 12]),
    ("blocks (W3) in a loop", "scan_train_l", &[1, 3, 6, 12]),
    ("tokens of a sentence (R4)", "r4_fwd_b1_t", &[5, 9, 16, 17, 23, 32, 44, 64, 91, 128]),
    ("parameters of 16 numbers each", "many_train_n", &[10, 30, 100, 300, 1000, 3000, 10_000]),
];

/// A table for each curve: the size, the median time of a step, the same per unit of size, the time it took to compile.
///
/// # Errors
/// What a program returns.
pub fn tables(seconds: f64) -> Result<String> {
    let mut text = String::new();
    for (what, case, sizes) in CURVES {
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "| {what} | step, µs | µs for each | compiled in, ms |\n|---:|---:|---:|---:|");
        for &size in sizes {
            let Some(mut workload) = Workload::new(&format!("{case}{size}"))? else { continue };
            let (_, median, _) = measure(&mut workload, Duration::from_secs_f64(seconds))?;
            let compiled = workload.stats().compile_time.as_secs_f64() * 1e3;
            let _ = writeln!(text, "| {size} | {median:.1} | {:.2} | {compiled:.1} |", median / size as f64);
        }
        text.push('\n');
    }
    Ok(text)
}
