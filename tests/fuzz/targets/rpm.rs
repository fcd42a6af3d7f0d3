//! A header of rpm's database, or of a package file: whatever it is, reading it ends, and what is taken can stand in an argument and in a report.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_tables::rpm::{Header, Package, Tag, of_file};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(package) = of_file(&mut &*bytes) {
        is_plain(&package);
    }
    let Ok(header) = Header::parse(bytes) else { return };
    for tag in [Tag::Description, Tag::Vendor, Tag::Group, Tag::SourceRpm] {
        let _ = header.text(tag);
    }
    for tag in [Tag::InstallTime, Tag::Size, Tag::LongSize] {
        let _ = header.number(tag);
    }
    if let Ok(package) = header.package() {
        is_plain(&package);
    }
});

fn is_plain(package: &Package) {
    let words = [&package.name, &package.version, &package.arch];
    assert!(words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic())));
}
