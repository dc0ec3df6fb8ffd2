//! What becomes of the user's own attributes.

use quote::quote;

use super::{assert_expands, assert_has, expand, packed};
use crate::testing::text;

#[test]
fn serde_skips_what_is_no_configuration() {
    let expansion = packed(expand(quote! {
        #[derive(Eq, serde::Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Foo {
            #[serde(default)]
            n: usize,
            #[setup(Dense::new(self.n))]
            head: Dense,
            #[serde(skip)]
            #[setup(Dense::new(self.n))]
            tail: Dense,
        }
    }));
    assert_has(
        &expansion,
        quote! {
            #[derive(Eq, serde::Serialize, Deserialize)]
            #[serde(rename_all = "camelCase")]
            #[must_use]
            struct Foo {
                #[serde(default)]
                n: usize,
                #[serde(skip)]
                head: ::flaxen::__private::Setup<Dense>,
                #[serde(skip)]
                tail: ::flaxen::__private::Setup<Dense>,
                #[doc(hidden)]
                #[serde(skip)]
                pub __slot: ::flaxen::__private::Slot
            }
        },
    );
}

#[test]
fn a_deprecated_field_has_a_deprecated_setter_and_no_warnings_of_what_is_generated() {
    let expansion = packed(expand(quote! {
        struct Foo { #[deprecated] #[module(default)] seed: usize }
    }));
    assert_has(
        &expansion,
        quote!(#[deprecated] #[doc = "Sets `seed`."] #[inline] fn seed(mut self, seed: usize)),
    );
    assert_eq!(expansion.matches("#[allow(deprecated)]impl").count(), 5);
}

#[test]
fn conditional_attributes_are_for_the_compiler_to_choose() {
    let item = quote! {
        #[cfg_attr(a, derive(Serialize))]
        struct Foo {
            #[cfg_attr(any(b, c), module(default = 3), doc = "Many.")]
            n: usize,
        }
    };
    assert_expands(
        quote!(name = "Bar", crate = crate::core),
        item,
        quote! {
            #[cfg(a)]
            #[crate::core::__private::module(name = "Bar", crate = crate::core)]
            #[derive(Serialize)]
            struct Foo {
                #[cfg_attr(any(b, c), module(default = 3), doc = "Many.")]
                n: usize,
            }
            #[cfg(not(a))]
            #[crate::core::__private::module(name = "Bar", crate = crate::core)]
            struct Foo {
                #[cfg_attr(any(b, c), module(default = 3), doc = "Many.")]
                n: usize,
            }
        },
    );
    let rest = expand(quote! {
        struct Foo {
            #[cfg_attr(any(b, c), module(default = 3), doc = "Many.")]
            n: usize,
            #[cfg_attr(any(b, c), setup(4))]
            m: usize,
        }
    });
    let expected = quote! {
        #[cfg(any(b, c))]
        #[::flaxen::__private::module()]
        struct Foo {
            #[module(default = 3)]
            #[doc = "Many."]
            n: usize,
            #[setup(4)]
            m: usize,
        }
        #[cfg(not(any(b, c)))]
        #[::flaxen::__private::module()]
        struct Foo {
            n: usize,
            m: usize,
        }
    };
    assert_eq!(text(rest), text(expected));
    // What does not parse is the compiler's to report.
    let malformed = packed(expand(quote!(
        struct Foo {
            #[cfg_attr(a b, = c)]
            n: usize,
        }
    )));
    assert_has(&malformed, quote!(impl ::flaxen::Module for Foo));
}

#[test]
fn what_the_user_allows_is_allowed_where_it_is_repeated() {
    let expansion = packed(expand(quote! {
        #[expect(missing_docs)]
        struct Foo { #[allow(deprecated, reason = "old")] n: Old }
    }));
    assert_eq!(expansion.matches("#[allow(missing_docs)]#[allow(deprecated,reason=\"old\")]").count(), 4);
}

#[test]
fn a_struct_that_must_be_used_is_told_so_once() {
    for item in [
        quote!(
            struct Foo;
        ),
        quote!(
            #[must_use]
            struct Foo;
        ),
        quote!(
            #[must_use = "it"]
            struct Foo;
        ),
    ] {
        assert_eq!(packed(expand(item)).matches("must_use").count(), 1);
    }
}
