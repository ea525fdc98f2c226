//! A world for tests: every function's real handler over in-memory twins of S3, the bus,
//! the queues and the tables, wired as `template.yaml` wires them.

pub mod world;
