/** Sample guests as the page offers them: all of the folder, each described, within bounds, read once. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { sampleGuests } from '../src/sample-guests.ts';
import { suite } from './suite.ts';

const t = suite('sample guests');
const folder = fileURLToPath(new URL('../wasm/', import.meta.url));

t('every guest of the repository is offered, with its bytes, its digest and a sentence', async () => {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.wasm')).sort();
  assert.ok(files.length > 8);
  const guests = await sampleGuests(folder)();
  assert.equal(
    guests.map(({ name }) => `${name}.wasm`),
    files,
  );
  for (const { name, bytes, sha256, about } of guests) {
    assert.ok(Buffer.from(bytes).equals(await readFile(join(folder, `${name}.wasm`))), name);
    assert.is(sha256, createHash('sha256').update(bytes).digest('hex'), name);
    assert.match(about, /^[A-Z].{10,90}\.$/, name);
  }
});

t('without the folder there are none', async () => {
  assert.equal(await sampleGuests(join(tmpdir(), 'berth-no-such-folder'))(), []);
});

t('what is too large, badly named or no module is left out; the folder is read once', async () => {
  const own = await mkdtemp(join(tmpdir(), 'berth-guests-'));
  try {
    for (const name of ['mine.wasm', 'Bad Name.wasm', 'notes.md', 'huge.wasm'])
      await writeFile(join(own, name), 'x');
    await truncate(join(own, 'huge.wasm'), 1024 * 1024 + 1);
    const guests = sampleGuests(own);
    const [both, again] = await Promise.all([guests(), guests()]);
    assert.equal(
      both.map(({ name, about }) => [name, about]),
      [['mine', '']],
    );
    await writeFile(join(own, 'late.wasm'), 'x');
    assert.is(await guests(), both);
    assert.is(again, both);
  } finally {
    await rm(own, { recursive: true, force: true });
  }
});

t.run();
