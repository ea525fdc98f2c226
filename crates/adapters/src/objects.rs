//! S3 behind the port `Objects`.

use std::collections::BTreeMap;
use std::ops::Range;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use aws_smithy_types::error::display::DisplayErrorContext;
use bytes::Bytes;
use cattube_contract::Fault;
use cattube_ports::objects::{NewObject, ObjectHead};
use cattube_ports::{Objects, PortError};

/// A bucket.
#[derive(Debug, Clone)]
pub struct S3 {
    pub(crate) client: Client,
    pub(crate) bucket: String,
}

impl S3 {
    /// The bucket `bucket`.
    #[must_use]
    pub fn new(config: &SdkConfig, bucket: String) -> Self {
        Self {
            client: Client::new(config),
            bucket,
        }
    }
}

/// What a failed call means.
pub(crate) fn failure<E>(operation: &'static str, key: &str, error: &SdkError<E>) -> PortError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let key = key.to_owned();
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    match judge(status, error.code()) {
        Refusal::Missing => PortError::ObjectMissing { operation, key },
        Refusal::Changed => PortError::ObjectChanged { operation, key },
        Refusal::Fault(fault) => PortError::Object {
            operation,
            key,
            fault,
            reason: DisplayErrorContext(error).to_string(),
        },
    }
}

/// Why S3 refused a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Missing,
    Changed,
    Fault(Fault),
}

/// Codes of S3 that may pass though their status says otherwise: a slow client is told 400, a
/// write beside another 409, and a copy or a completion can fail behind a 200.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
const PASSING: [&str; 11] = [
    "BadDigest",
    "ConditionalRequestConflict",
    "ExpiredToken",
    "IncompleteBody",
    "InternalError",
    "OperationAborted",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "SlowDown",
];

/// Judges a refusal by its HTTP status and S3's code. A 5xx, a throttle or a lost connection may
/// pass, and so may what was accepted and then answered with an error; another 4xx will not.
fn judge(status: Option<u16>, code: Option<&str>) -> Refusal {
    match (status, code) {
        (_, Some(code)) if PASSING.contains(&code) => Refusal::Fault(Fault::Transient),
        // A bucket that is not there holds no object that is gone: its name is wrong.
        (_, Some("NoSuchBucket")) => Refusal::Fault(Fault::Permanent),
        (Some(404), _) => Refusal::Missing,
        (Some(412), _) => Refusal::Changed,
        (Some(200..=299 | 408 | 409 | 429 | 500..) | None, _) => Refusal::Fault(Fault::Transient),
        (Some(_), _) => Refusal::Fault(Fault::Permanent),
    }
}

fn lost(operation: &'static str, key: &str, reason: String) -> PortError {
    PortError::Object {
        operation,
        key: key.to_owned(),
        fault: Fault::Transient,
        reason,
    }
}

fn absent<T>(error: PortError) -> Result<Option<T>, PortError> {
    if let PortError::ObjectMissing { .. } = error {
        Ok(None)
    } else {
        Err(error)
    }
}

async fn collect(operation: &'static str, key: &str, body: ByteStream) -> Result<Bytes, PortError> {
    body.collect()
        .await
        .map(aws_sdk_s3::primitives::AggregatedBytes::into_bytes)
        .map_err(|error| lost(operation, key, DisplayErrorContext(&error).to_string()))
}

#[async_trait]
impl Objects for S3 {
    async fn head(&self, key: &str) -> Result<Option<ObjectHead>, PortError> {
        let answer = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return absent(failure("head", key, &error)),
        };
        let metadata: BTreeMap<_, _> = answer
            .metadata()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.to_lowercase(), value.clone()))
            .collect();
        Ok(Some(ObjectHead {
            size_bytes: answer
                .content_length()
                .and_then(|length| u64::try_from(length).ok())
                .unwrap_or(0),
            etag: answer
                .e_tag()
                .unwrap_or_default()
                .trim_matches('"')
                .to_owned(),
            metadata,
        }))
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, PortError> {
        let answer = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await;
        match answer {
            Ok(answer) => collect("get", key, answer.body).await.map(Some),
            Err(error) => absent(failure("get", key, &error)),
        }
    }

    async fn get_range(
        &self,
        key: &str,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Bytes, PortError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let answer = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .range(format!("bytes={}-{}", range.start, range.end - 1))
            .set_if_match(etag.map(|etag| format!("\"{etag}\"")))
            .send()
            .await
            .map_err(|error| failure("get range", key, &error))?;
        let bytes = collect("get range", key, answer.body).await?;
        if u64::try_from(bytes.len()).ok() == Some(range.end - range.start) {
            return Ok(bytes);
        }
        Err(PortError::Object {
            operation: "get range",
            key: key.to_owned(),
            fault: Fault::Permanent,
            reason: format!("{} bytes came for {range:?}", bytes.len()),
        })
    }

    async fn put(&self, object: NewObject) -> Result<(), PortError> {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(&object.key)
            .content_type(object.content_type)
            .cache_control(object.cache_control)
            .body(ByteStream::from(object.bytes))
            .send()
            .await
            .map(drop)
            .map_err(|error| failure("put", &object.key, &error))
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), PortError> {
        // Our keys are ASCII that needs no encoding here.
        self.client
            .copy_object()
            .bucket(&self.bucket)
            .copy_source(format!("{}/{from}", self.bucket))
            .key(to)
            .send()
            .await
            .map(drop)
            .map_err(|error| failure("copy", from, &error))
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, PortError> {
        let answer = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            .set_start_after(after.map(str::to_owned))
            .send()
            .await
            .map_err(|error| failure("list", prefix, &error))?;
        Ok(answer
            .contents
            .unwrap_or_default()
            .into_iter()
            .filter_map(|object| object.key)
            .collect())
    }

    async fn delete_writing(&self, key: &str, etag: &str) -> Result<(), PortError> {
        let answer = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(key)
            .if_match(format!("\"{etag}\""))
            .send()
            .await;
        let Err(error) = answer else {
            return Ok(());
        };
        let error = failure("delete", key, &error);
        let is_gone = matches!(
            error,
            PortError::ObjectMissing { .. } | PortError::ObjectChanged { .. }
        );
        if is_gone { Ok(()) } else { Err(error) }
    }

    async fn delete(&self, keys: &[String]) -> Result<(), PortError> {
        let Some(first) = keys.first() else {
            return Ok(());
        };
        let broken = |error: aws_smithy_types::error::operation::BuildError| {
            lost("delete", first, error.to_string())
        };
        let objects = keys
            .iter()
            .map(|key| ObjectIdentifier::builder().key(key).build())
            .collect::<Result<Vec<_>, _>>()
            .map_err(broken)?;
        let delete = Delete::builder()
            .set_objects(Some(objects))
            .quiet(true)
            .build()
            .map_err(broken)?;
        let answer = self
            .client
            .delete_objects()
            .bucket(&self.bucket)
            .delete(delete)
            .send()
            .await
            .map_err(|error| failure("delete", first, &error))?;
        match answer.errors().first() {
            None => Ok(()),
            Some(error) => Err(lost(
                "delete",
                error.key().unwrap_or(first),
                format!("{:?}: {:?}", error.code(), error.message()),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_by_the_code_before_the_status() {
        let passes = Refusal::Fault(Fault::Transient);
        let stays = Refusal::Fault(Fault::Permanent);
        let cases = [
            (None, None, passes),
            (Some(200), Some("InternalError"), passes),
            (Some(200), None, passes),
            (Some(400), Some("RequestTimeout"), passes),
            (Some(400), Some("ExpiredToken"), passes),
            (Some(400), Some("InvalidRequest"), stays),
            (Some(403), Some("AccessDenied"), stays),
            (Some(403), Some("RequestTimeTooSkewed"), passes),
            (Some(404), Some("NoSuchKey"), Refusal::Missing),
            (Some(404), None, Refusal::Missing),
            (Some(404), Some("NoSuchBucket"), stays),
            (Some(409), Some("OperationAborted"), passes),
            (Some(412), Some("PreconditionFailed"), Refusal::Changed),
            (Some(429), None, passes),
            (Some(503), Some("SlowDown"), passes),
        ];
        for (status, code, wanted) in cases {
            assert_eq!(judge(status, code), wanted, "{status:?} {code:?}");
        }
    }
}
