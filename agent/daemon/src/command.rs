//! The commands an admin types at the device. All need root: the ledger and the identity are root's alone.

mod pause;
mod seal;
mod status;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use muster_proto::report::{Outcome, OutcomeKind};
use muster_proto::text::escape;
use serde_json::{Value, json};

use crate::config::{self, Config};
use crate::cycle::Cycle;
use crate::host::Host;
use crate::identity::{self, Identity};
use crate::ledger::Ledger;
use crate::{inventory, service};

/// `muster-agent plan` found that the device is not as it should be.
const EXIT_CHANGES: u8 = 2;

/// Keeps this device as its profiles say.
#[derive(Parser)]
#[command(name = "muster-agent", version, about)]
struct Cli {
    /// The configuration.
    #[arg(long, global = true, default_value = config::PATH)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the agent: enrolls from the join file if need be, then follows the server. Used by muster-agent.service.
    Run,
    /// Enrolls this device, for example: muster-agent enroll --join-file /etc/muster/join.toml
    Enroll {
        /// The join file that `muster token create` printed; `-` reads it from standard input.
        #[arg(long)]
        join_file: PathBuf,
    },
    /// Says who this device is, what state it follows, and what is not as it should be. Exits with 1 when something is not:
    /// a resource, a check that fails or can't be answered, or the enrollment.
    Status {
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Shows what would change now, and changes nothing. Exits with 2 when there are changes.
    Plan {
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Asks the machine in SQL, for example: muster-agent query "SELECT username FROM users"
    Query {
        /// One SELECT.
        #[arg(required_unless_present = "tables")]
        sql: Option<String>,
        /// Lists the tables and their columns.
        #[arg(long)]
        tables: bool,
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Lists the desired states that this device accepted, for example: muster-agent history -o json
    ///
    /// It is the device's own record, whatever the server says. The newest first: generation, when it was accepted, digest of
    /// its bytes.
    History {
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Stops convergence for a time, for example: muster-agent pause --for 2h --reason "measuring"
    ///
    /// Leases still end, the link stays up, and the server is told. It holds over restarts of the agent.
    Pause {
        /// How long: 30m, 2h, 1d; at most 30d.
        #[arg(long = "for", value_name = "TIME", value_parser = pause::seconds)]
        seconds: i64,
        /// Why, for the admins.
        #[arg(long, value_parser = pause::reason)]
        reason: String,
    },
    /// Ends a pause before its time, for example: muster-agent resume
    Resume,
    /// Makes this machine an image, for example: muster-agent seal --yes
    ///
    /// Stops the agent and wipes identity, ledger and keys; the package and a join file stay. Each clone enrolls as a new
    /// device. What Muster made here stays too, as part of the image.
    Seal {
        /// Does not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Forgets the server: removes the identity and the ledger. The server still has the device until it is revoked there.
    Unenroll {
        /// First takes back everything Muster created or changed here.
        #[arg(long)]
        restore: bool,
        /// Does not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Answers queries under limits; started by the agent itself.
    #[command(hide = true)]
    QueryChild,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Runs the program and gives its exit code: 0 fine, 1 failed, 2 there are changes.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match execute(&cli) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to do when even standard error is closed.
            writeln!(io::stderr(), "muster-agent: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: &Cli) -> Result<ExitCode> {
    if let Command::QueryChild = cli.command {
        return Ok(inventory::serve_child());
    }
    if !rustix::process::geteuid().is_root() {
        bail!("this needs root: try again with sudo");
    }
    let config = Config::load(&cli.config)?;
    match &cli.command {
        Command::Run => service::run(config).map(|()| ExitCode::SUCCESS),
        Command::Enroll { join_file } => service::enroll(&config, join_file).map(|()| ExitCode::SUCCESS),
        Command::Status { output } => status(&config, *output),
        Command::Plan { output } => plan(config, *output),
        Command::Query { sql, tables, output } => match (sql, tables) {
            (_, true) => list_tables(*output),
            (sql, false) => query(sql.as_deref().unwrap_or_default(), *output),
        },
        Command::History { output } => history(&config, *output),
        Command::Pause { seconds, reason } => pause::pause(&config, *seconds, reason.clone()),
        Command::Resume => pause::resume(&config),
        Command::Seal { yes } => seal::seal(&config, *yes),
        Command::Unenroll { restore, yes } => unenroll(config, *restore, *yes),
        Command::QueryChild => Ok(inventory::serve_child()),
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
    let outcomes: Vec<Outcome> = match ledger.section_document("outcomes")? {
        Some(document) => serde_json::from_slice(&document).context("the ledger's outcomes can't be read")?,
        None => vec![],
    };
    let fine = |o: &&Outcome| {
        matches!(o.outcome, OutcomeKind::Kept | OutcomeKind::Repaired | OutcomeKind::NotApplicable)
    };
    let bad: Vec<&Outcome> = outcomes.iter().filter(|o| !fine(o)).collect();
    let findings = status::Findings::read(&ledger)?;
    let code = if bad.is_empty() && findings.fine() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
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
            "resources": outcomes.len(),
            "not_as_it_should_be": bad,
            "checks_not_passed": findings.checks_as_json(),
            "link": findings.link_as_json(),
            "lost": findings.lost,
        });
        writeln!(out, "{value}")?;
        return Ok(code);
    }
    let name = findings.name.as_deref().map(|name| format!("{} ", escape(name))).unwrap_or_default();
    writeln!(out, "Device       {name}{}", enrolled.device)?;
    writeln!(out, "Server       {}", enrolled.server)?;
    writeln!(out, "Link         {}", findings.link())?;
    if let Some(lost) = findings.lost {
        writeln!(
            out,
            "Lost         reported at {lost}: its accounts are locked and nothing else is changed"
        )?;
    }
    writeln!(out, "Certificate  until {}", enrolled.not_after)?;
    writeln!(out, "State        generation {} accepted, {applied} applied", current.generation)?;
    if let Some(pause) = pause {
        writeln!(out, "Paused       until {}: {}", pause.until, escape(&pause.reason))?;
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
        let host = Host::open(service::SCRATCH.as_ref(), &config.state_dir)?;
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

fn history(config: &Config, output: Output) -> Result<ExitCode> {
    let accepted = Ledger::open_read_only(&config.ledger())?.history()?;
    let mut out = io::stdout().lock();
    if let Output::Json = output {
        let rows: Vec<_> = accepted
            .iter()
            .map(|(g, digest, at)| json!({"generation": g, "digest": digest, "accepted": at}))
            .collect();
        writeln!(out, "{}", Value::from(rows))?;
        return Ok(ExitCode::SUCCESS);
    }
    if accepted.is_empty() {
        writeln!(out, "This device has accepted no desired state yet: see muster-agent status")?;
    }
    for (generation, digest, at) in accepted {
        writeln!(out, "{generation:>6}  {at}  {digest}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn unenroll(config: Config, restore: bool, yes: bool) -> Result<ExitCode> {
    let enrolled = identity::enrolled(&config.identity())?.context("this device is not enrolled")?;
    let mut out = io::stdout().lock();
    if !yes {
        let also = if restore { "takes back what Muster did here, and then " } else { "" };
        if !confirmed(&mut out, &format!("This {also}forgets the server. Go on?"))? {
            return Ok(ExitCode::FAILURE);
        }
    }
    let outcomes = service::block_on(async {
        service::stop().await?;
        if !restore {
            return Ok(vec![]);
        }
        let host = Host::open(service::SCRATCH.as_ref(), &config.state_dir)?;
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
    writeln!(out, "This device has left. On the server: muster device revoke {}", enrolled.device)?;
    Ok(ExitCode::SUCCESS)
}

/// Asks whoever is at the terminal.
fn confirmed(out: &mut impl Write, question: &str) -> Result<bool> {
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    let yes = matches!(answer.trim(), "y" | "Y" | "yes");
    if !yes {
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
}
