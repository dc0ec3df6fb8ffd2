//! Resizing, convolutions of signals, patches, and kernels of each position: laws, and what is refused.

use flaxen::image::{ResizeMethod, resize, scale_and_translate};
use flaxen::prelude::*;
use flaxen::{ConvolveMode, image};
use flaxen_tests::laws::{check, law};
use flaxen_tests::naive_backend::NAIVE;
use flaxen_tests::numbers::assert_close;

const METHODS: [ResizeMethod; 7] = [
    ResizeMethod::Nearest,
    ResizeMethod::Linear,
    ResizeMethod::Cubic,
    ResizeMethod::CubicPytorch,
    ResizeMethod::Lanczos3,
    ResizeMethod::Lanczos5,
    ResizeMethod::Area,
];
const MODES: [ConvolveMode; 3] = [ConvolveMode::Full, ConvolveMode::Same, ConvolveMode::Valid];

#[test]
fn resizing_keeps_the_laws() {
    check(METHODS.into_iter().flat_map(|method| {
        [([5, 2], true), ([5, 2], false), ([3, 9], true)].map(|(shape, antialias)| {
            law(
                format!("{method:?} to {shape:?} antialias={antialias}"),
                |data| vec![data.floats([4, 5], -1.0, 1.0)],
                move |x| resize(&x[0], shape, method).antialias(antialias).run(),
            )
            .loose(8.0)
        })
    }));
}

#[test]
fn maps_of_images_keep_the_laws() {
    let methods = [ResizeMethod::Linear, ResizeMethod::Cubic, ResizeMethod::Lanczos3];
    check(methods.map(|method| {
        law(
            format!("{method:?}"),
            // Away from the maps under which a kernel has a kink.
            |data| {
                vec![
                    data.floats([4, 5], -1.0, 1.0),
                    data.floats([2], 1.31, 1.33),
                    data.floats([2], 0.21, 0.23),
                ]
            },
            move |x| scale_and_translate(&x[0], [4, 6], [0, 1], &x[1], &x[2], method).run(),
        )
        .tolerance(1e-5)
        .dtypes([DType::F32])
        .loose(200.0)
        .once()
    }));
}

#[test]
fn a_constant_image_stays_constant_and_axes_that_keep_their_size_are_not_touched() {
    let constant = Tensor::full([5, 7, 2], 3.0);
    let noise = random::normal(&key(1), [4, 3]);
    for method in METHODS {
        for shape in [[2, 3, 2], [10, 14, 2], [5, 20, 2]] {
            let y = resize(&constant, shape, method).run().unwrap();
            assert!(y.all_close(Tensor::full(shape, 3.0), 1e-5, 0.0).unwrap(), "{method:?} {shape:?}");
        }
        assert_eq!(resize(&noise, [4, 3], method).run().unwrap().to_vec::<f32>(), noise.to_vec::<f32>());
        assert_eq!(resize(&noise, [0, 3], method).run().unwrap().shape(), [0, 3]);
    }
    let booleans = Tensor::from([true, false]);
    assert_eq!(
        resize(&booleans, [4], ResizeMethod::Nearest).run().unwrap().to_vec::<bool>().unwrap(),
        [true, true, false, false]
    );
    assert_eq!(resize(&Tensor::from([1, 3]), [4], ResizeMethod::Linear).run().unwrap().dtype(), DType::F32);
}

#[test]
fn resizing_means_the_same_on_another_backend() {
    let x = random::normal(&key(2), [2, 6, 5, 3]);
    for method in METHODS {
        let f = move |x: Tensor| image::resize(&x, [2, 4, 11, 3], method).run();
        let (ours, compiled, theirs) = (
            f(x.clone()).unwrap(),
            jit(f).call(x.clone()).unwrap(),
            jit(f).on(&NAIVE).call(x.clone()).unwrap(),
        );
        assert_eq!(ours.to_vec::<f32>(), compiled.to_vec::<f32>());
        assert!(theirs.all_close(&ours, 1e-5, 1e-6).unwrap(), "{method:?}");
    }
}

#[test]
fn convolutions_of_signals_keep_the_laws() {
    let vectors = MODES.into_iter().flat_map(|mode| {
        [(5, 3), (2, 4)].into_iter().flat_map(move |(m, n)| {
            let make = move |data: &mut flaxen_tests::data::Data| {
                vec![data.floats([m], 0.5, 1.0), data.floats([n], 0.5, 1.0)]
            };
            [
                law(format!("convolve {mode:?} {m} {n}"), make, move |x| x[0].try_convolve(&x[1], mode)),
                law(format!("correlate {mode:?} {m} {n}"), make, move |x| x[0].try_correlate(&x[1], mode)),
            ]
        })
    });
    let fields = MODES.map(|mode| {
        law(
            format!("convolve_nd {mode:?}"),
            |data| vec![data.floats([3, 4], 0.5, 1.0), data.floats([2, 3], 0.5, 1.0)],
            move |x| x[0].try_convolve_nd(&x[1], mode),
        )
    });
    check(vectors.chain(fields).map(|law| law.loose(8.0)));
}

#[test]
fn patches_and_kernels_of_each_position_keep_the_laws() {
    let options = || ConvOptions::new().strides([2]).padding(Padding::Same);
    check([
        law(
            "patches",
            |data| vec![data.floats([2, 5, 2], 0.5, 1.0)],
            move |x| x[0].try_conv_patches([3], &options()),
        ),
        law(
            "local",
            |data| vec![data.floats([2, 5, 2], 0.5, 1.0), data.floats([3, 6, 2], 0.5, 1.0)],
            move |x| x[0].try_conv_local(&x[1], [3], &options()),
        )
        .loose(8.0),
    ]);
}

#[test]
fn a_kernel_of_each_position_that_is_everywhere_the_same_is_a_convolution() {
    let (x, kernel) = (random::normal(&key(3), [2, 6, 5, 3]), random::normal(&key(4), [3, 2, 3, 4]));
    let options = ConvOptions::new().strides([2, 1]).padding([(1, 0), (0, 1)]);
    let expected = x.conv_general(&kernel, &options);
    // Channels are the outer ones in a patch.
    let matrix = kernel.transpose([2, 0, 1, 3]).reshape([18, 4]);
    let positions = [&expected.shape()[1..3], &[18, 4]].concat();
    let local = x.conv_local(matrix.broadcast_to(positions), [3, 2], &options);
    assert!(local.all_close(&expected, 1e-4, 1e-5).unwrap());
    let first = options.clone().layout(flaxen::ConvLayout::ChannelsFirst);
    let patches = x.move_axis(-1, 1).conv_patches([3, 2], &first);
    assert_close(
        &patches.move_axis(1, -1).cast(DType::F64),
        &[2, expected.shape()[1], expected.shape()[2], 18],
        &x.conv_patches([3, 2], &options).to_vec::<f64>().unwrap(),
    );
    let per_position = matrix.broadcast_to([&expected.shape()[1..3], &[18, 4][..]].concat());
    let kernel_first = per_position.move_axis(-1, 0).move_axis(-1, 1);
    let found = x.move_axis(-1, 1).conv_local(kernel_first, [3, 2], &first);
    assert!(found.move_axis(1, -1).all_close(&expected, 1e-4, 1e-5).unwrap());
}

#[test]
fn mistakes_are_named() {
    let x = Tensor::ones([2, 3]);
    let (one, by) = (Tensor::ones([1]), Tensor::zeros([1]));
    let options = ConvOptions::new();
    for (error, text) in [
        (resize(&x, [4], ResizeMethod::Linear).run().unwrap_err(), "a size for each axis"),
        (
            resize(&Tensor::zeros([0]), [4], ResizeMethod::Linear).run().unwrap_err(),
            "elements where the result has some",
        ),
        (
            scale_and_translate(&x, [2, 3], [0], &one, &by, ResizeMethod::Nearest).run().unwrap_err(),
            "`resize`",
        ),
        (
            scale_and_translate(&x, [2, 3], [0, 1], &one, &by, ResizeMethod::Linear).run().unwrap_err(),
            "one for each axis",
        ),
        (
            scale_and_translate(&x, [2, 4], [0], &one, &by, ResizeMethod::Linear).run().unwrap_err(),
            "spatial axes alone",
        ),
        (x.try_convolve(&one, ConvolveMode::Full).unwrap_err(), "two vectors"),
        (x.try_convolve_nd(&Tensor::ones([3, 2]), ConvolveMode::Full).unwrap_err(), "the smaller along each"),
        (x.try_conv_patches([2], &options).unwrap_err(), "3 axes"),
        (
            Tensor::ones([1, 4, 2]).try_conv_patches([2], &options.clone().feature_groups(2)).unwrap_err(),
            "feature groups",
        ),
        (
            Tensor::ones([1, 4, 2]).try_conv_local(&x, [2], &options).unwrap_err(),
            "a kernel for each position",
        ),
        (
            Tensor::ones([1, 4, 2])
                .try_conv_general(Tensor::ones([2, 2, 2]), &options.transpose_kernel(true))
                .unwrap_err(),
            "`conv_transpose`",
        ),
    ] {
        assert!(error.to_string().contains(text), "{error}");
    }
}
