//! Pauses: made, listed and ended.

use muster_policy::rights::{AdminRight, ViewRight};
use muster_proto::Timestamp;
use muster_proto::rest::{NewPause, PauseView, Resumed};
use muster_store::Tx;
use muster_store::pause::PauseRow;
use serde_json::json;

use super::assign::read_target;
use super::audit::{self, Act};
use super::{App, AppError, hold};

/// How often [`App::end_pauses`] is to be called: how late a pause may end.
pub(crate) const LOOK: std::time::Duration = std::time::Duration::from_secs(10);

/// The longest that a pause may be asked for: ten years. What is to last longer has no end.
const LONGEST: u64 = 10 * 365 * 86_400;
/// The longest reason, in characters.
const REASON: usize = 500;

impl App {
    /// All pauses that are not over, the oldest first.
    pub(crate) async fn list_pauses(&self, _right: &ViewRight) -> Result<Vec<PauseView>, AppError> {
        let now = self.now();
        self.store()
            .read(move |tx| {
                let mut views = Vec::new();
                for row in muster_store::pause::list(tx)? {
                    let pause = hold::paused(&row)?;
                    if !pause.is_over(now) {
                        views.push(hold::view(tx, pause, now)?);
                    }
                }
                Ok(views)
            })
            .await
    }

    /// Keeps devices as they are. What was paused already stays so since then; the end and the reason are replaced.
    pub(crate) async fn pause(&self, right: &AdminRight, request: NewPause) -> Result<PauseView, AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        let until = until(request.seconds, at)?;
        let reason = reason(request.reason)?;
        self.store()
            .write(move |tx| {
                let (target_kind, target) = find_target(tx, &request.target)?;
                if let Some(over) = find(tx, &target_kind, &target)?
                    && hold::paused(&over)?.is_over(at)
                {
                    end(tx, &over, Act { at, actor: "server", action: "pause.end" })?;
                }
                let row =
                    PauseRow { target_kind, target, paused_by: actor.clone(), since: at, until, reason };
                muster_store::pause::put(tx, &row)?;
                let since = find(tx, &row.target_kind, &row.target)?.map_or(at, |stored| stored.since);
                let act = Act { at, actor: &actor, action: "pause.begin" };
                let view = hold::view(tx, hold::paused(&PauseRow { since, ..row })?, at)?;
                let detail = json!({"until": view.until, "reason": view.reason, "devices": view.devices});
                audit::write(tx, act, &view.target, detail)?;
                Ok(view)
            })
            .await
    }

    /// Ends a pause; what waited for its devices is compiled at once.
    pub(crate) async fn resume(&self, right: &AdminRight, target: String) -> Result<Resumed, AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                let (target_kind, stored) = find_target(tx, &target)?;
                let row = find(tx, &target_kind, &stored)?.ok_or_else(|| not_paused(&target))?;
                end(tx, &row, Act { at, actor: &actor, action: "pause.end" })
            })
            .await
    }

    /// Ends the pauses whose time is over. To be called every [`LOOK`].
    pub(crate) async fn end_pauses(&self) -> Result<(), AppError> {
        let at = self.now();
        if self.store().read(move |tx| over(tx, at)).await?.is_empty() {
            return Ok(());
        }
        self.store()
            .write(move |tx| {
                for row in over(tx, at)? {
                    end(tx, &row, Act { at, actor: "server", action: "pause.end" })?;
                }
                Ok(())
            })
            .await
    }
}

fn over(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<PauseRow>, AppError> {
    let mut rows = muster_store::pause::list(tx)?;
    rows.retain(|row| row.until.is_some_and(|until| until <= now));
    Ok(rows)
}

/// Ends a pause; what waited for its devices is compiled at once.
pub(super) fn end(tx: &mut Tx<'_>, row: &PauseRow, act: Act<'_>) -> Result<Resumed, AppError> {
    let view = hold::view(tx, hold::paused(row)?, act.at)?;
    muster_store::pause::remove(tx, &row.target_kind, &row.target)?;
    let resumed = hold::release(tx, act.at)?;
    let detail = json!({"since": view.since, "by": view.by, "devices": resumed.devices});
    audit::write(tx, act, &view.target, detail)?;
    Ok(resumed)
}

fn find(tx: &mut Tx<'_>, target_kind: &str, target: &str) -> Result<Option<PauseRow>, AppError> {
    let rows = muster_store::pause::list(tx)?;
    Ok(rows.into_iter().find(|row| row.target_kind == target_kind && row.target == target))
}

fn not_paused(target: &str) -> AppError {
    AppError::Invalid(format!("{target} is not paused: muster pause list shows what is"))
}

/// Reads what can be assigned to, or `profile:base`.
fn find_target(tx: &mut Tx<'_>, text: &str) -> Result<(String, String), AppError> {
    let Some(("profile", name)) = text.split_once(':') else {
        return read_target(tx, text);
    };
    muster_store::profile::get(tx, name)?.ok_or_else(|| AppError::not_found("profile", name))?;
    Ok(("profile".to_owned(), name.to_owned()))
}

fn until(seconds: Option<u64>, now: Timestamp) -> Result<Option<Timestamp>, AppError> {
    match seconds {
        None => Ok(None),
        Some(seconds @ 1..=LONGEST) => Ok(Some(now.plus_seconds(seconds.cast_signed()))),
        Some(_) => Err(AppError::Invalid("for: expected a time of a second to ten years".to_owned())),
    }
}

fn reason(reason: Option<String>) -> Result<Option<String>, AppError> {
    let reason = reason.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    match &reason {
        Some(text) if text.chars().count() > REASON || text.chars().any(char::is_control) => {
            Err(AppError::Invalid(format!("reason: expected one line of at most {REASON} characters")))
        }
        _ => Ok(reason),
    }
}
