//! Names that are nearly those that were meant.

/// Levenshtein's distance: so many letters are put in, left out or exchanged at least (*Soviet Physics Doklady* 10, 1966), by Wagner's
/// and Fischer's table, of which one row is kept. Of names longer than any layer's only the ends are looked at.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 160;
    let end = |text: &str| {
        let mut end: Vec<char> = text.chars().rev().take(LONGEST).collect();
        end.reverse();
        end
    };
    let (a, b) = (end(a), end(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let exchanged = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// The nearest of some names, if it is near enough to have been meant: at most a third of its letters differ.
pub(crate) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let ranked = names.into_iter().map(|other| (distance(name, other), other));
    let (distance, nearest) =
        ranked.filter(|&(distance, _)| distance > 0).min_by_key(|&(distance, _)| distance)?;
    (3 * distance <= nearest.chars().count()).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_letters_and_of_nothing_more() {
        for (a, b, expected) in [
            ("kitten", "sitting", 3),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("größe", "grosse", 3),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn only_what_may_have_been_meant_is_near() {
        assert_eq!(nearest("batch_stat", ["params", "batch_stats"]), Some("batch_stats"));
        assert_eq!(nearest("kernal", ["bias", "kernel"]), Some("kernel"));
        assert_eq!(nearest("scale", ["bias", "kernel"]), None);
        assert_eq!(nearest("bias", ["bias"]), None);
    }
}
