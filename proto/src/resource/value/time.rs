//! Values that say when, and in which language and by whose clock that is told.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{InvalidValue, host_name, word};

checked_string!(
    /// A time zone by its name in the IANA's database, such as `Europe/Berlin` or `Etc/UTC`.
    ///
    /// It becomes a part of a path: no part of it has a dot.
    TimeZone,
    "a time zone such as Europe/Berlin: at most 128 of letters, digits and _+-, in parts between slashes, beginning with a letter",
    "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$",
    |text| text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.split('/').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b))
        })
);

checked_string!(
    /// A time of the day to the minute, such as `02:30`.
    TimeOfDay,
    "a time from 00:00 to 23:59, in quotes",
    "^([01][0-9]|2[0-3]):[0-5][0-9]$",
    |text| text.len() == 5
        && text.split_once(':').is_some_and(|(hour, minute)| {
            let below = |digits: &str, end: u8| {
                digits.len() == 2
                    && digits.bytes().all(|b| b.is_ascii_digit())
                    && digits.parse().is_ok_and(|number: u8| number < end)
            };
            below(hour, 24) && below(minute, 60)
        })
);

impl TimeOfDay {
    /// Minutes since midnight.
    pub fn minutes(&self) -> u32 {
        let number = |digits: &str| digits.parse().unwrap_or(0);
        self.0.split_once(':').map_or(0, |(hour, minute): (&str, &str)| 60 * number(hour) + number(minute))
    }
}

checked_string!(
    /// A time server, by name or address.
    TimeServer,
    "a host name or an IPv4 or IPv6 address",
    "^[A-Za-z0-9:][A-Za-z0-9:.-]*$",
    |text| host_name(text, 253) || text.parse::<std::net::IpAddr>().is_ok()
);

checked_string!(
    /// A locale, such as `de_DE.UTF-8`, `sr_RS@latin` or `C.UTF-8`.
    LocaleName,
    "a locale such as de_DE.UTF-8: at most 64 of letters, digits and _.@-, beginning with a letter",
    "^[A-Za-z][A-Za-z0-9_.@-]{0,63}$",
    |text| word(text, 64, |b| b.is_ascii_alphabetic(), |b| b.is_ascii_alphanumeric() || b"_.@-".contains(&b))
);

checked_string!(
    /// The locale of one category, as locale.conf(5) writes it: `LC_TIME=de_DE.UTF-8`.
    ///
    /// Not of all of them: `LC_ALL` would leave nobody a choice.
    LocaleCategory,
    "a category and its locale, such as LC_TIME=de_DE.UTF-8; LC_ALL is none",
    "^LC_(CTYPE|NUMERIC|TIME|COLLATE|MONETARY|MESSAGES|PAPER|NAME|ADDRESS|TELEPHONE|MEASUREMENT|IDENTIFICATION)=[A-Za-z][A-Za-z0-9_.@-]{0,63}$",
    |text| {
        const CATEGORIES: [&str; 12] = [
            "LC_CTYPE",
            "LC_NUMERIC",
            "LC_TIME",
            "LC_COLLATE",
            "LC_MONETARY",
            "LC_MESSAGES",
            "LC_PAPER",
            "LC_NAME",
            "LC_ADDRESS",
            "LC_TELEPHONE",
            "LC_MEASUREMENT",
            "LC_IDENTIFICATION",
        ];
        text.split_once('=').is_some_and(|(category, locale)| {
            CATEGORIES.contains(&category) && LocaleName::parse(locale).is_ok()
        })
    }
);

checked_string!(
    /// When something happens, as systemd.time(7) writes calendar events: `Mon..Fri 02:00`, `*-*-01 04:30 Europe/Berlin`.
    /// Only its letters are looked at here: whether it is one says a review of the profile, and systemd.
    CalendarEvent,
    "a calendar event of systemd.time(7), such as Mon..Fri 02:00: at most 256 of letters, digits, blanks and *~,:/._+-",
    "^[A-Za-z0-9*][A-Za-z0-9 *~,:/._+-]{0,255}$",
    |text| word(text, 256, |b| b.is_ascii_alphanumeric() || b == b'*', |b| b.is_ascii_alphanumeric()
        || b" *~,:/._+-".contains(&b))
);

checked_string!(
    /// A length of time: a whole number and its unit, such as `90s`, `30m`, `2h` or `7d`.
    Span,
    "a length of time: a whole number and s, m, h or d, such as 30m",
    "^[1-9][0-9]{0,5}[smhd]$",
    |text| text.strip_suffix(['s', 'm', 'h', 'd']).is_some_and(|number| {
        word(number, 6, |b| (b'1'..=b'9').contains(&b), |b| b.is_ascii_digit())
    })
);

impl Span {
    /// How long it is, in seconds.
    pub fn seconds(&self) -> u64 {
        let (number, unit) = self.0.split_at(self.0.len() - 1);
        let of_unit = match unit {
            "d" => 86_400,
            "h" => 3_600,
            "m" => 60,
            _ => 1,
        };
        number.parse::<u64>().unwrap_or(0) * of_unit
    }
}
