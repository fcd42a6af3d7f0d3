//! What people and their groups may be called and numbered.
//!
//! A uid belongs to one person on every device and for good: files on disk belong to the number, and whoever got it next
//! would own them.

use std::ops::RangeInclusive;

use muster_proto::resource::value::{AccountName, FullName, InvalidValue, PeopleGroup, SshPublicKey};
use muster_proto::rest::{NewPerson, PersonPatch};
use muster_proto::state::{FIRST_PERSON_UID, MAX_PEOPLE, PERSON_UIDS};

/// The uids that people get.
pub const UIDS: RangeInclusive<u32> = FIRST_PERSON_UID..=*PERSON_UIDS.end();

/// What accounts and groups of systems are called. A person of that name would own what belongs to the group, wherever it is
/// made later than their account: raw disks, containers, and with them the machine. Debian's base-passwd, and what widely
/// used packages add.
const OF_SYSTEMS: &[&str] = &[
    "_apt",
    "_chrony",
    "_flatpak",
    "_ssh",
    "adm",
    "admin",
    "audio",
    "avahi",
    "backup",
    "bin",
    "bluetooth",
    "cdrom",
    "colord",
    "crontab",
    "daemon",
    "dialout",
    "dip",
    "disk",
    "dnsmasq",
    "docker",
    "fax",
    "floppy",
    "ftp",
    "games",
    "gdm",
    "gnats",
    "haproxy",
    "http",
    "incus",
    "incus-admin",
    "input",
    "irc",
    "kmem",
    "kvm",
    "libvirt",
    "libvirt-qemu",
    "lightdm",
    "list",
    "lp",
    "lpadmin",
    "lxd",
    "mail",
    "man",
    "mem",
    "messagebus",
    "microk8s",
    "mysql",
    "netdev",
    "news",
    "nobody",
    "nogroup",
    "operator",
    "plugdev",
    "podman",
    "polkitd",
    "postfix",
    "postgres",
    "proxy",
    "pulse",
    "redis",
    "render",
    "root",
    "rtkit",
    "sambashare",
    "saned",
    "sasl",
    "scanner",
    "sgx",
    "shadow",
    "src",
    "ssh",
    "sshd",
    "ssl-cert",
    "staff",
    "sudo",
    "sync",
    "sys",
    "systemd-journal",
    "systemd-network",
    "systemd-resolve",
    "tape",
    "tcpdump",
    "tss",
    "tty",
    "users",
    "utmp",
    "uucp",
    "uuidd",
    "vboxusers",
    "video",
    "voice",
    "wheel",
    "wireshark",
    "www-data",
    "xrdp",
];

/// The most keys of a person: each stands in the state of every device that knows them.
const MAX_KEYS: usize = 16;
/// The longest description of a group, in characters.
const MAX_DESCRIPTION: usize = 200;

/// A field is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidField {
    field: &'static str,
    problem: String,
}

fn wrong(field: &'static str) -> impl Fn(InvalidValue) -> InvalidField {
    move |error| InvalidField { field, problem: error.to_string() }
}

/// Checks a person to be added.
pub fn person(new: &NewPerson) -> Result<(), InvalidField> {
    AccountName::parse(&new.username).map_err(wrong("username"))?;
    if OF_SYSTEMS.contains(&new.username.as_str()) {
        let problem = format!("{} is an account or group of the system, and not a person", new.username);
        return Err(InvalidField { field: "username", problem });
    }
    if let Some(name) = &new.full_name {
        full_name(name)?;
    }
    keys(&new.ssh_keys)?;
    match new.uid {
        Some(uid) if !UIDS.contains(&uid) => Err(InvalidField {
            field: "uid",
            problem: format!(
                "expected a number from {} to {}: those below belong to accounts made on devices",
                UIDS.start(),
                UIDS.end()
            ),
        }),
        _ => Ok(()),
    }
}

/// Checks changes to a person.
pub fn patch(patch: &PersonPatch) -> Result<(), InvalidField> {
    if let Some(name) = &patch.full_name {
        full_name(name)?;
    }
    keys(patch.ssh_keys.as_deref().unwrap_or_default())?;
    if patch.active == Some(false) {
        let problem = "a person leaves by being removed: muster person remove".to_owned();
        return Err(InvalidField { field: "active", problem });
    }
    Ok(())
}

fn full_name(name: &str) -> Result<(), InvalidField> {
    FullName::parse(name).map(|_| ()).map_err(wrong("full_name"))
}

fn keys(keys: &[String]) -> Result<(), InvalidField> {
    if keys.len() > MAX_KEYS {
        let problem = format!("at most {MAX_KEYS} keys");
        return Err(InvalidField { field: "ssh_keys", problem });
    }
    keys.iter().try_for_each(|key| SshPublicKey::parse(key).map(|_| ()).map_err(wrong("ssh_keys")))
}

/// Checks the name of a group.
pub fn group(name: &str) -> Result<(), InvalidField> {
    PeopleGroup::parse(name).map(|_| ()).map_err(wrong("name"))
}

/// Checks what is said of a group.
pub fn description(text: &str) -> Result<(), InvalidField> {
    if text.chars().count() <= MAX_DESCRIPTION && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let problem = format!("expected one line of at most {MAX_DESCRIPTION} characters");
    Err(InvalidField { field: "description", problem })
}

/// Whether a group of so many members has room for one more: each is an account on every device that it is for.
pub fn has_room(members: usize) -> Result<(), InvalidField> {
    if members < MAX_PEOPLE {
        return Ok(());
    }
    let problem = format!("a group has at most {MAX_PEOPLE}: make a second one and name both in the profile");
    Err(InvalidField { field: "members", problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(username: &str) -> NewPerson {
        NewPerson { username: username.to_owned(), ..NewPerson::default() }
    }

    #[test]
    fn a_uid_chosen_by_hand_is_no_local_users_and_no_systems() {
        for (uid, ok) in [
            (0, false),
            (33, false),
            (1_000, false),
            (19_999, false),
            (20_000, true),
            (60_000, true),
            (60_001, false),
            (65_534, false),
            (u32::MAX, false),
        ] {
            assert_eq!(person(&NewPerson { uid: Some(uid), ..named("ada") }).is_ok(), ok, "{uid}");
        }
    }

    #[test]
    fn hostile_names_are_refused_with_the_field() {
        for hostile in ["", "root", "Ada", "-rf", "a:b", "a\nb", "../x", &"a".repeat(33)] {
            assert!(
                person(&named(hostile)).unwrap_err().to_string().starts_with("username: "),
                "{hostile:?}"
            );
        }
        for system in ["disk", "docker", "sudo", "www-data", "shadow"] {
            assert!(person(&named(system)).is_err(), "{system}");
        }
        for code in ["x\"; $(touch /tmp/x) \"", "`id`", "a\\b"] {
            let full_name = Some(code.to_owned());
            assert!(person(&NewPerson { full_name, ..named("ada") }).is_err(), "{code}");
        }
        let full_name = Some("Ada:0:0".to_owned());
        let problem = person(&NewPerson { full_name, ..named("ada") }).unwrap_err().to_string();
        assert!(problem.starts_with("full_name: "), "{problem}");
        for hostile in ["", "-x", "A", "a/b", "a\u{1b}b"] {
            assert!(group(hostile).is_err(), "{hostile:?}");
        }
        assert!(description("a\u{1b}[2J").is_err());
    }

    #[test]
    fn a_person_leaves_by_name_and_never_by_a_changed_field() {
        let off = PersonPatch { active: Some(false), ..PersonPatch::default() };
        assert!(patch(&off).unwrap_err().to_string().contains("muster person remove"));
        assert!(patch(&PersonPatch { active: Some(true), ..PersonPatch::default() }).is_ok());
    }

    #[test]
    fn a_full_group_takes_nobody_in() {
        assert!(has_room(MAX_PEOPLE - 1).is_ok());
        assert!(has_room(MAX_PEOPLE).is_err());
    }
}
