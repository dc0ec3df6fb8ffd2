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
