//! The locales that the C library has, read from its archive and its folders, as `locale -a` would list them.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result, ensure};

use super::files;
use super::walk::Root;

const ARCHIVE: &str = "/usr/lib/locale/locale-archive";
const FOLDER: &str = "/usr/lib/locale";

/// Begins every archive (glibc, locale/locarchive.h).
const MAGIC: u32 = 0xde02_0109;
/// As many numbers of the archive's head as are looked at.
const HEAD: u32 = 8;
/// The three numbers of an entry: a hash, and where its name and its record are.
const ENTRY: u32 = 12;
/// Larger than the tables of an archive with every locale that there is.
const TABLE_LIMIT: u32 = 4 * 1024 * 1024;

/// The locales of the archive, by the names that they have in it.
#[derive(Debug, Default)]
pub(crate) struct Locales(BTreeSet<String>);

impl Locales {
    /// Reads the names in the archive; none where there is no archive.
    pub(crate) fn load(root: &Root) -> Result<Self> {
        let Some(place) = root.place(ARCHIVE)? else { return Ok(Self::default()) };
        let archive = files::open_plain(&place).with_context(|| ARCHIVE.to_owned())?;
        let Some((archive, _)) = archive else { return Ok(Self::default()) };
        names(&archive).map(Self).with_context(|| format!("reading {ARCHIVE}"))
    }

    /// Whether the archive has it.
    pub(crate) fn has(&self, locale: &str) -> bool {
        self.0.contains(&normalized(locale))
    }
}

/// Whether a locale has a folder of its own beside the archive.
pub(crate) fn has_folder(root: &Root, locale: &str) -> Result<bool> {
    for name in [normalized(locale), locale.to_owned()] {
        if root.directory(&format!("{FOLDER}/{name}"))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A locale as the C library calls it: `de_DE.utf8` for `de_DE.UTF-8`.
pub(crate) fn normalized(locale: &str) -> String {
    let Some((language, rest)) = locale.split_once('.') else { return locale.to_owned() };
    let (codeset, modifier) = rest.split_at(rest.find('@').unwrap_or(rest.len()));
    let plain: String =
        codeset.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let iso = if plain.bytes().all(|b| b.is_ascii_digit()) { "iso" } else { "" };
    format!("{language}.{iso}{plain}{modifier}")
}

fn names(archive: &File) -> Result<BTreeSet<String>> {
    let head = numbers(&piece(archive, 0, HEAD * 4)?);
    let &[magic, _, entries_at, _, entries, names_at, names_used, _] = head.as_slice() else {
        anyhow::bail!("it ends too early");
    };
    ensure!(magic == MAGIC, "it is no archive of locales, or of another machine");
    let entries = piece(archive, entries_at, entries.saturating_mul(ENTRY))?;
    let texts = piece(archive, names_at, names_used)?;
    let name_of = |entry: &[u8]| {
        let &[_, name_at, record_at] = numbers(entry).as_slice() else { return None };
        // Free entries and those of a locale that was deleted have no record.
        let from = usize::try_from(name_at.checked_sub(names_at)?).ok()?;
        let name = texts.get(from..)?.split(|byte| *byte == 0).next()?;
        (record_at != 0).then(|| String::from_utf8_lossy(name).into_owned())
    };
    Ok(entries.chunks_exact(ENTRY as usize).filter_map(name_of).collect())
}

fn piece(archive: &File, at: u32, length: u32) -> Result<Vec<u8>> {
    ensure!(length <= TABLE_LIMIT, "a table in it is larger than {TABLE_LIMIT} bytes");
    let mut bytes = vec![0; length as usize];
    archive.read_exact_at(&mut bytes, u64::from(at))?;
    Ok(bytes)
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    let four = bytes.as_chunks::<4>().0;
    four.iter().map(|number| u32::from_ne_bytes(*number)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// An archive with these names, each with a record unless it begins with `-`.
    fn archive(locales: &[&str]) -> Vec<u8> {
        let (entries_at, names_at) = (32_u32, 32 + 12 * 4_u32);
        let (mut entries, mut texts) = (vec![], vec![]);
        let length = |texts: &Vec<u8>| u32::try_from(texts.len()).unwrap();
        for locale in locales {
            let record = u32::from(!locale.starts_with('-'));
            entries.extend([7, names_at + length(&texts), record]);
            texts.extend(locale.trim_start_matches('-').bytes().chain([0]));
        }
        entries.resize(12, 0);
        let head = [MAGIC, 1, entries_at, 3, 4, names_at, length(&texts), 1000];
        let numbers = head.into_iter().chain(entries).flat_map(u32::to_ne_bytes);
        numbers.chain(texts).collect()
    }

    fn root() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("usr/lib/locale/C.utf8")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn the_archive_says_which_locales_there_are() {
        let (dir, root) = root();
        assert!(!Locales::load(&root).unwrap().has("de_DE.UTF-8"), "there is no archive");
        let path = dir.path().join("usr/lib/locale/locale-archive");
        fs::write(&path, archive(&["de_DE.utf8", "-fr_FR.utf8", "de_DE.iso88591@euro"])).unwrap();
        let locales = Locales::load(&root).unwrap();
        for (locale, has) in [
            ("de_DE.UTF-8", true),
            ("de_DE.utf8", true),
            ("fr_FR.UTF-8", false),
            ("de_DE.ISO-8859-1@euro", true),
            ("de_DE", false),
            ("", false),
        ] {
            assert_eq!(locales.has(locale), has, "{locale}");
        }
        assert!(has_folder(&root, "C.UTF-8").unwrap());
        assert!(!has_folder(&root, "de_DE.UTF-8").unwrap());
    }

    #[test]
    fn what_is_no_archive_is_said_to_be_none() {
        let (dir, root) = root();
        let path = dir.path().join("usr/lib/locale/locale-archive");
        let whole = archive(&["de_DE.utf8"]);
        let mut endless = whole.clone();
        endless[16..20].copy_from_slice(&u32::MAX.to_ne_bytes());
        for bytes in [&b""[..], b"not an archive, but as long as the head of one", &whole[..50], &endless] {
            fs::write(&path, bytes).unwrap();
            assert!(Locales::load(&root).is_err());
        }
    }
}
