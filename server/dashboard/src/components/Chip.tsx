// A filter that a link has set; it can be taken away.
import { Icon } from './Icon';
import { visible } from './visible';

interface Props {
  what: string;
  name?: string;
  onRemove: () => void;
}

export function Chip({ what, name, onRemove }: Props) {
  if (!name) return null;
  return (
    <button type="button" className="iconbutton" onClick={onRemove}>
      {what} <span className="label">{visible(name)}</span>
      <Icon name="cross" size={11} />
      <span className="hidden-visually">remove</span>
    </button>
  );
}
