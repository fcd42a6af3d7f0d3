//! What anybody can fetch below `/install`.

use std::fs;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use tower::ServiceExt as _;

use super::*;

/// A data folder, a folder of packages beside a file that is nobody's, and what is served of them.
struct Place {
    _folder: tempfile::TempDir,
    router: Router,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let packages = folder.path().join("apt");
    fs::create_dir_all(packages.join("pool")).unwrap();
    fs::create_dir_all(packages.join("dists/stable/main/binary-amd64")).unwrap();
    fs::write(packages.join("pool/muster-agent_1_amd64.deb"), "deb").unwrap();
    fs::write(packages.join("dists/stable/main/binary-amd64/Packages"), "Package: muster-agent\n").unwrap();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    let data = DataFolder::at(folder.path());
    let now = crate::app::system_clock();
    let domain = "corp.example".parse().unwrap();
    let authority = Authority::set_up(&data.authority(), &domain, None, now).unwrap();
    let config = Config {
        name: "m.example".to_owned(),
        packages: Some(packages),
        tls: None,
        return_window_days: None,
        max_artifact_mib: None,
    };
    let origin = origin(&data, &config, &authority, now).unwrap();
    let install =
        Install::open(&data, &config, origin, "token = \"TOKEN\"\n", crate::app::system_clock).unwrap();
    Place { _folder: folder, router: router(install) }
}

impl Place {
    async fn get(&self, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn text(&self, path: &str) -> String {
        let (status, text) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        text
    }
}

#[tokio::test]
async fn the_repository_is_whole_and_its_source_names_it() {
    let place = place();
    assert!(
        place.text("/install/muster.sources").await.contains("URIs: https://m.example:8443/install/apt\n")
    );
    let release = place.text("/install/apt/dists/stable/InRelease").await;
    assert!(release.contains(" 22 main/binary-amd64/Packages\n"), "{release}");
    assert_eq!(
        place.text("/install/apt/dists/stable/main/binary-amd64/Packages").await,
        "Package: muster-agent\n"
    );
    assert_eq!(place.text("/install/apt/pool/muster-agent_1_amd64.deb").await, "deb");
    assert!(place.text("/install/root.crt").await.starts_with("-----BEGIN CERTIFICATE-----\n"));
}

#[tokio::test]
async fn nothing_beside_the_packages_can_be_fetched_or_listed() {
    let place = place();
    for path in [
        "/install/apt/pool/",
        "/install/apt/pool",
        "/install/apt/pool/../../secret",
        "/install/apt/pool/%2e%2e/%2e%2e/secret",
        "/install/apt/pool/..%2f..%2fsecret",
        "/install/apt/dists/stable/main/binary-..%2f..%2f/Packages",
        "/install/apt/dists/stable/main/pool/Packages",
        "/install/packages.key",
    ] {
        let (status, text) = place.get(path).await;
        assert!(!status.is_success() && !text.contains("secret"), "{path}: {status} {text}");
    }
}

#[tokio::test]
async fn the_page_shows_every_way_and_no_secret() {
    let place = place();
    let page = place.text("/install").await;
    for way in
        ["$sudo apt-get install", "debootstrap", "#cloud-config", "preseed/late_command", "late-commands"]
    {
        assert!(page.contains(way), "{way}");
    }
    assert!(page.contains("token = &quot;TOKEN&quot;") && page.contains("amd64"));
    assert!(!page.contains("PRIVATE") && !page.contains("<script") && !page.contains("style="));
}
