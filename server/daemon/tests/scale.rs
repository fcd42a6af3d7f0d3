//! A fleet of 10,000 devices over the admins' door, and in Chromium. Ignored by default: it takes minutes to fill.
//!
//! Devices, profile and assignment come in as an admin brings them; what devices would have reported is written by the
//! store's own functions. `MUSTER_IMAGES` names a folder for screenshots.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a measurement says what it measures")]

mod fleet;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fleet::{DEVICES, PASSWORD, Served};

/// What a list or count may take at the server, of a hundred requests the slowest but one.
const LIMIT: Duration = Duration::from_millis(100);
const REQUESTS: usize = 100;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fills a fleet of 10,000 devices"]
async fn any_list_or_count_of_10_000_devices_takes_at_most_100_ms_and_a_page_a_second() {
    let served = Served::start().await;
    served.import().await;
    served.assign().await;
    served.report().await;
    let mut slow = Vec::new();
    eprintln!("median   p99 and CPU of each request in ms");
    for path in paths(&served).await {
        let (mut took, spent) = (Vec::new(), spent());
        for _ in 0..REQUESTS {
            let begun = Instant::now();
            let length = served.get(&path).await.len();
            assert!(length > 2, "{path} is empty");
            took.push(begun.elapsed());
        }
        took.sort();
        let each = (self::spent() - spent) / REQUESTS as f64;
        let (median, p99) = (took[REQUESTS / 2], took[REQUESTS * 99 / 100 - 1]);
        eprintln!("{:>6.1} {:>6.1} {each:>6.1}  {path}", millis(median), millis(p99));
        if p99 > LIMIT {
            slow.push(path);
        }
    }
    served.changing_labels_is_seen_at_once().await;
    browse(&served).await;
    assert_eq!(slow, Vec::<String>::new());
}

/// Every list and count that pages ask for, at its beginning and far down.
async fn paths(served: &Served) -> Vec<String> {
    let lists = [
        "/overview",
        "/devices?limit=100",
        "/devices?limit=500",
        "/devices?sort=compliance",
        "/devices?sort=last_seen",
        "/devices?sort=failing",
        "/devices?q=99",
        "/devices?label=site-7",
        "/devices?compliance=failing",
        "/devices?profile=base",
        "/devices?profile=base&compliance=compliant",
        "/compliance?limit=100",
        "/profiles",
        "/profiles/base",
        "/assignments",
        "/checks",
        "/checks/check-3",
        "/checks/check-3/devices",
        "/checks/check-3/devices?verdict=fail",
        "/controls/CIS-3",
        "/controls/CIS-3/devices",
        "/outcomes?profile=base&outcome=drifted",
        "/outcomes?profile=base&outcome=kept",
        "/outcomes?profile=base%401&outcome=drifted&resource=file:/etc/muster-3",
        "/people",
        "/audit",
        "/audit?actor=kim",
        "/audit?action=device&target=dev-04711",
    ];
    let mut paths: Vec<String> = lists.map(str::to_owned).into();
    for list in ["/devices?sort=compliance&limit=1000", "/checks/check-3/devices?limit=1000"] {
        paths.push(served.far_down(list).await.replace("limit=1000", "limit=100"));
    }
    paths.extend(["", "/resources", "/checks", "/history"].map(|part| format!("/devices/dev-04711{part}")));
    paths
}

/// The same fleet in Chromium, if the browser's test is installed.
async fn browse(served: &Served) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/browser");
    if !folder.join("node_modules").is_dir() {
        eprintln!("not in Chromium: run `npm ci` in {} first", folder.display());
        return;
    }
    let mut command = Command::new("node");
    command
        .arg("--test")
        .arg(PathBuf::from("scale.test.mjs"))
        .current_dir(folder)
        .env("BASE_URL", &served.url)
        .env("ADMIN_PASSWORD", PASSWORD)
        .env("DEVICES", DEVICES.to_string());
    if let Some(images) = std::env::var_os("MUSTER_IMAGES") {
        command.env("IMAGES", images);
    }
    let ended = tokio::task::spawn_blocking(move || command.status()).await.unwrap().unwrap();
    assert!(ended.success(), "the browser's test failed: {ended}");
}

/// Milliseconds of processor time that this process, server and client, has had. On a busy machine it says more than the
/// clock on the wall.
fn spent() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
