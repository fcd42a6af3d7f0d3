//! Keys and certificates: how long they last, and what a copy of them is worth.

use std::path::Path;

use muster_proto::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::finding::Finding;
use crate::ca::{self, Authority, Bundle};
use crate::config::{Config, DataFolder};

const DAY: i64 = 86_400;
/// Whoever renews a given certificate has this long left when a warning comes.
const GIVEN_LEFT: i64 = 14 * DAY;
/// A new root has to reach every device before the old one ends.
const ROOT_LEFT: i64 = 365 * DAY;
/// What renews itself is allowed to be late by this much.
const LATE: i64 = DAY;

/// Looks at the authority and at what the listeners show.
pub(super) fn all(folder: &DataFolder, config: Option<&Config>, now: Timestamp) -> Vec<Finding> {
    let mut findings = match Authority::open(&folder.authority()) {
        Ok(authority) => authority_findings(&authority, now),
        Err(error) => {
            let detail = format!("{:#}", anyhow::Error::from(error));
            vec![Finding::failed("authority", detail, "restore a backup: without it no device can be served")]
        }
    };
    findings.push(own("device listener", &folder.device_certificate(), now));
    findings.push(match config.and_then(|config| config.tls.as_ref()) {
        Some(given) => given_certificate("admin listener", &given.certificate, now),
        None => own("admin listener", &folder.admin_certificate(), now),
    });
    findings
}

fn authority_findings(authority: &Authority, now: Timestamp) -> Vec<Finding> {
    let holds_root_key = authority.holds_root_key();
    let root = match ca::facts(authority.root()) {
        Ok(facts) => judge_root(facts.not_after, now),
        Err(error) => Finding::failed("root certificate", error, "restore a backup"),
    };
    let (from, to) = authority.issuing_life();
    vec![root, judge_issuing(from, to, holds_root_key, now), judge_root_key(holds_root_key)]
}

fn judge_root(end: Timestamp, now: Timestamp) -> Finding {
    const CHECK: &str = "root certificate";
    let detail = format!("ends at {end}");
    if end <= now {
        Finding::failed(
            CHECK,
            detail,
            "devices trust no server any more: set up a new one and enroll them again",
        )
    } else if end < now.plus_seconds(ROOT_LEFT) {
        Finding::warning(CHECK, detail, "plan a new root: every device must learn of it before")
    } else {
        Finding::ok(CHECK, detail)
    }
}

fn judge_issuing(from: Timestamp, to: Timestamp, holds_root_key: bool, now: Timestamp) -> Finding {
    const CHECK: &str = "issuing certificate";
    let detail = format!("ends at {to}");
    let remedy = if holds_root_key {
        "restart the server, which renews it, and read its journal"
    } else {
        "put the root key into ca/root.key of the data folder for a restart of the server"
    };
    if to <= now {
        Finding::failed(CHECK, detail, remedy)
    } else if ca::two_thirds(from, to).plus_seconds(LATE) < now {
        Finding::warning(CHECK, detail, remedy)
    } else {
        Finding::ok(CHECK, detail)
    }
}

/// Both ways are right; which one it is must be known.
fn judge_root_key(holds_root_key: bool) -> Finding {
    let detail = if holds_root_key {
        "on this server, which renews the issuing certificate; a copy of the data folder is worth the fleet"
    } else {
        "kept elsewhere"
    };
    Finding::ok("root key", detail)
}

/// A certificate that the server renews by itself.
fn own(check: &'static str, path: &Path, now: Timestamp) -> Finding {
    const REMEDY: &str = "restart the server, which renews it, and read its journal";
    let read = Bundle::read(path).map_err(|error| format!("{:#}", anyhow::Error::from(error)));
    match read.and_then(|bundle| ca::facts(bundle.leaf())) {
        Err(error) => Finding::failed(check, error, "restore a backup"),
        Ok(facts) => {
            let detail = format!("its certificate ends at {}", facts.not_after);
            if facts.not_after <= now {
                Finding::failed(check, detail, REMEDY)
            } else if ca::two_thirds(facts.not_before, facts.not_after).plus_seconds(LATE) < now {
                Finding::warning(check, detail, REMEDY)
            } else {
                Finding::ok(check, detail)
            }
        }
    }
}

/// A certificate that somebody else renews.
fn given_certificate(check: &'static str, path: &Path, now: Timestamp) -> Finding {
    let remedy = format!("renew {}; the server takes it up by itself", path.display());
    let read = CertificateDer::from_pem_file(path).map_err(|error| format!("{}: {error}", path.display()));
    match read.and_then(|leaf| ca::facts(&leaf)) {
        Err(error) => Finding::failed(check, error, "put it there, or remove [tls] from server.toml"),
        Ok(facts) => {
            let detail = format!("its certificate ends at {}", facts.not_after);
            if facts.not_after <= now {
                Finding::failed(check, detail, remedy)
            } else if facts.not_after < now.plus_seconds(GIVEN_LEFT) {
                Finding::warning(check, detail, remedy)
            } else {
                Finding::ok(check, detail)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    fn day(day: i64) -> Timestamp {
        Timestamp::default().plus_seconds(day * DAY)
    }

    #[test]
    fn what_should_have_renewed_itself_warns_and_what_ended_fails() {
        let state = |now| judge_issuing(day(0), day(365), true, day(now)).state;
        assert_eq!(
            [state(100), state(243), state(250), state(365)],
            [State::Ok, State::Ok, State::Warning, State::Failed]
        );
    }

    #[test]
    fn without_the_root_key_the_remedy_is_to_bring_it() {
        let found = judge_issuing(day(0), day(365), false, day(300));
        assert!(found.remedy.unwrap().contains("root key"));
    }
}
