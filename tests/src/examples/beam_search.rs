//! The beam search of `wmt`, all of it inside of a loop that is compiled.

use flaxen::prelude::*;

/// Effectively -∞: finite, so that sums of it are no NaN.
const NEG_INF: f32 = -1.0e7;

/// Punishes long sequences less.
fn brevity_penalty(alpha: f32, length: &Tensor) -> Tensor {
    ((length + 5.0) / 6.0).pow(alpha)
}

fn add_beam_dim(x: &Tensor, beam_size: usize) -> Result<Tensor> {
    // Numbers, such as the index of a cache, have no batch.
    if x.rank() == 0 {
        return Ok(x.clone());
    }
    let mut counts = vec![1; x.rank() + 1];
    counts[1] = beam_size;
    x.try_expand_dims([1])?.try_tile(counts)
}

fn flatten_beam_dim(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 0 {
        return Ok(x.clone());
    }
    x.try_reshape([&[x.shape()[0] * x.shape()[1]], &x.shape()[2..]].concat())
}

fn unflatten_beam_dim(x: &Tensor, batch_size: usize, beam_size: usize) -> Result<Tensor> {
    if x.rank() == 0 {
        return Ok(x.clone());
    }
    x.try_reshape([&[batch_size, beam_size], &x.shape()[1..]].concat())
}

/// Each example `beam_size` times in a row.
///
/// # Errors
/// If the size overflows.
pub(super) fn flat_batch_beam_expand(x: &Tensor, beam_size: usize) -> Result<Tensor> {
    flatten_beam_dim(&add_beam_dim(x, beam_size)?)
}

/// The beams of indices `[batch, new beams]`, of everything that has beams.
fn gather_beams<T: Tree>(nested: &T, beam_indices: &Tensor) -> Result<T> {
    let [batch_size, new_beam_size] = beam_indices.shape()[..] else { unreachable!("[batch, beams]") };
    let batch_indices = Tensor::arange(0, batch_size as i32, 1).repeat(new_beam_size, 0);
    let batch_indices = batch_indices.try_reshape([batch_size, new_beam_size])?;
    let indices = Tensor::try_stack(&[batch_indices, beam_indices.clone()], -1)?;
    tree::map(nested, |x| if x.rank() == 0 { Ok(x.clone()) } else { x.try_gather_nd(&indices) })
}

fn gather_topk_beams<T: Tree>(nested: &T, scores: &Tensor, new_beam_size: usize) -> Result<T> {
    let (_, topk_indices) = scores.try_top_k(new_beam_size)?;
    gather_beams(nested, &topk_indices.flip([1]))
}

/// The state of the search.
#[derive(Tree, Clone)]
struct BeamState {
    /// How many tokens there are, `[]`.
    cur_index: Tensor,
    /// `[batch, beams]`.
    live_logprobs: Tensor,
    /// `[batch, beams]`.
    finished_scores: Tensor,
    /// `[batch, beams, length]`.
    live_seqs: Tensor,
    /// `[batch, beams, length]`.
    finished_seqs: Tensor,
    /// Which finished sequences are there, `[batch, beams]`.
    finished_flags: Tensor,
    /// What the decoder remembers of each beam.
    cache: Dict,
}

fn beam_init(batch_size: usize, beam_size: usize, max_decode_len: usize, cache: &Dict) -> Result<BeamState> {
    let mut first = vec![NEG_INF; beam_size];
    first[0] = 0.0;
    let sequences = Tensor::zeros_of([batch_size, beam_size, max_decode_len], DType::I32);
    Ok(BeamState {
        cur_index: Tensor::from(0),
        live_logprobs: Tensor::from(first).tile([batch_size, 1]),
        finished_scores: Tensor::ones([batch_size, beam_size]) * NEG_INF,
        live_seqs: sequences.clone(),
        finished_seqs: sequences,
        finished_flags: Tensor::zeros_of([batch_size, beam_size], DType::Bool),
        cache: tree::map(cache, |x| add_beam_dim(x, beam_size))?,
    })
}

/// The most probable sequences `[batch, beams, max_decode_len]`, in ascending order, and their scores `[batch, beams]`.
///
/// # Errors
/// What the decoder returns.
pub(super) fn beam_search(
    inputs: &Tensor,
    cache: &Dict,
    tokens_to_logits: impl Fn(&Tensor, &Dict) -> Result<(Tensor, Dict)>,
    beam_size: usize,
    alpha: f32,
    eos_id: i32,
    max_decode_len: usize,
) -> Result<(Tensor, Tensor)> {
    let batch_size = inputs.shape()[0];
    let last = max_decode_len as i32 - 1;

    // As long as there is room, and the best sequence that goes on could still be better than the worst that has ended.
    let goes_on = |state: &BeamState| {
        let not_at_end = state.cur_index.lt(last);
        let least_penalty = brevity_penalty(alpha, &Tensor::from(max_decode_len as f32));
        let best_live_scores = state.live_logprobs.slice_axis(1, -1..) / least_penalty;
        let worst_finished = state.finished_scores.min_keep([1]);
        let worst_finished = state.finished_flags.try_select(worst_finished, Tensor::from(NEG_INF))?;
        Ok(not_at_end & !worst_finished.gt(best_live_scores).all())
    };
    let body = |state: BeamState| {
        let cur_index = &state.cur_index;
        let flat_ids = flatten_beam_dim(&state.live_seqs.try_dynamic_slice_axis(2, cur_index, 1)?)?;
        let flat_cache = tree::map(&state.cache, flatten_beam_dim)?;
        let (flat_logits, new_flat_cache) = tokens_to_logits(&flat_ids, &flat_cache)?;
        let logits = unflatten_beam_dim(&flat_logits, batch_size, beam_size)?;
        let new_cache = tree::map(&new_flat_cache, |x| unflatten_beam_dim(x, batch_size, beam_size))?;

        // Twice as many candidates as beams, so that enough go on even if the best of each end.
        let log_probs = logits.log_softmax(-1) + state.live_logprobs.expand_dims([2]);
        let vocab_size = log_probs.shape()[2];
        let beams_to_keep = 2 * beam_size;
        let flat_log_probs = log_probs.try_reshape([batch_size, beam_size * vocab_size])?;
        let (topk_log_probs, topk_indices) = flat_log_probs.try_top_k(beams_to_keep)?;
        let topk_beam_indices = topk_indices.floor_divide(vocab_size as i32);
        let topk_seq = gather_beams(&state.live_seqs, &topk_beam_indices)?;
        let topk_ids = (topk_indices % vocab_size as i32).expand_dims([2]);
        let next = cur_index + 1;
        let topk_seq = topk_seq.try_dynamic_update_axis(2, &next, &topk_ids)?;

        // Those that go on.
        let newly_finished = topk_ids.squeeze([2]).eq(eos_id);
        let new_log_probs = &topk_log_probs + newly_finished.cast(DType::F32) * NEG_INF;
        let (_, new_topk_indices) = new_log_probs.try_top_k(beam_size)?;
        let new_topk_indices = new_topk_indices.flip([1]);
        let (live_seqs, live_logprobs) = gather_beams(&(topk_seq.clone(), new_log_probs), &new_topk_indices)?;
        let top_alive_indices = gather_beams(&topk_beam_indices, &new_topk_indices)?;
        let cache = gather_beams(&new_cache, &top_alive_indices)?;

        // Those that have ended.
        let new_scores = topk_log_probs / brevity_penalty(alpha, &next);
        let new_scores = new_scores + (!&newly_finished).cast(DType::F32) * NEG_INF;
        let finished_seqs = Tensor::try_concatenate(&[state.finished_seqs, topk_seq], 1)?;
        let finished_scores = Tensor::try_concatenate(&[state.finished_scores, new_scores], 1)?;
        let finished_flags = Tensor::try_concatenate(&[state.finished_flags, newly_finished], 1)?;
        let all = (finished_seqs, finished_scores.clone(), finished_flags);
        let (finished_seqs, finished_scores, finished_flags) =
            gather_topk_beams(&all, &finished_scores, beam_size)?;
        Ok(BeamState {
            cur_index: next,
            live_logprobs,
            finished_scores,
            live_seqs,
            finished_seqs,
            finished_flags,
            cache,
        })
    };
    let found = while_loop(goes_on, body)(beam_init(batch_size, beam_size, max_decode_len, cache)?)?;

    // Where nothing has ended, what goes on.
    let any_finished = found.finished_flags.any_axes([1]);
    let sequences = any_finished.expand_dims([1, 2]).try_select(&found.finished_seqs, &found.live_seqs)?;
    let scores = any_finished.expand_dims([1]).try_select(&found.finished_scores, &found.live_logprobs)?;
    Ok((sequences, scores))
}
