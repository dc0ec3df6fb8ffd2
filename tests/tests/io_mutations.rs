//! Damaged files of every format are an error or something else that is valid, and take no more memory than 1.1 of what they are long.
//!
//! `FLAXEN_MUTATIONS` says how many of each format; a million were tried, each within a second.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use allocation_counter::measure;
use flaxen::Result;
use flaxen::io::{gguf, msgpack, npz, onnx, safetensors, torch};
use flaxen::prelude::*;

/// What is taken beside the values: the places of tensors, and buffers for reading.
const ALWAYS: u64 = 128 << 10;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| std::fs::read(folder(name)).unwrap()).collect()
}

/// How many mutations of each format, and whether more than usual were asked for.
fn mutations() -> (u64, bool) {
    let asked = std::env::var("FLAXEN_MUTATIONS").ok().map(|text| text.parse().unwrap());
    (asked.unwrap_or(400), asked.is_some())
}

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A place in a file, most often near its ends, where headers are.
    fn place(&mut self, len: usize) -> usize {
        match self.below(4) {
            0 => self.below(len.min(64)),
            1 => len - 1 - self.below(len.min(256)),
            _ => self.below(len),
        }
    }
}

/// Changes bytes, bits and numbers, cuts, and moves pieces about.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = random.place(bytes.len());
        match random.below(8) {
            0 | 1 => bytes[at] = random.next() as u8,
            2 => bytes[at] ^= 1 << random.below(8),
            3 => {
                let numbers =
                    [0, 1, u64::MAX, 1 << 31, 1 << 62, (1 << 63) - 1, bytes.len() as u64, 0x0101_0101];
                let number = numbers[random.below(numbers.len())].to_le_bytes();
                let width = [1, 2, 4, 8][random.below(4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&number[..width]);
            }
            4 => {
                let [from, len] = [random.below(bytes.len()), random.below(24)];
                let piece = bytes[from..(from + len).min(bytes.len())].to_vec();
                let end = (at + piece.len()).min(bytes.len());
                bytes.splice(at..end, piece);
            }
            5 => {
                let end = (at + random.below(12)).min(bytes.len());
                bytes.drain(at..end);
            }
            6 => {
                let len = random.below(12);
                let new: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
                bytes.splice(at..at, new);
            }
            // Seldom, as little can be wrong in what is not there.
            _ if random.below(4) == 0 => bytes.truncate(at),
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
}

/// Says which mutation did harm.
struct Witness<'a>(&'a str, u64, Vec<u8>);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let path = std::env::temp_dir().join(format!("flaxen-mutation-{}", self.0.replace(' ', "-")));
            let kept = std::fs::write(&path, &self.2);
            eprintln!("{}: mutation {} is in {}: {kept:?}", self.0, self.1, path.display());
        }
    }
}

/// Reads mutations of some files: `read` gives the bytes of all values that it has read.
fn try_all(format: &str, seeds: &[Vec<u8>], mut read: impl FnMut(Vec<u8>) -> Result<u64>) {
    let (count, many) = mutations();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut valid, mut most, mut slowest) = (0, 0, Duration::ZERO);
    for seed in seeds {
        read(seed.clone()).unwrap_or_else(|error| panic!("{format}, as it is: {error}"));
    }
    for number in 0..count {
        let mut bytes = seeds[number as usize % seeds.len()].clone();
        mutate(&mut bytes, &mut random);
        let len = bytes.len() as u64;
        let witness = Witness(format, number, if many { bytes.clone() } else { Vec::new() });
        let began = Instant::now();
        let mut result = None;
        let measured = measure(|| result = Some(read(bytes)));
        slowest = slowest.max(began.elapsed());
        let values = result.unwrap().inspect(|_| valid += 1).unwrap_or(0);
        most = most.max(measured.bytes_max);
        let allowed = (len + len / 10).max(values) + ALWAYS;
        assert!(
            measured.bytes_max <= allowed,
            "{format}: {measured:?} for {len} bytes of file, {values} of values"
        );
        drop(witness);
    }
    assert!(valid < count, "{format}: nothing was damaged");
    if many {
        println!(
            "{format}: {count} mutations, {valid} of them valid, at most {most} bytes, the slowest {slowest:?}"
        );
        assert!(slowest < Duration::from_secs(1), "{format}: {slowest:?}");
    }
}

/// The bytes of a value that is read, which its memory is rounded up to by a quarter at most.
fn bytes(tensor: &Tensor) -> u64 {
    let bytes = tensor.array().map_or(0, |array| array.bytes().len()) as u64;
    bytes + bytes / 4
}

/// Reads every tensor of a file, one after the other; those that cannot be read do the others no harm.
macro_rules! read {
    ($file:expr) => {{
        let file = $file?;
        let names: Vec<String> = file.names().map(str::to_owned).collect();
        let values = names.iter().map(|name| file.tensor(name).map_or(0, |tensor| bytes(&tensor)));
        Ok(values.max().unwrap_or(0))
    }};
}

#[test]
fn files_of_pytorch() {
    let seeds =
        ["state.pt", "checkpoint.pt", "views.pt", "dtypes.pt", "module.pt", "script.pt", "protocol4.pt"];
    try_all(
        "torch",
        &files(&seeds.map(|name| ["torch/files/", name].concat()).each_ref().map(|name| &**name)),
        |bytes| read!(torch::File::from_bytes(bytes)),
    );
}

#[test]
fn files_of_pytorch_before_1_6() {
    let seeds = ["torch/files/legacy.pt", "torch/files/views_legacy.pt", "torch/files/complex.pt"];
    try_all("torch before 1.6", &files(&seeds), |bytes| read!(torch::File::from_bytes(bytes)));
}

#[test]
fn safetensors_files() {
    try_all("safetensors", &files(&["torch/files.safetensors", "onnx/weights.safetensors"]), |bytes| {
        let file = safetensors::File::from_bytes(bytes)?;
        drop(file.dict());
        read!(Ok::<_, flaxen::Error>(file))
    });
}

#[test]
fn npz_files() {
    let seeds = ["npz/plain.npz", "npz/compressed.npz", "npz/complex.npz", "npz/foreign.npz"];
    try_all("npz", &files(&seeds), |bytes| read!(npz::File::from_bytes(bytes)));
}

#[test]
fn files_of_flax() {
    let seeds =
        ["variables_jit", "tree", "dtypes", "boxed", "pieces", "native", "foreign", "train_state_array"];
    let seeds = seeds.map(|name| format!("msgpack/{name}.msgpack"));
    try_all("msgpack", &files(&seeds.each_ref().map(|name| &**name)), |bytes| {
        let state = msgpack::State::from_bytes(&bytes)?;
        drop(state.value());
        // The tensors are in the file; beside them every value has its place, and a list grows to twice what it had.
        // Names and texts are there a few times on the way to a value.
        Ok(bytes.len() as u64 * 5 / 4
            + values(&state) * 3 * size_of::<msgpack::State>() as u64
            + 4 * texts(&state))
    });
}

/// How many values there are.
fn values(state: &msgpack::State) -> u64 {
    1 + match state {
        msgpack::State::List(states) => states.iter().map(values).sum(),
        msgpack::State::Map(entries) => entries.iter().map(|(_, state)| values(state)).sum(),
        _ => 0,
    }
}

/// Bytes of names, texts and bytes.
fn texts(state: &msgpack::State) -> u64 {
    match state {
        msgpack::State::Text(text) => text.len() as u64,
        msgpack::State::Bytes(bytes) => bytes.len() as u64,
        msgpack::State::List(states) => states.iter().map(texts).sum(),
        msgpack::State::Map(entries) => {
            entries.iter().map(|(name, state)| name.len() as u64 + texts(state)).sum()
        }
        _ => 0,
    }
}

#[test]
fn a_long_list_of_flax_that_is_cut_takes_no_memory() {
    // Of `None`, which is a byte in the file.
    let mut list = msgpack::State::List(vec![msgpack::State::None; 1 << 20]).to_bytes().unwrap();
    list.pop();
    let (most, message) = refused(|| msgpack::State::from_bytes(&list));
    assert!(message.contains("at `1048575`: it ends too early"), "{message}");
    assert!(most < ALWAYS, "{most}");
}

#[test]
fn gguf_files() {
    try_all("gguf", &files(&["gguf/weights.gguf"]), |bytes| {
        let file = gguf::File::from_bytes(bytes)?;
        let names: Vec<String> = file.metadata_names().map(str::to_owned).collect();
        names.iter().for_each(|name| drop(file.metadata(name)));
        read!(Ok::<_, flaxen::Error>(file))
    });
}

#[test]
fn onnx_models() {
    try_all("onnx", &files(&["onnx/network.onnx", "onnx/dtypes.onnx", "onnx/external.onnx"]), |bytes| {
        read!(onnx::File::from_bytes(bytes))
    });
}

#[test]
fn indices_of_several_files() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["pytorch_model-00001-of-00002.bin", "model-00002-of-00002.safetensors"] {
        std::fs::copy(self::folder("torch/files").join(name), folder.path().join(name)).unwrap();
    }
    let index = folder.path().join("pytorch_model.bin.index.json");
    try_all("index", &files(&["torch/files/pytorch_model.bin.index.json"]), |bytes| {
        std::fs::write(&index, bytes).unwrap();
        torch::StateDict::open(&index).map(|_| 4 << 10)
    });
}

/// The most memory that was taken for something that ends with an error.
fn refused<T: std::fmt::Debug>(f: impl FnOnce() -> Result<T>) -> (u64, String) {
    let mut result = None;
    let measured = measure(|| result = Some(f()));
    (measured.bytes_max, result.unwrap().unwrap_err().to_string())
}

#[test]
fn an_archive_that_only_says_that_it_becomes_long_takes_no_memory() {
    // Eight MiB of zeros are eight KiB in the file, whose check sum is another one then.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zeros.npz");
    let dict = Dict::from([("zeros", Tensor::zeros([2 << 20]))]);
    npz::save_compressed(&path, &dict).unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert!(whole.len() < 16 << 10);
    assert_eq!(npz::from_bytes(&whole).unwrap(), dict);
    let check_sums: Vec<usize> = [b"PK\x03\x04", b"PK\x01\x02"]
        .into_iter()
        .map(|magic| {
            whole.windows(4).position(|window| window == magic).unwrap() + if magic[2] == 1 { 16 } else { 14 }
        })
        .collect();
    let mut damaged = whole.clone();
    check_sums.into_iter().for_each(|at| damaged[at] ^= 1);
    let (most, message) = refused(|| npz::from_bytes(&damaged));
    assert!(message.contains("`zeros`"), "{message}");
    assert!(most < damaged.len() as u64 + ALWAYS, "{most}");
}

#[test]
fn tensors_that_lie_over_each_other_are_refused_together() {
    // A storage of 64 KiB, and a thousand different views of nearly all of it: the file before PyTorch 1.6.
    let begin = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    let view = |number: u32| {
        let name = format!("{number:08}");
        let storage = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuJ\0\x40\0\0tQ";
        let size = (16000 - number).to_le_bytes();
        [b"X\x08\0\0\0".as_slice(), name.as_bytes(), storage, b"K\0J", &size, b"\x85K\x01\x85\x89}tR"]
            .concat()
    };
    let file = |views: u32| {
        let views: Vec<u8> = (0..views).flat_map(view).collect();
        let values = [16384u64.to_le_bytes().to_vec(), vec![0; 16384 * 4]].concat();
        let keys = b"\x80\x02]X\x01\0\0\x000a.";
        [begin.as_slice(), b"\x80\x02}(", &views, b"u.", keys, &values].concat()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("views.pt");
    let open = || torch::StateDict::open(&path);
    std::fs::write(&path, file(3)).unwrap();
    assert!(open().is_ok());
    std::fs::write(&path, file(1000)).unwrap();
    let (most, message) = refused(open);
    assert!(message.contains("parts of each other"), "{message}");
    // The objects of the pickle and the places of a thousand tensors, which would be 62 MiB.
    assert!(most < 2 << 20, "{most}");
}

#[test]
fn tied_weights_take_their_memory_once() {
    let begin = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    let tensor = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuJ\0\0\x10\0tQ\
                   K\0J\0\0\x10\0\x85K\x01\x85\x89}tR";
    let dict = [
        b"\x80\x02}(X\x01\0\0\0a".as_slice(),
        tensor,
        b"X\x01\0\0\0b",
        tensor,
        b"u.\x80\x02]X\x01\0\0\x000a.",
    ]
    .concat();
    let values = [(1u64 << 20).to_le_bytes().to_vec(), vec![0; 4 << 20]].concat();
    let file = [begin.as_slice(), &dict, &values].concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tied.pt");
    std::fs::write(&path, &file).unwrap();
    let mut state = None;
    let measured = measure(|| state = Some(torch::StateDict::open(&path)));
    let variables = state.unwrap().unwrap().keep("*").variables().unwrap();
    assert_eq!(variables.tensor("params/a").unwrap().shape(), variables.tensor("params/b").unwrap().shape());
    assert!(measured.bytes_max < (file.len() + file.len() / 10) as u64, "{measured:?}");
}

#[test]
fn the_weights_of_a_model_are_given_up_one_by_one_as_ours_are_made_of_them() {
    let model = (0..23).fold(sequential![Dense::new(256)], |model, _| model.then(Dense::new(256)));
    let x = Tensor::ones([1, 256]);
    let shapes = flaxen::eval_shape(|x: Tensor| model.init(key(0)).call(&x), &x).unwrap();
    let layers = (0..24).flat_map(|layer| {
        let [weight, bias] = ["weight", "bias"].map(|own| format!("{layer}.{own}"));
        [(weight, Tensor::full([256, 256], layer as f32)), (bias, Tensor::zeros([256]))]
    });
    let state = torch::StateDict::new(layers.collect::<Vec<_>>());
    let folder = tempfile::tempdir().unwrap();
    // Nothing is freed before the end: memory that is used again is not counted.
    let mut kept = Vec::new();
    for name in ["model.safetensors", "model.pt"] {
        let path = folder.path().join(name);
        state.save(&path).unwrap();
        let len = std::fs::metadata(&path).unwrap().len();
        let measured = measure(|| {
            let state = torch::StateDict::open(&path).unwrap().rename("*", "layers_$1");
            kept.push(state.into_variables_like(&shapes).unwrap());
        });
        let kernel = kept.last().unwrap().tensor("params/layers_23/kernel").unwrap();
        assert_eq!(kernel.to_vec::<f32>().unwrap()[7], 23.0);
        // Two kernels beside all of them: the one that is read, and the one that is made of it.
        assert!(measured.bytes_max < len + len / 10, "{name}: {measured:?}, {len} bytes");
    }
    drop(state);
}

/// A file before PyTorch 1.6 of an object that is pickled by hand, with no storages.
fn pickled(object: &[u8]) -> Vec<u8> {
    let begin = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    [begin.as_slice(), b"\x80\x04", object, b".\x80\x02]."].concat()
}

#[test]
fn objects_that_mean_each_other_do_not_grow_without_end() {
    let open = |object: &[u8]| {
        let file = pickled(object);
        let len = file.len();
        let (most, message) = refused(|| torch::File::from_bytes(file));
        assert!(most < 16 * len as u64 + ALWAYS, "{most} for {len} bytes: {message}");
        message
    };
    // Ten times the same dict in a dict, and that ten times, and so on: a hundred million names.
    let name = |i: usize| [b"X\x01\0\0\0".as_slice(), &[b'a' + i as u8]].concat();
    let dict = |level: usize| {
        let entries = (0..10).flat_map(|i| [name(i), vec![b'h', level as u8]].concat());
        [b"}(".as_slice(), &entries.collect::<Vec<u8>>(), b"uq", &[level as u8 + 1]].concat()
    };
    let laughs: Vec<u8> = (0..8).flat_map(dict).collect();
    assert!(open(&[b"K\x01q\0".as_slice(), &laughs].concat()).contains("too many"));
    // A long name, below which all others are.
    let long = [b"}X\0\0\x10\0".as_slice(), &vec![b'x'; 1 << 20]].concat();
    let below: Vec<u8> = (0..10).flat_map(|i| [name(i), b"K\x01".to_vec()].concat()).collect();
    assert!(open(&[&long, b"}(".as_slice(), &below, b"us"].concat()).contains("1048576 bytes"));
    // A parameter that is made of itself.
    let itself = b"ctorch._utils\n_rebuild_parameter\n]q\x01Rq\x020h\x01(h\x02K\0Neh\x02";
    let file = torch::File::from_bytes(pickled(&itself[..itself.len()])).unwrap();
    assert!(file.tensor("tensor").unwrap_err().to_string().contains("without an end"), "{file:?}");
}

#[test]
fn names_of_graphs_in_graphs_are_no_longer_than_the_model() {
    fn message(field: u8, bytes: &[u8]) -> Vec<u8> {
        let mut message = vec![field << 3 | 2];
        let mut len = bytes.len();
        while len >= 0x80 {
            message.push(len as u8 | 0x80);
            len >>= 7;
        }
        message.push(len as u8);
        [message, bytes.to_vec()].concat()
    }
    // Ten graphs within each other, each in a node with a name of 4 KiB, and thousands of tensors in the innermost one.
    let tensors = (0..5000u32).flat_map(|i| message(5, &message(8, format!("{i}").as_bytes())));
    let innermost: Vec<u8> = tensors.collect();
    let graph = (0..10).fold(innermost, |graph, _| {
        let attribute = message(5, &[message(1, b"body"), message(6, &graph)].concat());
        message(1, &[message(3, &[b'n'; 4096]), attribute].concat())
    });
    let model = [b"\x08\x0a".to_vec(), message(7, &graph)].concat();
    let len = model.len() as u64;
    let (most, message) = refused(|| onnx::File::from_bytes(model));
    assert!(message.contains("names of its graphs are too long"), "{message}");
    assert!(most < 4 * len + 4 * ALWAYS, "{most} for {len} bytes");
}
