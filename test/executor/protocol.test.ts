/** The reader of the runner's pipe takes exactly the protocol, cut anywhere, and throws nothing but its own error. */
import * as assert from 'uvu/assert';
import { frameHead, ProtocolError, type Reply, ReplyReader, readReply } from '../../src/executor/protocol.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('executor/protocol');

const replies: [Reply, Buffer][] = [
  [{ type: 'hello' }, Buffer.alloc(0)],
  [{ type: 'need', fence: 3 }, Buffer.alloc(0)],
  [{ type: 'started', fence: 3 }, Buffer.alloc(0)],
  [{ type: 'log', fence: 3 }, Buffer.from('some text')],
  [{ type: 'exited', fence: 3, exitCode: 4_294_967_295 }, Buffer.alloc(5_000, 7)],
  [{ type: 'crashed', fence: 3, code: 'ERR_GUEST_TRAP', message: 'ünreachable' }, Buffer.alloc(0)],
];
const stream = Buffer.concat(
  replies.flatMap(([reply, payload]) => [frameHead(reply, payload.length), payload]),
);

function readAll(chunks: readonly Buffer[]): [Reply, Buffer][] {
  const taken: [Reply, Buffer][] = [];
  const reader = new ReplyReader({
    allow: () => 10_000,
    take: (reply, payload) => taken.push([reply, payload]),
  });
  for (const chunk of chunks) reader.feed(chunk);
  return taken;
}

/** Numbers below `below` that are the same for the same seed. */
function numbers(start: number): (below: number) => number {
  let state = start;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

t('a stream gives the same messages wherever it is cut', () => {
  assert.equal(readAll([stream]), replies);
  assert.equal(readAll([...stream].map((byte) => Buffer.from([byte]))), replies);
  for (let cut = 1; cut < stream.length; cut += 97) {
    assert.equal(readAll([stream.subarray(0, cut), stream.subarray(cut)]), replies);
  }
});

t('no byte of a payload is stored before it is allowed', () => {
  const reader = new ReplyReader({
    allow: () => {
      throw new ProtocolError('not now');
    },
    take: () => assert.unreachable(),
  });
  assert.throws(() => reader.feed(frameHead({ type: 'log', fence: 1 }, 4_000_000_000)), /not now/);
});

t('a payload longer than allowed is a misstep before it arrives', () => {
  const reader = new ReplyReader({ allow: () => 9, take: () => assert.unreachable() });
  assert.throws(() => reader.feed(frameHead({ type: 'log', fence: 1 }, 10)), /10 bytes; 9 allowed/);
});

t('only exact messages are messages', () => {
  const wrong = [
    '[]',
    'null',
    '"hello"',
    '{"type":"hello","fence":1}',
    '{"type":"started"}',
    '{"type":"started","fence":"1"}',
    '{"type":"started","fence":1.5}',
    '{"type":"started","fence":1,"__proto__":{}}',
    '{"type":"exited","fence":1,"exitCode":4294967296}',
    '{"type":"exited","fence":1,"exitCode":null}',
    '{"type":"crashed","fence":1,"code":"ERR_GUEST_SANDBOX","message":""}',
    '{"type":"crashed","fence":1,"code":"ERR_LOG_CONFLICT","message":""}',
    `{"type":"crashed","fence":1,"code":"ERR_GUEST_TRAP","message":"${'x'.repeat(513)}"}`,
  ];
  for (const json of wrong) assert.is(readReply(json), null, json);
});

t('changed bytes end in the protocol error or in messages, never in another error', () => {
  const next = numbers(seed());
  let refused = 0;
  for (let round = 0; round < runs(5_000); round++) {
    const changed = Buffer.from(stream);
    for (let count = next(4); count >= 0; count--) changed[next(changed.length)] = next(256);
    try {
      readAll([changed]);
    } catch (error) {
      assert.instance(error, ProtocolError);
      refused++;
    }
  }
  assert.ok(refused > 500, `${refused} refused`);
});

t.run();
