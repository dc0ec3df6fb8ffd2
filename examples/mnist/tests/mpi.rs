//! Training on processes is training on threads, to the last bit; without `mpirun` this test says that it was skipped.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Trains in a folder, and returns the file of the model.
fn train(command: &mut Command, folder: &Path, epochs: &str) -> Vec<u8> {
    command.args(["--quick", "--out"]).arg(folder).args(["--epochs", epochs]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Curves and tables are made by one rank.
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches("test accuracy").count(), 1);
    assert!(folder.join("curves.svg").exists());
    fs::read(folder.join("model.safetensors")).unwrap()
}

/// This program on so many processes.
fn mpirun(ranks: &str) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["-n", ranks]).env("MPIEXEC_TIMEOUT", "200");
    command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    // More ranks than cores, in the words of Open MPI 4 and 5.
    command
        .env("OMPI_MCA_rmaps_base_oversubscribe", "1")
        .env("PRTE_MCA_rmaps_default_mapping_policy", ":OVERSUBSCRIBE");
    command.args([env!("CARGO_BIN_EXE_mnist"), "--world", "mpi"]);
    command
}

#[test]
fn processes_train_as_threads_do_and_resume_each_others_trainings() {
    if Command::new("mpirun").arg("--version").output().is_err() {
        eprintln!("skipped: there is no `mpirun`");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [threads, processes] = ["threads", "processes"].map(|name| folder.path().join(name));
    let on_threads = |count: usize| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mnist"));
        command.args(["--world", &format!("threads:{count}")]);
        command
    };
    assert!(train(&mut on_threads(2), &threads, "1") == train(&mut mpirun("2"), &processes, "1"));
    // Three processes go on where two threads ended, and the other way round.
    let by_processes = train(mpirun("3").arg("--resume"), &threads, "2");
    let by_threads = train(on_threads(3).arg("--resume"), &processes, "2");
    assert!(by_processes == by_threads);
}
