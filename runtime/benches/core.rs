//! Overheads and plain kernels: `cargo bench -p flaxen`.
//!
//! Each has a peer beside it (an `ndarray` loop, the `gemm` crate alone), because only ratios of one run mean something.
#![allow(missing_docs)]

use divan::{Bencher, black_box};
use flaxen::prelude::*;
use flaxen::tree;
use ndarray::{Array1, Zip};

fn main() {
    divan::main();
}

fn ramp(shape: &[usize]) -> Tensor {
    let size: usize = shape.iter().product();
    Tensor::from_vec((0..size).map(|i| (i % 97) as f32 / 97.0 - 0.5).collect::<Vec<f32>>(), shape)
}

mod scalars {
    use super::{Bencher, Dict, Tensor, black_box, grad, jit, ramp, tree};

    #[divan::bench]
    fn add(bencher: Bencher<'_, '_>) {
        let (a, b) = (Tensor::from(1.5f32), Tensor::from(2.5f32));
        bencher.bench(|| black_box(&a) + black_box(&b));
    }

    #[divan::bench]
    fn sin(bencher: Bencher<'_, '_>) {
        let a = Tensor::from(1.5f32);
        bencher.bench(|| black_box(&a).sin());
    }

    #[divan::bench]
    fn gradient_of_twenty_operations(bencher: Bencher<'_, '_>) {
        let df = grad(|x: &Tensor| Ok((0..10).fold(x.clone(), |y, _| (y * x).sin())));
        let x = Tensor::from(0.7f32);
        bencher.bench(|| df(black_box(&x)));
    }

    #[divan::bench]
    fn call_of_a_compiled_function_with_one_argument(bencher: Bencher<'_, '_>) {
        let f = jit(|x: Tensor| Ok(x + 1.0));
        let x = ramp(&[4]);
        bencher.with_inputs(|| x.clone()).bench_values(|x| f.call(x));
    }

    /// Compare with one tensor: the kernel adds four numbers to each of the arrays.
    #[divan::bench]
    fn call_with_a_state_of_twenty_tensors_given_away(bencher: Bencher<'_, '_>) {
        let f = jit(|state: Dict| tree::map(&state, |x| Ok(x + 1.0)));
        let layer = || Dict::from(["a", "b", "c", "d"].map(|name| (name, ramp(&[4]) + 1.0)));
        let mut state: Dict = ["v", "w", "x", "y", "z"].map(|name| (name, layer())).into_iter().collect();
        bencher.bench_local(|| state = f.call(std::mem::take(&mut state)).unwrap());
    }

    #[divan::bench]
    fn call_of_a_compiled_function_with_twenty_arguments(bencher: Bencher<'_, '_>) {
        let f = jit(|xs: Vec<Tensor>| Ok(xs.into_iter().map(|x| x + 1.0).collect::<Vec<_>>()));
        let xs: Vec<Tensor> = (0..20).map(|i| ramp(&[4]) + i).collect();
        bencher.with_inputs(|| xs.clone()).bench_values(|xs| f.call(xs));
    }
}

/// A million elements.
mod vectors {
    use super::{Array1, Bencher, Zip, black_box, ramp, random};

    const SIZE: usize = 1 << 20;

    #[divan::bench]
    fn add(bencher: Bencher<'_, '_>) {
        let (a, b) = (ramp(&[SIZE]), ramp(&[SIZE]));
        bencher.bench(|| black_box(&a) + black_box(&b));
    }

    #[divan::bench]
    fn add_with_ndarray_into_a_buffer(bencher: Bencher<'_, '_>) {
        let (a, b) = (Array1::<f32>::ones(SIZE), Array1::<f32>::ones(SIZE));
        let mut out = Array1::<f32>::zeros(SIZE);
        bencher.bench_local(|| {
            Zip::from(&mut out).and(black_box(&a)).and(black_box(&b)).for_each(|out, &a, &b| *out = a + b);
        });
    }

    #[divan::bench]
    fn tanh(bencher: Bencher<'_, '_>) {
        let a = ramp(&[SIZE]);
        bencher.bench(|| black_box(&a).tanh());
    }

    #[divan::bench]
    fn sum(bencher: Bencher<'_, '_>) {
        let a = ramp(&[SIZE]);
        bencher.bench(|| black_box(&a).sum());
    }

    #[divan::bench]
    fn softmax_of_rows(bencher: Bencher<'_, '_>) {
        let a = ramp(&[SIZE / 128, 128]);
        bencher.bench(|| black_box(&a).softmax(-1));
    }

    #[divan::bench]
    fn normal(bencher: Bencher<'_, '_>) {
        let key = random::key(0);
        bencher.bench(|| random::normal(black_box(&key), [SIZE]));
    }
}

mod products {
    use super::{Bencher, ConvOptions, Padding, black_box, ramp};

    const SIZES: [usize; 4] = [16, 64, 512, 1024];

    #[divan::bench(args = SIZES)]
    fn matmul(bencher: Bencher<'_, '_>, n: usize) {
        let (a, b) = (ramp(&[n, n]), ramp(&[n, n]));
        bencher.bench(|| black_box(&a).matmul(black_box(&b)));
    }

    #[divan::bench(args = SIZES)]
    fn gemm_alone_on_one_thread(bencher: Bencher<'_, '_>, n: usize) {
        let (a, b) = (vec![0.5f32; n * n], vec![0.25f32; n * n]);
        let (mut out, row) = (vec![0f32; n * n], n as isize);
        bencher.bench_local(|| {
            let (out, a, b) = (out.as_mut_ptr(), black_box(a.as_ptr()), black_box(b.as_ptr()));
            let (gemm, threads) = (gemm_f32::gemm::f32::get_gemm_fn(), gemm_common::Parallelism::None);
            // SAFETY: all three are `n × n`, row-major: the transposed product of column-major ones.
            #[allow(unsafe_code)]
            unsafe {
                gemm(
                    n, n, n, out, row, 1, false, b, row, 1, a, row, 1, 0.0, 1.0, false, false, false, threads,
                );
            }
        });
    }

    #[divan::bench]
    fn convolution_3x3_of_32_to_64_channels(bencher: Bencher<'_, '_>) {
        let (x, kernel) = (ramp(&[128, 14, 14, 32]), ramp(&[3, 3, 32, 64]));
        let options = ConvOptions::new().padding(Padding::Same);
        bencher.bench(|| black_box(&x).conv_general(black_box(&kernel), &options));
    }
}
