//! What an assignment would do on the devices that it touches, asked of themselves. Nothing is assigned.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use muster_policy::plans;
use muster_policy::rights::AdminRight;
use muster_policy::rollout::{self, Candidate};
use muster_proto::dry_run::Question;
use muster_proto::plan::PlanView;
use muster_proto::rest::{DeviceState, FleetPlan, NewAssignment, NoPlan};
use muster_proto::state::DesiredState;
use muster_proto::{DeviceId, Timestamp, wire};
use muster_store::Tx;
use muster_store::device::DeviceRow;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::FRAME;
use super::desk::NotAsked;
use crate::app::assign::{Preview, preview, target_name};
use crate::app::audit::{self, Act};
use crate::app::presence::Presence;
use crate::app::{App, AppError, recompile};

/// How long all devices together may take: an admin waits before the question whether to go on.
const PATIENCE: Duration = Duration::from_secs(10);
/// Devices of one plan that are asked at the same time.
const AT_ONCE: usize = 50;
/// The most devices that are asked: beyond it there is little that they have not said yet.
const SAMPLE: usize = 200;

/// Devices to be asked, and what is known without asking.
struct Prepared {
    plan: FleetPlan,
    target: String,
    touched: Vec<(DeviceRow, DesiredState)>,
    document: Arc<[u8]>,
}

impl App {
    /// Asks the devices that an assignment would touch what they would do. Waits for all of them [`PATIENCE`] long.
    pub(crate) async fn plan_assignment(
        &self,
        right: &AdminRight,
        request: NewAssignment,
    ) -> Result<FleetPlan, AppError> {
        let (at, actor, presence) = (self.now(), right.actor().to_owned(), self.presence().clone());
        let who = actor.clone();
        let prepared = self.store().read(move |tx| prepare(tx, &request, &who, &presence, at)).await?;
        let Prepared { mut plan, target, touched, document } = prepared;
        plan.asked = touched.len() as u64;
        let (named, detail) =
            (format!("{}@{}", plan.profile, plan.revision), json!({"target": target, "asked": plan.asked}));
        self.store()
            .write(move |tx| {
                audit::write(tx, Act { at, actor: &actor, action: "assignment.plan" }, &named, detail)
            })
            .await?;
        let until = Instant::now() + PATIENCE;
        let answers: Vec<_> = stream::iter(touched)
            .map(|(device, state)| self.ask(device, state, Arc::clone(&document), until))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut plans = Vec::new();
        for (device, said) in answers {
            match said {
                Ok(said) => plans.push((device, said)),
                Err(reason) => plan.not_answered.push(NoPlan { device, reason }),
            }
        }
        plan.answered = plans.len() as u64;
        plan.not_answered.sort_by(|a, b| a.device.cmp(&b.device));
        (plan.changes, plan.groups) = plans::together(plans);
        Ok(plan)
    }

    /// A device's plan, or why there is none.
    async fn ask(
        &self,
        device: DeviceRow,
        what_if: DesiredState,
        document: Arc<[u8]>,
        until: Instant,
    ) -> (String, Result<PlanView, String>) {
        let said = timeout_at(until, self.ask_in_turn(&device, what_if, &document, until)).await;
        (device.name, said.unwrap_or_else(|_| Err(silent())))
    }

    async fn ask_in_turn(
        &self,
        device: &DeviceRow,
        what_if: DesiredState,
        document: &[u8],
        until: Instant,
    ) -> Result<PlanView, String> {
        if !matches!(device.state, DeviceState::Enrolled | DeviceState::Ready) {
            return Err("not enrolled yet".to_owned());
        }
        let question = serde_json::to_vec(&Question { what_if })
            .map_err(|error| format!("its state can't be written: {error}"))?;
        if question.len() + document.len() > wire::MAX_MESSAGE - FRAME {
            return Err("the profile and its state are too large to be sent".to_owned());
        }
        let desk = &self.0.desk;
        let _place = desk.place().await;
        let turn = desk.turn(device.id).map_err(|why| self.not_asked(device.id, why).to_owned())?;
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
        turn.ask(question, document.to_vec(), left).await.unwrap_or_else(|| Err(silent()))
    }

    fn not_asked(&self, device: DeviceId, why: NotAsked) -> &'static str {
        match why {
            NotAsked::NobodyListens if self.presence().is_connected(device) => {
                "its agent is too old to answer"
            }
            NotAsked::NobodyListens => "not connected",
            NotAsked::AskedAlready => "being asked for a plan already",
            NotAsked::TooOften => "asked for a plan too often: try again in some seconds",
        }
    }
}

fn silent() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

fn prepare(
    tx: &mut Tx<'_>,
    request: &NewAssignment,
    actor: &str,
    presence: &Presence,
    now: Timestamp,
) -> Result<Prepared, AppError> {
    let preview = preview(tx, request, actor, now)?;
    let digest = preview.row.digest;
    let document = muster_store::profile::document(tx, digest)?
        .ok_or_else(|| AppError::Defect(format!("document {digest} is missing")))?;
    let target = target_name(tx, &preview.row)?;
    let sample = sample(&preview, presence);
    let mut touched = Vec::new();
    let mut untouched = 0;
    for device in sample {
        // The state of one that is not asked is not looked at unless it is needed to find enough of those that are.
        if touched.len() >= SAMPLE {
            break;
        }
        match recompile::proposal(tx, device, &preview.all, now)? {
            Some(state) => touched.push((device.clone(), state)),
            None => untouched += 1,
        }
    }
    let plan = FleetPlan {
        profile: preview.row.profile,
        revision: preview.row.revision.0,
        devices: preview.devices.len() as u64,
        untouched,
        asked: 0,
        answered: 0,
        changes: Default::default(),
        groups: Vec::new(),
        not_answered: Vec::new(),
        conflicts: preview.conflicts,
        warnings: preview.warnings,
        replaces: preview.replaces,
    };
    Ok(Prepared { plan, target, touched, document: document.into() })
}

/// The devices of the target in the order in which they are asked: those that can answer come first.
fn sample<'a>(preview: &'a Preview, presence: &Presence) -> Vec<&'a DeviceRow> {
    let candidates: Vec<_> = preview
        .devices
        .iter()
        .map(|row| Candidate { device: row.id, ready: presence.is_connected(row.id) })
        .collect();
    let rows: std::collections::BTreeMap<_, _> = preview.devices.iter().map(|row| (row.id, row)).collect();
    let order = rollout::order(&preview.row.digest.to_string(), &candidates);
    order.iter().filter_map(|device| rows.get(device).copied()).collect()
}
