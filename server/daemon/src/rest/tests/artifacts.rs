//! Artifacts by the API: put in pieces, named by profiles, read again and deleted.

use muster_proto::Digest;
use muster_proto::rest::{ArtifactState, ArtifactView};

use super::*;

const PATH: &str = "/api/v1/artifacts";

impl Server {
    async fn begin(&self, token: &str, bytes: &[u8], name: &str) -> Response {
        let wanted = json!({"digest": Digest::of(bytes).to_string(), "size": bytes.len(), "name": name});
        self.request(Method::POST, PATH).bearer_auth(token).json(&wanted).send().await.unwrap()
    }

    async fn send(&self, token: &str, digest: Digest, offset: usize, bytes: &[u8]) -> Response {
        let path = format!("{PATH}/{digest}?offset={offset}");
        let request = self.request(Method::PATCH, &path).bearer_auth(token);
        request.header("content-type", "application/octet-stream").body(bytes.to_vec()).send().await.unwrap()
    }

    async fn ask(&self, token: &str, method: Method, path: &str) -> Response {
        self.request(method, path).bearer_auth(token).send().await.unwrap()
    }

    async fn put(&self, token: &str, bytes: &[u8], name: &str) -> Digest {
        let digest = Digest::of(bytes);
        assert_eq!(self.begin(token, bytes, name).await.status(), StatusCode::CREATED);
        let stored: ArtifactView = self.send(token, digest, 0, bytes).await.json().await.unwrap();
        assert_eq!(stored.state, ArtifactState::Stored);
        digest
    }
}

async fn view(response: Response) -> ArtifactView {
    assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    response.json().await.unwrap()
}

#[tokio::test]
async fn an_upload_goes_on_where_it_was_cut_and_is_at_once_done_the_next_time() {
    let server = Server::start().await;
    let token = server.admin().await;
    let bytes: Vec<u8> = (0..600_000).map(|n| (n % 241) as u8).collect();
    let digest = Digest::of(&bytes);
    let begun = view(server.begin(&token, &bytes, "tool-1.tar").await).await;
    assert_eq!((begun.state, begun.received), (ArtifactState::Uploading, 0));
    let half = view(server.send(&token, digest, 0, &bytes[..300_000]).await).await;
    assert_eq!((half.state, half.received), (ArtifactState::Uploading, 300_000));
    let astray = problem(server.send(&token, digest, 200_000, &bytes[200_000..]).await).await;
    assert_eq!(astray.status, 409);
    assert!(astray.detail.contains("has 300000 bytes"), "{}", astray.detail);
    let again = view(server.begin(&token, &bytes, "tool-1.tar").await).await;
    assert_eq!(again.received, 300_000);
    let whole = view(server.send(&token, digest, 300_000, &bytes[300_000..]).await).await;
    assert_eq!((whole.state, whole.received), (ArtifactState::Stored, 600_000));
    let at_once = server.begin(&token, &bytes, "another name").await;
    assert_eq!(at_once.status(), StatusCode::OK);
    assert_eq!(view(at_once).await.name, "tool-1.tar");
    for called in [digest.to_string(), digest.to_string()[7..20].to_owned(), "tool-1.tar".into()] {
        let content = server.ask(&token, Method::GET, &format!("{PATH}/{called}/content")).await;
        assert_eq!(content.headers()["content-type"], "application/octet-stream");
        assert!(content.bytes().await.unwrap() == bytes, "{called}");
    }
}

#[tokio::test]
async fn what_is_not_what_was_announced_is_refused_and_not_kept() {
    let server = Server::start().await;
    let token = server.admin().await;
    let digest = Digest::of(b"right");
    view(server.begin(&token, b"right", "x").await).await;
    let longer = problem(server.send(&token, digest, 0, b"right and more").await).await;
    assert!(longer.detail.contains("More comes than the 5 bytes"), "{}", longer.detail);
    let wrong = problem(server.send(&token, digest, 0, b"wrong").await).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.detail.contains("put it again"), "{}", wrong.detail);
    let gone = problem(server.ask(&token, Method::GET, &format!("{PATH}/{digest}")).await).await;
    assert!(gone.detail.contains("muster artifact list"), "{}", gone.detail);
    assert_eq!(std::fs::read_dir(server.folder.path().join("artifacts")).unwrap().count(), 0);
    server.put(&token, b"right", "x").await;
    for (wanted, said) in [
        (json!({"digest": digest.to_string(), "size": 5, "name": "../x"}), "name"),
        (json!({"digest": digest.to_string(), "size": 0, "name": "x"}), "empty"),
        (json!({"digest": digest.to_string(), "size": 5_000_000_000_u64, "name": "x"}), "4294967296 at most"),
        (json!({"digest": digest.to_string(), "size": 6, "name": "x"}), "another file"),
        (json!({"digest": "sha256:00", "size": 5, "name": "x"}), "digest"),
    ] {
        let request = server.request(Method::POST, PATH).bearer_auth(&token).json(&wanted);
        let refused = problem(request.send().await.unwrap()).await;
        assert!(refused.detail.to_lowercase().contains(said), "{wanted}: {}", refused.detail);
    }
}

#[tokio::test]
async fn a_profile_names_only_what_is_there_and_what_it_names_stays() {
    let server = Server::start().await;
    let token = server.admin().await;
    let (first, second) = (Digest::of(b"one"), Digest::of(b"two"));
    let save = async |digest: Digest| {
        let source = format!(
            "muster: 1\nprofile: tool\nresources:\n  - archive: {{ path: /opt/tool, artifact: \"{digest}\" }}\n"
        );
        server.text(&token, Method::PUT, "/api/v1/profiles/tool", "application/yaml", source).await
    };
    let refused = problem(save(first).await).await;
    assert_eq!((refused.status, refused.errors[0].line), (422, 4));
    assert!(refused.errors[0].message.contains("muster artifact put FILE"), "{:?}", refused.errors);
    view(server.begin(&token, b"one", "tool-1").await).await;
    assert_eq!(problem(save(first).await).await.status, 422, "it is on its way and not there");
    view(server.send(&token, first, 0, b"one").await).await;
    assert_eq!(save(first).await.status(), StatusCode::OK);
    let path = format!("{PATH}/{first}");
    let kept = problem(server.ask(&token, Method::DELETE, &path).await).await;
    assert_eq!(kept.status, 409);
    assert!(kept.detail.starts_with("tool-1 is named by tool@1:"), "{}", kept.detail);

    // An older revision that is assigned needs it as well.
    let assign = async |revision: u32| {
        let wanted = json!({"profile": "tool", "revision": revision, "target": "everyone"});
        server
            .request(Method::POST, "/api/v1/assignments")
            .bearer_auth(&token)
            .json(&wanted)
            .send()
            .await
            .unwrap()
    };
    assert_eq!(assign(1).await.status(), StatusCode::CREATED);
    server.put(&token, b"two", "tool-2").await;
    assert_eq!(save(second).await.status(), StatusCode::OK);
    assert_eq!(server.ask(&token, Method::DELETE, &path).await.status(), StatusCode::CONFLICT);
    assert_eq!(view(server.ask(&token, Method::GET, &path).await).await.named_by, ["tool@1"]);
    assert_eq!(assign(2).await.status(), StatusCode::CREATED);
    assert_eq!(server.ask(&token, Method::DELETE, &path).await.status(), StatusCode::NO_CONTENT);
    let back = problem(assign(1).await).await;
    assert!(back.detail.contains("deleted since"), "{}", back.detail);
    let list = server.ask(&token, Method::GET, PATH).await.json::<Vec<ArtifactView>>().await.unwrap();
    assert_eq!(list.iter().map(|artifact| artifact.name.as_str()).collect::<Vec<_>>(), ["tool-2"]);
}

#[tokio::test]
async fn a_file_that_is_gone_is_told_and_can_be_put_again() {
    let server = Server::start().await;
    let token = server.admin().await;
    let digest = server.put(&token, b"tool", "tool").await;
    let file = server.folder.path().join("artifacts").join(&digest.to_string()[7..]);
    std::fs::remove_file(&file).unwrap();
    let gone = problem(server.ask(&token, Method::GET, &format!("{PATH}/tool/content")).await).await;
    assert!(gone.detail.contains("put it again"), "{}", gone.detail);
    let missing = view(server.begin(&token, b"tool", "tool").await).await;
    assert_eq!((missing.state, missing.received), (ArtifactState::Missing, 0));
    assert_eq!(view(server.send(&token, digest, 0, b"tool").await).await.state, ArtifactState::Stored);
    assert!(file.exists());
}

#[tokio::test]
async fn what_is_done_with_artifacts_is_in_the_audit() {
    let server = Server::start().await;
    let token = server.admin().await;
    let digest = server.put(&token, b"tool", "tool").await;
    let deleted = server.ask(&token, Method::DELETE, &format!("{PATH}/{digest}")).await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    let audit = server.ask(&token, Method::GET, &format!("/api/v1/audit?target={digest}")).await;
    let page: Value = audit.json().await.unwrap();
    let actions: Vec<_> = page["items"].as_array().unwrap().iter().map(|e| e["action"].clone()).collect();
    assert_eq!(actions, ["artifact.delete", "artifact.put", "artifact.begin"]);
}
