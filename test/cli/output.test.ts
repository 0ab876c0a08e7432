import { PassThrough, Writable } from 'node:stream';
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { StdoutClosed } from '../../src/cli/exit.ts';
import { type Column, durationText, type Format, Output } from '../../src/cli/output.ts';
import { safeJson, visible, visibleLines } from '../../src/cli/text.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('cli/output');

/** Everything but line ends that moves a cursor, starts a sequence or turns the direction. */
const unsafe = /(?!\n)\p{Cc}|[\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;

interface Row {
  readonly id: string;
  readonly n: number;
}
const columns: readonly Column<Row>[] = [
  { name: 'id', value: ({ id }) => id },
  { name: 'n', value: ({ n }) => String(n), right: true },
  { name: 'twice', value: ({ n }) => String(2 * n), wide: true },
];

function outputOf(format: Format, options: { terminal?: boolean; environment?: NodeJS.ProcessEnv } = {}) {
  const stdout = Object.assign(new PassThrough(), { isTTY: options.terminal === true });
  const stderr = Object.assign(new PassThrough(), { isTTY: options.terminal === true });
  const out = new Output({ format, stdout, stderr, environment: options.environment ?? {} });
  const read = (stream: PassThrough): string => String(stream.read() ?? '');
  return { out, stdout: () => read(stdout), stderr: () => read(stderr) };
}

const rows: Row[] = [
  { id: 'a', n: 1 },
  { id: 'long', n: 200 },
];

t('a table aligns its columns; wide shows more of them', async () => {
  const table = outputOf('table');
  await table.out.rows(rows, columns, 'none');
  assert.is(table.stdout(), 'ID      N\na       1\nlong  200\n');
  const wide = outputOf('wide');
  await wide.out.rows(rows, columns, 'none');
  assert.is(wide.stdout(), 'ID      N  TWICE\na       1  2\nlong  200  400\n');
});

t('json is one array, jsonl one object a line, and an empty list says so only to people', async () => {
  const json = outputOf('json');
  await json.out.rows(rows, columns, 'none');
  assert.equal(JSON.parse(json.stdout()), rows);
  const lines = outputOf('jsonl');
  await lines.out.rows(rows, columns, 'none');
  assert.is(lines.stdout(), '{"id":"a","n":1}\n{"id":"long","n":200}\n');
  const empty = outputOf('json');
  await empty.out.rows([], columns, 'none');
  assert.equal([empty.stdout(), empty.stderr()], ['[]\n', '']);
  const person = outputOf('table');
  await person.out.rows([], columns, 'none');
  assert.equal([person.stdout(), person.stderr()], ['', 'none\n']);
});

t('colour goes to a terminal only, and not with NO_COLOR or a dumb one', () => {
  assert.is(outputOf('table', { terminal: true }).out.bold('x'), '\u001b[1mx\u001b[0m');
  assert.is(outputOf('table').out.bold('x'), 'x');
  assert.is(outputOf('table', { terminal: true, environment: { NO_COLOR: '1' } }).out.bold('x'), 'x');
  assert.is(outputOf('table', { terminal: true, environment: { TERM: 'dumb' } }).out.bold('x'), 'x');
});

t('no text from outside controls the terminal, in any format', async () => {
  const evil = 'a\u001b[2Jb\u009b31m\u202ec\u0007\r\n\u2028';
  assert.is(visible('\u001b[2J\u202e'), '\\x1b[2J\\u202e');
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'binary' }),
      fc.constantFrom<Format>('table', 'wide', 'json', 'jsonl'),
      async (text, format) => {
        const { out, stdout } = outputOf(format, { terminal: true, environment: { NO_COLOR: '1' } });
        const row = { id: text + evil, n: 1 };
        await out.rows([row], columns, 'none');
        await out.one(row, [['id', row.id]]);
        await out.line(row.id);
        const shown = stdout();
        assert.not.match(shown, unsafe);
        assert.is(unsafe.test(visibleLines(row.id).replaceAll('\t', '')), false);
        if (format === 'jsonl') assert.equal(JSON.parse(shown.split('\n')[0] ?? ''), row);
      },
    ),
    { seed: seed(), numRuns: runs(100) },
  );
});

t('safe JSON is still the same JSON', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.equal(JSON.parse(safeJson(value, 2)), JSON.parse(JSON.stringify(value)));
    }),
    { seed: seed(), numRuns: runs(100) },
  );
});

t('bytes pass exactly to a pipe, and are made visible on a terminal unless raw', async () => {
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from([0x1b, 0x5b, 0xff, 0xc3]);
    yield Buffer.from([0xa9, 0x0a]);
  };
  const seen: Buffer[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _, done) => {
      seen.push(chunk);
      done();
    },
  });
  const out = new Output({ format: 'table', stdout: sink, stderr: new PassThrough(), environment: {} });
  await out.bytes(chunks());
  assert.equal(Buffer.concat(seen), Buffer.from([0x1b, 0x5b, 0xff, 0xc3, 0xa9, 0x0a]));
  const terminal = outputOf('table', { terminal: true });
  await terminal.out.bytes(chunks());
  assert.is(terminal.stdout(), '\\x1b[\ufffdé\n');
});

t('a reader that went away ends the writing with StdoutClosed, and a slow one is waited for', async () => {
  const broken = new Writable({
    write: (_chunk, _, done) => done(Object.assign(new Error('gone'), { code: 'EPIPE' })),
  });
  const out = new Output({ format: 'table', stdout: broken, stderr: new PassThrough(), environment: {} });
  try {
    for (let i = 0; i < 10; i += 1) {
      await out.write('x'.repeat(100_000));
      await new Promise((resume) => setImmediate(resume));
    }
    assert.unreachable('ten writes to nobody');
  } catch (error) {
    assert.instance(error, StdoutClosed);
  }
  const slow = Object.assign(new PassThrough({ highWaterMark: 1 }), { isTTY: false });
  const patient = new Output({ format: 'table', stdout: slow, stderr: new PassThrough(), environment: {} });
  let written = false;
  const writing = patient.write('abc').then(() => {
    written = true;
  });
  await new Promise((resume) => setImmediate(resume));
  assert.is(written, false);
  slow.resume();
  await writing;
  const listeners = slow.listenerCount('close');
  for (let i = 0; i < 50; i += 1) await patient.write('abc');
  assert.is(slow.listenerCount('close'), listeners, 'no write leaves a listener behind');
});

t('durations are short and have units', () => {
  assert.equal([340, 12_300, 250_000, 7_500_000].map(durationText), [
    '340 ms',
    '12.3 s',
    '4 m 10 s',
    '2 h 5 m',
  ]);
});

t.run();
