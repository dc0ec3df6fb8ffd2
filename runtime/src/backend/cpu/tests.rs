use super::Program;
use crate::core::Tensor;
use crate::error::Result;
use crate::nn::{MultiHeadDotProductAttention, avg_pool};
use crate::optim::{self, GradientTransformation};
use crate::prelude::*;
use crate::transform::grad;
use crate::transform::jit;
use crate::{ConvOptions, DType, Padding};

fn plan(f: impl Fn(Tensor) -> Result<Tensor>, x: &Tensor) -> String {
    Program::new(&jit(f).graph(x).unwrap().fused()).to_string()
}

#[test]
fn values_between_kernels_live_in_slots_that_are_used_again() {
    let text = plan(
        |x| {
            let y = (x.dot(&x) + 1.0).tanh();
            let z = (y.dot(&x) * 2.0).exp();
            Ok(z.dot(&x) - &x)
        },
        &Tensor::zeros([4, 4]),
    );
    assert_eq!(
        text,
        "\
slot0[64] = dot_general+fusion array0 array0 const0
slot1[64] = dot_general+fusion slot0[64] array0 const1
array1 = dot_general+fusion slot1[64] array0 array0!
"
    );
}

#[test]
fn a_result_is_written_over_an_argument_that_is_given_away() {
    let program =
        Program::new(&jit(|x: Tensor| Ok(x * 2.0 + 1.0)).graph(&Tensor::zeros([8])).unwrap().fused());
    assert_eq!(program.to_string(), "array1 = fusion array0! const0 const1\n");
    let x: crate::Array = crate::Array::zeros(crate::Aval::new([8], crate::DType::F32));
    let address = x.address();
    let out = program.run([x]).unwrap();
    assert_eq!((out[0].address(), out[0].data::<f32>()), (address, &[1.0f32; 8][..]));
    assert_eq!(program.arena_bytes(), 0);
}

#[test]
fn a_value_under_another_shape_stays_in_its_slot() {
    let text = plan(
        |x| {
            let y = x.dot(&x).reshape([2, 8]);
            y.t().reshape([4, 4]).try_dot(&x)
        },
        &Tensor::zeros([4, 4]),
    );
    assert_eq!(
        text,
        "\
slot0[64] = dot_general array0 array0
slot1[64] = transpose slot0[64]
array1 = dot_general slot1[64] array0!
"
    );
}

#[test]
fn a_deep_program_needs_as_much_memory_as_a_shallow_one() {
    let bytes = |depth: usize| {
        let f = |x: Tensor| Ok((0..depth).fold(x.clone(), |y, _| (y.dot(&x) + 1.0).tanh()));
        Program::new(&jit(f).graph(&Tensor::zeros([16, 16])).unwrap().fused()).arena_bytes()
    };
    assert_eq!(bytes(3), bytes(60));
}

/// A step of training of two convolutions with pooling and two dense layers, with Adam.
fn convolutional_step(batch: usize) -> Program {
    type Params = Vec<Tensor>;
    let shapes: [&[usize]; 8] =
        [&[3, 3, 1, 32], &[32], &[3, 3, 32, 64], &[64], &[3136, 256], &[256], &[256, 10], &[10]];
    let params: Params = shapes.iter().map(|shape| Tensor::zeros(shape)).collect();
    let loss = |p: &Params, x: &Tensor, y: &Tensor| -> Result<Tensor> {
        let mut x = x.clone();
        for layer in 0..2 {
            let options = ConvOptions::new().padding(Padding::Same);
            x = (x.try_conv_general(&p[2 * layer], &options)? + &p[2 * layer + 1]).relu();
            x = avg_pool(&x, [2, 2]).strides([2, 2]).run()?;
        }
        let x = (x.flatten(1).dot(&p[4]) + &p[5]).relu();
        let x = (x.dot(&p[6]) + &p[7]).log_softmax(-1);
        Ok(-x.try_take_along_axis(y, 1)?.mean())
    };
    let tx = optim::adam(1e-3);
    let state = GradientTransformation::init(&tx, &params);
    let step = jit(|(params, state, x, y): (Params, optim::AdamState<Params>, Tensor, Tensor)| {
        let grads = grad(|params: &Params| loss(params, &x, &y))(&params)?;
        let (updates, state) = tx.update(&grads, &state, &params)?;
        Ok((optim::apply_updates(&params, &updates)?, state))
    });
    let (x, y) = (Tensor::zeros([batch, 28, 28, 1]), Tensor::zeros_of([batch, 1], DType::I32));
    Program::new(&step.graph(&(params, state, x, y)).unwrap().fused())
}

#[test]
fn a_step_of_training_keeps_little_more_memory_than_its_values_need_at_once() {
    for batch in [1, 32, 128] {
        let program = convolutional_step(batch);
        let (arena, peak) = (program.arena_bytes(), program.peak_bytes());
        assert!(peak > 0 && arena * 10 <= peak * 13, "batch {batch}: {arena} bytes for {peak}\n{program}");
    }
}

/// Places of a cache, and features of a layer of four heads.
const CACHE: [usize; 2] = [256, 64];

type Decoded = (Tensor, Variables);

/// A step of decoding, what it takes, and the bytes of weights and cache.
fn decoder() -> (impl Fn(&Dict, Variables, &Tensor) -> Result<Decoded> + Copy, Dict, Variables, u64) {
    fn layer() -> MultiHeadDotProductAttention {
        MultiHeadDotProductAttention::new(4).decode(true)
    }
    let whole = Tensor::zeros([1, CACHE[0], CACHE[1]]);
    let variables = layer().init(key(0)).run(|m| m.call(&whole, ())).unwrap();
    let (params, cache) = variables.pop("params").unwrap();
    let bytes = |leaves: Vec<&Tensor>| leaves.iter().map(|leaf| leaf.aval().bytes() as u64).sum::<u64>();
    let moved = bytes(tree::leaves(&params)) + bytes(tree::leaves(&cache));
    let step = |params: &Dict, cache: Variables, x: &Tensor| {
        layer().apply(cache.with("params", params.clone())).mutable("cache").run(|m| m.call(x, ()))
    };
    (step, params, cache, moved)
}

#[test]
fn a_step_of_decoding_moves_weights_and_cache_once() {
    let (step, params, cache, once) = decoder();
    let f = jit(move |(params, cache, x): (Dict, Variables, Tensor)| step(&params, cache, &x));
    let program = Program::new(&f.graph(&(params, cache, Tensor::zeros([1, 1, CACHE[1]]))).unwrap().fused());
    let moved = program.moved_bytes();
    assert!(once <= moved && moved * 10 <= once * 12, "{moved} bytes for {once}:\n{program}");
}

#[test]
fn a_step_of_a_loop_that_decodes_moves_no_more_than_one_by_itself() {
    let (step, params, cache, once) = decoder();
    let f = jit(move |(params, cache, xs): (Dict, Variables, Tensor)| {
        let steps = scan(|cache: Variables, x: Tensor| {
            let (y, cache) = step(&params, cache, &x)?;
            Ok((cache, y))
        });
        steps.call(cache, xs)
    });
    let program =
        Program::new(&f.graph(&(params, cache, Tensor::zeros([9, 1, 1, CACHE[1]]))).unwrap().fused());
    let body = program.programs_within().map(Program::moved_bytes).max().unwrap();
    assert!(body * 10 <= once * 12, "{body} bytes for {once}:\n{program}");
    // Outside of the loop nothing of the cache is touched.
    assert!(program.moved_bytes() <= 3 * once, "{program}");
}
