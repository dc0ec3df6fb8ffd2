//! Micro-kernels: the innermost loops of matrix products and convolutions, which keep a tile of sums in vector registers.
//!
//! The term and the division of labour are those of BLIS (F. G. Van Zee and R. A. van de Geijn, "BLIS: a framework for rapidly
//! instantiating BLAS functionality", ACM TOMS 41, 2015): the loops around a micro-kernel cut operands into blocks for the
//! caches and pack them into panels; the micro-kernel alone knows the instruction set. Here it is one generic text over
//! `Vector`, whose instances for each instruction set and tile size stand in a table, [`Microkernels`].

mod bytes;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "other machines have no micro-kernels"))]
mod depthwise;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "other machines have no micro-kernels"))]
mod dot;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "other machines have no micro-kernels"))]
mod factorization;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "other machines have no micro-kernels"))]
mod outer_product;
mod pairs;
mod transpose;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "other machines have no micro-kernels"))]
mod vector;

use std::any::Any;

use crate::simd::Level;
pub use bytes::{BYTE_COLUMNS, BYTE_ROWS, ByteProduct, byte_product};
pub use depthwise::{DepthwiseGradient, DepthwiseRow};
pub use dot::{Dots, PackedDots};
pub use factorization::{ROW_MULTIPLE, Rotations, RowUpdate};
pub use outer_product::{Ahead, OuterProduct, WeightGradient};
pub use pairs::{
    PAIR_COLUMNS, PAIR_ROWS, PAIR_TILE, PairKernels, PairPacking, PairProduct, PairSums, PairTile,
};
pub use transpose::{TILE, transpose_tile};

/// Rows of the largest tile of [`OuterProduct`], and columns: two vectors.
pub const MAX_ROWS: usize = 12;
pub const MAX_COLUMNS: usize = 32;
/// Rows of the largest tile of [`WeightGradient`], and where inputs are adjacent.
const MAX_WEIGHTS: usize = 9;
pub const MAX_ADJACENT: usize = 14;
/// Columns of the largest tile of [`PackedDots`], and rows of that of [`Dots`].
pub const MAX_DOT_COLUMNS: usize = 4;
pub const MAX_DOT_ROWS: usize = 6;
/// Rows of the largest tile of [`RowUpdate`], and vectors of [`Rotations`].
pub const MAX_UPDATE_ROWS: usize = 4;
pub const ROTATED_VECTORS: usize = 4;

type OuterProductKernel<T> = unsafe fn(&OuterProduct<'_, T>);
type WeightGradientKernel<T> = unsafe fn(&WeightGradient<'_, T>);

/// The micro-kernels for one type on one instruction set.
#[derive(Debug)]
pub struct Microkernels<T> {
    /// Elements of a vector.
    pub lanes: usize,
    /// Rows of a tile at most.
    pub max_rows: usize,
    /// By vectors of a panel and rows, each less one.
    pub outer_product: [[OuterProductKernel<T>; MAX_ROWS]; 2],
    /// Rows of each of `packed_dots`.
    pub packed_dot_rows: [usize; MAX_DOT_COLUMNS],
    /// By columns, less one.
    pub packed_dots: [unsafe fn(&PackedDots<'_, T>); MAX_DOT_COLUMNS],
    /// Columns of a tile of `dots`.
    pub dot_columns: usize,
    /// By rows, less one; and for the columns that are left over, one in a tile.
    pub dots: [unsafe fn(&Dots<'_, T>); MAX_DOT_ROWS],
    pub single_column_dots: [unsafe fn(&Dots<'_, T>); MAX_DOT_ROWS],
    /// Weights of a tile at most.
    pub max_weights: usize,
    /// By vectors of output channels and weights, each less one.
    pub weight_gradient: [[WeightGradientKernel<T>; MAX_WEIGHTS]; 2],
    /// The same for weights with adjacent inputs.
    pub max_adjacent: usize,
    pub adjacent_weight_gradient: [[WeightGradientKernel<T>; MAX_ADJACENT]; 2],
    /// A row of windows of a depthwise convolution, and of the gradient with respect to its weights.
    pub depthwise_row: unsafe fn(&DepthwiseRow<'_, T>),
    pub depthwise_gradient: unsafe fn(&DepthwiseGradient<'_, T>),
    /// By rows, less one.
    pub row_update: [unsafe fn(&RowUpdate<'_, T>); MAX_UPDATE_ROWS],
    /// For a single vector of columns, and for [`ROTATED_VECTORS`] of them.
    pub rotations: [unsafe fn(&Rotations<'_, T>); 2],
}

impl<T: 'static> Microkernels<T> {
    /// Returns the micro-kernels for a type on the best instruction set up to `level`, if there are any.
    pub fn of(level: Level) -> Option<&'static Microkernels<T>> {
        let (single, double) = (for_f32(level), for_f64(level));
        let all: [&dyn Any; 2] = [&single, &double];
        all.iter().find_map(|of| of.downcast_ref::<Option<&'static Microkernels<T>>>().copied()).flatten()
    }

    /// Rows of each tile where `count` are cut into as few tiles as can be, of nearly the same size.
    pub fn height(&self, count: usize) -> usize {
        count.div_ceil(count.div_ceil(self.max_rows).max(1)).max(1)
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn for_f32(_level: Level) -> Option<&'static Microkernels<f32>> {
    None
}

#[cfg(not(target_arch = "x86_64"))]
fn for_f64(_level: Level) -> Option<&'static Microkernels<f64>> {
    None
}

#[cfg(target_arch = "x86_64")]
use x86::{for_f32, for_f64};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

    use super::{
        DepthwiseGradient, DepthwiseRow, Dots, Level, Microkernels, OuterProduct, PackedDots,
        ROTATED_VECTORS, Rotations, RowUpdate, WeightGradient, depthwise, dot, factorization, outer_product,
    };

    const fn min(a: usize, b: usize) -> usize {
        if a < b { a } else { b }
    }

    // An instance for each number of rows up to what registers hold: sums, vectors of a panel and a row's element have one each,
    // and weights whose inputs are not adjacent a pointer each. Larger tiles are never asked for.
    macro_rules! by_rows {
        ($kernel:ident, $columns:expr, $max:expr, $($rows:literal)*) => {
            [$($kernel::<{ min($rows, $max) }, { $columns }>),*]
        };
    }

    macro_rules! microkernels {
        (
            $name:ident, $vector:ty, $scalar:ty, $lanes:literal, $features:literal, rows $rows:literal,
            packed_dots $packed_dots:expr, dot_columns $dot_columns:literal, weights $weights:literal,
            adjacent $adjacent:literal
        ) => {
            mod $name {
                use super::*;

                const PACKED_DOT_ROWS: [usize; 4] = $packed_dots;

                microkernels!(instance outer_product::outer_product, OuterProduct, $vector, $scalar, $features);
                microkernels!(instance dot::packed_dots, PackedDots, $vector, $scalar, $features);
                microkernels!(instance dot::dots, Dots, $vector, $scalar, $features);
                microkernels!(instance outer_product::weight_gradient, WeightGradient, $vector, $scalar, $features);
                microkernels!(
                    instance outer_product::adjacent_weight_gradient, WeightGradient, $vector, $scalar, $features
                );

                microkernels!(instance depthwise::depthwise_row, DepthwiseRow, $vector, $scalar, $features);
                microkernels!(instance depthwise::depthwise_gradient, DepthwiseGradient, $vector, $scalar, $features);
                microkernels!(instance factorization::row_update, RowUpdate, $vector, $scalar, $features);
                microkernels!(instance factorization::rotations, Rotations, $vector, $scalar, $features);

                pub static MICROKERNELS: Microkernels<$scalar> = Microkernels {
                    lanes: $lanes,
                    max_rows: $rows,
                    outer_product: [
                        by_rows!(outer_product, 1, $rows, 1 2 3 4 5 6 7 8 9 10 11 12),
                        by_rows!(outer_product, 2, $rows, 1 2 3 4 5 6 7 8 9 10 11 12),
                    ],
                    packed_dot_rows: PACKED_DOT_ROWS,
                    packed_dots: [
                        packed_dots::<{ PACKED_DOT_ROWS[0] }, 1>,
                        packed_dots::<{ PACKED_DOT_ROWS[1] }, 2>,
                        packed_dots::<{ PACKED_DOT_ROWS[2] }, 3>,
                        packed_dots::<{ PACKED_DOT_ROWS[3] }, 4>,
                    ],
                    dot_columns: $dot_columns,
                    dots: by_rows!(dots, $dot_columns, 6, 1 2 3 4 5 6),
                    single_column_dots: by_rows!(dots, 1, 6, 1 2 3 4 5 6),
                    max_weights: $weights,
                    weight_gradient: [
                        by_rows!(weight_gradient, 1, $weights, 1 2 3 4 5 6 7 8 9),
                        by_rows!(weight_gradient, 2, $weights, 1 2 3 4 5 6 7 8 9),
                    ],
                    max_adjacent: $adjacent,
                    adjacent_weight_gradient: [
                        by_rows!(adjacent_weight_gradient, 1, $adjacent, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
                        by_rows!(adjacent_weight_gradient, 2, $adjacent, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
                    ],
                    depthwise_row: depthwise_row::<4, 2>,
                    depthwise_gradient: depthwise_gradient::<9, 3>,
                    row_update: by_rows!(row_update, 1, 4, 1 2 3 4),
                    rotations: [rotations::<1, 1>, rotations::<1, ROTATED_VECTORS>],
                };
            }
        };
        (instance $module:ident::$kernel:ident, $arguments:ident, $vector:ty, $scalar:ty, $features:literal) => {
            #[target_feature(enable = $features)]
            unsafe fn $kernel<const M: usize, const N: usize>(job: &$arguments<'_, $scalar>) {
                // SAFETY: the same promises, and this function has the instruction set.
                unsafe { $module::$kernel::<$vector, M, N>(job) }
            }
        };
    }

    microkernels!(
        f32_512, __m512, f32, 16, "avx512f",
        rows 12, packed_dots [12, 10, 8, 6], dot_columns 4, weights 9, adjacent 14
    );
    microkernels!(
        f64_512, __m512d, f64, 8, "avx512f",
        rows 12, packed_dots [12, 10, 8, 6], dot_columns 4, weights 9, adjacent 14
    );
    microkernels!(
        f32_256, __m256, f32, 8, "avx2,fma",
        rows 6, packed_dots [8, 6, 4, 3], dot_columns 2, weights 4, adjacent 6
    );
    microkernels!(
        f64_256, __m256d, f64, 4, "avx2,fma",
        rows 6, packed_dots [8, 6, 4, 3], dot_columns 2, weights 4, adjacent 6
    );

    #[inline]
    pub(super) fn for_f32(level: Level) -> Option<&'static Microkernels<f32>> {
        match level.min(Level::best()) {
            Level::Avx512 => Some(&f32_512::MICROKERNELS),
            Level::Avx2 => Some(&f32_256::MICROKERNELS),
            Level::Portable => None,
        }
    }

    #[inline]
    pub(super) fn for_f64(level: Level) -> Option<&'static Microkernels<f64>> {
        match level.min(Level::best()) {
            Level::Avx512 => Some(&f64_512::MICROKERNELS),
            Level::Avx2 => Some(&f64_256::MICROKERNELS),
            Level::Portable => None,
        }
    }
}
