//! The tests that need more than one crate, in one binary.

mod architecture;
mod exact;
mod flow;
mod rejected;
mod samples;
mod tree;
