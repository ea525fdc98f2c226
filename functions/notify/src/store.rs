//! The items of the table.

use cattube_contract::TicketId;
use cattube_core::ticket::subject::Subject;
use cattube_core::ticket::{Failure, Ticket};
use cattube_ports::PortError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{MAX_RACES, Notify, NotifyError};

const TICKET: &str = "ticket";
const SUBJECT: &str = "subject";

/// An item with the version that a change must name.
pub(crate) struct Stored<T> {
    pub(crate) document: T,
    pub(crate) version: u64,
}

fn broken(sort_key: &str) -> impl FnOnce(serde_json::Error) -> NotifyError {
    let document = sort_key.to_owned();
    move |error| NotifyError::Document {
        document,
        reason: error.to_string(),
    }
}

impl Notify {
    pub(crate) async fn load<T: DeserializeOwned>(
        &self,
        partition: &str,
        sort_key: &str,
    ) -> Result<Option<Stored<T>>, NotifyError> {
        let Some(item) = self.table.load(partition, sort_key).await? else {
            return Ok(None);
        };
        let document = serde_json::from_value(item.body).map_err(broken(sort_key))?;
        Ok(Some(Stored {
            document,
            version: item.version,
        }))
    }

    /// Writes an item if its version is still `expected`; says whether it was.
    pub(crate) async fn save<T: Serialize + Sync>(
        &self,
        partition: &str,
        sort_key: &str,
        expected: Option<u64>,
        document: &T,
    ) -> Result<bool, NotifyError> {
        let body = serde_json::to_value(document).map_err(broken(sort_key))?;
        match self.table.save(partition, sort_key, expected, &body).await {
            Ok(()) => Ok(true),
            Err(PortError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn load_ticket(
        &self,
        ticket: TicketId,
    ) -> Result<Option<Stored<Ticket>>, NotifyError> {
        self.load(&ticket.to_string(), TICKET).await
    }

    pub(crate) async fn save_ticket(
        &self,
        ticket: &Ticket,
        expected: Option<u64>,
    ) -> Result<bool, NotifyError> {
        let partition = ticket.ticket_id.to_string();
        self.save(&partition, TICKET, expected, ticket).await
    }

    /// Moves a ticket on, if it is there; what it is then.
    pub(crate) async fn change_ticket(
        &self,
        id: TicketId,
        change: impl Fn(Ticket) -> Ticket + Send + Sync,
    ) -> Result<Option<Ticket>, NotifyError> {
        for _ in 0..MAX_RACES {
            let Some(Stored { document, version }) = self.load_ticket(id).await? else {
                return Ok(None);
            };
            let changed = change(document.clone());
            if changed == document || self.save_ticket(&changed, Some(version)).await? {
                return Ok(Some(changed));
            }
        }
        Err(NotifyError::Races {
            document: id.to_string(),
        })
    }

    pub(crate) async fn load_failure(
        &self,
        ticket: TicketId,
        sort_key: &str,
    ) -> Result<Option<Failure>, NotifyError> {
        let stored = self.load(&ticket.to_string(), sort_key).await?;
        Ok(stored.map(|stored| stored.document))
    }

    /// Stores a failure; one that stands already stays as it is.
    pub(crate) async fn save_failure(
        &self,
        ticket: TicketId,
        failure: &Failure,
    ) -> Result<(), NotifyError> {
        let (partition, sort_key) = (ticket.to_string(), failure.sort_key());
        self.save(&partition, &sort_key, None, failure).await?;
        Ok(())
    }

    pub(crate) async fn load_subject(&self, partition: &str) -> Result<Subject, NotifyError> {
        let stored = self.load(partition, SUBJECT).await?;
        Ok(stored.map_or_else(Subject::default, |stored| stored.document))
    }

    /// Moves a subject on; what it is then.
    pub(crate) async fn change_subject(
        &self,
        partition: &str,
        change: impl Fn(Subject) -> Subject + Send + Sync,
    ) -> Result<Subject, NotifyError> {
        for _ in 0..MAX_RACES {
            let stored: Option<Stored<Subject>> = self.load(partition, SUBJECT).await?;
            let version = stored.as_ref().map(|stored| stored.version);
            let before = stored.map_or_else(Subject::default, |stored| stored.document);
            let changed = change(before.clone());
            if changed == before || self.save(partition, SUBJECT, version, &changed).await? {
                return Ok(changed);
            }
        }
        Err(NotifyError::Races {
            document: partition.to_owned(),
        })
    }
}
