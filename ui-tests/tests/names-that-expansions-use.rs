//! Expansions do not depend on names that users may take.
#![no_implicit_prelude]
#[allow(unused_extern_crates)]
extern crate flaxen;
extern crate std;

use flaxen::Module as _;

// What users may call their own.
struct Option;
struct Result;
struct String;
struct Vec;
struct Default;
struct Into;
struct Clone;
#[allow(non_camel_case_types)]
struct bool;
#[allow(non_camel_case_types)]
struct str;

#[flaxen::module]
struct Mlp {
    slot: u8,
    visit: u8,
    other: u8,
    f: u8,
    setter: u8,
    #[module(default = 3)]
    setup: usize,
    #[module(default = ::std::option::Option::None)]
    value: ::std::option::Option<u8>,
    #[setup(::flaxen::nn::Dense::new(self.setup))]
    dense: ::flaxen::nn::Dense,
}

#[flaxen::module]
struct Generic<L: flaxen::Layer> {
    #[submodule]
    inner: L,
}

#[derive(::std::clone::Clone, ::std::fmt::Debug, flaxen::Tree)]
struct State {
    x: ::flaxen::Tensor,
    #[tree(static)]
    n: u8,
}

impl flaxen::Layer for Mlp {
    #[flaxen::compact]
    fn call(&self, __call: &flaxen::Tensor) -> flaxen::Result<flaxen::Tensor> {
        self.dense.call(__call)
    }
}

#[::core::prelude::v1::test]
fn expansions_do_not_depend_on_names_of_users() -> flaxen::Result<()> {
    let _ = (Option, Result, String, Vec, Default, Into, Clone, bool, str);
    let _ = (Generic::new(::flaxen::nn::Dense::new(1)), State { x: ::flaxen::Tensor::zeros([1]), n: 1 });
    let model = Mlp::new(1, 2, 3, 4, 5).setup(2).value(1);
    model.init(flaxen::random::key(0)).call(&flaxen::Tensor::ones([1, 2]))?;
    ::std::result::Result::Ok(())
}
