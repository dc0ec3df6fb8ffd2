//! Programs of Flax users, written as they would be here, each compared with what Flax has for it.
//!
//! A program is found by the name of its golden case; sizes, seeds and numbers of steps come from the case.

pub mod bias_adder;
pub mod cnn;
pub mod conv_layer_norm;
pub mod lstm_classifier;
pub mod mlp_batch_norm;
pub mod model;
pub mod my_mod;
pub mod perturb;
pub mod resnet;
pub mod scopes;
pub mod seq_cnn;
pub mod surgery;
pub mod transformer_lm;
pub mod vae;

use flaxen::random::{Key, key};
use flaxen::{Dict, Result, Tensor, Variables, tree};

use crate::golden::{Case, assert_near, assert_same};
use crate::runner::{Stop, Verdict};

type Program = fn(&Case) -> Result<()>;

/// The programs by the names of their cases; other cases of a program have its name and something behind it.
const PROGRAMS: [(&str, Program); 16] = [
    ("model_vae_generate", vae::generate),
    ("seed0_capture", cnn::capture),
    ("seed0_cnn", cnn::cnn),
    ("seed0_full_size_digest", cnn::full_size),
    ("seed0_model_sow_c", model::model),
    ("seed0_perturb", perturb::perturb),
    ("seed0_refactored", cnn::refactored),
    ("seed0_seqcnn", seq_cnn::seq_cnn),
    ("seed0_sowcnn2", cnn::sow_cnn2),
    ("seed1_surgery", surgery::surgery),
    ("seed2_bias_adder", bias_adder::train),
    ("seed2_mlp_bn_vmap", mlp_batch_norm::train),
    ("seed3_convlayernorm_compact", conv_layer_norm::compact),
    ("seed3_convlayernorm_setup", conv_layer_norm::setup),
    ("seed3_leaf_compound", scopes::leaf_compound),
    ("seed3_mymod", my_mod::my_mod),
];

/// Runs a case of the kind `program` or `program_digest`.
///
/// # Errors
/// If it does not pass.
///
/// # Panics
/// If a number differs.
pub fn run(case: &Case) -> Verdict {
    let is_named = |name: &str| {
        let rest = case.name().strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    let program = PROGRAMS.iter().filter(|(name, _)| is_named(name)).max_by_key(|(name, _)| name.len());
    match program {
        Some((_, program)) => Ok(program(case).map(|()| String::new())?),
        None => Err(Stop::Unsupported(format!("there is no program `{}`", case.name()))),
    }
}

/// A whole number of the case's settings.
fn setting(case: &Case, name: &str) -> usize {
    let found = case.settings()[name].as_u64().or_else(|| case.settings()["config"][name].as_u64());
    found.unwrap_or_else(|| panic!("no setting `{name}`")) as usize
}

/// A number of the case's settings.
fn number(case: &Case, name: &str) -> f64 {
    case.settings()[name].as_f64().unwrap_or_else(|| panic!("no setting `{name}`"))
}

/// The key of the case's seed, which is 0 where nothing is said.
fn seed(case: &Case) -> Key {
    key(case.settings()["seed"].as_u64().unwrap_or(0))
}

/// Initial values: the same names, and bit for bit the same values.
fn assert_initial(case: &Case, group: &str, found: &Variables) -> Result<()> {
    let expected = case.group(group);
    assert_eq!(names(found.as_dict()), expected.keys().cloned().collect::<Vec<_>>(), "{group}");
    for (path, expected) in expected {
        assert_same(&format!("{group}/{path}"), found.tensor(&path)?, &expected);
    }
    Ok(())
}

/// Computed values: the same names, and values within the tolerance.
fn assert_group(case: &Case, group: &str, found: &Dict) {
    let expected = case.group(group);
    let found = flat(found);
    assert_eq!(
        found.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(),
        expected.keys().cloned().collect::<Vec<_>>(),
        "{group}"
    );
    for (name, tensor) in found {
        assert_near(&format!("{group}/{name}"), &tensor, &expected[&name], case.tolerance());
    }
}

fn assert_array(case: &Case, key: &str, found: &Tensor) {
    assert_near(key, found, &case.array(key), case.tolerance());
}

/// The leaves by their paths; the keys of golden arrays are in the order of their texts.
fn flat(dict: &Dict) -> Vec<(String, Tensor)> {
    let mut leaves: Vec<_> =
        tree::leaves_with_path(dict).into_iter().map(|(path, leaf)| (path.join("/"), leaf.clone())).collect();
    leaves.sort_by(|(a, _), (b, _)| a.cmp(b));
    leaves
}

fn names(dict: &Dict) -> Vec<String> {
    flat(dict).into_iter().map(|(name, _)| name).collect()
}
