//! The cache of machine code on disk: what one process has compiled, the next one reads, and never anything else.
//!
//! Each test runs `program` in processes of its own, as what is compiled stays in memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flaxen::kernels::simd::{self, Level};
use flaxen::prelude::*;

/// Rows, columns, products with epilogues, alike small arrays, and a loop.
fn step(state: (Vec<Tensor>, Tensor)) -> Result<(Vec<Tensor>, Tensor)> {
    let (params, x) = state;
    let loss = |params: &Vec<Tensor>| {
        let [w, b, scale] = &params[..] else { unreachable!("three parameters") };
        let h = (x.dot(w) + b).tanh();
        let centred = &h - h.mean_axes(-1).expand_dims([-1]);
        let normal = &centred * (centred.square().mean_axes(-1).expand_dims([-1]) + 1e-5).rsqrt() * scale;
        let sums = scan(|sum: Tensor, row: Tensor| {
            let sum = sum * 0.5 + row.sigmoid();
            Ok((sum.clone(), sum))
        });
        Ok((normal.softmax(-1) * sums.call(Tensor::zeros([40]), h)?.1).sum())
    };
    let (value, grads) = value_and_grad(loss)(&params)?;
    let updated = params.iter().zip(grads).map(|(param, grad)| param - grad * 0.1).collect();
    Ok((updated, value))
}

/// What the other tests run in a process of its own: prints the bits of all results, and what the cache has had.
#[test]
#[ignore = "run by the other tests, in processes of their own"]
fn program() {
    let input = |seed: u64, shape: [usize; 2]| random::normal(&key(seed), shape);
    let params = vec![input(1, [30, 40]), input(2, [1, 40]), input(3, [1, 40])];
    let f = jit(step);
    let (params, loss) = f.call((params, input(4, [24, 30]))).unwrap();
    for tensor in params.iter().chain([&loss]) {
        let bits: Vec<u32> = tensor.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect();
        println!("bits {bits:?}");
    }
    let stats = f.stats();
    println!("lookups {} {} {}", stats.disk_hits, stats.disk_misses, stats.disk_rejected);
}

/// The bits that the program prints, and how often it has found its code, has not, and has found a bad file.
fn run(folder: Option<&Path>, more: &[(&str, &str)]) -> (String, [u64; 3]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "program", "--ignored", "--nocapture"]);
    command.env_remove("FLAXEN_CACHE_DIR").env_remove("FLAXEN_JIT").env_remove("FLAXEN_SIMD");
    command.envs(folder.map(|folder| ("FLAXEN_CACHE_DIR", folder))).envs(more.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let bits: Vec<&str> = text.lines().filter(|line| line.contains("bits [")).collect();
    assert_eq!(bits.len(), 4, "{text}");
    let lookups = text.lines().find_map(|line| line.strip_prefix("lookups ")).unwrap();
    let lookups: Vec<u64> = lookups.split(' ').map(|count| count.parse().unwrap()).collect();
    (bits.join("\n"), lookups.try_into().unwrap())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Whether loops are compiled on this machine; there is nothing to store elsewhere.
fn is_compiled() -> bool {
    let is_compiled = simd::has_jit() && Level::best() > Level::Portable;
    if !is_compiled {
        println!("skipped: no loops are compiled on this machine");
    }
    is_compiled
}

#[test]
fn the_next_process_reads_what_the_first_has_compiled() {
    if !is_compiled() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("cache");
    let (expected, none) = run(None, &[]);
    assert_eq!(none, [0, 0, 0], "it is off by default");
    assert_eq!(run(Some(&folder), &[]), (expected.clone(), [0, 1, 0]));
    assert_eq!(files(&folder).len(), 1);
    let stored = fs::read(&files(&folder)[0]).unwrap();
    assert_eq!(run(Some(&folder), &[]), (expected, [1, 0, 0]));
    assert_eq!(files(&folder).len(), 1);
    assert_eq!(fs::read(&files(&folder)[0]).unwrap(), stored, "what is read is not written again");
}

#[test]
fn damaged_files_are_replaced_and_results_are_the_same() {
    if !is_compiled() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (expected, _) = run(Some(place.path()), &[]);
    let file = files(place.path()).remove(0);
    let whole = fs::read(&file).unwrap();
    // All lengths and all bits are tried beside the code that reads them; here it is said that programs rely on it.
    let flipped = |at: usize| {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        damaged
    };
    let middle = whole.len() / 2;
    for damaged in [Vec::new(), whole[..middle].to_vec(), flipped(middle), flipped(whole.len() - 30)] {
        fs::write(&file, damaged).unwrap();
        assert_eq!(run(Some(place.path()), &[]), (expected.clone(), [0, 0, 1]));
        assert_eq!(fs::read(&file).unwrap(), whole);
    }
    assert_eq!(run(Some(place.path()), &[]), (expected, [1, 0, 0]));
}

#[test]
fn code_for_another_instruction_set_is_not_taken() {
    if !is_compiled() || Level::best() < Level::Avx512 {
        println!("skipped: this machine has one instruction set that loops are compiled for");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let narrow = [("FLAXEN_SIMD", "avx2")];
    let (wide_bits, _) = run(Some(place.path()), &[]);
    let (narrow_bits, lookups) = run(Some(place.path()), &narrow);
    assert_eq!(lookups, [0, 1, 0]);
    assert_eq!(files(place.path()).len(), 2);
    assert_eq!(run(Some(place.path()), &narrow), (narrow_bits, [1, 0, 0]));
    assert_eq!(run(Some(place.path()), &[]), (wide_bits, [1, 0, 0]));
}

#[test]
fn nothing_is_stored_where_loops_are_not_compiled() {
    let place = tempfile::tempdir().unwrap();
    let (_, lookups) = run(Some(place.path()), &[("FLAXEN_JIT", "0")]);
    assert_eq!((lookups, files(place.path()).len()), ([0, 0, 0], 0));
}

#[test]
fn a_folder_that_cannot_be_one_turns_nothing_on() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "text").unwrap();
    assert_eq!(run(Some(&file), &[]).1, [0, 0, 0]);
    let error = flaxen::compilation_cache(&file).unwrap_err().to_string();
    assert!(error.contains("cannot be the folder"), "{error}");
}
