//! HLS and DASH from the plan and the reports of its chunks.

use cattube_contract::plan::Plan;
use cattube_contract::report::ChunkReport;

/// Why reports do not join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// See the text.
    #[error("{0}")]
    Mismatch(String),
}

/// Whether a media playlist still grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// The film's head; more will follow.
    Growing,
    /// All of the film.
    Final,
}

/// Checks that the reports (all of a contiguous head, any order) fit the plan and each other.
pub fn check_reports(plan: &Plan, reports: &[ChunkReport]) -> Result<(), JoinError> {
    let _ = (plan, reports);
    todo!()
}

/// `master.m3u8`.
pub fn hls_master(plan: &Plan, reports: &[ChunkReport]) -> Result<String, JoinError> {
    let _ = (plan, reports);
    todo!()
}

/// `<rendition>/playlist.m3u8` (`audio` for the sound).
pub fn hls_media(
    plan: &Plan,
    reports: &[ChunkReport],
    rendition: &str,
    completeness: Completeness,
) -> Result<String, JoinError> {
    let _ = (plan, reports, rendition, completeness);
    todo!()
}

/// `manifest.mpd`.
pub fn dash_manifest(plan: &Plan, reports: &[ChunkReport]) -> Result<String, JoinError> {
    let _ = (plan, reports);
    todo!()
}
