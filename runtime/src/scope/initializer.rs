//! `Initializer`: how a parameter begins.

use std::fmt;
use std::sync::Arc;

use super::IntoValue;
use crate::array::{Aval, DType};
use crate::error::Result;
use crate::random::Key;
use crate::tree::Tree;
use crate::variables::{Boxed, Metadata, Value};

type InitFn = dyn Fn(&Key, &[usize], DType) -> Result<Value> + Send + Sync;

/// How a parameter begins: a function of a key, a shape and a dtype.
///
/// [`init`](crate::init) has the usual ones; [`Initializer::new`] makes one of a closure.
///
/// ```
/// use flaxen::prelude::*;
///
/// let halves = Initializer::new(|_key, shape, dtype| Tensor::full(shape, 0.5f32).cast(dtype));
/// let x = halves.tensor(&random::key(0), &[2, 3], DType::F32)?;
/// assert_eq!(x.to_vec::<f32>()?, [0.5; 6]);
/// # Ok::<(), flaxen::Error>(())
/// ```
#[derive(Clone)]
pub struct Initializer {
    name: Option<Arc<str>>,
    function: Arc<InitFn>,
}

impl Initializer {
    /// An initializer from a closure of a key, a shape and a dtype.
    pub fn new<R: IntoValue>(
        function: impl Fn(&Key, &[usize], DType) -> R + Send + Sync + 'static,
    ) -> Initializer {
        let function = move |key: &Key, shape: &[usize], dtype| {
            Aval::unchecked(shape, dtype).check_size("init")?;
            function(key, shape, dtype).into_value().and_then(|value| Value::try_of(&value))
        };
        Initializer { name: None, function: Arc::new(function) }
    }

    /// The same under a name that says all there is to say: initializers of one name are equal.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Initializer {
        self.name = Some(name.into().into());
        self
    }

    /// Puts what it makes into a box with metadata, such as [`Partitioned`](crate::variables::Partitioned).
    #[must_use]
    pub fn boxed(self, metadata: impl Metadata + Clone) -> Initializer {
        let name = self.name.as_ref().map(|name| format!("{name} in {metadata:?}"));
        let boxed = Initializer::new(move |key, shape, dtype| {
            self.value(key, shape, dtype).map(|value| Value::from(Boxed::new(value, metadata.clone())))
        });
        Initializer { name: name.map(Into::into), function: boxed.function }
    }

    /// What it makes, with a box around it if there is one.
    ///
    /// # Errors
    /// What the function returns.
    pub fn value(&self, key: &Key, shape: &[usize], dtype: DType) -> Result<Value> {
        Aval::unchecked(shape, dtype).check_size("param")?;
        (self.function)(key, shape, dtype)
    }

    /// The tensor it makes.
    ///
    /// # Errors
    /// What the function returns; if it makes something else than a tensor.
    pub fn tensor(&self, key: &Key, shape: &[usize], dtype: DType) -> Result<crate::Tensor> {
        self.value(key, shape, dtype)?.tensor().cloned()
    }
}

impl PartialEq for Initializer {
    fn eq(&self, other: &Initializer) -> bool {
        match (&self.name, &other.name) {
            (Some(a), Some(b)) => a == b,
            _ => Arc::ptr_eq(&self.function, &other.function),
        }
    }
}

impl fmt::Debug for Initializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_deref().unwrap_or("<closure>"))
    }
}

impl From<&Initializer> for Initializer {
    fn from(initializer: &Initializer) -> Initializer {
        initializer.clone()
    }
}

/// What a parameter's shape is compared by.
pub(super) fn shapes(value: &impl Tree) -> Vec<Vec<usize>> {
    crate::tree::leaves(value).into_iter().map(|leaf| leaf.shape().to_vec()).collect()
}
