//! Tensors in an archive: what a pickle says of them, and their values.

use super::super::little_endian;
use super::super::pickle::{Id, Node, Pickle};
use super::archive::{Archive, element_size, storage_of};
use crate::array::{Aval, DType, Shape};
use crate::core::Tensor;

/// A tensor that has not been read.
pub(super) struct StoredTensor {
    pub aval: Aval,
    stored: StoredType,
    /// In bytes, from the beginning of the file.
    start: u64,
    /// Elements from the first one on, up to the last one that is part of the tensor.
    extent: usize,
    strides: Vec<usize>,
    /// The values are those of the storage, negated: PyTorch does that later.
    negated: bool,
}

/// How elements are stored.
#[derive(Clone, Copy, PartialEq)]
enum StoredType {
    /// As in memory.
    Ours(DType),
    /// Floats that become wider ones, which have all their values.
    F8E4M3,
    F8E5M2,
}

impl StoredType {
    /// By the name of a storage, as `torch.FloatStorage`, or of a dtype, as `torch.float32`.
    fn named(name: &str) -> Option<StoredType> {
        let name = name.rsplit('.').next()?;
        Some(StoredType::Ours(match name {
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
            "float8_e4m3fn" => return Some(StoredType::F8E4M3),
            "float8_e5m2" => return Some(StoredType::F8E5M2),
            _ => return None,
        }))
    }

    fn dtype(self) -> DType {
        match self {
            StoredType::Ours(dtype) => dtype,
            StoredType::F8E4M3 | StoredType::F8E5M2 => DType::BF16,
        }
    }

    fn size(self) -> usize {
        match self {
            StoredType::Ours(dtype) => dtype.size(),
            StoredType::F8E4M3 | StoredType::F8E5M2 => 1,
        }
    }

    /// The same values in the bytes of [`dtype`](StoredType::dtype).
    fn widen(self, from: &[u8], into: &mut [u8]) {
        let each = |value: fn(u8) -> f32, into: &mut [u8]| {
            for (&from, into) in from.iter().zip(into.as_chunks_mut().0) {
                // Every float of 8 bits is one of `BF16`, too.
                *into = half::bf16::from_f32(value(from)).to_le_bytes();
            }
        };
        match self {
            StoredType::Ours(_) => into.copy_from_slice(from),
            StoredType::F8E4M3 => each(e4m3, into),
            StoredType::F8E5M2 => each(e5m2, into),
        }
    }
}

/// OCP's 8-bit float with 4 bits of exponent: no infinities, and NaN only where all bits are set.
fn e4m3(byte: u8) -> f32 {
    let (exponent, fraction) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
    let magnitude = match (exponent, byte & 7) {
        (15, 7) => f32::NAN,
        (0, _) => fraction * (-9f32).exp2(),
        _ => (1.0 + fraction / 8.0) * ((exponent - 7) as f32).exp2(),
    };
    magnitude.copysign(if byte & 0x80 == 0 { 1.0 } else { -1.0 })
}

/// OCP's 8-bit float with 5 bits of exponent: the upper byte of a half.
fn e5m2(byte: u8) -> f32 {
    half::f16::from_bits(u16::from(byte) << 8).to_f32()
}

/// The tensor that a call would make; None for other objects, an error for tensors that are none here.
pub(super) fn tensor_of(archive: &Archive, id: Id) -> Option<Result<StoredTensor, String>> {
    let pickle = &archive.pickle;
    let Node::Object(object) = pickle.node(id) else { return None };
    let (mut callable, mut args) = (object.callable, object.args);
    // A parameter is made of a tensor, and an object of a subclass by a call in a call: they are opened one by one.
    loop {
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
    let stored = StoredType::named(kind).ok_or_else(|| {
        format!("it is of the dtype `{kind}`, which no tensor has here: convert it before saving")
    })?;
    let shape = counts(pickle, size).ok_or("its shape is not of positive integers")?;
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
    let flag = |name: &str| flags.and_then(|flags| pickle.get(flags, name)).map(|id| pickle.node(id));
    if flag("conj") == Some(&Node::Bool(true)) {
        return Err(
            "it is a complex conjugate that was not computed: save `tensor.resolve_conj()`".to_owned()
        );
    }
    let negated = flag("neg") == Some(&Node::Bool(true));
    Ok(StoredTensor { aval, stored, start, extent, strides, negated })
}

fn counts(pickle: &Pickle, id: Id) -> Option<Vec<usize>> {
    let count = |&id: &Id| usize::try_from(pickle.int(id)?).ok();
    pickle.items(id)?.iter().map(count).collect()
}

impl StoredTensor {
    /// Reads its values.
    pub fn read(&self, archive: &Archive) -> Result<Tensor, String> {
        let unit = self.stored.size();
        let read = |bytes: &mut [u8]| {
            archive.source.read(self.start, bytes).map_err(|error| error.to_string())?;
            if archive.big_endian {
                little_endian::reverse(unit, bytes);
            }
            Ok::<_, String>(())
        };
        let tensor = little_endian::tensor(self.aval.clone(), |bytes| {
            if self.is_contiguous() && matches!(self.stored, StoredType::Ours(_)) {
                return read(bytes);
            }
            let mut window = Vec::new();
            window.try_reserve_exact(self.extent * unit).map_err(|error| error.to_string())?;
            window.resize(self.extent * unit, 0);
            read(&mut window)?;
            if self.is_contiguous() {
                self.stored.widen(&window, bytes);
            } else {
                self.gather(&window, bytes);
            }
            Ok(())
        })?;
        if self.negated { tensor.try_neg().map_err(|error| error.to_string()) } else { Ok(tensor) }
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.aval.shape.iter().zip(&self.strides).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == expected;
            expected *= size;
            fits
        }) || self.aval.size() == 0
    }

    /// Elements in row-major order, from where their strides say.
    fn gather(&self, window: &[u8], into: &mut [u8]) {
        let (unit, wide) = (self.stored.size(), self.aval.dtype.size());
        let mut index = vec![0; self.strides.len()];
        let mut at = 0;
        for element in into.chunks_exact_mut(wide) {
            self.stored.widen(&window[at * unit..(at + 1) * unit], element);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                at += self.strides[axis];
                if index[axis] < self.aval.shape[axis] {
                    break;
                }
                at -= self.aval.shape[axis] * self.strides[axis];
                index[axis] = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_of_eight_bits_are_those_of_their_standard() {
        // Largest, smallest normal and smallest subnormal numbers, of OCP's table.
        let of_e4m3 = [(0x7e, 448.0), (0x08, 0.015625), (0x01, 0.001953125), (0x80, -0.0), (0xb8, -1.0)];
        let of_e5m2 = [
            (0x7b, 57344.0),
            (0x04, 6.1035156e-5),
            (0x01, 1.5258789e-5),
            (0x7c, f32::INFINITY),
            (0xbc, -1.0),
        ];
        for (byte, value) in of_e4m3 {
            assert_eq!(e4m3(byte).to_bits(), f32::to_bits(value), "{byte:#x}");
        }
        for (byte, value) in of_e5m2 {
            assert_eq!(e5m2(byte).to_bits(), f32::to_bits(value), "{byte:#x}");
        }
        assert!(e4m3(0x7f).is_nan() && e4m3(0xff).is_nan() && e5m2(0x7d).is_nan());
        for byte in 0..=255 {
            assert!(e4m3(byte).is_nan() || half::bf16::from_f32(e4m3(byte)).to_f32() == e4m3(byte));
            assert!(e5m2(byte).is_nan() || half::bf16::from_f32(e5m2(byte)).to_f32() == e5m2(byte));
        }
    }
}
