//! How the next token is chosen.

use flaxen::prelude::*;

/// A way to choose: of the `top_k` likeliest tokens, and of the fewest that are `top_p` likely together, one by its probability.
#[derive(Clone, Copy, Debug)]
pub struct Sampler {
    /// What logits are divided by; with 0 the likeliest token is chosen.
    pub temperature: f32,
    /// How many tokens there are to choose from; all without.
    pub top_k: Option<usize>,
    /// The least probability of all tokens to choose from; 1 without.
    pub top_p: Option<f32>,
}

impl Sampler {
    /// The number of a token for each row of logits `[.., vocabulary]`.
    ///
    /// The nucleus of `top_p` is that of Holtzman et al., arXiv:1904.09751. Tokens that are as likely as the last one stay, too.
    pub fn choose(&self, key: &random::Key, logits: &Tensor) -> Result<Tensor> {
        if self.temperature <= 0.0 {
            return logits.try_argmax(-1);
        }
        let mut logits = logits / self.temperature;
        if let Some(k) = self.top_k {
            let (likeliest, _) = logits.try_top_k(k.clamp(1, logits.shape()[logits.rank() - 1]))?;
            logits = at_least(&logits, &likeliest.slice_axis(-1, -1..))?;
        }
        if let Some(p) = self.top_p {
            let sorted = logits.sort_descending(-1);
            let likely = sorted.softmax(-1);
            // Those before which there is not enough yet, so that there is always one.
            let is_needed = (likely.cumsum(-1) - likely).lt(p);
            let least = is_needed.select(&sorted, f32::INFINITY).min_keep(-1);
            logits = at_least(&logits, &least)?;
        }
        random::try_categorical(key, logits, -1)
    }
}

/// Logits that are at least so large; the others are never chosen.
fn at_least(logits: &Tensor, least: &Tensor) -> Result<Tensor> {
    logits.try_ge(least)?.try_select(logits, f32::NEG_INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Sampler = Sampler { temperature: 1.0, top_k: None, top_p: None };

    /// How often each of five tokens is chosen of a thousand times.
    fn counts(sampler: Sampler) -> [usize; 5] {
        let logits = Tensor::from([0.4f32, 0.1, 0.3, 0.15, 0.05]).log().broadcast_to([1000, 5]);
        let mut counts = [0; 5];
        for token in sampler.choose(&key(0), &logits).unwrap().to_vec::<i32>().unwrap() {
            counts[token as usize] += 1;
        }
        counts
    }

    fn chosen(sampler: Sampler) -> [bool; 5] {
        counts(sampler).map(|count| count > 0)
    }

    #[test]
    fn only_the_likeliest_are_chosen() {
        assert_eq!(chosen(ALL), [true; 5]);
        assert_eq!(chosen(Sampler { top_k: Some(2), ..ALL }), [true, false, true, false, false]);
        assert_eq!(chosen(Sampler { top_k: Some(9), ..ALL }), [true; 5]);
        assert_eq!(chosen(Sampler { top_p: Some(0.6), ..ALL }), [true, false, true, false, false]);
        assert_eq!(chosen(Sampler { top_p: Some(0.8), ..ALL }), [true, false, true, true, false]);
        assert_eq!(chosen(Sampler { top_p: Some(1e-6), ..ALL }), [true, false, false, false, false]);
        let both = Sampler { top_k: Some(3), top_p: Some(0.5), ..ALL };
        assert_eq!(chosen(both), [true, false, true, false, false]);
        assert_eq!(chosen(Sampler { temperature: 0.0, ..ALL }), [true, false, false, false, false]);
    }

    #[test]
    fn a_temperature_moves_probabilities() {
        let [hot, plain, cold] =
            [4.0, 1.0, 0.25].map(|temperature| counts(Sampler { temperature, ..ALL })[0]);
        // Of 0.4 they are about 0.26, 0.4 and 0.74, in a thousand draws by a hundredth and a half.
        assert!(
            (200..320).contains(&hot) && (340..460).contains(&plain) && (680..800).contains(&cold),
            "{hot} {plain} {cold}"
        );
    }
}
