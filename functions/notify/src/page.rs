//! The pages behind links: small, whole in themselves, and without a script.

use std::fmt::Write;

use cattube_contract::human::Answer;
use cattube_core::ticket::{Ticket, TicketState, link, words};
use cattube_ports::http::ApiResponse;

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// A page of a heading, paragraphs and perhaps a form, which is ours and not escaped.
fn page(status: u16, heading: &str, paragraphs: &[&str], form: &str) -> ApiResponse {
    let heading = escaped(heading);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{heading}</title>\n\
         <style>body{{font:16px/1.5 sans-serif;max-width:40em;margin:2em auto;padding:0 1em;\
         overflow-wrap:anywhere}}button{{font:inherit;padding:.5em 1em}}</style>\n</head>\n\
         <body>\n<h1>{heading}</h1>\n"
    );
    for paragraph in paragraphs {
        // Writing to a string does not fail.
        let _ = writeln!(html, "<p>{}</p>", escaped(paragraph));
    }
    html.push_str(form);
    html.push_str("</body>\n</html>\n");
    ApiResponse::html(status, html)
}

pub(crate) fn question(ticket: &Ticket, answer: &Answer) -> ApiResponse {
    let why = format!("Why: {}", words::reason(ticket));
    let what = format!("What failed: {}", words::failures(ticket));
    let effect = format!(
        "You are about to answer: {}.",
        words::effect(ticket, answer)
    );
    // Without an action the form goes to where this page came from, with the signed query.
    let form = "<form method=\"post\"><button type=\"submit\">Answer</button></form>\n";
    page(200, &words::headline(ticket), &[&why, &what, &effect], form)
}

pub(crate) fn thanks(ticket: &Ticket, answer: &Answer) -> ApiResponse {
    let said = format!("Your answer: {}.", words::effect(ticket, answer));
    page(200, "Thank you", &[&words::headline(ticket), &said], "")
}

pub(crate) fn ended(ticket: &Ticket) -> ApiResponse {
    let said = match &ticket.state {
        TicketState::Open => "It is still open; try again.".to_owned(),
        TicketState::Answered { answer, at, .. } => {
            format!(
                "It was answered already: {} at {at:.0}.",
                link::word(answer)
            )
        }
        TicketState::Closed { by, at } => format!("It was closed already: {by} at {at:.0}."),
    };
    page(409, &words::headline(ticket), &[&said], "")
}

pub(crate) fn expired() -> ApiResponse {
    let said = "Links hold for a while only. The ticket can still be answered with a token: \
                `cattube tickets`, `cattube answer`.";
    page(410, "This link has expired", &[said], "")
}

pub(crate) fn forged() -> ApiResponse {
    let said = "Its signature does not fit: perhaps a part of it was lost on the way.";
    page(403, "This link is not one of ours", &[said], "")
}

pub(crate) fn unknown() -> ApiResponse {
    let said = "There is no ticket of this id.";
    page(404, "No such ticket", &[said], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_no_markup() {
        let answer = page(200, "<script>alert('1')</script>", &["a & \"b\""], "");
        let html = answer.body.as_str().unwrap();
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains("a &amp; &quot;b&quot;"), "{html}");
    }
}
