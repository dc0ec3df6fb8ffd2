//! Layers and functions for images compute what PyTorch's do. `torch/images.py` made the file.

use std::path::PathBuf;

use flaxen::WindowReduction;
use flaxen::image::{Interpolate, InterpolateMode, ResizeMethod, interpolate, interpolate_by, resize};
use flaxen::io::safetensors;
use flaxen::nn::{PReLU, adaptive_avg_pool, adaptive_max_pool, pool};
use flaxen::prelude::*;
use flaxen_tests::laws::{check, law};

/// What PyTorch 2.15 computed, by its name.
fn file() -> Dict {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("torch/images.safetensors");
    safetensors::load(path).unwrap()
}

fn assert_close(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let difference = (found - expected).abs().max().item::<f32>().unwrap();
    assert!(found.all_close(expected, 1e-5, 2e-6).unwrap(), "{what}: {difference} apart");
}

#[test]
fn a_slope_for_each_channel_is_that_of_pytorch() {
    let file = file();
    for name in ["images", "rows", "one"] {
        let array = |what: &str| file.tensor([&*format!("prelu.{name}.{what}")]).unwrap();
        let layer = PReLU::new().per_channel(true);
        let variables = layer.init(key(0)).call(array("x")).unwrap();
        let own = variables.tensor("params/negative_slope").unwrap();
        assert_eq!(own.shape(), array("slope").shape());
        let params = Dict::from([("negative_slope", array("slope").clone())]);
        let y = layer.apply(Variables::new().with("params", params)).call(array("x")).unwrap();
        assert_close(&y, array("y"), name);
    }
}

#[test]
fn a_scalar_has_no_channels_to_have_slopes() {
    let error = PReLU::new().per_channel(true).init(key(0)).call(&Tensor::from(1.0f32)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("PReLU") && text.contains("an axis of features"), "{text}");
    assert!(PReLU::new().init(key(0)).call(&Tensor::from(1.0f32)).is_ok());
}

/// The results whose names begin so, by what follows.
fn cases<'a>(file: &'a Dict, prefix: &'a str) -> Vec<(&'a str, &'a Tensor)> {
    let all =
        file.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value.tensor().unwrap())));
    let cases: Vec<_> = all.collect();
    assert!(!cases.is_empty(), "{prefix}");
    cases
}

/// Numbers between separators.
fn numbers(text: &str, separator: char) -> Vec<usize> {
    text.split(separator).map(|number| number.parse().unwrap()).collect()
}

#[test]
fn windows_of_a_remainder_are_those_of_pytorch() -> Result<()> {
    let file = file();
    let line = file.tensor(["pool.line"])?;
    for (case, expected) in cases(&file, "pool.max.") {
        let [size, window, stride, padding] = numbers(case, '.')[..] else { panic!("{case}") };
        let x = line.slice_axis(1, 0..size);
        let around = [(padding as isize, padding as isize)];
        let y = max_pool(&x, [window]).strides([stride]).padding(around).ceil_mode(true).run()?;
        assert_close(&y, expected, case);
        for count in [true, false] {
            let expected = file.tensor([&*format!("pool.avg{}.{case}", i32::from(count))])?;
            let average = avg_pool(&x, [window]).strides([stride]).padding(around).count_include_pad(count);
            assert_close(&average.ceil_mode(true).run()?, expected, case);
        }
    }
    let image = file.tensor(["pool.image"])?;
    let y = max_pool(image, [3, 2]).strides([2, 3]).padding([(1, 1), (0, 0)]).ceil_mode(true).run()?;
    assert_close(&y, file.tensor(["pool.image.max"])?, "max");
    for (count, name) in [(true, "pool.image.avg1"), (false, "pool.image.avg0")] {
        let average = avg_pool(image, [3, 2]).strides([2, 3]).padding([(1, 1), (0, 0)]);
        assert_close(&average.ceil_mode(true).count_include_pad(count).run()?, file.tensor([name])?, name);
    }
    Ok(())
}

#[test]
fn windows_that_fit_are_the_same_in_ceil_mode() -> Result<()> {
    let x = random::normal(&key(0), [2, 8, 6, 3]);
    for padding in [Padding::Valid, Padding::Same, Padding::SameLower, [(1, 1), (0, 0)].into()] {
        let averages =
            |ceil| avg_pool(&x, [2, 3]).strides([2, 3]).padding(padding.clone()).ceil_mode(ceil).run();
        assert_eq!(averages(true)?.to_vec::<f32>()?, averages(false)?.to_vec::<f32>()?, "{padding:?}");
    }
    // A window of a rest is none if it begins behind the end.
    for (padding, sums) in [((0, 0), vec![3.0]), ((0, 1), vec![3.0, 1.0]), ((1, 0), vec![2.0, 2.0])] {
        let rest = pool(&Tensor::ones([3, 1]), [3], WindowReduction::Sum).strides([2]).padding([padding]);
        assert_eq!(rest.ceil_mode(true).run()?.to_vec::<f32>()?, sums, "{padding:?}");
    }
    let cropped = max_pool(&x, [2, 2]).padding([(0, 0), (0, -1)]).ceil_mode(true).run();
    assert!(cropped.unwrap_err().to_string().contains("slice the input"));
    assert!(max_pool(&x, [0, 1]).ceil_mode(true).run().is_err());
    assert!(max_pool(&x, [1, 1]).strides([0, 1]).ceil_mode(true).run().is_err());
    assert!(max_pool(&x, [usize::MAX, 1]).ceil_mode(true).run().is_err());
    Ok(())
}

#[test]
fn pooling_with_a_remainder_and_into_bins_keeps_the_laws() {
    let argument = |data: &mut flaxen_tests::data::Data| vec![data.distinct([2, 5, 2], -1.0, 1.0)];
    check([
        law("max", argument, |x| max_pool(&x[0], [2]).strides([2]).ceil_mode(true).run()),
        law("average", argument, |x| avg_pool(&x[0], [2]).strides([2]).ceil_mode(true).run()),
        law("adaptive", argument, |x| adaptive_avg_pool(&x[0], [3])),
        law("adaptive, growing", argument, |x| adaptive_avg_pool(&x[0], [7])),
        law("largest", argument, |x| adaptive_max_pool(&x[0], [3])),
        law("largest, growing", argument, |x| adaptive_max_pool(&x[0], [7])),
    ]);
}

#[test]
fn names_of_paddings_are_those_of_jax() -> Result<()> {
    let x = random::normal(&key(0), [1, 7, 2]);
    for (name, padding) in
        [("SAME", Padding::Same), ("valid", Padding::Valid), ("SAME_LOWER", Padding::SameLower)]
    {
        let [named, known] = [name.into(), padding].map(|padding: Padding| {
            max_pool(&x, [4]).strides([2]).padding(padding).run().unwrap().to_vec::<f32>().unwrap()
        });
        assert_eq!(named, known, "{name}");
    }
    for ceil in [false, true] {
        let text = avg_pool(&x, [2]).padding("CIRCULAR").ceil_mode(ceil).run().unwrap_err().to_string();
        assert!(text.contains("\"CIRCULAR\"") && text.contains("\"SAME_LOWER\""), "{text}");
    }
    Ok(())
}

#[test]
fn bins_are_those_of_pytorch() -> Result<()> {
    let file = file();
    for of in ["line", "image", "volume"] {
        let x =
            file.tensor([if of == "volume" { "adaptive.volume".into() } else { format!("pool.{of}") }])?;
        for (case, expected) in cases(&file, &format!("adaptive.{of}.")) {
            assert_close(&adaptive_avg_pool(x, numbers(case, 'x'))?, expected, case);
        }
    }
    let (x, none) = (Tensor::ones([2, 3, 4]), Tensor::ones([2, 0, 4]));
    assert_eq!(adaptive_avg_pool(&x, [0])?.shape(), [2, 0, 4]);
    assert_eq!(adaptive_avg_pool(&none, [0])?.shape(), [2, 0, 4]);
    assert_eq!(adaptive_avg_pool(&Tensor::from([[1], [2]]), [1])?.to_vec::<f32>()?, [1.5]);
    assert!(adaptive_avg_pool(&none, [2]).is_err());
    let text = adaptive_avg_pool(&x, [1, 1, 1]).unwrap_err().to_string();
    assert!(text.contains("3 spatial axes"), "{text}");
    Ok(())
}

#[test]
fn largest_elements_of_bins_are_those_of_pytorch() -> Result<()> {
    let file = file();
    for of in ["line", "image", "volume"] {
        let x =
            file.tensor([if of == "volume" { "adaptive.volume".into() } else { format!("pool.{of}") }])?;
        for (case, expected) in cases(&file, &format!("adaptive_max.{of}.")) {
            let found = adaptive_max_pool(x, numbers(case, 'x'))?;
            assert_eq!(found.to_vec::<f32>()?, expected.to_vec::<f32>()?, "{case}");
        }
    }
    let (x, none) = (Tensor::from([[3], [-1], [2]]), Tensor::ones([2, 0, 4]));
    assert_eq!(adaptive_max_pool(&x, [2])?.to_vec::<i32>()?, [3, 2]);
    assert_eq!(adaptive_max_pool(&none, [0])?.shape(), [2, 0, 4]);
    assert!(adaptive_max_pool(&none, [2]).is_err());
    assert!(adaptive_max_pool(&x, [1, 1]).unwrap_err().to_string().contains("2 spatial axes"));
    let nan = adaptive_max_pool(&Tensor::from([[f32::NAN], [1.0], [2.0]]), [2])?.to_vec::<f32>()?;
    assert!(nan[0].is_nan() && nan[1] == 2.0);
    Ok(())
}

#[test]
fn the_nearest_element_is_that_of_pytorch_for_all_sizes() -> Result<()> {
    let file = file();
    for (name, mode) in
        [("nearest", InterpolateMode::Nearest), ("nearest-exact", InterpolateMode::NearestExact)]
    {
        let rows = file.tensor([&*format!("index.{name}")])?.cast(DType::I32).to_vec::<i32>()?;
        let mut rows = rows.chunks(32);
        for size in 1..17 {
            for to in 1..33 {
                let line = Tensor::arange(0i32, size, 1).reshape([size as usize, 1]);
                let y = interpolate(&line, [to]).mode(mode).run()?.to_vec::<i32>()?;
                assert_eq!(y, rows.next().unwrap()[..to], "{name} of {size} to {to}");
            }
        }
    }
    Ok(())
}

#[test]
fn interpolations_are_those_of_pytorch() -> Result<()> {
    let file = file();
    let modes = [
        ("nearest.", InterpolateMode::Nearest, false),
        ("nearest-exact.", InterpolateMode::NearestExact, false),
        ("area.", InterpolateMode::Area, false),
        ("linear.0.", InterpolateMode::Linear, false),
        ("linear.1.", InterpolateMode::Linear, true),
        ("cubic.0.", InterpolateMode::Cubic, false),
        ("cubic.1.", InterpolateMode::Cubic, true),
    ];
    for (name, mode, align) in modes {
        for (case, expected) in cases(&file, &format!("interpolate.{name}")) {
            let (of, to) = case.split_once('.').unwrap();
            let x =
                file.tensor([if of == "volume" { "adaptive.volume".into() } else { format!("pool.{of}") }])?;
            let interpolation: Interpolate = match to {
                "by" => interpolate_by(x, [1.7, 0.6]),
                "kept" => interpolate_by(x, [1.06, 1.1]),
                sizes => interpolate(x, numbers(sizes, 'x')),
            };
            assert_close(
                &interpolation.mode(mode).align_corners(align).run()?,
                expected,
                &format!("{name}{case}"),
            );
        }
    }
    Ok(())
}

#[test]
fn smoothed_interpolations_are_those_of_resize() -> Result<()> {
    let file = file();
    for (name, method) in [("linear", ResizeMethod::Linear), ("cubic", ResizeMethod::Cubic)] {
        let y = resize(file.tensor(["pool.image"])?, [2, 4, 13, 3], method).run()?;
        assert_close(&y, file.tensor([&*format!("smoothed.{name}.image.4x13")])?, name);
    }
    Ok(())
}

#[test]
fn antialiased_interpolations_are_those_of_pytorch() -> Result<()> {
    let file = file();
    let image = file.tensor(["pool.image"])?;
    for (name, mode) in [("linear", InterpolateMode::Linear), ("cubic", InterpolateMode::Cubic)] {
        for align in [false, true] {
            for (case, expected) in cases(&file, &format!("antialias.{name}.{}.", i32::from(align))) {
                let interpolation = match case {
                    "by" => interpolate_by(image, [1.7, 0.6]),
                    "kept" => interpolate_by(image, [1.06, 1.1]),
                    "less" => interpolate_by(image, [0.3, 0.26]),
                    sizes => interpolate(image, numbers(sizes, 'x')),
                };
                let found = interpolation.mode(mode).align_corners(align).antialias(true).run()?;
                assert_close(&found, expected, &format!("{name} {align} {case}"));
            }
        }
    }
    let text = interpolate(image, [2, 2]).antialias(true).run().unwrap_err().to_string();
    assert!(text.contains("`antialias`") && text.contains("`Linear`"), "{text}");
    Ok(())
}

#[test]
fn interpolations_keep_the_laws() {
    let modes = [
        InterpolateMode::Nearest,
        InterpolateMode::NearestExact,
        InterpolateMode::Linear,
        InterpolateMode::Cubic,
    ];
    check(modes.into_iter().flat_map(|mode| {
        [false, true].into_iter().filter_map(move |align| {
            let is_nearest = matches!(mode, InterpolateMode::Nearest | InterpolateMode::NearestExact);
            (!align || !is_nearest).then(|| {
                law(
                    format!("{mode:?} align_corners={align}"),
                    |data| vec![data.floats([4, 5, 2], -1.0, 1.0)],
                    move |x| interpolate(&x[0], [6, 3]).mode(mode).align_corners(align).run(),
                )
                .loose(8.0)
            })
        })
    }));
}

#[test]
fn interpolations_that_make_no_sense_are_refused() {
    let x = Tensor::ones([2, 3, 1]);
    let text = |interpolation: Interpolate| interpolation.run().unwrap_err().to_string();
    assert!(text(interpolate(&x, [2, 2]).align_corners(true)).contains("`align_corners`"));
    assert!(text(interpolate(&x, [2, 2, 2])).contains("3 spatial axes"));
    assert!(text(interpolate(&Tensor::ones([0, 1]), [2])).contains("elements"));
    for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(text(interpolate_by(&x, [1.0, factor])).contains("factor"), "{factor}");
    }
    assert_eq!(interpolate(&x, [0, 2]).run().unwrap().shape(), [0, 2, 1]);
    assert_eq!(interpolate(&Tensor::ones([0, 1]), [0]).run().unwrap().shape(), [0, 1]);
}
