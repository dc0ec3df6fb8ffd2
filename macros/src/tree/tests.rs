use proc_macro2::TokenStream;
use quote::quote;

use super::derive;
use crate::testing::{messages, prefixes, text};

fn assert_expands(input: TokenStream, expected: TokenStream) {
    assert_eq!(text(derive(input)), text(expected));
}

#[test]
fn named_fields_are_walked_and_built_in_order_with_their_names() {
    assert_expands(
        quote! {
            struct Adam<M> {
                count: Tensor,
                mu: M,
                #[tree(static)]
                beta: f32,
            }
        },
        quote! {
            #[automatically_derived]
            impl<M> ::flaxen::tree::Tree for Adam<M> where M: ::flaxen::tree::Tree {
                fn walk<'__a>(&'__a self, visit: &mut dyn ::core::ops::FnMut(::flaxen::tree::Token<'__a>)) {
                    visit(::flaxen::tree::Token::Node(::flaxen::tree::NodeKind::Struct("Adam"), 3usize));
                    visit(::flaxen::tree::Token::Key("count"));
                    <Tensor as ::flaxen::tree::Tree>::walk(&self.count, visit);
                    visit(::flaxen::tree::Token::Key("mu"));
                    <M as ::flaxen::tree::Tree>::walk(&self.mu, visit);
                    visit(::flaxen::tree::Token::Key("beta"));
                    visit(::flaxen::tree::Token::Static(&self.beta));
                }
                fn into_leaves(self, leaves: &mut ::std::vec::Vec<::flaxen::Tensor>) {
                    <Tensor as ::flaxen::tree::Tree>::into_leaves(self.count, leaves);
                    <M as ::flaxen::tree::Tree>::into_leaves(self.mu, leaves);
                }
                fn donate(self, donation: &mut ::flaxen::tree::Donation) {
                    <Tensor as ::flaxen::tree::Tree>::donate(self.count, donation);
                    <M as ::flaxen::tree::Tree>::donate(self.mu, donation);
                }
                fn build(from: &mut ::flaxen::tree::Builder<'_>) -> ::flaxen::Result<Self> {
                    from.expect(::flaxen::tree::NodeKind::Struct("Adam"), 3usize)?;
                    ::core::result::Result::Ok(Self {
                        count: { from.key()?; <Tensor as ::flaxen::tree::Tree>::build(from)? },
                        mu: { from.key()?; <M as ::flaxen::tree::Tree>::build(from)? },
                        beta: { from.key()?; from.fixed::<f32>()? }
                    })
                }
            }
        },
    );
}

#[test]
fn tuple_fields_have_no_keys() {
    assert_expands(
        quote!(
            struct Scaled(Tensor, #[tree(static)] f32);
        ),
        quote! {
            #[automatically_derived]
            impl ::flaxen::tree::Tree for Scaled {
                fn walk<'__a>(&'__a self, visit: &mut dyn ::core::ops::FnMut(::flaxen::tree::Token<'__a>)) {
                    visit(::flaxen::tree::Token::Node(::flaxen::tree::NodeKind::Struct("Scaled"), 2usize));
                    <Tensor as ::flaxen::tree::Tree>::walk(&self.0, visit);
                    visit(::flaxen::tree::Token::Static(&self.1));
                }
                fn into_leaves(self, leaves: &mut ::std::vec::Vec<::flaxen::Tensor>) {
                    <Tensor as ::flaxen::tree::Tree>::into_leaves(self.0, leaves);
                }
                fn donate(self, donation: &mut ::flaxen::tree::Donation) {
                    <Tensor as ::flaxen::tree::Tree>::donate(self.0, donation);
                }
                fn build(from: &mut ::flaxen::tree::Builder<'_>) -> ::flaxen::Result<Self> {
                    from.expect(::flaxen::tree::NodeKind::Struct("Scaled"), 2usize)?;
                    ::core::result::Result::Ok(Self { 0: <Tensor as ::flaxen::tree::Tree>::build(from)?, 1: from.fixed::<f32>()? })
                }
            }
        },
    );
}

#[test]
fn a_unit_struct_is_a_node_without_children_at_the_given_crate() {
    assert_expands(
        quote!(
            #[tree(crate = crate::core)]
            struct Nothing;
        ),
        quote! {
            #[automatically_derived]
            impl crate::core::tree::Tree for Nothing {
                fn walk<'__a>(&'__a self, visit: &mut dyn ::core::ops::FnMut(crate::core::tree::Token<'__a>)) {
                    visit(crate::core::tree::Token::Node(crate::core::tree::NodeKind::Struct("Nothing"), 0usize));
                }
                fn into_leaves(self, leaves: &mut ::std::vec::Vec<crate::core::Tensor>) {
                    let _ = leaves;
                }
                fn build(from: &mut crate::core::tree::Builder<'_>) -> crate::core::Result<Self> {
                    from.expect(crate::core::tree::NodeKind::Struct("Nothing"), 0usize)?;
                    ::core::result::Result::Ok(Self {})
                }
            }
        },
    );
}

/// The `where` clause of the implementation.
fn bounds(input: TokenStream) -> String {
    let mut file: syn::File = syn::parse2(derive(input)).unwrap();
    let Some(syn::Item::Impl(item)) = file.items.pop() else { panic!("no implementation") };
    let clause = item.generics.where_clause;
    clause.map(|clause| quote!(#clause).to_string()).unwrap_or_default()
}

#[test]
fn only_field_types_that_mention_a_parameter_are_bounds() {
    let found = bounds(quote! {
        struct Mixed<T: Copy, U, const N: usize> where U: Default {
            plain: Tensor,
            array: [Tensor; N],
            first: Vec<T>,
            again: Vec<T>,
            pair: (T, Option<U>),
        }
    });
    let expected = quote! {
        where U: Default, Vec<T>: ::flaxen::tree::Tree, (T, Option<U>): ::flaxen::tree::Tree
    };
    assert_eq!(found, expected.to_string());
}

#[test]
fn a_static_field_asks_for_what_a_static_needs() {
    let found = bounds(quote! {
        struct Tagged<C> { value: Tensor, #[tree(static)] config: C }
    });
    let expected = quote! {
        where C: ::core::cmp::PartialEq + ::core::clone::Clone + ::core::fmt::Debug
            + ::core::marker::Send + ::core::marker::Sync + 'static
    };
    assert_eq!(found, expected.to_string());
}

#[test]
fn a_type_that_contains_itself_bounds_its_parameters_instead() {
    let found = bounds(quote! {
        struct Node<T> { value: T, children: Vec<Node<T>> }
    });
    assert_eq!(found, quote!(where T: ::flaxen::tree::Tree).to_string());
}

#[test]
fn raw_identifiers_are_keys_without_their_prefix() {
    let expansion = text(derive(quote!(
        struct r#Loop {
            r#type: Tensor,
        }
    )));
    assert!(expansion.contains(r#"NodeKind :: Struct ("Loop") , 1usize)"#), "{expansion}");
    assert!(expansion.contains(r#"Key ("type")"#), "{expansion}");
    assert!(expansion.contains("& self . r#type"), "{expansion}");
}

#[test]
fn enums_and_unions_are_refused() {
    let text = |what: &str| {
        let advice = format!("implement it by hand, or put the {what} in a `#[tree(static)]` field");
        vec![format!("`Tree` can be derived for a struct only; {advice}")]
    };
    assert_eq!(
        messages(derive(quote!(
            enum Either {
                Left(Tensor),
                Right,
            }
        ))),
        text("enum")
    );
    assert_eq!(messages(derive(quote!(union Bits { a: u32, b: f32 }))), text("union"));
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let expansion = derive(quote! {
        #[tree(static, crate = "flaxen", rename = "Foo")]
        #[tree(crate = a::b)]
        #[tree(crate = c)]
        struct Wrong<'x> {
            #[tree(statik(1, 2), skip)]
            a: &'x Tensor,
            #[tree(static, static)]
            b: f32,
            #[tree(static = true)]
            c: f32,
            #[tree(crate = flaxen)]
            d: f32,
        }
    });
    let expected = [
        "a tree owns its tensors: a struct with a lifetime cannot be one",
        "`static` belongs on a field",
        "expected a path, not a string: `crate = my::path`",
        "unknown option `rename`; a struct takes `crate = path`",
        "`crate` is given twice",
        "unknown option `statik`; a field takes `static`",
        "unknown option `skip`; a field takes `static`",
        "`static` is given twice",
        "`static` takes no value",
        "`crate` belongs on the struct",
    ];
    assert_eq!(messages(expansion), expected);
}

#[test]
fn a_mistake_leaves_an_implementation_behind() {
    let expansion = text(derive(quote!(
        enum Either<T>
        where
            T: Copy,
        {
            Left(T),
        }
    )));
    assert!(
        expansion.contains("impl < T > :: flaxen :: tree :: Tree for Either < T > where T : Copy"),
        "{expansion}"
    );
}

#[test]
fn options_that_do_not_parse_are_one_mistake_each() {
    for attribute in
        [quote!(#[tree]), quote!(#[tree = "static"]), quote!(#[tree("static")]), quote!(#[tree(,)])]
    {
        let expansion = derive(quote!(struct Wrong { #attribute field: Tensor }));
        assert_eq!(messages(expansion).len(), 1, "{attribute}");
    }
}

#[test]
fn half_typed_types_never_panic() {
    let items = [
        quote! {
            #[derive(Tree)]
            #[tree(crate = a::b)]
            pub struct Adam<'a, M: Clone = Tensor, const N: usize = 1> where M: Default {
                #[doc = "Steps."]
                pub count: [Tensor; N],
                #[tree(static)]
                pub(crate) beta: <M as Iterator>::Item,
            }
        },
        quote!(
            pub struct Pair<T>(#[tree(static = 1, other(2))] T, &'static str)
            where
                T: Copy;
        ),
        quote!(
            enum Either {
                A {
                    #[tree(static)]
                    x: u8,
                } = 1,
                B,
            }
        ),
        quote!(#[tree(static, crate = "x")] union Bits { a: u32, b: f32 }),
    ];
    for prefix in items.into_iter().flat_map(prefixes) {
        derive(prefix);
    }
}
