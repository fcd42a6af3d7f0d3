//! `locale`: the file that says which locale programs use, and the locales that there are for them.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use muster_proto::condition::Condition;
use muster_proto::resource::locale::{DEBIAN_PATH, LISTED, PATH};
use rustix::fs::FileType;
use serde_json::{Value, json};

use super::own_file::{self, Part};
use super::{Contents, Job, Prepared, Preserved, Wanted, entries, list};
use crate::host::Host;
use crate::host::locales::{self, Locales};
use crate::host::run::Work;
use crate::host::{edit, files};

/// Generates what [`LISTED`] lists; of the package `locales`.
const GENERATOR: &str = "/usr/sbin/locale-gen";
/// Each locale that can be generated, with its character set.
const SUPPORTED: &str = "/usr/share/i18n/SUPPORTED";
const LIMIT: u64 = 1024 * 1024;

/// The file of the locale on this machine.
fn path(host: &Host) -> Result<&'static str> {
    let stat = match host.root.place(PATH)? {
        Some(place) => place.stat()?,
        None => None,
    };
    let is_file = stat.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
    Ok(if is_file { PATH } else { DEBIAN_PATH })
}

fn parts(host: &Host) -> Result<Vec<Part>> {
    Ok(vec![("file", path(host)?.to_owned())])
}

/// The paths at which something new is made.
pub(super) fn paths() -> Vec<String> {
    [PATH, DEBIAN_PATH, LISTED].map(str::to_owned).to_vec()
}

pub(super) fn read(host: &mut Host, wanted: &Wanted<'_>) -> Result<Condition> {
    let path = path(host)?;
    let file = own_file::read(host, path)?;
    let (generated, listed) = (concerned(wanted, "generated"), concerned(wanted, "listed"));
    let available = Available::load(host)?;
    let mut have = vec![];
    for locale in &generated {
        if available.has(host, locale)? {
            have.push(locale.clone());
        }
    }
    let lines = edit::read(&host.root, LISTED)?.unwrap_or_default();
    // Where nothing is generated from the list, nobody misses one in it.
    let is_idle = wanted.resource.is_some() && !available.can_generate;
    let is_listed = |locale: &&String| is_idle || lists(&lines, locale);
    let listed: Vec<_> = listed.iter().filter(is_listed).cloned().collect();
    Ok(Condition::present([("file", file), ("generated", have.into()), ("listed", listed.into())]))
}

/// The locales that matter: those that are asked for, and those that Muster brought for an earlier wish.
fn concerned(wanted: &Wanted<'_>, name: &str) -> BTreeSet<String> {
    let of = |conditions: &[&Condition]| -> BTreeSet<String> {
        entries(conditions.iter().copied(), name).into_iter().flatten().collect()
    };
    let desired = wanted.desired();
    let mut all = of(&desired.iter().collect::<Vec<_>>());
    if let Some(record) = wanted.record {
        let brought = of(&record.brought_about().collect::<Vec<_>>());
        let before = of(&[&record.before]);
        all.extend(brought.difference(&before).cloned());
    }
    all
}

/// What there is of locales on the machine.
struct Available {
    archive: Locales,
    can_generate: bool,
}

impl Available {
    fn load(host: &Host) -> Result<Self> {
        let generator = match host.root.place(GENERATOR)? {
            Some(place) => place.stat()?,
            None => None,
        };
        Ok(Self { archive: Locales::load(&host.root)?, can_generate: generator.is_some() })
    }

    fn has(&self, host: &Host, locale: &str) -> Result<bool> {
        Ok(self.archive.has(locale) || locales::has_folder(&host.root, locale)?)
    }
}

/// What a step brings and takes of a list of locales.
fn changes<'j>(job: &'j Job<'_>, name: &str) -> (Vec<&'j str>, Vec<&'j str>) {
    let to = list(&job.step.to, name).unwrap_or_default();
    let from = list(&job.step.from, name).unwrap_or_default();
    let coming = to.iter().filter(|locale| !from.contains(locale)).copied().collect();
    let going = from.iter().filter(|locale| !to.contains(locale)).copied().collect();
    (coming, going)
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    let mut prepared = own_file::prepare(host, job, &parts(host)?)?;
    let (coming, _) = changes(job, "generated");
    if let Some(first) = coming.first() {
        let can_generate = Available::load(host)?.can_generate;
        ensure!(
            can_generate,
            "there is no locale {first} and nothing that generates it: add the package locales"
        );
        charsets(host, &coming)?;
    }
    if let (Prepared::Ready(Preserved { extra, .. }), None) = (&mut prepared, job.record) {
        let lines = edit::read(&host.root, LISTED)?;
        let unterminated =
            lines.as_ref().is_some_and(|lines| lines.last().is_some_and(|last| *last != b'\n'));
        *extra = json!({ "made": lines.is_none(), "unterminated": unterminated });
    }
    Ok(prepared)
}

/// The character set of each locale, as the generator has to be told.
fn charsets(host: &Host, names: &[&str]) -> Result<Vec<String>> {
    let supported = files::content(&host.root, SUPPORTED, LIMIT).with_context(|| SUPPORTED.to_owned())?;
    let supported = String::from_utf8_lossy(&supported.unwrap_or_default()).into_owned();
    let charset = |name: &&str| {
        let found =
            supported.lines().filter_map(|line| line.split_once(' ')).find(|(known, _)| known == name);
        let (_, charset) = found
            .with_context(|| format!("there is no locale {name} to generate: {SUPPORTED} lists them"))?;
        Ok(charset.trim().to_owned())
    };
    names.iter().map(charset).collect()
}

/// What is generated comes before the file that says to use it, and goes after it.
pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let mut results = vec![];
    for job in jobs {
        let is_coming = job.step.claim.is_some() && !job.step.ending;
        let result = if is_coming {
            match generate(host, job).await {
                Ok(()) => write_file(host, job, contents),
                Err(error) => Err(error),
            }
        } else {
            match write_file(host, job, contents) {
                Ok(()) => generate(host, job).await,
                Err(error) => Err(error),
            }
        };
        results.push(result);
    }
    results
}

fn write_file(host: &mut Host, job: &Job<'_>, contents: &Contents<'_>) -> Result<()> {
    let parts = parts(host)?;
    own_file::write(host, &[*job], |_| parts.clone(), contents).remove(0)
}

async fn generate(host: &mut Host, job: &Job<'_>) -> Result<()> {
    list_lines(host, job)?;
    let (coming, going) = changes(job, "generated");
    if !coming.is_empty() {
        // Without the option it would begin by removing all, for every program that runs.
        let generated = host.run(Work::Packages, &[GENERATOR, "--keep-existing"], None).await?;
        let generated = generated.ok("locale-gen")?;
        let available = Available::load(host)?;
        for locale in coming {
            ensure!(available.has(host, locale)?, "{locale} was not generated: {}", generated.said);
        }
    }
    let archive = Locales::load(&host.root)?;
    let going: Vec<String> =
        going.into_iter().filter(|locale| archive.has(locale)).map(locales::normalized).collect();
    if !going.is_empty() {
        let mut argv = vec!["/usr/bin/localedef", "--delete-from-archive"];
        argv.extend(going.iter().map(String::as_str));
        host.run(Work::Short, &argv, None).await?.ok("localedef")?;
    }
    Ok(())
}

/// Changes the list from which locales are generated, now and whenever the C library is upgraded.
fn list_lines(host: &Host, job: &Job<'_>) -> Result<()> {
    let (coming, going) = changes(job, "listed");
    if coming.is_empty() && going.is_empty() {
        return Ok(());
    }
    let charsets = charsets(host, &coming)?;
    let lines: Vec<String> =
        coming.iter().zip(charsets).map(|(name, charset)| format!("{name} {charset}\n")).collect();
    let kept = |name: &str| job.record.is_some_and(|record| record.extra[name] == Value::Bool(true));
    edit::edit(&host.root, LISTED, |before| {
        if before.is_none() && lines.is_empty() {
            return Ok(None);
        }
        let content = relisted(before.unwrap_or_default(), &lines, &going, kept("unterminated"));
        Ok((!(content.is_empty() && kept("made"))).then_some(content))
    })
}

/// The list without the lines of what goes and with those of what comes; a last line that had no end before gets its end
/// taken again with the last of them.
fn relisted(before: &[u8], coming: &[String], going: &[&str], was_unterminated: bool) -> Vec<u8> {
    let lines: Vec<&[u8]> = before.split_inclusive(|byte| *byte == b'\n').collect();
    let goes = |line: &&[u8]| going.iter().any(|locale| lists(line, locale));
    let last_goes = lines.last().is_some_and(goes);
    let mut content: Vec<u8> = lines.into_iter().filter(|line| !goes(line)).collect::<Vec<_>>().concat();
    if !coming.is_empty() && content.last().is_some_and(|last| *last != b'\n') {
        content.push(b'\n');
    }
    content.extend(coming.iter().flat_map(|line| line.bytes()));
    if coming.is_empty() && last_goes && was_unterminated && content.last() == Some(&b'\n') {
        content.pop();
    }
    content
}

/// Whether a line of a list is that of a locale.
fn lists(lines: &[u8], locale: &str) -> bool {
    lines.split(|byte| *byte == b'\n').any(|line| {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.next() == Some(locale.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_locale_is_listed_where_its_line_is_no_comment() {
        let lines = b"# de_DE.UTF-8 UTF-8\n  fr_FR.UTF-8 UTF-8\nde_DE ISO-8859-1";
        assert!(!lists(lines, "de_DE.UTF-8"));
        assert!(lists(lines, "fr_FR.UTF-8"));
        assert!(lists(lines, "de_DE"));
    }

    proptest! {
        #[test]
        fn locales_come_to_the_list_and_go_and_every_other_byte_stays(
            there in "((# |)(fr_FR|x) UTF-8\n| *\n){0,5}(x|)",
        ) {
            let coming = ["de_DE UTF-8\n".to_owned(), "en_GB UTF-8\n".to_owned()];
            let unterminated = there.as_bytes().last().is_some_and(|last| *last != b'\n');
            let with = relisted(there.as_bytes(), &coming, &[], unterminated);
            prop_assert!(lists(&with, "de_DE") && lists(&with, "en_GB"));
            let without = relisted(&with, &[], &["de_DE", "en_GB"], unterminated);
            prop_assert_eq!(String::from_utf8(without).unwrap(), there);
        }
    }
}
