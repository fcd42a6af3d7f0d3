//! `timer`: a program that systemd starts at set times.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{AbsolutePath, AccountName, Argument, CalendarEvent, SnippetName, Span};
use crate::condition::Condition;
use crate::id::Digest;

/// More arguments than anybody reads.
const MOST_ARGUMENTS: usize = 64;

/// More times than one timer has.
const MOST_TIMES: usize = 16;

/// A program that runs at set times: a timer and a service of systemd's, `muster-timer-<name>.timer` and `muster-timer-<name>.service`.
/// How its last run went says `systemctl status muster-timer-<name>.service`, and what it printed is in the journal. It is no part of
/// what the timer should be: a program that fails is to be seen by a check. With the resource a run ends that is under way.
///
/// ```yaml
/// - timer:
///     name: nightly-backup
///     command: [/usr/local/bin/backup, --all]
///     on_calendar: ["Mon..Fri 02:00"]
///     randomized_delay: 30m
///     persistent: true
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Timer {
    /// Its name.
    pub name: SnippetName,
    /// The absolute path of a program and its arguments, 64 at most. No shell reads them, and neither `$` nor `%` means
    /// anything in them.
    pub command: Vec<Argument>,
    /// The account that it runs as; root when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<AccountName>,
    /// When it runs, as systemd.time(7) writes calendar events, 16 at most: `daily`, `Mon..Fri 02:00`, `*-*-01 04:30 Europe/Berlin`.
    /// `systemd-analyze calendar` says what one means.
    pub on_calendar: Vec<CalendarEvent>,
    /// Up to how much later it runs, each time by chance: `30m`, `2h`. So a fleet does not come all at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub randomized_delay: Option<Span>,
    /// Whether a run that was missed, as the device was off, is made up for as soon as it is on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub persistent: bool,
}

impl Timer {
    /// The full name of the timer's unit. No unit of Muster's own is called so, nor one that its commands run in.
    pub fn timer_unit(name: &str) -> String {
        format!("muster-timer-{name}.timer")
    }

    /// The full name of the unit that the timer starts.
    pub fn service_unit(name: &str) -> String {
        format!("muster-timer-{name}.service")
    }

    /// The file of the timer's unit.
    pub fn timer_file(name: &str) -> String {
        format!("/etc/systemd/system/{}", Self::timer_unit(name))
    }

    /// The file of the service's unit.
    pub fn service_file(name: &str) -> String {
        format!("/etc/systemd/system/{}", Self::service_unit(name))
    }

    /// The timer as systemd.timer(5) has it.
    pub fn rendered_timer(&self) -> String {
        let name = &self.name;
        let mut text = format!(
            "# Managed by Muster: timer:{name}\n[Unit]\nDescription=Muster timer {name}\n\n[Timer]\n"
        );
        for event in &self.on_calendar {
            text.push_str(&format!("OnCalendar={event}\n"));
        }
        if let Some(delay) = &self.randomized_delay {
            text.push_str(&format!("RandomizedDelaySec={}s\n", delay.seconds()));
        }
        if self.persistent {
            text.push_str("Persistent=true\n");
        }
        text.push_str("\n[Install]\nWantedBy=timers.target\n");
        text
    }

    /// The service as systemd.service(5) has it.
    pub fn rendered_service(&self) -> String {
        let name = &self.name;
        let user = self.user.as_ref().map_or("root", AccountName::as_str);
        // The colon has systemd leave every `$` as it stands. It is part of the first word, quotes and all.
        let mut words = self.command.iter().map(Argument::as_str);
        let program = words.next().map(|program| word(":", program));
        let words: Vec<_> = program.into_iter().chain(words.map(|argument| word("", argument))).collect();
        format!(
            "# Managed by Muster: timer:{name}\n[Unit]\nDescription=Muster timer {name}\n\n[Service]\nType=oneshot\nUser={user}\nExecStart={}\n",
            words.join(" ")
        )
    }

    /// The digests of both units, and that the timer waits for its next time, now and after every boot.
    pub fn desired(&self) -> Condition {
        let digest = |text: String| Digest::of(text.as_bytes()).to_string();
        Condition::present([
            ("timer", digest(self.rendered_timer()).into()),
            ("service", digest(self.rendered_service()).into()),
            ("enabled", true.into()),
            ("running", true.into()),
        ])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        let wrong =
            |field: &str, message: String| Err(InvalidResource::new(format!("/timer/{field}"), message));
        let program = self.command.first().map_or("", Argument::as_str);
        if AbsolutePath::parse(program).is_err() || program.contains(['"', '\'', '\\']) {
            let expected = "begin with the absolute path of a program, without quotes and \\";
            return wrong("command", expected.to_owned());
        }
        if self.command.len() > MOST_ARGUMENTS {
            return wrong("command", format!("more than {MOST_ARGUMENTS} arguments"));
        }
        match self.on_calendar.len() {
            0 => wrong("on_calendar", "name at least one time".to_owned()),
            1..=MOST_TIMES => Ok(()),
            _ => wrong("on_calendar", format!("more than {MOST_TIMES} times")),
        }
    }
}

/// A word of a command line (systemd.service(5), systemd.syntax(7)): in quotes, within which `"` and `\` are escaped, and with
/// every `%` doubled, as specifiers are replaced even there.
fn word(prefix: &str, text: &str) -> String {
    format!("\"{prefix}{}\"", text.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn timer(fields: serde_json::Value) -> Timer {
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn a_command_line_means_to_systemd_what_it_says_word_for_word() {
        let timer = timer(json!({
            "name": "report", "on_calendar": ["daily"], "user": "ada",
            "command": ["/usr/bin/a b%n", "$HOME ${HOME}", "100%", "say \"hi\"", "c:\\new", "", ";", "it's"],
        }));
        timer.validate().unwrap();
        let service = timer.rendered_service();
        let line =
            r#"ExecStart=":/usr/bin/a b%%n" "$HOME ${HOME}" "100%%" "say \"hi\"" "c:\\new" "" ";" "it's""#;
        assert!(service.ends_with(&format!("\nType=oneshot\nUser=ada\n{line}\n")), "{service}");
    }

    #[test]
    fn a_timer_says_when_and_how_exactly() {
        let timer = timer(json!({
            "name": "report", "on_calendar": ["Mon..Fri 02:00", "Sat 04:00"], "command": ["/bin/true"],
            "randomized_delay": "30m", "persistent": true,
        }));
        let text = timer.rendered_timer();
        assert!(
            text.contains(
                "[Timer]\nOnCalendar=Mon..Fri 02:00\nOnCalendar=Sat 04:00\nRandomizedDelaySec=1800s\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
            ),
            "{text}"
        );
        assert!(timer.rendered_service().contains("\nUser=root\n"));
    }

    #[test]
    fn what_is_no_program_is_none_to_run() {
        for program in ["true", "-/bin/true", "!/bin/true", "/bin/../bin/sh", "/bin/a\"b", "/bin/", ""] {
            let timer = timer(json!({"name": "x", "on_calendar": ["daily"], "command": [program]}));
            assert!(timer.validate().unwrap_err().message.contains("absolute path"), "{program}");
        }
    }
}
