/**
 * The publication's cursor as one small file.
 *
 * Why written beside and renamed: a crash in the middle of a write must leave the old position or the new one, not
 * half a number. One that can't be read is no cursor. Test: `test/views/nats.test.ts`.
 */
import { open, readFile, rename } from 'node:fs/promises';
import type { CursorStore, Position } from './cursor.ts';

/** Keeps the position in `path`. */
export const cursorFile = (path: string): CursorStore => ({
  load: () => readPosition(path),
  save: (position) => writePosition(path, position),
});

async function writePosition(path: string, position: Position): Promise<void> {
  const draft = `${path}.tmp`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(position)}\n`);
    // Without it a power cut may leave the new name with nothing behind it.
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}

async function readPosition(path: string): Promise<Position | null> {
  try {
    const { seq, hash } = JSON.parse(await readFile(path, 'utf8')) as Partial<Position>;
    const sound = Number.isSafeInteger(seq) && Number(seq) > 0 && /^[0-9a-f]{64}$/.test(String(hash));
    return sound ? { seq: Number(seq), hash: String(hash) } : null;
  } catch {
    return null;
  }
}
