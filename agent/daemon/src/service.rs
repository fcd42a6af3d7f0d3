//! `muster-agent run`: two threads and the channels between them.
//!
//! The main thread keeps the link and its timers on a current-thread runtime. The convergence thread owns the ledger and
//! the host, and does one thing at a time. Neither holds a lock of the other.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use muster_proto::{DeviceId, Timestamp};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc};

use crate::artifacts::{self, Artifacts, Named};
use crate::config::Config;
use crate::cycle::{Cycle, LOOK, Next};
use crate::facts;
use crate::host::{Host, tree};
use crate::identity::{self, Enrolled};
use crate::ledger::{Ledger, cant_be_written};
use crate::link::{self, Channels, FromServer, ToServer};
use crate::watch::{Pace, Watch};

use self::proof::Proof;

mod last_order;
mod proof;
mod unit;

pub(crate) use unit::{nudge, stop, stop_for_good};

/// Messages that may wait on either side; the link is asked again when it comes up, so little is lost by being short.
const WAITING: usize = 16;

/// After so long without anything to do, memory that is not needed goes back: all of it has to be fetched again for the next thing, and
/// what happens seldom comes alone. Whatever comes over the link comes by here.
const CALM: Duration = Duration::from_secs(10);

/// Where commands get their input and leave their output; root's alone, and gone with the next boot.
pub(crate) const SCRATCH: &str = "/run/muster";

/// Runs until the service manager ends it.
pub(crate) fn run(config: Config) -> Result<()> {
    log_to_stderr();
    std::fs::create_dir_all(&config.state_dir)
        .with_context(|| format!("can't make {}", config.state_dir.display()))?;
    block_on(async {
        // From the start: a device that waits for approval waits for as long as that takes.
        let heard = Arc::<Notify>::default();
        let heart = tokio::spawn(watchdog(Arc::clone(&heard)));
        let enrolled = tokio::select! {
            enrolled = identity_for(&config) => enrolled?,
            () = terminated() => return Ok(()),
        };
        tracing::info!("this is device {}, which follows {}", enrolled.device, enrolled.server);
        let mark = known_time(&config)?;
        let (to_link, orders) = mpsc::channel(WAITING);
        let (news, from_link) = mpsc::channel(WAITING);
        let (last_orders, from_admin) = mpsc::channel(1);
        let (failed, mut failure) = mpsc::channel(1);
        let thread = Converging {
            config: config.clone(),
            enrolled: enrolled.clone(),
            to_link,
            from_link,
            last_orders: from_admin,
            named: None,
            pace: Pace::default(),
            proof: Proof::default(),
        };
        let artifacts = Artifacts::beside_ledger(&config.state_dir);
        let channels = Channels { orders, news, last_orders, heard };
        std::thread::Builder::new().name("converge".to_owned()).spawn(move || {
            let ended = block_on(thread.run());
            // The other side is gone only when the process ends anyway.
            failed.blocking_send(ended).ok();
        })?;
        // Without a service manager there is nobody to tell.
        sd_notify::notify(&[sd_notify::NotifyState::Ready]).ok();
        let ended = tokio::select! {
            ended = link::run(enrolled, config.identity(), mark, channels, SCRATCH.as_ref(), artifacts) => ended,
            Some(ended) = failure.recv() => ended,
            () = terminated() => Ok(()),
        };
        heart.abort();
        ended
    })
}

/// `muster-agent enroll`: enrolls once, in the foreground. A service that runs is stopped for that time: it would show the same
/// token with a key of its own, and would not see that there is an identity then.
pub(crate) fn enroll(config: &Config, join_file: &Path) -> Result<()> {
    block_on(async {
        let known = identity::enrolled(&config.identity())?.filter(|_| !join_file.exists());
        if let Some(enrolled) = known {
            writeln!(
                std::io::stdout(),
                "This device is enrolled already, as {}: see muster-agent status",
                enrolled.device
            )?;
            return Ok(());
        }
        let stopped = stop_for_good().await?;
        let enrolled = enroll_here(config, join_file).await;
        unit::start_again(&stopped).await?;
        let (device, runs) = (enrolled?, stopped.contains(&unit::UNIT));
        let next = if runs { "muster-agent goes on with it" } else { "Next: systemctl start muster-agent" };
        writeln!(std::io::stdout(), "Enrolled as {device}. {next}")?;
        Ok(())
    })
}

async fn enroll_here(config: &Config, join_file: &Path) -> Result<DeviceId> {
    let enrolled = identity::enroll(
        identity::Request {
            folder: &config.identity(),
            join_file,
            claims: facts::claims(config),
            now: crate::clock::Clock::start(None).now(),
            patience: identity::Patience::EndAtRefusal,
        },
        &mut |code| {
            // A closed terminal is no reason to stop waiting.
            writeln!(std::io::stdout(), "Waiting for approval. Code {code}").ok();
        },
    )
    .await?;
    Ok(enrolled.device)
}

/// Removes all that makes this device the one it is: identity, ledger, and what stands beside them.
pub(crate) fn wipe(config: &Config) -> Result<()> {
    forget(config)?;
    let failed = |path: &Path| format!("can't remove {}", path.display());
    let identity = config.identity();
    std::fs::remove_dir_all(&identity).with_context(|| failed(&identity))?;
    for folder in [artifacts::FOLDER, tree::FOLDER].map(|folder| config.state_dir.join(folder)) {
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| failed(&folder));
            }
            _ => {}
        }
    }
    let entries = std::fs::read_dir(&config.state_dir)
        .with_context(|| format!("can't list {}", config.state_dir.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("can't list {}", config.state_dir.display()))?.path();
        let is_ours = crate::resource::is_password_note(&path)
            || crate::resource::is_said(&path)
            || crate::resource::is_key_of_tunnel(&path)
            || path.ends_with(crate::host::nftables::NOTE);
        if is_ours {
            std::fs::remove_file(&path).with_context(|| failed(&path))?;
        }
    }
    Ok(())
}

/// Removes identity and ledger, the identity first: without it the rest is of no use to anyone.
pub(crate) fn forget(config: &Config) -> Result<()> {
    identity::Folder::open(&config.identity())?.forget()?;
    let ledger = config.ledger();
    for suffix in ["", "-wal", "-shm"] {
        let mut path = ledger.clone().into_os_string();
        path.push(suffix);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("can't remove {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Runs a future on a runtime of this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("no async runtime")?;
    runtime.block_on(future)
}

/// The identity, by enrolling first if there is none yet. With neither identity nor join file it waits for the file.
async fn identity_for(config: &Config) -> Result<Enrolled> {
    if let Some(enrolled) = identity::enrolled(&config.identity())? {
        // A crash right after enrolling may have left the token.
        identity::tidy(&config.identity(), &enrolled, &config.join_file)?;
        return Ok(enrolled);
    }
    sd_notify::notify(&[sd_notify::NotifyState::Ready]).ok();
    while !config.join_file.exists() {
        tracing::info!("not enrolled: waiting for a join file at {}", config.join_file.display());
        wait_for(&config.join_file).await;
    }
    let request = identity::Request {
        folder: &config.identity(),
        join_file: &config.join_file,
        claims: facts::claims(config),
        now: known_time(config)?,
        patience: identity::Patience::AskAgain,
    };
    let enrolled = identity::enroll(request, &mut |code| {
        tracing::info!("waiting for approval, code {code}");
        say_on_console(&format!("Muster: waiting for approval. Code {code}\r\n"));
    })
    .await?;
    Ok(enrolled)
}

/// The latest time the ledger knows of, by which certificates are judged.
fn known_time(config: &Config) -> Result<Timestamp> {
    Ok(crate::clock::Clock::start(Ledger::open(&config.ledger())?.mark()?).now())
}

async fn wait_for(path: &Path) {
    while !path.exists() {
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// Shows the code to whoever stands in front of the machine. A machine without a console has nobody there.
fn say_on_console(text: &str) {
    if let Ok(mut console) = std::fs::OpenOptions::new().write(true).open("/dev/console") {
        console.write_all(text.as_bytes()).ok();
    }
}

/// The convergence thread.
struct Converging {
    config: Config,
    enrolled: Enrolled,
    to_link: mpsc::Sender<ToServer>,
    from_link: mpsc::Receiver<FromServer>,
    last_orders: mpsc::Receiver<Vec<u8>>,
    /// The artifacts that the link was last told to have here.
    named: Option<Named>,
    pace: Pace,
    proof: Proof,
}

impl Converging {
    async fn run(mut self) -> Result<()> {
        // How a command says that it wrote to the ledger.
        let mut nudges = signal(SignalKind::hangup()).context("signals can't be waited for")?;
        let mut ledger = Ledger::open(&self.config.ledger())?;
        match ledger.enrolled_as(self.enrolled.device, self.enrolled.trust.used_token) {
            // Leases end without it. The next start tries again.
            Err(error) if cant_be_written(&error) => {
                tracing::warn!("the enrollment can't be noted in the ledger: {error:#}");
            }
            noted => noted?,
        }
        let host = Host::open(SCRATCH.as_ref(), &self.config.state_dir, self.config.packages)?;
        let mut cycle = Cycle::start(self.enrolled.device, self.config.clone(), ledger, host)?;
        self.send(ToServer::Following(cycle.generation()?)).await;
        let mut watch = Watch::start().await;
        let mut reattached = false;
        loop {
            self.obey(&mut cycle).await?;
            // A last order waits for nothing, not even for a package transaction: what is cut off here goes on in its own
            // unit, and is met again as after a crash.
            let next = tokio::select! {
                biased;
                Some(order) = self.last_orders.recv() => {
                    take_last_order(&mut cycle, &order);
                    continue;
                }
                next = turn(&mut cycle, &mut watch, &mut reattached) => next?,
            };
            if !next.missing.is_empty() {
                self.send(ToServer::Fetch(next.missing.into_iter().collect())).await;
            }
            self.name_artifacts(next.artifacts).await;
            self.report(&cycle).await?;
            self.ask_for_proof(&cycle).await;
            // Who replaces a directory over and over makes it new with each turn.
            let is_new = follow(&cycle, &mut watch);
            let wait = if is_new { self.pace.rest(Instant::now()) } else { next.wait };
            self.wait(&mut cycle, &mut watch, &mut nudges, wait, next.next_end).await?;
        }
    }

    /// Waits until there is a reason for another turn.
    async fn wait(
        &mut self,
        cycle: &mut Cycle,
        watch: &mut Watch,
        nudges: &mut Signal,
        wait: Duration,
        next_end: Option<Timestamp>,
    ) -> Result<()> {
        let timer = tokio::time::sleep(wait);
        let calm = tokio::time::sleep(CALM);
        tokio::pin!(timer, calm);
        let mut is_calm = false;
        loop {
            tokio::select! {
                () = &mut timer => return Ok(()),
                () = &mut calm, if !is_calm => {
                    give_back_memory();
                    is_calm = true;
                    continue;
                }
                () = passed(cycle, next_end) => return Ok(()),
                Some(order) = self.last_orders.recv() => {
                    take_last_order(cycle, &order);
                    return Ok(());
                }
                Some(()) = nudges.recv() => return Ok(()),
                () = self.proof.is_overdue() => return self.give_up(cycle),
                changed = watch.changed() => {
                    let happened = changed.context("inotify failed")?;
                    tokio::select! {
                        biased;
                        Some(order) = self.last_orders.recv() => {
                            take_last_order(cycle, &order);
                            return Ok(());
                        }
                        () = tokio::time::sleep(self.pace.rest(Instant::now())) => {}
                    }
                    // What is looked at is as it is now, which may be another place than it was before the rest.
                    let happened = watch.and_since(happened).await.context("inotify failed")?;
                    if !cycle.look_at(happened, watch).await? {
                        return Ok(());
                    }
                    self.report(cycle).await?;
                }
                news = self.from_link.recv() => {
                    let Some(news) = news else { return std::future::pending().await };
                    let is_quiet = matches!(news, FromServer::Quiet { .. });
                    if self.take(cycle, news).await? {
                        return Ok(());
                    }
                    // Nothing follows from it, and nothing comes right after it: that is no reason to wake once more.
                    if is_quiet {
                        if is_calm {
                            give_back_memory();
                        }
                        continue;
                    }
                }
            }
            is_calm = false;
            calm.as_mut().reset(tokio::time::Instant::now() + CALM);
        }
    }

    /// Takes what came over the link; true when there is something to do now.
    async fn take(&mut self, cycle: &mut Cycle, news: FromServer) -> Result<bool> {
        match news {
            FromServer::Up => {
                self.report(cycle).await?;
                self.acquit(cycle)
            }
            FromServer::Reached { number } => self.confirm(cycle, number),
            FromServer::Quiet { server_time } => {
                if cycle.vouched(server_time.now())? {
                    self.report(cycle).await?;
                }
                Ok(false)
            }
            FromServer::ApplyNow { server_time } => {
                cycle.begin_anew()?;
                cycle.vouched(server_time.now()).map(|_| true)
            }
            FromServer::State { bytes, server_time } => {
                cycle.vouched(server_time.now())?;
                let newer = cycle.offer(&bytes)?;
                self.send(ToServer::Following(cycle.generation()?)).await;
                // A newer one is followed by a turn, which tells all there is. The state in force comes again where the
                // link was up before it knew of that: what its time says of this clock, or a refusal, is told now.
                if !newer {
                    self.report(cycle).await?;
                }
                Ok(newer)
            }
            FromServer::DryRun(asked) => {
                if let Some(answer) = cycle.answer(asked).await {
                    self.send(ToServer::Answer(answer)).await;
                }
                Ok(false)
            }
            // Of an order that is not there any more.
            FromServer::ReceiptTaken { .. } => Ok(false),
            FromServer::Artifact { artifact, told } => Ok(cycle.heard_of(artifact, told)),
            FromServer::Documents(documents) => cycle.keep(&documents),
            FromServer::Acknowledged { report, sequence, restored } => {
                if cycle.acknowledged(&report, sequence, restored)? {
                    self.report(cycle).await?;
                }
                Ok(false)
            }
        }
    }

    /// Tells the link which artifacts are to be here: once where there are none, else again and again, as they may be lost.
    async fn name_artifacts(&mut self, named: Option<Named>) {
        let Some(named) = named else { return };
        if !named.is_empty() || self.named.as_ref() != Some(&named) {
            self.send(ToServer::Artifacts(named.clone())).await;
            self.named = Some(named);
        }
    }

    async fn report(&self, cycle: &Cycle) -> Result<()> {
        if let Some(report) = cycle.report()? {
            self.send(ToServer::Report(report)).await;
        }
        Ok(())
    }

    async fn send(&self, order: ToServer) {
        // The link ends only with the process.
        self.to_link.send(order).await.ok();
    }
}

fn give_back_memory() {
    if let Err(error) = muster_memory::give_back() {
        tracing::warn!("the agent keeps memory that it does not need: {error}");
    }
}

/// Keeps a last order. One that can't be kept is not obeyed, and comes again with the next notice.
fn take_last_order(cycle: &mut Cycle, order: &[u8]) {
    if let Err(error) = cycle.take_last_order(order) {
        tracing::error!("a last order is not obeyed: {error:#}");
    }
}

/// One turn, the first after what an earlier agent started has ended.
async fn turn(cycle: &mut Cycle, watch: &mut Watch, reattached: &mut bool) -> Result<Next> {
    if !*reattached {
        cycle.reattach().await?;
        *reattached = true;
    }
    cycle.turn(Some(watch)).await
}

/// Returns once the end of a lease has passed, although the machine slept or its clock was set meanwhile.
async fn passed(cycle: &Cycle, end: Option<Timestamp>) {
    let Some(end) = end else { return std::future::pending().await };
    while cycle.now() < end {
        tokio::time::sleep(LOOK).await;
    }
}

/// Watches what the last turn managed; true when there is something new among it, of which a change may have been missed.
fn follow(cycle: &Cycle, watch: &mut Watch) -> bool {
    let Some(composition) = cycle.composition() else { return false };
    let followed = watch.follow(composition);
    for (path, error) in followed.failed {
        tracing::warn!(path = %path.display(), %error, "can't be watched: drift here is found by the scan");
    }
    followed.new
}

/// Tells the service manager that the agent lives: with each word of the server, for which it wakes anyway, and by a timer of its own
/// only where the server says nothing for longer than it ever should.
async fn watchdog(heard: Arc<Notify>) {
    let Some(timeout) = sd_notify::watchdog_enabled() else { return };
    loop {
        sd_notify::notify(&[sd_notify::NotifyState::Watchdog]).ok();
        tokio::time::timeout(timeout * 2 / 3, heard.notified()).await.ok();
    }
}

async fn terminated() {
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

fn log_to_stderr() {
    let level = std::env::var("MUSTER_LOG").ok().and_then(|level| level.parse().ok());
    // The journal adds the time. Which module speaks is for who looks for a defect.
    tracing_subscriber::fmt()
        .with_max_level(level.unwrap_or(tracing_subscriber::filter::LevelFilter::INFO))
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(level.is_some())
        .with_ansi(false)
        .init();
}
