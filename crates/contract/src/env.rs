//! Names of the environment variables that `template.yaml` gives the functions.

use std::collections::BTreeMap;

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
/// The queue of `upload`, which `retry` sends commands to.
pub const UPLOADS_QUEUE_URL: &str = "UPLOADS_QUEUE_URL";
/// The same queue, by the name that deadlines know it by.
pub const UPLOADS_QUEUE_ARN: &str = "UPLOADS_QUEUE_ARN";
/// The queue of jobs' deadlines.
pub const DEADLINES_QUEUE_ARN: &str = "DEADLINES_QUEUE_ARN";
/// The queue of `manage`, by the name that deadlines know it by.
pub const MANAGE_QUEUE_ARN: &str = "MANAGE_QUEUE_ARN";
/// The queue of messages that nobody could handle, kept for a person.
pub const PARKED_QUEUE_URL: &str = "PARKED_QUEUE_URL";
/// The dead-letter queues that a function reads: `<queue>=<ARN>` each, a blank between them.
pub const DEAD_LETTERS: &str = "DEAD_LETTERS";
/// The queues that their buried messages may be sent back to: `<queue>=<URL>` each.
pub const SOURCE_QUEUES: &str = "SOURCE_QUEUES";
/// The EventBridge Scheduler group of all deadlines.
pub const SCHEDULE_GROUP: &str = "SCHEDULE_GROUP";
/// The role by which the scheduler sends to a function's queue.
pub const SCHEDULE_ROLE_ARN: &str = "SCHEDULE_ROLE_ARN";
/// Where a deadline goes that cannot be sent to its queue.
pub const SCHEDULE_DEAD_LETTERS_ARN: &str = "SCHEDULE_DEAD_LETTERS_ARN";
/// How long ffmpeg may take for a chunk, in seconds: less than the function itself, so that
/// there is time to say that it took too long.
pub const ENCODE_LIMIT_SECONDS: &str = "ENCODE_LIMIT_SECONDS";
/// How long a job may go without progress, in seconds.
pub const JOB_DEADLINE_SECONDS: &str = "JOB_DEADLINE_SECONDS";
/// How long an upload of the smallest parts may go without a part, in seconds.
pub const UPLOAD_DEADLINE_SECONDS: &str = "UPLOAD_DEADLINE_SECONDS";
/// How long after its end a making's objects are removed again or for good, in seconds.
pub const PURGE_DELAY_SECONDS: &str = "PURGE_DELAY_SECONDS";
/// The table of `notify`.
pub const TICKETS_TABLE: &str = "TICKETS_TABLE";
/// The SNS topic that reaches people.
pub const PEOPLE_TOPIC_ARN: &str = "PEOPLE_TOPIC_ARN";
/// Where the HTTP API answers, without a trailing slash.
pub const API_BASE_URL: &str = "API_BASE_URL";
/// The token subject that sees and answers every ticket.
pub const OPERATOR_SUBJECT: &str = "OPERATOR_SUBJECT";
/// How long the links of a ticket hold, in seconds.
pub const TICKET_LINK_SECONDS: &str = "TICKET_LINK_SECONDS";
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

/// Reads one variable that is a whole number of seconds.
///
/// # Errors
/// [`ContractError::Env`] if it is missing or no whole number.
pub fn read_seconds(name: &'static str) -> Result<std::time::Duration, ContractError> {
    let seconds = read(name)?
        .parse()
        .map_err(|_| ContractError::Env { name })?;
    Ok(std::time::Duration::from_secs(seconds))
}

/// Reads one variable that is a list of `<name>=<value>` with blanks between them.
///
/// # Errors
/// [`ContractError::Env`] if it is missing or no such list.
pub fn read_pairs(name: &'static str) -> Result<BTreeMap<String, String>, ContractError> {
    pairs(&read(name)?).ok_or(ContractError::Env { name })
}

fn pairs(text: &str) -> Option<BTreeMap<String, String>> {
    let pair = |word: &str| {
        let (name, value) = word.split_once('=')?;
        let whole = !name.is_empty() && !value.is_empty();
        whole.then(|| (name.to_owned(), value.to_owned()))
    };
    text.split_ascii_whitespace().map(pair).collect()
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_whole_or_not_at_all() {
        let read = pairs("jobs=arn:aws:sqs:1:jobs.fifo  chunks=http://127.0.0.1/a=b").unwrap();
        assert_eq!(read["jobs"], "arn:aws:sqs:1:jobs.fifo");
        assert_eq!(read["chunks"], "http://127.0.0.1/a=b");
        for text in ["jobs", "jobs=", "=arn", "jobs=a chunks"] {
            assert!(pairs(text).is_none(), "{text}");
        }
    }
}
