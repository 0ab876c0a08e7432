/**
 * Text from outside, made harmless for a terminal.
 *
 * Why: a job's name, a guest's message or a log line may hold escape sequences that recolour, move the cursor,
 * or swap the order in which letters are shown. What a person reads must be what stands there.
 * Test: `test/cli/output.test.ts`.
 */

/** Control characters, and those that turn the direction of writing. */
const unsafe = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/** One line: every unsafe character as `\xNN` or `\uNNNN`. */
export function visible(text: string): string {
  return text.replaceAll(unsafe, escaped);
}

/** Several lines: as `visible`, but line ends and tabs stay. */
export function visibleLines(text: string): string {
  return text.replaceAll(unsafe, (character) =>
    character === '\n' || character === '\t' ? character : escaped(character),
  );
}

/** JSON that is safe to look at: JSON.stringify leaves DEL, C1 and bidirectional marks as they are. */
export function safeJson(value: unknown, indent?: number): string {
  // Control characters below 0x20 are escaped already, so the only such bytes left are our own line ends.
  return (JSON.stringify(value, null, indent) ?? 'null').replaceAll(unsafe, (character) =>
    character === '\n' ? character : `\\u${hex(character, 4)}`,
  );
}

function escaped(character: string): string {
  const code = character.charCodeAt(0);
  if (character === '\n') return '\\n';
  if (character === '\t') return '\\t';
  return code < 0x100 ? `\\x${hex(character, 2)}` : `\\u${hex(character, 4)}`;
}

const hex = (character: string, digits: number): string =>
  character.charCodeAt(0).toString(16).padStart(digits, '0');
