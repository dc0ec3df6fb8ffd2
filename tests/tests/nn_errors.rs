//! Wrong input to a layer is an error that says where it happened, what was expected, and what was found.

use flaxen::nn::{
    Attend, Bidirectional, ConvLocal, ConvLstmCell, ConvTranspose, DenseGeneral, Einsum, Embed, GroupNorm,
    GruCell, InstanceNorm, LstmCell, MultiHeadDotProductAttention, RMSNorm, Rnn, Sequence, SpectralNorm,
    batch_apply, combine_masks, flip_sequences,
};
use flaxen::prelude::*;
use flaxen::random::Key;

/// What `init` says with a layer in a model, under the name `layer`.
fn error_of<M: Module>(layer: M, call: impl Fn(&M) -> Result<Tensor> + Send + Sync + 'static) -> String {
    let layer = Holder::new(layer);
    let result = layer.init(Rngs::new(key(0))).run(|model| model.run(&call));
    result.expect_err("the input is wrong").to_string()
}

#[module]
struct Holder<M: Module> {
    #[submodule]
    layer: M,
}

impl<M: Module> Holder<M> {
    #[compact]
    fn run(&self, call: &(impl Fn(&M) -> Result<Tensor> + Sync)) -> Result<Tensor> {
        call(&self.layer)
    }
}

#[track_caller]
fn says<L: Layer>(layer: L, shape: &[usize], parts: &[&str]) {
    let x = Tensor::ones(shape);
    mentions(&error_of(layer, move |layer| layer.call(&x)), parts);
}

#[track_caller]
fn mentions(error: &str, parts: &[&str]) {
    for part in ["/layer"].iter().chain(parts) {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

#[test]
fn too_few_axes() {
    says(Dense::new(3), &[], &["Dense", "axis of features", "f32[]"]);
    says(Conv::new(3, [3, 3]), &[4, 2], &["Conv", "2 spatial axes", "f32[4,2]"]);
    says(ConvLocal::new(3, [3, 3]), &[4, 2], &["ConvLocal", "2 spatial axes", "f32[4,2]"]);
    says(ConvTranspose::new(3, [3, 3]), &[4, 2], &["ConvTranspose", "2 spatial axes", "f32[4,2]"]);
    says(LayerNorm::new(), &[], &["axis -1", "0 axes"]);
    says(RMSNorm::new().reduction_axes([0, 3]), &[2, 2], &["axis 3", "2 axes"]);
    says(GroupNorm::new(), &[], &["axis of channels"]);
    says(MultiHeadDotProductAttention::new(2), &[4], &["heads, depth"]);
}

#[test]
fn other_features_than_the_stored_kernel() -> Result<()> {
    let model = Holder::new(Dense::new(4));
    let call = |x: Tensor| move |layer: &Dense| layer.call(&x);
    let variables = model.init(key(0)).run(|m| m.run(&call(Tensor::ones([1, 3]))))?;
    let error = model.apply(&variables).run(|m| m.run(&call(Tensor::ones([1, 5])))).unwrap_err();
    mentions(&error.to_string(), &["kernel", "[3, 4]", "[5, 4]"]);

    let model = Holder::new(Conv::new(4, [3]));
    let call = |x: Tensor| move |layer: &Conv| layer.call(&x);
    let variables = model.init(key(0)).run(|m| m.run(&call(Tensor::ones([1, 6, 2]))))?;
    let error = model.apply(&variables).run(|m| m.run(&call(Tensor::ones([1, 6, 3])))).unwrap_err();
    mentions(&error.to_string(), &["kernel", "[3, 2, 4]", "[3, 3, 4]"]);
    Ok(())
}

#[test]
fn lists_of_another_length_than_the_kernel() {
    says(Conv::new(3, [3, 3]).strides([2]), &[1, 4, 4, 2], &["2 strides", "[2]"]);
    says(
        Conv::new(3, [3, 3]).kernel_dilation([1, 2, 3]),
        &[1, 4, 4, 2],
        &["2 kernel dilations", "[1, 2, 3]"],
    );
    says(Conv::new(3, [3, 3]).padding([(1, 1)]), &[1, 4, 4, 2], &["2 pairs", "[(1, 1)]"]);
    says(ConvTranspose::new(3, [3, 3]).padding([(1, 1)]), &[1, 4, 4, 2], &["2 pairs", "[(1, 1)]"]);
}

#[test]
fn paddings_that_do_not_apply() {
    says(Conv::new(3, [3]).padding("SOME"), &[1, 4, 2], &["\"SOME\"", "\"SAME\""]);
    says(Conv::new(3, [3, 3]).padding("CAUSAL"), &[1, 4, 4, 2], &["one spatial axis", "[3, 3]"]);
    says(Conv::new(3, [3]).input_dilation(2), &[1, 4, 2], &["Same", "explicit padding"]);
    says(ConvTranspose::new(3, [3]).padding("REFLECT"), &[1, 4, 2], &["Reflect", "`Circular`"]);
}

#[test]
fn groups_that_do_not_divide() {
    says(Conv::new(4, [3]).feature_group_count(2), &[1, 4, 3], &["feature_group_count", "2 for 3 channels"]);
    says(Conv::new(3, [3]).feature_group_count(2), &[1, 4, 4], &["feature_group_count", "3 features"]);
    says(GroupNorm::new().num_groups(4), &[1, 6], &["divides the 6 channels", "4"]);
    says(GroupNorm::new().num_groups(None).group_size(4), &[1, 6], &["divides the 6 channels", "4"]);
    says(GroupNorm::new().group_size(4), &[1, 6], &["one of", "num_groups(None)"]);
    says(MultiHeadDotProductAttention::new(3), &[1, 2, 4], &["divides the 4 features", "3"]);
}

#[test]
fn axes_that_do_not_apply() {
    says(InstanceNorm::new().feature_axes([0, -1]), &[2, 3, 4], &["first one", "[0, -1]"]);
    says(GroupNorm::new().num_groups(2).reduction_axes(nn_axes([1])), &[2, 3, 4], &["last one", "[1]"]);
    says(DenseGeneral::new(3).axis([1, 1]), &[2, 3], &["twice"]);
    says(DenseGeneral::new(3).batch_dims([1]), &[2, 3, 4], &["batch_dims", "[1]"]);
    mentions(
        &error_of(BatchNorm::new().axis(2), |norm| norm.call(&Tensor::ones([2, 3]), true)),
        &["axis 2", "2 axes"],
    );
}

fn nn_axes<const N: usize>(axes: [isize; N]) -> nn::AxisList {
    axes.into()
}

#[test]
fn masks_of_another_shape() {
    let mask = Tensor::ones([2, 2, 2]);
    says(Conv::new(2, [3]).mask(&mask), &[1, 4, 2], &["f32[2,2,2]", "[3, 2, 2]"]);
    let (x, mask) = (Tensor::ones([2, 3]), Tensor::ones([2, 2]));
    let (y, m) = (x.clone(), mask.clone());
    mentions(
        &error_of(LayerNorm::new(), move |norm| norm.call_masked(&x, &mask)),
        &["LayerNorm", "f32[2,2]", "[2, 3]"],
    );
    mentions(
        &error_of(BatchNorm::new(), move |norm| norm.call_masked(&y, true, &m)),
        &["BatchNorm", "f32[2,2]", "[2, 3]"],
    );
    mentions(
        &error_of(MultiHeadDotProductAttention::new(2), |attention| {
            attention.call(&Tensor::ones([1, 3, 4]), Attend::new().mask(&Tensor::ones([1, 1, 2, 2])))
        }),
        &["mask", "[1, 2, 3, 3]", "[1,1,2,2]"],
    );
    let error = combine_masks([Some(&Tensor::ones([2])), Some(&Tensor::ones([1, 2]))]).unwrap_err();
    assert!(error.to_string().contains("as many axes"), "{error}");
}

#[test]
fn dtypes_that_do_not_apply() {
    says(Embed::new(4, 2), &[3], &["Embed", "integers", "float32"]);
    says(Dense::new(3).dtype(DType::I32), &[1, 2], &["float dtype", "int32"]);
}

#[test]
fn queries_of_another_size_than_the_embedding() {
    let query = Tensor::ones([2, 3]);
    mentions(&error_of(Embed::new(4, 2), move |embed| embed.attend(&query)), &["[.., 2]", "f32[2,3]"]);
}

#[test]
fn equations_that_are_none() {
    says(Einsum::new([2, 2]).einsum_str("ab,bc"), &[1, 2], &["inputs,kernel->result", "ab,bc"]);
    says(Einsum::new([2, 2]).einsum_str("ab,bc,cd->ad"), &[1, 2], &["two operands"]);
    says(Einsum::new([2, 2]), &[1, 2], &["einsum_str", "neither"]);
    mentions(
        &error_of(Einsum::new([2, 2]).einsum_str("ab,bc->ac"), |einsum| {
            einsum.call_with(&Tensor::ones([1, 2]), "ab,bc->ac")
        }),
        &["einsum_str", "to the constructor and to the call"],
    );
}

#[test]
fn options_given_twice_or_not_at_all() {
    let x = || Tensor::ones([2, 3]);
    let both = BatchNorm::new().use_running_average(true);
    mentions(
        &error_of(both, move |norm| norm.call(&x(), false)),
        &["use_running_average", "to the constructor and to the call"],
    );
    says(BatchNorm::new(), &[2, 3], &["use_running_average", "neither"]);
    says(Dropout::new(0.5), &[2, 3], &["deterministic", "neither"]);
    says(MultiHeadDotProductAttention::new(1).dropout_rate(0.5), &[1, 2, 2], &["deterministic", "neither"]);
}

#[test]
fn rates_that_are_no_probability() {
    says(Dropout::new(1.5).deterministic(false), &[2], &["from 0 to 1", "1.5"]);
}

#[test]
fn a_missing_random_stream() -> Result<()> {
    let model = Holder::new(Dropout::new(0.5));
    let run =
        |train| model.apply(Variables::new()).run(|m| m.run(&move |m| m.call(&Tensor::ones([2]), train)));
    mentions(&run(true).unwrap_err().to_string(), &["`dropout`", "the run has nothing"]);
    assert_eq!(run(false)?.to_vec::<f32>()?, [1.0, 1.0]);

    let model = Holder::new(MultiHeadDotProductAttention::new(1).dropout_rate(0.5));
    let attend =
        |m: &MultiHeadDotProductAttention| m.call(&Tensor::ones([1, 2, 2]), Attend::new().train(true));
    let variables = model.init(Rngs::new(key(0)).with("dropout", key(1))).run(|m| m.run(&attend))?;
    let error = model.apply(&variables).run(|m| m.run(&attend)).unwrap_err();
    mentions(&error.to_string(), &["`dropout`", "the run has nothing"]);
    Ok(())
}

#[test]
fn statistics_that_are_not_mutable() -> Result<()> {
    let model = Holder::new(BatchNorm::new());
    let call = |train| move |norm: &BatchNorm| norm.call(&Tensor::ones([2, 3]), train);
    let variables = model.init(key(0)).run(|m| m.run(&call(true)))?;
    let error = model.apply(&variables).run(|m| m.run(&call(true))).unwrap_err();
    mentions(&error.to_string(), &["batch_stats", "mutable"]);
    model.apply(&variables).run(|m| m.run(&call(false)))?;
    Ok(())
}

#[test]
fn an_axis_name_that_no_vmap_has() -> Result<()> {
    let (norm, x) = (BatchNorm::new().axis_name("batch"), Tensor::ones([2, 3]));
    let variables = norm.init(key(0)).run(|m| m.call(&x, true))?;
    let error = norm.apply(&variables).mutable("batch_stats").run(|m| m.call(&x, true)).unwrap_err();
    assert!(error.to_string().contains("batch"), "{error}");
    Ok(())
}

#[test]
fn attention_inputs_that_do_not_fit() {
    let attention = || MultiHeadDotProductAttention::new(2);
    mentions(
        &error_of(attention(), |m| {
            m.call(&Tensor::ones([1, 3, 4]), Attend::new().values(&Tensor::ones([1, 3, 4])))
        }),
        &["values without keys"],
    );
    mentions(
        &error_of(attention(), |m| {
            m.call(&Tensor::ones([1, 3, 4]), Attend::new().keys(&Tensor::ones([2, 3, 4])))
        }),
        &["f32[1,3,2,2]", "f32[2,3,2,2]"],
    );
    let keys_and_values = Attend::new().keys(&Tensor::ones([1, 3, 4])).values(&Tensor::ones([1, 2, 4]));
    mentions(
        &error_of(attention(), move |m| m.call(&Tensor::ones([1, 3, 4]), keys_and_values.clone())),
        &["values", "f32[1,2,2,2]"],
    );
}

#[test]
fn more_than_one_position_for_a_cache() -> Result<()> {
    let attention = MultiHeadDotProductAttention::new(2).decode(true);
    let variables = attention.init(key(0)).call(&Tensor::ones([1, 5, 4]))?;
    let error = attention.apply(&variables).mutable("cache").call(&Tensor::ones([1, 2, 4])).unwrap_err();
    for part in ["one position", "[1, 2, 2, 2]", "[1, 5, 2, 2]"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    Ok(())
}

#[test]
fn weights_that_are_no_matrix() {
    let norm = SpectralNorm::new(Conv::new(2, [3])).error_on_non_matrix(true);
    let error = error_of(norm, |norm| norm.call(&Tensor::ones([1, 4, 2]), true));
    mentions(&error, &["two axes", "f32[3,2,2]"]);
}

#[test]
fn a_batch_that_cannot_be_merged_or_split() {
    let error = batch_apply(2, Tensor::ones([3]), Ok).unwrap_err();
    assert!(error.to_string().contains("at least 2 axes"), "{error}");
    let error = batch_apply(2, Tensor::ones([2, 3]), |x: Tensor| x.try_sum()).unwrap_err();
    assert!(error.to_string().contains("first axis of 6"), "{error}");
}

#[test]
fn a_layer_that_takes_another_tree_than_the_one_before_returns() {
    let model = sequential![|x: &Tensor| (x.clone(), x.clone()), Dense::new(2)];
    let error = model.init(key(0)).call(&Tensor::ones([1, 2])).unwrap_err();
    for part in ["a tensor", "a tuple of 2"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn recurrent_layers_of_inputs_with_too_few_axes() {
    says(Rnn::new(LstmCell::new(3)), &[4], &["RNN", "at least 2 axes", "f32[4]"]);
    says(Rnn::new(ConvLstmCell::new(2, [3, 3])), &[2, 3, 4], &["RNN", "at least 4 axes", "f32[2,3,4]"]);
    let both = Bidirectional::new(Rnn::new(GruCell::new(3)), Rnn::new(GruCell::new(3)));
    says(both, &[4], &["/layer/forward_rnn", "RNN", "at least 2 axes"]);
    let error = ConvLstmCell::new(2, [3, 3]).initial_carry(&key(0), &[4, 2]).unwrap_err().to_string();
    for part in ["ConvLSTMCell", "[4, 2]", "3 axes of features"] {
        assert!(error.contains(part), "{error}");
    }
    let error = flip_sequences(&Tensor::ones([4]), None, 1, false).unwrap_err().to_string();
    assert!(error.contains("1 axes of the batch and one of time") && error.contains("f32[4]"), "{error}");
}

#[test]
fn lengths_of_other_shapes_or_dtypes() {
    let says = |lengths: Tensor, parts: &[&str]| {
        let x = Tensor::ones([2, 5, 3]);
        let call = move |rnn: &Rnn<GruCell>| rnn.call_with(&x, Sequence::new().lengths(&lengths));
        mentions(&error_of(Rnn::new(GruCell::new(4)), call), parts);
    };
    says(Tensor::from([1, 2, 3]), &["RNN", "lengths of shape [3]", "the batch's shape [2]"]);
    says(Tensor::from(2), &["lengths of shape []", "the batch's shape [2]"]);
    says(Tensor::from([1.0f32, 2.0]), &["float32", "lengths that are integers"]);
}

#[test]
fn states_that_do_not_fit_the_input() {
    let x = Tensor::ones([2, 5, 3]);
    let carry = (Tensor::ones([4, 6]), Tensor::ones([4, 6]));
    let call = move |rnn: &Rnn<LstmCell>| rnn.call_with(&x, Sequence::new().initial_carry(carry.clone()));
    mentions(&error_of(Rnn::new(LstmCell::new(6)), call), &["/layer/scan(cell)", "[2, 6]", "[4, 6]"]);
    let x = Tensor::ones([2, 5, 3]);
    let call = move |rnn: &Rnn<GruCell>| rnn.call_with(&x, Sequence::new().initial_carry(Tensor::from(1.0)));
    mentions(&error_of(Rnn::new(GruCell::new(6)), call), &["GRUCell", "axis of features", "f32[]"]);
}

/// A cell whose state does not begin with the axes of the batch.
#[module]
struct Counting;

impl Cell for Counting {
    type Carry = Tensor;

    #[compact]
    fn call(&self, carry: Tensor, x: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((carry + 1.0, x.clone()))
    }

    fn initial_carry(&self, _key: &Key, _input: &[usize]) -> Result<Tensor> {
        Ok(Tensor::from(0.0f32))
    }
}

#[test]
fn lengths_with_states_that_have_no_axes_of_the_batch() -> Result<()> {
    let x = Tensor::ones([2, 5, 3]);
    let rnn = Rnn::new(Counting::new());
    let (carry, _) = rnn.apply(Variables::new()).run(|rnn| rnn.with_carry(&x, Sequence::new()))?;
    assert_eq!(carry.item::<f32>()?, 5.0);
    let call =
        move |rnn: &Rnn<Counting>| Ok(rnn.with_carry(&x, Sequence::new().lengths(&Tensor::from([1, 2])))?.1);
    mentions(&error_of(rnn, call), &["RNN", "a leaf of shape []", "the batch's axes [2]"]);
    Ok(())
}

#[test]
fn outputs_of_directions_that_cannot_be_merged() {
    let both = Bidirectional::new(Rnn::new(GruCell::new(3)), Rnn::new(GruCell::new(4)));
    let merge = flaxen::nn::MergeFn::new(|forward: &Tensor, backward: &Tensor| forward.try_add(backward));
    says(both.merge_fn(merge), &[2, 5, 3], &["Bidirectional", "[2, 5, 3]", "[2, 5, 4]"]);
}
