use std::path::Path;
use anyhow::{Result, bail};
use crate::{data::Dataset, options::Asked, train::Trainer};
pub fn save(_: &Path, _: &Trainer, _: &Dataset) -> Result<()> { Ok(()) }
pub fn load(_: &Path, _: Asked, _: &Dataset) -> Result<Trainer> { bail!("not yet") }
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> { Ok(std::fs::write(path, bytes)?) }
