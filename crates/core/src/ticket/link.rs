//! The links of a ticket: each carries one answer, holds until a time, and is signed with the
//! ticket's own key. Whoever has a link may give its answer, so links stand in notices only.

use std::collections::BTreeMap;
use std::fmt::Write;

use cattube_contract::human::Answer;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use super::Ticket;

const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// An answer as links and people spell it: `retry`, `skip-720p`, `give-up`.
#[must_use]
pub fn word(answer: &Answer) -> String {
    match answer {
        Answer::Retry => "retry".to_owned(),
        Answer::SkipSize(name) => format!("skip-{name}"),
        Answer::GiveUp => "give-up".to_owned(),
    }
}

/// The answer that a word spells.
#[must_use]
pub fn answer_of(word: &str) -> Option<Answer> {
    match word {
        "retry" => Some(Answer::Retry),
        "give-up" => Some(Answer::GiveUp),
        other => {
            let name = other.strip_prefix("skip-").filter(|name| !name.is_empty());
            name.map(|name| Answer::SkipSize(name.to_owned()))
        }
    }
}

/// Why a link is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkFault {
    /// It is none of ours.
    Forged,
    /// It held until a time that is over.
    Expired,
}

fn mac(ticket: &Ticket, word: &str, expires: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(ticket.key.as_bytes()).ok()?;
    // None of the parts has a line feed in it: they cannot be shifted against each other.
    mac.update(format!("{}\n{word}\n{expires}", ticket.ticket_id).as_bytes());
    Some(mac)
}

/// The path and query of the link that gives `answer`, behind the API's base.
#[must_use]
pub fn path(ticket: &Ticket, answer: &Answer) -> String {
    let word = word(answer);
    let expires = ticket.expires_at.as_second().to_string();
    let mut signature = String::new();
    for byte in mac(ticket, &word, &expires)
        .map(|mac| mac.finalize().into_bytes())
        .into_iter()
        .flatten()
    {
        // Writing to a string does not fail.
        let _ = write!(signature, "{byte:02x}");
    }
    let word = utf8_percent_encode(&word, &KEPT);
    let ticket_id = ticket.ticket_id;
    format!("/v1/answers/{ticket_id}?answer={word}&expires={expires}&signature={signature}")
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs
        .map(|pair| u8::from_str_radix(pair?, 16).ok())
        .collect()
}

/// The answer that a link gives, if it is one of ours and still holds.
///
/// # Errors
/// Why it is not taken.
pub fn read(
    ticket: &Ticket,
    query: &BTreeMap<String, String>,
    now: Timestamp,
) -> Result<Answer, LinkFault> {
    let field = |name: &str| {
        let text = query.get(name).map(String::as_str);
        text.filter(|text| !text.contains('\n'))
            .ok_or(LinkFault::Forged)
    };
    let (word, expires) = (field("answer")?, field("expires")?);
    let signature = bytes_of(field("signature")?).ok_or(LinkFault::Forged)?;
    let mac = mac(ticket, word, expires).ok_or(LinkFault::Forged)?;
    mac.verify_slice(&signature)
        .map_err(|_| LinkFault::Forged)?;
    let expires: i64 = expires.parse().map_err(|_| LinkFault::Forged)?;
    let answer = answer_of(word).ok_or(LinkFault::Forged)?;
    if now.as_second() >= expires {
        return Err(LinkFault::Expired);
    }
    Ok(answer)
}
