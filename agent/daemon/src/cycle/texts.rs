//! What changes in texts, beside the digests by which contents are compared.

use muster_converge::diff;
use muster_converge::plan::Record;
use muster_proto::compose::{Claimed, Composition};
use muster_proto::condition::{Difference, NO_FILE};
use muster_proto::resource::Resource;
use muster_proto::{Digest, ResourceId};

use super::hands::Hands;
use super::machine::Machine;
use crate::resource;

/// Texts that are shown of one plan or turn: enough for people to read, and little enough to be sent.
const MOST: usize = 100;

/// Adds to the differences of resources what changes in their texts. A file that others may not read, before or after,
/// keeps its text to itself.
pub(super) fn show<'d, M: Machine>(
    hands: &Hands<M>,
    composition: &Composition,
    all: impl IntoIterator<Item = (&'d ResourceId, &'d mut Vec<Difference>)>,
) {
    let mut left = MOST;
    for (id, differences) in all {
        if left == 0 {
            return;
        }
        if differences.iter().any(becomes_private) {
            continue;
        }
        for difference in differences.iter_mut().take(left) {
            difference.diff = text_diff(hands, composition, id, difference);
            left -= usize::from(difference.diff.is_some());
        }
    }
}

fn text_diff<M: Machine>(
    hands: &Hands<M>,
    composition: &Composition,
    id: &ResourceId,
    difference: &Difference,
) -> Option<String> {
    let attribute = difference.attribute.as_str();
    if let Some(Claimed::Apply(Resource::Script(script))) = composition.claims.get(id).map(|c| &c.claimed) {
        // What ran before is in no file, and what will run stands in the profile.
        return (attribute == "ran").then(|| diff::of_texts("", &script.shown()))?;
    }
    let path = resource::text_path(id, attribute)?;
    let digest = |value: &serde_json::Value| value.as_str()?.parse::<Digest>().ok();
    let to = digest(&difference.to)?;
    let claimed = composition.claims.get(id).and_then(|claim| match &claim.claimed {
        Claimed::Apply(resource) => resource.content(attribute),
        Claimed::NotApplicable | Claimed::Blocked { .. } | Claimed::Unsupported { .. } => None,
    });
    // What was there before a file went may be its owner's alone: of a new one only a profile's text is shown.
    let is_new = difference.from.is_null();
    let wanted = claimed
        .filter(|bytes| Digest::of(bytes) == to)
        .or_else(|| hands.ledger.blob(&to).filter(|_| !is_new))?;
    // What someone changed since it was looked at is not what the digest speaks of.
    let found = if difference.from == NO_FILE || difference.from.is_null() {
        String::new()
    } else {
        let from = digest(&difference.from)?;
        let same = |text: &String| Digest::of(text.as_bytes()) == from;
        let ours = || hands.host.text(&path).filter(|_| is_of_a_profile(hands, id, difference)).filter(same);
        let found = hands.host.public_text(&path).filter(same).or_else(ours);
        // What a profile has Muster write into a file of its own is shown whole where the one before is not for all.
        found.or_else(|| (id.kind() != "file").then(String::new))?
    };
    diff::of_texts(&found, std::str::from_utf8(&wanted).ok()?)
}

/// Whether what is there in a file of Muster's own came from a profile, whoever may read it on the device.
fn is_of_a_profile<M>(hands: &Hands<M>, id: &ResourceId, difference: &Difference) -> bool {
    let wrote = |record: &Record| {
        record.wrote.attributes().and_then(|wrote| wrote.get(&difference.attribute)) == Some(&difference.from)
    };
    id.kind() != "file" && hands.ledger.records().is_ok_and(|records| records.get(id).is_some_and(wrote))
}

/// Whether others lose the right to read a file: then what comes into it is not for them, nor for a page.
fn becomes_private(difference: &Difference) -> bool {
    let others = |mode: &str| u32::from_str_radix(mode, 8).map(|mode| mode & 0o004);
    difference.attribute == "mode" && difference.to.as_str().is_some_and(|mode| others(mode) == Ok(0))
}
