//! `login_rule`: files that `pam_access` reads, and the system's PAM, which has to ask it.

use anyhow::{Context as _, Result, ensure};
use muster_proto::condition::{Condition, NO_FILE};
use muster_proto::resource::login_rule::LoginRule;
use muster_proto::{Digest, ResourceId};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::own_file::{self, Part};
use super::{Contents, Job, Prepared, Wanted};
use crate::host::Host;
use crate::host::files::{self, NewFile};
use crate::host::run::Work;
use crate::host::walk;

/// Where `pam_access` looks beside `access.conf`.
const FOLDER: &str = "/etc/security/access.d";
/// What all services ask whether an account may be used.
const ACCOUNT: &str = "/etc/pam.d/common-account";
/// All that `pam-auth-update` writes anew whenever something changes.
const STACKS: [&str; 5] = [
    ACCOUNT,
    "/etc/pam.d/common-auth",
    "/etc/pam.d/common-password",
    "/etc/pam.d/common-session",
    "/etc/pam.d/common-session-noninteractive",
];
/// What tells `pam-auth-update` of `pam_access`. It is there as long as it was Muster that had it asked.
const PROFILE: &str = "/usr/share/pam-configs/muster-login";
/// It is asked before all others: `pam_unix` ends the asking where a password has to be changed. A name is that of an account, and
/// not of a group as well, as whoever made the group would be let in.
const PROFILE_TEXT: &str = "Name: Rules of Muster for who may log in from where
Default: yes
Priority: 1024
Account-Type: Primary
Account:
\trequisite\tpam_access.so nodefgroup
Account-Initial:
\trequisite\tpam_access.so nodefgroup
";
const LIMIT: u64 = 256 * 1024;
/// More files than anybody has there.
const MOST_FILES: usize = 4096;

pub(super) fn parts(id: &ResourceId) -> Vec<Part> {
    let [lets_in, keeps_out] = LoginRule::files(id.key());
    vec![("lets_in", lets_in), ("keeps_out", keeps_out)]
}

pub(super) fn read(host: &mut Host, wanted: &Wanted<'_>) -> Result<Condition> {
    let [lets_in, keeps_out] = LoginRule::files(wanted.id.key());
    let (lets_in, keeps_out) = (own_file::read(host, &lets_in)?, own_file::read(host, &keeps_out)?);
    // Without files of its own a rule has to do with PAM only where it is the last, and PAM still asks.
    let asked = if lets_in == NO_FILE && keeps_out == NO_FILE {
        is_ours(host)? && !has_rules(host)?
    } else {
        is_asked(host)?
    };
    Ok(Condition::present([("lets_in", lets_in), ("keeps_out", keeps_out), ("asked", asked.into())]))
}

/// Whether the system's PAM asks `pam_access` about accounts.
fn is_asked(host: &Host) -> Result<bool> {
    let account = files::content(&host.root, ACCOUNT, LIMIT).with_context(|| format!("reading {ACCOUNT}"))?;
    let account = String::from_utf8_lossy(account.as_deref().unwrap_or_default()).into_owned();
    Ok(asks(&account))
}

/// Whether a stack asks `pam_access` about every account: it has to be asked before what could end the asking.
fn asks(stack: &str) -> bool {
    let lines = stack.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    for words in lines.filter(|words| words.first() == Some(&"account")) {
        let must_agree = matches!(words.get(1), Some(&("required" | "requisite")));
        let module = words.get(2).is_some_and(|word| word.rsplit('/').next() == Some("pam_access.so"));
        // One that reads another file, or reads it by other separators, knows nothing of the rules.
        let is_plain = |word: &&str| matches!(*word, "nodefgroup" | "noaudit" | "quiet_log" | "debug");
        if must_agree && module && words[3..].iter().all(is_plain) {
            return true;
        }
        if !must_agree && words.get(1) != Some(&"optional") {
            return false;
        }
    }
    false
}

fn is_ours(host: &Host) -> Result<bool> {
    let content = files::content(&host.root, PROFILE, LIMIT).with_context(|| format!("reading {PROFILE}"))?;
    Ok(content.is_some())
}

/// Whether there is any rule of Muster's.
fn has_rules(host: &Host) -> Result<bool> {
    let Some(place) = host.root.place(FOLDER).with_context(|| FOLDER.to_owned())? else { return Ok(false) };
    let folder = match place.open(OFlags::DIRECTORY) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(error).context(FOLDER),
    };
    let names = walk::names(&folder, MOST_FILES).context(FOLDER)?;
    Ok(names.iter().any(|name| name.contains("-muster-") && name.ends_with(".conf")))
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    own_file::prepare(host, job, &parts(&job.step.id))
}

/// Writes the files first, and has PAM asked once for all.
pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let mut results = own_file::write(host, jobs, |job| parts(&job.step.id), contents);
    if results.iter().any(Result::is_ok)
        && let Err(error) = have_asked(host).await
    {
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = Err(anyhow::anyhow!("{error:#}"));
        }
    }
    results
}

/// Has PAM ask `pam_access` where there are rules, and no longer where there are none and it was Muster that had it asked.
async fn have_asked(host: &mut Host) -> Result<()> {
    match (has_rules(host)?, is_asked(host)?) {
        (true, false) => {
            let content = PROFILE_TEXT.as_bytes().to_vec();
            let file =
                NewFile { path: PROFILE.to_owned(), content, uid: 0, gid: 0, mode: 0o644, is_new: false };
            files::write_all(&host.root, &[file]).pop().unwrap_or(Ok(()))?;
            update(host, "--enable").await?;
            ensure!(
                is_asked(host)?,
                "pam-auth-update leaves {ACCOUNT} alone, as it does where somebody edited it: put the line \
                 `account requisite pam_access.so nodefgroup` before all others of it"
            );
            Ok(())
        }
        (false, _) if is_ours(host)? => {
            update(host, "--remove").await?;
            files::remove_all(&host.root, &[(PROFILE, None)]).pop().unwrap_or(Ok(()))
        }
        _ => Ok(()),
    }
}

async fn update(host: &mut Host, what: &str) -> Result<()> {
    let mut argv = vec!["/usr/sbin/pam-auth-update", what, "muster-login"];
    let is_lost = is_lost(host)?;
    if is_lost {
        argv.push("--force");
    }
    let kept = copies(host)?;
    let updated = host.run(Work::Short, &argv, None).await;
    updated.context("rules need pam-auth-update of Debian and its kin")?.ok("pam-auth-update")?;
    // What is forced leaves copies of what was there, which nobody asked for. Those of nothing are left by one that was cut off.
    let came = copies(host)?.into_iter().filter(|copy| copy.is_empty || is_lost && !kept.contains(copy));
    let came: Vec<String> = came.map(|copy| copy.path).collect();
    let came: Vec<(&str, Option<Digest>)> = came.iter().map(|path| (path.as_str(), None)).collect();
    files::remove_all(&host.root, &came).into_iter().collect::<Result<()>>()?;
    // It renames what it has not synced, and with empty files nobody could log in after a power cut.
    host.sync().await.context("bringing the system's PAM to the disk")
}

/// What `pam-auth-update` keeps beside a stack that it was forced to write anew.
#[derive(PartialEq, Eq)]
struct Kept {
    path: String,
    is_empty: bool,
}

fn copies(host: &Host) -> Result<Vec<Kept>> {
    let mut copies = vec![];
    for path in STACKS.map(|stack| format!("{stack}.pam-old")) {
        let content = files::content(&host.root, &path, LIMIT).with_context(|| format!("reading {path}"))?;
        if let Some(content) = content {
            copies.push(Kept { path, is_empty: content.is_empty() });
        }
    }
    Ok(copies)
}

/// Whether a power cut took some of the system's PAM: nobody wants it empty, and `pam-auth-update` would take that for somebody's
/// wish.
fn is_lost(host: &Host) -> Result<bool> {
    for path in STACKS {
        let stack = files::content(&host.root, path, LIMIT).with_context(|| format!("reading {path}"))?;
        if stack.is_some_and(|stack| stack.is_empty()) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::asks;

    #[test]
    fn only_a_line_that_keeps_people_out_before_all_else_and_reads_the_rules_counts() {
        let unix = "account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so\n";
        assert!(asks(&format!("# a\naccount\trequisite\t\t\tpam_access.so nodefgroup\n{unix}")));
        assert!(asks("account required pam_nologin.so\naccount required /lib/security/pam_access.so\n"));
        assert!(
            !asks(&format!("{unix}account required pam_access.so\n")),
            "who has to change a password passes"
        );
        for line in [
            "# account required pam_access.so\n",
            "auth required pam_access.so\n",
            "account optional pam_access.so\n",
            "account required pam_access.so accessfile=/etc/other.conf\n",
            "account required pam_access.so nodefgroup fieldsep=|\n",
        ] {
            assert!(!asks(line), "{line}");
        }
    }
}
