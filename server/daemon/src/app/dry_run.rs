//! Dry runs: what a device would do with a profile, asked of the device itself. Nothing is saved.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_policy::assign::Draft;
use muster_policy::rights::AdminRight;
use muster_proto::dry_run::Question;
use muster_proto::plan::PlanView;
use muster_proto::rest::{DevicePlan, DeviceState, NewDevicePlan, SourcePlace};
use muster_proto::when::Facts;
use muster_proto::{DeviceId, Digest, RevisionNumber, Timestamp, wire};
use muster_store::Tx;
use muster_store::device::DeviceRow;
use serde_json::json;

use super::audit::{self, Act};
use super::profile::Checked;
use super::{App, AppError, assign, device, profile, recompile};

mod desk;
mod fleet;

pub(crate) use desk::{Desk, Listening, NotOpen};
use desk::{NotAsked, Turn};

/// How long a device may take: a look at all that it has takes a second, and it may be busy with a change.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest reason of a device that has no plan.
const MAX_REASON: usize = 1_000;

/// A question, and what to say about it.
struct Prepared {
    device: DeviceRow,
    profile: String,
    replaces: Vec<String>,
    places: Vec<SourcePlace>,
    warnings: Vec<String>,
    question: Vec<u8>,
    document: Vec<u8>,
}

impl App {
    /// What a device would do with a profile in place of its pinned revision, or else newly assigned. The device is asked
    /// and looks at itself; neither here nor there anything is saved but that it was asked.
    pub(crate) async fn plan_on(
        &self,
        right: &AdminRight,
        called: String,
        asked: NewDevicePlan,
    ) -> Result<DevicePlan, AppError> {
        let checked = profile::check(&asked.source, self.now())?;
        let (at, actor) = (self.now(), right.actor().to_owned());
        let prepared = self.store().read(move |tx| prepare(tx, &called, checked, asked.params, at)).await?;
        let Prepared { device, profile, replaces, places, warnings, question, document } = prepared;
        let turn = self.turn_of(&device)?;
        let (id, detail) =
            (device.id.to_string(), json!({"profile": profile, "digest": Digest::of(&document)}));
        self.store()
            .write(move |tx| audit::write(tx, Act { at, actor: &actor, action: "device.plan" }, &id, detail))
            .await?;
        let plan = match turn.ask(question, document, PATIENCE).await {
            Some(Ok(plan)) => plan,
            Some(Err(reason)) => {
                return Err(AppError::NoAnswer(format!("{} has no plan: {reason}", device.name)));
            }
            None => {
                return Err(AppError::NoAnswer(format!(
                    "{} did not answer within {} s: it may be busy with a change; try again",
                    device.name,
                    PATIENCE.as_secs()
                )));
            }
        };
        Ok(DevicePlan { device: device.name, profile, replaces, places, warnings, plan })
    }

    /// A link whose agent answers dry runs listens from now on.
    pub(crate) fn listen_for_dry_runs(&self, device: DeviceId) -> Listening {
        self.0.desk.listen(device)
    }

    /// Takes a device's answer. What can't be read is told to whoever asked, as the device's fault.
    pub(crate) fn take_answer(&self, device: DeviceId, answer: wire::AnswerRequest) -> Result<(), NotOpen> {
        self.0.desk.answer(device, &answer.id, read(answer.answer))
    }

    fn turn_of(&self, device: &DeviceRow) -> Result<Turn, AppError> {
        let name = &device.name;
        self.0.desk.turn(device.id).map_err(|why| match why {
            NotAsked::NobodyListens if self.presence().is_connected(device.id) => {
                let facts: Facts = serde_json::from_str(&device.facts).unwrap_or_default();
                AppError::Invalid(format!(
                    "the agent of {name} ({}) is too old to answer: upgrade muster-agent there, or run muster-agent plan on it",
                    facts.agent_version
                ))
            }
            NotAsked::NobodyListens => {
                let seen = device.last_seen.max(self.presence().unwritten(device.id));
                let seen = seen.map_or("never seen".to_owned(), |at| format!("last seen {}", at.whole_seconds()));
                AppError::Away(format!(
                    "{name} is not connected ({seen}): turn it on, or see muster-agent status on it"
                ))
            }
            NotAsked::AskedAlready => {
                AppError::Busy(format!("{name} is being asked for a plan already: wait for it, then try again"))
            }
            NotAsked::TooOften => {
                AppError::Busy(format!("{name} was asked for a plan too often: try again in some seconds"))
            }
        })
    }
}

fn prepare(
    tx: &mut Tx<'_>,
    called: &str,
    checked: Checked,
    params: BTreeMap<String, String>,
    now: Timestamp,
) -> Result<Prepared, AppError> {
    let Checked { profile, document, warnings: places } = checked;
    let device = device::find(tx, called)?;
    if !matches!(device.state, DeviceState::Enrolled | DeviceState::Ready) {
        return Err(AppError::Away(format!(
            "{} has no agent that could be asked: enroll it first",
            device.name
        )));
    }
    let newest = muster_store::profile::get(tx, profile.name.as_str())?.map_or(0, |row| row.newest.0);
    let draft = Draft {
        profile: profile.name.clone(),
        revision: RevisionNumber(newest + 1),
        digest: Digest::of(&document),
        params,
    };
    let (what_if, replaced) = recompile::what_if(tx, &device, &draft, profile.groups(), now)?;
    for applied in what_if.revisions.iter().filter(|applied| applied.profile == profile.name) {
        profile.bind_params(&applied.params).map_err(AppError::Invalid)?;
    }
    let replaces = assign::views(tx, |row| replaced.contains(&row.id))?
        .into_iter()
        .map(|view| format!("{}@{} to {}", view.profile, view.revision, view.target))
        .collect();
    let warnings = assign::warnings(std::slice::from_ref(&device), &profile);
    let question = serde_json::to_vec(&Question { what_if })
        .map_err(|error| AppError::Defect(format!("state of {}: {error}", device.id)))?;
    if question.len() + document.len() > wire::MAX_MESSAGE - FRAME {
        return Err(AppError::Invalid(
            "the profile and the device's state are too large to be sent".to_owned(),
        ));
    }
    let profile = profile.name.to_string();
    Ok(Prepared { device, profile, replaces, places, warnings, question, document })
}

/// Room for what stands around question and document in their message.
const FRAME: usize = 4 * 1024;

/// A device's answer as it is shown: whatever it says is cut to what a plan is.
fn read(answer: Option<wire::answer_request::Answer>) -> desk::Said {
    use wire::answer_request::Answer;
    match answer {
        Some(Answer::Plan(bytes)) if bytes.len() > wire::MAX_PLAN => {
            Err(format!("it is larger than {} KiB", wire::MAX_PLAN / 1024))
        }
        Some(Answer::Plan(bytes)) => serde_json::from_slice::<PlanView>(&bytes)
            .map(PlanView::bounded)
            .map_err(|error| format!("its answer can't be read: {error}")),
        Some(Answer::Failed(reason)) => Err(reason.chars().take(MAX_REASON).collect()),
        None => Err("its answer is empty".to_owned()),
    }
}
