//! Fetches artifacts, one at a time beside the calls, from the server or from where a profile says that they are: what is here stays
//! here, and the next try goes on behind it.

use std::collections::BTreeMap;
use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use muster_proto::resource::value::HttpsUrl;
use muster_proto::{Digest, artifact};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::FromServer;
use super::connect::Connection;
use super::elsewhere;
use crate::artifacts::{Artifacts, Named};

/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(60);

/// So much is collected before it is written.
const BLOCK: usize = 256 * 1024;

/// How often it is told how far a fetch is.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// The longest to wait after what may soon be better; a second at first, and twice as long each time.
const SOON: Duration = Duration::from_secs(60);

/// How long to wait after what somebody has to look at; a large artifact is not to be fetched in vain over and over.
const LATER: Duration = Duration::from_secs(30 * 60);

/// Why an artifact did not come.
#[derive(Debug, thiserror::Error)]
enum Missed {
    #[error(
        "the server has no such artifact, or does not give it to this device: put it there with muster artifact put"
    )]
    Unknown,
    #[error("this server keeps no artifacts: upgrade it")]
    NoArtifacts,
    #[error("the server has other devices to serve first")]
    Busy(Duration),
    #[error("the server answered {0}")]
    Refused(StatusCode),
    #[error("it answered {0}")]
    Elsewhere(StatusCode),
    #[error("the server broke the protocol: {0}")]
    Protocol(&'static str),
    #[error("it has {0} MiB, and a device fetches at most {max}", max = artifact::LARGEST >> 20)]
    TooLarge(u64),
    #[error("there is no room for its {0} MiB beside the agent's ledger: make some")]
    NoRoom(u64),
    #[error("what the server sent is something else, and was thrown away")]
    Wrong,
    #[error("it was cut off: {0}")]
    Cut(String),
    #[error("it can't be kept: {0}")]
    Kept(#[from] io::Error),
}

impl Missed {
    /// How long to wait before the next try, after so many in vain.
    fn wait(&self, tries: u32) -> Duration {
        match self {
            Self::Busy(wait) => *wait,
            Self::Wrong | Self::TooLarge(_) => LATER,
            Self::Elsewhere(status) if !status.is_server_error() => LATER,
            Self::Unknown
            | Self::NoArtifacts
            | Self::Refused(_)
            | Self::Elsewhere(_)
            | Self::Protocol(_)
            | Self::NoRoom(_)
            | Self::Cut(_)
            | Self::Kept(_) => Duration::from_secs(1 << tries.min(6)).min(SOON),
        }
    }
}

/// Which artifacts are to be here.
pub(super) struct Downloads {
    artifacts: Artifacts,
    named: Named,
    /// Those that were tried in vain, how often, and when they are tried again.
    later: BTreeMap<Digest, (u32, Instant)>,
}

/// A fetch under way.
pub(super) struct Download {
    artifact: Digest,
    from: Option<HttpsUrl>,
    work: Pin<Box<dyn Future<Output = Result<(), Missed>> + Send>>,
}

impl Downloads {
    pub(super) fn new(artifacts: Artifacts) -> Self {
        Self { artifacts, named: Named::new(), later: BTreeMap::new() }
    }

    /// Takes which are to be here. All others are removed.
    pub(super) fn name(&mut self, named: Named) {
        if let Err(error) = self.artifacts.keep_only(&named) {
            tracing::warn!(%error, "artifacts that nothing names any more can't be removed");
        }
        self.later.retain(|artifact, _| named.get(artifact) == self.named.get(artifact));
        self.named = named;
    }

    fn missing(&self) -> impl Iterator<Item = &Digest> {
        self.named.keys().filter(|artifact| !self.artifacts.has(artifact))
    }

    /// When there is something to fetch.
    pub(super) fn due(&self) -> Option<Instant> {
        self.missing().map(|artifact| self.later.get(artifact).map_or_else(Instant::now, |(_, at)| *at)).min()
    }

    /// Goes on with the fetch that is under way, if it is of something that is still named, or begins the next.
    pub(super) fn go_on(
        &self,
        under_way: Option<Download>,
        connection: &Connection,
        news: &mpsc::Sender<FromServer>,
    ) -> Option<Download> {
        let is_asked_for = |download: &Download| self.named.get(&download.artifact) == Some(&download.from);
        if let Some(download) = under_way.filter(is_asked_for) {
            return Some(download);
        }
        let now = Instant::now();
        let is_due = |artifact: &&Digest| self.later.get(artifact).is_none_or(|(_, at)| *at <= now);
        let artifact = *self.missing().find(is_due)?;
        let from = self.named.get(&artifact).cloned().flatten();
        let place = Place { connection: connection.clone(), url: from.clone() };
        let work = Box::pin(fetch(place, self.artifacts.clone(), artifact, news.clone()));
        Some(Download { artifact, from, work })
    }

    /// Waits for the fetch under way; what there is to tell of it then.
    pub(super) async fn done(download: &mut Option<Download>) -> Done {
        match download {
            Some(Download { artifact, work, .. }) => Done { artifact: *artifact, result: work.await },
            None => std::future::pending().await,
        }
    }

    /// Takes how a fetch ended.
    pub(super) fn take(&mut self, Done { artifact, result }: Done) -> FromServer {
        let told = match result {
            Ok(()) => {
                self.later.remove(&artifact);
                tracing::info!(%artifact, "fetched an artifact");
                None
            }
            Err(missed) => {
                let tries = self.later.get(&artifact).map_or(0, |(tries, _)| *tries);
                self.later.insert(artifact, (tries.saturating_add(1), Instant::now() + missed.wait(tries)));
                let elsewhere = self.named.get(&artifact).and_then(Option::as_ref);
                let from = elsewhere.map(|url| format!(" from {}", url.host())).unwrap_or_default();
                Some(format!("its artifact could not be fetched{from}: {missed}"))
            }
        };
        FromServer::Artifact { artifact, told }
    }
}

/// How a fetch ended.
pub(super) struct Done {
    artifact: Digest,
    result: Result<(), Missed>,
}

/// Where an artifact is fetched from.
struct Place {
    connection: Connection,
    /// When it is not the server.
    url: Option<HttpsUrl>,
}

impl Place {
    /// Asks for it, from its byte `begin` on.
    async fn ask(&self, artifact: &Digest, begin: u64) -> Result<elsewhere::Answer, elsewhere::Error> {
        match &self.url {
            Some(url) => elsewhere::get(url, begin).await,
            None => Ok((self.connection.get(&artifact::path(artifact), begin).await?, None)),
        }
    }
}

async fn fetch(
    place: Place,
    artifacts: Artifacts,
    artifact: Digest,
    news: mpsc::Sender<FromServer>,
) -> Result<(), Missed> {
    let (file, here) = artifacts.begin(&artifact)?;
    let asked = timeout(SILENCE, place.ask(&artifact, here)).await;
    let (answer, _driver) = asked.map_err(|_| cut("no answer came in time"))?.map_err(cut)?;
    let (head, body) = answer.into_parts();
    let is_ours = place.url.is_none();
    let begin = match head.status {
        StatusCode::OK
            if is_ours && text(&head.headers, header::CONTENT_TYPE) != Some("application/octet-stream") =>
        {
            return Err(Missed::NoArtifacts);
        }
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT => here,
        // All of it may be here already, from before a crash.
        StatusCode::RANGE_NOT_SATISFIABLE => return complete(artifacts, artifact).await,
        status if !is_ours => return Err(Missed::Elsewhere(status)),
        StatusCode::NOT_FOUND => return Err(Missed::Unknown),
        StatusCode::SERVICE_UNAVAILABLE => {
            let seconds = text(&head.headers, header::RETRY_AFTER).and_then(|text| text.parse().ok());
            return Err(Missed::Busy(Duration::from_secs(seconds.unwrap_or(30).clamp(1, 3600))));
        }
        status => return Err(Missed::Refused(status)),
    };
    if begin != here {
        // The server gives all of it although a part is here.
        file.set_len(0)?;
    }
    let length: u64 = text(&head.headers, header::CONTENT_LENGTH)
        .and_then(|text| text.parse().ok())
        .ok_or(Missed::Protocol("an artifact came without its length"))?;
    let expected = format!("bytes {begin}-");
    if head.status == StatusCode::PARTIAL_CONTENT
        && !text(&head.headers, header::CONTENT_RANGE).is_some_and(|range| range.starts_with(&expected))
    {
        return Err(Missed::Protocol("another part of an artifact came than was asked for"));
    }
    let total = begin.saturating_add(length);
    if total > artifact::LARGEST {
        return Err(Missed::TooLarge(total >> 20));
    }
    if !artifacts.has_room_for(length)? {
        return Err(Missed::NoRoom(total >> 20));
    }
    take_in(body, file, (begin, total), |here| {
        let told =
            format!("its artifact is being fetched: {} of {} MiB", here >> 20, total.div_ceil(1 << 20));
        // Where the owner is busy, it hears of it later.
        news.try_send(FromServer::Artifact { artifact, told: Some(told) }).ok();
    })
    .await?;
    complete(artifacts, artifact).await
}

/// Writes what comes. What came before it was cut off is written, too.
async fn take_in(
    mut body: Incoming,
    mut file: File,
    (begin, total): (u64, u64),
    tell: impl Fn(u64),
) -> Result<(), Missed> {
    let (mut here, mut written, mut told) = (begin, begin, Instant::now());
    let mut block = Vec::with_capacity(BLOCK);
    tell(here);
    loop {
        let next = timeout(SILENCE, poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))).await;
        let (data, end) = match next {
            Ok(Some(Ok(frame))) => (frame.into_data().unwrap_or_default(), None),
            Ok(Some(Err(error))) => (Default::default(), Some(Err(cut(error)))),
            Ok(None) if here < total => (Default::default(), Some(Err(cut("the server ended it")))),
            Ok(None) => (Default::default(), Some(Ok(()))),
            Err(_) => (Default::default(), Some(Err(cut("nothing came any more")))),
        };
        here = here.saturating_add(data.len() as u64);
        if here > total {
            return Err(Missed::Protocol("more of an artifact came than was said"));
        }
        block.extend_from_slice(&data);
        if block.len() >= BLOCK || end.is_some() {
            // What a link that ended is still writing is the same at the same place.
            (file, block) =
                blocking(move || file.write_all_at(&block, written).map(|()| (file, block))).await?;
            written = here;
            block.clear();
        }
        if let Some(end) = end {
            return end;
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tell(here);
        }
    }
}

/// Gives the artifact its name, if it is the one.
async fn complete(artifacts: Artifacts, artifact: Digest) -> Result<(), Missed> {
    let is_right = blocking(move || artifacts.complete(&artifact)).await?;
    if is_right { Ok(()) } else { Err(Missed::Wrong) }
}

/// Waits for a disk, which may be slow, without keeping the link from its other work.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn cut(why: impl ToString) -> Missed {
    Missed::Cut(why.to_string())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
