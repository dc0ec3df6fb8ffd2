//! Ranks that are processes, started by `mpirun` as users do it; without one these tests say that they were skipped.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use flaxen::Tensor;
use flaxen::io::checkpoints::Checkpoints;

/// `mpirun` with so many ranks of the program beside these tests; none where there is no `mpirun`.
///
/// Unless it is to end the others when one fails, as users have it, they are left alone.
fn mpirun(ranks: usize, ends_all: bool, arguments: &[&str]) -> Option<Child> {
    let program = std::env::var_os("FLAXEN_MPIRUN").unwrap_or_else(|| "mpirun".into());
    let mut command = Command::new(&program);
    let version = Command::new(&program).arg("--version").output();
    let Ok(version) = version else {
        eprintln!("skipped: there is no {}", program.display());
        return None;
    };
    if String::from_utf8_lossy(&version.stdout).contains("Open MPI") {
        // More ranks than cores.
        command.args(["--oversubscribe"]).args((!ends_all).then_some("--enable-recovery"));
        command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    }
    // After so many seconds `mpirun` ends the ranks itself.
    command.env("MPIEXEC_TIMEOUT", "100");
    command.args(["-n", &ranks.to_string(), env!("CARGO_BIN_EXE_mpi_ranks")]).args(arguments);
    Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Whether all ranks ended well, what they said, and how they failed.
fn run(ranks: usize, ends_all: bool, arguments: &[&str]) -> Option<(bool, String, String)> {
    let output = mpirun(ranks, ends_all, arguments)?.wait_with_output().unwrap();
    let [out, error] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Some((output.status.success(), out, error))
}

#[test]
fn processes_compute_what_threads_do() {
    for ranks in [1, 2, 3, 4] {
        let Some((is_well, out, error)) = run(ranks, true, &["laws"]) else { return };
        assert!(is_well, "{ranks} ranks: {out}{error}");
        assert_eq!(out.matches("results").count(), ranks, "{out}{error}");
    }
}

/// How often a text is in what ranks say when the last of three commits a fault.
fn said(fault: &str, text: &str) -> Option<usize> {
    let (_, out, error) = run(3, false, &[fault])?;
    let count = error.matches(text).count();
    assert!(count > 0, "{fault}: {out}{error}");
    Some(count)
}

#[test]
fn calls_that_do_not_fit_are_an_error_on_all_ranks() {
    for (fault, text) in
        [("other_op", "`all_gather` of f32[100000]"), ("other_shape", "`psum` of f32[99999]")]
    {
        let Some(count) = said(fault, text) else { return };
        assert_eq!(count, 3);
    }
}

#[test]
fn a_rank_that_fails_ends_the_others_with_its_error() {
    for fault in ["fails", "panics"] {
        let Some(count) = said(fault, "its data is damaged") else { return };
        // A panic is also printed where it happens.
        assert!(count >= 3, "{fault}: {count}");
    }
    // Without further options `mpirun` may be faster than the others, and says that the program failed.
    let Some((is_well, out, error)) = run(3, true, &["fails"]) else { return };
    assert!(!is_well && error.contains("its data is damaged"), "{out}{error}");
}

#[test]
fn a_rank_that_ends_early_or_comes_late_is_named() {
    let Some(count) = said("leaves", "rank 2 failed: it has ended") else { return };
    assert_eq!(count, 2);
    let Some(count) = said("is_late", "rank 2 did not come within 4 s") else { return };
    assert_eq!(count, 3);
}

/// `FLAXEN_MPI_KILLS` times, 3 unless told otherwise, one of four ranks is killed at some moment.
#[test]
fn a_rank_that_is_killed_is_named_and_the_last_checkpoint_is_whole() {
    let kills = std::env::var("FLAXEN_MPI_KILLS").map_or(3, |kills| kills.parse().unwrap());
    for kill in 0..kills {
        let folder = tempfile::tempdir().unwrap();
        let victim = kill % 4;
        let Some(mut ranks) = mpirun(4, false, &["train", folder.path().to_str().unwrap(), "6"]) else {
            return;
        };
        let mut lines = BufReader::new(ranks.stdout.take().unwrap()).lines();
        let process = loop {
            let line = lines.next().expect("a rank does not say its process").unwrap();
            if let Some(process) = line.strip_prefix(&format!("rank {victim} has the process ")) {
                break process.to_owned();
            }
        };
        let checkpoints = Checkpoints::new(folder.path());
        while checkpoints.latest().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Another moment each time: the numbers of the golden ratio are spread evenly.
        std::thread::sleep(Duration::from_secs_f64(0.3 * (f64::from(kill) * 0.618_034).fract()));
        let killed = Command::new("kill").args(["-KILL", &process]).status().unwrap();
        assert!(killed.success());
        let mut error = String::new();
        ranks.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        ranks.wait().unwrap();
        let named = error.matches(&format!("rank {victim} failed: it has not answered")).count();
        assert_eq!(named, 3, "{victim} was killed: {error}");
        is_whole(folder.path());
    }
}

/// The last checkpoint can be read, and is that of its step.
fn is_whole(folder: &Path) {
    let checkpoints = Checkpoints::new(folder);
    let step = checkpoints.latest().unwrap().unwrap();
    let sum = checkpoints.restore_step(step, &Tensor::zeros([1 << 18])).unwrap();
    assert!(sum.to_vec::<f32>().unwrap().iter().all(|&sum| sum == step as f32));
}
