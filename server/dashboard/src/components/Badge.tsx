// The one badge: icon and word, in the colour that the word has everywhere.
import './Badge.css';
import { Link } from '@tanstack/react-router';
import type { Opening } from './DataTable';
import { Icon } from './Icon';
import { look } from './words';

/** With `opening`, a badge that is not green opens its row, where its chain is. */
export function Badge({ word, opening }: { word: string; opening?: Opening }) {
  const { label, tone, icon } = look(word);
  const inside = (
    <>
      <Icon name={icon} />
      {label}
    </>
  );
  if (opening && tone !== 'good') {
    return (
      <button
        type="button"
        className="badge"
        data-tone={tone}
        onClick={opening.toggle}
        aria-expanded={opening.isOpen}
      >
        {inside}
      </button>
    );
  }
  return (
    <span className="badge" data-tone={tone}>
      {inside}
    </span>
  );
}

/** A badge that leads to the device's chain of causes, unless there is nothing to explain. */
export function DeviceBadge({ word, device }: { word: string; device: string }) {
  const { label, tone, icon } = look(word);
  if (tone === 'good') return <Badge word={word} />;
  return (
    <Link className="badge" data-tone={tone} to="/devices/$id" params={{ id: device }} hash="why">
      <Icon name={icon} />
      {label}
      <span className="hidden-visually">: why {device}</span>
    </Link>
  );
}
