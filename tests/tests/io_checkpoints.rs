//! Folders of checkpoints, ours and those of `flax.training.checkpoints`. `msgpack/make.py` made the latter.

use std::fs;
use std::path::{Path, PathBuf};

use flaxen::io::checkpoints::{Checkpoints, Format};
use flaxen::io::msgpack::{self, State};
use flaxen::io::{npz, safetensors};
use flaxen::prelude::*;

fn flaxs(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("msgpack").join(name)
}

fn message<T>(result: Result<T>) -> String {
    result.err().unwrap().to_string()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

fn state(x: f32) -> Dict {
    Dict::new().with("params/x", Tensor::full([2], x))
}

#[test]
fn folders_of_flax_are_read_and_written_byte_for_byte() {
    let flaxs = flaxs("checkpoints");
    let checkpoints = Checkpoints::new(&flaxs).keep(2);
    assert_eq!(checkpoints.steps().unwrap(), [10, 11]);
    assert_eq!(checkpoints.latest().unwrap(), Some(11));
    let params = msgpack::load(checkpoints.path(10).unwrap()).unwrap();
    let zeros = params.dict("params").unwrap().map(|x| Ok(x.zeros_like())).unwrap();
    let template = TrainState::create(zeros, optim::sgd(0.5).momentum(0.5));
    let latest = checkpoints.restore(&template).unwrap().unwrap();
    assert_eq!(latest.step.item::<i32>().unwrap(), 11);
    let older = checkpoints.restore_step(10, &template).unwrap();
    assert_eq!((older.step.item::<i32>().unwrap(), &older.params), (10, params.dict("params").unwrap()));

    // The training goes on here, and its folder is as if Flax had done it.
    let folder = tempfile::tempdir().unwrap();
    let ours = Checkpoints::new(folder.path()).keep(2);
    ours.save(10, &older).unwrap();
    let ones = older.params.map(|x| Ok(x.ones_like())).unwrap();
    ours.save(11, &older.apply_gradients(&ones).unwrap()).unwrap();
    for name in ["checkpoint_10", "checkpoint_11"] {
        assert_eq!(
            fs::read(folder.path().join(name)).unwrap(),
            fs::read(flaxs.join(name)).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn the_same_checkpoints_are_kept_as_by_flax() {
    let rows = State::from_bytes(&fs::read(flaxs("kept.msgpack")).unwrap()).unwrap();
    let number = |state: &State| match state {
        State::Int(number) => u64::try_from(*number).unwrap(),
        other => panic!("{other:?}"),
    };
    let list = |state: &State| match state {
        State::List(states) => states.clone(),
        other => panic!("{other:?}"),
    };
    let numbers = |state: &State| list(state).iter().map(number).collect::<Vec<_>>();
    let check = |checkpoints: &Checkpoints, row: &str| {
        let seen = list(rows.at([row, "seen"]).unwrap());
        for (step, seen) in numbers(rows.at([row, "steps"]).unwrap()).into_iter().zip(seen) {
            checkpoints.save(step, &state(0.0)).unwrap();
            assert_eq!(checkpoints.steps().unwrap(), numbers(&seen), "{row}, step {step}");
        }
    };
    for (row, keep, every) in [("1 None", 1, 0), ("3 None", 3, 0), ("1 2", 1, 2), ("2 3", 2, 3)] {
        let folder = tempfile::tempdir().unwrap();
        check(&Checkpoints::new(folder.path()).keep(keep).keep_every(every), row);
    }
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(folder.path()).keep(2).keep_every(10);
    check(&checkpoints, "2 10");
    let checkpoints = checkpoints.overwrite(true);
    check(&checkpoints, "overwrite 12");
    check(&checkpoints, "overwrite 25");
}

#[test]
fn a_training_that_is_stopped_goes_on_from_its_last_checkpoint_in_any_format() {
    for (format, ending) in
        [(Format::Msgpack, ""), (Format::Safetensors, ".safetensors"), (Format::Npz, ".npz")]
    {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("a/b");
        let checkpoints = Checkpoints::new(&run).keep(2).format(format).prefix("state-");
        assert_eq!((checkpoints.latest().unwrap(), checkpoints.steps().unwrap()), (None, vec![]));
        assert!(checkpoints.restore(&state(0.0)).unwrap().is_none());
        for step in [8, 9, 10, 11] {
            let path = checkpoints.save(step, &state(step as f32)).unwrap();
            assert_eq!(path, run.join(format!("state-{step}{ending}")));
        }
        // By number, not by letter.
        assert_eq!(checkpoints.steps().unwrap(), [10, 11]);
        assert_eq!(checkpoints.restore(&state(0.0)).unwrap().unwrap(), state(11.0));
        assert_eq!(checkpoints.restore_step(10, &state(0.0)).unwrap(), state(10.0));
        let message = message(checkpoints.restore_step(9, &state(0.0)));
        assert!(message.contains("no checkpoint of the step 9; there is 10, 11"), "{message}");
        // What does not fit names the file.
        let other = self::message(checkpoints.restore(&state(0.0).with("params/y", 1f32)));
        assert!(other.contains("state-11") && other.contains("params/y"), "{other}");
    }
}

#[test]
fn the_format_may_change_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let flaxs = Checkpoints::new(folder.path()).keep(2);
    let ours = flaxs.clone().format(Format::Safetensors);
    flaxs.save(1, &state(1.0)).unwrap();
    flaxs.save(2, &state(2.0)).unwrap();
    ours.save(3, &state(3.0)).unwrap();
    assert_eq!(names(folder.path()), ["checkpoint_2", "checkpoint_3.safetensors"]);
    for checkpoints in [&flaxs, &ours] {
        assert_eq!(checkpoints.restore(&state(0.0)).unwrap().unwrap(), state(3.0));
    }
    // A step that is replaced is there once.
    flaxs.clone().overwrite(true).save(3, &state(4.0)).unwrap();
    assert_eq!(names(folder.path()), ["checkpoint_2", "checkpoint_3"]);
    assert_eq!(ours.restore(&state(0.0)).unwrap().unwrap(), state(4.0));
    assert!(safetensors::load(ours.path(3).unwrap()).is_err() && npz::load(ours.path(3).unwrap()).is_err());
}

#[test]
fn a_step_that_is_not_later_is_refused_unless_it_may_replace_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(folder.path()).keep(3);
    for step in [5, 10, 20] {
        checkpoints.save(step, &state(step as f32)).unwrap();
    }
    for step in [7, 20] {
        let message = message(checkpoints.save(step, &state(0.0)));
        assert!(message.contains(&format!("the step {step}")) && message.contains("overwrite"), "{message}");
    }
    assert_eq!(checkpoints.steps().unwrap(), [5, 10, 20]);
    checkpoints.clone().overwrite(true).save(10, &state(1.0)).unwrap();
    assert_eq!(checkpoints.steps().unwrap(), [5, 10]);
    assert_eq!(checkpoints.restore(&state(0.0)).unwrap().unwrap(), state(1.0));
    assert!(message(checkpoints.clone().keep(0).save(30, &state(0.0))).contains("at least 1"));
    assert!(message(checkpoints.clone().prefix("a/b").save(30, &state(0.0))).contains("a path"));
}

#[test]
fn what_killed_saves_left_is_never_a_checkpoint_and_goes_with_the_next_save() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(folder.path());
    checkpoints.save(1, &state(1.0)).unwrap();
    // Of a save of ours, of one of Flax, and what is something else.
    let others = ["checkpoint_tmp", "checkpoint_3.orbax-tmp", "checkpoint_-4", "checkpoint_0.5", "other_9"];
    for name in [".flaxen-2.tmp"].iter().chain(&others) {
        fs::write(folder.path().join(name), b"half of a ").unwrap();
    }
    assert_eq!(checkpoints.steps().unwrap(), [1]);
    assert_eq!(checkpoints.restore(&state(0.0)).unwrap().unwrap(), state(1.0));
    // What cannot be written leaves all as it was.
    let nothing = Dict::new().with("a", Value::of(&Static(std::time::Duration::ZERO)));
    assert!(checkpoints.save(2, &nothing).is_err());
    assert_eq!(checkpoints.steps().unwrap(), [1]);
    checkpoints.save(2, &state(2.0)).unwrap();
    let mut expected: Vec<&str> = others.into_iter().chain(["checkpoint_2"]).collect();
    expected.sort_unstable();
    assert_eq!(names(folder.path()), expected);
}

#[test]
fn folders_of_orbax_are_named_and_never_removed_or_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(folder.path()).overwrite(true);
    checkpoints.save(1, &state(1.0)).unwrap();
    fs::create_dir(folder.path().join("checkpoint_2")).unwrap();
    fs::write(folder.path().join("checkpoint_2/_METADATA"), b"{}").unwrap();
    // An older state in its place would be a training that silently goes back.
    for message in [
        message(checkpoints.restore(&state(0.0))),
        message(checkpoints.save(1, &state(0.0))),
        message(checkpoints.save(2, &state(0.0))),
    ] {
        assert!(message.contains("Orbax") && message.contains("checkpoint_2"), "{message}");
    }
    checkpoints.save(3, &state(3.0)).unwrap();
    assert_eq!(names(folder.path()), ["checkpoint_2", "checkpoint_3"]);
    assert_eq!(names(&folder.path().join("checkpoint_2")), ["_METADATA"]);
}
