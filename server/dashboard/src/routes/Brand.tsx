// The name and its mark: a force called together, the last of it found in order.
import { Link } from '@tanstack/react-router';

export function Mark() {
  return (
    <svg viewBox="0 0 22 22" aria-hidden="true">
      <g fill="currentColor">
        <rect x="2" y="3" width="4" height="16" rx="1" />
        <rect x="9" y="3" width="4" height="16" rx="1" />
        <rect x="16" y="3" width="4" height="10" rx="1" />
      </g>
      <rect x="16" y="15" width="4" height="4" rx="1" fill="var(--good-fill)" />
    </svg>
  );
}

export function Brand() {
  return (
    <Link to="/" className="brand">
      <Mark />
      Muster
    </Link>
  );
}
