//! Keys under transforms, generators, and what samplers refuse.

use flaxen::prelude::*;
use flaxen::random::{self, Choice, Generator, Key};
use ndarray_rand::rand::{Rng, RngCore};
use ndarray_rand::rand_distr::{Distribution, Gamma};

fn floats(x: &Tensor) -> Vec<f32> {
    x.to_vec().expect("floats")
}

fn word_pairs(key: &Key) -> Vec<u32> {
    key.data().to_vec().expect("words")
}

#[test]
fn a_key_is_an_argument_of_a_compiled_function_like_any_tensor() {
    let noisy = jit(|(x, key): (Tensor, Key)| {
        let [first, second] = key.split();
        Ok((x + random::normal(&first, [4]), second))
    });
    let (x, key) = (Tensor::zeros([4]), random::key(3));
    let [first, second] = key.split();
    let (y, rest) = noisy.call((x.clone(), key)).unwrap();
    assert_eq!(floats(&y), floats(&random::normal(&first, [4])));
    assert_eq!(word_pairs(&rest), word_pairs(&second));
    // Another key is no reason to compile anew, and gives other numbers.
    let (z, _) = noisy.call((x, second)).unwrap();
    assert_ne!(floats(&y), floats(&z));
}

#[test]
fn a_key_captured_by_a_compiled_function_is_staged() {
    let key = random::key(3);
    let inner = key.clone();
    let f = jit(move |x: Tensor| Ok(x * random::uniform(&inner, [3])));
    assert_eq!(floats(&f.call(Tensor::ones([3])).unwrap()), floats(&random::uniform(&key, [3])));
}

#[test]
fn a_traced_number_can_be_folded_into_a_key() {
    let key = random::key(9);
    let steps = Tensor::from([0i32, 1, -1]);
    let folded = vmap(|step: Tensor| Ok(random::key(9).fold_in(step))).call(steps).unwrap();
    let each = [0i64, 1, -1].map(|step| word_pairs(&key.fold_in(step)));
    assert_eq!(word_pairs(&folded), each.concat());
}

#[test]
fn samples_of_mapped_keys_are_those_of_each_key() {
    let keys = random::key(1).split_n(5);
    let all = vmap(|key: Key| Ok(random::truncated_normal(&key, [3], -2.0, 2.0))).call(keys.clone()).unwrap();
    for i in 0..5 {
        let alone = random::truncated_normal(&keys.at(i), [3], -2.0, 2.0);
        assert_eq!(floats(&all.index_axis(0, i)), floats(&alone));
    }
}

#[test]
fn an_unmapped_key_gives_every_example_the_same_numbers() {
    let key = random::key(1);
    let out =
        vmap(|x: Tensor| Ok(x + random::uniform(&random::key(1), []))).call(Tensor::zeros([3])).unwrap();
    assert_eq!(floats(&out), vec![floats(&random::uniform(&key, []))[0]; 3]);
}

#[test]
fn gradients_flow_through_samples_to_what_scales_them() {
    let key = random::key(2);
    let slope = grad(|scale: &Tensor| Ok((scale * random::normal(&random::key(2), [6])).sum()))(
        &Tensor::from([1.5f32]).reshape([]),
    )
    .unwrap();
    let noise: f32 = floats(&random::normal(&key, [6])).iter().sum();
    assert!((slope.item::<f32>().unwrap() - noise).abs() < 1e-5);
}

#[test]
fn the_children_of_a_split_are_its_numbers_folded_in() {
    let key = random::key(77);
    let many = key.split_n(4);
    let few: [Key; 2] = key.split();
    for i in 0..4 {
        assert_eq!(word_pairs(&many.at(i)), word_pairs(&key.fold_in(i as u32)));
    }
    assert_eq!(word_pairs(&few[1]), word_pairs(&many.at(1)));
    assert_eq!(word_pairs(&random::split(&key, 3)), word_pairs(&many)[..6]);
    assert_eq!((many.shape(), few[0].shape()), (&[4][..], &[][..]));
}

#[test]
fn a_sample_does_not_depend_on_how_many_are_drawn() {
    let key = random::key(4);
    let many = floats(&random::normal(&key, [600_000]));
    assert_eq!(floats(&random::normal(&key, [10, 10])), many[..100]);
}

#[test]
fn empty_samples_are_empty() {
    let key = random::key(4);
    assert_eq!(random::normal(&key, [3, 0]).shape(), [3, 0]);
    assert_eq!(random::permutation(&key, 0).shape(), [0]);
    assert_eq!(random::permute_independently(&key, Tensor::zeros([0, 2]), 0).shape(), [0, 2]);
    assert_eq!(Choice::below(0).sample(&key, [0, 3]).shape(), [0, 3]);
    assert_eq!(key.split_n(0).shape(), [0]);
}

#[test]
fn a_permutation_has_every_number_once_in_each_lane() {
    let x = Tensor::from([[1, 2], [3, 4], [5, 6], [7, 8]]);
    let mixed = random::permute_independently(&random::key(6), &x, 0);
    assert_eq!(mixed.sort(0).to_vec::<i32>().unwrap(), x.to_vec::<i32>().unwrap());
    let rows = random::permute(&random::key(6), &x, 0).to_vec::<i32>().unwrap();
    assert!(rows.chunks(2).all(|row| row[1] == row[0] + 1));
}

#[test]
fn many_keys_are_refused_where_one_is_expected() {
    let keys = random::key(0).split_n(2);
    for error in [
        random::try_normal(&keys, [3]).unwrap_err(),
        random::try_randint(&keys, [3], 0, 5).unwrap_err(),
        random::try_permutation(&keys, 3).unwrap_err(),
        keys.try_fold_in(1).unwrap_err(),
        keys.try_split_n(2).unwrap_err(),
        Generator::new(&keys).unwrap_err(),
    ] {
        assert!(error.to_string().contains("takes one key, found keys of shape [2]"), "{error}");
    }
    assert!(random::key(0).try_at(0).unwrap_err().to_string().contains("takes an array of keys"));
}

#[test]
fn parameters_that_do_not_fit_are_refused() {
    let key = random::key(0);
    let wide = Tensor::zeros([3]);
    for (error, text) in [
        (random::try_uniform_in(&key, [2], &wide, 1.0), "broadcast to the shape of the samples"),
        (random::try_truncated_normal(&key, [], &wide, 1.0), "broadcast to the shape of the samples"),
        (random::try_randint(&key, [2], 0, Tensor::from([1, 2, 3])), "broadcast to the shape of the samples"),
        (random::try_randint(&key, [2], 0.5, 3), "an integer dtype"),
        (random::try_randint_of(&key, [2], 0, 3, DType::F32), "an integer dtype"),
        (random::try_uniform_of(&key, [2], DType::I32), "a float dtype"),
        (random::try_normal_of(&key, [2], DType::U8), "float"),
        (random::try_bernoulli(&key, 1, [2]), "a float dtype"),
        (random::try_bits(&key, [2], 12), "use 8, 16, 32 or 64"),
        (random::try_categorical(&key, [1, 2], 0), "a float dtype"),
        (random::try_categorical(&key, [1.0f32, 2.0], 1), "axis 1"),
        (random::try_categorical_of(&key, Tensor::zeros([2, 3]), 1, [3]), "logits of shape [2, 3]"),
        (random::try_permute(&key, &wide, 1), "axis 1"),
        (random::try_uniform(&key, [usize::MAX, 2]), "address space"),
        (Choice::below(0).try_sample(&key, [1]), "the population is empty"),
        (Choice::below(3).without_replacement().try_sample(&key, [2, 2]), "a sample of 4"),
        (Choice::below(2).weights(&wide).try_sample(&key, [1]), "one weight for each member"),
    ] {
        let error = error.expect_err(text).to_string();
        assert!(error.contains(text), "{error}");
    }
    assert!(Key::from_data(wide).is_err() && Key::from_data([1u32, 2, 3]).is_err());
    assert!(key.try_fold_in(1.5).unwrap_err().to_string().contains("an integer"));
}

#[test]
fn any_distribution_of_rand_fills_a_tensor() {
    let gamma = Gamma::new(3.0f32, 2.0).expect("valid parameters");
    let key = random::key(8);
    let x = random::from_fn(&key, [100, 100], |generator| gamma.sample(generator));
    assert_eq!(floats(&x), floats(&random::from_fn(&key, [10_000], |generator| gamma.sample(generator))));
    let mean = floats(&x).iter().sum::<f32>() / 10_000.0;
    // Mean 6; the standard deviation of the mean is √12/100.
    assert!((mean - 6.0).abs() < 5.0 * 0.0347, "{mean}");
}

#[test]
fn a_generator_streams_the_words_of_a_key() {
    let key = random::key(8);
    let (mut a, mut b, mut c) =
        (Generator::new(&key).unwrap(), Generator::new(&key).unwrap(), Generator::new(&key).unwrap());
    let words: Vec<u32> = (0..6).map(|_| a.next_u32()).collect();
    for pair in words.chunks(2) {
        assert_eq!(b.next_u64(), u64::from(pair[1]) << 32 | u64::from(pair[0]));
    }
    let mut bytes = [0; 24];
    c.fill_bytes(&mut bytes);
    assert!(words.iter().zip(bytes.chunks(4)).all(|(word, bytes)| word.to_le_bytes() == bytes));
    // The words of a block, exclusive or, are the 32 random bits of its index.
    let bits = random::bits(&key, [3], 32).to_vec::<u32>().unwrap();
    assert!(words.chunks(2).zip(bits).all(|(pair, bits)| pair[0] ^ pair[1] == bits));
    assert!((0..6).contains(&a.random_range(0..6)));
}

#[test]
fn a_generator_of_a_key_without_numbers_is_refused() {
    let mapped = vmap(|key: Key| random::try_from_fn(&key, [2], ndarray_rand::rand::Rng::random::<f32>));
    assert!(mapped.call(random::key(0).split_n(3)).is_err());
    let staged = jit(|key: Key| random::try_from_fn(&key, [2], ndarray_rand::rand::Rng::random::<f32>));
    assert!(staged.call(random::key(0)).is_err());
}
