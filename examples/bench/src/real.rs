//! R1 to R10: networks as they are really used, beside R4, the sentence encoder.

use flaxen::prelude::*;

use crate::workload::{Mode, Workload};
use crate::{dense, language, residual};

/// Every case, as the driver names them.
pub const REAL: [&str; 14] = [
    "r1_fwd_b1",
    "r1_fwd_b16",
    "r1_train_b16",
    "r2_train_b8",
    "r3_decode_b1",
    "r3_decode_b8",
    "r6_dpsgd_b64",
    "r8f_fwd_b128",
    "r8b_fwd_b128",
    "r8f_train_b128",
    "r8b_train_b128",
    "r9_fwd_b8",
    "r9_train_b8",
    "r10_train_b64",
];

/// Makes a case of [`REAL`] ready, with any batch; `None` for another name.
///
/// # Errors
/// What the program returns.
pub fn make(case: &str) -> Result<Option<Workload>> {
    let [name, mode, batch] = case.split('_').collect::<Vec<_>>()[..] else { return Ok(None) };
    let Some(batch) = batch.strip_prefix('b').and_then(|b| b.parse().ok()).filter(|&b: &usize| b > 0) else {
        return Ok(None);
    };
    let images = [batch, 32, 32, 64];
    match (name, mode) {
        ("r1", "fwd") => residual::resnet(batch, Mode::Forward),
        ("r1", "train") => residual::resnet(batch, Mode::Train),
        ("r2", "train") => language::gpt(batch),
        ("r3", "decode") => language::decode(batch),
        ("r6", "dpsgd") => dense::clipped(batch),
        ("r8f", "fwd") => dense::wide(DType::F32, batch, Mode::Forward),
        ("r8f", "train") => dense::wide(DType::F32, batch, Mode::Train),
        ("r8b", "fwd") => dense::wide(DType::BF16, batch, Mode::Forward),
        ("r8b", "train") => dense::wide(DType::BF16, batch, Mode::Train),
        ("r9", "fwd") => dense::of_layer(residual::Separable::new(), &images, Mode::Forward),
        ("r9", "train") => dense::of_layer(residual::Separable::new(), &images, Mode::Train),
        ("r10", "train") => language::bag_of_words(batch),
        _ => return Ok(None),
    }
    .map(Some)
}
