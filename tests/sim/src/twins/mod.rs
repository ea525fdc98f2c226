//! The twins of everything that a function stands on.

pub mod bucket;
pub mod bus;
pub mod encoder;
pub mod multipart;
pub mod objects;
pub mod queue;
pub mod queues;
pub mod schedules;
pub mod tables;
pub mod time;
