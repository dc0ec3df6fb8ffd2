//! What fields may hold: modules, and containers of modules.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

use super::instance::Instance;
use super::{Module, Slot};
use crate::core::Tensor;
use crate::error::Result;
use crate::scope::Variable;
use crate::variables::{Dict, Value};

/// What a `#[submodule]` or `#[setup]` field may hold.
///
/// A module becomes the submodule of the field's name; in a container each has the name of the field with its index or
/// key: `layers_0`, `heads_left`. Maps are gone through in the order of their keys as text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no module and contains none",
    label = "not a submodule",
    note = "a `#[submodule]` field holds a module (`#[module]` on its struct), or an `Option`, `Vec`, array, tuple or map \
            of them; a `#[setup]` field may also hold a `Tensor` or `Variable`; configuration needs no marker, or \
            `#[module(default)]`"
)]
pub trait Child {
    /// Makes what is not bound yet part of the module of a slot.
    fn bind_child(&mut self, parent: &Slot, name: &str);
}

/// Makes what a field holds part of the module of a slot.
pub fn bind_child<C: Child>(parent: &Slot, field: &mut C, name: &str) {
    field.bind_child(parent, name);
}

impl<M: Module> Child for M {
    fn bind_child(&mut self, parent: &Slot, name: &str) {
        if self.__slot().is_unbound() && parent.is_unbound() {
            return;
        }
        bind_within(self, parent, |instance, class| instance.bind_child(class, name));
    }
}

/// Binds a module within the module of a slot; false if it was bound there before, itself or as one that it shares.
///
/// One that could not be bound in this run stays, too: a second attempt under another name would hide the error.
pub(super) fn bind_within<M: Module>(
    module: &mut M,
    parent: &Slot,
    make: impl FnOnce(&Arc<Instance>, &'static str) -> Result<Arc<Instance>>,
) -> bool {
    if module.__slot().is_in_run_of(parent) {
        return false;
    }
    // In a run apart, a module of the run it is apart from stays where it is in that one.
    let known = parent.instance().and_then(|instance| {
        module.__lifted(&instance.session).or_else(|| module.__shared(&instance.session))
    });
    if let Some(known) = known {
        *module = known;
        return false;
    }
    let class = module.type_name();
    module.__attach(parent.within(|instance| make(instance, class)));
    true
}

impl<C: Child> Child for Option<C> {
    fn bind_child(&mut self, parent: &Slot, name: &str) {
        self.iter_mut().for_each(|child| child.bind_child(parent, name));
    }
}

impl<C: Child> Child for Vec<C> {
    fn bind_child(&mut self, parent: &Slot, name: &str) {
        bind_all(self, parent, name);
    }
}

impl<C: Child, const N: usize> Child for [C; N] {
    fn bind_child(&mut self, parent: &Slot, name: &str) {
        bind_all(self, parent, name);
    }
}

fn bind_all<C: Child>(children: &mut [C], parent: &Slot, name: &str) {
    for (index, child) in children.iter_mut().enumerate() {
        child.bind_child(parent, &format!("{name}_{index}"));
    }
}

impl<K: ToString, C: Child> Child for BTreeMap<K, C> {
    fn bind_child(&mut self, parent: &Slot, name: &str) {
        bind_map(self.iter_mut(), parent, name);
    }
}

impl<K: ToString, C: Child, S: BuildHasher> Child for HashMap<K, C, S> {
    fn bind_child(&mut self, parent: &Slot, name: &str) {
        bind_map(self.iter_mut(), parent, name);
    }
}

fn bind_map<'a, K: ToString + 'a, C: Child + 'a>(
    entries: impl Iterator<Item = (&'a K, &'a mut C)>,
    parent: &Slot,
    name: &str,
) {
    let mut entries: Vec<_> = entries.map(|(key, child)| (key.to_string(), child)).collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (key, child) in entries {
        child.bind_child(parent, &format!("{name}_{key}"));
    }
}

macro_rules! tuples {
    ($(($($T:ident $index:tt)*))*) => {
        $(impl<$($T: Child),*> Child for ($($T,)*) {
            fn bind_child(&mut self, parent: &Slot, name: &str) {
                $(self.$index.bind_child(parent, &format!("{name}_{}", $index));)*
            }
        })*
    };
}

tuples! {
    (A 0)
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4)
    (A 0 B 1 C 2 D 3 E 4 F 5)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
}

macro_rules! variables {
    ($($ty:ty;)*) => {
        $(impl Child for $ty {
            fn bind_child(&mut self, _parent: &Slot, _name: &str) {}
        })*
    };
}

// Variables are named where the setup makes them.
variables! { Tensor; Dict; Value; (); }

impl<T> Child for Variable<T> {
    fn bind_child(&mut self, _parent: &Slot, _name: &str) {}
}
