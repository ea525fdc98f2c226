//! What reads bytes from outside, and what must hold of each.

mod films;
mod handlers;
mod messages;

use crate::guard::Target;
use crate::random::Random;
use crate::seeds::Seeds;

/// All of them.
pub fn all(seeds: &Seeds) -> Vec<Target<'_>> {
    let mut targets = messages::all(seeds);
    targets.extend(films::all(seeds));
    targets.extend(handlers::all(seeds));
    targets
}

/// A target whose inputs are texts.
fn text<'a>(
    name: &'static str,
    input: impl Fn(&mut Random) -> String + 'a,
    read: impl Fn(&str) -> Result<bool, String> + 'a,
) -> Target<'a> {
    bytes(
        name,
        move |random| input(random).into_bytes(),
        // What is no UTF-8 does not get as far as a reader of text.
        move |input| read(&String::from_utf8_lossy(input)),
    )
}

fn bytes<'a>(
    name: &'static str,
    input: impl Fn(&mut Random) -> Vec<u8> + 'a,
    read: impl Fn(&[u8]) -> Result<bool, String> + 'a,
) -> Target<'a> {
    Target {
        name,
        weight: 1,
        input: Box::new(input),
        read: Box::new(read),
    }
}

/// Fails if a thing that was read is not read back from what it is written as.
fn same<T: PartialEq + std::fmt::Debug>(read: &T, again: Option<&T>) -> Result<bool, String> {
    if again == Some(read) {
        Ok(true)
    } else {
        Err(format!("written and read again {read:?} is {again:?}"))
    }
}
