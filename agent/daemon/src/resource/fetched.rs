//! What a resource needs from its artifact: until that is here, the resource is left as it is.

use muster_proto::condition::{Condition, LEFT, WAITS};
use muster_proto::resource::Resource;
use muster_proto::resource::archive::{ARTIFACT, NOTHING};

use super::Wanted;
use crate::artifacts::Heard;
use crate::host::Host;

/// What was found, with what there is to say of an artifact that is not here yet, where one is needed to go on.
pub(super) fn or_left(host: &Host, wanted: &Wanted<'_>, found: Condition) -> Condition {
    let Some(resource) = wanted.resource.filter(|resource| needs_more(host, wanted, &found, resource)) else {
        return found;
    };
    let told =
        resource.artifacts().iter().find_map(|(artifact, _)| host.told_of_artifacts.get(artifact).cloned());
    let (attribute, reason) = match told {
        Some(Heard::Missed(reason)) => (LEFT, reason),
        Some(Heard::Coming(reason)) => (WAITS, reason),
        None => (WAITS, "its artifact is to be fetched".to_owned()),
    };
    let mut attributes = found.attributes().cloned().unwrap_or_default();
    attributes.entry(ARTIFACT.to_owned()).or_insert_with(|| NOTHING.into());
    attributes.insert(attribute.to_owned(), reason.into());
    attributes.into_iter().collect()
}

fn needs_more(host: &Host, wanted: &Wanted<'_>, found: &Condition, resource: &Resource) -> bool {
    wanted.holds
        && resource.artifacts().iter().any(|(artifact, _)| !host.artifacts.has(artifact))
        && found.towards(&resource.desired()).is_some()
}
