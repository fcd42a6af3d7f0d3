//! Changes that can cut a device off: whatever they are, the device comes back by itself, on what it had before.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::report::OutcomeKind;
use muster_proto::state::Mode;
use muster_tests::{Device, Fleet, Network, wait_until};

const DEVICE: &str = "srv-1";

const SOON: Duration = Duration::from_secs(60);

/// How long the server may take to be reached, in seconds.
const PATIENCE: u64 = 6;

/// The good one: everything may be sent.
const OPEN: &str = "  - firewall: { allow: [{ port: 22 }] }\n";

/// Firewalls over which no device reaches its server.
const SILENT: [&str; 8] = [
    "  - firewall: { allow: [{ port: 22 }], send: [] }\n",
    "  - firewall: { allow: [], send: [{ port: 53, protocol: udp }, { port: 53 }] }\n",
    "  - firewall: { allow: [{ port: 22 }], send: [{ port: \"1-65535\", to: [192.0.2.0/24] }] }\n",
    "  - firewall: { allow: [{ port: 22 }], send: [{ port: \"1-65535\", protocol: udp }] }\n",
    "  - firewall: { allow: [{ port: \"1-65535\" }], send: [{ port: \"1-65535\", to: [\"2001:db8::/32\"] }] }\n",
    // The server's address at another port, its port at another address, and every port but its own.
    "  - firewall: { allow: [{ port: 22 }], send: [{ port: 443, to: [10.83.0.1] }] }\n",
    "  - firewall: { allow: [{ port: 22 }], send: [{ port: 8440, to: [10.83.0.2] }] }\n",
    "  - firewall: { allow: [{ port: 22 }], send: [{ port: \"1-8439\" }, { port: \"8441-65535\" }] }\n",
];

fn look(device: &Device<'_>, script: &str) -> Result<String> {
    Ok(device.exec(["sh", "-c", script])?.ok()?.stdout)
}

fn save(fleet: &Fleet<'_>, resources: &str) -> Result<String> {
    fleet.admin.save_profile("edge", &format!("muster: 1\nprofile: edge\nresources:\n{resources}"))?;
    Ok(fleet.admin.assign("edge", &format!("device:{DEVICE}"), Mode::Enforce)?.id)
}

/// Why a resource was undone, once it was.
fn undone(fleet: &Fleet<'_>, id: &str) -> Result<Option<String>> {
    let all = fleet.admin.resources(DEVICE)?;
    let is = |one: &muster_proto::rest::ResourceView| {
        one.resource.as_str() == id && one.outcome == OutcomeKind::Blocked
    };
    let reason = all.into_iter().find(is).and_then(|one| one.reason);
    Ok(reason.filter(|reason| reason.starts_with("undone at ")))
}

/// Saves resources that are to be undone, and waits until the one is said to be, and not for what was saved before.
fn is_undone(fleet: &Fleet<'_>, resources: &str, id: &str) -> Result<()> {
    let before = undone(fleet, id)?;
    save(fleet, resources)?;
    wait_until("the change to be undone", Duration::from_secs(60), || {
        Ok(undone(fleet, id)?.filter(|reason| before.as_ref() != Some(reason)).map(drop))
    })
    .with_context(|| format!("{resources}: {:?}", fleet.admin.resources(DEVICE)))
}

fn enroll<'n>(network: &'n Network) -> Result<Fleet<'n>> {
    let fleet = Fleet::enroll(network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    let settings = format!("serial = \"S-{DEVICE}\"\nreach_within_seconds = {PATIENCE}\n");
    device.write_file("/etc/muster/agent.toml", settings, 0o644)?;
    device.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
    fleet.wait_until_connected(DEVICE)?;
    Ok(fleet)
}

const FIREWALL: &str = "cat /etc/muster/firewall.nft; nft list table inet muster";

#[test]
fn a_firewall_that_cuts_the_device_off_undoes_itself_and_is_not_tried_again() -> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    save(&fleet, OPEN)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    let good = look(device, FIREWALL)?;
    assert!(good.contains("tcp dport 22 accept") && !good.contains("chain output"), "{good}");
    fleet.log_in()?;
    let write = |profile: &str| -> Result<String> {
        let file = network.folder().join(format!("{profile}.yaml"));
        std::fs::write(&file, format!("muster: 1\nprofile: {profile}\nresources:\n{}", SILENT[0]))?;
        Ok(file.to_str().context("the run folder's name is text")?.to_owned())
    };
    let plan = fleet.server.muster(["profile", "plan", &write("edge")?, "--on", DEVICE])?;
    assert!(plan.stdout.contains("hook output priority filter; policy drop"), "it can be read: {plan:?}");
    fleet.server.muster(["profile", "apply", &write("silent")?, "--yes"])?.ok()?;
    let assign = ["assign", "silent", "--to", "device:srv-1", "--precedence", "9", "--yes", "--wait", "2m"];
    let said = fleet.server.muster(assign)?;
    assert!(said.code == Some(1) && said.stderr.contains("undone at "), "{said:?}");
    fleet.server.muster(["unassign", "silent", "--from", "device:srv-1", "--yes"])?.ok()?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(look(device, FIREWALL)?, good);
    // Meanwhile the device says at its console why it is cut off.
    let told = || -> Result<bool> {
        let status = device.exec(["muster-agent", "status"])?.stdout;
        Ok(status.contains("On trial     firewall:incoming: undone unless"))
    };
    save(&fleet, SILENT[0])?;
    wait_until("the trial to be told", SOON, || Ok(told()?.then_some(())))?;
    wait_until("the change to be undone", SOON, || undone(&fleet, "firewall:incoming"))?;
    assert!(!told()?, "the trial is over");
    for silent in &SILENT[1..] {
        is_undone(&fleet, silent, "firewall:incoming")?;
        assert_eq!(look(device, FIREWALL)?, good, "{silent}");
    }

    // Neither a turn nor a new agent tries it again; the same device takes another state at once.
    device.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
    fleet.wait_until_connected(DEVICE)?;
    let plan = device.exec(["muster-agent", "plan"])?;
    assert_eq!(plan.code, Some(0), "{}{}", plan.stdout, plan.stderr);
    assert_eq!(look(device, FIREWALL)?, good);
    let assignment = save(&fleet, "  - firewall: { allow: [{ port: 22 }, { port: 80 }] }\n")?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert!(look(device, FIREWALL)?.contains("tcp dport 80 accept"));
    std::thread::park_timeout(Duration::from_secs(PATIENCE + 2));
    assert!(look(device, FIREWALL)?.contains("tcp dport 80 accept"), "it was confirmed, and is not undone");

    // Drift is no change: it is put right whether or not the server is there.
    look(device, "nft delete table inet muster")?;
    fleet.admin.request("POST", &format!("/devices/{DEVICE}/apply-now"), None)?;
    wait_until("the table to be put right", Duration::from_secs(20), || {
        let table = device.exec(["nft", "list", "table", "inet", "muster"])?;
        Ok(table.stdout.contains("tcp dport 80 accept").then_some(()))
    })?;
    fleet.admin.unassign(&assignment)?;
    wait_until("the table to go", Duration::from_secs(20), || {
        let gone = look(device, "nft list tables; ls /etc/muster")?;
        Ok((!gone.contains("inet muster") && !gone.contains("firewall.nft")).then_some(()))
    })
    .with_context(|| format!("{:?}", fleet.admin.resources(DEVICE)))
}

#[test]
fn a_network_that_cuts_the_device_off_undoes_itself() -> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    let lan = |fields: &str| {
        format!(
            "  - service: {{ name: systemd-networkd, running: true, enabled: true }}\n  - network: {{ name: lan, interface: eth0, {fields} }}\n"
        )
    };
    let own = device.address().to_owned();
    let script = "cat /etc/systemd/network/20-muster-lan.network; ip -4 -o address show dev eth0 | grep -o 'inet [^ ]*'";
    save(&fleet, &lan(&format!("addresses: [{own}/24]")))?;
    fleet.admin.wait_until_applied(DEVICE)?;
    let good = look(device, script)?;
    assert!(good.ends_with(&format!("inet {own}/24\n")), "{good}");
    for bad in [
        "addresses: [192.0.2.5/24]".to_owned(),
        format!("addresses: [{own}/32]"),
        "addresses: [\"2001:db8::5/64\"]".to_owned(),
        "dhcp: true".to_owned(),
        // That of the server.
        "addresses: [10.83.0.1/24]".to_owned(),
        // The site next door, and a prefix that leaves the server out.
        "addresses: [10.83.1.10/24]".to_owned(),
        format!("addresses: [{own}/30]"),
    ] {
        is_undone(&fleet, &lan(&bad), "network:lan")?;
        assert_eq!(look(device, script)?, good, "{bad}");
    }
    Ok(())
}

/// Keeps the device from beginning connections to its server, while those that are there go on.
const CUT: &str = "nft 'table inet test { chain output { type filter hook output priority -10; tcp dport 8440 ct state new reject; }; }'";
const MEND: &str = "nft delete table inet test";

#[test]
fn trust_and_ssh_go_back_too_and_what_was_not_the_changes_fault_is_tried_again() -> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    let ssh = |value: &str| {
        format!(
            "  - ssh_server: {{ name: base, settings: {{ PasswordAuthentication: \"{value}\", MaxAuthTries: 3 }} }}\n"
        )
    };
    let script = "cat /etc/ssh/sshd_config.d/*; sshd -T | grep -i ^passwordauth; systemctl is-active ssh";
    save(&fleet, &ssh("no"))?;
    fleet.admin.wait_until_applied(DEVICE)?;
    let good = look(device, script)?;
    assert!(
        good.contains("PasswordAuthentication no\n") && good.contains("passwordauthentication no\nactive\n"),
        "{good}"
    );

    look(device, CUT)?;
    save(&fleet, &ssh("yes"))?;
    wait_until("the change to be made and undone", Duration::from_secs(60), || {
        let log = device.journal("muster-agent");
        Ok(log.contains("the server was not reached after this change: it is undone").then_some(()))
    })?;
    wait_until("what was there to come back", Duration::from_secs(10), || {
        Ok((look(device, script)? == good).then_some(()))
    })?;
    look(device, MEND)?;
    wait_until("the change to be said to be undone", Duration::from_secs(60), || {
        let all = fleet.admin.resources(DEVICE)?;
        let undone = |reason: &String| reason.starts_with("undone at ");
        Ok(all.iter().any(|one| one.reason.as_ref().is_some_and(undone)).then_some(()))
    })?;
    assert_eq!(look(device, script)?, good);
    // An admin may insist.
    fleet.admin.request("POST", &format!("/devices/{DEVICE}/apply-now"), None)?;
    wait_until("the change to be tried again", SOON, || {
        Ok(look(device, script)?.contains("passwordauthentication yes").then_some(()))
    })?;
    let kept = || -> Result<Option<()>> {
        let all = fleet.admin.resources(DEVICE)?;
        Ok(all.iter().all(|one| one.outcome == OutcomeKind::Kept).then_some(()))
    };
    wait_until("the change to stand", SOON, kept)?;

    // A server that stays away although the change was undone was away for another reason.
    look(device, CUT)?;
    save(&fleet, &ssh("no"))?;
    wait_until("the change to be made and undone again", Duration::from_secs(60), || {
        let log = device.journal("muster-agent");
        Ok((log.matches("the server was not reached after this change: it is undone").count() == 2)
            .then_some(()))
    })?;
    std::thread::park_timeout(Duration::from_secs(PATIENCE + 1));
    look(device, MEND)?;
    wait_until("the change to be tried again by itself", SOON, || {
        Ok((look(device, script)? == good).then_some(()))
    })?;
    wait_until("that change to stand", SOON, kept)?;

    // What sshd refuses never takes its place.
    save(&fleet, "  - ssh_server: { name: base, settings: { PasswordAuthentication: maybe } }\n")?;
    let refused = wait_until("sshd to refuse it", Duration::from_secs(30), || {
        let all = fleet.admin.resources(DEVICE)?;
        let found = all.into_iter().find(|one| one.outcome == OutcomeKind::Failed);
        Ok(found.and_then(|one| one.reason))
    })?;
    assert!(refused.contains("sshd refuses the settings"), "{refused}");
    assert_eq!(look(device, script)?, good);
    Ok(())
}

/// Takes what goes back only where the server is not reached through a bad change that does not cut the device off by itself: the link
/// is cut beside it, and each time the device is back on the old one and says so.
fn all_go_back(fleet: &Fleet<'_>, id: &str, good: &str, bad: &[&str], script: &str) -> Result<()> {
    const UNDONE: &str = "the server was not reached after this change: it is undone";
    let device = fleet.device(DEVICE)?;
    save(fleet, good)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    let before = look(device, script)?;
    let times = || device.journal("muster-agent").matches(UNDONE).count();
    let reason = || -> Result<Option<String>> {
        let all = fleet.admin.resources(DEVICE)?;
        let found = all.into_iter().find(|one| one.resource.as_str() == id);
        Ok(found.and_then(|one| one.reason).filter(|reason| reason.starts_with("undone at ")))
    };
    for bad in bad {
        let (said, undone) = (reason()?, times());
        look(device, CUT)?;
        save(fleet, bad)?;
        wait_until("the change to be made", SOON, || Ok((look(device, script)? != before).then_some(())))
            .with_context(|| format!("{bad}: {}", device.journal("muster-agent")))?;
        wait_until("the change to be undone", SOON, || Ok((times() > undone).then_some(())))
            .with_context(|| bad.to_string())?;
        // The server is back before the device can think that it was away for another reason.
        look(device, MEND)?;
        wait_until("the undoing to be said", SOON, || {
            Ok(reason()?.filter(|reason| said.as_ref() != Some(reason)).map(drop))
        })
        .with_context(|| format!("{bad}: {:?}", fleet.admin.resources(DEVICE)))?;
        ensure!(look(device, script)? == before, "{bad}: {}", look(device, script)?);
    }
    Ok(())
}

#[test]
fn rules_for_logins_that_keep_out_everybody_or_the_admin_undo_themselves_where_the_server_is_not_reached()
-> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    look(device, "useradd -m kim && useradd -m lee")?;
    let rules = |everyone: &str, admin: &str| {
        format!(
            "  - login_rule: {{ name: everyone, from: [{everyone}] }}\n  - login_rule: {{ name: admin, accounts: [kim], from: [{admin}] }}\n"
        )
    };
    let good = rules("local, 10.0.0.0/8", "local, 10.0.0.0/8");
    // su asks PAM whether the account may be used, from the device itself.
    let script = "cat /etc/security/access.d/* /etc/pam.d/common-account; for who in kim lee; do su $who -c true && echo $who may; done; true";
    let everyone = [rules("", "local, 10.0.0.0/8"), rules("192.0.2.0/24", "local, 10.0.0.0/8")];
    all_go_back(&fleet, "login_rule:everyone", &good, &everyone.each_ref().map(String::as_str), script)?;
    let admin = [rules("local, 10.0.0.0/8", ""), rules("local, 10.0.0.0/8", "192.0.2.7")];
    all_go_back(&fleet, "login_rule:admin", &good, &admin.each_ref().map(String::as_str), script)?;
    ensure!(look(device, script)?.ends_with("kim may\nlee may\n"));
    Ok(())
}

#[test]
fn a_trust_anchor_that_takes_the_place_of_another_or_comes_new_goes_back_where_the_server_is_not_reached()
-> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    // The store is made anew with each change, which takes a while with all that come with the system; one of them stays.
    look(
        device,
        "sed -i '/ISRG_Root_X1/!s/^/!/' /etc/ca-certificates.conf && update-ca-certificates --fresh",
    )?;
    let anchor = |name: &str, authority: &str| -> Result<String> {
        let pem = device.make_authority(authority)?.replace('\n', "\\n");
        Ok(format!("  - certificate: {{ name: {name}, pem: \"{pem}\" }}\n"))
    };
    // By name, as the store has them under names of its own.
    let script =
        "cat /usr/local/share/ca-certificates/* /etc/ssl/certs/ca-certificates.crt; ls /etc/ssl/certs";
    let good = anchor("corp", "old")?;
    let other = anchor("corp", "new")?;
    all_go_back(&fleet, "certificate:corp", &good, &[&other], script)?;
    let beside = format!("{good}{}", anchor("guest", "guest")?);
    all_go_back(&fleet, "certificate:guest", &good, &[&beside], script)
}

#[test]
fn settings_of_an_ssh_server_that_shut_it_or_its_admin_out_undo_themselves_and_it_runs_as_before()
-> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let ssh = |settings: &str| format!("  - ssh_server: {{ name: base, settings: {{ {settings} }} }}\n");
    let bad = [
        ssh("AllowUsers: nobody"),
        ssh("PubkeyAuthentication: \"no\", PasswordAuthentication: \"no\""),
        ssh("Port: 2222"),
        // An address that the device does not have: sshd approves of it, and ends once it has read it.
        ssh("ListenAddress: 192.0.2.1"),
    ];
    let script = "cat /etc/ssh/sshd_config.d/*; sshd -T | grep -iE '^(port|listenaddress|allowusers|.*authentication) '; systemctl is-active ssh; ss -Hltn 'sport = :22' | awk '{print $4}' | sort; ssh-keyscan -p 22 127.0.0.1 2>/dev/null | grep -c ed25519; true";
    let good = ssh("MaxAuthTries: 3");
    all_go_back(&fleet, "ssh_server:base", &good, &bad.each_ref().map(String::as_str), script)
}
