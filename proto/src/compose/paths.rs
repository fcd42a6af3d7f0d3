//! Claims on paths that can't all be kept: a directory, a tree, a file and a link can't stand in the same place, nothing can be in a
//! file, and a part of a file or a tree can't be said beside the whole of it.

use std::collections::BTreeMap;

use super::{CONFLICT, Claim, Claimed};
use crate::condition::Condition;
use crate::id::ResourceId;
use crate::resource::Resource;
use crate::state::Mode;

/// The kinds whose key is the path of what they are.
const ON_PATHS: [&str; 4] = ["archive", "directory", "file", "link"];

/// The kinds that put something at the path that their key is.
const AT_THEIR_KEY: [&str; 5] = ["archive", "directory", "file", "link", "mount"];

/// Settles each contested path as if its claims were on one resource: the highest weight wins, equal weight is a
/// conflict.
pub(super) fn settle(claims: &mut BTreeMap<ResourceId, Claim>) {
    for rivals in contested(claims) {
        let highest = rivals.iter().map(|id| claims[id].weight()).max();
        let (first, mut rest): (Vec<_>, Vec<_>) =
            rivals.into_iter().partition(|id| Some(claims[id].weight()) == highest);
        if first.iter().all(|id| wants_nothing(&claims[id])) {
            // They agree, and with them whoever wants nothing there further down: a lesser claim that wants something takes
            // none of them away.
            rest.retain(|id| !wants_nothing(&claims[id]));
        } else if first.len() > 1 {
            block_all(claims, &first);
        }
        yield_to(claims, &first[0], &rest);
    }
    block_what_is_in_files(claims);
    block_parts(claims);
}

/// Blocks what can't be there together with a file, as it would be in it: the lesser claim stays as it last was, or both. What is
/// below a link may well be there, where the link leads.
fn block_what_is_in_files(claims: &mut BTreeMap<ResourceId, Claim>) {
    let files: BTreeMap<&str, (&ResourceId, &Claim)> = claims
        .iter()
        .filter(|(id, claim)| id.kind() == "file" && claim.source.mode == Mode::Enforce)
        .map(|(id, claim)| (id.key(), (id, claim)))
        .collect();
    let mut pairs = vec![];
    for (id, claim) in claims.iter().filter(|(id, _)| ON_PATHS.contains(&id.kind())) {
        for (end, _) in id.key().match_indices('/').filter(|(end, _)| *end > 0) {
            let Some((file, above)) = files.get(&id.key()[..end]) else { continue };
            if wants_something(above) && wants_something(claim) {
                pairs.push([id.clone(), (*file).clone()]);
            }
        }
    }
    block_lesser(claims, pairs, &|id, other, whose| {
        let (file, within) = if other.key().len() < id.key().len() { (other, id) } else { (id, other) };
        format!("{within} would be in {file}, which is no directory; {other} is of {whose}")
    });
}

/// Blocks of each pair that can't be kept the lesser claim, or both, by a reason: of whom, on account of which other, and whose that is.
pub(super) fn block_lesser(
    claims: &mut BTreeMap<ResourceId, Claim>,
    pairs: Vec<[ResourceId; 2]>,
    reason: &dyn Fn(&ResourceId, &ResourceId, &str) -> String,
) {
    let mut lesser: BTreeMap<ResourceId, ResourceId> = BTreeMap::new();
    for [one, other] in pairs {
        let (weight, others) = (claims[&one].weight(), claims[&other].weight());
        if weight <= others {
            lesser.insert(one.clone(), other.clone());
        }
        if others <= weight {
            lesser.insert(other, one);
        }
    }
    let whose = |other: &ResourceId| claims[other].source.profile.to_string();
    let lesser: Vec<_> = lesser.into_iter().map(|(id, other)| (id, whose(&other), other)).collect();
    for (id, whose, other) in lesser {
        let Some(claim) = claims.get_mut(&id) else { continue };
        block(claim, format!("{CONFLICT}{}", reason(&id, &other, &whose)), whose);
    }
}

fn wants_something(claim: &Claim) -> bool {
    matches!(&claim.claimed, Claimed::Apply(resource) if resource.desired() != Condition::Absent)
}

/// Leaves a claim as it last was, on account of another profile's.
fn block(claim: &mut Claim, reason: String, whose: String) {
    claim.claimed = Claimed::Blocked { reason };
    if whose != claim.source.profile.to_string() {
        claim.overrides.push(whose);
    }
}

/// Blocks what would change a part of a file or a tree that another claim says the whole of: each turn would undo the other.
fn block_parts(claims: &mut BTreeMap<ResourceId, Claim>) {
    let is_tree = |(id, claim): &(&ResourceId, &Claim)| id.kind() == "archive" && is_made(claim);
    let trees: Vec<&ResourceId> = claims.iter().filter(is_tree).map(|(id, _)| id).collect();
    let tree_around = |path: &str| {
        let holds = |tree: &str| path.strip_prefix(tree).is_some_and(|rest| rest.starts_with('/'));
        trees.iter().find(|tree| holds(tree.key())).map(|tree| (*tree).clone())
    };
    let parts: Vec<(ResourceId, ResourceId)> = claims
        .iter()
        .filter_map(|(id, claim)| {
            let Claimed::Apply(resource) = &claim.claimed else { return None };
            let written = resource.writes_to();
            let own = AT_THEIR_KEY.contains(&id.kind()).then(|| id.key());
            let mut around = written.iter().map(String::as_str).chain(own).filter_map(tree_around);
            let mut wholes = written.iter().flat_map(|path| ON_PATHS.map(|kind| ResourceId::new(kind, path)));
            let whole = wholes.find(|whole| claims.get(whole).is_some_and(is_made));
            Some((id.clone(), whole.or_else(|| around.next())?))
        })
        .collect();
    for (id, whole) in parts {
        let whose = claims[&whole].source.profile.to_string();
        let Some(claim) = claims.get_mut(&id) else { continue };
        let reason = format!("{CONFLICT}{whole} of {whose} says all of what is there, and this a part of it");
        block(claim, reason, whose);
    }
}

/// Whether a claim on a path decides what is there: one that is only looked at does not, nor one of a file that says
/// nothing of its content.
fn is_made(claim: &Claim) -> bool {
    let Claimed::Apply(resource) = &claim.claimed else { return false };
    let whole = match resource {
        Resource::File(file) => file.is_said_whole(),
        _ => true,
    };
    whole && claim.source.mode == Mode::Enforce
}

/// The ids that claim the same path, unless all of them agree that nothing should be there.
fn contested(claims: &BTreeMap<ResourceId, Claim>) -> Vec<Vec<ResourceId>> {
    let mut by_path: BTreeMap<&str, Vec<(&ResourceId, &Claim)>> = BTreeMap::new();
    for (id, claim) in claims {
        // A claim that does not hold here stands in nobody's way.
        if ON_PATHS.contains(&id.kind()) && claim.claimed != Claimed::NotApplicable {
            by_path.entry(id.key()).or_default().push((id, claim));
        }
    }
    by_path
        .into_values()
        .filter(|rivals| rivals.len() > 1 && !rivals.iter().all(|(_, claim)| wants_nothing(claim)))
        .map(|rivals| rivals.into_iter().map(|(id, _)| id.clone()).collect())
        .collect()
}

fn wants_nothing(claim: &Claim) -> bool {
    matches!(&claim.claimed, Claimed::Apply(resource) if resource.desired() == Condition::Absent)
}

/// Claims of equal weight: each is left as it last was.
fn block_all(claims: &mut BTreeMap<ResourceId, Claim>, rivals: &[ResourceId]) {
    let named: Vec<_> = rivals.iter().map(|id| format!("{id} of {}", claims[id].source.profile)).collect();
    let reason = format!("{CONFLICT}{} are on one path at equal precedence", named.join(" and "));
    let profiles: Vec<_> = rivals.iter().map(|id| claims[id].source.profile.to_string()).collect();
    for id in rivals {
        let Some(claim) = claims.get_mut(id) else { continue };
        claim.claimed = Claimed::Blocked { reason: reason.clone() };
        let own = claim.source.profile.to_string();
        claim.overrides.extend(profiles.iter().filter(|profile| **profile != own).cloned());
    }
}

/// Takes the lesser claims away; where the one before them is not carried out, they too stay as they last were.
fn yield_to(claims: &mut BTreeMap<ResourceId, Claim>, first: &ResourceId, rest: &[ResourceId]) {
    let Some(winner) = claims.get(first) else { return };
    let applies = matches!(winner.claimed, Claimed::Apply(_));
    let reason = format!("{first} of {} is on the same path and comes first", winner.source.profile);
    let mut overridden = vec![];
    for id in rest {
        if applies && let Some(loser) = claims.remove(id) {
            overridden.push(loser.source.profile.to_string());
            overridden.extend(loser.overrides);
        } else if let Some(loser) = claims.get_mut(id) {
            loser.claimed = Claimed::Blocked { reason: reason.clone() };
        }
    }
    if let Some(winner) = claims.get_mut(first) {
        winner.overrides.extend(overridden);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use crate::compose::{Claimed, Composition, compose, conflicts};
    use crate::id::{Digest, ResourceId};
    use crate::state::DesiredState;
    use crate::when::Facts;

    /// Composes profiles, each with its resources, at these precedences.
    pub(in super::super) fn composed(profiles: &[(&str, u32, Value)]) -> Composition {
        let documents = profiles.iter().map(|(name, _, resources)| {
            let profile = json!({"muster": 1, "profile": name, "resources": resources});
            serde_json::to_vec(&profile).unwrap()
        });
        let documents: Vec<_> = documents.collect();
        let revisions = profiles.iter().zip(&documents).map(|((name, precedence, _), bytes)| {
            json!({"assignment": "a", "profile": name, "revision": 1, "precedence": precedence,
                   "digest": Digest::of(bytes), "mode": "enforce"})
        });
        let state: DesiredState = serde_json::from_value(json!({
            "muster": 1, "composition": 1, "device": "6c8e7f0a-0d0c-4b0a-9d5e-0a1b2c3d4e5f", "generation": 1,
            "issued": "2026-01-01T00:00:00Z", "revisions": revisions.collect::<Vec<_>>(),
            "bindings": {"name": "d", "serial": "s"},
        }))
        .unwrap();
        let documents = documents.into_iter().map(|bytes| (Digest::of(&bytes), bytes)).collect();
        compose(&state, &documents, &Facts::default()).unwrap()
    }

    fn both_ways(one: (&str, u32, Value), other: (&str, u32, Value)) -> Composition {
        let composition = composed(&[one.clone(), other.clone()]);
        assert_eq!(composed(&[other, one]), composition, "the order does not matter");
        composition
    }

    fn file() -> Value {
        json!([{"file": {"path": "/srv/x", "content": "x"}}])
    }

    fn directory() -> Value {
        json!([{"directory": {"path": "/srv/x"}}])
    }

    fn id(kind: &str) -> ResourceId {
        ResourceId::new(kind, "/srv/x")
    }

    #[test]
    fn two_kinds_on_one_path_at_equal_precedence_are_a_conflict_and_both_stay_as_they_were() {
        let composition = both_ways(("a", 1, file()), ("b", 1, directory()));
        for kind in ["file", "directory"] {
            assert!(matches!(composition.claims[&id(kind)].claimed, Claimed::Blocked { .. }), "{kind}");
        }
        let conflicts = conflicts(&composition);
        assert_eq!(conflicts.len(), 2);
        assert_eq!(
            (&conflicts[0].resource, conflicts[0].profiles.join(" ")),
            (&id("directory"), "b a".into())
        );
        assert_eq!((&conflicts[1].resource, conflicts[1].profiles.join(" ")), (&id("file"), "a b".into()));
    }

    #[test]
    fn the_kind_of_higher_precedence_wins_the_path_and_the_other_leaves() {
        for (file_at, directory_at, winner) in [(2, 1, "file"), (1, 2, "directory")] {
            let composition = both_ways(("a", file_at, file()), ("b", directory_at, directory()));
            let ids: Vec<_> = composition.claims.keys().cloned().collect();
            assert_eq!(ids, [id(winner)]);
            let claim = &composition.claims[&id(winner)];
            assert!(matches!(claim.claimed, Claimed::Apply(_)));
            assert_eq!(claim.overrides.len(), 1);
            assert_eq!(conflicts(&composition), []);
        }
    }

    #[test]
    fn what_yields_to_a_claim_that_is_not_understood_stays_as_it_was() {
        let newer = json!([{"link": {"path": "/srv/x", "target": "/y", "hard": true}}]);
        let composition = both_ways(("a", 2, newer), ("b", 1, file()));
        assert!(matches!(composition.claims[&id("link")].claimed, Claimed::Unsupported { .. }));
        assert!(matches!(composition.claims[&id("file")].claimed, Claimed::Blocked { .. }));
        assert_eq!(conflicts(&composition), []);
    }

    #[test]
    fn a_lesser_claim_that_wants_something_takes_nothing_from_those_that_agree_on_nothing() {
        let gone = |kind: &str| json!([{kind: {"path": "/srv/x", "state": "absent"}}]);
        let link = json!([{"link": {"path": "/srv/x", "target": "/y"}}]);
        for (file, directory) in [(2, 2), (2, 1), (1, 2)] {
            let composition = composed(&[
                ("a", file, gone("file")),
                ("b", directory, gone("directory")),
                ("c", 0, link.clone()),
            ]);
            let ids: Vec<_> = composition.claims.keys().cloned().collect();
            assert_eq!(ids, [id("directory"), id("file")]);
            assert!(composition.claims.values().all(|claim| matches!(claim.claimed, Claimed::Apply(_))));
            assert_eq!(conflicts(&composition), []);
        }
    }

    #[test]
    fn kinds_that_agree_that_nothing_is_there_or_hold_elsewhere_are_no_conflict() {
        let gone = |kind: &str| json!([{kind: {"path": "/srv/x", "state": "absent"}}]);
        let composition = both_ways(("a", 1, gone("file")), ("b", 1, gone("link")));
        assert_eq!((composition.claims.len(), conflicts(&composition)), (2, vec![]));
        let elsewhere = json!([{"directory": {"path": "/srv/x", "when": {"os": ["plan9"]}}}]);
        let composition = both_ways(("a", 1, file()), ("b", 1, elsewhere));
        assert_eq!((composition.claims.len(), conflicts(&composition)), (2, vec![]));
    }

    #[test]
    fn what_would_be_in_a_file_is_a_conflict_and_the_lesser_claim_stays_as_it_was() {
        let within = json!([{"directory": {"path": "/srv/x/y/z"}}]);
        let is_blocked = |composition: &Composition, id: &ResourceId| {
            matches!(composition.claims[id].claimed, Claimed::Blocked { .. })
        };
        let below = ResourceId::new("directory", "/srv/x/y/z");
        for (file_at, within_at, blocked) in
            [(1, 1, (true, true)), (2, 1, (false, true)), (1, 2, (true, false))]
        {
            let composition = both_ways(("a", file_at, file()), ("b", within_at, within.clone()));
            assert_eq!((is_blocked(&composition, &id("file")), is_blocked(&composition, &below)), blocked);
            assert!(conflicts(&composition).iter().all(|conflict| conflict.profiles.len() == 2));
        }
        let composition = both_ways(("a", 2, file()), ("b", 1, within.clone()));
        let Claimed::Blocked { reason } = &composition.claims[&below].claimed else { panic!("it applies") };
        let wanted = "conflict: directory:/srv/x/y/z would be in file:/srv/x, which is no directory; file:/srv/x is of a";
        assert_eq!(reason, wanted);

        let beside = json!([{"file": {"path": "/srv/xy/z", "content": "x"}}]);
        let nothing = json!([{"file": {"path": "/srv/x/y", "state": "absent"}}]);
        let link = json!([{"link": {"path": "/srv/x", "target": "/y"}}]);
        for (one, other) in [(file(), beside), (file(), nothing), (link, within)] {
            assert_eq!(conflicts(&both_ways(("a", 1, one), ("b", 1, other))), []);
        }
    }

    #[test]
    fn a_part_of_what_another_claim_says_the_whole_of_is_a_conflict() {
        let entry = json!([{"hosts_entry": {"address": "10.0.0.5", "names": ["db"]}}]);
        let part = ResourceId::new("hosts_entry", "10.0.0.5");
        let whole = json!([{"file": {"path": "/etc/hosts", "content": "127.0.0.1 localhost\n"}}]);
        let composition = both_ways(("a", 1, entry.clone()), ("b", 0, whole));
        let Claimed::Blocked { reason } = &composition.claims[&part].claimed else { panic!("it applies") };
        assert!(reason.contains("file:/etc/hosts of b"), "{reason}");
        assert_eq!(conflicts(&composition)[0].profiles, ["a", "b"]);

        let zone = json!([{"time": {"zone": "Europe/Berlin"}}]);
        let link = json!([{"link": {"path": "/etc/localtime", "target": "/usr/share/zoneinfo/Etc/UTC"}}]);
        let composition = both_ways(("a", 1, zone), ("b", 1, link.clone()));
        assert_eq!(conflicts(&composition)[0].resource.as_str(), "time:time");
        let servers = json!([{"time": {"servers": ["ntp.example.com"]}}]);
        assert_eq!(conflicts(&both_ways(("a", 1, servers), ("b", 1, link))), []);

        let tree = json!([{"archive": {"path": "/opt/tool", "artifact": Digest::of(b"x")}}]);
        for (kind, inside) in [
            ("file:/opt/tool/bin/x", json!({"file": {"path": "/opt/tool/bin/x", "mode": "0755"}})),
            ("link:/opt/tool/x", json!({"link": {"path": "/opt/tool/x", "target": "y"}})),
            (
                "archive:/opt/tool/x",
                json!({"archive": {"path": "/opt/tool/x", "artifact": Digest::of(b"y")}}),
            ),
            ("line:/opt/tool/x//a", json!({"line": {"path": "/opt/tool/x", "line": "a"}})),
            ("mount:/opt/tool/x", json!({"mount": {"where": "/opt/tool/x", "what": "x", "type": "tmpfs"}})),
        ] {
            let composition = both_ways(("a", 0, tree.clone()), ("b", 1, json!([inside])));
            assert_eq!(conflicts(&composition)[0].resource.as_str(), kind);
            assert_eq!(conflicts(&composition).len(), 1, "{kind}");
        }
        let beside = json!([{"file": {"path": "/opt/tools", "content": "x"}}]);
        assert_eq!(conflicts(&both_ways(("a", 0, tree), ("b", 1, beside))), []);

        for (path, own) in [
            ("/etc/sudoers.d/muster-x", json!({"sudo": {"name": "x", "who": "ada", "commands": ["ALL"]}})),
            (
                "/etc/sysctl.d/90-muster-kernel.panic.conf",
                json!({"sysctl": {"name": "kernel.panic", "value": 1}}),
            ),
            (
                "/etc/modprobe.d/muster-usb_storage.conf",
                json!({"kernel_module": {"name": "usb-storage", "state": "blocked"}}),
            ),
            (
                "/etc/dconf/db/local.d/locks/90-muster-x",
                json!({"dconf": {"name": "x", "settings": {"/a/b": "true"}}}),
            ),
            (
                "/etc/ssh/sshd_config.d/10-muster-x.conf",
                json!({"ssh_server": {"name": "x", "settings": {"PermitRootLogin": "no"}}}),
            ),
        ] {
            let file = json!([{"file": {"path": path, "content": "x"}}]);
            let composition = both_ways(("a", 1, json!([own])), ("b", 0, file));
            assert_eq!(conflicts(&composition).len(), 1, "{path}");
        }

        let mode = json!([{"file": {"path": "/etc/hosts", "mode": "0644"}}]);
        let composition = both_ways(("a", 1, entry), ("b", 0, mode));
        assert!(matches!(composition.claims[&part].claimed, Claimed::Apply(_)));
    }
}
