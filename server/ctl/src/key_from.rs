//! `key_from: FILE` of a repository, replaced in the source text by the key that the file holds.
//!
//! The replacement is one quoted string on the same line, so that the lines of every later message stay true, and so
//! that comments stay where they were.

use std::fs;
use std::path::Path;

use muster_proto::profile::ProfileError;
use muster_proto::yaml::{MAX_SOURCE, Source, SourceError};
use serde_json::Value;

/// Puts the keys in; files are found relative to `folder`, the one that the profile is in.
pub(crate) fn inline(text: &str, folder: &Path) -> Result<String, Vec<SourceError>> {
    let source = Source::read(text).map_err(|error| vec![error])?;
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mut errors = Vec::new();
    for (place, file) in references(&source).into_iter().rev() {
        let done = key(&folder.join(&file)).and_then(|key| replace(&mut lines, &place, &file, &key));
        if let Err(message) = done {
            errors.push(SourceError { message, ..place });
        }
    }
    errors.reverse();
    if errors.is_empty() { Ok(lines.join("\n")) } else { Err(errors) }
}

/// Every `key_from` and where its value stands, in the order of the text.
fn references(source: &Source) -> Vec<(SourceError, String)> {
    let resources =
        source.value.get("resources").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut found: Vec<_> = resources
        .iter()
        .enumerate()
        .filter_map(|(index, resource)| {
            let file = resource.get("repository")?.get("key_from")?.as_str()?.to_owned();
            let path = format!("/resources/{index}/repository/key_from");
            let place = source.locate(&ProfileError { path, message: String::new(), unknown: false });
            Some((place, file))
        })
        .collect();
    found.sort_by_key(|(place, _)| (place.line, place.column));
    found
}

fn key(path: &Path) -> Result<String, String> {
    let unread = |why: &dyn std::fmt::Display| format!("key_from: can't read {}: {why}", path.display());
    let size = fs::metadata(path).map_err(|e| unread(&e))?.len();
    if size > MAX_SOURCE as u64 {
        return Err(unread(&"it is too large for a key"));
    }
    let bytes = fs::read(path).map_err(|e| unread(&e))?;
    let text = String::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN PGP"));
    let text = text.ok_or_else(|| {
        format!("key_from: {} is not an armored key: make one with gpg --armor --export", path.display())
    })?;
    if text.contains("PRIVATE KEY") {
        return Err(format!("key_from: {} is a private key: give the public one", path.display()));
    }
    Ok(text)
}

fn replace(lines: &mut [String], place: &SourceError, file: &str, key: &str) -> Result<(), String> {
    let elsewhere = || "write key_from: FILE on one line, plain or in double quotes".to_owned();
    let index =
        usize::try_from(place.line).ok().and_then(|line| line.checked_sub(1)).ok_or_else(elsewhere)?;
    let column = usize::try_from(place.column).ok().and_then(|c| c.checked_sub(1)).ok_or_else(elsewhere)?;
    let line = lines.get_mut(index).ok_or_else(elsewhere)?;
    let start = line.char_indices().nth(column).map(|(at, _)| at).ok_or_else(elsewhere)?;
    let (before, value) = line.split_at(start);
    let written = [file.to_owned(), format!("\"{file}\""), format!("'{file}'")];
    let length =
        written.iter().find(|w| value.starts_with(w.as_str())).map(String::len).ok_or_else(elsewhere)?;
    let name = before.trim_end().strip_suffix(':').map(str::trim_end).ok_or_else(elsewhere)?;
    let prefix = ["\"key_from\"", "'key_from'", "key_from"]
        .iter()
        .find_map(|written| name.strip_suffix(written))
        .ok_or_else(elsewhere)?;
    // A JSON string is a YAML double-quoted scalar.
    let quoted = Value::from(key).to_string();
    *line = format!("{prefix}key: {quoted}{}", &value[length..]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("keys")).unwrap();
        fs::write(folder.path().join("keys/corp.asc"), KEY).unwrap();
        fs::write(folder.path().join("keys/private.asc"), "-----BEGIN PGP PRIVATE KEY BLOCK-----\n").unwrap();
        folder
    }

    fn keys(text: &str) -> Vec<Value> {
        let source = Source::read(text).unwrap();
        source.value["resources"].as_array().unwrap().iter().map(|r| r["repository"]["key"].clone()).collect()
    }

    #[test]
    fn keys_are_put_in_on_their_own_lines() {
        let folder = folder();
        let text = "resources:\n  - repository:\n      name: corp # ours\n      key_from: keys/corp.asc # signs\n      suite: stable\n  - repository: { name: b, key_from: \"keys/corp.asc\", suite: s }\n";
        let inlined = inline(text, folder.path()).unwrap();
        assert_eq!(keys(&inlined), [KEY, KEY]);
        assert_eq!(inlined.lines().count(), text.lines().count());
        assert!(inlined.contains("# signs") && !inlined.contains("key_from"));
    }

    #[test]
    fn a_missing_or_private_key_is_refused_on_its_line() {
        let folder = folder();
        let text = "resources:\n  - repository: { key_from: keys/none.asc }\n  - repository:\n      key_from: keys/private.asc\n";
        let errors = inline(text, folder.path()).unwrap_err();
        assert_eq!(errors.iter().map(|e| e.line).collect::<Vec<_>>(), [2, 4]);
        assert!(errors[0].message.contains("none.asc"));
        assert!(errors[1].message.contains("private key"));
    }

    #[test]
    fn a_profile_without_references_is_left_as_it_is() {
        let text = "muster: 1\r\nprofile: base\r\n\r\nresources: []";
        assert_eq!(inline(text, Path::new("/nonexistent")).unwrap(), text);
    }
}
