//! Dicts, variables and values as text.
//!
//! One printer for all of them, and for every tree that can be in them: it prints what a walk visits.

use std::fmt::{self, Write};

use super::{Boxed, Dict, Value, Variables};
use crate::core::Tensor;
use crate::tree::{Fixed, NodeKind, Token, Tree};

/// The values of larger tensors are not printed.
const FEW: usize = 8;
const INDENT: usize = 4;

/// A tree, put together from its tokens.
enum PrintNode<'a> {
    Leaf(&'a Tensor),
    Fixed(&'a dyn Fixed),
    Branch(PrintBranch<'a>),
    /// What is too deep to be shown.
    Elided,
}

struct PrintBranch<'a> {
    kind: NodeKind,
    children: Vec<PrintChild<'a>>,
    /// Whether it needs lines of its own when indented.
    tall: bool,
}

struct PrintChild<'a> {
    key: Option<&'a str>,
    node: PrintNode<'a>,
}

impl<'a> PrintChild<'a> {
    /// The next child, with so many levels in it at most.
    fn read(tokens: &mut std::vec::IntoIter<Token<'a>>, levels: usize) -> PrintChild<'a> {
        let mut key = None;
        let node = loop {
            match tokens.next() {
                Some(Token::Key(name)) => key = Some(name),
                Some(Token::Leaf(leaf)) => break PrintNode::Leaf(leaf),
                Some(Token::Static(value)) => break PrintNode::Fixed(value),
                Some(Token::Node(_, count)) if levels == 0 => {
                    skip(tokens, count);
                    break PrintNode::Elided;
                }
                Some(Token::Node(kind, count)) => {
                    let children = (0..count).map(|_| PrintChild::read(tokens, levels - 1)).collect();
                    break PrintNode::Branch(PrintBranch::new(kind, children));
                }
                // Only where a hand-written `Tree` announces more children than it visits.
                None => break PrintNode::Elided,
            }
        };
        PrintChild { key, node }
    }
}

/// Leaves out so many children with all that is in them.
fn skip(tokens: &mut std::vec::IntoIter<Token<'_>>, mut children: usize) {
    while children > 0 {
        match tokens.next() {
            Some(Token::Node(_, count)) => children = children - 1 + count,
            Some(Token::Leaf(_) | Token::Static(_)) => children -= 1,
            Some(Token::Key(_)) => {}
            None => return,
        }
    }
}

impl<'a> PrintBranch<'a> {
    fn new(kind: NodeKind, children: Vec<PrintChild<'a>>) -> PrintBranch<'a> {
        let tall = children.iter().any(|child| child.key.is_some() || child.node.is_tall());
        PrintBranch { kind, children, tall }
    }
}

/// Whether a text is on one line with summaries, or on a line per entry with the values of small tensors.
#[derive(Clone, Copy)]
enum Layout {
    Compact,
    Indented { depth: usize },
}

impl Layout {
    fn deeper(self) -> Layout {
        match self {
            Layout::Compact => Layout::Compact,
            Layout::Indented { depth } => Layout::Indented { depth: depth + 1 },
        }
    }
}

impl PrintNode<'_> {
    fn print(&self, layout: Layout, out: &mut dyn Write) -> fmt::Result {
        match self {
            PrintNode::Leaf(tensor) => print_tensor(tensor, layout, out),
            PrintNode::Fixed(value) => write!(out, "{value:?}"),
            PrintNode::Elided => out.write_str("…"),
            PrintNode::Branch(inner) => match (inner.kind, inner.children.as_slice()) {
                (NodeKind::Map(_) | NodeKind::ReusedMap(_), _) => print_list(inner, ["{", "}"], layout, out),
                (NodeKind::Tuple, _) => print_list(inner, ["(", ")"], layout, out),
                (NodeKind::List(_), _) => print_list(inner, ["[", "]"], layout, out),
                (NodeKind::Wrapper(_), []) => out.write_str("None"),
                (NodeKind::Wrapper(_), [child]) => child.node.print(layout, out),
                (kind, [metadata, value]) if kind == Boxed::NODE => {
                    value.node.print(layout, out)?;
                    out.write_str(" in ")?;
                    metadata.node.print(layout, out)
                }
                (kind, []) => out.write_str(kind.name()),
                (kind, [first, ..]) => {
                    out.write_str(kind.name())?;
                    if first.key.is_some() {
                        print_list(inner, [" {", "}"], layout, out)
                    } else {
                        print_list(inner, ["(", ")"], layout, out)
                    }
                }
            },
        }
    }

    fn is_tall(&self) -> bool {
        match self {
            PrintNode::Leaf(_) | PrintNode::Fixed(_) | PrintNode::Elided => false,
            PrintNode::Branch(inner) => inner.tall,
        }
    }
}

fn print_list(
    PrintBranch { children, tall, .. }: &PrintBranch<'_>,
    [open, close]: [&str; 2],
    layout: Layout,
    out: &mut dyn Write,
) -> fmt::Result {
    out.write_str(open)?;
    match layout {
        Layout::Indented { depth } if *tall => {
            out.write_str("\n")?;
            for child in children {
                write!(out, "{:1$}", "", INDENT * (depth + 1))?;
                print_entry(child, layout.deeper(), out)?;
                out.write_str(",\n")?;
            }
            write!(out, "{:1$}", "", INDENT * depth)?;
        }
        _ => {
            for (i, child) in children.iter().enumerate() {
                out.write_str(if i > 0 { ", " } else { "" })?;
                print_entry(child, layout, out)?;
            }
            if children.len() == 1 && open == "(" {
                out.write_str(",")?;
            }
        }
    }
    out.write_str(close)
}

fn print_entry(child: &PrintChild<'_>, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    if let Some(key) = child.key {
        write!(out, "{key}: ")?;
    }
    child.node.print(layout, out)
}

fn print_tensor(tensor: &Tensor, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    let few = matches!(layout, Layout::Indented { .. }) && tensor.size() <= FEW;
    if !few || tensor.array().is_err() {
        return write!(out, "{}", tensor.aval());
    }
    let text = tensor.to_string();
    let rows: Vec<&str> = text.lines().map(str::trim).filter(|row| !row.is_empty()).collect();
    out.write_str(&rows.join(" "))
}

fn print(tree: &impl Tree, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    let mut tokens = Vec::new();
    tree.walk(&mut |token| tokens.push(token));
    // Values are not nested deeper, but a tree of the user's own that is one may be.
    PrintChild::read(&mut tokens.into_iter(), Dict::MAX_DEPTH).node.print(layout, out)
}

macro_rules! text {
    ($($type:ty),*) => {
        $(
            /// On one line, tensors by dtype and shape: `{Dense_0: {bias: f32[2], kernel: f32[3,2]}}`; `{:#?}` as `Display`.
            impl fmt::Debug for $type {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    let layout = if f.alternate() { Layout::Indented { depth: 0 } } else { Layout::Compact };
                    print(self, layout, f)
                }
            }

            /// An entry a line, indented by 4 spaces a level; tensors of up to 8 elements are printed as their values,
            /// others by dtype and shape.
            impl fmt::Display for $type {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    print(self, Layout::Indented { depth: 0 }, f)
                }
            }
        )*
    };
}

text!(Dict, Variables, Value);
