//! The tests that need more than one crate, in one binary.

#![cfg(test)]

mod architecture;
mod asking;
mod end_to_end;
mod exact;
mod failing;
mod faulty;
mod flow;
mod model;
mod redoing;
mod rejected;
mod samples;
mod template;
mod tree;
mod uploading;
