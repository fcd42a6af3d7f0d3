//! Answers on standard output: tables for people, JSON and CSV for programs.

use std::io::{IsTerminal, Write};

use clap::{Args, ValueEnum};
use comfy_table::{Attribute, Cell, Color, Table};
use muster_proto::Timestamp;
pub(crate) use muster_proto::text::escape;
use muster_proto::text::{csv_cell, is_misleading};
use serde::Serialize;

use crate::failure::Failure;

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns
    Table,
    /// What the server answered
    Json,
    /// Comma-separated values with a header
    Csv,
}

/// How one thing is printed: it has no rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SingleFormat {
    /// Names and values
    Table,
    /// What the server answered
    Json,
}

/// The option of every list.
#[derive(Args)]
pub(crate) struct Output {
    /// How to print the answer
    #[arg(short, long, value_enum, default_value_t = Format::Table, global = true)]
    output: Format,
}

/// The option of what shows one thing.
#[derive(Args)]
pub(crate) struct Single {
    /// How to print the answer
    #[arg(short, long, value_enum, default_value_t = SingleFormat::Table, global = true)]
    output: SingleFormat,
}

impl Single {
    /// Whether people read it.
    pub(crate) fn is_table(&self) -> bool {
        self.output == SingleFormat::Table
    }

    /// Prints one thing: as JSON when asked for, otherwise by `show`.
    pub(crate) fn one<T: Serialize>(
        &self,
        thing: &T,
        show: impl FnOnce(&T) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.is_table() { show(thing) } else { json(thing) }
    }
}

impl Output {
    /// Whether people read it.
    pub(crate) fn is_table(&self) -> bool {
        self.output == Format::Table
    }

    /// Prints rows; `cells` gives the columns of one.
    pub(crate) fn list<T: Serialize>(
        &self,
        rows: &[T],
        header: &[&str],
        cells: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        match self.output {
            Format::Json => json(&rows),
            Format::Table => table(header, rows.iter().map(cells)),
            Format::Csv => csv(header, rows.iter().map(cells)),
        }
    }

    /// Tells a person who sees a list without rows what that means and what comes next.
    pub(crate) fn where_none<T>(&self, rows: &[T], text: &str) {
        if rows.is_empty() && self.is_table() {
            note(text);
        }
    }

    /// Prints an answer that holds more than its rows: all of it as JSON when asked for, otherwise by `rows`.
    pub(crate) fn whole<T: Serialize>(
        &self,
        answer: &T,
        rows: impl FnOnce(&T) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.output == Format::Json { json(answer) } else { rows(answer) }
    }

    /// As the option of one thing, where a command shows either a list or that.
    pub(crate) fn single(&self) -> Result<Single, Failure> {
        let output = match self.output {
            Format::Table => SingleFormat::Table,
            Format::Json => SingleFormat::Json,
            Format::Csv => {
                return Err(Failure::new("this is one thing and no list: there is no CSV of it")
                    .next("use -o table or -o json"));
            }
        };
        Ok(Single { output })
    }

    /// A time in a row: how long ago for people, when for programs.
    pub(crate) fn time(&self, time: Option<Timestamp>) -> String {
        match self.output {
            Format::Table => ago(time),
            Format::Json | Format::Csv => moment(time),
        }
    }
}

/// Prints rows as people read them, beside an answer that is no list; `cells` gives the columns of one.
pub(crate) fn rows<T>(rows: &[T], header: &[&str], cells: impl Fn(&T) -> Vec<String>) -> Result<(), Failure> {
    table(header, rows.iter().map(cells))
}

/// Prints a line.
pub(crate) fn line(text: impl AsRef<str>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", escape(text.as_ref()))?;
    Ok(())
}

/// Prints text that is meant to be kept as it is, such as a file.
pub(crate) fn raw(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Tells the person something beside the answer.
pub(crate) fn note(text: impl AsRef<str>) {
    // Notes are for whoever watches; with stderr closed nobody does.
    drop(writeln!(std::io::stderr(), "{}", escape(text.as_ref())));
}

/// Names and values, one a line, aligned.
pub(crate) fn fields(fields: &[(&str, String)]) -> Result<(), Failure> {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in fields {
        if !value.is_empty() {
            line(format!("{name:width$}  {value}"))?;
        }
    }
    Ok(())
}

/// Escaped as [`escape`] does it, for JSON, which stays the same value: outside its texts there are none of these characters but line ends,
/// and inside them serde has escaped those below U+0020.
fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && is_misleading(c) {
            // All of them are in the basic plane, so that one unit of UTF-16 says it.
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// A time to the second, as rows and sentences have it, or nothing; JSON has the microseconds.
pub(crate) fn moment(time: impl Into<Option<Timestamp>>) -> String {
    time.into().map(|time| time.whole_seconds().to_string()).unwrap_or_default()
}

/// How long ago a time is, as tables show it.
pub(crate) fn ago(time: Option<Timestamp>) -> String {
    let Some(time) = time else { return "never".to_owned() };
    let seconds = Timestamp::from_system(std::time::SystemTime::now()).seconds() - time.seconds();
    match seconds {
        ..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// A number of things: `1 check`, `2 checks`.
pub(crate) fn count(number: impl TryInto<u64>, thing: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A word of the API as people read it: `not_applicable` is `not applicable`.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word.replace('_', " "),
        _ => String::new(),
    }
}

fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new("can't write the answer").because(error))?;
    raw(&format!("{}\n", escape_json(&text)))
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<(), Failure> {
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    raw(&render(header, rows, colours))
}

fn render(header: &[&str], rows: impl Iterator<Item = Vec<String>>, colours: bool) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    // A row is a line, however narrow the terminal: it can be grepped, and pipes see what people see.
    table.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    if colours {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(header.iter().map(|name| Cell::new(name.to_uppercase()).add_attribute(Attribute::Bold)));
    for row in rows {
        table.add_row(row.iter().map(|text| cell(text)));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end().strip_prefix(' ').unwrap_or(line.trim_end()));
        text.push('\n');
    }
    text
}

fn cell(text: &str) -> Cell {
    let cell = Cell::new(if text.is_empty() { "-".to_owned() } else { escape(text) });
    match text {
        "compliant" | "pass" => cell.fg(Color::Green),
        "failing" | "fail" | "failed" => cell.fg(Color::Red),
        "pending" | "drifted" | "blocked" => cell.fg(Color::Yellow),
        "unknown" | "waiting" | "stale" | "unmanaged" | "registered" => cell.fg(Color::DarkGrey),
        _ => cell,
    }
}

fn csv(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_writer(std::io::stdout().lock());
    let failed = |error: csv::Error| Failure::new("can't write the answer").because(error);
    writer.write_record(header.iter().map(|name| name.replace(' ', "_"))).map_err(failed)?;
    for row in rows {
        writer.write_record(row.iter().map(|text| csv_cell(text))).map_err(failed)?;
    }
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_to_the_terminal_are_shown_not_given() {
        assert_eq!(escape("lap\u{1b}[2Jada\u{7}\n"), "lap\\u{1b}[2Jada\\u{7}\\n");
        assert_eq!(escape("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(escape("Zoë 東京"), "Zoë 東京");
    }

    #[test]
    fn json_gives_a_terminal_no_orders_and_stays_the_same_value() {
        let value =
            serde_json::json!({"name": "lap\u{9b}2J\u{7f}\u{202e}\u{1b}[2J\n", "plain": "Zoë 東京 🦀"});
        let text = escape_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(
            text.contains(r"lap\u009b2J\u007f\u202e\u001b[2J\n") && text.contains("Zoë 東京 🦀"),
            "{text}"
        );
        assert!(text.chars().all(|c| c == '\n' || !is_misleading(c)));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_long_cell_stays_on_its_line() {
        let rows = [vec!["x".repeat(300), String::new()], vec!["lap-ada".to_owned(), "failing".to_owned()]];
        let text = render(&["name", "compliance"], rows.into_iter(), false);
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().nth(2).unwrap().ends_with("failing"));
        assert!(!text.contains('\u{1b}'));
    }
}
