//! Reductions over windows and pooling keep the laws of every operation, and refuse what makes no sense.

use flaxen::prelude::*;
use flaxen::{Pool, WindowOptions, WindowReduction};
use flaxen_tests::laws::{Law, check, law};

fn over(name: &str, shape: &'static [usize], options: &WindowOptions) -> Vec<Law> {
    [WindowReduction::Sum, WindowReduction::Product, WindowReduction::Max, WindowReduction::Min]
        .into_iter()
        .map(|reduction| {
            let options = options.clone();
            law(
                format!("{reduction:?} {name}"),
                move |data| vec![data.distinct(shape, -2.0, 2.0)],
                move |args| args[0].try_reduce_window(&options, reduction),
            )
        })
        .collect()
}

#[test]
fn reductions_over_windows_keep_the_laws() {
    // Each window has an element: an extreme of padding alone is infinite.
    let kinds = [
        ("of a line", &[7][..], WindowOptions::new([3])),
        ("of overlapping squares", &[2, 5, 6, 2], WindowOptions::new([1, 3, 2, 1]).padding(Padding::Same)),
        ("with strides", &[6, 5], WindowOptions::new([2, 3]).strides([2, 1]).padding([(1, 1), (0, 2)])),
        (
            "with gaps in the window",
            &[8],
            WindowOptions::new([3]).window_dilation([2]).padding(Padding::SameLower),
        ),
        ("of a spread tensor", &[4, 3], WindowOptions::new([2, 3]).base_dilation([2, 1]).strides([1, 2])),
        ("of a cropped tensor", &[7], WindowOptions::new([2]).padding([(-1, -2)])),
        ("of first and last axes", &[3, 2, 4], WindowOptions::new([2, 1, 3])),
    ];
    check(kinds.into_iter().flat_map(|(name, shape, options)| over(name, shape, &options)));
}

/// Twice the derivative of an extreme, so that what selects and moves is differentiated, too.
#[test]
fn moving_by_selection_is_linear_to_any_order() {
    let squares = |reduction| {
        law(
            format!("{reduction:?} of products"),
            |data| vec![data.distinct([2, 4, 4], -2.0, 2.0), data.floats([2, 4, 4], 0.5, 1.5)],
            move |args| {
                let options = WindowOptions::new([1, 2, 2]);
                let f = |x: &Tensor| {
                    let y = x.try_reduce_window(&options, reduction)?;
                    (&y * &y * &y).try_sum()
                };
                Ok(grad(f)(&args[0])? * &args[1])
            },
        )
        .loose(8.0)
    };
    check([squares(WindowReduction::Max), squares(WindowReduction::Min)]);
}

#[test]
fn pooling_keeps_the_laws() {
    let x = |data: &mut flaxen_tests::data::Data| vec![data.distinct([2, 5, 4, 2], -2.0, 2.0)];
    check([
        law("avg_pool", x, |args| avg_pool(&args[0], [2, 2]).strides([2, 2]).run()),
        law("avg_pool of what is there", x, |args| {
            avg_pool(&args[0], [3, 2]).padding(Padding::Same).count_include_pad(false).run()
        })
        // Counts are F32.
        .dtypes([DType::F32]),
        law("max_pool", x, |args| max_pool(&args[0], [3, 3]).strides([2, 2]).padding(Padding::Same).run()),
        law("min_pool", x, |args| min_pool(&args[0], [2]).padding([(1, 0)]).run()),
    ]);
}

#[test]
fn the_first_of_equals_has_the_whole_gradient() {
    let x = Tensor::from([[1.0f32, 1.0], [1.0, 1.0]]).reshape([1, 2, 2, 1]);
    for f in [max_pool, min_pool] {
        let g = grad(|x: &Tensor| f(x, [2usize, 2]).run()?.try_reshape(()))(&x).unwrap();
        assert_eq!(g.to_vec::<f32>().unwrap(), [1.0, 0.0, 0.0, 0.0]);
    }
}

#[test]
fn any_number_of_batch_axes_is_allowed() {
    let pool = |x: Tensor| max_pool(&x, [2, 2]).padding([(1, 0), (0, 1)]).run();
    let x = Tensor::from_vec((0..120).map(|i| ((i * 37) % 101) as f32).collect::<Vec<_>>(), [2, 3, 4, 5, 1]);
    let whole = pool(x.clone()).unwrap();
    let each = vmap(|x: Tensor| vmap(pool).call(x)).call(x).unwrap();
    assert_eq!(whole.shape(), [2, 3, 4, 5, 1]);
    assert_eq!(whole.to_vec::<f32>().unwrap(), each.to_vec::<f32>().unwrap());
}

#[test]
fn dtypes_follow_jax() {
    let pooled = |dtype| {
        let x = Tensor::ones_of([1, 4, 2], dtype);
        (avg_pool(&x, [2]).run().unwrap().dtype(), max_pool(&x, [2]).run().unwrap().dtype())
    };
    assert_eq!(pooled(DType::I32), (DType::F32, DType::I32));
    assert_eq!(pooled(DType::BF16), (DType::BF16, DType::BF16));
    assert_eq!(pooled(DType::F64), (DType::F64, DType::F64));
    // Divided by counts, which are F32.
    for (dtype, expected) in [
        (DType::I32, DType::F32),
        (DType::BF16, DType::F32),
        (DType::F16, DType::F32),
        (DType::F64, DType::F64),
    ] {
        let x = Tensor::ones_of([1, 4, 2], dtype);
        let mean = avg_pool(&x, [2]).count_include_pad(false).run().unwrap();
        assert_eq!(mean.dtype(), expected);
        assert_eq!(mean.cast(DType::F32).to_vec::<f32>().unwrap(), [1.0; 6]);
    }
}

#[test]
fn products_have_gradients_also_at_zeros() {
    // As JAX's forward mode; its reverse mode has none.
    let x = Tensor::from([2.0f32, 3.0, 0.0, 5.0]);
    let f = |x: &Tensor| x.try_reduce_window(&WindowOptions::new([2]), WindowReduction::Product);
    assert_eq!(f(&x).unwrap().to_vec::<f32>().unwrap(), [6.0, 0.0, 0.0]);
    let (_, along) = flaxen::jvp(f, &x, &Tensor::ones([4])).unwrap();
    assert_eq!(along.to_vec::<f32>().unwrap(), [5.0, 3.0, 5.0]);
    let gradient = grad(|x: &Tensor| f(x)?.try_sum())(&x).unwrap();
    assert_eq!(gradient.to_vec::<f32>().unwrap(), [3.0, 2.0, 8.0, 0.0]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let x = Tensor::ones([1, 6, 2]);
    let message = |pool: Pool| pool.run().unwrap_err().to_string();
    assert_eq!(
        message(max_pool(&x, [2, 2, 2])),
        "`max_pool` expects 3 spatial axes for the window [2, 2, 2], and one of channels, found f32[1,6,2]"
    );
    assert!(message(max_pool(&x, [2]).strides([1, 1])).contains("2 strides"));
    assert!(message(max_pool(&x, [2]).padding([(0, 0), (1, 1)])).contains("2 pairs of padding"));
    assert!(message(max_pool(&x, [0])).contains("each at least 1"));
    let options = WindowOptions::new([2, 2]);
    let error = x.try_reduce_window(&options, WindowReduction::Sum).unwrap_err();
    assert!(error.to_string().contains("window sizes [2, 2]: give 3"), "{error}");
    let bools = x.gt(0.0).try_reduce_window(&WindowOptions::new([1, 2, 1]), WindowReduction::Max);
    assert!(bools.unwrap_err().to_string().contains("cast booleans first"));
}
