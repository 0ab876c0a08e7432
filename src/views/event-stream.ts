/**
 * The JetStream stream `BERTH_EVT` that holds the published facts: made, checked, and asked for its last one.
 *
 * Why check what the server says it made: servers ignore settings that they don't know, and an operator may
 * have made the stream by hand. One that drops new messages, or takes them from elsewhere, would make
 * the order a guess. So the echo is compared, member by member, before the first fact is sent.
 * Test: `test/views/nats.test.ts`.
 */
import type { JetStreamManager, NatsConnection, StreamConfig, StreamInfo } from 'nats';
import { BerthError } from '../errors.ts';
import type { Position } from './cursor.ts';

export const streamName = 'BERTH_EVT';
export const eventPrefix = 'berth.v1.evt.';
/** Largest fact, bytes; the server must pass on at least as much. */
export const factBytesMax = 512 * 1024;
/** Order is checked by sequence, so the server needs no long memory of message ids, ns. */
const duplicateWindowNs = 1_000_000_000;
/** What to do about a stream that isn't ours. */
const remedy =
  'Give each data directory a NATS account of its own; or, when what the stream holds is not needed any more: ' +
  `nats stream purge ${streamName}`;

const errorCodes = {
  streamNotFound: 10_059,
  noMessage: 10_037,
  notEnabled: 10_076,
  notEnabledForAccount: 10_039,
} as const;

const fail = (message: string, cause?: unknown): BerthError => new BerthError('ERR_NATS', message, { cause });

/** Refuses a server through which some facts would not pass: found out now, not at the first big one. */
export function checkPayload({ info }: NatsConnection): void {
  const bytesMax = info?.max_payload ?? 0;
  if (bytesMax < factBytesMax) {
    throw fail(
      `the server passes on messages of at most ${bytesMax} bytes, and a fact may have ${factBytesMax}: set max_payload: 512KB`,
    );
  }
}

/** The stream as it is, made when it is missing. Throws ERR_NATS naming the setting that is off. */
export async function openStream(manager: JetStreamManager, bytesMax: number): Promise<StreamInfo> {
  let info: StreamInfo;
  try {
    info = await manager.streams.info(streamName).catch((error: unknown) => {
      if (apiCode(error) === errorCodes.streamNotFound) return manager.streams.add(wanted(bytesMax));
      throw error;
    });
  } catch (error) {
    throw fail(streamProblem(error), error);
  }
  checkEcho(info.config);
  return info;
}

/** The fact that came last. Throws ERR_NATS when the last message is none. */
export async function lastFact(manager: JetStreamManager, streamSeq: number): Promise<Position> {
  const message = await manager.streams.getMessage(streamName, { seq: streamSeq }).catch((error: unknown) => {
    throw fail(`the last message of ${streamName} can't be read: ${messageOf(error)}. ${remedy}`, error);
  });
  const id = message.header.get('Nats-Msg-Id');
  try {
    const { seq, hash } = JSON.parse(message.string()) as Partial<Position>;
    if (typeof hash === 'string' && Number.isSafeInteger(seq) && String(seq) === id)
      return { seq: Number(seq), hash };
  } catch {
    // Said below.
  }
  throw fail(
    `the last message of ${streamName} is no fact: someone else publishes on ${eventPrefix}>. ${remedy}`,
  );
}

/** Says that the stream holds what this log doesn't. */
export const foreign = (seq: number): BerthError =>
  fail(
    `${streamName} ends with fact ${seq} of another log, or of a newer copy of this one: nothing is published. ${remedy}`,
  );

const wanted = (bytesMax: number): Partial<StreamConfig> & { name: string } => ({
  name: streamName,
  subjects: [`${eventPrefix}>`],
  description: 'Facts of Berth in log order; Nats-Msg-Id is the seq. Written by the controller alone.',
  retention: 'limits' as StreamConfig['retention'],
  storage: 'file' as StreamConfig['storage'],
  // The oldest fall off: they are in the log, and a full stream must not stop the news.
  discard: 'old' as StreamConfig['discard'],
  max_bytes: bytesMax,
  max_consumers: -1,
  num_replicas: 1,
  duplicate_window: duplicateWindowNs,
  deny_delete: true,
});

function checkEcho(config: StreamConfig): void {
  const must: readonly [string, unknown, unknown][] = [
    ['subjects', String(config.subjects), `${eventPrefix}>`],
    ['storage', config.storage, 'file'],
    ['retention', config.retention, 'limits'],
    ['discard', config.discard, 'old'],
    ['no_ack', config.no_ack ?? false, false],
    ['sealed', config.sealed ?? false, false],
    ['mirror', config.mirror ? 'set' : 'none', 'none'],
    ['sources', config.sources?.length ?? 0, 0],
    ['max_bytes', config.max_bytes > 0 ? 'bounded' : 'unbounded', 'bounded'],
    [
      'max_msg_size',
      config.max_msg_size < 0 || config.max_msg_size >= factBytesMax ? 'enough' : config.max_msg_size,
      'enough',
    ],
  ];
  const off = must.find(([, is, wants]) => is !== wants);
  if (!off) return;
  const [member, is, wants] = off;
  throw fail(
    `stream ${streamName}: ${member} is ${String(is)}, must be ${String(wants)}. Mend it, or delete the stream and it is made anew`,
  );
}

const messageOf = (error: unknown): string => (error as Error).message;

const apiCode = (error: unknown): number | undefined =>
  (error as { api_error?: { err_code?: number } }).api_error?.err_code;

function streamProblem(error: unknown): string {
  const { code } = error as { code?: string };
  const api = apiCode(error);
  if (code === '503' || api === errorCodes.notEnabled || api === errorCodes.notEnabledForAccount) {
    return 'JetStream is not enabled: add "jetstream {}" to the server\'s configuration and "jetstream: enabled" to this account; facts are not published';
  }
  return `stream ${streamName} can't be opened: ${messageOf(error)}`;
}
