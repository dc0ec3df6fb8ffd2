//! What `TensorBoard` reads of what was written. With `FLAXEN_TENSORBOARD_PYTHON`, a Python with `TensorBoard` 2.21, it is the real one.

use std::process::Command;

use flaxen::prelude::*;
use flaxen::train::tensorboard::SummaryWriter;

const READER: &str = r#"
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"tensors": 0, "scalars": 0, "images": 0, "histograms": 0})
events.Reload()
print(sorted(events.Tags()["scalars"]))
print([(e.step, round(e.value, 6)) for e in events.Scalars("train/loss")])
image = events.Images("input")[0]
print(image.step, image.width, image.height, image.encoded_image_string[:4])
histogram = events.Histograms("kernel")[0].histogram_value
print(histogram.min, histogram.max, histogram.num, histogram.sum, sum(histogram.bucket))
text = events.Tensors("settings")[0]
print(text.step, text.tensor_proto.string_val[0].decode(), events.SummaryMetadata("settings").plugin_data.plugin_name)
"#;

#[test]
fn what_is_written_is_what_tensorboard_reads() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut writer = SummaryWriter::create(folder.path().join("run"))?;
    for step in 0..3 {
        writer.scalar("train/loss", 1.0 / (step + 1) as f32, step)?;
    }
    writer.scalar("test/loss", Tensor::from(0.5f32), 2)?;
    writer.image("input", &Tensor::from([[[0.0f32], [0.5]], [[1.0], [2.0]], [[0.0], [f32::NAN]]]), 7)?;
    writer.histogram("kernel", &Tensor::from([-1.0f32, 0.0, 0.5, 0.5, f32::INFINITY]), 1)?;
    writer.text("settings", "learning rate **0.1**", 0)?;
    assert!(writer.image("input", &Tensor::ones([2, 2]), 0).is_err());
    assert!(writer.scalar("train/loss", Tensor::ones([2]), 0).is_err());

    let bytes = std::fs::read(writer.path())?;
    let mut rest = &bytes[..];
    let mut records = 0;
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        rest = &rest[8 + 4 + length + 4..];
        records += 1;
    }
    assert_eq!(records, 1 + 3 + 1 + 1 + 1 + 1);

    let Some(python) = std::env::var_os("FLAXEN_TENSORBOARD_PYTHON") else {
        eprintln!("skipped: FLAXEN_TENSORBOARD_PYTHON names no Python with TensorBoard");
        return Ok(());
    };
    let output = Command::new(python).args(["-c", READER]).arg(folder.path().join("run")).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = "['test/loss', 'train/loss']\n\
        [(0, 1.0), (1, 0.5), (2, 0.333333)]\n\
        7 2 3 b'\\x89PNG'\n\
        -1.0 0.5 4.0 0.0 4.0\n\
        0 learning rate **0.1** text\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    Ok(())
}
