//! What is generated for modules.

mod attributes;
mod bounds;
mod mistakes;
mod reserved;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::attribute;
use crate::testing::text;

fn expand(item: TokenStream) -> TokenStream {
    attribute(TokenStream::new(), item)
}

fn assert_expands(args: TokenStream, item: TokenStream, expected: TokenStream) {
    assert_eq!(text(attribute(args, item)), text(expected));
}

/// The text of the expansion, without spaces, for a look at a part of it.
fn packed(expansion: TokenStream) -> String {
    expansion.to_string().replace([' ', '\n'], "")
}

#[track_caller]
fn assert_has(expansion: &str, part: TokenStream) {
    let part = packed(part);
    assert!(expansion.contains(&part), "{part}\nis not in\n{expansion}");
}

#[track_caller]
fn assert_has_not(expansion: &str, part: TokenStream) {
    let part = packed(part);
    assert!(!expansion.contains(&part), "{part}\nis in\n{expansion}");
}

#[test]
fn a_unit_struct_has_only_its_slot() {
    assert_expands(
        quote!(),
        quote! {
            /// Features.
            pub(crate) struct SowCnn;
        },
        quote! {
            #[derive(::core::clone::Clone)]
            /// Features.
            #[must_use]
            pub(crate) struct SowCnn {
                #[doc(hidden)]
                pub __slot: ::flaxen::__private::Slot
            }
            #[automatically_derived]
            impl SowCnn {
                #[doc = "Creates a `SowCnn`."]
                #[inline]
                pub(crate) fn new() -> Self {
                    Self { __slot: ::flaxen::__private::Slot::unbound() }
                }
            }
            impl ::core::cmp::PartialEq for SowCnn {
                #[inline]
                fn eq(&self, other: &Self) -> ::core::primitive::bool {
                    let _ = other;
                    true
                }
            }
            #[automatically_derived]
            impl ::core::fmt::Debug for SowCnn {
                #[inline]
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    ::flaxen::__private::debug(self, f)
                }
            }
            #[automatically_derived]
            impl ::flaxen::Module for SowCnn {
                const NAME: &'static ::core::primitive::str = "SowCnn";
                #[inline]
                fn __slot(&self) -> &::flaxen::__private::Slot {
                    &self.__slot
                }
                #[inline]
                fn __attach(&mut self, slot: ::flaxen::__private::Slot) {
                    self.__slot = slot;
                }
                #[inline]
                fn __fields(&self, visit: ::flaxen::__private::VisitFields<'_>) {
                    visit(&[])
                }
            }
        },
    );
}

#[test]
fn every_role_of_a_generic_module_is_expanded() {
    assert_expands(
        quote!(crate = crate::core, name = "Block"),
        quote! {
            pub struct Foo<E: Layer, const N: usize> {
                pub n: usize,
                /// Of the noise.
                #[module(default = 0.1)]
                pub rate: f32,
                #[submodule]
                pub inner: Vec<E>,
                #[setup(Dense::new(self.n))]
                head: Dense,
            }
        },
        quote! {
            #[must_use]
            pub struct Foo<E: Layer, const N: usize> {
                pub n: usize,
                /// Of the noise.
                pub rate: f32,
                pub inner: Vec<E>,
                head: crate::core::__private::Setup<Dense>,
                #[doc(hidden)]
                pub __slot: crate::core::__private::Slot
            }
            #[automatically_derived]
            impl<E: Layer, const N: usize> Foo<E, N>
            where
                Vec<E>: crate::core::__private::Child + ::core::clone::Clone + ::core::fmt::Debug
                    + ::core::cmp::PartialEq + ::core::marker::Send + ::core::marker::Sync + 'static
            {
                #[doc = "Creates a `Foo` from its required fields; every other field has a default."]
                #[inline]
                pub fn new(n: usize, inner: Vec<E>) -> Self {
                    crate::core::__private::rebuilt(Self {
                        n,
                        rate: 0.1,
                        inner,
                        head: crate::core::__private::Setup::unset(),
                        __slot: crate::core::__private::Slot::unbound()
                    })
                }
                /// Of the noise.
                #[doc = "\n\nDefault: `0.1`."]
                #[inline]
                pub fn rate(mut self, rate: f32) -> Self {
                    self.rate = rate;
                    crate::core::__private::rebuilt(self)
                }
            }
            #[automatically_derived]
            impl<E: Layer, const N: usize> ::core::clone::Clone for Foo<E, N>
            where
                Vec<E>: crate::core::__private::Child + ::core::clone::Clone + ::core::fmt::Debug
                    + ::core::cmp::PartialEq + ::core::marker::Send + ::core::marker::Sync + 'static
            {
                #[inline]
                fn clone(&self) -> Self {
                    Self {
                        n: ::core::clone::Clone::clone(&self.n),
                        rate: ::core::clone::Clone::clone(&self.rate),
                        inner: ::core::clone::Clone::clone(&self.inner),
                        head: crate::core::__private::Setup::share(&self.head),
                        __slot: crate::core::__private::Slot::clone(&self.__slot)
                    }
                }
            }
            impl<E: Layer, const N: usize> ::core::cmp::PartialEq for Foo<E, N>
            where
                Vec<E>: crate::core::__private::Child + ::core::clone::Clone + ::core::fmt::Debug
                    + ::core::cmp::PartialEq + ::core::marker::Send + ::core::marker::Sync + 'static
            {
                #[inline]
                fn eq(&self, other: &Self) -> ::core::primitive::bool {
                    if !crate::core::__private::is_equal(&self.n, &other.n) { return false; }
                    if !crate::core::__private::is_equal(&self.rate, &other.rate) { return false; }
                    if !crate::core::__private::is_equal(&self.inner, &other.inner) { return false; }
                    true
                }
            }
            #[automatically_derived]
            impl<E: Layer, const N: usize> ::core::fmt::Debug for Foo<E, N>
            where
                Vec<E>: crate::core::__private::Child + ::core::clone::Clone + ::core::fmt::Debug
                    + ::core::cmp::PartialEq + ::core::marker::Send + ::core::marker::Sync + 'static
            {
                #[inline]
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    crate::core::__private::debug(self, f)
                }
            }
            #[automatically_derived]
            impl<E: Layer, const N: usize> crate::core::Module for Foo<E, N>
            where
                Vec<E>: crate::core::__private::Child + ::core::clone::Clone + ::core::fmt::Debug
                    + ::core::cmp::PartialEq + ::core::marker::Send + ::core::marker::Sync + 'static
            {
                const NAME: &'static ::core::primitive::str = "Block";
                #[inline]
                fn __slot(&self) -> &crate::core::__private::Slot {
                    &self.__slot
                }
                #[inline]
                fn __attach(&mut self, slot: crate::core::__private::Slot) {
                    self.__slot = slot;
                    crate::core::__private::bind_child(&self.__slot, &mut self.inner, "inner");
                    crate::core::__private::defer(self);
                }
                #[inline]
                fn __fields(&self, visit: crate::core::__private::VisitFields<'_>) {
                    visit(&[("n", &self.n), ("rate", &self.rate), ("inner", &self.inner)])
                }
                #[inline]
                fn __setup(&self, setup: &mut crate::core::__private::SetupPass<'_>) {
                    setup.field(&self.head, "head", || -> crate::core::Result<Dense> {
                        let value: Dense = Dense::new(self.n);
                        ::core::result::Result::Ok(value)
                    });
                }
                #[inline]
                fn __setups(
                    &mut self,
                    visit: &mut dyn ::core::ops::FnMut(&mut dyn crate::core::__private::AnySetup)
                ) {
                    visit(&mut self.head);
                }
            }
        },
    );
}

#[test]
fn a_flag_is_false_until_its_setter_makes_it_true() {
    let expansion = packed(expand(quote! {
        struct Scan {
            #[module(flag)]
            reverse: bool,
        }
    }));
    assert_has(
        &expansion,
        quote! {
            #[inline]
            fn new() -> Self {
                Self { reverse: false, __slot: ::flaxen::__private::Slot::unbound() }
            }
        },
    );
    assert_has(
        &expansion,
        quote! {
            #[doc = "Sets `reverse`."]
            #[inline]
            fn reverse(mut self,) -> Self {
                self.reverse = true;
                self
            }
        },
    );
}

#[test]
fn texts_and_options_are_taken_in_what_converts_into_them() {
    let expansion = packed(expand(quote! {
        struct Named<T> {
            label: String,
            #[module(into)]
            size: Size,
            spelled: std::string::String,
            exact: Alias,
            generic: Option<Vec<T>>,
            #[module(default)]
            note: Option<String>,
            #[module(default = "relu")]
            activation: String,
            #[module(default = Some("x".into()))]
            title: ::std::option::Option<String>,
            #[module(default, into)]
            rate: Rate,
            #[module(into, default = Rate(1))]
            other: Rate,
            #[module(default)]
            axis: (Option<usize>),
        }
    }));
    assert_has(
        &expansion,
        quote! {
            #[inline]
            fn new(
                label: impl ::core::convert::Into<String>,
                size: impl ::core::convert::Into<Size>,
                spelled: impl ::core::convert::Into<std::string::String>,
                exact: Alias,
                generic: Option<Vec<T>>
            ) -> Self {
                Self {
                    label: ::core::convert::Into::into(label),
                    size: ::core::convert::Into::into(size),
                    spelled: ::core::convert::Into::into(spelled),
                    exact,
                    generic,
                    note: ::core::default::Default::default(),
                    activation: ::core::convert::Into::into("relu"),
                    title: Some("x".into()),
                    rate: ::core::default::Default::default(),
                    other: Rate(1),
                    axis: ::core::default::Default::default(),
                    __slot: ::flaxen::__private::Slot::unbound()
                }
            }
        },
    );
    assert_has(
        &expansion,
        quote! {
            #[doc = "Sets `note`."]
            #[inline]
            fn note(mut self, note: impl ::flaxen::__private::IntoText<Option<String>>) -> Self {
                self.note = ::flaxen::__private::IntoText::into_text(note);
                self
            }
        },
    );
    for setter in [
        quote!(fn activation(mut self, activation: impl ::core::convert::Into<String>)),
        quote!(fn title(mut self, title: impl ::flaxen::__private::IntoText<::std::option::Option<String>>)),
        quote!(fn rate(mut self, rate: impl ::core::convert::Into<Rate>)),
        quote!(fn other(mut self, other: impl ::core::convert::Into<Rate>)),
        quote!(fn axis(mut self, axis: impl ::core::convert::Into<(Option<usize>)>)),
    ] {
        assert_has(&expansion, setter);
    }
}

#[test]
fn what_is_generated_for_a_field_is_configured_as_the_field() {
    let expansion = packed(expand(quote! {
        pub struct r#Loop<T> {
            #[cfg(a)]
            r#type: Option<T>,
            #[cfg(b)]
            #[module(default = 1)]
            times: usize,
            #[cfg(c)]
            #[submodule]
            body: Dense,
            #[cfg(d)]
            #[setup(Dense::new(3))]
            r#final: Dense,
        }
    }));
    for part in [
        quote! {
            pub struct r#Loop<T> {
                #[cfg(a)] r#type: Option<T>,
                #[cfg(b)] times: usize,
                #[cfg(c)] body: Dense,
                #[cfg(d)] r#final: ::flaxen::__private::Setup<Dense>,
                #[doc(hidden)]
                pub __slot: ::flaxen::__private::Slot
            }
        },
        quote!(#[doc = "Creates a `Loop` from its required fields; every other field has a default."]),
        quote!(pub fn new(#[cfg(a)] r#type: Option<T>, #[cfg(c)] body: Dense) -> Self),
        quote!(Self {
            #[cfg(a)]
            r#type,
            #[cfg(b)]
            times: 1,
            #[cfg(c)]
            body,
            #[cfg(d)]
            r#final: ::flaxen::__private::Setup::unset(),
            __slot: ::flaxen::__private::Slot::unbound()
        }),
        quote!(
            #[cfg(b)]
            #[doc = "Sets `times`.\n\nDefault: `1`."]
            #[inline]
            pub fn times(mut self, times: usize)
        ),
        quote!(#[cfg(a)] r#type: ::core::clone::Clone::clone(&self.r#type),),
        quote!(#[cfg(d)] r#final: ::flaxen::__private::Setup::share(&self.r#final),),
        quote!(
            #[cfg(a)]
            if !::flaxen::__private::is_equal(&self.r#type, &other.r#type) {
                return false;
            }
        ),
        quote!(visit(&[
            #[cfg(a)]
            ("type", &self.r#type),
            #[cfg(b)]
            ("times", &self.times),
            #[cfg(c)]
            ("body", &self.body)
        ])),
        quote!(#[cfg(c)] ::flaxen::__private::bind_child(&self.__slot, &mut self.body, "body");),
        quote!(#[cfg(d)] setup.field(&self.r#final, "final", || -> ::flaxen::Result<Dense> {
            let value: Dense = Dense::new(3);
            ::core::result::Result::Ok(value)
        });),
        quote!(#[cfg(d)] visit(&mut self.r#final);),
        quote!(
            const NAME: &'static ::core::primitive::str = "Loop";
        ),
        // The type of a field that is configured out need not exist.
        quote!(where T: ::core::clone::Clone + ::core::fmt::Debug + ::core::cmp::PartialEq),
    ] {
        assert_has(&expansion, part);
    }
}

/// What the closure of the one setup field does.
fn setup_of(expr: TokenStream) -> String {
    let expansion = expand(quote!(
        struct Foo {
            #[setup(#expr)]
            field: T,
        }
    ))
    .to_string();
    let body = expansion.split("|| -> :: flaxen :: Result < T > { ").nth(1).unwrap();
    body.split(" }) ;").next().unwrap().to_owned()
}

#[test]
fn a_setup_expression_that_is_a_result_needs_no_question_mark() {
    // Printed once by the parser, as it spaces tokens differently.
    let printed = |expr| syn::parse2::<syn::Expr>(expr).unwrap().to_token_stream();
    for fallible in [
        quote!(self.param("bias", init::zeros(), &[3])),
        quote!((self.variable("stats", "mean", || Tensor::zeros(shape(self.n)?)))),
        quote!(self.make_rng("noise")),
    ] {
        assert_eq!(setup_of(fallible.clone()), printed(fallible).to_string());
    }
    for value in [
        quote!(Dense::new(self.n)),
        quote!(self.param("bias", init::zeros(), &[3])?),
        quote!(self.dense.param("bias")),
        quote!(param("bias")),
        quote!((0..self.n).map(|_| Leaf::new(2.0)).collect()),
    ] {
        let expected = printed(value.clone());
        assert_eq!(
            setup_of(value),
            quote!(let value: T = #expected; ::core::result::Result::Ok(value)).to_string()
        );
    }
}

#[test]
fn a_module_without_parameters_and_setup_fields_derives_what_the_compiler_can() {
    for (item, is_derived) in [
        (
            quote!(
                struct Foo;
            ),
            true,
        ),
        (
            quote!(
                struct Foo<const N: usize> {
                    #[cfg(a)]
                    n: [u8; N],
                    #[submodule]
                    inner: Dense,
                }
            ),
            true,
        ),
        (
            quote!(
                struct Foo<T> {
                    n: Vec<T>,
                }
            ),
            false,
        ),
        (
            quote!(
                struct Foo {
                    #[setup(Dense::new(3))]
                    head: Dense,
                }
            ),
            false,
        ),
        (
            quote!(
                struct Foo {
                    #[deprecated]
                    n: usize,
                }
            ),
            false,
        ),
    ] {
        let expansion = packed(expand(item));
        let derive = packed(quote!(#[derive(::core::clone::Clone)]));
        assert_eq!(expansion.starts_with(&derive), is_derived, "{expansion}");
        assert_eq!(expansion.contains("fnclone(&self)"), !is_derived, "{expansion}");
    }
}

#[test]
fn new_says_what_it_asks_for() {
    for (fields, doc) in [
        (quote!(n: usize), "Creates a `Foo` from its required fields."),
        (quote!(#[module(default)] n: usize), "Creates a `Foo`; every field has a default."),
        (quote!(#[setup(3)] n: usize), "Creates a `Foo`."),
    ] {
        assert_has(&packed(expand(quote!(struct Foo { #fields }))), quote!(#[doc = #doc]));
    }
}
