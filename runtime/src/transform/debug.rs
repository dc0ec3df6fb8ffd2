//! Looking into compiled functions: `debug::print!` and `debug::callback`.
//!
//! While a function is traced its values have no elements, so that an ordinary `println!` shows shapes, once. What is here is part of
//! the traced function: it happens whenever that runs.
//!
//! ```
//! use flaxen::debug;
//! use flaxen::prelude::*;
//!
//! let step = jit(|x: Tensor| {
//!     let loss = (&x * &x).sum();
//!     debug::print!("loss {} of {} numbers", loss, x.size())?;
//!     Ok(loss)
//! });
//! // Prints "loss 5.0 of 2 numbers" at each call.
//! step.call(Tensor::from([1.0f32, 2.0]))?;
//! step.call(Tensor::from([1.0f32, 2.0]))?;
//! # Ok::<(), flaxen::Error>(())
//! ```
//!
//! # When
//! - Each time, and in the order of the program: no compiler pass drops it, doubles it, or puts it before another one.
//! - Under [`vmap`](crate::vmap()) once for each example, in order, if anything that is shown differs between examples, and else once;
//!   under two of them, the inner one's examples follow each other (JAX 0.10.2 takes the outer one's first).
//! - Under [`grad`](crate::grad) and its like in the pass forward, once, also if [`checkpoint`](crate::checkpoint()) computes
//!   the values again (JAX would show them again).
//! - In a loop at each step, in a branch if it is taken; if the predicate of a branch is mapped, both branches run.

use std::fmt;
use std::sync::Arc;

use crate::core::Tensor;
use crate::error::Result;
use crate::ops::callback;
use crate::tree::{self, Structure, Tree};

/// Calls a function with values whenever the program around runs; the [module](self) says when that is.
///
/// The function gets the tree with elements in it, of whatever shapes `tree` has, without the axes of a `vmap` around. What it
/// returns as an error is that of the call that ran the program. It may take any time, compute with tensors and call compiled
/// functions, and no gradient flows through it. Several threads that run the program call it at the same time.
///
/// ```
/// use std::sync::Mutex;
///
/// use flaxen::debug;
/// use flaxen::prelude::*;
///
/// static SEEN: Mutex<Vec<f32>> = Mutex::new(Vec::new());
///
/// let f = vmap(|x: Tensor| {
///     debug::callback(|x: Tensor| { SEEN.lock().unwrap().push(x.item()?); Ok(()) }, &x)?;
///     Ok(x * 2.0)
/// });
/// jit(|x: Tensor| f.call(x)).call(Tensor::from([1.0f32, 2.0]))?;
/// assert_eq!(*SEEN.lock().unwrap(), [1.0, 2.0]);
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// What `function` returns, if it runs at once; a leaked value.
#[track_caller]
pub fn callback<T, F>(function: F, tree: &T) -> Result<()>
where
    T: Tree,
    F: Fn(T) -> Result<()> + Send + Sync + 'static,
{
    let structure = Structure::of(tree);
    let leaves = tree::leaves(tree).into_iter().cloned().collect();
    callback::callback(leaves, move |arrays| function(structure.build(arrays.into_iter().map(Tensor::from))))
}

/// Prints a line whenever the program around runs, as [`println!`] does; the [module](self) says when that is.
///
/// After the format stand its values, `name = value` or in order: tensors, which show their elements, and numbers, booleans and
/// strings as they are while the function is traced. A name in the format that is not given a value here is an error of the compiler, as the
/// tensor of that name has no elements yet. An expression of type `Result<()>`.
///
/// ```
/// use flaxen::debug;
/// use flaxen::prelude::*;
///
/// let f = jit(|x: Tensor| {
///     for layer in 0..2 {
///         debug::print!("layer {layer}: {:.2}, at most {}", x, x.max(), layer = layer)?;
///     }
///     Ok(x)
/// });
/// f.call(Tensor::from([0.25f32, 0.5]))?;
/// # Ok::<(), flaxen::Error>(())
/// ```
///
/// # Errors
/// A leaked value.
#[macro_export]
#[doc(hidden)]
macro_rules! __debug_print {
    (@values $format:literal [$({$($name:ident)?, $value:expr})*]) => {
        $crate::debug::__print(vec![$($crate::debug::Show::show(&$value)),*], |values| {
            println!($format $(, $($name =)? values.take())*);
            // Without values there is nothing to take.
            let _ = values;
        })
    };
    (@values $format:literal [$($done:tt)*] $name:ident = $value:expr $(, $($rest:tt)*)?) => {
        $crate::debug::print!(@values $format [$($done)* {$name, $value}] $($($rest)*)?)
    };
    (@values $format:literal [$($done:tt)*] $value:expr $(, $($rest:tt)*)?) => {
        $crate::debug::print!(@values $format [$($done)* {, $value}] $($($rest)*)?)
    };
    ($format:literal $(, $($values:tt)*)?) => {
        $crate::debug::print!(@values $format [] $($($values)*)?)
    };
}

#[doc(inline)]
pub use __debug_print as print;

/// What [`print!`](print) shows: a tensor when the program runs, anything else as it is.
#[doc(hidden)]
#[derive(Clone)]
pub enum Shown {
    Tensor(Tensor),
    Text(Arc<dyn Text>),
}

/// What a format may ask of a value.
#[doc(hidden)]
pub trait Text: fmt::Display + fmt::Debug + Send + Sync {}

impl<T: fmt::Display + fmt::Debug + Send + Sync> Text for T {}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Tensor(tensor) => fmt::Debug::fmt(tensor, f),
            Shown::Text(text) => fmt::Debug::fmt(&**text, f),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Tensor(tensor) => fmt::Display::fmt(tensor, f),
            Shown::Text(text) => fmt::Display::fmt(&**text, f),
        }
    }
}

/// What [`print!`](print) takes.
#[diagnostic::on_unimplemented(
    message = "`debug::print!` does not show `{Self}`",
    note = "it shows tensors, numbers, booleans and strings; `debug::callback` takes any tree"
)]
#[doc(hidden)]
pub trait Show {
    fn show(&self) -> Shown;
}

impl Show for Tensor {
    fn show(&self) -> Shown {
        Shown::Tensor(self.clone())
    }
}

impl<T: Show + ?Sized> Show for &T {
    fn show(&self) -> Shown {
        (**self).show()
    }
}

macro_rules! show {
    ($($type:ty)*) => {
        $(impl Show for $type {
            fn show(&self) -> Shown {
                Shown::Text(Arc::new(self.to_owned()))
            }
        })*
    };
}

show!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize f32 f64 bool char str String);

/// The values of a line, one after the other.
#[doc(hidden)]
pub struct Values(std::vec::IntoIter<Shown>);

impl Values {
    pub fn take(&mut self) -> Shown {
        match self.0.next() {
            Some(shown) => shown,
            None => unreachable!("the macro takes as many as it gave"),
        }
    }
}

#[doc(hidden)]
#[track_caller]
pub fn __print(values: Vec<Shown>, print: impl Fn(&mut Values) + Send + Sync + 'static) -> Result<()> {
    let tensors = |shown: &Shown| match shown {
        Shown::Tensor(tensor) => Some(tensor.clone()),
        Shown::Text(_) => None,
    };
    let args = values.iter().filter_map(tensors).collect();
    // A value of the trace is not kept longer than that lasts.
    let texts: Vec<Option<Shown>> =
        values.into_iter().map(|shown| Some(shown).filter(|shown| tensors(shown).is_none())).collect();
    callback::callback(args, move |arrays| {
        let mut arrays = arrays.into_iter().map(|array| Shown::Tensor(array.into()));
        let all = texts.iter().filter_map(|text| text.clone().or_else(|| arrays.next())).collect::<Vec<_>>();
        print(&mut Values(all.into_iter()));
        Ok(())
    })
}
