//! `uptime`: how long the machine has been up, from `/proc/uptime`.

use crate::column::{Request, Rows, Unreadable, columns, rows};
use crate::table::Table;

pub(crate) const TABLE: Table = Table {
    name: "uptime",
    description: "Time passed since the last boot.",
    columns: Row::COLUMNS,
    rows: make,
};

columns! {
    struct Row {
        days: i64 = Integer Plain, "Days of uptime";
        hours: i64 = Integer Plain, "Hours of uptime";
        minutes: i64 = Integer Plain, "Minutes of uptime";
        seconds: i64 = Integer Plain, "Seconds of uptime";
        total_seconds: i64 = BigInt Plain, "Total uptime seconds";
    }
}

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    let path = "/proc/uptime";
    let seconds = parse(&request.root.require(path)?)
        .ok_or_else(|| Unreadable(format!("{path} does not begin with a number of seconds")))?;
    Ok(rows(vec![Row {
        days: seconds / 86_400,
        hours: seconds / 3600 % 24,
        minutes: seconds / 60 % 60,
        seconds: seconds % 60,
        total_seconds: seconds,
    }]))
}

fn parse(uptime: &[u8]) -> Option<i64> {
    let whole = uptime.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(whole).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_seconds_are_read() {
        assert_eq!(parse(b"93784.56 1000.00\n"), Some(93_784));
        assert_eq!(parse(b""), None);
    }
}
