//! The simulator: the real handlers of all functions over in-memory twins of S3, bus, queues,
//! tables and scheduler, with a virtual clock and one seed. It must never know how a handler
//! does its work: it delivers messages, breaks what can break, and judges by its
//! [`names::INVARIANTS`] what is left.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::wildcard_enum_match_arm,
    clippy::case_sensitive_file_extension_comparisons,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    missing_docs,
    reason = "a test: whatever it assumed wrongly must stop it"
)]

/// A run is hundreds of small documents, read and written: a fifth of its time goes to memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod actors;
pub mod end;
pub mod essence;
pub mod faults;
pub mod film;
pub mod kernel;
pub mod many;
pub mod names;
pub mod people;
pub mod planted;
pub mod rng;
// The same as in the tests of one process, whose crate brings the AWS SDK with it.
#[path = "../../src/rules.rs"]
pub mod rules;
pub mod run;
pub mod scenario;
pub mod served;
pub mod state;
pub mod twins;
pub mod watch;
pub mod wired;
pub mod wiring;
pub mod world;
