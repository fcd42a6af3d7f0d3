//! The commands an admin types at the device. All need root: the ledger and the identity are root's alone.

mod line;
mod pause;
mod seal;
mod status;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser as _;
use muster_proto::plan::Lines;
use muster_proto::report::{Outcome, OutcomeKind};
use muster_proto::text::escape;
use muster_proto::told::Told;
use serde_json::{Value, json};

use crate::config::Config;
use crate::cycle::{Cycle, Note};
use crate::host::{Host, processes};
use crate::identity::{self, Identity};
use crate::ledger::{Ledger, Past, is_damaged};
use crate::{inventory, service};
use line::{Cli, Command, Output};

/// `muster-agent plan` found that the device is not as it should be.
const EXIT_CHANGES: u8 = 2;

/// Runs the program and gives its exit code: 0 fine, 1 failed, 2 there are changes.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let told = error.print();
            // A mistake is a failure like any other: 2 is for changes.
            return if error.use_stderr() || told.is_err() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match execute(&cli) {
        Ok(code) => code,
        // Whoever read has read enough, as in `muster-agent history | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when even standard error is closed.
            writeln!(io::stderr(), "muster-agent: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn execute(cli: &Cli) -> Result<ExitCode> {
    if let Command::QueryChild = cli.command {
        return Ok(inventory::serve_child());
    }
    if !rustix::process::geteuid().is_root() {
        bail!("this needs root: try again with sudo");
    }
    let config = Config::load(&cli.config)?;
    let ledger = config.ledger();
    perform(cli, config).map_err(|error| {
        if !is_damaged(&error) {
            return error;
        }
        error.context(format!(
            "the ledger {path} is damaged: bring it back from a backup, or move it away with {path}-wal and {path}-shm, and \
             restart muster-agent; without it the device takes its state anew, and what was there before Muster's changes \
             can't be brought back",
            path = ledger.display()
        ))
    })
}

fn perform(cli: &Cli, config: Config) -> Result<ExitCode> {
    match &cli.command {
        Command::Run => service::run(config).map(|()| ExitCode::SUCCESS),
        Command::Enroll { join_file } => service::enroll(&config, join_file).map(|()| ExitCode::SUCCESS),
        Command::Status { output } => status(&config, *output),
        Command::Plan { output } => plan(config, *output),
        Command::Query { sql, tables, output } => match (sql, tables) {
            (_, true) => list_tables(*output),
            (sql, false) => query(sql.as_deref().unwrap_or_default(), *output),
        },
        Command::History { limit, output } => history(&config, *limit, *output),
        Command::Pause { seconds, reason } => pause::pause(&config, *seconds, reason),
        Command::Resume => pause::resume(&config),
        Command::Seal { yes } => seal::seal(&config, *yes),
        Command::Unenroll { restore, yes } => unenroll(config, *restore, *yes),
        Command::QueryChild => Ok(inventory::serve_child()),
        Command::EndProcesses { uid } => processes::end_as(*uid).map(|()| ExitCode::SUCCESS),
    }
}

fn status(config: &Config, output: Output) -> Result<ExitCode> {
    let enrolled = match identity::load(&config.identity())? {
        Identity::Enrolled(enrolled) => enrolled,
        Identity::Waiting { code } => {
            bail!("waiting for approval. Code {code}. An admin: muster device approve NAME --code {code}")
        }
        Identity::Refused { answer } => bail!("this device is not enrolled. {}", escape(&answer)),
        Identity::Keyed => {
            bail!("enrollment was begun and has no answer yet: see journalctl -u muster-agent")
        }
        Identity::Nothing => bail!(
            "this device is not enrolled: put a join file at {} and start muster-agent.service",
            config.join_file.display()
        ),
    };
    let ledger = Ledger::open_read_only(&config.ledger())?;
    let current = ledger.current()?;
    let applied = ledger.applied()?;
    let pause = ledger.pause()?;
    let trials = ledger.trials()?;
    let undecided = trials.iter().filter(|(_, trial)| trial.given_up.is_none());
    let on_trial: Vec<&str> = undecided.map(|(id, _)| id.as_str()).collect();
    let unwritten = Note::read(service::SCRATCH.as_ref())?;
    let newest = unwritten.as_ref().and_then(|note| note.outcomes.clone()).map(String::into_bytes);
    let outcomes: Vec<Outcome> = match newest
        .map_or_else(|| ledger.section_document("outcomes"), |o| Ok(Some(o)))?
    {
        Some(document) => serde_json::from_slice(&document).context("the ledger's outcomes can't be read")?,
        None => vec![],
    };
    let fine = |o: &&Outcome| {
        matches!(o.outcome, OutcomeKind::Kept | OutcomeKind::Repaired | OutcomeKind::NotApplicable)
    };
    let bad: Vec<&Outcome> = outcomes.iter().filter(|o| !fine(o)).collect();
    let findings = status::Findings::read(&ledger, service::SCRATCH.as_ref())?;
    let code = if bad.is_empty() && findings.fine() && unwritten.is_none() && applied == current.generation {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    let mut out = io::stdout().lock();
    if let Output::Json = output {
        let value = json!({
            "device": enrolled.device.to_string(),
            "name": findings.name,
            "server": enrolled.server,
            "certificate_not_after": enrolled.not_after,
            "generation_accepted": current.generation,
            "generation_applied": applied,
            "paused": pause,
            "on_trial": on_trial,
            "resources": outcomes.len(),
            "not_as_it_should_be": bad,
            "checks_not_passed": findings.checks_as_json(),
            "link": findings.link_as_json(),
            "lost": findings.lost,
            "clock_ahead_seconds": findings.clock.map(|skew| skew.ahead),
            "ledger_unwritten": unwritten.as_ref().map(|note| json!({"since": note.since, "reason": note.reason})),
        });
        writeln!(out, "{value}")?;
        return Ok(code);
    }
    let name = findings.name.as_deref().map(|name| format!("{} ", escape(name))).unwrap_or_default();
    writeln!(out, "Device       {name}{}", enrolled.device)?;
    writeln!(out, "Server       {}", enrolled.server)?;
    writeln!(out, "Link         {}", findings.link())?;
    if let Some(skew) = findings.clock {
        writeln!(out, "Clock        {skew} the server's: set it, for example with timedatectl set-ntp true")?;
    }
    if let Some(lost) = findings.lost {
        writeln!(
            out,
            "Lost         reported at {lost}: its accounts are locked and nothing else is changed"
        )?;
    }
    writeln!(out, "Certificate  until {}", enrolled.not_after)?;
    writeln!(out, "State        generation {} accepted, {applied} applied", current.generation)?;
    if let Some(note) = unwritten {
        let folder = config.state_dir.display();
        writeln!(
            out,
            "Ledger       can't be written since {}: {}. Make room on the disk of {folder}: nothing is changed meanwhile but \
             what ends",
            note.since.whole_seconds(),
            escape(&note.reason)
        )?;
    }
    if let Some(pause) = pause {
        writeln!(out, "Paused       until {}: {}", pause.until.whole_seconds(), escape(&pause.reason))?;
    }
    if !on_trial.is_empty() {
        writeln!(
            out,
            "On trial     {}: undone unless the server is reached over a new connection",
            on_trial.join(", ")
        )?;
    }
    writeln!(out, "Resources    {} of {} as they should be", outcomes.len() - bad.len(), outcomes.len())?;
    for outcome in bad {
        let reason = outcome.reason.as_deref().unwrap_or("no reason given");
        writeln!(
            out,
            "  {:?}  {}  ({}@{}): {}",
            outcome.outcome,
            outcome.resource,
            outcome.profile,
            outcome.revision,
            escape(reason)
        )?;
    }
    findings.print_checks(&mut out)?;
    Ok(code)
}

fn plan(config: Config, output: Output) -> Result<ExitCode> {
    let enrolled = identity::enrolled(&config.identity())?.context("this device is not enrolled")?;
    let plan = service::block_on(async move {
        let ledger = Ledger::open_read_only(&config.ledger())?;
        let host = Host::open(service::SCRATCH.as_ref(), &config.state_dir, config.packages)?;
        Cycle::start(enrolled.device, config, ledger, host)?.plan().await
    })?;
    let plan = plan.context("no desired state has come from the server yet")?;
    let plan = plan.view();
    let mut out = io::stdout().lock();
    match output {
        Output::Json => writeln!(out, "{}", serde_json::to_string(&plan)?)?,
        Output::Text => write!(out, "{plan}")?,
    }
    Ok(if plan.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CHANGES) })
}

fn query(sql: &str, output: Output) -> Result<ExitCode> {
    let answer = inventory::query(sql)?;
    let mut out = io::stdout().lock();
    if let Output::Json = output {
        let rows: Vec<serde_json::Map<String, Value>> =
            answer.rows.into_iter().map(|row| answer.columns.iter().cloned().zip(row).collect()).collect();
        writeln!(out, "{}", serde_json::to_string(&rows)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => escape(text),
        other => other.to_string(),
    };
    writeln!(out, "{}", answer.columns.join("\t"))?;
    for row in &answer.rows {
        writeln!(out, "{}", row.iter().map(cell).collect::<Vec<_>>().join("\t"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list_tables(output: Output) -> Result<ExitCode> {
    let tables = muster_tables::describe();
    let mut out = io::stdout().lock();
    match output {
        Output::Json => writeln!(out, "{}", serde_json::to_string(&tables)?)?,
        Output::Text => {
            for table in tables {
                let columns: Vec<_> = table.columns.iter().map(|c| c.name).collect();
                writeln!(out, "{}: {}\n    {}", table.name, table.description, columns.join(", "))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn history(config: &Config, limit: usize, output: Output) -> Result<ExitCode> {
    let mut all = Ledger::open_read_only(&config.ledger())?.history()?;
    let older = all.len().saturating_sub(limit);
    all.truncate(limit);
    let mut out = io::stdout().lock();
    if let Output::Json = output {
        let row = |Past { at, mut document }: Past| {
            document["at"] = json!(at);
            document["text"] = Told::of(&document).text.into();
            document
        };
        let rows: Vec<_> = all.into_iter().map(row).collect();
        writeln!(out, "{}", Value::from(rows))?;
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() && older == 0 {
        writeln!(out, "Nothing has happened on this device yet: see muster-agent status")?;
    }
    for Past { at, document } in all {
        let Told { text, differences, .. } = Told::of(&document);
        let digest = document["digest"].as_str().map(|digest| format!(" ({digest})")).unwrap_or_default();
        let at = at.whole_seconds();
        write!(out, "{at}  {}{}\n{}", escape(&text), escape(&digest), Lines(&differences))?;
    }
    if older > 0 {
        writeln!(out, "{older} older events: --limit {}", limit + older)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn unenroll(config: Config, restore: bool, yes: bool) -> Result<ExitCode> {
    let enrolled = identity::enrolled(&config.identity())?.context("this device is not enrolled")?;
    let mut out = io::stdout().lock();
    if !yes {
        let question = if restore {
            "This takes back what Muster did here, and then forgets the server. Go on?"
        } else {
            "This forgets the server and what Muster did here, which stays and nobody takes back then (--restore does \
             first). Go on?"
        };
        if !confirmed(&mut out, question)? {
            return Ok(ExitCode::FAILURE);
        }
    }
    let outcomes = service::block_on(async {
        service::stop().await?;
        if !restore {
            return Ok(vec![]);
        }
        let host = Host::open(service::SCRATCH.as_ref(), &config.state_dir, config.packages)?;
        let ledger = Ledger::open(&config.ledger())?;
        let mut cycle = Cycle::start(enrolled.device, config.clone(), ledger, host)?;
        cycle.reattach().await?;
        cycle.restore().await
    })?;
    for outcome in &outcomes {
        let reason = outcome.reason.as_deref().unwrap_or_default();
        writeln!(out, "Left as it is: {} ({})", escape(outcome.resource.as_str()), escape(reason))?;
    }
    service::forget(&config)?;
    writeln!(
        out,
        "This device has left. On the server, where it is not revoked yet: muster device revoke {}",
        enrolled.device
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Asks whoever is at the terminal.
fn confirmed(out: &mut impl Write, question: &str) -> Result<bool> {
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    let yes = matches!(answer.trim(), "y" | "Y" | "yes");
    if answer.is_empty() {
        writeln!(out, "Nobody answered, and nothing was changed. Where nobody can: --yes")?;
    } else if !yes {
        writeln!(out, "Nothing was changed.")?;
    }
    Ok(yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example_in_its_help() {
        use clap::CommandFactory as _;
        let mut waiting = vec![Cli::command()];
        while let Some(command) = waiting.pop() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{} has no example", command.get_name());
            waiting.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn every_command_line_in_the_documentation_is_one() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let mut checked = 0;
        for (name, text) in muster_tests::document::all(&docs).unwrap() {
            for words in muster_tests::document::command_lines(&text, "muster-agent").unwrap() {
                let parsed = Cli::try_parse_from(&words);
                assert!(parsed.is_ok(), "{name}: {}\n{}", words.join(" "), parsed.err().unwrap());
                checked += 1;
            }
        }
        assert!(checked > 0, "the documentation has no command line");
    }
}
