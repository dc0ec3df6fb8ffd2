//! A record of training in the files that [TensorBoard](https://www.tensorflow.org/tensorboard) shows.

mod histogram;
mod picture;
mod proto;
mod record;

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};
use proto::Message;

/// Writes scalars, histograms, images and texts to a folder: `tensorboard --logdir FOLDER` shows them while the training goes on.
///
/// A file of events is begun at each start, so that a training that is resumed goes on in the same folder, its curves too. Each event
/// is in the file when the method returns: a program that is killed loses none. Tags with a `/` are grouped by what is before it.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::train::tensorboard::SummaryWriter;
///
/// # let folder = std::env::temp_dir().join(format!("flaxen-doc-tensorboard-{}", std::process::id()));
/// let mut writer = SummaryWriter::create(&folder)?;
/// for step in 0..10 {
///     writer.scalar("train/loss", 1.0 / (step + 1) as f32, step)?;
/// }
/// writer.histogram("kernel", &random::normal(&key(0), [64, 64]), 9)?;
/// writer.image("input", &random::uniform(&key(1), [28, 28, 1]), 9)?;
/// writer.text("settings", "learning rate **0.1**", 0)?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// The format is TensorFlow's: records with checksums, each an `Event` in Protocol Buffers. `tensorboard-rs`, the crate there is, was
/// last released in 2022 and brings other versions of an image library along.
#[derive(Debug)]
pub struct SummaryWriter {
    file: File,
    path: PathBuf,
}

impl SummaryWriter {
    /// Begins a file of events in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// If the folder or the file cannot be made.
    pub fn create(folder: impl AsRef<Path>) -> Result<SummaryWriter> {
        // Two writers of one process, begun in one second, have files of their own.
        static WRITERS: AtomicU32 = AtomicU32::new(0);
        let folder = folder.as_ref();
        let failed = |error: &std::io::Error| Error::File {
            path: folder.display().to_string().into(),
            message: format!("cannot be written to: {error}"),
        };
        fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let (seconds, process) = (now() as u64, std::process::id());
        let number = WRITERS.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("events.out.tfevents.{seconds:010}.flaxen.{process}.{number}"));
        let file =
            OpenOptions::new().append(true).create_new(true).open(&path).map_err(|error| failed(&error))?;
        let mut writer = SummaryWriter { file, path };
        writer.write(&Message::new().double(1, now()).bytes(3, "brain.Event:2").into_bytes())?;
        Ok(writer)
    }

    /// The file that is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A point of a curve; `value` is a number, or a tensor of one.
    ///
    /// # Errors
    /// If the tensor is not one number, or the file cannot be written.
    pub fn scalar(&mut self, tag: &str, value: impl crate::TensorLike, step: u64) -> Result<()> {
        let value: f32 = value.operand()?.try_cast(DType::F32)?.item()?;
        self.value(tag, step, Message::new().float(2, value))
    }

    /// How the values of a tensor of any shape are distributed, in buckets that grow by a tenth, as TensorFlow's; what is not finite is left out.
    ///
    /// # Errors
    /// If the tensor is complex, or the file cannot be written.
    pub fn histogram(&mut self, tag: &str, values: &Tensor, step: u64) -> Result<()> {
        let values = values.try_cast(DType::F32)?.to_vec::<f32>()?;
        self.value(tag, step, Message::new().message(5, histogram::message(&values)))
    }

    /// A picture: `[height, width, 1]` of grey, `3` of red, green and blue, `4` with opacity; floats from 0 to 1, or `U8`.
    ///
    /// # Errors
    /// If it is no such tensor, or the file cannot be written.
    pub fn image(&mut self, tag: &str, image: &Tensor, step: u64) -> Result<()> {
        self.value(tag, step, Message::new().message(4, picture::message(image)?))
    }

    /// A text, in Markdown.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn text(&mut self, tag: &str, text: &str, step: u64) -> Result<()> {
        const DT_STRING: i64 = 7;
        let shape = Message::new().message(2, Message::new().int(1, 1));
        let tensor = Message::new().int(1, DT_STRING).message(2, shape).bytes(8, text);
        let plugin = Message::new().message(1, Message::new().bytes(1, "text"));
        self.value(tag, step, Message::new().message(8, tensor).message(9, plugin))
    }

    fn value(&mut self, tag: &str, step: u64, value: Message) -> Result<()> {
        let value = Message::new()
            .bytes(1, tag)
            .into_bytes()
            .into_iter()
            .chain(value.into_bytes())
            .collect::<Vec<u8>>();
        let summary = Message::new().bytes(1, value);
        let event = Message::new().double(1, now()).int(2, step as i64).message(5, summary);
        self.write(&event.into_bytes())
    }

    fn write(&mut self, event: &[u8]) -> Result<()> {
        record::write(&mut self.file, event).map_err(|error| Error::File {
            path: self.path.display().to_string().into(),
            message: format!("cannot be written: {error}"),
        })
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
