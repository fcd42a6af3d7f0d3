//! The REST API of one server, with the problems it answers turned into failures.

use std::time::Duration;

use muster_proto::Digest;
use muster_proto::rest::{Page, Problem, SourcePlace};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, ORIGIN, SET_COOKIE};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::contexts::Context;
use crate::failure::Failure;
use crate::pin;

/// How long a request may take in all; an import of 100,000 devices fits.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a download may take in all.
const DOWNLOAD: Duration = Duration::from_secs(24 * 60 * 60);
/// The largest page the server gives.
pub(crate) const PAGE: usize = 1000;

/// A server, and who asks.
pub(crate) struct Api {
    client: Client,
    url: String,
    who: HeaderMap,
}

/// Bytes that come piece by piece.
pub(crate) struct Download(Response);

impl Download {
    /// The next of them; none when all have come.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let cut = || Failure::new("the server's answer broke off").next("try again");
        match tokio::time::timeout(PATIENCE, self.0.chunk()).await {
            Ok(piece) => Ok(piece.map_err(|error| cut().because(error.without_url()))?.map(Into::into)),
            Err(late) => Err(cut().because(late)),
        }
    }
}

impl Api {
    /// With the API token of a context.
    pub(crate) fn with_token(context: &Context) -> Result<Self, Failure> {
        let mut who = HeaderMap::new();
        who.insert(AUTHORIZATION, secret(&format!("Bearer {}", context.token))?);
        Ok(Self { client: client(context.fingerprint)?, url: context.url.clone(), who })
    }

    /// As nobody yet, for logging in.
    pub(crate) fn anonymous(url: &str, fingerprint: Digest) -> Result<Self, Failure> {
        let mut who = HeaderMap::new();
        who.insert(ORIGIN, secret(url)?);
        Ok(Self { client: client(fingerprint)?, url: url.to_owned(), who })
    }

    /// Reads.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path, None::<&()>).await
    }

    /// Reads a text as it is.
    pub(crate) async fn get_text(&self, path: &str) -> Result<String, Failure> {
        let response = self.send(Method::GET, path, None, Vec::new()).await?;
        response.text().await.map_err(|error| Failure::new("can't read the server's answer").because(error))
    }

    /// Asks for a change with a JSON body.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Asks for a change that needs no words.
    pub(crate) async fn act<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::POST, path, None::<&()>).await
    }

    /// Changes parts of a thing.
    pub(crate) async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.ask(Method::PATCH, path, Some(body)).await
    }

    /// Makes it so that a thing is there.
    pub(crate) async fn put<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::PUT, path, None::<&()>).await
    }

    /// Takes a thing away.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.send(Method::DELETE, path, None, Vec::new()).await.map(|_| ())
    }

    /// Takes a thing away that the server has something to say about.
    pub(crate) async fn take<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::DELETE, path, None::<&()>).await
    }

    /// Sends a text of this type.
    pub(crate) async fn send_text<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        text: String,
    ) -> Result<T, Failure> {
        let response = self.send(method, path, Some(content_type), text.into_bytes()).await?;
        read(response).await
    }

    /// Sends bytes.
    pub(crate) async fn send_bytes<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        bytes: Vec<u8>,
    ) -> Result<T, Failure> {
        read(self.send(method, path, Some("application/octet-stream"), bytes).await?).await
    }

    /// Begins to read bytes, of which there may be many.
    pub(crate) async fn download(&self, path: &str) -> Result<Download, Failure> {
        let url = format!("{}/api/v1{path}", self.url);
        let request = self.client.get(url).headers(self.who.clone()).timeout(DOWNLOAD);
        let response = request.send().await.map_err(|error| self.unreached(error))?;
        if response.status().is_success() {
            Ok(Download(response))
        } else {
            Err(self.refused(response).await)
        }
    }

    /// Reads a list page by page to its end.
    pub(crate) async fn get_all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Failure> {
        self.get_up_to(path, usize::MAX).await
    }

    /// Reads at most `limit` rows of a list.
    pub(crate) async fn get_up_to<T: DeserializeOwned>(
        &self,
        path: &str,
        limit: usize,
    ) -> Result<Vec<T>, Failure> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let size = PAGE.min(limit - rows.len());
            let page: Page<T> = self.get(&format!("{path}{joint}limit={size}{cursor}")).await?;
            rows.extend(page.items);
            match page.next {
                Some(next) if rows.len() < limit => cursor = format!("&cursor={}", part(&next)),
                _ => return Ok(rows),
            }
        }
    }

    /// Logs in by a request that opens a session: gives its answer, and from here on asks with its cookie.
    pub(crate) async fn open_session(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<muster_proto::rest::Session, Failure> {
        let body = encode(body)?;
        let response = self.send(Method::POST, path, Some("application/json"), body).await?;
        let cookie = response
            .headers()
            .get(SET_COOKIE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .ok_or_else(|| Failure::new("the server opened no session: is this a Muster server?"))?
            .to_owned();
        let session: muster_proto::rest::Session = read(response).await?;
        self.who.insert(COOKIE, secret(&cookie)?);
        self.who.insert("x-muster-csrf", secret(&session.csrf)?);
        Ok(session)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let response = match body {
            Some(body) => self.send(method, path, Some("application/json"), encode(body)?).await?,
            None => self.send(method, path, None, Vec::new()).await?,
        };
        read(response).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&'static str>,
        body: Vec<u8>,
    ) -> Result<Response, Failure> {
        let url = format!("{}/api/v1{path}", self.url);
        let mut request = self.client.request(method, url).headers(self.who.clone());
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type).body(body);
        }
        let response = request.send().await.map_err(|error| self.unreached(error))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response).await) }
    }

    fn unreached(&self, error: reqwest::Error) -> Failure {
        let failure = Failure::new(format!("can't ask {}", self.url)).because(error.without_url()).passing();
        failure.next(
            "check that muster-server runs there and that this machine reaches it; if its certificate was replaced, log in again with muster login",
        )
    }

    async fn refused(&self, response: Response) -> Failure {
        let status = response.status();
        let problem = response.bytes().await.ok().and_then(|b| serde_json::from_slice::<Problem>(&b).ok());
        let Some(problem) = problem else {
            return Failure::new(format!("the server answered {status}"));
        };
        let places =
            problem.errors.into_iter().map(|SourcePlace { line, column, message }| match (line, column) {
                (0, _) => message,
                (line, 0) => format!("line {line}: {message}"),
                (line, column) => format!("{line}:{column}: {message}"),
            });
        let failure = Failure::new(problem.detail).of_parts(places.collect()).of(problem.kind);
        match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => {
                failure.passing()
            }
            status if status.is_server_error() && status != StatusCode::INSUFFICIENT_STORAGE => {
                failure.passing()
            }
            StatusCode::UNAUTHORIZED if self.who.contains_key(AUTHORIZATION) => {
                failure.next(format!("check what you typed, or log in again: muster login {}", self.url))
            }
            StatusCode::UNAUTHORIZED => {
                failure.next("check the name and the password, or the link: it works once")
            }
            StatusCode::FORBIDDEN => failure.next("ask an admin, or log in as one"),
            _ => failure,
        }
    }
}

/// One part of a path or query, with everything else than letters, digits and `-._~` escaped.
pub(crate) fn part(text: &str) -> String {
    let mut part = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            part.push(char::from(byte));
        } else {
            part.push_str(&format!("%{byte:02X}"));
        }
    }
    part
}

fn encode(body: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body).map_err(|error| Failure::new("can't write the request").because(error))
}

fn client(fingerprint: Digest) -> Result<Client, Failure> {
    Client::builder()
        .tls_backend_preconfigured(pin::client_config(fingerprint))
        .https_only(true)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Failure::new("can't prepare TLS").because(error))
}

fn secret(text: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|error| Failure::new("the stored login is damaged").because(error).next("log in again"))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Failure> {
    let unread = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Failure::new("can't read the server's answer")
            .because(cause)
            .next("is this muster as new as the server? compare muster --version with the server's")
    };
    let bytes = response.bytes().await.map_err(|error| unread(error.into()).passing())?;
    let bytes = if bytes.is_empty() { b"null".as_slice() } else { bytes.as_ref() };
    serde_json::from_slice(bytes).map_err(|error| unread(error.into()))
}
