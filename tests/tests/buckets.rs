//! `Jit::buckets`: an axis that is padded computes what it would without padding, in as many programs as there are sizes.

use std::cell::Cell;

use flaxen::nn::{Attend, MultiHeadDotProductAttention};
use flaxen::prelude::*;
use flaxen::{Bucketed, Vmap};
use flaxen_tests::numbers::{assert_close, assert_same, tensor, vector};

/// Numbers between −1 and 1 that depend on where they are.
fn numbers(shape: &[usize]) -> Tensor {
    random::uniform(&key(shape.iter().sum::<usize>() as u64), shape) * 2.0 - 1.0
}

/// What a function computes without padding.
fn plain<A: Tree, O: Tree>(
    f: impl Fn((A, Lengths)) -> Result<O>,
    axes: &[(&str, usize)],
    args: A,
) -> Result<O> {
    let lengths =
        axes.iter().fold(Lengths::default(), |all, (name, length)| all.with(name, *length, *length));
    f((args, lengths))
}

/// Softmax over the tokens, weighted sums of them, and all of them scaled.
fn pooled(((w, x), lengths): ((Tensor, Tensor), Lengths)) -> Result<(Tensor, Tensor)> {
    let mask = lengths.mask("tokens")?;
    let scores = x.dot(&w);
    let exp = (&scores - 1.0).exp() * &mask;
    let weights = &exp / (exp.sum_axes(-1) + 1e-9).reshape([x.shape()[0], 1]);
    let pooled = (x.clone() * weights.reshape([x.shape()[0], x.shape()[1], 1])).sum_axes(1);
    Ok((pooled, x * 3.0))
}

#[test]
fn a_masked_function_is_the_same_with_padding_at_every_length() {
    let f = jit(pooled).buckets("tokens", (None, 1));
    let w = numbers(&[8]);
    for length in 0..=17 {
        let x = numbers(&[2, length, 8]);
        let (a, b) = f.call((w.clone(), x.clone())).unwrap();
        let (c, d) = plain(pooled, &[("tokens", length)], (w.clone(), x)).unwrap();
        assert_eq!(b.shape(), [2, length, 8], "8 features are no tokens, also when 8 is the size");
        assert_close(&a, &[2, 8], &c.cast(DType::F64).to_vec::<f64>().unwrap());
        assert_same(&b, &d);
    }
}

#[test]
fn there_are_as_many_compilations_as_sizes() {
    let traced = Cell::new(0);
    let f = jit(|(x, lengths): (Tensor, Lengths)| {
        traced.set(traced.get() + 1);
        Ok((&x * lengths.mask("time")?, x.sum()))
    });
    let f = f.buckets("time", 0);
    for length in (1..=33).chain(1..=33) {
        let (_, sum) = f.call(vector(&vec![1.0; length])).unwrap();
        assert_eq!(sum.item::<f32>().unwrap(), length as f32);
    }
    let stats = f.stats();
    assert_eq!((stats.traces, stats.programs, stats.evicted), (7, 7, 0), "1 2 4 8 16 32 64");
    assert_eq!(stats.hits, 66 - 7);
    assert_eq!(traced.get(), 8, "once more, to find where the results have the length");
    f.clear();
    assert_eq!(f.stats().programs, 0);
}

#[test]
fn programs_that_were_not_used_for_long_are_forgotten() {
    let f = jit(|(x, _): (Tensor, Lengths)| Ok(x + 1.0)).limit(2).buckets("time", 0);
    for length in [1, 2, 4, 8, 3] {
        assert_eq!(f.call(numbers(&[length])).unwrap().shape(), [length]);
    }
    let stats = f.stats();
    assert_eq!((stats.traces, stats.programs, stats.evicted), (4, 2, 2));
    f.call(numbers(&[3])).unwrap();
    assert_eq!(f.stats().traces, 4, "4 is kept");
    for length in [9, 17, 3] {
        f.call(numbers(&[length])).unwrap();
    }
    let stats = f.stats();
    assert_eq!((stats.traces, stats.programs), (7, 2), "and forgotten when others have come");
}

#[test]
fn sizes_are_listed_or_multiples_or_begin_later() {
    let f =
        || jit(|(x, lengths): (Tensor, Lengths)| Ok((x.sum(), Tensor::from(lengths.size("time")? as i32))));
    let sizes = |f: Bucketed<_, Tensor, (Tensor, Tensor)>| {
        [1, 3, 4, 5, 9].map(|n| f.call(Tensor::ones([n])).map(|(_, size)| size.item::<i32>().unwrap()).ok())
    };
    assert_eq!(sizes(f().buckets("time", 0)), [1, 4, 4, 8, 16].map(Some));
    assert_eq!(sizes(f().buckets("time", 0).at_least(4)), [4, 4, 4, 8, 16].map(Some));
    assert_eq!(sizes(f().buckets("time", 0).multiples_of(3)), [3, 3, 6, 6, 9].map(Some));
    assert_eq!(
        sizes(f().buckets("time", 0).sizes([8, 4])),
        [Some(4), Some(4), Some(4), Some(8), None],
        "in any order"
    );
}

#[test]
fn trees_and_variables_stand_beside_what_is_padded() {
    #[derive(Tree, Clone)]
    struct Sentences {
        ids: Tensor,
        kinds: Tensor,
        weight: Tensor,
    }
    let embed = nn::Embed::new(30, 4);
    let ids = |length: usize| Tensor::arange(1i32, length as i32 + 1, 1).reshape([1, length]);
    let variables = embed.init(key(0)).call(&ids(1)).unwrap();
    let f = |((variables, sentences), lengths): ((Variables, Sentences), Lengths)| {
        let tokens = embed.apply(variables).call(&sentences.ids)? + sentences.kinds.expand_dims([-1]);
        let mask = lengths.mask("tokens")?;
        let mean = (&tokens * mask.expand_dims([-1])).sum_axes(1) / lengths.of("tokens")?;
        Ok(std::collections::BTreeMap::from([
            ("mean".to_owned(), mean * sentences.weight),
            ("tokens".to_owned(), tokens),
        ]))
    };
    let places = vec![None, Some(1), Some(-1), None];
    let bucketed = jit(f).buckets("tokens", places).fill(2.0);
    for length in [1, 3, 5, 7] {
        let kinds = Tensor::ones([1, length]);
        let sentences = Sentences { ids: ids(length), kinds, weight: vector(&[0.5]) };
        let out = bucketed.call((variables.clone(), sentences.clone())).unwrap();
        let expected = plain(f, &[("tokens", length)], (variables.clone(), sentences)).unwrap();
        for (name, expected) in expected {
            let values = expected.cast(DType::F64).to_vec::<f64>().unwrap();
            assert_close(&out[&name], expected.shape(), &values);
        }
    }
}

#[test]
fn attention_with_a_mask_does_not_see_padding() {
    let attention = MultiHeadDotProductAttention::new(2);
    let x = |length: usize| numbers(&[3, length, 6]);
    let variables = attention.init(key(0)).run(|m| m.call(&x(2), ())).unwrap();
    let f = |((variables, x), lengths): ((Variables, Tensor), Lengths)| {
        let mask = lengths.mask("tokens")?.reshape([1, 1, 1, x.shape()[1]]);
        attention.apply(variables).run(|m| m.call(&x, Attend::new().mask(&mask)))
    };
    let bucketed = jit(f).buckets("tokens", (None, 1)).multiples_of(4);
    for length in 1..=9 {
        let out = bucketed.call((variables.clone(), x(length))).unwrap();
        let expected = attention.apply(variables.clone()).run(|m| m.call(&x(length), ())).unwrap();
        assert_close(&out, &[3, length, 6], &expected.cast(DType::F64).to_vec::<f64>().unwrap());
    }
    assert_eq!(bucketed.stats().traces, 3);
}

#[test]
fn gradients_of_a_masked_loss_are_those_without_padding() {
    let f = |((w, x), lengths): ((Tensor, Tensor), Lengths)| {
        let mask = lengths.mask("time")?;
        let loss = |(w, x): &(Tensor, Tensor)| Ok((x.dot(w).tanh() * &mask).sum());
        let (value, (dw, dx)) = value_and_grad(loss)(&(w, x))?;
        Ok((value, dw, dx))
    };
    let bucketed = jit(f).buckets("time", (None, 0));
    for length in [1, 3, 6, 8] {
        let args = (numbers(&[5]), numbers(&[length, 5]));
        let (value, dw, dx) = bucketed.call(args.clone()).unwrap();
        let expected = plain(f, &[("time", length)], args).unwrap();
        assert_close(&value, &[], &[f64::from(expected.0.item::<f32>().unwrap())]);
        assert_close(&dw, &[5], &expected.1.cast(DType::F64).to_vec::<f64>().unwrap());
        assert_close(&dx, &[length, 5], &expected.2.cast(DType::F64).to_vec::<f64>().unwrap());
    }
}

#[test]
fn it_goes_under_grad_and_vmap_and_jit() {
    let f = jit(|(x, lengths): (Tensor, Lengths)| {
        let real = lengths.mask("time")?;
        Ok(((&x * &x * real).sum(), x * 2.0))
    });
    let f = f.buckets("time", 0);
    let x = vector(&[1.0, 2.0, 3.0]);
    let dx = grad(|x: &Tensor| Ok(f.call(x.clone())?.0))(&x).unwrap();
    assert_close(&dx, &[3], &[2.0, 4.0, 6.0]);
    let rows = tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let over: Vmap<_, Tensor, (Tensor, Tensor)> = vmap(|x: Tensor| f.call(x));
    let (sums, doubled) = over.call(rows.clone()).unwrap();
    assert_close(&sums, &[2], &[14.0, 77.0]);
    assert_same(&doubled, &(&rows * 2.0));
    let (sum, _) = jit(|x: Tensor| f.call(x)).call(x).unwrap();
    assert_eq!(sum.item::<f32>().unwrap(), 14.0);
    let within = jit(|(rows, lengths): (Tensor, Lengths)| {
        let mask = lengths.mask("time")?;
        vmap(|row: Tensor| Ok((row * &mask).sum())).call(rows)
    });
    assert_close(&within.buckets("time", 1).call(rows).unwrap(), &[2], &[6.0, 15.0]);
}

#[test]
fn two_axes_have_sizes_of_their_own() {
    let f = |(x, lengths): (Tensor, Lengths)| {
        let (rows, columns) = (lengths.mask("batch")?, lengths.mask("time")?);
        let mask = rows.reshape([x.shape()[0], 1]) & columns;
        let x = x * mask;
        Ok((x.sum(), x.transpose([1, 0]), x.sum_axes(1), x.sum_axes(0)))
    };
    let bucketed = jit(f).buckets("batch", 0).sizes([2, 8]).buckets("time", 1);
    for (batch, time) in [(3, 3), (2, 3), (8, 3), (3, 4), (2, 4), (1, 1), (3, 3)] {
        let x = numbers(&[batch, time]);
        let out = bucketed.call(x.clone()).unwrap();
        let expected = plain(f, &[("batch", batch), ("time", time)], x).unwrap();
        for (out, expected) in tree::leaves(&out).into_iter().zip(tree::leaves(&expected)) {
            let values = expected.cast(DType::F64).to_vec::<f64>().unwrap();
            assert_close(out, expected.shape(), &values);
        }
    }
    assert_eq!(bucketed.stats().traces, 3, "8 × 4, 2 × 4 and 2 × 1");
}

#[test]
fn what_is_given_away_is_written_into() {
    let f = jit(|((state, x), lengths): ((Tensor, Tensor), Lengths)| {
        Ok(state + (x * lengths.mask("time")?).sum())
    });
    let f = f.buckets("time", (None, 0));
    let state = vector(&[0.0; 64]);
    let before = state.array().unwrap().address();
    let state = f.call((state, vector(&[1.0, 2.0, 3.0]))).unwrap();
    assert_eq!(state.array().unwrap().address(), before);
    assert_close(&state, &[64], &[6.0; 64]);
    let kept = state.clone();
    let next = f.call((state, vector(&[1.0]))).unwrap();
    assert_close(&kept, &[64], &[6.0; 64]);
    assert_close(&next, &[64], &[7.0; 64]);
}

#[test]
fn a_state_of_many_tensors_comes_back_in_the_memory_it_was_given_in() {
    let names = ["a", "b", "c"];
    let mut state = names.iter().fold(Dict::new(), |all, name| all.with(*name, vector(&[1.0; 64])));
    let f = jit(|((state, x), lengths): ((Dict, Tensor), Lengths)| {
        let sum = (x * lengths.mask("time")?).sum();
        tree::map(&state, |leaf| Ok(leaf + &sum))
    });
    let f = f.buckets("time", (None, 0));
    let addresses = |state: &Dict| -> Vec<usize> {
        tree::leaves(state).into_iter().map(|leaf| leaf.array().unwrap().address()).collect()
    };
    let before = addresses(&state);
    // Traced by the first of them; the others run what is known.
    for length in [3, 3, 5, 3, 6] {
        state = f.call((state, Tensor::ones([length]))).unwrap();
        assert_eq!(addresses(&state), before);
    }
    assert_eq!((f.stats().traces, f.stats().hits), (2, 3));
    for leaf in tree::leaves(&state) {
        assert_close(leaf, &[64], &[21.0; 64]);
    }
}

#[test]
fn where_results_have_the_axis_may_be_said() {
    let flat = |(x, _): (Tensor, Lengths)| Ok((x.reshape([x.size()]), x));
    let found = jit(flat).buckets("time", 0).multiples_of(4);
    let error = found.call(numbers(&[3, 2])).unwrap_err().to_string();
    for word in ["`time`", "`0`", "[8]", "[6]", "out_axes"] {
        assert!(error.contains(word), "{word}: {error}");
    }
    let said = jit(flat).buckets("time", 0).multiples_of(4).out_axes((None, 0));
    let (flat, x) = said.call(numbers(&[3, 2])).unwrap();
    assert_eq!((flat.shape(), x.shape()), (&[8][..], &[3, 2][..]));
    let wrong = jit(|(x, _): (Tensor, Lengths)| Ok(x)).buckets("time", 0).multiples_of(4).out_axes(1);
    let error = wrong.call(numbers(&[3, 2])).unwrap_err().to_string();
    assert!(error.contains("axis 1 of 4 for `time`"), "{error}");
}

#[test]
fn mistakes_name_the_argument_the_axis_and_the_sizes() {
    let says = |result: Result<Tensor>, words: &[&str]| {
        let error = result.unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{word}: {error}");
        }
    };
    let f = || jit(|((w, x), _): ((Tensor, Tensor), Lengths)| Ok(w + x));
    let args = || (Tensor::from(1.0f32), numbers(&[20, 2]));
    let listed = f().buckets("tokens", (None, 0)).sizes([16, 8]);
    says(listed.call(args()), &["the argument at `1`", "20 along axis 0 (`tokens`)", "16 of [8, 16]"]);
    says(f().buckets("tokens", (None, 2)).call(args()), &["`1` has 2 axes", "no axis 2 for `tokens`"]);
    says(f().buckets("tokens", (0, 0)).call(args()), &["`0` has 0 axes"]);
    says(f().buckets("tokens", (None, None)).call(args()), &["no argument has the axis `tokens`"]);
    says(f().buckets("a", (None, 0)).buckets("b", (None, -2)).call(args()), &["axis 0", "two names", "`b`"]);
    says(f().buckets("tokens", (None, 0)).multiples_of(0).call(args()), &["multiple of 0"]);
    let both = f().buckets("tokens", (0, 0));
    says(both.call((numbers(&[3]), numbers(&[4]))), &["`0` has 3", "`1` has 4 along axis 0", "`tokens`"]);
    let unknown = jit(|(x, lengths): (Tensor, Lengths)| Ok(x * lengths.mask("toknes")?));
    says(unknown.buckets("tokens", 0).call(numbers(&[3])), &["`toknes`", "there are: `tokens`"]);
    let even = jit(|(x, _): (Tensor, Lengths)| x.try_reshape([x.size() / 2, 2]));
    says(even.buckets("tokens", 0).call(numbers(&[3])), &["to find where", "`tokens`, of 3", "out_axes"]);
}
