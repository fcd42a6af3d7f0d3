use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tar::{Builder, EntryType};

use super::*;

/// A header as GNU tar writes it, with whatever name and target.
fn header(kind: EntryType, name: &str, target: &str, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
    header.set_size(size);
    header.set_mode(0o4755);
    header.set_mtime(1_700_000_000);
    header.set_cksum();
    header
}

fn tar_of(entries: &[(EntryType, &str, &str, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(vec![]);
    for (kind, name, target, bytes) in entries {
        builder.append(&header(*kind, name, target, bytes.len() as u64), bytes.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip_of(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Every entry with the bytes of it, or what is wrong.
fn read(bytes: &[u8], strip: u8) -> Result<Vec<(Entry, Vec<u8>)>, Flaw> {
    let mut archive = Archive::open(bytes, strip)?;
    let mut all = vec![];
    while let Some(entry) = archive.next_entry()? {
        let mut content = vec![];
        archive.read_to_end(&mut content).map_err(Flaw::Read)?;
        all.push((entry, content));
    }
    Ok(all)
}

fn refusal(kind: EntryType, name: &str, target: &str) -> String {
    read(&tar_of(&[(kind, name, target, "")]), 0).unwrap_err().to_string()
}

fn place(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

const TOOL: [(EntryType, &str, &str, &str); 5] = [
    (EntryType::Directory, "tool-1/", "", ""),
    (EntryType::Regular, "./tool-1/bin/tool", "", "#!/bin/sh\n"),
    (EntryType::Symlink, "tool-1/bin/t", "tool", ""),
    (EntryType::Link, "tool-1/also", "tool-1/bin/tool", ""),
    (EntryType::Regular, "tool-1/empty", "", ""),
];

#[test]
fn a_tree_is_read_with_its_leading_directory_taken_off_and_no_bits_to_run_as_its_owner() {
    let tool = [
        (place("bin/tool"), What::File { mode: 0o755, size: 10, modified: 1_700_000_000 }, "#!/bin/sh\n"),
        (place("bin/t"), What::Link { target: "tool".to_owned() }, ""),
        (place("also"), What::Twin { of: place("bin/tool") }, ""),
        (place("empty"), What::File { mode: 0o755, size: 0, modified: 1_700_000_000 }, ""),
    ];
    let plain = tar_of(&TOOL);
    let packed = gzip_of(&plain);
    // In two members, and with zeros after them as tapes have them.
    let halves = [gzip_of(&plain[..700]), gzip_of(&plain[700..]), vec![0; 512]].concat();
    for bytes in [&plain, &packed, &halves] {
        let read = read(bytes, 1).unwrap();
        assert_eq!(read.len(), tool.len());
        for ((entry, content), (place, what, text)) in read.iter().zip(&tool) {
            assert_eq!((&entry.place, &entry.what), (place, what));
            assert_eq!(content, text.as_bytes());
        }
    }
    assert_eq!(read(&plain, 0).unwrap().len(), 5);
    assert!(read(&plain, 3).unwrap().is_empty());
}

#[test]
fn long_names_of_gnu_and_of_posix_are_read_and_endless_ones_refused() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    let mut gnu = Builder::new(vec![]);
    gnu.append_data(&mut header(EntryType::Regular, "", "", 1), &long, &b"x"[..]).unwrap();
    gnu.append_link(&mut header(EntryType::Symlink, "", "", 0), "l", &long).unwrap();
    let read_gnu = read(&gnu.into_inner().unwrap(), 0).unwrap();
    assert_eq!(read_gnu[0].0.place, place(&long));
    assert_eq!(read_gnu[1].0.what, What::Link { target: long.clone() });

    let mut posix = Builder::new(vec![]);
    let records =
        [("path", long.as_bytes()), ("mtime", b"1.5".as_slice()), ("SCHILY.xattr.user.a", b"b\nc=")];
    posix.append_pax_extensions(records).unwrap();
    posix.append(&header(EntryType::Regular, "short", "", 1), &b"x"[..]).unwrap();
    let read_posix = read(&posix.into_inner().unwrap(), 0).unwrap();
    assert_eq!((read_posix[0].0.place.clone(), read_posix[0].1.as_slice()), (place(&long), &b"x"[..]));

    let mut endless = header(EntryType::GNULongName, "././@LongLink", "", u64::MAX >> 1);
    endless.set_cksum();
    let refusal = read(endless.as_bytes(), 0).unwrap_err().to_string();
    assert!(refusal.contains("longer than 64 KiB"), "{refusal}");
}

#[test]
fn what_leads_out_of_the_tree_or_is_no_file_is_refused_by_its_name() {
    use EntryType as T;
    for (kind, name, target, why) in [
        (T::Regular, "/etc/shadow", "", "absolute path"),
        (T::Regular, "a/../../x", "", "'..' in its path"),
        (T::Regular, "..", "", "'..' in its path"),
        (T::Directory, "../", "", "'..' in its path"),
        (T::Regular, "a\nb", "", "control character"),
        (T::Symlink, "l", "/etc/shadow", "absolute path"),
        (T::Symlink, "l", "..", "leads out"),
        (T::Symlink, "a/l", "../../x", "leads out"),
        (T::Symlink, "a/b/l", "../x/../../..", "leads out"),
        (T::Symlink, "a/b/c/l", "x/..", "goes up after"),
        (T::Symlink, "l", "", "absolute path"),
        (T::Link, "l", "/etc/shadow", "absolute path"),
        (T::Link, "l", "../x", "'..' in its path"),
        (T::Char, "x", "", "device file"),
        (T::Block, "x", "", "device file"),
        (T::Fifo, "x", "", "FIFO"),
        (T::GNUSparse, "x", "", "kind that is not known"),
        (T::new(b'V'), "x", "", "kind that is not known"),
    ] {
        let refusal = refusal(kind, name, target);
        assert!(refusal.contains(why), "{name} {target}: {refusal}");
        assert!(!refusal.contains('\n'), "{refusal:?}");
    }
    assert_eq!(read(&tar_of(&[(T::Symlink, "a/b/l", "../../x/y", "")]), 0).unwrap().len(), 1);
    // With one directory less above it, the same link leads out.
    assert!(read(&tar_of(&[(T::Symlink, "a/b/l", "../../x/y", "")]), 1).is_err());
    let bytes = tar_of(&[(T::Directory, "x/", "", "abc")]);
    assert!(read(&bytes, 0).unwrap_err().to_string().contains("bytes of its own"));
    let deep = "d/".repeat(49) + "x";
    let mut builder = Builder::new(vec![]);
    builder.append_data(&mut header(T::Regular, "", "", 0), format!("{deep}/{deep}/y"), &b""[..]).unwrap();
    assert!(
        read(&builder.into_inner().unwrap(), 0).unwrap_err().to_string().contains("too many directories")
    );
}

#[test]
fn what_is_cut_off_damaged_or_something_else_is_refused() {
    let plain = tar_of(&TOOL);
    let packed = gzip_of(&plain);
    for cut in [513, 1100, 2000] {
        assert!(read(&plain[..cut], 0).is_err(), "{cut}");
    }
    for cut in [3, 12, packed.len() / 2] {
        assert!(read(&packed[..cut], 0).is_err(), "{cut}");
    }
    for other in [&b""[..], b"PK\x03\x04", b"\x28\xb5\x2f\xfd", &[b'x'; 2048]] {
        assert!(read(other, 0).is_err(), "{other:?}");
    }
    let mut forged = plain.clone();
    forged[0] ^= 1;
    assert!(read(&forged, 0).unwrap_err().to_string().contains("checksum"));
    // Without the blocks of zeros at its end, as some writers leave them out.
    assert_eq!(read(&plain[..plain.len() - 1024], 0).unwrap().len(), 5);
}

#[test]
fn a_bomb_is_met_by_what_it_says_of_itself_before_it_goes_off() {
    let large = header(EntryType::Regular, "x", "", MOST_BYTES + 1);
    assert!(matches!(read(large.as_bytes(), 0), Err(Flaw::TooLarge)));
    let mut many = vec![];
    for _ in 0..=MOST_ENTRIES {
        many.extend_from_slice(header(EntryType::Regular, "x", "", 0).as_bytes());
    }
    assert!(matches!(read(&gzip_of(&many), 1), Err(Flaw::TooMany)));
}

/// Numbers, names and kinds as an attacker would put them into a header, with a checksum that is right.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let name =
        prop::sample::select(vec!["a", "a/b", "../x", "/x", "a/../b", "a//./b/", "é", "\u{202e}", ".", ""]);
    let kind = prop::sample::select(b"01234567xgLKSVD\0".to_vec());
    let size = prop_oneof![Just(0u64), 0..2048u64, any::<u64>()];
    let data = prop::collection::vec(any::<u8>(), 0..1024);
    (name.clone(), name, kind, size, data).prop_map(|(name, target, kind, size, data)| {
        let mut header = header(EntryType::new(kind), name, target, size);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend(&data);
        bytes.resize(bytes.len().next_multiple_of(LENGTH), 0);
        bytes
    })
}

proptest! {
    #[test]
    fn whatever_is_read_stays_in_the_tree_and_within_bounds(
        blocks in prop::collection::vec(hostile(), 1..6), packed: bool, noise in prop::collection::vec(any::<u8>(), 0..64), strip in 0..3u8,
    ) {
        let mut bytes: Vec<u8> = blocks.concat();
        bytes.extend(noise);
        let bytes = if packed { gzip_of(&bytes) } else { bytes };
        let Ok(mut archive) = Archive::open(&bytes[..], strip) else { return Ok(()) };
        while let Ok(Some(entry)) = archive.next_entry() {
            prop_assert!((1..=DEEPEST).contains(&entry.place.len()));
            let of = if let What::Twin { of } = &entry.what { of.as_slice() } else { &[] };
            for name in entry.place.iter().chain(of) {
                prop_assert!(!matches!(name.as_str(), "" | "." | ".."), "{name:?}");
                prop_assert!(!name.contains(['/', '\0', '\n']));
            }
            if let What::File { mode, .. } | What::Directory { mode } = entry.what {
                prop_assert_eq!(mode & !0o777, 0);
            }
        }
    }

    #[test]
    fn random_bytes_are_refused_or_read_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..4096), packed: bool) {
        let bytes = if packed { [&[0x1f, 0x8b, 8, 0][..], &bytes].concat() } else { bytes };
        drop(read(&bytes, 0));
    }
}
