//! A header of rpm's database: whatever it is, reading it ends, and what is taken can stand in an argument and in a report.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_tables::rpm::{Header, Tag};

fuzz_target!(|bytes: &[u8]| {
    let Ok(header) = Header::parse(bytes) else { return };
    for tag in [Tag::Description, Tag::Vendor, Tag::Group, Tag::SourceRpm] {
        let _ = header.text(tag);
    }
    for tag in [Tag::InstallTime, Tag::Size, Tag::LongSize] {
        let _ = header.number(tag);
    }
    if let Ok(package) = header.package() {
        let words = [&package.name, &package.version, &package.arch];
        assert!(words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic())));
    }
});
