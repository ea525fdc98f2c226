//! Tickets over HTTP: paging and answering.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use cattube::{Client, Error, Retry};
use serde_json::{Value, json};

/// Answers these requests in their order with a status and a body; gives what came.
fn serve(answers: Vec<(u16, Value)>) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut asked = Vec::new();
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut first = String::new();
            reader.read_line(&mut first).unwrap();
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim().to_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut sent = vec![0; length];
            reader.read_exact(&mut sent).unwrap();
            asked.push(format!(
                "{} {}",
                first.trim(),
                String::from_utf8(sent).unwrap()
            ));
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream
                .write_all(format!("{head}{body}").as_bytes())
                .unwrap();
        }
        asked
    });
    (url, server)
}

fn client(url: &str) -> Client {
    let retry = Retry {
        tries: 3,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(4),
    };
    Client::new(url, "secret", retry)
}

#[test]
fn every_page_of_tickets_is_read() {
    let page = |id: &str, next: Value| {
        let ticket = json!({ "ticket_id": id, "state": "open" });
        (200, json!({ "tickets": [ticket], "next_cursor": next }))
    };
    let (url, server) = serve(vec![
        page("tkt_2", json!("ticket#1")),
        (503, json!({})),
        page("tkt_1", Value::Null),
    ]);
    let tickets = client(&url).tickets(false).unwrap();
    let ids: Vec<_> = tickets
        .iter()
        .map(|ticket| ticket.ticket_id.as_str())
        .collect();
    assert_eq!(ids, ["tkt_2", "tkt_1"]);
    let asked = server.join().unwrap();
    assert!(
        asked[0].starts_with("GET /v1/tickets?state=open HTTP"),
        "{asked:?}"
    );
    assert!(asked[2].contains("cursor=ticket%231"), "{asked:?}");
}

#[test]
fn an_answer_is_given_and_a_refusal_told() {
    let problem = json!({ "title": "Conflict", "detail": "answered already: give-up" });
    let ticket = json!({ "ticket_id": "tkt_1", "state": "answered", "answer": "skip-720p" });
    let (url, server) = serve(vec![(200, ticket), (409, problem)]);
    let answer = "skip-720p".parse().unwrap();
    let ticket = client(&url).answer_ticket("tkt_1", &answer).unwrap();
    assert_eq!(ticket.answer.as_deref(), Some("skip-720p"));
    let refused = client(&url).answer_ticket("tkt_1", &"retry".parse().unwrap());
    assert!(
        matches!(refused, Err(Error::Problem { status: 409, .. })),
        "{refused:?}"
    );
    assert!(client(&url).answer_ticket("../x", &answer).is_err());
    let asked = server.join().unwrap();
    assert!(
        asked[0].starts_with("POST /v1/tickets/tkt_1/answer HTTP"),
        "{asked:?}"
    );
    let body = &asked[0][asked[0].find('{').unwrap()..];
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body, json!({ "answer": "skip-720p" }));
}
