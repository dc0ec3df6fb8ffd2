//! Products of matrices over a grid of shapes, in GFLOP/s: `cargo bench -p flaxen --bench products`, with parts of names to choose
//! lines. With `FLAXEN_SIMD=portable`, most of them are the `gemm` crate's; `examples/bench/products_torch.py` prints those of oneDNN.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use flaxen::kernels::matmul::{MatrixBatch, matmul};

/// Rows of the left matrix.
const ROWS: [usize; 9] = [1, 4, 8, 16, 32, 64, 128, 528, 2048];
/// The right matrix: what is summed, columns, and whether it lies transposed.
const RIGHT: [(usize, usize, bool); 7] = [
    (384, 384, false),
    (384, 1536, false),
    (1536, 384, false),
    (1024, 1024, false),
    (784, 1024, false),
    (256, 4096, true),
    (1024, 1024, true),
];
/// Products with a transposed left matrix: gradients of weights, with as many rows as they have inputs.
const GRADIENTS: [[usize; 3]; 5] =
    [[384, 2048, 1536], [1024, 128, 1024], [256, 1024, 4096], [784, 128, 1024], [1536, 528, 384]];
/// Attention: heads, and what each multiplies.
const HEADS: [(usize, [usize; 3]); 5] =
    [(12, [64, 32, 64]), (12, [16, 32, 16]), (12, [16, 16, 32]), (384, [64, 32, 64]), (384, [64, 64, 32])];
/// Bytes of right matrices that are multiplied with in turn, so that none stays in a cache.
const COLD: usize = 96 << 20;
/// How long each product is timed.
const TIME: Duration = Duration::from_millis(60);

/// A product of some matrices.
struct Case {
    name: String,
    batch: usize,
    size: [usize; 3],
    left_lies_transposed: bool,
    right_lies_transposed: bool,
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    println!("| product | 1 thread | 2 threads | from memory |\n|---|---:|---:|---:|");
    for case in cases() {
        if wanted.is_empty() || wanted.iter().any(|word| case.name.contains(word.as_str())) {
            let [one, two, cold] = case.rates();
            println!("| {} | {one:.0} | {two:.0} | {cold:.0} |", case.name);
        }
    }
}

fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (k, n, transposed) in RIGHT {
        for m in ROWS {
            let name = format!("{m} × {k} × {n}{}", if transposed { "ᵀ" } else { "" });
            let right_lies_transposed = transposed;
            all.push(Case {
                name,
                batch: 1,
                size: [m, k, n],
                left_lies_transposed: false,
                right_lies_transposed,
            });
        }
    }
    for [m, k, n] in GRADIENTS {
        let name = format!("{m}ᵀ × {k} × {n}");
        all.push(Case {
            name,
            batch: 1,
            size: [m, k, n],
            left_lies_transposed: true,
            right_lies_transposed: false,
        });
    }
    for (batch, size @ [m, k, n]) in HEADS {
        let name = format!("{batch} heads of {m} × {k} × {n}");
        all.push(Case { name, batch, size, left_lies_transposed: false, right_lies_transposed: k == 32 });
    }
    all
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * 0.37).sin()).collect()
}

impl Case {
    /// GFLOP/s on one thread, on two, and on one with a right matrix that is no longer in a cache.
    fn rates(&self) -> [f64; 3] {
        let ([m, k, n], batch) = (self.size, self.batch);
        let (left, right) = (numbers(batch * m * k), numbers(batch * k * n));
        let mut out = vec![0f32; batch * m * n];
        let flops = 2.0 * (batch * m * k * n) as f64;
        let strides = [[(m * k) as isize], [(k * n) as isize]];
        let mut lhs = MatrixBatch { batch_strides: &strides[0], ..MatrixBatch::row_major(&left, k) };
        if self.left_lies_transposed {
            lhs = MatrixBatch { row_stride: 1, col_stride: m as isize, ..lhs };
        }
        let mut rhs = MatrixBatch { batch_strides: &strides[1], ..MatrixBatch::row_major(&right, n) };
        if self.right_lies_transposed {
            rhs = MatrixBatch { row_stride: 1, col_stride: k as isize, ..rhs };
        }
        let [one, two] = [1, 2].map(|threads| {
            flaxen::set_num_threads(threads);
            rate(flops, || matmul(&[batch], self.size, black_box(&lhs), &rhs, black_box(&mut out)))
        });
        flaxen::set_num_threads(1);
        let copies = COLD / (4 * right.len()) + 1;
        let all: Vec<Vec<f32>> = (0..copies).map(|_| right.clone()).collect();
        let mut next = 0;
        let cold = rate(flops, || {
            next = (next + 1) % copies;
            let rhs = MatrixBatch { data: &all[next], ..rhs };
            matmul(&[batch], self.size, black_box(&lhs), &rhs, black_box(&mut out));
        });
        [one, two, cold]
    }
}

/// The best rate of many runs.
fn rate(flops: f64, mut run: impl FnMut()) -> f64 {
    let repeat = (1e6 / flops).ceil() as usize;
    let (mut least, end) = (f64::INFINITY, Instant::now() + TIME);
    run();
    while Instant::now() < end {
        let start = Instant::now();
        (0..repeat).for_each(|_| run());
        least = least.min(start.elapsed().as_secs_f64() / repeat as f64);
    }
    flops / least * 1e-9
}
