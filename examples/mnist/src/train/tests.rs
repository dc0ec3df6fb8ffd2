//! What a network keeps of its accuracy.

use flaxen::nn::quantize;

use super::*;
use crate::data::{self, Split};

#[test]
fn weights_in_8_bits_lose_at_most_one_digit_in_a_hundred() -> anyhow::Result<()> {
    let data = data::embedded(Split::Ordered, 0)?;
    let settings = Settings { batch_size: 64, learning_rate: 4e-3, seed: 1 };
    let mut trainer = Trainer::new(settings, &data, &World::single())?;
    for _ in 0..20 {
        trainer.run_epoch(&data, |_, _| ())?;
    }
    let (before, _) = trainer.classify(&data.test)?;
    trainer.state.params = quantize::int8(&trainer.state.params)?;
    assert_eq!(trainer.state.params.tensor("Dense_0/kernel/int8")?.dtype(), DType::I8);
    let (after, _) = trainer.classify(&data.test)?;
    println!("{} of digits with weights in F32, {} in 8 bits", before.accuracy, after.accuracy);
    assert!(before.accuracy > 0.9, "{before:?}");
    assert!(after.accuracy >= before.accuracy - 0.01, "{before:?} and {after:?}");
    Ok(())
}
