//! What Lambda hands over: batches of SQS messages and HTTP requests. Every message of a
//! batch stands for itself; a panic counts as its failure, and so does running out of time,
//! which must never undo what was done beside it.

use std::collections::BTreeMap;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use cattube_contract::Message;
use cattube_ports::http::{ApiRequest, ApiResponse, HTML};
use cattube_ports::outcome::{ApiHandler, MessageHandler};
use futures::FutureExt;
use futures::future::{Either, select};
use lambda_runtime::{Context, Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use tokio::time::sleep;
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

/// Logs as JSON on standard output, one line each, at the level of `RUST_LOG`.
pub fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second start (tests) keeps the first.
    let _ = tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_current_span(false)
        .with_target(false)
        .try_init();
}

/// What is kept of an invocation's time, to report which messages are left.
const REPORT_TIME: Duration = Duration::from_secs(1);

/// How often a message is received before it is buried, as in `template.yaml`.
const MAX_RECEIVES: usize = 5;

/// Ends shortly before Lambda ends the invocation.
async fn out_of_time(context: Context) {
    match time_left(context.deadline(), SystemTime::now()) {
        Some(left) => sleep(left).await,
        None => pending().await,
    }
}

/// What an invocation may take that ends at `deadline`; none if nobody ends it: `cargo lambda
/// watch` gives each a deadline of 1970.
fn time_left(deadline: SystemTime, now: SystemTime) -> Option<Duration> {
    let left = deadline.duration_since(now).ok()?;
    Some(left.saturating_sub(REPORT_TIME))
}

/// Handles every message of a batch until `out_of_time`; returns the report of those that failed
/// or were not done by then.
pub async fn handle_batch<H: MessageHandler>(
    handler: &H,
    batch: SqsEvent,
    out_of_time: impl Future<Output = ()>,
) -> Value {
    let mut out_of_time = pin!(out_of_time);
    let mut has_time = true;
    let mut messages = batch.records;
    let first = messages.first().map_or(0, first_in_turn(messages.len()));
    messages.rotate_left(first);
    let mut failures = Vec::new();
    for message in messages {
        let is_done = if has_time {
            let handling = pin!(handle_message(handler, &message));
            match select(out_of_time.as_mut(), handling).await {
                Either::Right((is_done, _)) => is_done,
                Either::Left(_) => {
                    // The same as a crash at this point, which every handler has to stand.
                    log_failure("not done: no time is left", &message, None);
                    has_time = false;
                    false
                }
            }
        } else {
            log_failure("not begun: no time is left", &message, None);
            false
        };
        if !is_done {
            failures.push(json!({ "itemIdentifier": id(&message) }));
        }
    }
    json!({ "batchItemFailures": failures })
}

/// Which message of a batch of `count` is handled first. A batch in which one hangs may come back
/// as it was: each time others come before that one.
fn first_in_turn(count: usize) -> impl Fn(&SqsMessage) -> usize {
    move |message| {
        let again = receives(message).parse::<usize>().unwrap_or(1);
        let step = count.div_ceil(MAX_RECEIVES);
        let place = again.saturating_sub(1).saturating_mul(step);
        place.checked_rem(count).unwrap_or(0)
    }
}

fn receives(message: &SqsMessage) -> &str {
    let count = message.attributes.get("ApproximateReceiveCount");
    count.map_or("1", String::as_str)
}

fn id(message: &SqsMessage) -> &str {
    message.message_id.as_deref().unwrap_or_default()
}

/// Handles one message and says in one log line how it went.
async fn handle_message<H: MessageHandler>(handler: &H, message: &SqsMessage) -> bool {
    let (message_id, receives) = (id(message), receives(message));
    let body = message.body.as_deref().unwrap_or_default();
    let source = message.event_source_arn.as_deref().unwrap_or_default();
    match AssertUnwindSafe(handler.handle_from(source, body))
        .catch_unwind()
        .await
    {
        Ok(Ok(outcome)) => {
            if let Some(metadata) = outcome.metadata {
                info!(action = outcome.action, video_id = %metadata.video_id, event_id = %metadata.event_id, attempt = metadata.attempt, message_id, receives);
            } else {
                info!(action = outcome.action, message_id, receives);
            }
            true
        }
        Ok(Err(error)) => {
            log_failure("failed", message, Some(&error));
            false
        }
        Err(_) => {
            log_failure("panicked", message, None);
            false
        }
    }
}

/// Logs a message that was not handled, with whose it is if its body tells.
fn log_failure(action: &'static str, message: &SqsMessage, error: Option<&dyn std::error::Error>) {
    let parsed = Message::parse(message.body.as_deref().unwrap_or_default());
    let metadata = parsed.as_ref().ok().map(Message::metadata);
    error!(
        action,
        error = error.map(display),
        video_id = metadata.map(|metadata| display(metadata.video_id)),
        event_id = metadata.map(|metadata| display(metadata.event_id)),
        attempt = metadata.map(|metadata| metadata.attempt),
        message_id = id(message),
        receives = receives(message),
    );
}

/// Answers one HTTP request; an error of ours is a 500 without its text.
pub async fn answer<H: ApiHandler>(handler: &H, request: ApiGatewayV2httpRequest) -> Value {
    // A query parameter without a value makes the library of the payload's types panic.
    let read = std::panic::catch_unwind(AssertUnwindSafe(|| to_request(request)));
    let request = match read.unwrap_or_else(|_| Err("the query is damaged".to_owned())) {
        Ok(request) => request,
        Err(reason) => return to_payload(&ApiResponse::problem(400, "Bad request", &reason)),
    };
    let route = request.route.clone();
    let response = match AssertUnwindSafe(handler.answer(request))
        .catch_unwind()
        .await
    {
        Ok(Ok(response)) => {
            info!(action = "answered", route, status = response.status);
            response
        }
        Ok(Err(error)) => {
            error!(action = "failed", route, %error);
            ApiResponse::problem(500, "Internal error", "it has been logged; try again later")
        }
        Err(_) => {
            error!(action = "panicked", route);
            ApiResponse::problem(500, "Internal error", "it has been logged; try again later")
        }
    };
    to_payload(&response)
}

fn to_request(request: ApiGatewayV2httpRequest) -> Result<ApiRequest, String> {
    let body = request.body.unwrap_or_default();
    let body = if request.is_base64_encoded {
        aws_smithy_types::base64::decode(body).map_err(|error| format!("body: {error}"))?
    } else {
        body.into_bytes()
    };
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| {
            // An idempotency key that was left out would make two uploads of one.
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_lowercase(), value.into_owned())
        })
        .collect();
    let subject = request
        .request_context
        .authorizer
        .and_then(|authorizer| authorizer.jwt)
        .and_then(|jwt| jwt.claims.get("sub").cloned());
    let query = request
        .query_string_parameters
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Ok(ApiRequest {
        route: request.route_key.unwrap_or_default(),
        path: request.path_parameters.into_iter().collect(),
        query,
        headers,
        subject,
        body,
    })
}

/// A page loads nothing, runs nothing, sends its forms to where it came from, stands in no
/// frame, and tells nobody its address, which may be a secret.
const PAGE_HEADERS: [(&str, &str); 3] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
];

fn to_payload(response: &ApiResponse) -> Value {
    let mut headers = vec![
        ("content-type", response.content_type),
        ("cache-control", "no-store"),
    ];
    if response.content_type == HTML {
        headers.extend(PAGE_HEADERS);
    }
    let headers: BTreeMap<_, _> = headers.into_iter().collect();
    let body = if response.body.is_null() {
        String::new()
    } else if let (HTML, Some(page)) = (response.content_type, response.body.as_str()) {
        page.to_owned()
    } else {
        response.body.to_string()
    };
    json!({
        "statusCode": response.status,
        "headers": headers,
        "body": body,
        "isBase64Encoded": false,
    })
}

/// Serves a function that is woken by queues only.
///
/// # Errors
/// If the runtime ends.
pub async fn run_consumer<H: MessageHandler + 'static>(handler: H) -> Result<(), Error> {
    let handler = Arc::new(handler);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| {
        let handler = Arc::clone(&handler);
        async move {
            let out_of_time = out_of_time(event.context);
            Ok::<_, Error>(handle_batch(handler.as_ref(), event.payload, out_of_time).await)
        }
    }))
    .await
}

/// Serves a function that is woken by both; the payload's shape tells which.
///
/// # Errors
/// If the runtime ends.
pub async fn run_consumer_and_api<H>(handler: H) -> Result<(), Error>
where
    H: MessageHandler + ApiHandler + 'static,
{
    let handler = Arc::new(handler);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let handler = Arc::clone(&handler);
        async move {
            if event.payload.get("Records").is_some() {
                let out_of_time = out_of_time(event.context);
                let batch = serde_json::from_value(event.payload)?;
                return Ok::<_, Error>(handle_batch(handler.as_ref(), batch, out_of_time).await);
            }
            let request = serde_json::from_value(event.payload)?;
            Ok(answer(handler.as_ref(), request).await)
        }
    }))
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use cattube_ports::outcome::Outcome;
    use std::future::ready;
    use std::sync::Mutex;
    use tokio::sync::Notify;

    /// Notes what it is given. `panic` panics; `hang` has no end, and takes all the time.
    #[derive(Default)]
    struct Handler {
        given: Mutex<Vec<String>>,
        out_of_time: Notify,
    }

    impl Handler {
        async fn handle_all(&self, batch: SqsEvent) -> Value {
            handle_batch(self, batch, self.out_of_time.notified()).await
        }
    }

    #[async_trait]
    impl MessageHandler for Handler {
        type Error = std::io::Error;

        async fn handle(&self, body: &str) -> Result<Outcome, Self::Error> {
            self.given.lock().unwrap().push(body.to_owned());
            match body {
                "hang" => {
                    self.out_of_time.notify_one();
                    pending().await
                }
                "panic" => panic!("as it was told"),
                _ => Ok(Outcome {
                    action: "noted",
                    metadata: None,
                }),
            }
        }
    }

    fn batch(bodies: &[&str], receives: usize) -> SqsEvent {
        let records: Vec<_> = bodies
            .iter()
            .map(|body| {
                json!({
                    "messageId": format!("id of {body}"),
                    "body": body,
                    "attributes": { "ApproximateReceiveCount": receives.to_string() },
                    "messageAttributes": {},
                })
            })
            .collect();
        serde_json::from_value(json!({ "Records": records })).unwrap()
    }

    fn failed(bodies: &[&str]) -> Value {
        let ids = bodies
            .iter()
            .map(|body| json!({ "itemIdentifier": format!("id of {body}") }));
        json!({ "batchItemFailures": ids.collect::<Vec<_>>() })
    }

    #[tokio::test]
    async fn what_hangs_takes_nothing_down_that_was_done_before_it() {
        let handler = Handler::default();
        let report = handler
            .handle_all(batch(&["a", "panic", "hang", "b"], 1))
            .await;
        assert_eq!(report, failed(&["panic", "hang", "b"]));
        assert_eq!(*handler.given.lock().unwrap(), ["a", "panic", "hang"]);
    }

    #[tokio::test]
    async fn what_comes_behind_one_that_hangs_gets_its_turn_before_it_is_buried() {
        for count in 2..=10_usize {
            let names: Vec<_> = (0..count).map(|place| place.to_string()).collect();
            for hanging in 0..count {
                let mut left: Vec<&str> = names.iter().map(String::as_str).collect();
                left[hanging] = "hang";
                for receives in 1..=MAX_RECEIVES {
                    let report = Handler::default().handle_all(batch(&left, receives)).await;
                    left.retain(|body| report.to_string().contains(&format!("id of {body}\"")));
                }
                assert_eq!(left, ["hang"], "{hanging} of {count} hangs");
            }
        }
    }

    #[tokio::test]
    async fn nothing_is_begun_without_time() {
        let handler = Handler::default();
        let report = handle_batch(&handler, batch(&["a", "b"], 1), ready(())).await;
        assert_eq!(report, failed(&["a", "b"]));
        assert_eq!(*handler.given.lock().unwrap(), [""; 0]);
    }

    #[test]
    fn time_is_left_to_report_unless_nobody_ends_the_invocation() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
        let second = Duration::from_secs(1);
        assert_eq!(time_left(now + 30 * second, now), Some(29 * second));
        assert_eq!(time_left(now + second / 2, now), Some(Duration::ZERO));
        let of_1970 = SystemTime::UNIX_EPOCH + Duration::from_mins(10);
        assert_eq!(time_left(of_1970, now), None);
    }

    #[test]
    fn no_header_is_left_out() {
        for (bytes, read) in [
            (&b"caf\xc3\xa9"[..], "caf\u{e9}"),
            (b"caf\xe9", "caf\u{fffd}"),
        ] {
            let mut request = ApiGatewayV2httpRequest::default();
            let value = aws_lambda_events::http::HeaderValue::from_bytes(bytes).unwrap();
            request.headers.insert("idempotency-key", value);
            let headers = to_request(request).unwrap().headers;
            assert_eq!(headers["idempotency-key"], read);
        }
    }
}
