//! Calendar events of systemd.time(7), read as systemd reads them: a time that it can't read is refused where it is written. A device
//! asks its own systemd.

use std::collections::BTreeSet;

use crate::resource::value::TimeZone;

/// Words that are whole times; the fifth is how systemd once misspelled the fourth.
const SHORTHANDS: [&str; 13] = [
    "minutely",
    "hourly",
    "daily",
    "annually",
    "anually",
    "monthly",
    "weekly",
    "yearly",
    "quarterly",
    "semiannually",
    "semi-annually",
    "biannually",
    "bi-annually",
];

/// Days of the week in their order, by the full name first, since the short one begins it.
const WEEKDAYS: [[&str; 2]; 7] = [
    ["monday", "mon"],
    ["tuesday", "tue"],
    ["wednesday", "wed"],
    ["thursday", "thu"],
    ["friday", "fri"],
    ["saturday", "sat"],
    ["sunday", "sun"],
];

/// Zones that are called by one word which is not three to six capitals and digits.
const ONE_WORD_ZONES: [&str; 28] = [
    "Cuba",
    "Egypt",
    "Eire",
    "Factory",
    "GB-Eire",
    "Greenwich",
    "Hongkong",
    "Iceland",
    "Iran",
    "Israel",
    "Jamaica",
    "Japan",
    "Kwajalein",
    "Libya",
    "Navajo",
    "Poland",
    "Portugal",
    "Singapore",
    "Turkey",
    "Universal",
    "Zulu",
    "EST5EDT",
    "CST6CDT",
    "MST7MDT",
    "PST8PDT",
    "GB",
    "NZ",
    "NZ-CHAT",
];

/// Parts of a second are counted up to the sixth digit.
const SECOND: u32 = 1_000_000;

/// A part of a time and what it may be.
struct Field {
    said: &'static str,
    least: u32,
    most: u32,
}

const YEARS: Field = Field { said: "years are 1970 to 2199", least: 1970, most: 2199 };
const MONTHS: Field = Field { said: "months are 1 to 12", least: 1, most: 12 };
const DAYS: Field = Field { said: "days are 1 to 31", least: 1, most: 31 };
const HOURS: Field = Field { said: "hours are 0 to 23", least: 0, most: 23 };
const MINUTES: Field = Field { said: "minutes are 0 to 59", least: 0, most: 59 };
const SECONDS: Field = Field { said: "seconds are 0 to 59", least: 0, most: 60 * SECOND - 1 };

/// A value, or one to another, each so many apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    start: u32,
    stop: Option<u32>,
    step: u32,
}

impl Entry {
    /// With an end that a step leads to, or without one.
    fn normalized(self) -> Self {
        let Self { start, stop: Some(stop), step } = self else { return self };
        match stop.checked_sub(start).map(|range| range - range % step.max(1)) {
            Some(0) => Self { start, stop: None, step: 0 },
            Some(range) => Self { stop: Some(start + range), ..self },
            None => self,
        }
    }
}

/// Says what is wrong with a calendar event. Whether a device has its zone is known there alone, so any name that one could have is
/// taken.
pub(super) fn check(event: &str) -> Result<(), String> {
    let text = match event.rsplit_once(' ') {
        Some(("", _)) => return Err("there is no time before the zone".to_owned()),
        Some((before, zone)) if is_zone(zone) => before,
        _ => event,
    };
    if text.is_empty() {
        return Err("there is no time in it".to_owned());
    }
    if SHORTHANDS.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Ok(());
    }
    let rest = after_weekdays(text)?;
    if rest.starts_with(|first: char| first.is_ascii_alphabetic()) {
        let word = rest.split([' ', '.', ',', '-']).next().unwrap_or(rest);
        return Err(format!("{word:?} is no day of the week, and no word such as daily or weekly"));
    }
    match after_date(rest)? {
        "" => Ok(()),
        time => check_time(time),
    }
}

/// Whether this can be the name of a zone: `UTC`, `Europe/Berlin`, or as the device's own zone is called for short, such as `CEST`.
fn is_zone(word: &str) -> bool {
    let is_short = || {
        word.starts_with(|first: char| first.is_ascii_uppercase())
            && (3..=6).contains(&word.len())
            && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"+-".contains(&b))
    };
    let is_path = || word.contains('/') && TimeZone::parse(word).is_ok();
    let is_day = || WEEKDAYS.iter().flatten().any(|day| word.eq_ignore_ascii_case(day));
    word.eq_ignore_ascii_case("utc")
        || ((is_path() || is_short() || ONE_WORD_ZONES.contains(&word)) && !is_day())
}

/// What follows the days of the week; all of it where there are none.
fn after_weekdays(text: &str) -> Result<&str, String> {
    let mut left = text;
    let mut first_of_range = None;
    loop {
        let day = WEEKDAYS.iter().enumerate().find_map(|(number, names)| {
            let name = names.iter().find(|name| starts_with(left, name))?;
            Some((number, left.get(name.len()..)?))
        });
        let Some((number, rest)) = day else {
            return if left.len() == text.len() {
                Ok(text)
            } else {
                Err(format!("a day of the week is missing at {left:?}"))
            };
        };
        if first_of_range.is_some_and(|first| first > number) {
            return Err("days of the week go from Mon to Sun: write Fri..Sun,Mon for Fri..Mon".to_owned());
        }
        let (rest, opens_range) = match rest.as_bytes() {
            [] => return Ok(""),
            [b' ', ..] => return Ok(rest.trim_start_matches(' ')),
            [b'.', b'.', ..] => (&rest[2..], true),
            // As systemd wrote ranges once.
            [b'-', ..] => (&rest[1..], true),
            [b',', ..] => (&rest[1..], false),
            _ => return Err(format!("{rest:?} can't follow a day of the week")),
        };
        if opens_range && first_of_range.is_some() {
            return Err(format!("a range of days of the week has two ends: {text:?}"));
        }
        first_of_range = opens_range.then_some(number);
        if rest.is_empty() || rest.starts_with(' ') {
            // A comma may stand at the end, an open range may not.
            return match opens_range {
                true => Err("a range of days of the week has no end".to_owned()),
                false => Ok(rest.trim_start_matches(' ')),
            };
        }
        left = rest;
    }
}

fn starts_with(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// What follows the date; all of it where there is none, since what has a colon is a time.
fn after_date(text: &str) -> Result<&str, String> {
    if text.is_empty() {
        return Ok(text);
    }
    let (first, rest) = chain(text, false)?;
    if rest.is_empty() || rest.starts_with(':') {
        return Ok(text);
    }
    let (rest, mut from_end) = after_dash(rest)?;
    let (second, rest) = chain(rest, false)?;
    let (year, month, day, rest) = if rest.is_empty() || rest.starts_with(' ') {
        (vec![], first, second, rest)
    } else {
        let (rest, is_tilde) = after_dash(rest)?;
        if from_end {
            return Err("~ stands before the day only".to_owned());
        }
        from_end = is_tilde;
        let (third, rest) = chain(rest, false)?;
        (first, second, third, rest)
    };
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(format!("{rest:?} can't follow a date"));
    }
    check_field(&YEARS, year.into_iter().map(full_year), false)?;
    check_field(&MONTHS, month, false)?;
    check_field(&DAYS, day, from_end)?;
    Ok(rest.trim_start_matches(' '))
}

/// What follows the sign between two parts of a date, and whether that counts the days from the end of the month.
fn after_dash(text: &str) -> Result<(&str, bool), String> {
    match text.as_bytes().first() {
        Some(b'-') => Ok((&text[1..], false)),
        Some(b'~') => Ok((&text[1..], true)),
        _ => Err(format!(
            "{text:?} is neither the rest of a date, such as 2027-01-31, nor of a time, such as 02:00"
        )),
    }
}

/// A year of two digits is one of 1970 to 2069.
fn full_year(entry: Entry) -> Entry {
    Entry { start: full(entry.start), stop: entry.stop.map(full), ..entry }
}

fn full(year: u32) -> u32 {
    match year {
        0..70 => year + 2000,
        70..100 => year + 1900,
        _ => year,
    }
}

fn check_time(text: &str) -> Result<(), String> {
    let (hours, rest) = chain(text, false)?;
    let Some(rest) = rest.strip_prefix(':') else {
        return Err(format!("{text:?} is no time, which has hours and minutes, such as 02:00"));
    };
    let (minutes, rest) = chain(rest, false)?;
    check_field(&HOURS, hours, false)?;
    check_field(&MINUTES, minutes, false)?;
    if rest.is_empty() {
        return Ok(());
    }
    let Some(rest) = rest.strip_prefix(':') else {
        return Err(format!("{rest:?} can't follow the minutes, unless it is a time zone"));
    };
    let (seconds, rest) = chain(rest, true)?;
    check_field(&SECONDS, seconds, false)?;
    if rest.is_empty() {
        Ok(())
    } else {
        Err(format!("{rest:?} can't follow the seconds, unless it is a time zone"))
    }
}

/// A list of entries, and what follows it; none of a star, which is any.
fn chain(text: &str, is_seconds: bool) -> Result<(Vec<Entry>, &str), String> {
    if let Some(rest) = text.strip_prefix('*') {
        return Ok((vec![], rest));
    }
    let (mut entries, mut left) = (vec![], text);
    loop {
        let (entry, rest) = entry(left, is_seconds)?;
        entries.push(entry);
        match rest.strip_prefix(',') {
            Some(rest) => left = rest,
            None => return Ok((entries, rest)),
        }
    }
}

fn entry(text: &str, is_seconds: bool) -> Result<(Entry, &str), String> {
    let (start, rest) = number(text, is_seconds)?;
    let (stop, rest) = match rest.strip_prefix("..") {
        Some(rest) => number(rest, is_seconds).map(|(stop, rest)| (Some(stop), rest))?,
        None => (None, rest),
    };
    let step_of_range = if is_seconds { SECOND } else { 1 };
    let (step, rest) = match rest.strip_prefix('/') {
        Some(rest) => match number(rest, is_seconds)? {
            (0, _) => return Err(format!("a step of 0 leads nowhere: {text:?}")),
            stepped => stepped,
        },
        None if is_seconds && stop.is_some_and(|stop| stop < start.saturating_add(step_of_range)) => {
            return Err(format!("a range of seconds has one at least, or a step: {text:?}"));
        }
        None => (if stop.is_some() { step_of_range } else { 0 }, rest),
    };
    match rest.as_bytes().first() {
        None | Some(b' ' | b',' | b'-' | b'~' | b':') => Ok((Entry { start, stop, step }, rest)),
        _ => Err(format!("{rest:?} can't follow a number")),
    }
}

/// A number, in seconds with its parts, as millionths.
fn number(text: &str, is_seconds: bool) -> Result<(u32, &str), String> {
    let (digits, rest) = digits(text);
    if digits.is_empty() {
        return Err(match text {
            "" => "a number is missing at its end".to_owned(),
            _ => format!("a number is missing at {text:?}"),
        });
    }
    let too_large = || format!("{digits} is too large a number");
    let whole = digits.parse::<u32>().map_err(|_| too_large())?;
    let (value, rest) = if is_seconds {
        let whole = whole.checked_mul(SECOND).ok_or_else(too_large)?;
        // Two points are those of a range.
        match rest.strip_prefix('.').filter(|rest| !rest.starts_with('.')) {
            Some(rest) => {
                let (parts, rest) = millionths(rest)?;
                (whole.saturating_add(parts), rest)
            }
            None => (whole, rest),
        }
    } else {
        (whole, rest)
    };
    if i32::try_from(value).is_ok() { Ok((value, rest)) } else { Err(too_large()) }
}

/// The parts of a second behind its point, rounded to millionths.
fn millionths(text: &str) -> Result<(u32, &str), String> {
    let (digits, rest) = digits(text);
    if digits.is_empty() {
        return Err(format!("parts of a second are missing at {text:?}"));
    }
    let digit = |at: usize| digits.as_bytes().get(at).map_or(0, |digit| u32::from(digit - b'0'));
    let parts = (0..6).fold(0, |parts, at| parts * 10 + digit(at));
    Ok((parts + u32::from(digit(6) >= 5), rest))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// Whether all of these can come, as systemd counts: a step that leads nowhere in its range is none, and one without an end has room for
/// one. Days that count `from_end` of the month go down; of them systemd takes 28 and, in a list, three fewer for each that is before.
fn check_field(
    field: &Field,
    entries: impl IntoIterator<Item = Entry>,
    from_end: bool,
) -> Result<(), String> {
    let Field { said, least, mut most } = *field;
    let entries: BTreeSet<Entry> = entries.into_iter().map(Entry::normalized).collect();
    for Entry { start, stop, step } in entries {
        if from_end {
            most = most.saturating_sub(3);
        }
        let is_in = |value: u32| (least..=most).contains(&value);
        if !is_in(start) || !stop.is_none_or(is_in) {
            return Err(match from_end {
                true => "days from the end of a month are 1 to 28, and fewer in a list".to_owned(),
                false => said.to_owned(),
            });
        }
        match stop {
            Some(stop) if stop < start => {
                return Err("a range goes from the smaller to the larger number".to_owned());
            }
            Some(_) => {}
            None if from_end && start.saturating_sub(step) < least => {
                return Err("a step back from there leads out of the month".to_owned());
            }
            None if !from_end && start + step > most => {
                return Err(format!("a step from there leads nowhere: {said}"));
            }
            None => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
