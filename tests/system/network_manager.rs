//! `network` on a device whose interfaces NetworkManager sets up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use muster_proto::Digest;
use muster_proto::report::OutcomeKind;
use muster_proto::resource::network::keyfile::{escaped, uuid};
use muster_proto::state::Mode;
use muster_tests::{Device, Fleet, Network, wait_until};

const DEVICE: &str = "srv-1";
const SOON: Duration = Duration::from_secs(60);
/// How long the server may take to be reached, in seconds.
const PATIENCE: u64 = 10;

fn look(device: &Device<'_>, script: &str) -> Result<String> {
    Ok(device.exec(["sh", "-c", script])?.ok()?.stdout)
}

fn save(fleet: &Fleet<'_>, resources: &str) -> Result<String> {
    fleet.admin.save_profile("net", &format!("muster: 1\nprofile: net\nresources:\n{resources}"))?;
    Ok(fleet.admin.assign("net", &format!("device:{DEVICE}"), Mode::Enforce)?.id)
}

fn reason(fleet: &Fleet<'_>, id: &str, outcome: OutcomeKind, part: &str) -> Result<String> {
    wait_until(&format!("{id} to be {outcome:?}: {part}"), SOON, || {
        let all = fleet.admin.resources(DEVICE)?;
        let found = all.into_iter().find(|one| one.resource.as_str() == id && one.outcome == outcome);
        Ok(found.and_then(|one| one.reason).filter(|reason| reason.contains(part)))
    })
    .with_context(|| format!("{:?}", fleet.admin.resources(DEVICE)))
}

/// An enrolled device on which NetworkManager has a profile of somebody else's for the one interface.
fn enroll<'n>(network: &'n Network) -> Result<Fleet<'n>> {
    let fleet = Fleet::enroll(network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    let install = "export DEBIAN_FRONTEND=noninteractive; apt-get -q update && apt-get -q -y --no-install-recommends install network-manager wpasupplicant";
    device.exec_within(["sh", "-c", install], Duration::from_secs(180))?.ok()?;
    let theirs = format!(
        "[connection]\nid=theirs\ntype=ethernet\ninterface-name=eth0\n\n[ipv4]\nmethod=manual\naddress1={}/24\n\n[ipv6]\nmethod=link-local\n",
        device.address()
    );
    device.write_file("/etc/NetworkManager/system-connections/theirs.nmconnection", theirs, 0o600)?;
    look(
        device,
        "nmcli connection load /etc/NetworkManager/system-connections/theirs.nmconnection && nmcli connection up theirs",
    )?;
    let settings = format!("serial = \"S-{DEVICE}\"\nreach_within_seconds = {PATIENCE}\n");
    device.write_file("/etc/muster/agent.toml", settings, 0o644)?;
    device.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
    fleet.wait_until_connected(DEVICE)?;
    Ok(fleet)
}

fn hex(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string().rsplit(':').next().unwrap_or_default().to_owned()
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files.extend(files_below(&entry.path())?);
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// What sets up the interface, its addresses, and the files.
const STATE: &str = "nmcli -g GENERAL.CONNECTION device show eth0; ip -4 -o address show dev eth0 | grep -o 'inet [^ ]*'; ls -l --time-style=+ /etc/NetworkManager/system-connections; cat /etc/NetworkManager/system-connections/*; ls /etc/systemd/network";

#[test]
fn network_manager_takes_a_wired_network_undoes_what_cuts_it_off_and_gives_back_the_one_before() -> Result<()>
{
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    let own = device.address().to_owned();
    let before = look(device, STATE)?;
    assert!(before.starts_with(&format!("theirs\ninet {own}/24\n")), "{before}");

    let lan = |fields: &str| format!("  - network: {{ name: lan, interface: eth0, {fields} }}\n");
    save(&fleet, &lan(&format!("addresses: [{own}/24, 192.0.2.7/24], domains: [corp.example]")))?;
    fleet.admin.wait_until_applied(DEVICE).with_context(|| device.journal("muster-agent"))?;
    let good = look(device, STATE)?;
    assert!(good.starts_with("muster-lan\n") && good.contains("inet 192.0.2.7/24\n"), "{good}");
    assert!(!good.contains("20-muster"), "networkd is told nothing: {good}");
    device.plans_nothing()?;

    // What someone changes is put right, in the file and on the interface.
    look(
        device,
        "nmcli connection modify muster-lan ipv4.addresses 192.0.2.66/24 && nmcli -w 5 connection up muster-lan || true",
    )?;
    wait_until("the drift to be repaired", SOON, || Ok((look(device, STATE)? == good).then_some(())))
        .with_context(|| {
            format!("{}\n{}", look(device, STATE).unwrap_or_default(), device.journal("muster-agent"))
        })?;

    for bad in ["addresses: [192.0.2.5/24]", "dhcp: true"] {
        save(&fleet, &lan(bad))?;
        reason(&fleet, "network:lan", OutcomeKind::Blocked, "undone at ")
            .with_context(|| device.journal("muster-agent"))?;
        assert_eq!(look(device, STATE)?, good, "{bad}");
        save(&fleet, &lan(&format!("addresses: [{own}/24, 192.0.2.7/24], domains: [corp.example]")))?;
        fleet.admin.wait_until_applied(DEVICE)?;
    }
    let assignment = save(&fleet, &lan("addresses: [10.0.0.5/24], gateways: [10.0.0.1, 10.0.0.2]"))?;
    reason(&fleet, "network:lan", OutcomeKind::Blocked, "one gateway")?;
    assert_eq!(look(device, STATE)?, good);

    fleet.admin.unassign(&assignment)?;
    wait_until("their own network to come back", SOON, || Ok((look(device, STATE)? == before).then_some(())))
        .with_context(|| {
            format!("{}\n{}", look(device, STATE).unwrap_or_default(), device.journal("muster-agent"))
        })
}

#[test]
fn a_wifi_gets_its_secret_on_the_device_and_tells_it_nobody() -> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    let script = "cat /etc/NetworkManager/system-connections/muster-* 2>/dev/null; stat -c '%a %U' /etc/NetworkManager/system-connections/muster-* 2>/dev/null; nmcli -g NAME connection show | grep muster- || true";
    let before = look(device, script)?;
    let air = "  - network:\n      { name: air, interface: wlan0, dhcp: true, wifi: { ssid: \"Corp [x]; Üb\", hidden: true, access: { psk: { psk_file: /etc/wifi.psk } } } }\n  - network:\n      name: office\n      interface: wlan0\n      dhcp: true\n      wifi:\n        ssid: Office\n        access:\n          enterprise: { identity: \"host/lap 1\", anonymous_identity: anonymous, ca_file: /etc/wifi-ca.pem, domain: radius.corp.example, method: { peap: { password_file: /etc/wifi.password } } }\n";
    save(&fleet, air)?;
    let missing = reason(&fleet, "network:air", OutcomeKind::Failed, "/etc/wifi.psk")?;
    assert!(missing.contains("there is no /etc/wifi.psk"), "{missing}");
    device.write_file("/etc/wifi-ca.pem", "", 0o644)?;
    device.write_file("/etc/wifi.psk", "walnut harbour \\eleven\n", 0o644)?;
    device.write_file("/etc/wifi.password", "lamps #;= seven\n", 0o600)?;
    fleet.admin.request("POST", &format!("/devices/{DEVICE}/apply-now"), None)?;
    reason(&fleet, "network:air", OutcomeKind::Failed, "others than root could read")?;
    look(device, "chmod 0600 /etc/wifi.psk")?;
    fleet.admin.request("POST", &format!("/devices/{DEVICE}/apply-now"), None)?;
    wait_until("the Wi-Fi to be known", SOON, || {
        Ok(look(device, script)?.contains("\nmuster-air\n").then_some(()))
    })
    .with_context(|| format!("{:?}", fleet.admin.resources(DEVICE)))?;
    let applied = look(device, script)?;
    assert!(applied.contains("600 root\n600 root\n"), "{applied}");
    // NetworkManager itself reads back what was meant, once it has taken up the secrets too.
    let query = "nmcli -s -g 802-11-wireless.ssid,802-11-wireless.hidden,802-11-wireless-security.psk connection show muster-air; nmcli -s -g 802-1x.eap,802-1x.identity,802-1x.password,802-1x.domain-match,802-1x.ca-cert connection show muster-office";
    wait_until("NetworkManager to read what was meant", SOON, || {
        let Ok(shown) = look(device, query) else { return Ok(None) };
        let air = [r"walnut harbour \\eleven", r"walnut harbour \eleven"]
            .map(|psk| format!("Corp [x]; Üb\nyes\n{psk}\n"));
        let is_meant = air.iter().any(|air| shown.starts_with(air))
            && shown.contains("peap\nhost/lap 1\nlamps #;= seven\nradius.corp.example\n");
        Ok(is_meant.then_some(()))
    })
    .with_context(|| look(device, query).unwrap_or_default())?;
    device.plans_nothing()?;

    // Another secret in the file is taken up, and none is in a log, on the server or in the arguments of anything.
    device.write_file("/etc/wifi.psk", "orchard harbour\n", 0o600)?;
    fleet.admin.request("POST", &format!("/devices/{DEVICE}/apply-now"), None)?;
    wait_until("the new secret to be taken", SOON, || {
        Ok(look(device, script)?.contains("psk=orchard\\sharbour\n").then_some(()))
    })?;
    let told = format!(
        "{}{}{:?}",
        device.journal("muster-agent"),
        fleet.server.log(),
        fleet.admin.resources(DEVICE)?
    );
    for secret in ["walnut", "orchard", "lamps"] {
        assert!(!told.contains(secret), "{secret} was told");
    }
    // Nor in any file of the agent, the journal or the server, and no digest that a short secret could be found by.
    device.exec(["journalctl", "--sync"])?.ok()?;
    let written = look(device, "cat /etc/NetworkManager/system-connections/muster-air.nmconnection")?;
    let mut needles = vec![];
    for secret in ["walnut harbour \\eleven", "orchard harbour", "lamps #;= seven"] {
        needles.push(secret.split(' ').next().unwrap_or_default().to_owned());
        for text in [secret.to_owned(), format!("{secret}\n"), escaped(secret)] {
            needles.push(hex(&text));
        }
    }
    needles.push(hex(&written));
    let kept = "/var/lib/muster /run/muster /run/log /var/log /run/systemd /run/credentials /var/lib/systemd/coredump /tmp /var/tmp";
    let find = format!(
        "find {kept} -type f -print0 2>/dev/null | xargs -0 grep -laF -f /root/needles; test $? -ne 0"
    );
    device.write_file("/root/needles", needles.join("\n") + "\n", 0o600)?;
    // The search itself finds what is there.
    device.write_file("/var/tmp/planted", &needles[1], 0o600)?;
    assert_eq!(look(device, &format!("{find} || true"))?, "/var/tmp/planted\n");
    look(device, "rm /var/tmp/planted")?;
    let found = device.exec(["sh", "-c", &find])?;
    assert!(found.success() && found.stdout.is_empty(), "{}{}", found.stdout, found.stderr);
    for file in files_below(&fleet.server.data())? {
        let bytes = std::fs::read(&file)?;
        for needle in &needles {
            let is_there = bytes.windows(needle.len()).any(|part| part == needle.as_bytes());
            assert!(!is_there, "{needle} is in {}", file.display());
        }
    }
    let core = look(device, "prlimit --core --noheadings --output SOFT,HARD --pid $(pidof muster-agent)")?;
    assert_eq!(core.split_whitespace().collect::<Vec<_>>(), ["0", "0"], "a core dump would have them");

    let assignment = save(&fleet, air)?;
    fleet.admin.unassign(&assignment)?;
    wait_until("the Wi-Fi to be forgotten", SOON, || Ok((look(device, script)? == before).then_some(())))
}

#[test]
fn a_change_that_cut_the_device_off_is_undone_on_disk_although_network_manager_is_down() -> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    let own = device.address().to_owned();
    let lan = |fields: &str| format!("  - network: {{ name: lan, interface: eth0, {fields} }}\n");
    save(&fleet, &lan(&format!("addresses: [{own}/24]")))?;
    fleet.admin.wait_until_applied(DEVICE)?;
    let file = "cat /etc/NetworkManager/system-connections/muster-lan.nmconnection";
    let good = look(device, file)?;
    save(&fleet, &lan("addresses: [192.0.2.5/24]"))?;
    wait_until("the change to be made", SOON, || {
        Ok(look(device, file)?.contains("192.0.2.5").then_some(()))
    })?;
    device.exec(["systemctl", "stop", "NetworkManager.service"])?.ok()?;
    wait_until("the file from before to come back", SOON, || Ok((look(device, file)? == good).then_some(())))
        .with_context(|| device.journal("muster-agent"))?;
    device.exec(["systemctl", "start", "NetworkManager.service"])?.ok()?;
    reason(&fleet, "network:lan", OutcomeKind::Blocked, "undone at ")
        .with_context(|| device.journal("muster-agent"))?;
    Ok(())
}

#[test]
fn a_profile_wins_over_one_of_the_same_name_and_uuid_that_a_user_had_made() -> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    let own = device.address().to_owned();
    let theirs = format!(
        "useradd --create-home mallory; nmcli connection add type ethernet con-name muster-lan ifname eth0 connection.uuid {} connection.permissions user:mallory ipv4.method manual ipv4.addresses 192.0.2.77/24 autoconnect no",
        uuid("lan")
    );
    look(device, &theirs)?;
    save(&fleet, &format!("  - network: {{ name: lan, interface: eth0, addresses: [{own}/24] }}\n"))?;
    fleet.admin.wait_until_applied(DEVICE).with_context(|| {
        format!("{:?}\n{}", fleet.admin.resources(DEVICE), device.journal("muster-agent"))
    })?;
    let state = look(
        device,
        "nmcli -g GENERAL.CONNECTION device show eth0; nmcli -g connection.permissions,ipv4.addresses connection show muster-lan",
    )?;
    assert_eq!(state.trim(), format!("muster-lan\n\n{own}/24"), "{state}");
    device.exec(["systemctl", "restart", "NetworkManager.service"])?.ok()?;
    wait_until("the profile to be in use again", SOON, || {
        let state =
            look(device, "nmcli -g GENERAL.CONNECTION device show eth0; ip -4 -o address show dev eth0")?;
        Ok((state.starts_with("muster-lan\n") && !state.contains("192.0.2.77")).then_some(()))
    })
}

#[test]
fn a_network_whose_manager_does_not_run_is_foretold_and_blocked_by_one_reason_until_a_service_begins_it()
-> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    look(
        device,
        "ip link add v0 type veth peer name v1 && ip link set v1 up && systemctl disable -q --now systemd-networkd",
    )?;
    let side = "  - network: { name: side, interface: v0, addresses: [192.0.2.9/24] }\n";
    save(&fleet, side)?;
    let idle = "systemd-networkd.service does not run here";
    let reason = reason(&fleet, "network:side", OutcomeKind::Blocked, idle)?;
    let plan = device.exec(["muster-agent", "plan"])?.stdout;
    assert!(plan.contains(&format!("it would not be made: {reason}")), "{plan}");
    assert_eq!(look(device, "ls /etc/systemd/network")?, "", "nothing waits for a day on which it runs");

    // Where the same plan begins it, it is no obstacle.
    let begun = format!("  - service: {{ name: systemd-networkd, running: true, enabled: true }}\n{side}");
    let whole = format!("muster: 1\nprofile: net\nresources:\n{begun}");
    let file = network.folder().join("net.yaml");
    std::fs::write(&file, whole)?;
    fleet.log_in()?;
    let path = file.to_str().context("a path in UTF-8")?;
    let plan = fleet.server.muster(["profile", "plan", path, "--on", DEVICE])?.stdout;
    assert!(plan.contains("network:side") && !plan.contains(idle), "{plan}");
    save(&fleet, &begun)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    wait_until("the network to be set up", SOON, || {
        let there = look(device, "ip -4 -o address show dev v0")?;
        Ok(there.contains("inet 192.0.2.9/24").then_some(()))
    })
}
