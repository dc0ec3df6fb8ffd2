//! Laws of losses, and what they say about arguments that do not fit.

use flaxen::losses::*;
use flaxen::prelude::*;
use flaxen_tests::data::Data;

#[test]
fn integer_labels_are_one_hot_labels() {
    let mut data = Data::new(1);
    let logits = data.floats([2, 3, 5], -3.0, 3.0);
    let labels = data.integers([2, 3], DType::I32, 0, 5);
    let integer = softmax_cross_entropy_with_integer_labels(&logits, &labels);
    let onehot = softmax_cross_entropy(&logits, &labels.one_hot_of(5, -1, DType::F64));
    assert_eq!(integer.shape(), [2, 3]);
    assert!(integer.all_close(onehot, 1e-12, 1e-12).unwrap());
}

#[test]
fn losses_of_large_numbers_are_finite() {
    let (high, low) = (Tensor::from([1e4f32, -1e4]), Tensor::from([-1e4f32, 1e4]));
    let finite = |loss: Tensor| loss.is_finite().all().item::<bool>().unwrap();
    assert!(finite(log_cosh(&high, &low)));
    assert!(finite(sigmoid_binary_cross_entropy(&high, &Tensor::from([0, 1]))));
    assert!(finite(softmax_cross_entropy_with_integer_labels(&high, &Tensor::from(1i32))));
    let gradient = grad(|x: &Tensor| Ok(cosine_similarity(x, &low, 1e-6)))(&Tensor::zeros([2])).unwrap();
    assert!(finite(gradient));
}

#[test]
fn a_divergence_from_itself_is_zero_also_with_impossible_classes() {
    let p = Tensor::from([0.25f32, 0.75, 0.0]);
    let logs = Tensor::from([0.25f32.ln(), 0.75f32.ln(), -50.0]);
    assert_eq!(kl_divergence(&logs, &p).item::<f32>().unwrap(), 0.0);
    let gradient = grad(|logs: &Tensor| Ok(kl_divergence(logs, &p)))(&logs).unwrap();
    assert_eq!(gradient.to_vec::<f32>().unwrap(), [-0.25, -0.75, 0.0]);
    let both = kl_divergence_with_log_targets(&p.slice_axis(0, 0..2).log(), &p.slice_axis(0, 0..2).log());
    assert_eq!(both.item::<f32>().unwrap(), 0.0);
}

#[test]
fn hubers_loss_meets_its_line_with_one_gradient() {
    let zero = Tensor::zeros_of([], DType::F64);
    let gradient =
        |at: f64| grad(|x: &Tensor| Ok(huber_loss(x, &zero, 0.5)))(&Tensor::of(at, DType::F64)).unwrap();
    for (at, expected) in [(0.0, 0.0), (0.25, 0.25), (-0.25, -0.25), (0.75, 0.5), (-9.0, -0.5)] {
        assert_eq!(gradient(at).item::<f64>().unwrap(), expected, "{at}");
    }
}

#[test]
fn a_focus_of_zero_is_no_focus() {
    let mut data = Data::new(2);
    let (logits, labels) = (data.floats([6], -3.0, 3.0), data.integers([6], DType::I32, 0, 2));
    let plain = sigmoid_binary_cross_entropy(&logits, &labels);
    assert!(sigmoid_focal_loss(&logits, &labels, None, 0.0).all_close(&plain, 1e-12, 0.0).unwrap());
    assert!(sigmoid_focal_loss(&logits, &labels, Some(0.5), 0.0).all_close(plain * 0.5, 1e-12, 0.0).unwrap());
}

#[test]
fn arguments_that_do_not_fit_are_errors_that_say_so() {
    let logits = Tensor::zeros([4, 3]);
    let says = |result: Result<Tensor>, words: &[&str]| {
        let message = result.unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "`{word}` is missing in: {message}");
        }
    };
    let integer = |labels: Tensor| try_softmax_cross_entropy_with_integer_labels(&logits, &labels);
    says(integer(Tensor::zeros([4])), &["integers", "softmax_cross_entropy"]);
    says(integer(Tensor::from([0, 1])), &["[4, 3]", "[2]", "[4]"]);
    says(try_squared_error(&logits, &Tensor::zeros([4])), &["[4, 3]", "[4]", "squared_error"]);
    says(try_l2_loss(&Tensor::from([1]), &Tensor::from([1])), &["float"]);
    says(try_smooth_labels(&Tensor::from(1.0f32), 0.1), &["axis"]);
    let over = |over: Over| try_softmax_cross_entropy_over(&logits, &logits, over);
    says(over(Over::axis(2)), &["axis 2", "2 axes"]);
    says(over(Over::axes([0, 0])), &["twice"]);
    says(over(Over::axis(1).mask(Tensor::full([2], true))), &["[2, 1]", "[4, 3]"]);
    let ctc = |paddings: &Tensor, labels: &Tensor, blank_id: usize| {
        let (logits, none) = (Tensor::zeros([2, 5, 3]), Tensor::zeros(labels.shape()));
        try_ctc_loss(&logits, paddings, labels, &none, blank_id, -1e5)
    };
    let (paddings, labels) = (Tensor::zeros([2, 5]), Tensor::zeros_of([2, 2], DType::I32));
    says(ctc(&paddings, &labels, 3), &["blank_id", "3 classes"]);
    says(ctc(&labels, &labels, 0), &["paddings of logits", "[2, 5]"]);
    says(ctc(&paddings, &labels.cast(DType::F32), 0), &["integers"]);
    says(ctc(&paddings, &Tensor::zeros_of([3, 2], DType::I32), 0), &["3 sequences"]);
    says(DiceLoss::new().apply_softmax(false).try_call(&logits, &logits), &["apply_softmax", "sum"]);
    says(try_multiclass_hinge_loss(&logits, &logits), &["integers"]);
    says(try_ntxent(&logits, &Tensor::from([1, 2]), 0.1), &["4 embeddings", "2 labels"]);
}

#[test]
fn labels_beyond_the_classes_give_nan_and_negative_ones_count_from_the_end() {
    let logits = Tensor::zeros([2, 3]);
    let labels = Tensor::from([3, 0]);
    let loss = softmax_cross_entropy_with_integer_labels(&logits, &labels).to_vec::<f32>().unwrap();
    assert!(loss[0].is_nan() && loss[1].is_finite());
    let logits = Tensor::from([[1.0f32, 2.0, 4.0]]);
    let last = softmax_cross_entropy_with_integer_labels(&logits, &Tensor::from([2]));
    let counted = softmax_cross_entropy_with_integer_labels(&logits, &Tensor::from([-1]));
    assert_eq!(last.to_vec::<f32>().unwrap(), counted.to_vec::<f32>().unwrap());
}

#[test]
#[should_panic(expected = "predictions of shape [2]")]
fn shapes_that_would_broadcast_panic_without_try() {
    let _ = huber_loss(&Tensor::zeros([2]), &Tensor::zeros([2, 2]), 1.0);
}

/// By the names of `tests/golden/scripts/loss_corners.py`; `of` makes a tensor of the case's dtype.
fn of_loss_corners(name: &str, x: &Tensor, of: &dyn Fn(&[f32]) -> Tensor) -> Result<Tensor> {
    const ONE_HOT: [f32; 3] = [0.0, 1.0, 0.0];
    const IMPOSSIBLE: f32 = f32::NEG_INFINITY;
    let with_label = |label: i32| try_softmax_cross_entropy_with_integer_labels(x, &Tensor::from(label));
    match name {
        "softmax ordinary" => try_softmax_cross_entropy(x, &of(&[0.25, 0.5, 0.25])),
        "softmax huge" | "softmax ruled out" => try_softmax_cross_entropy(x, &of(&ONE_HOT)),
        "softmax of labels" => try_softmax_cross_entropy(&of(&[1.0, -2.0, 0.5]), x),
        "safe ordinary" => try_safe_softmax_cross_entropy(x, &of(&[0.25, 0.5, 0.25])),
        "safe ruled out" | "safe impossible" => try_safe_softmax_cross_entropy(x, &of(&ONE_HOT)),
        "safe of labels" => try_safe_softmax_cross_entropy(&of(&[1.0, -2.0, 0.5]), x),
        "integer ruled out" | "integer huge" => with_label(1),
        "integer beyond" => with_label(3),
        "integer from the end" => with_label(-1),
        "integer far from the end" => with_label(-4),
        "binary" => try_sigmoid_binary_cross_entropy(x, &of(&[1.0, 0.0, 0.25, 1.0, 0.0])),
        "binary certain" => try_sigmoid_binary_cross_entropy(x, &of(&[1.0, 0.0, 1.0, 0.0])),
        "focal 0.5" => try_sigmoid_focal_loss(x, &of(&[1.0, 0.0, 1.0, 0.25]), None, 0.5),
        "focal 0" => try_sigmoid_focal_loss(x, &of(&[1.0, 0.0, 1.0, 0.25]), None, 0.0),
        "focal 1" => try_sigmoid_focal_loss(x, &of(&[1.0, 0.0, 1.0, 0.25]), None, 1.0),
        "focal 2" => try_sigmoid_focal_loss(x, &of(&[1.0, 0.0, 1.0, 0.25]), Some(0.25), 2.0),
        "focal certain" => try_sigmoid_focal_loss(x, &of(&[1.0, 0.0]), None, 0.5),
        "poly" => try_poly_loss_cross_entropy(x, &of(&[0.25, 0.5, 0.125]), 2.0),
        "poly ruled out" => try_poly_loss_cross_entropy(x, &of(&ONE_HOT), 2.0),
        "cosine short" | "cosine zero" => try_cosine_similarity(x, &of(&[1.0, 2.0]), 1e-8),
        "cosine of zero" => try_cosine_similarity(x, &of(&[0.0, 0.0]), 0.25),
        "cosine ordinary" | "cosine large" => try_cosine_similarity(x, &of(&[1.0, 2.0]), 0.0),
        "cosine within" => try_cosine_similarity(x, &of(&[0.25, 0.125]), 0.25),
        "distance zero" => try_cosine_distance(x, &of(&[1.0, 2.0]), 1e-8),
        "divergence" | "divergence impossible" | "divergence surprised" => {
            try_kl_divergence(x, &of(&[0.5, 0.5, 0.0]))
        }
        "divergence of targets" => try_kl_divergence(&of(&[-1.0, -1.5, -3.0]), x),
        "divergence below 0" => try_kl_divergence(x, &of(&[0.5, -0.5, 0.0])),
        "logs" => try_kl_divergence_with_log_targets(x, &of(&[-0.5, -1.0, -2.0])),
        "logs impossible" | "logs without a target" => {
            try_kl_divergence_with_log_targets(x, &of(&[-0.5, -1.0, IMPOSSIBLE]))
        }
        "huber" => try_huber_loss(x, &of(&[0.0; 5]), 1.0),
        "log_cosh" => try_log_cosh(x, &of(&[0.0; 5])),
        "squared" => try_squared_error(x, &of(&[0.0; 3])),
        "l2" => try_l2_loss(x, &of(&[0.0; 3])),
        "hinge" => try_hinge_loss(x, &of(&[1.0, 1.0, -1.0])),
        "perceptron" => try_perceptron_loss(x, &of(&[1.0, 1.0, -1.0])),
        "smooth" => try_smooth_labels(x, 0.25),
        other => panic!("the table has `{other}`, this test has not"),
    }
}

/// Where optax has no number although there is one: the loss and the gradient.
fn better_than_optax(name: &str, dtype: DType) -> Option<(Vec<f64>, Vec<f64>)> {
    let ln_2 = std::f64::consts::LN_2;
    let logs = |log_t: f64, log_p: f64| log_t.exp() * (log_t - log_p);
    let infinite = f64::INFINITY;
    Some(match (name, dtype) {
        ("softmax ruled out", _) => (vec![ln_2], vec![0.0, -0.5, 0.5]),
        ("poly ruled out", _) => (vec![ln_2 + 1.0], vec![0.0, -1.0, 1.0]),
        ("binary certain", _) => (vec![0.0, 0.0, infinite, infinite], vec![0.0, 0.0, -1.0, 1.0]),
        ("focal certain", _) => (vec![0.0, 0.0], vec![0.0, 0.0]),
        ("divergence impossible", _) => {
            (vec![0.5 * (0.5f64.ln() + 1.0) + 0.5 * (0.5f64.ln() + 1.5)], vec![-0.5, -0.5, 0.0])
        }
        ("logs impossible" | "logs without a target", _) => {
            (vec![logs(-0.5, -1.0) + logs(-1.0, -1.5)], vec![-(-0.5f64).exp(), -(-1.0f64).exp(), 0.0])
        }
        ("cosine short", DType::F16) => (vec![0.04476], vec![4472.0, 8944.0]),
        ("cosine zero", DType::F16) => (vec![0.0], vec![4472.0, 8944.0]),
        ("cosine large", DType::F16) => (vec![0.94868], vec![-5.27e-6, 5.27e-6]),
        ("distance zero", DType::F16) => (vec![1.0], vec![-4472.0, -8944.0]),
        _ => return None,
    })
}

#[test]
fn losses_and_their_gradients_at_corners_are_those_of_optax_or_better() {
    let numbers =
        |text: &str| -> Vec<f64> { text.split(' ').map(|number| number.parse().unwrap()).collect() };
    let mut wrong = vec![];
    for line in include_str!("../data/loss_corners.txt").lines() {
        let fields: Vec<&str> = line.split(" | ").collect();
        let (name, dtype) = (
            fields[0],
            match fields[1] {
                "F64" => DType::F64,
                "F32" => DType::F32,
                "BF16" => DType::BF16,
                _ => DType::F16,
            },
        );
        let x = numbers(fields[2]);
        let x = Tensor::try_from_vec_of(&x, [x.len()], dtype).unwrap();
        let of = |values: &[f32]| Tensor::try_from_vec(values, [values.len()]).unwrap().cast(dtype);
        let loss = of_loss_corners(name, &x, &of).unwrap();
        let gradient = grad(|x: &Tensor| Ok(of_loss_corners(name, x, &of)?.sum()))(&x).unwrap();
        let (expected, expected_gradient) =
            better_than_optax(name, dtype).unwrap_or_else(|| (numbers(fields[4]), numbers(fields[5])));
        let (relative, absolute) = match dtype {
            DType::F64 => (1e-9, 1e-12),
            DType::F32 => (1e-5, 1e-6),
            DType::F16 => (4e-3, 1e-3),
            _ => (2e-2, 1e-2),
        };
        let near = |found: &Tensor, expected: &[f64]| {
            let found = found.cast(DType::F64).to_vec::<f64>().unwrap();
            let near = |(x, y): (&f64, &f64)| {
                x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= absolute + relative * y.abs()
            };
            found.len() == expected.len() && found.iter().zip(expected).all(near)
        };
        let right =
            near(&loss, &expected) && near(&gradient, &expected_gradient) && loss.dtype().name() == fields[3];
        if !right {
            wrong.push(format!(
                "{name} {dtype}: {loss} {gradient}, and not {expected:?} {expected_gradient:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

type Domain<'a> = &'a dyn Fn(f64) -> bool;
type Loss<'a> = &'a dyn Fn(f64) -> Result<Tensor>;

#[test]
fn numbers_of_losses_have_domains_and_are_refused_outside_of_them() {
    let (x, y) = (Tensor::from([0.5f32, -1.0]), Tensor::from([1.0f32, 0.0]));
    let not_negative = |x: f64| (0.0..1e300).contains(&x);
    let probability = |x: f64| (0.0..=1.0).contains(&x);
    let finite = |x: f64| x.abs() < 1e300;
    let positive = |x: f64| (0.1..1e300).contains(&x);
    let (rows, labels) = (Tensor::from([[0.5f32, -1.0], [1.0, 2.0]]), Tensor::from([0, 1]));
    let triplet =
        |degree: f64, margin: f64, eps: f64| try_triplet_margin_loss(&x, &y, &(-&x), -1, degree, margin, eps);
    let ctc = |log_epsilon: f64| {
        let none = Tensor::zeros([1, 2]);
        try_ctc_loss(&rows.reshape([1, 2, 2]), &none, &labels.reshape([1, 2]), &none, 0, log_epsilon)
    };
    let dice = |settings: DiceLoss| settings.try_call(&rows, &rows.sigmoid());
    let losses: [(&str, Loss<'_>, Domain<'_>); 18] = [
        ("temperature", &|x| try_ntxent(&rows, &labels, x), &positive),
        ("margin", &|margin| triplet(2.0, margin, 1e-6), &finite),
        ("eps", &|eps| triplet(2.0, 1.0, eps), &not_negative),
        ("log_epsilon", &ctc, &finite),
        ("smooth", &|x| dice(DiceLoss::new().smooth(x)), &not_negative),
        ("alpha", &|x| dice(DiceLoss::new().alpha(x)), &not_negative),
        ("beta", &|x| dice(DiceLoss::new().beta(x)), &not_negative),
        ("smooth", &|x| try_binary_dice_loss(&rows, &rows.sigmoid(), x, true), &not_negative),
        ("smooth", &|x| try_multiclass_generalized_dice_loss(&rows, &rows, x, true, false), &not_negative),
        ("epsilon", &|x| try_poly_loss_cross_entropy_over(&rows, &rows, x, 0), &finite),
        ("epsilon", &|x| try_cosine_distance_over(&rows, &rows, x, 0), &not_negative),
        ("delta", &|delta| try_huber_loss(&x, &y, delta), &not_negative),
        ("epsilon", &|epsilon| try_cosine_similarity(&x, &y, epsilon), &not_negative),
        ("epsilon", &|epsilon| try_cosine_distance(&x, &y, epsilon), &not_negative),
        ("gamma", &|gamma| try_sigmoid_focal_loss(&x, &y, None, gamma), &not_negative),
        ("alpha", &|alpha| try_sigmoid_focal_loss(&x, &y, Some(alpha), 2.0), &probability),
        ("epsilon", &|epsilon| try_poly_loss_cross_entropy(&x, &y, epsilon), &finite),
        ("alpha", &|alpha| try_smooth_labels(&y, alpha), &probability),
    ];
    for (name, loss, accepts) in losses {
        for number in [f64::NAN, f64::NEG_INFINITY, f64::MIN, -1.0, 0.0, 0.5, 1.0, f64::MAX, f64::INFINITY] {
            match loss(number) {
                Ok(loss) => {
                    assert!(accepts(number), "{name} accepts {number}");
                    assert!(!loss.is_nan().any().item::<bool>().unwrap(), "{name} {number}: {loss}");
                }
                Err(error) => {
                    assert!(!accepts(number), "{error}");
                    assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
                }
            }
        }
    }
}
