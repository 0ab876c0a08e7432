/**
 * Blobs by digest: hash here, send only what the server lacks.
 *
 * Why by content: the same module submitted a thousand times is stored and sent once, and a digest in a
 * signed job names exactly these bytes. `PUT` of what is there already changes nothing, so a repeat is safe.
 * Test: `test/cli/operator.test.ts`.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { Client } from './client.ts';
import { Problem } from './client.ts';
import { CommandError, usage } from './exit.ts';

/** Up to here one PUT is cheaper than first asking whether the blob is there, bytes. */
const askFirstBytesMin = 1024 * 1024;
/** As the server's largest possible `blobBytesMax`: beyond, nobody would take it, bytes. */
const blobBytesMax = 64 * 1024 * 1024;

/** Something to upload, with its digest and a way to read it (again). */
export interface Blob {
  readonly sha256: string;
  readonly bytes: number;
  readonly read: () => AsyncIterable<Uint8Array>;
}

/** Hashes a file, or standard input for `-`. `flag` names it in errors. */
export async function blobOf(file: string, flag: string): Promise<Blob> {
  if (file === '-') return blobOfBytes(await standardInput(flag));
  const info = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    throw usage(`${flag} ${file}: ${cause.code === 'ENOENT' ? 'no such file' : cause.message}`);
  });
  if (info.isDirectory()) throw usage(`${flag} ${file}: is a folder`);
  // A pipe or a device has no length and can't be read twice.
  if (!info.isFile()) return blobOfBytes(await collected(createReadStream(file), `${flag} ${file}`));
  if (info.size > blobBytesMax) throw tooLarge(`${flag} ${file}`, info.size);
  const hash = createHash('sha256');
  let bytes = 0;
  const read = (): AsyncIterable<Uint8Array> => createReadStream(file) as AsyncIterable<Uint8Array>;
  try {
    for await (const chunk of read()) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } catch (cause) {
    throw usage(`${flag} ${file}: ${(cause as Error).message}`);
  }
  return { sha256: hash.digest('hex'), bytes, read };
}

function blobOfBytes(data: Uint8Array): Blob {
  const read = async function* (): AsyncGenerator<Uint8Array> {
    yield data;
  };
  return { sha256: createHash('sha256').update(data).digest('hex'), bytes: data.length, read };
}

async function standardInput(flag: string): Promise<Uint8Array> {
  if (process.stdin.isTTY) process.stderr.write(`reading ${flag} from the terminal; end with Ctrl-D\n`);
  return collected(process.stdin, `${flag} -`);
}

async function collected(chunks: AsyncIterable<unknown>, name: string): Promise<Uint8Array> {
  const bounded = async function* (): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    for await (const chunk of chunks) {
      bytes += (chunk as Uint8Array).length;
      if (bytes > blobBytesMax) throw tooLarge(name, bytes);
      yield chunk as Uint8Array;
    }
  };
  return buffer(bounded() as unknown as NodeJS.ReadableStream);
}

const tooLarge = (name: string, bytes: number): CommandError =>
  new CommandError(
    'ERR_TOO_LARGE',
    `${name}: a blob has at most ${blobBytesMax} bytes, this one ${bytes} or more`,
  );

/** Makes sure that the server has the blob. Returns whether it had to be sent. */
export async function ensureUploaded(client: Client, blob: Blob, signal?: AbortSignal): Promise<boolean> {
  const path = `/v1/blobs/${blob.sha256}`;
  if (blob.bytes >= askFirstBytesMin && (await isThere(client, path))) return false;
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(blob.bytes) };
  const response = await client.open('PUT', path, { body: blob.read(), headers, signal });
  response.resume();
  return true;
}

async function isThere(client: Client, path: string): Promise<boolean> {
  try {
    (await client.open('HEAD', path)).resume();
    return true;
  } catch (error) {
    // The answer to HEAD has no body, so every refusal looks the same: then the PUT says why.
    if (error instanceof Problem || (error as CommandError).code === 'ERR_UNREACHABLE') return false;
    throw error;
  }
}
