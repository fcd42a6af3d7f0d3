//! An archive, as a device unpacks it: never a panic, nothing without end, and nothing that leads out of the tree.
//!
//! The first byte says how many directories are taken off.

#![no_main]

use std::io::{self, Read as _};

use libfuzzer_sys::fuzz_target;
use muster_converge::archive::{Archive, DEEPEST, What};

fuzz_target!(|bytes: &[u8]| {
    let Some((strip, bytes)) = bytes.split_first() else { return };
    let Ok(mut archive) = Archive::open(bytes, strip % 4) else { return };
    while let Ok(Some(entry)) = archive.next_entry() {
        assert!((1..=DEEPEST).contains(&entry.place.len()));
        let of = if let What::Twin { of } = &entry.what { of.as_slice() } else { &[] };
        for name in entry.place.iter().chain(of) {
            assert!(
                !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '\0', '\n']),
                "{name:?}"
            );
        }
        match &entry.what {
            What::Directory { mode } => assert_eq!(mode & !0o777, 0),
            What::File { mode, size, .. } => {
                assert_eq!(mode & !0o777, 0);
                if let Ok(read) = io::copy(&mut archive.by_ref(), &mut io::sink()) {
                    assert_eq!(read, *size);
                }
            }
            What::Link { target } => {
                let ups = target.split('/').filter(|part| *part == "..").count();
                assert!(!target.starts_with('/') && ups < entry.place.len(), "{target:?}");
            }
            What::Twin { .. } => {}
        }
    }
});
