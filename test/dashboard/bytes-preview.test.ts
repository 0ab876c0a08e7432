/** Previews: text as text, anything else as hex, and never more than the beginning is fetched. */
import * as assert from 'uvu/assert';
import { beginningOf, previewOf } from '../../src/dashboard/bytes-preview.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: previews of bytes');
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

t('UTF-8 is text, also when its last character was cut in two', () => {
  assert.equal(previewOf(bytesOf('grüße\n'), true), { kind: 'text', text: 'grüße\n' });
  assert.equal(previewOf(bytesOf('grü').subarray(0, 3), false), { kind: 'text', text: 'gr' });
  assert.is(previewOf(bytesOf('grü').subarray(0, 3), true).kind, 'hex');
});

t('floats and zeros are hex with offsets', () => {
  const { kind, text } = previewOf(Uint8Array.from([0, 65, 255, ...new Uint8Array(14), 66]), true);
  assert.is(kind, 'hex');
  const [first, second] = text.split('\n');
  assert.ok(first?.startsWith('00000000  00 41 ff 00'), first);
  assert.ok(first?.endsWith('  .A..............'), first);
  assert.ok(second?.startsWith('00000010  00 42 '), second);
});

t('a long body is left when its beginning is there', async () => {
  let sent = 0;
  async function* body(): AsyncGenerator<Uint8Array> {
    for (; sent < 100; sent += 1) yield new Uint8Array(10).fill(sent);
  }
  const { bytes, isWhole } = await beginningOf(body(), 25);
  assert.equal([...bytes.subarray(18)], [1, 1, 2, 2, 2, 2, 2]);
  assert.is(isWhole, false);
  assert.ok(sent < 4, `${sent} chunks read`);
});

t('a body of exactly the limit is whole', async () => {
  async function* body(): AsyncGenerator<Uint8Array> {
    yield bytesOf('abcd');
    yield bytesOf('ef');
  }
  const { bytes, isWhole } = await beginningOf(body(), 6);
  assert.is(new TextDecoder().decode(bytes), 'abcdef');
  assert.is(isWhole, true);
});

t.run();
