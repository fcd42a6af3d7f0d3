//! The admins' door from outside: a server that was set up, over TLS on loopback.

mod artifacts;
mod matrix;

use clap::{Args as _, FromArgMatches as _};
use muster_proto::rest::{
    AssignmentResult, CreatedApiToken, Device, Import, Page, Problem, Role, SavedRevision, Session,
};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::openapi;
use crate::setup::Setup;

const PASSWORD: &str = "correct horse battery";
const PROFILE: &str = "muster: 1\nprofile: base\nresources:\n  - packages: [curl]\n";

/// A server on loopback; it ends when this is dropped.
struct Server {
    folder: TempDir,
    url: String,
    client: Client,
    _stop: oneshot::Sender<()>,
}

/// What a logged-in browser has.
struct Browser {
    cookie: String,
    session: Session,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = Setup::augment_args(clap::Command::new("setup")).get_matches_from([
            "setup",
            "--data",
            folder.path().to_str().unwrap(),
            "--name",
            "localhost",
            "--trust-domain",
            "corp.example",
            "--yes",
        ]);
        Setup::from_arg_matches(&arguments).unwrap().run().await.unwrap();
        let devices = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admins = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", admins.local_addr().unwrap().port());
        let (stop, stopped) = oneshot::channel::<()>();
        let data = folder.path().to_owned();
        tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            crate::serve::serve(&data, devices, admins, stopped).await.unwrap();
        });
        // A second test in this process finds it installed.
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
        let root = std::fs::read(folder.path().join("ca/root.crt")).unwrap();
        let client = Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&root).unwrap()])
            .no_proxy()
            .build()
            .unwrap();
        Self { folder, url, client, _stop: stop }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    async fn first_admin(&self) -> Browser {
        let link = std::fs::read_to_string(self.folder.path().join("setup-link")).unwrap();
        self.set_up(link.trim().rsplit_once('#').unwrap().1, "kim").await
    }

    /// Chooses a password by a link, and is logged in.
    async fn set_up(&self, link: &str, name: &str) -> Browser {
        let body = json!({"link": link, "name": name, "password": PASSWORD});
        let response = self.request(Method::POST, "/api/v1/setup").json(&body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(
            cookie.starts_with("__Host-") && cookie.contains("Secure; HttpOnly; SameSite=Strict"),
            "{cookie}"
        );
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Browser { cookie, session: response.json().await.unwrap() }
    }

    async fn token(&self, browser: &Browser, role: Role) -> String {
        let wanted = json!({"name": "tests", "role": role});
        let request = self.request(Method::POST, "/api/v1/api-tokens").json(&wanted);
        let response = browser.sign(self, request).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        response.json::<CreatedApiToken>().await.unwrap().secret
    }

    async fn admin(&self) -> String {
        self.token(&self.first_admin().await, Role::Admin).await
    }

    async fn text(&self, token: &str, method: Method, path: &str, kind: &str, body: String) -> Response {
        let request = self.request(method, path).bearer_auth(token).header("content-type", kind);
        request.body(body).send().await.unwrap()
    }
}

impl Browser {
    fn sign(&self, server: &Server, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request
            .header("cookie", &self.cookie)
            .header("origin", &server.url)
            .header("x-muster-csrf", &self.session.csrf)
    }
}

async fn problem(response: Response) -> Problem {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let status = response.status();
    let problem: Problem = response.json().await.unwrap();
    assert_eq!(problem.status, status.as_u16());
    problem
}

#[tokio::test]
async fn the_first_admin_imports_devices_and_assigns_a_profile() {
    let server = Server::start().await;
    let token = server.admin().await;
    let csv = "serial,name,owner,labels\nSN1,lap-ada,ada,laptop\nSN2,srv1,,server\n".to_owned();
    let imported =
        server.text(&token, Method::POST, "/api/v1/devices/import?dry_run=false", "text/csv", csv).await;
    assert_eq!(imported.json::<Import>().await.unwrap().new, 2);
    let saved = server
        .text(&token, Method::PUT, "/api/v1/profiles/base", "application/yaml", PROFILE.to_owned())
        .await;
    assert_eq!(saved.json::<SavedRevision>().await.unwrap().number, 1);
    let wanted = json!({"profile": "base", "target": "label:laptop"});
    let request = server.request(Method::POST, "/api/v1/assignments").bearer_auth(&token).json(&wanted);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.json::<AssignmentResult>().await.unwrap().devices, ["lap-ada"]);
    let list = server.request(Method::GET, "/api/v1/devices?label=laptop").bearer_auth(&token);
    let page: Page<Device> = list.send().await.unwrap().json().await.unwrap();
    assert_eq!((page.total, page.items[0].name.as_str(), page.items[0].generation_wanted), (1, "lap-ada", 1));
}

#[tokio::test]
async fn a_stranger_sends_little_and_in_time_or_is_not_waited_for() {
    let pending = tokio_stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let request = axum::extract::Request::new(axum::body::Body::from_stream(pending));
    let slow = super::with_body(request, std::time::Duration::from_millis(10)).await;
    let slow = axum::response::IntoResponse::into_response(slow.err().unwrap());
    assert_eq!(slow.status(), StatusCode::REQUEST_TIMEOUT);

    let server = Server::start().await;
    let login = |password: String| {
        let body = json!({"name": "kim", "password": password});
        server.request(Method::POST, "/api/v1/session").json(&body).send()
    };
    let large = login("a".repeat(super::MAX_OPEN_BODY)).await.unwrap();
    assert_eq!(problem(large).await.status, 413);
    // What a password of the longest characters takes, written out.
    let small = login("a".repeat(3_072)).await.unwrap();
    assert_eq!(problem(small).await.status, 401);
}

#[tokio::test]
async fn a_forged_credential_is_none() {
    let server = Server::start().await;
    for (name, value) in [
        ("authorization", "Bearer muster_forged"),
        ("authorization", "Bearer "),
        ("authorization", "Basic a2ltOnB3"),
        ("cookie", "__Host-muster-session=forged"),
    ] {
        let request = server.request(Method::GET, "/api/v1/devices").header(name, value);
        assert_eq!(problem(request.send().await.unwrap()).await.status, 401, "{name}: {value}");
    }
    assert_eq!(server.request(Method::GET, "/healthz").send().await.unwrap().status(), 200);
    assert_eq!(server.request(Method::GET, "/readyz").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_change_with_the_cookie_needs_the_pages_own_origin_and_secret() {
    let server = Server::start().await;
    let browser = server.first_admin().await;
    let person = || {
        let request = server.request(Method::POST, "/api/v1/people").json(&json!({"username": "ada"}));
        request.header("cookie", &browser.cookie)
    };
    let csrf = &browser.session.csrf;
    let foreign = person().header("x-muster-csrf", csrf).header("origin", "https://evil.example");
    assert_eq!(problem(foreign.send().await.unwrap()).await.status, 403);
    let unnamed = person().header("x-muster-csrf", csrf);
    assert_eq!(problem(unnamed.send().await.unwrap()).await.status, 403);
    let secretless = person().header("origin", &server.url);
    assert_eq!(problem(secretless.send().await.unwrap()).await.status, 403);
    let own = browser.sign(&server, person());
    assert_eq!(own.send().await.unwrap().status(), StatusCode::CREATED);
}

#[tokio::test]
async fn an_ended_session_is_over() {
    let server = Server::start().await;
    let browser = server.first_admin().await;
    let out = browser.sign(&server, server.request(Method::DELETE, "/api/v1/session"));
    assert_eq!(out.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let again = browser.sign(&server, server.request(Method::GET, "/api/v1/session"));
    assert_eq!(again.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn hostile_input_gets_one_clear_problem() {
    let server = Server::start().await;
    let token = server.admin().await;
    let post = async |path: &str, kind: &str, body: String| {
        problem(server.text(&token, Method::POST, path, kind, body).await).await.status
    };
    let json = "application/json";
    for name in ["a".repeat(10_000), "a\u{1b}[2J".to_owned(), "../etc".to_owned(), "-rf".to_owned()] {
        let body = json!({"username": name}).to_string();
        assert_eq!(post("/api/v1/people", json, body).await, 422, "{name:.20}");
    }
    assert_eq!(post("/api/v1/people", json, "a".repeat(1 << 20)).await, 413);
    assert_eq!(post("/api/v1/people", "text/html", "{}".to_owned()).await, 415);
    assert_eq!(post("/api/v1/people", json, "{".to_owned()).await, 400);
    assert_eq!(post("/api/v1/nothing", json, "{}".to_owned()).await, 404);
    assert_eq!(post("/api/v1/overview", json, "{}".to_owned()).await, 405);
    let get = async |path: &str| {
        let request = server.request(Method::GET, path).bearer_auth(&token);
        problem(request.send().await.unwrap()).await.status
    };
    assert_eq!(get("/api/v1/devices?labels=x").await, 400);
    assert_eq!(get("/api/v1/devices?limit=1000000").await, 400);
    assert_eq!(get("/api/v1/devices/%ff").await, 404);
    assert_eq!(get("/api/v1/nothing").await, 404);
}

#[tokio::test]
async fn a_yaml_bomb_is_refused_with_its_place() {
    let server = Server::start().await;
    let token = server.admin().await;
    let bomb: String = (1..20).map(|i| format!("a{i}: &a{i} [*a{},*a{}]\n", i - 1, i - 1)).collect();
    let source = format!("a0: &a0 [x,x]\n{bomb}");
    let response =
        server.text(&token, Method::PUT, "/api/v1/profiles/bomb", "application/yaml", source).await;
    let problem = problem(response).await;
    assert_eq!(problem.status, 422);
    assert_eq!(problem.errors.len(), 1);
}

#[tokio::test]
async fn answers_tell_browsers_to_run_nothing_foreign() {
    let server = Server::start().await;
    for path in ["/", "/devices/lap-ada", "/api/v1/devices", "/healthz"] {
        let response = server.request(Method::GET, path).send().await.unwrap();
        let headers = response.headers();
        assert!(
            headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'self';"),
            "{path}"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert!(headers.contains_key("cache-control"), "{path}");
    }
    let missing = server.request(Method::GET, "/assets/none.js").send().await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn changes_are_told_while_they_happen() {
    let server = Server::start().await;
    let token = server.admin().await;
    let request = server.request(Method::GET, "/api/v1/events").bearer_auth(&token);
    let mut events = request.send().await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let source = PROFILE.to_owned();
    server.text(&token, Method::PUT, "/api/v1/profiles/base", "application/yaml", source).await;
    let chunk = events.chunk().await.unwrap().unwrap();
    let text = std::str::from_utf8(&chunk).unwrap();
    let data = text.lines().next().unwrap().strip_prefix("data:").unwrap();
    let notice: Value = serde_json::from_str(data).unwrap();
    assert_eq!((&notice["topic"], &notice["id"]), (&json!("profile"), &json!("base")));
}
