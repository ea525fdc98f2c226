//! The tests that need more than one crate, in one binary.

#![cfg(test)]

mod architecture;
mod exact;
mod flow;
mod rejected;
mod samples;
mod template;
mod tree;
