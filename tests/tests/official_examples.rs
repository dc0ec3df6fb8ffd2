//! The official examples of Flax Linen compute what they compute in Flax.

use flaxen::Result;
use flaxen_tests::examples;

#[test]
fn vae_encodes_decodes_and_trains_as_in_flax() -> Result<()> {
    examples::vae::check()
}

#[test]
fn imagenet_trains_residual_blocks_as_in_flax() -> Result<()> {
    examples::imagenet::check_residual()
}

#[test]
fn imagenet_trains_bottleneck_blocks_as_in_flax() -> Result<()> {
    examples::imagenet::check_bottleneck()
}

#[test]
fn imagenet_trains_in_halves_with_a_dynamic_scale_as_in_flax() -> Result<()> {
    examples::imagenet::check_half()
}

#[test]
fn ppo_estimates_advantages_and_trains_as_in_flax() -> Result<()> {
    examples::ppo::check()
}

#[test]
fn pixelcnn_begins_with_statistics_trains_and_samples_as_in_flax() -> Result<()> {
    examples::pixelcnn::check()
}

#[test]
fn nlp_seq_tags_and_trains_as_in_flax() -> Result<()> {
    examples::nlp_seq::check()
}

#[test]
fn lm1b_trains_and_samples_as_in_flax() -> Result<()> {
    examples::lm1b::check()
}

#[test]
fn wmt_trains_and_searches_as_in_flax() -> Result<()> {
    examples::wmt::check()
}

#[test]
fn sst2_scans_in_both_directions_and_trains_as_in_flax() -> Result<()> {
    examples::sst2::check()
}

#[test]
fn seq2seq_decodes_its_own_samples_and_trains_as_in_flax() -> Result<()> {
    examples::seq2seq::check()
}

#[test]
fn ogbg_passes_messages_and_trains_as_in_flax() -> Result<()> {
    examples::ogbg_molpcba::check()
}

#[test]
fn linen_design_test_has_the_same_networks_as_in_flax() -> Result<()> {
    examples::linen_design_test::check()
}

#[test]
fn linen_design_test_lifts_attention_over_heads_and_batch_as_in_flax() -> Result<()> {
    examples::linen_design_attention::check()
}
