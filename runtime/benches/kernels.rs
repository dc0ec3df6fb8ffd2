//! Kernels by themselves, in the shapes of common networks: `cargo bench -p flaxen --bench kernels`.
#![allow(missing_docs)]

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use flaxen::kernels::conv::{self, Geometry};
use flaxen::kernels::matmul::{MatrixBatch, matmul};
use flaxen::kernels::transpose::transpose;
use flaxen::kernels::window::{self, Reduction, Selection, WindowGeometry};

fn main() {
    divan::main();
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * 0.37).sin()).collect()
}

/// Batch, size of the image, size of the kernel, channels of input and output, stride.
type Conv = (usize, usize, usize, usize, usize, usize);

const CONVOLUTIONS: [Conv; 7] = [
    (1, 28, 3, 1, 32, 1),
    (128, 28, 3, 1, 32, 1),
    (1, 14, 3, 32, 64, 1),
    (128, 14, 3, 32, 64, 1),
    (8, 32, 3, 3, 64, 1),
    (4, 56, 3, 64, 128, 2),
    (16, 7, 3, 256, 256, 1),
];

fn geometry((batch, size, kernel, cin, cout, stride): Conv) -> Geometry {
    let half = (kernel / 2) as isize;
    let mut geometry = Geometry {
        batch,
        in_spatial: vec![size; 2],
        kernel: vec![kernel; 2],
        out_spatial: Vec::new(),
        cin,
        cout,
        strides: vec![stride; 2],
        padding: vec![(half, half); 2],
        lhs_dilation: vec![1; 2],
        rhs_dilation: vec![1; 2],
        groups: 1,
    };
    geometry.out_spatial = (0..2).map(|d| geometry.out_size(d)).collect();
    geometry
}

/// Input, kernel and output, and the floating-point operations of each pass.
fn operands(g: &Geometry) -> ([Vec<f32>; 3], ItemsCount) {
    let weights = g.kernel.iter().product::<usize>() * g.cin * g.cout;
    let windows = g.batch * g.out_spatial.iter().product::<usize>();
    let input = g.batch * g.in_spatial.iter().product::<usize>() * g.cin;
    ([input, weights, windows * g.cout].map(numbers), ItemsCount::new(2 * windows * weights))
}

#[divan::bench(args = CONVOLUTIONS)]
fn conv_forward(bencher: Bencher<'_, '_>, shape: Conv) {
    let g = geometry(shape);
    let ([x, w, mut y], flops) = operands(&g);
    bencher.counter(flops).bench_local(|| conv::forward(&g, black_box(&x), &w, &mut y));
}

#[divan::bench(args = CONVOLUTIONS)]
fn conv_input_gradient(bencher: Bencher<'_, '_>, shape: Conv) {
    let g = geometry(shape);
    let ([mut x, w, y], flops) = operands(&g);
    bencher.counter(flops).bench_local(|| conv::input_gradient(&g, black_box(&y), &w, &mut x));
}

#[divan::bench(args = CONVOLUTIONS)]
fn conv_weight_gradient(bencher: Bencher<'_, '_>, shape: Conv) {
    let g = geometry(shape);
    let ([x, mut w, y], flops) = operands(&g);
    bencher.counter(flops).bench_local(|| conv::weight_gradient(&g, black_box(&x), &y, &mut w));
}

/// Batch, size of the image, channels, window, stride.
type Pool = (usize, usize, usize, usize, usize);

const POOLS: [Pool; 4] = [(128, 28, 32, 2, 2), (128, 14, 64, 2, 2), (8, 56, 64, 3, 2), (8, 28, 64, 3, 1)];

fn pool((batch, size, channels, window, stride): Pool) -> (WindowGeometry, Vec<f32>, Vec<f32>) {
    let geometry = WindowGeometry {
        shape: vec![batch, size, size, channels],
        window: vec![1, window, window, 1],
        strides: vec![1, stride, stride, 1],
        padding: vec![(0, 0); 4],
        base_dilation: vec![1; 4],
        window_dilation: vec![1; 4],
    };
    let [x, y] = [&geometry.shape, &geometry.out_shape()].map(|shape| numbers(shape.iter().product()));
    (geometry, x, y)
}

#[divan::bench(args = POOLS)]
fn sum_pool(bencher: Bencher<'_, '_>, shape: Pool) {
    let (g, x, mut y) = pool(shape);
    bencher.bench_local(|| window::reduce_window(&g, Reduction::Sum, black_box(&x), &mut y));
}

#[divan::bench(args = POOLS)]
fn sum_pool_gradient(bencher: Bencher<'_, '_>, shape: Pool) {
    let (g, mut x, y) = pool(shape);
    bencher.bench_local(|| window::sum_gradient(&g, black_box(&y), &mut x));
}

#[divan::bench(args = POOLS)]
fn max_pool(bencher: Bencher<'_, '_>, shape: Pool) {
    let (g, x, mut y) = pool(shape);
    bencher.bench_local(|| window::reduce_window(&g, Reduction::Max, black_box(&x), &mut y));
}

#[divan::bench(args = POOLS)]
fn max_pool_gradient(bencher: Bencher<'_, '_>, shape: Pool) {
    let (g, x, y) = pool(shape);
    let mut grad = x.clone();
    bencher.bench_local(|| {
        window::select_and_scatter_add(&g, Selection::Max, black_box(&x), &y, &mut grad);
    });
}

/// Rows, depth and columns.
const PRODUCTS: [[usize; 3]; 8] = [
    [1, 3136, 256],
    [1, 784, 1024],
    [8, 784, 1024],
    [128, 256, 10],
    [128, 3136, 256],
    [3136, 128, 256],
    [4, 16, 16],
    [512, 512, 512],
];

#[divan::bench(args = PRODUCTS)]
fn product(bencher: Bencher<'_, '_>, [m, k, n]: [usize; 3]) {
    let (a, b, mut c) = (numbers(m * k), numbers(k * n), vec![0.0; m * n]);
    let (lhs, rhs) = (MatrixBatch::row_major(&a, k), MatrixBatch::row_major(&b, n));
    bencher.counter(ItemsCount::new(2 * m * k * n)).bench_local(|| {
        matmul(&[], [m, k, n], black_box(&lhs), &rhs, &mut c);
    });
}

#[divan::bench(args = [[1024, 1024], [128, 3136], [3136, 256]])]
fn transposed(bencher: Bencher<'_, '_>, shape: [usize; 2]) {
    let x = numbers(shape[0] * shape[1]);
    let mut y = x.clone();
    bencher.counter(ItemsCount::new(x.len())).bench_local(|| {
        transpose(black_box(&x), &shape, &[1, 0], &mut y);
    });
}
