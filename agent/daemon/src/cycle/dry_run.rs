//! Answers what this device would do if its state were another one: composes, reads and plans, and writes nothing.
//!
//! The question never comes near the accepted state: it is a document of its own, and what is made of it ends here.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_converge::plan::Plan;
use muster_proto::dry_run::Question;
use muster_proto::wire::answer_request::Answer;
use muster_proto::{Digest, compose, wire};
use tokio::time::{Instant, timeout_at};

use super::{Cycle, make};

/// A question that came over the link.
#[derive(Debug)]
pub(crate) struct DryRun {
    asked: wire::DryRun,
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
        let answer = match planned.and_then(|plan| encode(&plan)) {
            Ok(plan) => Answer::Plan(plan.into()),
            Err(error) => Answer::Failed(format!("{error:#}")),
        };
        Some(wire::AnswerRequest { id, answer: Some(answer) })
    }

    async fn what_if(&mut self, question: &[u8], document: Vec<u8>) -> Result<Plan> {
        let Question { what_if } =
            serde_json::from_slice(question).context("the question can't be read: upgrade the agent")?;
        ensure!(what_if.muster == 1, "state version {} is not known: upgrade the agent", what_if.muster);
        ensure!(what_if.device == self.device, "the question is for device {}", what_if.device);
        let (mut documents, _) = self.hands.ledger.documents(&what_if)?;
        documents.insert(Digest::of(&document), document);
        let composed = compose::compose(&what_if, &documents, &self.facts).context(
            "the state can't be composed; where a document is missing, this device has yet to fetch its present state",
        )?;
        make::look(&mut self.hands, &composed).await
    }
}

/// The plan as it leaves the device.
fn encode(plan: &Plan) -> Result<Vec<u8>> {
    let bytes = serde_json::to_vec(&plan.view().bounded())?;
    ensure!(
        bytes.len() <= wire::MAX_PLAN,
        "the plan is larger than {} KiB: run muster-agent plan on the device once the profile is assigned",
        wire::MAX_PLAN / 1024
    );
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use muster_proto::plan::PlanView;
    use muster_proto::state::{Applied, DesiredState, Mode};
    use muster_proto::{DeviceId, Generation, RevisionNumber, Timestamp};

    use super::*;
    use crate::config::Config;
    use crate::host::Host;
    use crate::ledger::Ledger;

    const PROFILE: &str =
        r#"{"muster":1,"profile":"motd","resources":[{"file":{"path":"/etc/motd","content":"ours\n"}}]}"#;

    /// A machine with a foreign `/etc/motd`, in a folder.
    fn cycle(folder: &std::path::Path) -> Cycle {
        let root = folder.join("root");
        for dir in ["etc", "var/lib/dpkg"] {
            std::fs::create_dir_all(root.join(dir)).unwrap();
        }
        for (file, text) in
            [("passwd", "root:x:0:0::/root:/bin/sh\n"), ("group", "root:x:0:\n"), ("motd", "theirs\n")]
        {
            std::fs::write(root.join("etc").join(file), text).unwrap();
        }
        let config = Config { state_dir: folder.to_owned(), ..Config::default() };
        let ledger = Ledger::open(&config.ledger()).unwrap();
        let host = Host::at(&root, &folder.join("run"), folder).unwrap();
        Cycle::start(device(), config, ledger, host).unwrap()
    }

    fn device() -> DeviceId {
        DeviceId(uuid::Uuid::from_u128(1))
    }

    fn asked(device: DeviceId, document: &str) -> DryRun {
        let applied = Applied {
            assignment: "dry-run".to_owned(),
            profile: "motd".parse().unwrap(),
            revision: RevisionNumber(1),
            digest: Digest::of(PROFILE.as_bytes()),
            precedence: 0,
            mode: Mode::Enforce,
            params: Default::default(),
        };
        let what_if = DesiredState {
            muster: 1,
            composition: 1,
            device,
            generation: Generation(1),
            issued: Timestamp::default(),
            revisions: vec![applied],
            bindings: Default::default(),
        };
        DryRun::received(wire::DryRun {
            id: "dry-1".to_owned(),
            question: serde_json::to_vec(&Question { what_if }).unwrap().into(),
            document: document.as_bytes().to_vec().into(),
            patience: 30,
        })
    }

    fn failure(answer: Option<wire::AnswerRequest>) -> String {
        match answer.unwrap().answer.unwrap() {
            Answer::Failed(reason) => reason,
            Answer::Plan(_) => panic!("it was planned"),
        }
    }

    #[tokio::test]
    async fn a_dry_run_gives_the_plan_and_leaves_machine_and_ledger_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let mut cycle = cycle(folder.path());
        let before = std::fs::read(folder.path().join("ledger.db-wal")).unwrap();
        let answer = cycle.answer(asked(device(), PROFILE)).await.unwrap();
        assert_eq!(answer.id, "dry-1");
        let Some(Answer::Plan(bytes)) = answer.answer else { panic!("there is a plan") };
        let plan: PlanView = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(plan.steps.len(), 1);
        assert!(plan.to_string().starts_with("~ file:/etc/motd\n    content: \"sha256:"), "{plan}");
        assert_eq!(std::fs::read(folder.path().join("ledger.db-wal")).unwrap(), before);
        assert_eq!(std::fs::read_to_string(folder.path().join("root/etc/motd")).unwrap(), "theirs\n");
        assert_eq!(cycle.generation().unwrap(), Generation(0));
        assert!(
            cycle.hands.ledger.report(Generation(0)).unwrap().is_none_or(|report| report.events.is_empty())
        );
    }

    #[tokio::test]
    async fn a_question_for_another_device_or_without_its_document_has_no_plan() {
        let folder = tempfile::tempdir().unwrap();
        let mut cycle = cycle(folder.path());
        let other = DeviceId(uuid::Uuid::from_u128(2));
        assert!(failure(cycle.answer(asked(other, PROFILE)).await).contains("is for device"));
        let missing = failure(cycle.answer(asked(device(), "{}")).await);
        assert!(missing.contains("is missing"), "{missing}");
    }

    #[tokio::test]
    async fn a_question_offered_as_a_state_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut cycle = cycle(folder.path());
        let DryRun { asked, .. } = asked(device(), PROFILE);
        assert!(!cycle.offer(&asked.question).unwrap());
        assert_eq!(cycle.generation().unwrap(), Generation(0));
    }
}
