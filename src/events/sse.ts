/**
 * Server-sent events, read from a stream of bytes.
 *
 * Why SSE and not polling: the fact is here when it happens, over plain HTTP. Each event's id is its seq, so
 * after a break the stream goes on behind the last one seen. Test: `test/cli/client.test.ts`.
 */

export interface ServerEvent {
  /** Last id that the stream gave; empty before the first. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** Longest line, characters: a signed request of 64 KiB stands in one, with room to spare. */
const lineCharsMax = 4 * 1024 * 1024;

/** Events in order; comments (heartbeats) are skipped. Throws on an endless line. */
export async function* serverEvents(chunks: AsyncIterable<unknown>): AsyncGenerator<ServerEvent> {
  for await (const events of serverEventBatches(chunks)) yield* events;
}

/** The same, all events that a chunk completes together; none is empty. */
export async function* serverEventBatches(chunks: AsyncIterable<unknown>): AsyncGenerator<ServerEvent[]> {
  const decoder = new TextDecoder();
  let rest = '';
  let id = '';
  let event = 'message';
  let data: string[] = [];
  for await (const chunk of chunks) {
    const text = rest + decoder.decode(chunk as Uint8Array, { stream: true });
    const lines = text.split(/\r\n|\n/);
    rest = lines.pop() ?? '';
    if (rest.length > lineCharsMax) throw new Error(`an event has a line of over ${lineCharsMax} characters`);
    const events: ServerEvent[] = [];
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) events.push({ id, event, data: data.join('\n') });
        event = 'message';
        data = [];
        continue;
      }
      const colon = line.indexOf(':');
      if (colon === 0) continue;
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (name === 'data') data.push(value);
      if (name === 'event') event = value;
      if (name === 'id') id = value;
    }
    if (events.length > 0) yield events;
  }
}
