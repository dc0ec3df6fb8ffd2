//! Programs that use the attributes, on a stand-in for the runtime, which also tests `crate = path`.
#![allow(missing_docs)]

// An expansion's use of a name does not count where it is `automatically_derived`.
#[allow(dead_code)]
mod stand_in;

use flaxen_macros::{compact, module};
use stand_in::{Layer, Module};

type Outcome = stand_in::Result<f32>;

/// Names that users may take.
#[allow(dead_code)]
mod shadows {
    pub struct Option;
    pub struct Result;
    pub struct Into;
    pub struct Default;
    pub struct String;
}

#[module(crate = stand_in)]
pub struct Scale {
    pub by: f32,
    /// What is added.
    #[module(default = Self::NOTHING)]
    pub plus: f32,
}

impl Scale {
    const NOTHING: f32 = 0.0;
}

impl Layer for Scale {
    #[compact(crate = stand_in)]
    fn call(&self, x: f32) -> Outcome {
        Ok(x * self.by + self.plus)
    }
}

#[test]
fn required_fields_are_given_to_new_and_others_to_setters() {
    let scale = Scale::new(2.0).plus(1.0);
    assert_eq!(scale.call(3.0), Ok(7.0));
    assert_eq!(scale, scale.clone());
    assert_ne!(scale, Scale::new(2.0));
    assert_eq!(format!("{scale:?}"), "Scale { by: 2.0, plus: 1.0 }");
}

#[module(crate = stand_in, name = "Pair")]
struct Two<A: Layer, B, const N: usize> {
    #[submodule]
    first: A,
    #[submodule]
    rest: Vec<B>,
    #[submodule]
    last: Option<B>,
    sizes: [usize; N],
}

impl<A: Layer, B: Layer, const N: usize> Two<A, B, N> {
    #[compact(crate = stand_in)]
    fn paths(&self) -> stand_in::Result<Vec<String>> {
        let mut paths = vec![self.first.path()];
        paths.extend(self.rest.iter().chain(&self.last).map(Module::path));
        Ok(paths)
    }
}

#[test]
fn submodules_are_named_after_their_fields() {
    let mut two = Two::new(Scale::new(1.0), vec![Scale::new(2.0)], Some(Scale::new(3.0)), [1, 2]);
    two.__attach(stand_in::__private::Slot::at("two"));
    assert_eq!(two.paths().unwrap(), ["two/first", "two/rest_0", "two/last"]);
    assert!(format!("{two:?}").starts_with("Pair { first: Scale"));
}

#[module(crate = stand_in)]
struct Built<E> {
    #[module(default = 2)]
    count: usize,
    #[submodule]
    inner: E,
    #[setup((0..self.count).map(|_| Scale::new(1.5)).collect())]
    scales: Vec<Scale>,
    #[setup(self.param("bias", 3.0))]
    bias: f32,
    #[setup(self.param("", 3.0)? + 1.0)]
    failing: f32,
    #[setup(Scale::new(*self.bias))]
    last: Scale,
    #[setup(self.inner.clone())]
    again: E,
}

#[test]
fn setup_fields_are_built_of_the_others_and_again_after_a_setter() {
    let mut built = Built::new(Scale::new(1.0)).count(3);
    assert_eq!(built.scales.len(), 3);
    assert_eq!(built.last.by, 3.0);
    assert_eq!(*built.again, Scale::new(1.0));
    built.__attach(stand_in::__private::Slot::at("built"));
    assert_eq!(built.scales[2].path(), "built/scales_2");
    assert_eq!(built.clone().last.path(), "built/last");
    assert_eq!(built.clone(), built);
}

#[module(crate = stand_in)]
struct Converts {
    label: String,
    #[module(default)]
    note: Option<String>,
    #[module(default = "relu")]
    activation: String,
    #[module(default = Some(3))]
    axis: Option<usize>,
    #[module(into, default = 1)]
    wide: u64,
}

#[test]
fn setters_take_what_converts() {
    let converts = Converts::new("a").note("b").activation("c").axis(1).wide(7_u32);
    let expected = r#"Converts { label: "a", note: Some("b"), activation: "c", axis: Some(1), wide: 7 }"#;
    assert_eq!(format!("{converts:?}"), expected);
    assert_eq!(Converts::new(String::new()).note(None).axis(None).axis(Some(2)).axis, Some(2));
}

#[module(crate = stand_in)]
struct r#Loop {
    r#type: f32,
    #[cfg(any())]
    missing: Missing,
    #[cfg(any())]
    #[module(default = missing())]
    missing_default: Missing,
    #[cfg(any())]
    #[submodule]
    missing_module: Missing,
    #[cfg(any())]
    #[setup(Missing::new())]
    missing_setup: Missing,
    #[cfg(not(any()))]
    #[module(default)]
    r#move: usize,
}

#[test]
fn raw_names_are_shown_without_their_prefix_and_missing_fields_not_at_all() {
    assert_eq!(format!("{:?}", r#Loop::new(1.0).r#move(2)), "Loop { type: 1.0, move: 2 }");
}

#[module(crate = stand_in)]
struct Unit;

mod conflicts {
    #[allow(unused_imports)]
    use super::shadows::*;
    use super::{compact, module, stand_in};

    /// The fields and locals have the names that expansions use.
    #[module(crate = stand_in)]
    pub struct Names {
        pub slot: u8,
        pub visit: u8,
        pub other: u8,
        pub f: u8,
        #[module(default)]
        pub setup: u8,
        #[module(default = ::core::option::Option::Some(1))]
        pub value: ::core::option::Option<u8>,
        #[setup(super::Scale::new(f32::from(self.setup)))]
        pub scale: super::Scale,
    }

    impl Names {
        #[compact(crate = stand_in)]
        pub fn run(&self, __call: f32) -> stand_in::Result<f32> {
            if self.slot > 100 {
                return ::core::result::Result::Err("early".to_string());
            }
            ::core::result::Result::Ok(__call)
        }
    }
}

#[test]
fn the_users_names_do_not_meet_the_expansions() {
    let names = conflicts::Names::new(1, 2, 3, 4).setup(5);
    assert_eq!(names.run(6.0), Ok(6.0));
    assert_eq!(conflicts::Names::new(101, 2, 3, 4).run(6.0), Err("early".to_owned()));
    assert_eq!(names.scale.by, 5.0);
    assert_eq!(names.value(None).value, None);
}

macro_rules! define {
    ($name:ident { $($field:ident: $ty:ty),* } $method:ident($x:ident) $body:expr) => {
        #[module(crate = stand_in)]
        struct $name {
            $($field: $ty,)*
            #[setup(self.param("a", 1.0)?)]
            made: f32,
        }

        impl $name {
            #[compact(crate = stand_in)]
            fn $method(&self, $x: f32) -> Outcome {
                let scale = Scale::new(*self.made + 1.0).call($x)?;
                Ok(scale + $body)
            }
        }
    };
}

define!(Generated { n: usize, m: f32 } run(y) y * 2.0);

#[test]
fn macros_may_define_modules() {
    assert_eq!(Generated::new(1, 2.0).run(3.0), Ok(12.0));
}

#[module(crate = stand_in)]
struct Methods;

impl Methods {
    #[compact(crate = stand_in)]
    fn observed(&self, mut x: f32, list: &mut Vec<f32>, _unused: bool, (a, _): (f32, u8)) -> Outcome {
        x += a;
        list.push(x);
        Scale::new(2.0).plus(list[0]).call(x)
    }

    #[compact(crate = stand_in, name_scope)]
    fn opaque(&self, f: impl Fn(f32) -> f32) -> stand_in::Result<impl Fn(f32) -> f32> {
        let scale = || Scale::new(3.0).call(2.0);
        let offset = scale()?;
        Ok(move |x| f(x) + offset)
    }

    #[allow(clippy::needless_arbitrary_self_type)]
    #[compact(crate = stand_in)]
    fn generic<T: Into<f32>>(self: &Self, x: T) -> stand_in::Result<(f32, &Self)> {
        Ok((x.into(), self))
    }
}

#[test]
fn calls_are_observed_and_modules_built_on_the_spot_are_children() {
    let mut methods = Methods::new();
    methods.__attach(stand_in::__private::Slot::at("m"));
    let mut list = Vec::new();
    assert_eq!(methods.observed(1.0, &mut list, true, (2.0, 0)), Ok(9.0));
    assert_eq!(methods.opaque(|x| x + 1.0).unwrap()(1.0), 8.0);
    assert_eq!(methods.generic(1_u8).unwrap().0, 1.0);
    let log = stand_in::__private::LOG.lock().unwrap();
    let mine: Vec<_> = log.iter().filter(|line| line.starts_with('m')).collect();
    let expected = [
        "m/Scale_0.call x=3 -> 9",
        "m.observed x=1 list=_ _unused=_ -> 9",
        "m/Scale_0.call x=2 -> 6",
        "m/opaque f=_ -> _",
        "m.generic x=_ -> _",
    ];
    assert_eq!(mine, expected);
}
