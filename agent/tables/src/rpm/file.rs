//! The file of a package: what it is, by the header that rpm will put on record.

use std::io::{self, Read};

use super::{ENTRY, Error, Header, PREFIX, Package, Tag, number_at};

/// A header of a file may be so large, in bytes, as all of it is held in memory: that is room for some hundred thousand files.
const MOST_IN_FILE: u64 = 32 * 1024 * 1024;
/// A file begins with a lead of this length, in bytes, of which nothing but its first four bytes still means anything.
const LEAD: usize = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
/// Each header in a file begins with this.
const HEADER_MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];

/// What a package file is, by its header. Signatures are passed over, and what is packed in it is not looked at.
///
/// # Errors
///
/// When it can't be read, is no package that can be installed, or its header breaks the format, has more than 32 MiB or does not say what
/// the package is.
pub fn of_file(file: &mut impl Read) -> Result<Package, Error> {
    let mut lead = [0; LEAD];
    read_exact(file, &mut lead)?;
    if !lead.starts_with(&LEAD_MAGIC) {
        return Err(Error::File("it does not begin as packages of rpm do"));
    }
    let (_, signatures) = prefix(file)?;
    // What follows them begins at a multiple of eight.
    let signatures = signatures.next_multiple_of(8);
    if io::copy(&mut file.take(signatures), &mut io::sink())? < signatures {
        return Err(CUT);
    }
    let (prefix, length) = prefix(file)?;
    if length > MOST_IN_FILE {
        return Err(Error::File("its header is larger than that of any package"));
    }
    let mut bytes = prefix.to_vec();
    file.take(length).read_to_end(&mut bytes)?;
    let read = || {
        let header = Header::parse(&bytes)?;
        // As rpm itself tells them apart.
        match header.entry(Tag::SourceRpm)? {
            Some(_) => header.package(),
            None => Err(Error::File("it is a package of sources")),
        }
    };
    read().map_err(|error| match error {
        Error::Header(why) => Error::File(why),
        other => other,
    })
}

const CUT: Error = Error::File("it ends before its header does");

/// The prefix of a header in a file, and how many bytes follow it.
fn prefix(file: &mut impl Read) -> Result<([u8; PREFIX], u64), Error> {
    let mut bytes = [0; HEADER_MAGIC.len() + PREFIX];
    read_exact(file, &mut bytes)?;
    let prefix = *bytes.last_chunk().unwrap_or(&[0; PREFIX]);
    if !bytes.starts_with(&HEADER_MAGIC) {
        return Err(Error::File("one of its headers does not begin as headers do"));
    }
    let numbers =
        [number_at(&prefix, 0), number_at(&prefix, 4)].map(|number| u64::from(number.unwrap_or_default()));
    Ok((prefix, numbers[0] * ENTRY as u64 + numbers[1]))
}

fn read_exact(file: &mut impl Read, bytes: &mut [u8]) -> Result<(), Error> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => CUT,
        _ => Error::Io(error),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{build, header};
    use super::*;

    #[test]
    fn a_package_file_says_what_it_is_and_one_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let good = std::fs::read(build(folder.path(), "tool", "7", "-bb")).unwrap();
        let of = |bytes: &[u8]| of_file(&mut &*bytes).map_err(|error| error.to_string());
        let package = of(&good).unwrap();
        assert_eq!((package.name.as_str(), package.version.as_str()), ("tool", "7:1.2~rc1-3"));
        assert_eq!(package.arch, "noarch");
        let source = std::fs::read(build(folder.path(), "tool", "7", "-bs")).unwrap();
        assert!(of(&source).unwrap_err().contains("of sources"));
        // Of every length that is not long enough for its headers nothing is said.
        let header = good.windows(8).rposition(|bytes| bytes == HEADER_MAGIC).unwrap();
        for length in (0..header + 64).step_by(7) {
            assert!(of(&good[..length]).is_err(), "{length} bytes");
        }
        for (at, byte) in [(0, 0), (LEAD, 0), (header, 0), (header + 8, 0xff), (header + 12, 0xff)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(of(&bad).is_err(), "byte {at}");
        }
        let mut huge = good;
        huge[header + 12..header + 16].copy_from_slice(&(200u32 << 20).to_be_bytes());
        assert!(of(&huge).unwrap_err().contains("larger than that of any package"));
    }

    proptest! {
        #[test]
        fn no_file_breaks_the_reader(parts in proptest::collection::vec(prop_oneof![
            Just(vec![]),
            Just([&LEAD_MAGIC[..], &[0; LEAD - LEAD_MAGIC.len()]].concat()),
            Just([&HEADER_MAGIC[..], &[0, 0, 0, 1, 0, 0, 0, 8]].concat()),
            Just(header(&[(1000, 6, b"curl\0"), (1044, 6, b"x\0")])),
            any::<Vec<u8>>(),
        ], 0..6)) {
            let _ = of_file(&mut &*parts.concat());
        }
    }
}
