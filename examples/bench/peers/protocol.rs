//! What the peers in Rust share: the lines they read and write, and the measurement.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::time::{Duration, Instant};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A step that can be run again and again.
pub type Step = Box<dyn FnMut() -> Result<()>>;

/// Runs of a step in a row for the tiny network, because one is as short as reading the clock.
const MANY: usize = 100;
/// Measurements that are made at least.
const LEAST: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Forward,
    Gradient,
    Train,
}

/// The name of a case taken apart: `w1_train_b32` trains workload `w1` with 32 rows in a batch; `r4_fwd_b12_t44` has 44 tokens in
/// each.
pub struct Case<'a> {
    pub workload: &'a str,
    pub mode: Mode,
    pub batch: usize,
    #[allow(dead_code, reason = "not all peers have sentences")]
    pub tokens: usize,
}

impl<'a> Case<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let mut parts = name.split('_');
        let (workload, mode) = (parts.next()?, parts.next()?);
        let mode = match mode {
            "fwd" | "chain" => Mode::Forward,
            "grad" => Mode::Gradient,
            "train" => Mode::Train,
            _ => return None,
        };
        let mut number =
            |prefix: char| parts.next().map_or(Some(1), |part| part.strip_prefix(prefix)?.parse().ok());
        let (batch, tokens) = (number('b')?, number('t')?);
        Some(Self { workload, mode, batch, tokens })
    }

    /// How many times a step is run for one reading of the clock.
    fn runs(&self) -> usize {
        if self.workload == "w4" { MANY } else { 1 }
    }

    /// The class of each row of a batch.
    pub fn labels(&self, classes: usize) -> Vec<u32> {
        (0..self.batch).map(|i| (i * 7 % classes) as u32).collect()
    }
}

/// Answers each line `case seconds` with `case min_us median_us iterations`, or with `case na reason`; `make` makes a case
/// ready.
///
/// # Errors
/// If the lines cannot be read or written.
pub fn serve(make: impl Fn(&Case<'_>) -> Result<Step>) -> Result<()> {
    let mut ready = HashMap::new();
    for line in stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        let answer = answer(&mut ready, name, words.next(), &make)
            .unwrap_or_else(|error| format!("na {}", error.to_string().replace('\n', " ")));
        let mut output = stdout().lock();
        writeln!(output, "{name} {answer}")?;
        output.flush()?;
    }
    Ok(())
}

fn answer(
    ready: &mut HashMap<String, Step>,
    name: &str,
    seconds: Option<&str>,
    make: impl Fn(&Case<'_>) -> Result<Step>,
) -> Result<String> {
    let case = Case::parse(name).ok_or("unknown case")?;
    let time = Duration::try_from_secs_f64(seconds.ok_or("expected `case seconds`")?.parse()?)?;
    if !ready.contains_key(name) {
        ready.insert(name.to_owned(), make(&case)?);
    }
    let step = ready.get_mut(name).ok_or("not made")?;
    let mut run = || (0..case.runs()).try_for_each(|_| step());
    for _ in 0..2 {
        run()?;
    }
    let (mut times, end) = (Vec::new(), Instant::now() + time);
    while times.len() < LEAST || Instant::now() < end {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let each = |seconds: f64| seconds * 1e6 / case.runs() as f64;
    let (least, median) = (each(times[0]), each(times[times.len() / 2]));
    Ok(format!("{least:.3} {median:.3} {}", times.len() * case.runs()))
}
