//! Tags of messages: which call and round they belong to, and what that call is.
//!
//! Messages of different calls never meet, not even where ranks call something else at the same time, because the tag of all but
//! greetings has a hash of the call. MPI has an error for a message that is longer than what it is received into, but not every library
//! leaves the memory behind it alone (Open MPI 4.1 does not, where it copies from the memory of another process).

use std::ffi::c_int;

use super::job::Greeting;

/// Rounds of a call, and its greetings.
const ROUND_BITS: u32 = 2;

/// As many bits as are enough for calls that are under way at once, and for hashes.
const MOST_CALL_BITS: u32 = 12;
const MOST_HASH_BITS: u32 = 16;

/// How the bits of tags are used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tags {
    call_bits: u32,
    hash_bits: u32,
}

impl Tags {
    /// For tags from 0 to the last one that a library has: 32767 or more.
    pub fn up_to(last: c_int) -> Tags {
        let bits = (i64::from(last.max(32767)) + 1).ilog2() - ROUND_BITS;
        let call_bits = (bits / 2).min(MOST_CALL_BITS);
        Tags { call_bits, hash_bits: (bits - call_bits).min(MOST_HASH_BITS) }
    }

    /// After how many calls tags begin anew.
    pub fn calls(self) -> u64 {
        1 << self.call_bits
    }

    /// The tag of what ranks say about a call.
    pub fn of_greeting(self, number: u64) -> c_int {
        ((number % self.calls()) << ROUND_BITS) as c_int
    }

    /// The tag of a round, from 1 to 3, of a call with a greeting, which ends with its hash.
    pub fn of_round(self, number: u64, greeting: &Greeting, round: u64) -> c_int {
        debug_assert!((1..1 << ROUND_BITS).contains(&round));
        let hash = greeting.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        // Of this hash function the upper bits are the better ones.
        let hash = hash >> (64 - self.hash_bits);
        ((((hash << self.call_bits) | (number % self.calls())) << ROUND_BITS) | round) as c_int
    }
}

#[cfg(test)]
mod tests {
    use super::super::job::GREETING;
    use super::*;

    #[test]
    fn tags_are_apart_and_none_is_larger_than_the_last() {
        for last in [32767, (1 << 20) - 1, (1 << 28) - 1, c_int::MAX] {
            let tags = Tags::up_to(last);
            let calls = tags.calls();
            assert!(calls >= 64);
            let hashes = [[0; GREETING], [0xff; GREETING], [0x55; GREETING]];
            let mut all = Vec::new();
            for number in [0, 1, calls / 2, calls - 1] {
                all.push(tags.of_greeting(number));
                for hash in &hashes {
                    all.extend((1..4).map(|round| tags.of_round(number + 3 * calls, hash, round)));
                }
            }
            assert!(all.iter().all(|tag| (0..=last).contains(tag)));
            all.sort_unstable();
            let count = all.len();
            all.dedup();
            assert_eq!(all.len(), count);
        }
    }
}
