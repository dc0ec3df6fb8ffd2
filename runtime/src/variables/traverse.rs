//! Traversals: functions of all the values of a dict, and surgery on some of them.

use super::flatten::Flatten;
use super::keys::KeyPath;
use super::{Dict, Value, Variables};
use crate::core::Tensor;
use crate::error::Result;
use crate::tree;

impl Dict {
    /// The dict with `f` of every tensor, those inside tuples, boxes and other trees included.
    ///
    /// # Errors
    /// What `f` returns.
    pub fn map(&self, f: impl FnMut(&Tensor) -> Result<Tensor>) -> Result<Dict> {
        tree::map(self, f)
    }

    /// The dict with `f` of every value that is no dict, given the names on the way to it; empty dicts stay.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let params = Dict::new().with("a/x", 10i32).with("a/y", 3i32).with("b/x", 20i32);
    /// let mapped = params.map_with_path(|path, value| {
    ///     let number = value.tensor()?;
    ///     Ok(if path.contains(&"x") { number + 5 } else { -number })
    /// })?;
    /// assert_eq!(mapped, Dict::new().with("a/x", 15i32).with("a/y", -3i32).with("b/x", 25i32));
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// What `f` returns.
    pub fn map_with_path<V: Into<Value>>(
        &self,
        mut f: impl FnMut(&[&str], &Value) -> Result<V>,
    ) -> Result<Dict> {
        map_values(self, &mut Vec::new(), &mut |path, value| Ok(f(path, value)?.into()))
    }

    /// The dict with the value at a path replaced by `f` of it.
    ///
    /// ```
    /// use flaxen::prelude::*;
    ///
    /// let params = Dict::new().with("Dense_0/bias", 2.0f32);
    /// let params = params.update("Dense_0/bias", |bias| Ok(bias.tensor()? * 10.0))?;
    /// assert_eq!(params.tensor("Dense_0/bias")?.item::<f32>()?, 20.0);
    /// # Ok::<(), flaxen::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no value; what `f` returns.
    pub fn update<V: Into<Value>>(
        &self,
        path: impl KeyPath,
        f: impl FnOnce(&Value) -> Result<V>,
    ) -> Result<Dict> {
        let new = f(self.at(&path)?)?;
        self.try_with(path, new)
    }
}

impl Variables {
    /// The variables with `f` of every tensor, those inside tuples, boxes and other trees included.
    ///
    /// # Errors
    /// What `f` returns.
    pub fn map(&self, f: impl FnMut(&Tensor) -> Result<Tensor>) -> Result<Variables> {
        tree::map(self, f)
    }

    /// The variables with `f` of every value that is no dict, given the collection and the names on the way to it.
    ///
    /// # Errors
    /// What `f` returns.
    pub fn map_with_path<V: Into<Value>>(
        &self,
        f: impl FnMut(&[&str], &Value) -> Result<V>,
    ) -> Result<Variables> {
        self.0.map_with_path(f).map(Variables)
    }

    /// The variables with the value at a path, the collection first, replaced by `f` of it.
    ///
    /// # Errors
    /// If there is no value; what `f` returns; if a collection is replaced by something that is no dict.
    pub fn update<V: Into<Value>>(
        &self,
        path: impl KeyPath,
        f: impl FnOnce(&Value) -> Result<V>,
    ) -> Result<Variables> {
        self.0.update(path, f)?.try_into()
    }
}

fn map_values<'d>(
    dict: &'d Dict,
    path: &mut Vec<&'d str>,
    f: &mut dyn FnMut(&[&str], &Value) -> Result<Value>,
) -> Result<Dict> {
    let mut mapped = Vec::with_capacity(dict.len());
    for (name, value) in dict.0.iter() {
        path.push(name);
        let value = match value {
            Value::Dict(inner) => Value::Dict(map_values(inner, path, f)?),
            other => f(path, other)?,
        };
        path.pop();
        mapped.push((name.clone(), value));
    }
    Dict::of(mapped)
}

/// Some of the values of a dict, chosen by their paths; Flax's `ModelParamTraversal`.
///
/// The filter is asked about every value that is no dict. It is given the path as text with a leading `/`, so that
/// `ends_with("/kernel")` means the whole name.
///
/// ```
/// use flaxen::prelude::*;
/// use flaxen::variables::Traversal;
///
/// let params = Dict::new().with("Dense_0/kernel", 1i32).with("Dense_0/bias", 2i32).with("kernel", 3i32);
/// let kernels = Traversal::new(|path, _| path.ends_with("/kernel"));
/// let scaled = kernels.update(&params, |kernel| Ok(kernel * 10))?;
/// assert_eq!(scaled, Dict::new().with("Dense_0/kernel", 10i32).with("Dense_0/bias", 2i32).with("kernel", 30i32));
/// assert_eq!(kernels.iter(&params).map(|(path, _)| path).collect::<Vec<_>>(), ["/Dense_0/kernel", "/kernel"]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Traversal<F> {
    filter: F,
}

impl<F: Fn(&str, &Value) -> bool> Traversal<F> {
    /// The values that the filter accepts.
    pub fn new(filter: F) -> Traversal<F> {
        Traversal { filter }
    }

    /// The accepted values with their paths, in order.
    pub fn iter<'d, T: Nested>(&self, tree: &'d T) -> impl ExactSizeIterator<Item = (String, &'d Value)> {
        let mut accepted = Vec::new();
        Flatten::new().visit(tree.nested(), &mut Vec::new(), &mut |path, value| {
            let path = text(path);
            if (self.filter)(&path, value) {
                accepted.push((path, value));
            }
        });
        accepted.into_iter()
    }

    /// The dict or variables with `f` of every tensor of the accepted values, and all others as they were.
    ///
    /// # Errors
    /// What `f` returns.
    pub fn update<T: Nested>(&self, tree: &T, mut f: impl FnMut(&Tensor) -> Result<Tensor>) -> Result<T> {
        let updated = tree.nested().map_with_path(|path, value| {
            if (self.filter)(&text(path), value) { tree::map(value, &mut f) } else { Ok(value.clone()) }
        });
        updated.map(T::of_nested)
    }
}

fn text(path: &[&str]) -> String {
    path.iter().flat_map(|name| ["/", name]).collect()
}

/// What a [`Traversal`] goes over: a [`Dict`] or [`Variables`].
pub trait Nested: sealed::Sealed {
    #[doc(hidden)]
    fn nested(&self) -> &Dict;
    #[doc(hidden)]
    fn of_nested(dict: Dict) -> Self;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Dict {}
    impl Sealed for super::Variables {}
}

impl Nested for Dict {
    fn nested(&self) -> &Dict {
        self
    }
    fn of_nested(dict: Dict) -> Dict {
        dict
    }
}

/// Values are replaced by values at their paths, so that collections stay dicts.
impl Nested for Variables {
    fn nested(&self) -> &Dict {
        &self.0
    }
    fn of_nested(dict: Dict) -> Variables {
        Variables(dict)
    }
}
