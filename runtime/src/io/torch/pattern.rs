//! Names of modules with wildcards, and paths that carry what those matched.

use std::fmt;

/// A name whose parts are between dots; a `*` is any text without dots, as long as there is some.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<String>);

impl Pattern {
    pub(super) fn new(text: &str) -> Pattern {
        Pattern(parts(text).map(str::to_owned).collect())
    }

    /// The number of parts.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The number of stars.
    pub(super) fn stars(&self) -> usize {
        self.0.iter().map(|part| part.matches('*').count()).sum()
    }

    /// Whether this is a name's pattern.
    pub(super) fn is(&self, name: &str) -> bool {
        parts(name).count() == self.0.len() && self.covers(name)
    }

    /// Whether this is the pattern of a name, or of something it is inside of.
    pub(super) fn covers(&self, name: &str) -> bool {
        self.captures(name).is_some()
    }

    /// What the stars stand for, in order, if this is the pattern of a name or of something it is inside of.
    pub(super) fn captures<'a>(&self, name: &'a str) -> Option<Vec<&'a str>> {
        let (mut parts, mut captures) = (parts(name), Vec::new());
        for wanted in &self.0 {
            if !matched(wanted, parts.next()?, &mut captures) {
                return None;
            }
        }
        Some(captures)
    }
}

/// Matches one part, each star as little as possible; the last one takes the rest.
fn matched<'a>(wanted: &str, part: &'a str, captures: &mut Vec<&'a str>) -> bool {
    let Some((begin, stars)) = wanted.split_once('*') else { return wanted == part };
    let Some(mut rest) = part.strip_prefix(begin) else { return false };
    let mut texts = stars.split('*').peekable();
    while let Some(text) = texts.next() {
        // A star stands for one character at least.
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let end = if texts.peek().is_none() {
            rest.len().checked_sub(text.len()).filter(|&end| end >= first && rest.ends_with(text))
        } else {
            rest.get(first..).and_then(|behind| behind.find(text)).map(|end| end + first)
        };
        let Some(end) = end else { return false };
        captures.push(&rest[..end]);
        rest = &rest[end + text.len()..];
    }
    true
}

/// A path in which `$1`, `$2`, … stand for what the first, the second, … star of a pattern matched.
#[derive(Clone, Debug)]
pub(super) struct PathPattern(Vec<String>);

impl PathPattern {
    pub(super) fn new(path: &str) -> PathPattern {
        PathPattern(path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }

    /// The path, or the first name in it that stands for nothing.
    pub(super) fn filled(&self, captures: &[&str]) -> Result<Vec<String>, String> {
        self.0.iter().map(|part| filled(part, captures)).collect()
    }
}

fn filled(part: &str, captures: &[&str]) -> Result<String, String> {
    let mut pieces = part.split('$');
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = piece.split_at(digits);
        if number.is_empty() {
            // A dollar that is only that.
            filled.extend(["$", rest]);
            continue;
        }
        let captured = number.parse::<usize>().ok().and_then(|number| captures.get(number.checked_sub(1)?));
        let captured = captured.ok_or_else(|| format!("${number}"))?;
        filled.extend([captured, rest]);
    }
    Ok(filled)
}

fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split('.').filter(|part| !part.is_empty())
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::{PathPattern, Pattern};

    #[test]
    fn a_star_is_any_one_part() {
        let pattern = Pattern::new("layers.*.norm");
        assert!(pattern.is("layers.3.norm") && pattern.covers("layers.3.norm.weight"));
        assert!(
            !pattern.is("layers.norm") && !pattern.is("layers.3.norm.weight") && !pattern.covers("layers.3")
        );
        assert!(!pattern.covers("layers.3.norm1.weight"));
        assert!(Pattern::new("").is("") && Pattern::new("").covers("anything"));
    }

    #[test]
    fn stars_inside_of_a_part_are_what_lies_between_the_texts_around_them() {
        let captures = |pattern: &str, name: &'static str| Pattern::new(pattern).captures(name);
        assert_eq!(captures("embeddings.*_embeddings", "embeddings.word_embeddings"), Some(vec!["word"]));
        assert_eq!(captures("e.*_*", "e.a_b_c"), Some(vec!["a", "b_c"]));
        assert_eq!(captures("conv*", "conv12.weight"), Some(vec!["12"]));
        assert_eq!(captures("*.l*x*", "a.l1x2x.weight"), Some(vec!["a", "1", "2x"]));
        assert_eq!(captures("é*", "éö"), Some(vec!["ö"]));
        for (pattern, name) in
            [("conv*", "conv"), ("*_e", "_e"), ("a*a", "aa"), ("a*b*c", "abc"), ("a*b", "a")]
        {
            assert_eq!(captures(pattern, name), None, "{pattern} {name}");
        }
    }

    #[test]
    fn what_stars_matched_is_put_into_paths() {
        let filled = |path: &str| PathPattern::new(path).filled(&["3", "left"]);
        assert_eq!(filled("layer_$1/$2$2").unwrap(), ["layer_3", "leftleft"]);
        assert_eq!(filled("/a$/$").unwrap(), ["a$", "$"]);
        assert_eq!(filled("a/$3_b").unwrap_err(), "$3");
        assert_eq!(filled("$0").unwrap_err(), "$0");
        assert!(filled("").unwrap().is_empty());
    }
}
