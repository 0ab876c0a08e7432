/** What a person can see of a result: its beginning as text, or as hex when it is none. Test: `test/dashboard/bytes-preview.test.ts`. */

/** Bytes that are looked at. */
export const previewBytesMax = 65_536;

export interface Preview {
  readonly kind: 'text' | 'hex';
  readonly text: string;
}

/** Bytes of a hex preview; more of it nobody reads. */
const hexBytesMax = 4_096;

/** @param isWhole  false when `bytes` is only the beginning: then a character may be cut in two at its end */
export function previewOf(bytes: Uint8Array, isWhole: boolean): Preview {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: !isWhole });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    if (!/[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/.test(text)) return { kind: 'text', text };
  } catch {
    // Not UTF-8.
  }
  return { kind: 'hex', text: hexDump(bytes.subarray(0, hexBytesMax)) };
}

function hexDump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines.join('\n');
}

/** The beginning of a body, at most `bytesMax`; the rest is not fetched. */
export async function beginningOf(
  body: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<{ readonly bytes: Uint8Array; readonly isWhole: boolean }> {
  const bytes = new Uint8Array(bytesMax);
  let length = 0;
  for await (const chunk of body) {
    const room = bytesMax - length;
    bytes.set(chunk.subarray(0, room), length);
    length += Math.min(room, chunk.length);
    // Leaving the loop ends the stream.
    if (chunk.length > room) return { bytes: bytes.subarray(0, length), isWhole: false };
  }
  return { bytes: bytes.subarray(0, length), isWhole: true };
}
