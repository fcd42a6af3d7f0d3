//! A server in this process with a large fleet in its record.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Instant;

use muster_proto::check::{CheckResult, Verdict};
use muster_proto::report::{Outcome, OutcomeKind};
use muster_proto::rest::{Compliance, ComplianceCounts, Device, Page, Session};
use muster_proto::state::Mode;
use muster_proto::{DeviceId, Generation, ResourceId, Timestamp};
use muster_store::{Store, StoreError, Tx};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Map, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub(crate) const DEVICES: u32 = 10_000;
pub(crate) const PASSWORD: &str = "walnut-harbour-eleven-lamps";
const RESOURCES: u32 = 20;
const CHECKS: u32 = 10;
const AUDITED: u32 = 50_000;
/// Devices whose reports go into one transaction.
const BATCH: usize = 500;
const DAY: i64 = 86_400;

/// A server on loopback with an admin logged in; it ends when this is dropped.
pub(crate) struct Served {
    folder: TempDir,
    pub(crate) url: String,
    client: Client,
    cookie: String,
    csrf: String,
    _stop: oneshot::Sender<()>,
}

impl Served {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_owned();
        let words =
            ["muster-server", "setup", "--name", "localhost", "--trust-domain", "corp.example", "--yes"];
        let words = words.map(Into::into).into_iter().chain(["--data".into(), data.clone().into_os_string()]);
        let words: Vec<std::ffi::OsString> = words.collect();
        tokio::task::spawn_blocking(|| muster_server::command::run(words).unwrap()).await.unwrap();
        let devices = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admins = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", admins.local_addr().unwrap().port());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            muster_server::serve(&data, devices, admins, stopped).await.unwrap();
        });
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
        let root = std::fs::read(folder.path().join("ca/root.crt")).unwrap();
        let root = reqwest::Certificate::from_pem(&root).unwrap();
        let client = Client::builder().tls_certs_only([root]).no_proxy().build().unwrap();
        let link = std::fs::read_to_string(folder.path().join("setup-link")).unwrap();
        let secret = link.trim().rsplit_once('#').unwrap().1;
        let body = json!({"link": secret, "name": "kim", "password": PASSWORD});
        let response = client.post(format!("{url}/api/v1/setup")).json(&body).send().await.unwrap();
        let cookie = response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let csrf = response.json::<Session>().await.unwrap().csrf;
        Self { folder, url, client, cookie, csrf, _stop: stop }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}/api/v1{path}", self.url))
            .header("cookie", &self.cookie)
            .header("origin", &self.url)
            .header("x-muster-csrf", &self.csrf)
    }

    pub(crate) async fn get(&self, path: &str) -> Vec<u8> {
        let response = self.request(Method::GET, path).send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.text().await.unwrap());
        response.bytes().await.unwrap().to_vec()
    }

    async fn change(&self, request: RequestBuilder) {
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }

    /// The last page but one of a list.
    pub(crate) async fn far_down(&self, list: &str) -> String {
        let (mut path, mut cursor) = (list.to_owned(), String::new());
        loop {
            let page: Page<serde_json::Value> = serde_json::from_slice(&self.get(&path).await).unwrap();
            let Some(next) = page.next else { return format!("{list}{cursor}") };
            cursor = format!("&cursor={next}");
            path = format!("{list}{cursor}");
        }
    }

    /// The devices, as a file.
    pub(crate) async fn import(&self) {
        let begun = Instant::now();
        let mut csv = "serial,name,owner,labels\n".to_owned();
        for n in 0..DEVICES {
            let kind = if n % 5 == 0 { "server" } else { "laptop" };
            let owner = if n % 5 == 0 { String::new() } else { format!("person{}", n % 3_000) };
            writeln!(csv, "SER{n:06},dev-{n:05},{owner},{kind};site-{}", n % 40).unwrap();
        }
        let request = self.request(Method::POST, "/devices/import?dry_run=false");
        self.change(request.header("content-type", "text/csv").body(csv)).await;
        eprintln!("imported in {:.1} s", begun.elapsed().as_secs_f64());
    }

    /// A profile for everyone.
    pub(crate) async fn assign(&self) {
        let begun = Instant::now();
        let mut source =
            "muster: 1\nprofile: base\ndescription: What every machine has\nresources:\n".to_owned();
        for n in 0..RESOURCES {
            writeln!(source, "  - file: {{ path: /etc/muster-{n}, content: \"{n}\\n\" }}").unwrap();
        }
        source.push_str("checks:\n");
        for n in 0..CHECKS {
            let title = format!("Rule {n} of the house is kept");
            writeln!(source, "  - id: check-{n}\n    title: {title}\n    violations: SELECT username FROM shadow\n    controls: [CIS-{n}, ISO-{}]", n % 3).unwrap();
        }
        let request = self.request(Method::PUT, "/profiles/base");
        self.change(request.header("content-type", "application/yaml").body(source)).await;
        let wanted = json!({"profile": "base", "target": "everyone"});
        self.change(self.request(Method::POST, "/assignments").json(&wanted)).await;
        eprintln!("assigned in {:.1} s", begun.elapsed().as_secs_f64());
    }

    /// What devices would have reported, and an audit of some years.
    pub(crate) async fn report(&self) {
        let begun = Instant::now();
        let store = Store::open(&self.folder.path().join("muster.db")).unwrap();
        let ids = store.read(muster_store::device::all_ids).await.unwrap();
        let now = Timestamp::from_system(std::time::SystemTime::now());
        for (batch, ids) in ids.chunks(BATCH).enumerate() {
            let ids = ids.to_vec();
            let fill = move |tx: &mut Tx<'_>| {
                for (n, id) in ids.into_iter().enumerate() {
                    reported(tx, id, u32::try_from(batch * BATCH + n).unwrap(), now)?;
                }
                Ok::<_, StoreError>(())
            };
            store.write(fill).await.unwrap();
        }
        store.write(move |tx| (1..30).try_for_each(|day| stood(tx, day, now))).await.unwrap();
        store.write(move |tx| (0..AUDITED).try_for_each(|n| audited(tx, n, now))).await.unwrap();
        eprintln!("reported in {:.1} s", begun.elapsed().as_secs_f64());
    }

    /// What a list says is what holds: nothing is kept from before a change.
    pub(crate) async fn changing_labels_is_seen_at_once(&self) {
        let labels = BTreeSet::from(["moved", "laptop"]);
        self.change(self.request(Method::PATCH, "/devices/dev-04711").json(&json!({"labels": labels}))).await;
        let page: Page<Device> = serde_json::from_slice(&self.get("/devices?label=moved").await).unwrap();
        assert_eq!((page.total, page.items[0].name.as_str()), (1, "dev-04711"));
    }
}

/// One device in twenty fails, one in fifty was not heard of for long, one in a hundred has never been seen.
fn reported(tx: &mut Tx<'_>, id: DeviceId, n: u32, now: Timestamp) -> Result<(), StoreError> {
    if n % 100 == 99 {
        return Ok(());
    }
    let fails = n.is_multiple_of(20);
    let seen = now.plus_seconds(if n % 50 == 7 { -20 * DAY } else { -i64::from(n % 600) });
    muster_store::device::set_enrolled(tx, id, seen)?;
    muster_store::device::set_ready(tx, id, seen)?;
    muster_store::device::set_applied(tx, id, Generation(u64::MAX >> 1))?;
    muster_store::device::set_facts(tx, id, "{}", "Debian GNU/Linux 12 (bookworm)")?;
    for number in 0..RESOURCES {
        let drifted = fails && number % 7 == n / 20 % 7;
        let outcome = outcome(number, if drifted { OutcomeKind::Drifted } else { OutcomeKind::Kept });
        muster_store::outcome::put(tx, id, &outcome, seen, &json!(outcome).to_string())?;
    }
    for number in 0..CHECKS {
        let failed = fails && number == n / 20 % CHECKS;
        let before = result(number, Verdict::Pass);
        let begun = now.plus_seconds(-i64::from(20 + n % 20) * DAY);
        muster_store::check::begin(tx, id, &before, &json!(before).to_string(), begun)?;
        if failed {
            let since = now.plus_seconds(-i64::from(n % 15) * DAY);
            muster_store::check::end(tx, id, &before.id, since)?;
            let after = result(number, Verdict::Fail);
            muster_store::check::begin(tx, id, &after, &json!(after).to_string(), since)?;
        }
    }
    let compliance = if fails { Compliance::Failing } else { Compliance::Compliant };
    muster_store::device::set_compliance(tx, id, compliance, if fails { 4 } else { 0 })
}

fn outcome(number: u32, outcome: OutcomeKind) -> Outcome {
    Outcome {
        resource: ResourceId::new("file", &format!("/etc/muster-{number}")),
        outcome,
        profile: "base".into(),
        revision: 1,
        assignment: "as-1".into(),
        mode: Mode::Enforce,
        differences: vec![],
        reason: (outcome == OutcomeKind::Drifted).then(|| "changed by hand".to_owned()),
        note: None,
        overrides: vec![],
    }
}

fn result(number: u32, verdict: Verdict) -> CheckResult {
    let row = Map::from_iter([("username".to_owned(), json!("ada"))]);
    CheckResult {
        id: format!("check-{number}"),
        profile: "base".into(),
        revision: 1,
        verdict,
        evidence: if verdict == Verdict::Fail { vec![row] } else { vec![] },
        reason: None,
    }
}

fn stood(tx: &mut Tx<'_>, day: i64, now: Timestamp) -> Result<(), StoreError> {
    let date: String = now.plus_seconds(-day * DAY).to_string().chars().take(10).collect();
    let failing = 400 + u64::from(day.unsigned_abs() as u32 % 7) * 30;
    let (total, stale) = (u64::from(DEVICES) - 100, 200);
    let compliant = total - failing - stale;
    let counts = ComplianceCounts { total, compliant, failing, unknown: 0, stale, unmanaged: 0, waived: 0 };
    muster_store::day::put(tx, &date, &counts)
}

fn audited(tx: &mut Tx<'_>, n: u32, now: Timestamp) -> Result<(), StoreError> {
    let (actor, target) = (format!("device:{n}"), format!("target-{}", n % 977));
    let detail = Map::from_iter([("generation".to_owned(), json!(n))]);
    let at = now.plus_seconds(-i64::from(AUDITED - n) * 60);
    let entry =
        muster_store::audit::Entry { at, actor: &actor, action: "device.ready", target: &target, detail };
    muster_store::audit::append(tx, &entry)?;
    Ok(())
}
