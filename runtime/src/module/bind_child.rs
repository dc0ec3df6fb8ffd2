//! Autoref-based specialization again: what a `#[compact]` method calls where it is built becomes a child if its type is that of
//! a module.
//!
//! As for [arguments](super::autoref) of methods, lookup decides in the expansion, where the type is known: on a [`Built`] it finds what
//! modules have by value, and only after that what boxes have by reference, and all else by a mutable one.

use super::Module;

/// What is called.
pub struct Built<'a, T: ?Sized>(pub &'a T);

/// What makes a value a child of a module, or leaves it as it is.
pub type ChildBinder<P, T> = fn(&P, T) -> T;

/// Modules.
pub trait BindModule {
    /// The type of the module.
    type Module;
    /// What makes the module a child; one that is a child already stays what it is.
    fn __child_binder<P: Module>(self) -> ChildBinder<P, Self::Module>;
    /// As a child, the clone of a module that cannot be moved out of a place expression.
    fn __bind_child<P: Module>(self, parent: &P) -> Self::Module;
}

impl<M: Module> BindModule for Built<'_, M> {
    type Module = M;
    fn __child_binder<P: Module>(self) -> ChildBinder<P, M> {
        P::child
    }
    fn __bind_child<P: Module>(self, parent: &P) -> M {
        parent.child(self.0.clone())
    }
}

/// Modules in a box.
pub trait BindBox {
    /// The type of the module.
    type Module;
    /// What makes the module a child.
    fn __child_binder<P: Module>(&self) -> ChildBinder<P, Box<Self::Module>>;
}

impl<M: Module> BindBox for Built<'_, Box<M>> {
    type Module = M;
    fn __child_binder<P: Module>(&self) -> ChildBinder<P, Box<M>> {
        |parent, module| Box::new(parent.child(*module))
    }
}

/// All other values.
pub trait BindNothing<T> {
    /// What leaves the value as it is.
    fn __child_binder<P>(&mut self) -> ChildBinder<P, T>;
}

impl<T> BindNothing<T> for Built<'_, T> {
    fn __child_binder<P>(&mut self) -> ChildBinder<P, T> {
        |_, value| value
    }
}

/// All else that cannot be moved out of a place expression.
pub trait LeaveInPlace<'a, T: ?Sized> {
    /// The value as it is.
    fn __bind_child<P>(&self, parent: &P) -> &'a T;
}

impl<'a, T: ?Sized> LeaveInPlace<'a, T> for Built<'a, T> {
    fn __bind_child<P>(&self, _parent: &P) -> &'a T {
        self.0
    }
}
