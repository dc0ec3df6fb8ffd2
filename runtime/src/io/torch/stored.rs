//! Tensors in an archive: what a pickle says of them, and their values.

use super::super::encoding::{Eight, Encoding};
use super::super::little_endian;
use super::super::pickle::{Id, Node, Pickle};
use super::super::strided::{self, is_contiguous};
use super::archive::{Archive, element_size, storage_of};
use crate::array::{Aval, DType, Shape};
use crate::core::Tensor;

/// A tensor that has not been read. Equal ones have the same values, as they are the same bytes.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct StoredTensor {
    pub aval: Aval,
    stored: Encoding,
    /// In bytes, from the beginning of the file.
    start: u64,
    strides: Vec<usize>,
    /// The values are those of the storage, negated: PyTorch does that later.
    negated: bool,
    /// The same of complex conjugates.
    conjugated: bool,
}

/// By the name of a storage, as `torch.FloatStorage`, or of a dtype, as `torch.float32`.
fn encoding(name: &str) -> Option<Encoding> {
    let name = name.rsplit('.').next()?;
    Some(Encoding::Plain(match name {
        "FloatStorage" | "float32" | "float" => DType::F32,
        "DoubleStorage" | "float64" | "double" => DType::F64,
        "HalfStorage" | "float16" | "half" => DType::F16,
        "BFloat16Storage" | "bfloat16" => DType::BF16,
        "LongStorage" | "int64" | "long" => DType::I64,
        "IntStorage" | "int32" | "int" => DType::I32,
        "ByteStorage" | "uint8" => DType::U8,
        "BoolStorage" | "bool" => DType::Bool,
        "uint32" => DType::U32,
        "CharStorage" | "int8" => DType::I8,
        "ShortStorage" | "int16" | "short" => DType::I16,
        "uint16" => DType::U16,
        "ComplexFloatStorage" | "complex64" | "cfloat" => DType::C64,
        "float8_e4m3fn" => return Some(Encoding::Eight(Eight::E4M3)),
        "float8_e4m3fnuz" => return Some(Encoding::Eight(Eight::E4M3Fnuz)),
        "float8_e5m2" => return Some(Encoding::Eight(Eight::E5M2)),
        "float8_e5m2fnuz" => return Some(Encoding::Eight(Eight::E5M2Fnuz)),
        "float8_e8m0fnu" => return Some(Encoding::Eight(Eight::E8M0)),
        _ => return None,
    }))
}

/// The tensor that a call would make; None for other objects, an error for tensors that are none here.
pub(super) fn tensor_of(archive: &Archive, id: Id) -> Option<Result<StoredTensor, String>> {
    let pickle = &archive.pickle;
    let Node::Object(object) = pickle.node(id) else { return None };
    let (mut callable, mut args) = (object.callable, object.args);
    // A parameter is made of a tensor, and an object of a subclass by a call in a call: they are opened one by one. No more than some,
    // as one may be made of itself.
    for _ in 0..16 {
        let name = pickle.global(callable)?;
        match (name, pickle.items(args)?) {
            (
                "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2",
                &[storage, offset, size, stride, ref rest @ ..],
            ) => {
                // Behind whether it has a gradient, and its hooks.
                let flags = rest.get(2).copied();
                return Some(view(archive, storage, [offset, size, stride], None, flags));
            }
            (
                "torch._utils._rebuild_tensor_v3",
                &[storage, offset, size, stride, _, _, dtype, ref rest @ ..],
            ) => {
                return Some(view(
                    archive,
                    storage,
                    [offset, size, stride],
                    Some(dtype),
                    rest.first().copied(),
                ));
            }
            (
                "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state",
                &[data, ..],
            ) => {
                let Node::Object(object) = pickle.node(data) else { return None };
                (callable, args) = (object.callable, object.args);
            }
            ("torch._tensor._rebuild_from_type_v2", &[inner, _class, of_inner, _attributes]) => {
                (callable, args) = (inner, of_inner);
            }
            _ => {
                let what = name.strip_prefix("torch._utils._rebuild_")?;
                return Some(Err(format!(
                    "it is a `{what}`, which only PyTorch reads: save it as a plain tensor"
                )));
            }
        }
    }
    Some(Err("it is made of others that are made of others, without an end".to_owned()))
}

/// A strided view of a storage.
fn view(
    archive: &Archive,
    storage: Id,
    [offset, size, stride]: [Id; 3],
    dtype: Option<Id>,
    flags: Option<Id>,
) -> Result<StoredTensor, String> {
    let pickle = &archive.pickle;
    let Node::Persistent(id) = pickle.node(storage) else { return Err("it has no storage".to_owned()) };
    let id = storage_of(pickle, *id).ok_or("its storage has no name")?;
    let kind = match dtype {
        None => id.kind,
        Some(dtype) => pickle.global(dtype).ok_or("it has no dtype")?,
    };
    let stored = encoding(kind).ok_or_else(|| {
        format!("it is of the dtype `{kind}`, which no tensor has here: convert it before saving")
    })?;
    let shape = counts(pickle, size).ok_or("its shape is not of a few positive integers")?;
    let strides = counts(pickle, stride).filter(|strides| strides.len() == shape.len());
    let strides = strides.ok_or("its strides do not fit its shape")?;
    let aval = Aval { shape: shape.iter().copied().collect::<Shape>(), dtype: stored.dtype(), weak: false };
    little_endian::checked(&aval)?;
    // The last element, and one more; a tensor without elements needs none.
    let is_empty = shape.contains(&0);
    let reach =
        |sum: usize, (&size, &stride): (&usize, &usize)| sum.checked_add((size - 1).checked_mul(stride)?);
    let extent = if is_empty { Some(0) } else { shape.iter().zip(&strides).try_fold(1usize, reach) };

    let whole = archive
        .storages
        .get(&id.key)
        .ok_or_else(|| format!("its storage `{}` is missing, or compressed", id.key))?;
    let unit = element_size(id.kind).ok_or_else(|| format!("its storage is a `{}`", id.kind))?;
    let (begin, len) = match id.view {
        Some((offset, len)) => (offset.checked_mul(unit), len.checked_mul(unit)),
        None => (Some(0), Some(whole.len)),
    };
    let within = |offset: u64| {
        let bytes = (extent? as u64).checked_add(offset)?.checked_mul(stored.size() as u64)?;
        let end = begin?.checked_add(len?.min(whole.len))?;
        (begin? + bytes <= end.min(whole.len)).then_some(whole.start + begin? + offset * stored.size() as u64)
    };
    let offset = pickle.int(offset).and_then(|offset| u64::try_from(offset).ok());
    let start = offset.and_then(|offset| if is_empty { Some(whole.start) } else { within(offset) });
    let start = start.ok_or_else(|| format!("it does not lie within its storage of {} bytes", whole.len))?;
    let extent = extent.ok_or("its strides are too large")?;
    // Axes that repeat what is there would make a large tensor of a small file.
    if aval.size() > extent.max(1)
        && aval.size() * stored.size() > usize::try_from(whole.len).unwrap_or(usize::MAX).max(1 << 20)
    {
        return Err("it is expanded to more than its storage: save a copy, `tensor.contiguous()`".to_owned());
    }
    // Two, if any.
    let flags = flags.filter(|&flags| pickle.entries(flags).is_some_and(|entries| entries.len() < 16));
    let flag = |name: &str| flags.and_then(|flags| pickle.get(flags, name)).map(|id| pickle.node(id));
    let is_set = |name: &str| flag(name) == Some(&Node::Bool(true));
    let (negated, conjugated) = (is_set("neg"), is_set("conj"));
    Ok(StoredTensor { aval, stored, start, strides, negated, conjugated })
}

fn counts(pickle: &Pickle, id: Id) -> Option<Vec<usize>> {
    let count = |&id: &Id| usize::try_from(pickle.int(id)?).ok();
    pickle.items(id).filter(|items| items.len() <= Aval::MAX_RANK)?.iter().map(count).collect()
}

impl StoredTensor {
    /// Reads its values.
    pub fn read(&self, archive: &Archive) -> Result<Tensor, String> {
        let (unit, word) = (self.stored.size(), self.stored.word());
        let mut read = |from: usize, bytes: &mut [u8]| {
            let start = self.start + (from * unit) as u64;
            archive.source.read(start, bytes).map_err(|error| error.to_string())?;
            if archive.big_endian {
                little_endian::reverse(word, bytes);
            }
            Ok::<_, String>(())
        };
        let shape = &self.aval.shape;
        let is_plain = matches!(self.stored, Encoding::Plain(_)) && is_contiguous(shape, &self.strides);
        let mut tensor = little_endian::tensor(self.aval.clone(), |bytes| {
            if is_plain {
                return read(0, bytes);
            }
            strided::read(self.stored, shape, &self.strides, bytes, &mut read)
        })?;
        if self.negated {
            tensor = tensor.try_neg().map_err(|error| error.to_string())?;
        }
        if self.conjugated { tensor.try_conj().map_err(|error| error.to_string()) } else { Ok(tensor) }
    }
}
