//! The part of Flaxen that the expansions of `#[module]` and `#[compact]` name, without any state.

use std::fmt::Debug;
use std::marker::PhantomData;

pub type Result<T, E = String> = std::result::Result<T, E>;

pub trait Module: Clone + Debug + PartialEq + Send + Sync + 'static {
    const NAME: &'static str;
    fn __slot(&self) -> &__private::Slot;
    fn __attach(&mut self, slot: __private::Slot);
    fn __fields(&self, visit: __private::VisitFields<'_>);
    fn __setup(&self, _setup: &mut __private::SetupPass<'_>) {}
    fn __setups(&mut self, _visit: &mut dyn FnMut(&mut dyn __private::AnySetup)) {}

    /// A child says whose it is in its name.
    fn child<M: Module>(&self, mut module: M) -> M {
        module.__attach(__private::Slot::at(&format!("{}/{}_0", self.path(), M::NAME)));
        module
    }
    fn path(&self) -> String {
        self.__slot().0.clone()
    }
    fn param(&self, name: &str, value: f32) -> Result<f32> {
        if name.is_empty() { Err("a param without a name".to_owned()) } else { Ok(value) }
    }
}

pub trait Layer: Module {
    fn call(&self, x: f32) -> Result<f32>;
}

pub mod __private {
    use std::sync::{Mutex, OnceLock};

    use super::{Debug, Module, PhantomData, Result};

    #[derive(Clone, Debug, Default)]
    pub struct Slot(pub String);

    /// Modules are equal wherever they are.
    impl PartialEq for Slot {
        fn eq(&self, _: &Slot) -> bool {
            true
        }
    }

    impl Slot {
        pub fn unbound() -> Slot {
            Slot::default()
        }
        pub fn at(path: &str) -> Slot {
            Slot(path.to_owned())
        }
    }

    pub struct Setup<T>(std::sync::Arc<OnceLock<T>>);

    impl<T> Setup<T> {
        pub fn unset() -> Setup<T> {
            Setup(std::sync::Arc::default())
        }
        pub fn share(this: &Setup<T>) -> Setup<T> {
            Setup(this.0.clone())
        }
    }

    impl<T> std::ops::Deref for Setup<T> {
        type Target = T;
        fn deref(&self) -> &T {
            self.0.get().expect("set up")
        }
    }

    pub trait AnySetup {
        fn reset(&mut self);
    }

    impl<T> AnySetup for Setup<T> {
        fn reset(&mut self) {
            *self = Setup::unset();
        }
    }

    pub struct SetupPass<'a>(&'a Slot);

    impl SetupPass<'_> {
        pub fn field<T: Child>(&mut self, field: &Setup<T>, name: &str, make: impl FnOnce() -> Result<T>) {
            if let Ok(mut value) = make() {
                value.bind_child(self.0, name);
                let _ = field.0.set(value);
            }
        }
    }

    pub fn rebuilt<M: Module>(mut module: M) -> M {
        defer(&mut module);
        module
    }

    pub fn defer<M: Module>(module: &mut M) {
        module.__setups(&mut |field| field.reset());
        module.__setup(&mut SetupPass(module.__slot()));
    }

    pub trait Child {
        fn bind_child(&mut self, parent: &Slot, name: &str);
    }

    impl<M: Module> Child for M {
        fn bind_child(&mut self, parent: &Slot, name: &str) {
            self.__attach(Slot(format!("{}/{name}", parent.0)));
        }
    }

    impl<C: Child> Child for Vec<C> {
        fn bind_child(&mut self, parent: &Slot, name: &str) {
            self.iter_mut()
                .enumerate()
                .for_each(|(i, child)| child.bind_child(parent, &format!("{name}_{i}")));
        }
    }

    impl<C: Child> Child for Option<C> {
        fn bind_child(&mut self, parent: &Slot, name: &str) {
            self.iter_mut().for_each(|child| child.bind_child(parent, name));
        }
    }

    impl Child for f32 {
        fn bind_child(&mut self, _: &Slot, _: &str) {}
    }

    pub fn bind_child<C: Child>(parent: &Slot, field: &mut C, name: &str) {
        field.bind_child(parent, name);
    }

    pub type VisitFields<'v> = &'v mut dyn FnMut(&[(&'static str, &dyn Debug)]);

    pub fn debug<M: Module>(module: &M, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = f.debug_struct(M::NAME);
        module.__fields(&mut |fields| {
            for (name, value) in fields {
                text.field(name, &format_args!("{value:?}"));
            }
        });
        text.finish()
    }

    pub fn is_equal<T: PartialEq>(a: &T, b: &T) -> bool {
        a == b
    }

    pub trait IntoText<T> {
        fn into_text(self) -> T;
    }

    impl<T> IntoText<T> for T {
        fn into_text(self) -> T {
            self
        }
    }

    impl IntoText<Option<String>> for &str {
        fn into_text(self) -> Option<String> {
            Some(self.to_owned())
        }
    }

    /// What was called, with what, in the order of the calls.
    pub static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

    pub struct Call(Vec<String>);

    impl Call {
        pub fn enter<M: Module>(module: &M, method: &'static str) -> Call {
            Call(vec![format!("{}.{method}", module.path())])
        }
        pub fn enter_scope<M: Module>(module: &M, method: &'static str) -> Call {
            Call(vec![format!("{}/{method}", module.path())])
        }
        pub fn is_observed(&self) -> bool {
            !self.0.is_empty()
        }
        pub fn input(&mut self, name: &'static str, seen: Option<String>) {
            self.0.push(format!("{name}={}", seen.as_deref().unwrap_or("_")));
        }
        pub fn run<T>(self, output: &Output<T>, body: impl FnOnce() -> Result<T>) -> Result<T> {
            let value = body()?;
            LOG.lock().unwrap().push(format!("{} -> {}", self.0.join(" "), (output.0)(&value)));
            Ok(value)
        }
    }

    pub struct Output<T>(fn(&T) -> String);

    impl<T> Output<T> {
        pub fn opaque() -> Output<T> {
            Output(|_| "_".to_owned())
        }
    }

    pub mod autoref {
        pub use super::{
            BindModule as _, BindNothing as _, ObserveOpaque as _, ObserveTree as _, Returns as _,
            ReturnsOpaque as _,
        };
    }

    pub struct Built<'a, T>(pub &'a T);

    pub trait BindModule<M> {
        fn __child_binder<P: Module>(self) -> fn(&P, M) -> M;
    }

    impl<M: Module> BindModule<M> for Built<'_, M> {
        fn __child_binder<P: Module>(self) -> fn(&P, M) -> M {
            P::child
        }
    }

    pub trait BindNothing<T> {
        fn __child_binder<P>(&mut self) -> fn(&P, T) -> T;
    }

    impl<T> BindNothing<T> for Built<'_, T> {
        fn __child_binder<P>(&mut self) -> fn(&P, T) -> T {
            |_, value| value
        }
    }

    pub struct Autoref<'a, T: ?Sized>(pub &'a T);

    pub trait ObserveTree {
        fn __observe(&self) -> Option<String>;
    }

    impl ObserveTree for &&Autoref<'_, f32> {
        fn __observe(&self) -> Option<String> {
            Some(self.0.to_string())
        }
    }

    pub trait ObserveOpaque {
        fn __observe(&self) -> Option<String>;
    }

    impl<T: ?Sized> ObserveOpaque for Autoref<'_, T> {
        fn __observe(&self) -> Option<String> {
            None
        }
    }

    pub struct AutorefReturn<R>(PhantomData<R>);

    impl<R> AutorefReturn<R> {
        pub const NEW: AutorefReturn<R> = AutorefReturn(PhantomData);
    }

    pub trait Returns<T> {
        fn __output(&self) -> Output<T>;
    }

    impl<E> Returns<f32> for AutorefReturn<std::result::Result<f32, E>> {
        fn __output(&self) -> Output<f32> {
            Output(ToString::to_string)
        }
    }

    pub trait ReturnsOpaque<T> {
        fn __output(&self) -> Output<T>;
    }

    impl<T, E> ReturnsOpaque<T> for &AutorefReturn<std::result::Result<T, E>> {
        fn __output(&self) -> Output<T> {
            Output::opaque()
        }
    }
}
