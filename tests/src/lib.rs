//! A world for tests: every function's real handler over in-memory twins of S3, the bus,
//! the queues and the tables, wired as `template.yaml` wires them; masters to feed it, and
//! eyes to look at what comes out; and the local engine, for tests that need the real thing.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper that cannot go on fails the test that called it"
)]

pub mod engine;
pub mod faulty;
pub mod frames;
pub mod masters;
pub mod rules;
pub mod world;
