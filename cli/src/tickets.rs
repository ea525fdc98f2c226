//! Tickets: what nobody but a person can decide, and the answers.

use std::str::FromStr;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::client::checked;
use crate::http::Send;
use crate::summary::clean;
use crate::{Client, Error};

/// A ticket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Ticket {
    /// Its id.
    pub ticket_id: String,
    /// What it is about.
    pub about: String,
    /// Why.
    pub reason: String,
    /// `open`, `answered` or `closed`.
    pub state: String,
    /// How many things failed.
    pub failure_count: u64,
    /// When it was opened.
    pub opened_at: Option<Timestamp>,
    /// What may be answered; nothing unless it is open.
    pub answers: Vec<String>,
    /// What was answered.
    pub answer: Option<String>,
    /// Whether the answer got through; if not, it has to be given again.
    pub passed_on: Option<bool>,
    /// What closed it.
    pub closed_by: Option<String>,
}

/// An answer, as the API spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer(String);

impl FromStr for Answer {
    type Err = Error;

    /// `retry`, `give-up`, or `skip-` and a size, such as `skip-720p`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let is_skip = text
            .strip_prefix("skip-")
            .is_some_and(|size| !size.is_empty());
        match text {
            "retry" | "give-up" => Ok(Self(text.to_owned())),
            _ if is_skip => Ok(Self(text.to_owned())),
            _ => Err(Error::Argument {
                got: text.to_owned(),
                expected: "retry, skip-720p (a size that failed), skip-audio or give-up",
            }),
        }
    }
}

impl Client {
    /// Tickets, newest first: the open ones, or all.
    ///
    /// # Errors
    /// As all requests.
    pub fn tickets(&self, all: bool) -> Result<Vec<Ticket>, Error> {
        #[derive(Deserialize)]
        struct Page {
            tickets: Vec<Ticket>,
            next_cursor: Option<String>,
        }
        let state = if all { "" } else { "open" };
        let mut tickets = Vec::new();
        let mut cursor = Some(String::new());
        while let Some(at) = cursor {
            let query = [("state", state), ("cursor", at.as_str())];
            let page: Page = self.http.ask("/v1/tickets", Send::Get(&query))?;
            tickets.extend(page.tickets);
            cursor = page.next_cursor.filter(|next| *next != at);
        }
        Ok(tickets)
    }

    /// Answers a ticket; the same answer again does no harm.
    ///
    /// # Errors
    /// As [`Client::upload`]; a problem of status 409 if it has another answer or is closed.
    pub fn answer_ticket(&self, ticket_id: &str, answer: &Answer) -> Result<Ticket, Error> {
        let path = format!("/v1/tickets/{}/answer", checked(ticket_id)?);
        let body = json!({ "answer": answer.0 });
        self.http.ask(&path, Send::Tell(&body))
    }
}

/// A ticket in a list.
#[must_use]
pub fn lines(ticket: &Ticket) -> Vec<String> {
    let opened = ticket
        .opened_at
        .map_or_else(|| "-".to_owned(), |at| format!("{at:.0}"));
    let (id, state, about) = (&ticket.ticket_id, &ticket.state, &ticket.about);
    let mut lines = vec![
        format!("{id}  {state:<8}  {opened:<20}  {about}"),
        format!(
            "  why      {} ({} failed)",
            ticket.reason, ticket.failure_count
        ),
    ];
    if !ticket.answers.is_empty() {
        lines.push(format!("  answers  {}", ticket.answers.join(", ")));
    }
    if let Some(answer) = &ticket.answer {
        let again = match ticket.passed_on {
            Some(false) => " (it did not get through: answer again)",
            Some(true) | None => "",
        };
        lines.push(format!("  answer   {answer}{again}"));
    }
    if let Some(by) = &ticket.closed_by {
        lines.push(format!("  closed   by {by}"));
    }
    lines.iter().map(|line| clean(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_spelled_as_the_api_does() {
        for text in ["retry", "give-up", "skip-720p"] {
            assert_eq!(text.parse::<Answer>().unwrap().0, text);
        }
        for text in ["", "skip", "skip-", "skip=720p", "giveup", "Retry"] {
            assert!(text.parse::<Answer>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_ticket_tells_what_can_be_said_and_steers_no_terminal() {
        let ticket: Ticket = serde_json::from_value(json!({
            "ticket_id": "tkt_1", "about": "vid_1 cannot be made", "state": "open",
            "reason": "it \u{1b}[2J died", "failure_count": 3, "answers": ["retry", "give-up"],
            "opened_at": "2026-01-02T03:04:05Z", "paws": 4,
        }))
        .unwrap();
        let text = lines(&ticket).join("\n");
        for part in ["tkt_1  open", "(3 failed)", "answers  retry, give-up"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
        let stuck = Ticket {
            answer: Some("retry".to_owned()),
            passed_on: Some(false),
            ..Ticket::default()
        };
        assert!(lines(&stuck).join("\n").contains("answer again"));
    }
}
