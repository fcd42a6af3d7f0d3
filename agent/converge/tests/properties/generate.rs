//! Random profiles, states and machines from small pools of names.

use std::collections::BTreeMap;

use muster_proto::state::{Applied, Bindings, DesiredState, Mode, Person};
use muster_proto::when::Facts;
use muster_proto::{DeviceId, Digest, Generation, ResourceId, RevisionNumber, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::machine::{Machine, fresh};

/// A device's life: what it starts as, and what is desired of it one after another.
#[derive(Clone)]
pub(crate) struct Story {
    pub(crate) machine: Machine,
    pub(crate) documents: BTreeMap<Digest, Vec<u8>>,
    pub(crate) states: Vec<DesiredState>,
    pub(crate) times: Vec<Timestamp>,
    /// A state that desires nothing.
    pub(crate) empty: DesiredState,
}

impl Story {
    pub(crate) fn end(&self) -> Timestamp {
        self.times.last().copied().unwrap_or_default()
    }
}

impl std::fmt::Debug for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for id in self.machine.0.iter() {
            writeln!(f, "there: {} {}", id.0, serde_json::to_string(id.1).unwrap())?;
        }
        for (state, now) in self.states.iter().zip(&self.times) {
            writeln!(f, "at {now}, owner {}:", state.bindings.owner.is_some())?;
            for r in &state.revisions {
                let text = String::from_utf8_lossy(&self.documents[&r.digest]);
                writeln!(
                    f,
                    "  {}@{} {:?} {} {:?} {text}",
                    r.profile, r.revision, r.mode, r.precedence, r.params
                )?;
            }
        }
        Ok(())
    }
}

/// Whether a document may hold what its reader does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    Readable,
    Any,
}

pub(crate) fn facts() -> Facts {
    Facts { os: "debian".into(), os_version: "12".into(), chassis: "laptop".into(), ..Facts::default() }
}

/// A `when` that does not hold on a device with [`facts`].
pub(crate) fn elsewhere() -> Value {
    json!({"os": ["fedora", "suse"]})
}

/// The fields of a resource in a document.
pub(crate) fn fields_of(entry: &mut Value) -> &mut Map<String, Value> {
    entry.as_object_mut().unwrap().values_mut().next().unwrap().as_object_mut().unwrap()
}

pub(crate) fn state_with(state: &DesiredState, change: impl Fn(&mut Applied)) -> DesiredState {
    let mut changed = state.clone();
    changed.revisions.iter_mut().for_each(change);
    changed
}

pub(crate) fn story(states: usize) -> impl Strategy<Value = Story> {
    let times = vec(select(vec![0, 1_000, 2_000, 3_000]), states);
    (machine(), vec(state(), states), times).prop_map(|(machine, states, mut times)| {
        times.sort_unstable();
        let mut documents = BTreeMap::new();
        let states = states.into_iter().enumerate().map(|(index, (revisions, owner))| {
            let revisions = revisions.into_iter().map(|(applied, document)| {
                let bytes = serde_json::to_vec(&document).unwrap();
                let digest = Digest::of(&bytes);
                documents.insert(digest, bytes);
                Applied { digest, ..applied }
            });
            desired(index + 1, revisions.collect(), owner)
        });
        Story {
            machine,
            states: states.collect(),
            times: times.into_iter().map(at).collect(),
            empty: desired(100, vec![], true),
            documents,
        }
    })
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::default().plus_seconds(seconds)
}

fn desired(generation: usize, revisions: Vec<Applied>, owned: bool) -> DesiredState {
    let owner = Person { username: "ada".parse_as(), full_name: None, uid: Some(2001), ssh_keys: vec![] };
    DesiredState {
        muster: 1,
        composition: 2,
        device: DeviceId(Default::default()),
        generation: Generation(generation as u64),
        issued: Timestamp::default(),
        revisions,
        bindings: Bindings {
            name: "lap-ada".into(),
            serial: "S1".into(),
            owner: owned.then(|| owner.clone()),
            groups: [("engineers".parse_as(), if owned { vec![owner] } else { vec![] })].into(),
        },
    }
}

trait ParseAs {
    fn parse_as<T: serde::de::DeserializeOwned>(&self) -> T;
}

impl ParseAs for str {
    fn parse_as<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_value(self.into()).unwrap()
    }
}

fn state() -> impl Strategy<Value = (Vec<(Applied, Value)>, bool)> {
    (vec((applied(), document(Flavor::Any)), 0..4), prop::bool::weighted(0.8)).prop_map(
        |(mut revisions, owned)| {
            // One assignment brings one revision of a profile.
            for (index, (applied, document)) in revisions.iter_mut().enumerate() {
                applied.assignment = format!("a{index}");
                document["profile"] = applied.profile.as_str().into();
            }
            (revisions, owned)
        },
    )
}

fn applied() -> impl Strategy<Value = Applied> {
    let profile = select(vec!["base", "team", "host"]);
    let mode = prop_oneof![3 => Just(Mode::Enforce), 1 => Just(Mode::Audit)];
    let params = select(vec![vec![], vec![], vec![("ntp", "b.example")], vec![("unknown", "x")]]);
    (profile, 1..3u32, 0..2i32, mode, params).prop_map(|(profile, revision, precedence, mode, params)| {
        Applied {
            assignment: String::new(),
            profile: profile.parse().unwrap(),
            revision: RevisionNumber(revision),
            digest: Digest::of(b""),
            precedence,
            mode,
            params: params.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        }
    })
}

pub(crate) fn document(flavor: Flavor) -> impl Strategy<Value = Value> {
    let unreadable = prop::bool::weighted(if flavor == Flavor::Any { 0.08 } else { 0.0 });
    (vec(resource(flavor), 0..7), option::weighted(0.3, vec(package_name(), 1..3)), unreadable).prop_map(
        |(resources, packages, unreadable)| {
            let mut unique = BTreeMap::new();
            for entry in resources {
                let id = identity(&entry);
                unique.insert(id, entry);
            }
            let packages: Vec<_> = packages
                .into_iter()
                .flatten()
                .filter(|name| !unique.contains_key(&format!("package:{name}")))
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect();
            let mut resources: Vec<Value> = unique.into_values().collect();
            if !packages.is_empty() {
                resources.push(json!({"packages": packages}));
            }
            let mut document = json!({
                "muster": 1, "profile": "base", "resources": resources,
                "params": {"ntp": {"type": "host", "default": "a.example"}},
                "checks": [{"id": "c", "title": "t", "query": "SELECT 1"}],
            });
            if unreadable {
                document["of_a_newer_language"] = true.into();
            }
            document
        },
    )
}

fn identity(entry: &Value) -> String {
    let (kind, fields) = entry.as_object().unwrap().iter().next().unwrap();
    if matches!(kind.as_str(), "hostname" | "time" | "locale" | "proxy") {
        return format!("{kind}:{kind}");
    }
    if kind == "firewall" {
        return "firewall:incoming".to_owned();
    }
    if kind == "updates" {
        return "updates:updates".to_owned();
    }
    if kind == "line" {
        let named = fields["match"][0].as_str().or(fields["line"].as_str()).unwrap();
        return format!("line:/etc/c//{named}");
    }
    let key = ["name", "path", "for", "from", "address", "where", "browser"]
        .iter()
        .find_map(|field| fields[*field].as_str())
        .unwrap();
    format!("{kind}:{key}")
}

fn path() -> impl Strategy<Value = &'static str> {
    select(vec!["/etc/a", "/etc/b", "/etc/a/c"])
}

const SYSCTLS: [&str; 2] = ["net.ipv4.ip_forward", "net.ipv4.conf.eth0/100.rp_filter"];

fn name() -> impl Strategy<Value = &'static str> {
    select(vec!["ada", "bob"])
}

fn package_name() -> impl Strategy<Value = &'static str> {
    select(vec!["git", "curl", "nginx-light"])
}

fn mode() -> impl Strategy<Value = Option<&'static str>> {
    option::of(select(vec!["0644", "0600", "2775"]))
}

fn account_name() -> impl Strategy<Value = Option<&'static str>> {
    option::weighted(0.3, select(vec!["ada", "www-data"]))
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

fn resource(flavor: Flavor) -> impl Strategy<Value = Value> {
    let absent = prop::bool::weighted(0.2);
    let own = (kind(), absent).prop_map(|(mut entry, absent)| {
        let stateless = STATELESS.iter().any(|kind| entry[*kind].is_object());
        let fields = fields_of(&mut entry);
        if absent && !stateless {
            for name in ["match", "below", "content", "content_base64", "template", "target", "artifact"] {
                fields.remove(name);
            }
            fields.insert("state".into(), "absent".into());
        }
        entry
    });
    let when = option::weighted(0.3, select(vec![json!({"os": ["debian"]}), elsewhere()]));
    let end = option::weighted(0.35, select(vec![500, 1_500, 2_500, 9_000]));
    let newer = prop::bool::weighted(if flavor == Flavor::Any { 0.12 } else { 0.0 });
    (own, when, end, newer, option::weighted(0.2, Just("why"))).prop_map(
        |(mut entry, when, end, newer, note)| {
            let has_end = !entry["updates"].is_object();
            let fields = fields_of(&mut entry);
            let common = [
                ("when", when),
                ("not_after", end.filter(|_| has_end).map(|end| at(end).to_string().into())),
                ("note", note.map(Into::into)),
                ("of_a_newer_language", newer.then(|| true.into())),
            ];
            fields.extend(common.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
            entry
        },
    )
}

fn kind() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => file(),
        1 => (path(), account_name(), mode()).prop_map(|(path, group, mode)| {
            entry("directory", vec![("path", given(path)), ("group", group.and_then(given)), ("mode", mode.and_then(given))])
        }),
        1 => (path(), select(vec!["/x", "y"])).prop_map(|(path, target)| {
            entry("link", vec![("path", given(path)), ("target", given(target))])
        }),
        1 => (package_name(), option::weighted(0.3, select(vec!["1.0", "2.0"])), any::<bool>()).prop_map(
            |(name, version, of_artifact)| {
                let artifact = version.filter(|_| of_artifact).map(|version| Digest::of(version.as_bytes()).to_string());
                let version = version.and_then(given);
                entry("package", vec![("name", given(name)), ("version", version), ("artifact", artifact.and_then(given))])
            },
        ),
        1 => (select(vec!["engineers", "ops"]), option::of(select(vec![4000, 4001]))).prop_map(|(name, gid)| {
            entry("group", vec![("name", given(name)), ("gid", gid.and_then(given))])
        }),
        2 => account(),
        1 => (name(), name(), any::<bool>()).prop_map(|(name, who, password)| {
            entry("sudo", vec![
                ("name", given(name)), ("who", given(who)), ("password", given(password)),
                ("commands", given(vec!["/usr/bin/id"])),
            ])
        }),
        1 => select(vec!["main", "contrib"]).prop_map(|component| {
            entry("repository", vec![
                ("name", given("corp")), ("url", given("https://apt.example.com/debian")), ("suite", given("stable")),
                ("components", given(vec![component])),
                ("key", given("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")),
            ])
        }),
        1 => (select(vec!["Port 1", "Port 2"]), option::of(Just("#x")), any::<bool>()).prop_map(|(line, below, matched)| {
            entry("line", vec![
                ("path", given("/etc/c")), ("line", given(line)), ("below", below.and_then(given)),
                ("match", matched.then(|| json!(["Port "]))),
            ])
        }),
        1 => select(vec!["MAA=", "MAEA"]).prop_map(|der| {
            let pem = format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n");
            entry("certificate", vec![("name", given("corp")), ("pem", given(pem))])
        }),
        1 => (select(vec!["10.0.0.5", "2001:DB8::1"]), select(vec!["db", "web"])).prop_map(|(address, name)| {
            entry("hosts_entry", vec![("address", given(address)), ("names", given(vec![name]))])
        }),
        1 => select(vec![("name", "web"), ("template", "{{ device.name }}"), ("template", "-{{ param.ntp }}")])
            .prop_map(|(field, name)| entry("hostname", vec![(field, given(name))])),
        1 => select(vec!["loaded", "blocked"]).prop_map(|state| {
            entry("kernel_module", vec![("name", given("usb-storage")), ("state", given(state))])
        }),
        1 => (select(SYSCTLS.to_vec()), 0..3).prop_map(|(name, value)| {
            entry("sysctl", vec![("name", given(name)), ("value", given(value))])
        }),
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
        1 => (select(vec!["1", "2"]), 0..2).prop_map(|(version, strip)| {
            let artifact = Digest::of(version.as_bytes()).to_string();
            entry("archive", vec![("path", given("/opt/x")), ("artifact", given(artifact)), ("strip", given(strip))])
        }),
        1 => select(vec!["security", "all"]).prop_map(|which| {
            let window = json!({"from": "02:00", "to": "04:00"});
            entry("updates", vec![("which", given(which)), ("windows", given(vec![window]))])
        }),
        1 => select(vec!["daily", "hourly"]).prop_map(|time| {
            entry("timer", vec![
                ("name", given("report")), ("command", given(vec!["/bin/true"])), ("on_calendar", given(vec![time])),
            ])
        }),
        1 => (select(vec!["cron", "nginx"]), option::of(any::<bool>()), option::of(any::<bool>()), path()).prop_map(
            |(name, running, enabled, path)| {
                entry("service", vec![
                    ("name", given(name)), ("running", running.and_then(given)),
                    ("enabled", enabled.and_then(given)), ("restart_on", given(vec![format!("file:{path}")])),
                ])
            }
        ),
    ]
}

fn file() -> impl Strategy<Value = Value> {
    let bytes = option::weighted(
        0.8,
        select(vec![
            ("content", "one\n"),
            ("content", "two\n"),
            ("content_base64", "AAECAw=="),
            ("template", "server {{ param.ntp }} for {{ device.name }}\n"),
            ("template", "{{ person.username }}\n"),
        ]),
    );
    (path(), bytes, account_name(), mode()).prop_map(|(path, bytes, owner, mode)| {
        let (field, text) = bytes.unwrap_or_default();
        let bytes = bytes.map(|_| text.into());
        entry(
            "file",
            vec![
                ("path", given(path)),
                ("owner", owner.and_then(given)),
                ("mode", mode.and_then(given)),
                (field, bytes),
            ],
        )
    })
}

fn account() -> impl Strategy<Value = Value> {
    let whose = select(vec![("for", "owner"), ("from", "group:engineers"), ("name", "ada"), ("name", "bob")]);
    let shell = option::of(select(vec!["/bin/bash", "/bin/zsh"]));
    let groups = option::of(select(vec![vec!["engineers"], vec!["engineers", "ops"]]));
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINVgZxcJmZH8wTAEYgdpyhcVFjZ7CUI1GnRbNJPlHBXk ada";
    let keys = option::of(Just([KEY]));
    (whose, shell, groups, option::of(Just("Ada L.")), keys).prop_map(
        |((field, whose), shell, groups, full_name, keys)| {
            // What belongs to one person can't be said of a group.
            let full_name = full_name.filter(|_| field != "from");
            entry(
                "account",
                vec![
                    (field, given(whose)),
                    ("shell", shell.and_then(given)),
                    ("groups", groups.and_then(given)),
                    ("ssh_keys", keys.and_then(given)),
                    ("full_name", full_name.and_then(given)),
                ],
            )
        },
    )
}

/// A machine on which some of what profiles name is there already.
fn machine() -> impl Strategy<Value = Machine> {
    let ids: Vec<ResourceId> = [
        "file:/etc/a",
        "file:/etc/b",
        "directory:/etc/a",
        "directory:/etc/b",
        "link:/etc/a",
        "package:git",
        "package:curl",
        "group:engineers",
        "account:ada",
        "account:bob",
        "sudo:ada",
        "hosts_entry:10.0.0.5",
        "line:/etc/c//Port ",
    ]
    .iter()
    .map(|id| id.split_once(':').map(|(kind, key)| ResourceId::new(kind, key)).unwrap())
    .collect();
    let odd = select(vec![
        vec![],
        vec![("mode", json!("0600"))],
        vec![("mode", json!("0640")), ("content", json!(Digest::of(b"theirs").to_string()))],
        vec![("locked", json!(true)), ("gid", json!(777)), ("shell", json!("/bin/sh"))],
    ]);
    (proptest::sample::subsequence(ids.clone(), 0..=ids.len()), odd).prop_map(|(ids, odd)| {
        let mut there: BTreeMap<_, _> = ids.into_iter().map(|id| (id.clone(), fresh(id.kind()))).collect();
        for (name, value) in odd {
            for attributes in there.values_mut().filter(|attributes| attributes.contains_key(name)) {
                attributes.insert(name.to_owned(), value.clone());
            }
        }
        for unit in ["cron", "nginx"] {
            there.insert(ResourceId::new("service", unit), fresh("service"));
        }
        for (kind, key) in [
            ("certificate", "corp"),
            ("browser_policy", "firefox"),
            ("dconf", "corp"),
            ("firewall", "incoming"),
            ("hostname", "hostname"),
            ("kernel_module", "usb_storage"),
            ("login_rule", "office"),
            ("ssh_server", "corp"),
            ("network", "lan"),
            ("proxy", "proxy"),
            ("locale", "locale"),
            ("mount", "/mnt/x"),
            ("time", "time"),
            ("timer", "report"),
            ("updates", "updates"),
        ] {
            there.insert(ResourceId::new(kind, key), fresh(kind));
        }
        for key in SYSCTLS {
            there.insert(ResourceId::new("sysctl", key), fresh("sysctl"));
        }
        Machine(there)
    })
}
