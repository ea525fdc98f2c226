//! What S3 tells of a job. It alone is asked, so that no event that was lost can hide what is
//! done.

use cattube_contract::Metadata;
use cattube_contract::command::PlanVideo;
use cattube_contract::key::VideoKeys;
use cattube_contract::plan::Plan;
use cattube_core::retry::Progress;

use crate::{Retry, RetryError};

/// What the store holds of one making of a video.
pub(crate) struct Work {
    pub(crate) plan: Option<Plan>,
    pub(crate) reports: u32,
}

impl Work {
    pub(crate) fn planned_chunks(&self) -> Option<u32> {
        let chunks = self.plan.as_ref()?.chunk_ids().count();
        Some(u32::try_from(chunks).unwrap_or(u32::MAX))
    }

    pub(crate) fn reports_seen(&self) -> Option<u32> {
        self.plan.as_ref().map(|_| self.reports)
    }
}

impl Retry {
    /// What the store tells of a job.
    pub(crate) async fn progress(
        &self,
        metadata: &Metadata,
        job: &PlanVideo,
    ) -> Result<Progress, RetryError> {
        let work = self.work(&VideoKeys::of(metadata, job.generation)).await?;
        let newer = VideoKeys::of(metadata, job.generation.saturating_add(1)).plan();
        Ok(Progress {
            has_master: self.exists(&job.master.key).await?,
            is_superseded: self.exists(&newer).await?,
            planned_chunks: work.planned_chunks(),
            reports: work.reports,
        })
    }

    pub(crate) async fn work(&self, keys: &VideoKeys) -> Result<Work, RetryError> {
        let plan = self.masters.get(&keys.plan()).await?;
        // A damaged plan is none: whoever makes it will say what is wrong.
        let plan = plan.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let found = self.masters.list_all(&keys.reports_prefix()).await?;
        let reports = found.iter().filter_map(|key| keys.chunk_of_report(key));
        let reports = u32::try_from(reports.count()).unwrap_or(u32::MAX);
        Ok(Work { plan, reports })
    }

    /// Whether an object is there. Asked by its name alone: what is in it is not for `retry`.
    async fn exists(&self, key: &str) -> Result<bool, RetryError> {
        let found = self.masters.list(key, None).await?;
        Ok(found.first().is_some_and(|first| first == key))
    }
}
