import * as assert from 'uvu/assert';
import { createLogger, type LogLevel } from '../../src/observe/logger.ts';
import { suite } from '../suite.ts';
import { VirtualClock } from './world.ts';

const t = suite('observe/logger');

function lines(level: LogLevel = 'info', form: 'json' | 'text' = 'json') {
  const written: string[] = [];
  const logger = createLogger({
    write: (line) => written.push(line),
    clock: new VirtualClock(),
    level,
    form,
  });
  return { logger, written };
}

t('an entry is one line of JSON with time, level, message and fields', () => {
  const { logger, written } = lines();
  logger('warn', 'the disk is slow', { ms: 12, path: '/data' });
  assert.equal(written, [
    '{"at":"2023-11-14T22:13:20.000Z","level":"warn","message":"the disk is slow","ms":12,"path":"/data"}\n',
  ]);
});

t('entries below the level are dropped', () => {
  const { logger, written } = lines('warn');
  for (const level of ['error', 'warn', 'info', 'debug'] as const) logger(level, level);
  assert.equal(
    written.map((line) => JSON.parse(line).level),
    ['error', 'warn'],
  );
});

t('no text can break the line or reach the terminal as a command', () => {
  for (const form of ['json', 'text'] as const) {
    const { logger, written } = lines('info', form);
    const nasty = 'a\nb\r\u001b[31mred\u009b2J\u007f\u2028\u0000';
    logger('info', nasty, { [nasty]: nasty, list: [nasty], error: new Error(nasty) });
    assert.is(written.length, 1);
    assert.not.match(written[0]?.slice(0, -1) ?? '', /[\p{Cc}\u2028\u2029]/u);
    if (form === 'json') assert.is(JSON.parse(written[0] ?? '').message, nasty);
  }
});

t('a field cannot pass for the time, level or message of the entry', () => {
  const { logger, written } = lines();
  logger('info', 'true', { level: 'error', message: 'forged', at: 'never' });
  const entry = JSON.parse(written[0] ?? '');
  assert.equal([entry.level, entry.message, entry.message_], ['info', 'true', 'forged']);
});

t('texts, lists, nesting and lines have bounds', () => {
  const { logger, written } = lines();
  const deep = { a: { b: { c: { d: { e: 1 } } } } };
  logger('info', 'm'.repeat(10_000), { deep, list: Array.from({ length: 1_000 }, (_, at) => at) });
  const entry = JSON.parse(written[0] ?? '');
  assert.match(entry.message, /^m{4096}… \(10000 characters\)$/);
  assert.is(entry.list.length, 64);
  assert.is(entry.deep.a.b.c, '[nested deeper]');
  logger(
    'info',
    'wide',
    Object.fromEntries(Array.from({ length: 64 }, (_, at) => [`f${at}`, 'x'.repeat(4_000)])),
  );
  assert.ok((written[1]?.length ?? 0) < 32_768);
  assert.match(JSON.parse(written[1] ?? '').fieldsLeftOut, /at most 32768/);
});

t('it never throws, whatever it is given, and also when it cannot write', () => {
  const { logger, written } = lines();
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  const trap = Object.defineProperty({}, 'boom', { enumerable: true, get: () => assert.unreachable() });
  const values = {
    cyclic,
    big: 10n ** 30n,
    symbol: Symbol('s'),
    fn: () => 1,
    nan: Number.NaN,
    none: undefined,
    date: new Date(Number.NaN),
  };
  logger('error', 'odd', values);
  logger('error', 'trap', { trap });
  const chained = new Error('outer', { cause: new Error('inner') });
  logger('error', 'chain', { error: chained });
  assert.is(written.length, 3);
  assert.is(JSON.parse(written[0] ?? '').big, '1000000000000000000000000000000');
  assert.ok(JSON.parse(written[1] ?? '').fieldsLeftOut);
  assert.is(JSON.parse(written[2] ?? '').error.cause.message, 'inner');
  const broken = createLogger({
    write: () => {
      throw new Error('EPIPE');
    },
    clock: new VirtualClock(),
    level: 'info',
  });
  assert.not.throws(() => broken('error', 'lost'));
});

t('the text form says the same for a person', () => {
  const { logger, written } = lines('info', 'text');
  logger('warn', 'slow', { ms: 12, why: 'disk' });
  assert.equal(written, ['22:13:20.000 WARN  slow  ms=12  why="disk"\n']);
});

t.run();
