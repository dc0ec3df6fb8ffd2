//! The arguments a manifest gives to a module's constructor.

use std::cell::RefCell;
use std::collections::BTreeSet;

use flaxen::nn::{AxisList, Constant, ConvPadding, Sizes, Steps};
use flaxen::prelude::*;
use serde_json::{Map, Value as Json};

use super::Stop;

/// A module as a manifest describes it: its class, and the arguments of its constructor.
pub struct Spec<'a> {
    /// The class.
    pub class: &'a str,
    arguments: Option<&'a Map<String, Json>>,
    read: RefCell<BTreeSet<&'static str>>,
    /// Arguments whose value the manifest does not say, such as a closure.
    unknown: RefCell<BTreeSet<String>>,
}

impl<'a> Spec<'a> {
    /// Reads `{"cls": .., "args": {..}}`.
    pub fn read(json: &'a Json) -> Result<Spec<'a>, Stop> {
        let class = json["cls"].as_str();
        let class = class.ok_or_else(|| Stop::Unsupported(format!("`{json}` in place of a module")))?;
        let arguments = json["args"].as_object();
        Ok(Spec { class, arguments, read: RefCell::default(), unknown: RefCell::default() })
    }

    /// The argument as it is written, if it is given and not null.
    pub fn json(&self, name: &'static str) -> Option<&'a Json> {
        self.given(name).filter(|value| !value.is_null())
    }

    /// The argument as it is written, if it is given.
    pub fn given(&self, name: &'static str) -> Option<&'a Json> {
        self.read.borrow_mut().insert(name);
        self.arguments?.get(name)
    }

    /// The argument, if it is given and not null.
    pub fn get<T: Argument>(&self, name: &'static str) -> Result<Option<T>, Stop> {
        let Some(json) = self.json(name) else { return Ok(None) };
        if T::is_unknown(json) {
            self.unknown.borrow_mut().insert(format!("`{name}` is {json}"));
            return Ok(None);
        }
        let unsupported = || Stop::Unsupported(format!("{}({name}={json})", self.class));
        T::read(json).map(Some).ok_or_else(unsupported)
    }

    /// The argument.
    pub fn required<T: Argument>(&self, name: &'static str) -> Result<T, Stop> {
        let missing = || Stop::Failed(format!("{} without `{name}`", self.class));
        self.get(name)?.ok_or_else(missing)
    }

    /// Checks that no argument was left out of account; returns those whose value the manifest does not say.
    pub fn finish(&self) -> Result<Vec<String>, Stop> {
        let read = self.read.borrow();
        let left: Vec<_> =
            self.arguments.into_iter().flatten().filter(|(name, _)| !read.contains(&name[..])).collect();
        match left.first() {
            None => Ok(self.unknown.borrow().iter().cloned().collect()),
            Some((name, value)) => Err(Stop::Unsupported(format!("{}({name}={value})", self.class))),
        }
    }
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
    fn read(json: &Json) -> Option<Self>;

    /// Whether the manifest does not say what it is.
    fn is_unknown(_json: &Json) -> bool {
        false
    }
}

impl Argument for bool {
    fn read(json: &Json) -> Option<bool> {
        json.as_bool()
    }
}

impl Argument for f64 {
    fn read(json: &Json) -> Option<f64> {
        json.as_f64()
    }
}

impl Argument for usize {
    fn read(json: &Json) -> Option<usize> {
        Some(json.as_u64()? as usize)
    }
}

impl Argument for isize {
    fn read(json: &Json) -> Option<isize> {
        Some(json.as_i64()? as isize)
    }
}

impl Argument for String {
    fn read(json: &Json) -> Option<String> {
        json.as_str().map(str::to_owned)
    }
}

impl<T: Argument> Argument for Vec<T> {
    fn read(json: &Json) -> Option<Vec<T>> {
        json.as_array()?.iter().map(T::read).collect()
    }
}

impl<A: Argument, B: Argument> Argument for (A, B) {
    fn read(json: &Json) -> Option<(A, B)> {
        match &json.as_array()?[..] {
            [a, b] => Some((A::read(a)?, B::read(b)?)),
            _ => None,
        }
    }
}

macro_rules! one_or_many {
    ($($ty:ty = $number:ty;)*) => {
        $(impl Argument for $ty {
            fn read(json: &Json) -> Option<$ty> {
                let one = <$number>::read(json).map(Into::into);
                one.or_else(|| <Vec<$number>>::read(json).map(Into::into))
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
    fn read(json: &Json) -> Option<ConvPadding> {
        if let Some(name) = json.as_str() {
            return Some(name.into());
        }
        if let Some(all) = json.as_i64() {
            return Some((all as isize).into());
        }
        let pair = |json: &Json| match json.as_i64() {
            Some(both) => Some((both as isize, both as isize)),
            None => <(isize, isize)>::read(json),
        };
        let pairs: Option<Vec<(isize, isize)>> = json.as_array()?.iter().map(pair).collect();
        Some(pairs?.into())
    }
}

impl Argument for DType {
    fn read(json: &Json) -> Option<DType> {
        let name = json.as_str()?;
        let name = name.strip_prefix("<fn ").and_then(|name| name.strip_suffix('>')).unwrap_or(name);
        DType::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl Argument for Constant {
    fn read(json: &Json) -> Option<Constant> {
        let mut shape = Vec::new();
        let mut inner = json;
        while let Some(list) = inner.as_array() {
            shape.push(list.len());
            inner = list.first()?;
        }
        let mut numbers = Vec::new();
        flatten(json, &mut numbers)?;
        Some(Tensor::from_vec(numbers, &shape).into())
    }
}

fn flatten(json: &Json, numbers: &mut Vec<f32>) -> Option<()> {
    match json.as_array() {
        Some(list) => list.iter().try_for_each(|item| flatten(item, numbers)),
        None => {
            let number = json.as_f64().or_else(|| json.as_bool().map(|bit| f64::from(u8::from(bit))))?;
            numbers.push(number as f32);
            Some(())
        }
    }
}

impl Argument for Initializer {
    fn read(json: &Json) -> Option<Initializer> {
        match json.as_str()? {
            "<fn zeros>" => Some(init::zeros()),
            "<fn ones>" => Some(init::ones()),
            _ => None,
        }
    }

    /// Initializers that were made by a function all have one name.
    fn is_unknown(json: &Json) -> bool {
        json == "<fn init>"
    }
}
