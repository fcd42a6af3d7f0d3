//! A label that comes and goes, on real devices: nothing that it brought is taken back without a word of an admin.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::rest::{DeviceDetail, Removal};
use muster_proto::state::Mode;
use muster_tests::{Fleet, Network, wait_until};

/// One more than may lose something without a confirmation.
const NAMES: [&str; 11] = [
    "lap-01", "lap-02", "lap-03", "lap-04", "lap-05", "lap-06", "lap-07", "lap-08", "lap-09", "lap-10",
    "lap-11",
];
const SOON: Duration = Duration::from_secs(60);
const BROUGHT: &str = "/etc/brought.conf";
const PROFILE: &str =
    "muster: 1\nprofile: laptop\nresources:\n  - file: { path: /etc/brought.conf, content: \"ours\\n\" }\n";

fn csv(label: &str) -> String {
    let rows: String = NAMES.iter().map(|name| format!("S-{name},{name},,{label}\n")).collect();
    format!("serial,name,owner,labels\n{rows}")
}

fn detail(fleet: &Fleet<'_>, name: &str) -> Result<DeviceDetail> {
    fleet.admin.get(&format!("/devices/{name}"))
}

/// The file that the label brought, as it is on each device, and the generation that each has accepted. A file that was
/// taken back and made again is another one.
fn brought(fleet: &Fleet<'_>) -> Result<BTreeMap<&'static str, (String, u64)>> {
    let one = |name: &&'static str| -> Result<_> {
        let device = fleet.device(name)?;
        let file = device.exec(["stat", "-c", "%i %Z", BROUGHT])?.ok()?.line().to_owned();
        Ok((*name, (file, detail(fleet, name)?.device.generation_wanted)))
    };
    NAMES.iter().map(one).collect()
}

fn import(fleet: &Fleet<'_>, network: &Network, label: &str) -> Result<String> {
    let path = network.folder().join("devices.csv");
    std::fs::write(&path, csv(label)).context("writing a list of devices")?;
    let said = fleet.server.muster(["device".as_ref(), "import".as_ref(), path.as_os_str()])?.ok()?;
    Ok(format!("{}{}", said.stdout, said.stderr))
}

fn removals(fleet: &Fleet<'_>) -> Result<Vec<Removal>> {
    let said = fleet.server.muster(["removal", "list", "-o", "json"])?.ok()?.stdout;
    serde_json::from_str(&said).with_context(|| said)
}

/// Long enough for a device to do what it is told.
fn a_while() {
    std::thread::park_timeout(Duration::from_secs(2));
}

#[test]
fn a_label_that_flaps_removes_nothing_from_any_device_until_an_admin_says_so() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &NAMES)?;
    fleet.log_in()?;
    fleet.admin.save_profile("laptop", PROFILE)?;
    fleet.admin.assign("laptop", "label:laptop", Mode::Enforce)?;
    import(&fleet, &network, "laptop")?;
    for name in NAMES {
        fleet.admin.wait_until_applied(name)?;
    }
    let before = brought(&fleet)?;

    // By an import, again and again.
    for _ in 0..4 {
        let said = import(&fleet, &network, "")?;
        ensure!(said.contains("11 devices") && said.contains("muster removal confirm"), "{said}");
        a_while();
        let waiting = removals(&fleet)?;
        ensure!(waiting.len() == 1 && waiting[0].devices == 11, "{waiting:?}");
        let why = fleet.server.muster(["why", NAMES[0]])?.ok()?.stdout;
        ensure!(why.contains("waits for a removal to be confirmed"), "{why}");
        assert_eq!(brought(&fleet)?, before, "nothing is taken back");
        import(&fleet, &network, "laptop")?;
        a_while();
        assert_eq!(removals(&fleet)?, [], "what came back waits for nothing");
        assert_eq!(brought(&fleet)?, before, "and nothing is made anew");
    }

    // By a script at the command line, which nobody answers.
    for _ in 0..3 {
        for name in NAMES {
            let refused = fleet.server.muster(["device", "label", name, "--remove", "laptop"])?;
            ensure!(
                !refused.success() && refused.stderr.contains(&format!("laptop would leave {name}")),
                "{}{}",
                refused.stdout,
                refused.stderr
            );
            fleet.server.muster(["device", "label", name, "--add", "laptop"])?.ok()?;
        }
    }
    a_while();
    assert_eq!(brought(&fleet)?, before);
    for name in NAMES {
        let compliance = detail(&fleet, name)?.device.compliance;
        assert_eq!(format!("{compliance:?}"), "Compliant", "{name}");
    }

    // And with a word it goes.
    import(&fleet, &network, "")?;
    let waiting = removals(&fleet)?;
    fleet.server.muster(["removal", "confirm", &waiting[0].id])?.ok()?;
    for name in NAMES {
        let device = fleet.device(name)?;
        wait_until("what the label brought to be taken back", SOON, || {
            Ok((!device.path(BROUGHT).exists()).then_some(()))
        })?;
    }
    Ok(())
}
