//! The arguments a manifest or a source gives to a module's constructor.

use std::cell::RefCell;
use std::collections::BTreeSet;

use flaxen::nn::{AxisList, Constant, ConvPadding, Sizes, Steps};
use flaxen::prelude::*;

use super::Stop;
use super::python::library;
use super::python::value::Py;

/// A module as a manifest or a source describes it: its class, and the arguments of its constructor.
pub struct Spec<'a> {
    /// The class.
    pub class: &'a str,
    arguments: Vec<(String, Py)>,
    read: RefCell<BTreeSet<&'static str>>,
    /// Arguments whose value a manifest does not say, such as a closure.
    unknown: RefCell<BTreeSet<String>>,
}

impl<'a> Spec<'a> {
    /// A class and its arguments.
    pub fn new(class: &'a str, arguments: Vec<(String, Py)>) -> Spec<'a> {
        Spec { class, arguments, read: RefCell::default(), unknown: RefCell::default() }
    }

    /// The argument as it is, if it is given and not None.
    pub fn value(&self, name: &'static str) -> Option<&Py> {
        self.given(name).filter(|value| !matches!(value, Py::Nothing))
    }

    /// The argument as it is, if it is given.
    pub fn given(&self, name: &'static str) -> Option<&Py> {
        self.read.borrow_mut().insert(name);
        self.arguments.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// The argument, if it is given and not None.
    pub fn get<T: Argument>(&self, name: &'static str) -> Result<Option<T>, Stop> {
        let Some(value) = self.value(name) else { return Ok(None) };
        if let Py::Unknown(text) = value {
            self.unknown.borrow_mut().insert(format!("`{name}` is {text:?}"));
            return Ok(None);
        }
        let unsupported = || Stop::Unsupported(format!("{}({name}={value:?})", self.class));
        T::read(value).map(Some).ok_or_else(unsupported)
    }

    /// The argument.
    pub fn required<T: Argument>(&self, name: &'static str) -> Result<T, Stop> {
        let missing = || Stop::Failed(format!("{} without `{name}`", self.class));
        self.get(name)?.ok_or_else(missing)
    }

    /// Checks that no argument was left out of account; returns those whose value the manifest does not say.
    pub fn finish(&self) -> Result<Vec<String>, Stop> {
        let read = self.read.borrow();
        let is_left = |(name, value): &&(String, Py)| !read.contains(&name[..]) && !is_default(name, value);
        match self.arguments.iter().find(is_left) {
            None => Ok(self.unknown.borrow().iter().cloned().collect()),
            Some((name, value)) => Err(Stop::Unsupported(format!("{}({name}={value:?})", self.class))),
        }
    }
}

/// Arguments that say how something is computed, and not what.
fn is_default(name: &str, value: &Py) -> bool {
    matches!(value, Py::Nothing) || name == "parent"
}

/// Applies the arguments that are given to the setters of their names; a null leaves the default, unless the name
/// is followed by a text.
macro_rules! set {
    ($module:expr, $spec:expr; $($name:ident $($nullable:literal)?: $ty:ty),* $(,)?) => {{
        let mut module = $module;
        $($crate::runner::arguments::set!(@one module, $spec, $name, $ty $(, $nullable)?);)*
        module
    }};
    (@one $module:ident, $spec:expr, $name:ident, $ty:ty) => {
        if let Some(value) = $spec.get::<$ty>(stringify!($name))? {
            $module = $module.$name(value);
        }
    };
    (@one $module:ident, $spec:expr, $name:ident, $ty:ty, $nullable:literal) => {
        if $spec.given(stringify!($name)).is_some() {
            $module = $module.$name($spec.get::<$ty>(stringify!($name))?);
        }
    };
}

pub(super) use set;

/// What an argument may be.
pub trait Argument: Sized {
    /// The value, if it can be one.
    fn read(value: &Py) -> Option<Self>;
}

impl Argument for bool {
    fn read(value: &Py) -> Option<bool> {
        if let Py::Truth(truth) = value { Some(*truth) } else { None }
    }
}

impl Argument for f64 {
    fn read(value: &Py) -> Option<f64> {
        match value {
            Py::Whole(number) => Some(*number as f64),
            Py::Number(number) => Some(*number),
            _ => None,
        }
    }
}

impl Argument for usize {
    fn read(value: &Py) -> Option<usize> {
        if let Py::Whole(number) = value { usize::try_from(*number).ok() } else { None }
    }
}

impl Argument for isize {
    fn read(value: &Py) -> Option<isize> {
        if let Py::Whole(number) = value { isize::try_from(*number).ok() } else { None }
    }
}

impl Argument for String {
    fn read(value: &Py) -> Option<String> {
        if let Py::Text(text) = value { Some(text.to_string()) } else { None }
    }
}

/// The items of a tuple or list.
fn items(value: &Py) -> Option<Vec<Py>> {
    matches!(value, Py::Tuple(_) | Py::List(_)).then(|| value.items().ok())?
}

impl<T: Argument> Argument for Vec<T> {
    fn read(value: &Py) -> Option<Vec<T>> {
        items(value)?.iter().map(T::read).collect()
    }
}

impl<A: Argument, B: Argument> Argument for (A, B) {
    fn read(value: &Py) -> Option<(A, B)> {
        match &items(value)?[..] {
            [a, b] => Some((A::read(a)?, B::read(b)?)),
            _ => None,
        }
    }
}

macro_rules! one_or_many {
    ($($ty:ty = $number:ty;)*) => {
        $(impl Argument for $ty {
            fn read(value: &Py) -> Option<$ty> {
                let one = <$number>::read(value).map(Into::into);
                one.or_else(|| <Vec<$number>>::read(value).map(Into::into))
            }
        })*
    };
}

one_or_many! {
    Sizes = usize;
    Steps = usize;
    AxisList = isize;
}

impl Argument for ConvPadding {
    fn read(value: &Py) -> Option<ConvPadding> {
        if let Py::Text(name) = value {
            return Some((&**name).into());
        }
        if let Some(all) = isize::read(value) {
            return Some(all.into());
        }
        let pair = |value: &Py| match isize::read(value) {
            Some(both) => Some((both, both)),
            None => <(isize, isize)>::read(value),
        };
        let pairs: Option<Vec<(isize, isize)>> = items(value)?.iter().map(pair).collect();
        Some(pairs?.into())
    }
}

impl Argument for DType {
    fn read(value: &Py) -> Option<DType> {
        match value {
            Py::DType(dtype) => Some(*dtype),
            Py::Text(name) => library::dtype(name),
            Py::Library(path) => library::dtype(path.rsplit('.').next()?),
            _ => None,
        }
    }
}

impl Argument for Constant {
    fn read(value: &Py) -> Option<Constant> {
        Some(value.tensor().ok()?.try_cast(DType::F32).ok()?.into())
    }
}

impl Argument for Initializer {
    fn read(value: &Py) -> Option<Initializer> {
        if let Py::Initializer(initializer) = library::as_initializer(value) {
            Some(initializer)
        } else {
            None
        }
    }
}

impl Argument for Tensor {
    fn read(value: &Py) -> Option<Tensor> {
        value.tensor().ok()
    }
}
