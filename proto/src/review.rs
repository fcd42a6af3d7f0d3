//! What is looked at in a profile beyond whether it can be read, by its author's command line and again by the server that
//! saves it: secrets in it, and times that systemd can't read, are refused, and what gives root away without looking like it is warned of.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::compose::after;
use crate::profile::ProfileError;
use crate::resource::mount::Mount;
use crate::resource::value::{AccountName, Argument};
use crate::resource::{Body, Common, Declared, Resource};
use crate::secret;
use crate::text::printable;
use crate::timestamp::Timestamp;

mod calendar;
mod near;
mod sudo;

/// Files that a profile may write and that a mistake in makes a device unusable, with what to use in their place.
const UNCHECKED: [(&str, &str); 8] = [
    ("/etc/sudoers", "nothing checks it, and a mistake ends sudo for all: say sudo, which visudo checks"),
    (
        "/etc/sudoers.d",
        "nothing checks it, and a mistake may end sudo for all: say sudo, which visudo checks",
    ),
    ("/etc/passwd", "it is all accounts of the device: say account"),
    ("/etc/shadow", "it is all passwords of the device: say account"),
    ("/etc/group", "it is all groups of the device: say group, and the groups of an account"),
    ("/etc/gshadow", "it is all groups of the device: say group, and the groups of an account"),
    ("/etc/muster", "it is what the agent starts with: after a mistake no profile can mend it"),
    ("/var/lib/muster", "it is the agent's own memory: after a change no profile may reach the device"),
];

/// What a review found. Paths are JSON pointers into the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// What keeps it from being saved.
    pub errors: Vec<ProfileError>,
    /// What its author should know.
    pub warnings: Vec<ProfileError>,
}

/// Reviews a document that was read without errors, at this time.
pub fn review(document: &Value, now: Timestamp) -> Review {
    let mut review = Review::default();
    look_for_secrets(document, &mut String::new(), &mut review.errors);
    let entries = document["resources"].as_array().into_iter().flatten().enumerate();
    let all: Vec<(String, Declared)> = entries
        .flat_map(|(index, entry)| {
            let declared = Declared::parse(entry).into_iter().flatten();
            declared.map(move |declared| (format!("/resources/{index}"), declared))
        })
        .collect();
    for (path, declared) in &all {
        look_at(declared, path, &mut review);
        if declared.common.not_after.is_some_and(|end| end <= now) {
            let message = "this time has passed: it comes to no device, and ends where it is".to_owned();
            review.warnings.push(finding(&format!("{path}/{}/not_after", declared.id.kind()), message));
        }
    }
    look_at_parts(&all, &mut review);
    look_at_orders(&all, &mut review);
    review
}

/// Looks for what would change a part of a file that the same profile says the whole of.
fn look_at_parts(all: &[(String, Declared)], review: &mut Review) {
    let says_whole = |declared: &&Declared| match &declared.body {
        Body::Known(Resource::File(file)) => file.is_said_whole(),
        Body::Known(_) | Body::Unsupported { .. } => false,
    };
    let files = all.iter().map(|(_, declared)| declared).filter(says_whole);
    let files: BTreeMap<&str, &Declared> = files.map(|declared| (declared.id.key(), declared)).collect();
    for (path, declared) in all {
        let Body::Known(resource) = &declared.body else { continue };
        let whole = resource.writes_to().iter().find_map(|written| files.get(written.as_str()).copied());
        // Where each has a `when` of its own, they may be for different devices.
        if let Some(whole) = whole.filter(|whole| whole.common.when == declared.common.when) {
            let message = format!(
                "{} of this profile says all of what is there, and this a part of it, so that each would undo the other: put it \
                 into the content",
                printable(whole.id.as_str())
            );
            review.errors.push(finding(&format!("{path}/{}", declared.id.kind()), message));
        }
    }
}

/// Looks at what is to come after what, and which services are told of changes.
fn look_at_orders(all: &[(String, Declared)], review: &mut Review) {
    let after = all.iter().map(|(_, declared)| (&declared.id, declared.common.after.as_slice())).collect();
    let rounds = after::rounds(&after);
    let mut near = near::Names::of(after.keys().copied());
    for (path, declared) in all {
        let at = |field: &str| format!("{path}/{}/{field}", declared.id.kind());
        if rounds.contains(&declared.id) {
            review.errors.push(finding(&at("after"), after::goes_round(&declared.common.after)));
        }
        let restart_on = match &declared.body {
            Body::Known(resource) => resource.restart_on(),
            Body::Unsupported { .. } => &[],
        };
        let Common { after: comes_after, notify, .. } = &declared.common;
        for (field, names) in
            [("after", comes_after.as_slice()), ("notify", notify), ("restart_on", restart_on)]
        {
            for name in names.iter().filter(|name| !after.contains_key(name)) {
                let meant =
                    near.to(name).map(|near| format!(" (did you mean {}?)", printable(near.as_str())));
                let message = format!(
                    "no resource of this profile is {}: it counts where another profile of a device has it{}",
                    printable(name.as_str()),
                    meant.unwrap_or_default()
                );
                review.warnings.push(finding(&at(field), message));
            }
        }
    }
}

fn finding(path: &str, message: String) -> ProfileError {
    ProfileError { path: path.to_owned(), message, unknown: false }
}

fn look_for_secrets(value: &Value, path: &mut String, errors: &mut Vec<ProfileError>) {
    let length = path.len();
    match value {
        Value::String(text) => {
            if let Some(what) = secret::find(text) {
                errors.push(finding(
                    path,
                    format!(
                        "{what} stands in the profile, which every device that has it can read: leave it out, and give it to the device in another way"
                    ),
                ));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("/{index}"));
                look_for_secrets(item, path, errors);
                path.truncate(length);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                path.push_str(&format!("/{name}"));
                look_for_secrets(field, path, errors);
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn look_at(declared: &Declared, path: &str, review: &mut Review) {
    let Body::Known(resource) = &declared.body else { return };
    match resource {
        Resource::Sudo(rule) => {
            for (index, command) in rule.commands.iter().enumerate() {
                if let Some(why) = sudo::amounts_to_root(command.as_str()) {
                    let message = format!("{} as {} amounts to root: {why}", command, rule.who);
                    review.warnings.push(finding(&format!("{path}/sudo/commands/{index}"), message));
                }
            }
        }
        Resource::File(file) => {
            let path_of = file.path.as_str();
            if let Some((_, why)) = UNCHECKED.iter().find(|(place, _)| is_at_or_below(path_of, place)) {
                review.warnings.push(finding(&format!("{path}/file/path"), format!("{path_of}: {why}")));
            }
            // What is text inside base64 is looked at as text.
            let text =
                file.content_base64.as_ref().and_then(|_| String::from_utf8(file.bytes()?.into_owned()).ok());
            if let Some(what) = text.as_deref().and_then(secret::find) {
                let message = format!(
                    "{what} stands in the profile, which every device that has it can read: leave it out, and give it to the device in another way"
                );
                review.errors.push(finding(&format!("{path}/file/content_base64"), message));
            }
            if file.content.as_deref().is_some_and(looks_like_template) {
                let message = "nothing is filled in for {{ }} here, where every byte stands as it is: say template in place of content, if that was meant".to_owned();
                review.warnings.push(finding(&format!("{path}/file/content"), message));
            }
        }
        Resource::Timer(timer) => {
            let program = timer.command.first().map_or("", Argument::as_str);
            if let Some(why) = root_by_program(program, timer.user.as_ref()) {
                review.warnings.push(finding(&format!("{path}/timer/command"), why));
            }
            for (index, event) in timer.on_calendar.iter().enumerate() {
                if let Err(why) = calendar::check(event.as_str()) {
                    let message = format!("systemd can't read {:?}: {why}", event.as_str());
                    review.errors.push(finding(&format!("{path}/timer/on_calendar/{index}"), message));
                }
            }
        }
        Resource::Script(script) => {
            let program = script.argv().first().copied().unwrap_or_default();
            if let Some(why) = root_by_program(program, script.user.as_ref()) {
                review.warnings.push(finding(&format!("{path}/script"), why));
            }
        }
        Resource::Mount(mount) => {
            if let Some(why) = root_by_mount(mount) {
                review.warnings.push(finding(&format!("{path}/mount/options"), why));
            }
        }
        Resource::Repository(repository)
            if repository.url.as_str().starts_with("http://") && repository.key.is_empty() =>
        {
            let message = "packages come over http and no key is named: whoever is on the way can change them; name key_from".to_owned();
            review.warnings.push(finding(&format!("{path}/repository"), message));
        }
        _ => {}
    }
}

fn is_at_or_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a text names what a template of Muster's would have filled in.
fn looks_like_template(text: &str) -> bool {
    text.split("{{").skip(1).any(|behind| {
        let name = behind.trim_start();
        ["param.", "device.", "person."].iter().any(|known| name.starts_with(known))
    })
}

/// Why what a program of a profile does amounts to root, and for whom, if so.
fn root_by_program(program: &str, user: Option<&AccountName>) -> Option<String> {
    let is_root = user.is_none_or(|user| user.as_str() == "root");
    if !is_root {
        return None;
    }
    Some(if sudo::is_open(program) {
        format!("{program} runs as root, and others than root can put another program in its place")
    } else {
        format!("{program} runs as root, with all that it reads: name a user, where it need not")
    })
}

/// Why what is mounted amounts to root for whoever has it in hand, if so.
fn root_by_mount(mount: &Mount) -> Option<String> {
    let safe = ["nosuid", "noexec", "user", "users", "owner", "group"].iter().any(|option| mount.has(option));
    (mount.needs_network() && !safe).then(|| {
        format!(
            "whoever can write to {} can put programs there that run as root here: add nosuid, and nodev",
            mount.what
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(resource: Value) -> Review {
        review(&json!({"muster": 1, "profile": "p", "resources": [resource]}), Timestamp::default())
    }

    #[test]
    fn a_file_that_ends_sudo_the_accounts_or_the_agent_by_a_mistake_is_warned_of() {
        let said = |path: &str| of(json!({"file": {"path": path, "content": "x"}})).warnings;
        for path in ["/etc/sudoers.d/x", "/etc/sudoers", "/etc/shadow", "/etc/muster/agent.toml"] {
            assert_eq!(said(path)[0].path, "/resources/0/file/path", "{path}");
        }
        assert!(said("/etc/sudoers.d/x")[0].message.contains("say sudo"));
        assert_eq!(said("/etc/muster.conf"), []);
    }

    #[test]
    fn a_part_of_a_file_that_the_same_profile_says_the_whole_of_is_refused_unless_they_are_for_different_devices()
     {
        let said = |line: Value, file: Value| {
            let resources = json!([{"file": file}, {"line": line}]);
            review(&json!({"muster": 1, "profile": "p", "resources": resources}), Timestamp::default())
        };
        let line = json!({"path": "/etc/login.defs", "line": "UMASK 077"});
        let errors = said(line.clone(), json!({"path": "/etc/login.defs", "content": "x"})).errors;
        assert_eq!(errors[0].path, "/resources/1/line");
        assert!(errors[0].message.starts_with("file:/etc/login.defs of this profile"), "{errors:?}");
        let attributes = json!({"path": "/etc/login.defs", "mode": "0644"});
        assert_eq!(said(line.clone(), attributes), Review::default());
        let elsewhere = json!({"path": "/etc/login.defs", "content": "x", "when": {"os": "fedora"}});
        assert_eq!(said(line, elsewhere), Review::default());
    }

    #[test]
    fn a_lease_that_is_over_is_warned_of() {
        let file = |end: &str| of(json!({"file": {"path": "/etc/visit", "content": "x", "not_after": end}}));
        assert_eq!(file("1970-01-01T00:00:00Z").warnings[0].path, "/resources/0/file/not_after");
        assert_eq!(file("1970-01-01T00:00:01Z"), Review::default());
    }

    #[test]
    fn a_private_key_is_refused_where_it_stands() {
        let key =
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n-----END OPENSSH PRIVATE KEY-----\n";
        let review = of(json!({"file": {"path": "/etc/key", "content": key}}));
        assert_eq!(review.errors.len(), 1);
        assert_eq!(review.errors[0].path, "/resources/0/file/content");
        assert!(review.errors[0].message.contains("private key"), "{}", review.errors[0].message);
    }

    #[test]
    fn a_secret_inside_base64_is_found() {
        let hidden = "cGFzc3dvcmQ9VHIwdWI0ZG9yMwo=";
        let review = of(json!({"file": {"path": "/etc/key", "content_base64": hidden}}));
        assert_eq!(review.errors[0].path, "/resources/0/file/content_base64");
    }

    #[test]
    fn a_sudo_command_that_amounts_to_root_is_warned_of_and_saved_all_the_same() {
        let commands = json!(["/usr/bin/systemctl restart cron.service", "/usr/bin/vim"]);
        let review = of(json!({"sudo": {"name": "x", "who": "%engineers", "commands": commands}}));
        assert_eq!(review.errors, []);
        assert_eq!(review.warnings.len(), 1);
        assert_eq!(review.warnings[0].path, "/resources/0/sudo/commands/1");
        assert!(review.warnings[0].message.contains("shell"), "{}", review.warnings[0].message);
    }

    #[test]
    fn a_program_of_root_and_a_mount_that_brings_setuid_programs_are_warned_of() {
        let timer = |program: &str, user: &str| {
            of(json!({"timer": {"name": "x", "command": [program], "user": user, "on_calendar": ["daily"]}}))
        };
        assert!(timer("/home/ada/backup", "root").warnings[0].message.contains("in its place"));
        assert!(timer("/usr/bin/backup", "root").warnings[0].message.contains("name a user"));
        assert_eq!(timer("/home/ada/backup", "ada"), Review::default());
        let script = of(json!({"script": {"name": "x", "body": "id\n"}}));
        assert!(script.warnings[0].message.contains("/bin/sh runs as root"), "{script:?}");
        let mount = |kind: &str, options: Value| {
            of(json!({"mount": {"where": "/srv/x", "what": "files:/x", "type": kind, "options": options}}))
        };
        assert!(mount("nfs", json!([])).warnings[0].message.contains("nosuid"));
        assert_eq!(mount("nfs", json!(["nosuid", "nodev"])), Review::default());
        assert_eq!(mount("tmpfs", json!([])), Review::default());
    }

    #[test]
    fn a_time_that_systemd_cannot_read_is_refused_with_its_place_and_what_is_wrong() {
        let times = json!(["daily", "Mon..Fri 25:00"]);
        let review = of(
            json!({"timer": {"name": "x", "command": ["/bin/true"], "user": "ada", "on_calendar": times}}),
        );
        let errors: Vec<_> =
            review.errors.iter().map(|error| (error.path.as_str(), error.message.as_str())).collect();
        let said = "systemd can't read \"Mon..Fri 25:00\": hours are 0 to 23";
        assert_eq!(errors, [("/resources/0/timer/on_calendar/1", said)]);
    }

    #[test]
    fn a_content_that_reads_like_a_template_is_warned_of() {
        let content = |text: &str| of(json!({"file": {"path": "/etc/corp.conf", "content": text}})).warnings;
        let warned = content("name = {{ device.name }}\n");
        assert_eq!(warned.len(), 1);
        assert_eq!(warned[0].path, "/resources/0/file/content");
        assert_eq!(content("{{param.ntp}}").len(), 1);
        for other in ["{{ .Values.device }}", "{% raw %}{{ user.name }}", "device.name", "{ device.name }"] {
            assert_eq!(content(other), [], "{other}");
        }
    }

    #[test]
    fn a_mistyped_name_of_another_resource_is_warned_of_with_the_one_that_is_near() {
        let said = |field: &str, name: &str| {
            let mut service = json!({"name": "nginx", "running": true});
            service[field] = json!([name]);
            let resources = [json!({"package": {"name": "nginx"}}), json!({"service": service})];
            review(&json!({"muster": 1, "profile": "p", "resources": resources}), Timestamp::default())
        };
        for field in ["after", "restart_on"] {
            let found = said(field, "package:ngnix");
            assert_eq!((found.errors.len(), found.warnings.len()), (0, 1), "{field}: {found:?}");
            assert_eq!(found.warnings[0].path, format!("/resources/1/service/{field}"));
            let message = "no resource of this profile is package:ngnix: it counts where another profile of a device has it (did you mean package:nginx?)";
            assert_eq!(found.warnings[0].message, message);
            assert_eq!(said(field, "package:nginx"), Review::default(), "{field}");
            let elsewhere = said(field, "file:/etc/motd");
            assert!(elsewhere.warnings[0].message.ends_with("has it"), "{elsewhere:?}");
        }
        let notified = said("notify", "service:nginxx");
        assert!(notified.warnings[0].message.ends_with("(did you mean service:nginx?)"), "{notified:?}");
    }

    #[test]
    fn short_names_that_merely_have_as_many_letters_are_not_taken_for_each_other() {
        let resources = json!([{"package": {"name": "jq"}}, {"file": {"path": "/etc/a", "content": "", "after": ["package:vi"]}}]);
        let found =
            review(&json!({"muster": 1, "profile": "p", "resources": resources}), Timestamp::default());
        assert!(found.warnings[0].message.ends_with("has it"), "{found:?}");
    }

    #[test]
    fn an_ordinary_profile_gives_no_finding() {
        let review =
            of(json!({"file": {"path": "/etc/motd", "content": "Passwords expire after 90 days.\n"}}));
        assert_eq!(review, Review::default());
    }
}
