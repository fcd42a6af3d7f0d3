//! rpm's own record of what is installed: its database in SQLite, and the headers in it. Package files have such a header too.
//!
//! Only reads, and takes no lock that rpm would wait for.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

mod file;

pub use file::of_file;

/// The folders that may have the database, the one of newer systems first. On the device the other one is at most a link to it.
pub const FOLDERS: [&str; 2] = ["/usr/lib/sysimage/rpm", "/var/lib/rpm"];
/// What the database is called there.
pub const FILE: &str = "rpmdb.sqlite";
/// Where its latest changes stand.
pub const LOG: &str = "rpmdb.sqlite-wal";

/// Tags of a header, as `rpm --querytags` names them and `rpmtag.h` numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Tag {
    /// Of the header without its signatures, in hexadecimal.
    Sha1Header = 269,
    /// The package's name.
    Name = 1000,
    /// The version that its authors gave it.
    Version = 1001,
    /// How often it was built of that version.
    Release = 1002,
    /// What goes before the version where there is one.
    Epoch = 1003,
    /// Free text; of a public key, the key itself in armor.
    Description = 1005,
    /// When it was installed, in seconds since 1970.
    InstallTime = 1008,
    /// Bytes of all its files, up to 4 GiB.
    Size = 1009,
    /// Who built it.
    Vendor = 1011,
    /// What it is for.
    Group = 1016,
    /// The machine that it is for, or `noarch`.
    Arch = 1022,
    /// The source package that it was built of.
    SourceRpm = 1044,
    /// Bytes of all its files, where they are more.
    LongSize = 5009,
}

const INT32: u32 = 4;
const INT64: u32 = 5;
const STRING: u32 = 6;
const I18N_STRING: u32 = 9;

/// rpm's own bounds on a header: entries, and bytes of data.
const MOST_ENTRIES: u32 = 0x1_0000;
const MOST_DATA: u32 = 256 * 1024 * 1024;
/// A header begins with the number of its entries and the length of its data.
const PREFIX: usize = 8;
/// An entry is a tag, a type, an offset and a count.
const ENTRY: usize = 16;
/// Longer names and versions than any package has, in bytes.
const LONGEST: usize = 255;

/// Why the database, a header or a file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite's own reason.
    #[error("reading rpm's database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// What is wrong with a header.
    #[error(
        "what rpm's database says of a package can't be read: {0}; see whether `rpmdb --verifydb` finds it in order"
    )]
    Header(&'static str),
    /// What is wrong with a file.
    #[error("{0}")]
    File(&'static str),
    /// The system's own reason for a file.
    #[error("reading it: {0}")]
    Io(#[from] io::Error),
}

/// The database, for as long as it takes to read it.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
}

/// Opens the database `file` in a folder that only root can write to, to read it.
///
/// Where it has no log, nobody writes to it: it is read then as a file that does not change, so that SQLite makes no files beside it,
/// which anybody who watches the folder would take for a change. Whether it stayed so, the caller sees by the file afterwards.
///
/// # Errors
///
/// When there is none, or SQLite can't read it.
pub fn connect(folder: &Path, file: &str) -> rusqlite::Result<Connection> {
    connect_by(folder, file, "?mode=ro")
}

fn connect_by(folder: &Path, file: &str, with_log: &str) -> rusqlite::Result<Connection> {
    let has_log = folder.join(format!("{file}-wal")).exists();
    let mut uri = OsString::from("file:");
    for byte in folder.join(file).as_os_str().as_bytes() {
        match byte {
            // What means something in the address of a database.
            b'%' | b'?' | b'#' => uri.push(format!("%{byte:02x}")),
            _ => uri.push(OsStr::from_bytes(&[*byte])),
        }
    }
    uri.push(if has_log { with_log } else { "?mode=ro&immutable=1" });
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(Path::new(&uri), flags)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    Ok(connection)
}

impl Database {
    /// Opens the database in a folder, as [`connect`] does.
    ///
    /// # Errors
    ///
    /// When there is none, or SQLite can't read it.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        Ok(Self { connection: connect(folder, FILE)? })
    }

    /// The same for a process that can write no file: beside a log SQLite keeps an index of it in a file, which it takes as it is here, or
    /// else has one in memory.
    ///
    /// # Errors
    ///
    /// When there is none, or SQLite can't read it.
    pub fn open_confined(folder: &Path) -> Result<Self, Error> {
        Ok(Self { connection: connect_by(folder, FILE, "?mode=ro&readonly_shm=1")? })
    }

    /// The numbers of all headers. One that is installed anew gets a number that no other had.
    ///
    /// # Errors
    ///
    /// When SQLite can't read them.
    pub fn numbers(&self) -> Result<Vec<i64>, Error> {
        let mut statement = self.connection.prepare("SELECT hnum FROM Packages ORDER BY hnum")?;
        let numbers = statement.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(numbers)
    }

    /// What one header says, by `reader`.
    ///
    /// # Errors
    ///
    /// When SQLite can't read it, it breaks the format, or `reader` refuses it.
    pub fn header<T>(
        &self,
        number: i64,
        reader: impl FnOnce(&Header<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut statement = self.connection.prepare_cached("SELECT blob FROM Packages WHERE hnum = ?1")?;
        let mut rows = statement.query([number])?;
        let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        reader(&Header::parse(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?)
    }
}

/// A header as rpm stores it: a list of tags, and the data that they point into.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    entries: &'a [u8],
    data: &'a [u8],
}

/// What a header has of a tag.
struct Entry<'a> {
    kind: u32,
    /// From its offset on, to the end of all data.
    data: &'a [u8],
    count: u32,
}

/// What identifies an installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// `version-release`, after `epoch:` where there is an epoch other than 0.
    pub version: String,
    /// Its architecture; `noarch` is every machine's.
    pub arch: String,
}

impl<'a> Header<'a> {
    /// Reads the frame of a header.
    ///
    /// # Errors
    ///
    /// When its lengths are not those of the bytes, or beyond rpm's own bounds.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (Some(entries), Some(data)) = (number_at(bytes, 0), number_at(bytes, 4)) else {
            return Err(Error::Header("it is too short"));
        };
        if entries == 0 || entries > MOST_ENTRIES || data > MOST_DATA {
            return Err(Error::Header("its lengths are beyond what rpm allows"));
        }
        let end = PREFIX + entries as usize * ENTRY;
        if bytes.len() != end + data as usize {
            return Err(Error::Header("its lengths are not those that it has"));
        }
        Ok(Self { entries: &bytes[PREFIX..end], data: &bytes[end..] })
    }

    fn entry(&self, tag: Tag) -> Result<Option<Entry<'a>>, Error> {
        let found = self.entries.chunks_exact(ENTRY).find(|entry| number_at(entry, 0) == Some(tag as u32));
        let Some(entry) = found else { return Ok(None) };
        let field = |at| number_at(entry, at).unwrap_or_default();
        let data = usize::try_from(field(8)).ok().and_then(|offset| self.data.get(offset..));
        let data = data.filter(|data| !data.is_empty()).ok_or(Error::Header("a tag points past its end"))?;
        Ok(Some(Entry { kind: field(4), data, count: field(12) }))
    }

    /// A text; the first one where there are several. What is no UTF-8 in it is replaced.
    ///
    /// # Errors
    ///
    /// When the tag has another type, or its text no end.
    pub fn text(&self, tag: Tag) -> Result<Option<String>, Error> {
        let Some(Entry { kind, data, count }) = self.entry(tag)? else { return Ok(None) };
        if !matches!(kind, STRING | I18N_STRING) || count == 0 {
            return Err(Error::Header("a tag that is a text has another type"));
        }
        let end = data.iter().position(|byte| *byte == 0).ok_or(Error::Header("a text has no end"))?;
        Ok(Some(String::from_utf8_lossy(&data[..end]).into_owned()))
    }

    /// A number; the first one where there are several.
    ///
    /// # Errors
    ///
    /// When the tag has another type, or is cut off.
    pub fn number(&self, tag: Tag) -> Result<Option<u64>, Error> {
        let Some(Entry { kind, data, count }) = self.entry(tag)? else { return Ok(None) };
        let number = match kind {
            INT32 if count > 0 => number_at(data, 0).map(u64::from),
            INT64 if count > 0 => data.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)),
            _ => return Err(Error::Header("a tag that is a number has another type")),
        };
        number.map(Some).ok_or(Error::Header("a number is cut off"))
    }

    /// What identifies the package.
    ///
    /// # Errors
    ///
    /// When name, version or release are missing, or are none that a package has.
    pub fn package(&self) -> Result<Package, Error> {
        let word = |tag| {
            let word = self.text(tag)?.ok_or(Error::Header("it does not say what it is"))?;
            // They become arguments of programs and lines of reports.
            let is_plain = word.len() <= LONGEST && word.bytes().all(|byte| byte.is_ascii_graphic());
            if word.is_empty() || !is_plain {
                return Err(Error::Header("its name or its version is none that a package has"));
            }
            Ok(word)
        };
        let epoch = self.number(Tag::Epoch)?.filter(|epoch| *epoch > 0);
        let epoch = epoch.map_or(String::new(), |epoch| format!("{epoch}:"));
        Ok(Package {
            name: word(Tag::Name)?,
            version: format!("{epoch}{}-{}", word(Tag::Version)?, word(Tag::Release)?),
            // A public key is none of a machine.
            arch: if self.entry(Tag::Arch)?.is_some() { word(Tag::Arch)? } else { "noarch".to_owned() },
        })
    }
}

fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    pub(super) fn header(tags: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let (mut entries, mut data) = (vec![], vec![]);
        for (tag, kind, value) in tags {
            for number in [*tag, *kind, u32::try_from(data.len()).unwrap(), 1] {
                entries.extend(number.to_be_bytes());
            }
            data.extend(*value);
        }
        let mut bytes = u32::try_from(tags.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        [bytes, entries, data].concat()
    }

    #[test]
    fn a_package_is_read_with_its_epoch_where_it_has_one() {
        let named: [(u32, u32, &[u8]); 4] =
            [(1000, 6, b"curl\0"), (1001, 6, b"8.1\0"), (1002, 6, b"2.fc40\0"), (1022, 6, b"x86_64\0")];
        let plain = header(&named);
        let package = Header::parse(&plain).unwrap().package().unwrap();
        assert_eq!((package.name.as_str(), package.version.as_str()), ("curl", "8.1-2.fc40"));
        let with_epoch = header(&[&named[..], &[(1003, 4, &[0, 0, 0, 3])]].concat());
        assert_eq!(Header::parse(&with_epoch).unwrap().package().unwrap().version, "3:8.1-2.fc40");
    }

    #[test]
    fn a_header_that_breaks_the_format_is_refused() {
        let good = header(&[(1000, 6, b"curl\0"), (1001, 6, b"8\0"), (1002, 6, b"2\0")]);
        let of = |bytes: &[u8]| Header::parse(bytes).and_then(|header| header.package());
        assert!(of(&good).is_ok());
        for (why, bytes) in [
            ("cut", good[..good.len() - 1].to_vec()),
            ("longer", [&good[..], b"x"].concat()),
            ("no end", header(&[(1000, 6, b"curl\0"), (1001, 6, b"8\0"), (1002, 6, b"2")])),
            ("a number for a name", header(&[(1000, 4, b"curl\0"), (1001, 6, b"8\0"), (1002, 6, b"2\0")])),
            ("a line break", header(&[(1000, 6, b"cu\nrl\0"), (1001, 6, b"8\0"), (1002, 6, b"2\0")])),
            ("no release", header(&[(1000, 6, b"curl\0"), (1001, 6, b"8\0")])),
            ("no entries", vec![0; 8]),
            ("far too many entries", [&[0xff; 8][..], &good[8..]].concat()),
        ] {
            assert!(of(&bytes).is_err(), "{why}");
        }
        let mut beyond = good;
        beyond[PREFIX + 8..PREFIX + 12].fill(0xff);
        assert!(of(&beyond).is_err(), "an offset past the end");
    }

    fn run(program: &str, arguments: &[String], file: &Path) {
        let output = Command::new(program).args(arguments).arg(file).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn define(name: &str, to: &Path) -> [String; 2] {
        ["--define".to_owned(), format!("{name} {}", to.display())]
    }

    /// Builds a package; its file.
    pub(super) fn build(folder: &Path, name: &str, epoch: &str, what: &str) -> std::path::PathBuf {
        let spec = folder.join("x.spec");
        let text = format!(
            "Name: {name}\nVersion: 1.2~rc1\nRelease: 3\nEpoch: {epoch}\nSummary: x\nLicense: x\nVendor: Corp\nBuildArch: noarch\n\
             %description\nx\n%files\n"
        );
        std::fs::write(&spec, text).unwrap();
        let folders = ["_topdir", "_rpmdir", "_srcrpmdir"].map(|name| define(name, folder));
        run("rpmbuild", &[&[what.to_owned()][..], folders.as_flattened()].concat(), &spec);
        match what {
            "-bs" => folder.join(format!("{name}-1.2~rc1-3.src.rpm")),
            _ => folder.join(format!("noarch/{name}-1.2~rc1-3.noarch.rpm")),
        }
    }

    /// Builds a package and has rpm put it on record in a database of its own.
    fn record(folder: &Path, name: &str, epoch: &str) {
        let package = build(folder, name, epoch, "-bb");
        let justdb = ["-i", "--justdb"].map(str::to_owned);
        run("rpm", &[&justdb[..], &define("_dbpath", &folder.join("db"))].concat(), &package);
    }

    #[test]
    fn what_rpm_put_on_record_is_read_while_it_stands_in_the_log_and_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        record(folder.path(), "first", "0");
        record(folder.path(), "second", "7");
        let db = folder.path().join("db");
        let names = || {
            let database = Database::open(&db).unwrap();
            let read = |number| database.header(number, |header| header.package()).unwrap();
            let all: Vec<_> = database.numbers().unwrap().into_iter().map(read).collect();
            all.into_iter()
                .map(|one| format!("{} {} {}", one.name, one.version, one.arch))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(), ["first 1.2~rc1-3 noarch", "second 7:1.2~rc1-3 noarch"]);
        let database = Database::open(&db).unwrap();
        let vendor = database.header(1, |header| header.text(Tag::Vendor)).unwrap();
        assert_eq!(vendor.as_deref(), Some("Corp"));
        assert!(
            database.header(1, |header| header.number(Tag::InstallTime)).unwrap().unwrap() > 1_700_000_000
        );
        drop(database);
        // What a crash leaves: a log and its index, which who can write nothing leaves as they are.
        let holder = Connection::open(db.join(FILE)).unwrap();
        holder.execute_batch("UPDATE Packages SET blob = blob WHERE hnum = 1").unwrap();
        let copy = folder.path().join("copy");
        std::fs::create_dir(&copy).unwrap();
        let index = "rpmdb.sqlite-shm";
        for file in [FILE, LOG, index] {
            std::fs::copy(db.join(file), copy.join(file)).unwrap();
        }
        drop(holder);
        let before = std::fs::read(copy.join(index)).unwrap();
        assert_eq!(Database::open_confined(&copy).unwrap().numbers().unwrap().len(), 2);
        assert_eq!(std::fs::read(copy.join(index)).unwrap(), before);
        // Without a log nothing is made beside it.
        for log in [LOG, "rpmdb.sqlite-shm"] {
            std::fs::remove_file(db.join(log)).ok();
        }
        assert_eq!(names().len(), 2);
        assert!(!db.join(LOG).exists() && !db.join("rpmdb.sqlite-shm").exists());
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(bytes: Vec<u8>) {
            let _ = Header::parse(&bytes).map(|header| header.package());
        }

        #[test]
        fn no_entries_break_the_parser(
            entries in proptest::collection::vec((995u32..1025, 0u32..11, 0u32..40, 0u32..3), 1..8),
            data in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..40),
        ) {
            let mut bytes = u32::try_from(entries.len()).unwrap().to_be_bytes().to_vec();
            bytes.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
            for (tag, kind, offset, count) in entries {
                bytes.extend([tag, kind, offset, count].into_iter().flat_map(u32::to_be_bytes));
            }
            bytes.extend(data);
            let header = Header::parse(&bytes).unwrap();
            let _ = (header.package(), header.text(Tag::Group), header.number(Tag::Size));
        }
    }
}
