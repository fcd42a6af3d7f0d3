// Times as people say them, and as records keep them. Pure: `now` is an argument.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MONTH = 30 * DAY;
const YEAR = 365 * DAY;

const UNITS: [number, string, string][] = [
  [YEAR, 'year', 'years'],
  [MONTH, 'month', 'months'],
  [DAY, 'day', 'days'],
  [HOUR, 'h', 'h'],
  [MINUTE, 'min', 'min'],
  [1, 's', 's'],
];

/** A length of time in its largest whole unit: `42 s`, `3 min`, `5 h`, `2 days`. */
export function span(seconds: number, to: (n: number) => number = Math.floor): string {
  const whole = Math.max(0, Math.floor(seconds));
  for (const [size, one, many] of UNITS) {
    // Days are kept up to 60: "59 days" tells more than "1 month".
    if (size === MONTH && whole < 60 * DAY) continue;
    if (whole >= size) {
      const n = to(whole / size);
      return `${n} ${n === 1 ? one : many}`;
    }
  }
  return '0 s';
}

/** A point in time as seen from `now`: `3 min ago`, `in 12 days`. */
export function ago(then: number, now: number): string {
  const seconds = (now - then) / 1000;
  if (Math.abs(seconds) < 10) return 'just now';
  // Three days that were just given are three days, though some seconds of them are gone.
  return seconds >= 0 ? `${span(seconds)} ago` : `in ${span(-seconds, Math.round)}`;
}

const two = (n: number) => String(n).padStart(2, '0');

/** `2026-11-23 08:14:02 UTC`. */
export function utc(time: number): string {
  const d = new Date(time);
  return `${d.toISOString().slice(0, 10)} ${d.toISOString().slice(11, 19)} UTC`;
}

/** `2026-11-23 09:14:02 +01:00`, in the zone of the machine that shows it. */
export function local(time: number): string {
  const d = new Date(time);
  const offset = -d.getTimezoneOffset();
  const sign = offset < 0 ? '-' : '+';
  const zone = `${sign}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
  const date = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  return `${date} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())} ${zone}`;
}

/** The day of an RFC 3339 time in local time, such as `2026-11-23`. */
export function localDay(time: number): string {
  return local(time).slice(0, 10);
}
