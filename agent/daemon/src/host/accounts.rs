//! The local account databases: passwd, group, shadow and subuid. Of a password only its state is kept, never its hash.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use anyhow::{Context as _, Result};

use super::files::{self, Stamp};
use super::processes;
use super::subuid::{self, Uids};
use super::walk::Root;

const LIMIT: u64 = 16 * 1024 * 1024;

const FILES: [&str; 4] = ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/subuid"];

/// All local accounts and groups at one moment.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    files: Rc<Files>,
    /// The numbers that something runs as, looked at when that is first asked.
    running: OnceCell<BTreeSet<u32>>,
}

/// What the files say.
#[derive(Debug, Default)]
struct Files {
    users: Vec<User>,
    groups: Vec<Group>,
    shadow: BTreeMap<String, Shadow>,
    lent: Vec<subuid::Lent>,
}

/// What the files said when they were last read, for as long as the kernel says that they are the same.
#[derive(Debug, Default)]
pub(crate) struct KnownAccounts(Option<([Option<Stamp>; FILES.len()], Rc<Files>)>);

impl KnownAccounts {
    /// The accounts as they are now.
    pub(crate) fn look(&mut self, root: &Root) -> Result<Accounts> {
        let mut stamps = [None; FILES.len()];
        let mut settled = true;
        for (stamp, path) in stamps.iter_mut().zip(FILES) {
            if let Some((is, since_long)) = files::stamp(root, path)? {
                *stamp = Some(is);
                settled &= since_long;
            }
        }
        if let Some((_, files)) = self.0.as_ref().filter(|(known, _)| settled && *known == stamps) {
            return Ok(Accounts { files: Rc::clone(files), running: OnceCell::new() });
        }
        let accounts = Accounts::load(root)?;
        self.0 = settled.then(|| (stamps, Rc::clone(&accounts.files)));
        Ok(accounts)
    }
}

/// One line of passwd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The whole field: the full name, and further entries behind commas.
    pub(crate) gecos: String,
    pub(crate) home: String,
    pub(crate) shell: String,
}

/// One line of group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) gid: u32,
    pub(crate) members: BTreeSet<String>,
}

/// What shadow says, without the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shadow {
    pub(crate) password: Password,
    /// The day on which the account expires, counted from 1970.
    pub(crate) expires: Option<i64>,
}

/// The state of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Password {
    /// It can be used.
    Set,
    /// There is one, and `!` before its hash keeps it from being used.
    Locked,
    /// There is none that could match.
    None,
    /// Anybody may log in without.
    Empty,
}

impl Accounts {
    /// Reads the files.
    pub(crate) fn load(root: &Root) -> Result<Self> {
        let read = |path: &str| -> Result<String> {
            let bytes = files::content(root, path, LIMIT).with_context(|| format!("reading {path}"))?;
            Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
        };
        let [users, groups, shadow, lent] = FILES;
        let files = Files {
            users: read(users)?.lines().filter_map(parse_user).collect(),
            groups: read(groups)?.lines().filter_map(parse_group).collect(),
            shadow: read(shadow)?.lines().filter_map(parse_shadow).collect(),
            lent: read(lent)?.lines().filter_map(subuid::parse).collect(),
        };
        Ok(Self { files: Rc::new(files), running: OnceCell::new() })
    }

    /// The account of this name.
    pub(crate) fn user(&self, name: &str) -> Option<&User> {
        self.files.users.iter().find(|user| user.name == name)
    }

    /// The first account with this number.
    pub(crate) fn user_by_uid(&self, uid: u32) -> Option<&User> {
        self.files.users.iter().find(|user| user.uid == uid)
    }

    /// Another account with the same number, as which the same processes run.
    pub(crate) fn with_number_of(&self, user: &User) -> Option<&User> {
        self.files.users.iter().find(|other| other.uid == user.uid && other.name != user.name)
    }

    /// The group of this name.
    pub(crate) fn group(&self, name: &str) -> Option<&Group> {
        self.files.groups.iter().find(|group| group.name == name)
    }

    /// The first group with this number.
    pub(crate) fn group_by_gid(&self, gid: u32) -> Option<&Group> {
        self.files.groups.iter().find(|group| group.gid == gid)
    }

    /// Accounts whose own group this is.
    pub(crate) fn with_primary_group(&self, gid: u32) -> impl Iterator<Item = &User> {
        self.files.users.iter().filter(move |user| user.gid == gid)
    }

    /// What shadow says of the account; without a line it has no password.
    pub(crate) fn shadow(&self, name: &str) -> Shadow {
        self.files.shadow.get(name).copied().unwrap_or(Shadow { password: Password::None, expires: None })
    }

    /// The numbers that the account's processes may run as.
    pub(crate) fn uids(&self, user: &User) -> Uids {
        Uids::of(user, &self.files.lent, &self.files.users)
    }

    /// Whether something of the account runs.
    pub(crate) fn runs(&self, user: &User) -> Result<bool> {
        let running = match self.running.get() {
            Some(running) => running,
            None => {
                let running = processes::owners()?;
                self.running.get_or_init(|| running)
            }
        };
        let uids = self.uids(user);
        Ok(running.iter().any(|uid| uids.contains(*uid)))
    }

    /// The number of a named owner.
    pub(crate) fn uid_of(&self, name: &str) -> Result<u32> {
        let user = self
            .user(name)
            .with_context(|| format!("the account {name} does not exist: add it to the profile"))?;
        Ok(user.uid)
    }

    /// The number of a named group.
    pub(crate) fn gid_of(&self, name: &str) -> Result<u32> {
        let group = self
            .group(name)
            .with_context(|| format!("the group {name} does not exist: add it to the profile"))?;
        Ok(group.gid)
    }

    /// A name for an owner, or the number where there is none. `preferred` wins where several names have the number.
    pub(crate) fn owner_name(&self, uid: u32, preferred: Option<&str>) -> String {
        let preferred = preferred.and_then(|name| self.user(name)).filter(|user| user.uid == uid);
        preferred.or_else(|| self.user_by_uid(uid)).map_or_else(|| uid.to_string(), |user| user.name.clone())
    }

    /// A name for a group, as [`Accounts::owner_name`].
    pub(crate) fn group_name(&self, gid: u32, preferred: Option<&str>) -> String {
        let preferred = preferred.and_then(|name| self.group(name)).filter(|group| group.gid == gid);
        preferred
            .or_else(|| self.group_by_gid(gid))
            .map_or_else(|| gid.to_string(), |group| group.name.clone())
    }
}

fn parse_user(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    fields.next()?;
    Some(User {
        name,
        uid: fields.next()?.parse().ok()?,
        gid: fields.next()?.parse().ok()?,
        gecos: fields.next()?.to_owned(),
        home: fields.next()?.to_owned(),
        shell: fields.next()?.to_owned(),
    })
}

fn parse_group(line: &str) -> Option<Group> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    fields.next()?;
    let gid = fields.next()?.parse().ok()?;
    let members = fields.next()?.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect();
    Some(Group { name, gid, members })
}

fn parse_shadow(line: &str) -> Option<(String, Shadow)> {
    let fields: Vec<_> = line.split(':').collect();
    let (name, hash) = (fields.first()?, fields.get(1)?);
    let password = match hash.strip_prefix('!') {
        Some(rest) if is_hash(rest.trim_start_matches('!')) => Password::Locked,
        None if hash.is_empty() => Password::Empty,
        None if is_hash(hash) => Password::Set,
        Some(_) | None => Password::None,
    };
    let expires = fields.get(7).and_then(|days| days.parse().ok());
    Some(((*name).to_owned(), Shadow { password, expires }))
}

/// crypt(5) hashes begin with `$` or, the oldest, are 13 characters long; `*` and `x` match nothing.
fn is_hash(text: &str) -> bool {
    text.starts_with('$') || text.starts_with('_') || text.len() == 13
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn passwords_are_told_apart_without_keeping_a_hash() {
        for (hash, state) in [
            ("$y$j9T$salt$hash", Password::Set),
            ("!$y$j9T$salt$hash", Password::Locked),
            ("!!", Password::None),
            ("!", Password::None),
            ("*", Password::None),
            ("!*", Password::None),
            ("", Password::Empty),
        ] {
            let (_, shadow) = parse_shadow(&format!("ada:{hash}:19000:0:99999:7:::")).unwrap();
            assert_eq!(shadow, Shadow { password: state, expires: None }, "{hash}");
        }
        assert_eq!(parse_shadow("ada:!:1:0:9:7::1:").unwrap().1.expires, Some(1));
    }

    #[test]
    fn broken_lines_are_passed_over_and_names_win_over_numbers() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        let passwd = "root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/root:/bin/sh\n\
                      ada:x:notanumber:1:::\nben:x:1001\n\n+::::::\nada:x:1000:1000:Ada L,,,:/home/ada:/bin/sh\n";
        fs::write(dir.path().join("etc/passwd"), passwd).unwrap();
        fs::write(dir.path().join("etc/group"), "root:x:0:\nengineers:x:4000:ada,ben\nbad\n").unwrap();
        let accounts = Accounts::load(&Root::open(dir.path()).unwrap()).unwrap();
        assert_eq!(accounts.user("ada").unwrap().uid, 1000);
        assert!(accounts.user("ben").is_none());
        assert_eq!(accounts.owner_name(0, None), "root");
        assert_eq!(accounts.owner_name(0, Some("toor")), "toor");
        assert_eq!(accounts.owner_name(1000, Some("toor")), "ada");
        assert_eq!(accounts.owner_name(77, None), "77");
        assert!(accounts.group("engineers").unwrap().members.contains("ben"));
        assert_eq!(accounts.shadow("ada").password, Password::None);
    }

    #[test]
    fn accounts_are_known_as_long_as_their_files_are_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        let passwd = dir.path().join("etc/passwd");
        let mut known = KnownAccounts::default();
        for name in ["ada", "ben"] {
            // Of the same size, and within the clock's grain.
            fs::write(&passwd, format!("{name}:x:1000:1000::/:/bin/sh\n")).unwrap();
            assert!(known.look(&root).unwrap().user(name).is_some());
        }
        known.0 = Some((
            FILES.map(|path| files::stamp(&root, path).unwrap().map(|(stamp, _)| stamp)),
            Rc::new(Files::default()),
        ));
        std::thread::park_timeout(std::time::Duration::from_millis(3_100));
        assert!(known.look(&root).unwrap().user("ben").is_none(), "what is known is not read again");
        fs::write(dir.path().join("etc/shadow"), "").unwrap();
        assert!(known.look(&root).unwrap().user("ben").is_some(), "a file that came");
    }
}
