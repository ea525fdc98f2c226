//! Names of the environment variables that `template.yaml` gives the functions.

use crate::ContractError;

/// The EventBridge bus of all CatTube events.
pub const BUS_NAME: &str = "BUS_NAME";
/// The private bucket of masters, drops and work objects.
pub const MASTERS_BUCKET: &str = "MASTERS_BUCKET";
/// The bucket of renditions and playlists, read through CloudFront.
pub const MEDIA_BUCKET: &str = "MEDIA_BUCKET";
/// The FIFO queue of `PlanVideo` commands.
pub const JOBS_QUEUE_URL: &str = "JOBS_QUEUE_URL";
/// The standard, fair queue of `TranscodeChunk` commands.
pub const CHUNKS_QUEUE_URL: &str = "CHUNKS_QUEUE_URL";
/// The queue of `retry`, which it sends delayed commands to.
pub const RETRY_QUEUE_URL: &str = "RETRY_QUEUE_URL";
/// The table of `upload`.
pub const UPLOADS_TABLE: &str = "UPLOADS_TABLE";
/// The table of `assemble`.
pub const JOINS_TABLE: &str = "JOINS_TABLE";
/// The table of `manage`.
pub const CATALOGUE_TABLE: &str = "CATALOGUE_TABLE";
/// Where the media bucket is served, without a trailing slash.
pub const MEDIA_BASE_URL: &str = "MEDIA_BASE_URL";
/// The token subject that owns plain `aws s3 cp` drops.
pub const DROP_OWNER_SUBJECT: &str = "DROP_OWNER_SUBJECT";

/// Reads one variable.
///
/// # Errors
/// [`ContractError::Env`] if it is missing, empty or not Unicode.
pub fn read(name: &'static str) -> Result<String, ContractError> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or(ContractError::Env { name })
}
