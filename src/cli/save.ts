/**
 * Writes a file whole or not at all: a broken connection must not leave half a result under its name.
 * Test: `test/cli/operator.test.ts`.
 */
import { open, rename, rm } from 'node:fs/promises';
import { usage } from './exit.ts';

/** Streams `chunks` into `file`. Throws ERR_USAGE when it can't be written; what `chunks` throws, as it is. */
export async function saveTo(file: string, chunks: AsyncIterable<string | Uint8Array>): Promise<number> {
  const draft = `${file}.${process.pid}.part`;
  const handle = await open(draft, 'wx').catch((cause: NodeJS.ErrnoException) => {
    throw usage(`${file}: ${cause.message}`);
  });
  let bytes = 0;
  try {
    for await (const chunk of chunks) {
      await handle.writeFile(chunk);
      bytes += Buffer.byteLength(chunk);
    }
    await handle.sync();
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  return bytes;
}
