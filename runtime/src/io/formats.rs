//! Formats that files of weights come in, known by their first bytes: what is no file of ours is called by its name.

/// So many bytes are looked at.
pub(super) const LOOKED_AT: usize = 4096;

pub(super) const SAFETENSORS: &str = "it is a safetensors file: read it with `flaxen::io::safetensors`";
pub(super) const NPZ: &str = "it is an npz file: read it with `flaxen::io::npz`";
pub(super) const MESSAGE_PACK: &str =
    "it is MessagePack, as `flax.serialization.to_bytes` writes: read it with `flaxen::io::msgpack`";
pub(super) const ARCHIVE: &str = "it is a zip archive, but neither of NumPy nor of PyTorch: unpack it first";

/// What a file of another format is and what to do with it, if its first bytes tell.
pub(super) fn foreign(bytes: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let text = bytes.trim_ascii_start();
    Some(match bytes {
        [] => "it is empty",
        // The length of a header, then the header.
        _ if at(8, b"{") && at(4, &[0; 4]) => SAFETENSORS,
        _ if at(0, b"PK\x03\x04") || at(0, b"PK\x05\x06") => return Some(archive(bytes)),
        _ if at(0, b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") => TORCH,
        [0x80, 2..=5, ..] => {
            "it is a Python pickle, which could run any code when it is read: load it in Python, and save its tensors with \
             `safetensors.torch.save_file` or its arrays with `numpy.savez`"
        }
        _ if at(0, b"GGUF") => GGUF,
        _ if at(0, b"lmgg") || at(0, b"ggml") || at(0, b"tjgg") => {
            "it is a file of llama.cpp from before GGUF: take a GGUF file, or the safetensors file that it was made from"
        }
        _ if at(0, b"\x89HDF\r\n\x1a\n") => {
            "it is an HDF5 file, as Keras writes: in Python, read it with `h5py` and save its arrays with `numpy.savez`"
        }
        _ if at(0, b"\x93NUMPY") => {
            "it is a single array in NumPy's format (`.npy`): save it as `numpy.savez(path, name=array)`, which gives it a name"
        }
        _ if at(4, b"TFL3") => {
            "it is a TensorFlow Lite file: save the weights that it was made from as safetensors or npz"
        }
        _ if at(0, b"\x1f\x8b") || at(0, b"\x28\xb5\x2f\xfd") || at(0, b"BZh") || at(0, b"\xfd7zXZ\0") => {
            "it is compressed as a whole: unpack it first"
        }
        _ if at(257, b"ustar") => "it is a tar archive: unpack it first",
        _ if at(0, b"version https://git-lfs") => {
            "it is what Git keeps in place of a large file: fetch the file itself with `git lfs pull`"
        }
        _ if text.starts_with(b"<") => "it is a page of the web, or XML: download the file itself",
        _ if text.starts_with(b"{") && contains(text, b"\"weight_map\"") => SHARDS,
        _ if text.starts_with(b"{") => {
            "it is JSON without tensors: read the `.safetensors` file that belongs to it"
        }
        _ if is_onnx(bytes) => ONNX,
        _ if is_message_pack(bytes) => MESSAGE_PACK,
        _ => return None,
    })
}

pub(super) const GGUF: &str = "it is a GGUF file of llama.cpp: read it with `flaxen::io::gguf`";
pub(super) const ONNX: &str = "it is an ONNX model: read its weights with `flaxen::io::onnx`";
pub(super) const TORCH: &str = "it is a file of `torch.save`: read it with `flaxen::io::torch`";
pub(super) const SHARDS: &str =
    "it is the index of a model in several files: read them with `flaxen::io::torch::StateDict::open`";

/// A zip archive is known by the name of the first file in it.
fn archive(bytes: &[u8]) -> &'static str {
    let len = bytes.get(26..28).map_or(0, |len| usize::from(u16::from_le_bytes([len[0], len[1]])));
    let name = bytes.get(30..).map_or(&[][..], |rest| &rest[..len.min(rest.len())]);
    // `torch.save` puts its files into a folder, most often with this one first.
    let last = name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let torchs: [&[u8]; 6] =
        [b"data.pkl", b"version", b".format_version", b"byteorder", b"constants.pkl", b".storage_alignment"];
    if torchs.contains(&last) && last.len() < name.len() {
        TORCH
    } else if name.ends_with(b".npy") {
        NPZ
    } else {
        ARCHIVE
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A protocol buffer that begins with a version of the format, then the name of a program, or the graph where there is no name.
fn is_onnx(bytes: &[u8]) -> bool {
    match bytes {
        // A producer and its version, a domain, a text.
        [0x08, 1..=31, 0x12 | 0x1a | 0x22 | 0x32, len, rest @ ..] => {
            *len == 0 || rest.get(..usize::from(*len)).is_some_and(is_word)
        }
        // The graph is longer than 127 bytes, or all there is but for the versions of operators.
        [0x08, 1..=31, 0x3a, len, rest @ ..] => *len >= 0x80 || rest.len() >= usize::from(*len),
        _ => false,
    }
}

/// A map whose first key is a text.
fn is_message_pack(bytes: &[u8]) -> bool {
    let ([0x81..=0x8f, keys @ ..] | [0xde, _, _, keys @ ..] | [0xdf, _, _, _, _, keys @ ..]) = bytes else {
        return false;
    };
    let (len, text) = match keys {
        [head @ 0xa1..=0xbf, rest @ ..] => (usize::from(head & 0x1f), rest),
        [0xd9, len, rest @ ..] => (usize::from(*len), rest),
        _ => return false,
    };
    text.get(..len).is_some_and(is_word)
}

fn is_word(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| byte.is_ascii_graphic() || byte == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a zip archive whose first file has a name.
    fn zip(name: &str) -> Vec<u8> {
        let len = u16::try_from(name.len()).unwrap().to_le_bytes();
        [b"PK\x03\x04".as_slice(), &[0; 22], &len, &[0, 0], name.as_bytes(), &[0; 50]].concat()
    }

    #[test]
    fn files_are_known_by_their_first_bytes() {
        let mut tar = vec![b'x'; 600];
        tar[257..262].copy_from_slice(b"ustar");
        // `torch.save` before 1.6, pickles of protocol 4, `onnx.save`, `flax.serialization.to_bytes`, `h5py`: as they wrote them.
        let known: [(&[u8], &str); 27] = [
            (
                b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e\x80\x02\x4d\xe9\x03",
                "`torch.save`",
            ),
            (&zip("model/data.pkl"), "`torch.save`"),
            (&zip("archive/version"), "`torch.save`"),
            (&zip("arr_0.npy"), "npz file"),
            (&zip("data.pkl"), "zip archive"),
            (&zip("config.json"), "zip archive"),
            (b"PK\x05\x06\0\0\0\0", "zip archive"),
            (b"\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94", "pickle"),
            (b"GGUF\x03\0\0\0", "GGUF"),
            (b"tjgg\x03\0\0\0", "before GGUF"),
            (b"\x08\x0a\x3a\x8f\x01\x0a\x10", "ONNX"),
            (b"\x08\x0a\x12\0\x3a\x8f\x01", "ONNX"),
            (b"\x89HDF\r\n\x1a\n\0\0", "HDF5"),
            (b"\x93NUMPY\x01\0", "numpy.savez"),
            (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
            (b"\x1f\x8b\x08\0", "unpack it"),
            (b"\x28\xb5\x2f\xfd\x04", "unpack it"),
            (&tar, "tar archive"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "git lfs pull"),
            (b"<!DOCTYPE html>", "page of the web"),
            (b"{\"metadata\": {\"total_size\": 56}, \"weight_map\": {", "index of a model"),
            (b"{\"architectures\": [", "JSON"),
            (b"\x08\x08\x12\x07pytorch\x1a\x052.4.0:", "ONNX"),
            (b"\x81\xa6params\x82\xa6kernel\xc7\x26\x01", "MessagePack"),
            (b"\xde\0\x10\xd9\x21a_name_of_thirty_three_characters_\xc7", "MessagePack"),
            (b"\x10\0\0\0\0\0\0\0{\"a\":{}}", "safetensors"),
            (b"", "empty"),
        ];
        for (bytes, part) in known {
            let what = foreign(bytes).unwrap_or("nothing known");
            assert!(what.contains(part), "{part}: {what}");
        }
    }

    #[test]
    fn whatever_else_is_not_given_a_name() {
        let unknown: [&[u8]; 6] =
            [b"PK", b"\x80\x09", b"hello", &[0; 100], b"\x81\x01\x02", b"\x08\x07\x12\x40too short"];
        for bytes in unknown {
            assert_eq!(foreign(bytes), None, "{bytes:?}");
        }
    }
}
