//! A backend of jaxlib: programs as StableHLO text, compiled and run by `tests/stablehlo/run.py`.
//!
//! The environment variable `FLAXEN_JAX_PYTHON` says which Python has JAX; without it tests say that they were skipped.

use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use flaxen::core::backend::Finish;
use flaxen::core::primitive::Primitive;
use flaxen::core::{Backend, CompileOptions, Executable, Graph};
use flaxen::{Array, Aval, DType, Error, Result, export};

/// The backend, to be given to [`Jit::on`](flaxen::Jit::on); none, said once, where there is no JAX.
pub fn jaxlib() -> Option<&'static Jaxlib> {
    static JAXLIB: OnceLock<Option<Jaxlib>> = OnceLock::new();
    let start = || match std::env::var("FLAXEN_JAX_PYTHON") {
        Ok(python) => Some(Jaxlib(Arc::new(Mutex::new(Server::start(&python))))),
        Err(_) => {
            eprintln!("skipped: FLAXEN_JAX_PYTHON does not say which Python has JAX");
            None
        }
    };
    JAXLIB.get_or_init(start).as_ref()
}

/// See the [module](self).
pub struct Jaxlib(Arc<Mutex<Server>>);

struct Server {
    requests: BufWriter<ChildStdin>,
    answers: BufReader<ChildStdout>,
    // Ends when its standard input does.
    _process: Child,
}

struct Program {
    text: String,
    server: Arc<Mutex<Server>>,
}

impl Jaxlib {
    /// Runs the text of a module.
    ///
    /// # Errors
    /// What jaxlib says of it.
    pub fn run(&self, text: &str, args: &[Array]) -> Result<Vec<Array>> {
        run(&self.0, text, args)
    }
}

fn run(server: &Mutex<Server>, text: &str, args: &[Array]) -> Result<Vec<Array>> {
    server.lock().unwrap_or_else(PoisonError::into_inner).run(text, args).map_err(Error::other)?
}

impl Backend for Jaxlib {
    fn platform(&self) -> &'static str {
        "jaxlib"
    }

    /// What is a user's own is decomposed where the text is written.
    fn decomposes(&self, _primitive: &dyn Primitive) -> bool {
        false
    }

    fn compile(&self, graph: &Graph, _options: CompileOptions) -> Result<Arc<dyn Executable>> {
        Ok(Arc::new(Program { text: export::graph(graph)?, server: self.0.clone() }))
    }
}

impl Executable for Program {
    fn run(&self, args: &mut dyn Iterator<Item = Array>, finish: &mut Finish<'_>) -> Result<()> {
        let outs = run(&self.server, &self.text, &args.collect::<Vec<_>>())?;
        finish(&mut outs.into_iter());
        Ok(())
    }
}

impl Server {
    fn start(python: &str) -> Server {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("stablehlo/run.py");
        let mut process = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{python} does not start: {error}"));
        let (requests, answers) = (process.stdin.take(), process.stdout.take());
        Server {
            requests: BufWriter::new(requests.expect("it is piped")),
            answers: BufReader::new(answers.expect("it is piped")),
            _process: process,
        }
    }

    fn run(&mut self, text: &str, args: &[Array]) -> std::io::Result<Result<Vec<Array>>> {
        self.send(text.as_bytes())?;
        self.word(args.len())?;
        for arg in args {
            self.send(arg.dtype().name().as_bytes())?;
            self.word(arg.shape().len())?;
            arg.shape().iter().try_for_each(|&size| self.word(size))?;
            self.send(arg.bytes())?;
        }
        self.requests.flush()?;
        if self.read_word()? == 0 {
            let message = self.read_bytes()?;
            let text = number_lines(text);
            return Ok(Err(Error::msg(format!("{}\n{text}", String::from_utf8_lossy(&message)))));
        }
        let count = self.read_word()?;
        Ok(Ok((0..count).map(|_| self.array()).collect::<std::io::Result<_>>()?))
    }

    fn array(&mut self) -> std::io::Result<Array> {
        let name = self.read_bytes()?;
        let dtype = DType::ALL.into_iter().find(|dtype| dtype.name().as_bytes() == name);
        let dtype = dtype.unwrap_or_else(|| panic!("no dtype is called {}", String::from_utf8_lossy(&name)));
        let rank = self.read_word()?;
        let shape: Vec<usize> = (0..rank).map(|_| self.read_word()).collect::<std::io::Result<_>>()?;
        let bytes = self.read_bytes()?;
        Ok(of_bytes(Aval::new(shape, dtype), &bytes))
    }

    fn word(&mut self, word: usize) -> std::io::Result<()> {
        self.requests.write_all(&(word as u64).to_le_bytes())
    }

    fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.word(bytes.len())?;
        self.requests.write_all(bytes)
    }

    fn read_word(&mut self) -> std::io::Result<usize> {
        let mut word = [0; 8];
        self.answers.read_exact(&mut word)?;
        Ok(u64::from_le_bytes(word) as usize)
    }

    fn read_bytes(&mut self) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.read_word()?];
        self.answers.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// An array of the bytes of its elements.
fn of_bytes(aval: Aval, bytes: &[u8]) -> Array {
    macro_rules! build {
        ($type:ty) => {
            Array::build::<$type>(aval, |out| {
                for (out, bytes) in out.iter_mut().zip(bytes.chunks_exact(size_of::<$type>())) {
                    *out = <$type>::from_le_bytes(bytes.try_into().expect("a chunk of that size"));
                }
            })
        };
    }
    match aval.dtype.size() {
        1 => build!(u8),
        2 => build!(u16),
        4 => build!(u32),
        _ => build!(u64),
    }
}

fn number_lines(text: &str) -> String {
    let lines = text.lines().enumerate().map(|(at, line)| format!("{:>5} {line}", at + 1));
    lines.take(400).collect::<Vec<_>>().join("\n")
}
