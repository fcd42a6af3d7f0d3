//! Kinds that set up the system itself, as far as a file system can stand for it.

use super::*;

impl Machine {
    /// A file with the directories above it.
    fn put(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(super) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Applies, applies again, takes back; fails unless the second changes nothing and the last leaves all as it was.
    async fn applies_once_and_goes_without_a_trace(&mut self, wanted: &Composition) {
        let before = self.snapshot();
        assert_eq!(self.converge(wanted).await, BTreeMap::new());
        assert_eq!(self.plan(wanted).await.steps, []);
        assert_eq!(self.converge(&Composition::default()).await, BTreeMap::new());
        assert_eq!(self.snapshot(), before);
        assert!(self.records.is_empty(), "{:?}", self.records);
    }
}

const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
const FORWARD_FILE: &str = "/etc/sysctl.d/90-muster-net.ipv4.ip_forward.conf";

fn forwarding() -> Machine {
    let machine = Machine::new();
    machine.put(FORWARD, "0\n");
    machine.put("/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n");
    machine.put("/proc/sys/net/ipv4/conf/eth0.100/rp_filter", "0\n");
    fs::create_dir(machine.path("/etc/sysctl.d")).unwrap();
    machine
}

#[test]
fn a_setting_of_the_kernel_is_made_now_and_for_every_boot_kept_and_put_back() {
    let mut machine = forwarding();
    let wanted = composition(&[
        json!({"sysctl": {"name": "net.ipv4.ip_forward", "value": 1}}),
        json!({"sysctl": {"name": "net.ipv4.tcp_rmem", "value": "4096  131072 6291456"}}),
        json!({"sysctl": {"name": "net.ipv4.conf.eth0/100.rp_filter", "value": "2"}}),
    ]);
    block_on(async {
        machine.applies_once_and_goes_without_a_trace(&wanted).await;
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        assert_eq!(machine.text(FORWARD), "1\n");
        let file = "# Managed by Muster: sysctl:net.ipv4.ip_forward\nnet.ipv4.ip_forward = 1\n";
        assert_eq!(machine.text(FORWARD_FILE), file);
        assert_eq!(machine.text("/proc/sys/net/ipv4/conf/eth0.100/rp_filter"), "2\n");
        assert!(machine.path("/etc/sysctl.d/90-muster-net.ipv4.conf.eth0,100.rp_filter.conf").exists());
        let made = machine.snapshot();

        machine.put(FORWARD, "0\n");
        fs::set_permissions(machine.path(FORWARD_FILE), fs::Permissions::from_mode(0o666)).unwrap();
        let drift = machine.plan(&wanted).await;
        let differing: Vec<_> = drift.steps[0].differences.iter().map(|d| d.attribute.as_str()).collect();
        assert_eq!(differing, ["file", "value"]);
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        assert_eq!(machine.snapshot(), made);
    });
}

#[test]
fn a_key_that_the_kernel_lacks_or_that_is_none_is_said_and_nothing_is_written() {
    let mut machine = forwarding();
    let before = machine.snapshot();
    let reasons = block_on(machine.converge(&composition(&[
        json!({"sysctl": {"name": "net.ipv4.nope", "value": 1}}),
        json!({"sysctl": {"name": "net.nope.nope", "value": 1}}),
        json!({"sysctl": {"name": "net.ipv4.conf", "value": 1}}),
    ])));
    assert!(reasons["sysctl:net.ipv4.nope"].contains("this kernel has no net.ipv4.nope"), "{reasons:?}");
    assert!(reasons["sysctl:net.nope.nope"].contains("this kernel has no"), "{reasons:?}");
    assert!(reasons["sysctl:net.ipv4.conf"].contains("stands for several keys"), "{reasons:?}");
    assert_eq!(machine.snapshot(), before);
}

#[test]
fn a_setting_whose_key_is_gone_is_taken_back_as_far_as_there_is_something_left_of_it() {
    let mut machine = forwarding();
    let wanted = composition(&[json!({"sysctl": {"name": "net.ipv4.ip_forward", "value": 1}})]);
    block_on(async {
        machine.converge(&wanted).await;
        fs::remove_file(machine.path(FORWARD)).unwrap();
        assert_eq!(machine.converge(&Composition::default()).await, BTreeMap::new());
    });
    assert!(!machine.path(FORWARD_FILE).exists() && !machine.path(FORWARD).exists());
    assert!(machine.records.is_empty());
}

#[test]
fn what_is_planted_in_place_of_a_file_of_musters_own_is_named_and_left_alone() {
    let mut machine = forwarding();
    machine.put("/etc/secret", "secret");
    let wanted = composition(&[json!({"sysctl": {"name": "net.ipv4.ip_forward", "value": 1}})]);
    symlink("/etc/secret", machine.path(FORWARD_FILE)).unwrap();
    let before = machine.snapshot();
    let reasons = block_on(machine.converge(&wanted));
    assert!(reasons["sysctl:net.ipv4.ip_forward"].contains("a symbolic link"), "{reasons:?}");
    assert_eq!(machine.snapshot(), before);

    fs::remove_file(machine.path(FORWARD_FILE)).unwrap();
    machine.put(FORWARD_FILE, "net.ipv4.ip_forward = 0\n");
    chown(machine.path(FORWARD_FILE), Some(1000), Some(1000)).unwrap();
    let before = machine.snapshot();
    let reasons = block_on(machine.converge(&wanted));
    assert!(reasons["sysctl:net.ipv4.ip_forward"].contains("Muster did not make it"), "{reasons:?}");
    assert_eq!(machine.snapshot(), before);

    chown(machine.path(FORWARD_FILE), Some(0), Some(0)).unwrap();
    block_on(machine.applies_once_and_goes_without_a_trace(&wanted));
    assert_eq!(machine.text(FORWARD_FILE), "net.ipv4.ip_forward = 0\n", "an admin's file comes back");
}

fn with_modules(listed: Option<&str>) -> Machine {
    let machine = Machine::new();
    if let Some(listed) = listed {
        machine.put("/proc/modules", listed);
    }
    machine.put("/proc/sys/kernel/osrelease", "6.1.0-28-amd64\n");
    machine.put(
        "/usr/lib/modules/6.1.0-28-amd64/modules.builtin",
        "kernel/fs/ext4/ext4.ko\nkernel/lib/crc-itu-t.ko\n",
    );
    symlink("usr/lib", machine.path("/lib")).unwrap();
    for dir in ["/etc/modprobe.d", "/etc/modules-load.d"] {
        fs::create_dir(machine.path(dir)).unwrap();
    }
    machine
}

#[test]
fn a_module_that_is_blocked_is_blocked_for_its_hardware_and_for_who_asks_by_name() {
    let mut machine = with_modules(Some("loop 32768 0 - Live 0x0\n"));
    let wanted = composition(&[json!({"kernel_module": {"name": "usb-storage", "state": "blocked"}})]);
    block_on(async {
        machine.applies_once_and_goes_without_a_trace(&wanted).await;
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        let file = machine.text("/etc/modprobe.d/muster-usb_storage.conf");
        assert!(file.ends_with("\nblacklist usb_storage\ninstall usb_storage /bin/false\n"), "{file}");
        fs::remove_file(machine.path("/etc/modprobe.d/muster-usb_storage.conf")).unwrap();
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        assert_eq!(machine.text("/etc/modprobe.d/muster-usb_storage.conf"), file);
    });
}

#[test]
fn a_module_that_is_loaded_already_is_only_kept_for_the_next_boot_and_may_become_blocked() {
    let mut machine = with_modules(Some("br_netfilter 32768 1 bridge, Live 0x0\n"));
    let loaded = composition(&[
        json!({"kernel_module": {"name": "br_netfilter", "state": "loaded"}}),
        json!({"kernel_module": {"name": "ext4", "state": "loaded", "note": "built in"}}),
    ]);
    let blocked = composition(&[json!({"kernel_module": {"name": "br-netfilter", "state": "blocked"}})]);
    let id = "kernel_module:br_netfilter";
    block_on(async {
        machine.applies_once_and_goes_without_a_trace(&loaded).await;
        assert_eq!(machine.converge(&loaded).await, BTreeMap::new());
        assert!(machine.text("/etc/modules-load.d/muster-br_netfilter.conf").ends_with("\nbr_netfilter\n"));

        let reasons = machine.converge(&blocked).await;
        assert!(reasons[id].contains("in use by bridge"), "{reasons:?}");
        assert!(machine.path("/etc/modprobe.d/muster-br_netfilter.conf").exists(), "from the next boot on");
        assert!(!machine.path("/etc/modules-load.d/muster-br_netfilter.conf").exists());
        machine.put("/proc/modules", "");
        assert_eq!(machine.converge(&blocked).await, BTreeMap::new());
    });
}

#[test]
fn what_a_kernel_can_neither_load_nor_be_without_is_said_and_nothing_is_written() {
    for listed in [None, Some("loop 32768 0 - Live 0x0\n")] {
        let mut machine = with_modules(listed);
        let before = machine.snapshot();
        let builtin = json!({"kernel_module": {"name": "crc-itu-t", "state": "blocked"}});
        let reasons = block_on(machine.converge(&composition(&[builtin])));
        assert!(reasons["kernel_module:crc_itu_t"].contains("built into this kernel"), "{reasons:?}");
        assert_eq!(machine.snapshot(), before);
    }
    let mut machine = with_modules(None);
    let before = machine.snapshot();
    let loaded = json!({"kernel_module": {"name": "usb_storage", "state": "loaded"}});
    let reasons = block_on(machine.converge(&composition(&[loaded])));
    assert!(reasons["kernel_module:usb_storage"].contains("loads no modules"), "{reasons:?}");
    assert_eq!(machine.snapshot(), before);
}

#[test]
fn the_device_is_called_as_it_should_be_and_gets_its_file_back_byte_for_byte() {
    let mut machine = Machine::new();
    machine.put("/proc/sys/kernel/hostname", "web\n");
    machine.put("/etc/hostname", "# by hand\nweb");
    let wanted = composition(&[json!({"hostname": {"name": "web"}})]);
    block_on(async {
        machine.applies_once_and_goes_without_a_trace(&wanted).await;
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        assert_eq!(machine.text("/etc/hostname"), "web\n");
        machine.put("/proc/sys/kernel/hostname", "dhcp-7\n");
        let drift = machine.plan(&wanted).await;
        assert_eq!(drift.steps[0].differences[0].from, "dhcp-7");
    });
    fs::remove_file(machine.path("/etc/hostname")).unwrap();
    machine.put("/proc/sys/kernel/hostname", "web\n");
    machine.records.clear();
    block_on(machine.applies_once_and_goes_without_a_trace(&wanted));
}

#[test]
fn entries_stand_among_the_lines_of_others_and_go_alone() {
    let mut machine = Machine::new();
    machine.put("/etc/hosts", "127.0.0.1 localhost\n# theirs\n10.0.0.5 theirs");
    fs::set_permissions(machine.path("/etc/hosts"), fs::Permissions::from_mode(0o640)).unwrap();
    let wanted = composition(&[
        json!({"hosts_entry": {"address": "10.0.0.5", "names": ["db.example.com", "db"]}}),
        json!({"hosts_entry": {"address": "2001:DB8::1", "names": ["db.example.com"]}}),
    ]);
    block_on(async {
        machine.applies_once_and_goes_without_a_trace(&wanted).await;
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        let made = machine.text("/etc/hosts");
        assert!(
            made.contains("10.0.0.5 db.example.com db # Managed by Muster: hosts_entry:10.0.0.5\n"),
            "{made}"
        );
        assert!(made.ends_with("127.0.0.1 localhost\n# theirs\n10.0.0.5 theirs"), "{made}");

        machine.put(
            "/etc/hosts",
            &made.replace("db.example.com db #", "evil.example.com #").replace("theirs\n", "theirs!\n"),
        );
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        assert_eq!(machine.text("/etc/hosts"), made.replace("theirs\n", "theirs!\n"));
        assert_eq!(machine.converge(&Composition::default()).await, BTreeMap::new());
        assert_eq!(machine.text("/etc/hosts"), "127.0.0.1 localhost\n# theirs!\n10.0.0.5 theirs");
    });
    fs::remove_file(machine.path("/etc/hosts")).unwrap();
    block_on(machine.applies_once_and_goes_without_a_trace(&wanted));
    symlink("/etc/passwd", machine.path("/etc/hosts")).unwrap();
    let before = machine.snapshot();
    let reasons = block_on(machine.converge(&wanted));
    assert!(reasons["hosts_entry:10.0.0.5"].contains("a symbolic link"), "{reasons:?}");
    assert_eq!(machine.snapshot(), before);
}

const SSHD: &str = "/etc/sshd_config";

#[test]
fn one_line_is_replaced_added_or_removed_and_every_other_byte_stays() {
    let mut machine = Machine::new();
    let there =
        "# b\u{e9}fore\n#Port 22\nPermitRootLogin yes\n\nUseDNS no\nUseDNS no\nMatch User x\n  Port 1";
    machine.put(SSHD, there);
    fs::set_permissions(machine.path(SSHD), fs::Permissions::from_mode(0o600)).unwrap();
    chown(machine.path(SSHD), Some(0), Some(4000)).unwrap();
    let line = |line: &str, more: Value| {
        let mut fields = json!({"path": SSHD, "line": line});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "line": fields })
    };
    let wanted = composition(&[
        line("Port 2222", json!({"match": ["Port ", "#Port "]})),
        line("PermitRootLogin no", json!({"match": ["PermitRootLogin "]})),
        line("X11Forwarding no", json!({"above": "Match "})),
        line("# managed", json!({"below": "# b"})),
        line("  AllowTcpForwarding no", json!({})),
        line("UseDNS no", json!({"state": "absent"})),
    ]);
    block_on(async {
        machine.applies_once_and_goes_without_a_trace(&wanted).await;
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        let made = "# b\u{e9}fore\n# managed\nPort 2222\nPermitRootLogin no\n\nX11Forwarding no\nMatch User x\n  Port 1\n  AllowTcpForwarding no\n";
        assert_eq!(machine.text(SSHD), made);
        let meta = fs::metadata(machine.path(SSHD)).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.gid()), (0o600, 4000));

        machine.put(SSHD, &made.replace("Port 2222", "Port 23").replace("Match", "# theirs\nMatch"));
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        assert_eq!(machine.text(SSHD), made.replace("Match", "# theirs\nMatch"));

        machine.put(SSHD, &made.replace("Port 2222", "Port 23"));
        let reasons = machine.converge(&Composition::default()).await;
        assert!(reasons["line:/etc/sshd_config//Port "].contains("left as it is"), "{reasons:?}");
        assert!(machine.text(SSHD).contains("\nPort 23\nPermitRootLogin yes\n"), "{}", machine.text(SSHD));
    });
}

#[test]
fn a_line_says_what_it_can_not_do_and_tells_nobody_what_a_file_holds() {
    let mut machine = Machine::new();
    machine.put("/etc/secrets", "token: hunter2\n");
    symlink("/etc/shadow", machine.path("/etc/planted")).unwrap();
    let before = machine.snapshot();
    let wanted = composition(&[
        json!({"line": {"path": "/etc/secrets", "line": "x", "below": "[section]"}}),
        json!({"line": {"path": "/etc/none", "line": "x"}}),
        json!({"line": {"path": "/etc/planted", "line": "x"}}),
        json!({"line": {"path": "/etc/none", "line": "y", "state": "absent"}}),
    ]);
    block_on(async {
        let reasons = machine.converge(&wanted).await;
        assert!(reasons["line:/etc/secrets//x"].contains("no line begins with \"[section]\""), "{reasons:?}");
        assert!(reasons["line:/etc/none//x"].contains("there is no /etc/none"), "{reasons:?}");
        assert!(reasons["line:/etc/planted//x"].contains("a symbolic link"), "{reasons:?}");
        assert_eq!(machine.snapshot(), before);
        let asks = json!({"line": {"path": "/etc/secrets", "line": "token: mine", "match": ["token: "]}});
        let plan = machine.plan(&composition(&[asks])).await;
        assert!(!format!("{plan:?}").contains("hunter2"), "{plan:?}");
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn lines_come_and_go_and_leave_any_file_as_it_was(
        there in "((Port [0-9]|#Port|x|)\n){0,6}(x|Port 1|)",
        (line, matched) in (proptest::sample::select(vec!["Port 1", "x"]), any::<bool>()),
        absent in any::<bool>(),
    ) {
        let mut machine = Machine::new();
        machine.put(SSHD, &there);
        let mut fields = json!({"path": SSHD, "line": line});
        if absent {
            fields["state"] = "absent".into();
        } else if matched {
            fields["match"] = json!(["Port", "#"]);
        }
        let wanted = composition(&[json!({ "line": fields })]);
        block_on(machine.applies_once_and_goes_without_a_trace(&wanted));
    }
}

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const ANCHOR: &str = "/usr/local/share/ca-certificates/muster-corp.crt";

/// A certificate of an authority that ended with its key.
fn authority() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["corp.example".to_owned()]).unwrap();
    let encoded = data_encoding::BASE64.encode(params.self_signed(&key).unwrap().der());
    format!("-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n")
}

#[test]
fn a_certificate_is_trusted_when_it_is_in_the_store_and_not_when_its_file_is_there() {
    let mut machine = Machine::new();
    let pem = authority();
    let wanted = composition(&[json!({"certificate": {"name": "corp", "pem": pem}})]);
    let Claimed::Apply(resource) = &wanted.claims[&ResourceId::new("certificate", "corp")].claimed else {
        panic!("claimed")
    };
    let rendered = String::from_utf8(resource.content("file").unwrap()).unwrap();
    machine.put(BUNDLE, &authority());
    block_on(async {
        let plan = machine.plan(&wanted).await;
        assert_eq!(plan.steps[0].differences.len(), 2, "{plan:?}");
        machine.put(ANCHOR, &rendered);
        let plan = machine.plan(&wanted).await;
        assert_eq!(plan.steps[0].differences[0].attribute, "trusted", "{plan:?}");
        machine.put(BUNDLE, &format!("{}{rendered}", authority()));
        assert_eq!(machine.plan(&wanted).await.steps, []);

        // A crash came between the file and the store.
        let step = Step {
            from: Condition::present([("file", "none".into()), ("trusted", false.into())]),
            ..plan.steps[0].clone()
        };
        let mut record = record_of(&step, None, json!({"pem": rendered}));
        record.wrote = record.intended.take().unwrap();
        machine.records.insert(step.id, record);
        fs::remove_file(machine.path(ANCHOR)).unwrap();
        let plan = machine.plan(&Composition::default()).await;
        assert_eq!(plan.steps.len(), 1, "{plan:?}");
        assert_eq!(plan.steps[0].differences[0].attribute, "trusted", "{plan:?}");
    });
}

#[test]
fn what_is_no_certificate_never_comes_to_the_store() {
    let mut machine = Machine::new();
    fs::create_dir_all(machine.path("/usr/local/share/ca-certificates")).unwrap();
    let before = machine.snapshot();
    let pem = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let wanted = composition(&[json!({"certificate": {"name": "corp", "pem": pem}})]);
    let reasons = block_on(machine.converge(&wanted));
    assert!(reasons["certificate:corp"].contains("can't be read as a certificate"), "{reasons:?}");
    assert_eq!(machine.snapshot(), before);
}

const LOCALTIME: &str = "/etc/localtime";
const SERVERS: &str = "/etc/systemd/timesyncd.conf.d/90-muster.conf";

/// A machine in Etc/UTC that knows one other zone.
fn in_utc() -> Machine {
    let machine = Machine::new();
    for zone in ["Etc/UTC", "Europe/Berlin"] {
        machine.put(&format!("/usr/share/zoneinfo/{zone}"), zone);
    }
    symlink("/usr/share/zoneinfo/Etc/UTC", machine.path(LOCALTIME)).unwrap();
    machine.put("/etc/timezone", "Etc/UTC\n");
    machine.put("/usr/lib/systemd/systemd-timesyncd", "");
    fs::create_dir_all(machine.path("/etc/systemd/timesyncd.conf.d")).unwrap();
    machine
}

#[test]
fn the_zone_and_the_time_servers_are_set_kept_and_put_back() {
    let mut machine = in_utc();
    let wanted = composition(&[
        json!({"time": {"zone": "Europe/Berlin", "servers": ["ntp.corp.example", "10.0.0.1"]}}),
    ]);
    block_on(async {
        machine.applies_once_and_goes_without_a_trace(&wanted).await;
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        let target = fs::read_link(machine.path(LOCALTIME)).unwrap();
        assert_eq!(target.to_str(), Some("/usr/share/zoneinfo/Europe/Berlin"));
        assert_eq!(machine.text("/etc/timezone"), "Europe/Berlin\n");
        assert!(machine.text(SERVERS).ends_with("[Time]\nNTP=\nNTP=ntp.corp.example 10.0.0.1\n"));
        let made = machine.snapshot();

        fs::remove_file(machine.path(LOCALTIME)).unwrap();
        machine.put(SERVERS, "[Time]\nNTP=evil.example\n");
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        assert_eq!(machine.snapshot(), made);
    });
}

#[test]
fn a_zone_that_is_named_from_the_links_own_directory_is_the_same_zone() {
    let mut machine = in_utc();
    fs::remove_file(machine.path(LOCALTIME)).unwrap();
    symlink("../usr/share/zoneinfo/Etc/UTC", machine.path(LOCALTIME)).unwrap();
    let same = composition(&[json!({"time": {"zone": "Etc/UTC"}})]);
    let other = composition(&[json!({"time": {"zone": "Europe/Berlin"}})]);
    block_on(async {
        assert_eq!(machine.plan(&same).await.steps, []);
        machine.applies_once_and_goes_without_a_trace(&other).await;
    });
}

#[test]
fn a_zone_that_is_unknown_and_servers_that_nobody_would_ask_are_said_and_nothing_is_written() {
    let mut machine = in_utc();
    fs::remove_file(machine.path("/usr/lib/systemd/systemd-timesyncd")).unwrap();
    let before = machine.snapshot();
    let reason = |machine: &mut Machine, fields: Value| {
        block_on(machine.converge(&composition(&[json!({ "time": fields })])))["time:time"].clone()
    };
    let unknown = reason(&mut machine, json!({"zone": "Europe/Nowhere"}));
    assert!(unknown.contains("there is no /usr/share/zoneinfo/Europe/Nowhere"), "{unknown}");
    let unasked = reason(&mut machine, json!({"servers": ["ntp.corp.example"]}));
    assert!(unasked.contains("add the package systemd-timesyncd"), "{unasked}");
    assert_eq!(machine.snapshot(), before);

    fs::remove_file(machine.path(LOCALTIME)).unwrap();
    machine.put(LOCALTIME, "a zone by its bytes");
    let before = machine.snapshot();
    let copied = reason(&mut machine, json!({"zone": "Europe/Berlin"}));
    assert!(copied.contains("a regular file in its place"), "{copied}");
    assert_eq!(machine.snapshot(), before);
}

const LOCALE: &str = "/etc/default/locale";
const LISTED: &str = "/etc/locale.gen";

#[test]
fn the_locale_is_the_whole_of_one_file_and_comes_back_as_it_was() {
    let mut machine = Machine::new();
    machine.put(LOCALE, "LANG=C\n");
    let wanted = composition(&[json!({"locale": {"lang": "C.UTF-8", "categories": ["LC_TIME=POSIX"]}})]);
    block_on(async {
        machine.applies_once_and_goes_without_a_trace(&wanted).await;
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        let made = "# Managed by Muster: locale:locale\nLANG=C.UTF-8\nLC_TIME=POSIX\n";
        assert_eq!(machine.text(LOCALE), made);
        machine.put(LOCALE, "LANG=C\n");
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        assert_eq!(machine.text(LOCALE), made);
    });
    let mut other = Machine::new();
    other.put("/etc/locale.conf", "LANG=C\n");
    block_on(other.converge(&wanted));
    assert!(other.text("/etc/locale.conf").contains("LC_TIME=POSIX"), "where others than Debian have it");
    assert!(!other.path(LOCALE).exists());
}

#[test]
fn a_locale_that_nothing_can_generate_is_said_and_never_set() {
    let mut machine = Machine::new();
    fs::create_dir_all(machine.path("/etc/default")).unwrap();
    let wanted = composition(&[json!({"locale": {"lang": "de_DE.UTF-8"}})]);
    let before = machine.snapshot();
    let reasons = block_on(machine.converge(&wanted));
    assert!(reasons["locale:locale"].contains("add the package locales"), "{reasons:?}");
    assert_eq!(machine.snapshot(), before);

    machine.put("/usr/sbin/locale-gen", "");
    machine.put("/usr/share/i18n/SUPPORTED", "fr_FR.UTF-8 UTF-8\n");
    let before = machine.snapshot();
    let reasons = block_on(machine.converge(&wanted));
    assert!(reasons["locale:locale"].contains("no locale de_DE.UTF-8 to generate"), "{reasons:?}");
    assert_eq!(machine.snapshot(), before);
}

#[test]
fn a_locale_that_is_there_is_listed_so_that_an_upgrade_keeps_it() {
    let mut machine = Machine::new();
    machine.put(LISTED, "# de_DE.UTF-8 UTF-8\nen_GB.UTF-8 UTF-8");
    machine.put("/usr/sbin/locale-gen", "");
    machine.put("/usr/share/i18n/SUPPORTED", "de_DE ISO-8859-1\nde_DE.UTF-8 UTF-8\nen_GB.UTF-8 UTF-8\n");
    fs::create_dir_all(machine.path("/etc/default")).unwrap();
    for locale in ["de_DE.utf8", "en_GB.utf8"] {
        fs::create_dir_all(machine.path("/usr/lib/locale").join(locale)).unwrap();
    }
    let of =
        |generate: Value| composition(&[json!({"locale": {"lang": "en_GB.UTF-8", "generate": generate}})]);
    let (both, one) = (of(json!(["de_DE.UTF-8"])), of(json!([])));
    block_on(async {
        machine.applies_once_and_goes_without_a_trace(&both).await;
        assert_eq!(machine.converge(&both).await, BTreeMap::new());
        assert!(machine.text(LISTED).ends_with("\nen_GB.UTF-8 UTF-8\nde_DE.UTF-8 UTF-8\n"));
        assert_eq!(machine.converge(&one).await, BTreeMap::new());
        assert!(!machine.text(LISTED).contains("\nde_DE.UTF-8"), "a later revision does without it");
        assert_eq!(machine.plan(&one).await.steps, []);
    });
}

#[test]
fn a_database_of_settings_that_dconf_did_not_come_to_the_end_of_is_removed_at_the_start() {
    let mut machine = Machine::new();
    for name in ["local", "local.AB12CD", "local.backup", "site.AB12CD"] {
        machine.put(&format!("/etc/dconf/db/{name}"), "GVariant");
    }
    block_on(dconf::catch_up(&mut machine.host)).unwrap();
    let left = fs::read_dir(machine.path("/etc/dconf/db")).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["local", "local.backup", "site.AB12CD"]);
}
