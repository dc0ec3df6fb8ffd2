//! Resemblyzer 0.1.4: three LSTMs over spectra of somebody's speech, and a vector that says who it is.

use flaxen::eval_shape;
use flaxen::io::torch::StateDict;
use flaxen::nn::{OptimizedLstmCell, Rnn};
use flaxen::prelude::*;

use super::{assert_near, numbers, weights};

#[module]
struct VoiceEncoder;

impl Layer for VoiceEncoder {
    /// Spectra `F32[voices, frames, 40]` to vectors of length 1, `F32[voices, 256]`.
    #[compact]
    fn call(&self, spectra: &Tensor) -> Result<Tensor> {
        let mut x = spectra.clone();
        for layer in 0..3 {
            x = self.child_named(format!("lstm_{layer}"), Rnn::new(OptimizedLstmCell::new(256))).call(&x)?;
        }
        let last = x.index_axis(1, -1);
        let y = self.child_named("linear", Dense::new(256)).call(&last)?.relu();
        let length = y.square().sum_axes([-1]).sqrt().expand_dims([-1]);
        Ok(y / length)
    }
}

#[test]
fn voices_get_the_vectors_that_resemblyzer_gives_them() {
    let Some(path) = weights("resemblyzer/pretrained.pt") else { return };
    let spectra = numbers(&[2, 40, 40], 7919) * numbers(&[2, 40, 40], 104_729);
    let model = VoiceEncoder::new();
    let shapes = eval_shape(|spectra: Tensor| model.init(key(0)).call(&spectra), &spectra).unwrap();
    let state = StateDict::open(path).unwrap().part("model_state");
    let state =
        state.rename("lstm.layers_*", "lstm_$1").ignore("similarity_weight").ignore("similarity_bias");
    let variables = state.variables_like(&shapes).unwrap();
    let found = jit(|(variables, spectra): (Variables, Tensor)| model.apply(variables).call(&spectra))
        .call((variables, spectra))
        .unwrap();
    assert_near(&found, "resemblyzer", 2e-6);
}
