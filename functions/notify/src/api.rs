//! The routes: tickets by token, answers by link.

use cattube_contract::{OwnerId, TicketId, read_json};
use cattube_core::ticket::{Refusal, Ticket, TicketState, link, words};
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::outcome::ApiHandler;
use cattube_ports::table::{MAX_CURSOR_BYTES, Query};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answering::Taken;
use crate::asking::{ALL, owners_list};
use crate::{Notify, NotifyError, page};

/// Tickets on a page, unless a client asks for fewer.
const MAX_PAGE: usize = 100;

/// Failures that a ticket is shown with.
const SHOWN_FAILURES: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerRequest {
    /// As links spell it.
    answer: String,
}

fn not_found() -> ApiResponse {
    ApiResponse::problem(404, "No such ticket", "you have no ticket of this id")
}

fn ticket_id(request: &ApiRequest) -> Option<TicketId> {
    request.path.get("id").and_then(|id| id.parse().ok())
}

fn summary(ticket: &Ticket) -> Value {
    let answers: Vec<_> = if ticket.is_open() {
        ticket.answers().iter().map(link::word).collect()
    } else {
        Vec::new()
    };
    let mut view = json!({
        "ticket_id": ticket.ticket_id,
        "about": words::headline(ticket),
        "cause": ticket.cause,
        "round": ticket.round,
        "reason": words::reason(ticket),
        "failure_count": ticket.failures.len(),
        "opened_at": ticket.opened_at,
        "links_expire_at": ticket.expires_at,
        "answers": answers,
    });
    let state = match &ticket.state {
        TicketState::Open => json!({ "state": "open" }),
        TicketState::Answered {
            answer,
            at,
            passed_on,
            ..
        } => {
            let answer = link::word(answer);
            json!({ "state": "answered", "answer": answer, "ended_at": at, "passed_on": passed_on })
        }
        TicketState::Closed { by, at } => {
            json!({ "state": "closed", "closed_by": by, "ended_at": at })
        }
    };
    if let (Some(view), Value::Object(state)) = (view.as_object_mut(), state) {
        view.extend(state);
    }
    view
}

fn refused(refusal: Refusal, ticket: &Ticket) -> ApiResponse {
    match (refusal, &ticket.state) {
        (Refusal::NotOffered, _) => {
            let words: Vec<_> = ticket.answers().iter().map(link::word).collect();
            let detail = format!("answer: expected one of {}", words.join(", "));
            ApiResponse::problem(422, "Bad answer", &detail)
        }
        (_, TicketState::Answered { answer, at, .. }) => {
            let detail = format!("answered already: {} at {at:.0}", link::word(answer));
            ApiResponse::problem(409, "Conflict", &detail)
        }
        (_, TicketState::Closed { by, at }) => {
            let detail = format!("closed already: {by} at {at:.0}");
            ApiResponse::problem(409, "Conflict", &detail)
        }
        (_, TicketState::Open) => ApiResponse::problem(409, "Conflict", "try again"),
    }
}

#[async_trait::async_trait]
impl ApiHandler for Notify {
    type Error = NotifyError;

    async fn answer(&self, request: ApiRequest) -> Result<ApiResponse, NotifyError> {
        // Whoever has a link needs no token: the link is the secret.
        match request.route.as_str() {
            "GET /v1/answers/{id}" => return self.show_link(&request).await,
            "POST /v1/answers/{id}" => return self.use_link(&request).await,
            _ => {}
        }
        let asker = match request.owner() {
            Ok(asker) => asker,
            Err(problem) => return Ok(problem),
        };
        if request.route == "GET /v1/tickets" {
            return self.list_tickets(asker, &request).await;
        }
        let Some(ticket) = self.visible(asker, &request).await? else {
            return Ok(not_found());
        };
        match request.route.as_str() {
            "GET /v1/tickets/{id}" => self.show(&ticket).await,
            "POST /v1/tickets/{id}/answer" => self.answer_by_token(asker, &ticket, &request).await,
            _ => Ok(ApiResponse::no_such_route()),
        }
    }
}

impl Notify {
    /// The ticket that a request is about, if the asker may know of it.
    async fn visible(
        &self,
        asker: OwnerId,
        request: &ApiRequest,
    ) -> Result<Option<Ticket>, NotifyError> {
        let Some(id) = ticket_id(request) else {
            return Ok(None);
        };
        let ticket = self.load_ticket(id).await?.map(|stored| stored.document);
        Ok(ticket.filter(|ticket| asker == self.operator || ticket.owner_id == asker))
    }

    /// Tickets, newest first. `state` leaves out the others of a page, so pages vary in length.
    async fn list_tickets(
        &self,
        asker: OwnerId,
        request: &ApiRequest,
    ) -> Result<ApiResponse, NotifyError> {
        let bad = |detail: &str| Ok(ApiResponse::problem(400, "Bad query", detail));
        let limit = request.query.get("limit").map(|text| text.parse());
        let limit = match limit.unwrap_or(Ok(MAX_PAGE)) {
            Ok(limit) if (1..=MAX_PAGE).contains(&limit) => limit,
            _ => return bad(&format!("limit: expected 1 to {MAX_PAGE}")),
        };
        let cursor = request.query.get("cursor").map(String::as_str);
        let is_ours =
            |cursor: &str| cursor.starts_with("ticket#") && cursor.len() <= MAX_CURSOR_BYTES;
        if cursor.is_some_and(|cursor| !is_ours(cursor)) {
            return bad("cursor: expected one that a page gave");
        }
        let state = request.query.get("state").map(String::as_str);
        if state.is_some_and(|state| !matches!(state, "open" | "answered" | "closed")) {
            return bad("state: expected open, answered or closed");
        }
        let partition = if asker == self.operator {
            ALL.to_owned()
        } else {
            owners_list(asker)
        };
        let query = Query {
            partition_key: &partition,
            sort_prefix: "ticket#",
            after: cursor,
            limit,
            descending: true,
        };
        let items = self.table.query(query).await?;
        let full = items.len() >= limit;
        let next = items
            .last()
            .filter(|_| full)
            .map(|item| item.sort_key.clone());
        let ids = items
            .iter()
            .filter_map(|item| item.body.as_str()?.parse().ok());
        let loads = futures::future::join_all(ids.map(|id| self.load_ticket(id))).await;
        let mut tickets = Vec::new();
        for stored in loads {
            let view = stored?.map(|stored| summary(&stored.document));
            tickets.extend(view.filter(|view| state.is_none_or(|state| view["state"] == state)));
        }
        let body = json!({ "tickets": tickets, "next_cursor": next });
        Ok(ApiResponse::json(200, body))
    }

    async fn show(&self, ticket: &Ticket) -> Result<ApiResponse, NotifyError> {
        let mut failures = Vec::new();
        for key in ticket.failure_keys().take(SHOWN_FAILURES) {
            let Some(failure) = self.load_failure(ticket.ticket_id, &key).await? else {
                continue;
            };
            failures.push(json!({
                "name": failure.name,
                "video_id": failure.video_id,
                "attempt": failure.attempt,
                "reason": failure.reason,
                "rendition": failure.rendition,
                "occurred_at": failure.occurred_at,
            }));
        }
        let mut view = summary(ticket);
        if let Some(view) = view.as_object_mut() {
            view.insert("failures".to_owned(), Value::from(failures));
        }
        Ok(ApiResponse::json(200, view))
    }

    /// The same answer again is passed on again, and is the same for whoever hears it.
    async fn answer_by_token(
        &self,
        asker: OwnerId,
        ticket: &Ticket,
        request: &ApiRequest,
    ) -> Result<ApiResponse, NotifyError> {
        let parsed: AnswerRequest = match read_json(&request.body) {
            Ok(parsed) => parsed,
            Err(reason) => return Ok(ApiResponse::problem(400, "Bad body", &reason)),
        };
        let Some(answer) = link::answer_of(&parsed.answer) else {
            return Ok(refused(Refusal::NotOffered, ticket));
        };
        let taken = self.take(ticket.ticket_id, &answer, Some(asker)).await?;
        Ok(match taken {
            None => not_found(),
            Some(Taken::Now(ticket)) => ApiResponse::json(200, summary(&ticket)),
            Some(Taken::Before(ticket)) => {
                ApiResponse::json(200, summary(&self.pass_on(ticket).await?))
            }
            Some(Taken::Refused(refusal, ticket)) => refused(refusal, &ticket),
        })
    }

    /// Shows what a link would do. Scanners of mail follow links: this changes nothing.
    async fn show_link(&self, request: &ApiRequest) -> Result<ApiResponse, NotifyError> {
        Ok(match self.read_link(request).await? {
            Err(page) => page,
            Ok((ticket, _)) if !ticket.is_open() => page::ended(&ticket),
            Ok((ticket, answer)) => page::question(&ticket, &answer),
        })
    }

    /// Gives a link's answer, once.
    async fn use_link(&self, request: &ApiRequest) -> Result<ApiResponse, NotifyError> {
        let (ticket, answer) = match self.read_link(request).await? {
            Err(page) => return Ok(page),
            Ok(read) => read,
        };
        let taken = self.take(ticket.ticket_id, &answer, None).await?;
        Ok(match taken {
            None => page::unknown(),
            Some(Taken::Now(ticket)) => page::thanks(&ticket, &answer),
            // Stored, and then something failed: this time it gets through.
            Some(Taken::Before(ticket)) if !is_passed_on(&ticket) => {
                page::thanks(&self.pass_on(ticket).await?, &answer)
            }
            Some(Taken::Before(ticket) | Taken::Refused(_, ticket)) => page::ended(&ticket),
        })
    }

    /// The ticket and the answer of a link, or the page that says what is wrong with it.
    async fn read_link(
        &self,
        request: &ApiRequest,
    ) -> Result<Result<(Ticket, cattube_contract::human::Answer), ApiResponse>, NotifyError> {
        let Some(id) = ticket_id(request) else {
            return Ok(Err(page::unknown()));
        };
        let Some(stored) = self.load_ticket(id).await? else {
            return Ok(Err(page::unknown()));
        };
        let ticket = stored.document;
        Ok(
            match link::read(&ticket, &request.query, self.clock.now()) {
                Ok(answer) => Ok((ticket, answer)),
                Err(link::LinkFault::Forged) => Err(page::forged()),
                Err(link::LinkFault::Expired) => Err(page::expired()),
            },
        )
    }
}

fn is_passed_on(ticket: &Ticket) -> bool {
    matches!(
        ticket.state,
        TicketState::Answered {
            passed_on: true,
            ..
        }
    )
}
