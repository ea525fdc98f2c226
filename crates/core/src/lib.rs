//! Decisions: pure, synchronous functions over values. No I/O, no clock, no environment,
//! no randomness, no async; media time is integer ticks.

pub mod burial;
pub mod chunking;
pub mod container;
pub mod digest;
pub mod encode;
pub mod intake;
pub mod join;
pub mod ladder;
pub mod package;
pub mod playlist;
pub mod redo;
pub mod retry;
pub mod slice;
pub mod sound;
pub mod storyboard;
pub mod ticket;
pub mod upload;
pub mod video;
