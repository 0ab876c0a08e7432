/**
 * A request's body, read within limits.
 *
 * Why so careful: what a stranger sends is the one thing whose amount and pace is not ours. Bytes are counted as
 * they come, a body that does not come is given up, and nothing is read before the route wants it. The
 * socket survives a refusal, for the answer has to go out on it. Test: `test/intake/limits.test.ts`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import { BerthError } from '../errors.ts';
import type { Place } from './places.ts';
import type { Request } from './router.ts';

export interface ReadingOptions {
  readonly clock: Clock;
  /** A body that is read as text must be here within this time. */
  readonly textMsMax: number;
  readonly blobBytesMax: number;
  /** The client waits for a 100 before it sends: given only when the body is wanted. */
  readonly expectsContinue: boolean;
  readonly place: Place;
}

/** The router's view of a request that node:http has parsed. */
export function requestOf(
  incoming: IncomingMessage,
  response: ServerResponse,
  options: ReadingOptions,
): Request {
  const header = (name: string): string | null => {
    const value = incoming.headers[name];
    return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value;
  };
  const announced = announcedBytes(incoming);
  const begin = (bytesMax: number): AsyncIterable<Uint8Array> => {
    if (announced !== null && announced > bytesMax) throw tooLarge(bytesMax, announced);
    if (options.expectsContinue) response.writeContinue();
    // Leaving the loop early must not destroy the socket that the refusal goes out on.
    return limited(incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>, bytesMax);
  };
  return {
    method: incoming.method ?? '',
    target: incoming.url ?? '/',
    header,
    hasBody: announced === null ? incoming.headers['transfer-encoding'] !== undefined : announced > 0,
    text: async (bytesMax) => textOf(begin(bytesMax), options),
    bytes: () => {
      options.place.uploads();
      return begin(options.blobBytesMax);
    },
    belongsTo: (tenant) => options.place.belongsTo(tenant),
  };
}

function announcedBytes(incoming: IncomingMessage): number | null {
  const text = incoming.headers['content-length'];
  return text === undefined ? null : Number(text);
}

const tooLarge = (bytesMax: number, bytes: number | null): BerthError =>
  new BerthError(
    'ERR_TOO_LARGE',
    `the body has ${bytes ?? 'more'} ${bytes === null ? `than ${bytesMax}` : ''} bytes; at most ${bytesMax} are taken here`,
  );

async function* limited(source: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax, null);
    yield chunk;
  }
}

/** A whole body as text, or the reason why it was given up. What had come is let go then, not when the socket closes. */
function textOf(
  source: AsyncIterable<Uint8Array>,
  { clock, textMsMax, place }: ReadingOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let chunks: Uint8Array[] | null = [];
    const end = (): void => {
      chunks = null;
      offTime();
      offTurn();
    };
    const giveUp = (error: unknown): void => {
      end();
      reject(error);
    };
    const offTime = clock.after(textMsMax, () =>
      giveUp(new BerthError('ERR_BAD_REQUEST', `the body did not arrive within ${textMsMax} ms`)),
    );
    const offTurn = place.reads(() =>
      giveUp(new BerthError('ERR_BUSY', 'too many bodies are on their way, and this one has taken longest')),
    );
    const read = async (): Promise<void> => {
      for await (const chunk of source) {
        if (chunks === null) return;
        chunks.push(chunk);
      }
      if (chunks === null) return;
      const text = decoded(chunks);
      end();
      resolve(text);
    };
    read().catch(giveUp);
  });
}

function decoded(chunks: readonly Uint8Array[]): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new BerthError('ERR_BAD_REQUEST', 'the body is not UTF-8');
  }
}
