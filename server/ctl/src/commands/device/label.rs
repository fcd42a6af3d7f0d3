//! `muster device label`: which labels a device has, and with them which profiles.

use std::collections::BTreeSet;

use clap::Args;
use muster_proto::rest::{AssignmentView, DeviceDetail, DevicePatch};

use super::path;
use crate::api::Api;
use crate::failure::{Ending, Failure};
use crate::output;
use crate::terminal::Consent;

/// Add labels to a device or take them off
///
/// A profile that leaves the device with a label is named and confirmed first: what it brought is taken back.
#[derive(Args)]
#[command(after_help = "Example:\n  muster device label lap-ada --add laptop --remove spare")]
pub(crate) struct Label {
    /// Its name, serial or id
    device: String,
    /// A label to add; may be given several times
    #[arg(long)]
    add: Vec<String>,
    /// A label to take off; may be given several times
    #[arg(long)]
    remove: Vec<String>,
    #[command(flatten)]
    consent: Consent,
}

impl Label {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let DeviceDetail { device, assignments, .. } = api.get(&path(&self.device)).await?;
        let before: BTreeSet<String> = device.labels.into_iter().collect();
        let mut labels = before.clone();
        labels.retain(|label| !self.remove.contains(label));
        labels.extend(self.add);
        let leaving = leaving(&assignments, &labels);
        if !leaving.is_empty() {
            let about = format!(
                "{} would leave {}: what it brought is taken back.",
                leaving.into_iter().collect::<Vec<_>>().join(", "),
                device.name
            );
            self.consent.ask(&about, "Go on?", "nothing was changed")?;
        }
        let labels = Some(labels.into_iter().collect());
        let patch = DevicePatch { name: None, owner: None, labels };
        let detail: DeviceDetail = api.patch(&path(&device.id), &patch).await?;
        output::line(format!("{}: {}", detail.device.name, detail.device.labels.join(", ")))?;
        Ok(Ending::Fine)
    }
}

/// The profiles that leave a device which has these assignments when it has only these labels.
fn leaving(assignments: &[AssignmentView], labels: &BTreeSet<String>) -> BTreeSet<String> {
    let stays = |assignment: &&AssignmentView| {
        assignment.target.strip_prefix("label:").is_none_or(|label| labels.contains(label))
    };
    let staying: BTreeSet<_> = assignments.iter().filter(stays).map(|one| &one.profile).collect();
    assignments.iter().map(|one| &one.profile).filter(|profile| !staying.contains(profile)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use muster_proto::Timestamp;
    use muster_proto::state::Mode;

    use super::*;

    fn assignment(profile: &str, target: &str) -> AssignmentView {
        AssignmentView {
            id: format!("{profile} {target}"),
            profile: profile.to_owned(),
            revision: 1,
            target: target.to_owned(),
            precedence: 0,
            mode: Mode::Enforce,
            follow: false,
            params: BTreeMap::new(),
            created_by: "admin:kim".to_owned(),
            created: Timestamp::default(),
            devices: 1,
        }
    }

    #[test]
    fn a_profile_leaves_with_the_last_label_that_brings_it() {
        let all = [
            assignment("base", "everyone"),
            assignment("base", "label:laptop"),
            assignment("vpn", "label:laptop"),
            assignment("docker", "label:laptop"),
            assignment("docker", "label:dev"),
        ];
        let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
        let of = |labels| leaving(&all, &labels).into_iter().collect::<Vec<_>>();
        assert!(of(labels(&["laptop", "dev"])).is_empty());
        assert_eq!(of(labels(&["dev"])), ["vpn"]);
        assert_eq!(of(labels(&[])), ["docker", "vpn"]);
    }
}
