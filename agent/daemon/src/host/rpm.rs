//! Which packages are installed, from rpm's own database, and which of them a transaction of dnf left half-way.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use muster_tables::rpm::{Database, FILE, FOLDERS, LOG, Package, Tag, connect, of_file};
use rustix::fs::FileType;

use super::dpkg::{self, Control, State};
use super::files::{self, Stamp};
use super::version::Order;
use super::walk::Root;

/// Where dnf keeps what it did, and which of that came to its end.
const HISTORY: &str = "/var/lib/dnf/history.sqlite";
/// Has the number of the process that works on the packages.
const RUNNING: &str = "/var/lib/dnf/rpmdb_lock.pid";
/// What rpm calls the keys that it trusts.
const KEY: &str = "gpg-pubkey";

/// rpm's view of the packages, read when its database has changed: of that only what is new, as no header ever changes.
#[derive(Debug, Default)]
pub(crate) struct Installed {
    stamps: Vec<Option<Stamp>>,
    /// The file that the headers are of, whatever was written to it since.
    file: Option<(i128, i128)>,
    headers: BTreeMap<i64, Package>,
    packages: BTreeMap<String, dpkg::Package>,
    /// What dnf was bringing when it was cut off, as far as rpm has it.
    cut_off: Vec<Package>,
}

impl Installed {
    /// The folder of the database; `None` where there is none.
    pub(crate) fn folder(root: &Root) -> Result<Option<&'static str>> {
        for folder in FOLDERS {
            let stat =
                root.place(&format!("{folder}/{FILE}"))?.map(|place| place.stat()).transpose()?.flatten();
            if stat.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile) {
                return Ok(Some(folder));
            }
        }
        Ok(None)
    }

    /// Reads again what has changed. False where this system has no such database.
    pub(crate) fn refresh(&mut self, root: &Root) -> Result<bool> {
        let Some(folder) = Self::folder(root)? else {
            *self = Self::default();
            return Ok(false);
        };
        let paths = [
            format!("{folder}/{FILE}"),
            format!("{folder}/{LOG}"),
            HISTORY.to_owned(),
            format!("{HISTORY}-wal"),
            RUNNING.to_owned(),
        ];
        let (stamps, is_settled) = stamps(root, &paths)?;
        if self.stamps == stamps {
            return Ok(true);
        }
        let database = open(root, folder)?;
        let numbers = database.numbers()?;
        // Another file may use the same numbers for other packages.
        let file = stamps[0].map(|stamp| stamp.inode());
        if self.file != file {
            (self.file, self.headers) = (file, BTreeMap::new());
        }
        self.stamps.clear();
        self.headers.retain(|number, _| numbers.binary_search(number).is_ok());
        for number in numbers {
            if let Entry::Vacant(new) = self.headers.entry(number) {
                let package = database.header(number, |header| header.package());
                new.insert(package.with_context(|| format!("header {number} of {folder}/{FILE}"))?);
            }
        }
        drop(database);
        self.packages = by_name(self.headers.values());
        let is_running = is_running(root)?;
        self.cut_off = if is_running { vec![] } else { self.find_cut_off(root)? };
        // What changed while it was read, or so lately that it could change and look the same, is read again next time, and so is what
        // somebody works on: they may end without a trace.
        if is_settled && !is_running && self::stamps(root, &paths)?.0 == stamps {
            self.stamps = stamps;
        }
        Ok(true)
    }

    pub(crate) fn packages(&self) -> &BTreeMap<String, dpkg::Package> {
        &self.packages
    }

    /// The packages of which one version is there, with it. Of several, as of kernels, dnf removes the oldest by itself.
    pub(crate) fn of_one_version(&self) -> BTreeMap<String, String> {
        let (mut seen, mut several) = (BTreeSet::new(), BTreeSet::new());
        for header in self.headers.values() {
            if !seen.insert((&header.name, &header.arch)) {
                several.insert(&header.name);
            }
        }
        let of_one = self.packages.iter().filter(|(name, _)| !several.contains(name));
        of_one.map(|(name, package)| (name.clone(), package.version.clone())).collect()
    }

    /// What dnf has to install once more, after it was cut off.
    pub(crate) fn cut_off(&self) -> &[Package] {
        &self.cut_off
    }

    /// What the last transaction was bringing, where it never came to its end. rpm records a package before its last
    /// scripts run, and takes the version before off the record after that.
    fn find_cut_off(&mut self, root: &Root) -> Result<Vec<Package>> {
        let mut cut_off = vec![];
        for coming in unfinished(root)? {
            let Some(package) = self.packages.get_mut(&coming.name) else { continue };
            if self.headers.values().any(|header| *header == coming) {
                package.state = State::Partly;
                cut_off.push(coming);
            }
        }
        Ok(cut_off)
    }
}

/// What a package file says of itself. Muster reads that by what it has to read rpm's database, rather than by rpm: of a file nobody may
/// have looked at yet, rpm would ask its database and its keys as well.
pub(crate) fn control(file: &mut File) -> Result<Control> {
    let Package { name, version, arch } = of_file(file)?;
    Ok(Control { name, version, architecture: arch })
}

/// Opens something in a folder by the path of the very one that was walked to.
fn within<T>(root: &Root, folder: &str, open: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let dir = root.directory(folder)?.with_context(|| format!("{folder} is gone since a moment ago"))?;
    open(Path::new(&format!("/proc/self/fd/{}", dir.as_raw_fd())))
}

fn open(root: &Root, folder: &str) -> Result<Database> {
    within(root, folder, |path| Ok(Database::open(path)?))
}

/// How the files look now, and whether all have been so for a while.
fn stamps(root: &Root, paths: &[String]) -> Result<(Vec<Option<Stamp>>, bool)> {
    let mut stamps = vec![];
    let mut is_settled = true;
    for path in paths {
        let stamp = files::stamp(root, path)?;
        is_settled &= stamp.is_none_or(|(_, settled)| settled);
        stamps.push(stamp.map(|(stamp, _)| stamp));
    }
    Ok((stamps, is_settled))
}

/// The packages by their names. Of several architectures the machine's own counts, and of several versions, as of kernels, the newest.
fn by_name<'a>(headers: impl Iterator<Item = &'a Package>) -> BTreeMap<String, dpkg::Package> {
    let is_native = |arch: &str| arch == "noarch" || arch == std::env::consts::ARCH;
    let mut best: BTreeMap<&str, &Package> = BTreeMap::new();
    for header in headers.filter(|header| header.name != KEY) {
        best.entry(&header.name)
            .and_modify(|known| {
                let order = is_native(&header.arch)
                    .cmp(&is_native(&known.arch))
                    .then_with(|| Order::Rpm.compare(&header.version, &known.version));
                if order.is_gt() {
                    *known = header;
                }
            })
            .or_insert(header);
    }
    let package =
        |header: &Package| dpkg::Package { version: header.version.clone(), state: State::Installed };
    best.into_iter().map(|(name, header)| (name.to_owned(), package(header))).collect()
}

/// The packages that dnf's last transaction was bringing, where it never came to its end.
fn unfinished(root: &Root) -> Result<Vec<Package>> {
    let (folder, file) = HISTORY.rsplit_once('/').unwrap_or_default();
    if root.place(HISTORY)?.map(|place| place.stat()).transpose()?.flatten().is_none() {
        return Ok(vec![]);
    }
    let read = || -> Result<Vec<Package>> {
        let connection = within(root, folder, |path| Ok(connect(path, file)?))?;
        // Of the actions those that bring something; state 0 is that of what has not ended.
        let mut statement = connection.prepare(
            "SELECT r.name, r.epoch, r.version, r.release, r.arch FROM trans_item i JOIN rpm r ON r.item_id = i.item_id
             WHERE i.trans_id = (SELECT max(id) FROM trans) AND i.action IN (1, 2, 4, 6, 9)
             AND (SELECT state FROM trans WHERE id = i.trans_id) = 0 ORDER BY r.name",
        )?;
        let rows = statement.query_map((), |row| {
            let epoch: i64 = row.get(1)?;
            let (version, release): (String, String) = (row.get(2)?, row.get(3)?);
            let epoch = if epoch > 0 { format!("{epoch}:") } else { String::new() };
            Ok(Package {
                name: row.get(0)?,
                version: format!("{epoch}{version}-{release}"),
                arch: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    read().with_context(|| format!("reading {HISTORY}, where dnf keeps what it did"))
}

/// Whether a dnf is at work on the packages, going by what dnf itself goes by.
fn is_running(root: &Root) -> Result<bool> {
    let Some(text) = files::content(root, RUNNING, 64)? else { return Ok(false) };
    let Ok(process) = String::from_utf8_lossy(&text).trim().parse::<u32>() else { return Ok(false) };
    Ok(root.directory(&format!("/proc/{process}"))?.is_some())
}

/// The names under which rpm has this public key on record, as `rpm -e` takes them.
pub(crate) fn names_of_key(root: &Root, armored: &str) -> Result<Vec<String>> {
    let Some(folder) = Installed::folder(root)? else { return Ok(vec![]) };
    let database = open(root, folder)?;
    let mut names = vec![];
    for number in database.numbers()? {
        let found = database.header(number, |header| {
            let package = header.package()?;
            let is_it = package.name == KEY
                && header.text(Tag::Description)?.is_some_and(|known| body(&known) == body(armored));
            Ok(is_it.then(|| format!("{}-{}", package.name, package.version)))
        });
        names.extend(found.with_context(|| format!("header {number} of {folder}/{FILE}"))?);
    }
    Ok(names)
}

/// The key itself within its armor (RFC 9580, 6.2): neither the headers nor the checksum, however the lines are cut.
fn body(armored: &str) -> String {
    let mut lines = armored.lines().map(str::trim).skip_while(|line| !line.starts_with("-----BEGIN"));
    lines.next();
    let lines = lines.take_while(|line| !line.starts_with("-----")).filter(|line| !line.contains(':'));
    lines.filter(|line| !line.starts_with('=')).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use rusqlite::Connection;

    use super::*;

    /// Puts packages of release 1 on record below `root`, as rpm would.
    pub(in crate::host) fn record(root: &Path, packages: &[(&str, &str)]) {
        let folder = root.join("var/lib/rpm");
        std::fs::create_dir_all(&folder).unwrap();
        let database = Connection::open(folder.join(FILE)).unwrap();
        let table = "CREATE TABLE IF NOT EXISTS Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)";
        database.execute(table, ()).unwrap();
        for (name, version) in packages {
            let (mut entries, mut data) = (vec![], vec![]);
            for (tag, text) in [(Tag::Name, *name), (Tag::Version, *version), (Tag::Release, "1")] {
                for number in [tag as u32, 6, u32::try_from(data.len()).unwrap(), 1] {
                    entries.extend(number.to_be_bytes());
                }
                data.extend(text.bytes().chain([0]));
            }
            let lengths = [3, u32::try_from(data.len()).unwrap()].map(u32::to_be_bytes).concat();
            let header = [lengths, entries, data].concat();
            database.execute("INSERT INTO Packages (blob) VALUES (?1)", [header]).unwrap();
        }
    }

    /// Has dnf's history end with a transaction in this state that brings `hello` at 2-1.
    fn begin(root: &Path, state: i64) {
        let folder = root.join("var/lib/dnf");
        std::fs::create_dir_all(&folder).unwrap();
        let history = Connection::open(folder.join("history.sqlite")).unwrap();
        history
            .execute_batch(&format!(
                "CREATE TABLE IF NOT EXISTS trans (id INTEGER PRIMARY KEY, state INTEGER);
                 CREATE TABLE IF NOT EXISTS trans_item (trans_id INTEGER, item_id INTEGER, action INTEGER);
                 CREATE TABLE IF NOT EXISTS rpm (item_id INTEGER, name TEXT, epoch INTEGER, version TEXT, release TEXT, arch TEXT);
                 INSERT INTO trans (state) VALUES ({state});
                 INSERT INTO trans_item SELECT max(id), 1, 6 FROM trans;
                 INSERT INTO rpm VALUES (1, 'hello', 0, '2', '1', 'noarch')"
            ))
            .unwrap();
    }

    #[test]
    fn what_dnf_never_ended_is_half_way_unless_somebody_is_at_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        record(folder.path(), &[("hello", "1"), ("other", "1")]);
        begin(folder.path(), 0);
        let mut installed = Installed::default();
        let state_of_hello = |installed: &mut Installed| {
            assert!(installed.refresh(&root).unwrap());
            let cut_off: Vec<String> = installed
                .cut_off()
                .iter()
                .map(|one| format!("{}-{}.{}", one.name, one.version, one.arch))
                .collect();
            (installed.packages()["hello"].state, cut_off.join(" "))
        };
        // It has not come as far as to be on record.
        assert_eq!(state_of_hello(&mut installed), (State::Installed, String::new()));
        record(folder.path(), &[("hello", "2")]);
        assert_eq!(state_of_hello(&mut installed), (State::Partly, "hello-2-1.noarch".to_owned()));
        assert_eq!(installed.packages()["other"].state, State::Installed);
        assert_eq!(installed.packages()["hello"].version, "2-1");
        std::fs::create_dir_all(folder.path().join("proc/77")).unwrap();
        std::fs::write(folder.path().join("var/lib/dnf/rpmdb_lock.pid"), "77").unwrap();
        assert_eq!(state_of_hello(&mut installed), (State::Installed, String::new()));
        std::fs::remove_dir(folder.path().join("proc/77")).unwrap();
        assert_eq!(state_of_hello(&mut installed).0, State::Partly);
        begin(folder.path(), 1);
        assert_eq!(state_of_hello(&mut installed), (State::Installed, String::new()));
    }

    fn package(name: &str, version: &str, arch: &str) -> Package {
        Package { name: name.to_owned(), version: version.to_owned(), arch: arch.to_owned() }
    }

    #[test]
    fn the_machines_own_architecture_counts_and_the_newest_version_of_it() {
        let all = [
            package("glibc", "2.40-1", "i686"),
            package("glibc", "2.39-1", std::env::consts::ARCH),
            package("kernel", "6.10-1", "noarch"),
            package("kernel", "6.9-1", "noarch"),
            package(KEY, "7a915b5a-6b0977b9", "noarch"),
        ];
        let packages = by_name(all.iter());
        assert_eq!(packages["glibc"].version, "2.39-1");
        assert_eq!(packages["kernel"].version, "6.10-1");
        assert_eq!(packages.len(), 2);
    }

    #[test]
    fn of_what_is_there_in_several_versions_one_may_go() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        record(folder.path(), &[("kernel", "1"), ("hello", "1"), ("kernel", "2"), (KEY, "1")]);
        let mut installed = Installed::default();
        installed.refresh(&root).unwrap();
        assert_eq!(installed.of_one_version(), BTreeMap::from([("hello".to_owned(), "1-1".to_owned())]));
    }

    #[test]
    fn a_key_is_known_again_in_another_armor() {
        let ours = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: corp\n\nmQGNBGsJd7kB\nDADABCDEFGH=\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";
        let rpms = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: rpm-4.18\n\nmQGNBGsJd7kBDADABCDEFGH=\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(body(ours), body(rpms));
        assert_ne!(body(ours), body(&rpms.replace("BDAD", "BDAE")));
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(64))]

        #[test]
        fn a_database_that_was_damaged_is_an_error_or_what_is_left_of_it(
            damage in proptest::collection::vec((proptest::prelude::any::<u16>(), proptest::prelude::any::<u8>()), 1..40),
            cut in proptest::option::of(proptest::prelude::any::<u16>()),
        ) {
            let folder = tempfile::tempdir().unwrap();
            record(folder.path(), &[("hello", "1"), ("other", "1"), ("kernel", "6")]);
            begin(folder.path(), 0);
            for path in ["var/lib/rpm/rpmdb.sqlite", "var/lib/dnf/history.sqlite"] {
                let path = folder.path().join(path);
                let mut bytes = std::fs::read(&path).unwrap();
                for (at, value) in &damage {
                    let at = usize::from(*at) % bytes.len();
                    bytes[at] = *value;
                }
                bytes.truncate(cut.map_or(bytes.len(), |cut| usize::from(cut) % bytes.len()));
                std::fs::write(&path, bytes).unwrap();
            }
            let mut installed = Installed::default();
            if installed.refresh(&Root::open(folder.path()).unwrap()).is_ok() {
                proptest::prop_assert!(installed.packages().len() <= 64);
            }
        }
    }
}
