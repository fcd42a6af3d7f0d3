//! What an archive holds, as far as it may be unpacked: tar, plain or with gzip, read as a stranger's bytes.
//!
//! Nothing is taken that leads out of the tree, is neither a directory, a regular file nor a link, or is without end. What a reader
//! could understand in two ways is refused. The bytes themselves are proven by the artifact's digest, so that gzip's own checksums
//! are not looked at.

mod gzip;
mod header;
#[cfg(test)]
mod tests;

use std::io::{self, Chain, Cursor, Read};

use muster_proto::text::escape;

use self::gzip::Gunzip;
use self::header::{Header, LENGTH, Pax, text_of};

/// The most entries that one archive has, directories and what is left out included.
pub const MOST_ENTRIES: u32 = 100_000;

/// The most bytes that the files of one archive have together.
pub const MOST_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// The most directories that something is within, itself included.
pub const DEEPEST: usize = 100;

/// The longest name or target, in bytes, as the kernel takes it.
const LONGEST_NAME: usize = 4095;

/// The longest extended header, in bytes: two long names and what else writers put there.
const LONGEST_EXTENSION: u64 = 64 * 1024;

/// Why an archive is not unpacked, or no further.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// Its bytes could not be had, or what is compressed is damaged.
    #[error("it can't be read")]
    Read(#[source] io::Error),
    /// It is of another format, or damaged.
    #[error("it is no tar archive, neither plain nor with gzip: {0}")]
    Format(&'static str),
    /// An entry is not taken.
    #[error("its entry {name} {why}")]
    Entry {
        /// As it is called in the archive, cut and escaped.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// More than [`MOST_ENTRIES`].
    #[error("it has more than {MOST_ENTRIES} entries")]
    TooMany,
    /// More than [`MOST_BYTES`].
    #[error("its files have more than {} MiB together", MOST_BYTES >> 20)]
    TooLarge,
}

/// One thing to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where, as names from the top of the tree on: at least one and [`DEEPEST`] at most, none of them empty, `.` or `..`.
    pub place: Vec<String>,
    /// What.
    pub what: What,
}

/// What an entry is. Modes are permission bits alone: nothing of an archive runs as its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A directory, which may be there already.
    Directory {
        /// Permission bits.
        mode: u32,
    },
    /// A regular file, whose bytes are read next.
    File {
        /// Permission bits.
        mode: u32,
        /// In bytes.
        size: u64,
        /// When it was changed, in seconds since 1970.
        modified: i64,
    },
    /// A symbolic link, which leads nowhere but into the tree.
    Link {
        /// Where it points.
        target: String,
    },
    /// Another name of a regular file that came before.
    Twin {
        /// Its place.
        of: Vec<String>,
    },
}

/// Reads an archive from its beginning to its end. After an entry that is a file, its bytes are read from this.
#[derive(Debug)]
pub struct Archive<R> {
    from: Source<R>,
    /// How many leading directories are taken off.
    strip: usize,
    /// What is still to come of the bytes of this entry, and of the zeros after them.
    left: u64,
    padding: u64,
    entries: u32,
    bytes: u64,
    ended: bool,
}

#[derive(Debug)]
enum Source<R> {
    Plain(Chain<Cursor<Vec<u8>>, R>),
    Gzip(Gunzip<Chain<Cursor<Vec<u8>>, R>>),
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(from) => from.read(into),
            Self::Gzip(from) => from.read(into),
        }
    }
}

impl<R: Read> Archive<R> {
    /// Begins to read. `strip` directories are taken off each name; what has no more than these is left out.
    pub fn open(mut from: R, strip: u8) -> Result<Self, Flaw> {
        let mut magic = vec![];
        from.by_ref().take(2).read_to_end(&mut magic).map_err(Flaw::Read)?;
        let is_gzip = magic == gzip::MAGIC;
        let whole = Cursor::new(magic).chain(from);
        let from = if is_gzip { Source::Gzip(Gunzip::new(whole)) } else { Source::Plain(whole) };
        Ok(Self { from, strip: strip.into(), left: 0, padding: 0, entries: 0, bytes: 0, ended: false })
    }

    /// The next entry; `None` at the end. What was not read of the last one is passed over.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Flaw> {
        let mut pax = Pax::default();
        while let Some(header) = self.header()? {
            match header.kind() {
                b'x' => pax.add(&self.extension(&header)?)?,
                b'g' => Pax::check_global(&self.extension(&header)?)?,
                b'L' => pax.path = Some(text_of(&self.extension(&header)?).to_vec()),
                b'K' => pax.target = Some(text_of(&self.extension(&header)?).to_vec()),
                _ => {
                    if let Some(entry) = self.entry(&header, &std::mem::take(&mut pax))? {
                        return Ok(Some(entry));
                    }
                }
            }
        }
        if pax.is_empty() { Ok(None) } else { Err(Flaw::Format("an extended header has no entry")) }
    }

    /// The next header of whatever kind, once what came before is passed over.
    fn header(&mut self) -> Result<Option<Header>, Flaw> {
        if self.ended {
            return Ok(None);
        }
        let rest = self.left + self.padding;
        let passed = io::copy(&mut self.from.by_ref().take(rest), &mut io::sink()).map_err(Flaw::Read)?;
        if passed < rest {
            return Err(CUT);
        }
        (self.left, self.padding) = (0, 0);
        let mut block = Vec::with_capacity(LENGTH);
        self.from.by_ref().take(LENGTH as u64).read_to_end(&mut block).map_err(Flaw::Read)?;
        if block.is_empty() && self.entries > 0 || block.len() == LENGTH && block.iter().all(|b| *b == 0) {
            self.ended = true;
            return Ok(None);
        }
        let block: [u8; LENGTH] = block.try_into().map_err(|_| CUT)?;
        let header = Header::read(block)?;
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(Flaw::TooMany);
        }
        Ok(Some(header))
    }

    /// Has `size` bytes come next, as what belongs to a header.
    fn expect(&mut self, size: u64) -> Result<(), Flaw> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > MOST_BYTES {
            return Err(Flaw::TooLarge);
        }
        self.left = size;
        self.padding = size.next_multiple_of(LENGTH as u64) - size;
        Ok(())
    }

    /// The bytes of an extended header.
    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, Flaw> {
        let size = header.size()?;
        if size > LONGEST_EXTENSION {
            return Err(Flaw::Format("an extended header is longer than 64 KiB"));
        }
        self.expect(size)?;
        let mut bytes = vec![];
        self.read_to_end(&mut bytes).map_err(Flaw::Read)?;
        Ok(bytes)
    }

    /// What a header says, with what was said of it before; `None` for what is left out.
    fn entry(&mut self, header: &Header, pax: &Pax) -> Result<Option<Entry>, Flaw> {
        let name = pax.path.clone().unwrap_or_else(|| header.name());
        let refused = |why| refused(&name, why);
        let size = match pax.size {
            Some(size) => size,
            None => header.size()?,
        };
        let is_file = matches!(header.kind(), b'0' | b'\0' | b'7') && !name.ends_with(b"/");
        if !is_file && size > 0 {
            return Err(refused("is no regular file and has bytes of its own"));
        }
        self.expect(size)?;
        let target = || pax.target.clone().unwrap_or_else(|| header.target());
        let place = self.place(&name, &name)?;
        let what = match header.kind() {
            _ if is_file => What::File { mode: header.mode()?, size, modified: header.modified() },
            b'0' | b'\0' | b'5' => What::Directory { mode: header.mode()? },
            b'2' => {
                let depth = place.as_ref().map_or(0, Vec::len);
                What::Link { target: link(&target(), depth).map_err(refused)? }
            }
            b'1' => match (self.place(&target(), &name)?, &place) {
                (Some(of), _) => What::Twin { of },
                (None, None) => return Ok(None),
                (None, Some(_)) => return Err(refused("is a hard link to what is left out")),
            },
            b'3' | b'4' => return Err(refused("is a device file")),
            b'6' => return Err(refused("is a FIFO")),
            _ => return Err(refused("is of a kind that is not known")),
        };
        Ok(place.map(|place| Entry { place, what }))
    }

    /// Where something of this name is in the tree, of the entry `named`; `None` where nothing is left of it.
    fn place(&self, path: &[u8], named: &[u8]) -> Result<Option<Vec<String>>, Flaw> {
        let refused = |why| refused(named, why);
        if path.first() == Some(&b'/') {
            return Err(refused("has an absolute path"));
        }
        let parts = parts(path).map_err(refused)?;
        if parts.contains(&"..") {
            return Err(refused("has '..' in its path"));
        }
        let kept: Vec<String> = parts.into_iter().skip(self.strip).map(str::to_owned).collect();
        if kept.len() > DEEPEST {
            return Err(refused("is within too many directories"));
        }
        Ok((!kept.is_empty()).then_some(kept))
    }
}

impl<R: Read> Read for Archive<R> {
    /// The bytes of the entry that came last.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(into.len(), |left| left.min(into.len()));
        if most == 0 {
            return Ok(0);
        }
        let n = self.from.read(&mut into[..most])?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= n as u64;
        Ok(n)
    }
}

const CUT: Flaw = Flaw::Format("it is cut off");

fn refused(name: &[u8], why: &'static str) -> Flaw {
    /// As many characters of a name as are shown.
    const SHOWN: usize = 200;
    let name: String = String::from_utf8_lossy(name).chars().take(SHOWN).collect();
    Flaw::Entry { name: escape(&name), why }
}

/// The names that a path is made of, without those that lead nowhere.
fn parts(path: &[u8]) -> Result<Vec<&str>, &'static str> {
    if path.len() > LONGEST_NAME {
        return Err("has a path of more than 4095 bytes");
    }
    let path = std::str::from_utf8(path).map_err(|_| "has a path that is not UTF-8")?;
    if path.chars().any(char::is_control) {
        return Err("has a path with a control character");
    }
    let parts: Vec<_> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.iter().any(|part| part.len() > 255) {
        return Err("has a name of more than 255 bytes");
    }
    Ok(parts)
}

/// The target of a link whose place is `depth` names long, if it leads to somewhere in the tree.
///
/// It may go up at its beginning alone, and no further than to the top. What then leads on may be a link itself: each begins
/// where it really stands, so that none of them, and no chain of them, leads out.
fn link(target: &[u8], depth: usize) -> Result<String, &'static str> {
    if target.first().is_none_or(|first| *first == b'/') {
        return Err("is a link to an absolute path");
    }
    let parts = parts(target)?;
    let up = parts.iter().take_while(|part| **part == "..").count();
    if up >= depth.max(1) || parts[up..].contains(&"..") {
        return Err("is a link that leads out of the tree, or goes up after it went down");
    }
    String::from_utf8(target.to_vec()).map_err(|_| "has a path that is not UTF-8")
}
