//! `Op`: what a primitive is, as data.
//!
//! A backend is one match over [`Op`]: each operation with its parameters, and nothing that only one backend asks for. What an
//! operation means for arguments of which shapes, `infer` says ([`Primitive::infer`](crate::core::primitive::Primitive::infer)),
//! which every equation has passed before a backend sees it: parameters that follow from the shapes of arguments and results
//! are not repeated here.

use std::fmt;
use std::sync::Arc;

use crate::array::{DType, Shape};
use crate::core::Graph;
use crate::core::callback::Callback;
use crate::core::precision::Precision;
use crate::kernels::banded::Bands;
use crate::kernels::conv::Geometry;
use crate::kernels::fourier::Fourier;
use crate::kernels::linalg::{QrMode, Side, Triangle};
use crate::kernels::recurrence::Factor;
use crate::kernels::reduce::Direction;
use crate::kernels::sort::{Bound, SortOrder};
use crate::kernels::window::{Reduction, Selection, WindowGeometry};
use crate::scalar::op::ScalarOp;
use crate::scalar::reduce::ReduceOp;

/// What an operation is, and its parameters. Names and meanings are those of `jax.lax`, where it has them.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Op<'a> {
    /// A function of the elements of its arguments, all of which broadcast to the result.
    Elementwise(ScalarOp),
    /// The elements in the dtype of the result.
    Cast,
    /// The bytes of the argument, read in the dtype of the result.
    Bitcast,
    /// Its argument, which no gradient flows to.
    StopGradient,
    /// Its arguments, and a wall: equal computations on both sides of it stay two.
    Barrier,

    /// One number everywhere.
    Full(f64),
    /// 0, 1, 2, … along an axis.
    Iota {
        /// The axis that is counted along.
        axis: usize,
    },

    /// The elements in row-major order, under the shape of the result.
    Reshape,
    /// Axis `i` of the result is axis `axes[i]` of the argument.
    Transpose {
        /// Each axis of the argument once.
        axes: &'a [usize],
    },
    /// Repeated along axes of size 1 and new axes in front.
    BroadcastTo,
    /// Every `strides[i]`-th element along each axis, from `starts[i]` on, as many as the result has.
    Slice {
        /// The first element of each axis.
        starts: &'a [usize],
        /// The distance between two elements of the result.
        strides: &'a [usize],
    },
    /// The elements in reverse order along these axes.
    Rev {
        /// The axes.
        axes: &'a [usize],
    },
    /// The second argument, a scalar, around and between the elements of the first.
    Pad(&'a [PadAxis]),
    /// The arguments one behind another.
    Concatenate {
        /// The axis along which they are.
        axis: usize,
    },
    /// Parts along an axis, one a result.
    Split {
        /// The axis that is cut.
        axis: usize,
        /// Of the parts, which make up the axis.
        sizes: &'a [usize],
    },
    /// The elements moved by one along an axis.
    Shift {
        /// The axis.
        axis: usize,
        /// Forward: element `i` of the result is element `i - 1`.
        direction: Direction,
        /// What comes in at the end that is left.
        fill: f64,
    },
    /// A part of the first argument; the others are its starts, one per axis, moved so that the part is inside.
    DynamicSlice {
        /// Of the part.
        sizes: &'a [usize],
    },
    /// The first argument with the second at the starts that the others say, moved so that it is inside.
    DynamicUpdateSlice,
    /// Windows of the first argument, where the second says.
    Gather(&'a GatherDimensions),
    /// The first argument, updated in windows that the second says, with the third.
    Scatter {
        /// How an update and what is there become one.
        op: ScatterOp,
        /// Which windows.
        dimensions: &'a GatherDimensions,
        /// No element is written twice.
        unique: bool,
    },
    /// From rows and positions to the elements there, along the last axis.
    TakeRows,
    /// From elements and their distinct positions to rows of a size, zero elsewhere.
    PutRows {
        /// Of the last axis of the result.
        size: usize,
    },

    /// All elements along ascending axes become one; the result is without these axes.
    Reduce(ReduceOp, &'a [usize]),
    /// Whether any boolean along the axes is true.
    Any(&'a [usize]),
    /// Whether all booleans along the axes are true.
    All(&'a [usize]),
    /// Where along an axis the first extreme is; NaN is one.
    ArgReduce {
        /// The largest, or else the smallest.
        largest: bool,
        /// The axis, which the result is without.
        axis: usize,
    },
    /// What the elements up to each one become.
    Cumulative {
        /// How two become one.
        op: CumulativeOp,
        /// The axis.
        axis: usize,
        /// From which end.
        direction: Direction,
    },
    /// From factors and summands `(a, b)` to the states `s_i = b_i + a · s_before`.
    Recurrence {
        /// The axis.
        axis: usize,
        /// From which end.
        direction: Direction,
        /// Which of two neighbours' factors stands between them.
        factor: Factor,
    },
    /// The elements of each window become one.
    ReduceWindow(Reduction, &'a WindowGeometry),
    /// From values of windows to the tensor: the transpose of their sum.
    WindowSumTranspose(&'a WindowGeometry),
    /// From the tensor and values of windows: each added to the element of its window that is selected.
    SelectAndScatterAdd(Selection, &'a WindowGeometry),
    /// From the tensor and another like it: the elements of the second where the first is selected.
    SelectAndGather(Selection, &'a WindowGeometry),

    /// The product with a banded matrix along an axis: each element is a weighted sum of a few neighbours.
    Banded {
        /// Which axis.
        axis: usize,
        /// A row for each element of the result.
        bands: &'a Bands,
    },
    /// The elements at known places along some axes.
    Pick {
        /// Which axes, in their order, and along each a place for each element of the result.
        axes: &'a [(usize, Arc<[usize]>)],
    },
    /// A contraction over any dimensions.
    DotGeneral {
        /// Which.
        dimensions: &'a DotDimensions,
        /// Of the left and of the right operand, if anything was said.
        precision: Option<(Precision, Precision)>,
    },
    /// A convolution, or one of its two gradients: from two operands to the third.
    Conv {
        /// Which operand of the trilinear form is the result; the other two, in their order, are the arguments.
        gives: ConvOperand,
        /// All sizes.
        geometry: &'a Geometry,
        /// Of the operands of the convolution that computes it in XLA, if anything was said: first of what the windows go over, then of
        /// what goes over it. That is input and kernel; of the gradient of the input, output and kernel; of that of the kernel, input and
        /// output.
        precision: Option<(Precision, Precision)>,
    },

    /// The Fourier transform of each row, along the last axis, times a number.
    Fft {
        /// Which one.
        kind: Fourier,
        /// The elements of a row, of which real transforms leave out half on one side.
        size: usize,
        /// What all results are multiplied by.
        scale: f64,
    },

    /// The sorted rows, along the last axis.
    Sort(SortOrder),
    /// The sorted rows, and where each element was.
    SortPairs(SortOrder),
    /// Where each of the sorted elements was.
    ArgSort(SortOrder),
    /// The greatest of each row, so many, and where they are.
    TopK(usize),
    /// From ascending rows `[L.., n]` and queries `[L.., Q..]` to the positions where the queries belong.
    SearchSorted(Bound),

    /// The lower triangular factor of symmetric matrices; NaN where there is none.
    Cholesky,
    /// The factors with orthonormal columns, and upper triangular.
    Qr(QrMode),
    /// The triangular factors of a matrix with rows exchanged, as one matrix, with which row each was exchanged, and where each was.
    Lu,
    /// The eigenvalues of symmetric matrices in ascending order, and the eigenvectors as columns.
    Eigh {
        /// Whether there are eigenvectors.
        vectors: bool,
    },
    /// The singular values in descending order, and the factors with orthonormal columns and rows.
    Svd {
        /// Whether there are factors.
        factors: bool,
        /// Whether they are square.
        full: bool,
    },
    /// From `a` and `b` to the `x` with `op(a) · x = b`, or `x · op(a) = b`.
    TriangularSolve {
        /// On which side of `x` the matrix is.
        side: Side,
        /// Which triangle is read, and how.
        triangle: Triangle,
    },

    /// Threefry's bits at each index of `shape`, for each key.
    RandomBits {
        /// What becomes of the bits.
        draw: Draw,
        /// Of the draw of one key.
        shape: &'a [usize],
    },
    /// Each key becomes so many.
    RandomSplit(usize),
    /// A key and a word of data become another key.
    RandomFoldIn,
    /// For each key, a sample of the gamma distribution of each shape.
    RandomGamma {
        /// Whether the result is the logarithm of the samples.
        log_space: bool,
    },
    /// From high bits, low bits and a span to a number below the span, as JAX's `randint` does.
    RandomBelow,
    /// For each key, random orders of the positions along an axis, which goes last.
    RandomOrder {
        /// Of what is put in order.
        shape: &'a [usize],
        /// Along which.
        axis: usize,
    },
    /// A function with the roundings of XLA on CPUs, which samplers need.
    RoundedAsXla(ScalarOp),
    /// The neighbouring float, away from minus infinity or towards it.
    NextAfter {
        /// The next one above.
        up: bool,
    },

    /// Talks over the named axis of a `vmap`; gone where that is applied.
    Collective(CollectiveOp, &'a str),
    /// A program of its own.
    Call(&'a Graph),
    /// Calls a function of the host with its arguments; no result. An effect:
    /// see [`Primitive::has_effects`](crate::core::primitive::Primitive::has_effects).
    Callback(&'a Callback),
    /// A program applied again and again, to a carry and a slice of the other arguments each time.
    Scan(ScanOp<'a>),
    /// A program applied to a carry as long as another one says so.
    While(WhileOp<'a>),
    /// One of several programs, chosen by the first argument, an `I32` that is clamped; the others are the chosen program's.
    Cond(&'a [Arc<Graph>]),
    /// Something of a user's: what it decomposes into runs in its place, see
    /// [`Primitive::decompose`](crate::core::primitive::Primitive::decompose).
    Custom,
}

impl<'a> Op<'a> {
    /// The programs within: what counts or prints a graph goes into them.
    pub fn subgraphs(self) -> impl Iterator<Item = &'a Graph> {
        let (several, [first, second]): (&[Arc<Graph>], [Option<&Graph>; 2]) = match self {
            Op::Call(graph) => (&[], [Some(graph), None]),
            Op::Scan(scan) => (&[], [Some(scan.body), None]),
            Op::While(lasting) => (&[], [Some(lasting.cond), Some(lasting.body)]),
            Op::Cond(branches) => (branches, [None, None]),
            _ => (&[], [None, None]),
        };
        first.into_iter().chain(second).chain(several.iter().map(|graph| &**graph))
    }

    /// Whether it computes nothing: elements are made, moved or read otherwise.
    pub(crate) fn is_data_movement(self) -> bool {
        matches!(
            self,
            Op::Bitcast
                | Op::StopGradient
                | Op::Barrier
                | Op::Full(_)
                | Op::Iota { .. }
                | Op::Reshape
                | Op::Transpose { .. }
                | Op::BroadcastTo
                | Op::Slice { .. }
                | Op::Rev { .. }
                | Op::Pad(_)
                | Op::Concatenate { .. }
                | Op::Split { .. }
                | Op::Shift { .. }
                | Op::DynamicSlice { .. }
                | Op::DynamicUpdateSlice
                | Op::Gather(_)
                | Op::TakeRows
                | Op::Pick { .. }
        )
    }
}

/// A loop over slices; `jax.lax.scan`.
///
/// The arguments are `consts`, which every step reads, the `carry` that the first step reads, and `xs`, which have an axis of `length`
/// in front. The body takes all constants, the carry and a slice of each of the `xs`, and gives the next carry and a slice of each
/// of the `ys`. The results are the last carry, and the `ys` with the axis in front.
#[derive(Clone, Copy, Debug)]
pub struct ScanOp<'a> {
    /// What each step computes.
    pub body: &'a Graph,
    /// How many arguments are constants.
    pub consts: usize,
    /// How many arguments, and results, are the carry.
    pub carry: usize,
    /// The number of steps.
    pub length: usize,
    /// Whether the last slice comes first; slices of the `ys` stay where those of the `xs` are.
    pub reverse: bool,
}

/// A loop with an end that it finds itself; `jax.lax.while_loop`.
///
/// The arguments are the constants of the condition, those of the body, and the carry; the results are the last carry.
#[derive(Clone, Copy, Debug)]
pub struct WhileOp<'a> {
    /// From its constants and the carry to a boolean: whether to go on.
    pub cond: &'a Graph,
    /// From its constants and the carry to the next carry.
    pub body: &'a Graph,
    /// How many arguments are constants of the condition.
    pub cond_consts: usize,
    /// How many arguments are constants of the body.
    pub body_consts: usize,
}

/// Along an axis: padding before, after, and between two elements; negative padding takes away.
pub type PadAxis = (isize, isize, usize);

/// Which dimensions of two operands belong together, pairwise in order.
///
/// The result has the batch dimensions, then what is left of the left operand, then what is left of the right one. Its
/// gradients are contractions of the same kind, so nothing is transposed by copying on the way back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DotDimensions {
    /// Summed over: dimensions of the left and of the right operand.
    pub contracting: (Shape, Shape),
    /// Carried along: dimensions of the left and of the right operand.
    pub batch: (Shape, Shape),
}

/// The operands of the trilinear form `Σ input · kernel · output` over what meets in a window.
///
/// Layouts are `[batch, spatial.., channels]` for input and output, and `[spatial.., channels / groups, features]` for kernels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConvOperand {
    /// What is convolved.
    Input,
    /// What it is convolved with.
    Kernel,
    /// What a convolution gives.
    Output,
}

/// What happens to a window that is not inside of the operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outside {
    /// It is moved inside.
    Clip,
    /// It reads as NaN (of signed integers the least, of unsigned the greatest, of booleans true); it is not written.
    Invalid,
    /// It reads as 0; it is not written.
    Zero,
}

/// The dimension numbers of gather and scatter, with XLA's names.
///
/// The last axis of the indices holds a *position*: the start of a window along the operand axes of `start_index_map`. The
/// *values* (the result of a gather, the updates of a scatter) have the other axes of the indices and those of the window.
#[derive(Clone, PartialEq)]
pub struct GatherDimensions {
    /// Axes of the values along the window, ascending: those of the operand neither collapsed nor batching, in order.
    pub offset_dims: Shape,
    /// Axes of the operand, with a window of size 1, that the values do not have.
    pub collapsed_slice_dims: Shape,
    /// The axes of the operand whose start a position says.
    pub start_index_map: Shape,
    /// Axes of the operand that go along with those of the indices in `start_indices_batching_dims`.
    pub operand_batching_dims: Shape,
    /// See `operand_batching_dims`.
    pub start_indices_batching_dims: Shape,
    /// The window's size along each axis of the operand.
    pub slice_sizes: Shape,
    /// Negative starts count from the end.
    pub wrap: bool,
    /// What to do with windows that are not inside.
    pub outside: Outside,
}

impl fmt::Debug for GatherDimensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists: [(&str, &[usize]); 6] = [
            ("[offset_dims", &self.offset_dims),
            (" collapsed_slice_dims", &self.collapsed_slice_dims),
            (" start_index_map", &self.start_index_map),
            (" operand_batching_dims", &self.operand_batching_dims),
            (" start_indices_batching_dims", &self.start_indices_batching_dims),
            (" slice_sizes", &self.slice_sizes),
        ];
        for (name, list) in
            lists.iter().filter(|(name, list)| !(list.is_empty() && name.contains("batching")))
        {
            write!(f, "{name}={list:?}")?;
        }
        write!(f, " outside={:?}]", self.outside)
    }
}

/// How an update and what is there become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScatterOp {
    /// The update stays; of several, the last.
    Set,
    /// Their sum.
    Add,
    /// Their product.
    Mul,
    /// The smaller, NaN if either is.
    Min,
    /// The larger, NaN if either is.
    Max,
}

/// How elements become one on the way along an axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CumulativeOp {
    /// Their sum.
    Sum,
    /// Their product.
    Prod,
    /// The largest so far.
    Max,
    /// The smallest so far.
    Min,
    /// The logarithm of the sum of their exponentials.
    LogSumExp,
}

/// What becomes of the values of all examples of a `vmap`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum CollectiveOp {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// Every example gets all of them.
    Gather {
        /// Along this new axis.
        axis: usize,
        /// So many.
        size: usize,
    },
    /// The number of the example.
    Index,
    /// What an example has at `j` along an axis goes to example `j`, which puts it at the number of that example.
    AllToAll {
        /// As long as there are examples.
        axis: usize,
    },
    /// Every example gets the value of another one, or zeros.
    Permute,
}

/// What becomes of random bits.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Draw {
    /// Integers of so many random bits; 16 are given as `U32`, and 64 as the `I64` of these bits.
    Bits(u32),
    /// Floats in [0, 1).
    Unit(DType),
}
