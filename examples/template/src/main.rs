//! Trains the model, and goes on where an earlier run was stopped.

mod model;

use std::path::Path;

use flaxen::io::checkpoints::Checkpoints;
use flaxen::prelude::*;
use flaxen::train::tensorboard::SummaryWriter;
use flaxen::train::{Batches, Progress, metrics};

use model::{Metrics, Mlp};

const EPOCHS: usize = 40;

fn main() -> Result<()> {
    let last = train(Path::new("run"), EPOCHS)?;
    println!("loss {:.4}, accuracy {:.1} %", last.loss.value()?, last.accuracy.value()? * 100.0);
    println!("open run/model.html to see the model, or `tensorboard --logdir run`");
    Ok(())
}

/// Trains until `epochs` epochs are done, and returns the metrics on points not trained on.
fn train(folder: &Path, epochs: usize) -> Result<Metrics> {
    let model = Mlp::new(vec![64, 64]);
    let (x, labels) = model::spirals(2048, &key(2));
    let (test_x, test_labels) = model::spirals(512, &key(3));

    let checkpoints = Checkpoints::new(folder).keep(2);
    let start = model::start(&model, 3e-3)?;
    let mut state = checkpoints.restore(&start)?.unwrap_or(start);
    let mut writer = SummaryWriter::create(folder.join("events"))?;

    // Traced and compiled at the first call.
    let step = jit(|(state, x, labels)| model::step(&model, (state, x, labels)));
    let test = jit(|(params, x, labels): (Dict, Tensor, Tensor)| {
        Metrics::of(&model.apply([("params", &params)]).run(|m| m.call(&x, false))?, &labels)
    });

    let batches = Batches::new(x.shape()[0], 128).shuffle(key(4)).drop_last();
    let done = state.step.item::<i32>()? as usize / batches.steps();
    let mut progress =
        Progress::new("training", epochs.saturating_sub(done) * batches.steps()).unit("points");
    for epoch in done..epochs {
        let mut all: Option<Metrics> = None;
        for batch in batches.epoch(epoch)? {
            let rows = batch.indices();
            let one;
            (state, one) = step.call((state, x.take(&rows, 0), labels.take(&rows, 0)))?;
            progress.step(rows.size(), format_args!("loss {:.4}", one.loss.value()?));
            all = Some(match all {
                Some(all) => metrics::merge(&all, &one)?,
                None => one,
            });
        }
        let Some(all) = all else { continue };
        writer.scalar("train/loss", all.loss.value()?, epoch as u64)?;
        writer.scalar("train/accuracy", all.accuracy.value()?, epoch as u64)?;
        checkpoints.save(((epoch + 1) * batches.steps()) as u64, &state)?;
    }
    progress.finish();

    let explored =
        model.explore(key(5)).variables([("params", &state.params)]).run(|m| m.call(&test_x, false))?;
    explored.save_html(folder.join("model.html"))?;
    test.call((state.params, test_x, test_labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_stopped_ends_where_one_that_was_not_does() -> Result<()> {
        let (whole, parts) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let uninterrupted = train(whole.path(), 12)?;
        train(parts.path(), 5)?;
        let resumed = train(parts.path(), 12)?;
        assert_eq!(uninterrupted.loss.value()?, resumed.loss.value()?);
        assert!(resumed.accuracy.value()? > 0.6);
        assert!(whole.path().join("model.html").is_file());
        Ok(())
    }
}
