//! The kinds that set up the system itself, one after another on a real device: made so, quiet then, repaired, and gone
//! without a trace.

use std::time::Duration;

use anyhow::{Context as _, Result};
use muster_proto::Timestamp;
use muster_proto::report::OutcomeKind;
use muster_proto::state::Mode;
use muster_tests::{Device, Fleet, Network, wait_until};

const DEVICE: &str = "srv-1";

/// What a shell on the device prints.
fn look(device: &Device<'_>, script: &str) -> Result<String> {
    Ok(device.exec(["sh", "-c", script])?.ok()?.stdout)
}

/// Saves resources as the one profile of the device and waits until each of them has an outcome of that revision.
fn apply(fleet: &Fleet<'_>, resources: &str) -> Result<String> {
    fleet.admin.save_profile("system", &format!("muster: 1\nprofile: system\nresources:\n{resources}"))?;
    let assignment = fleet.admin.assign("system", &format!("device:{DEVICE}"), Mode::Enforce)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    Ok(assignment.id)
}

/// The life of some resources on a device: `script` prints what they are about, `made` must be in it once they are applied,
/// and `drift` is a script that undoes some of it.
fn lives_and_goes(fleet: &Fleet<'_>, resources: &str, script: &str, made: &str, drift: &str) -> Result<()> {
    let device = fleet.device(DEVICE)?;
    let before = look(device, script)?;
    let assignment = apply(fleet, resources)?;
    let applied = look(device, script)?;
    assert!(applied.contains(made), "{made:?} is not in {applied}");
    device.plans_nothing()?;

    look(device, drift)?;
    let repaired = wait_until("the drift to be repaired", Duration::from_secs(20), || {
        Ok((look(device, script)? == applied).then_some(()))
    });
    repaired.with_context(|| format!("it is {:?}", look(device, script)))?;

    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(look(device, script)?, before, "it is not as it was before");
    Ok(())
}

/// The reasons for which resources of the device are not as they should be, once each of `ids` has one.
fn failures(fleet: &Fleet<'_>, resources: &str, ids: &[&str]) -> Result<Vec<String>> {
    fleet.admin.save_profile("system", &format!("muster: 1\nprofile: system\nresources:\n{resources}"))?;
    let assignment = fleet.admin.assign("system", &format!("device:{DEVICE}"), Mode::Enforce)?;
    let reasons = wait_until("what can't be done to be said", Duration::from_secs(30), || {
        let all = fleet.admin.resources(DEVICE)?;
        let reason = |id: &&str| {
            let found = all.iter().find(|one| one.resource.as_str() == *id)?;
            (found.outcome == OutcomeKind::Failed).then(|| found.reason.clone().unwrap_or_default())
        };
        Ok(ids.iter().map(reason).collect::<Option<Vec<_>>>())
    });
    let reasons = reasons.with_context(|| format!("told is {:#?}", fleet.admin.resources(DEVICE)))?;
    fleet.admin.unassign(&assignment.id)?;
    Ok(reasons)
}

#[test]
fn a_setting_of_the_kernel_holds_now_and_at_boot_and_is_put_back() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    // A container is not let to forward packets, whoever asks; how it speaks TCP is its own.
    let script = "cd /proc/sys/net/ipv4; cat tcp_keepalive_time tcp_rmem; ls -l --time-style=+ /etc/sysctl.d; cat /etc/sysctl.d/*muster* || true";
    lives_and_goes(
        &fleet,
        "  - sysctl: { name: net.ipv4.tcp_keepalive_time, value: 600 }\n  - sysctl: { name: net.ipv4.tcp_rmem, value: \"4096 65536 131072\" }\n",
        script,
        "600\n4096\t65536\t131072\n",
        "echo 7200 >/proc/sys/net/ipv4/tcp_keepalive_time; chmod 0666 /etc/sysctl.d/90-muster-net.ipv4.tcp_keepalive_time.conf",
    )?;
    let before = look(device, script)?;
    let reasons = failures(
        &fleet,
        "  - sysctl: { name: net.ipv4.nope, value: 1 }\n  - sysctl: { name: net.ipv4.tcp_keepalive_time, value: none }\n  - sysctl: { name: kernel.panic, value: 7 }\n",
        &["sysctl:net.ipv4.nope", "sysctl:net.ipv4.tcp_keepalive_time", "sysctl:kernel.panic"],
    )?;
    assert!(reasons[0].contains("this kernel has no net.ipv4.nope"), "{reasons:?}");
    assert!(reasons[1].contains("the kernel does not take \"none\""), "{reasons:?}");
    assert!(reasons[2].contains("the key belongs to its host"), "{reasons:?}");
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(look(device, script)?, before);
    Ok(())
}

#[test]
fn a_module_is_blocked_and_what_the_kernel_can_not_load_is_said() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    lives_and_goes(
        &fleet,
        "  - kernel_module: { name: usb-storage, state: blocked }\n",
        "cat /etc/modprobe.d/* 2>/dev/null || true; ls /etc/modules-load.d",
        "blacklist usb_storage\ninstall usb_storage /bin/false\n",
        "rm /etc/modprobe.d/muster-usb_storage.conf",
    )?;
    let loaded = "  - kernel_module: { name: usb-storage, state: loaded }\n";
    let reasons = failures(&fleet, loaded, &["kernel_module:usb_storage"])?;
    assert!(reasons[0].contains("usb_storage"), "{reasons:?}");
    assert!(!fleet.device(DEVICE)?.path("/etc/modules-load.d/muster-usb_storage.conf").exists());
    Ok(())
}

#[test]
fn a_device_is_renamed_and_gets_its_name_back() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    lives_and_goes(
        &fleet,
        "  - hostname: { template: \"web-{{ device.name }}\" }\n",
        "cat /etc/hostname; uname -n; stat -c '%a %U' /etc/hostname",
        "web-srv-1\nweb-srv-1\n",
        "hostname other; echo other >/etc/hostname",
    )
}

#[test]
fn entries_of_hosts_are_marked_and_go_alone() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    lives_and_goes(
        &fleet,
        "  - hosts_entry: { address: 192.0.2.5, names: [db.example.com, db] }\n  - hosts_entry: { address: \"2001:DB8::5\", names: [db.example.com] }\n",
        "cat /etc/hosts; stat -c '%a %U' /etc/hosts; getent ahosts db | sort || true",
        "192.0.2.5 db.example.com db # Managed by Muster: hosts_entry:192.0.2.5\n",
        "sed -i 's/192.0.2.5 db/192.0.2.6 evil/' /etc/hosts",
    )
}

#[test]
fn one_line_of_a_file_is_managed_and_no_other() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    lives_and_goes(
        &fleet,
        "  - line: { path: /etc/ssh/sshd_config, line: PermitRootLogin no, match: [\"PermitRootLogin \", \"#PermitRootLogin \"] }\n  - line: { path: /etc/ssh/sshd_config, line: X11Forwarding no, match: [\"X11Forwarding \"] }\n  - line: { path: /etc/ssh/sshd_config, line: AllowGroups ops, above: \"Match \" }\n  - line: { path: /etc/login.defs, line: \"PASS_MAX_DAYS\\t90\", match: [PASS_MAX_DAYS] }\n",
        "cat /etc/ssh/sshd_config; grep -n PASS_MAX /etc/login.defs; sha256sum /etc/login.defs; stat -c '%a %U' /etc/ssh/sshd_config",
        "\nPermitRootLogin no\n",
        "sed -i 's/^PermitRootLogin no/PermitRootLogin yes/' /etc/ssh/sshd_config",
    )
}

#[test]
fn a_certificate_is_trusted_by_the_whole_system_and_no_longer_when_it_goes() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    let make = "umask 077; openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=Corp -days 30 -keyout /root/key -out /root/corp.pem 2>&1; cat /root/corp.pem";
    let pem: String = look(device, make)?
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .map(|line| format!("        {line}\n"))
        .collect();
    let verify = "openssl verify -no-CAfile -CApath /etc/ssl/certs /root/corp.pem 2>&1 | tail -n 1; sha256sum </etc/ssl/certs/ca-certificates.crt; ls /usr/local/share/ca-certificates; ls -l --time-style=+ /etc/ssl/certs | grep -v 'ca-certificates.crt$'";
    lives_and_goes(
        &fleet,
        &format!("  - certificate:\n      name: corp\n      pem: |\n{pem}"),
        verify,
        "/root/corp.pem: OK\n",
        "rm /usr/local/share/ca-certificates/muster-corp.crt",
    )
}

/// A stand-in for the daemon, which can't set the clock of a container: it shows what there was to read when it started.
const TIMESYNCD: &str = "[Service]\nExecStartPre=-/bin/sh -c 'rm -f /run/read; cp /etc/systemd/timesyncd.conf.d/*.conf /run/read'\nExecStart=/usr/bin/sleep infinity\n";

#[test]
fn the_zone_is_another_and_the_time_comes_from_other_servers_until_that_is_taken_back() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    device.write_file("/usr/lib/systemd/systemd-timesyncd", "", 0o755)?;
    device.write_file("/etc/systemd/system/systemd-timesyncd.service", TIMESYNCD, 0o644)?;
    look(device, "systemctl daemon-reload && systemctl start systemd-timesyncd")?;
    lives_and_goes(
        &fleet,
        "  - time: { zone: Asia/Tokyo, servers: [ntp.corp.example] }\n",
        "readlink /etc/localtime; cat /etc/timezone; date +%Z; systemctl is-active systemd-timesyncd; cat /run/read 2>/dev/null || true",
        "/usr/share/zoneinfo/Asia/Tokyo\nAsia/Tokyo\nJST\nactive\n# Managed by Muster: time:time\n[Time]\nNTP=\nNTP=ntp.corp.example\n",
        "ln -sf ../usr/share/zoneinfo/Etc/UTC /etc/localtime; rm /etc/systemd/timesyncd.conf.d/90-muster.conf",
    )?;
    let reasons = failures(&fleet, "  - time: { zone: Asia/Nowhere }\n", &["time:time"])?;
    assert!(reasons[0].contains("there is no /usr/share/zoneinfo/Asia/Nowhere"), "{reasons:?}");
    Ok(())
}

#[test]
fn a_locale_is_generated_and_set_and_both_are_taken_back() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let unset = failures(&fleet, "  - locale: { lang: de_DE.UTF-8 }\n", &["locale:locale"])?;
    assert!(unset[0].contains("add the package locales"), "{unset:?}");
    fleet.admin.wait_until_applied(DEVICE)?;
    lives_and_goes(
        &fleet,
        "  - package: { name: locales }\n  - locale: { lang: de_DE.UTF-8, categories: [LC_NUMERIC=C.UTF-8] }\n",
        "grep -hs '^[^#]' /etc/default/locale; grep -hs '^[^#]' /etc/locale.gen; localedef --list-archive 2>/dev/null; LC_ALL=de_DE.UTF-8 locale decimal_point 2>/dev/null || true",
        "LANG=de_DE.UTF-8\nLC_NUMERIC=C.UTF-8\nde_DE.UTF-8 UTF-8\nde_DE.utf8\n,\n",
        "sed -i '/^de_DE/d' /etc/locale.gen; echo LANG=C >/etc/default/locale",
    )
}

#[test]
fn a_program_runs_at_set_times_with_exactly_its_arguments() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    let program = "#!/bin/sh\n{ id -un; printf '[%s]\\n' \"$@\"; } >/var/tmp/args\n";
    device.write_file("/usr/local/bin/report all", program, 0o755)?;
    let timer = |more: &str| {
        format!(
            r#"  - timer: {{ name: report, command: ["/usr/local/bin/report all", "100%n", "$HOME ${{PATH}}", "say \"hi\"", 'c:\new', "", ";", "it's"], user: daemon, on_calendar: ["Mon..Fri 02:00"], {more} }}"#
        ) + "\n"
    };
    let resources = timer("randomized_delay: 30m, persistent: true");
    let assignment = apply(&fleet, &resources)?;
    let ran = look(device, "systemctl start muster-timer-report.service; cat /var/tmp/args")?;
    assert_eq!(ran, "daemon\n[100%n]\n[$HOME ${PATH}]\n[say \"hi\"]\n[c:\\new]\n[]\n[;]\n[it's]\n");
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;

    lives_and_goes(
        &fleet,
        &resources,
        "systemctl is-enabled muster-timer-report.timer 2>/dev/null; systemctl is-active muster-timer-report.timer; systemctl show -p RandomizedDelayUSec -p Persistent muster-timer-report.timer; ls -R /etc/systemd/system /var/lib/systemd/timers 2>/dev/null || true",
        "enabled\nactive\n",
        "systemctl -q disable --now muster-timer-report.timer; rm /etc/systemd/system/muster-timer-report.service",
    )?;
    let before = look(device, "ls /etc/systemd/system")?;
    let reasons = failures(
        &fleet,
        "  - timer: { name: a, command: [/usr/bin/true], on_calendar: [daily, \"02:00 Nowhere/None\"] }\n  - timer: { name: b, command: [/usr/bin/true], user: ghost, on_calendar: [daily] }\n  - timer: { name: c, command: [/usr/bin/none], on_calendar: [daily] }\n",
        &["timer:a", "timer:b", "timer:c"],
    )?;
    assert!(
        reasons[0].contains("systemd does not take a time") && reasons[0].contains("Nowhere"),
        "{reasons:?}"
    );
    assert!(reasons[1].contains("the account ghost does not exist"), "{reasons:?}");
    assert!(reasons[2].contains("there is no /usr/bin/none"), "{reasons:?}");
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(look(device, "ls /etc/systemd/system")?, before);
    Ok(())
}

#[test]
fn a_file_system_is_mounted_and_leaves_no_directory_when_it_goes() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    device.write_file("/srv/site/index.html", "hello\n", 0o644)?;
    let tmpfs = |options: &str| {
        format!(
            "  - mount: {{ where: /srv/my-data/scratch, what: tmpfs, type: tmpfs, options: [{options}] }}\n"
        )
    };
    lives_and_goes(
        &fleet,
        &format!(
            "{}  - mount: {{ where: /mnt/site, what: /srv/site, type: bind, options: [ro] }}\n  - directory: {{ path: /srv/my-data/scratch/inside }}\n",
            tmpfs("size=1m, nosuid")
        ),
        r"findmnt -rno TARGET,FSTYPE /srv/my-data/scratch; cat /mnt/site/index.html 2>/dev/null; touch /mnt/site/x 2>/dev/null; ls -R /srv /mnt; systemctl is-enabled 'srv-my\x2ddata-scratch.mount' mnt-site.mount 2>/dev/null; ls -R /etc/systemd/system",
        "/srv/my-data/scratch tmpfs\nhello\n/mnt:\nsite\n",
        "umount /srv/my-data/scratch; systemctl -q disable mnt-site.mount",
    )?;
    apply(&fleet, &tmpfs("size=1m"))?;
    let assignment = apply(&fleet, &tmpfs("size=2m"))?;
    let options = look(device, "findmnt -rno OPTIONS /srv/my-data/scratch")?;
    assert!(options.contains("size=2048k"), "mounted anew with what it should have: {options}");
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;

    look(device, "mkdir /mnt/theirs && mount -t tmpfs theirs /mnt/theirs")?;
    let script = "ls -R /srv /etc/systemd/system; findmnt -rno TARGET | grep -E '^/(srv|mnt)' || true";
    let before = look(device, script)?;
    let reasons = failures(
        &fleet,
        "  - mount: { where: /srv/site, what: tmpfs, type: tmpfs }\n  - mount: { where: /tmp/x, what: tmpfs, type: tmpfs }\n  - mount: { where: /srv/x, what: /srv/none, type: bind }\n  - mount: { where: /mnt/theirs, what: tmpfs, type: tmpfs }\n",
        &["mount:/srv/site", "mount:/tmp/x", "mount:/srv/x", "mount:/mnt/theirs"],
    )?;
    assert!(reasons[0].contains("/srv/site is not empty"), "{reasons:?}");
    assert!(reasons[1].contains("someone other than root can change what is in /tmp"), "{reasons:?}");
    assert!(reasons[2].contains("there is no directory /srv/none"), "{reasons:?}");
    assert!(reasons[3].contains("already, and not by Muster"), "{reasons:?}");
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(look(device, script)?, before);
    Ok(())
}

#[test]
fn browsers_and_desktops_are_told_for_all_users_and_forget_it() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    device
        .exec_within(
            ["sh", "-c", "apt-get -qq update && apt-get -qq install -y dconf-cli"],
            Duration::from_secs(120),
        )?
        .ok()?;
    device.write_file("/etc/dconf/profile/user", "user-db:user\nsystem-db:local\n", 0o644)?;
    let script = "cat /etc/chromium/policies/managed/* /etc/firefox/policies/* /etc/dconf/db/local.d/* 2>/dev/null; cat /etc/dconf/db/local.d/locks/* 2>/dev/null; HOME=/nonexistent dconf read /org/gnome/desktop/screensaver/lock-delay; true";
    lives_and_goes(
        &fleet,
        "  - browser_policy: { browser: chromium, policies: { PasswordManagerEnabled: false } }\n  - browser_policy: { browser: firefox, policies: { DisableTelemetry: true } }\n  - dconf: { name: base, settings: { /org/gnome/desktop/screensaver/lock-delay: \"uint32 7\" }, locked: true }\n",
        script,
        "/org/gnome/desktop/screensaver/lock-delay\nuint32 7\n",
        "echo '{}' >/etc/firefox/policies/policies.json; rm /etc/dconf/db/local.d/90-muster-base",
    )?;
    let reasons = failures(
        &fleet,
        "  - dconf: { name: bad, settings: { /org/gnome/desktop/screensaver/lock-delay: \"uint32\" } }\n",
        &["dconf:bad"],
    )?;
    assert!(reasons[0].contains("dconf refuses the settings"), "{reasons:?}");
    a_database_that_was_not_made_is_made_later(&fleet, device)
}

/// Has `dconf update` fail after the files of settings and locks were changed, and after they went.
fn a_database_that_was_not_made_is_made_later(fleet: &Fleet<'_>, device: &Device<'_>) -> Result<()> {
    const BREAK: &str = r#"mv /usr/bin/dconf /usr/bin/dconf.real && cat >/usr/bin/dconf <<'END' && chmod 0755 /usr/bin/dconf
#!/bin/sh
if [ "$1" = update ]; then echo no room >&2; exit 1; fi
exec /usr/bin/dconf.real "$@"
END"#;
    const MEND: &str = "mv /usr/bin/dconf.real /usr/bin/dconf";
    let settings = |more: &str| {
        format!(
            "  - dconf: {{ name: base, settings: {{ /org/gnome/desktop/screensaver/lock-delay: \"uint32 8\" }}{more} }}\n"
        )
    };
    let delay = "HOME=/nonexistent dconf read /org/gnome/desktop/screensaver/lock-delay";
    let failed = |what: &str| {
        wait_until(what, Duration::from_secs(30), || {
            let all = fleet.admin.resources(DEVICE)?;
            let base = all.into_iter().find(|one| one.resource.as_str() == "dconf:base");
            let reason = base.filter(|base| base.outcome == OutcomeKind::Failed).and_then(|base| base.reason);
            Ok(reason.filter(|reason| reason.contains("no room")))
        })
    };
    let assignment = apply(fleet, &settings(", locked: true"))?;
    let has_locks = |device: &Device<'_>| {
        look(device, "grep -c /org/gnome/desktop/screensaver/lock-delay /etc/dconf/db/local || true")
    };
    assert_eq!(has_locks(device)?, "1\n");
    look(device, BREAK)?;
    fleet
        .admin
        .save_profile("system", &format!("muster: 1\nprofile: system\nresources:\n{}", settings("")))?;
    fleet.admin.unassign(&assignment)?;
    let assignment = fleet.admin.assign("system", &format!("device:{DEVICE}"), Mode::Enforce)?.id;
    failed("the change of the locks to fail")?;
    look(device, MEND)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!((look(device, delay)?, has_locks(device)?), ("uint32 8\n".to_owned(), "0\n".to_owned()));

    look(device, BREAK)?;
    fleet.admin.unassign(&assignment)?;
    failed("the end of the settings to fail")?;
    device.exec(["systemctl", "restart", "muster-agent.service"])?.ok()?;
    failed("it to fail in the next turn, too")?;
    look(device, MEND)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(look(device, delay)?, "");
    device.plans_nothing()
}

#[test]
fn who_reaches_a_device_and_how_its_ssh_server_lets_them_in_is_set_and_goes() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    lives_and_goes(
        &fleet,
        "  - firewall: { allow: [{ port: 22, from: [10.0.0.0/8, \"2001:db8::/32\"] }, { port: \"60000-61000\", protocol: udp, interface: host0 }] }\n  - ssh_server: { name: base, settings: { MaxAuthTries: 3, PasswordAuthentication: \"no\" } }\n",
        "nft list ruleset; ls -l --time-style=+ /etc/muster/firewall.nft 2>/dev/null; ls -l --time-style=+ /etc/ssh/sshd_config.d; sshd -T | grep -iE '^(maxauthtries|passwordauth)'",
        "maxauthtries 3\npasswordauthentication no\n",
        "echo >>/etc/muster/firewall.nft; chmod 0666 /etc/ssh/sshd_config.d/10-muster-base.conf",
    )
}

#[test]
fn who_may_log_in_from_where_is_asked_of_every_login_and_no_longer_when_the_rules_go() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    device.exec(["useradd", "-m", "kim"])?.ok()?;
    // Directories on the way to a file stay when it goes.
    device.exec(["mkdir", "-p", "/etc/security/access.d"])?.ok()?;
    device.exec(["useradd", "-m", "lee"])?.ok()?;
    // su asks PAM whether the account may be used, from the device itself.
    let may = |who: &str| -> Result<bool> { Ok(device.exec(["su", who, "-c", "true"])?.success()) };
    let script = "ls /etc/security/access.d /usr/share/pam-configs 2>/dev/null; cat /etc/pam.d/common-account; cat /etc/security/access.d/* 2>/dev/null || true";
    lives_and_goes(
        &fleet,
        "  - login_rule: { name: desk, accounts: [kim], from: [local, 10.0.0.0/8] }\n  - login_rule: { name: everyone, from: [] }\n",
        script,
        "-:kim EXCEPT root:ALL\n",
        "rm /etc/security/access.d/50-muster-desk.conf; chmod 0666 /etc/security/access.d/80-muster-everyone.conf",
    )?;
    assert!(may("kim")? && may("lee")?, "as before");

    let assignment = apply(
        &fleet,
        "  - login_rule: { name: desk, accounts: [kim], from: [local] }\n  - login_rule: { name: everyone, from: [10.0.0.0/8] }\n",
    )?;
    assert!(may("kim")?, "a rule lets kim in");
    assert!(!may("lee")?, "no rule names lee");
    assert!(may("root")?, "root is never locked out by the rule for everyone");
    let asked = look(
        device,
        "grep -n -m1 'pam_access.so' /etc/pam.d/common-account; grep -n -m1 'pam_unix.so' /etc/pam.d/common-account",
    )?;
    let lines: Vec<u32> = asked.lines().filter_map(|line| line.split(':').next()?.parse().ok()).collect();
    assert!(lines.len() == 2 && lines[0] < lines[1], "pam_unix ends the asking for old passwords: {asked}");
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;

    let end = Timestamp::from_system(std::time::SystemTime::now()).plus_seconds(15);
    let visit =
        format!("  - login_rule: {{ name: visit, accounts: [kim], from: [local], not_after: \"{end}\" }}\n");
    let assignment = apply(&fleet, &visit)?;
    assert!(may("kim")? && may("lee")?);
    wait_until("the visit to be over", Duration::from_secs(60), || Ok((!may("kim")?).then_some(())))?;
    assert!(may("lee")?, "nobody else is concerned");
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert!(may("kim")?, "with the rule its end goes as well");

    // As a power cut leaves what was renamed before it was on the disk.
    device
        .exec(["sh", "-c", "for of in account auth password session; do : >/etc/pam.d/common-$of; done"])?
        .ok()?;
    let assignment =
        apply(&fleet, "  - login_rule: { name: desk, accounts: [kim], from: [local, 10.0.0.0/8] }\n")?;
    assert!(may("kim")?, "all of the system's PAM is there again");
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    let left = look(device, "ls /etc/pam.d; cat /etc/pam.d/common-account")?;
    assert!(left.contains("pam_unix.so") && !left.contains(".pam-old"), "{left}");
    Ok(())
}

#[test]
fn what_comes_after_something_waits_for_it_and_a_service_reads_what_changed_by_reloading() -> Result<()> {
    const UNIT: &str = "[Service]\\nExecStart=/usr/bin/sleep infinity\\nExecReload=/bin/sh -c 'cat /etc/web.conf >>/run/web.read'\\n";
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    let resources = |format: &str, content: &str| {
        format!(
            "  - file: {{ path: /etc/systemd/system/web.service, content: \"{UNIT}\" }}
  - service: {{ name: web, running: true, on_change: reload }}
  - script: {{ name: format, command: [{format}], after: [\"service:web\"] }}
  - file: {{ path: /etc/web.conf, content: \"{content}\\n\", after: [\"script:format\"], notify: [\"service:web\"] }}
  - file: {{ path: /etc/other, content: \"x\\n\" }}
"
        )
    };
    let reasons = failures(&fleet, &resources("/bin/false", "one"), &["script:format"])?;
    assert!(reasons[0].contains("status 1"), "{reasons:?}");

    fleet.admin.save_profile(
        "system",
        &format!("muster: 1\nprofile: system\nresources:\n{}", resources("/bin/false", "one")),
    )?;
    let assignment = fleet.admin.assign("system", &format!("device:{DEVICE}"), Mode::Enforce)?;
    let waits = wait_until("the file to wait", Duration::from_secs(30), || {
        let all = fleet.admin.resources(DEVICE)?;
        let blocked = all
            .into_iter()
            .find(|one| one.resource.as_str() == "file:/etc/web.conf" && one.outcome == OutcomeKind::Blocked);
        Ok(blocked.and_then(|one| one.reason))
    })?;
    assert_eq!(waits, "it comes after script:format, which failed");
    assert!(device.path("/etc/other").exists() && !device.path("/etc/web.conf").exists());
    fleet.admin.unassign(&assignment.id)?;
    fleet.admin.wait_until_applied(DEVICE)?;

    apply(&fleet, &resources("/bin/true", "one"))?;
    let pid = look(device, "systemctl show -P MainPID web")?;
    apply(&fleet, &resources("/bin/true", "two"))?;
    assert_eq!(look(device, "cat /run/web.read")?, "one\ntwo\n", "it was told each time, after the change");
    assert_eq!(look(device, "systemctl show -P MainPID web")?, pid, "it was not restarted");
    Ok(())
}

#[test]
fn a_script_runs_once_and_one_that_fails_runs_again_only_if_that_is_allowed() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    fleet.log_in()?;
    let look_again = || -> Result<()> {
        fleet.server.muster(["device", "apply-now", DEVICE])?.ok()?;
        // A turn is over by then; where nothing changes there is nothing to wait for.
        look(device, "sleep 3").map(drop)
    };
    let runs = |name: &str| look(device, &format!("cat /var/tmp/{name} 2>/dev/null || true"));
    let once = r#"  - script: { name: once, user: daemon, body: "id -un >>/var/tmp/once\n" }"#;
    let until = r#"  - script: { name: until, body: "echo x >>/var/tmp/until\n", unless: [/usr/bin/test, -e, /var/tmp/until] }"#;
    let words =
        r#"  - script: { name: words, command: [/bin/sh, -c, 'echo "$0" >>/var/tmp/words', "$HOME 100%n"] }"#;
    let assignment = apply(&fleet, &format!("{once}\n{until}\n{words}\n"))?;
    look_again()?;
    assert_eq!(runs("words")?, "$HOME 100%n\n");
    assert_eq!((runs("once")?.as_str(), runs("until")?.as_str()), ("daemon\n", "x\n"));
    device.plans_nothing()?;
    look(device, "rm /var/tmp/until")?;
    look_again()?;
    assert_eq!((runs("once")?.as_str(), runs("until")?.as_str()), ("daemon\n", "x\n"));
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    apply(&fleet, once)?;
    assert_eq!(runs("once")?, "daemon\ndaemon\n", "it was taken away and given again");

    let late = r#"  - script: { name: late, user: svcx, body: "id -un >/var/tmp/late\n" }"#;
    fleet.admin.save_profile("system", &format!("muster: 1\nprofile: system\nresources:\n{late}\n"))?;
    fleet.admin.assign("system", &format!("device:{DEVICE}"), Mode::Enforce)?;
    wait_until("the script to wait for its account", Duration::from_secs(30), || {
        let all = fleet.admin.resources(DEVICE)?;
        let blocked = all.iter().find(|one| one.outcome == OutcomeKind::Blocked);
        Ok(blocked.filter(|one| one.reason.as_ref().is_some_and(|reason| reason.contains("svcx"))).map(drop))
    })?;
    look(device, "useradd svcx")?;
    look_again()?;
    assert_eq!(runs("late")?, "svcx\n");

    let failing = |name: &str, more: &str| {
        format!(
            r#"  - script: {{ name: {name}, body: "echo x >>/var/tmp/{name}\necho broken >&2\nexit 3\n"{more} }}"#
        ) + "\n"
    };
    let resources = format!("{}{}", failing("never", ""), failing("again", ", idempotent: true"));
    fleet.admin.save_profile("system", &format!("muster: 1\nprofile: system\nresources:\n{resources}"))?;
    fleet.admin.assign("system", &format!("device:{DEVICE}"), Mode::Enforce)?;
    let reason = || -> Result<String> {
        wait_until("the failure to be said", Duration::from_secs(30), || {
            let all = fleet.admin.resources(DEVICE)?;
            let found = all.iter().find(|one| one.resource.as_str() == "script:never");
            let failed = found.filter(|one| one.outcome == OutcomeKind::Failed);
            Ok(failed.map(|one| one.reason.clone().unwrap_or_default()))
        })
    };
    assert!(reason()?.contains("broken"), "{}", reason()?);
    look_again()?;
    look_again()?;
    assert_eq!(runs("never")?, "x\n");
    assert!(runs("again")?.starts_with("x\nx\n"), "{}", runs("again")?);
    let said = reason()?;
    assert!(said.contains("not declared idempotent") && said.contains("broken"), "{said}");
    Ok(())
}

#[test]
fn a_script_that_is_cut_off_with_the_agent_is_failed_and_not_run_twice() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    let script = r#"  - script: { name: slow, body: "echo x >>/var/tmp/slow\nsleep 4\n" }"#;
    fleet.admin.save_profile("system", &format!("muster: 1\nprofile: system\nresources:\n{script}\n"))?;
    fleet.admin.assign("system", &format!("device:{DEVICE}"), Mode::Enforce)?;
    wait_until("the script to begin", Duration::from_secs(30), || {
        Ok(device.path("/var/tmp/slow").exists().then_some(()))
    })?;
    look(device, "systemctl kill --signal=KILL muster-agent")?;
    let said = wait_until("what became of the script", Duration::from_secs(60), || {
        let all = fleet.admin.resources(DEVICE)?;
        let failed = all.iter().find(|one| one.outcome == OutcomeKind::Failed);
        Ok(failed.and_then(|one| one.reason.clone()))
    })?;
    assert!(said.contains("was cut off, and it is not declared idempotent"), "{said}");
    assert_eq!(look(device, "cat /var/tmp/slow")?, "x\n");
    Ok(())
}

#[test]
fn audit_mode_looks_at_the_system_and_writes_nothing() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    let script = "cat /proc/sys/net/ipv4/tcp_keepalive_time /etc/hosts /etc/hostname; uname -n; find /etc /usr/local -xdev -type f -newer /etc/hosts | grep -v /etc/muster || true; ls -R /srv /etc/systemd /etc/modprobe.d /etc/sysctl.d 2>/dev/null || true";
    let before = look(device, script)?;
    let resources = "  - sysctl: { name: net.ipv4.tcp_keepalive_time, value: 600 }\n  - kernel_module: { name: usb-storage, state: blocked }\n  - hostname: { name: web-1 }\n  - hosts_entry: { address: 192.0.2.5, names: [db] }\n  - line: { path: /etc/issue.net, line: \"# x\" }\n  - line: { path: /etc/issue, line: \"# x\" }\n  - time: { zone: Asia/Tokyo }\n  - locale: { lang: C.UTF-8 }\n  - mount: { where: /srv/x, what: tmpfs, type: tmpfs }\n  - timer: { name: x, command: [/usr/bin/true], on_calendar: [daily] }\n";
    fleet.admin.save_profile("system", &format!("muster: 1\nprofile: system\nresources:\n{resources}"))?;
    fleet.admin.assign("system", &format!("device:{DEVICE}"), Mode::Audit)?;
    let all = wait_until("outcomes of every resource", Duration::from_secs(30), || {
        let all = fleet.admin.resources(DEVICE)?;
        Ok((all.len() == 10).then_some(all))
    })?;
    assert!(all.iter().all(|one| one.outcome == OutcomeKind::Drifted), "{all:#?}");
    assert_eq!(look(device, script)?, before);
    Ok(())
}

#[test]
fn a_proxy_reaches_services_logins_desktops_and_apt_and_leaves_none_of_them_with_it() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let url = "http://proxy.corp.example:3128";
    // What each of them really has, and not what stands in files.
    let script = "systemd-run -q --pipe --wait /usr/bin/env | grep -i _proxy= | sort; echo login; env -i HOME=/root bash -lc env | grep -i _proxy= | sort; echo desktop; env -i HOME=/root /usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator | grep -i _proxy= | sort; echo apt; apt-config dump | grep -i '::Proxy' | sort; stat -c '%n %a %U' /etc/apt/apt.conf.d/*muster* /etc/profile.d/muster* /etc/environment.d/*muster* /etc/systemd/system.conf.d/*muster* 2>/dev/null || true";
    let excepted = "localhost,127.0.0.1,::1,.corp.example,10.0.0.0/8,git.example";
    let names = ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];
    let value = |name: &str| if name.eq_ignore_ascii_case("no_proxy") { excepted } else { url };
    let all: String = names.iter().map(|name| format!("{name}={}\n", value(name))).collect();
    lives_and_goes(
        &fleet,
        &format!("  - proxy: {{ http: \"{url}\", no_proxy: [.corp.example, 10.0.0.0/8, git.example] }}\n"),
        &format!("export LC_ALL=C; {script}"),
        &format!(
            "{all}login\n{all}desktop\n{all}apt\nAcquire::http::Proxy \"{url}\";\nAcquire::http::Proxy::127.0.0.1 \"DIRECT\";\n\
             Acquire::http::Proxy::git.example \"DIRECT\";\nAcquire::http::Proxy::localhost \"DIRECT\";\nAcquire::https::Proxy \"{url}\";\n"
        ),
        "rm /etc/systemd/system.conf.d/90-muster-proxy.conf; systemctl daemon-reload; echo 'export http_proxy=http://evil:1' >/etc/profile.d/muster-proxy.sh; chmod 0666 /etc/apt/apt.conf.d/90muster-proxy",
    )
}

#[test]
fn a_tunnel_is_not_begun_on_a_kernel_that_has_no_wireguard() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    if device.path("/sys/module/wireguard").exists() {
        return Ok(());
    }
    let vpn = "  - service: { name: systemd-networkd, running: true, enabled: true }\n  - network: { name: vpn, interface: wg0, addresses: [10.8.0.2/24], wireguard: { peers: [{ public_key: \"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\", allowed_ips: [10.8.0.0/24] }] } }\n";
    fleet.admin.save_profile("system", &format!("muster: 1\nprofile: system\nresources:\n{vpn}"))?;
    let assignment = fleet.admin.assign("system", &format!("device:{DEVICE}"), Mode::Enforce)?;
    let reason = wait_until("the tunnel to be blocked", Duration::from_secs(30), || {
        let all = fleet.admin.resources(DEVICE)?;
        let is = |one: &&muster_proto::rest::ResourceView| {
            one.resource == "network:vpn" && one.outcome == OutcomeKind::Blocked
        };
        Ok(all.iter().find(is).and_then(|one| one.reason.clone()))
    })?;
    assert!(reason.contains("the kernel of this device has no WireGuard"), "{reason}");
    let plan = device.exec(["muster-agent", "plan"])?;
    assert!(plan.stdout.contains("as the device is now it would not be made"), "{}", plan.stdout);
    // Neither a file nor a key, and no trial.
    let left = look(device, "ls /etc/systemd/network /var/lib/muster")?;
    assert!(!left.contains("vpn"), "{left}");
    assert!(!device.journal("muster-agent").contains("over a new connection"), "no trial was begun");
    fleet.admin.unassign(&assignment.id)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    Ok(())
}
