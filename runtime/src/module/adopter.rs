//! Whether what a `#[compact]` method calls where it is built becomes a child: if its type is that of a module.
//!
//! As for [probes](super::probe), method lookup decides in the expansion, where the type is known: on a [`Built`] it finds what
//! modules have by value, and only after that what boxes have by reference, and all else by a mutable one.

use super::Module;

/// What is called.
pub struct Built<'a, T: ?Sized>(pub &'a T);

/// What makes a value a child of a module, or leaves it as it is.
pub type Adopter<P, T> = fn(&P, T) -> T;

/// Modules.
pub trait AdoptModule {
    /// The type of the module.
    type Module;
    /// What makes the module a child; one that is a child already stays what it is.
    fn __adopter<P: Module>(self) -> Adopter<P, Self::Module>;
    /// As a child, the clone of a module at a place from which nothing can be taken.
    fn __adopt<P: Module>(self, parent: &P) -> Self::Module;
}

impl<M: Module> AdoptModule for Built<'_, M> {
    type Module = M;
    fn __adopter<P: Module>(self) -> Adopter<P, M> {
        P::child
    }
    fn __adopt<P: Module>(self, parent: &P) -> M {
        parent.child(self.0.clone())
    }
}

/// Modules in a box.
pub trait AdoptBox {
    /// The type of the module.
    type Module;
    /// What makes the module a child.
    fn __adopter<P: Module>(&self) -> Adopter<P, Box<Self::Module>>;
}

impl<M: Module> AdoptBox for Built<'_, Box<M>> {
    type Module = M;
    fn __adopter<P: Module>(&self) -> Adopter<P, Box<M>> {
        |parent, module| Box::new(parent.child(*module))
    }
}

/// All other values.
pub trait AdoptNothing<T> {
    /// What leaves the value as it is.
    fn __adopter<P>(&mut self) -> Adopter<P, T>;
}

impl<T> AdoptNothing<T> for Built<'_, T> {
    fn __adopter<P>(&mut self) -> Adopter<P, T> {
        |_, value| value
    }
}

/// All else at a place from which nothing can be taken.
pub trait LeaveInPlace<'a, T: ?Sized> {
    /// The value as it is.
    fn __adopt<P>(&self, parent: &P) -> &'a T;
}

impl<'a, T: ?Sized> LeaveInPlace<'a, T> for Built<'a, T> {
    fn __adopt<P>(&self, _parent: &P) -> &'a T {
        self.0
    }
}
