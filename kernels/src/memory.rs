//! Memory of sizes that users decide: what is not there is refused in words, and does not end the process.
//!
//! Kernels ask for memory deep inside of loops, some of them on other threads. One that gets none unwinds, without a panic's
//! text, to the interpreter that runs it, which makes an error of it ([`or_refused`]); where no interpreter waits, it is a panic
//! that says what was asked for. A program that is built to abort instead of unwinding is told so, and ends.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use bytemuck::Zeroable;

thread_local! {
    /// Whether somebody above on this thread makes an error of it when there is no memory.
    static IS_AWAITED: Cell<bool> = const { Cell::new(false) };
}

/// What unwinds: the bytes there was no memory for.
struct Refused(usize);

fn text(bytes: usize) -> String {
    format!("there is no memory for {bytes} bytes: use smaller shapes or a narrower dtype")
}

/// Says that there is no memory for so many bytes.
#[cold]
#[track_caller]
pub fn refuse(bytes: usize) -> ! {
    if IS_AWAITED.get() && cfg!(panic = "unwind") {
        resume_unwind(Box::new(Refused(bytes)));
    }
    panic!("{}", text(bytes));
}

/// Runs `f`, which may run out of memory.
///
/// # Errors
/// The bytes that there was no memory for.
pub fn or_refused<R>(f: impl FnOnce() -> R) -> Result<R, usize> {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            IS_AWAITED.set(self.0);
        }
    }
    let restore = Restore(IS_AWAITED.replace(true));
    let result = catch_unwind(AssertUnwindSafe(f));
    drop(restore);
    match result {
        Ok(result) => Ok(result),
        Err(panic) => match panic.downcast::<Refused>() {
            Ok(refused) => Err(refused.0),
            Err(panic) => resume_unwind(panic),
        },
    }
}

/// Marks this thread as one whose panics another thread takes over with [`take_over`].
pub fn hand_over_panics() {
    IS_AWAITED.set(true);
}

/// Goes on with the panic of another thread.
#[track_caller]
pub fn take_over(panic: Box<dyn Any + Send>) -> ! {
    match panic.downcast::<Refused>() {
        Ok(refused) => refuse(refused.0),
        Err(panic) => resume_unwind(panic),
    }
}

/// So many zeros.
#[track_caller]
pub fn zeroed<T: Zeroable>(count: usize) -> Vec<T> {
    match bytemuck::try_zeroed_vec(count) {
        Ok(zeros) => zeros,
        Err(()) => refuse(count.saturating_mul(size_of::<T>())),
    }
}

/// So many times the same.
#[track_caller]
pub fn filled<T: Clone>(value: T, count: usize) -> Vec<T> {
    let mut all = with_capacity(count);
    all.resize(count, value);
    all
}

/// An empty list with room for so many.
#[track_caller]
pub fn with_capacity<T>(count: usize) -> Vec<T> {
    let mut all = Vec::new();
    reserve(&mut all, count);
    all
}

/// Makes room for so many more.
#[track_caller]
pub fn reserve<T>(list: &mut Vec<T>, count: usize) {
    if list.try_reserve(count).is_err() {
        refuse(count.saturating_add(list.len()).saturating_mul(size_of::<T>()));
    }
}

/// Makes a list so long, with copies of a value if it is shorter.
#[track_caller]
pub fn resize<T: Clone>(list: &mut Vec<T>, count: usize, value: T) {
    reserve(list, count.saturating_sub(list.len()));
    list.resize(count, value);
}

/// What an iterator gives, as many as it says.
#[track_caller]
pub fn collected<T>(items: impl ExactSizeIterator<Item = T>) -> Vec<T> {
    let mut all = with_capacity(items.len());
    all.extend(items);
    all
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    /// More than the addresses of a program.
    const MUCH: usize = 1 << 50;

    /// What is made is looked at, or it would be left out.
    fn refused<R>(f: impl FnOnce() -> R) -> usize {
        or_refused(|| drop(black_box(f()))).unwrap_err()
    }

    #[test]
    fn memory_that_is_not_there_is_refused_where_somebody_waits_for_it() {
        assert_eq!(refused(|| zeroed::<u32>(MUCH)), 4 * MUCH);
        assert_eq!(refused(|| filled(1u8, MUCH)), MUCH);
        assert_eq!(refused(|| resize(black_box(&mut vec![1.0f64]), usize::MAX, 0.0)), usize::MAX);
        assert_eq!(refused(|| with_capacity::<u64>(usize::MAX)), usize::MAX);
        assert_eq!(or_refused(|| 1), Ok(1));
    }

    #[test]
    fn elsewhere_it_is_a_panic_that_says_how_much() {
        let panic = catch_unwind(|| black_box(zeroed::<u8>(MUCH))).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.contains("no memory for 1125899906842624 bytes"), "{text}");
        // One that somebody waited for before does not change that.
        refused(|| filled(1u8, MUCH));
        assert!(catch_unwind(|| black_box(zeroed::<u8>(MUCH))).unwrap_err().is::<String>());
    }

    #[test]
    fn other_panics_pass() {
        let panic = catch_unwind(|| refused::<()>(|| panic!("another"))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"another"));
    }

    #[test]
    fn memory_that_is_there_is_given() {
        assert_eq!(zeroed::<u16>(3), [0; 3]);
        assert_eq!(filled(7, 2), [7, 7]);
        let mut list = vec![1];
        resize(&mut list, 3, 2);
        assert_eq!(list, [1, 2, 2]);
        assert_eq!(collected([1, 2].into_iter()), [1, 2]);
    }
}
