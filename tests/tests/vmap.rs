//! `vmap`: axes, names, nesting.

use flaxen::prelude::*;
use flaxen::{axis_size, vmap};
use flaxen_tests::numbers::{assert_close, assert_same, product, scalar, tensor, total, vector};

fn xs() -> Tensor {
    tensor(&[4, 3], &(0..12).map(|i| i as f32 * 0.1 - 0.55).collect::<Vec<_>>())
}

fn floats(x: &Tensor) -> Vec<f64> {
    x.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
}

#[test]
fn vmap_is_a_loop() {
    let w = tensor(&[3, 2], &[0.3, -0.2, 0.7, 0.1, -0.5, 0.9]);
    let f = |x: &Tensor| {
        let h = product(&x.reshape([1, 3]), &w).tanh() + vector(&[1.0, 2.0]); // unmapped, of lower rank
        let m = h.sum_axes([1]) + x.sum_axes([0]);
        let y = x.gt(0.0).select(x * &m, x.exp());
        Ok(y.reshape([3, 1]).broadcast_to([2, 3, 3]).transpose([2, 0, 1]))
    };
    let whole = vmap(|x: Tensor| f(&x)).call(xs()).unwrap();
    let mut expected = vec![];
    for row in xs().to_vec::<f32>().unwrap().chunks(3) {
        expected.extend(floats(&f(&vector(row)).unwrap()));
    }
    assert_close(&whole, &[4, 3, 2, 3], &expected);
}

#[test]
fn axes_say_where_the_batch_is() {
    let (a, b) = (tensor(&[2, 3], &[1., 2., 3., 4., 5., 6.]), vector(&[10., 20.]));
    // Columns of `a`, all with the same `b`.
    let f = vmap(|(a, b): (Tensor, Tensor)| Ok((&a + &b, b))).in_axes((1, None)).out_axes((1, None));
    let (sum, b) = f.call((a.clone(), b)).unwrap();
    assert_close(&sum, &[2, 3], &[11., 12., 13., 24., 25., 26.]);
    assert_close(&b, &[2], &[10., 20.]);
    let f = vmap(|a: Tensor| Ok(a)).in_axes(-1).out_axes(-1);
    assert_same(&f.call(a.clone()).unwrap(), &a);
    let transposed = vmap(|a: Tensor| Ok(a)).in_axes(0).out_axes(-1).call(a.clone()).unwrap();
    assert_same(&transposed, &a.t());
}

#[test]
fn an_output_shared_by_the_examples_is_repeated_along_its_axis() {
    let f = vmap(|_: Tensor| Ok((scalar(7.0), vector(&[1., 2.])))).out_axes((0, 1));
    let (seven, pair) = f.call(xs()).unwrap();
    assert_close(&seven, &[4], &[7.; 4]);
    assert_close(&pair, &[2, 4], &[1., 1., 1., 1., 2., 2., 2., 2.]);
}

#[test]
fn a_prefix_covers_a_subtree() {
    let f = vmap(|((a, b), c): ((Tensor, Tensor), Tensor)| Ok(a * b + c)).in_axes((None, 0));
    assert_close(&f.call(((scalar(2.), scalar(3.)), vector(&[1., 2.]))).unwrap(), &[2], &[7., 8.]);
    let f = vmap(|((a, b), c): ((Tensor, Tensor), Tensor)| Ok(a * b + c)).in_axes(((None, 0), None));
    assert_close(&f.call(((scalar(2.), vector(&[3., 4.])), scalar(1.))).unwrap(), &[2], &[7., 9.]);
}

#[test]
fn axis_size_says_how_many_where_no_argument_does() {
    let f = vmap(|x: Tensor| Ok(x + axis_index("i")?)).axis_name("i").axis_size(3).in_axes(None);
    assert_close(&f.call(scalar(10.0)).unwrap(), &[3], &[10., 11., 12.]);
    let f = vmap(|x: Tensor| Ok(x * axis_size("i")? as f64)).axis_name("i");
    assert_close(&f.call(vector(&[1., 2.])).unwrap(), &[2], &[2., 4.]);
}

#[test]
fn a_batch_of_one_and_of_none() {
    let f = vmap(|x: Tensor| Ok(x.sin() + total(&x)));
    assert_eq!(f.call(Tensor::zeros([1, 3])).unwrap().shape(), [1, 3]);
    assert_eq!(f.call(Tensor::zeros([0, 3])).unwrap().shape(), [0, 3]);
}

#[test]
fn collectives_talk_over_the_named_axis() {
    let f = |x: Tensor| Ok((x.psum("i")?, x.pmean("i")?, x.pmax("i")?, x.pmin("i")?));
    let f = vmap(f).axis_name("i").out_axes(None);
    let (sum, mean, max, min) = f.call(vector(&[1., 6., 2.])).unwrap();
    assert_close(&sum, &[], &[9.]);
    assert_close(&mean, &[], &[3.]);
    assert_close(&max, &[], &[6.]);
    assert_close(&min, &[], &[1.]);
    let gathered = vmap(|x: Tensor| x.all_gather("i", 1)).axis_name("i").out_axes(None);
    assert_close(
        &gathered.call(tensor(&[2, 3], &[1., 2., 3., 4., 5., 6.])).unwrap(),
        &[3, 2],
        &[1., 4., 2., 5., 3., 6.],
    );
}

#[test]
fn collectives_of_unmapped_values() {
    let f = |_: Tensor| {
        let x = vector(&[3.0]);
        Ok((x.psum("i")?, x.pmean("i")?, x.pmax("i")?, x.all_gather("i", 0)?))
    };
    let (sum, mean, max, all) = vmap(f).axis_name("i").out_axes(None).call(vector(&[0., 0.])).unwrap();
    assert_close(&sum, &[1], &[6.]);
    assert_close(&mean, &[1], &[3.]);
    assert_close(&max, &[1], &[3.]);
    assert_close(&all, &[2, 1], &[3., 3.]);
}

#[test]
fn nested_vmap_with_two_names() {
    let f = |(x, y): (Tensor, Tensor)| {
        let p = &x * &y;
        Ok((p.pmean("rows")?, p.pmean("columns")?, p.pmean("rows")?.pmean("columns")?))
    };
    let outer = vmap(|(x, ys): (Tensor, Tensor)| {
        vmap(f).axis_name("columns").in_axes((None, 0)).out_axes((0, None, None)).call((x, ys))
    })
    .axis_name("rows")
    .in_axes((0, None))
    .out_axes((None, 0, None));
    let (rows, columns, both) = outer.call((vector(&[1., 3.]), vector(&[1., 2., 6.]))).unwrap();
    assert_close(&rows, &[3], &[2., 4., 12.]);
    assert_close(&columns, &[2], &[3., 9.]);
    assert_close(&both, &[], &[6.]);
}

#[test]
fn the_innermost_axis_of_a_name_is_meant() {
    let inner = |x: Tensor| vmap(|x: Tensor| x.psum("i")).axis_name("i").out_axes(None).call(x);
    let sums = vmap(inner).axis_name("i").call(tensor(&[2, 2], &[1., 2., 10., 20.])).unwrap();
    assert_close(&sums, &[2], &[3., 30.]);
}

#[test]
fn grad_of_vmap_and_vmap_of_grad() {
    let f = |x: &Tensor| Ok((x * x).sin().sum_axes([0]));
    let per_example = vmap(|x: Tensor| grad(f)(&x)).call(xs()).unwrap();
    let summed = grad(|xs: &Tensor| Ok(total(&vmap(|x: Tensor| f(&x)).call(xs.clone())?)))(&xs()).unwrap();
    assert_same(&per_example, &summed);
    let expected: Vec<f64> = floats(&xs()).iter().map(|x| 2.0 * x * (x * x).cos()).collect();
    assert_close(&summed, &[4, 3], &expected);
}

#[test]
fn per_example_gradients_of_shared_parameters() {
    let params = (vector(&[0.5, -1.0, 2.0]), scalar(0.1));
    let loss = |(w, b): &(Tensor, Tensor), x: &Tensor| Ok(((w * x).sum_axes([0]) + b).tanh());
    let (dw, db) = vmap(|x: Tensor| grad(|p: &(Tensor, Tensor)| loss(p, &x))(&params)).call(xs()).unwrap();
    assert_eq!((dw.shape(), db.shape()), (&[4, 3][..], &[4][..]));
    for (i, row) in xs().to_vec::<f32>().unwrap().chunks(3).enumerate() {
        let (w1, b1) = grad(|p: &(Tensor, Tensor)| loss(p, &vector(row)))(&params).unwrap();
        assert_close(&w1, &[3], &floats(&dw)[i * 3..][..3]);
        assert_close(&b1, &[], &floats(&db)[i..=i]);
    }
}

#[test]
fn batch_statistics_come_back_unbatched() {
    let f = |(x, mean): (Tensor, Tensor)| {
        let now = x.pmean("batch")?;
        let mean = mean * 0.9 + &now * 0.1;
        Ok((x - now, mean))
    };
    let f = vmap(f).axis_name("batch").in_axes((0, None)).out_axes((0, None));
    let (y, mean) = f.call((vector(&[1., 2., 6.]), scalar(10.))).unwrap();
    assert_close(&y, &[3], &[-2., -1., 3.]);
    assert_close(&mean, &[], &[9.3]);
}

#[test]
fn gradients_flow_through_pmean() {
    // Σᵢ (xᵢ - m)² has gradient 2(xᵢ - m).
    let inside = |x: &Tensor| {
        let d = x - x.pmean("batch")?;
        Ok(&d * &d)
    };
    let x = vector(&[1., 2., 6.]);
    let outer =
        grad(|x: &Tensor| Ok(total(&vmap(|x: Tensor| inside(&x)).axis_name("batch").call(x.clone())?)))(&x);
    assert_close(&outer.unwrap(), &[3], &[-4., -2., 6.]);
    // With grad inside, every example's loss flows back to every example: the same values.
    let inner = vmap(|x: Tensor| grad(inside)(&x)).axis_name("batch").call(x);
    assert_close(&inner.unwrap(), &[3], &[-4., -2., 6.]);
}

#[test]
fn averaging_gradients_as_in_data_parallel_training() {
    let step = |(w, x): (Tensor, Tensor)| {
        let (loss, dw) = value_and_grad(|w: &Tensor| Ok(w * w * &x))(&w)?;
        Ok((&w - dw.pmean("batch")? * 0.1, loss))
    };
    let step = vmap(step).axis_name("batch").in_axes((None, 0)).out_axes((None, 0));
    let (w, loss) = step.call((scalar(2.0), vector(&[1., 3.]))).unwrap();
    assert_close(&w, &[], &[2.0 - 0.1 * 8.0]);
    assert_close(&loss, &[2], &[4., 12.]);
}
