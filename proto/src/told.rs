//! What happened on a device, in words: a device and its server tell it alike.

use serde_json::Value;

use crate::condition::{Action, Difference};
use crate::report::{Event, Pause};

/// An event as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What it is, such as `accepted`, `changed` or `failed`.
    pub event: String,
    /// It in a sentence.
    pub text: String,
    /// Which resource it is about, if one.
    pub resource: Option<String>,
    /// What was changed.
    pub differences: Vec<Difference>,
}

impl Told {
    /// Tells of an event as it was written down. One of a newer agent is told by its name alone, and no secret is told.
    pub fn of(document: &Value) -> Self {
        let event = document["event"].as_str().unwrap_or("unknown").to_owned();
        let say = |text: String, resource: Option<String>| Self {
            event: event.clone(),
            text,
            resource,
            differences: Vec::new(),
        };
        match serde_json::from_value::<Event>(document.clone()) {
            Ok(Event::Accepted { generation, .. }) => say(format!("took generation {generation}"), None),
            Ok(Event::Refused { generation, reason }) => {
                say(format!("did not take generation {generation}: {reason}"), None)
            }
            Ok(Event::Changed { resource, action, differences, reversal, times }) => {
                let did = match (action, reversal) {
                    (Action::Remove, true) => "removed again what Muster had made",
                    (_, true) => "put back what was there before Muster",
                    (Action::Change, false) if differences.is_empty() => "had read what changed",
                    (Action::Create, false) => "made",
                    (Action::Change, false) => "changed",
                    (Action::Remove, false) => "removed",
                };
                let told = say(format!("{did}{}: {resource}", again(times)), Some(resource.to_string()));
                Self { differences, ..told }
            }
            Ok(Event::Failed { resource, reason, times }) => {
                say(format!("failed{}: {resource}: {reason}", again(times)), Some(resource.to_string()))
            }
            Ok(Event::Blocked { resource, reason, times }) => {
                say(format!("blocked{}: {resource}: {reason}", again(times)), Some(resource.to_string()))
            }
            Ok(Event::Ended { resource }) => say(format!("ended: {resource}"), Some(resource.to_string())),
            Ok(Event::Paused(Pause { until, reason, .. })) => {
                say(format!("paused on the device until {until}: {reason}"), None)
            }
            Ok(Event::Resumed { early: true }) => say("resumed on the device".to_owned(), None),
            Ok(Event::Resumed { early: false }) => say("the pause on the device is over".to_owned(), None),
            // The password is kept elsewhere, so that what is kept of the event may not read as one.
            Ok(Event::FirstLoginPassword { .. }) | Err(_) => match event.as_str() {
                "first_login_password" => {
                    let account = document["account"].as_str().unwrap_or("?");
                    say(format!("made a first-login password for {account}"), None)
                }
                "lost" => {
                    let (from, to) = (&document["from"], &document["to"]);
                    say(format!("events {from} to {to} were lost: the queue was full"), None)
                }
                other => say(format!("{other} (of a newer agent)"), None),
            },
        }
    }
}

/// Said of an event that stands for several.
fn again(times: u32) -> String {
    if times > 1 { format!(" {times} times") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_that_stands_for_several_says_how_many() {
        let mut event = json!({"event": "changed", "resource": "file:/etc/motd", "action": "change",
            "differences": [{"attribute": "mode", "from": "0600", "to": "0644"}], "reversal": false});
        assert_eq!(Told::of(&event).text, "changed: file:/etc/motd");
        event["times"] = 9.into();
        assert_eq!(Told::of(&event).text, "changed 9 times: file:/etc/motd");
    }

    #[test]
    fn a_password_is_not_told_and_what_is_newer_is_told_by_its_name() {
        let made = json!({"event": "first_login_password", "account": "ada", "password": "secret"});
        assert_eq!(Told::of(&made).text, "made a first-login password for ada");
        assert_eq!(Told::of(&json!({"event": "melted", "what": 1})).text, "melted (of a newer agent)");
    }
}
