//! Distributions of values, in the buckets of TensorFlow.

use super::proto::Message;

/// The upper ends of buckets: 1e-12, each 1.1 times the one before, up to 1e20, the same below 0, and 0 between.
fn limits() -> Vec<f64> {
    let positive: Vec<f64> = std::iter::successors(Some(1e-12), |limit| Some(limit * 1.1))
        .take_while(|&limit| limit < 1e20)
        .collect();
    let negative = positive.iter().rev().map(|limit| -limit);
    negative.chain([0.0]).chain(positive.iter().copied()).chain([f64::MAX]).collect()
}

/// A `HistogramProto` of the finite values.
pub(super) fn message(values: &[f32]) -> Message {
    let finite: Vec<f64> =
        values.iter().filter(|value| value.is_finite()).map(|&value| f64::from(value)).collect();
    let limits = limits();
    let mut counts = vec![0.0; limits.len()];
    for value in &finite {
        // A value that is a limit belongs to the bucket above it.
        counts[limits.partition_point(|limit| limit <= value).min(limits.len() - 1)] += 1.0;
    }
    // Only the buckets from the first that is not empty to the last, and an empty one at either end, which are drawn from.
    let first = counts.iter().position(|&count| count > 0.0).unwrap_or(0).saturating_sub(1);
    let last =
        counts.iter().rposition(|&count| count > 0.0).map_or(first, |last| (last + 1).min(counts.len() - 1));
    let least = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (least, greatest) = if finite.is_empty() { (0.0, 0.0) } else { (least, greatest) };
    Message::new()
        .double(1, least)
        .double(2, greatest)
        .double(3, finite.len() as f64)
        .double(4, finite.iter().sum())
        .double(5, finite.iter().map(|value| value * value).sum())
        .doubles(6, &limits[first..=last])
        .doubles(7, &counts[first..=last])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_rise_and_are_symmetric() {
        let limits = limits();
        assert!(limits.windows(2).all(|pair| pair[0] < pair[1]));
        let middle = limits.len() / 2 - 1;
        assert!(limits[middle] == 0.0 || limits.contains(&0.0));
        // ⌊32 · ln 10 / ln 1.1⌋ + 1 of them are below 1e20, and the last has no end.
        assert_eq!(limits.iter().filter(|limit| **limit > 0.0).count(), 774 + 1);
    }
}
