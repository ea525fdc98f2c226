//! S3's multipart uploads behind the port `MultipartUploads`.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use cattube_contract::Fault;
use cattube_ports::objects::ArrivedPart;
use cattube_ports::{MultipartUploads, PortError};

use crate::objects::{S3, failure};

fn broken(operation: &'static str, key: &str, reason: String) -> PortError {
    PortError::Object {
        operation,
        key: key.to_owned(),
        fault: Fault::Permanent,
        reason,
    }
}

fn part_number(key: &str, number: u32) -> Result<i32, PortError> {
    i32::try_from(number).map_err(|error| broken("part", key, error.to_string()))
}

#[async_trait]
impl MultipartUploads for S3 {
    async fn begin(
        &self,
        key: &str,
        content_type: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Result<String, PortError> {
        let answer = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .content_type(content_type)
            .set_metadata(Some(metadata.clone().into_iter().collect()))
            .send()
            .await
            .map_err(|error| failure("begin upload", key, &error))?;
        answer
            .upload_id
            .ok_or_else(|| broken("begin upload", key, "no upload id came".to_owned()))
    }

    async fn part_url(
        &self,
        key: &str,
        upload: &str,
        part_number: u32,
        valid_for: Duration,
    ) -> Result<String, PortError> {
        let config = PresigningConfig::expires_in(valid_for)
            .map_err(|error| broken("sign part", key, error.to_string()))?;
        let request = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(upload)
            .part_number(self::part_number(key, part_number)?)
            .presigned(config)
            .await
            .map_err(|error| failure("sign part", key, &error))?;
        Ok(request.uri().to_owned())
    }

    async fn parts(
        &self,
        key: &str,
        upload: &str,
        after: u32,
    ) -> Result<Vec<ArrivedPart>, PortError> {
        let answer = self
            .client
            .list_parts()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(upload)
            .part_number_marker(after.to_string())
            .send()
            .await
            .map_err(|error| failure("list parts", key, &error))?;
        let mut parts = Vec::new();
        for part in answer.parts() {
            let number = part
                .part_number()
                .and_then(|number| u32::try_from(number).ok());
            let size_bytes = part.size().and_then(|size| u64::try_from(size).ok());
            let (Some(number), Some(size_bytes), Some(etag)) = (number, size_bytes, part.e_tag())
            else {
                return Err(broken(
                    "list parts",
                    key,
                    format!("a part without number, size or tag: {part:?}"),
                ));
            };
            parts.push(ArrivedPart {
                number,
                size_bytes,
                etag: etag.trim_matches('"').to_owned(),
            });
        }
        Ok(parts)
    }

    async fn complete(
        &self,
        key: &str,
        upload: &str,
        parts: &[ArrivedPart],
    ) -> Result<(), PortError> {
        let mut list = Vec::with_capacity(parts.len());
        for part in parts {
            list.push(
                CompletedPart::builder()
                    .part_number(part_number(key, part.number)?)
                    .e_tag(format!("\"{}\"", part.etag))
                    .build(),
            );
        }
        self.client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(upload)
            .multipart_upload(
                CompletedMultipartUpload::builder()
                    .set_parts(Some(list))
                    .build(),
            )
            .send()
            .await
            .map(drop)
            .map_err(|error| failure("complete upload", key, &error))
    }

    async fn abort(&self, key: &str, upload: &str) -> Result<(), PortError> {
        let answer = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(upload)
            .send()
            .await
            .map_err(|error| failure("abort upload", key, &error));
        match answer {
            Ok(_) | Err(PortError::ObjectMissing { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
