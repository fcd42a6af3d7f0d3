//! What is to come after what: an order that goes round can't be kept.

use std::collections::{BTreeMap, BTreeSet};

use super::{CONFLICT, Claim, Claimed};
use crate::id::ResourceId;

/// Blocks the claims that are to come after themselves, by whatever way.
pub(super) fn settle(claims: &mut BTreeMap<ResourceId, Claim>) {
    let applied = claims.iter().filter(|(_, claim)| matches!(claim.claimed, Claimed::Apply(_)));
    let after = applied.map(|(id, claim)| (id, claim.common.after.as_slice())).collect();
    for id in rounds(&after) {
        let Some(claim) = claims.get_mut(&id) else { continue };
        claim.claimed = Claimed::Blocked { reason: format!("{CONFLICT}{}", goes_round(&claim.common.after)) };
    }
}

/// What is wrong with an `after` by which a resource is to come after itself.
pub(crate) fn goes_round(after: &[ResourceId]) -> String {
    let names: Vec<_> = after.iter().map(ResourceId::as_str).collect();
    format!("it is to come after {}, which comes after it", names.join(" and "))
}

/// Those that come after themselves, or lie between others that do: what is left once all were taken away that wait for
/// nothing, and all that nothing waits for.
pub(crate) fn rounds(after: &BTreeMap<&ResourceId, &[ResourceId]>) -> BTreeSet<ResourceId> {
    let (mut forth, mut back) = (BTreeMap::new(), BTreeMap::<_, BTreeSet<&ResourceId>>::new());
    for (id, names) in after {
        let names: BTreeSet<&ResourceId> = names.iter().filter(|name| after.contains_key(name)).collect();
        for name in &names {
            back.entry(*name).or_default().insert(id);
        }
        if !names.is_empty() {
            forth.insert(*id, names);
        }
    }
    trim(&mut forth, &mut back);
    trim(&mut back, &mut forth);
    forth.into_keys().cloned().collect()
}

/// Takes away all that lead to nothing.
fn trim<'a>(
    leads_to: &mut BTreeMap<&'a ResourceId, BTreeSet<&'a ResourceId>>,
    led_from: &mut BTreeMap<&'a ResourceId, BTreeSet<&'a ResourceId>>,
) {
    let mut ends: Vec<&ResourceId> =
        led_from.keys().copied().filter(|id| !leads_to.contains_key(id)).collect();
    while let Some(end) = ends.pop() {
        for from in led_from.remove(end).unwrap_or_default() {
            let Some(others) = leads_to.get_mut(from) else { continue };
            others.remove(end);
            if others.is_empty() {
                leads_to.remove(from);
                ends.push(from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds_of(edges: &[(&str, &[&str])]) -> Vec<String> {
        let id = |key: &&str| ResourceId::new("file", key);
        let lists: Vec<(ResourceId, Vec<ResourceId>)> =
            edges.iter().map(|(from, to)| (id(from), to.iter().map(id).collect())).collect();
        let after = lists.iter().map(|(from, to)| (from, to.as_slice())).collect();
        rounds(&after).iter().map(|id| id.key().to_owned()).collect()
    }

    #[test]
    fn only_what_comes_after_itself_is_found() {
        assert!(rounds_of(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &["elsewhere"])]).is_empty());
        // What leads to a ring, and what it leads to, can be kept in order but for the ring.
        let ring = rounds_of(&[("x", &["a"]), ("a", &["b"]), ("b", &["a", "y"]), ("y", &["z"]), ("z", &[])]);
        assert_eq!(ring, ["a", "b"]);
    }

    #[test]
    fn a_ring_of_many_is_found_without_going_round_it_for_each() {
        let names: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
        let nexts: Vec<[&str; 1]> =
            (0..names.len()).map(|n| [names[(n + 1) % names.len()].as_str()]).collect();
        let edges: Vec<(&str, &[&str])> =
            names.iter().zip(&nexts).map(|(name, next)| (name.as_str(), next.as_slice())).collect();
        assert_eq!(rounds_of(&edges).len(), names.len());
    }
}
