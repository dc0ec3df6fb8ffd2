//! Spares: arrays that a loop is done with, for its next step to write into.
//!
//! A step of a loop makes arrays of the same shapes as the one before it, so what one ends is what the next needs, and a loop allocates
//! nothing once it goes. The spares of a program go down into the programs of its loops and branches and come back from there.

use crate::array::{Array, Aval};

/// More are not kept.
const MOST: usize = 64;

#[derive(Default)]
pub(crate) struct Spares {
    arrays: Vec<Array>,
    /// Within a loop; elsewhere memory goes back to the pool at once.
    collects: bool,
}

impl Spares {
    /// Keeps an array that nobody reads any more, if nobody else holds it.
    pub fn give(&mut self, array: Array) {
        if self.collects && self.arrays.len() < MOST && !array.is_shared() {
            self.arrays.push(array);
        }
    }

    /// An array to be written, of what is kept if something fits.
    pub fn scratch(&mut self, aval: &Aval) -> Array {
        match self.arrays.iter().rposition(|array| array.may_be_overwritten(aval)) {
            Some(at) => self.arrays.swap_remove(at).redescribed(aval),
            None => Array::scratch(aval.clone()),
        }
    }

    /// Runs a loop, which collects what its steps are done with.
    pub fn collecting<R>(&mut self, run: impl FnOnce(&mut Spares) -> R) -> R {
        let before = std::mem::replace(&mut self.collects, true);
        let result = run(self);
        self.collects = before;
        if !before {
            self.arrays.clear();
        }
        result
    }
}
