//! What can be typed. It needs nothing else of the agent, so that the build makes manual pages and completions of it,
//! and the agent carries neither.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// The longest pause, in seconds: what needs longer is the server's to say.
const LONGEST_PAUSE: i64 = 30 * 24 * 3600;

/// Keeps this device as its profiles say.
#[derive(Parser)]
#[command(
    name = "muster-agent",
    version,
    about,
    after_help = "Exit codes: 0 fine, 1 failed, 2 there are changes.\n\nExample:\n  sudo muster-agent status"
)]
pub(crate) struct Cli {
    /// The configuration.
    #[arg(long, global = true, default_value = "/etc/muster/agent.toml")]
    pub(crate) config: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Runs the agent: enrolls from the join file if need be, then follows the server. Used by muster-agent.service.
    #[command(after_help = "Example:\n  sudo systemctl restart muster-agent")]
    Run,
    /// Enrolls this device.
    #[command(
        after_help = "Examples:\n  sudo muster-agent enroll --join-file /etc/muster/join.toml\n  sudo muster-agent enroll --join-file -       # from standard input"
    )]
    Enroll {
        /// The join file that `muster token create` printed; `-` reads it from standard input.
        #[arg(long)]
        join_file: PathBuf,
    },
    /// Says who this device is, what state it follows, and what is not as it should be. Exits with 1 when something is not:
    /// a resource, a check that fails or can't be answered, or the enrollment.
    #[command(after_help = "Example:\n  sudo muster-agent status -o json")]
    Status {
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Shows what would change now, and changes nothing. Exits with 2 when there are changes.
    #[command(after_help = "Example:\n  sudo muster-agent plan")]
    Plan {
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Asks the machine in SQL.
    #[command(
        after_help = "Examples:\n  sudo muster-agent query \"SELECT username FROM users\"\n  sudo muster-agent query --tables"
    )]
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
    /// Tells what happened on this device: states accepted and refused, changes made with what they changed, failures.
    ///
    /// It is the device's own record, whatever the server says, the newest first. Kept are the last 1,000 events and the last
    /// 1,000 accepted states with the digests of their bytes. Of what happens to one resource over and over, the first five within ten
    /// minutes are told one by one, and the others together, when these minutes are over.
    #[command(
        after_help = "Example:\n  sudo muster-agent history --limit 20\n  sudo muster-agent history -o json"
    )]
    History {
        /// How many events, the newest ones
        #[arg(long, default_value_t = 100)]
        limit: usize,
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Stops convergence for a time.
    ///
    /// Leases still end, the link stays up, and the server is told. It holds over restarts of the agent.
    #[command(after_help = "Example:\n  sudo muster-agent pause --for 2h --reason \"measuring\"")]
    Pause {
        /// How long: 30m, 2h, 1d; at most 30d.
        #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
        seconds: i64,
        /// Why, for the admins: one line.
        #[arg(long)]
        reason: String,
    },
    /// Ends a pause before its time.
    #[command(after_help = "Example:\n  sudo muster-agent resume")]
    Resume,
    /// Makes this machine an image.
    ///
    /// Stops the agent and wipes identity, ledger and keys; the package and a join file stay. Each clone enrolls as a new
    /// device. What Muster made here stays too, as part of the image.
    #[command(after_help = "Example:\n  sudo muster-agent seal --yes")]
    Seal {
        /// Does not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Forgets the server: removes the identity and the ledger. The server still has the device until it is revoked there.
    #[command(after_help = "Example:\n  sudo muster-agent unenroll --restore")]
    Unenroll {
        /// First takes back everything Muster created or changed here.
        #[arg(long)]
        restore: bool,
        /// Does not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Answers queries under limits; started by the agent itself.
    #[command(
        hide = true,
        after_help = "Example:\n  none: it speaks with the agent over its standard input and output"
    )]
    QueryChild,
    /// Ends all that runs as a person's account; started by the agent itself when that account ends.
    #[command(
        hide = true,
        after_help = "Example:\n  none: the agent gives it a unit of its own, without other rights"
    )]
    EndProcesses {
        /// The number of the account.
        uid: u32,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

/// Reads how long, in seconds: `30m`, `2h`, `1d`.
pub(crate) fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || "write it as minutes, hours or days, such as 30m, 2h or 1d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(wrong()),
    };
    let number = number.parse::<i64>().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
    let seconds = number.checked_mul(unit).ok_or_else(wrong)?;
    if seconds > LONGEST_PAUSE { Err("a pause lasts at most 30d".to_owned()) } else { Ok(seconds) }
}
