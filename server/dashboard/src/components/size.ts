// Numbers of bytes as people read them.

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB'];

/** `512 bytes`, `1.5 MiB`: three figures at most, never rounded up to a unit that it does not reach. */
export function sized(bytes: number): string {
  if (bytes < 1024) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  let [rest, unit] = [bytes / 1024, 0];
  while (rest >= 1024 && unit < UNITS.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  const figures = rest < 100 ? Math.floor(rest * 10) / 10 : Math.floor(rest);
  return `${figures.toLocaleString('en')} ${UNITS[unit]}`;
}

/** The same, with the exact number behind it where that says more. */
export function sizedExactly(bytes: number): string {
  return bytes < 1024 ? sized(bytes) : `${sized(bytes)} (${bytes.toLocaleString('en')} bytes)`;
}
