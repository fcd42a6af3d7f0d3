//! The profile language from outside: the example of the documentation, the JSON Schema beside the parser, and what
//! hostile sources get for an answer.

#![cfg(all(feature = "yaml", feature = "schema"))]

use muster_proto::profile::Profile;
use muster_proto::resource::Body;
use muster_proto::yaml::{Source, parse_profile};
use serde_json::{Value, json};

const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const EXAMPLE: &str = include_str!("engineering-laptop.yaml");

fn schema() -> jsonschema::Validator {
    jsonschema::validator_for(&Profile::schema()).expect("the schema is one")
}

fn minimal(resource: &Value) -> Value {
    json!({"muster": 1, "profile": "p", "resources": [resource]})
}

/// The errors of a source whose one resource is `resource`, in YAML's flow style.
fn errors(resource: &str) -> Vec<String> {
    let text = format!("muster: 1\nprofile: p\nresources:\n  - {resource}\n");
    match parse_profile(&text) {
        Ok(_) => vec![],
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_example_of_the_documentation_is_a_profile_and_the_schema_says_so_too() {
    let (source, profile) = parse_profile(EXAMPLE).unwrap_or_else(|errors| panic!("{errors:?}"));
    let ids: Vec<_> = profile.resources.iter().map(|declared| declared.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "repository:corp",
            "package:git",
            "package:curl",
            "package:jq",
            "package:chrony",
            "package:telnet",
            "package:tlp",
            "group:engineers",
            "account:@owner",
            "sudo:engineers-docker",
            "directory:/srv/build",
            "file:/etc/motd",
            "file:/etc/chrony/sources.d/corp.sources",
            "service:chrony",
        ]
    );
    let wrong: Vec<_> =
        schema().iter_errors(&source.value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_device_reads_the_example_as_it_was_saved() {
    let (source, saved) = parse_profile(EXAMPLE).unwrap();
    let (read, unread) = Profile::read(&serde_json::to_vec(&source.value).unwrap()).unwrap();
    assert_eq!(saved, read);
    assert_eq!(unread, Vec::<String>::new());
}

#[test]
fn what_the_parser_refuses_by_its_form_the_schema_refuses() {
    let schema = schema();
    let wrong = [
        json!({"muster": 2, "profile": "p"}),
        json!({"profile": "p"}),
        json!({"muster": 1}),
        json!({"muster": 1, "profile": "P"}),
        json!({"muster": 1, "profile": "p", "include": "base"}),
        json!({"muster": 1, "profile": "p", "checks": [{"id": "c", "title": "t", "sql": "SELECT 1"}]}),
        json!({"muster": 1, "profile": "p", "params": {"ntp": {"type": "hostname"}}}),
        minimal(&json!({"fil": {"path": "/a"}})),
        minimal(&json!({"file": {"path": "/a"}, "link": {"path": "/b", "target": "/c"}})),
        minimal(&json!({"file": {}})),
        minimal(&json!({"file": {"path": "etc/motd"}})),
        minimal(&json!({"file": {"path": "/a", "mode": 644}})),
        minimal(&json!({"file": {"path": "/a", "mode": "0999"}})),
        minimal(&json!({"file": {"path": "/a", "contents": "x"}})),
        minimal(&json!({"file": {"path": "/a", "state": "gone"}})),
        minimal(&json!({"file": {"path": "/a", "on_removal": "delete"}})),
        minimal(&json!({"file": {"path": "/a", "when": {"hostname": "x"}}})),
        minimal(&json!({"package": {"name": "-o"}})),
        minimal(&json!({"package": {"name": "telnet-"}})),
        minimal(&json!({"package": {"name": "git", "artifact": "git.deb"}})),
        minimal(&json!({"packages": ["git", "a b"]})),
        minimal(&json!({"account": {"name": "Ada"}})),
        minimal(&json!({"account": {"name": "ada", "uid": -1}})),
        minimal(&json!({"account": {"for": "everyone"}})),
        minimal(&json!({"sudo": {"name": "x", "who": "ALL", "commands": ["/bin/x"]}})),
        minimal(&json!({"sudo": {"name": "x", "who": "ada", "commands": ["/bin/x *"]}})),
        minimal(&json!({"certificate": {"name": "../x", "pem": "x"}})),
        minimal(&json!({"certificate": {"name": "x"}})),
        minimal(&json!({"line": {"path": "etc/a", "line": "x"}})),
        minimal(&json!({"line": {"path": "/etc/a", "line": "x\ny"}})),
        minimal(&json!({"line": {"path": "/etc/a"}})),
        minimal(&json!({"line": {"path": "/etc/a", "line": "x", "match": "x"}})),
        minimal(&json!({"archive": {"path": "/opt/x", "artifact": "sha256:00"}})),
        minimal(&json!({"archive": {"path": "/opt/x", "artifact": DIGEST, "strip": 17}})),
        minimal(&json!({"archive": {"path": "/opt/x", "artifact": DIGEST, "strip": -1}})),
        minimal(&json!({"archive": {"path": "opt", "artifact": DIGEST}})),
        minimal(&json!({"archive": {"path": "/opt/x"}})),
        minimal(&json!({"archive": {"path": "/opt/x", "artifact": DIGEST, "url": "http://example.com/x"}})),
        minimal(&json!({"hosts_entry": {"address": "ten", "names": ["a"]}})),
        minimal(&json!({"hosts_entry": {"address": "10.0.0.5", "names": ["a b"]}})),
        minimal(&json!({"hosts_entry": {"address": "10.0.0.5"}})),
        minimal(&json!({"hostname": {"name": "a..b"}})),
        minimal(&json!({"hostname": {"name": "a\nb"}})),
        minimal(&json!({"kernel_module": {"name": "../x", "state": "blocked"}})),
        minimal(&json!({"kernel_module": {"name": "usb-storage"}})),
        minimal(&json!({"sysctl": {"name": "net.ipv4.../x", "value": 1}})),
        minimal(&json!({"sysctl": {"name": "net.ipv4.ip_forward", "value": 1.5}})),
        minimal(&json!({"sysctl": {"name": "net.ipv4.ip_forward", "value": "1\nkernel.x = 1"}})),
        minimal(&json!({"sysctl": {"name": "net.ipv4.ip_forward", "value": 1, "state": "absent"}})),
        minimal(&json!({"time": {"zone": "../shadow"}})),
        minimal(&json!({"time": {"servers": ["a b"]}})),
        minimal(&json!({"locale": {"lang": "de DE"}})),
        minimal(&json!({"locale": {"lang": "C", "categories": ["LC_ALL=C"]}})),
        minimal(&json!({"locale": {"generate": ["de_DE.UTF-8"]}})),
        minimal(&json!({"mount": {"where": "srv", "what": "tmpfs", "type": "tmpfs"}})),
        minimal(&json!({"mount": {"where": "/srv", "what": "-o", "type": "tmpfs"}})),
        minimal(&json!({"mount": {"where": "/srv", "what": "tmpfs", "type": "tmpfs", "options": ["a,b"]}})),
        minimal(&json!({"timer": {"name": "x", "command": "/bin/true", "on_calendar": ["daily"]}})),
        minimal(&json!({"timer": {"name": "x", "command": ["/bin/true\n"], "on_calendar": ["daily"]}})),
        minimal(&json!({"timer": {"name": "x", "command": ["/bin/true"], "on_calendar": ["daily\n"]}})),
        minimal(
            &json!({"timer": {"name": "x", "command": ["/bin/true"], "on_calendar": ["daily"], "randomized_delay": "1w"}}),
        ),
        minimal(&json!({"script": {"name": "x", "command": "id"}})),
        minimal(&json!({"updates": {"which": "security", "windows": [{"from": "2:00", "to": "05:00"}]}})),
        minimal(
            &json!({"updates": {"which": "security", "windows": [{"days": "sat", "from": "02:00", "to": "05:00"}]}}),
        ),
        minimal(&json!({"script": {"name": "x", "body": "id", "user": "root:x"}})),
        minimal(&json!({"script": {"name": "x", "body": "id", "timeout": "soon"}})),
        minimal(&json!({"service": {"name": "../x"}})),
        minimal(&json!({"service": {"name": "x", "running": "yes"}})),
    ];
    for document in wrong {
        assert!(!schema.is_valid(&document), "the schema takes {document}");
        assert!(Profile::parse(&document).is_err(), "the parser takes {document}");
    }
}

#[test]
fn every_wrong_value_is_refused_where_it_stands() {
    let long = "a".repeat(10_000);
    let cases = [
        (r#"file: { path: "/etc/../shadow", content: x }"#, "line 4, column 19"),
        (r#"file: { path: "/etc/a\nb", content: x }"#, "an absolute path"),
        (r#"file: { path: "/etc/a\0b", content: x }"#, "an absolute path"),
        (r#"file: { path: "/etc/a\u2028b", content: x }"#, "an absolute path"),
        (r#"file: { path: "/etc/\u202egpj.sh", content: x }"#, "an absolute path"),
        (r#"file: { path: "/etc/\e[2Jx", content: x }"#, "an absolute path"),
        (&format!("file: {{ path: /{long}, content: x }}"), "an absolute path"),
        (r#"account: { name: "-r" }"#, "an account or group name"),
        (r#"account: { name: "root:x:0" }"#, "an account or group name"),
        ("account: { name: root }", "root is not an account"),
        ("account: { name: toor, uid: 0 }", "root is not an account"),
        ("account: { name: ada, uid: 4294967295 }", "not a number that an account can have"),
        ("account: { name: ada, for: owner }", "one of name, for: owner and from"),
        ("account: { from: engineers }", "expected group:NAME"),
        ("account: { from: \"group:../x\" }", "a group of people"),
        ("account: { from: \"group:engineers\", uid: 20000 }", "uid can't be the same"),
        (r#"account: { name: ada, full_name: "a:b" }"#, "a name of at most 128"),
        (
            r#"account: { name: ada, ssh_keys: ["command=\"id\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"] }"#,
            "an SSH public key",
        ),
        ("group: { name: wheel, gid: 0 }", "root is not a group"),
        ("package: { name: telnet- }", "not ending with -"),
        (r#"repository: { name: x, url: "https://x", components: [main] }"#, "of a suite of apt"),
        (r#"repository: { name: x, url: "https://x,y" }"#, "%2C"),
        (r#"package: { name: "--purge" }"#, "a package name"),
        (r#"package: { name: git, version: ">= 1; id" }"#, "a version"),
        ("package: { name: git, artifact: git_2.39_amd64.deb }", "not a digest"),
        (&format!("package: {{ name: git, artifact: {DIGEST}, state: absent }}"), "comes from nowhere"),
        (r#"sudo: { name: x, who: ada, commands: ["/usr/bin/"] }"#, "the absolute path of a program"),
        (r#"sudo: { name: x, who: ada, commands: ["/usr/bin/id ^.+$"] }"#, "the absolute path of a program"),
        (
            r#"sudo: { name: x, who: ada, commands: ["/usr/bin/id\nada ALL=(ALL) ALL"] }"#,
            "the absolute path of a program",
        ),
        ("sudo: { name: x, who: ada, commands: [] }", "at least one command"),
        ("sudo: { name: x, who: ada, commands: [/bin/x], password: yes }", "expected a boolean"),
        (
            r#"repository: { name: x, url: "https://x\nSigned-By: /tmp/k", suite: s, components: [c] }"#,
            "a URL",
        ),
        (r#"certificate: { name: "../x", pem: x }"#, "a name"),
        (r#"certificate: { name: "-x", pem: x }"#, "a name"),
        ("certificate: { name: x, pem: x }", "exactly one certificate"),
        (&format!("certificate: {{ name: x, pem: {long} }}"), "exactly one certificate"),
        (r#"certificate: { name: x, pem: "-----BEGIN PRIVATE KEY-----\nMAA=\n" }"#, "this is a private key"),
        (r#"line: { path: "/etc/../a", line: x }"#, "an absolute path"),
        (r#"line: { path: /etc/a, line: "x\ny" }"#, "one line of 1 to 1024 bytes"),
        (r#"line: { path: /etc/a, line: "x\0" }"#, "one line of 1 to 1024 bytes"),
        (r#"line: { path: /etc/a, line: "" }"#, "one line of 1 to 1024 bytes"),
        (&format!("line: {{ path: /etc/a, line: {long} }}"), "one line of 1 to 1024 bytes"),
        (r#"line: { path: /etc/a, line: x, match: ["a\nb"] }"#, "one line of 1 to 1024 bytes"),
        ("line: { path: /etc/a, line: x, below: a, above: b }", "only one of below and above"),
        ("line: { path: /etc/a, line: x, match: [x], state: absent }", "leave match, below and above out"),
        (r#"hosts_entry: { address: "10.0.0.5\n::1", names: [a] }"#, "an IPv4 or IPv6 address"),
        (r#"hosts_entry: { address: "../x", names: [a] }"#, "an IPv4 or IPv6 address"),
        (r#"hosts_entry: { address: 10.0.0.5, names: ["a\n10.0.0.6 b"] }"#, "a name"),
        (r#"hosts_entry: { address: 10.0.0.5, names: ["a # x"] }"#, "a name"),
        (r#"hosts_entry: { address: 10.0.0.5, names: ["-a"] }"#, "a name"),
        (&format!("hosts_entry: {{ address: 10.0.0.5, names: [{long}] }}"), "a name"),
        ("hosts_entry: { address: 10.0.0.5, names: [] }", "at least one"),
        (r#"hostname: { name: "web\n127.0.0.1" }"#, "a host name"),
        (r#"hostname: { name: "web\0" }"#, "a host name"),
        (r#"hostname: { name: "../web" }"#, "a host name"),
        (r#"hostname: { name: "-web" }"#, "a host name"),
        (&format!("hostname: {{ name: {long} }}"), "a host name"),
        ("hostname: {}", "one of name and template"),
        (r#"hostname: { name: a, template: "{{ device.name }}" }"#, "one of name and template"),
        (r#"hostname: { template: "{{ param.nope }}" }"#, "params does not define"),
        (r#"kernel_module: { name: "usb\ninstall x /bin/sh", state: blocked }"#, "a module name"),
        (r#"kernel_module: { name: "-r", state: blocked }"#, "a module name"),
        (r#"kernel_module: { name: "../usb", state: blocked }"#, "a module name"),
        (&format!("kernel_module: {{ name: {long}, state: blocked }}"), "a module name"),
        ("kernel_module: { name: usb-storage }", "missing field `state`"),
        (r#"sysctl: { name: "net/ipv4/ip_forward", value: 1 }"#, "a key of the kernel"),
        (r#"sysctl: { name: "net.ipv4.x\nkernel.y", value: 1 }"#, "a key of the kernel"),
        (r#"sysctl: { name: "-net.ipv4.x", value: 1 }"#, "a key of the kernel"),
        (&format!("sysctl: {{ name: net.{long}, value: 1 }}"), "a key of the kernel"),
        (r#"sysctl: { name: net.ipv4.ip_forward, value: "1\0" }"#, "one line of at most 1024 bytes"),
        (
            &format!("sysctl: {{ name: net.ipv4.ip_forward, value: {long} }}"),
            "one line of at most 1024 bytes",
        ),
        ("sysctl: { name: net.ipv4.tcp_fastopen_key, value: x }", "holds a secret"),
        ("sysctl: { name: net.ipv4.ip_forward, value: true }", "expected a value: a whole number"),
        (r#"time: { zone: "Europe/../../shadow" }"#, "a time zone"),
        (r#"time: { servers: ["ntp\nNTP=evil"] }"#, "a host name or an IPv4"),
        ("time: {}", "zone, servers or both"),
        (r#"locale: { lang: "C\nLD_PRELOAD=/x" }"#, "a locale such as"),
        ("locale: { lang: C, categories: [LC_ALL=C] }", "LC_ALL is none"),
        ("locale: { lang: C, categories: [LC_TIME=C, LC_TIME=de_DE] }", "stands there twice"),
        ("mount: { where: /proc/x, what: x, type: tmpfs }", "mounted by the system itself"),
        (r#"mount: { where: "/srv/a b", what: x, type: tmpfs }"#, "no blanks"),
        (r#"mount: { where: /srv/x, what: "x\nType=y", type: tmpfs }"#, "without blanks"),
        ("mount: { where: /srv/x, what: -o, type: tmpfs }", "not beginning with -"),
        (r#"mount: { where: /srv/x, what: x, type: tmpfs, options: ["ro,suid"] }"#, "without blanks, commas"),
        ("mount: { where: /srv/x, what: x, type: bind }", "absolute path"),
        ("timer: { name: x, command: [], on_calendar: [daily] }", "absolute path of a program"),
        ("timer: { name: x, command: [sh, -c, id], on_calendar: [daily] }", "absolute path of a program"),
        (
            r#"timer: { name: x, command: ["/bin/a\nExecStart=/bin/sh"], on_calendar: [daily] }"#,
            "in one line",
        ),
        ("timer: { name: x, command: [/bin/true], on_calendar: [] }", "at least one time"),
        (r#"timer: { name: x, command: [/bin/true], on_calendar: ["daily\nUnit=y"] }"#, "a calendar event"),
        (
            "timer: { name: x, command: [/bin/true], on_calendar: [daily], randomized_delay: 5 }",
            "expected a string",
        ),
        ("script: { name: x }", "one of command and body"),
        ("script: { name: x, body: id, command: [/bin/id] }", "one of command and body"),
        ("script: { name: x, command: [id] }", "absolute path of a program"),
        ("script: { name: x, body: id, interpreter: [../sh] }", "absolute path of a program"),
        ("script: { name: x, command: [/bin/id], interpreter: [/bin/sh] }", "an interpreter reads a body"),
        ("script: { name: x, body: id, unless: [test] }", "absolute path of a program"),
        ("script: { name: x, body: id, timeout: 2d }", "at most 1h"),
        ("script: { name: x, body: id, memory_mib: 1 }", "between 16 and"),
        (r#"script: { name: x, body: "id\0" }"#, "no NUL"),
        (r#"file: { path: /a, after: ["/etc/motd"] }"#, "names no resource"),
        (r#"file: { path: /a, after: ["file:/a"] }"#, "names itself"),
        (r#"directory: { path: /a, state: absent, after: ["file:/b"] }"#, "waits for nothing"),
        (r#"file: { path: /a, notify: ["timer:x"] }"#, "only services"),
        ("updates: { which: security, not_after: 2030-01-01T00:00:00Z }", "nothing to end"),
        ("archive: { path: /opt/x, artifact: https://example.com/x.tar.gz }", "not a digest"),
        ("archive: { path: /opt/x, artifact: SHA256:00 }", "not a digest"),
        ("archive: { path: /opt/x, url: https://example.com/x.tar.gz }", "missing field `artifact`"),
        (
            &format!("archive: {{ path: /opt/x, artifact: {DIGEST}, url: http://example.com/x }}"),
            "begins with https://",
        ),
        (
            &format!("archive: {{ path: /opt/x, artifact: {DIGEST}, url: https://ada:x@example.com/x }}"),
            "put such a file on the server",
        ),
        ("package: { name: git, url: https://example.com/x.deb }", "say artifact as well"),
        ("archive: { path: /opt/../x }", "an absolute path"),
        ("archive: { path: /opt/x }", "missing field `artifact`"),
        ("updates: { which: all, zone: Europe/Berlin }", "the zone of the windows"),
        ("updates: { which: all, reboot: in_window }", "when the device may reboot"),
        ("updates: { which: all, reboot: always }", "unknown variant"),
        (r#"updates: { which: all, windows: [{ from: "02:00", to: "02:30" }] }"#, "an hour long at least"),
        (r#"updates: { which: all, windows: [{ from: "02:00", to: "02:00" }] }"#, "an hour long at least"),
        (r#"updates: { which: all, windows: [{ from: "24:00", to: "02:00" }] }"#, "from 00:00 to 23:59"),
        (
            r#"updates: { which: all, zone: ../../etc/shadow, windows: [{ from: "22:00", to: "02:00" }] }"#,
            "a time zone",
        ),
        (r#"service: { name: x, restart_on: ["/etc/motd"] }"#, "names no resource"),
        (r#"firewall: { allow: [{ port: 22, from: ["10.0.0.0/8 accept"] }] }"#, "an address or a network"),
        (r#"firewall: { allow: [{ port: 22, from: [10.0.0.1/8] }] }"#, "no bit set behind the prefix"),
        (r#"firewall: { allow: [{ port: "22 accept\n" }] }"#, "a port from 1 to 65535"),
        ("firewall: { allow: [{ port: 0 }] }", "a port from 1 to 65535"),
        (r#"firewall: { allow: [{ port: 22, interface: "eth0\" accept" }] }"#, "a network interface"),
        ("firewall: {}", "missing field `allow`"),
        (r#"network: { name: lan, interface: "eth0\n[X]", dhcp: true }"#, "a network interface"),
        ("network: { name: lan, interface: eth0, addresses: [10.0.0.5] }", "the length of its prefix"),
        ("network: { name: lan, interface: eth0 }", "give addresses, or dhcp: true"),
        (
            r#"network: { name: air, interface: w, dhcp: true, wifi: { ssid: "a\n[x]", access: open } }"#,
            "the name of a Wi-Fi",
        ),
        (
            r#"network: { name: air, interface: w, dhcp: true, wifi: { ssid: a, access: { psk: { psk_file: psk } } } }"#,
            "an absolute path",
        ),
        (
            r#"network: { name: air, interface: w, dhcp: true, wifi: { ssid: a, access: { psk: { psk: x } } } }"#,
            "unknown field",
        ),
        (
            "network: { name: air, interface: w, dhcp: true, manager: networkd, wifi: { ssid: a, access: open } }",
            "takes NetworkManager",
        ),
        (
            r#"network: { name: vpn, interface: wg0, addresses: [10.8.0.2/24], wireguard: { peers: [{ public_key: "AAAA\n[Peer]", allowed_ips: [] }] } }"#,
            "a key of WireGuard's",
        ),
        (
            "network: { name: vpn, interface: \"wg*\", addresses: [10.8.0.2/24], wireguard: { peers: [] } }",
            "a network interface",
        ),
        ("network: { name: vpn, interface: wg0, wireguard: { peers: [] } }", "give addresses"),
        (
            "network: { name: lan, interface: eth0, dhcp: true, pac: http://proxy/x.pac }",
            "begins with https://",
        ),
        ("proxy: { http: http://ada:secret@proxy.corp.example:3128 }", "without a user name or password"),
        ("proxy: { https: http://proxy.corp.example:3128 }", "missing field `http`"),
        ("login_rule: { name: x, from: [local] }", "name accounts or groups"),
        ("login_rule: { name: everyone, accounts: [kim], from: [local] }", "names nobody"),
        ("login_rule: { name: x, accounts: [all], from: [10.0.0.0/8] }", "a word of access.conf"),
        (r#"login_rule: { name: x, accounts: ["ALL EXCEPT"], from: [] }"#, "an account or group name"),
        (r#"login_rule: { name: x, groups: [a], from: ["ALL"] }"#, "local, or an address"),
        (r#"ssh_server: { name: x, settings: { "Port 22\nX": 1 } }"#, "a keyword of sshd_config"),
        (
            r#"ssh_server: { name: x, settings: { Banner: "a\nPermitRootLogin yes" } }"#,
            "one line of at most 1024 bytes",
        ),
        ("ssh_server: { name: x, settings: { Include: /tmp/x } }", "Match and Include are not taken"),
        ("ssh_server: { name: x, settings: { Port: 1, port: 2 } }", "twice, in another spelling"),
        (r#"ssh_server: { name: "../x", settings: { Port: 1 } }"#, "a name"),
        ("ssh_server: { name: x, settings: {} }", "at least one"),
        ("browser_policy: { browser: lynx, policies: {} }", "unknown variant"),
        (r#"dconf: { name: x, settings: { "/a]\n[b": "1" } }"#, "a key of dconf"),
        (r#"dconf: { name: x, settings: { "/a/../b": "1" } }"#, "a key of dconf"),
        (r#"dconf: { name: x, settings: { /a/b: "1\nc=2" } }"#, "a value as GVariant text"),
        (r#"file: { path: /k, content: "-----BEGIN OPENSSH PRIVATE KEY-----\nx" }"#, "private key"),
        ("file: { path: /k, content_base64: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQo= }", "private key"),
        (r#"file: { path: /k, template: "{{ env.PATH }}" }"#, "'env.PATH' is not defined"),
        (r#"file: { path: /k, template: "{{ param.nope }}" }"#, "params does not define"),
        ("file: { path: /k, mode: 0644 }", r#"write mode: "0644""#),
        ("file: { path: /k, mode: 0o644 }", r#"write mode: "0644""#),
        ("file: { path: /k, mode: 6e2 }", r#"write mode: "0644""#),
        ("file: { path: /k, not_after: 2027-01-01 }", "not a time"),
        (r#"file: { path: /k, not_after: "1969-12-31T23:59:59Z" }"#, "not a time"),
        (
            r#"file: { path: /k, not_before: "2027-01-02T00:00:00Z", not_after: "2027-01-01T00:00:00Z" }"#,
            "end before it begins",
        ),
        ("account: { name: ada, uid: 1e3 }", "expected u32"),
        ("file: { path: /k, when: { os_version: 12 } }", "a word or a list of words"),
        ("file: { path: /k, when: { os: [] } }", "at least one word"),
    ];
    for (resource, expected) in cases {
        let errors = errors(resource).join("\n");
        assert!(errors.contains(expected), "{resource:.120}\n  gives {errors:.300}\n  and not {expected}");
    }
}

#[test]
fn an_error_never_carries_a_control_character_or_a_novel() {
    let long = "x".repeat(100_000);
    for resource in [
        r#"file: { path: /a, "\e[2J\n": 1 }"#.to_owned(),
        r#""\e]0;evil\a": { path: /a }"#.to_owned(),
        format!("file: {{ path: /a, {long}: 1 }}"),
        format!("{long}: {{ path: /a }}"),
        format!("file: {{ path: /a, state: {long} }}"),
        r#"file: { path: /a, state: "\e[31m\u2028" }"#.to_owned(),
    ] {
        let errors = errors(&resource);
        assert!(!errors.is_empty());
        for error in errors {
            assert!(!error.chars().any(|c| c.is_control() || c == '\u{2028}'), "{error:?}");
            assert!(error.len() < 1_000, "{} bytes", error.len());
        }
    }
}

#[test]
fn of_yaml_only_what_all_readers_agree_on_is_taken() {
    let whole = "muster: 1\nprofile: p\n";
    for (text, what) in [
        ("description: &a x\n", "an anchor"),
        ("description: *a\n", "an alias"),
        ("<<: { description: x }\n", "a merge key"),
        ("params: { <<: { ntp: { type: host } } }\n", "a merge key inside"),
        ("description: a\ndescription: b\n", "a duplicate key"),
        ("params: { ntp: { type: host }, ntp: { type: host } }\n", "a duplicate key inside"),
        ("description: !include other.yaml\n", "a tag of someone's own"),
        ("---\nmuster: 1\n", "a second document"),
        ("1: x\n", "a key that is a number"),
        ("[a, b]: x\n", "a key that is a list"),
        ("~: x\n", "a key that is nothing"),
    ] {
        assert!(parse_profile(&format!("{whole}{text}")).is_err(), "{what} is taken");
    }
    // Words that older readers took for booleans are words.
    let (source, _) = parse_profile(&format!("{whole}description: yes\n")).unwrap();
    assert_eq!(source.value["description"], "yes");
}

#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    let keys: String = (0..60_000).map(|i| format!("k{i}: 1\n")).collect();
    let deep = format!("a: {}{}", "[".repeat(40), "]".repeat(40));
    let laughs: String = (1..20)
        .map(|i| format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1))
        .fold("a0: &a0 [x]\n".to_owned(), |all, line| all + &line);
    let many = format!("a: [{}]", "1,".repeat(200_000));
    let quadratic = format!("? {}\n: [{}]", "k".repeat(500_000), "1,".repeat(90_000));
    for text in [&keys, &deep, &laughs, &many, &quadratic] {
        let started = std::time::Instant::now();
        assert!(parse_profile(text).is_err());
        assert!(started.elapsed().as_secs() < 60, "{:.20} took {:?}", text, started.elapsed());
    }
    assert!(Source::read(&" ".repeat(muster_proto::yaml::MAX_SOURCE + 1)).is_err());
}

#[test]
fn one_unit_has_one_name() {
    let id = |name: &str| {
        let document = minimal(&json!({"service": {"name": name}}));
        Profile::parse(&document).unwrap().resources[0].id.to_string()
    };
    assert_eq!(id("cron"), id("cron.service"));
    assert_eq!(id("cron.timer"), "service:cron.timer");
    assert_eq!(id("cron.timer.service"), "service:cron.timer.service");
}

#[test]
fn one_module_has_one_name() {
    let id = |name: &str, more: &str| {
        let document = minimal(&json!({"kernel_module": {"name": name, "state": "blocked", more: true}}));
        let (profile, _) = Profile::read(&serde_json::to_vec(&document).unwrap()).unwrap();
        profile.resources[0].id.to_string()
    };
    assert_eq!(id("usb-storage", "newer"), "kernel_module:usb_storage");
    assert_eq!(id("usb_storage", "newer"), "kernel_module:usb_storage");
    let document = minimal(&json!({"kernel_module": {"name": "usb-storage", "state": "loaded"}}));
    assert_eq!(Profile::parse(&document).unwrap().resources[0].id.as_str(), "kernel_module:usb_storage");
}

#[test]
fn one_address_has_one_name() {
    let id = |address: &str| {
        let document = minimal(&json!({"hosts_entry": {"address": address, "names": ["a"]}}));
        Profile::parse(&document).unwrap().resources[0].id.to_string()
    };
    assert_eq!(id("2001:DB8:0::1"), id("2001:db8::1"));
    assert_eq!(id("10.0.0.5"), "hosts_entry:10.0.0.5");
}

#[test]
fn what_cant_be_read_keeps_the_claim_it_would_have() {
    let claims = |resource: Value| -> Vec<(String, bool)> {
        let (profile, _) = Profile::read(&serde_json::to_vec(&minimal(&resource)).unwrap()).unwrap();
        let known = |body: &Body| matches!(body, Body::Known(_));
        profile.resources.iter().map(|d| (d.id.to_string(), known(&d.body))).collect()
    };
    let unsupported = |id: &str| vec![(id.to_owned(), false)];
    assert_eq!(claims(json!({"file": {"path": "/a", "name": "x"}})), unsupported("file:/a"));
    assert_eq!(claims(json!({"account": {"for": "owner", "mfa": true}})), unsupported("account:@owner"));
    assert_eq!(claims(json!({"account": {"for": "manager"}})), unsupported("account:@manager"));
    assert_eq!(claims(json!({"service": {"name": "cron.service", "x": 1}})), unsupported("service:cron"));
    let line = json!({"line": {"path": "/etc/a", "line": "Port 1", "match": ["Port "], "x": 1}});
    assert_eq!(claims(line), unsupported("line:/etc/a//Port "));
    let tab = json!({"line": {"path": "/etc/a", "line": "a\tb", "x": 1}});
    assert_eq!(claims(tab), unsupported("line:/etc/a//a b"));
    assert_eq!(
        claims(json!({"line": {"path": "/etc/a", "line": "b//c", "x": 1}})),
        unsupported("line:/etc/a//b//c")
    );
    let entry = json!({"hosts_entry": {"address": "2001:DB8::1", "names": ["a"], "x": 1}});
    assert_eq!(claims(entry), unsupported("hosts_entry:2001:db8::1"));
    assert_eq!(claims(json!({"hostname": {"name": "a", "x": 1}})), unsupported("hostname:hostname"));
    assert_eq!(claims(json!({"time": {"zone": "Etc/UTC", "x": 1}})), unsupported("time:time"));
    assert_eq!(claims(json!({"proxy": {"x": 1}})), unsupported("proxy:proxy"));
    assert_eq!(claims(json!({"locale": {"x": 1}})), unsupported("locale:locale"));
    assert_eq!(claims(json!({"mount": {"where": "/srv/x", "x": 1}})), unsupported("mount:/srv/x"));
    assert_eq!(claims(json!({"wireguard": {"name": "wg0"}})), unsupported("wireguard:wg0"));
    assert_eq!(
        claims(json!({"packages": ["git", "gcc:arm64"]})),
        [("package:git".to_owned(), true), ("package:gcc:arm64".to_owned(), false)]
    );
    for odd in
        [json!({"a:b": {"name": "x"}}), json!({"x\n": {"name": "x"}}), json!("x"), json!({}), json!(null)]
    {
        let claimed = claims(odd.clone());
        assert!(claimed[0].0.starts_with("unknown:"), "{odd} claims {claimed:?}");
    }
    let hostile = claims(json!({"wireguard": {"name": "a\u{1b}[2J"}}));
    assert!(hostile[0].0.starts_with("wireguard:sha256:"), "{hostile:?}");
}

#[test]
fn the_server_needs_the_artifacts_that_no_address_is_given_for() {
    let of_address = DIGEST.replace('9', "8");
    let source = format!(
        "muster: 1\nprofile: p\nresources:\n  - archive: {{ path: /opt/x, artifact: {DIGEST} }}\n  \
         - package: {{ name: tool, artifact: {of_address}, url: https://example.com/x.deb }}\n"
    );
    let (_, profile) = parse_profile(&source).unwrap();
    let named: Vec<String> = profile.artifacts().into_iter().map(|artifact| artifact.to_string()).collect();
    assert_eq!(named, [DIGEST]);
}
