//! What is generated for compact methods, and what is said of mistakes.

use proc_macro2::TokenStream;
use quote::quote;

use super::attribute;
use crate::testing::{messages, prefixes, text};

fn expand(item: TokenStream) -> TokenStream {
    attribute(TokenStream::new(), item)
}

fn assert_expands(args: TokenStream, item: TokenStream, expected: TokenStream) {
    assert_eq!(text(attribute(args, item)), text(expected));
}

/// The body that the closure gets.
fn body(body: TokenStream) -> String {
    let expansion = expand(quote!(fn call(&self) -> Result<Tensor> { #body })).to_string();
    let closure = expansion.split("move || -> Result < Tensor > ").nth(1).expect("a closure");
    closure.strip_suffix(") }").expect("the end of the method").to_owned()
}

#[track_caller]
fn assert_binds(before: TokenStream, after: TokenStream) {
    let after: syn::Block = syn::parse2(quote!({ #after })).unwrap();
    assert_eq!(body(before), quote!(#after).to_string());
}

/// The receiver of a call as a child, if its type says that it is a module.
fn child(built: TokenStream) -> TokenStream {
    quote!(match #built { built => ::flaxen::__private::Built(&built).__child_binder()(self, built) })
}

#[track_caller]
fn assert_left_alone(tokens: TokenStream) {
    assert_eq!(body(tokens.clone()), quote!({ #tokens }).to_string());
}

#[test]
fn the_body_becomes_a_closure_and_named_parameters_are_observed() {
    assert_expands(
        quote!(),
        quote! {
            /// Calls it.
            #[inline]
            pub fn call<T: Into<f32>>(
                &self,
                mut x: Tensor,
                #[cfg(a)] r#type: T,
                (y, _): (Tensor, f32),
                f: impl Fn()
            ) -> Result<(Tensor, T)> {
                x += y;
                Ok((x, r#type))
            }
        },
        quote! {
            /// Calls it.
            #[inline]
            pub fn call<T: Into<f32>>(
                &self,
                mut x: Tensor,
                #[cfg(a)] r#type: T,
                (y, _): (Tensor, f32),
                f: impl Fn()
            ) -> Result<(Tensor, T)> {
                use ::flaxen::__private::autoref::*;
                let mut __call = ::flaxen::__private::Call::enter(self, "call");
                if __call.is_observed() {
                    __call.input("x", (&&&::flaxen::__private::Autoref(&x)).__observe());
                    #[cfg(a)]
                    __call.input("type", (&&&::flaxen::__private::Autoref(&r#type)).__observe());
                    __call.input("f", (&&&::flaxen::__private::Autoref(&f)).__observe());
                }
                __call.run(
                    &(&::flaxen::__private::AutorefReturn::<Result<(Tensor, T)> >::NEW).__output(),
                    move || -> Result<(Tensor, T)> {
                        x += y;
                        Ok((x, r#type))
                    }
                )
            }
        },
    );
}

#[test]
fn options_say_where_flaxen_is_and_that_the_method_is_a_scope() {
    assert_expands(
        quote!(name_scope, crate = crate::core),
        quote! {
            fn encode(self: &Self) -> crate::core::Result<impl Fn(f32) -> f32> { Dense::new(3).call(x) }
        },
        quote! {
            fn encode(self: &Self) -> crate::core::Result<impl Fn(f32) -> f32> {
                use crate::core::__private::autoref::*;
                let __call = crate::core::__private::Call::enter_scope(self, "encode");
                __call.run(&crate::core::__private::Output::opaque(), move || {
                    match Dense::new(3) { built => crate::core::__private::Built(&built).__child_binder()(self, built) }
                        .call(x)
                })
            }
        },
    );
}

#[test]
fn what_is_called_where_it_is_built_becomes_a_child() {
    for built in [
        quote!(Conv::new(32, [3, 3]).strides([2, 2]).kernel_init(init::lecun_normal())),
        quote!(Foo::<3>::default()),
        quote!(Self::new(1)),
        quote!(<Dense>::new(3)),
        quote!(r#loop::new(3)),
        quote!(resnet18(3)),
        quote!(Dense::parse(text)?),
        quote!(self.block(3)),
        quote!((self.make)(3)),
        quote!(if a { Dense::new(3) } else { Dense::new(4) }),
        quote!(sequential![Dense::new(3), Tensor::relu]),
    ] {
        let after = child(built.clone());
        assert_binds(quote!(let y = #built.call(x)?; y), quote!(let y = #after.call(x)?; y));
        assert_binds(quote!(let y = || (#built).call(x); y), quote!(let y = || #after.call(x); y));
        assert_binds(
            quote!(let y = async { (&#built).call(x) }; y),
            quote!(let y = async { (&#after).call(x) }; y),
        );
    }
}

#[test]
fn a_block_is_not_matched_upon() {
    let after = child(quote!(Dense::new(3)));
    assert_binds(quote!(let y = { Dense::new(3) }.call(x)?; y), quote!(let y = #after.call(x)?; y));
    let block = quote!({
        let features = 3;
        Dense::new(features)
    });
    let after = child(quote!(::core::convert::identity(#block)));
    assert_binds(quote!(let y = #block.call(x)?; y), quote!(let y = #after.call(x)?; y));
}

#[test]
fn what_a_macro_answers_with_may_be_a_place() {
    assert_binds(
        quote!(let y = layer!(self, 3).call(x); y),
        quote!(
            let y = match &layer!(self, 3) { built => ::flaxen::__private::Built(built).__bind_child(self) }.call(x);
            y
        ),
    );
}

#[test]
fn calls_in_arguments_of_calls_are_bound_from_the_inside() {
    let (c, d) = (child(quote!(C::new(2))), child(quote!(D::new(3))));
    let a = child(quote!(A::new(B::new(1)).with(#c.call(x)?)));
    let y = child(quote!(#a.call(&#d.call(x)?)?));
    assert_binds(
        quote!(A::new(B::new(1)).with(C::new(2).call(x)?).call(&D::new(3).call(x)?)?.call(y)),
        quote!(#y.call(y)),
    );
}

#[test]
fn every_expression_in_the_arguments_of_a_macro_is_rewritten() {
    let dense = child(quote!(Dense::new(3)));
    assert_binds(
        quote! {
            println!("{} {y}", Dense::new(3).call(x)?, y = 1);
            let a = vec![Dense::new(3).call(x)?; 2];
            let b = vec![vec![Dense::new(3).call(x)?],];
            let c = matches!(Dense::new(3).call(x), Ok(ref y) | Err(Some(y)) if y == Dense::new(3).call(x)?);
            select! { y: u8 = Dense::new(3).call(x)? => { let 1..=3 = Dense::new(3).call(x)?; } a @ ref b => 3 }
            c
        },
        quote! {
            println!("{} {y}", #dense.call(x)?, y = 1);
            let a = vec![#dense.call(x)?; 2];
            let b = vec![vec![#dense.call(x)?],];
            let c = matches!(#dense.call(x), Ok(ref y) | Err(Some(y)) if y == #dense.call(x)?);
            select! { y: u8 = #dense.call(x)? => { let 1..=3 = #dense.call(x)?; } a @ ref b => 3 }
            c
        },
    );
}

#[test]
fn what_is_not_built_on_the_spot_is_left_alone() {
    for tokens in [
        quote!(self.dense.call(x)),
        quote!((*self.layers[0]).call(x)),
        quote!(self.child(Dense::new(3)).call(x)),
        quote!(flaxen::Module::child(self, Dense::new(3)).call(x)),
        quote!(self.child_named("head", Dense::new(3)).call(x)),
        quote!(Dense::new(3).encode(x)),
        quote!(DENSE.call(x)),
        quote!([0; Size::new().call()]),
        quote!(foo::<{ Size::new().call() }>()),
        quote!(stringify!(Dense::new(3).call(x))),
        quote!(thread_local! { static N: u32 = Foo::new().call(1); }),
        quote!(items! { const N: u32 = Foo::new().call(1); }),
        quote!(items! { fn free() { Dense::new(3).call(x) } impl A { fn b() { Dense::new(3).call(x) } } }),
        quote!(
            fn free(x: &Tensor) -> Result<Tensor> {
                Dense::new(3).call(x)
            }
            impl Other {
                fn other(&self) -> Result<Tensor> {
                    Dense::new(3).call(x)
                }
            }
            free(x)
        ),
    ] {
        assert_left_alone(tokens);
    }
}

#[test]
fn a_body_that_does_not_parse_passes_through_untouched() {
    assert_left_alone(quote!(
        let y = Dense::new(3).call(x)?;
        let z = self.child(Dense::new(self.n)).
    ));
}

#[test]
fn all_mistakes_of_a_method_are_reported_at_once() {
    let expansion = attribute(
        quote!(crate = "x", scope, name_scope = 3, name_scope, crate = a, crate = b),
        quote! {
            #[compact]
            const async unsafe fn call(x: &Tensor);
        },
    );
    let expected = [
        "expected a path, not a string: `crate = my::path`",
        "unknown option `scope`; a compact method takes `name_scope` and `crate = path`",
        "`name_scope` takes no value",
        "`name_scope` is given twice",
        "`crate` is given twice",
        "`#[compact]` is given twice",
        "a compact method cannot be `const`: its body runs as a closure",
        "a compact method cannot be `async`: its body runs as a closure",
        "a compact method cannot be `unsafe`: its body runs as a closure",
        "`#[compact]` needs a method: add `&self`",
        "`#[compact]` needs a return type: `-> Result<Tensor>`",
        "`#[compact]` goes on a method with a body: put it where the method is implemented",
    ];
    assert_eq!(messages(expansion), expected);
}

#[test]
fn a_module_is_not_changed_by_a_call() {
    for receiver in
        [quote!(&mut self), quote!(self), quote!(mut self), quote!(self: &mut Self), quote!(self: Box<Self>)]
    {
        let expansion = expand(quote!(fn call(#receiver) -> Result<()> { Ok(()) }));
        let expected = ["a compact method takes `&self`: a call changes variables, never the module"];
        assert_eq!(messages(expansion), expected);
    }
}

#[test]
fn a_compact_method_returns_a_result() {
    for ret in
        [quote!(Tensor), quote!(flaxen::Tensor), quote!((Tensor, Tensor)), quote!(&Tensor), quote!(impl Fn())]
    {
        let expansion = expand(quote!(fn call(&self) -> #ret { self.x() }));
        assert_eq!(
            messages(expansion),
            ["`#[compact]` needs a `Result` as return type: `-> Result<Tensor>`"]
        );
    }
    for ret in [quote!(Result<Tensor>), quote!(flaxen::Result<()>), quote!(Outcome), quote!(Self::Output)] {
        assert!(messages(expand(quote!(fn call(&self) -> #ret { self.x() }))).is_empty());
    }
}

#[test]
fn what_is_no_function_is_refused() {
    for item in [
        quote!(
            struct Foo;
        ),
        quote!(impl Foo {}),
        quote!(
            const N: usize = 1;
        ),
        quote!(
            pub use a::b;
        ),
    ] {
        let expected =
            ["`#[compact]` goes on a method of a module: `fn call(&self, x: &Tensor) -> Result<Tensor>`"];
        assert_eq!(messages(expand(item)), expected);
    }
}

#[test]
fn beside_an_error_the_users_method_stands_first() {
    let expansion = expand(quote!(
        #[compact]
        #[inline]
        fn call(&self) {
            Dense::new(3).call(x);
        }
    ))
    .to_string();
    let item = quote!(
        #[inline]
        fn call(&self) {
            Dense::new(3).call(x);
        }
    )
    .to_string();
    assert!(expansion.starts_with(&item), "{expansion}");
}

#[test]
fn half_typed_methods_never_panic() {
    let items = [
        quote! {
            /// Calls it.
            #[inline]
            pub(crate) unsafe extern "C" fn call<'a, T: Fn(u8) -> u8, const N: usize>(
                self: &'a Self, #[cfg(a)] mut x: &Tensor, (y, [z, ..]): (T, [f32; N])
            ) -> Result<impl Iterator<Item = T> + 'a> where T: Clone {
                let x = Conv::new(32, [3, 3]).strides([2, 2]).call(x)?.relu();
                println!("{}", Dense::new(3).call(&vec![x; 2])?);
                let b = matches!(Dense::new(3).call(&x), Ok(ref y @ 1..) if y.call() && fn f() {});
                Ok(x)
            }
        },
        quote!(
            pub const N: usize = 3;
        ),
        quote!(unsafe impl Foo { fn call(&self); }),
    ];
    for prefix in items.into_iter().flat_map(prefixes) {
        expand(prefix);
    }
    for args in prefixes(quote!(crate = a::b, name_scope, name = "x")) {
        attribute(
            args,
            quote!(
                fn call(&self) -> u8 {
                    1
                }
            ),
        );
    }
}

#[test]
fn what_a_let_or_a_loop_holds_is_bound_where_it_is_built() {
    let dense = quote!(Dense::new(4).use_bias(false));
    let bound = child(dense.clone());
    assert_binds(quote!(let d = #dense; d.call(x)), quote!(let d = #bound; d.call(x)));
    assert_binds(
        quote!(let d = if a { #dense } else { b(); #dense }; 1),
        quote!(let d = if a { #bound } else { b(); #bound }; 1),
    );
    assert_binds(
        quote!(let d = match a { 1 => #dense, _ => #dense }; 1),
        quote!(let d = match a { 1 => #bound, _ => #bound }; 1),
    );
    assert_binds(quote!(let d = [#dense, #dense]; 1), quote!(let d = [#bound, #bound]; 1));
    assert_binds(quote!(for d in vec![#dense, #dense] {}), quote!(for d in vec![#bound, #bound] {}));
    assert_binds(
        quote!(let all: Vec<_> = (0..2).map(|_| #dense).collect(); 1),
        quote!(let all: Vec<_> = (0..2).map(|_| #bound).collect(); 1),
    );
    let helped = child(quote!(self.block(3)));
    assert_binds(quote!(let b = self.block(3); 1), quote!(let b = #helped; 1));
    let helped = child(quote!(block(3)?));
    assert_binds(quote!(let b = block(3)?; 1), quote!(let b = #helped; 1));
}

#[test]
fn what_has_another_name_or_no_type_of_its_own_is_left_alone() {
    for tokens in [
        quote!(let d = Dense::new(4); self.child_named("d", d)),
        quote!(let mut d = Dense::new(4); d = d.use_bias(false); 1),
        quote!(let w = self.param("w", init); 1),
        quote!(let n = text.parse(); let all = list.iter().collect(); 1),
        quote!(let x = Default::default(); let y = Some(a(1)); 1),
        quote!(let f = |n| Dense::new(n); self.child_named("f", f(3))),
        quote!(let rnn = self.child_named("r", Rnn::new(LstmCell::new(4))); 1),
    ] {
        assert_left_alone(tokens);
    }
}
