//! The tests that need more than one crate, in one binary.

mod exact;
mod samples;
mod tree;
