//! Programs that use the derive, on a stand-in for the runtime, which also tests `crate = path`.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::marker::PhantomData;

use flaxen_macros::Tree;
use runtime::Tensor;
use runtime::tree::{rebuilt, tokens};

/// The part of Flaxen that the expansion names.
mod runtime {
    #[derive(Clone, Debug, PartialEq)]
    pub struct Tensor(pub i32);

    pub type Result<T> = std::result::Result<T, String>;

    pub mod tree {
        use std::any::Any;
        use std::collections::BTreeMap;
        use std::fmt::Debug;
        use std::vec::IntoIter;

        use super::{Result, Tensor};

        pub trait Tree: Sized {
            fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>));
            fn into_leaves(self, leaves: &mut Vec<Tensor>);
            fn build(from: &mut Builder<'_>) -> Result<Self>;

            fn donate(self, donation: &mut Donation) {
                self.into_leaves(&mut donation.0);
            }
        }

        #[derive(Default)]
        pub struct Donation(Vec<Tensor>);

        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum NodeKind {
            Map(&'static str),
            Struct(&'static str),
        }

        pub enum Token<'a> {
            Leaf(&'a Tensor),
            Node(NodeKind, usize),
            Key(&'a str),
            Static(&'a dyn Static),
        }

        pub trait Static: Any + Debug {
            fn boxed(&self) -> Box<dyn Any>;
        }

        impl<T: PartialEq + Clone + Debug + Send + Sync + 'static> Static for T {
            fn boxed(&self) -> Box<dyn Any> {
                Box::new(self.clone())
            }
        }

        enum Part {
            Leaf,
            Node(NodeKind, usize),
            Key(String),
            Static(Box<dyn Any>),
        }

        pub struct Builder<'a> {
            parts: IntoIter<Part>,
            leaves: &'a mut dyn Iterator<Item = Tensor>,
        }

        impl Builder<'_> {
            pub fn leaf(&mut self) -> Result<Tensor> {
                let Some(Part::Leaf) = self.parts.next() else { return Err("not a leaf".to_owned()) };
                self.leaves.next().ok_or_else(|| "too few leaves".to_owned())
            }

            pub fn node(&mut self) -> Result<(NodeKind, usize)> {
                let Some(Part::Node(kind, count)) = self.parts.next() else {
                    return Err("not a node".to_owned());
                };
                Ok((kind, count))
            }

            pub fn expect(&mut self, kind: NodeKind, count: usize) -> Result<()> {
                if self.node()? == (kind, count) { Ok(()) } else { Err(format!("not {kind:?}/{count}")) }
            }

            pub fn key(&mut self) -> Result<String> {
                let Some(Part::Key(key)) = self.parts.next() else { return Err("not a key".to_owned()) };
                Ok(key)
            }

            pub fn fixed<T: Static + Clone>(&mut self) -> Result<T> {
                let Some(Part::Static(value)) = self.parts.next() else {
                    return Err("not a static".to_owned());
                };
                value.downcast_ref::<T>().cloned().ok_or_else(|| "another type".to_owned())
            }
        }

        /// What `walk` says, a word a token.
        pub fn tokens(tree: &impl Tree) -> String {
            let mut words = Vec::new();
            tree.walk(&mut |token| {
                words.push(match token {
                    Token::Leaf(Tensor(value)) => value.to_string(),
                    Token::Node(NodeKind::Map(name) | NodeKind::Struct(name), count) => {
                        format!("{name}/{count}")
                    }
                    Token::Key(key) => format!("{key}:"),
                    Token::Static(value) => format!("={value:?}"),
                });
            });
            words.join(" ")
        }

        /// The same tree with one more in every leaf.
        pub fn rebuilt<T: Tree>(tree: T) -> T {
            let mut parts = Vec::new();
            tree.walk(&mut |token| {
                parts.push(match token {
                    Token::Leaf(_) => Part::Leaf,
                    Token::Node(kind, count) => Part::Node(kind, count),
                    Token::Key(key) => Part::Key(key.to_owned()),
                    Token::Static(value) => Part::Static(value.boxed()),
                });
            });
            let mut donation = Donation::default();
            tree.donate(&mut donation);
            let mut leaves = donation.0.into_iter().map(|Tensor(value)| Tensor(value + 1));
            T::build(&mut Builder { parts: parts.into_iter(), leaves: &mut leaves }).unwrap()
        }

        impl Tree for Tensor {
            fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
                visit(Token::Leaf(self));
            }

            fn into_leaves(self, leaves: &mut Vec<Tensor>) {
                leaves.push(self);
            }

            fn build(from: &mut Builder<'_>) -> Result<Tensor> {
                from.leaf()
            }
        }

        impl<T: Tree> Tree for BTreeMap<String, T> {
            fn walk<'a>(&'a self, visit: &mut dyn FnMut(Token<'a>)) {
                visit(Token::Node(NodeKind::Map("map"), self.len()));
                for (key, child) in self {
                    visit(Token::Key(key));
                    child.walk(visit);
                }
            }

            fn into_leaves(self, leaves: &mut Vec<Tensor>) {
                for child in self.into_values() {
                    child.into_leaves(leaves);
                }
            }

            fn build(from: &mut Builder<'_>) -> Result<Self> {
                let (_, count) = from.node()?;
                (0..count).map(|_| Ok((from.key()?, T::build(from)?))).collect()
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Tree)]
#[tree(crate = crate::runtime)]
struct Adam<M> {
    count: Tensor,
    mu: M,
    #[tree(static)]
    beta: f32,
}

#[test]
fn a_struct_is_a_node_of_its_fields_in_order() {
    let adam = Adam { count: Tensor(1), mu: BTreeMap::from([("w".to_owned(), Tensor(2))]), beta: 0.9 };
    assert_eq!(tokens(&adam), "Adam/3 count: 1 mu: map/1 w: 2 beta: =0.9");
    let more = Adam { count: Tensor(2), mu: BTreeMap::from([("w".to_owned(), Tensor(3))]), beta: 0.9 };
    assert_eq!(rebuilt(adam), more);
}

#[test]
fn tuple_and_unit_structs_are_trees() {
    #[derive(Debug, PartialEq, Tree)]
    #[tree(crate = runtime)]
    struct Scaled<T>(T, #[tree(static)] &'static str, Nothing);

    #[derive(Debug, PartialEq, Tree)]
    #[tree(crate = runtime)]
    struct Nothing;

    let scaled = Scaled(Scaled(Tensor(1), "in", Nothing), "out", Nothing);
    assert_eq!(tokens(&scaled), r#"Scaled/3 Scaled/3 1 ="in" Nothing/0 ="out" Nothing/0"#);
    assert_eq!(rebuilt(scaled), Scaled(Scaled(Tensor(2), "in", Nothing), "out", Nothing));
}

#[test]
fn a_type_may_contain_itself() {
    #[derive(Debug, PartialEq, Tree)]
    #[tree(crate = runtime)]
    struct Branch<T> {
        value: T,
        next: BTreeMap<String, Branch<T>>,
    }

    let leaf = |value| Branch { value: Tensor(value), next: BTreeMap::new() };
    let branch = |a, b| Branch { value: Tensor(a), next: BTreeMap::from([("x".to_owned(), leaf(b))]) };
    assert_eq!(tokens(&branch(1, 2)), "Branch/2 value: 1 next: map/1 x: Branch/2 value: 2 next: map/0");
    assert_eq!(rebuilt(branch(1, 2)), branch(2, 3));
}

#[test]
fn static_fields_may_be_generic() {
    #[derive(Debug, PartialEq, Tree)]
    #[tree(crate = runtime)]
    struct Tagged<C, const N: usize> {
        value: Tensor,
        #[tree(static)]
        tags: [C; N],
        #[tree(static)]
        marker: PhantomData<C>,
    }

    let tagged = |value| Tagged { value: Tensor(value), tags: ['a', 'b'], marker: PhantomData };
    assert_eq!(tokens(&tagged(1)), "Tagged/3 value: 1 tags: =['a', 'b'] marker: =PhantomData<char>");
    assert_eq!(rebuilt(tagged(1)), tagged(2));
}

#[test]
fn a_field_of_a_private_type_does_not_leak() {
    mod inner {
        use super::runtime::{self, Tensor};

        #[derive(Debug, PartialEq, flaxen_macros::Tree)]
        #[tree(crate = runtime)]
        struct Private<T>(T);

        #[derive(Debug, PartialEq, flaxen_macros::Tree)]
        #[tree(crate = runtime)]
        pub struct Public<T> {
            field: Private<T>,
        }

        pub fn public(value: i32) -> Public<Tensor> {
            Public { field: Private(Tensor(value)) }
        }
    }

    assert_eq!(rebuilt(inner::public(1)), inner::public(2));
}

mod shadowing {
    //! A program in which the types of the expansion are other types.
    #![allow(dead_code, clippy::unused_self)]

    use super::runtime as elsewhere;

    pub struct Vec;
    pub struct FnMut;
    pub struct Builder;

    #[derive(Debug, PartialEq, flaxen_macros::Tree)]
    #[tree(crate = elsewhere)]
    pub struct Token {
        pub visit: elsewhere::Tensor,
        pub leaves: elsewhere::Tensor,
        pub r#type: elsewhere::Tensor,
        #[tree(static)]
        pub from: u8,
    }

    impl Token {
        fn walk(&self) {}
        fn into_leaves(self) {}
        fn donate(self) {}
        fn build() {}
    }

    macro_rules! tree {
        ($name:ident { $($field:ident: $ty:ty),* }, $static:ty) => {
            #[derive(Debug, PartialEq, flaxen_macros::Tree)]
            #[tree(crate = elsewhere)]
            pub struct $name {
                $(pub $field: $ty,)*
                #[tree(static)]
                pub known: $static,
                #[tree(static)]
                pub flag: bool,
            }
        };
    }

    tree!(Made { a: elsewhere::Tensor, b: Token }, i64);
}

#[test]
fn names_of_the_program_do_not_meet_names_of_the_expansion() {
    let token = |value| shadowing::Token {
        visit: Tensor(value),
        leaves: Tensor(value + 1),
        r#type: Tensor(value + 2),
        from: 7,
    };
    assert_eq!(tokens(&token(1)), "Token/4 visit: 1 leaves: 2 type: 3 from: =7");
    let made = |value| shadowing::Made { a: Tensor(value), b: token(value), known: -1, flag: true };
    assert_eq!(rebuilt(made(1)), made(2));
}
