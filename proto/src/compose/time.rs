//! Claims whose time is not now. One that has yet to begin, or is over by being taken back, stands in nobody's way.
//!
//! Otherwise the end of an exception would take away, with it, what it was an exception from. An account and a rule for logins
//! say themselves what is to be so after their end, and go on to say it.

use std::collections::BTreeMap;

use super::{Candidate, Claim, Claimed};
use crate::id::ResourceId;
use crate::resource::Common;
use crate::timestamp::Timestamp;

/// While a composition holds: from one moment at which a claim begins or ends up to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The last such moment before it; `None` where there is none.
    pub since: Option<Timestamp>,
    /// The first such moment behind it; `None` where there is none.
    pub until: Option<Timestamp>,
    /// The last end before it; `None` where nothing has ended.
    pub ended: Option<Timestamp>,
}

impl Span {
    pub(super) fn of<'c>(claims: impl Iterator<Item = &'c Common>, now: Timestamp) -> Self {
        let mut span = Self::default();
        for common in claims {
            for moment in [common.not_before, common.not_after].into_iter().flatten() {
                if moment <= now {
                    span.since = span.since.max(Some(moment));
                } else if span.until.is_none_or(|until| moment < until) {
                    span.until = Some(moment);
                }
            }
            span.ended = span.ended.max(common.not_after.filter(|end| *end <= now));
        }
        span
    }

    /// Whether a time is in it.
    pub fn has(&self, now: Timestamp) -> bool {
        self.since.is_none_or(|since| since <= now) && self.until.is_none_or(|until| now < until)
    }
}

/// Leaves of the claims on one resource out what is not of this time, where another one is. What is over stays where nobody who
/// may write comes after it: somebody has to take it back.
pub(super) fn give_way(rivals: &mut Vec<Candidate>, now: Option<Timestamp>) {
    let Some(now) = now else { return };
    let waits = |rival: &Candidate| waits(&rival.claimed, &rival.common, now);
    let is_over = |rival: &Candidate| is_over(&rival.claimed, &rival.common, now);
    if !rivals.iter().all(waits) {
        rivals.retain(|rival| !waits(rival));
    }
    let follows = rivals.iter().filter(|rival| !is_over(rival)).map(|rival| rival.source.mode).max();
    rivals.retain(|rival| !is_over(rival) || follows.is_none_or(|mode| mode < rival.source.mode));
}

/// Takes out what is not of this time: it says nothing of what may be at a path.
pub(super) fn set_aside(
    claims: &mut BTreeMap<ResourceId, Claim>,
    now: Option<Timestamp>,
) -> BTreeMap<ResourceId, Claim> {
    let Some(now) = now else { return BTreeMap::new() };
    let elsewhen = |claim: &Claim| {
        waits(&claim.claimed, &claim.common, now) || is_over(&claim.claimed, &claim.common, now)
    };
    claims.extract_if(.., |_, claim| elsewhen(claim)).collect()
}

fn waits(claimed: &Claimed, common: &Common, now: Timestamp) -> bool {
    matches!(claimed, Claimed::Apply(_)) && common.not_before.is_some_and(|begin| begin > now)
}

fn is_over(claimed: &Claimed, common: &Common, now: Timestamp) -> bool {
    matches!(claimed, Claimed::Apply(resource) if resource.ended().is_none())
        && common.not_after.is_some_and(|end| end <= now)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Composition, compose_at, conflicts};
    use super::*;
    use crate::id::Digest;
    use crate::state::DesiredState;
    use crate::when::Facts;

    /// Composes profiles, each with its precedence, its mode and its one resource, so many seconds after 1970.
    fn composed(now: i64, profiles: &[(i32, &str, Value)]) -> Composition {
        let documents = profiles.iter().enumerate().map(|(index, (_, _, resource))| {
            let profile = json!({"muster": 1, "profile": format!("p{index}"), "resources": [resource]});
            serde_json::to_vec(&profile).unwrap()
        });
        let documents: Vec<_> = documents.collect();
        let revisions = profiles.iter().zip(&documents).enumerate().map(|(index, ((precedence, mode, _), bytes))| {
            json!({"assignment": "a", "profile": format!("p{index}"), "revision": 1, "precedence": precedence,
                   "digest": Digest::of(bytes), "mode": mode})
        });
        let state: DesiredState = serde_json::from_value(json!({
            "muster": 1, "composition": 1, "device": "6c8e7f0a-0d0c-4b0a-9d5e-0a1b2c3d4e5f", "generation": 1,
            "issued": "2026-01-01T00:00:00Z", "revisions": revisions.collect::<Vec<_>>(),
            "bindings": {"name": "d", "serial": "s"},
        }))
        .unwrap();
        let documents = documents.into_iter().map(|bytes| (Digest::of(&bytes), bytes)).collect();
        compose_at(&state, &documents, &Facts::default(), at(now)).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::default().plus_seconds(seconds)
    }

    fn motd(content: &str, from: Option<i64>, to: Option<i64>) -> Value {
        let mut file = json!({"path": "/etc/motd", "content": content});
        let moments = [("not_before", from), ("not_after", to)];
        for (name, moment) in moments.into_iter().filter_map(|(name, moment)| Some((name, moment?))) {
            file[name] = json!(at(moment));
        }
        json!({"file": file})
    }

    fn winner(composition: &Composition) -> &str {
        composition.claims[&ResourceId::new("file", "/etc/motd")].source.profile.as_str()
    }

    #[test]
    fn an_exception_holds_between_its_begin_and_its_end_and_the_rule_before_and_after() {
        let profiles = [
            (0, "enforce", motd("rule", None, None)),
            (10, "enforce", motd("exception", Some(100), Some(200))),
        ];
        let of = |now| composed(now, &profiles);
        assert_eq!([99, 100, 199, 200].map(|now| winner(&of(now)).to_owned()), ["p0", "p1", "p1", "p0"]);
        let spans = [99, 100, 200].map(|now| of(now).span);
        let span = |since, until, ended| Span { since, until, ended };
        assert_eq!(
            spans,
            [
                span(None, Some(at(100)), None),
                span(Some(at(100)), Some(at(200)), None),
                span(Some(at(200)), None, Some(at(200))),
            ]
        );
        assert!(spans[1].has(at(100)) && spans[1].has(at(199)));
        assert!(!spans[1].has(at(99)) && !spans[1].has(at(200)), "a clock that goes back counts too");
    }

    #[test]
    fn what_is_over_gives_way_to_no_claim_that_may_not_write() {
        let over = (0, "enforce", motd("x", None, Some(100)));
        let audit = (10, "audit", motd("y", None, None));
        assert_eq!(winner(&composed(150, &[over.clone(), audit.clone()])), "p0");
        let audited = (20, "audit", motd("z", None, Some(100)));
        assert_eq!(winner(&composed(150, &[audited, audit])), "p1");
        assert_eq!(winner(&composed(150, &[over])), "p0", "it is still to be taken back");
    }

    #[test]
    fn what_is_over_contradicts_nobody_and_an_account_that_has_ended_stays_so() {
        let same = [(0, "enforce", motd("x", None, None)), (0, "enforce", motd("y", None, Some(100)))];
        assert_eq!(conflicts(&composed(50, &same)).len(), 1);
        assert_eq!((conflicts(&composed(100, &same)).len(), winner(&composed(100, &same))), (0, "p0"));

        let link = json!({"link": {"path": "/etc/motd", "target": "x"}});
        let places = [(0, "enforce", link), (10, "enforce", motd("y", None, Some(100)))];
        let applies = |now, kind| {
            let claim = composed(now, &places).claims.remove(&ResourceId::new(kind, "/etc/motd"));
            claim.is_some_and(|claim| matches!(claim.claimed, Claimed::Apply(_)))
        };
        assert_eq!((applies(99, "link"), applies(100, "link"), applies(100, "file")), (false, true, true));

        let account = |end: Option<i64>| {
            let mut account = json!({"account": {"name": "ada"}});
            if let Some(end) = end {
                account["account"]["not_after"] = json!(at(end));
            }
            account
        };
        let accounts = [(0, "enforce", account(None)), (10, "enforce", account(Some(100)))];
        let claim = composed(150, &accounts).claims.remove(&ResourceId::new("account", "ada")).unwrap();
        assert_eq!(claim.source.profile.as_str(), "p1");
    }
}
