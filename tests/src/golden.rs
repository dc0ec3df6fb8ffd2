//! Golden cases: what the real Flax, JAX and optax computed.
//!
//! A case is a manifest `NAME.json`, and a file `NAME.safetensors` of its arrays if it has any. Ours lie in the folder
//! `golden` beside this crate's manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use flaxen::{DType, Element, Tensor};
use half::{bf16, f16};
use num_complex::Complex32;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// The format of manifests that is read.
const FORMAT: u64 = 1;

/// A case: its manifest and its arrays.
pub struct Case {
    name: String,
    manifest: Value,
    arrays: BTreeMap<String, Tensor>,
    /// The keys of arrays that were asked for.
    read: Mutex<BTreeSet<String>>,
}

/// How near numbers must be: `|a − b| ≤ absolute + relative·|b|`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// The part that grows with the expected number.
    pub relative: f64,
    /// The part that does not.
    pub absolute: f64,
}

/// The folder of our own cases.
pub fn own_folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden"))
}

/// The names of all cases of a folder, in order: of its manifests, and of what its `index.json` lists if there is one.
///
/// # Errors
/// If the folder or its index cannot be read.
pub fn names(folder: &Path) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| format!("the folder of golden cases {}: {error}", folder.display()))?;
    let name = |path: PathBuf| Some(path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned());
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut names: BTreeSet<String> = paths.filter_map(name).collect();
    if names.remove("index") {
        let path = folder.join("index.json");
        let index = json(&path)?;
        let rows = index.as_array().ok_or_else(|| format!("{} is no list", path.display()))?;
        for row in rows {
            let name = row["name"].as_str();
            names.insert(name.ok_or_else(|| format!("{}: no name in {row}", path.display()))?.to_owned());
        }
    }
    Ok(names.into_iter().collect())
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn json(path: &Path) -> Result<Value, String> {
    serde_json::from_slice(&bytes(path)?).map_err(|error| format!("{}: {error}", path.display()))
}

impl Case {
    /// Reads one of our own cases.
    ///
    /// # Panics
    /// If its files are missing or malformed: then there is nothing to test against.
    pub fn load(name: &str) -> Case {
        Case::read(&own_folder(), name).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Reads a case of a folder.
    ///
    /// # Errors
    /// If a file is missing or malformed, or the arrays are not those that the manifest lists.
    pub fn read(folder: &Path, name: &str) -> Result<Case, String> {
        let path = folder.join(format!("{name}.json"));
        let manifest = json(&path)?;
        let malformed = |what: &str| format!("{}: {what}", path.display());
        if !manifest.is_object() {
            return Err(malformed("the manifest is no object"));
        }
        if !manifest["kind"].is_string() {
            return Err(malformed("the manifest has no `kind`"));
        }
        if manifest["format"].as_u64().is_some_and(|format| format != FORMAT) {
            return Err(malformed(&format!("format {}, expected {FORMAT}", manifest["format"])));
        }
        let arrays = arrays(&folder.join(format!("{name}.safetensors")), &manifest)?;
        Ok(Case { name: name.to_owned(), manifest, arrays, read: Mutex::default() })
    }

    /// The name: that of its files.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind that the manifest says.
    pub fn kind(&self) -> &str {
        self.manifest["kind"].as_str().unwrap_or_default()
    }

    /// What the manifest says about the case.
    pub fn description(&self) -> &str {
        self.manifest["description"].as_str().unwrap_or_default()
    }

    fn mark(&self, key: &str) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned());
    }

    /// The keys of the arrays that nothing has asked for so far.
    pub fn unread(&self) -> Vec<&str> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        self.arrays.keys().filter(|key| !read.contains(*key)).map(String::as_str).collect()
    }

    /// The array of a key, its path joined by `/`.
    ///
    /// # Panics
    /// If there is none.
    pub fn array(&self, key: &str) -> Tensor {
        self.mark(key);
        match self.arrays.get(key) {
            Some(array) => array.clone(),
            None => panic!("no array `{key}`, but {:?}", self.arrays.keys()),
        }
    }

    /// Whether there is an array of a key.
    pub fn has(&self, key: &str) -> bool {
        self.arrays.contains_key(key)
    }

    /// What kind of container is at a key, if it is no plain dict.
    pub fn container(&self, key: &str) -> Option<&str> {
        self.manifest["containers"][key].as_str()
    }

    /// The keys of all arrays, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// The arrays below a path, by the rest of their keys.
    pub fn group(&self, path: &str) -> BTreeMap<String, Tensor> {
        let below = |key: &str| {
            let rest = key.strip_prefix(path)?.strip_prefix('/')?;
            self.mark(key);
            Some(rest.to_owned())
        };
        self.arrays.iter().filter_map(|(key, array)| Some((below(key)?, array.clone()))).collect()
    }

    /// How the case was computed.
    pub fn settings(&self) -> &Value {
        &self.manifest["settings"]
    }

    /// What is expected beside arrays.
    pub fn expect(&self) -> &Value {
        &self.manifest["expect"]
    }

    /// One of the scenarios, by its id: its `result`, or the class and message of its `error`.
    ///
    /// # Panics
    /// If there is none.
    pub fn scenario(&self, id: &str) -> &Value {
        let scenarios = self.expect()["scenarios"].as_array().into_iter().flatten();
        scenarios.clone().find(|scenario| scenario["id"] == id).unwrap_or_else(|| {
            let ids: Vec<&Value> = scenarios.map(|scenario| &scenario["id"]).collect();
            panic!("no scenario `{id}`, but {ids:?}")
        })
    }

    /// The whole manifest.
    pub fn manifest(&self) -> &Value {
        &self.manifest
    }

    /// How near the arrays must be.
    pub fn tolerance(&self) -> Tolerance {
        let number = |name: &str| self.manifest["tolerance"][name].as_f64().unwrap_or(0.0);
        Tolerance { relative: number("rtol"), absolute: number("atol") }
    }
}

/// The arrays of a file, which must be those that the manifest lists if it lists them.
fn arrays(path: &Path, manifest: &Value) -> Result<BTreeMap<String, Tensor>, String> {
    let listed = manifest["arrays"].as_object();
    let is_expected = manifest["safetensors"].is_string() || listed.is_some_and(|listed| !listed.is_empty());
    if !is_expected && !path.exists() {
        return Ok(BTreeMap::new());
    }
    let malformed = |what: String| format!("{}: {what}", path.display());
    let bytes = bytes(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| malformed(error.to_string()))?;
    let mut arrays = BTreeMap::new();
    for (key, view) in file.iter() {
        let half = stored_as_integers(manifest, key);
        let array = tensor(view.dtype(), half, view.shape(), view.data());
        arrays.insert(key.to_owned(), array.map_err(|what| malformed(format!("`{key}` {what}")))?);
    }
    for (key, listed) in listed.into_iter().flatten() {
        let found = arrays.get(key).ok_or_else(|| malformed(format!("no array `{key}`")))?;
        let shape: Option<Vec<u64>> =
            listed["shape"].as_array().map(|shape| shape.iter().filter_map(Value::as_u64).collect());
        if shape.is_some_and(|shape| !found.shape().iter().map(|&size| size as u64).eq(shape)) {
            return Err(malformed(format!("`{key}` is {}, the manifest says {listed}", found.aval())));
        }
    }
    Ok(arrays)
}

/// The 16-bit float that an array of 16-bit integers holds the bits of.
fn stored_as_integers(manifest: &Value, key: &str) -> Option<DType> {
    let containers = manifest["containers"].as_object()?;
    let kind = |kind: &str| match kind {
        "bfloat16_stored_as_uint16" => Some(DType::BF16),
        "float16_stored_as_uint16" => Some(DType::F16),
        _ => None,
    };
    let covers =
        |prefix: &str| key.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    containers.iter().filter(|(prefix, _)| covers(prefix)).find_map(|(_, value)| kind(value.as_str()?))
}

fn tensor(dtype: Dtype, half: Option<DType>, shape: &[usize], bytes: &[u8]) -> Result<Tensor, String> {
    macro_rules! numbers {
        ($type:ty) => {{
            let (words, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
            words.iter().map(|word| <$type>::from_le_bytes(*word)).collect::<Vec<_>>()
        }};
    }
    Ok(match (dtype, half) {
        (Dtype::U16, Some(DType::BF16)) => Tensor::from_vec(numbers!(bf16), shape),
        (Dtype::U16, Some(_)) => Tensor::from_vec(numbers!(f16), shape),
        (Dtype::U16, None) => {
            let wide: Vec<u32> = numbers!(u16).into_iter().map(u32::from).collect();
            Tensor::from_vec(wide, shape)
        }
        (Dtype::BF16, _) => Tensor::from_vec(numbers!(bf16), shape),
        (Dtype::F16, _) => Tensor::from_vec(numbers!(f16), shape),
        (Dtype::F32, _) => Tensor::from_vec(numbers!(f32), shape),
        (Dtype::F64, _) => Tensor::from_vec_of(numbers!(f64), shape, DType::F64),
        (Dtype::I32, _) => Tensor::from_vec(numbers!(i32), shape),
        (Dtype::I64, _) => Tensor::from_vec_of(numbers!(i64), shape, DType::I64),
        (Dtype::U32, _) => Tensor::from_vec(numbers!(u32), shape),
        (Dtype::U8, _) => Tensor::from_vec(bytes, shape),
        (Dtype::BOOL, _) => Tensor::from_vec(bytes.iter().map(|&byte| byte != 0).collect::<Vec<_>>(), shape),
        (other, _) => return Err(format!("is of {other:?}, which is not read")),
    })
}

/// What differs in shape, dtype or bits; every NaN equals every other.
pub fn difference(found: &Tensor, expected: &Tensor) -> Option<String> {
    if found.shape() != expected.shape() || found.dtype() != expected.dtype() {
        return Some(format!("{} for {}", found.aval(), expected.aval()));
    }
    let (found, expected) = (numbers_of(found), numbers_of(expected));
    let different = |(a, b): (&f64, &f64)| a.to_bits() != b.to_bits() && !(a.is_nan() && b.is_nan());
    let first = found.iter().zip(&expected).position(different)?;
    let count = found.iter().zip(&expected).filter(|&pair| different(pair)).count();
    Some(format!(
        "{count} of {}, the first at {first}: {:?} for {:?}",
        found.len(),
        found[first],
        expected[first]
    ))
}

/// Asserts equal shapes, dtypes and bits.
///
/// # Panics
/// If they differ: names the case and the first difference.
#[track_caller]
pub fn assert_same(what: &str, found: &Tensor, expected: &Tensor) {
    if let Some(difference) = difference(found, expected) {
        panic!("{what}: {difference}");
    }
}

/// Asserts equal shapes and dtypes, and values within a tolerance.
///
/// # Panics
/// If they differ: names the case and the worst difference.
#[track_caller]
pub fn assert_near(what: &str, found: &Tensor, expected: &Tensor, tolerance: Tolerance) {
    assert_eq!(found.aval().shape, expected.aval().shape, "{what}: shape");
    assert_eq!(found.dtype(), expected.dtype(), "{what}: dtype");
    let excess = |a: f64, b: f64| {
        if a == b || (a.is_nan() && b.is_nan()) {
            return f64::NEG_INFINITY;
        }
        let distance = (a - b).abs() - (tolerance.absolute + tolerance.relative * b.abs());
        if distance.is_nan() { f64::INFINITY } else { distance }
    };
    let (found, expected) = (numbers_of(found), numbers_of(expected));
    let worst = (0..found.len())
        .max_by(|&i, &j| excess(found[i], expected[i]).total_cmp(&excess(found[j], expected[j])));
    if let Some(at) = worst.filter(|&at| excess(found[at], expected[at]) > 0.0) {
        panic!("{what}: {:?} for {:?} at {at}, farther than {tolerance:?}", found[at], expected[at]);
    }
}

/// The values of any dtype; `I64` beyond 2⁵³ are rounded.
///
/// # Panics
/// If the tensor is a value of a transform.
pub fn numbers_of(tensor: &Tensor) -> Vec<f64> {
    fn read<T: Element>(tensor: &Tensor, wide: impl Fn(T) -> f64) -> Vec<f64> {
        match tensor.to_vec::<T>() {
            Ok(numbers) => numbers.into_iter().map(wide).collect(),
            Err(error) => panic!("{error}"),
        }
    }
    match tensor.dtype() {
        DType::Bool => read(tensor, |x: bool| f64::from(u8::from(x))),
        DType::U8 => read(tensor, |x: u8| x.into()),
        DType::U16 => read(tensor, |x: u16| x.into()),
        DType::U32 => read(tensor, |x: u32| x.into()),
        DType::I8 => read(tensor, |x: i8| x.into()),
        DType::I16 => read(tensor, |x: i16| x.into()),
        DType::I32 => read(tensor, |x: i32| x.into()),
        DType::I64 => read(tensor, |x: i64| x as f64),
        DType::F16 => read(tensor, f16::to_f64),
        DType::BF16 => read(tensor, bf16::to_f64),
        DType::F32 => read(tensor, |x: f32| x.into()),
        DType::F64 => read(tensor, |x: f64| x),
        // Both parts, one after the other.
        DType::C64 => match tensor.to_vec::<Complex32>() {
            Ok(numbers) => numbers.into_iter().flat_map(|x| [x.re.into(), x.im.into()]).collect(),
            Err(error) => panic!("{error}"),
        },
    }
}
