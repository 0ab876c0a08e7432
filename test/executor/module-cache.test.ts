import * as assert from 'uvu/assert';
import { ModuleCache } from '../../src/executor/module-cache.ts';
import { suite } from '../suite.ts';

const t = suite('executor: module cache');

/** A store that counts its reads; a blob's bytes are as long as its name says. */
function store(bytesMax: number): { cache: ModuleCache; reads: string[] } {
  const reads: string[] = [];
  const read = async (tenant: string, sha256: string): Promise<Uint8Array> => {
    reads.push(`${tenant} ${sha256}`);
    return new Uint8Array(Number(sha256));
  };
  return { cache: new ModuleCache({ bytesMax, read }), reads };
}

t('a module is read once while it is remembered', async () => {
  const { cache, reads } = store(100);
  assert.is((await cache.get('acme', '40')).length, 40);
  assert.is((await cache.get('acme', '40')).length, 40);
  assert.equal(reads, ['acme 40']);
});

t('what one tenant has stored is not given to another', async () => {
  const { cache, reads } = store(100);
  await cache.get('acme', '40');
  await cache.get('globex', '40');
  assert.equal(reads, ['acme 40', 'globex 40']);
});

t('the least lately used goes first, and no more than the bound is kept', async () => {
  const { cache, reads } = store(100);
  for (const name of ['40', '50', '40', '30']) await cache.get('acme', name);
  await cache.get('acme', '40');
  await cache.get('acme', '50');
  assert.equal(reads, ['acme 40', 'acme 50', 'acme 30', 'acme 50']);
});

t('a module larger than the whole cache is handed through', async () => {
  const { cache, reads } = store(10);
  await cache.get('acme', '40');
  await cache.get('acme', '40');
  assert.is(reads.length, 2);
});

t.run();
