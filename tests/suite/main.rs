//! The tests that need more than one crate, in one binary.

#![cfg(test)]

mod architecture;
mod end_to_end;
mod exact;
mod flow;
mod rejected;
mod samples;
mod template;
mod tree;
