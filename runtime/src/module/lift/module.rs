//! What the modules that wrap a module for a transform have in common.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The name of a wrapped module's type: `VmapDense`.
///
/// Each is made once and kept, as there are no more of them than there are types.
pub(super) fn name_of(transform: &str, wrapped: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let name = format!("{transform}{wrapped}");
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(&*name) {
        return known;
    }
    let name: &'static str = Box::leak(name.into_boxed_str());
    names.insert(name);
    name
}

/// What a setting of a module is.
pub trait Parameter: Clone + std::fmt::Debug + PartialEq + Send + Sync + 'static {}

impl<T: Clone + std::fmt::Debug + PartialEq + Send + Sync + 'static> Parameter for T {}

/// Makes a struct with a field `module` a module in its place: it is where the module is, and has what is in it.
macro_rules! lifted_module {
    ($Type:ident<M $(, $G:ident)*>, $transform:literal) => {
        impl<M: $crate::module::Module $(, $G: $crate::module::lift::module::Parameter)*> $crate::module::Module
            for $Type<M $(, $G)*>
        {
            const NAME: &'static str = $transform;

            fn __slot(&self) -> &$crate::module::Slot {
                self.module.__slot()
            }

            fn __attach(&mut self, slot: $crate::module::Slot) {
                self.module.__attach(slot);
            }

            fn __fields(&self, visit: $crate::module::text::VisitFields<'_>) {
                self.module.__fields(visit);
            }

            fn type_name(&self) -> &'static str {
                $crate::module::lift::module::name_of($transform, self.module.type_name())
            }
        }

        impl<M: $crate::module::Module $(, $G)*> $Type<M $(, $G)*> {
            /// What is wrapped, whose methods run as they are: those that `methods=` of Linen does not name.
            ///
            /// It is where the wrapping module is, and has the same variables.
            pub fn inner(&self) -> &M {
                &self.module
            }
        }
    };
}
pub(super) use lifted_module;
