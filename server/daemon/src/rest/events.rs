//! Server-sent events: what changed, so that pages know what to ask for again. They carry names, never content.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use futures_util::stream::unfold;
use muster_proto::rest::ChangeNotice;
use muster_store::Change;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Caller, Credential};
use super::problem::Refusal;
use super::streams::Place;
use crate::app::App;

/// An ended session or token stops hearing within this.
const LOOK: Duration = Duration::from_secs(30);
/// A comment this often keeps proxies from closing a quiet stream.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A change of more devices than this is told without naming them.
const NAMED: usize = 50;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(follow_events))
}

/// Follows changes; each event's data is a `ChangeNotice`.
#[utoipa::path(get, path = "/events", tag = "events",
    responses((status = 200, description = "Events until the session ends.", body = ChangeNotice,
        content_type = "text/event-stream")))]
async fn follow_events(State(api): State<Api>, caller: Caller) -> Result<Response, Refusal> {
    let place = api.streams.open(caller.identity.view().actor()).ok_or_else(|| {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Busy",
            "Too many pages follow changes at once: close some of yours, or try again.",
        )
    })?;
    let mut looks = interval_at(Instant::now() + LOOK, LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let changes = api.app.changes();
    let following = Following {
        app: api.app,
        credential: caller.credential,
        changes,
        waiting: VecDeque::new(),
        looks,
        _place: place,
    };
    Ok(Sse::new(following.events()).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

struct Following {
    app: App,
    credential: Credential,
    changes: Receiver<Change>,
    waiting: VecDeque<ChangeNotice>,
    looks: Interval,
    _place: Place,
}

impl Following {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        unfold(self, async |mut following| {
            let notice = following.next().await?;
            let data = serde_json::to_string(&notice).ok()?;
            Some((Ok(Event::default().data(data)), following))
        })
    }

    /// The next notice; none when the caller may no longer listen or the server ends.
    async fn next(&mut self) -> Option<ChangeNotice> {
        loop {
            if let Some(notice) = self.waiting.pop_front() {
                return Some(notice);
            }
            tokio::select! {
                _ = self.looks.tick() => {
                    self.credential.clone().check(&self.app).await.ok()?;
                }
                change = self.changes.recv() => match change {
                    Ok(change) => self.waiting = notices(change),
                    Err(RecvError::Lagged(_)) => self.waiting = everything(),
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }
}

fn notices(change: Change) -> VecDeque<ChangeNotice> {
    let one = |topic: &str, id: Option<String>| VecDeque::from([notice(topic, id)]);
    match change {
        Change::Device(id) | Change::Revoked(id) => one("device", Some(id.to_string())),
        Change::States(ids) if ids.len() <= NAMED => {
            ids.iter().map(|id| notice("device", Some(id.to_string()))).collect()
        }
        Change::States(_) => one("device", None),
        // What comes of it is told when the device reports.
        Change::ApplyNow(_) => VecDeque::new(),
        Change::Profile(name) => one("profile", Some(name)),
        Change::Assignment(id) => one("assignment", Some(id)),
        Change::Rollout(id) => one("rollout", Some(id)),
        Change::Token(id) => one("token", Some(id)),
        Change::Audit => one("audit", None),
    }
}

/// For one who missed some: anything may have changed.
fn everything() -> VecDeque<ChangeNotice> {
    ["device", "profile", "assignment", "rollout", "token", "audit"].map(|topic| notice(topic, None)).into()
}

fn notice(topic: &str, id: Option<String>) -> ChangeNotice {
    ChangeNotice { topic: topic.to_owned(), id }
}
