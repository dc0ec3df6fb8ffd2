//! Python's pickles, read as data: what they would call is written down and never called.
//!
//! A pickle is a program for a small stack machine, which makes objects and calls functions by their names. This one makes objects
//! only: a call becomes an [`Node::Object`] with the name of what would have been called and its arguments. Who reads the result
//! knows a few names, such as PyTorch's `_rebuild_tensor_v2`, and what to make of them; all others stay what they are.
//!
//! The protocols 0 to 5 are those of Python's `pickletools`; of the opcodes only those for objects of Python 2 and for buffers that are
//! sent apart are missing.

mod machine;
mod opcode;

pub(super) use machine::read;

/// The number of a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Id(u32);

/// An object of a pickle; the ones within are meant by their numbers, as they may be shared.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    /// An integer that does not fit; its little-endian bytes, two's complement.
    Long(Vec<u8>),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A function or class, as `module.name`.
    Global(String),
    /// What calling a function, or a class, would make.
    Object(Box<Object>),
    /// Something that is kept outside of the pickle.
    Persistent(Id),
}

/// A call that was not made, and what would have been done with its result.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Object {
    /// What would have been called.
    pub callable: Id,
    /// A tuple.
    pub args: Id,
    /// What the object would have been given as its attributes.
    pub state: Option<Id>,
    /// The items of a list or dict of a class of its own.
    pub items: Vec<Id>,
    pub entries: Vec<(Id, Id)>,
}

/// All objects of a pickle.
pub(super) struct Pickle {
    nodes: Vec<Node>,
    /// What the pickle is of.
    pub root: Id,
}

impl Pickle {
    /// How many objects there are, each counted once.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// All nodes.
    pub fn ids(&self) -> impl Iterator<Item = Id> {
        (0..self.nodes.len() as u32).map(Id)
    }

    pub fn node(&self, id: Id) -> &Node {
        // Numbers are given out by the machine, for nodes that are there.
        &self.nodes[id.0 as usize]
    }

    pub fn text(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn int(&self, id: Id) -> Option<i64> {
        match self.node(id) {
            Node::Int(int) => Some(*int),
            Node::Bool(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    /// The items of a tuple or list, also of `torch.Size`.
    pub fn items(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::Tuple(items) | Node::List(items) => Some(items),
            Node::Object(object) if self.called(object) == Some("torch.Size") => match self.args(object) {
                [items] => match self.node(*items) {
                    Node::Tuple(items) | Node::List(items) => Some(items),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    /// The entries of a dict, also of an `OrderedDict` or `defaultdict`.
    pub fn entries(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.node(id) {
            Node::Dict(entries) => Some(entries),
            Node::Object(object) => match self.called(object)? {
                "collections.OrderedDict" | "collections.defaultdict" => Some(&object.entries),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn global(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Global(name) => Some(name),
            _ => None,
        }
    }

    /// The name of what would have been called.
    pub fn called(&self, object: &Object) -> Option<&str> {
        self.global(object.callable)
    }

    pub fn args(&self, object: &Object) -> &[Id] {
        match self.node(object.args) {
            Node::Tuple(args) => args,
            _ => &[],
        }
    }

    /// What is under a key that is a text.
    pub fn get(&self, dict: Id, key: &str) -> Option<Id> {
        let entries = self.entries(dict)?;
        // The last of equal keys counts, as in Python.
        entries.iter().rev().find(|&&(found, _)| self.text(found) == Some(key)).map(|&(_, value)| value)
    }
}
