//! What the texts of mistakes say: what was given, what is near it, and what to do first.

use flaxen::optim;
use flaxen::prelude::*;

#[module]
struct Model {
    #[module(default = 4)]
    features: usize,
}

impl Layer for Model {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Dense::new(self.features).call(x)?;
        BatchNorm::new().call(&x, true)
    }
}

#[module]
struct Forgetful;

impl Layer for Forgetful {
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Dense::new(3).call(x)
    }
}

#[track_caller]
fn says<T>(result: Result<T>, parts: &[&str]) {
    let text = result.err().map(|error| error.to_string()).expect("a mistake is an error");
    for part in parts {
        assert!(text.contains(part), "{part:?} in {text:?}");
    }
}

#[track_caller]
fn same(a: impl TensorLike, b: impl TensorLike) {
    let (a, b) = (flaxen::TensorLike::operand(a).unwrap(), flaxen::TensorLike::operand(b).unwrap());
    assert_eq!((a.shape(), format!("{a}")), (b.shape(), format!("{b}")));
}

#[test]
fn a_collection_with_a_wrong_letter_is_told_by_the_one_that_was_meant() -> Result<()> {
    let (x, model) = (Tensor::ones([2, 3]), Model::new());
    let variables = model.init(key(0)).call(&x)?;
    says(
        model.apply(&variables).mutable("batch_stat").call(&x),
        &["`batch_stats` is immutable", "`batch_stat` is mutable", "`batch_stat` should be `batch_stats`?"],
    );
    let params = variables.get("params").unwrap().dict()?;
    says(
        model.apply([("param", params)]).call(&x),
        &["`params` is empty", "there is `param`", "`param` should be `params`?"],
    );
    says(params.tensor("Dense_0/kernal"), &["there is no `Dense_0/kernal`", "was `kernel` meant?"]);
    says(params.tensor(""), &["the path is empty"]);
    Ok(())
}

#[test]
fn a_forgotten_compact_is_told_before_anything_else() {
    let result = Forgetful::new().init(key(0)).call(&Tensor::ones([2, 3]));
    let text = result.unwrap_err().root().to_string();
    let advice = text.split(": ").nth(1).unwrap();
    assert!(advice.starts_with("put `#[compact]` on the method"), "{text}");
}

#[test]
fn a_state_of_another_optimizer_is_told_by_the_types_of_both() {
    let params = Dict::from_iter([("w", Tensor::ones([2]))]);
    let (adam, sgd) = (optim::adam(0.1).boxed(), optim::sgd(0.1).momentum(0.9).boxed());
    let state = sgd.init(&params);
    says(
        adam.update(&params, &state, &params),
        &["the state is that of another optimizer: `Adam`", "found an option of 1"],
    );
}

#[test]
fn a_function_is_called_by_the_name_that_was_called() {
    let x = Tensor::ones([2, 3]);
    says(flaxen::random::try_normal(&key(0).split_n(2), [2]), &["`normal`: takes one key"]);
    says(flaxen::random::try_uniform_in(&key(0), [2], f32::NAN, 1.0), &["`uniform_in`"]);
    says(x.try_maximum(Tensor::ones([5])), &["`maximum` expects shapes that broadcast", "[2, 3] and [5]"]);
    says(x.try_max_axes(4), &["`max_axes`: axis 4 of a tensor with 2 axes"]);
}

#[test]
fn any_integer_any_range_and_a_tuple_are_taken_where_they_are_meant() -> Result<()> {
    let x = Tensor::arange(0, 24usize, 1).reshape([2, 3, 4]);
    let (last, rows) = (x.rank() - 1, x.shape()[1]);
    same(x.sum_axes(last), x.sum_axes(-1));
    same(x.sum_axes([0usize, 1]), x.sum_axes([0, 1]));
    same(x.sum_axes(vec![0i64]), x.sum_axes(0i32));
    same(x.slice_axis(1, 1..rows), x.slice_axis(1, 1..));
    same(x.slice_axis(last, ..=-2), x.slice_axis(2, 0..3));
    assert_eq!(x.reshape((rows, -1)).shape(), [3, 8]);
    assert_eq!(x.reshape(-1).shape(), [24]);
    same(x.get(0usize), x.get(-2));
    same(x.expand_dims(-1).squeeze(last + 1), &x);
    assert_eq!(x.transpose(..).shape(), [4, 3, 2]);
    same(key(0).fold_in(7usize).data(), key(0).fold_in(7).data());
    let drawn = flaxen::random::randint(&key(0), [3], 0, rows);
    same(drawn, flaxen::random::randint(&key(0), [3], 0, 3));
    says(x.try_reshape([5, -1]), &["found [2, 3, 4] to [5, -1]"]);
    says(x.try_reshape((-1, 2usize, -1)), &["−1 at most once"]);
    Ok(())
}
