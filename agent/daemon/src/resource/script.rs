//! `script`: a program of an admin's. That it ran stands in the ledger alone, so that nothing is run to find out; unless the
//! script itself names what says whether it is due.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use muster_converge::plan::Record;
use muster_proto::ResourceId;
use muster_proto::condition::Condition;
use muster_proto::resource::Resource;
use muster_proto::resource::script::Script;
use muster_proto::resource::value::{AccountName, Argument};

use super::{Job, Prepared, Wanted, is_removal, ready, sentence, text};
use crate::host::Host;
use crate::host::accounts::Accounts;
use crate::host::run::{Limits, Program, Ran, Work};

/// What the file begins and ends with that has what a script said.
const SAID: &str = "script-";
const SAID_END: &str = ".said";
/// What is there of a script that `unless` says is due again.
const DUE: &str = "due";
const MEMORY_MIB: u32 = 512;
/// As long as an answer of yes or no may take.
const ASKING: Duration = Duration::from_secs(60);

pub(super) async fn read(
    host: &mut Host,
    wanted: &[Wanted<'_>],
) -> BTreeMap<ResourceId, Result<Condition, String>> {
    let mut read = BTreeMap::new();
    for one in wanted {
        let condition = read_one(host, one).await.map_err(|error| sentence(&error));
        read.insert(one.id.clone(), condition);
    }
    read
}

async fn read_one(host: &mut Host, wanted: &Wanted<'_>) -> Result<Condition> {
    // Nothing that a script did is taken back.
    let Some(Resource::Script(script)) = wanted.resource else { return Ok(Condition::Absent) };
    let digest = script.digest().to_string();
    let found = |ran: &str| Ok(Condition::present([("ran", ran.into())]));
    let said = |record: &Record| text(&record.wrote, "ran").map(str::to_owned);
    let began =
        |record: &Record| record.intended.as_ref().and_then(|to| text(to, "ran")) == Some(digest.as_str());
    if wanted.record.is_some_and(began) {
        // The ledger hears of an end only after this has been looked at.
        if host.scripts_done.get(wanted.id) == Some(&digest) {
            return found(&digest);
        }
        if !script.idempotent {
            let said = fs::read_to_string(said_path(host, wanted.id)).unwrap_or_default();
            bail!(
                "its last run failed or was cut off, and it is not declared idempotent: change it, or take it away and give it again. What it said: {said}"
            );
        }
    }
    match wanted.record.and_then(said) {
        None => Ok(Condition::Absent),
        Some(ran) if ran == digest && !script.unless.is_empty() && wanted.holds => {
            let is_done = ask(host, script).await?;
            found(if is_done { digest.as_str() } else { DUE })
        }
        Some(ran) => found(&ran),
    }
}

/// Whether `unless` says that there is nothing to do.
async fn ask(host: &mut Host, script: &Script) -> Result<bool> {
    let argv: Vec<&str> = script.unless.iter().map(Argument::as_str).collect();
    let asked = run(host, script, &argv, "", ASKING).await.context("asking `unless`")?;
    Ok(asked.success)
}

async fn run(host: &mut Host, script: &Script, argv: &[&str], body: &str, limit: Duration) -> Result<Ran> {
    let memory = u64::from(script.memory_mib.unwrap_or(MEMORY_MIB)) << 20;
    let program = Program { user: script.user.as_ref().map(AccountName::as_str), body: body.as_bytes() };
    host.run_program(Work::Script(Limits { limit, memory }), argv, program).await
}

/// A run counts from when it begins: what can't begin is found before.
pub(super) fn prepare(host: &Host, accounts: &Accounts, job: &Job<'_>) -> Result<Prepared> {
    let Some(Resource::Script(script)) = job.step.resource().filter(|_| !is_removal(job.step)) else {
        return Ok(ready());
    };
    if let Some(user) = &script.user
        && accounts.user(user.as_str()).is_none()
    {
        return Ok(Prepared::Blocked(format!("it is to run as {user}, and there is no such account yet")));
    }
    let argv = script.argv();
    let asked = script.unless.first().map(Argument::as_str);
    for program in argv.first().copied().into_iter().chain(asked) {
        if host.root.place(program)?.is_none_or(|place| !matches!(place.stat(), Ok(Some(_)))) {
            return Ok(Prepared::Blocked(format!("there is no program {program} on the device yet")));
        }
    }
    Ok(ready())
}

pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>]) -> Vec<Result<()>> {
    let mut results = vec![];
    for job in jobs {
        results.push(write_one(host, job).await);
    }
    results
}

async fn write_one(host: &mut Host, job: &Job<'_>) -> Result<()> {
    let id = &job.step.id;
    host.scripts_done.remove(id);
    let said = said_path(host, id);
    // What an earlier run said is of no use any more, and may not have been there.
    fs::remove_file(&said).ok();
    let Some(Resource::Script(script)) = job.step.resource().filter(|_| !is_removal(job.step)) else {
        return Ok(());
    };
    if let Err(error) = run_if_due(host, script).await {
        keep(&said, &sentence(&error)).context("keeping what it said")?;
        return Err(error);
    }
    host.scripts_done.insert(id.clone(), script.digest().to_string());
    Ok(())
}

async fn run_if_due(host: &mut Host, script: &Script) -> Result<()> {
    if !script.unless.is_empty() && ask(host, script).await? {
        return Ok(());
    }
    let limit = Duration::from_secs(script.seconds());
    run(host, script, &script.argv(), &script.body, limit).await?.ok("it ended with an error")?;
    // The ledger is synced: after a power cut it would know of what is not there.
    host.sync().await.context("bringing what it did to the disk")
}

/// Where the end of what a failed run said is kept, for as long as it is Failed.
fn said_path(host: &Host, id: &ResourceId) -> PathBuf {
    host.state.join(format!("{SAID}{}{SAID_END}", id.key()))
}

/// Whether a file is what a script said.
pub(crate) fn is_said(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with(SAID) && name.ends_with(SAID_END)
}

fn keep(path: &PathBuf, said: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(file.write_all(said.as_bytes())?)
}
