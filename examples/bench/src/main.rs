//! Times the workloads: reads lines `case seconds`, answers each with `case min_us median_us iterations`, times of one
//! step in microseconds, or with `case na reason`. A line `profile case` prints a table, and one `compile case times`
//! is answered with the least and the median time of compiling it so often. `driver.py` beside this package runs it interleaved with other
//! libraries and prints a table of ratios.

mod dense;
mod encoder;
mod functions;
mod growth;
mod language;
mod models;
mod ranks;
mod real;
mod residual;
mod workload;

use std::collections::HashMap;
use std::io::{BufRead, IsTerminal, Write};
use std::time::{Duration, Instant};

use flaxen::Result;
use functions::FUNCTIONS;
use real::REAL;
use workload::{CASES, Workload};

const USAGE: &str = "usage: lines `case seconds` on the standard input, for example
    echo w1_train_b32 1.0 | cargo run --release -p bench
answers `case min_us median_us iterations`; `profile w1_train_b32` prints what each part of a step costs, `compile w3_fwd_b8 20` how long compiling takes, `growth` how steps grow with their size; `--device pjrt:PATH` runs them on a device of a plugin. Compare with other libraries by examples/bench/driver.py.";

/// What is run without input, to show that it works: short even without optimisation.
const SHOWN: [&str; 2] = ["w4_fwd_b4", "w4_train_b4"];
/// Calls of a workload that are timed at least.
const LEAST: usize = 3;

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {}
        ["--device", device] => workload::run_on(device.parse().map_err(std::io::Error::other)?),
        _ => return Err(std::io::Error::other(USAGE)),
    }
    let (input, mut output) = (std::io::stdin(), std::io::stdout());
    let mut ready = HashMap::new();
    let mut asked = false;
    if !input.is_terminal() {
        for line in input.lock().lines() {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            asked = true;
            let answer = match line.split_once(' ') {
                Some(("profile", case)) => profile(case.trim()),
                Some(("compile", case)) => compile(case.trim()),
                _ if line.trim() == "growth" => match growth::tables(0.3) {
                    Ok(tables) => tables,
                    Err(error) => error.to_string(),
                },
                _ => answer(&mut ready, &line),
            };
            writeln!(output, "{answer}")?;
            output.flush()?;
        }
    }
    if !asked {
        println!("{USAGE}\ncases: {}\n", all_cases());
        for case in SHOWN {
            println!("{}", answer(&mut ready, &format!("{case} 0.01")));
        }
    }
    Ok(())
}

/// The names of all cases.
fn all_cases() -> String {
    [&CASES[..], &REAL, &FUNCTIONS].concat().join(" ")
}

/// The answer to a line; cases are made ready and run twice when they are first asked for.
fn answer(ready: &mut HashMap<String, Workload>, line: &str) -> String {
    let mut words = line.split_whitespace();
    let case = words.next().unwrap_or_default();
    let Some(seconds) = words.next().and_then(|s| s.parse::<f64>().ok()).filter(|s| (0.0..1e6).contains(s))
    else {
        return format!("{case} na expected `case seconds`");
    };
    if !ready.contains_key(case) {
        match Workload::new(case) {
            Ok(Some(workload)) => ready.insert(case.into(), workload),
            Ok(None) => {
                return format!("{case} na unknown case; there are {}", all_cases());
            }
            Err(error) => return format!("{case} na {}", error.to_string().replace('\n', " ")),
        };
    }
    let result = match ready.get_mut(case) {
        Some(workload) => measure(workload, Duration::from_secs_f64(seconds)),
        None => return format!("{case} na not made"),
    };
    match result {
        Ok((least, median, iterations)) => format!("{case} {least:.3} {median:.3} {iterations}"),
        Err(error) => format!("{case} na {}", error.to_string().replace('\n', " ")),
    }
}

/// The table of what the steps of a case cost.
fn profile(case: &str) -> String {
    match Workload::new(case).and_then(|found| found.map(|workload| workload.profile()).transpose()) {
        Ok(Some(profile)) => profile.to_string(),
        Ok(None) => format!("{case} na unknown case; there are {}", all_cases()),
        Err(error) => format!("{case} na {error}"),
    }
}

/// The answer to `case times`: the least and the median time of compiling a case anew.
fn compile(words: &str) -> String {
    let (case, times) = words.split_once(' ').unwrap_or((words, "1"));
    let times = times.trim().parse().unwrap_or(1usize).max(1);
    let all = Workload::new(case).and_then(|found| {
        found
            .map(|workload| (0..times).map(|_| workload.compile()).collect::<Result<Vec<Duration>>>())
            .transpose()
    });
    match all {
        Ok(Some(mut all)) => {
            all.sort();
            let [least, median] = [all[0], all[times / 2]].map(|time| time.as_secs_f64() * 1e6);
            format!("{case} compiles in {least:.1} {median:.1} {times}")
        }
        Ok(None) => format!("{case} na unknown case"),
        Err(error) => format!("{case} na {error}"),
    }
}

/// The least and the median time of a step in microseconds, and how many steps were timed.
fn measure(workload: &mut Workload, time: Duration) -> Result<(f64, f64, usize)> {
    for _ in 0..2 {
        workload.run()?;
    }
    let (mut times, end) = (Vec::new(), Instant::now() + time);
    while times.len() < LEAST || Instant::now() < end {
        let start = Instant::now();
        workload.run()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let each = |seconds: f64| seconds * 1e6 / workload.steps as f64;
    Ok((each(times[0]), each(times[times.len() / 2]), times.len() * workload.steps))
}
