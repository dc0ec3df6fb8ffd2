//! The format's dtypes and ours.

use ::safetensors::Dtype;

use super::super::encoding::{Eight, Encoding};
use crate::array::DType;

pub(super) fn ours(dtype: Dtype) -> Option<Encoding> {
    Some(match dtype {
        Dtype::F8_E4M3 => Encoding::Eight(Eight::E4M3),
        Dtype::F8_E4M3FNUZ => Encoding::Eight(Eight::E4M3Fnuz),
        Dtype::F8_E5M2 => Encoding::Eight(Eight::E5M2),
        Dtype::F8_E5M2FNUZ => Encoding::Eight(Eight::E5M2Fnuz),
        Dtype::F8_E8M0 => Encoding::Eight(Eight::E8M0),
        _ => Encoding::Plain(DType::ALL.into_iter().find(|&ours| theirs(ours) == dtype)?),
    })
}

pub(super) fn theirs(dtype: DType) -> Dtype {
    match dtype {
        DType::Bool => Dtype::BOOL,
        DType::U8 => Dtype::U8,
        DType::U16 => Dtype::U16,
        DType::I8 => Dtype::I8,
        DType::I16 => Dtype::I16,
        DType::U32 => Dtype::U32,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
        DType::C64 => Dtype::C64,
    }
}
