/** A number beside its bound, as a bar and in figures. */
import { count } from './quantities.ts';

export function Bar({
  name,
  value,
  max,
}: {
  readonly name: string;
  readonly value: number;
  readonly max: number;
}) {
  const share = max === 0 ? 1 : Math.min(1, value / max);
  return (
    <div class="bar">
      <span>{name}</span>
      <span class="track" aria-hidden="true">
        <span class={share >= 1 ? 'fill full' : 'fill'} style={{ width: `${100 * share}%` }} />
      </span>
      <span class="figure">
        {count(value)} of {count(max)}
        {value >= max ? ' (full)' : ''}
      </span>
    </div>
  );
}
