//! A client of CatTube. It knows the HTTP API and nothing else: [`Client`] speaks it,
//! [`upload`] sends a file in parts, [`watch`] follows a video to its end, [`summary`] says
//! what came of it, [`tickets`] what only a person can decide.

pub mod api;
pub mod client;
mod digests;
mod error;
mod http;
pub mod parts;
pub mod progress;
mod sender;
mod sending;
pub mod summary;
pub mod tickets;
pub mod upload;
pub mod watch;

pub use client::Client;
pub use error::Error;
pub use http::Retry;
