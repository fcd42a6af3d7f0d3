//! `muster-agent pause` and `resume`: the device's owner stops convergence for a time.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use muster_proto::Timestamp;
use muster_proto::report::Pause;
use muster_proto::text::is_misleading;

use crate::clock::Clock;
use crate::config::Config;
use crate::ledger::{Ledger, Resumption};
use crate::{identity, service};

/// The longest reason.
const MAX_REASON: usize = 200;

/// Reads why: one line that says something.
fn reason(text: &str) -> Result<String> {
    let text = text.trim();
    ensure!(
        !text.is_empty() && text.chars().count() <= MAX_REASON && !text.chars().any(is_misleading),
        "--reason takes one line of at most {MAX_REASON} characters"
    );
    Ok(text.to_owned())
}

pub(super) fn pause(config: &Config, seconds: i64, why: &str) -> Result<ExitCode> {
    let reason = reason(why)?;
    let (mut ledger, now) = open(config)?;
    // In whole seconds, as people say it.
    let until = Timestamp::default().plus_seconds(now.seconds() + seconds);
    let pause = Pause { since: now, until, reason };
    ledger.begin_pause(&pause)?;
    service::nudge()?;
    let mut out = io::stdout().lock();
    writeln!(out, "Paused until {}: {}", pause.until, pause.reason)?;
    writeln!(out, "Leases still end, and the server is told. To go on before: muster-agent resume")?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn resume(config: &Config) -> Result<ExitCode> {
    let (mut ledger, now) = open(config)?;
    let mut out = io::stdout().lock();
    if !ledger.resume(Resumption::Early, now)? {
        writeln!(out, "This device is not paused.")?;
        return Ok(ExitCode::SUCCESS);
    }
    service::nudge()?;
    writeln!(out, "Convergence goes on.")?;
    Ok(ExitCode::SUCCESS)
}

/// The ledger of an enrolled device, beside the running service, and the time by its rule.
fn open(config: &Config) -> Result<(Ledger, Timestamp)> {
    identity::enrolled(&config.identity())?.context("this device is not enrolled")?;
    let path = config.ledger();
    ensure!(path.exists(), "there is no ledger at {} yet: start muster-agent.service", path.display());
    let ledger = Ledger::open(&path)?;
    let now = Clock::start(ledger.mark()?).now();
    if now == Timestamp::MAX {
        bail!("the device's time can't be told: let it reach its server first");
    }
    Ok((ledger, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_has_an_end_within_a_month() {
        use super::super::line::seconds;
        assert_eq!(seconds("30m"), Ok(1_800));
        assert_eq!(seconds("2h"), Ok(7_200));
        assert_eq!(seconds("30d"), Ok(30 * 24 * 3600));
        for wrong in ["", "2", "h", "-1h", "0m", "2w", "31d", "9999999999999999d", "ä"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_reason_is_one_line_without_orders_to_a_terminal() {
        assert_eq!(reason(" a fair ").unwrap(), "a fair");
        for wrong in ["", "  ", "a\nb", "a\u{1b}[2J", &"x".repeat(201)] {
            assert!(reason(wrong).is_err(), "{wrong:?}");
        }
    }
}
