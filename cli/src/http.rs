//! Requests and their retries, beneath the client.

use std::io::Read;
use std::thread::sleep;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body, SendBody};

use crate::Error;
use crate::api::NewUpload;

/// How much of a foreign error text is shown.
const EXCERPT_CHARS: usize = 300;

/// How often and how soon a failed request is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Tries in all.
    pub tries: u32,
    /// The pause before the second try; each further one is twice as long.
    pub first_pause: Duration,
    /// No pause is longer.
    pub longest_pause: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            tries: 5,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(20),
        }
    }
}

impl Retry {
    /// The pause after failed try `number`, from 1.
    #[must_use]
    pub fn pause_after(&self, number: u32) -> Duration {
        let factor = 2_u32.saturating_pow(number.saturating_sub(1));
        self.first_pause
            .saturating_mul(factor)
            .min(self.longest_pause)
    }

    /// How long to wait for a failed upload to be granted afresh: longer than the longest
    /// delay of a retry, and than what comes on top of it.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.longest_pause.saturating_mul(30)
    }
}

/// Why a part was not taken.
#[derive(Debug)]
pub(crate) enum PartRefusal {
    /// Its URL is valid no more.
    Expired(String),
    /// The upload has ended.
    Gone,
    /// Anything that may pass.
    Passing(String),
}

/// Sends requests to one API with one token.
#[derive(Debug)]
pub(crate) struct Http {
    agent: Agent,
    base_url: String,
    authorization: String,
    pub(crate) retry: Retry,
}

/// What to send.
#[derive(Clone, Copy)]
pub(crate) enum Send<'a> {
    Get(&'a [(&'a str, &'a str)]),
    Delete,
    Post,
    Tell(&'a Value),
    Create(&'a NewUpload, &'a str),
}

impl Send<'_> {
    fn method(self) -> &'static str {
        match self {
            Self::Get(_) => "GET",
            Self::Delete => "DELETE",
            Self::Post | Self::Tell(_) | Self::Create(..) => "POST",
        }
    }
}

impl Http {
    pub(crate) fn new(base_url: &str, token: &str, retry: Retry) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("cattube/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_per_write(Some(Duration::from_mins(1)))
            .timeout_recv_response(Some(Duration::from_mins(2)))
            .timeout_recv_body(Some(Duration::from_mins(2)))
            .build();
        Self {
            agent: config.new_agent(),
            base_url: base_url.trim_end_matches('/').to_owned(),
            authorization: format!("Bearer {}", token.trim()),
            retry,
        }
    }

    /// Puts one part, once.
    pub(crate) fn put_part(
        &self,
        url: &str,
        body: &mut dyn Read,
        size_bytes: u64,
    ) -> Result<(), PartRefusal> {
        let answer = self
            .agent
            .put(url)
            .header("content-length", size_bytes.to_string())
            .send(SendBody::from_reader(body));
        let mut answer = answer.map_err(|error| PartRefusal::Passing(error.to_string()))?;
        let status = answer.status().as_u16();
        if answer.status().is_success() {
            return Ok(());
        }
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        let reason = format!("status {status}: {}", excerpt(&text));
        Err(match status {
            403 => PartRefusal::Expired(reason),
            404 => PartRefusal::Gone,
            _ => PartRefusal::Passing(reason),
        })
    }

    pub(crate) fn ask<T: DeserializeOwned>(&self, path: &str, send: Send) -> Result<T, Error> {
        let answer = self.request(path, send)?;
        serde_json::from_value(answer).map_err(|error| Error::Answer {
            request: format!("{} {}{path}", send.method(), self.base_url),
            reason: error.to_string(),
        })
    }

    /// Every request of this API may be repeated, so it is, while that may help.
    pub(crate) fn request(&self, path: &str, send: Send) -> Result<Value, Error> {
        let mut number = 1;
        loop {
            match self.request_once(path, send) {
                Err(error) if error.is_passing() && number < self.retry.tries => {
                    sleep(self.retry.pause_after(number));
                    number = number.saturating_add(1);
                }
                result => return result,
            }
        }
    }

    fn request_once(&self, path: &str, send: Send) -> Result<Value, Error> {
        let url = format!("{}{path}", self.base_url);
        let transport = |error: ureq::Error| Error::Transport {
            request: format!("{} {url}", send.method()),
            reason: error.to_string(),
        };
        let mut answer = self.run(&url, send).map_err(transport)?;
        let status = answer.status();
        let text = answer.body_mut().read_to_string().map_err(transport)?;
        if !status.is_success() {
            let reason = status.canonical_reason().unwrap_or("Error");
            return Err(problem(status.as_u16(), reason, &text));
        }
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| Error::Answer {
            request: format!("{} {url}", send.method()),
            reason: format!("{error} in {}", excerpt(&text)),
        })
    }

    fn run(&self, url: &str, send: Send) -> Result<Response<Body>, ureq::Error> {
        let name = "authorization";
        match send {
            Send::Get(query) => {
                let query = query.iter().filter(|(_, value)| !value.is_empty());
                let request = self.agent.get(url).header(name, &self.authorization);
                request.query_pairs(query.copied()).call()
            }
            Send::Delete => {
                let request = self.agent.delete(url);
                request.header(name, &self.authorization).call()
            }
            Send::Post => {
                let request = self.agent.post(url);
                request.header(name, &self.authorization).send_empty()
            }
            Send::Tell(body) => {
                let request = self.agent.post(url);
                request.header(name, &self.authorization).send_json(body)
            }
            Send::Create(upload, key) => {
                let request = self.agent.post(url).header("idempotency-key", key);
                request.header(name, &self.authorization).send_json(upload)
            }
        }
    }
}

/// An error answer: a problem document, a gateway's `{"message": …}`, or anything else.
fn problem(status: u16, reason: &str, text: &str) -> Error {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Problem {
        title: Option<String>,
        detail: Option<String>,
        message: Option<String>,
        missing: Vec<u32>,
    }
    let problem: Problem = serde_json::from_str(text).unwrap_or_default();
    let detail = problem.detail.or(problem.message);
    Error::Problem {
        status,
        title: problem
            .title
            .unwrap_or_else(|| format!("{status} {reason}")),
        detail: detail.unwrap_or_else(|| excerpt(text)),
        missing: problem.missing,
    }
}

fn excerpt(text: &str) -> String {
    let text: String = text.trim().chars().take(EXCERPT_CHARS).collect();
    if text.is_empty() {
        "no reason given".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_all_sorts_read_well() {
        let text = r#"{"title":"Not found","detail":"no video vid_1","status":404}"#;
        let shown = problem(404, "Not Found", text).to_string();
        assert_eq!(shown, "Not found: no video vid_1");
        let shown = problem(401, "Unauthorized", r#"{"message":"Unauthorized"}"#).to_string();
        assert_eq!(shown, "401 Unauthorized: Unauthorized");
        let shown = problem(502, "Bad Gateway", "<html>").to_string();
        assert_eq!(shown, "502 Bad Gateway: <html>");
        let shown = problem(500, "Internal Server Error", "").to_string();
        assert!(shown.ends_with("no reason given"), "{shown}");
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let retry = Retry::default();
        let pauses: Vec<_> = (1..9).map(|n| retry.pause_after(n).as_millis()).collect();
        assert_eq!(
            pauses,
            [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]
        );
    }
}
