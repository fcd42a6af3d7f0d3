//! Notices drift as it happens: inotify on the directories that managed resources live in, and systemd's signals.
//!
//! It wakes the loop and says where to look; what changed is found by reading. A directory that is not there yet is watched by its nearest
//! parent. Events are collected for a moment, so that a package being installed wakes the loop once.

mod pace;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use inotify::{Event, EventMask, EventStream, Inotify, WatchDescriptor, WatchMask, Watches};
use muster_converge::plan::is_path;
use muster_proto::ResourceId;
use muster_proto::compose::Composition;
use muster_proto::resource::browser_policy::Browser;

pub(crate) use self::pace::Pace;

/// How long events are collected before the loop wakes.
const QUIET: Duration = Duration::from_millis(100);

/// More places than this are not looked at one by one.
const MOST_PLACES: usize = 32;

/// The directories watched now.
pub(crate) struct Watch {
    /// `None` while the kernel gives none, as it has only so many for all programs of root: what happens is then found by the scan.
    kernel: Option<Kernel>,
    watched: BTreeMap<PathBuf, WatchDescriptor>,
    /// `None` while there is no bus: units are then found by the scan.
    units: Option<units::Units>,
    /// Directories of which any change may concern a resource that is not at a path in them.
    shared: BTreeSet<PathBuf>,
    /// The directories that are to be watched, be they there or not: what is put on the way to one changes where it is.
    named: BTreeSet<PathBuf>,
    /// What happened and nobody was told of.
    untold: Option<Happened>,
}

/// What tells of directories.
struct Kernel {
    events: EventStream<[u8; 4096]>,
    watches: Watches,
}

impl Kernel {
    /// Needs a tokio runtime.
    fn ask() -> std::io::Result<Self> {
        let inotify = Inotify::init()?;
        let watches = inotify.watches();
        Ok(Self { events: inotify.into_event_stream([0; 4096])?, watches })
    }
}

/// Where something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// In these places, each a name in a watched directory or such a directory itself.
    At(BTreeSet<PathBuf>),
    /// Where no place says it, or in too many of them.
    Anywhere,
}

impl Happened {
    fn and_at(self, place: PathBuf) -> Self {
        match self {
            Self::At(mut places) => {
                places.insert(place);
                if places.len() > MOST_PLACES { Self::Anywhere } else { Self::At(places) }
            }
            Self::Anywhere => Self::Anywhere,
        }
    }
}

/// What came of watching a composition.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// Whether a directory is watched that was not before.
    pub(crate) new: bool,
    /// Directories that can't be watched, and why.
    pub(crate) failed: Vec<(PathBuf, std::io::Error)>,
}

impl Watch {
    /// Starts with nothing watched. Needs a tokio runtime.
    pub(crate) async fn start() -> Self {
        let kernel = Kernel::ask();
        if let Err(error) = &kernel {
            tracing::warn!(
                reason = %error,
                "files can't be watched: drift is found by the scan; raise fs.inotify.max_user_instances"
            );
        }
        let units = units::Units::start().await;
        if let Err(error) = &units {
            tracing::warn!(reason = %format!("{error:#}"), "systemd can't be watched: drift of services is found by the scan");
        }
        let (watched, shared, named) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { kernel: kernel.ok(), watched, units: units.ok(), shared, named, untold: None }
    }

    /// Watches what `composition` manages and no longer what it does not. Gives the directories that can't be watched;
    /// they are still covered by the scan. What happened in a directory before it was watched is not told: after
    /// [`Followed::new`] it takes another look.
    pub(crate) fn follow(&mut self, composition: &Composition) -> Followed {
        if let Some(units) = &mut self.units {
            units.follow(composition);
        }
        let (at_a_path, elsewhere): (Vec<&ResourceId>, Vec<&ResourceId>) =
            composition.claims.keys().partition(|id| is_path(id) && id.kind() != "archive");
        let named =
            |ids: Vec<&ResourceId>| ids.into_iter().flat_map(directories).collect::<BTreeSet<PathBuf>>();
        let mut elsewhere = named(elsewhere);
        let trees = composition.of_kind("archive").map(|(id, _)| id);
        elsewhere.extend(trees.flat_map(|id| below(Path::new(id.key()))));
        self.shared = elsewhere.iter().cloned().map(existing).collect();
        self.named = named(at_a_path);
        self.named.extend(elsewhere);
        let wanted: BTreeSet<PathBuf> = self.named.iter().cloned().map(existing).collect();
        let mask = WatchMask::CREATE
            | WatchMask::CLOSE_WRITE
            | WatchMask::ATTRIB
            | WatchMask::MOVE
            | WatchMask::DELETE
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        let mut followed = Followed::default();
        if self.kernel.is_none() {
            self.kernel = Kernel::ask().ok();
        }
        let Some(kernel) = &mut self.kernel else { return followed };
        let gone: Vec<_> = self.watched.keys().filter(|path| !wanted.contains(*path)).cloned().collect();
        for path in gone {
            if let Some(descriptor) = self.watched.remove(&path) {
                // It fails only when the directory itself is gone, and the watch with it.
                kernel.watches.remove(descriptor).ok();
            }
        }
        for path in wanted {
            // Adding a watch that is there already gives the same descriptor, and a new one when the directory was replaced.
            match kernel.watches.add(&path, mask) {
                Ok(descriptor) => {
                    let known = self.watched.insert(path, descriptor.clone());
                    followed.new |= known.as_ref() != Some(&descriptor);
                }
                Err(error) => followed.failed.push((path, error)),
            }
        }
        followed
    }

    /// Watches what `composition` manages, and forgets what happened until now: for who then looks at all of it.
    pub(crate) async fn begin_anew(&mut self, composition: &Composition) -> std::io::Result<()> {
        // What can't be watched is told when the turn is over.
        self.follow(composition);
        self.and_since(Happened::Anywhere).await.map(drop)
    }

    /// Waits until something happened to what is watched and a moment passed. Nothing is lost when it is dropped before:
    /// the next call tells of it.
    pub(crate) async fn changed(&mut self) -> std::io::Result<Happened> {
        if self.untold.is_none() {
            self.happened().await?;
        }
        tokio::time::sleep(QUIET).await;
        self.drain()?;
        Ok(self.untold.take().unwrap_or(Happened::Anywhere))
    }

    async fn happened(&mut self) -> std::io::Result<()> {
        let gone = tokio::select! {
            Some(event) = next_event(self.kernel.as_mut()) => {
                self.note(&event?);
                return Ok(());
            }
            signal = unit_changed(self.units.as_mut()) => signal.is_none(),
        };
        if gone {
            // The bus comes back with the next start of the agent; until then the scan finds what it would have told.
            self.units = None;
        }
        self.untold = Some(Happened::Anywhere);
        Ok(())
    }

    /// Takes all that has happened up to now as one reason to look.
    fn drain(&mut self) -> std::io::Result<()> {
        while let Some(Some(event)) = next_event(self.kernel.as_mut()).now_or_never() {
            self.note(&event?);
        }
        if self.units.as_mut().is_some_and(units::Units::drain) {
            self.untold = Some(Happened::Anywhere);
        }
        Ok(())
    }

    fn note(&mut self, event: &Event<OsString>) {
        // A directory that comes or goes changes what can be watched, as does the end of a watch.
        let is_elsewhere = event.mask.intersects(
            EventMask::Q_OVERFLOW
                | EventMask::IGNORED
                | EventMask::UNMOUNT
                | EventMask::DELETE_SELF
                | EventMask::MOVE_SELF,
        ) || event.mask.contains(EventMask::ISDIR)
            && !event.mask.contains(EventMask::ATTRIB);
        let untold = self.untold.take().unwrap_or(Happened::At(BTreeSet::new()));
        let places =
            || self.watched.iter().filter(|(_, descriptor)| **descriptor == event.wd).map(|(path, _)| path);
        if is_elsewhere || places().next().is_none() || places().any(|path| self.shared.contains(path)) {
            self.untold = Some(Happened::Anywhere);
            return;
        }
        let place = |path: &PathBuf| event.name.as_ref().map_or_else(|| path.clone(), |name| path.join(name));
        let places: BTreeSet<PathBuf> = places().map(place).collect();
        self.untold = Some(if places.iter().any(|place| self.leads_on(place)) {
            Happened::Anywhere
        } else {
            places.into_iter().fold(untold, Happened::and_at)
        });
    }

    /// Whether a place is on the way to a directory that is to be watched, or one itself, or has keys by which an account is
    /// entered: where these are, no claim says.
    fn leads_on(&self, place: &Path) -> bool {
        let holds_keys = |name: &OsStr| name == ".ssh" || name == "authorized_keys";
        self.named.range(place.to_owned()..).next().is_some_and(|named| named.starts_with(place))
            || place.file_name().is_some_and(holds_keys)
    }

    /// Adds what has happened since to what is about to be looked at.
    pub(crate) async fn and_since(&mut self, happened: Happened) -> std::io::Result<Happened> {
        // Put first: nothing is lost when this is dropped.
        self.untold = Some(happened);
        // The runtime asks the kernel for events only when it has nothing else to do.
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.drain()?;
        Ok(self.untold.take().unwrap_or(Happened::Anywhere))
    }
}

async fn next_event(kernel: Option<&mut Kernel>) -> Option<std::io::Result<Event<OsString>>> {
    match kernel {
        Some(kernel) => kernel.events.next().await,
        None => std::future::pending().await,
    }
}

async fn unit_changed(units: Option<&mut units::Units>) -> Option<()> {
    match units {
        Some(units) => units.changed().await,
        None => std::future::pending().await,
    }
}

/// The directories in which a change may concern a resource.
fn directories(id: &ResourceId) -> Vec<PathBuf> {
    let parent = |path: &str| Path::new(path).parent().map(Path::to_owned);
    match id.kind() {
        "file" | "link" => parent(id.key()).into_iter().collect(),
        "line" => parent(muster_proto::resource::line::path_of(id.key())).into_iter().collect(),
        "archive" => parent(id.key()).into_iter().collect(),
        "directory" => [Some(PathBuf::from(id.key())), parent(id.key())].into_iter().flatten().collect(),
        "package" => vec!["/var/lib/dpkg".into(), "/usr/lib/sysimage/rpm".into(), "/var/lib/rpm".into()],
        "group" | "account" | "hosts_entry" | "hostname" => vec!["/etc".into()],
        "sudo" => vec!["/etc/sudoers.d".into()],
        // The running kernel tells nobody: what it has loaded and what is set in it is found by the scan.
        "kernel_module" => vec!["/etc/modprobe.d".into(), "/etc/modules-load.d".into()],
        "sysctl" => vec!["/etc/sysctl.d".into()],
        "browser_policy" => Browser::ALL
            .into_iter()
            .filter(|browser| browser.name() == id.key())
            .filter_map(|browser| parent(browser.file()))
            .collect(),
        "dconf" => {
            vec!["/etc/dconf/db/local.d/locks".into(), "/etc/dconf/db/local.d".into(), "/etc/dconf/db".into()]
        }
        "network" => {
            vec!["/etc/systemd/network".into(), "/etc/NetworkManager/system-connections".into()]
        }
        "proxy" => vec![
            "/etc/systemd/system.conf.d".into(),
            "/etc/profile.d".into(),
            "/etc/environment.d".into(),
            "/etc/apt/apt.conf.d".into(),
        ],
        "login_rule" => vec!["/etc/security/access.d".into(), "/etc/pam.d".into()],
        "ssh_server" => vec!["/etc/ssh/sshd_config.d".into()],
        "firewall" => vec!["/etc/muster".into()],
        "time" => vec!["/etc".into(), "/etc/systemd/timesyncd.conf.d".into()],
        "locale" => vec!["/etc".into(), "/etc/default".into(), "/usr/lib/locale".into()],
        "mount" | "timer" => vec!["/etc/systemd/system".into()],
        "certificate" => vec!["/usr/local/share/ca-certificates".into(), "/etc/ssl/certs".into()],
        "repository" => vec![
            "/etc/apt/sources.list.d".into(),
            "/etc/apt/keyrings".into(),
            "/etc/yum.repos.d".into(),
            "/etc/pki/rpm-gpg".into(),
        ],
        _ => vec![],
    }
}

/// The directories in a tree, as far as they are watched: a device watches only so many, and of a larger tree the scan finds the rest.
fn below(tree: &Path) -> Vec<PathBuf> {
    const MOST: usize = 64;
    let mut found = vec![tree.to_owned()];
    let mut next = 0;
    while let Some(path) = found.get(next).filter(|_| found.len() < MOST) {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        // No link is followed, as their kind is that of the entry itself.
        let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let some: Vec<PathBuf> = directories.map(|entry| entry.path()).take(MOST - found.len()).collect();
        found.extend(some);
        next += 1;
    }
    found
}

fn existing(mut path: PathBuf) -> PathBuf {
    while !path.is_dir() && path.pop() {}
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composition(path: &Path) -> Composition {
        composition_of(&[path])
    }

    fn composition_of(paths: &[&Path]) -> Composition {
        let mut composition = Composition::default();
        let file = |path: &&Path| serde_json::json!({"file": {"path": path, "content": "x"}});
        let resources: Vec<_> = paths.iter().map(file).collect();
        let document =
            serde_json::json!({"muster": 1, "profile": "base", "resources": resources}).to_string();
        let state = serde_json::json!({
            "muster": 1, "composition": 1, "device": uuid::Uuid::nil(), "generation": 1, "issued": "2026-01-01T00:00:00Z",
            "revisions": [{"assignment": "a", "profile": "base", "revision": 1, "precedence": 0, "mode": "enforce",
                "digest": muster_proto::Digest::of(document.as_bytes()).to_string()}],
            "bindings": {"name": "d", "serial": "s"}
        });
        let documents =
            BTreeMap::from([(muster_proto::Digest::of(document.as_bytes()), document.into_bytes())]);
        let state = serde_json::from_value(state).unwrap();
        composition.claims =
            muster_proto::compose::compose(&state, &documents, &Default::default()).unwrap().claims;
        composition
    }

    #[tokio::test]
    async fn a_managed_file_that_is_overwritten_removed_or_chmodded_wakes_the_loop() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("motd");
        std::fs::write(&file, "x").unwrap();
        let mut watch = Watch::start().await;
        assert!(watch.follow(&composition(&file)).failed.is_empty());
        let here = Happened::At(BTreeSet::from([file.clone()]));
        let within = Duration::from_secs(5);
        std::fs::write(&file, "y").unwrap();
        assert_eq!(tokio::time::timeout(within, watch.changed()).await.unwrap().unwrap(), here);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(tokio::time::timeout(within, watch.changed()).await.unwrap().unwrap(), here);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(tokio::time::timeout(within, watch.changed()).await.unwrap().unwrap(), here);
        std::fs::create_dir(&file).unwrap();
        let told = tokio::time::timeout(within, watch.changed()).await.unwrap().unwrap();
        assert_eq!(told, Happened::Anywhere, "a directory may have to be watched");
    }

    #[tokio::test]
    async fn what_is_put_on_the_way_to_a_watched_directory_is_no_matter_of_one_place() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("r1")).unwrap();
        std::fs::create_dir(at("r2")).unwrap();
        std::os::unix::fs::symlink("r1", at("current")).unwrap();
        let mut watch = Watch::start().await;
        watch.follow(&composition_of(&[&at("current/conf"), &at("other"), &at("to/come/conf")]));
        let within = Duration::from_secs(5);
        std::os::unix::fs::symlink("r2", at("new")).unwrap();
        let told = tokio::time::timeout(within, watch.changed()).await.unwrap().unwrap();
        assert_eq!(told, Happened::At(BTreeSet::from([at("new")])));
        std::fs::rename(at("new"), at("current")).unwrap();
        let told = tokio::time::timeout(within, watch.changed()).await.unwrap().unwrap();
        assert_eq!(told, Happened::Anywhere);
        std::os::unix::fs::symlink("r1", at("to")).unwrap();
        let told = tokio::time::timeout(within, watch.changed()).await.unwrap().unwrap();
        assert_eq!(told, Happened::Anywhere);
        std::fs::write(at("other"), "x").unwrap();
        let first = tokio::time::timeout(within, watch.changed()).await.unwrap().unwrap();
        std::fs::remove_file(at("current")).unwrap();
        assert_eq!(
            watch.and_since(first).await.unwrap(),
            Happened::Anywhere,
            "what came while it rested counts"
        );
    }

    #[tokio::test]
    async fn many_changes_at_once_wake_the_loop_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("motd");
        let mut watch = Watch::start().await;
        assert!(watch.follow(&composition(&file)).new);
        for round in 0..20 {
            std::fs::write(&file, round.to_string()).unwrap();
        }
        tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.unwrap().unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(300), watch.changed()).await.is_err());
    }

    #[tokio::test]
    async fn a_change_is_told_although_nobody_waited_to_the_end_at_first() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("motd");
        std::fs::write(&file, "x").unwrap();
        let mut watch = Watch::start().await;
        assert!(watch.follow(&composition(&file)).new);
        std::fs::remove_file(&file).unwrap();
        assert!(tokio::time::timeout(QUIET / 2, watch.changed()).await.is_err());
        tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn where_the_kernel_gives_no_watch_the_agent_goes_on_and_asks_again() {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("motd");
        let many = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(0), ..many }).unwrap();
        let mut watch = Watch::start().await;
        let followed = watch.follow(&composition(&file));
        setrlimit(Resource::Nofile, many).unwrap();
        assert!(!followed.new && watch.kernel.is_none());
        watch.begin_anew(&composition(&file)).await.unwrap();
        std::fs::write(&file, "x").unwrap();
        let here = Happened::At(BTreeSet::from([file]));
        let told = tokio::time::timeout(Duration::from_secs(5), watch.changed()).await;
        assert_eq!(told.unwrap().unwrap(), here);
    }

    #[tokio::test]
    async fn a_directory_that_is_watched_already_is_not_new() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("motd");
        let mut watch = Watch::start().await;
        assert!(watch.follow(&composition(&file)).new);
        assert!(!watch.follow(&composition(&file)).new);
    }
}
