//! The server as its clients meet it: over sockets, with good requests and with all others.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use flaxen::io::safetensors::{File, Save};
use flaxen::prelude::*;

const THREE: &str = include_str!("../data/three.json");

/// A running server, which ends with this value.
struct Server {
    process: Child,
    address: SocketAddr,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Server {
    fn start(arguments: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_serve"));
        command.args(["--address", "127.0.0.1:0"]).args(arguments).env_remove("FLAXEN_QUICK");
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_suffix("/predict").and_then(|line| line.rsplit('/').next());
        Server { address: address.unwrap_or_else(|| panic!("{line}")).parse().unwrap(), process }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        // No answer is an answer, too: a test that hangs says nothing.
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream
    }

    /// Sends bytes, and reads all that comes until the server closes the connection.
    fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        let mut answer = Vec::new();
        // The server may have closed it before it has read all of this.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n"
        );
        let mut stream = self.connect();
        let _ = stream.write_all(&[format!("{head}{headers}\r\n").as_bytes(), body].concat());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Answer::of(&answer)
    }

    fn predict(&self, body: &str) -> Answer {
        self.ask("POST", "/predict", "Content-Type: application/json\r\n", body.as_bytes())
    }

    fn terminate(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Answer {
    fn of(bytes: &[u8]) -> Answer {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: bytes[end + 4..].to_vec() }
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[test]
fn a_three_is_a_three_in_both_formats() {
    let server = Server::start(&[]);
    let json = server.predict(THREE);
    assert_eq!((json.status, json.json()["labels"][0].as_i64()), (200, Some(3)), "{json:?}");
    let probabilities = json.json()["probabilities"][0].clone();
    let sum: f64 = probabilities.as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{probabilities}");

    let pixels: serde_json::Value = serde_json::from_str(THREE).unwrap();
    let rows = pixels["images"][0].as_array().unwrap().iter();
    let pixels: Vec<f32> =
        rows.flat_map(|row| row.as_array().unwrap()).map(|p| p.as_f64().unwrap() as f32).collect();
    let body =
        Save::new().to_bytes(&Dict::from_iter([("images", Tensor::from_vec(pixels, [1, 8, 8]))])).unwrap();
    let answer = server.ask("POST", "/predict", "Content-Type: application/safetensors\r\n", &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    let file = File::from_bytes(answer.body).unwrap();
    assert_eq!(file.tensor("labels").unwrap().to_vec::<i32>().unwrap(), [3]);
    let values = file.tensor("probabilities").unwrap().to_vec::<f32>().unwrap();
    for (value, text) in values.iter().zip(probabilities.as_array().unwrap()) {
        assert_eq!(*value, text.as_f64().unwrap() as f32);
    }
}

#[test]
fn what_is_wrong_has_a_status_and_a_text() {
    let server = Server::start(&["--max-body", "5000", "--max-batch", "4"]);
    let json = "Content-Type: application/json\r\n";
    let images = format!("{{\"images\": [{}]}}", vec![format!("{:?}", [[0; 8]; 8]); 5].join(","));
    for (method, path, headers, body, status, said) in [
        ("POST", "/predict", json, "{", 400, "the JSON does not fit"),
        ("POST", "/predict", json, "{\"images\": [[[1]]]}", 422, "images[0] has 1 rows, not 8"),
        ("POST", "/predict", json, &images, 422, "5 images: a request has from 1 to 4 of them"),
        ("POST", "/predict", json, &" ".repeat(5001), 413, "longer than 5000 bytes"),
        ("POST", "/predict", "Content-Type: text/plain\r\n", "3", 415, "application/safetensors"),
        ("POST", "/predict", "", "3", 415, "application/json"),
        ("GET", "/predict", "", "", 405, "another method"),
        ("GET", "/", "", "", 404, "POST /predict"),
    ] {
        let answer = server.ask(method, path, headers, body.as_bytes());
        assert_eq!(answer.status, status, "{path} {body:.40}: {answer:?}");
        assert!(answer.json()["error"].as_str().unwrap().contains(said), "{path} {body:.40}: {answer:?}");
    }
}

#[test]
fn ten_thousand_malformed_requests_lose_none_of_the_good_ones() {
    let server = Server::start(&["--read-timeout", "2", "--connections", "64"]);
    let (next, is_over, good) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = server.predict(THREE);
                    assert_eq!(
                        (answer.status, answer.json()["labels"][0].as_i64()),
                        (200, Some(3)),
                        "{answer:?}"
                    );
                    good.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Some are neither closed nor finished, until the server gives up.
        let slow: Vec<TcpStream> = (0..16).map(|_| server.connect()).collect();
        let bad: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= 10_000 {
                            break;
                        }
                        let answer = server.raw(&malformed(number));
                        let status = answer.get(9..10).unwrap_or(b"-")[0];
                        assert!(b"4-".contains(&status), "{number}: {}", String::from_utf8_lossy(&answer));
                    }
                })
            })
            .collect();
        let ended: Vec<_> = bad.into_iter().map(thread::ScopedJoinHandle::join).collect();
        is_over.store(true, Ordering::Relaxed);
        drop(slow);
        assert!(ended.iter().all(Result::is_ok));
    });
    assert!(good.into_inner() > 10);
    assert_eq!(server.predict(THREE).status, 200);
    let metrics = server.ask("GET", "/metrics", "", b"").text();
    assert!(!metrics.contains("status=\"5"), "{metrics}");
}

/// Kinds of requests that no server should have to answer, cut and changed by their number.
fn malformed(number: usize) -> Vec<u8> {
    let head = "POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let body = THREE.as_bytes();
    let whole =
        |body: &[u8]| [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat();
    let position = number * 7919;
    match number % 8 {
        // A body that is cut, whose length is true.
        0 => whole(&body[..position % (body.len() - 3)]),
        // A head or a body that ends early.
        1 => {
            let mut bytes = whole(body);
            bytes.truncate(position % (bytes.len() - 3));
            bytes
        }
        // A bracket or a digit that is another byte now.
        2 => {
            let mut body = body.to_vec();
            body[position % 12] = b'#';
            whole(&body)
        }
        // Bytes that are no HTTP at all.
        3 => (0..200u32)
            .map(|index| (index.wrapping_mul(2_654_435_761).wrapping_add(position as u32) >> 13) as u8)
            .collect(),
        // No number.
        4 => format!("{head}Content-Length: -{number}\r\n\r\n").into_bytes(),
        // Chunks whose lengths are wrong.
        5 => format!("{head}Transfer-Encoding: chunked\r\n\r\nzz{number}\r\n{{}}\r\n0\r\n\r\n").into_bytes(),
        // Lists in lists in lists.
        6 => whole(format!("{{\"images\": {}", "[".repeat(1 + position % 5000)).as_bytes()),
        // Tensors that are none.
        _ => {
            let body: Vec<u8> =
                [&(position as u64 % 100).to_le_bytes()[..], b"{\"images\": {\"dtype\""].concat();
            let head = head.replace("json", "safetensors");
            [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat()
        }
    }
}

#[test]
fn requests_at_once_are_computed_at_once_and_each_gets_its_own_answer() {
    let server = Server::start(&["--linger", "50"]);
    let image = |level: usize| format!("{{\"images\": [{:?}]}}", vec![vec![level as f64 / 32.0; 8]; 8]);
    let alone: Vec<String> = (0..32).map(|level| server.predict(&image(level)).text()).collect();
    let together: Vec<String> = thread::scope(|scope| {
        let (server, image) = (&server, &image);
        let asked: Vec<_> =
            (0..32).map(|level| scope.spawn(move || server.predict(&image(level)).text())).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (alone, together) in alone.iter().zip(&together) {
        let numbers = |text: &str| -> Vec<f64> {
            let json: serde_json::Value = serde_json::from_str(text).unwrap();
            json["probabilities"][0].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect()
        };
        for (a, b) in numbers(alone).into_iter().zip(numbers(together)) {
            assert!((a - b).abs() < 1e-5, "{alone}\n{together}");
        }
    }
    let metrics = server.ask("GET", "/metrics", "", b"").text();
    let count = |name: &str| -> f64 {
        let line = metrics
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {metrics}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(count("serve_batch_images_sum"), 64.0);
    assert!(count("serve_batch_images_count") < 64.0, "{metrics}");
    assert_eq!(count("serve_requests_total{status=\"200\"}"), 64.0);
}

#[test]
fn a_client_that_is_slow_or_waits_too_long_is_told_so() {
    let server = Server::start(&["--read-timeout", "1", "--timeout", "0"]);
    let answer = server.predict(THREE);
    assert_eq!(answer.status, 504, "{answer:?}");

    let mut stream = server.connect();
    let head =
        "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");

    // A head that never ends: the connection does.
    let mut stream = server.connect();
    stream.write_all(b"GET /health/live HTTP/1.1\r\n").unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
}

#[test]
fn a_full_queue_refuses_and_says_when_to_come_again() {
    // A batch of one that lingers would not fill it: as many clients as it takes do.
    let server = Server::start(&["--queue", "1", "--max-batch", "64", "--linger", "300"]);
    let image = format!("{{\"images\": [{}]}}", vec![format!("{:?}", [[0; 8]; 8]); 33].join(","));
    let answers: Vec<Answer> = thread::scope(|scope| {
        let asked: Vec<_> = (0..12).map(|_| scope.spawn(|| server.predict(&image))).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().any(|answer| answer.status == 200), "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.head.to_lowercase().contains("retry-after: 1"), "{answer:?}");
    }
    assert_eq!(server.predict(THREE).status, 200);
}

#[test]
fn the_end_waits_for_requests_that_have_begun() {
    let mut server = Server::start(&["--linger", "700"]);
    assert_eq!(server.ask("GET", "/health/ready", "", b"").status, 200);
    let answer = thread::scope(|scope| {
        let asked = scope.spawn(|| server.predict(THREE));
        thread::sleep(Duration::from_millis(250));
        server.terminate();
        asked.join().unwrap()
    });
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(server.process.wait().unwrap().success());
    assert!(TcpStream::connect(server.address).is_err());
}

#[test]
fn weights_of_another_model_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.safetensors");
    flaxen::io::safetensors::save(&path, &Dict::from_iter([("weight", Tensor::zeros([2]))])).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_serve")).arg("--weights").arg(&path).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && text.contains("other.safetensors") && text.contains("Dense_0/kernel"),
        "{text}"
    );
}
