//! People and groups on real devices: accounts come and go with who is in a group, under one number everywhere.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::rest::{PersonDetail, PersonView};
use muster_proto::state::{FIRST_PERSON_UID, Mode};
use muster_tests::{Device, Fleet, Network, wait_until};

const SOON: Duration = Duration::from_secs(30);

const TEAM: &str = r#"muster: 1
profile: team
resources:
  - group: { name: engineers, gid: 4000 }
  - account: { from: "group:engineers", groups: [engineers] }
  - account: { for: owner, shell: /bin/sh }
"#;

/// The line of an account in `/etc/passwd`, by its fields.
fn account(device: &Device<'_>, name: &str) -> Result<Option<Vec<String>>> {
    let passwd = device.read_file("/etc/passwd")?;
    let line = passwd.lines().find(|line| line.starts_with(&format!("{name}:")));
    Ok(line.map(|line| line.split(':').map(str::to_owned).collect()))
}

fn uid(device: &Device<'_>, name: &str) -> Result<Option<u32>> {
    account(device, name)?.map(|fields| fields[2].parse().context("a uid")).transpose()
}

/// Whether nobody gets into an account; none where it is not there, or only half made.
fn locked(device: &Device<'_>, name: &str) -> Result<Option<bool>> {
    let shadow = device.read_file("/etc/shadow")?;
    let line = shadow.lines().find(|line| line.starts_with(&format!("{name}:")));
    Ok(line.map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        fields[1].starts_with(['!', '*']) && fields[7] == "1"
    }))
}

fn wait_for_account(device: &Device<'_>, name: &str, number: u32) -> Result<()> {
    wait_until(&format!("the account {name} on {}", device.name()), SOON, || {
        Ok((uid(device, name)? == Some(number) && locked(device, name)? == Some(false)).then_some(()))
    })
}

fn wait_for_lock(device: &Device<'_>, name: &str) -> Result<()> {
    wait_until(&format!("{name} to be locked on {}", device.name()), SOON, || {
        Ok((locked(device, name)? == Some(true)).then_some(()))
    })
}

fn person(fleet: &Fleet<'_>, name: &str) -> Result<PersonView> {
    Ok(fleet.admin.get::<PersonDetail>(&format!("/people/{name}"))?.person)
}

#[test]
fn accounts_follow_who_is_in_a_group_and_numbers_never_return() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1", "srv-2"])?;
    fleet.log_in()?;
    let devices = [fleet.device("srv-1")?, fleet.device("srv-2")?];
    let muster = |args: &[&str]| fleet.server.muster(args)?.ok();
    for name in ["ada", "bob", "cy", "dee"] {
        muster(&["person", "add", name, "--name", &format!("{name} of the tests")])?;
    }
    muster(&["group", "add", "engineers", "--member", "ada", "--member", "bob", "--member", "cy"])?;
    fleet.admin.save_profile("team", TEAM)?;
    fleet.admin.assign("team", "everyone", Mode::Enforce)?;
    for device in devices {
        for name in ["ada", "bob", "cy"] {
            wait_for_account(device, name, person(&fleet, name)?.uid)?;
        }
        assert_eq!(uid(device, "dee")?, None);
        wait_until("all to be in the group on the device", SOON, || {
            Ok(device.read_file("/etc/group")?.contains("engineers:x:4000:ada,bob,cy").then_some(()))
        })?;
    }

    // Somebody who is logged in leaves the group: their processes end, others stay as they are.
    devices[0].exec(["systemd-run", "--unit=bobs", "--uid=bob", "sleep", "1000"])?.ok()?;
    let ada_before = account(devices[0], "ada")?;
    let said = muster(&["group", "member", "remove", "engineers", "bob"])?.stdout;
    assert!(said.contains("2 devices get a new state"), "{said}");
    muster(&["group", "member", "add", "engineers", "dee"])?;
    for device in devices {
        wait_for_lock(device, "bob")?;
        wait_for_account(device, "dee", person(&fleet, "dee")?.uid)?;
        assert!(device.path("/home/bob").exists(), "a home is kept");
        assert_eq!(locked(device, "cy")?, Some(false));
    }
    assert_eq!(account(devices[0], "ada")?, ada_before);
    wait_until("what bob ran to end", SOON, || {
        Ok((!devices[0].exec(["pgrep", "-u", "bob"])?.success()).then_some(()))
    })?;

    // Whoever leaves the company leaves every device, and their number stays theirs.
    let bobs = person(&fleet, "bob")?.uid;
    let cys = person(&fleet, "cy")?.uid;
    muster(&["person", "remove", "cy", "--yes"])?;
    for device in devices {
        wait_for_lock(device, "cy")?;
    }
    muster(&["person", "add", "eve"])?;
    let eves = person(&fleet, "eve")?.uid;
    ensure!(eves != cys && eves != bobs, "{eves} was somebody's");
    let refused = fleet.server.muster(["person", "add", "mallory", "--uid", &cys.to_string()])?;
    assert!(!refused.success() && refused.stderr.contains("never given again"), "{}", refused.stderr);
    let refused = fleet.server.muster(["person", "add", "cy"])?;
    assert!(!refused.success() && refused.stderr.contains("--active"), "{}", refused.stderr);

    // A device changes hands: one account is made, the other locked. The owner's claim is narrower than the group's.
    muster(&["device", "owner", "srv-1", "eve"])?;
    wait_for_account(devices[0], "eve", eves)?;
    muster(&["device", "owner", "srv-1", "ada"])?;
    wait_for_lock(devices[0], "eve")?;
    wait_until("the owner's shell", SOON, || {
        Ok(account(devices[0], "ada")?.is_some_and(|fields| fields[6] == "/bin/sh").then_some(()))
    })?;
    assert_eq!(account(devices[1], "eve")?, None, "it is another device's owner");
    for device in ["srv-1", "srv-2"] {
        let detail = fleet.admin.wait_until_applied(device)?;
        assert_eq!(detail.causes, [], "{device}");
    }

    // Back again: the same number, and only where a group or a device says so.
    muster(&["person", "edit", "cy", "--active"])?;
    muster(&["group", "member", "add", "engineers", "cy"])?;
    for device in devices {
        wait_for_account(device, "cy", cys)?;
    }
    Ok(())
}

#[test]
fn an_account_that_is_nobodys_gets_no_number_that_the_next_person_has() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    let device = fleet.device("srv-1")?;
    let muster = |args: &[&str]| fleet.server.muster(args)?.ok();
    for name in ["ada", "bob"] {
        muster(&["person", "add", name])?;
    }
    muster(&["group", "add", "engineers", "--member", "ada"])?;
    let crew = "muster: 1\nprofile: crew\nresources:\n  - account: { from: \"group:engineers\" }\n";
    fleet.admin.save_profile("crew", crew)?;
    fleet.admin.assign("crew", "everyone", Mode::Enforce)?;
    wait_for_account(device, "ada", person(&fleet, "ada")?.uid)?;

    let vendor =
        "muster: 1\nprofile: vendor\nresources:\n  - group: { name: tools }\n  - account: { name: vendor }\n";
    fleet.admin.save_profile("vendor", vendor)?;
    fleet.admin.assign("vendor", "everyone", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    let numbers = device
        .exec(["sh", "-c", "id -u vendor; id -g vendor; getent group tools | cut -d: -f3"])?
        .ok()?
        .stdout;
    for number in numbers.lines() {
        ensure!(
            (1_000..FIRST_PERSON_UID).contains(&number.parse::<u32>()?),
            "{number} is for a person: {numbers}"
        );
    }

    muster(&["group", "member", "add", "engineers", "bob"])?;
    wait_for_account(device, "bob", person(&fleet, "bob")?.uid)?;
    assert_eq!(fleet.admin.wait_until_applied("srv-1")?.causes, []);
    Ok(())
}

#[test]
fn a_waived_failure_counts_as_waived_until_the_waiver_ends_by_itself() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    let muster = |args: &[&str]| fleet.server.muster(args)?.ok();
    let source = "muster: 1\nprofile: base\nchecks:\n  - { id: nobody-has-a-shell, title: Nobody has a shell, \
                  violations: SELECT username FROM users WHERE shell = '/bin/bash', controls: [CIS-5.4.1] }\n";
    fleet.admin.save_profile("base", source)?;
    fleet.admin.assign("base", "everyone", Mode::Enforce)?;
    let stands = |wanted: &str| {
        wait_until(&format!("srv-1 to be {wanted}"), SOON, || {
            let list = fleet.server.muster(["compliance", "-o", "csv"])?.ok()?.stdout;
            Ok(list.contains(&format!(",ready,{wanted},")).then_some(()))
        })
    };
    stands("failing")?;
    let said = muster(&[
        "waiver",
        "add",
        "nobody-has-a-shell",
        "--to",
        "srv-1",
        "--reason",
        "root needs one",
        "--until",
        "15s",
    ])?
    .stdout;
    assert!(said.contains("It covers 1 failing device now."), "{said}");
    stands("compliant")?;
    let rows = muster(&["check", "show", "nobody-has-a-shell", "--verdict", "waived", "-o", "csv"])?.stdout;
    let row = rows.lines().nth(1).unwrap_or_default();
    assert!(row.starts_with("srv-1,fail,") && row.ends_with(": root needs one"), "{rows}");
    let why = muster(&["why", "srv-1"])?.stdout;
    assert!(why.contains("waived: check nobody-has-a-shell fails"), "{why}");
    let sentence = muster(&["compliance"])?.stdout;
    assert!(sentence.starts_with("1 of 1 compliant (1 with waived failures); 0 failing"), "{sentence}");
    let mistyped = muster(&["compliance", "--label", "labtop"])?.stderr;
    assert!(mistyped.contains("No enrolled device has the label labtop"), "{mistyped}");
    let by = muster(&["compliance", "--by", "control"])?.stdout;
    assert!(by.lines().nth(1).is_some_and(|row| row.starts_with("CIS-5.4.1")), "{by}");
    let report = muster(&["report", "--format", "csv", "--control", "CIS-5.4.1"])?.stdout;
    let row = report.lines().nth(1).unwrap_or_default();
    assert!(row.contains(",srv-1,waived,") && row.contains("root needs one"), "{report}");
    let page = muster(&["report"])?.stdout;
    assert!(page.starts_with("<!doctype html>") && !page.contains("<script"), "one page without scripts");
    stands("failing")?;
    let ended = muster(&["waiver", "list", "--all", "-o", "csv"])?.stdout;
    assert!(ended.trim_end().ends_with(",server"), "{ended}");
    Ok(())
}
