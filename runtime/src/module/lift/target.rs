//! What a function can be lifted over: modules of the running model, their variables, scopes.

use std::sync::{Arc, Mutex};

use super::super::frames::NamesGivenOut;
use super::super::instance::{Instance, Session, lock};
use super::super::{Module, Setup, Slot};
use crate::error::Result;
use crate::scope::{Fork, Scope, Variable};
use crate::tree::Tree;

/// What a lifted function is given beside its arguments: a module of the running model (`self`), a scope, a handle on a
/// variable, or a tuple or `Vec` of them.
///
/// The function gets the same within the transform. Modules in fields come along, wherever in the model they are.
#[diagnostic::on_unimplemented(
    message = "a function cannot be lifted over `{Self}`",
    label = "neither a module nor a scope",
    note = "pass a module of the running model by reference (`self`), a tuple of such references (`(self, &self.other)`), a \
            `Scope`, or a `Variable`"
)]
pub trait Target {
    /// What the function is given.
    type Inner;

    #[doc(hidden)]
    fn collect(&self, found: &mut Found) -> Result<()>;

    #[doc(hidden)]
    fn enter(&self, inside: &Inside) -> Result<Self::Inner>;

    #[doc(hidden)]
    fn places(&self, places: &mut Vec<Scope>);
}

/// The scopes to lift, as they are found.
#[derive(Default)]
pub struct Found {
    /// What the first module is, by its type, and the session of its run.
    first: Option<(&'static str, Arc<Session>)>,
    probe: Option<(Arc<Fork>, Arc<Session>)>,
    /// Scopes to lift that no module is in.
    scopes: Vec<Scope>,
}

/// A run apart, to be entered.
pub struct Inside {
    fork: Arc<Fork>,
    session: Arc<Session>,
    /// Methods that go on inside.
    continued: Mutex<Vec<Continued>>,
}

/// A method that runs on inside: its submodules are named as if it had not been left.
struct Continued {
    outside: Arc<Instance>,
    inside: Arc<Instance>,
}

impl Found {
    fn module<M: Module>(&mut self, module: &M) -> Result<()> {
        let instance = module.__slot().require(M::NAME, || "is lifted".to_owned())?;
        instance.check_valid()?;
        let (_, session) = self.first.get_or_insert_with(|| (module.type_name(), instance.session.clone()));
        let (probe, probing) = self.probe.get_or_insert_with(|| {
            let fork = Arc::new(Fork::probe(&instance.scope()));
            (fork.clone(), session.of_fork(fork))
        });
        if probe.is_apart_from(&instance.scope()) {
            // Finds the modules in its fields, too.
            module.__lifted(probing);
        } else {
            self.scopes.push(instance.scope());
        }
        Ok(())
    }

    /// The type of the first module.
    pub(super) fn class(&self) -> &'static str {
        self.first.as_ref().map_or("Scope", |(class, _)| class)
    }

    pub(super) fn session(&self) -> Arc<Session> {
        self.first.as_ref().map(|(_, session)| session.clone()).unwrap_or_default()
    }

    /// All scopes that were found; nothing is known of them any more.
    pub(super) fn into_scopes(self) -> Vec<Scope> {
        let mut scopes = self.scopes;
        if let Some((probe, probing)) = self.probe {
            scopes.extend(probe.outside());
            probing.end_fork();
        }
        scopes
    }
}

impl Inside {
    pub(super) fn new(fork: &Arc<Fork>, session: &Session) -> Inside {
        Inside { fork: fork.clone(), session: session.of_fork(fork.clone()), continued: Mutex::default() }
    }

    fn module<M: Module>(&self, module: &M) -> Result<M> {
        let outside = module.__slot().require(M::NAME, || "is lifted".to_owned())?;
        let mut lifted = module.clone();
        match module.__lifted(&self.session) {
            Some(known) => lifted = known,
            None => lifted.__attach(Slot::unbound()),
        }
        if let (Some(names), Some(inside)) = (outside.names_given_out(), lifted.__slot().instance())
            && inside.names_given_out().is_none()
        {
            let scope = names.scope.as_ref().map(|scope| self.fork.scope(scope));
            inside.enter_again(scope);
            inside.set_names_given_out(&names);
            let (outside, inside) = (outside.clone(), inside.clone());
            lock(&self.continued).push(Continued { outside, inside });
        }
        Ok(lifted)
    }
}

/// Ends the run.
impl Drop for Inside {
    fn drop(&mut self) {
        for Continued { outside, inside } in lock(&self.continued).drain(..) {
            let names: Option<NamesGivenOut> = inside.names_given_out();
            if let Some(names) = names {
                outside.set_names_given_out(&names);
            }
            inside.leave();
        }
        self.session.end_fork();
    }
}

impl<M: Module> Target for &M {
    type Inner = M;

    fn collect(&self, found: &mut Found) -> Result<()> {
        found.module(*self)
    }

    fn enter(&self, inside: &Inside) -> Result<M> {
        inside.module(*self)
    }

    fn places(&self, places: &mut Vec<Scope>) {
        places.extend(self.__slot().instance().map(|instance| instance.scope()));
    }
}

impl<'s, T> Target for &'s Setup<T>
where
    &'s T: Target,
{
    type Inner = <&'s T as Target>::Inner;

    fn collect(&self, found: &mut Found) -> Result<()> {
        (&***self).collect(found)
    }

    fn enter(&self, inside: &Inside) -> Result<Self::Inner> {
        (&***self).enter(inside)
    }

    fn places(&self, places: &mut Vec<Scope>) {
        (&***self).places(places);
    }
}

impl Target for &Scope {
    type Inner = Scope;

    fn collect(&self, found: &mut Found) -> Result<()> {
        found.scopes.push((*self).clone());
        Ok(())
    }

    fn enter(&self, inside: &Inside) -> Result<Scope> {
        Ok(inside.fork.scope(self))
    }

    fn places(&self, places: &mut Vec<Scope>) {
        places.push((*self).clone());
    }
}

impl<T: Tree> Target for &Variable<T> {
    type Inner = Variable<T>;

    fn collect(&self, found: &mut Found) -> Result<()> {
        found.scopes.push(self.scope().clone());
        Ok(())
    }

    fn enter(&self, inside: &Inside) -> Result<Variable<T>> {
        Ok(self.within(&inside.fork.scope(self.scope())))
    }

    fn places(&self, places: &mut Vec<Scope>) {
        places.push(self.scope().clone());
    }
}

impl<T: Target> Target for Vec<T> {
    type Inner = Vec<T::Inner>;

    fn collect(&self, found: &mut Found) -> Result<()> {
        self.iter().try_for_each(|each| each.collect(found))
    }

    fn enter(&self, inside: &Inside) -> Result<Self::Inner> {
        self.iter().map(|each| each.enter(inside)).collect()
    }

    fn places(&self, places: &mut Vec<Scope>) {
        self.iter().for_each(|each| each.places(places));
    }
}

macro_rules! tuples {
    ($(($($T:ident $index:tt)*))*) => {
        $(impl<$($T: Target),*> Target for ($($T,)*) {
            type Inner = ($($T::Inner,)*);

            fn collect(&self, found: &mut Found) -> Result<()> {
                $(self.$index.collect(found)?;)*
                Ok(())
            }

            fn enter(&self, inside: &Inside) -> Result<Self::Inner> {
                Ok(($(self.$index.enter(inside)?,)*))
            }

            fn places(&self, places: &mut Vec<Scope>) {
                $(self.$index.places(places);)*
            }
        })*
    };
}

tuples! {
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
}
