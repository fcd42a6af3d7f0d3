//! Answers what this device would do if its state were another one: composes, reads and plans, and writes nothing.
//!
//! The question never comes near the accepted state: it is a document of its own, and what is made of it ends here.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::compose::Composition;
use muster_proto::dry_run::Question;
use muster_proto::plan::PlanView;
use muster_proto::wire::answer_request::Answer;
use muster_proto::{Digest, compose, wire};
use tokio::time::{Instant, timeout_at};

use super::{Cycle, make};

/// A question that came over the link.
#[derive(Debug)]
pub(crate) struct DryRun {
    pub(super) asked: wire::DryRun,
    until: Instant,
}

impl DryRun {
    /// One that came just now.
    pub(crate) fn received(asked: wire::DryRun) -> Self {
        let until = Instant::now() + Duration::from_secs(asked.patience.into());
        Self { asked, until }
    }
}

impl Cycle {
    /// Answers a dry run; `None` when nobody waits for the answer any more.
    pub(crate) async fn answer(&mut self, DryRun { asked, until }: DryRun) -> Option<wire::AnswerRequest> {
        let wire::DryRun { id, question, document, .. } = asked;
        if Instant::now() >= until {
            return None;
        }
        let planned = timeout_at(until, self.what_if(&question, document.into())).await.ok()?;
        let answer = match planned.and_then(encode) {
            Ok(plan) => Answer::Plan(plan.into()),
            Err(error) => Answer::Failed(format!("{error:#}")),
        };
        Some(wire::AnswerRequest { id, answer: Some(answer) })
    }

    async fn what_if(&mut self, question: &[u8], document: Vec<u8>) -> Result<PlanView> {
        let Question { what_if } =
            serde_json::from_slice(question).context("the question can't be read: upgrade the agent")?;
        ensure!(what_if.muster == 1, "state version {} is not known: upgrade the agent", what_if.muster);
        ensure!(what_if.device == self.device, "the question is for device {}", what_if.device);
        let (mut documents, _) = self.hands.ledger.documents(&what_if)?;
        documents.insert(Digest::of(&document), document);
        let now = self.hands.clock.now();
        let composed = compose::compose_at(&what_if, &documents, &self.facts, now).context(
            "the state can't be composed; where a document is missing, this device has yet to fetch its present state",
        )?;
        let checks = new_checks(&composed, self.composition());
        let plan = make::look(&mut self.hands, &composed).await?;
        Ok(PlanView { checks, ..plan.view() })
    }
}

/// The checks that would be asked and are not yet, in words.
fn new_checks(what_if: &Composition, in_force: Option<&Composition>) -> Vec<String> {
    let is_asked = |id: &String| in_force.is_some_and(|now| now.checks.contains_key(id));
    let new = what_if.checks.iter().filter(|(id, _)| !is_asked(id));
    new.map(|(id, claimed)| format!("{id}: {}", claimed.check.title)).collect()
}

/// The plan as it leaves the device.
pub(super) fn encode(plan: PlanView) -> Result<Vec<u8>> {
    let bytes = serde_json::to_vec(&plan.bounded())?;
    ensure!(
        bytes.len() <= wire::MAX_PLAN,
        "the plan is larger than {} KiB: run muster-agent plan on the device once the profile is assigned",
        wire::MAX_PLAN / 1024
    );
    Ok(bytes)
}
