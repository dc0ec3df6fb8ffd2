//! What ranks say to each other besides their calls: whether they still run, and with what error they end.

use super::super::call::Kind;
use crate::error::{Error, Result};

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Notice {
    /// Asks whether a rank still runs.
    Ask,
    /// The answer: so many calls have been made, and whether they were all.
    Answer { calls: u64, has_left: bool },
    /// The sender has ended with an error, or found that others have.
    Failure(Error),
}

const ASK: u8 = 0;
const ANSWER: u8 = 1;
const FAILED: u8 = 2;
const MISSING: u8 = 3;
const DIFFER: u8 = 4;
const OTHER: u8 = 5;

impl Notice {
    /// As bytes: a kind, a number, how many ranks there are and which, and a text.
    pub fn bytes(&self) -> Box<[u8]> {
        let (kind, number, ranks, text) = match self {
            Notice::Ask => (ASK, 0, vec![], String::new()),
            Notice::Answer { calls, has_left } => {
                (ANSWER, *calls, vec![usize::from(*has_left)], String::new())
            }
            Notice::Failure(Error::RankFailed { rank, error }) => (FAILED, 0, vec![*rank], error.to_string()),
            Notice::Failure(Error::RanksMissing { ranks, op, seconds }) => {
                (MISSING, seconds.to_bits(), ranks.clone(), (*op).to_owned())
            }
            Notice::Failure(Error::RanksDiffer { ranks, message }) => {
                (DIFFER, 0, ranks.clone(), message.to_string())
            }
            Notice::Failure(error) => (OTHER, 0, vec![], error.to_string()),
        };
        let mut bytes = vec![kind];
        bytes.extend(number.to_le_bytes());
        bytes.extend((ranks.len() as u32).to_le_bytes());
        ranks.iter().for_each(|&rank| bytes.extend((rank as u32).to_le_bytes()));
        bytes.extend(text.bytes());
        bytes.into()
    }

    /// What bytes say.
    ///
    /// # Errors
    /// If they are none that [`bytes`](Notice::bytes) makes.
    pub fn read(bytes: &[u8]) -> Result<Notice> {
        let unknown =
            || Error::msg("a message of another rank is not understood: do all ranks run the same program?");
        let (&kind, rest) = bytes.split_first().ok_or_else(unknown)?;
        let (number, rest) = rest.split_first_chunk().ok_or_else(unknown)?;
        let (count, mut rest) = rest.split_first_chunk().ok_or_else(unknown)?;
        let number = u64::from_le_bytes(*number);
        let mut ranks = Vec::new();
        for _ in 0..u32::from_le_bytes(*count) {
            let (rank, others) = rest.split_first_chunk().ok_or_else(unknown)?;
            ranks.push(u32::from_le_bytes(*rank) as usize);
            rest = others;
        }
        let text = String::from_utf8_lossy(rest).into_owned();
        Ok(match (kind, ranks.as_slice()) {
            (ASK, _) => Notice::Ask,
            (ANSWER, &[has_left]) => Notice::Answer { calls: number, has_left: has_left != 0 },
            (FAILED, &[rank]) => {
                Notice::Failure(Error::RankFailed { rank, error: Box::new(Error::msg(text)) })
            }
            (MISSING, _) => {
                let op = Kind::NAMES.into_iter().find(|&name| name == text).ok_or_else(unknown)?;
                Notice::Failure(Error::RanksMissing { ranks, op, seconds: f64::from_bits(number) })
            }
            (DIFFER, _) => Notice::Failure(Error::RanksDiffer { ranks, message: text.into() }),
            (OTHER, _) => Notice::Failure(Error::msg(text)),
            _ => return Err(unknown()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Reduction;
    use super::*;

    #[test]
    fn notices_arrive_as_they_were_sent() {
        let failed = Error::RankFailed { rank: 70_000, error: Box::new(Error::msg("out of \u{00fc}")) };
        let missing = Error::RanksMissing { ranks: vec![1, 3], op: Reduction::Mean.name(), seconds: 0.25 };
        let differ = Error::RanksDiffer { ranks: vec![2], message: "it calls another".into() };
        let failures = [failed, missing, differ, Error::msg("other")].map(Notice::Failure);
        let answers = [false, true].map(|has_left| Notice::Answer { calls: 1 << 40, has_left });
        for notice in failures.into_iter().chain(answers).chain([Notice::Ask]) {
            let bytes = notice.bytes();
            assert_eq!(Notice::read(&bytes), Ok(notice));
            for length in 0..13 {
                assert!(Notice::read(&bytes[..length]).is_err());
            }
        }
        assert!(Notice::read(&[9; 40]).is_err());
    }
}
