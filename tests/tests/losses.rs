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
    let slope = grad(|x: &Tensor| Ok(cosine_similarity(x, &low, 1e-6)))(&Tensor::zeros([2])).unwrap();
    assert!(finite(slope));
}

#[test]
fn a_divergence_from_itself_is_zero_also_with_impossible_classes() {
    let p = Tensor::from([0.25f32, 0.75, 0.0]);
    let logs = Tensor::from([0.25f32.ln(), 0.75f32.ln(), -50.0]);
    assert_eq!(kl_divergence(&logs, &p).item::<f32>().unwrap(), 0.0);
    let slope = grad(|logs: &Tensor| Ok(kl_divergence(logs, &p)))(&logs).unwrap();
    assert_eq!(slope.to_vec::<f32>().unwrap(), [-0.25, -0.75, 0.0]);
    let both = kl_divergence_with_log_targets(&p.slice_axis(0, 0, 2).log(), &p.slice_axis(0, 0, 2).log());
    assert_eq!(both.item::<f32>().unwrap(), 0.0);
}

#[test]
fn hubers_loss_meets_its_line_with_one_slope() {
    let zero = Tensor::zeros_of([], DType::F64);
    let slope =
        |at: f64| grad(|x: &Tensor| Ok(huber_loss(x, &zero, 0.5)))(&Tensor::of(at, DType::F64)).unwrap();
    for (at, expected) in [(0.0, 0.0), (0.25, 0.25), (-0.25, -0.25), (0.75, 0.5), (-9.0, -0.5)] {
        assert_eq!(slope(at).item::<f64>().unwrap(), expected, "{at}");
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
