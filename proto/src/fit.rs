//! What a device says, made to fit into what a server takes. One that said more would not be heard of again, since it says the same
//! until that is acknowledged.

use serde::Serialize;
use serde_json::Value;

use crate::check::{CheckResult, Verdict};
use crate::condition::Difference;
use crate::id::ResourceId;
use crate::report::{Event, Outcome, OutcomeKind};
use crate::state::Mode;
use crate::text::cut;
use crate::wire::{MAX_ENTRIES, MAX_EVENT, MAX_SECTION};

/// What is left of a text or a value, in characters, where all of it is too much.
const SHOWN: usize = 200;
/// What is left of a reason: the last words of a program stand in it.
const REASON: usize = 2_000;
/// As many differences of one resource are left.
const MOST_DIFFERENCES: usize = 20;
/// An entry of a section that has more bytes than this is cut where the section is too large.
const LARGE: usize = 4 * 1024;
/// Rows of evidence that have more, also when they are cut, are left out.
const TOO_LARGE: usize = 64 * 1024;

/// The document of an event, of [`MAX_EVENT`] bytes at most: of a larger one long values are cut, and tell of it.
pub fn event(document: Vec<u8>) -> serde_json::Result<Vec<u8>> {
    if document.len() <= MAX_EVENT {
        return Ok(document);
    }
    let mut event: Event = serde_json::from_slice(&document)?;
    match &mut event {
        Event::Changed { differences, .. } => shorten_all(differences),
        Event::Failed { reason, .. } | Event::Blocked { reason, .. } | Event::Refused { reason, .. } => {
            *reason = cut(reason, REASON);
        }
        Event::Accepted { .. }
        | Event::Ended { .. }
        | Event::Paused(_)
        | Event::Resumed { .. }
        | Event::FirstLoginPassword { .. } => {}
    }
    serde_json::to_vec(&event)
}

/// The section `outcomes`, of [`MAX_SECTION`] bytes and [`MAX_ENTRIES`] entries at most. Where all is more, long values are cut, what is
/// as it should be is left out last to first, and an entry of its own that is `Unsupported` tells how many.
pub fn outcomes(all: &[Outcome]) -> serde_json::Result<Vec<u8>> {
    section(
        all,
        shorten_outcome,
        |one| matches!(one.outcome, OutcomeKind::Kept | OutcomeKind::NotApplicable),
        |left_out| Outcome {
            resource: ResourceId::new("report", "outcomes"),
            outcome: OutcomeKind::Unsupported,
            profile: String::new(),
            revision: 0,
            assignment: String::new(),
            mode: Mode::Enforce,
            differences: vec![],
            reason: Some(left_out),
            note: None,
            overrides: vec![],
        },
    )
}

/// The section `checks`, within the same bounds. An entry of its own that is `Unknown` tells how many results are left out.
pub fn checks(all: &[CheckResult]) -> serde_json::Result<Vec<u8>> {
    section(
        all,
        shorten_result,
        |one| one.verdict == Verdict::Pass,
        |left_out| CheckResult {
            id: "report".to_owned(),
            profile: String::new(),
            revision: 0,
            verdict: Verdict::Unknown,
            evidence: vec![],
            reason: Some(left_out),
        },
    )
}

fn section<T: Serialize + Clone>(
    all: &[T],
    shorten: fn(&mut T),
    is_fine: fn(&T) -> bool,
    rest: fn(String) -> T,
) -> serde_json::Result<Vec<u8>> {
    let document = serde_json::to_vec(all)?;
    if document.len() <= MAX_SECTION && all.len() <= MAX_ENTRIES {
        return Ok(document);
    }
    let mut entries = Vec::with_capacity(all.len());
    for one in all {
        let mut text = serde_json::to_vec(one)?;
        if text.len() > LARGE {
            let mut one = one.clone();
            shorten(&mut one);
            text = serde_json::to_vec(&one)?;
        }
        entries.push((is_fine(one), text));
    }
    as_many_as_fit(&entries, &|left_out| serde_json::to_vec(&rest(left_out)))
}

/// Puts entries into one list, those that are not fine first, and in place of those that do not fit in one that tells how many these are.
fn as_many_as_fit(
    entries: &[(bool, Vec<u8>)],
    rest: &dyn Fn(String) -> serde_json::Result<Vec<u8>>,
) -> serde_json::Result<Vec<u8>> {
    let those = |fine: bool| entries.iter().filter(move |(is_fine, _)| *is_fine == fine);
    let mut document = vec![b'['];
    for (index, (_, text)) in those(false).chain(those(true)).enumerate() {
        // With room for the one that tells of the others.
        let fits = document.len() + text.len() + LARGE <= MAX_SECTION && index + 1 < MAX_ENTRIES;
        if !fits {
            let left_out = entries.len() - index;
            let reason = format!(
                "{left_out} more are left out, as a report takes no more: assign less to this device"
            );
            document.extend(rest(reason)?);
            document.push(b',');
            break;
        }
        document.extend_from_slice(text);
        document.push(b',');
    }
    document.pop();
    document.push(b']');
    Ok(document)
}

fn shorten_outcome(outcome: &mut Outcome) {
    shorten_all(&mut outcome.differences);
    outcome.reason = outcome.reason.as_deref().map(|reason| cut(reason, REASON));
    outcome.note = outcome.note.as_deref().map(|note| cut(note, SHOWN));
}

fn shorten_result(result: &mut CheckResult) {
    result.evidence.iter_mut().flat_map(|row| row.iter_mut()).for_each(|(_, value)| shorten(value));
    result.reason = result.reason.as_deref().map(|reason| cut(reason, REASON));
    if serde_json::to_vec(&result.evidence).is_ok_and(|rows| rows.len() > TOO_LARGE) {
        result.evidence.clear();
        result.reason = Some("its evidence is more than a report takes".to_owned());
    }
}

fn shorten_all(differences: &mut Vec<Difference>) {
    let more = differences.len().saturating_sub(MOST_DIFFERENCES);
    differences.truncate(MOST_DIFFERENCES);
    for difference in &mut *differences {
        difference.attribute = cut(&difference.attribute, SHOWN);
        shorten(&mut difference.from);
        shorten(&mut difference.to);
        difference.diff = None;
    }
    if more > 0 {
        differences.push(Difference::new(&format!("and {more} more"), Value::Null, Value::Null));
    }
}

fn shorten(value: &mut Value) {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.len() > SHOWN {
        *value = cut(&text, SHOWN).into();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::condition::Action;

    fn changed(differences: Vec<Difference>) -> Event {
        let resource = ResourceId::new("account", "ada");
        Event::Changed { resource, action: Action::Change, differences, reversal: false, times: 1 }
    }

    fn outcome(path: &str, kind: OutcomeKind, to: Value) -> Outcome {
        let text = serde_json::to_value(kind).unwrap();
        serde_json::from_value(json!({
            "resource": format!("file:{path}"), "outcome": text, "profile": "base", "revision": 1,
            "assignment": "4f6f5b0e-93a7-4b6f-8df3-93b6f3f0c4a1", "mode": "enforce",
            "differences": [{"attribute": "content", "from": null, "to": to}],
        }))
        .unwrap()
    }

    #[test]
    fn an_event_that_is_too_large_is_cut_and_says_so_and_another_stays_as_it_is() {
        let small =
            serde_json::to_vec(&changed(vec![Difference::new("keys", Value::Null, json!(vec!["k"; 500]))]))
                .unwrap();
        assert_eq!(event(small.clone()).unwrap(), small);
        let keys = json!(vec!["ssh-ed25519 AAAA"; 200_000]);
        let large = changed(vec![Difference::new("ssh_keys", Value::Null, keys)]);
        let document = event(serde_json::to_vec(&large).unwrap()).unwrap();
        let Event::Changed { resource, differences, .. } = serde_json::from_slice(&document).unwrap() else {
            panic!("it is another event")
        };
        assert_eq!((resource.as_str(), differences[0].attribute.as_str()), ("account:ada", "ssh_keys"));
        assert!(differences[0].to.as_str().unwrap().ends_with("characters)"), "{}", differences[0].to);
        let failed = Event::Failed { resource, reason: "\u{1}".repeat(MAX_EVENT), times: 3 };
        let document = event(serde_json::to_vec(&failed).unwrap()).unwrap();
        assert!(document.len() <= MAX_EVENT);
        assert!(matches!(serde_json::from_slice(&document).unwrap(), Event::Failed { times: 3, .. }));
    }

    #[test]
    fn of_too_many_outcomes_those_that_are_not_fine_are_told_and_how_many_are_not() {
        let path = |number: usize| format!("/srv/{number}");
        let mut all: Vec<Outcome> = (0..MAX_ENTRIES + 5)
            .map(|number| outcome(&path(number), OutcomeKind::Kept, Value::Null))
            .collect();
        all.push(outcome("/last", OutcomeKind::Failed, json!("x".repeat(3 * MAX_SECTION))));
        let document = outcomes(&all).unwrap();
        assert!(document.len() <= MAX_SECTION);
        let told: Vec<Outcome> = serde_json::from_slice(&document).unwrap();
        assert!(told.len() <= MAX_ENTRIES);
        assert_eq!((told[0].resource.as_str(), told[0].outcome), ("file:/last", OutcomeKind::Failed));
        let rest = told.last().unwrap();
        assert_eq!(rest.outcome, OutcomeKind::Unsupported);
        let left_out = all.len() - (told.len() - 1);
        assert!(
            rest.reason.as_deref().unwrap().starts_with(&format!("{left_out} more")),
            "{:?}",
            rest.reason
        );
        let few = &all[..3];
        assert_eq!(outcomes(few).unwrap(), serde_json::to_vec(few).unwrap());
    }

    #[test]
    fn evidence_that_is_too_large_leaves_the_verdict() {
        let row = |value: Value| json!({"cmdline": value}).as_object().unwrap().clone();
        let result = |id: &str, evidence| CheckResult {
            id: id.to_owned(),
            profile: "base".to_owned(),
            revision: 1,
            verdict: Verdict::Fail,
            evidence,
            reason: None,
        };
        let long = row(json!("x".repeat(MAX_SECTION)));
        let wide = (0..2_000).map(|column| (format!("c{column}"), json!("x".repeat(100)))).collect();
        let all = [
            result("long", vec![long]),
            result("wide", vec![wide; 20]),
            result("small", vec![row(json!(1))]),
        ];
        let document = checks(&all).unwrap();
        assert!(document.len() <= TOO_LARGE, "{}", document.len());
        let told: Vec<CheckResult> = serde_json::from_slice(&document).unwrap();
        assert!(told.iter().all(|result| result.verdict == Verdict::Fail));
        assert!(told[0].evidence[0]["cmdline"].as_str().unwrap().contains("characters"));
        assert!(told[1].evidence.is_empty() && told[1].reason.is_some());
        assert_eq!(told[2], all[2]);
    }

    proptest! {
        #[test]
        fn whatever_was_changed_the_event_fits(
            values in prop::collection::vec("(\\PC|[\u{1}-\u{1f}\"]){0,40}", 1..60), times in 1..3000_usize,
        ) {
            let differences: Vec<_> = values
                .iter()
                .map(|text| Difference::new(&text.repeat(times), json!([text.repeat(times)]), text.repeat(times).into()))
                .collect();
            let document = event(serde_json::to_vec(&changed(differences)).unwrap()).unwrap();
            prop_assert!(document.len() <= MAX_EVENT);
            prop_assert!(serde_json::from_slice::<Event>(&document).is_ok());
        }
    }
}
