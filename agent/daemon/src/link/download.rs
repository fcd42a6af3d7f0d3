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
use crate::artifacts::{Artifacts, Heard, Named};

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

/// So many tries in vain come soon after each other also where what came was wrong.
const FEW: u32 = 4;

/// How long a fetch may go on while others wait for it, at first; twice as long each time that it was put off, as some start anew then. One
/// that gives a byte now and then would keep all others away for good.
const TURN: Duration = Duration::from_secs(10 * 60);
const MOST_DOUBLINGS: u32 = 3;

/// The most characters that are told of why it was cut off: a certificate may have a thousand names.
const LONGEST_REASON: usize = 200;

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
    #[error(
        "what came is something else, and was thrown away; it begins anew, as the beginning of it had come before"
    )]
    WrongInParts,
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
            // Who gives it wrong and in parts each time has it fetched in vain as well.
            Self::WrongInParts if tries >= FEW => LATER,
            Self::Unknown
            | Self::NoArtifacts
            | Self::Refused(_)
            | Self::Elsewhere(_)
            | Self::Protocol(_)
            | Self::NoRoom(_)
            | Self::WrongInParts
            | Self::Cut(_)
            | Self::Kept(_) => Duration::from_secs(1 << tries.min(6)).min(SOON),
        }
    }
}

/// Which artifacts are to be here.
pub(super) struct Downloads {
    artifacts: Artifacts,
    named: Named,
    /// Those that were tried in vain.
    later: BTreeMap<Digest, Vain>,
}

/// What came of the tries to fetch an artifact.
struct Vain {
    tries: u32,
    /// When it is tried again.
    at: Instant,
    /// Where it is tried next, of where it is to be had.
    place: usize,
    /// The shortest time to wait after what failed since all places were tried, and what there is to tell of that.
    wait: Duration,
    told: Vec<String>,
    /// Whether one of these is nothing that goes over by itself.
    is_stuck: bool,
}

impl Vain {
    fn none(now: Instant) -> Self {
        Self { tries: 0, at: now, place: 0, wait: Duration::MAX, told: vec![], is_stuck: false }
    }

    /// Takes why the try at one of so many `places` failed; what there is to tell once all of them were tried.
    fn take(&mut self, missed: &Missed, from: Option<&str>, places: usize, now: Instant) -> Option<Heard> {
        let rounds = self.tries / u32::try_from(places.max(1)).unwrap_or(u32::MAX);
        self.tries = self.tries.saturating_add(1);
        self.wait = self.wait.min(missed.wait(rounds));
        let place = from.map(|host| format!(" from {host}")).unwrap_or_default();
        self.told.push(format!("its artifact could not be fetched{place}: {missed}"));
        self.is_stuck |= match missed {
            Missed::Busy(_) => false,
            // As it is with every device that goes to sleep. Whether another place comes back is not known here.
            Missed::Cut(_) => from.is_some() || rounds >= FEW,
            _ => true,
        };
        // It may be another place whose part was wrong: this one is asked for all of it.
        let is_asked_anew = matches!(missed, Missed::WrongInParts) && rounds < FEW;
        if !is_asked_anew {
            self.place += 1;
            if self.place < places {
                self.at = now;
                return None;
            }
            self.place = 0;
        }
        self.at = now + std::mem::replace(&mut self.wait, Duration::MAX);
        let told = std::mem::take(&mut self.told).join("; ");
        Some(if std::mem::take(&mut self.is_stuck) { Heard::Missed(told) } else { Heard::Coming(told) })
    }

    /// Has a fetch wait for others. Where it is to be had elsewhere as well, it may come faster from there.
    fn put_off(&mut self, places: usize, now: Instant) {
        self.tries = self.tries.saturating_add(1);
        self.at = now;
        self.place = (self.place + 1) % places.max(1);
    }
}

/// A fetch under way.
pub(super) struct Download {
    artifact: Digest,
    from: Option<HttpsUrl>,
    /// Until when it need not give way to others.
    turn_ends: Instant,
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
        self.missing()
            .map(|artifact| self.later.get(artifact).map_or_else(Instant::now, |vain| vain.at))
            .min()
    }

    /// Goes on with the fetch that is under way, if it is of something that is still named and has its turn, or begins the next.
    pub(super) fn go_on(
        &mut self,
        under_way: Option<Download>,
        connection: &Connection,
        news: &mpsc::Sender<FromServer>,
    ) -> Option<Download> {
        let now = Instant::now();
        let is_asked_for = |Download { artifact, from, .. }: &Download| {
            self.named.get(artifact).is_some_and(|places| match from {
                Some(from) => places.contains(from),
                None => places.is_empty(),
            })
        };
        let under_way = under_way.filter(is_asked_for);
        let next = self.next(now, under_way.as_ref().map(|download| (download.artifact, download.turn_ends)));
        let Some(artifact) = next else { return under_way };
        if let Some(Download { artifact, .. }) = under_way {
            self.put_off(artifact, now);
        }
        let vain = self.later.get(&artifact);
        let place = vain.map_or(0, |vain| vain.place);
        let from = self.named.get(&artifact).and_then(|places| places.get(place)).cloned();
        let place = Place { connection: connection.clone(), url: from.clone() };
        let work = Box::pin(fetch(place, self.artifacts.clone(), artifact, news.clone()));
        let tries = vain.map_or(0, |vain| vain.tries);
        Some(Download { artifact, from, turn_ends: now + TURN * (1 << tries.min(MOST_DOUBLINGS)), work })
    }

    /// Which to begin with now, although one may be under way until its turn ends: of those that are due the one that has waited longest.
    fn next(&self, now: Instant, under_way: Option<(Digest, Instant)>) -> Option<Digest> {
        let after = |artifact: &Digest| self.later.get(artifact).map(|vain| vain.at);
        if under_way.is_some_and(|(_, turn_ends)| now < turn_ends) {
            return None;
        }
        let others = self.missing().filter(|artifact| under_way.is_none_or(|(this, _)| this != **artifact));
        others
            .filter(|artifact| after(artifact).is_none_or(|at| at <= now))
            .min_by_key(|artifact| after(artifact))
            .copied()
    }

    /// Has a fetch wait for others; what came of it stays.
    fn put_off(&mut self, artifact: Digest, now: Instant) {
        let places = self.named.get(&artifact).map_or(0, Vec::len);
        self.later.entry(artifact).or_insert_with(|| Vain::none(now)).put_off(places, now);
    }

    /// Waits for the fetch under way; what there is to tell of it then.
    pub(super) async fn done(download: &mut Option<Download>) -> Done {
        match download {
            Some(Download { artifact, from, work, .. }) => {
                let result = work.await;
                Done { artifact: *artifact, from: from.clone(), result }
            }
            None => std::future::pending().await,
        }
    }

    /// Takes how a fetch ended; nothing is to be told while it is to be had elsewhere.
    pub(super) fn take(&mut self, Done { artifact, from, result }: Done) -> Option<FromServer> {
        let told = match result {
            Ok(()) => {
                self.later.remove(&artifact);
                tracing::info!(%artifact, "fetched an artifact");
                None
            }
            Err(missed) => {
                let (now, places) = (Instant::now(), self.named.get(&artifact).map_or(0, Vec::len));
                let vain = self.later.entry(artifact).or_insert_with(|| Vain::none(now));
                Some(vain.take(&missed, from.as_ref().map(HttpsUrl::host), places, now)?)
            }
        };
        Some(FromServer::Artifact { artifact, told })
    }
}

/// How a fetch ended.
pub(super) struct Done {
    artifact: Digest,
    from: Option<HttpsUrl>,
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
        StatusCode::RANGE_NOT_SATISFIABLE => return complete(artifacts, artifact, here).await,
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
        news.try_send(FromServer::Artifact { artifact, told: Some(Heard::Coming(told)) }).ok();
    })
    .await?;
    complete(artifacts, artifact, begin).await
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

/// Gives the artifact its name, if it is the one. What was there before the last answer may be somebody else's, such as of an address that
/// the profile named before, and is no reason to wait for long.
async fn complete(artifacts: Artifacts, artifact: Digest, before: u64) -> Result<(), Missed> {
    match blocking(move || artifacts.complete(&artifact)).await? {
        true => Ok(()),
        false if before > 0 => Err(Missed::WrongInParts),
        false => Err(Missed::Wrong),
    }
}

/// Waits for a disk, which may be slow, without keeping the link from its other work.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// What whoever answered may have had a part in is no longer than it has to be.
fn cut(why: impl ToString) -> Missed {
    Missed::Cut(why.to_string().chars().take(LONGEST_REASON).collect())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
