//! Sequences: shapes, lengths, directions, against loops written by hand.

use super::*;

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
        let alone = x.get(at as isize).slice_axis(0, 0..length);
        let (end, outputs) = rnn.apply(&variables).run(|m| m.with_carry(&alone, Sequence::new()))?;
        assert_close(&carry.get(at as isize), &last(end));
        assert_close(&y.get(at as isize).slice_axis(0, 0..length), &outputs);
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
    let (first, second) = (x.slice_axis(1, 0..3), x.slice_axis(1, 3..7));
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
    assert_same(&forward.1, &y.index_axis(1, -1).slice_axis(1, 0..2));
    assert_same(&backward, &y.index_axis(1, 0).slice_axis(1, 2..5));
    Ok(())
}
