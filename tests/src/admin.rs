//! An admin of the server under test, speaking the REST API with an API token, over `curl` in the test network.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::rest::{
    AssignmentResult, AssignmentView, CreatedApiToken, CreatedToken, DeviceDetail, Import, Login,
    NewApiToken, NewAssignment, NewToken, Problem, ResourceView, RevealedPassword, Role, SavedRevision,
    Session, Setup, Unknown,
};
use muster_proto::state::Mode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::command;
use crate::network::Network;
use crate::server::Server;
use crate::wait::wait_until;

/// The first admin's login name.
pub const ADMIN_NAME: &str = "demo-admin";

/// An admin with a token of the role admin.
#[derive(Debug)]
pub struct Admin<'n> {
    network: &'n Network,
    url: String,
    /// The password that [`ADMIN_NAME`] logs in with.
    pub password: String,
    /// The API token; empty until there is one.
    pub token: String,
}

/// One request's answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// What a request carries.
struct Request<'a> {
    method: &'a str,
    path: &'a str,
    content_type: &'a str,
    body: Option<&'a str>,
    headers: Vec<String>,
}

impl<'n> Admin<'n> {
    /// Opens the setup link of a server, as the first admin does, and makes an API token.
    pub fn first(network: &'n Network, server: &Server<'_>, password: &str) -> Result<Self> {
        let link = server.setup_link()?;
        let secret = link.rsplit(['=', '#', '/']).next().unwrap_or_default().to_owned();
        let setup = Setup { link: secret, name: ADMIN_NAME.to_owned(), password: password.to_owned() };
        Self::open(network, server, password, "/setup", &setup)
    }

    /// Logs in as [`ADMIN_NAME`], who is there already, and makes an API token.
    pub fn log_in(network: &'n Network, server: &Server<'_>, password: &str) -> Result<Self> {
        let login = Login { name: ADMIN_NAME.to_owned(), password: password.to_owned(), code: None };
        Self::open(network, server, password, "/session", &login)
    }

    fn open(
        network: &'n Network,
        server: &Server<'_>,
        password: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Self> {
        let mut admin =
            Self { network, url: server.admin_url(), password: password.to_owned(), token: String::new() };
        let (session, cookie) = admin.open_session(path, body)?;
        let wanted = NewApiToken {
            name: "system-tests".to_owned(),
            role: Role::Admin,
            days: Some(1),
            scopes: Vec::new(),
        };
        let body = serde_json::to_string(&wanted).context("writing a request")?;
        let answer = admin.send(&Request {
            method: "POST",
            path: "/api-tokens",
            content_type: "application/json",
            body: Some(&body),
            headers: vec![
                format!("Cookie: {cookie}"),
                format!("X-Muster-CSRF: {}", session.csrf),
                format!("Origin: {}", admin.url),
            ],
        })?;
        admin.token = answer.read::<CreatedApiToken>()?.secret;
        Ok(admin)
    }

    /// Reads a resource of the API; the path begins after `/api/v1`.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.request("GET", path, None)?.read().with_context(|| format!("GET {path}"))
    }

    /// Sends a JSON body.
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let body = serde_json::to_string(body).context("writing a request")?;
        self.request("POST", path, Some(&body))?.read().with_context(|| format!("POST {path}"))
    }

    /// Sends a request with the API token; any status is an answer.
    pub fn request(&self, method: &str, path: &str, body: Option<&str>) -> Result<Answer> {
        let content_type = "application/json";
        let headers = vec![format!("Authorization: Bearer {}", self.token)];
        self.send(&Request { method, path, content_type, body, headers })
    }

    /// Registers devices from CSV (`serial,name,owner,labels`).
    pub fn import(&self, csv: &str) -> Result<Import> {
        let headers = vec![format!("Authorization: Bearer {}", self.token)];
        let content_type = "text/csv";
        self.send(&Request {
            method: "POST",
            path: "/devices/import",
            content_type,
            body: Some(csv),
            headers,
        })?
        .read()
    }

    /// Saves a profile from its YAML source.
    pub fn save_profile(&self, name: &str, source: &str) -> Result<SavedRevision> {
        self.put_profile(name, source)?.read().with_context(|| format!("saving profile {name}"))
    }

    /// Asks for a profile to be saved; any status is an answer.
    pub fn put_profile(&self, name: &str, source: &str) -> Result<Answer> {
        let headers = vec![format!("Authorization: Bearer {}", self.token)];
        let path = format!("/profiles/{name}");
        let request = Request {
            method: "PUT",
            path: &path,
            content_type: "application/yaml",
            body: Some(source),
            headers,
        };
        self.send(&request)
    }

    /// Sends a request without any credentials; any status is an answer.
    pub fn request_as_nobody(&self, method: &str, path: &str) -> Result<Answer> {
        let body = (!matches!(method, "GET" | "DELETE")).then_some("{}");
        self.send(&Request { method, path, content_type: "application/json", body, headers: vec![] })
    }

    /// Assigns the newest revision of a profile to a target such as `device:lap-ada`.
    pub fn assign(&self, profile: &str, target: &str, mode: Mode) -> Result<AssignmentView> {
        let wanted = NewAssignment {
            profile: profile.to_owned(),
            revision: None,
            target: target.to_owned(),
            precedence: 0,
            mode,
            params: BTreeMap::new(),
            follow: false,
        };
        let result: AssignmentResult = self.post("/assignments", &wanted)?;
        result.assignment.with_context(|| format!("nothing was assigned: {:?}", result.conflicts))
    }

    /// Takes an assignment away.
    pub fn unassign(&self, assignment: &str) -> Result<()> {
        let answer = self.request("DELETE", &format!("/assignments/{assignment}"), None)?;
        ensure!(
            (200..300).contains(&answer.status),
            "the server answered {}: {}",
            answer.status,
            answer.body
        );
        Ok(())
    }

    /// Waits until a device has converged whole to the newest state that the server has for it.
    pub fn wait_until_applied(&self, device: &str) -> Result<DeviceDetail> {
        let detail = || self.get::<DeviceDetail>(&format!("/devices/{device}"));
        let applied = wait_until("the newest state to be applied", Duration::from_secs(180), || {
            let detail = detail()?;
            let d = &detail.device;
            Ok((d.generation_wanted > 0 && d.generation_applied == d.generation_wanted).then_some(detail))
        });
        applied.with_context(|| match detail() {
            Ok(detail) => format!("{device} is at {:?}: {:?}", detail.device, detail.causes),
            Err(error) => format!("and its record can't be read: {error:#}"),
        })
    }

    /// What became of each resource of a device.
    pub fn resources(&self, device: &str) -> Result<Vec<ResourceView>> {
        self.get(&format!("/devices/{device}/resources"))
    }

    /// A join file for one device, with a token that only its serial may use.
    pub fn join_file(&self, serial: &str) -> Result<String> {
        let wanted = NewToken {
            labels: Vec::new(),
            uses: Some(1),
            hours: None,
            serial: Some(serial.to_owned()),
            unknown: Unknown::Refuse,
        };
        Ok(self.post::<CreatedToken>("/tokens", &wanted)?.join_file)
    }

    /// The first-login password that a device made for an account; the server tells it once.
    pub fn reveal_password(&self, device: &str, account: &str) -> Result<String> {
        let path = format!("/devices/{device}/first-login-passwords/{account}/reveal");
        Ok(self.request("POST", &path, None)?.read::<RevealedPassword>()?.password)
    }

    fn open_session(&self, path: &str, body: &impl Serialize) -> Result<(Session, String)> {
        let body = serde_json::to_string(body).context("writing a request")?;
        let answer = self.send_with(
            &Request {
                method: "POST",
                path,
                content_type: "application/json",
                body: Some(&body),
                headers: vec![format!("Origin: {}", self.url)],
            },
            "include\n",
        )?;
        // With `include` the headers stand before the body, ended by an empty line.
        let (headers, body) = answer.body.split_once("\r\n\r\n").context("an answer without headers")?;
        let session = Answer { status: answer.status, body: body.to_owned() }.read()?;
        let cookie = headers
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
            .and_then(|(_, value)| value.split(';').next())
            .context("the server set no session cookie")?;
        Ok((session, cookie.to_owned()))
    }

    fn send(&self, request: &Request<'_>) -> Result<Answer> {
        self.send_with(request, "")
    }

    /// Everything goes to curl over its standard input: arguments can be read by anyone on the machine. Over HTTP/2
    /// the curl of Debian 12 loses a refusal that comes before it has sent its body.
    fn send_with(&self, request: &Request<'_>, more: &str) -> Result<Answer> {
        let mut config = String::from(
            "silent\nshow-error\ninsecure\nhttp1.1\nmax-time = 60\nwrite-out = \"\\n%{http_code}\"\n",
        );
        config.push_str(more);
        writeln!(config, "url = {}", quoted(&format!("{}/api/v1{}", self.url, request.path)))?;
        writeln!(config, "request = {}", quoted(request.method))?;
        for header in &request.headers {
            writeln!(config, "header = {}", quoted(header))?;
        }
        // curl reads no long line from its configuration; a file is for this process's user alone, and short-lived.
        let mut file = tempfile::NamedTempFile::new().context("making a file for a request's body")?;
        if let Some(body) = request.body {
            file.write_all(body.as_bytes()).context("writing a request's body")?;
            writeln!(config, "header = {}", quoted(&format!("Content-Type: {}", request.content_type)))?;
            writeln!(config, "data-binary = {}", quoted(&format!("@{}", file.path().display())))?;
        }
        let output =
            command::run_with_input(self.network.command(["curl", "--config", "-"]), &config)?.ok()?;
        let (body, status) = output.stdout.rsplit_once('\n').context("curl said nothing")?;
        let status = status.trim().parse().context("curl gave no status")?;
        Ok(Answer { status, body: body.to_owned() })
    }
}

impl Answer {
    /// The body of a success, read; otherwise what the server said was wrong.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        let problem =
            serde_json::from_str::<Problem>(&self.body).map_or_else(|_| self.body.clone(), |p| p.detail);
        ensure!((200..300).contains(&self.status), "the server answered {}: {problem}", self.status);
        let body = if self.body.is_empty() { "null" } else { &self.body };
        serde_json::from_str(body).with_context(|| format!("reading the server's answer: {body}"))
    }
}

/// A word as curl's configuration reads it.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r");
    format!("\"{escaped}\"")
}
