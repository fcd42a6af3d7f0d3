//! What local users of a device try: to outlive the end of their account, to have their own directory taken for Muster's, to
//! be in a group before there is one.

use std::time::Duration;

use anyhow::{Context as _, Result};
use muster_proto::report::OutcomeKind;
use muster_proto::rest::ResourceView;
use muster_proto::state::Mode;
use muster_tests::{Device, Fleet, Network, wait_until};

const SOON: Duration = Duration::from_secs(30);

/// Each process starts the next one and ends, and now and then leaves a sign of life.
const CHAIN: &str = "while (1) { my $next = fork; exit 0 if $next; unless (++$links % 50) { \
                     open my $sign, '>', $ARGV[0]; print $sign $links } }";

fn sign(account: &str) -> String {
    format!("/home/{account}/sign")
}

/// Starts chains of processes as an account.
fn start_chains(device: &Device<'_>, account: &str) -> Result<()> {
    let script = "for i in 1 2; do setsid setpriv --reuid=$1 --regid=$1 --clear-groups perl -e \"$2\" $3 \
                  </dev/null >/dev/null 2>&1 & done";
    device.exec(["sh", "-c", script, "sh", account, CHAIN, &sign(account)])?.ok()?;
    assert!(goes_on(device, account)?, "the chains of {account} run");
    Ok(())
}

/// Whether some chain of the account is alive.
fn goes_on(device: &Device<'_>, account: &str) -> Result<bool> {
    device.exec(["rm", "-f", &sign(account)])?.ok()?;
    std::thread::park_timeout(Duration::from_secs(2));
    Ok(device.path(sign(account)).exists())
}

#[test]
fn a_chain_of_processes_that_outruns_every_look_ends_with_its_account() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    let end = device.exec(["date", "-u", "-d", "+25 seconds", "+%Y-%m-%dT%H:%M:%SZ"])?.ok()?;
    let account = |name: &str, more: &str| {
        format!("muster: 1\nprofile: {name}\nresources:\n  - account: {{ name: {name}{more} }}\n")
    };
    fleet.admin.save_profile("visitor", &account("visitor", &format!(", not_after: \"{}\"", end.line())))?;
    fleet.admin.save_profile("guest", &account("guest", ""))?;
    fleet.admin.assign("visitor", "device:srv-1", Mode::Enforce)?;
    let guest = fleet.admin.assign("guest", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    start_chains(device, "visitor")?;
    wait_until("the lease to end", SOON, || {
        let shadow = device.exec(["getent", "shadow", "visitor"])?.ok()?;
        let locked = shadow.line().split(':').nth(1).is_some_and(|hash| hash.starts_with('!'));
        Ok(locked.then_some(()))
    })?;
    wait_until("the visitor's chains to end", SOON, || Ok((!goes_on(device, "visitor")?).then_some(())))?;

    start_chains(device, "guest")?;
    fleet.admin.unassign(&guest.id)?;
    wait_until("the guest's chains to end", SOON, || Ok((!goes_on(device, "guest")?).then_some(())))?;
    fleet.admin.wait_until_applied("srv-1")?;
    for account in ["visitor", "guest"] {
        assert!(!device.exec(["pgrep", "-u", account])?.success(), "nothing of {account} runs");
    }
    Ok(())
}

#[test]
fn a_group_and_a_key_that_a_profile_no_longer_names_are_taken_from_the_account_and_its_own_are_left()
-> Result<()> {
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIm9xyJ8bTTIoqkQhVc9cfQdC3OMgVFpUuAvXTbQN4sP";
    let [old, new, own] = ["old", "new", "own"].map(|whose| format!("{KEY} {whose}"));
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    let profile = |bob: &str| {
        format!(
            "muster: 1\nprofile: bob\nresources:\n  - group: {{ name: builders, gid: 4100 }}\n\
             \x20 - group: {{ name: testers, gid: 4101 }}\n  - account: {{ name: bob, {bob} }}\n"
        )
    };
    let groups = || -> Result<Vec<String>> {
        let all = device.exec(["id", "-nG", "bob"])?.ok()?;
        Ok(all.line().split(' ').map(str::to_owned).collect())
    };
    let keys = "/home/bob/.ssh/authorized_keys";
    let all = format!("groups: [builders, testers], ssh_keys: [\"{old}\", \"{new}\"]");
    fleet.admin.save_profile("bob", &profile(&all))?;
    fleet.admin.assign("bob", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    assert_eq!(groups()?, ["bob", "builders", "testers"]);
    device.exec(["gpasswd", "--add", "bob", "video"])?.ok()?;
    device.write_file(keys, format!("{}{own}\n", device.read_file(keys)?), 0o600)?;

    for (bob, left) in [
        (format!("groups: [testers], ssh_keys: [\"{new}\"]"), &["bob", "testers", "video"][..]),
        (String::from("shell: /bin/bash"), &["bob", "video"][..]),
    ] {
        fleet.admin.save_profile("bob", &profile(&bob))?;
        fleet.admin.assign("bob", "device:srv-1", Mode::Enforce)?;
        fleet.admin.wait_until_applied("srv-1")?;
        let mut found = groups()?;
        found.sort_unstable();
        assert_eq!(found, left);
        let found = device.read_file(keys)?;
        assert!(!found.contains(&old) && found.contains(&own), "{found}");
        assert_eq!(found.contains(&new), bob.contains(&new), "{found}");
        device.plans_nothing()?;
    }

    // What goes with its profile is not back with the next one.
    fleet.admin.save_profile("bob", &profile(&format!("groups: [audio], ssh_keys: [\"{new}\"]")))?;
    let given = fleet.admin.assign("bob", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    assert_eq!(groups()?, ["bob", "audio", "video"]);
    fleet.admin.unassign(&given.id)?;
    fleet.admin.wait_until_applied("srv-1")?;
    assert_eq!(groups()?, ["bob", "video"]);
    let found = device.read_file(keys)?;
    assert!(!found.contains(&new) && found.contains(&own), "{found}");
    assert!(device.exec(["passwd", "--status", "bob"])?.ok()?.line().starts_with("bob L"), "it is locked");
    Ok(())
}

/// Waits until the one resource has this outcome.
fn wait_for(fleet: &Fleet<'_>, id: &str, outcomes: &[OutcomeKind]) -> Result<ResourceView> {
    let find = || -> Result<Option<ResourceView>> {
        Ok(fleet.admin.resources("srv-1")?.into_iter().find(|view| view.resource == id))
    };
    let found = wait_until(&format!("{id} to be {outcomes:?}"), SOON, || {
        Ok(find()?.filter(|view| outcomes.contains(&view.outcome)))
    });
    found.with_context(|| format!("{:?}", find().ok().flatten()))
}

#[test]
fn a_directory_that_a_user_moves_into_the_place_of_musters_own_is_not_opened_to_them() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    let device = fleet.device("srv-1")?;
    let profile = "muster: 1\nprofile: shared\nresources:\n  - group: { name: builders, gid: 4100 }\n\
                   \x20 - account: { name: mallory, groups: [builders] }\n\
                   \x20 - directory: { path: /srv/shared, group: builders, mode: \"2775\" }\n\
                   \x20 - directory: { path: /srv/shared/in, group: builders, mode: \"2775\" }\n";
    fleet.admin.save_profile("shared", profile)?;
    fleet.admin.assign("shared", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    let private = "mkdir -m 0700 /srv/shared/private && echo precious >/srv/shared/private/secret && chgrp root /srv/shared/private && \
         chmod g-s /srv/shared/private";
    device.exec(["sh", "-c", private])?.ok()?;
    let mallory = |script: &str| {
        device.exec(["setpriv", "--reuid=mallory", "--regid=mallory", "--init-groups", "sh", "-c", script])
    };
    mallory("mv -T /srv/shared/in /srv/shared/away && mv -T /srv/shared/private /srv/shared/in")?.ok()?;
    fleet.server.muster(["device", "apply-now", "srv-1"])?.ok()?;
    let blocked = wait_for(&fleet, "directory:/srv/shared/in", &[OutcomeKind::Blocked])?;
    let reason = blocked.reason.unwrap_or_default();
    assert!(reason.starts_with("it is a directory of root that Muster did not make"), "{reason}");
    assert_eq!(device.exec(["stat", "-c", "%a %U %G", "/srv/shared/in"])?.ok()?.line(), "700 root root");
    assert!(!mallory("cat /srv/shared/in/secret")?.success(), "what was private is so");

    mallory("mv -T /srv/shared/in /srv/shared/private && mv -T /srv/shared/away /srv/shared/in")?.ok()?;
    device.exec(["chmod", "0700", "/srv/shared/in"])?.ok()?;
    fleet.server.muster(["device", "apply-now", "srv-1"])?.ok()?;
    wait_for(&fleet, "directory:/srv/shared/in", &[OutcomeKind::Kept, OutcomeKind::Repaired])?;
    wait_until("Muster's own to be as it should be", SOON, || {
        let there = device.exec(["stat", "-c", "%a %U %G", "/srv/shared/in"])?.ok()?;
        Ok((there.line() == "2775 root builders").then_some(()))
    })
}

#[test]
fn who_holds_the_account_files_keeps_no_account_open() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    let device = fleet.device("srv-1")?;
    fleet.admin.save_profile("eve", "muster: 1\nprofile: eve\nresources:\n  - account: { name: eve }\n")?;
    let assignment = fleet.admin.assign("eve", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    // A tool of root's that stays half-way, and a lock whose number is another process's by now.
    let editor = "--setenv=EDITOR=/usr/bin/sleep infinity #";
    device.exec(["systemd-run", "--unit=holder", editor, "/usr/sbin/vipw"])?.ok()?;
    device.exec(["systemd-run", "--unit=other", "/usr/bin/sleep", "infinity"])?.ok()?;
    let stale = "printf %s $(systemctl show -P MainPID other) >/etc/shadow.lock; until [ -e /etc/passwd.lock ]; do sleep 0.1; done";
    device.exec(["sh", "-c", stale])?.ok()?;
    fleet.admin.unassign(&assignment.id)?;
    wait_until("the account to be locked", Duration::from_secs(90), || {
        let shadow = device.exec(["getent", "shadow", "eve"])?.ok()?;
        Ok((shadow.line().split(':').nth(7) == Some("1")).then_some(()))
    })
    .with_context(|| device.journal("muster-agent"))?;
    assert!(device.exec(["systemctl", "is-active", "other"])?.success(), "who only has the number is left");
    Ok(())
}

#[test]
fn a_right_waits_for_the_group_or_the_account_that_is_to_have_it() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    let device = fleet.device("srv-1")?;
    let rules = |rules: &str| format!("muster: 1\nprofile: rules\nresources:\n{rules}");
    let rule = |group: &str| {
        format!(
            "  - sudo: {{ name: {group}, who: \"%{group}\", commands: [/usr/bin/id], password: false }}\n"
        )
    };
    let made = rule("made") + "  - group: { name: made, gid: 4200 }\n";
    let accounts = "  - sudo: { name: dora, who: dora, commands: [/usr/bin/id] }\n  - account: { name: dora, uid: 4201 }\n  \
                    - sudo: { name: nobodyyet, who: nobodyyet, commands: [/usr/bin/id] }\n";
    fleet.admin.save_profile("rules", &rules(&(rule("deployers") + &made + accounts)))?;
    fleet.admin.assign("rules", "device:srv-1", Mode::Enforce)?;
    wait_for(&fleet, "sudo:made", &[OutcomeKind::Kept, OutcomeKind::Repaired])?;
    wait_for(&fleet, "sudo:dora", &[OutcomeKind::Kept, OutcomeKind::Repaired])?;
    let unknown = wait_for(&fleet, "sudo:nobodyyet", &[OutcomeKind::Blocked])?.reason.unwrap_or_default();
    assert!(unknown.starts_with("there is no account nobodyyet here"), "{unknown}");
    assert!(!device.path("/etc/sudoers.d/muster-nobodyyet").exists());
    let blocked = wait_for(&fleet, "sudo:deployers", &[OutcomeKind::Blocked])?;
    let reason = blocked.reason.unwrap_or_default();
    assert!(reason.starts_with("there is no group deployers here"), "{reason}");
    let plan = device.exec(["muster-agent", "plan"])?.stdout;
    assert!(plan.contains("+ sudo:deployers\n    (Blocked as it is now: there is no group"), "{plan}");
    assert!(!device.path("/etc/sudoers.d/muster-deployers").exists());

    // What anybody's account brings about: a group of its name, and nobody asked for that account to have the right.
    device.exec(["useradd", "--uid", "20001", "deployers"])?.ok()?;
    fleet.server.muster(["device", "apply-now", "srv-1"])?.ok()?;
    wait_until("the person's own group to be told from one for the rule", SOON, || {
        let view = wait_for(&fleet, "sudo:deployers", &[OutcomeKind::Blocked])?;
        Ok(view.reason.is_some_and(|reason| reason.contains("own group of a person's account")).then_some(()))
    })?;
    device.exec(["userdel", "deployers"])?.ok()?;
    device.exec(["groupadd", "deployers"])?.ok()?;
    device.exec(["useradd", "nobodyyet"])?.ok()?;
    fleet.server.muster(["device", "apply-now", "srv-1"])?.ok()?;
    wait_for(&fleet, "sudo:deployers", &[OutcomeKind::Kept, OutcomeKind::Repaired])?;
    wait_for(&fleet, "sudo:nobodyyet", &[OutcomeKind::Kept, OutcomeKind::Repaired])?;
    assert!(device.path("/etc/sudoers.d/muster-deployers").exists());
    Ok(())
}
