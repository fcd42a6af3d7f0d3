//! What `muster-agent status` finds beside the outcomes of resources: the device's name, its checks, its server's word.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, Result};
use muster_proto::Timestamp;
use muster_proto::check::{CheckResult, Verdict};
use muster_proto::clock::ClockSkew;
use muster_proto::compose::{Composition, compose};
use muster_proto::text::escape;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::ledger::Ledger;
use crate::link::{Down, Standing};

/// Seconds. The server says something at least every five minutes, and a link that hears nothing for longer than this notes that it is
/// down: where neither is so, no agent runs.
const HEARD_WITHIN: i64 = 780;

/// Rows of evidence that are shown of a check.
const ROWS: usize = 3;

/// What the ledger tells.
#[derive(Debug)]
pub(super) struct Findings {
    /// The device's name, once a state has told it.
    pub(super) name: Option<String>,
    /// When the device was reported lost, once it has its last order.
    pub(super) lost: Option<Timestamp>,
    /// By how much the clock here differs from the server's.
    pub(super) clock: Option<ClockSkew>,
    /// How the link stands, by the agent that runs.
    standing: Standing,
    /// When the server was last heard, by that or by the ledger.
    heard: Option<Timestamp>,
    /// The checks that fail or have no answer, each with its title.
    checks: Vec<(CheckResult, String)>,
    asked: usize,
}

impl Findings {
    /// From the ledger, and from what the agent that runs notes in `scratch`.
    pub(super) fn read(ledger: &Ledger, scratch: &Path) -> Result<Self> {
        let mark = ledger.mark()?;
        let standing = Standing::read(scratch)?;
        let heard = standing.heard.map(|heard| heard.at).or(mark.map(|mark| mark.time));
        let clock = Clock::start(mark);
        // In a boot that has not heard of the server, what was last told of it counts.
        let skew = match clock.ahead() {
            Some(ahead) => ClockSkew::of(ahead),
            None => section(ledger, ClockSkew::SECTION)?,
        };
        let results: Vec<CheckResult> = section(ledger, "checks")?;
        let asked = results.len();
        let titles = titles(ledger);
        let checks = results
            .into_iter()
            .filter(|result| matches!(result.verdict, Verdict::Fail | Verdict::Unknown))
            .map(|result| {
                let title = titles.get(&result.id).cloned().unwrap_or_default();
                (result, title)
            })
            .collect();
        Ok(Self {
            name: ledger.state()?.map(|state| state.bindings.name),
            clock: skew,
            lost: ledger.last_order()?.map(|ordered| ordered.order.ordered),
            standing,
            heard,
            checks,
            asked,
        })
    }

    /// Whether every check passes or does not apply, the server was heard and neither holds the device for lost nor refuses it,
    /// and the clock is right.
    pub(super) fn fine(&self) -> bool {
        self.checks.is_empty()
            && self.heard.is_some()
            && self.lost.is_none()
            && self.clock.is_none()
            && self.standing.refusal().is_none()
    }

    /// In one line, whether the server is heard.
    pub(super) fn link(&self) -> String {
        let ago = self.standing.heard.map(|heard| heard.ago());
        let heard = self.heard.map(Timestamp::whole_seconds);
        match (&self.standing.down, heard) {
            (Some(Down { since, why, refused: true }), _) => {
                format!("refused since {}: {}", since.whole_seconds(), escape(why))
            }
            (Some(Down { since, why, refused: false }), _) => {
                let last =
                    ago.map_or(String::new(), |ago| format!("; the server was last heard {} ago", span(ago)));
                format!("down since {}: {}{last}", since.whole_seconds(), escape(why))
            }
            (None, _) if self.is_up() => format!("up, the server was heard {} ago", span(ago.unwrap_or(0))),
            (None, Some(heard)) => {
                format!("down: nothing heard of the server since {heard}; see systemctl status muster-agent")
            }
            (None, None) => "the server was never heard; see systemctl status muster-agent".to_owned(),
        }
    }

    fn is_up(&self) -> bool {
        let heard = self.standing.heard.is_some_and(|heard| heard.ago() <= HEARD_WITHIN);
        heard && self.standing.down.is_none()
    }

    pub(super) fn print_checks(&self, out: &mut impl Write) -> Result<()> {
        writeln!(out, "Checks       {} of {} pass", self.asked - self.checks.len(), self.asked)?;
        for (result, title) in &self.checks {
            let (id, title) = (escape(&result.id), escape(title));
            writeln!(out, "  {:?}  {id}  ({}@{}): {title}", result.verdict, result.profile, result.revision)?;
            if let Some(reason) = &result.reason {
                writeln!(out, "    {}", escape(reason))?;
            }
            for row in result.evidence.iter().take(ROWS) {
                writeln!(out, "    {}", escape(&Value::from(row.clone()).to_string()))?;
            }
            if result.evidence.len() > ROWS {
                writeln!(out, "    and {} more rows: -o json shows them", result.evidence.len() - ROWS)?;
            }
        }
        Ok(())
    }

    /// The checks for `-o json`.
    pub(super) fn checks_as_json(&self) -> Vec<Value> {
        let check = |(result, title): &(CheckResult, String)| {
            json!({"id": result.id, "title": title, "profile": result.profile, "revision": result.revision,
                   "verdict": result.verdict, "reason": result.reason, "evidence": result.evidence})
        };
        self.checks.iter().map(check).collect()
    }

    /// The link for `-o json`.
    pub(super) fn link_as_json(&self) -> Value {
        let down = self.standing.down.as_ref().map(|down| json!({"since": down.since, "why": down.why}));
        let refused = down.clone().filter(|_| self.standing.refusal().is_some());
        json!({
            "heard": self.heard,
            "heard_seconds_ago": self.standing.heard.map(|heard| heard.ago()),
            "silent": !self.is_up(),
            "down": down,
            "refused": refused,
        })
    }
}

/// So many seconds, as one says it.
fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200.. => format!("{} h", seconds / 3_600),
    }
}

/// The latest of a section; nothing before the first turn.
fn section<T: serde::de::DeserializeOwned + Default>(ledger: &Ledger, name: &str) -> Result<T> {
    ledger.section_document(name)?.map_or_else(
        || Ok(T::default()),
        |document| {
            serde_json::from_slice(&document).with_context(|| format!("the ledger's {name} can't be read"))
        },
    )
}

/// The titles of checks, as far as the profiles can be read: without them a check still has its name.
fn titles(ledger: &Ledger) -> BTreeMap<String, String> {
    let composition = composed(ledger).ok().flatten().unwrap_or_default();
    composition.checks.into_iter().map(|(id, claimed)| (id, claimed.check.title)).collect()
}

fn composed(ledger: &Ledger) -> Result<Option<Composition>> {
    let Some(state) = ledger.state()? else { return Ok(None) };
    let (documents, _) = ledger.documents(&state)?;
    Ok(Some(compose(&state, &documents, &section(ledger, "facts")?)?))
}

#[cfg(test)]
mod tests {
    use muster_proto::Digest;
    use muster_proto::state::DesiredState;
    use uuid::Uuid;

    use super::*;
    use crate::clock::boottime;
    use crate::ledger::Mark;

    fn ledger(dir: &tempfile::TempDir) -> Ledger {
        let mut ledger = Ledger::open(&dir.path().join("ledger.db")).unwrap();
        let check = |id: &str, title: &str| json!({"id": id, "title": title, "violations": "SELECT 1"});
        let document = serde_json::to_vec(&json!({"muster": 1, "profile": "base",
            "checks": [check("disk", "The disk is encrypted"), check("ports", "Nothing listens")]}))
        .unwrap();
        let state = serde_json::to_vec(&json!({
            "muster": 1, "composition": 1, "device": "6c8e7f0a-0d0c-4b0a-9d5e-0a1b2c3d4e5f", "generation": 1,
            "issued": "2026-01-01T00:00:00Z", "bindings": {"name": "lab-1", "serial": "s"},
            "revisions": [{"assignment": "a", "profile": "base", "revision": 3, "precedence": 0,
                           "digest": Digest::of(&document), "mode": "enforce"}],
        }))
        .unwrap();
        let parsed: DesiredState = serde_json::from_slice(&state).unwrap();
        ledger.accept(&parsed, &state, Timestamp::default()).unwrap();
        ledger.keep_documents(&parsed, &[(Digest::of(&document), document)]).unwrap();
        ledger
    }

    fn result(id: &str, verdict: Verdict) -> Value {
        json!({"id": id, "profile": "base", "revision": 3, "verdict": verdict})
    }

    #[test]
    fn who_looks_before_there_is_a_ledger_is_told_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        for _ in 0..2 {
            let error = format!("{:#}", Ledger::open_read_only(&path).err().unwrap());
            assert!(error.contains("muster-agent enroll") && !error.contains("database"), "{error}");
            std::fs::write(&path, "").unwrap();
        }
    }

    #[test]
    fn checks_that_fail_or_have_no_answer_are_shown_with_title_and_reason_or_rows() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = ledger(&dir);
        let (mut disk, mut ports) = (result("disk", Verdict::Unknown), result("ports", Verdict::Fail));
        disk["reason"] = "it took\u{1b} too long".into();
        ports["evidence"] = (1..=5).map(|port| json!({"port": port})).collect();
        let all = json!([disk, result("fine", Verdict::Pass), ports]);
        ledger.section("checks", all.to_string().as_bytes()).unwrap();
        let findings = Findings::read(&ledger, dir.path()).unwrap();
        assert_eq!((findings.name.as_deref(), findings.fine()), (Some("lab-1"), false));
        let mut out = Vec::new();
        findings.print_checks(&mut out).unwrap();
        let shown = "Checks       1 of 3 pass\n  Unknown  disk  (base@3): The disk is encrypted\n    \
                     it took\\u{1b} too long\n  Fail  ports  (base@3): Nothing listens\n    {\"port\":1}\n    \
                     {\"port\":2}\n    {\"port\":3}\n    and 2 more rows: -o json shows them\n";
        assert_eq!(String::from_utf8(out).unwrap(), shown);
        assert_eq!(findings.checks_as_json()[1]["evidence"][4]["port"], 5);
    }

    #[test]
    fn the_link_is_up_while_the_server_is_heard_and_down_as_soon_as_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = ledger(&dir);
        let link = |ledger: &Ledger| Findings::read(ledger, dir.path()).unwrap().link();
        assert!(link(&ledger).contains("never"));
        let now = Clock::start(None).now();
        let mark = Mark { time: now.plus_seconds(-30), boottime: 0, boot_id: Uuid::nil(), ended: None };
        ledger.raise_mark(mark).unwrap();
        assert!(link(&ledger).starts_with("down: nothing heard of the server since"), "no agent runs");

        let note = |ago: i64, down: Value| {
            let heard = json!({"at": now, "boottime": boottime() - ago * 1_000_000});
            let text = json!({"heard": heard, "down": down}).to_string();
            std::fs::write(dir.path().join("link"), text).unwrap();
        };
        note(70, Value::Null);
        assert_eq!(link(&ledger), "up, the server was heard 70 s ago");
        note(600, json!({"since": now, "why": "the connection ended", "refused": false}));
        let since = now.whole_seconds();
        let down = format!("down since {since}: the connection ended; the server was last heard 10 min ago");
        assert_eq!(link(&ledger), down);
        assert!(Findings::read(&ledger, dir.path()).unwrap().fine(), "a device may be away");
        note(70, json!({"since": now, "why": "refused", "refused": true}));
        assert_eq!(link(&ledger), format!("refused since {since}: refused"));
        assert!(!Findings::read(&ledger, dir.path()).unwrap().fine());
        note(310, Value::Null);
        assert_eq!(link(&ledger), "up, the server was heard 5 min ago");
        note(900, Value::Null);
        assert!(link(&ledger).starts_with("down: nothing heard"), "its agent was killed");
    }
}
