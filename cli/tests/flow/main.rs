//! The client against a server that loses things.

#[cfg(test)]
mod client;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tickets;
