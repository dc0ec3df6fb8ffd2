//! Devices of a PJRT plugin: `FLAXEN_PJRT_PLUGIN` is the path of its library; without it these tests say that they were skipped.

use flaxen::Device;
use flaxen::prelude::*;
use flaxen_tests::device::device;

/// The first two devices of the plugin, if there are as many.
fn two_devices() -> Option<[Device; 2]> {
    device()?;
    let devices = Device::pjrt_with("$FLAXEN_PJRT_PLUGIN", &[]).unwrap();
    match devices[..] {
        [a, b, ..] => Some([a, b]),
        _ => None,
    }
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.to_vec().unwrap()
}

#[test]
fn a_function_runs_on_a_device_and_its_results_stay_there() {
    let Some(device) = device() else { return };
    let f = jit(|(x, y): (Tensor, Tensor)| Ok((&x * &y + 1.0, x.sum()))).on(&device);
    let (x, y) = (Tensor::from([1.0f32, 2.0, 3.0]), Tensor::from([4.0f32, 5.0, 6.0]));
    let (product, sum) = f.call((x.clone(), y)).unwrap();
    assert_eq!((product.device().unwrap(), sum.device().unwrap()), (device, device));
    assert_eq!(numbers(&product), [5.0, 11.0, 19.0]);
    assert_eq!(sum.item::<f32>().unwrap(), 6.0);
    // Its results are its arguments again.
    let (product, _) = f.call((product, x.to_device(&device).unwrap())).unwrap();
    assert_eq!(numbers(&product), [6.0, 23.0, 58.0]);
    assert_eq!(product.to_host().unwrap().device().unwrap(), Device::cpu());
    assert!(product.to_string().contains("58"), "{product}");
    assert_eq!(f.stats().traces, 1);
}

#[test]
fn every_dtype_and_shape_goes_there_and_back() {
    let Some(device) = device() else { return };
    let turn = |x: &Tensor| if x.rank() == 2 { x.transpose([1, 0]) } else { x.clone() };
    let twice = jit(move |x: Tensor| Ok((turn(&x), x))).on(&device);
    for dtype in DType::ALL {
        for shape in [vec![], vec![0], vec![1], vec![3, 5], vec![2, 0, 3], vec![64, 1024]] {
            let size: usize = shape.iter().product();
            let x = Tensor::arange(0, size as i32, 1).reshape(&*shape).cast(dtype);
            let there = x.to_device(&device).unwrap();
            let host = |tensor: &Tensor| tensor.array().unwrap().bytes().to_vec();
            assert_eq!(there.aval(), x.aval());
            assert_eq!(host(&there), host(&x), "{dtype} {shape:?}");
            let (turned, same) = twice.call(x.clone()).unwrap();
            assert_eq!(host(&same), host(&x), "{dtype} {shape:?}");
            assert_eq!(host(&turned), host(&turn(&x)), "{dtype} {shape:?}");
        }
    }
}

#[test]
fn memory_of_arguments_that_nobody_else_holds_is_given_away_and_other_memory_is_not() {
    let Some(device) = device() else { return };
    let f = jit(|(w, x): (Tensor, Tensor)| Ok(w + x)).on(&device);
    let one = Tensor::ones([1000]);
    for on_device in [false, true] {
        let place = |x: Tensor| if on_device { x.to_device(&device).unwrap() } else { x };
        let (w, x) = (place(Tensor::zeros([1000])), place(one.clone()));
        let kept = f.call((w.clone(), x.clone())).unwrap();
        assert!(numbers(&w).iter().all(|&w| w == 0.0), "it was held");
        let same = f.call((x.clone(), x.clone())).unwrap();
        assert!(numbers(&same).iter().all(|&w| w == 2.0) && numbers(&x).iter().all(|&x| x == 1.0));
        let moved = f.call((kept, x)).unwrap();
        assert!(numbers(&moved).iter().all(|&w| w == 2.0));
    }
    // A large one of the host, whose memory the device may use as its own.
    let large = Tensor::ones([1 << 20]);
    let step = jit(|w: Tensor| Ok(w * 2.0)).on(&device);
    let doubled = step.call(step.call(large.clone()).unwrap()).unwrap();
    assert_eq!((numbers(&large)[7], numbers(&doubled)[7]), (1.0, 4.0));
    let moved = step.call(large).unwrap();
    assert_eq!(numbers(&moved)[1 << 19], 2.0);
}

#[test]
fn mixing_devices_is_an_error_that_says_which_tensor_is_where() {
    let Some(device) = device() else { return };
    let x = Tensor::ones([2]).to_device(&device).unwrap();
    let error = x.clone().try_add(Tensor::ones([2])).unwrap_err().to_string();
    assert!(error.contains("`add` runs on the host") && error.contains("argument 0"), "{error}");
    assert!(error.contains(&format!("is on {device}")) && error.contains("to_host"), "{error}");

    let params = Dict::new().with("kernel", Tensor::ones([2])).with("bias", &x);
    let f = |(params, x): (Dict, Tensor)| Ok(params.tensor("kernel")? * x);
    let error = jit(f).call((params.clone(), Tensor::ones([2]))).unwrap_err().to_string();
    assert!(error.contains("`jit` runs on cpu, but `0.bias` of its argument"), "{error}");
    let captured = x.clone();
    let error = jit(move |y: Tensor| Ok(y * &captured)).call(Tensor::ones([2])).unwrap_err().to_string();
    assert!(error.contains("which the function has captured") && error.contains(device.name()), "{error}");
    // A device takes what the host has.
    let y = jit(f).on(&device).call((params, Tensor::from([3.0f32, 4.0]))).unwrap();
    assert_eq!(numbers(&y), [3.0, 4.0]);

    let Some([a, b]) = two_devices() else { return };
    let on_a = Tensor::ones([2]).to_device(&a).unwrap();
    let error = jit(|x: Tensor| Ok(x + 1.0)).on(&b).call(on_a.clone()).unwrap_err().to_string();
    let expected = format!("`jit` runs on {b}, but the argument is on {a}");
    assert!(error.contains(&expected), "{error}");
    let on_b = on_a.to_device(&b).unwrap();
    assert_eq!((on_b.device().unwrap(), numbers(&on_b)), (b, vec![1.0; 2]));
    let y = jit(|x: Tensor| Ok(x + 1.0)).on(&b).call(on_b).unwrap();
    assert_eq!((y.device().unwrap(), numbers(&y)), (b, vec![2.0; 2]));
}

#[test]
fn what_a_function_captures_is_copied_to_its_device_once() {
    let Some(device) = device() else { return };
    let weights = Tensor::arange(0, 5000, 1).cast(DType::F32);
    let there = weights.to_device(&device).unwrap();
    let f = jit(move |x: Tensor| Ok(&weights * x + &there)).on(&device);
    let x = Tensor::from(2.0f32);
    for _ in 0..3 {
        assert_eq!(numbers(&f.call(x.clone()).unwrap())[4999], 3.0 * 4999.0);
    }
}

#[test]
fn the_larger_of_numbers_keeps_nan_and_the_sign_of_zeros() {
    let Some(device) = device() else { return };
    let f = |x: Tensor| Ok((x.max_axes(0), x.maximum(0.0), x.minimum(-0.0)));
    let x = Tensor::from([f32::NAN, 1.0, 2.0, -0.0]);
    let (largest, above, below) = jit(f).on(&device).call(x).unwrap();
    assert!(largest.item::<f32>().unwrap().is_nan());
    let bits = |x: &Tensor| numbers(x)[1..].iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert!(numbers(&above)[0].is_nan() && numbers(&below)[0].is_nan());
    assert_eq!(bits(&above), [1.0f32, 2.0, 0.0].map(f32::to_bits));
    assert_eq!(bits(&below), [-0.0f32; 3].map(f32::to_bits));
}

#[test]
fn gradients_and_batches_of_a_compiled_function_run_on_its_device() {
    let Some(device) = device() else { return };
    let f = jit(|x: Tensor| Ok(x.square().sum())).on(&device);
    let x = Tensor::from([1.0f32, 2.0]);
    let gradient = grad(|x: &Tensor| f.call(x.clone()))(&x).unwrap();
    assert_eq!((numbers(&gradient), gradient.device().unwrap()), (vec![2.0, 4.0], device));
    let batch = vmap(|x: Tensor| f.call(x)).call(Tensor::from([[1.0f32, 2.0], [3.0, 4.0]])).unwrap();
    assert_eq!((numbers(&batch), batch.device().unwrap()), (vec![5.0, 25.0], device));
}

#[test]
fn nothing_leaks_over_ten_thousand_calls() {
    let Some(device) = device() else { return };
    let step = jit(|(w, x): (Tensor, Tensor)| Ok((&w * 0.5 + x.mean(), w.sum()))).on(&device);
    let mut w = Tensor::ones([16 << 10]).to_device(&device).unwrap();
    let x = Tensor::ones([16 << 10]);
    let before = device.live_buffers();
    let mut resident = 0;
    for i in 0..10_000 {
        let loss;
        (w, loss) = step.call((w, x.clone())).unwrap();
        if i % 100 == 0 {
            assert!(loss.item::<f32>().unwrap().is_finite());
        }
        if i == 2000 {
            resident = resident_bytes();
        }
    }
    // Other tests run beside this one, so there may be some more.
    assert!(device.live_buffers() <= before + 100, "{} buffers, {before} before", device.live_buffers());
    let grown = resident_bytes().saturating_sub(resident);
    // A leak of one of its arrays at each call would be 500 MB, one of 4 kB at each call 32 MB.
    assert!(grown < 200 << 20, "{grown} bytes more than after 2000 calls");
}

/// Bytes of this process in memory; 0 where the system does not say.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

#[test]
fn programs_run_on_several_threads_at_once() {
    let Some(device) = device() else { return };
    let f = jit(|x: Tensor| Ok(x.dot(&x) + 1.0)).on(&device);
    std::thread::scope(|scope| {
        for i in 0..4 {
            let f = &f;
            scope.spawn(move || {
                for j in 0..50 {
                    let x = Tensor::from([[(i + j) as f32]]);
                    assert_eq!(numbers(&f.call(x).unwrap()), [((i + j) * (i + j)) as f32 + 1.0]);
                }
            });
        }
    });
}

#[test]
fn memory_that_a_device_does_not_have_is_an_error() {
    let Some(device) = device() else { return };
    // 2^52 bytes are more than any device has.
    let f = jit(|x: Tensor| Ok(x.broadcast_to([1 << 25, 1 << 25]))).on(&device);
    let error = f.call(Tensor::from(1.0f32)).and_then(|x| x.to_host()).unwrap_err().to_string();
    assert!(error.contains(device.name()) && error.contains("use smaller shapes"), "{error}");
}

#[test]
fn a_plugin_and_its_devices_say_what_they_are() {
    let Some(device) = device() else { return };
    assert!(device.name().starts_with(&format!("pjrt:{}:", device.platform())), "{device}");
    assert!(!device.platform_version().is_empty() && !device.kind().is_empty());
    assert!(Device::list().contains(&device) && Device::list()[0] == Device::cpu());
    assert_eq!(Device::pjrt("$FLAXEN_PJRT_PLUGIN").unwrap(), device, "it is opened once");
    if let Some(stats) = device.memory_stats().unwrap() {
        assert!(stats.bytes_limit.is_none_or(|limit| stats.bytes_in_use <= limit));
    }
    let tree = device.put(&(Tensor::ones([2]), vec![Tensor::zeros([3])])).unwrap();
    assert_eq!(tree.1[0].device().unwrap(), device);
}

#[test]
fn a_plugin_is_given_options_by_name() {
    let Some(device) = device() else { return };
    if device.platform() == "cpu" {
        let devices = Device::pjrt_with("$FLAXEN_PJRT_PLUGIN", &[("cpu_device_count", 2.into())]).unwrap();
        assert_eq!(devices.len(), 2);
    }
    let error = Device::pjrt_with("$FLAXEN_PJRT_PLUGIN", &[("no_such_option", true.into())]);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no_such_option"), "{error}");
}

#[test]
fn what_is_no_plugin_is_an_error_that_says_so() {
    let error = |path: &str| Device::pjrt(path).unwrap_err().to_string();
    assert!(error("/no/such/plugin.so").contains("cannot be opened as a plugin"));
    assert!(
        error("$FLAXEN_NO_SUCH_VARIABLE")
            .contains("there is no environment variable `FLAXEN_NO_SUCH_VARIABLE`")
    );
}

#[test]
fn devices_are_named_on_command_lines() {
    assert_eq!("cpu".parse::<Device>().unwrap(), Device::cpu());
    let error = "gpu".parse::<Device>().unwrap_err().to_string();
    assert!(error.contains("`gpu` is no device: there are `cpu` and `pjrt:PATH`"), "{error}");
    if let Some(device) = device() {
        assert_eq!("pjrt:$FLAXEN_PJRT_PLUGIN".parse::<Device>().unwrap(), device);
        let x = Tensor::ones([3]).to_device(&device).unwrap();
        x.block_until_ready().unwrap();
    }
    Tensor::ones([3]).block_until_ready().unwrap();
}

#[test]
fn an_exported_program_runs_without_the_function_that_it_was_made_of() {
    let Some(device) = device() else { return };
    let model = sequential![Dense::new(4), Tensor::tanh, Dense::new(2)];
    let x = random::normal(&key(0), [3, 5]);
    let variables = model.init(key(1)).call(&x).unwrap();
    let apply = jit(|(variables, x): (Variables, Tensor)| {
        let y = model.apply(&variables).call(&x)?;
        Ok(Dict::new().with("y", &y).with("mean", y.mean()))
    });
    let expected = apply.call((variables.clone(), x.clone())).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.mlir");
    flaxen::export::save(&path, &apply, &(variables.clone(), x.clone())).unwrap();
    let loaded = flaxen::export::load(&path).unwrap().on(&device).unwrap();
    let outs = loaded.call((variables.clone(), x.clone())).unwrap();
    for (leaf, out) in loaded.outputs().iter().zip(&outs) {
        assert_eq!(out.device().unwrap(), device);
        let expected = expected.tensor(&leaf.path).unwrap();
        assert_eq!(out.shape(), expected.shape());
        for (out, expected) in numbers(out).iter().zip(numbers(expected)) {
            assert!((out - expected).abs() < 1e-5, "{}: {out} and {expected}", leaf.path);
        }
    }
    // On the device already, and again.
    assert_eq!(
        numbers(&loaded.call(device.put(&(variables.clone(), x)).unwrap()).unwrap()[0]),
        numbers(&outs[0])
    );

    let wrong = loaded.call((variables.clone(), Tensor::ones([3, 6]))).unwrap_err().to_string();
    assert!(wrong.contains("`1` is f32[3,6], and the program takes f32[3,5]"), "{wrong}");
    let few = loaded.call(Tensor::ones([3, 5])).unwrap_err().to_string();
    assert!(few.contains("1 tensors for a program of 5"), "{few}");
    let host = flaxen::export::load(&path).unwrap().on(&Device::cpu()).err().unwrap().to_string();
    assert!(host.contains("give a device of a plugin"), "{host}");
}
