//! Losses against optax: values and gradients.

use flaxen::losses;
use flaxen::prelude::*;
use flaxen_tests::golden::{Case, assert_near};
use flaxen_tests::loss::golden_loss;

type Loss = Box<dyn Fn(&Tensor) -> Result<Tensor>>;

fn loss(f: impl Fn(&Tensor) -> Result<Tensor> + 'static) -> Loss {
    Box::new(f)
}

#[test]
fn values_and_gradients_are_those_of_optax() {
    let case = Case::load("losses");
    let input = |name: &str| case.array(&format!("in/{name}"));
    let (labels, onehot, probs) = (input("labels"), input("onehot"), input("probs"));
    let (binary, targets) = (input("binary"), input("targets"));
    let signs = binary.cast(DType::F32) * 2.0 - 1.0;
    let with = |second: &Tensor, f: fn(&Tensor, &Tensor) -> Result<Tensor>| {
        let second = second.clone();
        loss(move |x| f(x, &second))
    };
    let table = [
        ("softmax_cross_entropy", with(&onehot, losses::try_softmax_cross_entropy)),
        ("softmax_cross_entropy_probs", with(&probs, losses::try_softmax_cross_entropy)),
        (
            "softmax_cross_entropy_with_integer_labels",
            with(&labels, losses::try_softmax_cross_entropy_with_integer_labels),
        ),
        ("sigmoid_binary_cross_entropy", with(&binary, losses::try_sigmoid_binary_cross_entropy)),
        ("l2_loss", with(&targets, losses::try_l2_loss)),
        ("squared_error", with(&targets, losses::try_squared_error)),
        ("huber_loss", with(&targets, |x, y| losses::try_huber_loss(x, y, 0.7))),
        ("log_cosh", with(&targets, losses::try_log_cosh)),
        ("hinge_loss", with(&signs, losses::try_hinge_loss)),
        ("cosine_similarity", with(&targets, |x, y| losses::try_cosine_similarity(x, y, 1e-6))),
        ("cosine_distance", with(&targets, |x, y| losses::try_cosine_distance(x, y, 1e-6))),
        ("kl_divergence", with(&probs, |x, y| losses::try_kl_divergence(&x.log_softmax(-1), y))),
        ("smooth_labels", loss(|x| losses::try_smooth_labels(&x.softmax(-1), 0.1))),
    ];
    let x = input("logits");
    let mut compared = 0;
    for (name, f) in &table {
        for (way, y) in [("", f(&x)), ("jit of ", jit(|x: Tensor| f(&x)).call(x.clone()))] {
            assert_near(
                &format!("{way}{name}"),
                &y.unwrap(),
                &case.array(&format!("out/{name}")),
                case.tolerance(),
            );
        }
        let slope = grad(|x: &Tensor| golden_loss(&f(x)?))(&x).unwrap();
        assert_near(
            &format!("grad of {name}"),
            &slope,
            &case.array(&format!("grad/{name}")),
            case.tolerance(),
        );
        compared += 1;
    }
    let missing: Vec<&str> = case
        .keys()
        .filter_map(|key| key.strip_prefix("out/"))
        .filter(|name| *name != "global_norm" && !table.iter().any(|(known, _)| known == name))
        .collect();
    assert!(missing.is_empty(), "the case has {missing:?}, which are not compared");
    println!("{compared} losses compared");
}
