//! Devices that a plugin drives through PJRT, the C interface of XLA's runtime.
//!
//! A plugin is a library that is opened at run time. What a device computes is lowered to StableHLO, which the plugin compiles; results
//! stay in its memory until somebody asks for them.

// The calls of the interface, each with its reason.
#![allow(unsafe_code)]

mod buffer;
mod c_api;
mod client;
mod lowering;
mod plugin;
mod program;
mod protobuf;
#[cfg(test)]
mod tests;

pub(super) use buffer::PjrtBuffer;
pub(super) use client::{PjrtDevice, all_devices, devices};
pub(super) use program::Signature;

/// An option that a plugin makes its client with, under a name that the plugin knows: `cpu_device_count`, `memory_fraction`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PjrtOption {
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f32),
    /// Yes or no.
    Bool(bool),
}

macro_rules! option_from {
    ($($type:ty => $kind:ident),*) => { $(
        impl From<$type> for PjrtOption {
            fn from(value: $type) -> PjrtOption {
                PjrtOption::$kind(value.into())
            }
        }
    )* };
}

option_from!(&str => Text, String => Text, i64 => Int, f32 => Float, bool => Bool);
