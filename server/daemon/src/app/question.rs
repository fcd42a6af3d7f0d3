//! What is said of the SQL of checks before any device is asked. What no device can answer is refused; a name that the
//! agents of this version don't know is told and saved, as those of another version may know it.

use muster_proto::check::Check;
use muster_proto::profile::{Profile, ProfileError};
use muster_proto::review::Review;
use muster_store::StoreError;
use muster_store::question::{Fault, Judge};

/// Adds what is the matter with the checks of a profile that is about to be saved, each at its own SQL.
pub(super) fn review(checks: &[Check], review: &mut Review) -> Result<(), StoreError> {
    for (index, check, fault) in faults(checks)? {
        let field = if check.violations.is_some() { "violations" } else { "query" };
        let path = format!("/checks/{index}/{field}");
        let finding = |message| ProfileError { path, message, unknown: false };
        match fault {
            Fault::Wrong(why) => {
                review.errors.push(finding(format!("no device can answer this SQL: {why}")));
            }
            Fault::Unknown(why) => review.warnings.push(finding(unknown(check, &why))),
        }
    }
    Ok(())
}

/// What an admin should know who assigns a profile that is saved already.
pub(super) fn warnings(profile: &Profile) -> Result<Vec<String>, StoreError> {
    let said = faults(&profile.checks)?.into_iter().map(|(_, check, fault)| match fault {
        Fault::Wrong(why) => format!("no device can answer the SQL of check {}: {why}", check.id),
        Fault::Unknown(why) => unknown(check, &why),
    });
    Ok(said.collect())
}

fn unknown(check: &Check, why: &str) -> String {
    format!(
        "check {} will be Unknown on devices whose agent is of this version: {why}; muster-agent query --tables lists what \
         they have",
        check.id
    )
}

/// The checks that have something the matter, by their place in the profile.
fn faults(checks: &[Check]) -> Result<Vec<(usize, &Check, Fault)>, StoreError> {
    if checks.is_empty() {
        return Ok(Vec::new());
    }
    let judge = Judge::new()?;
    let judged = checks.iter().enumerate().map(|(index, check)| (index, check, judge.judge(check.sql())));
    Ok(judged.filter_map(|(index, check, judged)| Some((index, check, judged.err()?))).collect())
}
