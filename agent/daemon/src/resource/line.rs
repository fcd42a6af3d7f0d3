//! `line`: one line among others. It is found by what it says, as a number would soon be that of another.
//!
//! The line that should be there stands in conditions as its text, and whatever is found in its place as a digest: a profile
//! can ask about any file, and is not told what it holds.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use muster_converge::plan::record_of;
use muster_proto::Digest;
use muster_proto::condition::Condition;
use muster_proto::resource::Resource;
use muster_proto::resource::line::{Line, path_of};
use muster_proto::resource::value::LineText;
use serde_json::{Value, json};

use super::{Contents, Job, Prepared, Preserved, Wanted, text};
use crate::host::Host;
use crate::host::edit;
use crate::host::files::CHANGED;

pub(super) fn read(host: &Host, wanted: &Wanted<'_>) -> Result<Condition> {
    let content = edit::read(&host.root, path_of(wanted.id.key()))?.unwrap_or_default();
    let lines = Lines::of(&content);
    let found = match (wanted.resource, wanted.record) {
        (Some(Resource::Line(line)), _) => lines.named(line),
        // Being taken back: what Muster wrote, or what was there before it did.
        (_, Some(record)) => {
            let known = record.brought_about().chain([&record.before]);
            let mut known = known.filter_map(|there| text(there, "line"));
            known.find(|said| lines.position(said).is_some()).map(str::to_owned)
        }
        (_, None) => None,
    };
    Ok(found.map_or(Condition::Absent, |line| Condition::present([("line", line.into())])))
}

/// An error that says what brings the file of a line, where there is none.
pub(super) fn check_file(host: &Host, key: &str) -> Result<()> {
    let path = path_of(key);
    let found = host.root.place(path)?.map_or(Ok(None), |place| place.stat())?;
    found.map(drop).with_context(|| no_file(path))
}

fn no_file(path: &str) -> String {
    format!("there is no {path}: which package brings it? Add that package to the profile, or a file")
}

/// Keeps the line that another takes the place of, and where a line stood that goes.
pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    let content = edit::read(&host.root, path_of(job.step.id.key()))?.unwrap_or_default();
    let lines = Lines::of(&content);
    let mut preserved = Preserved::default();
    let from = text(&job.step.from, "line");
    let before = record_of(job.step, job.record, Value::Null).before;
    if let Some(from) = from.filter(|from| is_digest(from) && text(&before, "line") == Some(from)) {
        let at = lines.position(from).context(CHANGED)?;
        preserved.blobs.push(lines.body(at).to_vec());
    }
    if job.record.is_none() {
        preserved.extra = json!({
            "unterminated": lines.is_unterminated(),
            "places": from.map_or_else(Vec::new, |from| lines.places(from)),
        });
    }
    Ok(Prepared::Ready(preserved))
}

/// Writes each file once, with all that changes in it. What can't be done does not keep the rest from it.
pub(super) fn write(host: &Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let mut results: Vec<Result<()>> = jobs.iter().map(|_| Ok(())).collect();
    let mut files: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, job) in jobs.iter().enumerate() {
        files.entry(path_of(job.step.id.key())).or_default().push(index);
    }
    for (path, of_file) in files {
        let mut made: Vec<(usize, Result<()>)> = vec![];
        let written = edit::edit(&host.root, path, |before| {
            let before = before.with_context(|| no_file(path))?;
            let mut lines = Lines::of(before);
            for index in &of_file {
                made.push((*index, lines.change(&jobs[*index], contents)));
            }
            Ok(Some(lines.joined()))
        });
        for (index, result) in made {
            results[index] = result;
        }
        if let Err(error) = written {
            for index in of_file {
                results[index] = Err(anyhow::anyhow!("{error:#}"));
            }
        }
    }
    results
}

/// The lines of a file with their ends, so that together they are the file.
struct Lines(Vec<Vec<u8>>);

impl Lines {
    fn of(content: &[u8]) -> Self {
        Self(content.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
    }

    fn joined(&self) -> Vec<u8> {
        self.0.concat()
    }

    /// A line without its end.
    fn body(&self, at: usize) -> &[u8] {
        body(&self.0[at])
    }

    /// Where a line is, by its text or by its digest.
    fn position(&self, said: &str) -> Option<usize> {
        self.0.iter().position(|line| is(line, said))
    }

    /// The first line that begins so.
    fn beginning(&self, with: &LineText) -> Option<usize> {
        self.0.iter().position(|line| line.starts_with(with.as_str().as_bytes()))
    }

    /// What is found of a line: itself, or what it takes the place of.
    fn named(&self, line: &Line) -> Option<String> {
        if self.position(line.line.as_str()).is_some() {
            return Some(line.line.to_string());
        }
        let at = line.matches.iter().find_map(|beginning| self.beginning(beginning))?;
        Some(Digest::of(self.body(at)).to_string())
    }

    /// Whether the last line has no end.
    fn is_unterminated(&self) -> bool {
        self.0.last().is_some_and(|line| !line.ends_with(b"\n"))
    }

    /// Where a line stands each time: its number, what it stands below, and whether it has an end.
    fn places(&self, said: &str) -> Vec<Value> {
        let at = (0..self.0.len()).filter(|at| is(&self.0[*at], said));
        at.map(|at| {
            let below = at.checked_sub(1).map(|above| Digest::of(self.body(above)).to_string());
            json!({"number": at, "below": below, "ended": self.0[at].ends_with(b"\n")})
        })
        .collect()
    }

    fn change(&mut self, job: &Job<'_>, contents: &Contents<'_>) -> Result<()> {
        let kept = |name: &str| job.record.map(|record| &record.extra[name]);
        let from = text(&job.step.from, "line");
        let to = text(&job.step.to, "line").map(|said| bytes_of(said, contents)).transpose()?;
        match (from, to) {
            (Some(from), Some(to)) => {
                let at = self.position(from).context(CHANGED)?;
                let ended = self.0[at].ends_with(b"\n");
                self.0[at] = to;
                if ended {
                    self.0[at].push(b'\n');
                }
            }
            (Some(from), None) if job.step.claim.is_some() && !job.step.ending => {
                self.0.retain(|line| !is(line, from));
            }
            (Some(from), None) => {
                let Some(at) = self.position(from) else { return Ok(()) };
                self.0.remove(at);
                // It stood behind a line that had no end before it came.
                let was_last = at == self.0.len();
                if was_last
                    && kept("unterminated") == Some(&Value::Bool(true))
                    && let Some(last) = self.0.last_mut()
                {
                    last.truncate(body(last).len());
                }
            }
            (None, Some(to)) => match job.step.resource() {
                Some(Resource::Line(line)) if !job.step.ending => {
                    let at = self.place_of(line)?;
                    self.insert(at, to, true);
                }
                _ => self.put_back(&to, kept("places").and_then(Value::as_array)),
            },
            (None, None) => {}
        }
        Ok(())
    }

    /// Where a line that is added comes to stand.
    fn place_of(&self, line: &Line) -> Result<usize> {
        let end = self.0.len();
        match (&line.below, &line.above) {
            (Some(upper), _) => {
                let at = self.beginning(upper);
                let at = at.with_context(|| {
                    format!("no line begins with {:?}, below which it should stand", upper.as_str())
                })?;
                Ok(at + 1)
            }
            (None, Some(lower)) => Ok(self.beginning(lower).unwrap_or(end)),
            (None, None) => Ok(end),
        }
    }

    /// Puts a line where it stood, as far as that can be found again; at the end otherwise.
    fn put_back(&mut self, line: &[u8], places: Option<&Vec<Value>>) {
        let somewhere = vec![Value::Null];
        for place in places.filter(|places| !places.is_empty()).unwrap_or(&somewhere) {
            let number = place["number"].as_u64().and_then(|number| usize::try_from(number).ok());
            let is_below = |lines: &Self, at: usize| match (place["below"].as_str(), at.checked_sub(1)) {
                (Some(below), Some(above)) => lines.0.get(above).is_some_and(|line| is(line, below)),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            let at = number.filter(|at| is_below(self, *at));
            let at = at.or_else(|| (0..=self.0.len()).find(|at| is_below(self, *at))).unwrap_or(self.0.len());
            self.insert(at, line.to_vec(), place["ended"] != false);
        }
    }

    fn insert(&mut self, at: usize, mut line: Vec<u8>, ended: bool) {
        if at == self.0.len()
            && self.is_unterminated()
            && let Some(last) = self.0.last_mut()
        {
            last.push(b'\n');
        }
        if ended || at < self.0.len() {
            line.push(b'\n');
        }
        self.0.insert(at, line);
    }
}

fn body(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Whether a line is the one that a condition speaks of.
fn is(line: &[u8], said: &str) -> bool {
    match said.parse::<Digest>() {
        Ok(digest) => Digest::of(body(line)) == digest,
        Err(_) => body(line) == said.as_bytes(),
    }
}

fn is_digest(said: &str) -> bool {
    said.parse::<Digest>().is_ok()
}

fn bytes_of(said: &str, contents: &Contents<'_>) -> Result<Vec<u8>> {
    match said.parse::<Digest>() {
        Ok(digest) => contents(&digest).context("what stood there is no longer known to the agent"),
        Err(_) => Ok(said.as_bytes().to_vec()),
    }
}
