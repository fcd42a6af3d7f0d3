//! `account`: a local account with its groups, keys and first password; it ends by being locked, never by deletion.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use muster_converge::plan::reversal_target;
use muster_proto::condition::Condition;
use muster_proto::report::Secret;
use muster_proto::state::FIRST_PERSON_UID;
use serde_json::{Value, json};

use super::{
    Job, Prepared, Preserved, Wanted, Written, authorized_keys, entries, flag, list, number, ready, sentence,
    text,
};
use crate::host::Host;
use crate::host::account_files;
use crate::host::accounts::{Accounts, Group, Password, Shadow, User};
use crate::host::processes;
use crate::host::run::Work;

mod lock;

pub(crate) use lock::{Locked, lock};

/// The day that locks: the first one of 1970, which every tool takes for the past.
const EXPIRED: &str = "1";
/// Without look-alikes: 16 of these 31 are 79 bits.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

pub(super) fn read(host: &Host, accounts: &Accounts, wanted: &Wanted<'_>) -> Result<Condition> {
    let name = wanted.id.key();
    let Some(user) = accounts.user(name) else {
        // An account that is to be locked need not be made for that.
        return Ok(match wanted.resource.map(|resource| resource.desired()) {
            Some(desired) if desired.locks() => desired,
            None if wanted.was_absent() => wanted.record.map_or(Condition::Absent, reversal_target),
            _ => Condition::Absent,
        });
    };
    let shadow = accounts.shadow(name);
    let stays = match wanted.resource {
        Some(resource) => entries([&resource.desired()], "groups"),
        None => wanted.record.and_then(|record| entries([&record.before], "groups")),
    };
    let stays = stays.unwrap_or_default();
    let groups = wanted.listed("groups").map(|mut groups| {
        groups.retain(|group| match stays.contains(group) {
            true => is_member(accounts, user, group),
            // What nobody asks for any more can be left, but for the group that the account itself is of.
            false => is_listed(accounts, user, group),
        });
        groups
    });
    let locked = locked_whole(accounts, user, wanted)?;
    let keys: Value = match wanted.listed("ssh_keys") {
        Some(keys) => match authorized_keys::present(host, user, keys) {
            Ok(keys) => keys.into(),
            // Its user can spoil the file, and must not keep the account from being locked by that. Once it is, what nobody can
            // read there is theirs: they could as well have kept a copy of it.
            Err(_) if wanted.was_absent() && locked == true => Value::Array(vec![]),
            Err(error) => sentence(&error).into(),
        },
        None => Value::Null,
    };
    let password = match shadow.password {
        Password::Set | Password::Locked if !marker(host, name).exists() => "set",
        Password::Set | Password::Locked | Password::None => "none",
        Password::Empty => "empty",
    };
    Ok(Condition::present([
        ("locked", locked),
        ("full_name", full_name(user).into()),
        ("uid", user.uid.into()),
        ("shell", user.shell.as_str().into()),
        ("home", user.home.as_str().into()),
        ("groups", groups.into()),
        ("ssh_keys", keys),
        ("password", password.into()),
    ]))
}

/// True when neither password nor key lets anybody in, false when both may, and in words when it is half-way.
fn locked(shadow: Shadow) -> Value {
    // Only days far in the past are a lock; an end that an admin set is none of Muster's.
    let expired = shadow.expires.is_some_and(|day| day <= 1);
    match (expired, shadow.password) {
        (true, Password::Locked | Password::None) => true.into(),
        (true, Password::Set | Password::Empty) => "expired only".into(),
        (false, Password::Locked) => "password only".into(),
        (false, Password::Set | Password::None | Password::Empty) => false.into(),
    }
}

/// As [`locked`], but a lock that Muster began is not done while something of the account runs: a crash may have come
/// between the two. Who else locked the account may want it so.
fn locked_whole(accounts: &Accounts, user: &User, wanted: &Wanted<'_>) -> Result<Value> {
    let shadow = locked(accounts.shadow(&user.name));
    let Some(record) =
        wanted.record.filter(|record| shadow == true && record.brought_about().any(Condition::locks))
    else {
        return Ok(shadow);
    };
    Ok(match wanted.resource {
        // Where its end is settled and only its claim is gone, nothing is left to do.
        None if record.wrote.locks() || !wanted.was_absent() => shadow,
        _ if !accounts.runs(user)? => shadow,
        Some(_) => "logins only".into(),
        // As it was last settled: what is found there is Muster's own doing, and no change of someone else's.
        None => false.into(),
    })
}

fn full_name(user: &User) -> &str {
    user.gecos.split(',').next().unwrap_or_default()
}

fn is_member(accounts: &Accounts, user: &User, group: &str) -> bool {
    let is_own = accounts.group(group).is_some_and(|group| group.gid == user.gid);
    is_own || is_listed(accounts, user, group)
}

/// Whether the line of the group in /etc/group names the account.
fn is_listed(accounts: &Accounts, user: &User, group: &str) -> bool {
    accounts.group(group).is_some_and(|group| group.members.contains(&user.name))
}

pub(super) fn prepare(accounts: &Accounts, job: &Job<'_>) -> Result<Prepared> {
    let ours = job.record.and_then(|record| entries(record.brought_about(), "ssh_keys"));
    if let (None, true, Some(reason)) = (ours, job.changes("ssh_keys"), text(&job.step.from, "ssh_keys")) {
        bail!("which of its keys were there before could not be kept: {reason}");
    }
    let locks = job.step.to.locks();
    Ok(match accounts.shadow(job.step.id.key()).expires {
        // What unlocking has to bring back.
        Some(day) if locks && day > 1 => {
            Prepared::Ready(Preserved { blobs: vec![], extra: json!({ "expires": day }) })
        }
        _ => ready(),
    })
}

pub(super) async fn write(host: &mut Host, job: &Job<'_>) -> Written {
    let mut secret = None;
    let result = make_so(host, job, &mut secret).await.map_err(|error| sentence(&error));
    let secret = secret.map(|secret| (job.step.id.key().to_owned(), secret));
    Written { result, secret, extra: None }
}

/// How the mark of a password that is not stored yet is called, before the account's name.
const MARKER: &str = "first-login-";

/// To be called once the password that [`Written::secret`] brought is stored durably, and before the account is read
/// again: until then it counts as without one, so that after a crash in between a new one is made.
pub(crate) fn password_is_safe(host: &Host, account: &str) {
    // A marker that stays makes one password more than needed, and nothing worse.
    fs::remove_file(marker(host, account)).ok();
}

/// On disk, because the password that it tells of is: a power cut must not make that one count as stored.
fn marker(host: &Host, account: &str) -> PathBuf {
    host.state.join(format!("{MARKER}{account}"))
}

/// Whether a file in the folder of the ledger is such a mark.
pub(crate) fn is_password_note(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(MARKER))
}

async fn make_so(host: &mut Host, job: &Job<'_>, secret: &mut Option<Secret>) -> Result<()> {
    let (name, to) = (job.step.id.key(), &job.step.to);
    ensure!(name != "root", "root is not an account that Muster manages");
    let mut accounts = Accounts::load(&host.root)?;
    if accounts.user(name).is_none() {
        create(host, &accounts, name, to).await?;
        accounts = Accounts::load(&host.root)?;
    }
    let user = accounts.user(name).context("useradd made no such account")?.clone();
    ensure!(user.uid != 0, "it has uid 0, and Muster does not touch another root");
    refuse_moves(&user, to)?;
    let locks = job.changes("locked") && to.locks();
    if locks {
        // What runs as it may hold the lock of the account files for as long as it likes. Whether this helped is seen below.
        end_everything(host, &accounts, &user).await.ok();
    }
    let mut modified = modify(host, &accounts, &user, job).await;
    if locks && modified.as_ref().is_err_and(account_files::are_held) {
        account_files::free(&host.root).await;
        modified = modify(host, &accounts, &user, job).await;
    }
    if locks {
        end_everything(host, &accounts, &user).await?;
    }
    modified?;
    // Neither holds off the other: the file of the keys is its user's, who may change it all the time.
    let password = match job.changes("password") {
        true => set_password(host, name, text(to, "password"), secret).await,
        false => Ok(()),
    };
    if job.changes("ssh_keys") {
        let ours = job.record.map(|record| record.brought("ssh_keys")).unwrap_or_default();
        let ours: Vec<String> = ours.into_iter().map(str::to_owned).collect();
        authorized_keys::write(host, &user, &list(to, "ssh_keys").unwrap_or_default(), &ours)
            .context("its SSH keys")?;
    }
    password
}

/// Ends the sessions of an account that is locked, and whatever runs as it.
async fn end_everything(host: &mut Host, accounts: &Accounts, user: &User) -> Result<()> {
    if let Some(other) = accounts.with_number_of(user) {
        bail!(
            "it is locked, but what runs as uid {} may as well be of the account {}, which has the same number, and is left: \
             give one of them a number of its own with usermod --uid",
            user.uid,
            other.name
        );
    }
    // First by where it runs: a program that became root there has not the account's number any more.
    host.systemd.kill_all_in(&format!("user-{}.slice", user.uid)).await?;
    host.systemd.end_sessions(user.uid).await?;
    processes::end_all(host, &accounts.uids(user)).await
}

/// The last number that is given to who has none of their own.
pub(super) const LAST_FREE_ID: u32 = FIRST_PERSON_UID - 1;

async fn create(host: &mut Host, accounts: &Accounts, name: &str, to: &Condition) -> Result<()> {
    let uid = number(to, "uid");
    if let Some(taken) = uid.and_then(|uid| accounts.user_by_uid(uid)) {
        bail!("uid {} is taken by the account {}", taken.uid, taken.name);
    }
    let uid = uid.map(|uid| uid.to_string());
    let mut argv = vec!["/usr/sbin/useradd", "--create-home", "--no-log-init"];
    argv.extend(["--shell", text(to, "shell").unwrap_or("/bin/bash")]);
    // useradd refuses to make a group that is there.
    if let Some(group) = accounts.group(name) {
        refuse_foreign(group, number(to, "uid"))?;
        argv.extend(["--gid", name]);
    } else {
        argv.push("--user-group");
    }
    for (option, value) in
        [("--uid", uid.as_deref()), ("--home-dir", text(to, "home")), ("--comment", text(to, "full_name"))]
    {
        argv.extend(value.map(|value| [option, value]).into_iter().flatten());
    }
    // useradd counts on from the highest number that is taken, which may be a person's: the next one is another person's, whose
    // account could not come to this device any more.
    let (last_uid, last_gid) = (format!("UID_MAX={LAST_FREE_ID}"), format!("GID_MAX={LAST_FREE_ID}"));
    if uid.is_none() {
        argv.extend(["--key", last_uid.as_str(), "--key", last_gid.as_str()]);
    }
    argv.push(name);
    host.run(Work::Short, &argv, None).await?.ok("useradd")?;
    Ok(())
}

/// Whoever is called like a group would be in it. What groups of the system give, such as raw disks, is not given by a
/// name; and a person, whose name comes from people and not from who writes profiles, is given no group that is there.
pub(super) fn refuse_foreign(group: &Group, uid: Option<u32>) -> Result<()> {
    /// Below it are groups of the system.
    const FIRST: u32 = 1_000;
    let is_person = uid.is_some_and(|uid| uid >= FIRST_PERSON_UID && uid != group.gid);
    ensure!(
        group.gid >= FIRST && !is_person,
        "there is a group {} (gid {}), which an account of that name would be in: rename the account, or remove the group \
         with groupdel if nothing needs it",
        group.name,
        group.gid
    );
    Ok(())
}

/// What would leave files on disk behind is for an admin to do.
fn refuse_moves(user: &User, to: &Condition) -> Result<()> {
    if let Some(uid) = number(to, "uid") {
        ensure!(
            uid == user.uid,
            "it has uid {}, not {uid}: Muster does not change the uid of an account, because files on disk belong to \
             the number; use usermod and chown",
            user.uid
        );
    }
    if let Some(home) = text(to, "home") {
        ensure!(
            home == user.home,
            "its home is {}, not {home}: Muster does not move homes; use usermod --move-home",
            user.home
        );
    }
    Ok(())
}

async fn modify(host: &mut Host, accounts: &Accounts, user: &User, job: &Job<'_>) -> Result<()> {
    let to = &job.step.to;
    let mut argv: Vec<String> = vec![];
    let mut option = |words: &[&str]| argv.extend(words.iter().map(|word| (*word).to_owned()));
    if let Some(name) = text(to, "full_name").filter(|name| *name != full_name(user)) {
        let rest = user.gecos.split_once(',').map_or(String::new(), |(_, rest)| format!(",{rest}"));
        option(&["--comment", &format!("{name}{rest}")]);
    }
    if let Some(shell) = text(to, "shell").filter(|shell| *shell != user.shell) {
        option(&["--shell", shell]);
    }
    let wanted = list(to, "groups").unwrap_or_default();
    for group in &wanted {
        ensure!(accounts.group(group).is_some(), "the group {group} does not exist: add it to the profile");
    }
    let missing: Vec<&str> =
        wanted.iter().copied().filter(|group| !is_member(accounts, user, group)).collect();
    if !missing.is_empty() {
        option(&["--append", "--groups", &missing.join(",")]);
    }
    let shadow = accounts.shadow(&user.name);
    match flag(to, "locked") {
        Some(true) if locked(shadow) != true => option(&["--lock", "--expiredate", EXPIRED]),
        Some(false) if locked(shadow) != false => {
            if shadow.password == Password::Locked {
                option(&["--unlock"]);
            }
            let before = job.record.and_then(|record| record.extra.get("expires")).and_then(Value::as_i64);
            option(&["--expiredate", &before.map_or(String::new(), |day| day.to_string())]);
        }
        _ => {}
    }
    if !argv.is_empty() {
        let mut words = vec!["/usr/sbin/usermod"];
        words.extend(argv.iter().map(String::as_str));
        words.push(&user.name);
        host.run(Work::Short, &words, None).await?.ok("usermod")?;
    }
    leave_groups(host, accounts, user, job, &wanted).await
}

/// Takes the account out of groups that Muster put it in and that it was not in before. Others are none of ours.
async fn leave_groups(
    host: &mut Host,
    accounts: &Accounts,
    user: &User,
    job: &Job<'_>,
    wanted: &[&str],
) -> Result<()> {
    let Some(record) = job.record.filter(|_| list(&job.step.to, "groups").is_some()) else { return Ok(()) };
    let mut left = Ok(());
    for group in record.brought("groups") {
        if is_listed(accounts, user, group) && !wanted.contains(&group) {
            let argv = ["/usr/bin/gpasswd", "--delete", &user.name, group];
            // One that can't be left keeps it in no other.
            let ran = host.run(Work::Short, &argv, None).await;
            left = left.and(ran.and_then(|ran| ran.ok("gpasswd").map(drop)));
        }
    }
    left
}

/// Makes a first-login password, or takes one away.
async fn set_password(
    host: &mut Host,
    name: &str,
    wanted: Option<&str>,
    secret: &mut Option<Secret>,
) -> Result<()> {
    const UNUSABLE: [&str; 3] = ["/usr/sbin/usermod", "--password", "*"];
    if wanted != Some("set") {
        host.run(Work::Short, &[&UNUSABLE[..], &[name]].concat(), None).await?.ok("usermod")?;
        return Ok(());
    }
    let marked = File::create(marker(host, name)).and_then(|marker| marker.sync_all());
    marked
        .and_then(|()| File::open(&host.state)?.sync_all())
        .context("marking that its password is not stored yet")?;
    let password = new_password()?;
    let line = format!("{name}:{password}\n");
    host.run(Work::Short, &["/usr/sbin/chpasswd"], Some(line.as_bytes())).await?.ok("chpasswd")?;
    let aged = host.run(Work::Short, &["/usr/bin/chage", "--lastday", "0", name], None).await;
    if let Err(error) = aged.and_then(|ran| ran.ok("chage")) {
        // A password that need not be changed is not what was asked for: the next turn makes another.
        host.run(Work::Short, &[&UNUSABLE[..], &[name]].concat(), None).await?.ok("usermod")?;
        return Err(error);
    }
    *secret = Some(Secret(password));
    Ok(())
}

/// Sixteen characters in groups of four, such as `k7mq-w3zn-tb5c-x9fd`.
fn new_password() -> Result<String> {
    let mut password = String::new();
    while password.len() < 19 {
        let mut byte = [0];
        aws_lc_rs::rand::fill(&mut byte)
            .map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
        // The 32nd value is passed over, since taking it for another letter would make that one likelier.
        let Some(letter) = ALPHABET.get(usize::from(byte[0] & 0x1f)) else { continue };
        if matches!(password.len(), 4 | 9 | 14) {
            password.push('-');
        }
        password.push(char::from(*letter));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_password_can_be_read_out_and_is_never_the_same() {
        let one = new_password().unwrap();
        let groups: Vec<_> = one.split('-').collect();
        assert_eq!(groups.len(), 4, "{one}");
        assert!(groups.iter().all(|group| group.len() == 4), "{one}");
        assert!(!one.contains(['0', 'o', '1', 'l', 'i']), "{one}");
        assert_ne!(one, new_password().unwrap());
    }

    #[test]
    fn an_account_is_locked_only_when_neither_password_nor_key_gets_in() {
        let locked = |expires, password| locked(Shadow { password, expires });
        assert_eq!(locked(Some(1), Password::Locked), true);
        assert_eq!(locked(Some(1), Password::None), true);
        assert_eq!(locked(None, Password::None), false);
        assert_eq!(locked(Some(30_000), Password::Set), false);
        assert_eq!(locked(None, Password::Locked), "password only");
        assert_eq!(locked(Some(1), Password::Set), "expired only");
    }
}
