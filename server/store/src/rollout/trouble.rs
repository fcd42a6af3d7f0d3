//! What is wrong on devices that were given a rollout's revision.

use muster_proto::Timestamp;

use crate::rollout::RolloutRow;
use crate::{StoreError, Tx};

/// A resource that failed or was not tried.
pub struct WrongOutcome {
    /// The device's name.
    pub device: String,
    /// When the device was given the revision.
    pub given: Timestamp,
    /// Since when that is its outcome.
    pub since: Timestamp,
    /// JSON `report::Outcome`.
    pub document: String,
}

/// A check of the revision that fails.
pub struct WrongCheck {
    /// The device's name.
    pub device: String,
    /// When the device was given the revision.
    pub given: Timestamp,
    /// Since when it fails.
    pub from: Timestamp,
    /// JSON `CheckResult`.
    pub document: String,
}

/// All resources that failed or were not tried, of whichever profile, the oldest first. Of devices that are heard: what a
/// lost, held or revoked one last said holds nobody up.
pub fn wrong_outcomes(tx: &mut Tx<'_>, rollout: &RolloutRow) -> Result<Vec<WrongOutcome>, StoreError> {
    tx.query(
        "SELECT d.name, m.given, o.since, o.document
         FROM outcome o JOIN rollout_device m ON m.device = o.device JOIN device d ON d.id = m.device
         WHERE o.outcome IN ('drifted', 'failed', 'blocked', 'unsupported') AND o.outcome IN ('failed', 'blocked')
             AND m.rollout = $1 AND m.given IS NOT NULL AND d.state IN ('enrolled', 'ready')
         ORDER BY o.since, d.name, o.resource",
        &[(&rollout.id).into()],
        |row| {
            Ok(WrongOutcome {
                device: row.get(0)?,
                given: row.get(1)?,
                since: row.get(2)?,
                document: row.get(3)?,
            })
        },
    )
}

/// The checks of the rollout's revision that fail, the oldest first.
pub fn wrong_checks(tx: &mut Tx<'_>, rollout: &RolloutRow) -> Result<Vec<WrongCheck>, StoreError> {
    tx.query(
        "SELECT d.name, m.given, c.from_at, c.document
         FROM check_result c JOIN rollout_device m ON m.device = c.device JOIN device d ON d.id = m.device
         WHERE c.to_at IS NULL AND c.verdict IN ('fail', 'unknown') AND c.verdict = 'fail'
             AND c.profile = $1 AND c.revision = $2 AND m.rollout = $3 AND m.given IS NOT NULL
             AND d.state IN ('enrolled', 'ready')
             AND NOT EXISTS (
                 SELECT 1 FROM waived w WHERE w.device = c.device AND w.check_id = c.check_id AND w.to_at IS NULL)
         ORDER BY c.from_at, d.name, c.check_id",
        &[(&rollout.assignment.profile).into(), rollout.assignment.revision.into(), (&rollout.id).into()],
        |row| {
            Ok(WrongCheck {
                device: row.get(0)?,
                given: row.get(1)?,
                from: row.get(2)?,
                document: row.get(3)?,
            })
        },
    )
}
