//! Writing a file as `torch.save` does: a zip archive with a pickle of the names, and the numbers of each tensor beside it.

use std::collections::BTreeMap;
use std::io::{BufWriter, Result, Seek, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::super::little_endian;
use crate::array::{Array, DType};

/// Where numbers begin in the file is a multiple of this, as PyTorch has it since 2.0, so that it can map them into memory.
const ALIGNMENT: u16 = 64;

/// Writes tensors as a state dict.
pub(super) fn write(file: impl Write + Seek, tensors: &BTreeMap<String, &Array>) -> Result<()> {
    let mut archive = ZipWriter::new(BufWriter::with_capacity(1 << 20, file));
    let stored = |large: bool| {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        options.large_file(large).with_alignment(ALIGNMENT)
    };
    let small: [(&str, &[u8]); 4] = [
        ("data.pkl", &pickle(tensors)),
        ("byteorder", b"little"),
        (".format_version", b"1"),
        (".storage_alignment", b"64"),
    ];
    for (name, contents) in small {
        archive.start_file(format!("archive/{name}"), stored(false))?;
        archive.write_all(contents)?;
    }
    for (index, array) in tensors.values().enumerate() {
        let bytes = little_endian::bytes(array);
        let large = bytes.len() as u64 >= u64::from(u32::MAX);
        archive.start_file(format!("archive/data/{index}"), stored(large))?;
        archive.write_all(&bytes)?;
    }
    archive.start_file("archive/version", stored(false))?;
    archive.write_all(b"3\n")?;
    archive.finish()?.flush()
}

/// The names of storages with a dtype of their own; all others are bytes, and the tensor says of which dtype.
fn storage(dtype: DType) -> Option<&'static str> {
    Some(match dtype {
        DType::Bool => "BoolStorage",
        DType::U8 => "ByteStorage",
        DType::I8 => "CharStorage",
        DType::I16 => "ShortStorage",
        DType::I32 => "IntStorage",
        DType::I64 => "LongStorage",
        DType::F16 => "HalfStorage",
        DType::BF16 => "BFloat16Storage",
        DType::F32 => "FloatStorage",
        DType::F64 => "DoubleStorage",
        DType::C64 => "ComplexFloatStorage",
        DType::U16 | DType::U32 => return None,
    })
}

/// An `OrderedDict` of tensors as a pickle of protocol 2, in the words of the standard library's `pickletools`.
fn pickle(tensors: &BTreeMap<String, &Array>) -> Vec<u8> {
    let mut to = Pickle(vec![0x80, 2]);
    to.global("collections", "OrderedDict");
    // EMPTY_TUPLE, REDUCE; MARK.
    to.0.extend(b")R(");
    for (index, (name, array)) in tensors.iter().enumerate() {
        to.text(name);
        to.tensor(index, array);
    }
    // SETITEMS, STOP.
    to.0.extend(b"u.");
    to.0
}

struct Pickle(Vec<u8>);

impl Pickle {
    /// GLOBAL: something of a module of Python.
    fn global(&mut self, module: &str, name: &str) {
        self.0.extend(format!("c{module}\n{name}\n").bytes());
    }

    /// BINUNICODE.
    fn text(&mut self, text: &str) {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.bytes());
    }

    /// BININT for what an `i32` holds; LONG1 of eight bytes for others, which no memory is as large as to need a ninth of.
    fn int(&mut self, int: usize) {
        if let Ok(int) = i32::try_from(int) {
            self.0.push(b'J');
            self.0.extend(int.to_le_bytes());
        } else {
            self.0.extend([0x8a, 8]);
            self.0.extend((int as u64).to_le_bytes());
        }
    }

    /// A tuple of any length: MARK, the numbers, TUPLE.
    fn ints(&mut self, ints: impl IntoIterator<Item = usize>) {
        self.0.push(b'(');
        ints.into_iter().for_each(|int| self.int(int));
        self.0.push(b't');
    }

    /// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`, or `_v3` with a dtype behind those.
    fn tensor(&mut self, index: usize, array: &Array) {
        let storage = storage(array.dtype());
        let version = if storage.is_some() { 2 } else { 3 };
        self.global("torch._utils", &format!("_rebuild_tensor_v{version}"));
        // The arguments; the storage is a tuple that PyTorch's reader is asked about: BINPERSID.
        self.0.extend(b"((");
        self.text("storage");
        match storage {
            Some(storage) => self.global("torch", storage),
            None => self.global("torch.storage", "UntypedStorage"),
        }
        self.text(&index.to_string());
        self.text("cpu");
        self.int(if storage.is_some() { array.size() } else { array.bytes().len() });
        self.0.extend(b"tQ");
        self.int(0);
        self.ints(array.shape().iter().copied());
        self.ints(strides(array.shape()));
        // NEWFALSE: it needs no gradient.
        self.0.push(0x89);
        self.global("collections", "OrderedDict");
        self.0.extend(b")R");
        if storage.is_none() {
            self.global("torch", if array.dtype() == DType::U16 { "uint16" } else { "uint32" });
        }
        // TUPLE, REDUCE.
        self.0.extend(b"tR");
    }
}

/// Strides of rows that follow each other.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1);
    }
    strides
}
