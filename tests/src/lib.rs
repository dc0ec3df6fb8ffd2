//! Shared tools of the tests.

pub mod backends;
pub mod control_programs;
pub mod data;
pub mod device;
pub mod examples;
pub mod golden;
pub mod jax;
pub mod jax_programs;
pub mod jaxlib;
pub mod laws;
pub mod loops;
pub mod loss;
pub mod modules;
pub mod naive_backend;
pub mod numbers;
pub mod probes;
pub mod programs;
pub mod runner;
pub mod scenarios;
pub mod seeds;
pub mod values;
