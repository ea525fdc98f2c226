//! What people read of a ticket.

use std::fmt::Write;

use cattube_contract::human::Answer;
use cattube_contract::plan::AUDIO_RENDITION;

use super::{Cause, Ticket, link};

/// SNS's limit on a subject.
const MAX_SUBJECT_CHARS: usize = 100;

/// How much of a reason a person is shown.
const MAX_REASON_CHARS: usize = 2_000;

/// What stands in a notice's subject: one line of printable ASCII.
#[must_use]
pub fn subject(ticket: &Ticket) -> String {
    let text = format!("[CatTube] {}", headline(ticket));
    let printable = |letter: char| {
        if letter.is_ascii_graphic() || letter == ' ' {
            letter
        } else {
            '?'
        }
    };
    text.chars()
        .map(printable)
        .take(MAX_SUBJECT_CHARS)
        .collect()
}

/// What it is about, in a line.
#[must_use]
pub fn headline(ticket: &Ticket) -> String {
    let text = match &ticket.cause {
        Cause::Making { video_id, .. } => format!("{video_id} cannot be made"),
        Cause::Upload { video_id } => format!("the upload of {video_id} does not go on"),
        Cause::Message { queue, .. } => format!("a message of `{queue}` cannot be handled"),
        Cause::Alarm { name } => format!("alarm {name}"),
    };
    plain(&text)
}

/// The reason, fit to be shown.
#[must_use]
pub fn reason(ticket: &Ticket) -> String {
    let cut: String = ticket.reason.chars().take(MAX_REASON_CHARS).collect();
    plain(&cut)
}

/// What failed, in a line.
#[must_use]
pub fn failures(ticket: &Ticket) -> String {
    const SHOWN: usize = 10;
    let names: Vec<_> = ticket.failures.keys().take(SHOWN).cloned().collect();
    let hidden = ticket.failures.len().saturating_sub(names.len());
    let hidden = u32::try_from(hidden).unwrap_or(u32::MAX);
    let more = match hidden.saturating_add(ticket.more) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    plain(&format!("{}{more}", names.join(", ")))
}

/// What an answer does.
#[must_use]
pub fn effect(ticket: &Ticket, answer: &Answer) -> String {
    match (answer, &ticket.cause) {
        (Answer::Retry, Cause::Message { .. }) => {
            "retry: put it back on its queue (the cause is mended)".to_owned()
        }
        // The chunks are whole and do not fit each other: those of another encoder may.
        (Answer::Retry, Cause::Making { video_id, .. }) if ticket.failures.contains_key("join") => {
            format!(
                "retry: join its chunks again (the cause is mended); if they do not fit each other, \
                 make it anew by POST /v1/videos/{video_id}/retry"
            )
        }
        (Answer::Retry, _) => "retry: try what failed again (the cause is mended)".to_owned(),
        (Answer::SkipSize(name), _) if name == AUDIO_RENDITION => {
            format!("skip {name}: make the video without its sound")
        }
        (Answer::SkipSize(name), _) => {
            plain(&format!("skip {name}: make the video without {name}"))
        }
        (Answer::GiveUp, Cause::Making { .. }) => {
            "give up: end this making of the video and remove its objects".to_owned()
        }
        (Answer::GiveUp, Cause::Message { .. }) => "give up: leave it parked".to_owned(),
        (Answer::GiveUp, Cause::Upload { .. } | Cause::Alarm { .. }) => {
            "seen: close the ticket; nothing else follows".to_owned()
        }
    }
}

/// A notice's text. It has the links, so nobody but its readers may see it.
#[must_use]
pub fn text(ticket: &Ticket, api_base_url: &str) -> String {
    let mut text = format!("{}.\n\nwhy:    {}\n", headline(ticket), reason(ticket));
    // Writing to a string does not fail.
    let _ = writeln!(text, "what:   {}", failures(ticket));
    let _ = writeln!(text, "ticket: {}", ticket.ticket_id);
    for answer in ticket.answers() {
        let path = link::path(ticket, &answer);
        let _ = write!(
            text,
            "\n{}\n{api_base_url}{path}\n",
            effect(ticket, &answer)
        );
    }
    let _ = write!(
        text,
        "\nThe first answer counts. The links hold until {:.0}; the API takes answers after that too.\n",
        ticket.expires_at
    );
    text
}

/// Text from outside, without what steers a terminal or breaks a line.
fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}
