//! Random pairs of sets of profiles, from small pools of names, with what is there before, between and against them.

use std::collections::BTreeMap;

use muster_proto::ResourceId;
use muster_proto::resource::Declared;
use muster_proto::state::Mode;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::simulated::{Meddling, Refusal, TREE, Tool};

/// One revision as it is assigned: its profile's name, how, and its resources.
#[derive(Clone, Debug)]
pub(super) struct Assigned {
    pub(super) profile: &'static str,
    pub(super) precedence: i32,
    pub(super) mode: Mode,
    pub(super) resources: Vec<Value>,
}

/// One case.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    /// What others did before Muster came.
    pub(super) before: Vec<Meddling>,
    pub(super) first: Vec<Assigned>,
    /// What defies the agent during the first turn.
    pub(super) first_refusals: BTreeMap<ResourceId, Refusal>,
    /// What others did between the two.
    pub(super) drift: Vec<Meddling>,
    pub(super) second: Vec<Assigned>,
    pub(super) refusals: BTreeMap<ResourceId, Refusal>,
    pub(super) denied: Option<&'static str>,
    /// Whether leases of the first set are over at the second.
    pub(super) later: bool,
}

/// Leases with this end are over when time has passed in a [`Pair`], and others are not.
const SOON: &str = "2040-01-01T00:00:00Z";
const LATE: &str = "2090-01-01T00:00:00Z";

pub(super) fn pair() -> impl Strategy<Value = Pair> {
    let meddling = || vec(meddling(), 0..6);
    let refusals = |most: usize| btree_map(id(), refusal(), 0..most);
    let denied = option::weighted(0.1, select(vec!["file", "service", "account"]));
    let first = (meddling(), profiles(), refusals(2));
    let second = (meddling(), profiles(), refusals(4), denied, prop::bool::weighted(0.3));
    (first, second).prop_map(|((before, first, first_refusals), (drift, second, refusals, denied, later))| {
        Pair { before, first, first_refusals, drift, second, refusals, denied, later }
    })
}

fn profiles() -> impl Strategy<Value = Vec<Assigned>> {
    vec(assigned(), 0..3).prop_map(|mut all| {
        // One assignment brings one revision of a profile.
        for (assigned, name) in all.iter_mut().zip(["base", "team"]) {
            assigned.profile = name;
        }
        all
    })
}

fn assigned() -> impl Strategy<Value = Assigned> {
    let mode = prop_oneof![5 => Just(Mode::Enforce), 1 => Just(Mode::Audit)];
    (0..2i32, mode, vec(resource(), 0..8)).prop_map(|(precedence, mode, resources)| {
        let unique: BTreeMap<String, Value> =
            resources.into_iter().map(|entry| (identity(&entry), entry)).collect();
        Assigned { profile: "base", precedence, mode, resources: unique.into_values().collect() }
    })
}

fn identity(entry: &Value) -> String {
    let (kind, fields) = entry.as_object().unwrap().iter().next().unwrap();
    if matches!(kind.as_str(), "hostname" | "time" | "locale" | "updates" | "proxy") {
        return format!("{kind}:{kind}");
    }
    if kind == "firewall" {
        return "firewall:incoming".to_owned();
    }
    if kind == "line" {
        let named = fields["match"][0].as_str().or(fields["line"].as_str()).unwrap();
        return format!("line:/etc/c//{named}");
    }
    let key = ["name", "path", "address", "where", "browser"]
        .iter()
        .find_map(|field| fields[*field].as_str())
        .unwrap();
    format!("{kind}:{key}")
}

/// What is in a tree, and what others put there.
const IN_TREE: [&str; 2] = ["/srv/t/version", "/srv/t/zzz"];

const PATHS: [&str; 4] = ["/srv/a", "/srv/b", "/srv/a/c", "/srv/a/d"];

fn path() -> impl Strategy<Value = &'static str> {
    select(PATHS.to_vec())
}

fn id() -> impl Strategy<Value = ResourceId> {
    let path = (select(vec!["file", "directory", "link"]), path()).prop_map(|(k, p)| ResourceId::new(k, p));
    prop_oneof![4 => path, 6 => other_id(), 1 => Just(ResourceId::new("archive", TREE))]
}

fn other_id() -> impl Strategy<Value = ResourceId> {
    let ids = [
        ("package", "git"),
        ("package", "curl"),
        ("group", "engineers"),
        ("account", "ada"),
        ("account", "bob"),
        ("sudo", "ops"),
        ("repository", "corp"),
        ("service", "cron"),
        ("service", "nginx"),
        ("certificate", "corp"),
        ("browser_policy", "firefox"),
        ("dconf", "corp"),
        ("firewall", "incoming"),
        ("login_rule", "office"),
        ("ssh_server", "corp"),
        ("network", "lan"),
        ("proxy", "proxy"),
        ("line", "/etc/c//Port "),
        ("hosts_entry", "10.0.0.5"),
        ("hostname", "hostname"),
        ("kernel_module", "usb_storage"),
        ("sysctl", "net.ipv4.ip_forward"),
        ("time", "time"),
        ("locale", "locale"),
        ("mount", "/mnt/x"),
        ("timer", "report"),
        ("script", "setup"),
        ("updates", "updates"),
    ];
    select(ids.map(|(kind, key)| ResourceId::new(kind, key)).to_vec())
}

fn refusal() -> impl Strategy<Value = Refusal> {
    use Refusal::{Blocked, Fails, Pretends, Unprepared, Unreadable};
    select(vec![Unreadable, Blocked, Unprepared, Fails, Pretends])
}

fn meddling() -> impl Strategy<Value = Meddling> {
    let odd = select(vec![
        ("locked", json!(true)),
        ("gid", json!(777)),
        ("version", json!("9.0")),
        ("running", json!(true)),
        ("enabled", json!(true)),
        ("mode", json!("0600")),
        ("shell", json!("/bin/zsh")),
        ("sources", json!("theirs")),
        ("value", json!("7")),
        ("loaded", json!(true)),
        ("mounted", json!(true)),
        ("localtime", json!("/usr/share/zoneinfo/Asia/Tokyo")),
        ("running", json!("theirs")),
        ("line", json!("10.0.0.5 theirs")),
    ]);
    prop_oneof![
        3 => (other_id(), odd).prop_map(|(id, (name, value))| Meddling::Set(id, name, value)),
        1 => other_id().prop_map(Meddling::Gone),
        3 => (path(), select(vec!["theirs\n", "one\n"])).prop_map(|(path, text)| Meddling::Written(path, text)),
        1 => select(vec![PATHS[0], PATHS[1], "/srv/a/theirs"]).prop_map(Meddling::Directory),
        1 => path().prop_map(Meddling::Linked),
        1 => (path(), select(vec![0o600, 0o755])).prop_map(|(path, bits)| Meddling::Mode(path, bits)),
        1 => path().prop_map(Meddling::Removed),
        1 => select(vec![Meddling::Directory(TREE), Meddling::Removed(TREE), Meddling::Linked(TREE)]),
        1 => select(vec![TREE, IN_TREE[0], IN_TREE[1]]).prop_map(|path| Meddling::Written(path, "theirs\n")),
        1 => select(IN_TREE.to_vec()).prop_map(Meddling::Removed),
    ]
}

fn tunnel(port: u16) -> Value {
    let peer =
        json!({"public_key": "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=", "allowed_ips": ["10.8.0.0/24"]});
    json!({"interface": "wg0", "wireguard": {"listen_port": port, "peers": [peer]}})
}

/// Kinds that have no `state`.
const STATELESS: [&str; 20] = [
    "archive",
    "browser_policy",
    "certificate",
    "dconf",
    "firewall",
    "hostname",
    "hosts_entry",
    "kernel_module",
    "locale",
    "login_rule",
    "mount",
    "network",
    "proxy",
    "script",
    "service",
    "ssh_server",
    "sysctl",
    "time",
    "timer",
    "updates",
];

fn resource() -> impl Strategy<Value = Value> {
    let absent = prop::bool::weighted(0.2);
    let when = option::weighted(0.15, select(vec![json!({"os": ["debian"]}), json!({"os": ["fedora"]})]));
    let end = option::weighted(0.25, select(vec![SOON, LATE]));
    let keep = prop::bool::weighted(0.1);
    let newer = prop::bool::weighted(0.05);
    let after = option::weighted(
        0.3,
        vec(
            select(vec!["file:/srv/b", "directory:/srv/a", "package:git", "service:cron", "script:setup"]),
            1..3,
        ),
    );
    let notify = option::weighted(0.2, vec(select(vec!["service:cron", "service:nginx"]), 1..2));
    let rest = (when, end, keep, newer, after, notify);
    (kind(), absent, rest).prop_map(|(mut entry, absent, (when, end, keep, newer, after, notify))| {
        let stateless = STATELESS.iter().any(|kind| entry[*kind].is_object());
        let fields = entry.as_object_mut().unwrap().values_mut().next().unwrap().as_object_mut().unwrap();
        if absent && !stateless {
            for name in ["content", "target", "match", "artifact"] {
                fields.remove(name);
            }
            fields.insert("state".into(), "absent".into());
        }
        let after = after.filter(|_| !absent || stateless);
        let common = [
            ("when", when),
            ("not_after", end.map(Value::from)),
            ("on_removal", keep.then(|| "keep".into())),
            ("of_a_newer_language", newer.then(|| true.into())),
            ("after", after.map(Value::from)),
            ("notify", notify.map(Value::from)),
        ];
        fields.extend(common.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        unname_itself(&mut entry);
        entry
    })
}

/// Takes out what would be to come after itself, or be told of itself.
fn unname_itself(entry: &mut Value) {
    let Some(id) = Declared::read(entry).first().map(|declared| declared.id.clone()) else { return };
    let itself = |name: &Value| name.as_str() == Some(id.as_str());
    for fields in entry.as_object_mut().unwrap().values_mut() {
        for list in ["after", "notify"] {
            if let Some(names) = fields.get_mut(list).and_then(Value::as_array_mut) {
                names.retain(|name| !itself(name));
            }
        }
    }
}

/// An object of those fields that are given.
fn entry(kind: &str, fields: Vec<(&str, Option<Value>)>) -> Value {
    let fields: Map<_, _> =
        fields.into_iter().filter_map(|(name, value)| Some((name.into(), value?))).collect();
    json!({ (kind): fields })
}

fn given<T: Into<Value>>(value: T) -> Option<Value> {
    Some(value.into())
}

fn kind() -> impl Strategy<Value = Value> {
    let mode = || option::of(select(vec!["0644", "0600", "2775"]));
    let owner = || option::weighted(0.3, select(vec!["ada", "root"]));
    let flag = || option::of(any::<bool>());
    let account = select(vec!["ada", "bob"]);
    let restart_on = select(vec![
        "file:/srv/b",
        "package:git",
        "directory:/srv/a",
        "repository:corp",
        "sysctl:net.ipv4.ip_forward",
    ]);
    prop_oneof![
        3 => (path(), option::weighted(0.8, select(vec!["one\n", "two\n"])), owner(), mode()).prop_map(
            |(path, content, owner, mode)| entry("file", vec![
                ("path", given(path)), ("content", content.and_then(given)), ("owner", owner.and_then(given)),
                ("mode", mode.and_then(given)),
            ])
        ),
        2 => (path(), owner(), mode()).prop_map(|(path, group, mode)| entry("directory", vec![
            ("path", given(path)), ("group", group.and_then(given)), ("mode", mode.and_then(given)),
        ])),
        1 => (path(), select(vec!["/x", "y"])).prop_map(|(path, target)| entry("link", vec![
            ("path", given(path)), ("target", given(target)),
        ])),
        2 => (select(Tool::ALL.to_vec()), owner(), 0..2).prop_map(|(tool, owner, strip)| entry("archive", vec![
            ("path", given(TREE)), ("artifact", given(tool.artifact().to_string())), ("strip", given(strip)),
            ("owner", owner.and_then(given)),
        ])),
        2 => (select(vec!["git", "curl"]), option::weighted(0.3, select(vec!["1.0", "2.0"]))).prop_map(
            |(name, version)| entry("package", vec![("name", given(name)), ("version", version.and_then(given))])
        ),
        1 => option::of(select(vec![4000, 4001])).prop_map(|gid| entry("group", vec![
            ("name", given("engineers")), ("gid", gid.and_then(given)),
        ])),
        2 => (account, option::of(select(vec!["/bin/bash", "/bin/zsh"])), option::of(Just(vec!["engineers"]))).prop_map(
            |(name, shell, groups)| entry("account", vec![
                ("name", given(name)), ("shell", shell.and_then(given)), ("groups", groups.and_then(given)),
            ])
        ),
        1 => any::<bool>().prop_map(|password| entry("sudo", vec![
            ("name", given("ops")), ("who", given("ada")), ("password", given(password)),
            ("commands", given(vec!["/usr/bin/id"])),
        ])),
        1 => select(vec!["main", "contrib"]).prop_map(|component| entry("repository", vec![
            ("name", given("corp")), ("url", given("https://apt.example.com/debian")), ("suite", given("stable")),
            ("components", given(vec![component])), ("key", given("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")),
        ])),
        1 => select(vec!["MAA=", "MAEA"]).prop_map(|der| entry("certificate", vec![
            ("name", given("corp")),
            ("pem", given(format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n"))),
        ])),
        1 => select(vec!["Port 1", "Port 2"]).prop_map(|line| entry("line", vec![
            ("path", given("/etc/c")), ("line", given(line)), ("match", given(vec!["Port "])),
        ])),
        1 => select(vec!["web", "db"]).prop_map(|name| entry("hosts_entry", vec![
            ("address", given("10.0.0.5")), ("names", given(vec![name])),
        ])),
        1 => select(vec!["web", "db"]).prop_map(|name| entry("hostname", vec![("name", given(name))])),
        1 => select(vec!["loaded", "blocked"]).prop_map(|state| entry("kernel_module", vec![
            ("name", given("usb-storage")), ("state", given(state)),
        ])),
        1 => (0..3).prop_map(|value| entry("sysctl", vec![
            ("name", given("net.ipv4.ip_forward")), ("value", given(value)),
        ])),
        1 => (22..24).prop_map(|port| entry("firewall", vec![("allow", given(vec![json!({"port": port})]))])),
        1 => select(vec![json!({"interface": "en*"}), json!({"interface": "en*", "dhcp": true}), tunnel(51820), tunnel(51821)])
            .prop_map(|mut fields| {
                fields["name"] = "lan".into();
                fields["addresses"] = json!(["10.0.0.5/24"]);
                json!({"network": fields})
            }),
        1 => (3128..3130).prop_map(|port| {
            entry("proxy", vec![("http", given(format!("http://proxy.corp.example:{port}")))])
        }),
        1 => any::<bool>().prop_map(|on| entry("browser_policy", vec![
            ("browser", given("firefox")), ("policies", given(json!({"DisableTelemetry": on}))),
        ])),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(on, locked)| entry("dconf", vec![
            ("name", given("corp")), ("locked", given(locked)),
            ("settings", given(json!({"/org/gnome/x/on": on.to_string()}))),
        ])),
        1 => select(vec!["local", "10.0.0.0/8"]).prop_map(|place| entry("login_rule", vec![
            ("name", given("office")), ("accounts", given(vec!["ada"])), ("from", given(vec![place])),
        ])),
        1 => select(vec!["no", "yes"]).prop_map(|value| entry("ssh_server", vec![
            ("name", given("corp")), ("settings", given(json!({"PasswordAuthentication": value}))),
        ])),
        1 => option::of(select(vec!["Europe/Berlin", "Etc/UTC"])).prop_map(|zone| {
            let servers = zone.is_none().then(|| json!(["ntp.example.com"]));
            entry("time", vec![("zone", zone.and_then(given)), ("servers", servers)])
        }),
        1 => select(vec!["C.UTF-8", "de_DE.UTF-8", "fr_FR.UTF-8"]).prop_map(|lang| {
            entry("locale", vec![("lang", given(lang))])
        }),
        1 => select(vec!["tmpfs", "ramfs"]).prop_map(|kind| {
            entry("mount", vec![("where", given("/mnt/x")), ("what", given("x")), ("type", given(kind))])
        }),
        1 => select(vec!["echo 1", "echo 2"]).prop_map(|body| {
            entry("script", vec![("name", given("setup")), ("body", given(body))])
        }),
        1 => select(vec!["security", "all"]).prop_map(|which| entry("updates", vec![("which", given(which))])),
        1 => select(vec!["daily", "hourly"]).prop_map(|time| {
            entry("timer", vec![
                ("name", given("report")), ("command", given(vec!["/bin/true"])), ("on_calendar", given(vec![time])),
            ])
        }),
        8 => (select(vec!["cron", "nginx"]), flag(), flag(), vec(restart_on, 0..3)).prop_map(
            |(name, running, enabled, restart_on)| entry("service", vec![
                ("name", given(name)), ("running", running.and_then(given)), ("enabled", enabled.and_then(given)),
                ("restart_on", given(restart_on)),
            ])
        ),
    ]
}
