/** Blobs are whole or absent, belong to one tenant, and fit their limits. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type Blobs, type BlobsOptions, emptyBlob, openBlobs } from '../../src/blobs/blobs.ts';
import { suite } from '../suite.ts';

const t = suite('blobs');
const limits = { blobBytesMax: 1_000, tenantBytesMax: 2_500 };
const hour = 3_600_000;

async function withBlobs(
  body: (blobs: Blobs, dir: string) => Promise<void>,
  more: Partial<BlobsOptions> = {},
) {
  const dir = await mkdtemp(join(tmpdir(), 'berth-blobs-'));
  try {
    await body(await openBlobs({ dir, ...limits, ...more }), dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const letters = (count: number, letter = 'x'): Uint8Array => bytesOf(letter.repeat(count));

async function* pieces(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

async function codeOf(action: () => Promise<unknown>): Promise<string | null> {
  return action().then(
    () => null,
    (error: { code?: string }) => error.code ?? String(error),
  );
}

async function joined(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

/** All files below the folder: what a refusal must not leave behind. */
const filesIn = async (dir: string): Promise<string[]> =>
  (await readdir(dir, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);

t('what is put comes back, under the digest of its bytes', () =>
  withBlobs(async (blobs) => {
    const stored = await blobs.put('acme', null, pieces(bytesOf('hel'), bytesOf('lo')));
    assert.equal(stored, { sha256: digestOf(bytesOf('hello')), bytes: 5 });
    assert.equal(bytesOf('hello'), new Uint8Array(await blobs.read('acme', stored.sha256)));
    assert.equal(await joined(blobs.stream('acme', stored.sha256)), bytesOf('hello'));
    assert.is(await blobs.size('acme', stored.sha256), 5);
    assert.is(await blobs.has('acme', stored.sha256), true);
    assert.is(blobs.usage('acme'), 5);
  }),
);

t('another tenant finds nothing under the same digest, and its own copy is its own', () =>
  withBlobs(async (blobs) => {
    const { sha256 } = await blobs.putBytes('acme', bytesOf('secret'));
    assert.is(await blobs.has('umbrella', sha256), false);
    assert.is(await blobs.size('umbrella', sha256), null);
    assert.is(await codeOf(() => blobs.read('umbrella', sha256)), 'ERR_BLOB_MISSING');
    assert.is(await codeOf(() => joined(blobs.stream('umbrella', sha256))), 'ERR_BLOB_MISSING');
    await blobs.putBytes('umbrella', bytesOf('secret'));
    assert.is(await blobs.has('umbrella', sha256), true);
    assert.is(blobs.usage('umbrella'), 6);
  }),
);

t('bytes that do not hash to the expected digest are refused and leave nothing', () =>
  withBlobs(async (blobs, dir) => {
    const expected = digestOf(bytesOf('other'));
    assert.is(await codeOf(() => blobs.put('acme', expected, pieces(bytesOf('bytes')))), 'ERR_BLOB_DIGEST');
    assert.equal(await filesIn(dir), []);
    assert.is(blobs.usage('acme'), 0);
  }),
);

t('a blob over its limit is refused at the chunk that passes it, without reading on', () =>
  withBlobs(async (blobs, dir) => {
    let read = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        read += 1;
        yield letters(400);
      }
    }
    assert.is(await codeOf(() => blobs.put('acme', null, endless())), 'ERR_TOO_LARGE');
    assert.is(read, 3);
    assert.is(await codeOf(() => blobs.putBytes('acme', letters(1_001))), 'ERR_TOO_LARGE');
    assert.equal(await filesIn(dir), []);
    assert.is(blobs.usage('acme'), 0);
    await blobs.putBytes('acme', letters(1_000));
  }),
);

t("a tenant's space is bounded, also for uploads that run at the same time", () =>
  withBlobs(async (blobs) => {
    const tries = await Promise.all(
      ['a', 'b', 'c', 'd', 'e'].map((letter) => codeOf(() => blobs.putBytes('acme', letters(800, letter)))),
    );
    assert.equal(tries.filter((code) => code === null).length, 3);
    assert.equal(tries.filter((code) => code === 'ERR_BLOB_QUOTA').length, 2);
    assert.is(blobs.usage('acme'), 2_400);
    await blobs.putBytes('umbrella', letters(800));
  }),
);

t('the same bytes put many times at once are stored and counted once', () =>
  withBlobs(async (blobs, dir) => {
    const bytes = letters(300);
    await Promise.all(Array.from({ length: 8 }, () => blobs.put('acme', null, pieces(bytes))));
    await blobs.putBytes('acme', bytes);
    assert.equal(await filesIn(dir), [digestOf(bytes)]);
    assert.is(blobs.usage('acme'), 300);
  }),
);

t('a known digest does not excuse from sending its bytes', () =>
  withBlobs(async (blobs) => {
    const { sha256 } = await blobs.putBytes('acme', bytesOf('hello'));
    assert.is(await codeOf(() => blobs.put('acme', sha256, pieces(bytesOf('not it')))), 'ERR_BLOB_DIGEST');
    assert.is(await codeOf(() => blobs.put('acme', sha256, pieces(bytesOf('hello')))), null);
    assert.is(blobs.usage('acme'), 5);
  }),
);

t('a source that breaks leaves nothing, and its error comes through', () =>
  withBlobs(async (blobs, dir) => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield letters(10);
      throw Object.assign(new Error('reset'), { code: 'ECONNRESET' });
    }
    assert.is(await codeOf(() => blobs.put('acme', null, broken())), 'ECONNRESET');
    assert.equal(await filesIn(dir), []);
    assert.is(blobs.usage('acme'), 0);
  }),
);

t('names that could lead out of the folder are refused everywhere', () =>
  withBlobs(async (blobs, dir) => {
    const good = digestOf(bytesOf('x'));
    for (const tenant of ['..', '.', '', 'a/b', 'a\0', '../acme', 'a'.repeat(65), '.draft-1']) {
      assert.is(await codeOf(() => blobs.put(tenant, null, pieces(bytesOf('x')))), 'ERR_BAD_REQUEST');
      assert.is(await codeOf(() => blobs.putBytes(tenant, bytesOf('x'))), 'ERR_BAD_REQUEST');
      assert.is(await codeOf(() => blobs.putBytes(tenant, bytesOf(''))), 'ERR_BAD_REQUEST');
      assert.is(await codeOf(() => blobs.read(tenant, good)), 'ERR_BAD_REQUEST');
    }
    for (const sha256 of ['..', '', `${good}/`, good.toUpperCase(), good.slice(1), `../../${good}`]) {
      assert.is(await codeOf(() => blobs.read('acme', sha256)), 'ERR_BAD_REQUEST');
      assert.is(await codeOf(() => blobs.has('acme', sha256)), 'ERR_BAD_REQUEST');
      assert.is(await codeOf(() => joined(blobs.stream('acme', sha256))), 'ERR_BAD_REQUEST');
      assert.is(await codeOf(() => blobs.put('acme', sha256, pieces(bytesOf('x')))), 'ERR_BAD_REQUEST');
    }
    assert.equal(await filesIn(dir), []);
  }),
);

t('the empty blob is always there and never on the disk', () =>
  withBlobs(async (blobs, dir) => {
    assert.is(emptyBlob, digestOf(bytesOf('')));
    assert.equal(await blobs.putBytes('acme', bytesOf('')), { sha256: emptyBlob, bytes: 0 });
    assert.equal(await blobs.put('acme', emptyBlob, pieces()), { sha256: emptyBlob, bytes: 0 });
    assert.is((await blobs.read('acme', emptyBlob)).length, 0);
    assert.is(await blobs.size('acme', emptyBlob), 0);
    assert.equal(await joined(blobs.stream('acme', emptyBlob)), new Uint8Array(0));
    assert.equal(await filesIn(dir), []);
  }),
);

t('a blob that the disk has spoilt is not handed out, and a new upload mends it', () =>
  withBlobs(async (blobs, dir) => {
    const { sha256 } = await blobs.putBytes('acme', bytesOf('hello'));
    for (const mend of [
      () => blobs.put('acme', sha256, pieces(bytesOf('hello'))),
      () => blobs.putBytes('acme', bytesOf('hello')),
    ]) {
      await writeFile(join(dir, 'acme', sha256), 'hallo!');
      assert.is(await codeOf(() => blobs.read('acme', sha256)), 'ERR_DIGEST_MISMATCH');
      await mend();
      assert.is(await readFile(join(dir, 'acme', sha256), 'utf8'), 'hello');
    }
  }),
);

t('collection removes what is old and not referred to, and nothing else', () =>
  withBlobs(async (blobs) => {
    const kept = await blobs.putBytes('acme', letters(100, 'k'));
    const gone = await blobs.putBytes('acme', letters(200, 'g'));
    const refers = (tenant: string, sha256: string): boolean => tenant === 'acme' && sha256 === kept.sha256;
    assert.equal(await blobs.collect(refers, hour, Date.now()), { blobs: 0, bytes: 0 });
    assert.equal(await blobs.collect(refers, hour, Date.now() + 2 * hour), { blobs: 1, bytes: 200 });
    assert.is(await blobs.has('acme', gone.sha256), false);
    assert.is(await blobs.has('acme', kept.sha256), true);
    assert.is(blobs.usage('acme'), 100);
  }),
);

t('a blob that is put again counts as young', () =>
  withBlobs(async (blobs) => {
    const stored = await blobs.putBytes('acme', letters(100));
    await new Promise((done) => setTimeout(done, 60));
    const later = Date.now();
    await blobs.putBytes('acme', letters(100));
    // Older than 40 ms by its first put, younger by its second.
    assert.equal(await blobs.collect(() => false, 40, later), { blobs: 0, bytes: 0 });
    assert.is(await blobs.has('acme', stored.sha256), true);
  }),
);

t('opening counts what is there and removes what a crash left half-written', () =>
  withBlobs(async (blobs, dir) => {
    const { sha256 } = await blobs.putBytes('acme', letters(700));
    await writeFile(join(dir, 'acme', '.draft-0123456789abcdef'), letters(300));
    await writeFile(join(dir, 'acme', 'readme'), 'not ours');
    const again = await openBlobs({ dir, ...limits });
    assert.is(again.usage('acme'), 700);
    assert.equal((await filesIn(dir)).sort(), [sha256, 'readme'].sort());
  }),
);

/** A file system of 1 MiB, or null where mounting is not permitted. */
function smallDisk(): string | null {
  const dir = mkdtempSync(join(tmpdir(), 'berth-small-'));
  const mounted =
    process.getuid?.() === 0 &&
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir]).status === 0;
  if (mounted) return dir;
  rmSync(dir, { recursive: true });
  return null;
}

const small = smallDisk();
const fullLaw =
  'a full disk is an answer, leaves nothing behind, and is forgotten when there is room again (tmpfs)';
if (small === null) t.skip(fullLaw, 'mounting a tmpfs is not permitted');
else {
  t.after(() => {
    spawnSync('umount', [small]);
    rmSync(small, { recursive: true, force: true });
  });
  t(fullLaw, async () => {
    const blobs = await openBlobs({
      dir: join(small, 'blobs'),
      blobBytesMax: 2 ** 22,
      tenantBytesMax: 2 ** 22,
    });
    await blobs.putBytes('acme', letters(1_000));
    const large = letters(2 ** 21);
    const error = await blobs.putBytes('acme', large).catch((thrown: Error & { code: string }) => thrown);
    assert.is((error as { code?: string }).code, 'ERR_READ_ONLY');
    assert.match((error as Error).message, 'full');
    assert.is((await filesIn(small)).length, 1);
    assert.is(blobs.usage('acme'), 1_000);
    await blobs.putBytes('acme', letters(2 ** 18));
  });
}

t.run();
