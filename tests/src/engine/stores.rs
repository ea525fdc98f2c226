//! The engine's buckets, by the AWS SDK: the CLI would take a second a look.

use std::collections::BTreeMap;

use aws_sdk_s3::Client as S3;
use aws_sdk_sqs::Client as Sqs;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::Engine;

/// An object as a listing tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its entity tag.
    pub etag: String,
    /// When it was written, in milliseconds since 1970.
    pub written_ms: i64,
}

pub(super) struct Stores {
    pub(super) runtime: Runtime,
    s3: S3,
    pub(super) sqs: Sqs,
}

impl Stores {
    pub(super) fn new(facts: &Value) -> Self {
        let fact = |pointer: &str| {
            let fact = facts.pointer(pointer).and_then(Value::as_str);
            fact.unwrap_or_default().to_owned()
        };
        let credentials = aws_sdk_s3::config::Credentials::new(
            fact("/env/AWS_ACCESS_KEY_ID"),
            fact("/env/AWS_SECRET_ACCESS_KEY"),
            None,
            None,
            "engine",
        );
        let s3 = aws_sdk_s3::Config::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .region(aws_sdk_s3::config::Region::new(fact("/region")))
            .endpoint_url(fact("/endpoint"))
            .force_path_style(true)
            .credentials_provider(credentials.clone())
            .build();
        let sqs = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(aws_sdk_sqs::config::Region::new(fact("/region")))
            .endpoint_url(fact("/endpoint"))
            .credentials_provider(credentials)
            .build();
        Self {
            runtime: Runtime::new().expect("a runtime"),
            s3: S3::from_conf(s3),
            sqs: Sqs::from_conf(sqs),
        }
    }
}

impl Engine {
    /// Every object of a bucket (an output's name) under a prefix.
    ///
    /// # Panics
    /// If the bucket cannot be listed; so for all requests.
    #[must_use]
    pub fn objects(&self, bucket: &str, prefix: &str) -> BTreeMap<String, Object> {
        let request = self.stores.s3.list_objects_v2();
        let request = request.bucket(self.output(bucket)).prefix(prefix);
        let pages = request.into_paginator().send().try_collect();
        let pages = self.stores.runtime.block_on(pages).expect("a listing");
        let objects = pages
            .into_iter()
            .flat_map(|page| page.contents.unwrap_or_default());
        let object = |object: aws_sdk_s3::types::Object| {
            let written = object.last_modified.and_then(|at| at.to_millis().ok());
            let described = Object {
                etag: object.e_tag.unwrap_or_default(),
                written_ms: written.unwrap_or_default(),
            };
            (object.key.unwrap_or_default(), described)
        };
        objects.map(object).collect()
    }

    /// The multipart uploads of the masters bucket that wait for parts: their keys.
    ///
    /// # Panics
    /// As [`Engine::objects`].
    #[must_use]
    pub fn open_uploads(&self) -> Vec<String> {
        let request = self.stores.s3.list_multipart_uploads();
        let request = request.bucket(self.output("MastersBucket"));
        let answer = self.stores.runtime.block_on(request.send());
        let uploads = answer.expect("a listing").uploads.unwrap_or_default();
        uploads
            .into_iter()
            .filter_map(|upload| upload.key)
            .collect()
    }
}
