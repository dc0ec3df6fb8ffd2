//! Recurrent layers beyond the golden cases: loops written by hand, flips, lengths, cells of users, halves.

use std::sync::Arc;

use flaxen::nn::{
    Bidirectional, ConvLstmCell, GruCell, LstmCell, MguCell, OptimizedLstmCell, Recurrent, Rnn, Sequence,
    SimpleCell, flip_sequences,
};
use flaxen::prelude::*;
use flaxen::random::Key;
use flaxen::{lift, scan};

fn random(seed: u64, shape: &[usize]) -> Tensor {
    random::normal(&key(seed), shape)
}

/// The numbers from 0 in a shape.
fn counted(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    Tensor::arange(0, count as i32, 1).reshape(shape)
}

#[track_caller]
fn assert_close(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.shape(), expected.shape());
    assert!(found.all_close(expected, 1e-5, 1e-6).unwrap(), "{found:?}\n{expected:?}");
}

#[track_caller]
fn assert_same(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.shape(), expected.shape());
    assert_eq!(found.to_vec::<f32>().unwrap(), expected.to_vec::<f32>().unwrap());
}

/// One step of a cell that is called `cell`, as those of an [`Rnn`] are.
#[module]
struct Step<C: Cell> {
    #[submodule]
    cell: C,
}

impl<C: Cell> Step<C> {
    #[compact]
    fn step(&self, carry: C::Carry, x: &Tensor) -> Result<(C::Carry, Tensor)> {
        self.cell.call(carry, x)
    }
}

/// The outputs and the states of all steps along the axis of time, by a loop written by hand.
fn by_hand<C: Cell>(
    cell: &C,
    variables: &Variables,
    x: &Tensor,
    time: isize,
) -> Result<(Vec<C::Carry>, Tensor)> {
    let step = Step::new(cell.clone());
    let first = x.index_axis(time, 0);
    let mut carry = cell.initial_carry(&key(0), first.shape())?;
    let (mut carries, mut outputs) = (Vec::new(), Vec::new());
    for t in 0..x.shape()[time as usize] {
        let x = x.index_axis(time, t as isize);
        let y;
        (carry, y) = step.apply(variables).run(|m| m.step(carry.clone(), &x))?;
        carries.push(carry.clone());
        outputs.push(y);
    }
    Ok((carries, Tensor::stack(&outputs, time)))
}

#[test]
fn outputs_and_parameters_have_the_shapes_of_flax() -> Result<()> {
    let x = Tensor::ones([10, 40, 4]);
    let (y, variables) = Rnn::new(LstmCell::new(15)).init_with_output(key(0)).call(&x)?;
    assert_eq!(y.shape(), [10, 40, 15]);
    let cell = variables.dict("params")?.dict("cell")?;
    for (name, value) in cell {
        let layer = value.dict()?;
        let inputs = if name.starts_with('i') { 4 } else { 15 };
        assert_eq!(layer.tensor("kernel")?.shape(), [inputs, 15], "{name}");
        assert_eq!(layer.tensor("bias").is_ok(), name.starts_with('h'), "{name}");
    }
    assert_eq!(cell.len(), 8);
    Ok(())
}

#[test]
fn there_may_be_any_number_of_axes_of_the_batch() -> Result<()> {
    let x = random(1, &[3, 2, 4, 5]);
    let (y, variables) = Rnn::new(LstmCell::new(6)).init_with_output(key(0)).call(&x)?;
    assert_eq!(y.shape(), [3, 2, 4, 6]);
    assert_eq!(variables.tensor("params/cell/ii/kernel")?.shape(), [5, 6]);
    let alone = Rnn::new(LstmCell::new(6)).apply(&variables).call(&x.get(2).get(1))?;
    assert_close(&alone, &y.get(2).get(1));
    Ok(())
}

#[test]
fn several_steps_in_a_turn_change_nothing() -> Result<()> {
    let x = random(1, &[10, 7, 4]);
    let (y, variables) = Rnn::new(GruCell::new(5)).init_with_output(key(0)).call(&x)?;
    for unroll in [1, 3, 7, 10] {
        let rnn = Rnn::new(GruCell::new(5)).unroll(unroll);
        assert_close(&rnn.apply(&variables).call(&x)?, &y);
        assert_eq!(rnn.init(key(0)).call(&x)?, variables);
    }
    Ok(())
}

#[test]
fn time_may_be_the_first_axis() -> Result<()> {
    let x = random(1, &[6, 2, 3]);
    let (y, variables) = Rnn::new(LstmCell::new(4)).time_major().init_with_output(key(0)).call(&x)?;
    assert_eq!(y.shape(), [6, 2, 4]);
    let other = Rnn::new(LstmCell::new(4)).apply(&variables).call(&x.move_axis(0, 1))?;
    assert_same(&other.move_axis(1, 0), &y);
    let of_call = Rnn::new(LstmCell::new(4))
        .apply(&variables)
        .run(|m| m.call_with(&x, Sequence::new().time_major(true)))?;
    assert_same(&of_call, &y);
    Ok(())
}

#[test]
fn cells_may_have_spatial_axes() -> Result<()> {
    let cell = ConvLstmCell::new(2, [2, 3]);
    assert_eq!(cell.num_feature_axes(), 3);
    let x = random(1, &[3, 4, 5, 6, 2]);
    let (y, variables) = Rnn::new(cell.clone()).init_with_output(key(0)).call(&x)?;
    assert_eq!(y.shape(), [3, 4, 5, 6, 2]);
    for name in ["ih", "hh"] {
        let conv = variables.dict("params")?.dict("cell")?.dict(name)?;
        assert_eq!(
            (conv.tensor("kernel")?.shape(), conv.tensor("bias")?.shape()),
            (&[2, 3, 2, 8][..], &[8][..])
        );
    }
    let (_, expected) = by_hand(&cell, &variables, &x, 1)?;
    assert_close(&y, &expected);
    Ok(())
}

fn equals_a_loop<C: Cell>(cell: C, last: impl Fn(C::Carry) -> Tensor) -> Result<()> {
    let x = random(3, &[4, 5, 3]);
    let rnn = Rnn::new(cell.clone());
    let variables = rnn.init(key(0)).call(&x)?;
    let (carry, y) = rnn.apply(&variables).run(|m| m.with_carry(&x, Sequence::new()))?;
    let (carries, expected) = by_hand(&cell, &variables, &x, 1)?;
    assert_close(&y, &expected);
    assert_close(&last(carry), &last(carries[4].clone()));

    // A state is that of a sequence's own last step, a batch nothing but its sequences.
    let lengths = [2, 1, 5, 3];
    let sequence = || Sequence::new().lengths(&Tensor::from(lengths));
    let (carry, _) = rnn.apply(&variables).run(|m| m.with_carry(&x, sequence()))?;
    let carry = last(carry);
    for (at, length) in lengths.into_iter().enumerate() {
        let alone = x.get(at as isize).slice_axis(0, 0, length as isize);
        let (end, outputs) = rnn.apply(&variables).run(|m| m.with_carry(&alone, Sequence::new()))?;
        assert_close(&carry.get(at as isize), &last(end));
        assert_close(&y.get(at as isize).slice_axis(0, 0, length as isize), &outputs);
    }
    Ok(())
}

#[test]
fn every_cell_gives_what_a_loop_over_its_steps_gives() -> Result<()> {
    equals_a_loop(LstmCell::new(4), |(c, h)| Tensor::stack(&[c, h], -1))?;
    equals_a_loop(OptimizedLstmCell::new(4), |(c, h)| Tensor::stack(&[c, h], -1))?;
    equals_a_loop(GruCell::new(4), |h| h)?;
    equals_a_loop(MguCell::new(4).reset_gate(false), |h| h)?;
    equals_a_loop(SimpleCell::new(4).residual(true), |h| h)
}

#[test]
fn both_lstm_cells_have_the_same_parameters_and_numbers() -> Result<()> {
    let x = random(1, &[3, 6, 5]);
    let (y, variables) = Rnn::new(LstmCell::new(4)).init_with_output(key(0)).call(&x)?;
    let (fast, of_fast) = Rnn::new(OptimizedLstmCell::new(4)).init_with_output(key(0)).call(&x)?;
    assert_eq!(variables, of_fast);
    assert_close(&fast, &y);
    Ok(())
}

#[test]
fn reversed_sequences_come_out_from_their_ends() -> Result<()> {
    let x = random(1, &[3, 5, 4]);
    let variables = Rnn::new(LstmCell::new(2)).init(key(0)).call(&x)?;
    let rnn = Rnn::new(LstmCell::new(2)).reverse();
    let y = rnn.apply(&variables).call(&x)?;
    let (carries, expected) = by_hand(&rnn.cell, &variables, &x.flip([1]), 1)?;
    assert_close(&y, &expected);
    let (carry, _) = rnn.apply(&variables).run(|m| m.with_carry(&x, Sequence::new()))?;
    assert_close(&carry.1, &carries[4].1);
    Ok(())
}

#[test]
fn outputs_of_reversed_sequences_may_keep_the_order_of_the_input() -> Result<()> {
    let x = random(1, &[3, 5, 4]);
    let (y, variables) = Rnn::new(LstmCell::new(2)).reverse().init_with_output(key(0)).call(&x)?;
    let kept = Rnn::new(LstmCell::new(2)).reverse().keep_order().apply(&variables).call(&x)?;
    assert_same(&kept, &y.flip([1]));
    // Without a reversal there is no order to restore.
    let forward = Rnn::new(LstmCell::new(2)).apply(&variables).call(&x)?;
    assert_same(&Rnn::new(LstmCell::new(2)).keep_order().apply(&variables).call(&x)?, &forward);
    let sequence = Sequence::new().reverse(false).keep_order(true);
    let of_call =
        Rnn::new(LstmCell::new(2)).reverse().apply(&variables).run(|m| m.call_with(&x, sequence.clone()))?;
    assert_same(&of_call, &forward);
    Ok(())
}

/// Flips of a batch of two sequences of five steps, by their definition.
fn flips_as_defined(features: &[usize], time_major: bool) -> Result<()> {
    let shape: Vec<usize> = [2, 5].iter().chain(features).copied().collect();
    let x = counted(&shape);
    let lengths = [4, 5];
    let rows: Vec<Tensor> = lengths
        .iter()
        .enumerate()
        .map(|(row, length)| {
            let steps: Vec<Tensor> =
                (0..5).map(|t| x.get(row as isize).get((5 - 1 - t + length) % 5)).collect();
            Tensor::stack(&steps, 0)
        })
        .collect();
    let expected = Tensor::stack(&rows, 0);
    let lengths = Tensor::from([4, 5]);
    let (x, expected) =
        if time_major { (x.move_axis(1, 0), expected.move_axis(1, 0)) } else { (x, expected) };
    let flipped = flip_sequences(&x, Some(&lengths), 1, time_major)?;
    assert_eq!(flipped.shape(), expected.shape());
    assert_eq!(flipped.to_vec::<i32>()?, expected.to_vec::<i32>()?);
    let time = isize::from(!time_major);
    assert_eq!(flip_sequences(&x, None, 1, time_major)?.to_vec::<i32>()?, x.flip([time]).to_vec::<i32>()?);
    Ok(())
}

#[test]
fn flips_leave_padding_behind_the_sequence() -> Result<()> {
    let x = counted(&[2, 5]);
    let flipped = flip_sequences(&x, Some(&Tensor::from([4, 5])), 1, false)?;
    assert_eq!(flipped.to_vec::<i32>()?, [3, 2, 1, 0, 4, 9, 8, 7, 6, 5]);
    flips_as_defined(&[], false)
}

#[test]
fn flips_keep_features_together() -> Result<()> {
    flips_as_defined(&[3], false)?;
    flips_as_defined(&[3, 2], false)
}

#[test]
fn flips_of_sequences_with_time_first() -> Result<()> {
    flips_as_defined(&[], true)
}

#[test]
fn flips_of_sequences_with_time_first_keep_features_together() -> Result<()> {
    flips_as_defined(&[3], true)?;
    flips_as_defined(&[3, 2], true)
}

#[test]
fn sequences_may_have_lengths_without_a_batch_and_with_several_axes_of_it() -> Result<()> {
    let rnn = Rnn::new(GruCell::new(2));
    let x = random(1, &[2, 3, 5, 4]);
    let variables = rnn.init(key(0)).call(&x)?;
    let lengths = Tensor::from([[1, 2, 3], [4, 5, 2]]);
    // Flax cannot select the states here, or selects wrong ones where the axes are of one size.
    let (carry, y) = rnn.apply(&variables).run(|m| m.with_carry(&x, Sequence::new().lengths(&lengths)))?;
    for (row, column, length) in [(0, 0, 1), (0, 2, 3), (1, 1, 5)] {
        assert_close(&carry.get(row).get(column), &y.get(row).get(column).get(length - 1));
    }
    let alone = x.get(1).get(0);
    let sequence = Sequence::new().lengths(&Tensor::from(4));
    let (state, _) = rnn.apply(&variables).run(|m| m.with_carry(&alone, sequence.clone()))?;
    assert_close(&state, &carry.get(1).get(0));
    Ok(())
}

#[test]
fn outputs_of_padding_are_not_zeroed() -> Result<()> {
    let rnn = Rnn::new(LstmCell::new(3));
    let x = random(1, &[2, 10, 16]);
    let (y, variables) = rnn.init_with_output(key(0)).call(&x)?;
    let sequence = Sequence::new().lengths(&Tensor::from([1, 5]));
    let with_lengths = rnn.apply(&variables).run(|m| m.call_with(&x, sequence.clone()))?;
    assert_same(&with_lengths, &y);
    Ok(())
}

#[test]
fn lengths_at_both_ends_are_those_of_flax() -> Result<()> {
    let rnn = Rnn::new(GruCell::new(2));
    let x = random(1, &[4, 5, 3]);
    let (y, variables) = rnn.init_with_output(key(0)).call(&x)?;
    // The step that each state is that after: of a length of 0 the last one, beyond the ends the ones at the ends.
    for dtype in [DType::I32, DType::I64, DType::U8] {
        let lengths = Tensor::from([0, 1, 5, 9]).cast(dtype);
        let (carry, _) =
            rnn.apply(&variables).run(|m| m.with_carry(&x, Sequence::new().lengths(&lengths)))?;
        for (row, step) in [(0, 4), (1, 0), (2, 4), (3, 4)] {
            assert_same(&carry.get(row), &y.get(row).get(step));
        }
    }
    Ok(())
}

#[test]
fn the_next_part_of_a_sequence_goes_on_where_the_first_ended() -> Result<()> {
    let rnn = Rnn::new(LstmCell::new(3));
    let x = random(1, &[2, 7, 4]);
    let (y, variables) = rnn.init_with_output(key(0)).call(&x)?;
    let (first, second) = (x.slice_axis(1, 0, 3), x.slice_axis(1, 3, 7));
    let bound = rnn.bind(&variables).module()?;
    let (carry, start) = bound.with_carry(&first, Sequence::new())?;
    let end = bound.call_with(&second, Sequence::new().initial_carry(carry))?;
    assert_close(&Tensor::concatenate(&[start, end], 1), &y);
    Ok(())
}

#[test]
fn keys_begin_states_that_are_drawn() -> Result<()> {
    let cell = LstmCell::new(3).carry_init(init::normal(1.0));
    let x = random(1, &[2, 4]);
    let [of_c, of_h] = key(5).split();
    let (c, h) = cell.initial_carry(&key(5), x.shape())?;
    assert_same(&c, &random::normal(&of_c, [2, 3]));
    assert_same(&h, &random::normal(&of_h, [2, 3]));
    let cell = GruCell::new(3).carry_init(init::normal(1.0));
    assert_same(&cell.initial_carry(&key(5), x.shape())?, &random::normal(&key(5), [2, 3]));

    let rnn = Rnn::new(cell.clone());
    let x = random(1, &[2, 5, 4]);
    let (y, variables) = rnn.init_with_output(key(0)).call(&x)?;
    let run = |sequence: Sequence<Tensor>| rnn.apply(&variables).run(|m| m.call_with(&x, sequence.clone()));
    assert_same(&run(Sequence::new().init_key(&key(0)))?, &y);
    let given = Sequence::new().initial_carry(cell.initial_carry(&key(7), &[2, 4])?);
    assert_same(&run(Sequence::new().init_key(&key(7)))?, &run(given)?);
    Ok(())
}

#[test]
fn both_directions_stand_side_by_side() -> Result<()> {
    let x = random(1, &[3, 5, 4]);
    let both = Bidirectional::new(Rnn::new(LstmCell::new(2)), Rnn::new(GruCell::new(3)));
    let (y, variables) = both.init_with_output(key(0)).call(&x)?;
    assert_eq!(y.shape(), [3, 5, 5]);
    let of =
        |name: &str| Ok::<_, Error>(Variables::new().with("params", variables.dict("params")?.dict(name)?));
    let forward = Rnn::new(LstmCell::new(2)).apply(of("forward_rnn")?).call(&x)?;
    let backward = Rnn::new(GruCell::new(3)).reverse().keep_order().apply(of("backward_rnn")?).call(&x)?;
    assert_same(&y, &Tensor::concatenate(&[forward, backward], -1));
    Ok(())
}

#[test]
fn a_cell_in_both_directions_has_one_set_of_parameters() -> Result<()> {
    let x = random(1, &[3, 5, 4]);
    let cell = Arc::new(LstmCell::new(2));
    let both = Bidirectional::new(Rnn::new(cell.clone()), Rnn::new(cell));
    let (y, variables) = both.init_with_output(key(0)).call(&x)?;
    assert_eq!(variables.dict("params")?.keys().collect::<Vec<_>>(), ["forward_rnn"]);
    assert_close(&both.apply(&variables).call(&x)?, &y);
    // A layer in both directions, too.
    let layer = Arc::new(Rnn::new(LstmCell::new(2)));
    let both = Bidirectional::new(layer.clone(), layer);
    assert_eq!(both.init(key(0)).call(&x)?, variables);
    Ok(())
}

#[test]
fn outputs_are_merged_by_any_function() -> Result<()> {
    let x = random(1, &[3, 5, 4]);
    let both = Bidirectional::new(Rnn::new(LstmCell::new(2)), Rnn::new(LstmCell::new(2)));
    let (y, variables) = both.init_with_output(key(0)).call(&x)?;
    let added = both.clone().merge_fn(|forward: &Tensor, backward: &Tensor| forward + backward);
    let halves = y.split(2, -1);
    assert_same(&added.apply(&variables).call(&x)?, &(&halves[0] + &halves[1]));
    Ok(())
}

#[test]
fn both_states_are_returned() -> Result<()> {
    let x = random(1, &[3, 5, 4]);
    let both = Bidirectional::new(Rnn::new(LstmCell::new(2)), Rnn::new(GruCell::new(3)));
    let variables = both.init(key(0)).call(&x)?;
    let ((forward, backward), y) = both.apply(&variables).run(|m| m.with_carry(&x, Sequence::new()))?;
    assert_eq!(
        (forward.0.shape(), forward.1.shape(), backward.shape()),
        (&[3, 2][..], &[3, 2][..], &[3, 3][..])
    );
    assert_same(&forward.1, &y.index_axis(1, -1).slice_axis(1, 0, 2));
    assert_same(&backward, &y.index_axis(1, 0).slice_axis(1, 2, 5));
    Ok(())
}

/// The state of any recurrent layer.
fn states<R: Recurrent>(layer: &R, x: &Tensor) -> Result<R::Carry> {
    Ok(layer.with_carry(x, Sequence::new())?.0)
}

#[test]
fn directions_may_be_layers_of_directions() -> Result<()> {
    let rnn = || Rnn::new(SimpleCell::new(2));
    let both = Bidirectional::new(Bidirectional::new(rnn(), rnn()), rnn());
    let x = random(1, &[3, 5, 4]);
    let (y, variables) = both.init_with_output(key(0)).call(&x)?;
    assert_eq!(y.shape(), [3, 5, 6]);
    assert!(variables.tensor("params/forward_rnn/backward_rnn/cell/i/kernel").is_ok());
    let ((_, inner), outer) = both.apply(&variables).run(|m| states(m, &x))?;
    assert_eq!((inner.shape(), outer.shape()), (&[3, 2][..], &[3, 2][..]));
    Ok(())
}

/// A cell of a user: a state that forgets, and a count of steps.
#[module]
struct Leaky {
    features: usize,
    #[module(default = 0.5)]
    keeps: f64,
}

#[derive(Clone, Tree)]
struct LeakyState {
    h: Tensor,
    steps: Tensor,
}

impl Cell for Leaky {
    type Carry = LeakyState;

    #[compact]
    fn call(&self, carry: LeakyState, x: &Tensor) -> Result<(LeakyState, Tensor)> {
        let h = carry.h * self.keeps + Dense::new(self.features).call(x)?.tanh();
        Ok((LeakyState { h: h.clone(), steps: carry.steps + 1 }, h))
    }

    fn initial_carry(&self, _key: &Key, input: &[usize]) -> Result<LeakyState> {
        let h = Tensor::zeros([input[0], self.features]);
        Ok(LeakyState { h, steps: Tensor::zeros_of([input[0]], DType::I32) })
    }
}

#[test]
fn cells_of_users_run_over_sequences_with_all_options() -> Result<()> {
    let x = random(1, &[2, 4, 3]);
    let rnn = Rnn::new(Leaky::new(5));
    let (y, variables) = rnn.init_with_output(key(0)).call(&x)?;
    assert_eq!(variables.tensor("params/cell/Dense_0/kernel")?.shape(), [3, 5]);
    let (carries, expected) = by_hand(&rnn.cell, &variables, &x, 1)?;
    assert_close(&y, &expected);
    assert_eq!(carries.len(), 4);
    let sequence = Sequence::new().lengths(&Tensor::from([3, 1]));
    let (carry, _) = rnn.apply(&variables).run(|m| m.with_carry(&x, sequence.clone()))?;
    assert_eq!(carry.steps.to_vec::<i32>()?, [3, 1]);
    assert_close(&carry.h.get(0), &y.get(0).get(2));
    Ok(())
}

/// The programs of the documentation's contract.
#[module]
struct Contract;

impl Contract {
    #[compact]
    fn call(&self, x: &Tensor, n: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
        let first = Rnn::new(LstmCell::new(16)).call(x)?;
        let (carry, _) = Rnn::new(GruCell::new(8))
            .reverse()
            .keep_order()
            .run(|rnn| rnn.with_carry(x, Sequence::new().lengths(n)))?;
        let both = Bidirectional::new(Rnn::new(LstmCell::new(4)), Rnn::new(LstmCell::new(4))).call(x)?;
        Ok((first, carry, both))
    }
}

#[test]
fn layers_are_built_where_they_are_called_under_linens_names() -> Result<()> {
    let (x, n) = (Tensor::ones([2, 5, 3]), Tensor::from([5, 2]));
    let ((first, carry, both), variables) =
        Contract::new().init_with_output(key(0)).run(|m| m.call(&x, &n))?;
    assert_eq!((first.shape(), carry.shape(), both.shape()), (&[2, 5, 16][..], &[2, 8][..], &[2, 5, 8][..]));
    let params = variables.dict("params")?;
    assert_eq!(params.keys().collect::<Vec<_>>(), ["Bidirectional_0", "RNN_0", "RNN_1"]);
    assert_eq!(variables.tensor("params/RNN_0/cell/ii/kernel")?.shape(), [3, 16]);
    Ok(())
}

#[test]
fn a_cell_that_the_enclosing_module_made_keeps_its_name_there() -> Result<()> {
    #[module]
    struct Model;

    impl Layer for Model {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            Rnn::new(self.child(LstmCell::new(2))).call(x)
        }
    }

    let variables = Model::new().init(key(0)).call(&Tensor::ones([2, 5, 3]))?;
    assert_eq!(variables.dict("params")?.keys().collect::<Vec<_>>(), ["LSTMCell_0"]);
    Ok(())
}

#[test]
fn states_of_gated_cells_in_halves_stay_single() -> Result<()> {
    fn dtypes<C: Cell>(cell: C) -> Result<Vec<DType>> {
        let x = random(1, &[2, 3]);
        let carry = cell.initial_carry(&key(0), x.shape())?;
        let (carry, y) = cell.init_with_output(key(0)).run(|m| m.call(carry.clone(), &x))?.0;
        Ok(tree::leaves(&(carry, y)).into_iter().map(Tensor::dtype).collect())
    }
    let (half, single) = (DType::BF16, DType::F32);
    assert_eq!(dtypes(LstmCell::new(2).dtype(half))?, [single; 3]);
    assert_eq!(dtypes(OptimizedLstmCell::new(2).dtype(half))?, [single; 3]);
    assert_eq!(dtypes(GruCell::new(2).dtype(half))?, [single; 2]);
    assert_eq!(dtypes(MguCell::new(2).dtype(half))?, [single; 2]);
    assert_eq!(dtypes(SimpleCell::new(2).dtype(half))?, [half; 2]);
    assert_eq!(dtypes(SimpleCell::new(2).dtype(half).residual(true))?, [single; 2]);
    Ok(())
}

#[test]
fn orthogonal_kernels_of_halves_are_made() -> Result<()> {
    // In Flax there is no decomposition of halves, and this is an error.
    for dtype in [DType::BF16, DType::F16] {
        let x = random(1, &[2, 4, 3]).cast(dtype);
        let (y, variables) =
            Rnn::new(LstmCell::new(2).param_dtype(dtype)).init_with_output(key(0)).call(&x)?;
        let kernel = variables.tensor("params/cell/hi/kernel")?.clone();
        assert_eq!((y.dtype(), kernel.dtype()), (dtype, dtype));
        let kernel = kernel.cast(DType::F32);
        let identity = Tensor::from([[1.0f32, 0.0], [0.0, 1.0]]);
        assert!(kernel.t().dot(&kernel).all_close(&identity, 0.0, 2e-2)?);
    }
    Ok(())
}

#[test]
fn models_print_as_flax_prints_them() {
    let rnn = Rnn::new(SimpleCell::new(2)).reverse();
    let text = format!("{rnn:?}");
    assert!(text.starts_with("RNN { cell: SimpleCell { features: 2, activation_fn: tanh, "), "{text}");
    assert!(text.contains("reverse: true, keep_order: false, unroll: 1"), "{text}");
    assert_eq!(rnn, Rnn::new(SimpleCell::new(2)).reverse());
    assert_ne!(rnn, Rnn::new(SimpleCell::new(2).activation_fn(Tensor::relu)).reverse());
}

/// The table of Flax, from its first rule to its last.
const TABLE: &str = "\
┏━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━┓
┃ path   ┃ module     ┃ inputs         ┃ outputs        ┃ params               ┃
┡━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━┩
│        │ RNN        │ float32[4,5,3] │ float32[4,5,2] │                      │
├────────┼────────────┼────────────────┼────────────────┼──────────────────────┤
│ cell   │ SimpleCell │ - float32[4,2] │ - float32[4,2] │                      │
│        │            │ - float32[4,3] │ - float32[4,2] │                      │
├────────┼────────────┼────────────────┼────────────────┼──────────────────────┤
│ cell/i │ Dense      │ float32[4,3]   │ float32[4,2]   │ bias: float32[2]     │
│        │            │                │                │ kernel: float32[3,2] │
│        │            │                │                │                      │
│        │            │                │                │ 8 (32 B)             │
├────────┼────────────┼────────────────┼────────────────┼──────────────────────┤
│ cell/h │ Dense      │ float32[4,2]   │ float32[4,2]   │ kernel: float32[2,2] │
│        │            │                │                │                      │
│        │            │                │                │ 4 (16 B)             │
├────────┼────────────┼────────────────┼────────────────┼──────────────────────┤
│        │            │                │          Total │ 12 (48 B)            │
└────────┴────────────┴────────────────┴────────────────┴──────────────────────┘";

#[test]
fn the_table_of_a_layer_has_a_row_for_everything_in_a_step() -> Result<()> {
    let summary = Rnn::new(SimpleCell::new(2)).tabulate(key(0)).call(&Tensor::ones([4, 5, 3]))?;
    let text = summary.to_string();
    assert!(text.contains("RNN Summary") && text.contains(TABLE), "{text}");
    Ok(())
}

/// What a layer makes, as a function of its parameters and input.
fn applied<C: Cell>(rnn: &Rnn<C>) -> impl Fn((Dict, Tensor)) -> Result<Tensor> + use<'_, C> {
    |(params, x)| rnn.apply(Variables::new().with("params", params)).call(&x)
}

#[test]
fn a_compiled_layer_is_one_loop_with_one_product_of_the_input() -> Result<()> {
    let x = random(1, &[2, 6, 3]);
    let rnn = Rnn::new(OptimizedLstmCell::new(4));
    let params = rnn.init(key(0)).call(&x)?.dict("params")?.clone();
    let graph = jit(applied(&rnn)).graph(&(params.clone(), x.clone()))?;
    let count =
        |graph: &flaxen::core::Graph, name: &str| graph.primitives().filter(|&other| other == name).count();
    assert_eq!((count(&graph, "scan"), count(&graph, "dot_general")), (1, 1), "{graph}");
    let loss = |args: (Dict, Tensor)| {
        let slope = |args: &(Dict, Tensor)| Ok(applied(&rnn)(args.clone())?.square().sum());
        grad(slope)(&args)
    };
    let graph = jit(loss).graph(&(params, x))?;
    assert_eq!(count(&graph, "scan"), 2, "one loop forward, one backward: {graph}");
    Ok(())
}

type Apply<'f> = &'f dyn Fn((Dict, Tensor)) -> Result<Tensor>;

/// Gradients with respect to parameters and input.
type Slopes = fn(Apply<'_>, &(Dict, Tensor)) -> Result<(Dict, Tensor)>;

fn slopes(f: Apply<'_>, args: &(Dict, Tensor)) -> Result<(Dict, Tensor)> {
    grad(|args: &(Dict, Tensor)| Ok(f(args.clone())?.square().sum()))(args)
}

fn slopes_of_slopes(f: Apply<'_>, args: &(Dict, Tensor)) -> Result<(Dict, Tensor)> {
    let size = |args: &(Dict, Tensor)| {
        let (params, x) = slopes(f, args)?;
        Ok(x.square().sum() + params.tensor("cell/hn/kernel")?.square().sum())
    };
    grad(size)(args)
}

#[test]
fn layers_stand_under_every_transform() -> Result<()> {
    let x = random(1, &[3, 2, 5, 4]);
    for reverse in [false, true] {
        let mut rnn = Rnn::new(GruCell::new(3));
        rnn.reverse = reverse;
        let (y, variables) = rnn.init_with_output(key(0)).call(&x)?;
        let params = variables.dict("params")?.clone();
        assert_close(&jit(applied(&rnn)).call((params.clone(), x.clone()))?, &y);
        let mapped = vmap(applied(&rnn)).in_axes((None, 0));
        assert_close(&mapped.call((params.clone(), x.clone()))?, &y);
        let mapped = jit(|args: (Dict, Tensor)| vmap(applied(&rnn)).in_axes((None, 0)).call(args));
        assert_close(&mapped.call((params.clone(), x.clone()))?, &y);

        // The gradients of a loop that is written by hand, also those of gradients.
        let cell = rnn.cell.clone();
        let by_hand = |(params, x): (Dict, Tensor)| {
            let x = if reverse { x.flip([2]) } else { x };
            Ok(by_hand(&cell, &Variables::new().with("params", params), &x, 2)?.1)
        };
        let args = (params, x.clone());
        for of in [slopes as Slopes, slopes_of_slopes] {
            let (found, expected) = (of(&applied(&rnn), &args)?, of(&by_hand, &args)?);
            let compiled = jit(|args: (Dict, Tensor)| of(&applied(&rnn), &args)).call(args.clone())?;
            for found in [found, compiled] {
                for (found, expected) in tree::leaves(&found).into_iter().zip(tree::leaves(&expected)) {
                    assert!(found.all_close(expected, 1e-3, 1e-4)?, "{found:?}\n{expected:?}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_loop_by_the_lifted_scan_gives_what_the_layer_gives() -> Result<()> {
    #[module]
    struct Lifted {
        #[submodule]
        cell: LstmCell,
    }

    impl Layer for Lifted {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let carry = self.cell.initial_carry(&key(0), &[x.shape()[0], x.shape()[2]])?;
            let steps = lift::scan(&self.cell, |cell: &LstmCell, carry: (Tensor, Tensor), x: Tensor| {
                cell.call(carry, &x)
            });
            Ok(steps.share("params").axes(1).call(carry, x.clone())?.1)
        }
    }

    let x = random(1, &[3, 5, 4]);
    let (y, variables) = Rnn::new(LstmCell::new(2)).init_with_output(key(0)).call(&x)?;
    let (lifted, of_lifted) = Lifted::new(LstmCell::new(2)).init_with_output(key(0)).call(&x)?;
    assert_eq!(of_lifted, variables);
    assert_close(&lifted, &y);
    Ok(())
}

#[test]
fn a_loop_by_scan_over_steps_that_are_applied_gives_what_the_layer_gives() -> Result<()> {
    let x = random(1, &[3, 5, 4]);
    let (y, variables) = Rnn::new(LstmCell::new(2)).init_with_output(key(0)).call(&x)?;
    let step = Step::new(LstmCell::new(2));
    let steps =
        scan(|carry: (Tensor, Tensor), x: Tensor| step.apply(&variables).run(|m| m.step(carry.clone(), &x)));
    let carry = step.cell.initial_carry(&key(0), &[3, 4])?;
    assert_close(&steps.axes(1).call(carry, x)?.1, &y);
    Ok(())
}

#[test]
fn a_state_that_changes_its_dtype_is_an_error_with_both() {
    let rnn = Rnn::new(SimpleCell::new(2).dtype(DType::BF16));
    let error = rnn.init(key(0)).call(&Tensor::ones([3, 5, 4])).unwrap_err().to_string();
    for part in ["scan(cell)", "SimpleCell", "a carry at `carry` ", "f32[3,2]", "bf16[3,2]"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

/// Adds its input times the number of its step, which it counts.
#[module]
struct Counting;

impl Cell for Counting {
    type Carry = Tensor;

    #[compact]
    fn call(&self, carry: Tensor, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let count = self.variable("counts", "n", || Tensor::from(0))?;
        count.set(count.try_get()? + 1)?;
        let h = carry + x * count.try_get()?;
        Ok((h.clone(), h))
    }

    fn initial_carry(&self, _key: &Key, input: &[usize]) -> Result<Tensor> {
        Ok(Tensor::zeros(input))
    }
}

#[test]
fn variables_may_go_from_step_to_step() -> Result<()> {
    let rnn = Rnn::new(Counting::new()).variable_carry("counts");
    let x = Tensor::ones([2, 3, 1]);
    let variables = Variables::new().with("counts", Dict::new().with("cell/n", 5));
    let (y, updates) = rnn.apply(&variables).mutable("counts").call(&x)?;
    assert_eq!(y.to_vec::<f32>()?, [6.0, 13.0, 21.0, 6.0, 13.0, 21.0]);
    assert_eq!(updates.tensor("counts/cell/n")?.item::<i32>()?, 8);
    // As in Flax, the loop does not make what goes through it.
    let error = rnn.init(key(0)).call(&x).unwrap_err().to_string();
    assert!(error.contains("must be there before the loop"), "{error}");
    let error = rnn.apply(&variables).call(&x).unwrap_err().to_string();
    assert!(error.contains("scan(cell)") && error.contains("counts"), "{error}");
    Ok(())
}

/// A layer and its gradient, of 32 rows at once and of four at a time, which a loop does not deal out to threads.
fn many_rows_are_few_rows<M: Layer + Clone + Send + Sync + 'static>(name: &str, model: M) {
    let x = random::normal(&key(0), [32, 6, 48]);
    let (params, _) = model.init(key(1)).call(&x).unwrap().pop("params").unwrap();
    let run = move |params: &Dict, x: &Tensor| model.apply(Variables::new().with("params", params)).call(x);
    let f = jit(move |(params, x): (Dict, Tensor)| {
        let gradient = grad(|x: &Tensor| Ok(run(&params, x)?.square().sum()))(&x)?;
        Ok((run(&params, &x)?, gradient))
    });
    let (all, all_gradients) = f.call((params.clone(), x.clone())).unwrap();
    for start in (0..32).step_by(4) {
        let part = |x: &Tensor| x.slice_axis(0, start, start + 4);
        let (few, gradients) = f.call((params.clone(), part(&x))).unwrap();
        for (found, expected) in [(part(&all), few), (part(&all_gradients), gradients)] {
            let difference = (found - &expected).abs().max().to_vec::<f32>().unwrap()[0];
            assert!(difference < 1e-4, "{name} from {start}: {difference}");
        }
    }
}

#[test]
fn many_rows_at_once_give_what_a_few_at_a_time_give() {
    many_rows_are_few_rows("lstm", Rnn::new(LstmCell::new(96)));
    many_rows_are_few_rows("optimized lstm", Rnn::new(OptimizedLstmCell::new(96)));
    many_rows_are_few_rows("gru", Rnn::new(GruCell::new(96)));
    many_rows_are_few_rows("mgu", Rnn::new(MguCell::new(96)));
    many_rows_are_few_rows("simple", Rnn::new(SimpleCell::new(96)));
    let both = Bidirectional::new(Rnn::new(GruCell::new(96)), Rnn::new(LstmCell::new(96)));
    many_rows_are_few_rows("bidirectional", both);
    let (rnn, x) = (Rnn::new(GruCell::new(96)), random::normal(&key(0), [32, 6, 48]));
    let lengths = Tensor::from_vec((0..32).map(|i| i % 7).collect::<Vec<i32>>(), [32]);
    let variables = rnn.init(key(1)).call(&x).unwrap();
    let f = jit(move |(variables, x, lengths): (Variables, Tensor, Tensor)| {
        rnn.apply(&variables).run(|m| m.with_carry(&x, Sequence::new().lengths(&lengths)))
    });
    let (end, y) = f.call((variables.clone(), x.clone(), lengths.clone())).unwrap();
    for start in (0..32).step_by(4) {
        let part = |x: &Tensor| x.slice_axis(0, start, start + 4);
        let (few_end, few) = f.call((variables.clone(), part(&x), part(&lengths))).unwrap();
        for (found, expected) in [(part(&y), few), (part(&end), few_end)] {
            let difference = (found - &expected).abs().max().to_vec::<f32>().unwrap()[0];
            assert!(difference < 1e-4, "from {start}: {difference}");
        }
    }
}
