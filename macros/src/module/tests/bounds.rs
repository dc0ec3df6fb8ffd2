//! The bounds of what is generated.

use proc_macro2::TokenStream;
use quote::quote;

use super::expand;

/// The bounds of the implementation of `Module`.
fn bounds(item: TokenStream) -> String {
    let mut file: syn::File = syn::parse2(expand(item)).unwrap();
    let Some(syn::Item::Impl(item)) = file.items.pop() else { panic!("no implementation") };
    item.generics.where_clause.map(|clause| quote!(#clause).to_string()).unwrap_or_default()
}

#[test]
fn only_field_types_that_mention_a_parameter_are_bounds() {
    let value = quote!(
        ::core::clone::Clone
            + ::core::fmt::Debug
            + ::core::cmp::PartialEq
            + ::core::marker::Send
            + ::core::marker::Sync
            + 'static
    );
    let expected = quote! {
        where
            U: Default,
            Vec<T>: #value,
            Option<U>: ::flaxen::__private::Child + #value,
            Wrap<U>: ::flaxen::__private::Child + ::core::clone::Clone + ::core::fmt::Debug
                + ::core::marker::Send + ::core::marker::Sync + 'static
    };
    let found = bounds(quote! {
        struct Mixed<T: Copy, U, const N: usize> where U: Default {
            plain: usize,
            array: [f32; N],
            first: Vec<T>,
            #[module(default)]
            again: Vec<T>,
            #[submodule]
            inner: Option<U>,
            #[submodule]
            fixed: Dense,
            #[setup(Wrap::new(self.inner.clone()))]
            wrap: Wrap<U>,
        }
    });
    assert_eq!(found, expected.to_string());
}

#[test]
fn a_module_that_contains_itself_bounds_its_parameters_instead() {
    let found = bounds(quote! {
        struct Node<T> { value: T, #[submodule] children: Vec<Node<T>> }
    });
    let expected = quote! {
        where T: ::core::clone::Clone + ::core::fmt::Debug + ::core::cmp::PartialEq
            + ::core::marker::Send + ::core::marker::Sync + 'static
    };
    assert_eq!(found, expected.to_string());
}
