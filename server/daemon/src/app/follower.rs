//! Assignments that follow their profile: each revision that is saved takes the place of the one they pin.

use muster_proto::RevisionNumber;
use muster_proto::rest::{Follower, NewAssignment};
use muster_store::Tx;
use muster_store::assignment::AssignmentRow;
use serde_json::json;

use super::assign::{Preview, preview, target_view};
use super::audit::{self, Act};
use super::{AppError, recompile};

/// What becomes of the assignments that follow a profile whose revision is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followers {
    /// They take it.
    Bring,
    /// They stay: whoever saves may not assign, and must not do so in this way either.
    Leave,
}

/// Contradictions that a reason names.
const NAMED: usize = 3;

/// Those that follow a profile, as they are told of when a revision could be saved.
pub(super) fn list(tx: &mut Tx<'_>, profile: &str) -> Result<Vec<Follower>, AppError> {
    following(tx, profile)?.iter().map(|row| told(tx, row, None)).collect()
}

/// Those that follow a profile and could not take its newest revision, as they are told of when that is saved again.
pub(super) fn behind(
    tx: &mut Tx<'_>,
    profile: &str,
    newest: RevisionNumber,
) -> Result<Vec<Follower>, AppError> {
    lagging(tx, profile, newest)?.iter().map(|row| told(tx, row, None)).collect()
}

/// Brings a profile's newest revision, whose text was saved again, to those that follow and could not take it.
pub(super) fn bring_behind(
    tx: &mut Tx<'_>,
    profile: &str,
    newest: RevisionNumber,
    followers: Followers,
    act: Act<'_>,
) -> Result<Vec<Follower>, AppError> {
    let rows = lagging(tx, profile, newest)?;
    bring_to(tx, rows, newest, followers, act)
}

/// Brings a revision just saved to those that follow the profile. One that it can't be brought to, because it would
/// contradict another profile there or lacks a parameter, stays where it is, and the answer says why: the text is saved in
/// any case, as the next attempt begins from it.
pub(super) fn bring(
    tx: &mut Tx<'_>,
    profile: &str,
    revision: RevisionNumber,
    followers: Followers,
    act: Act<'_>,
) -> Result<Vec<Follower>, AppError> {
    let rows = following(tx, profile)?;
    bring_to(tx, rows, revision, followers, act)
}

fn bring_to(
    tx: &mut Tx<'_>,
    rows: Vec<AssignmentRow>,
    revision: RevisionNumber,
    followers: Followers,
    act: Act<'_>,
) -> Result<Vec<Follower>, AppError> {
    let mut told_of = Vec::new();
    for row in rows {
        let stays = match (followers, look(tx, &row, revision, act)) {
            (Followers::Leave, _) => Some(format!(
                "who saved it may not assign (assignments:write): muster assign {}@{revision}",
                row.profile
            )),
            (Followers::Bring, Ok(preview)) => {
                preview.carry_out(tx, Act { action: "assignment.follow", ..act })?;
                None
            }
            (Followers::Bring, Err(error)) => Some(reason(error)?),
        };
        if let Some(why) = &stays {
            let act = Act { action: "assignment.stay", ..act };
            audit::write(tx, act, &row.id, json!({"revision": revision, "why": why}))?;
        }
        told_of.push(told(tx, &row, stays)?);
    }
    Ok(told_of)
}

fn following(tx: &mut Tx<'_>, profile: &str) -> Result<Vec<AssignmentRow>, AppError> {
    let all = muster_store::assignment::list(tx)?;
    Ok(all.into_iter().filter(|row| row.profile == profile && row.follows).collect())
}

/// Those that stayed where they were when this revision was brought. What somebody rolled back since is not among them:
/// programs save the same text again and again, and would undo that.
fn lagging(tx: &mut Tx<'_>, profile: &str, newest: RevisionNumber) -> Result<Vec<AssignmentRow>, AppError> {
    let mut behind = Vec::new();
    for row in following(tx, profile)?.into_iter().filter(|row| row.revision != newest) {
        let stayed = muster_store::audit::latest(tx, "assignment.stay", &row.id)?;
        if stayed.is_some_and(|entry| entry.detail.get("revision") == Some(&json!(newest))) {
            behind.push(row);
        }
    }
    Ok(behind)
}

/// What the revision would do there; an error when it can't be brought.
fn look(
    tx: &mut Tx<'_>,
    row: &AssignmentRow,
    revision: RevisionNumber,
    act: Act<'_>,
) -> Result<Preview, AppError> {
    let request = NewAssignment {
        profile: row.profile.clone(),
        revision: Some(revision.0),
        target: target_view(tx, &recompile::assignment(row)?.target)?.0,
        precedence: row.precedence,
        mode: row.mode,
        // Those that it gives are carried over, as when an admin assigns the next revision.
        params: [].into(),
        follow: true,
    };
    let preview = preview(tx, &request, act.actor, act.at)?;
    if preview.conflicts.is_empty() { Ok(preview) } else { Err(AppError::Conflicts(preview.conflicts)) }
}

/// Why a revision can't be brought, in words, unless the record itself failed.
fn reason(error: AppError) -> Result<String, AppError> {
    match error {
        AppError::Store(_) | AppError::Defect(_) => Err(error),
        AppError::Conflicts(conflicts) => {
            let named: Vec<_> = conflicts
                .iter()
                .take(NAMED)
                .map(|conflict| format!("{} of {}", conflict.resource, conflict.profiles.join(" and ")))
                .collect();
            let more = if conflicts.len() > NAMED { ", ..." } else { "" };
            Ok(format!("it would be in conflict: {}{more}", named.join(", ")))
        }
        why => Ok(why.to_string()),
    }
}

fn told(tx: &mut Tx<'_>, row: &AssignmentRow, stays: Option<String>) -> Result<Follower, AppError> {
    let (target, devices) = target_view(tx, &recompile::assignment(row)?.target)?;
    Ok(Follower { target, devices, stays })
}
