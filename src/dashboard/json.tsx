/** Data that is folded away until someone opens it: its first words, then all of it. */
import { useState } from 'preact/hooks';
import { Scroll } from './scroll.tsx';

/** Characters of the line that stands for the closed value. */
const summaryCharsMax = 120;

export function Json({ value, label }: { readonly value: unknown; readonly label?: string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="json" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <code>{label ?? summaryOf(value)}</code>
      </summary>
      {isOpen ? (
        <Scroll label="The data">
          <pre>{JSON.stringify(value, null, 2)}</pre>
        </Scroll>
      ) : null}
    </details>
  );
}

/** `deadlineMs 600000, after "attested"`: the members without the noise, cut. */
function summaryOf(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? '';
  const parts: string[] = [];
  let length = 0;
  for (const [name, member] of Object.entries(value)) {
    const part = `${name} ${shortOf(member)}`;
    length += part.length;
    if (length > summaryCharsMax) return `${parts.join(', ')}${parts.length > 0 ? ', ' : ''}…`;
    parts.push(part);
  }
  return parts.length > 0 ? parts.join(', ') : 'no data';
}

function shortOf(member: unknown): string {
  if (typeof member === 'string') return member.length > 40 ? `${member.slice(0, 24)}…` : member;
  if (Array.isArray(member)) return `[${member.length}]`;
  return member !== null && typeof member === 'object' ? '{…}' : String(member);
}
