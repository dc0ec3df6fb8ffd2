//! Fused kernels: what they gather, and that they compute what the operations compute one by one.

use flaxen::prelude::*;
use flaxen::random;

/// Numbers between -4 and 4 in every dtype, or booleans.
fn ramp(shape: &[usize], dtype: DType) -> Tensor {
    let size: usize = shape.iter().product();
    let numbers: Vec<f32> = (0..size).map(|i| (i * 37 % 101) as f32 * 0.08 - 4.0).collect();
    Tensor::from_vec(numbers, shape).cast(dtype)
}

fn bits(x: &Tensor) -> Vec<u8> {
    x.array().unwrap().bytes().to_vec()
}

/// Fused and one by one, all bits are the same.
fn same_bits(what: &str, f: impl Fn(Vec<Tensor>) -> Result<Vec<Tensor>> + Copy, args: &[Tensor]) {
    let fused = jit(f).call(args.to_vec()).unwrap();
    let single = jit(f).unfused().call(args.to_vec()).unwrap();
    let eager = f(args.to_vec()).unwrap();
    for ((fused, single), eager) in fused.iter().zip(&single).zip(&eager) {
        assert_eq!(fused.aval(), eager.aval(), "{what}");
        assert!(bits(fused) == bits(eager) && bits(single) == bits(eager), "{what}: {fused:?} {eager:?}");
    }
}

fn integers() -> impl Iterator<Item = DType> {
    DType::ALL.into_iter().filter(|dtype| dtype.is_integer())
}

fn reals() -> impl Iterator<Item = DType> {
    integers().chain(DType::ALL.into_iter().filter(|dtype| dtype.is_float()))
}

#[test]
fn arithmetic_of_every_dtype_has_the_bits_of_eager_operations() {
    for dtype in reals() {
        for shape in [&[1][..], &[7], &[3, 5], &[2, 700]] {
            let args = [ramp(shape, dtype), ramp(shape, dtype) + 1, ramp(&shape[shape.len() - 1..], dtype)];
            let f = |x: Vec<Tensor>| {
                let (a, b, c) = (&x[0], &x[1], &x[2]);
                let sum = (a + b) * c - a;
                let least = sum.maximum(b).minimum(c * 2);
                let chosen = a.lt(b).select(&least, -&sum);
                let near = chosen.clamp(0, 3);
                Ok(vec![sum, near.powi(2) + near.powi(3), chosen.ge(a), chosen.eq(b), near.abs().relu()])
            };
            same_bits(&format!("{dtype} {shape:?}"), f, &args);
        }
    }
}

#[test]
fn functions_of_every_float_have_the_bits_of_eager_operations() {
    for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
        let f = |x: Vec<Tensor>| {
            let x = &x[0];
            let y = x.exp() + x.tanh() * x.logistic() - (x.abs() + 1.0).log() + x.sin() * x.cos();
            let z = (&y / (x.square() + 1.0)).sqrt().is_nan().select(x.erf(), y.atan2(x).logaddexp(x));
            Ok(vec![x.mul_add(&y, &z), z.pow(2.5).is_finite(), y.fmod(0.7), y.powi(-1), y.floor().sign()])
        };
        same_bits(dtype.name(), f, &[ramp(&[1031], dtype)]);
    }
}

#[test]
fn bits_and_casts_have_the_bits_of_eager_operations() {
    for dtype in integers() {
        let f = |x: Vec<Tensor>| {
            let (a, b) = (&x[0], &x[1]);
            Ok(vec![(a & b) | (a ^ b), a.shl(b) + a.shr(3), !a, a.div(b), a.fmod(b)])
        };
        same_bits(dtype.name(), f, &[ramp(&[515], dtype), ramp(&[515], dtype) + 2]);
    }
    for from in DType::ALL {
        let f = |x: Vec<Tensor>| Ok(DType::ALL.map(|to| x[0].cast(to)).to_vec());
        same_bits(from.name(), f, &[ramp(&[77], from)]);
    }
    let f = |x: Vec<Tensor>| {
        let (a, b) = (x[0].gt(0), x[1].gt(1));
        Ok(vec![(&a & &b) | !(&a ^ &b), &a + &b, &a * &b])
    };
    same_bits("bool", f, &[ramp(&[100], DType::I32), ramp(&[100], DType::F32)]);
}

#[test]
fn every_way_to_broadcast_has_the_bits_of_eager_operations() {
    let shapes: [&[usize]; 12] = [
        &[],
        &[1],
        &[5],
        &[4, 1],
        &[4, 5],
        &[3, 1, 1],
        &[3, 1, 5],
        &[3, 4, 1],
        &[1, 4, 1],
        &[3, 4, 5],
        &[2, 1, 1, 1],
        &[2, 3, 4, 5],
    ];
    for a in shapes {
        for b in shapes {
            let f = |x: Vec<Tensor>| Ok(vec![(&x[0] * &x[1] + 1.0).exp() - &x[1], x[0].try_maximum(&x[1])?]);
            same_bits(&format!("{a:?} {b:?}"), f, &[ramp(a, DType::F32), ramp(b, DType::F32)]);
        }
    }
    // Rows and columns longer than a tile.
    let f = |x: Vec<Tensor>| Ok(vec![(&x[0] + &x[1]) * &x[2]]);
    let arg = |shape: &[usize]| ramp(shape, DType::F32);
    same_bits("long rows", f, &[arg(&[3, 2000]), arg(&[2000]), arg(&[3, 1])]);
    same_bits("many rows", f, &[arg(&[2000, 3]), arg(&[3]), arg(&[2000, 1])]);
}

#[test]
fn reductions_of_rows_have_the_bits_of_eager_reductions() {
    for shape in [[1, 3], [70, 10], [5, 1000], [3, 9000]] {
        let f = |x: Vec<Tensor>| {
            let x = &x[0];
            let normal = (x - x.mean_keep(-1)) / (x.var_keep(-1, 0) + 1e-5).sqrt();
            Ok(vec![x.softmax(-1), x.log_softmax(-1), normal, x.max_axes([1]) - x.min_axes([1])])
        };
        same_bits(&format!("{shape:?}"), f, &[ramp(&shape, DType::F32)]);
        same_bits(&format!("{shape:?} bf16"), f, &[ramp(&shape, DType::BF16)]);
    }
}

#[test]
fn reductions_of_columns_and_of_everything_agree_with_eager_reductions() {
    for shape in [[3usize, 1], [70, 10], [1000, 5], [9000, 3], [40, 3000], [300, 400]] {
        let f = |x: Vec<Tensor>| {
            let y = &x[0] * &x[0] + 1.0;
            Ok(vec![y.sum_axes([0]), (&y - 3.0).max_axes([0]), (&y * 2.0).sum(), y.min()])
        };
        let x = ramp(&shape, DType::F32);
        let (fused, eager) = (jit(f).call(vec![x.clone()]).unwrap(), f(vec![x]).unwrap());
        for (fused, eager) in fused.iter().zip(&eager) {
            assert!(fused.all_close(eager, 1e-6, 0.0).unwrap(), "{shape:?}: {fused:?} {eager:?}");
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let f = |x: Tensor| {
        let y = (&x * 1.1).tanh();
        Ok((y.sum_axes([0]), y.softmax(-1).mean(), y))
    };
    let x = ramp(&[1500, 700], DType::F32);
    let run = |threads: usize| {
        flaxen::set_num_threads(threads);
        let (sums, mean, all) = jit(f).call(x.clone()).unwrap();
        [bits(&sums), bits(&mean), bits(&all)]
    };
    assert!(run(1) == run(2) && run(1) == run(3));
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    use flaxen::kernels::simd::{Level, force};
    let f = |x: Tensor| Ok((x.exp() * x.tanh() + 1.0).softmax(-1));
    let x = ramp(&[30, 100], DType::F32);
    let at = |level| {
        force(level);
        bits(&jit(f).call(x.clone()).unwrap())
    };
    let portable = at(Level::Portable);
    for level in Level::available() {
        assert!(at(level) == portable, "{level:?}");
    }
}

fn kernels(f: impl Fn(Vec<Tensor>) -> Result<Vec<Tensor>>, args: Vec<Tensor>) -> Vec<&'static str> {
    // What only names another shape costs nothing.
    jit(f).program(&args).unwrap().steps().iter().copied().filter(|&name| name != "reshape").collect()
}

#[test]
fn a_softmax_is_one_kernel_and_a_normalisation_with_scale_and_bias_is_one() {
    let x = || Tensor::zeros([8, 100]);
    assert_eq!(kernels(|x| Ok(vec![x[0].softmax(-1)]), vec![x()]), ["fusion"]);
    assert_eq!(kernels(|x| Ok(vec![x[0].log_softmax(-1)]), vec![x()]), ["fusion"]);
    let normalize = |x: Vec<Tensor>| {
        let norm = LayerNorm::new();
        let params = Dict::new().with("scale", &x[1]).with("bias", &x[2]);
        Ok(vec![norm.apply(Variables::new().with("params", &params)).call(&x[0])?])
    };
    assert_eq!(kernels(normalize, vec![x(), Tensor::ones([100]), Tensor::ones([100])]), ["fusion"]);
}

#[test]
fn bias_and_activation_follow_a_product_in_one_kernel() {
    let dense = |x: Vec<Tensor>| Ok(vec![(x[0].dot(&x[1]) + &x[2]).relu() + &x[0]]);
    let args = vec![Tensor::zeros([8, 16]), Tensor::zeros([16, 16]), Tensor::zeros([16])];
    assert_eq!(kernels(dense, args), ["dot_general"]);
}

#[test]
fn a_large_product_hands_its_pieces_on_to_the_kernel_behind_it() {
    // One block of rows, several, products of a batch, and one whose blocks are parts of rows.
    for ([m, k, n], batch, steps) in [
        ([300, 20, 31], vec![], 1),
        ([1500, 90, 64], vec![], 1),
        ([90, 70, 700], vec![], 2),
        ([64, 64, 64], vec![9], 1),
        ([400, 300, 128], vec![3], 1),
        ([128, 300, 1024], vec![], 2),
    ] {
        let shape = |rows: usize, cols: usize| [&batch[..], &[rows, cols]].concat();
        let args = || {
            let (bias, rest) = (ramp(&[n], DType::F32), ramp(&shape(m, n), DType::F32));
            vec![ramp(&shape(m, k), DType::F32), ramp(&shape(k, n), DType::F32), bias, rest]
        };
        let dense = |x: Vec<Tensor>| Ok(vec![(x[0].try_matmul(&x[1])? + &x[2]).relu() * &x[3]]);
        same_bits(&format!("{m} {k} {n} {batch:?}"), dense, &args());
        let names = kernels(dense, args());
        assert_eq!(names.len(), steps, "{m} {k} {n} {batch:?}: {names:?}");
        let softmax = |x: Vec<Tensor>| {
            let y = x[0].try_matmul(&x[1])?;
            Ok(vec![(&y + &x[2]).softmax(-1), y.gt(0.0)])
        };
        same_bits(&format!("softmax {m} {k} {n} {batch:?}"), softmax, &args());
        // The product itself is wanted, too: it is a result of the kernel behind it, or a step by itself.
        let kept = |x: Vec<Tensor>| {
            let y = x[0].try_matmul(&x[1])?;
            Ok(vec![&y * 2.0, y])
        };
        same_bits(&format!("kept {m} {k} {n} {batch:?}"), kept, &args());
    }
}

#[test]
fn a_convolution_hands_its_pieces_on_to_the_kernel_behind_it() {
    for (features, channels, size) in [(32, 1, 14), (64, 3, 9), (5, 4, 30), (70, 33, 8)] {
        for dtype in [DType::F32, DType::BF16] {
            let (x, bias) = (ramp(&[5, size, size, channels], dtype), ramp(&[features], dtype));
            let kernel = ramp(&[3, 3, channels, features], dtype);
            let f = |x: Vec<Tensor>| {
                let y = x[0].try_conv_general(&x[1], &flaxen::ConvOptions::new())? + &x[2];
                Ok(vec![y.relu(), (&y - y.mean_keep(-1)).abs() + 1.0])
            };
            let args = vec![x, kernel, bias];
            same_bits(&format!("{features} {channels} {size} {dtype}"), f, &args);
            assert_eq!(kernels(f, args).len(), 1);
        }
    }
}

#[test]
fn small_arrays_that_go_through_the_same_operations_share_a_kernel() {
    let f = |x: Vec<Tensor>| {
        let rate = x[x.len() - 1].exp();
        Ok(x[..x.len() - 1].iter().map(|x| (x * &rate + 1.0).tanh()).collect())
    };
    let sizes = [3, 512, 513, 2000, 16, 40_000, 70];
    let args = || {
        let arrays = sizes.iter().map(|&size| ramp(&[size], DType::F32));
        arrays.chain([ramp(&[], DType::F32)]).collect::<Vec<_>>()
    };
    same_bits("many sizes", f, &args());
    // The rate, the largest by itself, and all others.
    assert_eq!(kernels(f, args()), ["fusion", "fusion", "fusion"]);
    let chain = |x: Vec<Tensor>| {
        let a = (&x[0] * 2.0).exp();
        let b = (&x[1] * 2.0).exp();
        // What is read before the last of them cannot wait for it.
        let c = a.dot(&b) + &x[1];
        Ok(vec![(c * 2.0).exp(), a, b])
    };
    same_bits("one after another", chain, &[ramp(&[6, 6], DType::F32), ramp(&[6, 6], DType::F32)]);
    // One array is read by both, and one of them might be computed in its memory.
    let both = |x: Vec<Tensor>| Ok(vec![&x[0] * 2.0, x[0].reshape([8]) * 2.0]);
    same_bits("one array twice", both, &[ramp(&[2, 4], DType::F32)]);
}

#[test]
fn a_product_of_one_column_and_one_row_is_part_of_the_kernel_that_reads_it() {
    let f = |x: Vec<Tensor>| Ok(vec![x[0].t().dot(&x[1]) * 0.5 + &x[2]]);
    let args = || {
        let arg = |shape: &[usize]| ramp(shape, DType::F32);
        vec![arg(&[1, 30]), arg(&[1, 50]), arg(&[30, 50])]
    };
    same_bits("outer", f, &args());
    assert_eq!(kernels(f, args()), ["fusion"]);
}

#[test]
fn an_update_of_adam_is_one_kernel_for_each_shape_and_one_for_its_counts() {
    let tx = optim::adam(1e-3);
    let params = Dict::new().with("w", Tensor::ones([20, 30])).with("b", Tensor::ones([30]));
    let state = tx.init(&params);
    let step = jit(|(params, state, grads): (Dict, AdamState, Dict)| {
        let (updates, state) = tx.update(&grads, &state, &params)?;
        Ok((optim::apply_updates(&params, &updates)?, state))
    });
    let program = step.program(&(params.clone(), state, params)).unwrap();
    let names = program.steps();
    assert!(names.len() <= 4 && names.iter().all(|&name| name == "fusion"), "{program}");
}

#[test]
fn equations_with_another_between_them_are_not_gathered() {
    // The product reads the first sum, and the second reads the product: one kernel for both sums would wait for itself.
    let f = |x: Vec<Tensor>| {
        let y = &x[0] + 1.0;
        let z = y.dot(&x[0]);
        Ok(vec![&z * &y])
    };
    assert_eq!(kernels(f, vec![Tensor::ones([4, 4])]), ["fusion", "dot_general"]);
    same_bits("around a product", f, &[ramp(&[4, 4], DType::F32)]);
}

#[test]
fn a_fused_program_prints_its_kernels() {
    let f = jit(|(x, y): (Tensor, Tensor)| Ok((&x * 2.0 + &y).tanh()));
    let program = f.program(&(Tensor::zeros([3, 2]), Tensor::zeros([2]))).unwrap();
    assert_eq!(
        program.to_string(),
        "\
{ lambda  ; a:f32[3,2] b:f32[2]. let
    c:f32[3,2] = fusion { lambda  ; a:f32[3,2] b:f32[2]. let
        c:f32[3,2] = mul a 2.0
        d:f32[3,2] = add c b
        e:f32[3,2] = tanh d
      in (e) } a 2.0 b
  in (c) }"
    );
    assert!(program.to_dot().contains("tanh"));
}

#[test]
fn a_step_is_explained_from_its_equations_down_to_machine_code() {
    let f = jit(|(x, w): (Tensor, Tensor)| Ok((x.dot(&w).cumsum(0) * 2.0 + 1.0).relu()));
    let args = (Tensor::ones([40, 30]), Tensor::ones([30, 50]));
    let steps = f.program(&args).unwrap().steps().to_vec();
    let fusion = steps.iter().position(|&name| name == "fusion").unwrap();
    let text = f.explain_step(&args, fusion).unwrap();
    // The graph of the step, what the kernel computes, and the program of a tile; more where loops are compiled.
    let levels = ["fusion {", "= relu", "kernel of 2000 elements", "tiles of "];
    let positions: Vec<usize> = levels.iter().map(|level| text.find(level).unwrap()).collect();
    assert!(positions.is_sorted(), "{text}");
    assert_eq!(text.contains("vector IR:"), text.contains("= loop "), "{text}");
    let others = (0..steps.len()).filter(|&step| step != fusion);
    others.for_each(|step| assert!(!f.explain_step(&args, step).unwrap().contains("kernel of 2000")));
    let costliest = f.explain(&args).unwrap();
    assert!((0..steps.len()).any(|step| f.explain_step(&args, step).unwrap() == costliest), "{costliest}");
    let error = f.explain_step(&args, steps.len()).unwrap_err().to_string();
    assert!(error.contains(&format!("a program of {}", steps.len())), "{error}");
}

#[test]
fn a_profile_tells_the_module_of_each_step_also_of_its_gradient() {
    let model = Dense::new(8);
    let x = random::normal(&key(0), [4, 8]);
    let (params, _) = model.init(key(1)).call(&x).unwrap().pop("params").unwrap();
    let step = jit(|(params, x): (Dict, Tensor)| {
        grad(|params: &Dict| {
            let run = sequential![Dense::new(8), Dense::new(8)];
            let params = Dict::new().with("layers_0", params).with("layers_1", params);
            Ok(run.apply(Variables::new().with("params", &params)).call(&x)?.square().sum())
        })(&params)
    });
    let profile = step.profile(&(params, x)).unwrap();
    let products: Vec<_> = profile.steps.iter().filter(|step| step.name == "dot_general").collect();
    assert!(products.len() >= 4, "{profile}");
    assert!(products.iter().all(|step| step.source.starts_with("layers_") && step.flops > 0), "{profile}");
    assert!(profile.to_string().contains("GFLOP/s"));
}

#[test]
fn a_compiled_function_counts_its_programs_and_forgets_the_oldest() {
    let f = jit(|x: Tensor| Ok(x + 1.0)).limit(2);
    for size in [1, 2, 1, 3, 1, 2] {
        f.call(Tensor::zeros([size])).unwrap();
    }
    let stats = f.stats();
    // The second shape made room for the third, and came again.
    assert_eq!((stats.traces, stats.hits, stats.programs, stats.evicted), (4, 2, 2, 2));
    assert!(stats.compile_time.as_nanos() > 0);
}

/// The gates of a recurrent cell, of the sums for all of them.
fn gates(c: &Tensor, sums: &Tensor) -> (Tensor, Tensor) {
    let parts = sums.split(4, -1);
    let c = parts[1].sigmoid() * c + parts[0].sigmoid() * parts[2].tanh();
    let h = parts[3].sigmoid() * c.tanh();
    (c, h)
}

#[test]
fn parts_of_rows_have_the_bits_of_eager_operations() {
    for dtype in [DType::F16, DType::F32, DType::F64, DType::I32, DType::U8] {
        for (rows, cols) in [(1, 40), (5, 33), (32, 128), (3, 2100)] {
            let args =
                [ramp(&[rows, cols], dtype), ramp(&[rows, 4 * cols], dtype), ramp(&[4, rows, cols], dtype)];
            let f = |x: Vec<Tensor>| {
                let cols = x[0].shape()[1] as isize;
                let parts = x[1].split(4, -1);
                // Both ways, of parts that are read elsewhere too, and of a part that is a result.
                let sums = &parts[0] + &parts[1] * &x[0];
                let joined = Tensor::concatenate(&[sums.clone(), &parts[2] - &sums, x[0].clone()], -1);
                let middle = x[1].slice_axis(-1, cols / 2..cols / 2 + cols) + &x[0];
                let stacked = Tensor::concatenate(&[&sums * 2, &parts[3] + 1], 0);
                let layer = x[2].get(2) * x[2].get(1) + sums.lt(&x[0]).select(&x[0], &parts[3]);
                Ok(vec![
                    joined.clone(),
                    joined.sum(),
                    middle,
                    stacked,
                    layer,
                    parts[3].clone(),
                    parts[2].max_axes([1]),
                ])
            };
            same_bits(&format!("{dtype} {rows}×{cols}"), f, &args);
        }
    }
    for (rows, cols) in [(7, 32), (32, 128), (2, 3000)] {
        let args = [ramp(&[rows, cols], DType::F32), ramp(&[rows, 4 * cols], DType::F32)];
        let f = |x: Vec<Tensor>| {
            let (c, h) = gates(&x[0], &(&x[1] * 0.5));
            // What makes the sums is computed part by part, of rows, of one row for all, and of numbers.
            let made = x[1].cumsum(0) * 0.25;
            let (d, k) = gates(&c, &(x[1].cumsum(0) + x[1].slice_axis(0, 0..1)));
            let (e, l) = gates(&h, &made);
            let grads = grad(|sums: &Tensor| Ok(gates(&x[0], sums).1.sum()))(&x[1])?;
            Ok(vec![c, h, d, k, e, l, grads])
        };
        same_bits(&format!("gates of {rows}×{cols}"), f, &args);
    }
}

#[test]
fn the_gates_of_a_recurrent_cell_are_one_kernel_each_way() {
    let args = (ramp(&[8, 16], DType::F32), ramp(&[16, 256], DType::F32), ramp(&[8, 64], DType::F32));
    let forward = jit(|(x, w, c): (Tensor, Tensor, Tensor)| Ok(gates(&c, &x.dot(&w))));
    assert_eq!(forward.program(&args).unwrap().steps(), ["dot_general", "fusion"]);
    let biased = jit(|((x, w, c), b): ((Tensor, Tensor, Tensor), Tensor)| Ok(gates(&c, &(x.dot(&w) + b))));
    let text = biased.program(&(args.clone(), ramp(&[256], DType::F32))).unwrap();
    assert_eq!(text.steps(), ["dot_general", "fusion"], "{text}");
    let backward =
        jit(|(x, w, c): (Tensor, Tensor, Tensor)| grad(|x: &Tensor| Ok(gates(&c, &x.dot(&w)).1.sum()))(&x));
    let text = backward.program(&args).unwrap();
    assert_eq!(text.steps(), ["dot_general", "fusion", "dot_general"], "{text}");
}

#[test]
fn what_is_read_where_it_lies_is_not_overwritten_before() {
    let f = |x: Vec<Tensor>| {
        let made = x[0].exp();
        let part = made.slice_axis(1, 32..96);
        // The last to read all of it, and then one that reads a part.
        let whole = (&made * 2.0).reshape([5, 128]);
        let folded = whole.dot(&x[1]).sum();
        Ok(vec![whole, &part * folded])
    };
    same_bits("a part", f, &[ramp(&[5, 128], DType::F32), ramp(&[128, 3], DType::F32)]);
}
