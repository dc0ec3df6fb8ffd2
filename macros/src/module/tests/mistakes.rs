//! What is said of mistakes, and what is generated beside it.

use quote::quote;

use super::super::attribute;
use super::{assert_has, assert_has_not, expand, packed};
use crate::testing::{messages, prefixes};

#[test]
fn all_mistakes_of_the_struct_are_reported_at_once() {
    let expansion = attribute(
        quote!(
            crate = "flaxen",
            name = 3,
            name = "",
            name = "a/b",
            rename = "Foo",
            default,
            submodule,
            crate = a::b
        ),
        quote! {
            #[module(name = "Again")]
            #[derive(Clone, std::fmt::Debug, Eq, PartialEq)]
            struct Foo<'x> {
                x: &'x f32,
            }
        },
    );
    let expected = [
        "expected a path, not a string: `crate = my::path`",
        "expected a string: `name = \"Conv\"`",
        "a module's name is a part of a path: it is not empty and has no `/`",
        "a module's name is a part of a path: it is not empty and has no `/`",
        "unknown option `rename`; a struct takes `crate = path` and `name = \"Name\"`",
        "`default` belongs on a field",
        "`submodule` is a field's own attribute: write `#[submodule]`",
        "a module owns what it holds: a struct with a lifetime cannot be one",
        "`#[module]` is given twice: put all its options into one",
        "`#[module]` implements `Clone` already: remove it",
        "`#[module]` implements `Debug` already: remove it",
        "`#[module]` implements `PartialEq` already: remove it",
    ];
    assert_eq!(messages(expansion), expected);
    let twice = attribute(
        quote!(name = "A", crate = a, name = "B", crate = b),
        quote!(
            struct Foo;
        ),
    );
    assert_eq!(messages(twice), ["`name` is given twice", "`crate` is given twice"]);
}

#[test]
fn all_mistakes_of_the_fields_are_reported_at_once() {
    let expansion = expand(quote! {
        struct Foo {
            #[module(defualt = 3, skip(1, 2))] a: usize,
            #[module(default = 1)] #[submodule] b: Dense,
            #[setup] c: Dense,
            #[setup()] d: Dense,
            #[setup = Dense::new(3)] e: Dense,
            #[setup(Dense::new(3), Dense::new(4))] f: Dense,
            #[submodule(Dense::new(3))] g: Dense,
            #[submodule] #[submodule] h: Dense,
            #[setup(1)] #[setup(2)] i: usize,
            #[module(default, default = 3)] j: usize,
            #[module(into, into)] k: usize,
            #[module(into = true)] l: usize,
            #[submodule] #[module(into)] m: Dense,
            #[module(default =, into)] n: usize,
            #[module(default(3))] o: usize,
            #[module(flag = true)] v: bool,
            #[module(flag, default = true)] w: bool,
            #[module(flag, into)] x: bool,
            #[module] p: usize,
            #[module()] q: usize,
            #[module = "default"] r: usize,
            #[module(crate = flaxen, name = "x")] s: usize,
            #[module(setup(Dense::new(3)))] t: Dense,
            u: usize = 3,
        }
    });
    let expected = [
        "unknown option `defualt`; a field takes `default`, `default = expr`, `flag` and `into`",
        "unknown option `skip`; a field takes `default`, `default = expr`, `flag` and `into`",
        "`#[submodule]` cannot stand beside `default`: a field has one role",
        "expected one expression: `#[setup(Dense::new(self.features))]`",
        "expected one expression: `#[setup(Dense::new(self.features))]`",
        "expected one expression: `#[setup(Dense::new(self.features))]`",
        "expected one expression: `#[setup(Dense::new(self.features))]`",
        "`#[submodule]` takes no arguments: `new` is given the module; one that is built here is `#[setup(expr)]`",
        "`#[submodule]` is given twice",
        "`#[setup]` is given twice",
        "`default` is given twice",
        "`into` is given twice",
        "`into` takes no value",
        "`into` cannot stand beside `#[submodule]`: it is for required fields and for fields with a default",
        "expected an expression: `default = 0.1`",
        "a default is written `default = expr`",
        "`flag` takes no value",
        "`default` cannot stand beside `flag`: a field has one role",
        "`into` cannot stand beside `flag`: it is for required fields and for fields with a default",
        "expected an option; a field takes `default`, `default = expr`, `flag` and `into`",
        "expected an option; a field takes `default`, `default = expr`, `flag` and `into`",
        "expected an option; a field takes `default`, `default = expr`, `flag` and `into`",
        "`crate` belongs on the struct",
        "`name` belongs on the struct",
        "`setup` is a field's own attribute: write `#[setup(expr)]`",
        "a default is an attribute of the field: `#[module(default = expr)]`",
    ];
    assert_eq!(messages(expansion), expected);
}

#[test]
fn names_of_a_modules_methods_are_reserved() {
    let expansion = expand(quote! {
        struct Foo { name: String, #[module(default)] new: usize, #[setup(1)] r#copy: usize, __slot: usize }
    });
    let method = "every module has a method of that name; call the field something else";
    let expected = [
        format!("`name` is reserved: {method}"),
        format!("`new` is reserved: {method}"),
        format!("`copy` is reserved: {method}"),
        "`__slot` is reserved: names that begin with `__` are for generated code; call the field something else"
            .to_owned(),
    ];
    assert_eq!(messages(expansion.clone()), expected);
    assert_eq!(packed(expansion).matches("fnnew(").count(), 1);
}

#[test]
fn what_is_no_struct_with_named_fields_is_refused() {
    let on_methods = "`#[module]` goes on the struct; a method of it takes `#[compact]`";
    for (item, message) in [
        (
            quote!(
                struct Tuple<T>(usize, T);
            ),
            "a module's fields have names, as its variables do: `struct Foo { features: usize }`",
        ),
        (
            quote!(
                #[derive(Clone)]
                enum Either {
                    #[submodule]
                    A(Dense),
                    B,
                }
            ),
            "a module is a struct with named fields: put the enum in a field of one",
        ),
        (
            quote!(union Bits { a: u32, b: f32 }),
            "a module is a struct with named fields: put the union in a field of one",
        ),
        (
            quote!(
                fn call(x: &Tensor) {}
            ),
            on_methods,
        ),
        (quote!(impl Layer for Foo {}), on_methods),
        (
            quote!(
                trait Foo {}
            ),
            "`#[module]` goes on a struct: its fields are the configuration",
        ),
    ] {
        assert_eq!(messages(expand(item)), [message]);
    }
}

#[test]
fn beside_an_error_the_users_struct_stands_first_and_stubs_follow() {
    let expansion = packed(expand(quote! {
        #[derive(Clone)]
        pub struct Foo<E> {
            #[module(defualt = 3)] a: usize,
            #[module(default = 3)] b: usize,
            #[submodule] c: E,
            #[setup(Dense::new(3))] d: Dense,
        }
    }));
    let item = quote!(
        #[derive(Clone)]
        pub struct Foo<E> {
            a: usize,
            b: usize,
            c: E,
            d: Dense,
        }
    );
    assert!(expansion.starts_with(&packed(item)), "{expansion}");
    for part in [
        quote!(impl<E> Foo<E>),
        quote!(
            pub fn new(a: usize, c: E) -> Self {
                ::core::unreachable!()
            }
        ),
        quote!(
            pub fn b(mut self, b: usize) -> Self {
                ::core::unreachable!()
            }
        ),
        quote!(impl<E> ::core::cmp::PartialEq for Foo<E> where E: ::flaxen::__private::Child),
        quote!(impl<E> ::flaxen::Module for Foo<E> where E: ::flaxen::__private::Child),
        quote!(
            fn __attach(&mut self, slot: ::flaxen::__private::Slot) {
                ::core::unreachable!()
            }
        ),
    ] {
        assert_has(&expansion, part);
    }
    assert_has_not(&expansion, quote!(::core::clone::Clone for Foo));
}

#[test]
fn what_does_not_parse_is_left_without_attributes_that_nobody_knows() {
    let expansion = packed(expand(quote! {
        struct Foo { #[module(default = 3)] #[doc = "x"] a: , #[submodule] b: Dense, #[setup(x)] c }
    }));
    let item = quote!(struct Foo { #[doc = "x"] a: , b: Dense, c });
    assert!(expansion.starts_with(&packed(item)), "{expansion}");
    assert_has(&expansion, quote!(::core::compile_error!));
}

#[test]
fn half_typed_items_never_panic() {
    let items = [
        quote! {
            /// A layer.
            #[derive(Serialize, Deserialize)]
            pub(crate) struct Foo<'a, E: Layer = Dense, const N: usize = 1> where E: Default {
                /// Features.
                pub n: [usize; N],
                #[module(default = 0.1 + x(1), into)]
                pub rate: Option<String>,
                #[cfg(feature = "a")]
                #[submodule]
                inner: <E as Iterator>::Item,
                #[setup(self.param("bias", init::zeros(), &[self.n[0]])?)]
                r#head: Dense,
            }
        },
        quote!(
            pub struct Unit;
        ),
        quote!(
            struct Tuple(#[setup(x)] usize, #[submodule] Dense);
        ),
        quote!(
            enum Either {
                #[submodule]
                A {
                    x: u8,
                } = 1,
                B,
            }
        ),
        quote!(impl Layer for Foo { fn call(&self) {} }),
    ];
    for prefix in items.into_iter().flat_map(prefixes) {
        expand(prefix);
    }
    for args in prefixes(quote!(crate = a::b, name = "Foo", default = 3)) {
        attribute(
            args.clone(),
            quote!(
                struct Foo;
            ),
        );
        attribute(
            args,
            quote!(
                enum Foo {}
            ),
        );
    }
}
