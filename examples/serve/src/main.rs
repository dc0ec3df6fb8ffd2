//! A trained model behind HTTP.
//!
//! - `network`, `model`: the network, and it with its weights as a function from images to probabilities.
//! - `batch`: requests that come at once become one call of that function.
//! - `body`: what clients send and get, as JSON or as safetensors.
//! - `routes`: paths, and the answer to all that can go wrong.
//! - `metrics`: what the server counts, as Prometheus reads it.
//! - `listen`: connections, their limits, and their end.

mod batch;
mod body;
mod listen;
mod metrics;
mod model;
mod network;
mod routes;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use clap::builder::{BoolishValueParser, RangedU64ValueParser};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal;

use batch::Batcher;
use body::Expected;
use metrics::Metrics;
use model::Model;
use routes::{Limits, Service, router};

/// Serves a model that knows handwritten digits.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 110,
    after_help = "\
Examples:
  serve                                              the model that is part of this program, on port 8000
  serve --weights target/mnist/model.safetensors     what `cargo run --release -p mnist` has trained
  curl -H 'Content-Type: application/json' -d @examples/serve/data/three.json localhost:8000/predict"
)]
struct Options {
    /// The address to listen at; port 0 takes any that is free
    #[arg(long, default_value = "127.0.0.1:8000")]
    address: SocketAddr,

    /// A file of parameters that `mnist` wrote [default: those that are part of this program]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,

    /// The most images that are computed at once, and in one request
    #[arg(long, default_value_t = 64, value_parser = RangedU64ValueParser::<usize>::new().range(1..=4096))]
    max_batch: usize,

    /// How many milliseconds a batch that is not full waits for more; by itself it takes what queued during the one before
    #[arg(long, default_value_t = 0, value_name = "MS")]
    linger: u64,

    /// How many requests may wait; more are answered with 503
    #[arg(long, default_value_t = 1024, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    queue: usize,

    /// The most bytes of a request's body
    #[arg(long, default_value_t = 4 << 20, value_name = "BYTES")]
    max_body: usize,

    /// How many seconds a client may take to send a request, or to be idle
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    read_timeout: u64,

    /// How many seconds an answer may take, waiting included
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    timeout: u64,

    /// How many connections may be open at once
    #[arg(long, default_value_t = 4096, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    connections: usize,

    /// How many seconds requests that have begun may go on after Ctrl-C or SIGTERM
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    grace: u64,

    /// Answer one request of its own and end, to see whether everything works
    #[arg(long, env = "FLAXEN_QUICK", value_parser = BoolishValueParser::new())]
    quick: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let model = match &options.weights {
        Some(path) => Model::load(path, options.max_batch)?,
        None => Model::embedded(options.max_batch)?,
    };
    // Sockets take little time; the processors are for the model, which has threads of its own.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(options, model))
}

async fn serve(options: &Options, model: Model) -> Result<()> {
    let address = if options.quick { SocketAddr::from(([127, 0, 0, 1], 0)) } else { options.address };
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen at {address}"))?;
    let address = listener.local_addr()?;
    model.warm_up()?;

    let metrics = Arc::new(Metrics::new());
    let expected = Expected { side: model.side, max_images: model.max_batch };
    let limits = batch::Limits { queue: options.queue, linger: Duration::from_millis(options.linger) };
    let (batcher, worker) = Batcher::start(model, limits, Arc::clone(&metrics));
    let limits = Limits {
        body_bytes: options.max_body,
        body_time: Duration::from_secs(options.read_timeout),
        answer_time: Duration::from_secs(options.timeout),
    };
    let is_ready = AtomicBool::new(true);
    let service = Arc::new(Service { batcher, expected, limits, metrics: Arc::clone(&metrics), is_ready });
    println!("images of {0} × {0} pixels: POST http://{address}/predict", expected.side);
    std::io::stdout().flush()?;

    let ending = Arc::clone(&service);
    let end = async move {
        if options.quick {
            try_it(address, expected.side).await;
        } else {
            asked_to_end().await;
            println!("ending: waiting for requests that have begun");
        }
        ending.is_ready.store(false, Ordering::Release);
    };
    let limits = listen::Limits {
        connections: options.connections,
        head_time: Duration::from_secs(options.read_timeout),
        grace: Duration::from_secs(options.grace),
    };
    let all_answered = listen::serve(listener, router(service), limits, metrics, end).await;
    if !all_answered {
        bail!("some requests were not answered within {} s and are lost", options.grace);
    }
    // All ways to it are gone, so that it has ended or is about to.
    tokio::task::spawn_blocking(|| worker.join())
        .await?
        .map_err(|_| anyhow::anyhow!("the model's thread panicked"))
}

/// Ctrl-C, or what supervisors send.
async fn asked_to_end() {
    #[cfg(unix)]
    if let Ok(mut terminate) = signal::unix::signal(signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = signal::ctrl_c() => {}
        }
        return;
    }
    let _ = signal::ctrl_c().await;
}

/// A request to itself, and its answer, printed.
async fn try_it(address: SocketAddr, side: usize) {
    let ask = async {
        let body = format!("{{\"images\": [{:?}]}}", vec![vec![0.5; side]; side]);
        let mut stream = TcpStream::connect(address).await?;
        let head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n";
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    match ask.await {
        Ok(answer) => println!("{answer}"),
        Err(error) => eprintln!("error: no answer: {error}"),
    }
}
