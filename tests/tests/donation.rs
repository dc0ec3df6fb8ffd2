//! Donation: buffers that are given away are written into, shared ones never.

use flaxen::prelude::*;
use flaxen_tests::numbers::{assert_close, vector};

fn address(x: &Tensor) -> usize {
    x.array().unwrap().address()
}

fn ones() -> Tensor {
    vector(&[1.0; 64])
}

#[test]
fn an_argument_given_away_is_written_into() {
    let f = jit(|(p, g): (Tensor, Tensor)| Ok(p - g * 0.5));
    let (p, g) = (ones(), ones());
    let (of_p, of_g) = (address(&p), address(&g));
    let p = f.call((p, g)).unwrap();
    assert!([of_p, of_g].contains(&address(&p)), "neither buffer was used again");
    assert_close(&p, &[64], &[0.5; 64]);
}

#[test]
fn an_argument_held_elsewhere_is_not_written_into() {
    let f = jit(|(p, g): (Tensor, Tensor)| Ok(p - g * 0.5));
    let (p, g) = (ones(), ones());
    let kept = (p.clone(), g.clone());
    let out = f.call((p, g)).unwrap();
    assert!(address(&out) != address(&kept.0) && address(&out) != address(&kept.1));
    assert_close(&kept.0, &[64], &[1.0; 64]);
    assert_close(&kept.1, &[64], &[1.0; 64]);
    assert_close(&out, &[64], &[0.5; 64]);
}

#[test]
fn one_tensor_given_twice_is_not_written_into_while_it_is_needed() {
    let f = jit(|(a, b): (Tensor, Tensor)| Ok((&a + 1.0, b * 2.0)));
    let x = ones();
    let (a, b) = f.call((x.clone(), x)).unwrap();
    assert_close(&a, &[64], &[2.0; 64]);
    assert_close(&b, &[64], &[2.0; 64]);
}

#[test]
fn a_view_under_another_shape_shares_its_buffer() {
    let f = jit(|x: Tensor| Ok(x + 1.0));
    let x = ones();
    let view = x.reshape([8, 8]);
    assert_eq!(address(&view), address(&x));
    assert_close(&f.call(x).unwrap(), &[64], &[2.0; 64]);
    assert_close(&view, &[8, 8], &[1.0; 64]);
    let before = address(&view);
    let out = f.call(view).unwrap();
    assert_eq!(address(&out), before, "the last holder gave it away");
}

#[test]
fn an_argument_returned_as_it_is_is_not_copied() {
    let f = jit(|(x, y): (Tensor, Tensor)| Ok((x, y + 1.0)));
    let x = ones();
    let before = address(&x);
    let (x, _) = f.call((x, ones())).unwrap();
    assert_eq!(address(&x), before);
}

#[test]
fn a_captured_array_is_never_written_into() {
    let w = ones();
    let f = jit(|x: Tensor| Ok((&w + 1.0) * x));
    for _ in 0..3 {
        assert_close(&f.call(ones()).unwrap(), &[64], &[2.0; 64]);
    }
    assert_close(&w, &[64], &[1.0; 64]);
    // The value of a constant may be returned, and then be written into by the caller's next operation.
    let g = jit(|_: Tensor| Ok(w.clone()));
    let out = g.call(ones()).unwrap() * 5.0;
    assert_close(&out, &[64], &[5.0; 64]);
    assert_close(&g.call(ones()).unwrap(), &[64], &[1.0; 64]);
}

#[test]
fn parameters_stay_in_their_buffers_over_many_steps() {
    let step = jit(|(p, m): (Tensor, Tensor)| {
        let m = m * 0.9 + &p;
        Ok((p - &m * 0.1, m))
    });
    let (mut p, mut m) = (ones(), ones());
    let mut seen = vec![];
    for _ in 0..20 {
        (p, m) = step.call((p, m)).unwrap();
        seen.extend([address(&p), address(&m)]);
    }
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() <= 4, "{} buffers for two parameters", seen.len());
}

#[test]
fn eager_operators_write_into_operands_they_own() {
    let x = ones();
    let before = address(&x);
    let y = x * 2.0 + 1.0;
    assert_eq!(address(&y), before);
    let z = &y * 2.0;
    assert_ne!(address(&z), before);
    assert_close(&y, &[64], &[3.0; 64]);
    let w = ones() - z;
    assert_close(&w, &[64], &[-5.0; 64]);
    let mut sum = ones();
    let before = address(&sum);
    sum += &w;
    assert_eq!(address(&sum), before);
}

#[test]
fn a_shared_operand_is_never_written_into() {
    let x = ones();
    let same = x.clone();
    let y = x + 1.0;
    assert_close(&same, &[64], &[1.0; 64]);
    assert_close(&y, &[64], &[2.0; 64]);
    // Both operands are one buffer.
    let x = ones();
    let y = x.clone() + x;
    assert_close(&y, &[64], &[2.0; 64]);
}

/// Two layers and what else a dict may hold.
fn state(first: f32) -> Dict {
    let x = |value: f32| vector(&[value; 8]);
    Dict::new()
        .with("a/kernel", x(first))
        .with("a/bias", x(first + 1.0))
        .with("b/kernel", x(first + 2.0))
        .with("c", Value::of(&(x(first + 3.0), vec![x(first + 4.0)])))
        .with("d", Value::of(&Static(3u8)))
        .with("e", Value::of(&Some(x(first + 5.0))))
}

fn numbers(state: &Dict) -> Vec<f32> {
    tree::leaves(state).into_iter().map(|leaf| leaf.to_vec::<f32>().unwrap()[0]).collect()
}

fn doubled(state: &Dict) -> Dict {
    tree::map(state, |x| Ok(x * 2.0)).unwrap()
}

#[test]
fn a_dict_that_is_given_away_is_filled_again_with_what_belongs_in_it() {
    let f = jit(|state: Dict| Ok(doubled(&state)));
    let mut held = state(1.0);
    let mut expected = state(1.0);
    for _ in 0..4 {
        held = f.call(held).unwrap();
        expected = doubled(&expected);
        assert_eq!(held, expected);
    }
    assert_eq!(numbers(&held), [32.0, 16.0, 48.0, 64.0, 80.0, 96.0]);
}

#[test]
fn a_dict_held_elsewhere_stays_as_it_is() {
    let f = jit(|state: Dict| Ok(doubled(&state)));
    let given = state(1.0);
    let (kept, part) = (given.clone(), given.dict("a").unwrap().clone());
    assert_eq!(f.call(given).unwrap(), doubled(&state(1.0)));
    assert_eq!(kept, state(1.0));
    drop(kept);
    // Now only a part of it is held.
    let given = state(1.0).with("a", part.clone());
    assert_eq!(f.call(given).unwrap(), doubled(&state(1.0)));
    assert_eq!(&part, state(1.0).dict("a").unwrap());
    assert_eq!(f.call(state(3.0)).unwrap(), doubled(&state(3.0)));
}

#[test]
fn dicts_that_change_places_and_names_have_the_right_numbers() {
    let f = jit(|(a, x, b): (Dict, Tensor, Dict)| {
        let renamed = Dict::new().with("y", x).with("z", a["a"]["bias"].tensor()?);
        Ok((vec![b, renamed], doubled(&a)))
    });
    for first in [1.0, 2.0, 3.0] {
        let x = vector(&[7.0; 8]);
        let (moved, twice) = f.call((state(first), x.clone(), state(first + 10.0))).unwrap();
        let renamed = Dict::new().with("y", x).with("z", vector(&[first + 1.0; 8]));
        assert_eq!(moved, [state(first + 10.0), renamed]);
        assert_eq!(twice, doubled(&state(first)));
    }
}

#[test]
fn a_call_of_other_shapes_in_between_changes_nothing() {
    let f = jit(|state: Dict| Ok(doubled(&state)));
    let small = |value: f32| Dict::new().with("w", vector(&[value; 3]));
    for first in [1.0, 2.0, 3.0] {
        assert_eq!(f.call(state(first)).unwrap(), doubled(&state(first)));
        assert_eq!(f.call(small(first)).unwrap(), small(2.0 * first));
    }
    assert_eq!((f.stats().traces, f.stats().hits), (2, 4));
}

#[test]
fn threads_that_share_a_function_do_not_share_its_memory() {
    let f = jit(|state: Dict| Ok(doubled(&state)));
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let f = &f;
            scope.spawn(move || {
                let mut held = state(f32::from(thread));
                for _ in 0..20 {
                    let expected = doubled(&held);
                    held = f.call(held).unwrap();
                    assert_eq!(held, expected);
                }
            });
        }
    });
}
