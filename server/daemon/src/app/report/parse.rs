//! The report's message as what is recorded of it. Everything that a device may get wrong is found here.

use std::collections::BTreeSet;

use muster_proto::check::CheckResult;
use muster_proto::clock::ClockSkew;
use muster_proto::cost::Cost;
use muster_proto::report::{Event, Outcome, Pause};
use muster_proto::resource::value::AccountName;
use muster_proto::when::Facts;
use muster_proto::wire::{MAX_ENTRIES, MAX_EVENT};
use muster_proto::{Generation, Timestamp, wire};
use muster_store::report::EventRow;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::ReportError;

/// The most of these in one report. An agent sends half a mebibyte of events, of which the shortest has some 40 bytes.
const MAX_EVENTS: usize = 20_000;
/// The largest facts: they are read with every list that the device stands in.
const MAX_FACTS: usize = 16 * 1024;
/// The highest sequence. What comes after it is still a number that the record can hold: one that it can't would read
/// as this one, over and over.
const MAX_SEQUENCE: u64 = i64::MAX as u64 - 1;

/// The longest reason of a pause. What an agent takes has 200 characters.
const MAX_REASON: usize = 1024;

/// The longest first-login password. What an agent makes has 19 characters.
const MAX_PASSWORD: usize = 128;

/// A report that was read whole.
pub(super) struct Report {
    /// The ledger that numbers the events.
    pub(super) epoch: String,
    pub(super) events: Vec<Recorded>,
    pub(super) sections: Vec<Section>,
    /// Newest generation that converged whole.
    pub(super) applied: Generation,
    /// Sequences that never come, inclusive.
    pub(super) lost: Option<(u64, u64)>,
}

/// An event as it is recorded, without secrets.
pub(super) struct Recorded {
    pub(super) row: EventRow,
    /// `None` for an event of a newer agent: kept, shown by its name.
    pub(super) known: Option<Event>,
}

/// A part of the device's state. Lists carry the text that each entry is stored as.
pub(super) enum Section {
    Outcomes(Vec<(Outcome, String)>),
    Checks(Vec<(CheckResult, String)>),
    Facts { document: String, os: String },
    Other { name: String, document: String },
}

fn invalid(part: impl Into<String>, reason: impl ToString) -> ReportError {
    ReportError::Invalid { part: part.into(), reason: reason.to_string() }
}

impl Report {
    pub(super) fn parse(request: wire::ReportRequest, now: Timestamp) -> Result<Self, ReportError> {
        let epoch =
            uuid::Uuid::try_parse(&request.epoch).map_err(|error| invalid("epoch", error))?.to_string();
        if request.events.len() > MAX_EVENTS {
            return Err(invalid("events", format!("more than {MAX_EVENTS}")));
        }
        if let Some(twice) = twice(request.sections.iter().map(|section| &section.name)) {
            return Err(invalid("sections", format!("{twice:?} stands twice")));
        }
        let events = request
            .events
            .iter()
            .enumerate()
            .map(|(index, event)| {
                read_event(&epoch, event, now).map_err(|reason| invalid(format!("events[{index}]"), reason))
            })
            .collect::<Result<_, _>>()?;
        let sections = request.sections.iter().map(read_section).collect::<Result<_, _>>()?;
        let lost = match (request.lost_from, request.lost_to) {
            (0, 0) => None,
            (from, to) if 0 < from && from <= to && to <= MAX_SEQUENCE => Some((from, to)),
            _ => return Err(invalid("lost_from", "expected 0, 0 or a range from 1 on")),
        };
        Ok(Self { epoch, events, sections, applied: Generation(request.applied_generation), lost })
    }

    /// Whether there is nothing but, perhaps, a newly applied generation.
    pub(super) fn says_nothing_new(&self) -> bool {
        self.events.is_empty() && self.sections.is_empty() && self.lost.is_none()
    }
}

fn read_event(epoch: &str, event: &wire::Event, now: Timestamp) -> Result<Recorded, String> {
    if event.sequence == 0 || event.sequence > MAX_SEQUENCE {
        return Err("sequence: expected a number from 1 on".to_owned());
    }
    if event.document.len() > MAX_EVENT {
        return Err(format!("document: larger than {} KiB", MAX_EVENT / 1024));
    }
    let value: Value =
        serde_json::from_slice(&event.document).map_err(|error| format!("document: {error}"))?;
    if !value["event"].is_string() {
        return Err("document: expected an object with `event`".to_owned());
    }
    let known = serde_json::from_value::<Event>(value.clone()).ok();
    let document = match &known {
        // The password itself goes to a place of its own, sealed.
        Some(Event::FirstLoginPassword { account, password }) => {
            AccountName::parse(account).map_err(|error| format!("account: {error}"))?;
            if password.0.len() > MAX_PASSWORD || password.0.chars().any(char::is_control) {
                return Err(format!("password: expected at most {MAX_PASSWORD} bytes in one line"));
            }
            json!({"event": "first_login_password", "account": account})
        }
        None if value["event"] == "first_login_password" => {
            return Err("document: expected account and password".to_owned());
        }
        _ => value,
    };
    let row = EventRow {
        epoch: epoch.to_owned(),
        sequence: event.sequence,
        at: Timestamp::from_micros(event.at).ok_or("at: expected a time between 1970 and 9999")?,
        recorded: now,
        document: document.to_string(),
    };
    Ok(Recorded { row, known })
}

fn read_section(section: &wire::Section) -> Result<Section, ReportError> {
    let name = section.name.as_str();
    let table = name.strip_prefix("table:").unwrap_or(name);
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if !(1..=64).contains(&table.len()) || !table.bytes().all(plain) {
        return Err(invalid("sections.name", "expected outcomes, checks, facts or table:<name>"));
    }
    Ok(match name {
        "outcomes" => Section::Outcomes(read_list(section, |outcome: &Outcome| outcome.resource.as_str())?),
        "checks" => Section::Checks(read_list(section, |result: &CheckResult| result.id.as_str())?),
        "facts" if section.document.len() > MAX_FACTS => {
            return Err(invalid("sections[facts]", format!("larger than {} KiB", MAX_FACTS / 1024)));
        }
        "facts" => {
            let facts: Facts = read(section)?;
            let os = if facts.os_name.is_empty() { &facts.os } else { &facts.os_name };
            let os = os.chars().filter(|c| !c.is_control()).take(100).collect();
            Section::Facts { document: text(&facts), os }
        }
        Pause::SECTION => {
            let pause: Option<Pause> = read(section)?;
            if pause.as_ref().is_some_and(|pause| pause.reason.len() > MAX_REASON) {
                return Err(invalid("sections[pause].reason", format!("longer than {MAX_REASON} bytes")));
            }
            Section::Other { name: name.to_owned(), document: text(&pause) }
        }
        ClockSkew::SECTION => {
            let skew: Option<ClockSkew> = read(section)?;
            Section::Other { name: name.to_owned(), document: text(&skew) }
        }
        Cost::SECTION => {
            let cost: Cost = read(section)?;
            if cost.kinds.len() + cost.checks.len() > MAX_ENTRIES {
                return Err(invalid("sections[cost]", format!("more than {MAX_ENTRIES} entries")));
            }
            Section::Other { name: name.to_owned(), document: text(&cost) }
        }
        _ => Section::Other { name: name.to_owned(), document: text(&read::<Value>(section)?) },
    })
}

/// Reads a list in which each name stands once.
fn read_list<T: DeserializeOwned + Serialize>(
    section: &wire::Section,
    name: impl Fn(&T) -> &str,
) -> Result<Vec<(T, String)>, ReportError> {
    let list: Vec<T> = read(section)?;
    let part = || format!("sections[{}]", section.name);
    if list.len() > MAX_ENTRIES {
        return Err(invalid(part(), format!("more than {MAX_ENTRIES} entries")));
    }
    if let Some(twice) = twice(list.iter().map(&name)) {
        return Err(invalid(part(), format!("{twice} stands twice")));
    }
    Ok(list
        .into_iter()
        .map(|entry| {
            let text = text(&entry);
            (entry, text)
        })
        .collect())
}

fn twice<T: Ord + Copy>(names: impl Iterator<Item = T>) -> Option<T> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

fn read<T: DeserializeOwned>(section: &wire::Section) -> Result<T, ReportError> {
    serde_json::from_slice(&section.document)
        .map_err(|error| invalid(format!("sections[{}]", section.name), error))
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("what was read from JSON can be written as JSON")
}
