//! What Lambda hands over: batches of SQS messages and HTTP requests. Every message of a
//! batch stands for itself; a panic counts as its failure.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use cattube_ports::http::{ApiRequest, ApiResponse, HTML};
use cattube_ports::outcome::{ApiHandler, MessageHandler};
use futures::FutureExt;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
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

/// Handles every message of a batch; returns the report of those that failed.
pub async fn handle_batch<H: MessageHandler>(handler: &H, batch: SqsEvent) -> Value {
    let mut failures = Vec::new();
    for message in batch.records {
        let id = message.message_id.clone().unwrap_or_default();
        if !handle_message(handler, &message).await {
            failures.push(json!({ "itemIdentifier": id }));
        }
    }
    json!({ "batchItemFailures": failures })
}

/// Handles one message and says in one log line how it went.
async fn handle_message<H: MessageHandler>(handler: &H, message: &SqsMessage) -> bool {
    let message_id = message.message_id.as_deref().unwrap_or_default();
    let receives = message
        .attributes
        .get("ApproximateReceiveCount")
        .map_or("1", String::as_str);
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
            error!(action = "failed", %error, message_id, receives);
            false
        }
        Err(_) => {
            error!(action = "panicked", message_id, receives);
            false
        }
    }
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
        .filter_map(|(name, value)| {
            Some((
                name.as_str().to_lowercase(),
                value.to_str().ok()?.to_owned(),
            ))
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
        async move { Ok::<_, Error>(handle_batch(handler.as_ref(), event.payload).await) }
    }))
    .await
}

/// Serves a function that is woken by HTTP only.
///
/// # Errors
/// If the runtime ends.
pub async fn run_api<H: ApiHandler + 'static>(handler: H) -> Result<(), Error> {
    let handler = Arc::new(handler);
    lambda_runtime::run(service_fn(
        move |event: LambdaEvent<ApiGatewayV2httpRequest>| {
            let handler = Arc::clone(&handler);
            async move { Ok::<_, Error>(answer(handler.as_ref(), event.payload).await) }
        },
    ))
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
                let batch = serde_json::from_value(event.payload)?;
                return Ok::<_, Error>(handle_batch(handler.as_ref(), batch).await);
            }
            let request = serde_json::from_value(event.payload)?;
            Ok(answer(handler.as_ref(), request).await)
        }
    }))
    .await
}
