//! One array of those of all ranks, element by element, in the order of ranks.

use crate::array::DType;
use crate::array::dtype::dispatch;
use crate::kernels::threads;
use crate::scalar::arith::Arith;
use crate::scalar::number::Number;
use crate::transport::Reduction;

/// Elements that are folded at a time, so that what they are carried in stays in the cache.
const BLOCK: usize = 1024;

/// Reduces arrays of the same dtype and length, element by element, in their order: the same bits wherever it is called.
///
/// Halves are carried as `F32` and rounded once. `parts` are the bytes of each array, aligned for the dtype, as long as `out`.
///
/// # Panics
/// If there are no parts, or their lengths differ; of dtypes that [`Transport`](super::Transport) excludes.
pub fn fold(reduction: Reduction, dtype: DType, parts: &[&[u8]], out: &mut [u8]) {
    let adds = matches!(reduction, Reduction::Sum | Reduction::Mean);
    // To whatever adds, a complex number is two reals.
    let dtype = if dtype.is_complex() && adds { DType::F32 } else { dtype };
    assert!(parts.iter().all(|part| part.len() == out.len()), "the arrays of ranks differ in size");
    dispatch!(dtype, T => {
        let parts: Vec<&[T]> = parts.iter().map(|part| bytemuck::cast_slice(part)).collect();
        let out: &mut [T] = bytemuck::cast_slice_mut(out);
        match reduction {
            Reduction::Sum => fold_with(&parts, out, Number::add, |sum| sum),
            Reduction::Mean => {
                let count = T::from_f64(parts.len() as f64);
                fold_with(&parts, out, Number::add, |sum| sum.div(count));
            }
            Reduction::Max => fold_with(&parts, out, Number::maximum, |most| most),
            Reduction::Min => fold_with(&parts, out, Number::minimum, |least| least),
        }
    });
}

fn fold_with<T: Number>(
    parts: &[&[T]],
    out: &mut [T],
    combine: impl Fn(T::Acc, T::Acc) -> T::Acc + Sync + Send,
    finish: impl Fn(T) -> T + Sync + Send,
) {
    threads::split(out, 1, parts.len(), |first, out| {
        let mut carried = [T::Acc::ZERO; BLOCK];
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let first = first + block * BLOCK;
            let carried = &mut carried[..out.len()];
            for (carried, &x) in carried.iter_mut().zip(&parts[0][first..]) {
                *carried = x.widen();
            }
            for part in &parts[1..] {
                for (carried, &x) in carried.iter_mut().zip(&part[first..]) {
                    *carried = combine(*carried, x.widen());
                }
            }
            for (out, &carried) in out.iter_mut().zip(&*carried) {
                *out = finish(T::narrow(carried));
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    fn folded<T: bytemuck::Pod>(reduction: Reduction, dtype: DType, parts: &[&[T]]) -> Vec<T> {
        let mut out = parts[0].to_vec();
        let parts: Vec<&[u8]> = parts.iter().map(|part| bytemuck::cast_slice(part)).collect();
        fold(reduction, dtype, &parts, bytemuck::cast_slice_mut(&mut out));
        out
    }

    #[test]
    fn parts_are_combined_one_behind_the_other() {
        let many: Vec<Vec<f32>> = (0..3u8).map(|rank| vec![f32::from(rank) + 0.5; 3000]).collect();
        let parts: Vec<&[f32]> = many.iter().map(Vec::as_slice).collect();
        assert_eq!(folded(Reduction::Sum, DType::F32, &parts), vec![4.5; 3000]);
        assert_eq!(folded(Reduction::Mean, DType::F32, &parts), vec![1.5; 3000]);
        assert_eq!(folded(Reduction::Max, DType::F32, &parts), vec![2.5; 3000]);
        assert_eq!(folded(Reduction::Sum, DType::I32, &[&[i32::MAX][..], &[1]]), [i32::MIN]);
        assert_eq!(folded(Reduction::Sum, DType::C64, &[&[1.0f32, 2.0][..], &[10.0, 20.0]]), [11.0, 22.0]);
    }

    #[test]
    fn extremes_keep_nan_wherever_it_is() {
        for parts in [[&[f32::NAN, 0.0][..], &[1.0, -0.0]], [&[1.0, -0.0][..], &[f32::NAN, 0.0]]] {
            let most = folded(Reduction::Max, DType::F32, &parts);
            assert!(most[0].is_nan() && most[1].to_bits() == 0);
            let least = folded(Reduction::Min, DType::F32, &parts);
            assert!(least[0].is_nan() && least[1].to_bits() == (-0.0f32).to_bits());
        }
    }

    #[test]
    fn halves_are_rounded_once() {
        // 256 + 1 is 256 in bf16; 256 + 1 + 1 is 258.
        let [large, one] = [256.0, 1.0].map(|x| [bf16::from_f32(x)]);
        let sum = folded(Reduction::Sum, DType::BF16, &[&large[..], &one, &one]);
        assert_eq!(sum[0].to_f32(), 258.0);
    }
}
