//! Finds out what a master is made of, reading as little of it as its kind allows.

use std::time::Duration;

use cattube_contract::event::{MasterLocation, RejectionCode};
use cattube_core::container::{self, IndexError, MasterIndex, SparseBytes, probe_text};
use jiff::SignedDuration;

use crate::{PlanError, Planner};

/// Reads of one master, at most. An MP4 with its index at the end takes 3; a fragmented one
/// takes one a fragment where it has no index of them.
const MAX_READS: usize = 20_000;

/// How long an index may take to be found: of the function's 120 s, and while others of the
/// same owner wait behind it. At 30 ms a read it ends before [`MAX_READS`].
const INDEX_LIMIT: SignedDuration = SignedDuration::from_secs(80);

/// The largest master that is taken whole, where its kind has no index that is read here:
/// one worker has to fetch and encode it within a function's time.
const MAX_WHOLE_BYTES: u64 = 1 << 30;

/// How much of such a master is fetched in one read.
const READ_BYTES: u64 = 16 << 20;

/// How long ffmpeg may look at one: it reads packets and decodes nothing.
const PROBE_LIMIT: Duration = Duration::from_mins(1);

/// The local name of such a master.
const FILE: &str = "master";

impl Planner {
    pub(crate) async fn index(&self, master: &MasterLocation) -> Result<MasterIndex, PlanError> {
        let mut bytes = SparseBytes::new(master.size_bytes);
        let begun = self.clock.now();
        for reads in 0..MAX_READS {
            if self.clock.now().duration_since(begun) > INDEX_LIMIT {
                return Err(PlanError::Slow { reads });
            }
            match container::index(&bytes) {
                Ok(index) => return checked(index, master),
                Err(IndexError::Need(range)) => {
                    let found = self
                        .objects
                        .get_range(&master.key, range.clone(), Some(&master.etag))
                        .await?;
                    bytes.insert(range.start, found.to_vec());
                }
                Err(IndexError::NeedProbe { format }) => {
                    return checked(self.ask_encoder(master, format).await?, master);
                }
                Err(IndexError::Rejected { code, reason }) => {
                    return Err(PlanError::Rejected { code, reason });
                }
            }
        }
        Err(PlanError::Reads { reads: MAX_READS })
    }

    /// Lets ffmpeg, in its sandbox, look at a master that cannot be indexed here.
    async fn ask_encoder(
        &self,
        master: &MasterLocation,
        format: &'static str,
    ) -> Result<MasterIndex, PlanError> {
        refuse_large(master, format)?;
        let mut workspace = self.encoder.open().await?;
        let mut start = 0;
        while start < master.size_bytes {
            let end = start.saturating_add(READ_BYTES).min(master.size_bytes);
            let bytes = self
                .objects
                .get_range(&master.key, start..end, Some(&master.etag))
                .await?;
            workspace.append(FILE, bytes).await?;
            start = end;
        }
        let args = probe_text::args(format, FILE);
        let exit = workspace.run(&args, PROBE_LIMIT).await?;
        let text = format!("{}{}", String::from_utf8_lossy(&exit.stdout), exit.stderr);
        probe_text::parse(format, master.size_bytes, &text).map_err(|error| match error {
            IndexError::Rejected { code, reason } => PlanError::Rejected { code, reason },
            IndexError::Need(_) | IndexError::NeedProbe { .. } => PlanError::Rejected {
                code: RejectionCode::Malformed,
                reason: format!("The {format} file could not be read."),
            },
        })
    }
}

fn refuse_large(master: &MasterLocation, kind: &str) -> Result<(), PlanError> {
    if master.size_bytes <= MAX_WHOLE_BYTES {
        return Ok(());
    }
    Err(PlanError::Rejected {
        code: RejectionCode::TooLarge,
        reason: format!(
            "A file of this kind ({kind}, or without an index of its key frames) may have up to \
             {MAX_WHOLE_BYTES} bytes; this one has {}. Remux it to MP4 without encoding it again.",
            master.size_bytes
        ),
    })
}

/// A master that must be taken whole has a limit.
fn checked(index: MasterIndex, master: &MasterLocation) -> Result<MasterIndex, PlanError> {
    let whole = index.video.access == container::Access::Whole
        || index
            .audio
            .as_ref()
            .is_some_and(|audio| audio.access == container::Access::Whole);
    if whole {
        refuse_large(master, "one that cannot be sliced")?;
    }
    Ok(index)
}
