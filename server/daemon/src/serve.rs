//! `muster-server serve`: wires everything and runs until it is told to stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use muster_store::Store;
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::dry_run::Desk;
use crate::app::follow::TURN;
use crate::app::keep::PASS;
use crate::app::pause::LOOK;
use crate::app::presence::Presence;
use crate::app::seal::SealingKey;
use crate::app::searches::Searches;
use crate::app::{self, App, Parts, Site, system_clock};
use crate::artifacts::Artifacts;
use crate::ca::Authority;
use crate::config::{Config, DEVICE_PORT, DataFolder};
use crate::grpc::Doors;
use crate::install::{self, Install};
use crate::listen::{ServedCertificate, Source, admin_tls, device_tls, serve_admins, serve_devices};
use crate::metrics::Metrics;
use crate::rest;

/// Stands where `muster token create` puts a token.
const NO_TOKEN: &str = "TOKEN";

/// Serve devices and admins until told to stop
#[derive(clap::Args)]
#[command(after_help = "Example:\n  muster-server serve --data /var/lib/muster-server")]
pub(crate) struct Serve {
    /// The folder that setup made
    #[arg(long, default_value = "/var/lib/muster-server")]
    data: PathBuf,
    /// Where devices connect
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8440")]
    listen_devices: SocketAddr,
    /// Where admins connect
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8443")]
    listen_admins: SocketAddr,
}

/// The record, and the operations on it.
pub(crate) struct Record {
    pub(crate) app: App,
    pub(crate) store: Store,
    pub(crate) presence: Presence,
}

impl Record {
    /// Opens the record of a folder that is set up.
    pub(crate) async fn open(folder: &DataFolder, config: &Config, authority: &Authority) -> Result<Self> {
        let store = Store::open(&folder.database()).context("can't open the database")?;
        let restored = store.read(app::restore::last).await.context("can't read the database")?;
        let presence = Presence::default();
        let artifacts = Artifacts::open(&folder.artifacts(), config.max_artifact())
            .with_context(|| format!("can't make {}", folder.artifacts().display()))?;
        let app = App::new(Parts {
            store: store.clone(),
            artifacts,
            sealing_key: SealingKey::open_or_create(&folder.sealing_key())?,
            clock: system_clock,
            site: Site {
                trust_domain: authority.trust_domain().to_string(),
                server_name: config.name.clone(),
                device_address: format!("{}:{DEVICE_PORT}", config.name),
                roots: vec![authority.fingerprint()],
                origin: install::origin(folder, config, authority, system_clock())?,
            },
            presence: presence.clone(),
            restored,
            desk: Desk::default(),
            return_window: config.return_window(),
            searches: Searches::default(),
        });
        Ok(Self { app, store, presence })
    }
}

impl Serve {
    /// Serves until SIGTERM or SIGINT.
    pub(crate) async fn run(self) -> Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("can't wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("can't wait for SIGINT")?;
        let devices = listen(self.listen_devices).await?;
        let admins = listen(self.listen_admins).await?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        serve(&self.data, devices, admins, stop).await
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))
}

/// Serves the data folder that setup made on these listeners until `stop`.
pub async fn serve(
    data: &Path,
    devices: TcpListener,
    admins: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let folder = &DataFolder::at(data);
    let config = folder.read_config()?;
    let authority = Arc::new(Authority::open(&folder.authority())?);
    let record = Record::open(folder, &config, &authority).await?;
    let install = open_install(folder, &config, &record.app)?;
    let issued = |file| Source::Issued { authority: Arc::clone(&authority), file };
    let for_admins = match config.tls {
        Some(given) => Source::Given { certificate: given.certificate, key: given.key },
        None => issued(folder.admin_certificate()),
    };
    let now = system_clock();
    let device_certificate = ServedCertificate::load(issued(folder.device_certificate()), now)?;
    let admin_certificate = ServedCertificate::load(for_admins, now)?;
    let device_tls = device_tls(&authority, device_certificate.resolver())?;
    let admin_tls = admin_tls(admin_certificate.resolver())?;
    let (doors, waking) = Doors::open(record.app.clone(), Arc::clone(&authority));
    let metrics = Metrics::new(record.presence);
    let router = rest::router(rest::Api::new(record.app.clone(), record.store, metrics), install);

    let (stopping, stopped) = watch::channel(());
    let told = |mut stopped: watch::Receiver<()>| async move {
        // Closed or changed: either way it is time.
        stopped.changed().await.ok();
    };
    let domain = authority.trust_domain().clone();
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(serve_devices(devices, device_tls, domain, doors, system_clock, told(stopped.clone())));
    serving.spawn(serve_admins(admins, admin_tls, router, told(stopped)));
    let upkeep = async {
        tokio::join!(
            waking,
            device_certificate.keep_fresh(system_clock),
            admin_certificate.keep_fresh(system_clock),
            turns(&record.app),
            passes(&record.app),
            looks(&record.app),
            record.app.drive_rollouts(),
            watchdog(),
        )
    };
    sd_notify::notify(&[NotifyState::Ready]).context("can't tell systemd that the server is ready")?;
    tracing::info!(name = config.name, version = env!("CARGO_PKG_VERSION"), "serving");
    tokio::select! {
        () = stop => {}
        _ = upkeep => {}
        ended = serving.join_next() => {
            ended.transpose().context("a listener broke")?;
        }
    }
    tracing::info!("stopping");
    sd_notify::notify(&[NotifyState::Stopping]).context("can't tell systemd that the server stops")?;
    stopping.send(()).ok();
    while serving.join_next().await.transpose().context("a listener broke")?.is_some() {}
    record.app.turn().await.context("can't write down who was seen last")
}

/// What is open to all shows a join file as it looks, without a token in it.
fn open_install(folder: &DataFolder, config: &Config, app: &App) -> Result<Install> {
    let site = app.site();
    let join_file = app::token::join_file(site, NO_TOKEN, 1).context("can't write a join file to show")?;
    Install::open(folder, config, site.origin.clone(), &join_file, system_clock)
}

/// Writes down, every now and then, what is only in memory.
async fn turns(app: &App) {
    let mut turns = tokio::time::interval(TURN);
    loop {
        turns.tick().await;
        if let Err(error) = app.turn().await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "who was seen could not be written down"
            );
        }
    }
}

/// Lets go, every now and then, what is too old to be kept.
async fn passes(app: &App) {
    let mut passes = tokio::time::interval(PASS);
    loop {
        passes.tick().await;
        if !certain(app).await {
            continue;
        }
        if let Err(error) = app.let_go().await {
            tracing::error!(error = &error as &dyn std::error::Error, "what is too old could not be removed");
        }
        if let Err(error) = app.sweep_artifacts().await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "what is left of artifacts could not be removed"
            );
        }
    }
}

/// Ends pauses and waivers whose time is over.
async fn looks(app: &App) {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        if !matches!(app.time_is_certain().await, Ok(true)) {
            continue;
        }
        if let Err(error) = app.end_pauses().await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a pause that is over could not be ended"
            );
        }
        if let Err(error) = app.end_waivers().await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a waiver that is over could not be ended"
            );
        }
    }
}

/// Whether what time ends may be ended.
async fn certain(app: &App) -> bool {
    match app.time_is_certain().await {
        Ok(true) => true,
        Ok(false) => {
            tracing::warn!(
                "nothing was recorded for two months by this clock: nothing is let go or ended until something is; if the \
                 clock is wrong, set it"
            );
            false
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the record can't be read");
            false
        }
    }
}

/// Tells systemd that the server lives, as often as it wants to hear.
async fn watchdog() {
    let Some(patience) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut beats = tokio::time::interval((patience / 3).max(Duration::from_millis(100)));
    loop {
        beats.tick().await;
        if let Err(error) = sd_notify::notify(&[NotifyState::Watchdog]) {
            tracing::warn!(%error, "systemd can't be told that the server lives");
        }
    }
}
